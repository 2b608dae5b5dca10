/* SPDX-License-Identifier: Apache-2.0 */
/* What a store serves after its files were cut, damaged, removed or swapped. */
#include "broker/store/store.h"

#include "broker/store/batch.h"
#include "tests/support/sim_disk.h"
#include "tests/support/store_kit.h"
#include "tests/support/unit.h"

#include <rivulet/log.h>

#include <string.h>

#define LOG "/sim/store/log/00000000000000000000"

enum { BATCHES = 8, MESSAGES = 12 };

static struct sim_disk disk, pristine;
static struct store_kit kit;
static size_t ends[BATCHES + 1]; /* of the log after each write */
static int sent[BATCHES + 1];    /* messages by then */
static int64_t places[MESSAGES]; /* of the records */
static uint32_t sizes[MESSAGES];

static void ignore_log(rv_log_level level, const char *topic, const char *line, void *arg)
{
}

/* Twelve messages in eight writes, alternating between two queues, closed cleanly. */
static void setup(void)
{
	int n = 0;

	rv_log_set_sink(ignore_log, NULL); /* damage is loud, thousands of times */
	sim_disk_init(&disk);
	store_kit_init_on(&kit, &disk.io);
	store_kit_open(&kit);
	for (int batch = 0; batch < BATCHES; batch++) {
		for (int i = 0; i < (batch % 2 ? 2 : 1); i++, n++) {
			struct rv__store_position position;

			ck_assert_int_eq(store_kit_add(&kit, "T", n % 2, n, &position, NULL), RV_OK);
			places[n] = position.physical_offset;
			sizes[n] = position.size;
		}
		store_kit_flush(&kit);
		sim_disk_bytes(&disk, LOG, &ends[batch + 1]);
		sent[batch + 1] = n;
	}
	ck_assert_int_eq(n, MESSAGES);
	rv__store_close(kit.store);
	kit.store = NULL;
	sim_disk_copy(&pristine, &disk);
	sim_disk_finish(&disk);
}

static void restore(void)
{
	sim_disk_copy(&disk, &pristine);
}

static void discard(void)
{
	rv__store_close(kit.store);
	kit.store = NULL;
	sim_disk_finish(&disk);
}

static void teardown(void)
{
	sim_disk_finish(&pristine);
	rv__buffer_finish(&kit.out);
}

/* Reads both queues whole; which messages were served, as a bit set. Every one must be as it was sent. */
static unsigned served(void)
{
	unsigned set = 0;

	for (int32_t id = 0; id < 2; id++) {
		int64_t offset = 0;

		for (int turn = 0; turn < 100; turn++) {
			struct rv__store_read got;
			rv__queue *queue = rv__store_queue(kit.store, "T", 1, id, false);

			if (!queue)
				break;
			offset = offset ? offset : rv__queue_min(kit.store, queue);
			got = store_kit_read(&kit, "T", id, offset, 100);
			for (uint32_t i = 0; i < got.count; i++) {
				int n = store_kit_number(&kit, (int)i);

				ck_assert(n >= 0 && n < MESSAGES && n % 2 == id);
				ck_assert(!(set & 1U << n));
				set |= 1U << n;
			}
			if (got.next_offset >= got.max_offset)
				break;
			ck_assert_int_gt(got.next_offset, offset);
			offset = got.next_offset;
		}
	}
	return set;
}

/* Offsets of new messages lie behind those of all that were ever there. */
static void check_goes_on(void)
{
	for (int32_t id = 0; id < 2; id++) {
		struct rv__store_position position = store_kit_send(&kit, "T", id, 100 + id);
		struct rv__store_read got = store_kit_read(&kit, "T", id, position.queue_offset, 10);

		ck_assert_uint_eq(got.count, 1);
		ck_assert_int_eq(store_kit_number(&kit, 0), 100 + id);
	}
}

static unsigned all_up_to(int count)
{
	return (1U << count) - 1;
}

START_TEST(a_tail_torn_at_any_byte_costs_only_what_was_not_whole)
{
	for (size_t length = ends[BATCHES - 4]; length <= ends[BATCHES]; length++) {
		int whole = BATCHES;

		while (ends[whole] > length)
			whole--;
		restore();
		sim_disk_truncate(&disk, LOG, length);
		store_kit_open(&kit);
		ck_assert_uint_eq(served(), all_up_to(sent[whole]));
		check_goes_on();
		store_kit_reopen(&kit);
		ck_assert_uint_eq(store_kit_read(&kit, "T", 0,
		                      rv__queue_max(rv__store_queue(kit.store, "T", 1, 0, false)) - 1, 1)
		                      .count,
		    1);
		discard();
	}
}
END_TEST

