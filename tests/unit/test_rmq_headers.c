/* SPDX-License-Identifier: Apache-2.0 */
/* Headers and properties both ways, packed bodies, and the signature of a request. */
#include <string.h>

#include "binder/rocketmq/acl.h"
#include "binder/rocketmq/compress.h"
#include "binder/rocketmq/headers.h"
#include "tests/support/unit.h"

static const char *property(const struct rv__buffer *properties, const char *name)
{
	static char text[4096];
	size_t length;
	const char *value =
	    rv__properties_get((const char *)properties->bytes, properties->length, name, &length);

	if (!value)
		return NULL;
	snprintf(text, sizeof text, "%.*s", (int)length, value);
	return text;
}

START_TEST(headers_become_properties)
{
	RV_CLEANUP(rv_message_unrefp) rv_message *message = rv_message_create_text("x");
	struct rv__buffer out = RV__BUFFER_INIT(0);
	struct rv__rmq_outgoing outgoing = {0};

	rv_message_set_header(message, "TAGS", "TagA");
	rv_message_set_header(message, RV_HEADER_KEY, "k1");
	rv_message_set_header(message, "DELAY", "3");
	rv_message_set_header(message, "MQ_FLAG", "77");
	rv_message_set_header(message, "traceparent", "00-abc");
	rv_message_set_header(message, "blank", "  ");
	rv_message_set_header(message, "CLUSTER", "mine");
	rv_message_set_header(message, "ROCKET_MQ_TOPIC", "elsewhere");
	ck_assert_int_eq(rv__rmq_properties_encode(&out, message, "ns", &outgoing, NULL), RV_OK);
	ck_assert_str_eq(property(&out, "TAGS"), "TagA");
	ck_assert_str_eq(property(&out, "KEYS"), "k1");
	ck_assert_str_eq(property(&out, "UNIQ_KEY"), rv_message_id(message));
	ck_assert_str_eq(property(&out, "WAIT"), "true");
	ck_assert_str_eq(property(&out, "INSTANCE_ID"), "ns");
	ck_assert_str_eq(property(&out, "contentType"), "text/plain");
	ck_assert_str_eq(property(&out, "traceparent"), "00-abc");
	ck_assert_str_eq(property(&out, "DELAY"), "3");
	ck_assert_ptr_null(property(&out, "blank"));
	ck_assert_ptr_null(property(&out, "CLUSTER"));
	ck_assert_ptr_null(property(&out, "ROCKET_MQ_TOPIC"));
	ck_assert_ptr_null(property(&out, RV_HEADER_KEY));
	ck_assert_int_eq(outgoing.flag, 77);
	ck_assert_int_eq(outgoing.delay_level, 3);
	rv__buffer_finish(&out);
}
END_TEST

START_TEST(java_s_names_work_too)
{
	RV_CLEANUP(rv_message_unrefp) rv_message *message = rv_message_create("x", 1);
	struct rv__buffer out = RV__BUFFER_INIT(0);
	struct rv__rmq_outgoing outgoing = {0};

	rv_message_set_header(message, "ROCKET_TAGS", "TagB");
	rv_message_set_header(message, "ROCKET_KEYS", "k2");
	rv_message_set_header(message, "ROCKET_DELAY", "2");
	rv_message_set_header(message, "WAIT", "false");
	ck_assert_int_eq(rv__rmq_properties_encode(&out, message, NULL, &outgoing, NULL), RV_OK);
	ck_assert_str_eq(property(&out, "TAGS"), "TagB");
	ck_assert_str_eq(property(&out, "KEYS"), "k2");
	ck_assert_str_eq(property(&out, "WAIT"), "false");
	ck_assert_int_eq(outgoing.delay_level, 2);
	rv__buffer_finish(&out);
}
END_TEST

START_TEST(what_would_break_the_string_is_refused)
{
	RV_CLEANUP(rv_message_unrefp) rv_message *message = rv_message_create("x", 1);
	RV_CLEANUP(rv_message_unrefp) rv_message *large = rv_message_create("x", 1);
	struct rv__buffer out = RV__BUFFER_INIT(0);
	struct rv__rmq_outgoing outgoing = {0};
	struct rv_error why;
	static char value[32001];

	rv_message_set_header(message, "note",
	    "a\x02"
	    "b");
	ck_assert_int_eq(rv__rmq_properties_encode(&out, message, NULL, &outgoing, &why), RV_E_INVALID);
	ck_assert_ptr_nonnull(strstr(why.text, "note"));
	rv__buffer_clear(&out);
	memset(value, 'v', sizeof value - 1);
	rv_message_set_header(large, "one", value);
	rv_message_set_header(large, "two", "the rest of the 32767 bytes is not enough for this one");
	rv_message_set_header(large, "three", value);
	ck_assert_int_eq(rv__rmq_properties_encode(&out, large, NULL, &outgoing, &why), RV_E_TOOBIG);
	rv__buffer_finish(&out);
}
END_TEST

