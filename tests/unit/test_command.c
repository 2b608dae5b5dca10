/* SPDX-License-Identifier: Apache-2.0 */
/* Golden bytes were produced by the classes of RocketMQ 4.9.8. */
#include "remoting/command.h"

#include "tests/support/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char golden_json[] =
    "{\"code\":105,\"extFields\":{\"topic\":\"T\"},\"flag\":0,\"language\":\"JAVA\",\"opaque\":7,"
    "\"serializeTypeCurrentRPC\":\"JSON\",\"version\":409}";
static const uint8_t golden_binary[] = {0x00, 0x00, 0x00, 0x25, 0x01, 0x00, 0x00, 0x21, 0x00, 0x69, 0x00,
    0x01, 0x99, 0x00, 0x00, 0x00, 0x07, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
    0x0c, 0x00, 0x05, 't', 'o', 'p', 'i', 'c', 0x00, 0x00, 0x00, 0x01, 'T'};

static struct rv__buffer out;
static struct rv__command command;
static struct rv_error error;
static uint8_t header[4096];

static void setup(void)
{
	out = (struct rv__buffer)RV__BUFFER_INIT(0);
}

static void teardown(void)
{
	rv__buffer_finish(&out);
}

static rv_err decode(uint8_t serialize, const void *bytes, size_t length)
{
	struct rv__frame frame = {.serialize = serialize, .header = header, .header_length = length};

	memcpy(header, bytes, length);
	return rv__command_decode(&frame, &command, &error);
}

static rv_err decode_json(const char *text)
{
	return decode(RV__SERIALIZE_JSON, text, strlen(text));
}

static void encode_route_request(uint8_t serialize)
{
	struct rv__command_writer writer;

	rv__command_begin(&writer, &out,
	    &(struct rv__command_head){
	        .code = 105, .opaque = 7, .language = RV__LANGUAGE_JAVA, .serialize = serialize});
	rv__command_add_text(&writer, "topic", "T");
	rv__command_end(&writer, 0);
}

START_TEST(json_is_written_as_java_writes_it)
{
	encode_route_request(RV__SERIALIZE_JSON);
	ck_assert_uint_eq(rv__get_u32(out.bytes), 0x7f);
	ck_assert_uint_eq(rv__get_u32(out.bytes + 4), 0x7b);
	ck_assert_uint_eq(out.length, 8 + strlen(golden_json));
	ck_assert_mem_eq(out.bytes + 8, golden_json, strlen(golden_json));
}
END_TEST

START_TEST(binary_is_written_as_java_writes_it)
{
	encode_route_request(RV__SERIALIZE_ROCKETMQ);
	ck_assert_uint_eq(out.length, sizeof(golden_binary));
	ck_assert_mem_eq(out.bytes, golden_binary, sizeof(golden_binary));
}
END_TEST

static void check_route_request(void)
{
	ck_assert_int_eq(command.code, 105);
	ck_assert_int_eq(command.opaque, 7);
	ck_assert_int_eq(command.flag, 0);
	ck_assert_int_eq(command.version, 409);
	ck_assert_int_eq(command.language, RV__LANGUAGE_JAVA);
	ck_assert_uint_eq(command.field_count, 1);
	ck_assert(rv__span_is(rv__command_field(&command, "topic"), "T"));
	ck_assert_ptr_null(rv__command_field(&command, "topi").bytes);
}

START_TEST(json_of_java_is_read)
{
	ck_assert_int_eq(decode_json(golden_json), RV_OK);
	check_route_request();
}
END_TEST

START_TEST(binary_of_java_is_read)
{
	ck_assert_int_eq(decode(RV__SERIALIZE_ROCKETMQ, golden_binary + 8, sizeof(golden_binary) - 8), RV_OK);
	check_route_request();
}
END_TEST

