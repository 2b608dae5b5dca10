/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The store against a disk that fails at every call in turn, runs full, loses what was not synced, or lies
 * after
 * a failed sync. One history of sends, reads and saves is driven until the fault or the power cut strikes;
 * then the
 * store is opened again and what was promised is compared with what is there.
 */
#include "broker/store/store.h"

#include "tests/support/sim_disk.h"
#include "tests/support/store_kit.h"
#include "tests/support/unit.h"
#include "tests/support/wait.h"

#include <rivulet/log.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { QUEUES = 3, NUMBERS = 400 };

/* What the store promised so far. */
struct history {
	int next;           /* number of the next message */
	int queue[NUMBERS]; /* of each message sent */
	int64_t offset[NUMBERS];
	bool acked[NUMBERS];
	bool failed[NUMBERS];   /* told that it was not taken */
	int64_t ends[NUMBERS];  /* log offset that its acknowledgement waits for */
	int64_t served[QUEUES]; /* largest maximum that a reader saw */
	int saves;              /* documents asked for; document n is "n" */
	int saved;              /* newest that completed well */
	int64_t noted[NUMBERS]; /* maximum of queue 0 that document n holds */
};

static struct sim_disk disk;
static struct store_kit kit;
static struct history history;

static void ignore_log(rv_log_level level, const char *topic, const char *line, void *arg)
{
}

static void setup(void)
{
	rv_log_set_sink(ignore_log, NULL);
}

static void teardown(void)
{
	rv__buffer_finish(&kit.out);
}

static void begin(enum rv__store_level level)
{
	rv__buffer_finish(&kit.out);
	sim_disk_init(&disk);
	store_kit_init_on(&kit, &disk.io);
	kit.options.level = level;
	kit.options.segment_bytes = 3000; /* a few writes a file */
	memset(&history, 0, sizeof history);
	history.saved = -1;
}

static void end(void)
{
	rv__store_close(kit.store);
	kit.store = NULL;
	sim_disk_finish(&disk);
}

static rv__queue *queue_of(int i)
{
	return rv__store_queue(kit.store, "T", 1, i, true);
}

static void note_acknowledged(void)
{
	int64_t acknowledged;

	(void)rv__store_poll(kit.store, NULL);
	acknowledged = rv__store_acknowledged(kit.store);
	for (int n = 0; n < history.next; n++)
		if (!history.failed[n] && history.ends[n] && history.ends[n] <= acknowledged)
			history.acked[n] = true;
	for (int i = 0; i < QUEUES; i++)
		if (rv__queue_max(queue_of(i)) > history.served[i])
			history.served[i] = rv__queue_max(queue_of(i));
}

/* Adds up to `count` messages in one write. Whether all went well. */
static bool send_some(int count)
{
	int first = history.next;
	int64_t upto = 0;
	bool good = true;

	for (int i = 0; i < count && history.next < NUMBERS; i++) {
		struct rv__store_position position;
		int n = history.next;

		if (store_kit_add(&kit, "T", n % QUEUES, n, &position, NULL) != RV_OK) {
			good = false;
			break;
		}
		history.queue[n] = n % QUEUES;
		history.offset[n] = position.queue_offset;
		history.next++;
	}
	if (rv__store_write(kit.store, &upto, NULL) != RV_OK)
		good = false;
	for (int n = first; n < history.next; n++) {
		history.failed[n] = !good && upto == 0;
		history.ends[n] = upto;
	}
	note_acknowledged();
	return good;
}

static void note_saved(void *arg, rv_err code, const struct rv_error *err)
{
	int n = (int)(intptr_t)arg;

	if (code == RV_OK && n > history.saved)
		history.saved = n;
}

static void save(void)
{
	char text[64];
	int n = history.saves;

	if (n == NUMBERS)
		return;
	history.noted[n] = rv__queue_max(queue_of(0));
	snprintf(text, sizeof text, "{\"n\":%d,\"offset\":%lld}", n, (long long)history.noted[n]);
	if (rv__state_file_save(
	        kit.store, "offsets", text, strlen(text), note_saved, (void *)(intptr_t)n, NULL) == RV_OK)
		history.saves++;
}