START_TEST(a_tail_torn_under_a_crash_is_the_same_without_any_index)
{
	for (size_t length = ends[BATCHES - 4]; length <= ends[BATCHES]; length++) {
		int whole = BATCHES;

		while (ends[whole] > length)
			whole--;
		restore();
		sim_disk_truncate(&disk, LOG, length);
		sim_disk_remove(&disk, "/sim/store/index/");
		sim_disk_remove(&disk, "/sim/store/queues");
		store_kit_open(&kit);
		ck_assert_uint_eq(served(), all_up_to(sent[whole]));
		check_goes_on();
		discard();
	}
}
END_TEST

START_TEST(a_tail_of_zeros_is_cut_without_skipping_offsets)
{
	static const size_t zeros[] = {1, 7, 48, 512, 4096, 100000};

	for (size_t i = 0; i < sizeof zeros / sizeof zeros[0]; i++) {
		struct rv__store_stats stats;

		restore();
		sim_disk_truncate(&disk, LOG, ends[BATCHES] + zeros[i]);
		store_kit_open(&kit);
		ck_assert_uint_eq(served(), all_up_to(MESSAGES));
		rv__store_stats(kit.store, &stats);
		ck_assert_uint_eq(stats.cut_bytes, zeros[i]);
		ck_assert_uint_eq(stats.corrupt_regions, 0);
		ck_assert_int_eq(store_kit_send(&kit, "T", 0, 50).queue_offset, MESSAGES / 2);
		discard();
	}
}
END_TEST

START_TEST(a_torn_sector_in_the_last_write_is_no_message)
{
	for (size_t at = ends[BATCHES - 1]; at < ends[BATCHES]; at += 64) {
		size_t length;
		uint8_t *bytes;

		restore();
		sim_disk_remove(&disk, "/sim/store/index/");
		bytes = sim_disk_bytes(&disk, LOG, &length);
		memset(bytes + at, 0, length - at < 512 ? length - at : 512);
		store_kit_open(&kit);
		ck_assert_uint_eq(served() & all_up_to(sent[BATCHES - 1]), all_up_to(sent[BATCHES - 1]));
		check_goes_on();
		discard();
	}
}
END_TEST

/* The message that a byte of the log belongs to, -1: a trailer. */
static int message_at(size_t at)
{
	for (int n = 0; n < MESSAGES; n++)
		if ((int64_t)at >= places[n] && (int64_t)at < places[n] + sizes[n])
			return n;
	return -1;
}

static void flip_each_bit_of_the_log(bool without_index)
{
	for (size_t bit = 0; bit < 8 * ends[BATCHES]; bit += without_index || long_form() ? 1 : 5) {
		int hit = message_at(bit / 8);
		struct rv__store_stats stats;
		size_t length;
		unsigned expected = all_up_to(MESSAGES);

		restore();
		if (without_index)
			sim_disk_remove(&disk, "/sim/store/index/");
		sim_disk_bytes(&disk, LOG, &length)[bit / 8] ^= (uint8_t)(1 << bit % 8);
		store_kit_open(&kit);
		if (hit >= 0)
			expected &= ~(1U << hit);
		ck_assert_msg(served() == expected, "bit %zu of message %d", bit, hit);
		rv__store_stats(kit.store, &stats);
		if (hit >= 0 || without_index)
			ck_assert_msg(
			    stats.corrupt_records + stats.corrupt_regions > 0, "bit %zu unnoticed", bit);
		ck_assert_uint_eq(stats.cut_bytes, 0);
		if (bit % 97 == 0)
			check_goes_on();
		discard();
	}
}

START_TEST(a_flipped_bit_costs_one_message_when_the_log_is_read_again)
{
	flip_each_bit_of_the_log(true);
}
END_TEST

START_TEST(a_flipped_bit_costs_one_message_when_the_index_is_there)
{
	flip_each_bit_of_the_log(false);
}
END_TEST

static void flip_each_bit_of(const char *path)
{
	size_t length = 0;

	ck_assert_ptr_nonnull(sim_disk_bytes(&pristine, path, &length));
	for (size_t bit = 0; bit < 8 * length; bit++) {
		restore();
		sim_disk_bytes(&disk, path, &length)[bit / 8] ^= (uint8_t)(1 << bit % 8);
		store_kit_open(&kit);
		ck_assert_msg(served() == all_up_to(MESSAGES), "bit %zu of %s", bit, path);
		ck_assert_int_eq(store_kit_send(&kit, "T", 0, 50).queue_offset, MESSAGES / 2);
		discard();
	}
}

