/* SPDX-License-Identifier: Apache-2.0 */
/* One line, one write: timestamp, level, process, topic, text. */
#include "base/log.h"

#include "base/clock.h"
#include "base/utf8.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>

enum { TOPICS_MAX = 64, TOPIC_SIZE = 32, LINE_SIZE = 4096 };

/* Written under the lock. Levels are read without it, as atomics; the sink is set before threads start. */
static struct {
	pthread_mutex_t lock;
	rv_log_sink_fn sink;
	void *sink_arg;
	int root; /* rv_log_level */
	char process[64];
	struct {
		char name[TOPIC_SIZE];
		int level; /* rv_log_level */
	} topics[TOPICS_MAX];
	size_t topic_count;
} logs = {.lock = PTHREAD_MUTEX_INITIALIZER, .root = RV_LOG_INFO};

static const char *const words[] = {"OFF  ", "ERROR", "WARN ", "INFO ", "DEBUG"};

void rv_log_set_sink(rv_log_sink_fn sink, void *arg)
{
	logs.sink = sink;
	logs.sink_arg = arg;
}

void rv__log_set_process(const char *name)
{
	pthread_mutex_lock(&logs.lock);
	snprintf(logs.process, sizeof logs.process, "%s", name);
	pthread_mutex_unlock(&logs.lock);
}

void rv__log_set_level(const char *topic, rv_log_level level)
{
	size_t i = 0;

	pthread_mutex_lock(&logs.lock);
	if (!topic || strcasecmp(topic, "root") == 0) {
		__atomic_store_n(&logs.root, (int)level, __ATOMIC_RELAXED);
	} else {
		while (i < logs.topic_count && strcmp(logs.topics[i].name, topic) != 0)
			i++;
		if (i < TOPICS_MAX) {
			/* A name is written once, before its row can be seen. */
			if (i == logs.topic_count)
				snprintf(logs.topics[i].name, TOPIC_SIZE, "%s", topic);
			__atomic_store_n(&logs.topics[i].level, (int)level, __ATOMIC_RELAXED);
			if (i == logs.topic_count)
				__atomic_store_n(&logs.topic_count, i + 1, __ATOMIC_RELEASE);
		}
	}
	pthread_mutex_unlock(&logs.lock);
}

bool rv_log_enabled(rv_log_level level, const char *topic)
{
	size_t count = __atomic_load_n(&logs.topic_count, __ATOMIC_ACQUIRE);

	for (size_t i = 0; i < count; i++)
		if (strcmp(logs.topics[i].name, topic) == 0)
			return (int)level <= __atomic_load_n(&logs.topics[i].level, __ATOMIC_RELAXED);
	return (int)level <= __atomic_load_n(&logs.root, __ATOMIC_RELAXED);
}

static size_t write_prefix(char *line, size_t size, rv_log_level level, const char *topic)
{
	int64_t now = rv__wall_ms();
	time_t seconds = (time_t)(now / 1000);
	struct tm utc;
	size_t length;

	gmtime_r(&seconds, &utc);
	length = strftime(line, size, "%Y-%m-%dT%H:%M:%S", &utc);
	pthread_mutex_lock(&logs.lock);
	length += (size_t)snprintf(line + length, size - length, ".%03dZ %s %s%s[%s] ", (int)(now % 1000),
	    words[level], logs.process, logs.process[0] ? " " : "", topic);
	pthread_mutex_unlock(&logs.lock);
	return length;
}

void rv_vlog(rv_log_level level, const char *topic, const char *format, va_list args)
{
	char line[LINE_SIZE];
	size_t start;
	size_t length;

	if (level <= RV_LOG_OFF || level > RV_LOG_DEBUG || !rv_log_enabled(level, topic))
		return;
	start = write_prefix(line, sizeof line, level, topic);
	vsnprintf(line + start, sizeof line - start - 1, format, args);
	length = start + rv__utf8_cut(line + start, strlen(line + start), sizeof line - start - 8);
	line[length] = '\0';
	rv__text_flatten(line + start);
	if (logs.sink) {
		logs.sink(level, topic, line, logs.sink_arg);
		return;
	}
	line[length] = '\n';
	/* One write keeps lines of several threads apart; a lost log line is no error of the caller. */
	if (write(STDERR_FILENO, line, length + 1) < 0)
		return;
}

void rv_log(rv_log_level level, const char *topic, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	rv_vlog(level, topic, format, args);
	va_end(args);
}
