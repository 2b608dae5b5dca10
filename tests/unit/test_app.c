/* SPDX-License-Identifier: Apache-2.0 */
/* A whole application on the memory binder, seen through <rivulet/test.h>. */
#include <rivulet/rivulet.h>
#include <rivulet/test.h>

#include "tests/support/unit.h"
#include "tests/support/wait.h"

#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

enum { SOON_MS = 30000 };

/* -- services under test ------------------------------------------------------------------- */

static rv_verdict echo(const rv_message *message, void *context)
{
	rv_channel *output = context;
	rv_message *copy = rv_message_dup(message);
	rv_verdict verdict = rv_channel_send(output, copy, NULL) == RV_OK ? RV_ACK : RV_RETRY;

	rv_message_unref(copy);
	return verdict;
}

static void declare_echo(rv_app *app, void *context)
{
	(void)context;
	rv_app_enable_binding(app, RV_PROCESSOR);
	rv_app_listen(app, RV_PROCESSOR_INPUT, echo, rv_app_channel(app, RV_PROCESSOR_OUTPUT));
}

static struct rv_test *start(rv_test_declare_fn declare, void *context, const char *const *properties)
{
	struct rv_error error = {0};
	struct rv_test *test = rv_test_start(declare, context, properties, &error);

	ck_assert_msg(test != NULL, "%s", error.text);
	return test;
}

static void put_text(struct rv_test *test, const char *channel, const char *text)
{
	struct rv_error error = {0};
	rv_message *message = rv_message_create_text(text);

	ck_assert_msg(rv_test_put(test, channel, message, &error) == RV_OK, "%s", error.text);
	rv_message_unref(message);
}

START_TEST(a_message_goes_through_a_processor)
{
	static const char *const properties[] = {"spring.cloud.stream.bindings.input.destination=in-topic",
	    "spring.cloud.stream.bindings.input.group=g",
	    "spring.cloud.stream.bindings.output.destination=out-topic", NULL};
	struct rv_test *test = start(declare_echo, NULL, properties);
	rv_message *message;

	put_text(test, "input", "hello");
	message = rv_test_take(test, "output", SOON_MS);
	ck_assert_ptr_nonnull(message);
	ck_assert_str_eq(rv_message_text(message), "hello");
	ck_assert_str_eq(rv_message_destination(message), "out-topic");
	ck_assert_str_eq(rv_message_source(message), "Memory");
	ck_assert_int_eq(rv_test_settlement(test, "input", SOON_MS), RV_SETTLED_ACK);
	rv_message_unref(message);
	ck_assert_int_eq(rv_test_stop(test), 0);
}
END_TEST

/* Says the same verdict always and counts. */
struct stubborn {
	rv_verdict verdict;
	atomic_int calls;
	atomic_int last_attempt;
};

static rv_verdict be_stubborn(const rv_message *message, void *context)
{
	struct stubborn *stubborn = context;

	atomic_fetch_add(&stubborn->calls, 1);
	atomic_store(&stubborn->last_attempt, rv_message_attempt(message));
	return stubborn->verdict;
}

static void declare_stubborn(rv_app *app, void *context)
{
	rv_app_enable_binding(app, RV_SINK);
	rv_app_listen(app, RV_SINK_INPUT, be_stubborn, context);
}

