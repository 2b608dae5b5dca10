/* SPDX-License-Identifier: Apache-2.0 */
#include "binder/kafka/journal.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/numbers.h"

enum { PLACES = 4096, HEAD = 16, SIZE = HEAD + PLACES * 32 };

struct place {
	uint64_t topic;
	int32_t partition;
	_Atomic uint32_t
	    starts; /* 0: free. Written last, so that a kill in between leaves no half of a place */
	int64_t offset;
	uint64_t unused;
};

_Static_assert(sizeof(struct place) == 32, "a place of the file");

static const char magic[8] = "RVJRNL02";

struct rv__journal {
	int fd;
	char *map;
	pthread_mutex_t lock; /* protects what follows, and the file */
	struct place *places;
	uint16_t listed[PLACES]; /* of the places that are taken: few, mostly */
	uint16_t free[PLACES];
	size_t listed_count, free_count;
	bool in_work[PLACES]; /* in this life */
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

static void list_places(struct rv__journal *journal)
{
	journal->places = (struct place *)(void *)(journal->map + HEAD);
	for (size_t i = PLACES; i-- > 0;) {
		if (atomic_load(&journal->places[i].starts) > 0)
			journal->listed[journal->listed_count++] = (uint16_t)i;
		else
			journal->free[journal->free_count++] = (uint16_t)i;
	}
}

rv_err rv__journal_open(
    const char *directory, const char *group, struct rv__journal **ret_journal, struct rv_error *err)
{
	struct rv__journal *journal = calloc(1, sizeof *journal);
	char path[4096];
	rv_err code;

	if (!journal)
		return rv_error_set(err, RV_E_NOMEM, 0, "kafka", "no memory for the journal of attempts");
	pthread_mutex_init(&journal->lock, NULL);
	file_name(directory, group, path, sizeof path);
	journal->map = MAP_FAILED;
	journal->fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	code =
	    journal->fd < 0 ? failed(err, path, strerror(errno)) : map_file(journal, path, fnv1a(group), err);
	if (code != RV_OK) {
		rv__journal_close(journal);
		return code;
	}
	list_places(journal);
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
	pthread_mutex_destroy(&journal->lock);
	free(journal);
}

/* -- places -------------------------------------------------------------------------------------------- */

struct rv__journal_key rv__journal_key(const char *topic, int32_t partition)
{
	return (struct rv__journal_key){.topic = fnv1a(topic), .partition = partition};
}

static bool is_of(const struct place *place, struct rv__journal_key key)
{
	return place->topic == key.topic && place->partition == key.partition;
}

/* Index of the message in `listed`; listed_count: it has no place. Locks: journal->lock held. */
static size_t find(const struct rv__journal *journal, struct rv__journal_key key, int64_t offset)
{
	size_t i = 0;

	while (i < journal->listed_count &&
	    (journal->places[journal->listed[i]].offset != offset ||
	        !is_of(&journal->places[journal->listed[i]], key)))
		i++;
	return i;
}

/* Locks: journal->lock held. */
static void give_back(struct rv__journal *journal, size_t index)
{
	uint16_t number = journal->listed[index];

	atomic_store(&journal->places[number].starts, 0);
	journal->in_work[number] = false;
	journal->listed[index] = journal->listed[--journal->listed_count];
	journal->free[journal->free_count++] = number;
}

/* Whether the place is still listed. Locks: journal->lock held. */
static bool outlive(struct rv__journal *journal, size_t index)
{
	uint16_t number = journal->listed[index];

	if (!journal->in_work[number])
		return true;
	journal->in_work[number] = false;
	if (atomic_fetch_sub(&journal->places[number].starts, 1) > 1)
		return true;
	give_back(journal, index);
	return false;
}

int32_t rv__journal_starts(struct rv__journal *journal, struct rv__journal_key key, int64_t offset)
{
	int32_t starts = 0;
	size_t index;

	pthread_mutex_lock(&journal->lock);
	index = find(journal, key, offset);
	if (index < journal->listed_count) {
		uint16_t number = journal->listed[index];

		starts = (int32_t)atomic_load(&journal->places[number].starts) - journal->in_work[number];
	}
	pthread_mutex_unlock(&journal->lock);
	return starts;
}

bool rv__journal_begin(struct rv__journal *journal, struct rv__journal_key key, int64_t offset)
{
	bool counted = true;
	size_t index;

	pthread_mutex_lock(&journal->lock);
	index = find(journal, key, offset);
	if (index == journal->listed_count && journal->free_count > 0) {
		uint16_t number = journal->free[--journal->free_count];

		journal->places[number].topic = key.topic;
		journal->places[number].partition = key.partition;
		journal->places[number].offset = offset;
		journal->listed[journal->listed_count++] = number;
	}
	if (index == journal->listed_count) {
		counted = false;
	} else if (!journal->in_work[journal->listed[index]]) {
		journal->in_work[journal->listed[index]] = true;
		atomic_fetch_add(&journal->places[journal->listed[index]].starts, 1);
	}
	pthread_mutex_unlock(&journal->lock);
	return counted;
}

void rv__journal_outlive(struct rv__journal *journal, struct rv__journal_key key, int64_t offset)
{
	size_t index;

	pthread_mutex_lock(&journal->lock);
	index = find(journal, key, offset);
	if (index < journal->listed_count)
		(void)outlive(journal, index);
	pthread_mutex_unlock(&journal->lock);
}

void rv__journal_outlive_all(struct rv__journal *journal, struct rv__journal_key key)
{
	size_t index = 0;

	pthread_mutex_lock(&journal->lock);
	while (index < journal->listed_count)
		index += !is_of(&journal->places[journal->listed[index]], key) || outlive(journal, index);
	pthread_mutex_unlock(&journal->lock);
}

void rv__journal_settle(struct rv__journal *journal, struct rv__journal_key key, int64_t offset)
{
	size_t index;

	pthread_mutex_lock(&journal->lock);
	index = find(journal, key, offset);
	if (index < journal->listed_count)
		give_back(journal, index);
	pthread_mutex_unlock(&journal->lock);
}

void rv__journal_forget_before(struct rv__journal *journal, struct rv__journal_key key, int64_t offset)
{
	size_t index = 0;

	pthread_mutex_lock(&journal->lock);
	while (index < journal->listed_count) {
		const struct place *place = &journal->places[journal->listed[index]];

		if (is_of(place, key) && place->offset < offset)
			give_back(journal, index);
		else
			index++;
	}
	pthread_mutex_unlock(&journal->lock);
}
