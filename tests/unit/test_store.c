/* SPDX-License-Identifier: Apache-2.0 */
/* What a user of the store meets when nothing goes wrong. */
#include "broker/store/store.h"

#include "broker/store/crc32c.h"
#include "tests/support/store_kit.h"
#include "tests/support/unit.h"
#include "tests/support/wait.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static struct store_kit kit;

static void setup(void)
{
	store_kit_init(&kit);
}

static void teardown(void)
{
	store_kit_finish(&kit);
}

START_TEST(messages_come_back_as_they_were_stored)
{
	struct rv__store_read got;
	struct rv__record record;

	store_kit_open(&kit);
	for (int i = 0; i < 10; i++)
		store_kit_send(&kit, "T", 0, i);
	got = store_kit_read(&kit, "T", 0, 0, 32);
	ck_assert_int_eq(got.status, RV__READ_FOUND);
	ck_assert_uint_eq(got.count, 10);
	ck_assert_int_eq(got.next_offset, 10);
	ck_assert_int_eq(got.max_offset, 10);
	ck_assert_int_eq(rv__record_decode(kit.out.bytes, kit.out.length, &record, NULL), RV_OK);
	ck_assert_int_eq(record.queue_offset, 0);
	ck_assert_mem_eq(record.topic, "T", 1);
	ck_assert_mem_eq(record.body, "body 0", 6);
	ck_assert(rv__record_body_ok(&record));
}
END_TEST

START_TEST(a_synced_message_is_visible_only_after_its_sync)
{
	struct rv__store_position position;
	rv__queue *queue;
	int64_t end;

	store_kit_open(&kit);
	queue = rv__store_queue(kit.store, "T", 1, 0, true);
	ck_assert_int_eq(store_kit_add(&kit, "T", 0, 1, &position, NULL), RV_OK);
	ck_assert_int_eq(rv__store_write(kit.store, &end, NULL), RV_OK);
	ck_assert_int_eq(rv__queue_max(queue), 0);
	ck_assert_int_eq(store_kit_read(&kit, "T", 0, 0, 1).status, RV__READ_EMPTY);
	WAIT_UNTIL(30000, rv__store_synced(kit.store) >= end);
	ck_assert_int_eq(rv__queue_max(queue), 0);
	ck_assert_int_eq(rv__store_poll(kit.store, NULL), RV_OK);
	ck_assert_int_eq(rv__queue_max(queue), 1);
	ck_assert(rv__store_acknowledged(kit.store) >= end);
	ck_assert_int_eq(kit.visible, 1);
}
END_TEST

START_TEST(a_written_message_is_visible_at_once)
{
	struct rv__store_position position;
	int64_t end;

	kit.options.level = RV__STORE_WRITTEN;
	store_kit_open(&kit);
	ck_assert_int_eq(store_kit_add(&kit, "T", 0, 1, &position, NULL), RV_OK);
	ck_assert_int_eq(store_kit_read(&kit, "T", 0, 0, 1).status, RV__READ_EMPTY);
	ck_assert_int_eq(rv__store_write(kit.store, &end, NULL), RV_OK);
	ck_assert_int_eq(store_kit_read(&kit, "T", 0, 0, 1).status, RV__READ_FOUND);
	ck_assert(rv__store_acknowledged(kit.store) >= end);
}
END_TEST

START_TEST(positions_name_the_record)
{
	struct rv__store_position position;
	struct rv__record record;

	store_kit_open(&kit);
	store_kit_send(&kit, "T", 0, 0);
	position = store_kit_send(&kit, "T", 3, 7);
	ck_assert_int_eq(position.queue_offset, 0);
	ck_assert_int_eq(rv__store_read_at(kit.store, position.physical_offset, &kit.out, NULL), RV_OK);
	ck_assert_int_eq(rv__record_decode(kit.out.bytes, kit.out.length, &record, NULL), RV_OK);
	ck_assert_int_eq(record.physical_offset, position.physical_offset);
	ck_assert_int_eq(record.queue_id, 3);
	ck_assert_int_eq(record.store_timestamp, position.store_timestamp);
	ck_assert_int_eq(
	    rv__store_read_at(kit.store, position.physical_offset + 1, &kit.out, NULL), RV_E_NOTFOUND);
	ck_assert_int_eq(rv__store_read_at(kit.store, -1, &kit.out, NULL), RV_E_NOTFOUND);
	ck_assert_int_eq(rv__store_read_at(kit.store, INT64_MAX, &kit.out, NULL), RV_E_NOTFOUND);
}
END_TEST