START_TEST(a_record_becomes_a_message)
{
	static const char properties[] = "KEYS\x01k1\x02UNIQ_KEY\x01"
	                                 "7F0000010A2B18B4AAC2000000010000\x02"
	                                 "CLUSTER\x01"
	                                 "c\x02"
	                                 "id\x01"
	                                 "1\x02"
	                                 "TAGS\x01TagA\x02plate\x01X-1\x02timestamp\x01"
	                                 "9";
	struct rv__record record = {.queue_id = 3,
	    .queue_offset = 42,
	    .born_timestamp = 1795350957541,
	    .born_host = {{127, 0, 0, 1}, 4, 5000},
	    .reconsume_times = 2,
	    .properties = properties,
	    .properties_length = sizeof properties - 1};
	struct rv__rmq_body body = {.bytes = "abc", .length = 3};
	RV_CLEANUP(rv_message_unrefp)
	rv_message *message = rv__rmq_message_from_record(&record, &body, "orders", "RocketMQ");

	ck_assert_ptr_nonnull(message);
	ck_assert_str_eq(rv_message_id(message), "7F0000010A2B18B4AAC2000000010000");
	ck_assert_str_eq(rv_message_destination(message), "orders");
	ck_assert_int_eq(rv_message_partition(message), 3);
	ck_assert_int_eq(rv_message_position(message), 42);
	ck_assert_int_eq(rv_message_attempt(message), 3);
	ck_assert_str_eq(rv_message_header(message, "TAGS"), "TagA");
	ck_assert_str_eq(rv_message_header(message, "ROCKET_TAGS"), "TagA");
	ck_assert_str_eq(rv_message_header(message, RV_HEADER_KEY), "k1");
	ck_assert_str_eq(rv_message_header(message, "plate"), "X-1");
	ck_assert_str_eq(rv_message_header(message, "ROCKET_MQ_BORN_HOST"), "127.0.0.1:5000");
	ck_assert_str_eq(rv_message_header(message, "ROCKET_MQ_QUEUE_ID"), "3");
	ck_assert_ptr_null(rv_message_header(message, "CLUSTER"));
	ck_assert_ptr_null(rv_message_header(message, "id"));
	ck_assert_ptr_null(rv_message_header(message, "timestamp"));
}
END_TEST

START_TEST(a_packed_body_is_java_s_and_comes_back)
{
	static const unsigned char java[] = {0x78, 0x5e, 0xed, 0xc1, 0x31, 0x01, 0x00, 0x00, 0x00, 0xc2, 0xa0,
	    0xf5, 0x4f, 0x6d, 0x0a, 0x3f, 0xa0, 0x00, 0x00, 0x00, 0x00, 0x80, 0xb7, 0x01, 0x13, 0x88, 0x00,
	    0x01};
	static const char zeros[5000];
	struct rv_error why;
	size_t length;
	void *packed = rv__rmq_pack(zeros, sizeof zeros, &length), *plain;

	ck_assert_ptr_nonnull(packed);
	ck_assert_uint_eq(length, sizeof java);
	ck_assert_mem_eq(packed, java, sizeof java);
	ck_assert_int_eq(rv__rmq_unpack(packed, length, 769, &plain, &length, &why), RV_OK);
	ck_assert_uint_eq(length, sizeof zeros);
	ck_assert_mem_eq(plain, zeros, sizeof zeros);
	free(plain);
	ck_assert_int_eq(rv__rmq_unpack(packed, 20, 1, &plain, &length, &why), RV_E_INVALID);
	ck_assert_int_eq(rv__rmq_unpack("no", 2, RV__SYS_COMPRESSION_LZ4 | 1, &plain, &length, &why),
	    why.code); /* malformed, or not installed: a sentence either way */
	ck_assert_ptr_nonnull(strstr(why.text, "LZ4"));
	free(packed);
}
END_TEST

START_TEST(a_signature_is_java_s)
{
	struct rv__field fields[] = {{{"topic", 5}, {"T", 1}}, {{"AccessKey", 9}, {"RocketMQ", 8}}};
	char signature[RV__RMQ_SIGNATURE_MAX];
	struct rv_error why;

	if (rv__rmq_acl_load(&why) != RV_OK) {
		ck_assert_int_eq(why.code, RV_E_UNSUPPORTED);
		return;
	}
	ck_assert(rv__rmq_acl_sign("12345678", fields, 2, "body", 4, signature));
	ck_assert_str_eq(signature, "xjHQAkZ6AeUd/4UKEel5AwANfm0=");
}
END_TEST

int main(void)
{
	const TTest *const cases[] = {headers_become_properties, java_s_names_work_too,
	    what_would_break_the_string_is_refused, a_record_becomes_a_message,
	    a_packed_body_is_java_s_and_comes_back, a_signature_is_java_s, NULL};

	return unit_run("rmq_headers", cases, NULL, NULL);
}
