/* SPDX-License-Identifier: Apache-2.0 */
/* What the properties of a producer do to its sends: partitions, headers, the error channel. */
#include <rivulet/test.h>

#include "tests/support/fake_binder.h"
#include "tests/support/unit.h"

#include <stdatomic.h>

#define PRODUCER "--spring.cloud.stream.bindings.output.producer."

static rv_channel *output;

static void start(const char *const *properties, int32_t partitions)
{
	fake_create(properties);
	fake.partitions = partitions;
	rv_app_enable_binding(service.app, RV_SOURCE);
	output = rv_app_channel(service.app, RV_SOURCE_OUTPUT);
	fake_start();
}

static void ignore(const rv_message *message, const struct rv_error *error, void *context)
{
	(void)message;
	(void)error;
	(void)context;
}

/* Sends without waiting, and lets the broker take it. */
static rv_err send(rv_message *message, struct rv_error *error)
{
	rv_err code = rv_channel_send_async(output, message, ignore, NULL, error);

	rv_message_unref(message);
	if (code == RV_OK)
		fake_complete(RV_OK);
	return code;
}

static int partition_of(const char *text)
{
	struct rv_error error = {0};

	ck_assert_msg(send(rv_message_create_text(text), &error) == RV_OK, "%s", error.text);
	return fake.sent_partition;
}

static const char *const by_payload[] = {PRODUCER "partition-key-expression=payload", NULL};

START_TEST(without_a_key_expression_the_binder_chooses)
{
	static const char *const more[] = {PRODUCER "partition-count=4", NULL};

	start(more, 4);
	ck_assert(!fake.partitioned);
	ck_assert_int_eq(partition_of("a"), -1);
	ck_assert_ptr_null(rv_message_header(fake.sent, RV_HEADER_PARTITION));
	ck_assert_int_eq(fake_finish(), 0);
}
END_TEST

/* hashCode() of "k" is 107. */
START_TEST(the_larger_number_of_partitions_counts)
{
	static const char *const more[] = {
	    PRODUCER "partition-key-expression=payload", PRODUCER "partition-count=10", NULL};

	start(more, 4);
	ck_assert(fake.partitioned);
	ck_assert_int_eq(partition_of("k"), 7);
	ck_assert_str_eq(rv_message_header(fake.sent, RV_HEADER_PARTITION), "7");
	ck_assert_int_eq(fake_finish(), 0);
	start(more, 50);
	ck_assert_int_eq(partition_of("k"), 7);
	ck_assert_int_eq(partition_of("d"), 0);  /* 100 */
	ck_assert_int_eq(partition_of("c"), 49); /* 99 */
	ck_assert_int_eq(fake_finish(), 0);
}
END_TEST

START_TEST(the_number_at_the_time_of_binding_stands)
{
	start(by_payload, 4);
	ck_assert_int_eq(partition_of("k"), 3);
	fake.producer_sink->partitions(fake.producer, 100);
	ck_assert_int_eq(partition_of("k"), 3);
	ck_assert_int_eq(fake_finish(), 0);
}
END_TEST

START_TEST(the_number_is_followed_on_wish)
{
	static const char *const more[] = {PRODUCER "partition-key-expression=payload",
	    PRODUCER "dynamic-partition-updates-enabled=true", NULL};

	start(more, 4);
	ck_assert_int_eq(partition_of("k"), 3);
	fake.producer_sink->partitions(fake.producer, 100);
	ck_assert_int_eq(partition_of("k"), 7);
	ck_assert_int_eq(fake_finish(), 0);
}
END_TEST

static void *send_one(void *arg)
{
	rv_message *message = rv_message_create_text("k");
	struct rv_error *error = arg;

	(void)rv_channel_send(output, message, error);
	rv_message_unref(message);
	return NULL;
}

START_TEST(a_send_waits_until_the_number_of_partitions_is_known)
{
	struct rv_error error = {0};
	pthread_t thread;

	start(by_payload, 0);
	ck_assert_int_eq(send(rv_message_create_text("k"), &error), RV_E_UNAVAILABLE);
	ck_assert(error.retriable);
	ck_assert_ptr_nonnull(strstr(error.text, "how many partitions"));
	error = (struct rv_error){0};
	pthread_create(&thread, NULL, send_one, &error);
	ck_assert(!wait_until(30, fake_pending() > 0));
	fake.producer_sink->partitions(fake.producer, 4);
	WAIT_UNTIL(30000, fake_pending() == 1);
	ck_assert_int_eq(fake.sent_partition, 3);
	fake_complete(RV_OK);
	pthread_join(thread, NULL);
	ck_assert_int_eq(error.code, RV_OK);
	ck_assert_int_eq(fake_finish(), 0);
}
END_TEST

START_TEST(a_message_without_key_is_not_sent_and_counted)
{
	static const char *const more[] = {PRODUCER "partition-key-expression=headers['k']", NULL};
	struct rv_error error = {0};

	start(more, 4);
	ck_assert_int_eq(send(rv_message_create_text("x"), &error), RV_E_INVALID);
	ck_assert_ptr_nonnull(strstr(error.text, "'output'"));
	ck_assert_uint_eq(fake_pending(), 0);
	ck_assert_uint_eq(fake_view("output").counters.send_errors, 1);
	ck_assert_int_eq(fake_finish(), 0);
}
END_TEST

START_TEST(an_override_that_does_not_exist_is_refused)
{
	rv_message *message = rv_message_create_text("x");
	struct rv_error error = {0};

	rv_message_set_header(message, "scst_partitionOverride", "4");
	start(by_payload, 4);
	ck_assert_int_eq(send(message, &error), RV_E_INVALID);
	ck_assert_msg(strstr(error.text, "0 to 3") != NULL, "%s", error.text);
	ck_assert_int_eq(fake_finish(), 0);
}
END_TEST

