/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What goes: whole log files from the front, never the active one, by age, by size, or because the disk
 * runs full. They go
 * together with a checkpoint, so that the next offsets of queues that lose their last message are known.
 */
#include "broker/store/inside.h"

#include "base/clock.h"
#include "base/numbers.h"

#include <rivulet/log.h>

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* The time of the youngest message of a file; read from its last trailer when not known. */
static int64_t newest_of(rv__store *store, struct rv__segment *segment)
{
	uint8_t bytes[65536];
	size_t n = segment->end - segment->start < (int64_t)sizeof bytes
	    ? (size_t)(segment->end - segment->start)
	    : sizeof bytes;
	struct rv__trailer trailer;

	if (segment->newest_ms || n < RV__TRAILER_HEADER ||
	    rv__log_read(store, segment->end - (int64_t)n, bytes, n, NULL) != RV_OK)
		return segment->newest_ms;
	for (size_t at = n - RV__TRAILER_HEADER + 1; at-- > 0;)
		if (rv__trailer_get(bytes + at, store->id, &trailer)) {
			segment->newest_ms = trailer.newest_ms;
			break;
		}
	return segment->newest_ms;
}

/* How many files from the front are to go. */
static size_t doomed_count(rv__store *store)
{
	const struct rv__store_options *options = &store->options;
	int64_t now = rv__wall_ms();
	size_t count = 0;

	while (count + 1 < store->segment_count) {
		struct rv__segment *segment = store->segments[count];
		bool big = options->retention_bytes &&
		    (uint64_t)(store->end - segment->start) > options->retention_bytes;
		/* Under pressure one a round, then the disk is looked at again. */
		bool pressed = count == 0 && store->pressure;
		int64_t newest;

		/* What is not visible yet must not go. */
		if (segment->end > store->published)
			break;
		newest = options->retention_ms >= 0 ? newest_of(store, segment) : 0;
		if (!big && !pressed &&
		    (options->retention_ms < 0 || newest == 0 || now - newest <= options->retention_ms))
			break;
		count++;
	}
	return count;
}

bool rv__retention_due(rv__store *store)
{
	return doomed_count(store) > 0;
}

void rv__retention_take(rv__store *store, struct rv__checkpoint *checkpoint)
{
	size_t count = doomed_count(store);
	char path[RV__PATH_MAX];

	if (count == 0 || !(checkpoint->doomed = calloc(count, sizeof(char *))))
		return;
	while (checkpoint->doomed_count < count) {
		struct rv__segment *segment = store->segments[checkpoint->doomed_count];
		char *copy;

		rv__log_path(store, segment->start, path);
		if (!(copy = strdup(path)))
			break;
		rv_log(RV_LOG_INFO, RV__STORE_TOPIC, "the log file '%s' has served its time and goes", path);
		checkpoint->doomed[checkpoint->doomed_count++] = copy;
		rv__files_close(&store->files, &segment->file);
		free(segment);
	}
	store->segment_count -= checkpoint->doomed_count;
	memmove(store->segments, store->segments + checkpoint->doomed_count,
	    store->segment_count * sizeof(struct rv__segment *));
	store->pressure = false;
	for (rv__queue *queue = store->queues; queue; queue = queue->next)
		rv__index_trim(store, queue);
}

void rv__retention_look(rv__store *store)
{
	const struct rv__store_options *options = &store->options;
	uint64_t total;
	uint64_t left;
	bool tight;
	bool full;

	if (store->io->space(store->io->arg, store->directory, &total, &left) != 0 || total == 0)
		return;
	tight = left < options->disk_free_enough;
	store->stats.disk_used = 1.0 - (double)left / (double)total;
	store->pressure = tight && store->stats.disk_used > options->disk_clean_ratio;
	full = (tight && store->stats.disk_used > options->disk_full_ratio) ||
	    (store->no_space && left < 1 << 20);
	if (full != store->stats.disk_full)
		rv_log(full ? RV_LOG_ERROR : RV_LOG_INFO, RV__STORE_TOPIC,
		    full ? "RV%04d the disk of '%s' is full (%.0f %%): messages are refused until there is "
		           "room"
		         : "RV%04d the disk of '%s' has room again (%.0f %%): messages are taken",
		    RV__N_STORE_FULL, store->directory, 100 * store->stats.disk_used);
	else if (tight && store->stats.disk_used > options->disk_warn_ratio && !store->disk_warned)
		rv_log(RV_LOG_WARN, RV__STORE_TOPIC, "the disk of '%s' is used to %.0f %%", store->directory,
		    100 * store->stats.disk_used);
	store->disk_warned = tight && store->stats.disk_used > options->disk_warn_ratio;
	store->stats.disk_full = full;
	if (!full)
		store->no_space = false;
}
