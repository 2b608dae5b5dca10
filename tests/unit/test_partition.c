/* SPDX-License-Identifier: Apache-2.0 */
#include "bindings/partition.h"

#include "bindings/message.h"
#include "tests/support/unit.h"

#include <pthread.h>
#include <string.h>

static struct rv__partitioner *partitioner;
static struct rv_error error;

static void compile(const char *key, const char *selector, enum rv__partition_hash hash)
{
	rv__partitioner_destroy(partitioner);
	partitioner = NULL;
	ck_assert_msg(rv__partitioner_create(key, selector, hash, &partitioner, NULL, &error) == RV_OK, "%s",
	    error.text);
}

static void teardown(void)
{
	rv__partitioner_destroy(partitioner);
	partitioner = NULL; /* without forks the next case finds it */
}

/* The partition of a text payload among `count`; -1: refused. */
static int partition_of(const char *payload, int count)
{
	rv_message *message = rv_message_create_text(payload);
	struct rv__spot spot;
	rv_err code = rv__partitioner_choose(partitioner, message, "output", &spot, &error);

	rv_message_unref(message);
	return code == RV_OK ? rv__spot_partition(spot, count) : -1;
}

/* Printed by OpenJDK 17: abs(hashCode) % 5 with Integer.MIN_VALUE as 0; the first four stand in Spring's own tests. */
START_TEST(a_key_meets_the_partition_that_java_gives_it)
{
	static const struct {
		const char *key;
		int java, murmur2;
	} rows[] = {{"a", 2, 4}, {"c", 4, 4}, {"d", 0, 3}, {"f", 2, 0}, {"polygenelubricants", 0, 1},
	    {"粤B12345", 0, 3}, {"-42", 2, 4}};

	compile("payload", NULL, RV__HASH_JAVA);
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		ck_assert_int_eq(partition_of(rows[i].key, 5), rows[i].java);
	ck_assert_int_eq(partition_of("anything", 1), 0);
	compile("payload", NULL, RV__HASH_MURMUR2);
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		ck_assert_int_eq(partition_of(rows[i].key, 5), rows[i].murmur2);
}
END_TEST

/* crc32 of "a" is 3904355907; fnv1a of "a" is 0xe40c292c, as int -468965076. */
START_TEST(other_hashes_are_those_of_librdkafka)
{
	compile("payload", NULL, RV__HASH_CRC32);
	ck_assert_int_eq(partition_of("a", 100), 7);
	compile("payload", NULL, RV__HASH_FNV1A);
	ck_assert_int_eq(partition_of("a", 100), 76);
}
END_TEST

START_TEST(a_number_hashes_as_its_text_but_for_java)
{
	int number;

	compile("12", NULL, RV__HASH_MURMUR2);
	number = partition_of("", 1000);
	compile("'12'", NULL, RV__HASH_MURMUR2);
	ck_assert_int_eq(partition_of("", 1000), number);
	compile("12", NULL, RV__HASH_JAVA);
	ck_assert_int_eq(partition_of("", 1000), 12);
	compile("-12", NULL, RV__HASH_JAVA);
	ck_assert_int_eq(partition_of("", 1000), 12);
	compile("-1L", NULL, RV__HASH_JAVA);
	ck_assert_int_eq(partition_of("", 1000), 0);
}
END_TEST

START_TEST(a_selector_says_the_number_itself)
{
	compile("payload", "length()", RV__HASH_JAVA);
	ck_assert_int_eq(partition_of("abcdefg", 5), 2);
	compile("payload", "hashCode()", RV__HASH_JAVA);
	ck_assert_int_eq(partition_of("a", 5), 2);
	compile("payload", "-7", RV__HASH_JAVA);
	ck_assert_int_eq(partition_of("", 5), 2);
	compile("payload", "-2147483647 - 1", RV__HASH_JAVA);
	ck_assert_int_eq(partition_of("", 5), 3); /* |-2147483648 % 5| */
	compile("payload", "#root", RV__HASH_JAVA);
	ck_assert_int_eq(partition_of("13", 5), 3);
	ck_assert_int_eq(partition_of("x", 5), -1);
	ck_assert_ptr_nonnull(strstr(error.text, "partition-selector-expression"));
	compile("payload", "7.9", RV__HASH_JAVA);
	ck_assert_int_eq(partition_of("", 5), 2);
	compile("payload", "5000000000L", RV__HASH_JAVA);
	ck_assert_int_eq(partition_of("", 5), -1);
}
END_TEST

START_TEST(no_key_is_no_partition)
{
	compile("headers['k']", NULL, RV__HASH_JAVA);
	ck_assert_int_eq(partition_of("x", 5), -1);
	ck_assert_int_eq(error.code, RV_E_INVALID);
	ck_assert_ptr_nonnull(strstr(error.text, "'output'"));
	compile("headers['k'] ?: 'none'", NULL, RV__HASH_JAVA);
	ck_assert_int_ge(partition_of("x", 5), 0);
}
END_TEST

static rv_err choose_override(const char *value, struct rv__spot *ret)
{
	rv_message *message = rv_message_create_text("x");
	rv_err code;

	rv_message_set_header(message, RV_HEADER_PARTITION_OVERRIDE, value);
	code = rv__partitioner_choose(partitioner, message, "output", ret, &error);
	rv_message_unref(message);
	return code;
}