static void drain(void)
{
	int64_t log_end;
	struct rv__store_stats stats;

	rv__store_stats(kit.store, &stats);
	log_end = stats.log_end;
	/* Until everything is acknowledged, or never will be. */
	WAIT_UNTIL(10000,
	    (note_acknowledged(), rv__store_stats(kit.store, &stats),
	        stats.read_only || rv__store_acknowledged(kit.store) >= log_end));
}

/* Some seconds of a broker's life. Ends early when the disk has failed for good. */
static void live(unsigned turns, unsigned seed)
{
	for (unsigned turn = 0; turn < turns; turn++) {
		seed = seed * 1103515245 + 12345;
		(void)send_some(1 + (int)(seed >> 16) % 4);
		if (seed >> 20 & 1)
			save();
		if ((seed >> 24 & 3) == 0)
			drain();
		if ((seed >> 26 & 3) == 0)
			rv__store_tick(kit.store);
	}
}

/* Numbers of a queue's messages in order, into found[]; count. */
static int read_all(int queue, int *found, int64_t *offsets)
{
	rv__queue *handle = queue_of(queue);
	int64_t offset = rv__queue_min(kit.store, handle);
	int count = 0;

	while (offset < rv__queue_max(handle)) {
		struct rv__store_read got = store_kit_read(&kit, "T", queue, offset, 100);
		size_t at = 0;

		for (uint32_t i = 0; i < got.count; i++) {
			struct rv__record record;

			ck_assert_int_eq(
			    rv__record_decode(kit.out.bytes + at, kit.out.length - at, &record, NULL), RV_OK);
			offsets[count] = record.queue_offset;
			found[count++] = store_kit_number(&kit, (int)i);
			at += record.size;
		}
		ck_assert_int_gt(got.next_offset, offset);
		offset = got.next_offset;
	}
	return count;
}

/*
 * What is there against what was promised. lossy: acknowledged messages may be missing (level written,
 * power loss).
 */
static void compare(bool lossy)
{
	bool there[NUMBERS] = {false};
	int found[NUMBERS];
	int64_t offsets[NUMBERS];

	for (int i = 0; i < QUEUES; i++) {
		int count = read_all(i, found, offsets);

		for (int k = 0; k < count; k++) {
			ck_assert(found[k] >= 0 && found[k] < history.next);
			ck_assert_msg(!there[found[k]], "%d twice", found[k]);
			there[found[k]] = true;
			ck_assert_msg(!history.failed[found[k]], "%d was refused and is there", found[k]);
			ck_assert_int_eq(history.queue[found[k]], i);
			ck_assert_int_eq(history.offset[found[k]], offsets[k]);
			ck_assert_msg(k == 0 || found[k - 1] < found[k], "order of queue %d", i);
		}
		ck_assert_msg(rv__queue_max(queue_of(i)) >= history.served[i],
		    "queue %d: %lld was served, next is %lld", i, (long long)history.served[i],
		    (long long)rv__queue_max(queue_of(i)));
	}
	for (int n = 0; n < history.next && !lossy; n++)
		ck_assert_msg(!history.acked[n] || there[n], "acknowledged message %d is lost", n);
}

static void compare_document(void)
{
	struct rv__buffer text = {0};
	struct rv_error err = {0};
	rv_err code = rv__state_file_load(kit.store, "offsets", &text, &err);
	long long offset;
	int n;

	if (history.saved < 0 && code == RV_E_NOTFOUND)
		return;
	ck_assert_msg(code == RV_OK, "%s", err.text);
	ck_assert_int_eq(sscanf(rv__buffer_text(&text), "{\"n\":%d,\"offset\":%lld}", &n, &offset), 2);
	ck_assert_int_ge(n, history.saved);
	ck_assert_int_lt(n, history.saves);
	ck_assert_int_eq(offset, history.noted[n]);
	ck_assert_msg(offset <= rv__queue_max(queue_of(0)), "the document leads the log");
	rv__buffer_finish(&text);
}

