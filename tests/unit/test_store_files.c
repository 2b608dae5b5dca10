/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The files of a store: they go by size, by age and when the disk runs full, the oldest first; what is gone or damaged is
 * told, costs what it held and nothing later, and no offset is issued twice.
 */
#include "broker/store/store.h"

#include "tests/support/store_life.h"
#include "tests/support/unit.h"
#include "tests/support/wait.h"

#include <errno.h>
#include <string.h>

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

	for (size_t i = 0; i < life.disk.name_count; i++) {
		const char *path = life.disk.names[i].path;

		if (!life.disk.names[i].now || strncmp(path, "/sim/store/log/", 15) != 0)
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
	store_life_begin(RV__STORE_SYNCED);
	life.kit.options.segment_bytes = 20000;
	store_kit_open(&life.kit);
	store_kit_send_some(&life.kit, "T", 0, 0, 80);
	store_kit_send_some(&life.kit, "T", 0, 80, 80);
	store_kit_send_some(&life.kit, "T", 0, 160, 80);
	rv__store_close(life.kit.store);
	sim_disk_remove(&life.disk, second_file());
	damage_lines = 0;
	hole_told = false;
	rv_log_set_sink(count_damage, NULL);
	store_kit_open(&life.kit);
	ck_assert(hole_told);
	for (int64_t at = 0; at < 240;)
		at = store_kit_read(&life.kit, "T", 0, at, 8).next_offset;
	ck_assert_int_ge(damage_lines, 1);
	ck_assert_int_lt(damage_lines, 20);
	rv_log_set_sink(store_life_ignore_log, NULL);
	store_life_end();
}
END_TEST

START_TEST(old_files_go_by_size_and_offsets_stay)
{
	struct rv__store_stats stats;
	int64_t min;

	store_life_begin(RV__STORE_SYNCED);
	life.kit.options.retention_bytes = 6000;
	store_kit_open(&life.kit);
	for (int i = 0; i < 60; i++)
		ck_assert(store_life_send(3));
	store_life_drain();
	rv__store_tick(life.kit.store);
	WAIT_UNTIL(30000,
	    (rv__store_stats(life.kit.store, &stats),
	        !sim_disk_bytes(&life.disk, "/sim/store/log/00000000000000000000", &(size_t){0})));
	ck_assert_int_gt(stats.log_start, 0);
	ck_assert_int_le(stats.log_end - stats.log_start, 6000 + 3000);
	for (int pass = 0; pass < 2; pass++) {
		min = rv__queue_min(life.kit.store, store_life_queue(1));
		ck_assert_int_gt(min, 0);
		ck_assert_int_eq(rv__queue_max(store_life_queue(1)), 60);
		ck_assert_int_eq(store_kit_read(&life.kit, "T", 1, 0, 10).status, RV__READ_TOO_SMALL);
		ck_assert_int_eq(store_kit_read(&life.kit, "T", 1, 0, 10).next_offset, min);
		ck_assert_uint_eq(store_kit_read(&life.kit, "T", 1, min, 100).count, (unsigned)(60 - min));
		store_kit_reopen(&life.kit);
	}
	store_life_end();
}
END_TEST

START_TEST(a_queue_whose_messages_are_all_gone_does_not_begin_again)
{
	struct rv__store_stats stats;

	store_life_begin(RV__STORE_SYNCED);
	life.kit.options.retention_bytes = 3000;
	store_kit_open(&life.kit);
	for (int i = 0; i < 5; i++)
		store_kit_send(&life.kit, "Old", 0, i);
	for (int i = 0; i < 40; i++)
		ck_assert(store_life_send(3));
	store_life_drain();
	for (int i = 0; i < 3; i++) {
		rv__store_tick(life.kit.store);
		store_kit_reopen(&life.kit);
	}
	rv__store_stats(life.kit.store, &stats);
	ck_assert_int_gt(stats.log_start, 2000);
	/* Not even when the index is lost. */
	rv__store_close(life.kit.store);
	sim_disk_remove(&life.disk, "/sim/store/index/");
	store_kit_open(&life.kit);
	ck_assert_int_eq(store_kit_read(&life.kit, "Old", 0, 0, 1).status, RV__READ_TOO_SMALL);
	ck_assert_int_eq(store_kit_send(&life.kit, "Old", 0, 1).queue_offset, 5);
	store_life_end();
}
END_TEST

