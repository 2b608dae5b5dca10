/* SPDX-License-Identifier: Apache-2.0 */
/* The HTTP server over real sockets: what it answers, and what it refuses. */
#include "http/listen.h"
#include "http/server.h"

#include "tests/support/http_client.h"
#include "tests/support/http_scene.h"
#include "tests/support/unit.h"

/* -- answers ---------------------------------------------------------------------------- */

START_TEST(get_answers_json)
{
	struct answer answer;

	ask(scene.port, "GET", "/hello", NULL, &answer);
	ck_assert_int_eq(answer.status, 200);
	ck_assert_str_eq(answer.body, "{\"hello\":\"world\"}");
	ck_assert_ptr_nonnull(strstr(answer.head, "Content-Type: application/json\r\n"));
}
END_TEST

START_TEST(head_answers_as_get_without_body)
{
	struct client client;
	struct answer answer;

	client_open(&client, scene.port);
	client_say(&client, "HEAD /hello HTTP/1.1\r\nHost: a\r\n\r\nGET /hello HTTP/1.1\r\nHost: a\r\n\r\n");
	client_read(&client, &answer, true);
	ck_assert_int_eq(answer.status, 200);
	ck_assert_ptr_nonnull(strstr(answer.head, "Content-Length: 17\r\n"));
	client_read(&client, &answer, false);
	ck_assert_str_eq(answer.body, "{\"hello\":\"world\"}");
	client_close(&client);
}
END_TEST

START_TEST(unknown_path_is_a_404_problem)
{
	struct answer answer;
	json_t *problem;

	ask(scene.port, "GET", "/hello/", NULL, &answer);
	ck_assert_int_eq(answer.status, 404);
	ck_assert_ptr_nonnull(strstr(answer.head, "Content-Type: application/problem+json\r\n"));
	problem = json_loads(answer.body, 0, NULL);
	ck_assert_int_eq(json_integer_value(json_object_get(problem, "status")), 404);
	ck_assert_str_eq(json_string_value(json_object_get(problem, "title")), "Not Found");
	ck_assert_str_eq(json_string_value(json_object_get(problem, "instance")), "/hello/");
	ck_assert_str_eq(json_string_value(json_object_get(problem, "number")), "RV0508");
	json_decref(problem);
}
END_TEST

START_TEST(wrong_method_is_405_with_allow)
{
	struct answer answer;

	ask(scene.port, "PUT", "/cars/x", "{}", &answer);
	ck_assert_int_eq(answer.status, 405);
	ck_assert_ptr_nonnull(strstr(answer.head, "Allow: GET, HEAD, DELETE, OPTIONS\r\n"));
}
END_TEST

START_TEST(options_tells_the_methods)
{
	struct answer answer;

	ask(scene.port, "OPTIONS", "/echo", NULL, &answer);
	ck_assert_int_eq(answer.status, 204);
	ck_assert_ptr_nonnull(strstr(answer.head, "Allow: POST, OPTIONS\r\n"));
	ask(scene.port, "OPTIONS", "*", NULL, &answer);
	ck_assert_int_eq(answer.status, 204);
	ask(scene.port, "OPTIONS", "/nowhere", NULL, &answer);
	ck_assert_int_eq(answer.status, 404);
}
END_TEST

START_TEST(segments_and_parameters_arrive_decoded)
{
	struct client client;
	struct answer answer;

	client_open(&client, scene.port);
	client_say(
	    &client, "GET /cars/%E7%B2%A4B%2f1?page=a%20b+c&x HTTP/1.1\r\nHost: a\r\nUser-Agent: me\r\n\r\n");
	client_read(&client, &answer, false);
	ck_assert_str_eq(answer.body,
	    "{\"plate\":\"粤B/1\",\"page\":\"a b c\",\"agent\":\"me\","
	    "\"path\":\"/cars/%E7%B2%A4B%2f1\",\"method\":\"GET\"}");
	ck_assert_ptr_nonnull(strstr(answer.head, "X-Plate: seen\r\n"));
	client_close(&client);
}
END_TEST

START_TEST(literal_segment_wins_over_braces)
{
	struct answer answer;

	ask(scene.port, "GET", "/cars/all", NULL, &answer);
	ck_assert_str_eq(answer.body, "{\"hello\":\"world\"}");
	ask(scene.port, "GET", "http://test/cars/one", NULL, &answer);
	ck_assert_ptr_nonnull(strstr(answer.body, "\"plate\":\"one\""));
}
END_TEST

