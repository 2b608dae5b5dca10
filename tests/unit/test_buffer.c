/* SPDX-License-Identifier: Apache-2.0 */
#include "base/buffer.h"

#include "tests/support/unit.h"

#include <string.h>

static struct rv__buffer buffer;

static void setup(void)
{
	buffer = (struct rv__buffer)RV__BUFFER_INIT(1024);
}

static void teardown(void)
{
	rv__buffer_finish(&buffer);
}

START_TEST(zeroed_memory_is_an_empty_buffer)
{
	struct rv__buffer zeroed = {0};

	ck_assert_str_eq(rv__buffer_text(&zeroed), "");
	ck_assert_int_eq(rv__buffer_error(&zeroed), RV_OK);
	rv__buffer_finish(&zeroed);
}
END_TEST

START_TEST(appended_pieces_stand_in_order)
{
	rv__buffer_add_text(&buffer, "a");
	rv__buffer_printf(&buffer, "%d-%s", 12, "b");
	rv__buffer_add(&buffer, "\0c", 2);
	ck_assert_uint_eq(buffer.length, 7);
	ck_assert_mem_eq(buffer.bytes, "a12-b\0c", 7);
}
END_TEST

START_TEST(text_ends_with_a_zero_that_does_not_count)
{
	rv__buffer_add_text(&buffer, "abc");
	ck_assert_str_eq(rv__buffer_text(&buffer), "abc");
	ck_assert_uint_eq(buffer.length, 3);
}
END_TEST

START_TEST(the_limit_is_kept_and_the_failure_stays)
{
	char block[1000] = {0};

	rv__buffer_add(&buffer, block, sizeof block);
	rv__buffer_add(&buffer, block, 25);
	ck_assert_int_eq(rv__buffer_error(&buffer), RV_E_TOOBIG);
	ck_assert_uint_eq(buffer.length, 1000);
	rv__buffer_add_u8(&buffer, 1);
	ck_assert_uint_eq(buffer.length, 1000);
	ck_assert_ptr_null(rv__buffer_take(&buffer, NULL));
	rv__buffer_clear(&buffer);
	ck_assert_int_eq(rv__buffer_error(&buffer), RV_OK);
	rv__buffer_add_u8(&buffer, 1);
	ck_assert_uint_eq(buffer.length, 1);
}
END_TEST

START_TEST(a_size_near_the_end_of_the_range_does_not_wrap)
{
	rv__buffer_add_u8(&buffer, 1);
	ck_assert_ptr_null(rv__buffer_reserve(&buffer, SIZE_MAX));
	ck_assert_int_eq(rv__buffer_error(&buffer), RV_E_TOOBIG);
}
END_TEST

START_TEST(integers_are_big_endian)
{
	static const uint8_t wire[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
	struct rv__reader reader = {.bytes = wire, .length = sizeof wire};

	rv__buffer_add_u8(&buffer, 0x01);
	rv__buffer_add_u16(&buffer, 0x0203);
	rv__buffer_add_u32(&buffer, 0x04050607);
	rv__buffer_add_u64(&buffer, 0x08090a0b0c0d0e0fULL);
	ck_assert_uint_eq(buffer.length, sizeof wire);
	ck_assert_mem_eq(buffer.bytes, wire, sizeof wire);
	ck_assert_uint_eq(rv__read_u8(&reader), 0x01);
	ck_assert_uint_eq(rv__read_u16(&reader), 0x0203);
	ck_assert_uint_eq(rv__read_u32(&reader), 0x04050607);
	ck_assert(rv__read_u64(&reader) == 0x08090a0b0c0d0e0fULL);
	ck_assert(!reader.failed);
}
END_TEST

START_TEST(reading_past_the_end_fails_and_yields_zeros)
{
	static const uint8_t wire[] = {1, 2, 3};
	struct rv__reader reader = {.bytes = wire, .length = sizeof wire};

	ck_assert_uint_eq(rv__read_u32(&reader), 0);
	ck_assert(reader.failed);
	ck_assert_uint_eq(rv__read_u8(&reader), 0);
	ck_assert_ptr_null(rv__read_bytes(&reader, SIZE_MAX));
}
END_TEST

START_TEST(taken_bytes_belong_to_the_caller)
{
	size_t length = 0;
	char *bytes;

	rv__buffer_add_text(&buffer, "abc");
	bytes = rv__buffer_take(&buffer, &length);
	ck_assert_uint_eq(length, 3);
	ck_assert_mem_eq(bytes, "abc", 3);
	ck_assert_uint_eq(buffer.length, 0);
	free(bytes);
}
END_TEST

int main(void)
{
	const TTest *const cases[] = {zeroed_memory_is_an_empty_buffer, appended_pieces_stand_in_order,
	    text_ends_with_a_zero_that_does_not_count, the_limit_is_kept_and_the_failure_stays,
	    a_size_near_the_end_of_the_range_does_not_wrap, integers_are_big_endian,
	    reading_past_the_end_fails_and_yields_zeros, taken_bytes_belong_to_the_caller, NULL};

	return unit_run("buffer", cases, setup, teardown);
}