START_TEST(the_status_follows_the_offset)
{
	store_kit_open(&kit);
	rv__store_queue(kit.store, "T", 1, 0, true);
	ck_assert_int_eq(store_kit_read(&kit, "T", 0, 0, 1).status, RV__READ_EMPTY);
	ck_assert_int_eq(store_kit_read(&kit, "T", 0, 5, 1).status, RV__READ_EMPTY);
	ck_assert_int_eq(store_kit_read(&kit, "T", 0, 5, 1).next_offset, 0);
	store_kit_send(&kit, "T", 0, 0);
	ck_assert_int_eq(store_kit_read(&kit, "T", 0, 1, 1).status, RV__READ_OVERFLOW_ONE);
	ck_assert_int_eq(store_kit_read(&kit, "T", 0, 2, 1).status, RV__READ_OVERFLOW_BADLY);
	ck_assert_int_eq(store_kit_read(&kit, "T", 0, 2, 1).next_offset, 1);
	ck_assert_int_eq(store_kit_read(&kit, "T", 0, -3, 1).status, RV__READ_TOO_SMALL);
	ck_assert_int_eq(store_kit_read(&kit, "T", 0, -3, 1).next_offset, 0);
}
END_TEST

static bool only_even(void *arg, int64_t tags_code)
{
	return tags_code % 2 == 0;
}

static bool body_ends_in_3(void *arg, const struct rv__record *record)
{
	return record->body[record->body_length - 1] == '3';
}

START_TEST(filters_choose_by_code_and_by_record)
{
	struct rv__store_filter filter = {.match_code = only_even};
	struct rv__store_read got;

	store_kit_open(&kit);
	for (int i = 0; i < 100; i++)
		store_kit_send(&kit, "T", 0, i);
	got = store_kit_read_filtered(&kit, "T", 0, 0, 10, &filter);
	ck_assert_uint_eq(got.count, 10);
	ck_assert_int_eq(got.next_offset, 20);
	ck_assert_int_eq(store_kit_number(&kit, 9), 18);
	filter = (struct rv__store_filter){.match_record = body_ends_in_3};
	got = store_kit_read_filtered(&kit, "T", 0, 0, 3, &filter);
	ck_assert_uint_eq(got.count, 3);
	ck_assert_int_eq(got.next_offset, 24);
	ck_assert_int_eq(store_kit_number(&kit, 2), 23);
	got = store_kit_read_filtered(&kit, "T", 0, 94, 3, &filter);
	ck_assert_int_eq(got.status, RV__READ_NO_MATCHED);
	ck_assert_int_eq(got.next_offset, 100);
}
END_TEST

START_TEST(a_read_keeps_to_its_limits_but_gives_one)
{
	struct rv__store_read got;
	size_t one;

	store_kit_open(&kit);
	for (int i = 0; i < 20; i++)
		store_kit_send(&kit, "T", 0, i);
	got = store_kit_read(&kit, "T", 0, 0, 1);
	one = kit.out.length;
	ck_assert_uint_eq(got.count, 1);
	rv__buffer_clear(&kit.out);
	ck_assert_int_eq(rv__store_read(kit.store, rv__store_queue(kit.store, "T", 1, 0, false), 0, 32,
	                     one * 3 + 1, NULL, &kit.out, &got, NULL),
	    RV_OK);
	ck_assert_uint_eq(got.count, 3);
	ck_assert_int_eq(got.next_offset, 3);
	rv__buffer_clear(&kit.out);
	ck_assert_int_eq(rv__store_read(kit.store, rv__store_queue(kit.store, "T", 1, 0, false), 0, 32, 1,
	                     NULL, &kit.out, &got, NULL),
	    RV_OK);
	ck_assert_uint_eq(got.count, 1);
}
END_TEST

START_TEST(queues_that_share_a_batch_are_read_apart)
{
	struct rv__store_position position;

	store_kit_open(&kit);
	for (int i = 0; i < 300; i++)
		ck_assert_int_eq(store_kit_add(&kit, i % 3 ? "A" : "B", i % 2, i, &position, NULL), RV_OK);
	store_kit_flush(&kit);
	ck_assert_uint_eq(store_kit_read(&kit, "A", 0, 0, 1000).count, 100);
	ck_assert_uint_eq(store_kit_read(&kit, "B", 1, 0, 1000).count, 50);
	ck_assert_int_eq(store_kit_number(&kit, 1), 9);
}
END_TEST