START_TEST(broken_targets_are_400)
{
	static const char *const targets[] = {"/cars/%", "/cars/%4", "/cars/%zz", "/cars/a%00b", "/cars/%ff",
	    "/cars/%c0%80", "/hello?a=%g0", "hello", "/1/2/3/4/5/6/7/8/9/10/11/12/13/14/15/16/17"};

	for (size_t i = 0; i < sizeof targets / sizeof *targets; i++) {
		struct answer answer;

		ask(scene.port, "GET", targets[i], NULL, &answer);
		ck_assert_msg(answer.status == 400, "%s: %d", targets[i], answer.status);
	}
}
END_TEST

START_TEST(handler_without_answer_is_500)
{
	struct answer answer;

	ask(scene.port, "GET", "/silent", NULL, &answer);
	ck_assert_int_eq(answer.status, 500);
	ck_assert_ptr_nonnull(strstr(answer.body, "RV0513"));
}
END_TEST

START_TEST(headers_cannot_be_split)
{
	struct answer answer;

	ask(scene.port, "GET", "/split", NULL, &answer);
	ck_assert_int_eq(answer.status, 200);
	ck_assert_ptr_null(strstr(answer.head, "Injected"));
	ck_assert_ptr_null(strstr(answer.head, "Bad"));
}
END_TEST

/* -- bodies ----------------------------------------------------------------------------- */

START_TEST(json_bodies_come_back)
{
	struct answer answer;

	ask(scene.port, "POST", "/echo", "{\"b\": 1, \"a\": [\"支付\"]}", &answer);
	ck_assert_int_eq(answer.status, 200);
	ck_assert_str_eq(answer.body, "{\"b\":1,\"a\":[\"支付\"]}");
}
END_TEST

START_TEST(bodies_that_are_no_json_are_400)
{
	static const char *const bodies[] = {"", "{", "{} {}", "{\"a\":\xff}", "nul", "[1,]", "\"\\ud800\""};
	char deep[401];

	for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++) {
		struct answer answer;

		ask(scene.port, "POST", "/echo", bodies[i], &answer);
		ck_assert_msg(answer.status == 400, "'%s': %d", bodies[i], answer.status);
	}
	memset(deep, '[', 200);
	memset(deep + 200, ']', 200);
	deep[400] = '\0';
	struct answer answer;
	ask(scene.port, "POST", "/echo", deep, &answer);
	ck_assert_int_eq(answer.status, 400);
	ck_assert_ptr_nonnull(strstr(answer.body, "RV0091"));
}
END_TEST

START_TEST(chunked_bodies_are_whole)
{
	struct client client;
	struct answer answer;

	client_open(&client, scene.port);
	client_say(
	    &client, "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n[1,\r\n");
	client_say(&client, "2;x=y\r\n2]\r\n0\r\nTrailer: x\r\n\r\n");
	client_read(&client, &answer, false);
	ck_assert_int_eq(answer.status, 200);
	ck_assert_str_eq(answer.body, "[1,2]");
	client_close(&client);
}
END_TEST

START_TEST(pipelined_requests_are_answered_in_order)
{
	struct client client;
	struct answer answer;

	client_open(&client, scene.port);
	client_say(&client,
	    "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\n[1]"
	    "POST /none HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\n[2]"
	    "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\n[3]");
	client_read(&client, &answer, false);
	ck_assert_str_eq(answer.body, "[1]");
	client_read(&client, &answer, false);
	ck_assert_int_eq(answer.status, 404);
	client_read(&client, &answer, false);
	ck_assert_str_eq(answer.body, "[3]");
	client_close(&client);
}
END_TEST

START_TEST(body_at_the_limit_passes_and_one_more_byte_is_413)
{
	struct answer answer;
	char body[1002];

	memset(body, 'x', sizeof body);
	body[1000] = '\0';
	ask(scene.port, "POST", "/count", body, &answer);
	ck_assert_str_eq(answer.body, "{\"length\":1000}");
	body[1000] = 'x';
	body[1001] = '\0';
	ask(scene.port, "POST", "/count", body, &answer);
	ck_assert_int_eq(answer.status, 413);
}
END_TEST

