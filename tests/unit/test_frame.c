/* SPDX-License-Identifier: Apache-2.0 */
#include "remoting/frame.h"

#include "base/buffer.h"
#include "base/numbers.h"
#include "tests/support/unit.h"

#include <stdlib.h>
#include <string.h>

static struct rv__frame_decoder decoder;
static struct rv__frame frame;
static struct rv_error error;

static void setup(void)
{
	decoder = (struct rv__frame_decoder){.limit = 0};
}

static void teardown(void)
{
	rv__frame_decoder_finish(&decoder);
}

static void feed(const void *bytes, size_t length)
{
	const uint8_t *at = bytes;

	while (length > 0) {
		size_t size = 0;
		uint8_t *room = rv__frame_decoder_room(&decoder, 1, &size);

		ck_assert_ptr_nonnull(room);
		ck_assert_uint_gt(size, 0);
		if (size > length)
			size = length;
		memcpy(room, at, size);
		rv__frame_decoder_received(&decoder, size);
		at += size;
		length -= size;
	}
}

static void feed_hex(const char *hex)
{
	uint8_t bytes[256];
	size_t n = strlen(hex) / 2;

	for (size_t i = 0; i < n; i++) {
		char pair[3] = {hex[2 * i], hex[2 * i + 1], 0};

		bytes[i] = (uint8_t)strtoul(pair, NULL, 16);
	}
	feed(bytes, n);
}

static enum rv__frame_result next(void)
{
	return rv__frame_decoder_next(&decoder, &frame, &error);
}

START_TEST(a_frame_is_cut_into_header_and_body)
{
	feed_hex("0000000a"
	         "01000002"
	         "4142"
	         "58595a5a");
	ck_assert_int_eq(next(), RV__FRAME_WHOLE);
	ck_assert_uint_eq(frame.serialize, 1);
	ck_assert_mem_eq(frame.header, "AB", 2);
	ck_assert_uint_eq(frame.header_length, 2);
	ck_assert_mem_eq(frame.body, "XYZZ", 4);
	ck_assert_uint_eq(frame.body_length, 4);
	ck_assert_int_eq(next(), RV__FRAME_MORE);
}
END_TEST

START_TEST(a_frame_may_arrive_byte_by_byte)
{
	static const uint8_t bytes[] = {0, 0, 0, 7, 0, 0, 0, 1, 'h', 'b', 'o'};

	for (size_t i = 0; i < sizeof(bytes); i++) {
		ck_assert_int_eq(next(), RV__FRAME_MORE);
		feed(bytes + i, 1);
	}
	ck_assert_int_eq(next(), RV__FRAME_WHOLE);
	ck_assert_mem_eq(frame.body, "bo", 2);
}
END_TEST

START_TEST(frames_that_arrive_together_come_out_one_by_one)
{
	feed_hex("00000005000000014100000005000000014200000006000000014358");
	ck_assert_int_eq(next(), RV__FRAME_WHOLE);
	ck_assert_int_eq(frame.header[0], 'A');
	ck_assert_ptr_null(frame.body);
	ck_assert_int_eq(next(), RV__FRAME_WHOLE);
	ck_assert_int_eq(frame.header[0], 'B');
	ck_assert_int_eq(next(), RV__FRAME_WHOLE);
	ck_assert_int_eq(frame.header[0], 'C');
	ck_assert_uint_eq(frame.body_length, 1);
	ck_assert_uint_eq(rv__frame_decoder_pending(&decoder), 0);
}
END_TEST

START_TEST(a_frame_over_the_limit_is_refused_by_its_first_four_bytes)
{
	feed_hex("01000000");
	ck_assert_int_eq(next(), RV__FRAME_BROKEN);
	ck_assert_int_eq(error.code, RV_E_TOOBIG);
	ck_assert_int_eq(error.number, RV__N_FRAME_TOO_BIG);
	ck_assert_int_eq(next(), RV__FRAME_BROKEN);
}
END_TEST