START_TEST(everything_is_there_after_a_clean_stop)
{
	struct rv__store_stats stats;

	store_kit_open(&kit);
	for (int i = 0; i < 1000; i++)
		store_kit_send_some(&kit, "T", i % 4, i, 1);
	store_kit_reopen(&kit);
	rv__store_stats(kit.store, &stats);
	ck_assert_uint_eq(stats.recovered, 0);
	ck_assert_uint_eq(store_kit_read(&kit, "T", 2, 0, 1000).count, 250);
	ck_assert_int_eq(store_kit_send(&kit, "T", 2, 1).queue_offset, 250);
}
END_TEST

START_TEST(the_log_goes_on_over_many_files)
{
	struct rv__store_stats stats;

	kit.options.segment_bytes = 4096;
	store_kit_open(&kit);
	store_kit_send_some(&kit, "T", 0, 0, 500);
	for (int i = 500; i < 700; i++)
		store_kit_send(&kit, "T", 0, i);
	rv__store_stats(kit.store, &stats);
	ck_assert_uint_gt(stats.segments, 5);
	for (int pass = 0; pass < 2; pass++) {
		ck_assert_uint_eq(store_kit_read(&kit, "T", 0, 0, 700).count, 700);
		for (int i = 0; i < 700; i++)
			ck_assert_int_eq(store_kit_number(&kit, i), i);
		store_kit_reopen(&kit);
	}
}
END_TEST

START_TEST(a_second_opener_is_refused_and_told_the_pid)
{
	struct rv_error err;
	rv__store *second;
	char pid[24];
	pid_t holder = 0;

	ck_assert_int_eq(rv__store_holder(kit.options.directory, &holder, &err), RV_E_NOTFOUND);
	store_kit_open(&kit);
	ck_assert_int_eq(rv__store_open(&kit.options, &second, &err), RV_E_DENIED);
	snprintf(pid, sizeof pid, "%d", (int)getpid());
	ck_assert_ptr_nonnull(strstr(err.text, pid));
	ck_assert_ptr_nonnull(strstr(err.text, kit.options.directory));
	ck_assert_int_eq(rv__store_holder(kit.options.directory, &holder, &err), RV_OK);
	ck_assert_int_eq(holder, getpid());
	rv__store_close(kit.store);
	kit.store = NULL;
	ck_assert_int_eq(rv__store_holder(kit.options.directory, &holder, &err), RV_E_NOTFOUND);
}
END_TEST

START_TEST(offsets_are_found_by_time)
{
	rv__queue *queue;
	struct rv__store_entry entry;
	int64_t offset;

	store_kit_open(&kit);
	store_kit_send_some(&kit, "T", 0, 0, 300);
	queue = rv__store_queue(kit.store, "T", 1, 0, false);
	ck_assert_int_eq(rv__queue_offset_at(kit.store, queue, 0, &offset, NULL), RV_OK);
	ck_assert_int_eq(offset, 0);
	ck_assert_int_eq(rv__queue_offset_at(kit.store, queue, INT64_MAX, &offset, NULL), RV_OK);
	ck_assert_int_eq(offset, 300);
	ck_assert_int_eq(rv__queue_entry(kit.store, queue, 299, &entry, NULL), RV_OK);
	ck_assert_int_eq(rv__queue_offset_at(kit.store, queue, entry.store_timestamp, &offset, NULL), RV_OK);
	ck_assert(offset <= 299);
	ck_assert_int_eq(rv__queue_entry(kit.store, queue, 300, &entry, NULL), RV_E_NOTFOUND);
}
END_TEST

START_TEST(a_delay_stands_in_the_index)
{
	struct rv__store_message message = {
	    .record = {.body = (const uint8_t *)"x", .body_length = 1}, .delay_ms = 5000, .tags_code = 77};
	struct rv__store_position position;
	struct rv__store_entry entry;

	store_kit_open(&kit);
	message.queue = rv__store_queue(kit.store, "SCHEDULE_TOPIC_XXXX", 19, 2, true);
	ck_assert_int_eq(rv__store_add(kit.store, &message, &position, NULL), RV_OK);
	store_kit_flush(&kit);
	ck_assert_int_eq(rv__queue_entry(kit.store, message.queue, 0, &entry, NULL), RV_OK);
	ck_assert_int_eq(entry.tags_code, position.store_timestamp + 5000);
}
END_TEST

