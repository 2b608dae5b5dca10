/* SPDX-License-Identifier: Apache-2.0 */
/* Sending: what the call waits for, what it refuses, what completes. */
#include "bindings/app.h"
#include "tests/support/fake_binder.h"
#include "tests/support/unit.h"

#include <stdatomic.h>

static const char *const quick[] = {"--rivulet.bindings.output.producer.send-timeout=150ms", NULL};
static rv_channel *output;

static void start(const char *const *properties)
{
	fake_create(properties);
	rv_app_enable_binding(service.app, RV_PROCESSOR);
	output = rv_app_channel(service.app, RV_PROCESSOR_OUTPUT);
}

struct sender {
	pthread_t thread;
	rv_err code;
	struct rv_error error;
	atomic_bool over;
};

static void *send_one(void *arg)
{
	struct sender *sender = arg;
	rv_message *message = rv_message_create_text("x");

	sender->code = rv_channel_send(output, message, &sender->error);
	rv_message_unref(message);
	atomic_store(&sender->over, true);
	return NULL;
}

static void send_in_thread(struct sender *sender)
{
	*sender = (struct sender){0};
	ck_assert_int_eq(pthread_create(&sender->thread, NULL, send_one, sender), 0);
}

/* The one send that waits reaches the broker, which takes it; then the application ends cleanly. */
static void sends_and_finishes(struct sender *sender)
{
	WAIT_UNTIL(30000, fake_pending() == 1);
	fake_complete(RV_OK);
	pthread_join(sender->thread, NULL);
	ck_assert_int_eq(sender->code, RV_OK);
	ck_assert_int_eq(fake_finish(), 0);
}

static rv_err send_now(struct rv_error *error)
{
	struct sender sender;

	send_in_thread(&sender);
	pthread_join(sender.thread, NULL);
	*error = sender.error;
	return sender.code;
}

START_TEST(a_send_returns_after_the_answer_of_the_broker)
{
	struct sender sender;

	start(NULL);
	fake_start();
	send_in_thread(&sender);
	WAIT_UNTIL(30000, fake_pending() == 1);
	ck_assert(!wait_until(30, atomic_load(&sender.over)));
	fake_complete(RV_OK);
	pthread_join(sender.thread, NULL);
	ck_assert_int_eq(sender.code, RV_OK);
	ck_assert_uint_eq(fake_view("output").counters.sent, 1);
	ck_assert_int_eq(fake_finish(), 0);
}
END_TEST

START_TEST(the_error_of_the_broker_is_that_of_the_send)
{
	struct sender sender;

	start(NULL);
	fake_start();
	send_in_thread(&sender);
	WAIT_UNTIL(30000, fake_pending() == 1);
	fake_complete(RV_E_DENIED);
	pthread_join(sender.thread, NULL);
	ck_assert_int_eq(sender.code, RV_E_DENIED);
	ck_assert_str_eq(sender.error.text, "scripted failure of send");
	ck_assert_int_eq(fake_finish(), 0);
}
END_TEST

START_TEST(a_late_answer_does_no_harm)
{
	struct rv_error error;

	start(quick);
	fake_start();
	ck_assert_int_eq(send_now(&error), RV_E_TIMEOUT);
	ck_assert(error.retriable);
	fake_complete(RV_OK);
	ck_assert_int_eq(fake_finish(), 0);
}
END_TEST

START_TEST(a_send_without_a_way_to_the_broker_waits_and_gives_up)
{
	struct rv_error error;

	start(quick);
	fake.waiting = true;
	fake.why = "connection to 192.0.2.1:9876: refused";
	fake_start();
	ck_assert(fake_is("output", "waiting"));
	ck_assert_str_eq(fake_view("output").why, fake.why);
	ck_assert_int_eq(send_now(&error), RV_E_UNAVAILABLE);
	ck_assert(error.retriable);
	ck_assert_ptr_nonnull(strstr(error.text, fake.why));
	ck_assert_int_eq(fake_finish(), 0);
}
END_TEST

