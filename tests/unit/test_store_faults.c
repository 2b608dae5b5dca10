/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The store against a disk that fails at every call in turn, runs full, loses what was not synced, or lies after a
 * failed sync.
 */
#include "broker/store/store.h"

#include "tests/support/store_life.h"
#include "tests/support/unit.h"
#include "tests/support/wait.h"

#include <errno.h>
#include <string.h>

/* -- one call fails ---------------------------------------------------------------------- */

static uint64_t calls_of_a_life(enum rv__store_level level)
{
	uint64_t calls;

	store_life_begin(level);
	store_kit_open(&life.kit);
	store_life_run(30, 7);
	rv__store_close(life.kit.store);
	life.kit.store = NULL;
	calls = life.disk.calls;
	sim_disk_finish(&life.disk);
	return calls;
}

static void fail_each_call(enum rv__store_level level, int number, bool for_good, unsigned step)
{
	uint64_t calls = calls_of_a_life(level);

	ck_assert_uint_gt(calls, 100);
	for (uint64_t n = 1; n <= calls; n += long_form() ? 1 : step) {
		struct rv_error err = {0};

		store_life_begin(level);
		life.disk.fail_at = n;
		life.disk.fail_on = for_good;
		life.disk.fail_errno = number;
		if (rv__store_open(&life.kit.options, &life.kit.store, &err) == RV_OK) {
			store_life_run(30, 7);
			rv__store_close(life.kit.store);
		} else {
			ck_assert_msg(
			    strlen(err.text) > 20 && life.disk.failed, "a failure without a sentence");
		}
		life.kit.store = NULL;
		sim_disk_process_death(&life.disk);
		store_life_check_again(false);
		store_life_end();
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
		store_life_begin(level);
		store_kit_open(&life.kit);
		for (unsigned lives = 0; lives < 2; lives++) {
			sim_disk_fail_after(&life.disk, 1 + (run * 7919 + lives * 31) % 130, true, EIO);
			store_life_run(30, run);
			/* Nothing that happens in closing may count: the machine is off. */
			rv__store_close(life.kit.store);
			life.kit.store = NULL;
			sim_disk_power_loss(&life.disk, strict, run * 2 + lives);
			store_life_check_again(level == RV__STORE_WRITTEN);
			/* What was lost is lost; the next life is judged by what is there now. */
			if (level == RV__STORE_WRITTEN)
				for (int n = 0; n < life.history.next; n++)
					life.history.acked[n] = false;
		}
		store_life_end();
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
		store_life_begin(RV__STORE_WRITTEN);
		store_kit_open(&life.kit);
		store_life_run(10 + run % 20, run);
		/* What was acknowledged counts; from here on no call has an effect. */
		sim_disk_fail_after(&life.disk, 1, true, EIO);
		rv__store_close(life.kit.store);
		life.kit.store = NULL;
		sim_disk_process_death(&life.disk);
		store_life_check_again(false);
		store_life_end();
	}
}
END_TEST

/* -- the cases with a story -------------------------------------------------------------------- */

START_TEST(a_full_disk_refuses_clearly_and_recovers_by_itself)
{
	struct rv__store_position position;
	struct rv_error err;
	int refused = 0;

	store_life_begin(RV__STORE_SYNCED);
	store_kit_open(&life.kit);
	ck_assert(store_life_send(4));
	store_life_drain();
	life.disk.space = 8000;
	for (int i = 0; i < 60 && !refused; i++)
		refused = !store_life_send(3);
	ck_assert(refused);
	ck_assert_int_eq(life.disk.failed, true);
	store_life_drain();
	store_life_compare(false);
	rv__store_tick(life.kit.store);
	ck_assert_int_eq(store_kit_add(&life.kit, "T", 0, 0, &position, &err), RV_E_FULL);
	ck_assert(err.retriable);
	life.disk.space = -1;
	rv__store_tick(life.kit.store);
	ck_assert(store_life_send(3));
	store_life_drain();
	store_life_compare(false);
	rv__store_close(life.kit.store);
	sim_disk_process_death(&life.disk);
	store_life_check_again(false);
	store_life_end();
}
END_TEST