START_TEST(a_cleared_topic_is_empty_and_goes_on_behind)
{
	store_kit_open(&kit);
	store_kit_send_some(&kit, "T", 0, 0, 10);
	store_kit_send_some(&kit, "U", 0, 0, 10);
	rv__store_topic_clear(kit.store, "T", 1);
	for (int pass = 0; pass < 2; pass++) {
		ck_assert_int_eq(store_kit_read(&kit, "T", 0, 3, 1).status, RV__READ_TOO_SMALL);
		ck_assert_int_eq(store_kit_read(&kit, "T", 0, 3, 1).next_offset, 10);
		ck_assert_uint_eq(store_kit_read(&kit, "U", 0, 0, 100).count, 10);
		store_kit_reopen(&kit);
	}
	ck_assert_int_eq(store_kit_send(&kit, "T", 0, 1).queue_offset, 10);
	ck_assert_uint_eq(store_kit_read(&kit, "T", 0, 10, 100).count, 1);
}
END_TEST

static bool count_match(void *arg, const struct rv__record *record, const uint8_t *bytes)
{
	(*(int *)arg)++;
	return true;
}

START_TEST(messages_are_found_by_key_within_the_budget)
{
	uint32_t budget = 1000;
	int found = 0;

	store_kit_open(&kit);
	for (int i = 0; i < 100; i++)
		store_kit_send_some(&kit, "T", i % 4, i, 1);
	ck_assert_int_eq(rv__store_find_key(
	                     kit.store, "T", 1, "key42", 5, 0, INT64_MAX, &budget, count_match, &found, NULL),
	    RV_OK);
	ck_assert_int_eq(found, 1);
	ck_assert_uint_eq(budget, 900);
	budget = 20; /* the newest 20 do not have it */
	found = 0;
	ck_assert_int_eq(rv__store_find_key(
	                     kit.store, "T", 1, "key42", 5, 0, INT64_MAX, &budget, count_match, &found, NULL),
	    RV_OK);
	ck_assert_int_eq(found, 0);
	ck_assert_uint_eq(budget, 0);
	budget = 1000;
	ck_assert_int_eq(
	    rv__store_find_key(kit.store, "T", 1, "u42", 3, 0, INT64_MAX, &budget, count_match, &found, NULL),
	    RV_OK);
	ck_assert_int_eq(found, 1);
}
END_TEST

START_TEST(what_is_too_large_is_refused)
{
	static uint8_t body[1025];
	struct rv__store_message message = {.record = {.body = body, .body_length = sizeof body}};
	struct rv__store_position position;

	kit.options.message_bytes = 1024;
	store_kit_open(&kit);
	message.queue = rv__store_queue(kit.store, "T", 1, 0, true);
	ck_assert_int_eq(rv__store_add(kit.store, &message, &position, NULL), RV_E_TOOBIG);
	message.record.body_length = 1024;
	ck_assert_int_eq(rv__store_add(kit.store, &message, &position, NULL), RV_OK);
	message.queue = NULL;
	ck_assert_int_eq(rv__store_add(kit.store, &message, &position, NULL), RV_E_INVALID);
	ck_assert_ptr_null(rv__store_queue(kit.store, "", 0, 0, true));
	ck_assert_ptr_null(rv__store_queue(kit.store, "T", 1, -1, true));
	ck_assert_ptr_null(rv__store_queue(kit.store, "Unknown", 7, 0, false));
}
END_TEST

START_TEST(topics_of_any_name_stay_inside_the_store)
{
	static const char *const names[] = {
	    "../../etc/passwd", "a/b", ".", "..", "%RETRY%group", "\xe4\xb8\xad"};

	store_kit_open(&kit);
	for (size_t i = 0; i < 6; i++)
		store_kit_send(&kit, names[i], 0, (int)i);
	store_kit_reopen(&kit);
	for (size_t i = 0; i < 6; i++) {
		ck_assert_uint_eq(store_kit_read(&kit, names[i], 0, 0, 1).count, 1);
		ck_assert_int_eq(store_kit_number(&kit, 0), (int)i);
	}
}
END_TEST

static void saved(void *arg, rv_err code, const struct rv_error *err)
{
	ck_assert_int_eq(code, RV_OK);
	(*(int *)arg)++;
}