START_TEST(old_files_go_by_age_but_never_the_active_one)
{
	struct rv__store_stats stats;

	store_life_begin(RV__STORE_SYNCED);
	store_kit_open(&life.kit);
	for (int i = 0; i < 40; i++)
		ck_assert(store_life_send(3));
	store_life_drain();
	rv__store_tick(life.kit.store);
	rv__store_stats(life.kit.store, &stats);
	ck_assert_int_eq(stats.log_start, 0); /* 72 hours are not over */
	rv__store_close(life.kit.store);
	life.kit.options.retention_ms = 1;
	store_kit_open(&life.kit);
	WAIT_UNTIL(30000,
	    (rv__store_tick(life.kit.store), rv__store_stats(life.kit.store, &stats), stats.segments == 1));
	ck_assert_int_gt(stats.log_start, 0);
	ck_assert_uint_gt(
	    store_kit_read(&life.kit, "T", 0, rv__queue_min(life.kit.store, store_life_queue(0)), 10).count,
	    0);
	store_life_end();
}
END_TEST

START_TEST(a_disk_that_runs_full_loses_its_oldest_files_first)
{
	struct rv__store_position position;
	struct rv__store_stats stats;
	uint64_t total, left;

	store_life_begin(RV__STORE_SYNCED);
	store_kit_open(&life.kit);
	for (int i = 0; i < 40; i++)
		ck_assert(store_life_send(3));
	store_life_drain();
	store_kit_reopen(&life.kit);
	rv__store_stats(life.kit.store, &stats);
	ck_assert_int_eq(stats.log_start, 0);
	life.disk.space = 1 << 20;
	ck_assert_int_eq(life.disk.io.space(&life.disk, "/sim/store", &total, &left), 0);
	life.disk.space = (int64_t)(total - left) * 100 / 87; /* in use to 87 % */
	store_kit_reopen(&life.kit);
	WAIT_UNTIL(30000,
	    (rv__store_tick(life.kit.store), rv__store_stats(life.kit.store, &stats), stats.log_start > 0));
	rv__store_close(life.kit.store);
	/* Above 90 % nothing is taken. */
	life.kit.options.disk_clean_ratio = 0.999;
	life.kit.options.disk_full_ratio = 0.01;
	store_kit_open(&life.kit);
	ck_assert_int_eq(store_kit_add(&life.kit, "T", 0, 0, &position, NULL), RV_E_FULL);
	rv__store_stats(life.kit.store, &stats);
	ck_assert(stats.disk_full);
	store_life_end();
}
END_TEST

/* Forty queues leave a table that counts until the next boot, beside index files that were not synced. */
static void close_with_many_queues(void)
{
	store_life_begin(RV__STORE_SYNCED);
	store_kit_open(&life.kit);
	for (int turn = 0; turn < 3; turn++)
		for (int i = 0; i < 40; i++)
			store_kit_send(&life.kit, "T", i, turn * 40 + i);
	rv__store_close(life.kit.store);
	life.kit.store = NULL;
	ck_assert_ptr_nonnull(sim_disk_bytes(&life.disk, "/sim/store/queues.boot", &(size_t){0}));
}

static void check_many_queues(bool read_again)
{
	struct rv__store_stats stats;

	store_kit_open(&life.kit);
	rv__store_stats(life.kit.store, &stats);
	ck_assert_int_eq(stats.recovered > 0, read_again);
	for (int i = 0; i < 40; i++) {
		ck_assert_uint_eq(store_kit_read(&life.kit, "T", i, 0, 10).count, 3);
		ck_assert_int_eq(store_kit_send(&life.kit, "T", i, 1).queue_offset, 3);
	}
	store_life_end();
}

