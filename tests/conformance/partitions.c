/* SPDX-License-Identifier: Apache-2.0 */
/* Which partition a message goes to, when the sender says by what. */
#include "tests/conformance/kit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct kit_line line;

static void start(const char *const *more)
{
	static const char *const partitioned[] = {KIT_CONSUMER "concurrency=3", NULL};

	kit_line_start(&line, partitioned, more);
}

/* A text with the header `name` (NULL: none); the code of the send. */
static rv_err try_send(const char *text, const char *name, const char *value, struct rv_error *error)
{
	rv_message *message = rv_message_create_text(text);
	rv_err code;

	if (name)
		ck_assert_int_eq(rv_message_set_header(message, name, value), RV_OK);
	code = rv_channel_send(line.output, message, error);
	rv_message_unref(message);
	return code;
}

static void send(const char *text, const char *name, const char *value)
{
	struct rv_error error = {0};

	ck_assert_msg(try_send(text, name, value, &error) == RV_OK, "%s", error.text);
}

static int partition_of(const char *text)
{
	return kit_partition_of(&line.recorder, text);
}

struct placed {
	const char *key;
	int partition;
};

static void expect_places(const struct placed *rows, size_t count)
{
	for (size_t i = 0; i < count; i++)
		send(rows[i].key, NULL, NULL);
	for (size_t i = 0; i < count; i++)
		ck_assert_msg(partition_of(rows[i].key) == rows[i].partition, "'%s' is in %d, not in %d",
		    rows[i].key, partition_of(rows[i].key), rows[i].partition);
}

/* The numbers stand in Spring Cloud Stream's tests of StreamBridge, and the last were printed by OpenJDK 17. */
START_TEST(a_key_has_the_partition_that_java_gives_it)
{
	static const char *const more[] = {
	    KIT_PRODUCER "partition-count=5", KIT_PRODUCER "partition-key-expression=payload", NULL};
	static const struct placed rows[] = {
	    {"a", 2}, {"c", 4}, {"d", 0}, {"f", 2}, {"粤B12345", 0}, {"-42", 2}};

	start(more);
	expect_places(rows, sizeof rows / sizeof *rows);
	kit_line_stop(&line);
}
END_TEST

/* As org.apache.kafka.common.utils.Utils.murmur2 places them. */
START_TEST(a_key_has_the_partition_of_kafkas_own_producers_on_wish)
{
	static const char *const more[] = {KIT_PRODUCER "partition-count=5",
	    KIT_PRODUCER "partition-key-expression=payload",
	    "rivulet.bindings.output.producer.partition-hash=murmur2", NULL};
	static const struct placed rows[] = {
	    {"a", 4}, {"c", 4}, {"d", 3}, {"f", 0}, {"polygenelubricants", 1}, {"粤B12345", 3}};

	start(more);
	expect_places(rows, sizeof rows / sizeof *rows);
	kit_line_stop(&line);
}
END_TEST

START_TEST(one_key_stays_in_one_partition)
{
	enum { KEYS = 7, MESSAGES = 210 };
	static const char *const more[] = {
	    KIT_PRODUCER "partition-count=4", KIT_PRODUCER "partition-key-expression=headers['plate']", NULL};
	int partitions[KEYS], used = 0;
	char text[32], key[32];

	start(more);
	for (int i = 0; i < MESSAGES; i++) {
		snprintf(text, sizeof text, "%d:%d", i % KEYS, i);
		snprintf(key, sizeof key, "粤B%05d", i % KEYS * 7919);
		send(text, "plate", key);
	}
	WAIT_UNTIL(KIT_SOON_MS, kit_distinct(&line.recorder) == MESSAGES);
	for (int i = 0; i < KEYS; i++)
		partitions[i] = -1;
	pthread_mutex_lock(&line.recorder.lock);
	for (size_t i = 0; i < line.recorder.count; i++) {
		int which = line.recorder.records[i].text[0] - '0',
		    partition = line.recorder.records[i].partition;

		ck_assert_int_ge(partition, 0);
		ck_assert_int_lt(partition, 4);
		if (partitions[which] < 0)
			used |= 1 << partition;
		else
			ck_assert_int_eq(partitions[which], partition);
		partitions[which] = partition;
	}
	pthread_mutex_unlock(&line.recorder.lock);
	ck_assert_int_ne(used & (used - 1), 0); /* and not all keys in the same one */
	kit_line_stop(&line);
}
END_TEST

