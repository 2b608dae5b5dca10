/* SPDX-License-Identifier: Apache-2.0 */
/* The stored message against bytes that Apache RocketMQ 4.9.8 wrote. */
#include "remoting/record.h"

#include "base/hash.h"
#include "tests/support/unit.h"

#include <stdlib.h>
#include <string.h>

#define UNIQ "0000000000000000000000000000000100004ACE1B28BAB12A9F0001"

/* A message as the Java broker stored it; its UNIQ_KEY (56 digits) is the one above. */
static const char golden[] =
    "000000e0daa320a7538b47d90000000200000000000000000000000000000000000000e000000000"
    "000001a20344ceba7f0000010000dc4a000001a20344cebf7f000001000078bf000000000000000000000000"
    "0000001048656c6c6f20526f636b65744d512031"
    "09546f70696354657374006c"
    "4b455953014b45593102554e49515f4b455901"
    "30303030303030303030303030303030303030303030303030303030303030313030303034414345"
    "31423238424142313241394630303031"
    "02434c55535445520144656661756c74436c757374657202544147530154616741";

static uint8_t bytes[512];
static size_t length;
static struct rv__buffer out;

static size_t from_hex(const char *hex, uint8_t *into)
{
	size_t n = strlen(hex) / 2;

	for (size_t i = 0; i < n; i++) {
		char pair[3] = {hex[2 * i], hex[2 * i + 1], 0};

		into[i] = (uint8_t)strtoul(pair, NULL, 16);
	}
	return n;
}

static void setup(void)
{
	length = from_hex(golden, bytes);
	out = (struct rv__buffer){0};
}

static void teardown(void)
{
	rv__buffer_finish(&out);
}

START_TEST(a_java_record_decodes_to_its_parts)
{
	struct rv__record record;
	size_t n;

	ck_assert_uint_eq(length, 224);
	ck_assert_int_eq(rv__record_decode(bytes, length, &record, NULL), RV_OK);
	ck_assert_uint_eq(record.size, 224);
	ck_assert_int_eq(record.queue_id, 2);
	ck_assert_int_eq(record.queue_offset, 0);
	ck_assert_int_eq(record.physical_offset, 224);
	ck_assert_int_eq(record.born_timestamp, 0x1a20344cebaLL);
	ck_assert_uint_eq(record.store_host.port, 30911);
	ck_assert_mem_eq(record.store_host.ip, "\x7f\0\0\1", 4);
	ck_assert_uint_eq(record.body_length, 16);
	ck_assert_mem_eq(record.body, "Hello RocketMQ 1", 16);
	ck_assert_uint_eq(record.topic_length, 9);
	ck_assert_mem_eq(record.topic, "TopicTest", 9);
	ck_assert_uint_eq(record.properties_length, 108);
	ck_assert(rv__record_body_ok(&record));
	ck_assert_uint_eq(record.body_crc, 0x538b47d9);
	ck_assert_mem_eq(rv__properties_get(record.properties, 108, "KEYS", &n), "KEY1", 4);
	ck_assert_mem_eq(rv__properties_get(record.properties, 108, "UNIQ_KEY", &n), UNIQ, 56);
	ck_assert_uint_eq(n, 56);
	ck_assert_mem_eq(rv__properties_get(record.properties, 108, "CLUSTER", &n), "DefaultCluster", 14);
	ck_assert_int_eq(rv__tags_code(record.properties, 108), 2598919);
}
END_TEST

START_TEST(encoding_gives_the_java_bytes_back)
{
	struct rv__record record;

	ck_assert_int_eq(rv__record_decode(bytes, length, &record, NULL), RV_OK);
	record.body_crc = 0;
	ck_assert_int_eq(rv__record_encode(&record, &out, NULL), RV_OK);
	ck_assert_uint_eq(out.length, length);
	ck_assert_mem_eq(out.bytes, bytes, length);
	ck_assert_uint_eq(rv__record_size(&record), length);
}
END_TEST

START_TEST(a_record_with_more_behind_it_takes_only_its_own)
{
	struct rv__record record;

	memset(bytes + length, 0xAB, 100);
	ck_assert_int_eq(rv__record_decode(bytes, length + 100, &record, NULL), RV_OK);
	ck_assert_uint_eq(record.size, 224);
}
END_TEST