START_TEST(keys_may_come_in_any_order_with_unknown_ones_between)
{
	ck_assert_int_eq(
	    decode_json(
	        " { \"version\" : 409 , \"new\":{\"a\":[1,{\"b\":\"}\"}]},\"extFields\":{\"topic\":\"T\"},"
	        "\"opaque\":7,\"language\":\"JAVA\",\"list\":[],\"flag\":0,\"code\":105,\"x\":null} "),
	    RV_OK);
	check_route_request();
}
END_TEST

START_TEST(values_of_fields_may_be_numbers_and_booleans)
{
	int64_t number;

	ck_assert_int_eq(
	    decode_json("{\"code\":1,\"extFields\":{\"n\":-5,\"b\":true,\"none\":null,\"s\":\"9\"}}"), RV_OK);
	ck_assert(rv__command_i64(&command, "n", &number));
	ck_assert_int_eq(number, -5);
	ck_assert(rv__command_bool(&command, "b", false));
	ck_assert(!rv__command_bool(&command, "none", false));
	ck_assert_ptr_null(rv__command_field(&command, "none").bytes);
	ck_assert(rv__command_i64(&command, "s", &number));
	ck_assert_int_eq(number, 9);
}
END_TEST

START_TEST(escapes_are_undone)
{
	ck_assert_int_eq(decode_json("{\"code\":1,\"extFields\":{\"i\":\"KEYS\\u0001a\\\"b\\\\\\/"
	                             "\\u0002\\n\\u652f\\ud83d\\ude00\"}}"),
	    RV_OK);
	ck_assert(rv__span_is(rv__command_field(&command, "i"),
	    "KEYS\x01"
	    "a\"b\\/\x02\n\xe6\x94\xaf\xf0\x9f\x98\x80"));
}
END_TEST

static void check_round_trip(uint8_t serialize)
{
	static const char value[] = "a\x01"
	                            "b\x02\t\"\\\x1f"
	                            "支付";
	struct rv__command_writer writer;

	rv__command_begin(&writer, &out,
	    &(struct rv__command_head){.code = 17,
	        .opaque = -3,
	        .flag = RV__FLAG_RESPONSE,
	        .language = RV__LANGUAGE_CPP,
	        .serialize = serialize,
	        .remark = "no \"route\"\nhere"});
	rv__command_add(&writer, "value", value, sizeof(value) - 1);
	rv__command_add_i64(&writer, "least", INT64_MIN);
	rv__command_add_bool(&writer, "yes", true);
	rv__command_end(&writer, 12);
	ck_assert_uint_eq(rv__get_u32(out.bytes), out.length - 4 + 12);
	ck_assert_uint_eq(out.bytes[4], serialize);
	ck_assert_int_eq(decode(out.bytes[4], out.bytes + 8, out.length - 8), RV_OK);
	ck_assert_int_eq(command.code, 17);
	ck_assert_int_eq(command.opaque, -3);
	ck_assert(rv__command_is_response(&command));
	ck_assert(rv__span_is(command.remark, "no \"route\"\nhere"));
	ck_assert(rv__span_is(rv__command_field(&command, "value"), value));
	ck_assert(rv__span_is(rv__command_field(&command, "least"), "-9223372036854775808"));
	ck_assert(rv__command_bool(&command, "yes", false));
	rv__buffer_clear(&out);
}

START_TEST(what_is_written_is_read_back_in_both_forms)
{
	check_round_trip(RV__SERIALIZE_JSON);
	check_round_trip(RV__SERIALIZE_ROCKETMQ);
}
END_TEST

START_TEST(control_characters_are_written_as_java_escapes_them)
{
	struct rv__command_writer writer;

	rv__command_begin(
	    &writer, &out, &(struct rv__command_head){.code = 1, .language = RV__LANGUAGE_JAVA});
	rv__command_add_text(&writer, "i", "KEYS\x01KEY0\x02\x1b");
	rv__command_end(&writer, 0);
	rv__buffer_add_u8(&out, 0);
	ck_assert_ptr_nonnull(strstr((char *)out.bytes + 8, "{\"i\":\"KEYS\\u0001KEY0\\u0002\\u001B\"}"));
}
END_TEST