START_TEST(a_send_goes_on_when_the_way_opens)
{
	struct sender sender;

	start(NULL);
	fake.waiting = true;
	fake_start();
	send_in_thread(&sender);
	ck_assert(!wait_until(30, fake_pending() > 0));
	fake.producer_sink->state(fake.producer, NULL);
	sends_and_finishes(&sender);
}
END_TEST

START_TEST(a_send_waits_for_room)
{
	struct sender sender;

	start(NULL);
	fake.room = 0;
	fake_start();
	send_in_thread(&sender);
	ck_assert(!wait_until(30, fake_pending() > 0));
	pthread_mutex_lock(&fake.lock);
	fake.room = 1;
	pthread_mutex_unlock(&fake.lock);
	fake.producer_sink->writable(fake.producer);
	sends_and_finishes(&sender);
}
END_TEST

START_TEST(what_is_on_its_way_is_bounded)
{
	static const char *const small[] = {"--rivulet.bindings.output.producer.max-in-flight=2",
	    "--rivulet.bindings.output.producer.send-timeout=150ms", NULL};
	rv_message *message = rv_message_create_text("x");
	struct rv_error error;

	start(small);
	fake_start();
	ck_assert_int_eq(rv_channel_send_async(output, message, NULL, NULL, NULL), RV_OK);
	ck_assert_int_eq(rv_channel_send_async(output, message, NULL, NULL, NULL), RV_OK);
	ck_assert_int_eq(rv_channel_send_async(output, message, NULL, NULL, &error), RV_E_FULL);
	ck_assert_int_eq(send_now(&error), RV_E_TIMEOUT);
	fake_complete(RV_OK);
	ck_assert_int_eq(rv_channel_send_async(output, message, NULL, NULL, NULL), RV_OK);
	while (fake_pending() > 0)
		fake_complete(RV_OK);
	rv_message_unref(message);
	ck_assert_int_eq(fake_finish(), 0);
}
END_TEST

START_TEST(a_property_of_the_binder_lets_a_send_return_when_queued)
{
	struct rv_error error;

	start(NULL);
	fake.queued_is_sent = true;
	fake_start();
	ck_assert_int_eq(send_now(&error), RV_OK);
	ck_assert_uint_eq(fake_pending(), 1);
	fake_complete(RV_E_IO);
	WAIT_UNTIL(30000, fake_view("output").counters.send_errors == 1);
	ck_assert_int_eq(fake_finish(), 0);
}
END_TEST

static void send_again(const rv_message *message, const struct rv_error *error, void *context)
{
	rv_err *code = context;

	(void)error;
	*code = rv_channel_send(output, (rv_message *)message, NULL);
}

START_TEST(a_synchronous_send_from_a_completion_is_refused)
{
	rv_message *message = rv_message_create_text("x");
	rv_err code = RV_OK;

	start(NULL);
	fake_start();
	ck_assert_int_eq(rv_channel_send_async(output, message, send_again, &code, NULL), RV_OK);
	fake_complete(RV_OK);
	ck_assert_int_eq(code, RV_E_INVALID);
	rv_message_unref(message);
	ck_assert_int_eq(fake_finish(), 0);
}
END_TEST

START_TEST(a_send_before_the_start_waits_for_it)
{
	struct sender sender;

	start(NULL);
	send_in_thread(&sender);
	ck_assert(!wait_until(30, atomic_load(&sender.over)));
	fake_start();
	sends_and_finishes(&sender);
}
END_TEST

START_TEST(a_send_that_waits_ends_with_the_application)
{
	struct sender sender;

	start(NULL);
	fake.waiting = true;
	fake_start();
	send_in_thread(&sender);
	/* A channel may be used until the application ends, not only then for the first time. */
	WAIT_UNTIL(30000, atomic_load(&output->output->output.callers) == 1);
	ck_assert(!wait_until(30, atomic_load(&sender.over)));
	ck_assert_int_eq(fake_finish(), 0);
	pthread_join(sender.thread, NULL);
	ck_assert_int_eq(sender.code, RV_E_CLOSED);
}
END_TEST

