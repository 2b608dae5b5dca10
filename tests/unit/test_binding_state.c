/* SPDX-License-Identifier: Apache-2.0 */
/* The states of a binding: waiting and recovering, failing for good, commands, readiness. */
#include "tests/support/fake_binder.h"
#include "tests/support/unit.h"

static rv_verdict accept(const rv_message *message, void *context)
{
	(void)message;
	(void)context;
	return RV_ACK;
}

static void create(const char *const *properties)
{
	fake_create(properties);
	rv_app_enable_binding(service.app, RV_SINK);
	rv_app_listen(service.app, RV_SINK_INPUT, accept, NULL);
}

static bool is_ready(void)
{
	return rv__app_is_ready((struct rv__host *)service.app, NULL, 0);
}

static void set_bind_code(rv_err code)
{
	pthread_mutex_lock(&fake.lock);
	fake.bind_code = code;
	pthread_mutex_unlock(&fake.lock);
}

static int binds(void)
{
	int count;

	pthread_mutex_lock(&fake.lock);
	count = fake.binds;
	pthread_mutex_unlock(&fake.lock);
	return count;
}

START_TEST(a_broker_that_is_down_at_start_does_not_stop_the_service)
{
	create(NULL);
	fake.bind_code = RV_E_UNAVAILABLE;
	fake_start();
	ck_assert(fake_is("input", "waiting"));
	ck_assert_str_eq(fake_view("input").state, "stopped");
	ck_assert(!is_ready());
	WAIT_UNTIL(30000, binds() >= 3);
	set_bind_code(RV_OK);
	WAIT_UNTIL(30000, fake_is("input", "running"));
	ck_assert(is_ready());
	ck_assert_int_eq(fake_finish(), 0);
}
END_TEST

START_TEST(a_binder_that_cannot_open_is_tried_again)
{
	create(NULL);
	fake.open_code = RV_E_IO;
	fake_start();
	ck_assert(fake_is("input", "waiting"));
	pthread_mutex_lock(&fake.lock);
	fake.open_code = RV_OK;
	pthread_mutex_unlock(&fake.lock);
	WAIT_UNTIL(30000, fake_is("input", "running"));
	ck_assert_int_eq(fake_finish(), 0);
}
END_TEST

START_TEST(a_lost_way_is_waiting_until_it_opens_again)
{
	struct rv_error lost = {.code = RV_E_UNAVAILABLE, .text = "the line is cut"};

	create(NULL);
	fake_start();
	ck_assert(is_ready());
	fake.consumer_sink->state(fake.consumer, &lost);
	ck_assert(fake_is("input", "waiting"));
	ck_assert(!is_ready());
	fake.consumer_sink->state(fake.consumer, NULL);
	ck_assert(fake_is("input", "running"));
	ck_assert(is_ready());
	ck_assert_int_eq(fake_finish(), 0);
}
END_TEST

START_TEST(what_no_attempt_can_cure_ends_the_service_with_2)
{
	create(NULL);
	fake.bind_code = RV_E_UNSUPPORTED;
	fake_start();
	ck_assert_int_eq(fake_finish(), 2);
}
END_TEST

START_TEST(fail_fast_ends_the_service_with_1)
{
	static const char *const fail_fast[] = {"--rivulet.bindings.input.fail-fast=true", NULL};

	create(fail_fast);
	fake.bind_code = RV_E_UNAVAILABLE;
	fake_start();
	ck_assert_int_eq(fake_finish(), 1);
}
END_TEST

static void command(const char *state)
{
	struct rv_error error = {0};

	ck_assert_msg(rv__app_change_binding((struct rv__host *)service.app, "INPUT", state, &error) == RV_OK,
	    "%s", error.text);
}