START_TEST(chunked_body_over_the_limit_is_413_and_the_connection_goes_on)
{
	struct client client;
	struct answer answer;

	client_open(&client, scene.port);
	client_say(&client, "POST /count HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
	for (int i = 0; i < 30; i++)
		client_say(
		    &client, "40\r\n0123456789012345678901234567890123456789012345678901234567890123\r\n");
	client_say(&client, "0\r\n\r\n");
	client_read(&client, &answer, false);
	ck_assert_int_eq(answer.status, 413);
	client_say(&client, "GET /hello HTTP/1.1\r\nHost: a\r\n\r\n");
	client_read(&client, &answer, false);
	ck_assert_int_eq(answer.status, 200);
	client_close(&client);
}
END_TEST

START_TEST(endless_body_is_cut)
{
	struct client client;
	struct answer answer;
	char chunk[4096 + 8];

	client_open(&client, scene.port);
	client_say(&client, "POST /count HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
	memset(chunk, 'x', sizeof chunk);
	memcpy(chunk, "1000\r\n", 6);
	memcpy(chunk + sizeof chunk - 2, "\r\n", 2);
	for (int i = 0; i < 400; i++)
		client_send(&client, chunk, sizeof chunk);
	client_read(&client, &answer, false);
	ck_assert_int_eq(answer.status, 0);
	client_close(&client);
}
END_TEST

START_TEST(expect_is_answered_before_the_body)
{
	struct client client;
	struct answer answer;

	client_open(&client, scene.port);
	client_say(
	    &client, "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n");
	client_read(&client, &answer, false);
	ck_assert_int_eq(answer.status, 100);
	client_say(&client, "[7]");
	client_read(&client, &answer, false);
	ck_assert_str_eq(answer.body, "[7]");
	client_close(&client);

	client_open(&client, scene.port);
	client_say(
	    &client, "POST /nope HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n");
	client_read(&client, &answer, false);
	ck_assert_int_eq(answer.status, 404);
	client_close(&client);
	client_open(&client, scene.port);
	client_say(&client,
	    "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 99999\r\nExpect: 100-continue\r\n\r\n");
	client_read(&client, &answer, false);
	ck_assert_int_eq(answer.status, 413);
	ck_assert(client_ended(&client));
	client_close(&client);
}
END_TEST

/* -- what cannot be ---------------------------------------------------------------------- */

START_TEST(taken_port_says_how_to_go_on)
{
	struct rv_error error;
	int other;
	int fd;

	ck_assert_int_eq(rv__listen("127.0.0.1", scene.port, "server.port", &fd, &other, &error), RV_E_IO);
	ck_assert_ptr_nonnull(strstr(error.text, "is in use"));
	ck_assert_ptr_nonnull(strstr(error.text, "--server.port"));
	ck_assert_int_eq(error.number, 500);
}
END_TEST

START_TEST(address_of_another_machine_is_refused)
{
	struct rv_error error;
	int other;
	int fd;

	ck_assert_int_eq(rv__listen("192.0.2.1", 0, "server.port", &fd, &other, &error), RV_E_IO);
	ck_assert_int_eq(error.number, 501);
	ck_assert_int_eq(rv__listen("no address", 0, "server.port", &fd, &other, &error), RV_E_CONFIG);
}
END_TEST

static int unused(const rv_http_request *request, rv_http_response *response, void *context)
{
	return rv_http_json(response, 200, "{}");
}

START_TEST(routes_that_cannot_work_are_refused)
{
	static const struct {
		const char *method;
		const char *path;
	} bad[] = {{"get", "/x"}, {"", "/x"}, {NULL, "/x"}, {"GET", "x"}, {"GET", ""}, {"GET", NULL},
	    {"GET", "/a//b"}, {"GET", "/a/"}, {"GET", "/a{b}"}, {"GET", "/{}"}, {"GET", "/hello"},
	    {"GET", "/1/2/3/4/5/6/7/8/9/10/11/12/13/14/15/16/17"}};

	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		ck_assert_msg(rv__routes_add(&scene.routes, bad[i].method, bad[i].path, unused, NULL, false,
		                  NULL) == RV_E_INVALID,
		    "%s", bad[i].path ? bad[i].path : "NULL");
}
END_TEST

int main(void)
{
	const TTest *const cases[] = {get_answers_json, head_answers_as_get_without_body,
	    unknown_path_is_a_404_problem, wrong_method_is_405_with_allow, options_tells_the_methods,
	    segments_and_parameters_arrive_decoded, literal_segment_wins_over_braces, broken_targets_are_400,
	    handler_without_answer_is_500, headers_cannot_be_split, json_bodies_come_back,
	    bodies_that_are_no_json_are_400, chunked_bodies_are_whole,
	    pipelined_requests_are_answered_in_order, body_at_the_limit_passes_and_one_more_byte_is_413,
	    chunked_body_over_the_limit_is_413_and_the_connection_goes_on, endless_body_is_cut,
	    expect_is_answered_before_the_body, taken_port_says_how_to_go_on,
	    address_of_another_machine_is_refused, routes_that_cannot_work_are_refused, NULL};

	return unit_run("http", cases, http_scene_setup, http_scene_teardown);
}