START_TEST(a_selector_and_members_of_the_payload_choose)
{
	static const char *const more[] = {KIT_PRODUCER "partition-count=3",
	    KIT_PRODUCER "partition-key-expression=payload.place.level",
	    KIT_PRODUCER "partition-selector-expression=#root + 1", NULL};
	static const char *const texts[] = {"{\"place\":{\"level\":0}}", "{\"place\":{\"level\":1}}",
	    "{\"place\":{\"level\":2}}", "{\"place\":{\"level\":-3}}"};
	static const int places[] = {1, 2, 0, 2};

	start(more);
	for (int i = 0; i < 4; i++)
		send(texts[i], NULL, NULL);
	for (int i = 0; i < 4; i++)
		ck_assert_int_eq(partition_of(texts[i]), places[i]);
	kit_line_stop(&line);
}
END_TEST

START_TEST(the_choice_travels_in_a_header)
{
	static const char *const more[] = {
	    KIT_PRODUCER "partition-count=5", KIT_PRODUCER "partition-key-expression=payload", NULL};
	struct rv_header header;

	start(more);
	send("c", NULL, NULL);
	ck_assert_int_eq(partition_of("c"), 4);
	ck_assert(rv_message_header_find(line.recorder.kept, RV_HEADER_PARTITION, &header));
	ck_assert_str_eq(header.value, "4");
	if (kit_caps & RV_CAP_BINARY_HEADERS)
		ck_assert_int_eq(header.type, RV_HEADER_INT);
	kit_line_stop(&line);
}
END_TEST

START_TEST(an_override_names_the_partition)
{
	static const char *const more[] = {
	    KIT_PRODUCER "partition-count=5", KIT_PRODUCER "partition-key-expression=payload", NULL};
	struct rv_error error = {0};

	start(more);
	send("c", RV_HEADER_PARTITION_OVERRIDE, "1");
	ck_assert_int_eq(partition_of("c"), 1);
	ck_assert_str_eq(rv_message_header(line.recorder.kept, RV_HEADER_PARTITION), "1");
	ck_assert_ptr_null(rv_message_header(line.recorder.kept, RV_HEADER_PARTITION_OVERRIDE));
	ck_assert_int_eq(try_send("d", RV_HEADER_PARTITION_OVERRIDE, "5000", &error), RV_E_INVALID);
	ck_assert_ptr_nonnull(strstr(error.text, RV_HEADER_PARTITION_OVERRIDE));
	kit_line_stop(&line);
}
END_TEST

START_TEST(a_message_without_its_key_is_refused)
{
	static const char *const more[] = {
	    KIT_PRODUCER "partition-count=2", KIT_PRODUCER "partition-key-expression=headers['plate']", NULL};
	struct rv_error error = {0};

	start(more);
	ck_assert_int_eq(try_send("lost", NULL, NULL, &error), RV_E_INVALID);
	ck_assert_ptr_nonnull(strstr(error.text, "partition-key-expression"));
	ck_assert(!error.retriable);
	send("kept", "plate", "粤B12345");
	ck_assert_int_ge(partition_of("kept"), 0);
	ck_assert(!kit_has(&line.recorder, "lost"));
	kit_line_stop(&line);
}
END_TEST

enum { SENDERS = 8, EACH = 50 };

static void *send_with_own_key(void *arg)
{
	int sender = (int)(intptr_t)arg;
	char text[32], key[32];

	snprintf(key, sizeof key, "粤B%05d", sender * 7919);
	for (int i = 0; i < EACH; i++) {
		snprintf(text, sizeof text, "%d:%d", sender, i);
		send(text, "plate", key);
	}
	return NULL;
}

