/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A log file with anything in it: the store opens, serves what it can prove, and takes new messages. The store's
 * id is the one that the corpus was written with.
 */
#include "tests/fuzz/target.h"

#include "broker/store/crc32c.h"
#include "broker/store/store.h"
#include "tests/support/sim_disk.h"

#include <rivulet/log.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct sim_disk disk;

static void ignore_log(rv_log_level level, const char *topic, const char *line, void *arg)
{
}

static void put_identity(void)
{
	char text[80];
	int n = snprintf(text, sizeof text, "rivulet-store 1 %016x ", 1);

	n += snprintf(text + n, sizeof text - (size_t)n, "%08" PRIx32 "\n", rv__crc32c(0, text, (size_t)n));
	sim_disk_put(&disk, "/sim/store/identity", (const uint8_t *)text, (size_t)n);
}

static void read_queue(void *arg, rv__queue *queue)
{
	rv__store *store = arg;
	struct rv__buffer out = {0};
	int64_t offset = rv__queue_min(store, queue);

	for (int turn = 0; turn < 20 && offset < rv__queue_max(queue); turn++) {
		struct rv__store_read got;

		rv__buffer_clear(&out);
		if (rv__store_read(store, queue, offset, 32, 1 << 20, NULL, &out, &got, NULL) != RV_OK ||
		    got.next_offset <= offset)
			abort();
		offset = got.next_offset;
	}
	rv__buffer_finish(&out);
}

static void append_one(rv__store *store)
{
	struct rv__store_message message = {.record = {.body = (const uint8_t *)"x", .body_length = 1}};
	struct rv__store_position position;
	rv__queue *queue = rv__store_queue(store, "T", 1, 0, true);

	/* Offsets at the end of the range come from damage only; there nothing can follow. */
	if (!queue || rv__queue_max(queue) > INT64_MAX / 2)
		return;
	message.queue = queue;
	if (rv__store_add(store, &message, &position, NULL) != RV_OK ||
	    rv__store_write(store, NULL, NULL) != RV_OK)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
	struct rv__store_options options = {.directory = "/sim/store", .io = &disk.io};
	rv__store *store = NULL;
	struct rv_error err;

	rv_log_set_sink(ignore_log, NULL);
	sim_disk_init(&disk);
	(void)disk.io.mkdir(&disk, "/sim/store");
	(void)disk.io.mkdir(&disk, "/sim/store/log");
	put_identity();
	sim_disk_put(&disk, "/sim/store/log/00000000000000000000", bytes, length);
	if (rv__store_open(&options, &store, &err) != RV_OK)
		abort();
	rv__store_each_queue(store, read_queue, store);
	append_one(store);
	rv__store_close(store);
	sim_disk_finish(&disk);
	return 0;
}