START_TEST(an_index_that_was_not_synced_counts_until_the_next_boot)
{
	close_with_many_queues();
	sim_disk_process_death(&life.disk);
	check_many_queues(false);
	for (uint64_t seed = 0; seed < 10; seed++) {
		close_with_many_queues();
		sim_disk_power_loss(&life.disk, seed == 0, seed);
		check_many_queues(true);
	}
}
END_TEST

START_TEST(a_cleared_topic_stays_cleared_when_the_power_goes)
{
	store_life_begin(RV__STORE_SYNCED);
	store_kit_open(&life.kit);
	ck_assert(store_life_send(9));
	store_life_drain();
	ck_assert_int_eq(rv__store_topic_clear(life.kit.store, "T", 1), RV_OK);
	sim_disk_fail_after(&life.disk, 1, true, EIO);
	rv__store_close(life.kit.store);
	sim_disk_power_loss(&life.disk, true, 1);
	store_kit_open(&life.kit);
	ck_assert_int_eq(rv__queue_min(life.kit.store, store_life_queue(0)), 3);
	ck_assert_int_eq(store_kit_send(&life.kit, "T", 0, 1).queue_offset, 3);
	ck_assert_uint_eq(store_kit_read(&life.kit, "T", 0, 3, 10).count, 1);
	store_life_end();
}
END_TEST

START_TEST(an_emptied_log_file_costs_its_messages_and_nothing_later)
{
	const char *second = NULL;
	struct rv__store_stats stats;
	int64_t max;

	store_life_begin(RV__STORE_SYNCED);
	store_kit_open(&life.kit);
	for (int i = 0; i < 30; i++)
		ck_assert(store_life_send(3));
	store_life_drain();
	rv__store_close(life.kit.store);
	for (size_t i = 0; i < life.disk.name_count; i++)
		if (life.disk.names[i].now && strncmp(life.disk.names[i].path, "/sim/store/log/", 15) == 0 &&
		    strcmp(life.disk.names[i].path, "/sim/store/log/00000000000000000000") != 0 &&
		    (!second || strcmp(life.disk.names[i].path, second) < 0))
			second = life.disk.names[i].path;
	ck_assert_ptr_nonnull(second);
	sim_disk_truncate(&life.disk, second, 0);
	sim_disk_remove(&life.disk, "/sim/store/index/");
	store_kit_open(&life.kit);
	rv__store_stats(life.kit.store, &stats);
	ck_assert_uint_eq(stats.corrupt_regions, 1);
	max = rv__queue_max(store_life_queue(0));
	ck_assert_int_lt(max, 100); /* 30, and what the file can have held */
	/* The next start after a kill begins behind the hole and takes no notice of it. */
	ck_assert(store_life_send(3));
	store_life_drain();
	sim_disk_fail_after(&life.disk, 1, true, EIO);
	rv__store_close(life.kit.store);
	sim_disk_process_death(&life.disk);
	store_kit_open(&life.kit);
	rv__store_stats(life.kit.store, &stats);
	ck_assert_uint_eq(stats.corrupt_regions, 0);
	ck_assert_int_eq(rv__queue_max(store_life_queue(0)), max + 1);
	store_life_end();
}
END_TEST

int main(void)
{
	const TTest *const cases[] = {a_file_of_the_log_that_is_gone_is_told_at_once_and_in_few_lines,
	    old_files_go_by_size_and_offsets_stay, a_queue_whose_messages_are_all_gone_does_not_begin_again,
	    old_files_go_by_age_but_never_the_active_one, a_disk_that_runs_full_loses_its_oldest_files_first,
	    an_index_that_was_not_synced_counts_until_the_next_boot,
	    a_cleared_topic_stays_cleared_when_the_power_goes,
	    an_emptied_log_file_costs_its_messages_and_nothing_later, NULL};

	return unit_run("store_files", cases, store_life_setup, store_life_teardown);
}
