/* SPDX-License-Identifier: Apache-2.0 */
/* parking-charging as its callers meet it: over HTTP, with the memory binder behind it. */
#include "charging.h"

#include <rivulet/test.h>

#include "tests/support/http_client.h"
#include "tests/support/unit.h"
#include "tests/support/wait.h"

static rv_test *test;
static int port;

static void start(const char *const *properties)
{
	struct rv_error error;

	test = rv_test_start(charging_declare, NULL, properties, &error);
	ck_assert_msg(test != NULL, "%s", error.text);
	port = rv_test_http_port(test);
	ck_assert_int_gt(port, 0);
}

static void setup(void)
{
	static const char *const properties[] = {"server.port=0",
	    "spring.cloud.stream.bindings.output.destination=park-pay-topic",
	    "spring.cloud.stream.bindings.output.content-type=application/json", NULL};

	start(properties);
}

static void teardown(void)
{
	ck_assert_int_eq(rv_test_stop(test), 0);
}

static void post(const char *body, struct answer *answer)
{
	ask(port, "POST", "/sendTestMsg", body, answer);
}

START_TEST(a_request_without_body_sends_the_test_notice)
{
	struct answer answer;
	rv_message *message;
	json_t *json;

	post(NULL, &answer);
	ck_assert_msg(answer.status == 200, "%d %s", answer.status, answer.body);
	message = rv_test_take(test, "output", 30000);
	ck_assert_ptr_nonnull(message);
	ck_assert_str_eq(
	    rv_message_text(message), "{\"mcontent\":\"这是第一个消息测试.\",\"mtype\":\"支付消息\"}");
	ck_assert_str_eq(rv_message_header(message, RV_HEADER_CONTENT_TYPE), "application/json");
	json = json_loads(answer.body, 0, NULL);
	ck_assert_str_eq(json_string_value(json_object_get(json, "messageId")), rv_message_id(message));
	ck_assert_uint_eq(strlen(rv_message_id(message)), 32);
	json_decref(json);
	rv_message_unref(message);
}
END_TEST

START_TEST(a_body_replaces_the_test_notice)
{
	struct answer answer;
	rv_message *message;

	post("{\"mtype\":\"t\",\"mcontent\":\"粤B12345 \\\"paid\\\"\"}", &answer);
	ck_assert_int_eq(answer.status, 200);
	message = rv_test_take(test, "output", 30000);
	ck_assert_ptr_nonnull(message);
	ck_assert_str_eq(
	    rv_message_text(message), "{\"mcontent\":\"粤B12345 \\\"paid\\\"\",\"mtype\":\"t\"}");
	rv_message_unref(message);
}
END_TEST

START_TEST(a_wrong_body_is_400_and_sends_nothing)
{
	static const char *const bodies[] = {"{", "[]", "\"x\"", "{\"mcontent\":1}", "{\"mtype\":null}",
	    "{\"mcontent\":\"a\",\"mtype\":\"b\",\"more\":1}", "{\"mcontent\":\"\\u0000\"}"};

	for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++) {
		struct answer answer;

		post(bodies[i], &answer);
		ck_assert_msg(answer.status == 400, "%s: %d", bodies[i], answer.status);
		ck_assert_ptr_nonnull(strstr(answer.head, "application/problem+json"));
	}
	ck_assert_ptr_null(rv_test_take(test, "output", 50));
}
END_TEST

START_TEST(other_methods_are_refused)
{
	struct answer answer;

	ask(port, "GET", "/sendTestMsg", NULL, &answer);
	ck_assert_int_eq(answer.status, 405);
	ck_assert_ptr_nonnull(strstr(answer.head, "Allow: POST, OPTIONS\r\n"));
}
END_TEST

static bool output_is_stopped(void)
{
	struct answer answer;

	ask(port, "GET", "/actuator/bindings/output", NULL, &answer);
	return answer.status == 200 && strstr(answer.body, "\"state\":\"stopped\"");
}

START_TEST(a_stopped_output_is_503_with_the_reason)
{
	struct answer answer;

	ask(port, "POST", "/actuator/bindings/output", "{\"state\":\"STOPPED\"}", &answer);
	ck_assert_int_eq(answer.status, 204);
	WAIT_UNTIL(30000, output_is_stopped()); /* the stop goes on after the answer */
	post(NULL, &answer);
	ck_assert_int_eq(answer.status, 503);
	ck_assert_ptr_nonnull(strstr(answer.body, "\"detail\":"));
	ck_assert_ptr_nonnull(strstr(answer.body, "output"));
	ask(port, "POST", "/actuator/bindings/output", "{\"state\":\"STARTED\"}", &answer);
	ck_assert_int_eq(answer.status, 204);
	/* So does the start; a send waits for it. */
	post(NULL, &answer);
	ck_assert_int_eq(answer.status, 200);
}
END_TEST

int main(void)
{
	const TTest *const cases[] = {a_request_without_body_sends_the_test_notice,
	    a_body_replaces_the_test_notice, a_wrong_body_is_400_and_sends_nothing, other_methods_are_refused,
	    a_stopped_output_is_503_with_the_reason, NULL};

	return unit_run("service_charging", cases, setup, teardown);
}