START_TEST(a_flipped_bit_of_an_index_costs_nothing)
{
	flip_each_bit_of("/sim/store/index/T/0");
}
END_TEST

START_TEST(a_flipped_bit_of_the_table_of_queues_costs_nothing)
{
	flip_each_bit_of("/sim/store/queues");
}
END_TEST

START_TEST(a_flipped_bit_of_the_identity_costs_nothing)
{
	flip_each_bit_of("/sim/store/identity");
	flip_each_bit_of("/sim/store/identity.copy");
}
END_TEST

START_TEST(derived_files_may_be_removed)
{
	static const char *const removed[] = {
	    "/sim/store/index/", "/sim/store/queues", "/sim/store/index/T/0", "/sim/store/identity.copy"};

	for (size_t i = 0; i < sizeof removed / sizeof removed[0]; i++) {
		restore();
		sim_disk_remove(&disk, removed[i]);
		store_kit_open(&kit);
		ck_assert_uint_eq(served(), all_up_to(MESSAGES));
		ck_assert_int_eq(store_kit_send(&kit, "T", 1, 50).queue_offset, MESSAGES / 2);
		discard();
	}
}
END_TEST

/* Copies one file from a disk to the other. */
static void transplant(const char *from, const char *to, struct sim_disk *source)
{
	size_t length;
	uint8_t *bytes = sim_disk_bytes(source, from, &length);

	ck_assert_ptr_nonnull(bytes);
	sim_disk_put(&disk, to, bytes, length);
}

START_TEST(a_stale_index_is_brought_up)
{
	struct sim_disk later;

	restore();
	store_kit_open(&kit);
	store_kit_send(&kit, "T", 0, 20);
	store_kit_send(&kit, "T", 1, 21);
	rv__store_close(kit.store);
	kit.store = NULL;
	sim_disk_copy(&later, &disk);
	sim_disk_finish(&disk);
	/* The files of yesterday beside the log of today, all or one of them. */
	for (int which = 0; which < 3; which++) {
		sim_disk_copy(&disk, &later);
		if (which != 1)
			transplant("/sim/store/queues", "/sim/store/queues", &pristine);
		if (which != 0)
			transplant("/sim/store/index/T/0", "/sim/store/index/T/0", &pristine);
		store_kit_open(&kit);
		ck_assert_uint_eq(store_kit_read(&kit, "T", 0, 0, 100).count, 7);
		ck_assert_int_eq(store_kit_number(&kit, 6), 20);
		ck_assert_uint_eq(store_kit_read(&kit, "T", 1, 0, 100).count, 7);
		discard();
	}
	sim_disk_finish(&later);
}
END_TEST

START_TEST(an_index_from_the_future_is_not_believed_but_its_offsets_are_not_reused)
{
	struct sim_disk later;

	restore();
	store_kit_open(&kit);
	store_kit_send_some(&kit, "T", 0, 20, 5);
	rv__store_close(kit.store);
	kit.store = NULL;
	sim_disk_copy(&later, &disk);
	sim_disk_finish(&disk);
	restore();
	transplant("/sim/store/queues", "/sim/store/queues", &later);
	transplant("/sim/store/index/T/0", "/sim/store/index/T/0", &later);
	store_kit_open(&kit);
	ck_assert_uint_eq(served(), all_up_to(MESSAGES));
	ck_assert_int_ge(store_kit_send(&kit, "T", 0, 50).queue_offset, MESSAGES / 2 + 5);
	discard();
	sim_disk_finish(&later);
}
END_TEST

START_TEST(swapped_index_files_are_noticed)
{
	restore();
	transplant("/sim/store/index/T/1", "/sim/store/index/T/0", &pristine);
	transplant("/sim/store/index/T/0", "/sim/store/index/T/1", &pristine);
	store_kit_open(&kit);
	ck_assert_uint_eq(served(), all_up_to(MESSAGES));
	discard();
}
END_TEST

START_TEST(another_stores_log_is_not_served)
{
	struct sim_disk other;
	struct store_kit second;
	size_t length;

	sim_disk_init(&other);
	store_kit_init_on(&second, &other.io);
	store_kit_open(&second);
	store_kit_send(&second, "T", 0, 1);
	rv__store_close(second.store);
	ck_assert_ptr_nonnull(sim_disk_bytes(&other, LOG, &length));
	restore();
	transplant(LOG, LOG, &other);
	store_kit_open(&kit);
	ck_assert_uint_eq(served(), 0);
	check_goes_on();
	discard();
	sim_disk_finish(&other);
}
END_TEST

