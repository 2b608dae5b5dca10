/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/store_kit.h"

#include "tests/support/wait.h"

#include <check.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int remove_one(const char *path, const struct stat *info, int kind, struct FTW *where)
{
	return remove(path);
}

bool long_form(void)
{
	const char *text = getenv("RIVULET_TEST_LONG");

	return text && strcmp(text, "1") == 0;
}

void remove_tree(const char *path)
{
	nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static void note_visible(
    void *arg, rv__queue *queue, int64_t queue_offset, int64_t tags_code, int64_t store_timestamp)
{
	((struct store_kit *)arg)->visible++;
}

static void note_progress(void *arg)
{
	((struct store_kit *)arg)->progress++;
}

void store_kit_init(struct store_kit *kit)
{
	const char *base = getenv("TMPDIR");

	memset(kit, 0, sizeof *kit);
	snprintf(kit->directory, sizeof kit->directory, "%s/rivulet-store-XXXXXX", base ? base : "/tmp");
	ck_assert_ptr_nonnull(mkdtemp(kit->directory));
	kit->options.directory = kit->directory;
	kit->options.host = (struct rv__address){.ip = {127, 0, 0, 1}, .length = 4, .port = 10911};
	kit->options.hooks =
	    (struct rv__store_hooks){.progress = note_progress, .visible = note_visible, .arg = kit};
}

void store_kit_init_on(struct store_kit *kit, const struct rv__io *io)
{
	memset(kit, 0, sizeof *kit);
	kit->options.directory = "/sim/store";
	kit->options.io = io;
	kit->options.host = (struct rv__address){.ip = {127, 0, 0, 1}, .length = 4, .port = 10911};
	kit->options.hooks =
	    (struct rv__store_hooks){.progress = note_progress, .visible = note_visible, .arg = kit};
}

void store_kit_finish(struct store_kit *kit)
{
	rv__store_close(kit->store);
	rv__buffer_finish(&kit->out);
	if (kit->directory[0])
		remove_tree(kit->directory);
}

void store_kit_open(struct store_kit *kit)
{
	struct rv_error err = {0};

	ck_assert_msg(rv__store_open(&kit->options, &kit->store, &err) == RV_OK, "%s", err.text);
}

void store_kit_reopen(struct store_kit *kit)
{
	rv__store_close(kit->store);
	kit->store = NULL;
	store_kit_open(kit);
}

int store_kit_remove(struct store_kit *kit, const char *name)
{
	char path[300];

	snprintf(path, sizeof path, "%s/%s", kit->directory, name);
	return remove(path);
}

rv_err store_kit_add(struct store_kit *kit, const char *topic, int32_t queue_id, int number,
    struct rv__store_position *ret, struct rv_error *err)
{
	char body[32];
	char properties[96];
	struct rv__store_message message = {.tags_code = number};

	message.queue = rv__store_queue(kit->store, topic, strlen(topic), queue_id, true);
	ck_assert_ptr_nonnull(message.queue);
	message.record.body = (const uint8_t *)body;
	message.record.body_length = (size_t)snprintf(body, sizeof body, "body %d", number);
	message.record.properties = properties;
	message.record.properties_length = (size_t)snprintf(
	    properties, sizeof properties, "KEYS\1key%d common\2UNIQ_KEY\1u%d", number, number);
	message.record.born_timestamp = 1;
	return rv__store_add(kit->store, &message, ret, err);
}

void store_kit_flush(struct store_kit *kit)
{
	struct rv_error err = {0};
	int64_t end;

	ck_assert_msg(rv__store_write(kit->store, &end, &err) == RV_OK, "%s", err.text);
	WAIT_UNTIL(30000, (rv__store_poll(kit->store, NULL), rv__store_acknowledged(kit->store) >= end));
}

struct rv__store_position store_kit_send(
    struct store_kit *kit, const char *topic, int32_t queue_id, int number)
{
	struct rv__store_position position;
	struct rv_error err = {0};

	ck_assert_msg(store_kit_add(kit, topic, queue_id, number, &position, &err) == RV_OK, "%s", err.text);
	store_kit_flush(kit);
	return position;
}

void store_kit_send_some(struct store_kit *kit, const char *topic, int32_t queue_id, int first, int count)
{
	struct rv__store_position position;
	struct rv_error err = {0};

	for (int i = 0; i < count; i++)
		ck_assert_msg(
		    store_kit_add(kit, topic, queue_id, first + i, &position, &err) == RV_OK, "%s", err.text);
	store_kit_flush(kit);
}

struct rv__store_read store_kit_read_filtered(struct store_kit *kit, const char *topic, int32_t queue_id,
    int64_t offset, uint32_t max_count, const struct rv__store_filter *filter)
{
	rv__queue *queue = rv__store_queue(kit->store, topic, strlen(topic), queue_id, false);
	struct rv_error err = {0};
	struct rv__store_read got;

	ck_assert_ptr_nonnull(queue);
	rv__buffer_clear(&kit->out);
	ck_assert_msg(rv__store_read(kit->store, queue, offset, max_count, 64 << 20, filter, &kit->out, &got,
	                  &err) == RV_OK,
	    "%s", err.text);
	return got;
}

struct rv__store_read store_kit_read(
    struct store_kit *kit, const char *topic, int32_t queue_id, int64_t offset, uint32_t max_count)
{
	return store_kit_read_filtered(kit, topic, queue_id, offset, max_count, NULL);
}

int store_kit_number(const struct store_kit *kit, int i)
{
	size_t at = 0;
	struct rv__record record;

	for (;; i--, at += record.size) {
		char body[32] = {0};
		int number;

		ck_assert_int_eq(
		    rv__record_decode(kit->out.bytes + at, kit->out.length - at, &record, NULL), RV_OK);
		if (i > 0)
			continue;
		ck_assert(rv__record_body_ok(&record) && record.body_length < sizeof body);
		memcpy(body, record.body, record.body_length);
		ck_assert_int_eq(sscanf(body, "body %d", &number), 1);
		return number;
	}
}