START_TEST(retry_stops_at_max_attempts_and_ends_as_a_dead_letter)
{
	static const char *const properties[] = {"spring.cloud.stream.bindings.input.group=g",
	    "spring.cloud.stream.bindings.input.consumer.max-attempts=4",
	    "spring.cloud.stream.bindings.input.consumer.back-off-initial-interval=1",
	    "spring.cloud.stream.bindings.input.consumer.back-off-max-interval=5", NULL};
	struct stubborn stubborn = {.verdict = RV_RETRY};
	struct rv_test *test = start(declare_stubborn, &stubborn, properties);
	rv_message *letter;

	put_text(test, "input", "bad");
	ck_assert_int_eq(rv_test_settlement(test, "input", SOON_MS), RV_SETTLED_DEAD_LETTER);
	ck_assert_int_eq(atomic_load(&stubborn.calls), 4);
	ck_assert_int_eq(atomic_load(&stubborn.last_attempt), 4);
	letter = rv_test_dead_letter(test, "input", SOON_MS);
	ck_assert_ptr_nonnull(letter);
	ck_assert_str_eq(rv_message_text(letter), "bad");
	ck_assert_str_eq(rv_message_header(letter, "x-original-topic"), "input");
	rv_message_unref(letter);
	ck_assert_int_eq(rv_test_stop(test), 0);
}
END_TEST

START_TEST(a_rejected_message_of_an_anonymous_group_is_dropped_at_once)
{
	struct stubborn stubborn = {.verdict = RV_REJECT};
	struct rv_test *test = start(declare_stubborn, &stubborn, NULL);

	put_text(test, "input", "bad");
	ck_assert_int_eq(rv_test_settlement(test, "input", SOON_MS), RV_SETTLED_DROP);
	ck_assert_int_eq(atomic_load(&stubborn.calls), 1);
	ck_assert_int_eq(rv_test_stop(test), 0);
}
END_TEST

START_TEST(a_misspelt_property_is_a_mistake_with_its_cure)
{
	static const char *const properties[] = {
	    "spring.cloud.stream.bindings.input.consumer.concurency=2", NULL};
	struct stubborn stubborn = {.verdict = RV_ACK};
	struct rv_error error = {0};

	ck_assert_ptr_null(rv_test_start(declare_stubborn, &stubborn, properties, &error));
	ck_assert_int_eq(error.code, RV_E_CONFIG);
	ck_assert_msg(strstr(error.text, "concurrency") != NULL, "%s", error.text);
}
END_TEST

START_TEST(ten_thousand_messages_pass_once_each)
{
	static const char *const properties[] = {"spring.cloud.stream.bindings.input.group=g", NULL};
	struct stubborn stubborn = {.verdict = RV_ACK};
	struct rv_test *test = start(declare_stubborn, &stubborn, properties);

	for (int i = 0; i < 10000; i++)
		put_text(test, "input", "x");
	for (int i = 0; i < 10000; i++)
		ck_assert_int_eq(rv_test_settlement(test, "input", SOON_MS), RV_SETTLED_ACK);
	ck_assert_int_eq(atomic_load(&stubborn.calls), 10000);
	ck_assert_int_eq(rv_test_stop(test), 0);
}
END_TEST

static void be_told_twice_to_stop(rv_app *app, void *context)
{
	(void)app;
	(void)context;
	raise(SIGTERM);
	raise(SIGTERM);
}

/* As when a program around us sends it to the process and to its group. */
START_TEST(one_stop_that_arrives_as_two_signals_is_graceful)
{
	char name[] = "service";
	char binder[] = "--spring.cloud.stream.default-binder=memory";
	char port[] = "--server.port=-1";
	char *arguments[] = {name, binder, port, NULL};
	struct stubborn stubborn = {.verdict = RV_ACK};
	rv_app *app = rv_app_create("service", 3, arguments);

	declare_stubborn(app, &stubborn);
	rv_app_on_ready(app, be_told_twice_to_stop, NULL);
	ck_assert_int_eq(rv_app_run(app), 0);
}
END_TEST

int main(void)
{
	const TTest *const cases[] = {a_message_goes_through_a_processor,
	    retry_stops_at_max_attempts_and_ends_as_a_dead_letter,
	    a_rejected_message_of_an_anonymous_group_is_dropped_at_once,
	    a_misspelt_property_is_a_mistake_with_its_cure, ten_thousand_messages_pass_once_each,
	    one_stop_that_arrives_as_two_signals_is_graceful, NULL};

	return unit_run("app", cases, NULL, NULL);
}