START_TEST(threads_that_send_at_once_do_not_mix_their_keys)
{
	static const char *const more[] = {
	    KIT_PRODUCER "partition-count=4", KIT_PRODUCER "partition-key-expression=headers['plate']", NULL};
	pthread_t threads[SENDERS];
	int partitions[SENDERS];

	start(more);
	for (int i = 0; i < SENDERS; i++) {
		partitions[i] = -1;
		ck_assert_int_eq(
		    pthread_create(&threads[i], NULL, send_with_own_key, (void *)(intptr_t)i), 0);
	}
	for (int i = 0; i < SENDERS; i++)
		pthread_join(threads[i], NULL);
	WAIT_UNTIL(KIT_SOON_MS, kit_distinct(&line.recorder) == SENDERS * EACH);
	pthread_mutex_lock(&line.recorder.lock);
	for (size_t i = 0; i < line.recorder.count; i++) {
		const struct kit_record *record = &line.recorder.records[i];
		int *partition = &partitions[record->text[0] - '0'];

		if (*partition < 0)
			*partition = record->partition;
		ck_assert_int_eq(record->partition, *partition);
	}
	pthread_mutex_unlock(&line.recorder.lock);
	kit_line_stop(&line);
}
END_TEST

START_TEST(one_input_reads_several_partitioned_destinations)
{
	static const char *const two[] = {
	    KIT_PRODUCER "partition-count=2", KIT_PRODUCER "partition-key-expression=payload", NULL};
	static const char *const three[] = {
	    KIT_PRODUCER "partition-count=3", KIT_PRODUCER "partition-key-expression=payload", NULL};
	static const char *const concurrent[] = {KIT_CONSUMER "concurrency=2", NULL};
	const char *second = kit_destination();
	struct kit_service other;
	rv_channel *to_second = kit_producer(&other, second, three);
	char both[160];

	kit_line_begin(&line, two);
	snprintf(both, sizeof both, "%s,%s", line.destination, second);
	kit_consumer(&line.consumer, both, "g", &line.recorder, concurrent);
	kit_send(line.output, "first", 0, 20);
	kit_send(to_second, "second", 0, 20);
	WAIT_UNTIL(KIT_SOON_MS, kit_distinct(&line.recorder) == 40);
	ck_assert_int_eq(kit_service_stop(&other), 0);
	kit_line_stop(&line);
}
END_TEST

START_TEST(a_smaller_count_takes_no_partition_away)
{
	static const char *const four[] = {
	    KIT_PRODUCER "partition-count=4", KIT_PRODUCER "partition-key-expression=payload", NULL};
	static const char *const two[] = {
	    KIT_PRODUCER "partition-count=2", KIT_PRODUCER "partition-key-expression=payload", NULL};
	struct kit_service other;
	rv_channel *small;

	start(four);
	send("before", RV_HEADER_PARTITION_OVERRIDE, "3");
	ck_assert_int_eq(partition_of("before"), 3);
	small = kit_producer(&other, line.destination, two);
	kit_send(small, "small", 0, 20);
	WAIT_UNTIL(KIT_SOON_MS, kit_distinct(&line.recorder) == 21);
	send("after", RV_HEADER_PARTITION_OVERRIDE, "3");
	ck_assert_int_eq(partition_of("after"), 3);
	ck_assert_int_eq(kit_service_stop(&other), 0);
	kit_line_stop(&line);
}
END_TEST

void kit_add_partitions(void)
{
	KIT_ADD(RV_CAP_PARTITIONS, a_key_has_the_partition_that_java_gives_it);
	KIT_ADD(RV_CAP_PARTITIONS, a_key_has_the_partition_of_kafkas_own_producers_on_wish);
	KIT_ADD(RV_CAP_PARTITIONS, one_key_stays_in_one_partition);
	KIT_ADD(RV_CAP_PARTITIONS, a_selector_and_members_of_the_payload_choose);
	KIT_ADD(RV_CAP_PARTITIONS | RV_CAP_HEADERS, the_choice_travels_in_a_header);
	KIT_ADD(RV_CAP_PARTITIONS, an_override_names_the_partition);
	KIT_ADD(RV_CAP_PARTITIONS, a_message_without_its_key_is_refused);
	KIT_ADD(RV_CAP_PARTITIONS, threads_that_send_at_once_do_not_mix_their_keys);
	KIT_ADD(RV_CAP_PARTITIONS, one_input_reads_several_partitioned_destinations);
	KIT_ADD(RV_CAP_PARTITIONS, a_smaller_count_takes_no_partition_away);
}