START_TEST(an_empty_custom_header_shows_in_json)
{
	struct rv__command_writer writer;

	rv__command_begin(&writer, &out, &(struct rv__command_head){.code = 0});
	rv__command_add_nothing(&writer);
	rv__command_end(&writer, 0);
	rv__buffer_add_u8(&out, 0);
	ck_assert_ptr_nonnull(strstr((char *)out.bytes + 8, "{\"code\":0,\"extFields\":{},\"flag\":0"));
}
END_TEST

static const char *const malformed[] = {"", "[]", "{", "{\"code\"", "{\"code\":", "{\"code\":x",
    "{\"code\":1", "{\"code\":1}}", "{\"code\":\"a\"}", "{\"code\":99999999999}", "{\"code\":1,}", "{code:1}",
    "{\"extFields\":{\"a\"}}", "{\"extFields\":{\"a\":\"b}", "{\"extFields\":{\"a\":\"\\u12",
    "{\"extFields\":{\"a\":\"\\q\"}}", "{\"x\":[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[["};

START_TEST(malformed_json_is_refused)
{
	for (size_t i = 0; i < sizeof(malformed) / sizeof(malformed[0]); i++) {
		error.number = 0;
		ck_assert_msg(decode_json(malformed[i]) == RV_E_PROTOCOL, "%s", malformed[i]);
		ck_assert_int_ne(error.number, 0);
	}
}
END_TEST

START_TEST(a_binary_header_that_ends_early_is_refused)
{
	for (size_t length = 0; length < sizeof(golden_binary) - 8; length++)
		ck_assert_int_eq(decode(RV__SERIALIZE_ROCKETMQ, golden_binary + 8, length), RV_E_PROTOCOL);
}
END_TEST

START_TEST(too_many_fields_are_refused)
{
	char text[4096] = "{\"extFields\":{";

	for (int i = 0; i <= RV__FIELDS_MAX; i++)
		snprintf(text + strlen(text), sizeof text - strlen(text), "%s\"f%d\":\"v\"", i ? "," : "", i);
	snprintf(text + strlen(text), sizeof text - strlen(text), "}}");
	ck_assert_int_eq(decode_json(text), RV_E_PROTOCOL);
}
END_TEST

START_TEST(an_unknown_serialization_is_refused)
{
	ck_assert_int_eq(decode(9, golden_json, strlen(golden_json)), RV_E_PROTOCOL);
}
END_TEST

START_TEST(numbers_are_read_whole_or_not_at_all)
{
	int64_t value = 42;

	ck_assert(rv__span_i64((struct rv_span){"9223372036854775807", 19}, &value));
	ck_assert_int_eq(value, INT64_MAX);
	ck_assert(rv__span_i64((struct rv_span){"-9223372036854775808", 20}, &value));
	ck_assert_int_eq(value, INT64_MIN);
	value = 42;
	ck_assert(!rv__span_i64((struct rv_span){"9223372036854775808", 19}, &value));
	ck_assert(!rv__span_i64((struct rv_span){"1x", 2}, &value));
	ck_assert(!rv__span_i64((struct rv_span){"", 0}, &value));
	ck_assert(!rv__span_i64((struct rv_span){"-", 1}, &value));
	ck_assert(!rv__span_i64((struct rv_span){NULL, 0}, &value));
	ck_assert_int_eq(value, 42);
}
END_TEST

int main(void)
{
	const TTest *const cases[] = {json_is_written_as_java_writes_it, binary_is_written_as_java_writes_it,
	    json_of_java_is_read, binary_of_java_is_read,
	    keys_may_come_in_any_order_with_unknown_ones_between,
	    values_of_fields_may_be_numbers_and_booleans, escapes_are_undone,
	    what_is_written_is_read_back_in_both_forms, malformed_json_is_refused,
	    control_characters_are_written_as_java_escapes_them, an_empty_custom_header_shows_in_json,
	    a_binary_header_that_ends_early_is_refused, too_many_fields_are_refused,
	    an_unknown_serialization_is_refused, numbers_are_read_whole_or_not_at_all, NULL};

	return unit_run("command", cases, setup, teardown);
}