static void check_again(bool lossy)
{
	/* What was not acknowledged by now never is. */
	for (int n = 0; n < history.next; n++)
		if (!history.acked[n])
			history.ends[n] = 0;
	store_kit_open(&kit);
	compare(lossy);
	compare_document();
	/* And it lives on. */
	ck_assert(send_some(3));
	drain();
	compare(lossy);
}

/* -- one call fails ---------------------------------------------------------------------- */

static uint64_t calls_of_a_life(enum rv__store_level level)
{
	uint64_t calls;

	begin(level);
	store_kit_open(&kit);
	live(30, 7);
	rv__store_close(kit.store);
	kit.store = NULL;
	calls = disk.calls;
	sim_disk_finish(&disk);
	return calls;
}

static void fail_each_call(enum rv__store_level level, int number, bool for_good, unsigned step)
{
	uint64_t calls = calls_of_a_life(level);

	ck_assert_uint_gt(calls, 100);
	for (uint64_t n = 1; n <= calls; n += long_form() ? 1 : step) {
		struct rv_error err = {0};

		begin(level);
		disk.fail_at = n;
		disk.fail_on = for_good;
		disk.fail_errno = number;
		if (rv__store_open(&kit.options, &kit.store, &err) == RV_OK) {
			live(30, 7);
			rv__store_close(kit.store);
		} else {
			ck_assert_msg(strlen(err.text) > 20 && disk.failed, "a failure without a sentence");
		}
		kit.store = NULL;
		sim_disk_process_death(&disk);
		check_again(false);
		end();
	}
}

START_TEST(any_call_may_fail_once_with_no_space)
{
	fail_each_call(RV__STORE_SYNCED, ENOSPC, false, 3);
}
END_TEST

START_TEST(any_call_may_fail_once_with_an_io_error)
{
	fail_each_call(RV__STORE_SYNCED, EIO, false, 2);
}
END_TEST

START_TEST(the_disk_may_die_at_any_call)
{
	fail_each_call(RV__STORE_SYNCED, EIO, true, 5);
}
END_TEST

START_TEST(any_call_may_fail_at_level_written)
{
	fail_each_call(RV__STORE_WRITTEN, ENOSPC, false, 5);
	fail_each_call(RV__STORE_WRITTEN, EIO, true, 7);
}
END_TEST

/* -- power ----------------------------------------------------------------------------------- */

/* The machine stops at the n-th call: nothing reaches the disk any more, then the power goes. */
static void cut_power(enum rv__store_level level, bool strict, unsigned runs)
{
	for (unsigned run = 0; run < (long_form() ? 5 * runs : runs); run++) {
		begin(level);
		store_kit_open(&kit);
		for (unsigned lives = 0; lives < 2; lives++) {
			sim_disk_fail_after(&disk, 1 + (run * 7919 + lives * 31) % 130, true, EIO);
			live(30, run);
			/* Nothing that happens in closing may count: the machine is off. */
			rv__store_close(kit.store);
			kit.store = NULL;
			sim_disk_power_loss(&disk, strict, run * 2 + lives);
			check_again(level == RV__STORE_WRITTEN);
			/* What was lost is lost; the next life is judged by what is there now. */
			if (level == RV__STORE_WRITTEN)
				for (int n = 0; n < history.next; n++)
					history.acked[n] = false;
		}
		end();
	}
}

START_TEST(nothing_synced_is_lost_when_the_power_goes)
{
	cut_power(RV__STORE_SYNCED, true, 60);
}
END_TEST

START_TEST(nothing_synced_is_lost_when_writes_are_torn)
{
	cut_power(RV__STORE_SYNCED, false, 100);
}
END_TEST

START_TEST(at_level_written_no_offset_is_issued_twice)
{
	cut_power(RV__STORE_WRITTEN, true, 40);
	cut_power(RV__STORE_WRITTEN, false, 40);
}
END_TEST

START_TEST(at_level_written_nothing_is_lost_when_the_process_dies)
{
	for (unsigned run = 0; run < (long_form() ? 500U : 40U); run++) {
		begin(RV__STORE_WRITTEN);
		store_kit_open(&kit);
		live(10 + run % 20, run);
		/* What was acknowledged counts; from here on no call has an effect. */
		sim_disk_fail_after(&disk, 1, true, EIO);
		rv__store_close(kit.store);
		kit.store = NULL;
		sim_disk_process_death(&disk);
		check_again(false);
		end();
	}
}
END_TEST