START_TEST(every_cut_is_an_error)
{
	struct rv__record record;
	struct rv_error err;

	for (size_t n = 0; n < length; n++) {
		uint8_t *copy = malloc(n + 1); /* exact, so that a sanitizer sees over-reading */

		memcpy(copy, bytes, n);
		ck_assert_int_eq(rv__record_decode(copy, n, &record, &err), RV_E_PROTOCOL);
		free(copy);
	}
}
END_TEST

START_TEST(lengths_that_do_not_fit_are_errors)
{
	struct rv__record record;

	bytes[84 + 3]++; /* body length: topic and properties shift */
	ck_assert_int_eq(rv__record_decode(bytes, length, &record, NULL), RV_E_PROTOCOL);
	memset(bytes + 84, 0xFF, 4);
	ck_assert_int_eq(rv__record_decode(bytes, length, &record, NULL), RV_E_PROTOCOL);
	length = from_hex(golden, bytes);
	bytes[3]--; /* size: one byte short of its parts */
	ck_assert_int_eq(rv__record_decode(bytes, length, &record, NULL), RV_E_PROTOCOL);
	length = from_hex(golden, bytes);
	for (uint32_t size = 0; size < 91; size++) {
		rv__put_u32(bytes, size);
		ck_assert_int_eq(rv__record_decode(bytes, length, &record, NULL), RV_E_PROTOCOL);
	}
	length = from_hex(golden, bytes);
	bytes[7] = 0; /* magic */
	ck_assert_int_eq(rv__record_decode(bytes, length, &record, NULL), RV_E_PROTOCOL);
}
END_TEST

START_TEST(a_long_topic_makes_a_v2_record_and_ipv6_hosts_set_their_bits)
{
	char topic[200];
	struct rv__record record;
	struct rv__record given = {.topic = topic,
	    .topic_length = 200,
	    .body = (const uint8_t *)"x",
	    .body_length = 1,
	    .sys_flag = RV__SYS_COMPRESSED,
	    .born_host = {.length = 16, .port = 7},
	    .store_host = {.length = 16, .port = 8},
	    .reconsume_times = 3,
	    .prepared_offset = -5};

	memset(topic, 't', sizeof topic);
	given.born_host.ip[15] = 1;
	ck_assert_int_eq(rv__record_encode(&given, &out, NULL), RV_OK);
	ck_assert_int_eq(rv__record_decode(out.bytes, out.length, &record, NULL), RV_OK);
	ck_assert_uint_eq(record.magic, RV__RECORD_MAGIC_V2);
	ck_assert_uint_eq(record.topic_length, 200);
	ck_assert_int_eq(record.sys_flag, RV__SYS_COMPRESSED | RV__SYS_BORN_V6 | RV__SYS_STORE_V6);
	ck_assert_uint_eq(record.born_host.ip[15], 1);
	ck_assert_uint_eq(record.store_host.port, 8);
	ck_assert_int_eq(record.reconsume_times, 3);
	ck_assert_int_eq(record.prepared_offset, -5);
	ck_assert_uint_eq(out.length, rv__record_size(&given));
}
END_TEST

START_TEST(what_does_not_fit_the_format_is_refused)
{
	static char much[40000];
	struct rv__record record = {.topic = "", .topic_length = 0};

	ck_assert_int_eq(rv__record_encode(&record, &out, NULL), RV_E_INVALID);
	record.topic = much;
	record.topic_length = 256;
	ck_assert_int_eq(rv__record_encode(&record, &out, NULL), RV_E_TOOBIG);
	record.topic_length = 5;
	record.properties = much;
	record.properties_length = 32768;
	ck_assert_int_eq(rv__record_encode(&record, &out, NULL), RV_E_TOOBIG);
	ck_assert_uint_eq(out.length, 0);
}
END_TEST

START_TEST(properties_are_read_with_and_without_the_last_separator)
{
	static const char *const forms[] = {"a\1"
	                                    "1\2bb\1"
	                                    "22",
	    "a\1"
	    "1\2bb\1"
	    "22\2"};

	for (size_t i = 0; i < 2; i++) {
		struct rv__property property;
		size_t at = 0;

		ck_assert(rv__properties_next(forms[i], strlen(forms[i]), &at, &property));
		ck_assert_mem_eq(property.name, "a", 1);
		ck_assert(rv__properties_next(forms[i], strlen(forms[i]), &at, &property));
		ck_assert_uint_eq(property.name_length, 2);
		ck_assert_uint_eq(property.value_length, 2);
		ck_assert_mem_eq(property.value, "22", 2);
		ck_assert(!rv__properties_next(forms[i], strlen(forms[i]), &at, &property));
	}
}
END_TEST