START_TEST(documents_are_saved_and_the_newest_wins)
{
	struct rv__buffer text = {0};
	int count = 0;

	store_kit_open(&kit);
	ck_assert_int_eq(rv__state_file_load(kit.store, "topics", &text, NULL), RV_E_NOTFOUND);
	for (int i = 0; i < 20; i++) {
		char json[32];

		snprintf(json, sizeof json, "{\"n\":%d}", i);
		ck_assert_int_eq(
		    rv__state_file_save(kit.store, "topics", json, strlen(json), saved, &count, NULL), RV_OK);
	}
	WAIT_UNTIL(30000, (rv__store_poll(kit.store, NULL), count == 20));
	ck_assert_int_eq(rv__state_file_load(kit.store, "topics", &text, NULL), RV_OK);
	ck_assert_str_eq(rv__buffer_text(&text), "{\"n\":19}\n");
	ck_assert_int_eq(rv__state_file_save_now(kit.store, "topics", "{}", 2, NULL), RV_OK);
	store_kit_reopen(&kit);
	rv__buffer_clear(&text);
	ck_assert_int_eq(rv__state_file_load(kit.store, "topics", &text, NULL), RV_OK);
	ck_assert_str_eq(rv__buffer_text(&text), "{}\n");
	ck_assert_int_eq(rv__state_file_save(kit.store, "../x", "{}", 2, NULL, NULL, NULL), RV_E_INVALID);
	rv__buffer_finish(&text);
}
END_TEST

START_TEST(a_save_at_the_last_moment_is_saved)
{
	struct rv__buffer text = {0};
	int count = 0;

	store_kit_open(&kit);
	ck_assert_int_eq(rv__state_file_save(kit.store, "offsets", "{}", 2, saved, &count, NULL), RV_OK);
	store_kit_reopen(&kit);
	ck_assert_int_eq(count, 1);
	ck_assert_int_eq(rv__state_file_load(kit.store, "offsets", &text, NULL), RV_OK);
	rv__buffer_finish(&text);
}
END_TEST

START_TEST(a_write_of_many_batches_is_whole)
{
	static char body[3000];
	struct rv__store_position position;
	struct rv__store_read got;
	rv__queue *queue;

	store_kit_open(&kit);
	queue = rv__store_queue(kit.store, "T", 1, 0, true);
	for (int i = 0; i < 500; i++) { /* 1.5 MB: several trailers */
		struct rv__store_message message = {.queue = queue,
		    .record = {.body = (uint8_t *)body, .body_length = sizeof body, .flag = i}};

		memset(body, i, sizeof body);
		ck_assert_int_eq(rv__store_add(kit.store, &message, &position, NULL), RV_OK);
		ck_assert_int_eq(position.queue_offset, i);
	}
	store_kit_flush(&kit);
	for (int pass = 0; pass < 2; pass++) {
		size_t at = 0;

		got = store_kit_read(&kit, "T", 0, 0, 1000);
		ck_assert_uint_eq(got.count, 500);
		for (int i = 0; i < 500; i++) {
			struct rv__record record;

			ck_assert_int_eq(
			    rv__record_decode(kit.out.bytes + at, kit.out.length - at, &record, NULL), RV_OK);
			ck_assert_int_eq(record.flag, i);
			ck_assert_uint_eq(record.body[2999], (uint8_t)i);
			at += record.size;
		}
		rv__store_close(kit.store);
		ck_assert_int_eq(store_kit_remove(&kit, "queues"), 0); /* so that the log itself is read */
		store_kit_open(&kit);
	}
}
END_TEST

START_TEST(many_queues_share_few_descriptors_and_close_quickly)
{
	struct rv__store_stats stats;
	char topic[32];

	store_kit_open(&kit);
	for (int turn = 0; turn < 3; turn++) {
		struct rv__store_position position;

		for (int i = 0; i < 600; i++) {
			snprintf(topic, sizeof topic, "Topic%d", i / 4);
			ck_assert_int_eq(
			    store_kit_add(&kit, topic, i % 4, turn * 600 + i, &position, NULL), RV_OK);
		}
		store_kit_flush(&kit);
		store_kit_reopen(&kit); /* leaves the index to the page cache, as there are many */
		rv__store_stats(kit.store, &stats);
		ck_assert_uint_eq(stats.recovered, 0);
		ck_assert_uint_eq(stats.queues, 600);
	}
	for (int i = 0; i < 600; i++) {
		snprintf(topic, sizeof topic, "Topic%d", i / 4);
		ck_assert_uint_eq(store_kit_read(&kit, topic, i % 4, 0, 10).count, 3);
		ck_assert_int_eq(store_kit_number(&kit, 2), 1200 + i);
	}
}
END_TEST

