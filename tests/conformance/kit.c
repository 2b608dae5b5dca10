/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/conformance/kit.h"

#include "base/clock.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *kit_destination(void)
{
	static char names[16][64];
	static int next;
	char *name = names[next++ % 16];

	snprintf(name, sizeof names[0], "conformance-%08llx-%d",
	    (unsigned long long)rv__random() & 0xffffffff, next);
	return name;
}

const char *kit_group(const char *group, const char *destination)
{
	static char names[16][96];
	static int next;
	char *name = names[next++ % 16];

	snprintf(name, sizeof names[0], "%s-%.*s", group, (int)strcspn(destination, ", "), destination);
	return name;
}

/* -- recorders -------------------------------------------------------------------------------- */

void kit_recorder_init(struct kit_recorder *recorder)
{
	memset(recorder, 0, sizeof *recorder);
	pthread_mutex_init(&recorder->lock, NULL);
	recorder->failure = RV_RETRY;
}

void kit_recorder_finish(struct kit_recorder *recorder)
{
	rv_message_unref(recorder->kept);
	free(recorder->records);
	pthread_mutex_destroy(&recorder->lock);
}

static void record(struct kit_recorder *recorder, const rv_message *message)
{
	struct kit_record *record;

	if (recorder->count == recorder->room) {
		recorder->room = recorder->room ? recorder->room * 2 : 64;
		recorder->records = realloc(recorder->records, recorder->room * sizeof *recorder->records);
	}
	record = &recorder->records[recorder->count++];
	snprintf(record->text, sizeof record->text, "%.60s", rv_message_text(message));
	snprintf(record->id, sizeof record->id, "%s", rv_message_id(message));
	record->partition = rv_message_partition(message);
	record->position = (long long)rv_message_position(message);
	record->attempt = rv_message_attempt(message);
	rv_message_unref(recorder->kept);
	recorder->kept = rv_message_ref(message);
}

static void note_most(struct kit_recorder *recorder, int running)
{
	int most = atomic_load(&recorder->most);

	while (running > most && !atomic_compare_exchange_weak(&recorder->most, &most, running))
		;
}

rv_verdict kit_listen(const rv_message *message, void *context)
{
	struct kit_recorder *recorder = context;
	rv_verdict verdict = RV_ACK;
	struct timespec busy = {.tv_nsec = recorder->busy_us * 1000L};

	note_most(recorder, atomic_fetch_add(&recorder->running, 1) + 1);
	pthread_mutex_lock(&recorder->lock);
	record(recorder, message);
	if (recorder->defer) {
		recorder->taken = rv_delivery_take(message);
		verdict = RV_DEFER;
	}
	pthread_mutex_unlock(&recorder->lock);
	if (busy.tv_nsec)
		nanosleep(&busy, NULL);
	for (unsigned turn = 0; atomic_load(&recorder->blocked); turn++)
		wait_pause(turn);
	if (verdict == RV_ACK && recorder->fail_text) {
		verdict = strstr(rv_message_text(message), recorder->fail_text) ? recorder->failure : RV_ACK;
	} else if (verdict == RV_ACK && atomic_load(&recorder->fail_first) > 0) {
		atomic_fetch_sub(&recorder->fail_first, 1);
		verdict = recorder->failure;
	}
	atomic_fetch_sub(&recorder->running, 1);
	return verdict;
}

size_t kit_count(struct kit_recorder *recorder)
{
	size_t count;

	pthread_mutex_lock(&recorder->lock);
	count = recorder->count;
	pthread_mutex_unlock(&recorder->lock);
	return count;
}