/* -- the cases with a story -------------------------------------------------------------------- */

START_TEST(a_full_disk_refuses_clearly_and_recovers_by_itself)
{
	struct rv__store_position position;
	struct rv_error err;
	int refused = 0;

	begin(RV__STORE_SYNCED);
	store_kit_open(&kit);
	ck_assert(send_some(4));
	drain();
	disk.space = 8000;
	for (int i = 0; i < 60 && !refused; i++)
		refused = !send_some(3);
	ck_assert(refused);
	ck_assert_int_eq(disk.failed, true);
	drain();
	compare(false);
	rv__store_tick(kit.store);
	ck_assert_int_eq(store_kit_add(&kit, "T", 0, 0, &position, &err), RV_E_FULL);
	ck_assert(err.retriable);
	disk.space = -1;
	rv__store_tick(kit.store);
	ck_assert(send_some(3));
	drain();
	compare(false);
	rv__store_close(kit.store);
	sim_disk_process_death(&disk);
	check_again(false);
	end();
}
END_TEST

START_TEST(a_failed_sync_is_final)
{
	struct rv__store_position position;
	struct rv__store_stats stats;
	struct rv_error err = {0};
	int before;

	begin(RV__STORE_SYNCED);
	store_kit_open(&kit);
	ck_assert(send_some(6));
	drain();
	before = history.next;
	/* The write goes well, the sync does not, everything later would. */
	sim_disk_fail_after(&disk, 2, false, EIO);
	ck_assert(send_some(3));
	WAIT_UNTIL(5000, (rv__store_stats(kit.store, &stats), stats.read_only));
	ck_assert_int_eq(rv__store_poll(kit.store, &err), RV_E_IO);
	ck_assert_ptr_nonnull(strstr(err.text, "read-only"));
	ck_assert(!err.retriable);
	note_acknowledged();
	for (int n = before; n < history.next; n++)
		ck_assert(!history.acked[n]);
	ck_assert_int_eq(store_kit_add(&kit, "T", 0, 0, &position, &err), RV_E_IO);
	ck_assert_int_eq(rv__state_file_save_now(kit.store, "offsets", "{}", 2, NULL), RV_E_IO);
	ck_assert_int_eq(rv__queue_max(queue_of(0)), 2); /* reads go on over what was visible */
	ck_assert_uint_eq(store_kit_read(&kit, "T", 0, 0, 100).count, 2);
	rv__store_close(kit.store);
	sim_disk_power_loss(&disk, true, 1);
	check_again(false);
	end();
}
END_TEST

START_TEST(a_read_error_is_reported_and_passes)
{
	struct rv__store_read got;
	struct rv_error err = {0};

	begin(RV__STORE_SYNCED);
	store_kit_open(&kit);
	ck_assert(send_some(6));
	drain();
	disk.fail_read_at = disk.reads + 1;
	rv__buffer_clear(&kit.out);
	ck_assert_int_eq(
	    rv__store_read(kit.store, queue_of(0), 0, 10, 1 << 20, NULL, &kit.out, &got, &err), RV_E_IO);
	ck_assert_uint_eq(kit.out.length, 0);
	ck_assert_uint_eq(store_kit_read(&kit, "T", 0, 0, 10).count, 2);
	end();
}
END_TEST

static int damage_lines;
static bool hole_told;

static void count_damage(rv_log_level level, const char *topic, const char *line, void *arg)
{
	damage_lines += strstr(line, "RV0474") != NULL;
	hole_told = hole_told || strstr(line, "is missing");
}

/* The second file of the log, in order. */
static const char *second_file(void)
{
	const char *first = NULL, *second = NULL;

	for (size_t i = 0; i < disk.name_count; i++) {
		const char *path = disk.names[i].path;

		if (!disk.names[i].now || strncmp(path, "/sim/store/log/", 15) != 0)
			continue;
		if (!first || strcmp(path, first) < 0) {
			second = first;
			first = path;
		} else if (!second || strcmp(path, second) < 0) {
			second = path;
		}
	}
	ck_assert_ptr_nonnull(second);
	return second;
}

