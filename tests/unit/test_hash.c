/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hashes against the JDK: the columns were printed by OpenJDK 17 (String.hashCode, Arrays.hashCode of the UTF-8
 * bytes, String.length, CRC32, and Utils.murmur2 of kafka-clients), and those of murmur2 further down stand in
 * Kafka's own UtilsTest.
 */
#include "base/hash.h"

#include "base/value.h"
#include "tests/support/unit.h"

#include <math.h>
#include <string.h>

static const struct {
	const char *text;
	size_t length;
	int32_t java, bytes;
	size_t units;
	int32_t murmur2;
	uint32_t crc32;
} rows[] = {
    {"", 0, 0, 1, 0, 275646681, 0},
    {"a", 1, 97, 128, 1, -1563381124, 3904355907},
    {"c", 1, 99, 130, 1, -1877468854, 112844655},
    {"d", 1, 100, 131, 1, 284602193, 2564639436},
    {"f", 1, 102, 133, 1, 55990575, 1993550816},
    {"polygenelubricants", 18, INT32_MIN, 1303011777, 18, 342343466, 3309754381},
    {"粤B12345", 9, -610579755, 1135311849, 7, 328980873, 3492722765},
    {"京A·88888", 11, 283209526, 1663857975, 8, -1332553545, 1870591897},
    {"😀", 4, 1772899, 350296, 2, 131881617, 88978756},
    {"aé\xf0\x9d\x84\x9e"
     "b",
        8, 151467152, -1070310091, 5, -325931174, 400148452},
    {"The quick brown fox", 19, -1739336029, 2146807042, 19, -340512587, 3074782430},
    {"\0x", 2, 120, 1081, 2, 254478165, 520612849},
    {"0123456789abcdef0123456789abcdef", 32, -1783317168, 327973201, 32, 81657833, 2002367758},
    {"\xef\xbf\xbd", 3, 65533, 11372, 1, -1863826953, 2339517385},
    {"GydZG_", 6, INT32_MIN, -1259979967, 6, -2144987184, 3336456028},
};

START_TEST(hashes_are_those_of_the_jdk)
{
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		const char *text = rows[i].text;
		size_t length = rows[i].length;

		ck_assert_msg(rv__hash_java_text(text, length) == rows[i].java, "%s", text);
		ck_assert_msg(rv__hash_java_bytes(text, length) == rows[i].bytes, "%s", text);
		ck_assert_msg(rv__utf16_length(text, length) == rows[i].units, "%s", text);
		ck_assert_msg((int32_t)rv__hash_murmur2(text, length) == rows[i].murmur2, "%s", text);
		ck_assert_msg(rv__hash_crc32(text, length) == rows[i].crc32, "%s", text);
	}
}
END_TEST

START_TEST(murmur2_is_that_of_kafka)
{
	static const struct {
		const char *text;
		int32_t hash;
	} kafka[] = {{"21", -973932308}, {"foobar", -790332482}, {"a-little-bit-long-string", -985981536},
	    {"a-little-bit-longer-string", -1486304829},
	    {"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971}, {"abc", 479470107}};

	for (size_t i = 0; i < sizeof kafka / sizeof *kafka; i++)
		ck_assert_int_eq(
		    (int32_t)rv__hash_murmur2(kafka[i].text, strlen(kafka[i].text)), kafka[i].hash);
}
END_TEST

/* The reference vectors of the FNV authors. */
START_TEST(fnv1a_is_that_of_its_authors)
{
	ck_assert_uint_eq(rv__hash_fnv1a("", 0), 0x811c9dc5);
	ck_assert_uint_eq(rv__hash_fnv1a("a", 1), 0xe40c292c);
	ck_assert_uint_eq(rv__hash_fnv1a("foobar", 6), 0xbf9cf968);
}
END_TEST

static int32_t hash_of(struct rv__value value)
{
	return rv__value_java_hash(&value);
}

START_TEST(values_hash_as_objects_of_java)
{
	static const struct {
		double real;
		int32_t hash;
	} reals[] = {{0.1, -1507852285}, {-2.5, -1073479680}, {NAN, 2146959360}, {0.0, 0}, {-0.0, INT32_MIN}};
	json_t *map = json_loads("{\"a\":1,\"b\":[\"x\",2.5,true,null,-7],\"c\":5000000000}", 0, NULL);
	json_t *list = json_loads("[1,\"b\"]", 0, NULL);

	ck_assert_int_eq(hash_of((struct rv__value){.kind = RV__VALUE_LONG, .number = -1}), 0);
	ck_assert_int_eq(hash_of((struct rv__value){.kind = RV__VALUE_LONG, .number = 1LL << 40}), 256);
	ck_assert_int_eq(hash_of((struct rv__value){.kind = RV__VALUE_LONG, .number = INT64_MIN}), INT32_MIN);
	ck_assert_int_eq(hash_of((struct rv__value){.kind = RV__VALUE_INT, .number = -1}), -1);
	ck_assert_int_eq(hash_of((struct rv__value){.kind = RV__VALUE_BOOL, .flag = true}), 1231);
	ck_assert_int_eq(hash_of((struct rv__value){.kind = RV__VALUE_BOOL}), 1237);
	ck_assert_int_eq(hash_of((struct rv__value){.kind = RV__VALUE_NULL}), 0);
	for (size_t i = 0; i < sizeof reals / sizeof *reals; i++)
		ck_assert_int_eq(hash_of((struct rv__value){.kind = RV__VALUE_DOUBLE, .real = reals[i].real}),
		    reals[i].hash);
	ck_assert_int_eq(hash_of(rv__value_from_json(map)), -1008476865);
	ck_assert_int_eq(hash_of(rv__value_from_json(list)), 1090);
	json_decref(map);
	json_decref(list);
}
END_TEST

START_TEST(doubles_are_written_as_java_writes_them)
{
	static const struct {
		double real;
		const char *text;
	} reals[] = {{0.1, "0.1"}, {-2.5, "-2.5"}, {0.0, "0.0"}, {-0.0, "-0.0"}, {1.0E7, "1.0E7"},
	    {9999999.0, "9999999.0"}, {1.23456789E7, "1.23456789E7"}, {0.001, "0.001"}, {9.9E-4, "9.9E-4"},
	    {0.3333333333333333, "0.3333333333333333"}, {100.0, "100.0"}, {1.0E21, "1.0E21"},
	    {4.9E-324, "4.9E-324"}, {123456.789, "123456.789"}, {1.0E-5, "1.0E-5"},
	    {1.7976931348623157E308, "1.7976931348623157E308"}, {INFINITY, "Infinity"}, {NAN, "NaN"},
	    {10.0, "10.0"}, {1234567.0, "1234567.0"}, {0.012, "0.012"}};
	struct rv__arena arena = {0};

	for (size_t i = 0; i < sizeof reals / sizeof *reals; i++) {
		struct rv__value value = {.kind = RV__VALUE_DOUBLE, .real = reals[i].real};
		struct rv__value text;

		ck_assert(rv__value_to_text(&value, &arena, &text));
		ck_assert_str_eq(text.bytes, reals[i].text);
	}
	rv__arena_finish(&arena);
}
END_TEST

int main(void)
{
	const TTest *const cases[] = {hashes_are_those_of_the_jdk, murmur2_is_that_of_kafka,
	    fnv1a_is_that_of_its_authors, values_hash_as_objects_of_java,
	    doubles_are_written_as_java_writes_them, NULL};

	return unit_run("hash", cases, NULL, NULL);
}