static int compare_texts(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

size_t kit_distinct(struct kit_recorder *recorder)
{
	const char **texts;
	size_t distinct = 0;

	pthread_mutex_lock(&recorder->lock);
	texts = malloc((recorder->count + 1) * sizeof *texts);
	for (size_t i = 0; i < recorder->count; i++)
		texts[i] = recorder->records[i].text;
	qsort(texts, recorder->count, sizeof *texts, compare_texts);
	for (size_t i = 0; i < recorder->count; i++)
		distinct += i == 0 || strcmp(texts[i], texts[i - 1]) != 0;
	pthread_mutex_unlock(&recorder->lock);
	free(texts);
	return distinct;
}

bool kit_has(struct kit_recorder *recorder, const char *text)
{
	bool found = false;

	pthread_mutex_lock(&recorder->lock);
	for (size_t i = 0; i < recorder->count && !found; i++)
		found = strcmp(recorder->records[i].text, text) == 0;
	pthread_mutex_unlock(&recorder->lock);
	return found;
}

static bool has_any(struct kit_recorder *const *recorders, size_t count, const char *text)
{
	for (size_t i = 0; i < count; i++)
		if (kit_has(recorders[i], text))
			return true;
	return false;
}

void kit_await_all(struct kit_recorder *const *recorders, size_t count, const char *prefix, int from, int to)
{
	for (int i = from; i < to; i++) {
		char text[64];

		snprintf(text, sizeof text, "%s%d", prefix, i);
		ck_assert_msg(
		    wait_until(KIT_SOON_MS, has_any(recorders, count, text)), "%s is missing", text);
	}
}

int kit_partition_of(struct kit_recorder *recorder, const char *text)
{
	int partition = -1;

	WAIT_UNTIL(KIT_SOON_MS, kit_has(recorder, text));
	pthread_mutex_lock(&recorder->lock);
	for (size_t i = 0; i < recorder->count; i++)
		if (strcmp(recorder->records[i].text, text) == 0)
			partition = recorder->records[i].partition;
	pthread_mutex_unlock(&recorder->lock);
	return partition;
}

rv_delivery *kit_taken(struct kit_recorder *recorder)
{
	rv_delivery *delivery;

	pthread_mutex_lock(&recorder->lock);
	delivery = recorder->taken;
	recorder->taken = NULL;
	pthread_mutex_unlock(&recorder->lock);
	return delivery;
}

/* -- services ------------------------------------------------------------------------------------- */

void kit_property(struct kit_service *service, const char *format, ...)
{
	char *text = NULL;
	char *argument = NULL;
	va_list args;

	va_start(args, format);
	ck_assert_int_ge(vasprintf(&text, format, args), 0);
	va_end(args);
	ck_assert_int_lt(service->argument_count, 60);
	ck_assert_int_ge(asprintf(&argument, "--%s", text), 0);
	free(text);
	service->arguments[service->argument_count++] = argument;
}

void kit_service_init(struct kit_service *service)
{
	memset(service, 0, sizeof *service);
	service->arguments[service->argument_count++] = strdup("conformance");
	kit_property(service, "spring.cloud.stream.default-binder=%s", kit_type);
	kit_property(service, "server.port=-1");
	kit_property(service, "logging.level.root=warn");
	/* Bounds against hanging, for a machine that hangs for a while itself; a case that looks at one sets its own. */
	kit_property(service, "rivulet.default.producer.send-timeout=20s");
	kit_property(service, "rivulet.stop-deadline=60s");
	for (int i = 0; i < kit_argument_count; i++)
		kit_property(service, "%s", kit_arguments[i] + 2);
}

static void on_ready(rv_app *app, void *context)
{
	struct kit_service *service = context;

	(void)app;
	atomic_store(&service->ready, true);
}

void kit_service_create(struct kit_service *service)
{
	service->app = rv_app_create("conformance", service->argument_count, service->arguments);
	ck_assert_ptr_nonnull(service->app);
	for (int i = 0; i < service->argument_count; i++)
		free(service->arguments[i]);
	rv_app_on_ready(service->app, on_ready, service);
}

static void *run(void *arg)
{
	struct kit_service *service = arg;

	service->status = rv_app_run(service->app);
	atomic_store(&service->over, true);
	return NULL;
}

void kit_service_launch(struct kit_service *service)
{
	ck_assert_int_eq(pthread_create(&service->thread, NULL, run, service), 0);
}

void kit_service_start(struct kit_service *service)
{
	kit_service_launch(service);
	kit_service_await(service);
}

void kit_service_await(struct kit_service *service)
{
	char why[256] = "";

	WAIT_UNTIL(KIT_SOON_MS, atomic_load(&service->ready) || atomic_load(&service->over));
	ck_assert_msg(!atomic_load(&service->over), "the service ended with status %d", service->status);
	ck_assert_msg(
	    wait_until(KIT_SOON_MS, rv__app_is_ready((struct rv__host *)service->app, why, sizeof why)),
	    "not ready: %s", why);
}

int kit_service_stop(struct kit_service *service)
{
	rv_app_request_stop(service->app);
	pthread_join(service->thread, NULL);
	return service->status;
}

void kit_consumer(struct kit_service *service, const char *destination, const char *group,
    struct kit_recorder *recorder, const char *const *more)
{
	kit_service_init(service);
	kit_property(service, "spring.cloud.stream.bindings.input.destination=%s", destination);
	if (group)
		kit_property(
		    service, "spring.cloud.stream.bindings.input.group=%s", kit_group(group, destination));
	for (; more && *more; more++)
		kit_property(service, "%s", *more);
	kit_service_create(service);
	rv_app_enable_binding(service->app, RV_SINK);
	rv_app_listen(service->app, RV_SINK_INPUT, kit_listen, recorder);
	kit_service_start(service);
}

rv_channel *kit_producer(struct kit_service *service, const char *destination, const char *const *more)
{
	kit_service_init(service);
	kit_property(service, "spring.cloud.stream.bindings.output.destination=%s", destination);
	for (; more && *more; more++)
		kit_property(service, "%s", *more);
	kit_service_create(service);
	rv_app_enable_binding(service->app, RV_SOURCE);
	kit_service_start(service);
	return rv_app_channel(service->app, RV_SOURCE_OUTPUT);
}

void kit_send(rv_channel *output, const char *prefix, int from, int to)
{
	for (int i = from; i < to; i++) {
		struct rv_error error = {0};
		char text[64];
		rv_message *message;
		rv_err code;

		snprintf(text, sizeof text, "%s%d", prefix, i);
		message = rv_message_create_text(text);
		code = rv_channel_send(output, message, &error);
		ck_assert_msg(code == RV_OK, "%s: %s", text, error.text);
		rv_message_unref(message);
	}
}

/* -- lines --------------------------------------------------------------------------------------------- */

void kit_line_begin(struct kit_line *line, const char *const *more)
{
	line->destination = kit_destination();
	kit_recorder_init(&line->recorder);
	line->output = kit_producer(&line->producer, line->destination, more);
}

void kit_line_join(struct kit_line *line, const char *const *more)
{
	kit_consumer(&line->consumer, line->destination, "g", &line->recorder, more);
}

void kit_line_start(struct kit_line *line, const char *const *consumer_more, const char *const *producer_more)
{
	kit_line_begin(line, producer_more);
	kit_line_join(line, consumer_more);
}

void kit_line_send(struct kit_line *line, rv_message *message)
{
	struct rv_error error = {0};

	ck_assert_msg(rv_channel_send(line->output, message, &error) == RV_OK, "%s", error.text);
}

void kit_line_stop(struct kit_line *line)
{
	ck_assert_int_eq(kit_service_stop(&line->consumer), 0);
	ck_assert_int_eq(kit_service_stop(&line->producer), 0);
	kit_recorder_finish(&line->recorder);
}

/* -- looking ------------------------------------------------------------------------------------------ */

struct glance {
	char state[16];
	char dead_letters[256];
	bool core_dead_letters;
	struct rv__binding_counters counters;
};

static void look(void *arg, const struct rv__binding_view *view)
{
	struct glance *glance = arg;

	snprintf(glance->state, sizeof glance->state, "%s", view->true_state);
	snprintf(glance->dead_letters, sizeof glance->dead_letters, "%s", view->dead_letters);
	glance->core_dead_letters = view->core_dead_letters;
	glance->counters = view->counters;
}

static struct glance glance_at(struct kit_service *service, const char *channel)
{
	struct glance glance = {0};

	ck_assert_int_eq(
	    rv__app_visit_binding((struct rv__host *)service->app, channel, look, &glance, NULL), RV_OK);
	return glance;
}

void kit_change(struct kit_service *service, const char *channel, const char *command, const char *true_state)
{
	struct rv_error error = {0};

	ck_assert_msg(
	    rv__app_change_binding((struct rv__host *)service->app, channel, command, &error) == RV_OK, "%s",
	    error.text);
	WAIT_UNTIL(KIT_SOON_MS, strcmp(glance_at(service, channel).state, true_state) == 0);
}

struct rv__binding_counters kit_counters(struct kit_service *service, const char *channel)
{
	return glance_at(service, channel).counters;
}

struct asked {
	const char *channel, *name;
	double value;
	enum rv_health_status health;
};

static void take_stat(void *arg, const char *name, const char *binding, double value)
{
	struct asked *asked = arg;

	if (binding && strcmp(binding, asked->channel) == 0 && strcmp(name, asked->name) == 0)
		asked->value = value;
}

static void ask_binder(void *arg, const struct rv__binder_view *view)
{
	struct asked *asked = arg;

	asked->health = view->status;
	if (asked->name && view->ops->stats)
		view->ops->stats(view->binder, take_stat, asked);
}

double kit_stat(struct kit_service *service, const char *channel, const char *name)
{
	struct asked asked = {.channel = channel, .name = name, .value = -1};

	rv__app_visit_binders((struct rv__host *)service->app, ask_binder, &asked);
	return asked.value;
}

enum rv_health_status kit_health(struct kit_service *service)
{
	struct asked asked = {0};

	rv__app_visit_binders((struct rv__host *)service->app, ask_binder, &asked);
	return asked.health;
}

/* -- properties of binders -------------------------------------------------------------------------------- */

/* Properties of a case and those that it adds; all are good until the next call for the same purpose. */
struct wishes {
	const char *properties[20];
	char texts[4][160];
};

static bool has_row(const struct rv_prop_table *table, const char *name)
{
	for (const struct rv_prop_desc *row = table->rows; row && row->name; row++)
		if (strcmp(row->name, name) == 0)
			return true;
	return false;
}

static size_t copy(struct wishes *wishes, const char *const *more)
{
	size_t count = 0;

	for (; more && more[count] && count < 15; count++)
		wishes->properties[count] = more[count];
	return count;
}

/* `more`, then those of the pairs name, value that the binder has: binders call the same things by other names. */
static const char *const *wish(
    struct wishes *wishes, const char *const *more, const char *const (*pairs)[2], size_t pair_count)
{
	size_t count = copy(wishes, more), own = 0;

	for (size_t i = 0; i < pair_count; i++) {
		if (!has_row(&kit_ops->consumer_props, pairs[i][0]))
			continue;
		snprintf(wishes->texts[own], sizeof wishes->texts[own],
		    "spring.cloud.stream.%s.bindings.input.consumer.%s=%s", kit_type, pairs[i][0],
		    pairs[i][1]);
		wishes->properties[count++] = wishes->texts[own++];
	}
	wishes->properties[count] = NULL;
	return wishes->properties;
}

const char *const *kit_letters(bool on, const char *const *more)
{
	static struct wishes wishes;
	const char *const pairs[][2] = {
	    {"enable-dlq", on ? "true" : "false"}, {"dead-letter", on ? "true" : "false"}};

	return wish(&wishes, more, pairs, 2);
}

const char *const *kit_redelivery(const char *const *more)
{
	static struct wishes wishes;
	static const char *const pairs[][2] = {{"redeliver", "true"}, {"redelivery-delay", "500ms"},
	    {"push.delay-level-when-next-consume", "1"}};

	return wish(&wishes, more, pairs, 3);
}

static const char *const *wish_lease(const char *const *more, int ms)
{
	static struct wishes wishes;
	char lease[16];
	const char *const pairs[][2] = {{"claim-min-idle", lease}};

	snprintf(lease, sizeof lease, "%dms", ms);
	return wish(&wishes, more, pairs, 1);
}

const char *const *kit_short_lease(const char *const *more)
{
	return wish_lease(more, KIT_LEASE_MS);
}

const char *const *kit_long_lease(const char *const *more)
{
	return wish_lease(more, KIT_END_MS);
}

const char *const *kit_fixed_partitions(const char *const *more)
{
	static struct wishes wishes;
	static const char *const pairs[][2] = {{"auto-rebalance-enabled", "false"}};

	return wish(&wishes, more, pairs, 1);
}

const char *const *kit_transactions(const char *const *more)
{
	static const char key[] = "transaction.transaction-id-prefix";
	static struct wishes wishes;
	size_t count = copy(&wishes, more);

	if (has_row(&kit_ops->binder_props, key)) {
		snprintf(wishes.texts[0], sizeof wishes.texts[0],
		    "spring.cloud.stream.%s.binder.%s=conformance-%08llx-", kit_type, key,
		    (unsigned long long)rv__random() & 0xffffffff);
		wishes.properties[count++] = wishes.texts[0];
	}
	wishes.properties[count] = NULL;
	return wishes.properties;
}

bool kit_letters_are_ours(struct kit_service *service, const char *channel, char *destination, size_t size)
{
	struct glance glance = glance_at(service, channel);

	snprintf(destination, size, "%s", glance.dead_letters);
	return glance.core_dead_letters && *glance.dead_letters;
}