START_TEST(a_file_of_the_log_that_is_gone_is_told_at_once_and_in_few_lines)
{
	begin(RV__STORE_SYNCED);
	kit.options.segment_bytes = 20000;
	store_kit_open(&kit);
	store_kit_send_some(&kit, "T", 0, 0, 80);
	store_kit_send_some(&kit, "T", 0, 80, 80);
	store_kit_send_some(&kit, "T", 0, 160, 80);
	rv__store_close(kit.store);
	sim_disk_remove(&disk, second_file());
	damage_lines = 0;
	hole_told = false;
	rv_log_set_sink(count_damage, NULL);
	store_kit_open(&kit);
	ck_assert(hole_told);
	for (int64_t at = 0; at < 240;)
		at = store_kit_read(&kit, "T", 0, at, 8).next_offset;
	ck_assert_int_ge(damage_lines, 1);
	ck_assert_int_lt(damage_lines, 20);
	rv_log_set_sink(ignore_log, NULL);
	end();
}
END_TEST

/* Whoever is told "no such message" goes on without it; so a disk's moment of weakness must not say that. */
START_TEST(a_read_error_does_not_say_that_there_is_no_message)
{
	struct rv__store_entry entry;
	struct rv_error err = {0};

	begin(RV__STORE_SYNCED);
	store_kit_open(&kit);
	ck_assert(send_some(6));
	drain();
	ck_assert_int_eq(rv__queue_entry(kit.store, queue_of(0), 1, &entry, &err), RV_OK);
	for (uint64_t n = 1; n <= 2; n++) {
		disk.fail_read_at = disk.reads + n;
		rv__buffer_clear(&kit.out);
		ck_assert_int_eq(
		    rv__store_read_at(kit.store, entry.physical_offset, &kit.out, &err), RV_E_IO);
		ck_assert_uint_eq(kit.out.length, 0);
	}
	ck_assert_int_eq(rv__store_read_at(kit.store, entry.physical_offset, &kit.out, &err), RV_OK);
	ck_assert_int_eq(
	    rv__store_read_at(kit.store, entry.physical_offset + 1, &kit.out, &err), RV_E_NOTFOUND);
	end();
}
END_TEST

START_TEST(old_files_go_by_size_and_offsets_stay)
{
	struct rv__store_stats stats;
	int64_t min;

	begin(RV__STORE_SYNCED);
	kit.options.retention_bytes = 6000;
	store_kit_open(&kit);
	for (int i = 0; i < 60; i++)
		ck_assert(send_some(3));
	drain();
	rv__store_tick(kit.store);
	WAIT_UNTIL(5000,
	    (rv__store_stats(kit.store, &stats),
	        !sim_disk_bytes(&disk, "/sim/store/log/00000000000000000000", &(size_t){0})));
	ck_assert_int_gt(stats.log_start, 0);
	ck_assert_int_le(stats.log_end - stats.log_start, 6000 + 3000);
	for (int pass = 0; pass < 2; pass++) {
		min = rv__queue_min(kit.store, queue_of(1));
		ck_assert_int_gt(min, 0);
		ck_assert_int_eq(rv__queue_max(queue_of(1)), 60);
		ck_assert_int_eq(store_kit_read(&kit, "T", 1, 0, 10).status, RV__READ_TOO_SMALL);
		ck_assert_int_eq(store_kit_read(&kit, "T", 1, 0, 10).next_offset, min);
		ck_assert_uint_eq(store_kit_read(&kit, "T", 1, min, 100).count, (unsigned)(60 - min));
		store_kit_reopen(&kit);
	}
	end();
}
END_TEST

