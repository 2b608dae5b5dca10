/* SPDX-License-Identifier: Apache-2.0 */
#include "binder/kafka/journal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/numbers.h"

enum { PLACES = 4096, HEAD = 16, SIZE = HEAD + PLACES * 32 };

_Static_assert(sizeof(struct rv__journal_mark) == 32, "a place of the file");

static const char magic[8] = "RVJRNL01";

struct rv__journal {
	int fd;
	char *map;
};

static uint64_t fnv1a(const char *text)
{
	uint64_t hash = UINT64_C(14695981039346656037);

	for (; *text; text++)
		hash = (hash ^ (unsigned char)*text) * UINT64_C(1099511628211);
	return hash;
}

static rv_err failed(struct rv_error *err, const char *path, const char *why)
{
	return rv_error_set(err, RV_E_CONFIG, RV__N_KAFKA_JOURNAL, "kafka",
	    "attempts-directory: '%s' cannot be used: %s; name a directory that this service may write to, "
	    "one for "
	    "each instance",
	    path, why);
}

/* A group may hold any character; a file name not. */
static void file_name(const char *directory, const char *group, char *to, size_t size)
{
	int length = snprintf(to, size, "%s/%.120s.attempts", directory, group);

	for (char *at = to + strlen(directory) + 1; length > 0 && *at; at++)
		if (*at == '/')
			*at = '_';
}

static rv_err map_file(struct rv__journal *journal, const char *path, uint64_t group, struct rv_error *err)
{
	struct stat status;
	bool fresh;

	if (flock(journal->fd, LOCK_EX | LOCK_NB) != 0)
		return failed(err, path, "another process or binding has it open");
	if (fstat(journal->fd, &status) != 0)
		return failed(err, path, strerror(errno));
	fresh = status.st_size == 0;
	if (!fresh && status.st_size != SIZE)
		return failed(err, path, "it is no journal of this program; remove it");
	if (fresh && (errno = posix_fallocate(journal->fd, 0, SIZE)) != 0)
		return failed(err, path, strerror(errno));
	journal->map = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, journal->fd, 0);
	if (journal->map == MAP_FAILED)
		return failed(err, path, strerror(errno));
	if (memcmp(journal->map, magic, sizeof magic) != 0 ||
	    memcmp(journal->map + sizeof magic, &group, sizeof group) != 0) {
		memset(journal->map, 0, SIZE);
		memcpy(journal->map, magic, sizeof magic);
		memcpy(journal->map + sizeof magic, &group, sizeof group);
	}
	return RV_OK;
}

rv_err rv__journal_open(
    const char *directory, const char *group, struct rv__journal **ret_journal, struct rv_error *err)
{
	struct rv__journal *journal = calloc(1, sizeof *journal);
	char path[4096];
	rv_err code;

	if (!journal)
		return rv_error_set(err, RV_E_NOMEM, 0, "kafka", "no memory for the journal of attempts");
	file_name(directory, group, path, sizeof path);
	journal->map = MAP_FAILED;
	journal->fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	code =
	    journal->fd < 0 ? failed(err, path, strerror(errno)) : map_file(journal, path, fnv1a(group), err);
	if (code != RV_OK) {
		rv__journal_close(journal);
		return code;
	}
	*ret_journal = journal;
	return RV_OK;
}

void rv__journal_close(struct rv__journal *journal)
{
	if (!journal)
		return;
	if (journal->map != MAP_FAILED)
		munmap(journal->map, SIZE);
	if (journal->fd >= 0)
		close(journal->fd);
	free(journal);
}

struct rv__journal_mark *rv__journal_mark(struct rv__journal *journal, const char *topic, int32_t partition)
{
	struct rv__journal_mark *marks = (struct rv__journal_mark *)(void *)(journal->map + HEAD);
	uint64_t hash = fnv1a(topic);

	for (size_t i = 0; i < PLACES; i++) {
		if (!marks[i].used) {
			marks[i] = (struct rv__journal_mark){
			    .topic = hash, .partition = partition, .offset = -1, .used = 1};
			return &marks[i];
		}
		if (marks[i].topic == hash && marks[i].partition == partition)
			return &marks[i];
	}
	return NULL;
}

int32_t rv__journal_starts(const struct rv__journal_mark *mark, int64_t offset)
{
	return mark->offset == offset ? (int32_t)mark->starts : 0;
}

void rv__journal_begin(struct rv__journal_mark *mark, int64_t offset)
{
	if (offset == mark->offset) {
		mark->starts++;
	} else if (offset > mark->offset) {
		mark->starts = 0; /* in this order: a kill between the two must not blame the wrong one */
		mark->offset = offset;
		mark->starts = 1;
	}
}

void rv__journal_forgive(struct rv__journal_mark *mark, int64_t offset)
{
	if (mark->offset == offset && mark->starts > 0)
		mark->starts--;
}