START_TEST(commands_move_a_binding)
{
	create(NULL);
	fake_start();
	command("paused");
	ck_assert(fake_is("input", "paused"));
	ck_assert_int_eq(fake.pauses, 1);
	ck_assert(is_ready());
	command("PAUSED");
	ck_assert_int_eq(fake.pauses, 1);
	command("RESUMED");
	ck_assert(fake_is("input", "running"));
	command("STOPPED");
	WAIT_UNTIL(30000, fake_is("input", "stopped"));
	ck_assert(is_ready());
	ck_assert(!fake_view("input").desired_running);
	command("STARTED");
	WAIT_UNTIL(30000, fake_is("input", "running"));
	ck_assert_int_eq(fake.binds, 2);
	ck_assert_int_eq(fake_finish(), 0);
	ck_assert_int_eq(fake.unbinds, 2);
}
END_TEST

START_TEST(a_paused_binding_stays_paused_over_a_restart)
{
	create(NULL);
	fake_start();
	command("PAUSED");
	command("STOPPED");
	WAIT_UNTIL(30000, fake_is("input", "stopped"));
	command("STARTED");
	WAIT_UNTIL(30000, fake_is("input", "paused"));
	ck_assert_int_eq(fake_finish(), 0);
}
END_TEST

START_TEST(a_stop_while_waiting_is_quick)
{
	create(NULL);
	fake.bind_code = RV_E_UNAVAILABLE;
	fake_start();
	ck_assert_int_eq(fake_finish(), 0);
	ck_assert_int_eq(fake.unbinds, 0);
}
END_TEST

START_TEST(an_input_without_listener_is_not_bound)
{
	fake_create(NULL);
	rv_app_enable_binding(service.app, RV_SINK);
	fake_start();
	ck_assert(fake_is("input", "created"));
	ck_assert(is_ready());
	ck_assert_int_eq(fake_finish(), 0);
	ck_assert_int_eq(fake.binds, 0);
}
END_TEST

START_TEST(a_key_that_would_change_delivery_is_refused)
{
	static const char *const refused[] = {
	    "--spring.cloud.stream.bindings.input.consumer.batch-mode=true", NULL};

	create(refused);
	fake_start();
	ck_assert_int_eq(fake_finish(), 2);
}
END_TEST

START_TEST(several_candidates_for_the_default_binder_are_a_mistake)
{
	const char *arguments[] = {"x", "--server.port=-1", "--logging.level.root=off",
	    "--spring.cloud.stream.memory.binder.partitions=2",
	    "--spring.cloud.stream.rocketmq.binder.name-server=127.0.0.1:1"};
	rv_app *app = rv_app_create("x", 5, (char **)arguments);

	rv_app_enable_binding(app, RV_SOURCE);
	ck_assert_int_eq(rv_app_run(app), 2);
}
END_TEST

START_TEST(the_binder_is_told_which_instance_of_how_many)
{
	static const char *const properties[] = {"--spring.cloud.stream.instance-count=4",
	    "--spring.cloud.stream.instance-index=3",
	    "--spring.cloud.stream.bindings.input.consumer.instance-index=1",
	    "--spring.cloud.stream.bindings.input.consumer.partitioned=true",
	    "--spring.cloud.stream.bindings.input.consumer.default-retryable=false", NULL};

	fake_create(properties);
	rv_app_enable_binding(service.app, RV_POLLED("input"));
	fake_start();
	ck_assert(fake.consumer_spec.partitioned);
	ck_assert_int_eq(fake.consumer_spec.instance_count, 4);
	ck_assert_int_eq(fake.consumer_spec.instance_index, 1);
	ck_assert_int_eq(fake.consumer_spec.max_attempts, 1);
	ck_assert_int_eq(fake_finish(), 0);
}
END_TEST

START_TEST(an_instance_beyond_their_number_is_a_mistake)
{
	static const char *const properties[] = {"--spring.cloud.stream.instance-count=2",
	    "--spring.cloud.stream.instance-index=2",
	    "--spring.cloud.stream.bindings.input.consumer.partitioned=true", NULL};

	fake_create(properties);
	rv_app_enable_binding(service.app, RV_POLLED("input"));
	fake_start();
	ck_assert_int_eq(fake_finish(), 2);
}
END_TEST