START_TEST(the_largest_frame_that_java_accepts_is_waited_for)
{
	feed_hex("00fffffc00000001");
	ck_assert_int_eq(next(), RV__FRAME_MORE);
}
END_TEST

START_TEST(a_header_longer_than_its_frame_is_refused_before_it_arrives)
{
	feed_hex("0000000a00000007");
	ck_assert_int_eq(next(), RV__FRAME_BROKEN);
	ck_assert_int_eq(error.code, RV_E_PROTOCOL);
}
END_TEST

START_TEST(a_length_below_four_is_refused)
{
	feed_hex("00000003");
	ck_assert_int_eq(next(), RV__FRAME_BROKEN);
	ck_assert_int_eq(error.code, RV_E_PROTOCOL);
}
END_TEST

START_TEST(memory_grows_with_what_arrives_and_not_with_what_is_announced)
{
	size_t size = 0;

	feed_hex("00fffff000000001");
	ck_assert_int_eq(next(), RV__FRAME_MORE);
	ck_assert_ptr_nonnull(rv__frame_decoder_room(&decoder, 1, &size));
	ck_assert_uint_lt(decoder.block->capacity, 65536);
}
END_TEST

START_TEST(a_large_frame_survives_the_growth_of_its_buffer)
{
	enum { BODY = 300000 };
	uint8_t *bytes = malloc(8 + 1 + BODY);

	rv__put_u32(bytes, 4 + 1 + BODY);
	rv__put_u32(bytes + 4, 1);
	bytes[8] = 'h';
	for (size_t i = 0; i < BODY; i++)
		bytes[9 + i] = (uint8_t)(i * 7);
	feed(bytes, 9 + BODY);
	ck_assert_int_eq(next(), RV__FRAME_WHOLE);
	ck_assert_uint_eq(frame.body_length, BODY);
	ck_assert_mem_eq(frame.body, bytes + 9, BODY);
	free(bytes);
}
END_TEST

START_TEST(a_kept_body_stays_while_later_frames_arrive)
{
	struct rv__block *block;
	const uint8_t *body;

	feed_hex("0000000800000001414b4550");
	ck_assert_int_eq(next(), RV__FRAME_WHOLE);
	body = frame.body;
	block = rv__block_ref(frame.block);
	for (int i = 0; i < 3000; i++) {
		static const uint8_t other[] = {0, 0, 0, 7, 0, 0, 0, 1, 'x', 'y', 'z'};

		feed(other, sizeof(other));
		ck_assert_int_eq(next(), RV__FRAME_WHOLE);
	}
	ck_assert_mem_eq(body, "KEP", 3);
	rv__block_unref(block);
}
END_TEST

START_TEST(an_idle_decoder_gives_its_memory_back)
{
	feed_hex("000000050000000141");
	ck_assert_int_eq(next(), RV__FRAME_WHOLE);
	rv__frame_decoder_trim(&decoder);
	ck_assert_ptr_null(decoder.block);
	feed_hex("000000050000000142");
	ck_assert_int_eq(next(), RV__FRAME_WHOLE);
	ck_assert_int_eq(frame.header[0], 'B');
}
END_TEST

int main(void)
{
	const TTest *const cases[] = {a_frame_is_cut_into_header_and_body, a_frame_may_arrive_byte_by_byte,
	    frames_that_arrive_together_come_out_one_by_one,
	    a_frame_over_the_limit_is_refused_by_its_first_four_bytes,
	    the_largest_frame_that_java_accepts_is_waited_for,
	    a_header_longer_than_its_frame_is_refused_before_it_arrives, a_length_below_four_is_refused,
	    memory_grows_with_what_arrives_and_not_with_what_is_announced,
	    a_large_frame_survives_the_growth_of_its_buffer, a_kept_body_stays_while_later_frames_arrive,
	    an_idle_decoder_gives_its_memory_back, NULL};

	return unit_run("frame", cases, setup, teardown);
}