START_TEST(a_queue_whose_messages_are_all_gone_does_not_begin_again)
{
	struct rv__store_stats stats;

	begin(RV__STORE_SYNCED);
	kit.options.retention_bytes = 3000;
	store_kit_open(&kit);
	for (int i = 0; i < 5; i++)
		store_kit_send(&kit, "Old", 0, i);
	for (int i = 0; i < 40; i++)
		ck_assert(send_some(3));
	drain();
	for (int i = 0; i < 3; i++) {
		rv__store_tick(kit.store);
		store_kit_reopen(&kit);
	}
	rv__store_stats(kit.store, &stats);
	ck_assert_int_gt(stats.log_start, 2000);
	/* Not even when the index is lost. */
	rv__store_close(kit.store);
	sim_disk_remove(&disk, "/sim/store/index/");
	store_kit_open(&kit);
	ck_assert_int_eq(store_kit_read(&kit, "Old", 0, 0, 1).status, RV__READ_TOO_SMALL);
	ck_assert_int_eq(store_kit_send(&kit, "Old", 0, 1).queue_offset, 5);
	end();
}
END_TEST

START_TEST(old_files_go_by_age_but_never_the_active_one)
{
	struct rv__store_stats stats;

	begin(RV__STORE_SYNCED);
	store_kit_open(&kit);
	for (int i = 0; i < 40; i++)
		ck_assert(send_some(3));
	drain();
	rv__store_tick(kit.store);
	rv__store_stats(kit.store, &stats);
	ck_assert_int_eq(stats.log_start, 0); /* 72 hours are not over */
	rv__store_close(kit.store);
	kit.options.retention_ms = 1;
	store_kit_open(&kit);
	WAIT_UNTIL(
	    5000, (rv__store_tick(kit.store), rv__store_stats(kit.store, &stats), stats.segments == 1));
	ck_assert_int_gt(stats.log_start, 0);
	ck_assert_uint_gt(store_kit_read(&kit, "T", 0, rv__queue_min(kit.store, queue_of(0)), 10).count, 0);
	end();
}
END_TEST

START_TEST(a_disk_that_runs_full_loses_its_oldest_files_first)
{
	struct rv__store_position position;
	struct rv__store_stats stats;
	uint64_t total, left;

	begin(RV__STORE_SYNCED);
	store_kit_open(&kit);
	for (int i = 0; i < 40; i++)
		ck_assert(send_some(3));
	drain();
	store_kit_reopen(&kit);
	rv__store_stats(kit.store, &stats);
	ck_assert_int_eq(stats.log_start, 0);
	disk.space = 1 << 20;
	ck_assert_int_eq(disk.io.space(&disk, "/sim/store", &total, &left), 0);
	disk.space = (int64_t)(total - left) * 100 / 87; /* in use to 87 % */
	store_kit_reopen(&kit);
	WAIT_UNTIL(
	    5000, (rv__store_tick(kit.store), rv__store_stats(kit.store, &stats), stats.log_start > 0));
	rv__store_close(kit.store);
	/* Above 90 % nothing is taken. */
	kit.options.disk_clean_ratio = 0.999;
	kit.options.disk_full_ratio = 0.01;
	store_kit_open(&kit);
	ck_assert_int_eq(store_kit_add(&kit, "T", 0, 0, &position, NULL), RV_E_FULL);
	rv__store_stats(kit.store, &stats);
	ck_assert(stats.disk_full);
	end();
}
END_TEST

/* Forty queues leave a table that counts until the next boot, beside index files that were not synced. */
static void close_with_many_queues(void)
{
	begin(RV__STORE_SYNCED);
	store_kit_open(&kit);
	for (int turn = 0; turn < 3; turn++)
		for (int i = 0; i < 40; i++)
			store_kit_send(&kit, "T", i, turn * 40 + i);
	rv__store_close(kit.store);
	kit.store = NULL;
	ck_assert_ptr_nonnull(sim_disk_bytes(&disk, "/sim/store/queues.boot", &(size_t){0}));
}

static void check_many_queues(bool read_again)
{
	struct rv__store_stats stats;

	store_kit_open(&kit);
	rv__store_stats(kit.store, &stats);
	ck_assert_int_eq(stats.recovered > 0, read_again);
	for (int i = 0; i < 40; i++) {
		ck_assert_uint_eq(store_kit_read(&kit, "T", i, 0, 10).count, 3);
		ck_assert_int_eq(store_kit_send(&kit, "T", i, 1).queue_offset, 3);
	}
	end();
}

