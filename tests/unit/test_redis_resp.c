/* SPDX-License-Identifier: Apache-2.0 */
#include "binder/redis/resp.h"

#include <stdio.h>

#include "tests/support/unit.h"

static void expect_bytes(const struct rv__buffer *out, const char *bytes)
{
	ck_assert_int_eq(rv__buffer_error(out), RV_OK);
	ck_assert_uint_eq(out->length, strlen(bytes));
	ck_assert_mem_eq(out->bytes, bytes, out->length);
}

START_TEST(a_command_is_an_array_of_bulk_strings)
{
	struct rv__buffer out = RV__BUFFER_INIT(1024);

	rv__resp_words(&out, "XLEN", "orders", NULL);
	expect_bytes(&out, "*2\r\n$4\r\nXLEN\r\n$6\r\norders\r\n");
	rv__buffer_clear(&out);
	rv__resp_number(&out, -17);
	rv__resp_number(&out, INT64_MIN);
	rv__resp_bulk(&out, "a\0b", 3);
	ck_assert_uint_eq(out.length, 9 + 5 + 20 + 2 + 9);
	ck_assert_mem_eq(out.bytes, "$3\r\n-17\r\n$20\r\n-9223372036854775808\r\n$3\r\na\0b\r\n", out.length);
	rv__buffer_finish(&out);
}
END_TEST

START_TEST(digits_are_those_of_printf)
{
	static const uint64_t numbers[] = {0, 9, 10, 99, 100, 101, 12345, 1795369949053, UINT64_MAX};

	for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
		char ours[RV__RESP_NUMBER_ROOM + 1], theirs[32];

		ours[rv__resp_digits(ours, numbers[i])] = '\0';
		snprintf(theirs, sizeof theirs, "%llu", (unsigned long long)numbers[i]);
		ck_assert_str_eq(ours, theirs);
	}
}
END_TEST

static const char reply[] = "*3\r\n$3\r\nabc\r\n*2\r\n:7\r\n$-1\r\n+OK\r\n";

START_TEST(a_reply_is_whole_with_its_last_byte_and_no_sooner)
{
	for (size_t step = 1; step < sizeof reply; step++) {
		struct rv__resp_framer framer = {0};
		size_t length = 0, have = 0;

		while (have + step < sizeof reply - 1) {
			have += step;
			ck_assert_int_eq(rv__resp_frame(&framer, reply, have, &length), RV__RESP_MORE);
		}
		ck_assert_int_eq(rv__resp_frame(&framer, reply, sizeof reply - 1, &length), RV__RESP_WHOLE);
		ck_assert_uint_eq(length, sizeof reply - 1);
	}
}
END_TEST

START_TEST(what_follows_a_reply_is_the_next_one)
{
	static const char two[] = "+OK\r\n:12\r\n";
	struct rv__resp_framer framer = {0};
	size_t length = 0;

	ck_assert_int_eq(rv__resp_frame(&framer, two, sizeof two - 1, &length), RV__RESP_WHOLE);
	ck_assert_uint_eq(length, 5);
	ck_assert_int_eq(rv__resp_frame(&framer, two + 5, sizeof two - 6, &length), RV__RESP_WHOLE);
	ck_assert_uint_eq(length, 5);
}
END_TEST

START_TEST(what_is_no_reply_is_found_out)
{
	static const char *const broken[] = {"HTTP/1.1 400 Bad Request\r\n", "$x\r\n", "$-2\r\n", "*-2\r\n",
	    "$99999999999999999999\r\n", "*99999999\r\n", "+OK\rX", "$600000000\r\n"};

	for (size_t i = 0; i < sizeof broken / sizeof *broken; i++) {
		struct rv__resp_framer framer = {0};
		size_t length = 0;

		ck_assert_msg(
		    rv__resp_frame(&framer, broken[i], strlen(broken[i]), &length) == RV__RESP_BROKEN, "%s",
		    broken[i]);
	}
}
END_TEST

START_TEST(a_cursor_reads_what_stands_there_and_fails_on_all_else)
{
	struct rv__resp_cursor cursor = {.at = reply, .end = reply + sizeof reply - 1};
	struct rv_span text;

	ck_assert_int_eq(rv__resp_get_array(&cursor), 3);
	text = rv__resp_get_text(&cursor);
	ck_assert_uint_eq(text.length, 3);
	ck_assert_mem_eq(text.bytes, "abc", 3);
	ck_assert_int_eq(rv__resp_get_array(&cursor), 2);
	ck_assert_int_eq(rv__resp_get_integer(&cursor), 7);
	ck_assert_ptr_null(rv__resp_get_text(&cursor).bytes);
	ck_assert(!cursor.failed);
	ck_assert_int_eq(rv__resp_get_integer(&cursor), 0);
	ck_assert(cursor.failed);
	ck_assert_int_eq(rv__resp_peek(&cursor), 0);
	cursor = (struct rv__resp_cursor){.at = reply, .end = reply + sizeof reply - 1};
	rv__resp_skip(&cursor);
	ck_assert(!cursor.failed);
	ck_assert_ptr_eq(cursor.at, cursor.end);
}
END_TEST

static struct rv__redis_id id_of(const char *text)
{
	struct rv__redis_id id = {0};

	ck_assert_msg(rv__redis_id_parse((struct rv_span){text, strlen(text)}, &id), "%s", text);
	return id;
}

START_TEST(ids_are_ordered_by_time_then_number)
{
	static const char *const rising[] = {
	    "0-1", "1-0", "1795369949053-0", "1795369949053-1", "1795369949054-0"};
	static const char *const bad[] = {"", "1", "1-", "-1", "1-x", "1-2-3", "99999999999999999999-0"};
	struct rv__redis_id id;
	char text[RV__REDIS_ID_ROOM];

	for (size_t i = 1; i < sizeof rising / sizeof *rising; i++) {
		ck_assert_int_lt(rv__redis_id_compare(id_of(rising[i - 1]), id_of(rising[i])), 0);
		ck_assert(
		    rv__redis_id_position(id_of(rising[i - 1])) < rv__redis_id_position(id_of(rising[i])));
		ck_assert_uint_eq(rv__redis_id_print(id_of(rising[i]), text), strlen(rising[i]));
		ck_assert_str_eq(text, rising[i]);
	}
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		ck_assert_msg(
		    !rv__redis_id_parse((struct rv_span){bad[i], strlen(bad[i])}, &id), "%s", bad[i]);
	ck_assert(rv__redis_id_position((struct rv__redis_id){UINT64_MAX, UINT64_MAX}) > 0);
}
END_TEST

int main(void)
{
	const TTest *const cases[] = {a_command_is_an_array_of_bulk_strings, digits_are_those_of_printf,
	    a_reply_is_whole_with_its_last_byte_and_no_sooner, what_follows_a_reply_is_the_next_one,
	    what_is_no_reply_is_found_out, a_cursor_reads_what_stands_there_and_fails_on_all_else,
	    ids_are_ordered_by_time_then_number, NULL};

	return unit_run("redis_resp", cases, NULL, NULL);
}