/* Check tells each passed assertion through a file that both processes would share; a kill tears what stands in it. */
static void stop_reporting(int pipe_end)
{
	int nothing = open("/dev/null", O_WRONLY);

	for (int fd = 3; fd < 64; fd++)
		if (fd != pipe_end && fd != nothing && fcntl(fd, F_GETFD) >= 0)
			dup2(nothing, fd);
}

/* A broker of its own that tells the parent what was acknowledged, until it is killed. */
static void send_until_killed(int pipe_end)
{
	for (int n = 0;; n++) {
		store_kit_send_some(&kit, "T", 0, n, 1);
		if (write(pipe_end, &n, sizeof n) != sizeof n)
			_exit(1);
	}
}

START_TEST(nothing_acknowledged_is_lost_when_the_process_is_killed)
{
	for (int run = 0; run < (long_form() ? 200 : 10); run++) {
		int ends[2];
		int n, last = -1;
		pid_t child;

		kit.options.level = run % 2 ? RV__STORE_WRITTEN : RV__STORE_SYNCED;
		ck_assert_int_eq(pipe(ends), 0);
		child = fork();
		ck_assert_int_ge(child, 0);
		if (child == 0) {
			stop_reporting(ends[1]);
			store_kit_open(&kit);
			send_until_killed(ends[1]);
		}
		close(ends[1]);
		while (last < 5 + 7 * (run % 10) && read(ends[0], &n, sizeof n) == sizeof n)
			last = n;
		kill(child, SIGKILL);
		while (read(ends[0], &n, sizeof n) == sizeof n)
			last = n;
		close(ends[0]);
		waitpid(child, NULL, 0);
		store_kit_open(&kit);
		for (int seen = 0; seen <= last;) { /* one read looks at some hundreds of entries */
			struct rv__store_read got = store_kit_read(&kit, "T", 0, seen, 100000);

			ck_assert_uint_gt(got.count, 0);
			for (uint32_t i = 0; i < got.count; i++)
				ck_assert_int_eq(store_kit_number(&kit, (int)i), seen++);
		}
		rv__store_close(kit.store);
		kit.store = NULL;
		remove_tree(kit.directory);
	}
}
END_TEST

START_TEST(both_checksums_agree)
{
	uint8_t bytes[300];

	for (size_t i = 0; i < sizeof bytes; i++)
		bytes[i] = (uint8_t)(i * 7 + i / 3);
	for (size_t start = 0; start < 9; start++)
		for (size_t length = 0; length + start <= sizeof bytes; length++)
			ck_assert_uint_eq(rv__crc32c(start, bytes + start, length),
			    rv__crc32c_table(start, bytes + start, length));
	ck_assert_uint_eq(rv__crc32c(0, "123456789", 9), 0xE3069283); /* the check value of the polynomial */
}
END_TEST

int main(void)
{
	const TTest *const cases[] = {messages_come_back_as_they_were_stored,
	    a_synced_message_is_visible_only_after_its_sync, a_written_message_is_visible_at_once,
	    positions_name_the_record, the_status_follows_the_offset, filters_choose_by_code_and_by_record,
	    a_read_keeps_to_its_limits_but_gives_one, queues_that_share_a_batch_are_read_apart,
	    everything_is_there_after_a_clean_stop, the_log_goes_on_over_many_files,
	    a_second_opener_is_refused_and_told_the_pid, offsets_are_found_by_time,
	    a_delay_stands_in_the_index, a_cleared_topic_is_empty_and_goes_on_behind,
	    messages_are_found_by_key_within_the_budget, what_is_too_large_is_refused,
	    topics_of_any_name_stay_inside_the_store, documents_are_saved_and_the_newest_wins,
	    a_save_at_the_last_moment_is_saved, a_write_of_many_batches_is_whole,
	    many_queues_share_few_descriptors_and_close_quickly,
	    nothing_acknowledged_is_lost_when_the_process_is_killed, both_checksums_agree, NULL};

	return unit_run("store", cases, setup, teardown);
}