START_TEST(an_instance_may_have_several_numbers)
{
	static const char *const properties[] = {"--spring.cloud.stream.instance-count=4",
	    "--spring.cloud.stream.instance-index=3", "--spring.cloud.stream.instance-index-list=1",
	    "--spring.cloud.stream.bindings.input.consumer.instance-index-list=2,0,2",
	    "--spring.cloud.stream.bindings.input.consumer.partitioned=true", NULL};
	const struct rv_consumer_spec *spec = &fake.consumer_spec;

	fake_create(properties);
	rv_app_enable_binding(service.app, RV_POLLED("input"));
	fake_start();
	ck_assert_uint_eq(spec->instances_count, 2);
	ck_assert_int_eq(spec->instances[0], 0);
	ck_assert_int_eq(spec->instances[1], 2);
	ck_assert_int_eq(spec->instance_index, 0);
	for (int32_t partition = 0; partition < 8; partition++)
		ck_assert(rv_is_own_partition(partition, spec->instance_count, spec->instance_index,
		              spec->instances, spec->instances_count) == (partition % 2 == 0));
	ck_assert_int_eq(fake_finish(), 0);
}
END_TEST

START_TEST(the_numbers_of_the_service_are_those_of_partitioned_inputs)
{
	static const char *const properties[] = {"--spring.cloud.stream.instance-count=4",
	    "--spring.cloud.stream.instance-index=3", "--spring.cloud.stream.instance-index-list=1,2",
	    "--spring.cloud.stream.bindings.input.consumer.partitioned=true", NULL};
	static const char *const whole[] = {"--spring.cloud.stream.instance-count=4",
	    "--spring.cloud.stream.instance-index=3", "--spring.cloud.stream.instance-index-list=1,2", NULL};

	fake_create(properties);
	rv_app_enable_binding(service.app, RV_POLLED("input"));
	fake_start();
	ck_assert_uint_eq(fake.consumer_spec.instances_count, 2);
	ck_assert_int_eq(fake.consumer_spec.instance_index, 1);
	ck_assert_int_eq(fake_finish(), 0);
	fake_create(whole);
	rv_app_enable_binding(service.app, RV_POLLED("input"));
	fake_start();
	ck_assert_uint_eq(fake.consumer_spec.instances_count, 0);
	ck_assert_int_eq(fake.consumer_spec.instance_index, 3);
	ck_assert_int_eq(fake_finish(), 0);
}
END_TEST

static void expect_bad_number(const char *list)
{
	char argument[128];
	const char *properties[] = {"--spring.cloud.stream.instance-count=2", argument,
	    "--spring.cloud.stream.bindings.input.consumer.partitioned=true", NULL};

	snprintf(argument, sizeof argument,
	    "--spring.cloud.stream.bindings.input.consumer.instance-index-list=%s", list);
	fake_create(properties);
	rv_app_enable_binding(service.app, RV_POLLED("input"));
	fake_start();
	ck_assert_msg(fake_finish() == 2, "'%s' was taken", list);
}

START_TEST(a_list_of_numbers_that_are_none_is_a_mistake)
{
	expect_bad_number("0,2");
	expect_bad_number("1,x");
	expect_bad_number("-1");
}
END_TEST

int main(void)
{
	const TTest *const cases[] = {a_broker_that_is_down_at_start_does_not_stop_the_service,
	    a_binder_that_cannot_open_is_tried_again, a_lost_way_is_waiting_until_it_opens_again,
	    what_no_attempt_can_cure_ends_the_service_with_2, fail_fast_ends_the_service_with_1,
	    commands_move_a_binding, a_paused_binding_stays_paused_over_a_restart,
	    a_stop_while_waiting_is_quick, an_input_without_listener_is_not_bound,
	    a_key_that_would_change_delivery_is_refused,
	    several_candidates_for_the_default_binder_are_a_mistake,
	    the_binder_is_told_which_instance_of_how_many, an_instance_beyond_their_number_is_a_mistake,
	    an_instance_may_have_several_numbers, the_numbers_of_the_service_are_those_of_partitioned_inputs,
	    a_list_of_numbers_that_are_none_is_a_mistake, NULL};

	return unit_run("binding_state", cases, NULL, NULL);
}