START_TEST(an_override_names_the_partition)
{
	struct rv__spot spot;

	compile("headers['absent']", NULL, RV__HASH_JAVA);
	ck_assert_int_eq(choose_override("3", &spot), RV_OK);
	ck_assert_int_eq(rv__spot_partition(spot, 4), 3);
	ck_assert_int_eq(rv__spot_partition(spot, 3), -1);
	ck_assert_int_eq(choose_override("-1", &spot), RV_E_INVALID);
	ck_assert_int_eq(choose_override("one", &spot), RV_E_INVALID);
	ck_assert_int_eq(choose_override("", &spot), RV_E_INVALID);
}
END_TEST

START_TEST(a_mistake_says_in_which_expression_it_is)
{
	bool in_selector = true;
	struct rv__partitioner *made = NULL;

	ck_assert_int_eq(
	    rv__partitioner_create("T(x)", NULL, RV__HASH_JAVA, &made, &in_selector, &error), RV_E_CONFIG);
	ck_assert(!in_selector);
	ck_assert_int_eq(
	    rv__partitioner_create("payload", "(", RV__HASH_JAVA, &made, &in_selector, &error), RV_E_CONFIG);
	ck_assert(in_selector);
	ck_assert_ptr_null(made);
}
END_TEST

/* -- the header ------------------------------------------------------------------------------- */

static const char *placed_entry(const rv_message *message, int *ret_times)
{
	struct rv_header header;
	const char *value = NULL;

	*ret_times = 0;
	for (size_t i = 0; rv_message_header_entry(message, i, &header); i++) {
		ck_assert_str_ne(header.name, RV_HEADER_PARTITION_OVERRIDE);
		if (strcmp(header.name, RV_HEADER_PARTITION) == 0) {
			ck_assert_int_eq(header.type, RV_HEADER_INT);
			ck_assert_uint_eq(header.length, strlen(header.value));
			value = header.value;
			++*ret_times;
		}
	}
	return value;
}

START_TEST(the_choice_is_a_header_of_the_message)
{
	rv_message *message = rv_message_create_text("x");
	rv_message *sent = rv__message_seal(message, rv__intern("application/json"));
	rv_message *copy;
	int times;

	ck_assert_ptr_null(rv_message_header(sent, RV_HEADER_PARTITION));
	ck_assert_int_eq(rv__message_place(&sent, rv__partition_text(3)), RV_OK);
	ck_assert_str_eq(rv_message_header(sent, RV_HEADER_PARTITION), "3");
	ck_assert_str_eq(placed_entry(sent, &times), "3");
	ck_assert_int_eq(times, 1);
	ck_assert_str_eq(rv_message_header(sent, RV_HEADER_CONTENT_TYPE), "text/plain");
	/* Another output chooses otherwise; who has the first one sees no change. */
	copy = rv_message_ref(sent);
	ck_assert_int_eq(rv__message_place(&copy, rv__partition_text(2000)), RV_OK);
	ck_assert_str_eq(rv_message_header(copy, RV_HEADER_PARTITION), "2000");
	ck_assert_str_eq(rv_message_header(sent, RV_HEADER_PARTITION), "3");
	rv_message_unref(copy);
	/* … and one that chooses nothing takes none over. */
	copy = rv_message_ref(sent);
	ck_assert_int_eq(rv__message_place(&copy, RV__UNPLACED), RV_OK);
	ck_assert_ptr_null(rv_message_header(copy, RV_HEADER_PARTITION));
	ck_assert_ptr_null(placed_entry(copy, &times));
	rv_message_unref(copy);
	rv_message_unref(sent);
	rv_message_unref(message);
}
END_TEST

START_TEST(the_choice_replaces_an_older_one_and_the_override)
{
	static const char *const names[] = {RV_HEADER_PARTITION, RV_HEADER_PARTITION_OVERRIDE};

	for (int i = 0; i < 2; i++) {
		rv_message *message = rv_message_create("x", 1);
		int times;

		rv_message_set_header(message, names[i], "7");
		ck_assert_int_eq(rv__message_place(&message, rv__partition_text(1)), RV_OK);
		ck_assert_str_eq(rv_message_header(message, RV_HEADER_PARTITION), "1");
		ck_assert_str_eq(placed_entry(message, &times), "1");
		ck_assert_int_eq(times, 1);
		rv_message_unref(message);
	}
}
END_TEST

enum { THREADS = 8, ROUNDS = 200 };

static rv_message *shared;

static void *place_often(void *arg)
{
	const char *text = rv__partition_text((int)(intptr_t)arg);

	for (int i = 0; i < ROUNDS; i++) {
		rv_message *mine = rv_message_ref(shared);

		ck_assert_int_eq(rv__message_place(&mine, text), RV_OK);
		ck_assert_str_eq(rv_message_header(mine, RV_HEADER_PARTITION), text);
		rv_message_unref(mine);
	}
	return NULL;
}

START_TEST(many_outputs_may_place_one_message_at_once)
{
	pthread_t threads[THREADS];

	shared = rv_message_create_text("x");
	for (int i = 0; i < THREADS; i++)
		pthread_create(&threads[i], NULL, place_often, (void *)(intptr_t)i);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	rv_message_unref(shared);
}
END_TEST

int main(void)
{
	const TTest *const cases[] = {a_key_meets_the_partition_that_java_gives_it,
	    other_hashes_are_those_of_librdkafka, a_number_hashes_as_its_text_but_for_java,
	    a_selector_says_the_number_itself, no_key_is_no_partition, an_override_names_the_partition,
	    a_mistake_says_in_which_expression_it_is, the_choice_is_a_header_of_the_message,
	    the_choice_replaces_an_older_one_and_the_override, many_outputs_may_place_one_message_at_once,
	    NULL};

	return unit_run("partition", cases, NULL, teardown);
}