START_TEST(what_java_drops_is_dropped)
{
	static const char text[] = "\2x\2\1v\2k\1\2ok\1yes\2\2";
	struct rv__property property;
	size_t at = 0;

	ck_assert(rv__properties_next(text, sizeof text - 1, &at, &property));
	ck_assert_mem_eq(property.name, "ok", 2);
	ck_assert(!rv__properties_next(text, sizeof text - 1, &at, &property));
}
END_TEST

START_TEST(appending_finds_the_separator_first)
{
	rv__buffer_add_text(&out,
	    "a\1"
	    "1");
	rv__properties_append(&out, "b", "2", 1);
	rv__properties_append(&out, "none", NULL, 0);
	rv__properties_append(&out, "empty", "", 0);
	ck_assert_str_eq(rv__buffer_text(&out),
	    "a\1"
	    "1\2b\1"
	    "2");
	rv__buffer_add_u8(&out, 2);
	rv__properties_append(&out, "c", "3", 1);
	ck_assert_str_eq(rv__buffer_text(&out),
	    "a\1"
	    "1\2b\1"
	    "2\2c\1"
	    "3");
}
END_TEST

START_TEST(copying_leaves_out_what_is_named)
{
	static const char *const drop[] = {"WAIT", "b", NULL};
	static const char text[] = "a\1"
	                           "1\2WAIT\1true\2b\1"
	                           "2\2bb\1"
	                           "3\2";

	rv__properties_copy(&out, text, sizeof text - 1, drop);
	ck_assert_str_eq(rv__buffer_text(&out),
	    "a\1"
	    "1\2bb\1"
	    "3");
}
END_TEST

START_TEST(the_hash_is_javas)
{
	static const struct {
		const char *text;
		int32_t hash;
	} rows[] = {
	    {"", 0},
	    {"TagA", 2598919},
	    {"TagB", 2598920},
	    {"TagC", 2598921},
	    {"a", 97},
	    {"polygenelubricants", INT32_MIN},                /* the classic that wraps */
	    {"\xe4\xb8\xad\xe6\x96\x87", 20013 * 31 + 25991}, /* two characters of one unit each */
	    {"\xf0\x9f\x98\x80", 0xD83D * 31 + 0xDE00},       /* one character of two units */
	    {"\xff", 0xFFFD},
	};

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
		ck_assert_int_eq(rv__hash_java_text(rows[i].text, strlen(rows[i].text)), rows[i].hash);
}
END_TEST

START_TEST(an_offset_id_is_javas_and_reads_back)
{
	struct rv__address host = {.ip = {127, 0, 0, 1}, .length = 4, .port = 10911};
	struct rv__address parsed;
	char text[RV__OFFSET_ID_MAX + 1];
	int64_t offset;

	ck_assert_uint_eq(rv__offset_id_format(&host, 0x02B8BED2, text), 32);
	ck_assert_str_eq(text, "7F00000100002A9F0000000002B8BED2");
	ck_assert(rv__offset_id_parse(text, 32, &parsed, &offset));
	ck_assert_int_eq(offset, 0x02B8BED2);
	ck_assert_uint_eq(parsed.port, 10911);
	host.length = 16;
	ck_assert_uint_eq(rv__offset_id_format(&host, -1, text), 56);
	ck_assert(rv__offset_id_parse(text, 56, &parsed, &offset));
	ck_assert_uint_eq(parsed.length, 16);
	ck_assert_int_eq(offset, -1);
	ck_assert(!rv__offset_id_parse(text, 55, &parsed, &offset));
	text[3] = 'G';
	ck_assert(!rv__offset_id_parse(text, 56, &parsed, &offset));
}
END_TEST

int main(void)
{
	const TTest *const cases[] = {a_java_record_decodes_to_its_parts, encoding_gives_the_java_bytes_back,
	    a_record_with_more_behind_it_takes_only_its_own, every_cut_is_an_error,
	    lengths_that_do_not_fit_are_errors, a_long_topic_makes_a_v2_record_and_ipv6_hosts_set_their_bits,
	    what_does_not_fit_the_format_is_refused, properties_are_read_with_and_without_the_last_separator,
	    what_java_drops_is_dropped, appending_finds_the_separator_first, copying_leaves_out_what_is_named,
	    the_hash_is_javas, an_offset_id_is_javas_and_reads_back, NULL};

	return unit_run("record", cases, setup, teardown);
}