START_TEST(a_failed_sync_is_final)
{
	struct rv__store_position position;
	struct rv__store_stats stats;
	struct rv_error err = {0};
	int before;

	store_life_begin(RV__STORE_SYNCED);
	store_kit_open(&life.kit);
	ck_assert(store_life_send(6));
	store_life_drain();
	before = life.history.next;
	/* The write goes well, the sync does not, everything later would. */
	sim_disk_fail_after(&life.disk, 2, false, EIO);
	ck_assert(store_life_send(3));
	WAIT_UNTIL(30000, (rv__store_stats(life.kit.store, &stats), stats.read_only));
	ck_assert_int_eq(rv__store_poll(life.kit.store, &err), RV_E_IO);
	ck_assert_ptr_nonnull(strstr(err.text, "read-only"));
	ck_assert(!err.retriable);
	store_life_note();
	for (int n = before; n < life.history.next; n++)
		ck_assert(!life.history.acked[n]);
	ck_assert_int_eq(store_kit_add(&life.kit, "T", 0, 0, &position, &err), RV_E_IO);
	ck_assert_int_eq(rv__state_file_save_now(life.kit.store, "offsets", "{}", 2, NULL), RV_E_IO);
	ck_assert_int_eq(rv__queue_max(store_life_queue(0)), 2); /* reads go on over what was visible */
	ck_assert_uint_eq(store_kit_read(&life.kit, "T", 0, 0, 100).count, 2);
	rv__store_close(life.kit.store);
	sim_disk_power_loss(&life.disk, true, 1);
	store_life_check_again(false);
	store_life_end();
}
END_TEST

START_TEST(a_read_error_is_reported_and_passes)
{
	struct rv__store_read got;
	struct rv_error err = {0};

	store_life_begin(RV__STORE_SYNCED);
	store_kit_open(&life.kit);
	ck_assert(store_life_send(6));
	store_life_drain();
	life.disk.fail_read_at = life.disk.reads + 1;
	rv__buffer_clear(&life.kit.out);
	ck_assert_int_eq(rv__store_read(life.kit.store, store_life_queue(0), 0, 10, 1 << 20, NULL,
	                     &life.kit.out, &got, &err),
	    RV_E_IO);
	ck_assert_uint_eq(life.kit.out.length, 0);
	ck_assert_uint_eq(store_kit_read(&life.kit, "T", 0, 0, 10).count, 2);
	store_life_end();
}
END_TEST

/* Whoever is told "no such message" goes on without it; so a disk's moment of weakness must not say that. */
START_TEST(a_read_error_does_not_say_that_there_is_no_message)
{
	struct rv__store_entry entry;
	struct rv_error err = {0};

	store_life_begin(RV__STORE_SYNCED);
	store_kit_open(&life.kit);
	ck_assert(store_life_send(6));
	store_life_drain();
	ck_assert_int_eq(rv__queue_entry(life.kit.store, store_life_queue(0), 1, &entry, &err), RV_OK);
	for (uint64_t n = 1; n <= 2; n++) {
		life.disk.fail_read_at = life.disk.reads + n;
		rv__buffer_clear(&life.kit.out);
		ck_assert_int_eq(
		    rv__store_read_at(life.kit.store, entry.physical_offset, &life.kit.out, &err), RV_E_IO);
		ck_assert_uint_eq(life.kit.out.length, 0);
	}
	ck_assert_int_eq(
	    rv__store_read_at(life.kit.store, entry.physical_offset, &life.kit.out, &err), RV_OK);
	ck_assert_int_eq(
	    rv__store_read_at(life.kit.store, entry.physical_offset + 1, &life.kit.out, &err), RV_E_NOTFOUND);
	store_life_end();
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
	    a_read_error_is_reported_and_passes, a_read_error_does_not_say_that_there_is_no_message, NULL};

	return unit_run("store_faults", cases, store_life_setup, store_life_teardown);
}