START_TEST(an_index_that_was_not_synced_counts_until_the_next_boot)
{
	close_with_many_queues();
	sim_disk_process_death(&disk);
	check_many_queues(false);
	for (uint64_t seed = 0; seed < 10; seed++) {
		close_with_many_queues();
		sim_disk_power_loss(&disk, seed == 0, seed);
		check_many_queues(true);
	}
}
END_TEST

START_TEST(a_cleared_topic_stays_cleared_when_the_power_goes)
{
	begin(RV__STORE_SYNCED);
	store_kit_open(&kit);
	ck_assert(send_some(9));
	drain();
	ck_assert_int_eq(rv__store_topic_clear(kit.store, "T", 1), RV_OK);
	sim_disk_fail_after(&disk, 1, true, EIO);
	rv__store_close(kit.store);
	sim_disk_power_loss(&disk, true, 1);
	store_kit_open(&kit);
	ck_assert_int_eq(rv__queue_min(kit.store, queue_of(0)), 3);
	ck_assert_int_eq(store_kit_send(&kit, "T", 0, 1).queue_offset, 3);
	ck_assert_uint_eq(store_kit_read(&kit, "T", 0, 3, 10).count, 1);
	end();
}
END_TEST

START_TEST(an_emptied_log_file_costs_its_messages_and_nothing_later)
{
	const char *second = NULL;
	struct rv__store_stats stats;
	int64_t max;

	begin(RV__STORE_SYNCED);
	store_kit_open(&kit);
	for (int i = 0; i < 30; i++)
		ck_assert(send_some(3));
	drain();
	rv__store_close(kit.store);
	for (size_t i = 0; i < disk.name_count; i++)
		if (disk.names[i].now && strncmp(disk.names[i].path, "/sim/store/log/", 15) == 0 &&
		    strcmp(disk.names[i].path, "/sim/store/log/00000000000000000000") != 0 &&
		    (!second || strcmp(disk.names[i].path, second) < 0))
			second = disk.names[i].path;
	ck_assert_ptr_nonnull(second);
	sim_disk_truncate(&disk, second, 0);
	sim_disk_remove(&disk, "/sim/store/index/");
	store_kit_open(&kit);
	rv__store_stats(kit.store, &stats);
	ck_assert_uint_eq(stats.corrupt_regions, 1);
	max = rv__queue_max(queue_of(0));
	ck_assert_int_lt(max, 100); /* 30, and what the file can have held */
	/* The next start after a kill begins behind the hole and takes no notice of it. */
	ck_assert(send_some(3));
	drain();
	sim_disk_fail_after(&disk, 1, true, EIO);
	rv__store_close(kit.store);
	sim_disk_process_death(&disk);
	store_kit_open(&kit);
	rv__store_stats(kit.store, &stats);
	ck_assert_uint_eq(stats.corrupt_regions, 0);
	ck_assert_int_eq(rv__queue_max(queue_of(0)), max + 1);
	end();
}
END_TEST

int main(void)
{
	const TTest *const cases[] = {any_call_may_fail_once_with_no_space,
	    any_call_may_fail_once_with_an_io_error, the_disk_may_die_at_any_call,
	    any_call_may_fail_at_level_written, nothing_synced_is_lost_when_the_power_goes,
	    nothing_synced_is_lost_when_writes_are_torn, at_level_written_no_offset_is_issued_twice,
	    at_level_written_nothing_is_lost_when_the_process_dies,
	    a_full_disk_refuses_clearly_and_recovers_by_itself, a_failed_sync_is_final,
	    a_read_error_is_reported_and_passes,
	    a_file_of_the_log_that_is_gone_is_told_at_once_and_in_few_lines,
	    a_read_error_does_not_say_that_there_is_no_message, old_files_go_by_size_and_offsets_stay,
	    a_queue_whose_messages_are_all_gone_does_not_begin_again,
	    old_files_go_by_age_but_never_the_active_one, a_disk_that_runs_full_loses_its_oldest_files_first,
	    an_index_that_was_not_synced_counts_until_the_next_boot,
	    a_cleared_topic_stays_cleared_when_the_power_goes,
	    an_emptied_log_file_costs_its_messages_and_nothing_later, NULL};

	return unit_run("store_faults", cases, setup, teardown);
}