START_TEST(a_moved_block_is_not_served_twice)
{
	size_t length;
	uint8_t copy[4096];

	/* The first two writes once more at the end, as a lost-and-found block would be. */
	restore();
	memcpy(copy, sim_disk_bytes(&disk, LOG, &length), ends[2]);
	sim_disk_truncate(&disk, LOG, ends[BATCHES] + ends[2]);
	memcpy(sim_disk_bytes(&disk, LOG, &length) + ends[BATCHES], copy, ends[2]);
	store_kit_open(&kit);
	ck_assert_uint_eq(served(), all_up_to(MESSAGES));
	discard();
	/* And in place of the next two. */
	restore();
	sim_disk_remove(&disk, "/sim/store/index/");
	memcpy(sim_disk_bytes(&disk, LOG, &length) + ends[2], copy, ends[2]);
	store_kit_open(&kit);
	ck_assert_uint_eq(served() & ~all_up_to(sent[2]) & all_up_to(sent[4]), 0);
	discard();
}
END_TEST

START_TEST(a_document_with_a_flipped_bit_gives_the_one_before)
{
	static const char path[] = "/sim/store/config/topics.json";
	struct rv__buffer text = {0};
	size_t length;

	restore();
	store_kit_open(&kit);
	ck_assert_int_eq(rv__state_file_save_now(kit.store, "topics", "{\"v\":1}", 7, NULL), RV_OK);
	ck_assert_int_eq(rv__state_file_save_now(kit.store, "topics", "{\"v\":2}", 7, NULL), RV_OK);
	ck_assert_ptr_nonnull(sim_disk_bytes(&disk, path, &length));
	for (size_t bit = 0; bit < 8 * length; bit++) {
		uint8_t *bytes = sim_disk_bytes(&disk, path, &length);

		bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
		rv__buffer_clear(&text);
		ck_assert_int_eq(rv__state_file_load(kit.store, "topics", &text, NULL), RV_OK);
		ck_assert_str_eq(rv__buffer_text(&text), "{\"v\":1}\n");
		bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	sim_disk_truncate(&disk, path, 8); /* a person's version */
	rv__buffer_clear(&text);
	ck_assert_int_eq(rv__state_file_load(kit.store, "topics", &text, NULL), RV_OK);
	ck_assert_str_eq(rv__buffer_text(&text), "{\"v\":2}\n");
	rv__buffer_finish(&text);
	discard();
}
END_TEST

START_TEST(a_newer_format_is_refused_with_a_sentence)
{
	struct rv_error err;

	restore();
	/* Its checksum comes from the same function, over "rivulet-store 2 0000000000000001 ". */
	sim_disk_put(
	    &disk, "/sim/store/identity", (const uint8_t *)"rivulet-store 2 0000000000000001 9912a303\n", 42);
	ck_assert_int_eq(rv__store_open(&kit.options, &kit.store, &err), RV_E_UNSUPPORTED);
	ck_assert_ptr_nonnull(strstr(err.text, "newer"));
	sim_disk_finish(&disk);
}
END_TEST

START_TEST(a_store_without_identity_is_refused)
{
	struct rv_error err;

	restore();
	sim_disk_remove(&disk, "/sim/store/identity");
	ck_assert_int_eq(rv__store_open(&kit.options, &kit.store, &err), RV_E_CORRUPT);
	sim_disk_finish(&disk);
}
END_TEST

int main(void)
{
	const TTest *const cases[] = {a_tail_torn_at_any_byte_costs_only_what_was_not_whole,
	    a_tail_torn_under_a_crash_is_the_same_without_any_index,
	    a_tail_of_zeros_is_cut_without_skipping_offsets, a_torn_sector_in_the_last_write_is_no_message,
	    a_flipped_bit_costs_one_message_when_the_log_is_read_again,
	    a_flipped_bit_costs_one_message_when_the_index_is_there, a_flipped_bit_of_an_index_costs_nothing,
	    a_flipped_bit_of_the_table_of_queues_costs_nothing, a_flipped_bit_of_the_identity_costs_nothing,
	    derived_files_may_be_removed, a_stale_index_is_brought_up,
	    an_index_from_the_future_is_not_believed_but_its_offsets_are_not_reused,
	    swapped_index_files_are_noticed, another_stores_log_is_not_served,
	    a_moved_block_is_not_served_twice, a_document_with_a_flipped_bit_gives_the_one_before,
	    a_newer_format_is_refused_with_a_sentence, a_store_without_identity_is_refused, NULL};

	return unit_run("store_recovery", cases, setup, teardown);
}