START_TEST(header_modes_go_out_bare)
{
	static const char *const none[] = {PRODUCER "header-mode=none", NULL};
	static const char *const embedded[] = {PRODUCER "header-mode=embeddedHeaders",
	    "--rivulet.bindings.output.producer.embedded-headers=a", NULL};
	rv_message *message = rv_message_create_text("x");
	size_t length;

	start(NULL, 0);
	(void)partition_of("x");
	ck_assert(!fake.sent_bare);
	ck_assert_int_eq(fake_finish(), 0);
	start(none, 0);
	(void)partition_of("x");
	ck_assert(fake.sent_bare);
	ck_assert_str_eq(rv_message_text(fake.sent), "x");
	ck_assert_int_eq(fake_finish(), 0);
	start(embedded, 0);
	rv_message_set_header_int(message, "a", 1);
	ck_assert_int_eq(send(message, NULL), RV_OK);
	ck_assert(fake.sent_bare);
	ck_assert_mem_eq(rv_message_payload(fake.sent, &length),
	    "\xff\x02\x0b"
	    "contentType",
	    14);
	ck_assert_int_eq(fake_finish(), 0);
}
END_TEST

/* The fake binder claims neither. */
START_TEST(what_the_broker_cannot_carry_is_refused)
{
	rv_message *message = rv_message_create_text("x");
	struct rv_error error = {0};

	rv_message_set_header_typed(message, "b", RV_HEADER_BYTES, "\xff", 1);
	start(NULL, 0);
	ck_assert_int_eq(send(rv_message_create_null(), &error), RV_E_UNSUPPORTED);
	ck_assert_ptr_nonnull(strstr(error.text, "Fake"));
	ck_assert_int_eq(send(message, &error), RV_E_UNSUPPORTED);
	ck_assert_ptr_nonnull(strstr(error.text, "base64"));
	ck_assert_int_eq(fake_finish(), 0);
}
END_TEST

struct failures {
	atomic_int count;
	rv_err code;
	char text[16];
};

static void failed(const rv_message *message, const struct rv_error *error, void *context)
{
	struct failures *failures = context;

	failures->code = error->code;
	snprintf(failures->text, sizeof failures->text, "%s", rv_message_text(message));
	atomic_fetch_add(&failures->count, 1);
}

/* A send that returns when queued, and fails then. */
static void fail_one(const char *const *properties, struct failures *common, struct failures *own)
{
	fake_create(properties);
	fake.queued_is_sent = true;
	rv_app_enable_binding(service.app, RV_SOURCE);
	output = rv_app_channel(service.app, RV_SOURCE_OUTPUT);
	rv_app_on_send_error(service.app, NULL, failed, common);
	if (own)
		rv_app_on_send_error(service.app, RV_SOURCE_OUTPUT, failed, own);
	fake_start();
	{
		struct rv_error error = {0};

		send_one(&error);
		ck_assert_int_eq(error.code, RV_OK);
	}
	fake_complete(RV_E_DENIED);
	ck_assert_int_eq(fake_finish(), 0);
}

START_TEST(a_queued_send_that_fails_reaches_the_error_channel)
{
	static const char *const enabled[] = {PRODUCER "error-channel-enabled=true", NULL};
	struct failures common = {0}, own = {0};

	fail_one(NULL, &common, NULL);
	ck_assert_int_eq(common.count, 0);
	fail_one(enabled, &common, NULL);
	ck_assert_int_eq(common.count, 1);
	ck_assert_int_eq(common.code, RV_E_DENIED);
	ck_assert_str_eq(common.text, "k");
	fail_one(enabled, &common, &own);
	ck_assert_int_eq(common.count, 1);
	ck_assert_int_eq(own.count, 1);
}
END_TEST

/* -- mistakes ------------------------------------------------------------------------------------ */

static void declare_source(rv_app *app, void *context)
{
	(void)context;
	rv_app_enable_binding(app, RV_SOURCE);
}

static const char *mistake(const char *property)
{
	static struct rv_error error;
	const char *const properties[] = {property, NULL};

	ck_assert_ptr_null(rv_test_start(declare_source, NULL, properties, &error));
	ck_assert_int_eq(error.code, RV_E_CONFIG);
	return error.text;
}

START_TEST(a_malformed_expression_stops_the_start_and_names_its_place)
{
	const char *text =
	    mistake("spring.cloud.stream.bindings.output.producer.partition-key-expression=payload.");

	ck_assert_msg(strstr(text, "partition-key-expression") != NULL, "%s", text);
	ck_assert_msg(strstr(text, "character 9") != NULL, "%s", text);
	text = mistake("spring.cloud.stream.default.producer.partition-key-expression=T(java.lang.Math)");
	ck_assert_msg(strstr(text, "default.producer") != NULL, "%s", text);
}
END_TEST

int main(void)
{
	const TTest *const cases[] = {without_a_key_expression_the_binder_chooses,
	    the_larger_number_of_partitions_counts, the_number_at_the_time_of_binding_stands,
	    the_number_is_followed_on_wish, a_send_waits_until_the_number_of_partitions_is_known,
	    a_message_without_key_is_not_sent_and_counted, an_override_that_does_not_exist_is_refused,
	    header_modes_go_out_bare, what_the_broker_cannot_carry_is_refused,
	    a_queued_send_that_fails_reaches_the_error_channel,
	    a_malformed_expression_stops_the_start_and_names_its_place, NULL};

	return unit_run("producer", cases, NULL, NULL);
}