START_TEST(unanswered_sends_at_the_stop_are_failed_and_said)
{
	static const char *const hasty[] = {"--rivulet.stop-deadline=500ms", NULL};
	struct sender sender;

	start(hasty);
	fake_start();
	send_in_thread(&sender);
	WAIT_UNTIL(30000, fake_pending() == 1);
	ck_assert_int_eq(fake_finish(), 1);
	pthread_join(sender.thread, NULL);
	ck_assert_int_eq(sender.code, RV_E_CLOSED);
}
END_TEST

START_TEST(only_declared_outputs_send)
{
	rv_message *message = rv_message_create_text("x");
	struct rv_error error;

	start(NULL);
	ck_assert_int_eq(rv_channel_send(NULL, message, &error), RV_E_CONFIG);
	ck_assert_int_eq(rv_channel_send(rv_app_channel(service.app, "input"), message, &error), RV_E_CONFIG);
	ck_assert_int_eq(
	    rv_channel_send(rv_app_channel(service.app, "nobody"), message, &error), RV_E_CONFIG);
	rv_message_unref(message);
	/* And the undeclared one is a mistake of the application. */
	fake_start();
	ck_assert_int_eq(fake_finish(), 2);
}
END_TEST

static void change_output(const char *state)
{
	struct rv_error error = {0};

	ck_assert_int_eq(
	    rv__app_change_binding((struct rv__host *)service.app, "output", state, &error), RV_OK);
}

static void ignore(const rv_message *message, const struct rv_error *error, void *context)
{
	(void)message;
	(void)error;
	(void)context;
}

START_TEST(a_send_right_after_the_command_to_start_is_not_refused_as_stopped)
{
	rv_message *message = rv_message_create_text("x");

	start(NULL);
	fake_start();
	/* Many times: what is looked for lies between the command and the application's next step. */
	for (int i = 0; i < 100; i++) {
		rv_err code;

		change_output("STOPPED");
		WAIT_UNTIL(30000, fake_is("output", "stopped"));
		change_output("STARTED");
		code = rv_channel_send_async(output, message, ignore, NULL, NULL);
		ck_assert_int_ne(code, RV_E_CLOSED);
		if (code == RV_OK)
			fake_complete(RV_OK);
		WAIT_UNTIL(30000, fake_is("output", "running"));
	}
	rv_message_unref(message);
	ck_assert_int_eq(fake_finish(), 0);
}
END_TEST

START_TEST(a_start_right_after_a_stop_is_not_forgotten)
{
	start(NULL);
	fake_start();
	for (int i = 0; i < 300; i++) {
		change_output("STOPPED");
		change_output("STARTED");
		WAIT_UNTIL(30000, fake_is("output", "running"));
	}
	ck_assert_int_eq(fake_finish(), 0);
}
END_TEST

int main(void)
{
	const TTest *const cases[] = {a_send_returns_after_the_answer_of_the_broker,
	    the_error_of_the_broker_is_that_of_the_send, a_late_answer_does_no_harm,
	    a_send_without_a_way_to_the_broker_waits_and_gives_up, a_send_goes_on_when_the_way_opens,
	    a_send_waits_for_room, what_is_on_its_way_is_bounded,
	    a_property_of_the_binder_lets_a_send_return_when_queued,
	    a_synchronous_send_from_a_completion_is_refused, a_send_before_the_start_waits_for_it,
	    a_send_that_waits_ends_with_the_application, unanswered_sends_at_the_stop_are_failed_and_said,
	    only_declared_outputs_send, a_send_right_after_the_command_to_start_is_not_refused_as_stopped,
	    a_start_right_after_a_stop_is_not_forgotten, NULL};

	return unit_run("channel", cases, NULL, NULL);
}
