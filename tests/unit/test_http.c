/* SPDX-License-Identifier: Apache-2.0 */
/* The HTTP server over real sockets: what it answers, what it refuses, and whom it cuts off. */
#include "http/listen.h"
#include "http/server.h"

#include <rivulet/log.h>

#include "tests/support/http_client.h"
#include "tests/support/unit.h"
#include "tests/support/wait.h"

#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>

static struct rv__routes routes;
static struct rv__http_server *server;
static struct rv__http_settings settings;
static int port;
static char world[] = "world";
static sem_t gate; /* what a waiting handler waits for */
static _Atomic int waiting;
static _Atomic int slow_lines; /* log lines with RV0504 */

static int hello(const rv_http_request *request, rv_http_response *response, void *context)
{
	(void)request;
	return rv_http_json(response, 200, "{s:s}", "hello", (const char *)context);
}

static int echo(const rv_http_request *request, rv_http_response *response, void *context)
{
	struct rv_error error;
	json_t *value = rv_http_body_json(request, &error);

	(void)context;
	if (!value)
		return rv_http_problem(response, 400, &error);
	return rv_http_json_value(response, 200, value);
}

static int count(const rv_http_request *request, rv_http_response *response, void *context)
{
	size_t length;

	(void)context;
	rv_http_body(request, &length);
	return rv_http_json(response, 200, "{s:I}", "length", (json_int_t)length);
}

static int show(const rv_http_request *request, rv_http_response *response, void *context)
{
	const char *page = rv_http_query(request, "page");
	const char *agent = rv_http_header(request, "user-agent");

	(void)context;
	rv_http_set_header(response, "X-Plate", "seen");
	return rv_http_json(response, 200, "{s:s, s:s?, s:s?, s:s, s:s}", "plate",
	    rv_http_path_value(request, "plate"), "page", page, "agent", agent, "path", rv_http_path(request),
	    "method", rv_http_method(request));
}

static int hang(const rv_http_request *request, rv_http_response *response, void *context)
{
	(void)request;
	(void)context;
	atomic_fetch_add(&waiting, 1);
	sem_wait(&gate);
	return rv_http_text(response, 200, "done");
}

static int silent(const rv_http_request *request, rv_http_response *response, void *context)
{
	(void)request;
	(void)response;
	(void)context;
	return 0;
}

static int large(const rv_http_request *request, rv_http_response *response, void *context)
{
	char *text = malloc(24 * 1024 * 1024 + 1);
	int result;

	(void)request;
	(void)context;
	memset(text, 'x', 24 * 1024 * 1024);
	text[24 * 1024 * 1024] = '\0';
	result = rv_http_text(response, 200, text);
	free(text);
	return result;
}

static int split(const rv_http_request *request, rv_http_response *response, void *context)
{
	char filler[400];

	(void)request;
	(void)context;
	rv_http_set_header(response, "X-Bad", "a\r\nX-Injected: 1");
	rv_http_set_header(response, "X Bad", "a");
	/* As many and as long as are let through must not spoil the answer. */
	memset(filler, 'f', sizeof filler - 1);
	filler[sizeof filler - 1] = '\0';
	for (int i = 0; i < 20; i++)
		rv_http_set_header(response, "X-Filler", filler);
	return rv_http_text(response, 200, "fine");
}

static void count_slow(rv_log_level level, const char *topic, const char *line, void *arg)
{
	(void)level;
	(void)topic;
	(void)arg;
	if (strstr(line, "RV0504"))
		atomic_fetch_add(&slow_lines, 1);
}

static void add(const char *method, const char *path, rv_http_handler_fn handler, bool management)
{
	ck_assert_int_eq(rv__routes_add(&routes, method, path, handler, world, management, NULL), RV_OK);
}

static void begin(void)
{
	struct rv_error error;
	int fd;

	ck_assert_msg(
	    rv__listen("127.0.0.1", 0, "server.port", &fd, &port, &error) == RV_OK, "%s", error.text);
	ck_assert_msg(
	    rv__http_server_start(&settings, &routes, fd, &server, &error) == RV_OK, "%s", error.text);
}

static void setup(void)
{
	sem_init(&gate, 0, 0);
	atomic_store(&waiting, 0);
	atomic_store(&slow_lines, 0);
	rv_log_set_sink(count_slow, NULL);
	add("GET", "/hello", hello, false);
	add("POST", "/echo", echo, false);
	add("POST", "/count", count, false);
	add("GET", "/cars/{plate}", show, false);
	add("GET", "/cars/all", hello, false);
	add("DELETE", "/cars/{plate}", show, false);
	add("POST", "/hang", hang, false);
	add("GET", "/silent", silent, false);
	add("GET", "/large", large, false);
	add("GET", "/split", split, false);
	add("GET", "/manage", hello, true);
	settings = (struct rv__http_settings){
	    .server = {.address = "127.0.0.1", .max_header_size = 8192},
	    .limits = {.max_body_size = 1000,
	        .max_connections = 4,
	        .max_requests = 2,
	        .request_timeout_ms = 5000,
	        .write_timeout_ms = 5000,
	        .idle_timeout_ms = 5000,
	        .stop_timeout_ms = 5000},
	};
	begin();
}

static void teardown(void)
{
	for (int i = 0; i < 16; i++)
		sem_post(&gate);
	rv__http_server_close(server);
	rv__routes_finish(&routes);
}

static void restart(void)
{
	rv__http_server_close(server);
	begin();
}

/* -- answers ---------------------------------------------------------------------------- */

START_TEST(get_answers_json)
{
	struct answer answer;

	ask(port, "GET", "/hello", NULL, &answer);
	ck_assert_int_eq(answer.status, 200);
	ck_assert_str_eq(answer.body, "{\"hello\":\"world\"}");
	ck_assert_ptr_nonnull(strstr(answer.head, "Content-Type: application/json\r\n"));
}
END_TEST

START_TEST(head_answers_as_get_without_body)
{
	struct client client;
	struct answer answer;

	client_open(&client, port);
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

	ask(port, "GET", "/hello/", NULL, &answer);
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

	ask(port, "PUT", "/cars/x", "{}", &answer);
	ck_assert_int_eq(answer.status, 405);
	ck_assert_ptr_nonnull(strstr(answer.head, "Allow: GET, HEAD, DELETE, OPTIONS\r\n"));
}
END_TEST

START_TEST(options_tells_the_methods)
{
	struct answer answer;

	ask(port, "OPTIONS", "/echo", NULL, &answer);
	ck_assert_int_eq(answer.status, 204);
	ck_assert_ptr_nonnull(strstr(answer.head, "Allow: POST, OPTIONS\r\n"));
	ask(port, "OPTIONS", "*", NULL, &answer);
	ck_assert_int_eq(answer.status, 204);
	ask(port, "OPTIONS", "/nowhere", NULL, &answer);
	ck_assert_int_eq(answer.status, 404);
}
END_TEST

START_TEST(segments_and_parameters_arrive_decoded)
{
	struct client client;
	struct answer answer;

	client_open(&client, port);
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

	ask(port, "GET", "/cars/all", NULL, &answer);
	ck_assert_str_eq(answer.body, "{\"hello\":\"world\"}");
	ask(port, "GET", "http://test/cars/one", NULL, &answer);
	ck_assert_ptr_nonnull(strstr(answer.body, "\"plate\":\"one\""));
}
END_TEST

START_TEST(broken_targets_are_400)
{
	static const char *const targets[] = {"/cars/%", "/cars/%4", "/cars/%zz", "/cars/a%00b", "/cars/%ff",
	    "/cars/%c0%80", "/hello?a=%g0", "hello", "/1/2/3/4/5/6/7/8/9/10/11/12/13/14/15/16/17"};

	for (size_t i = 0; i < sizeof targets / sizeof *targets; i++) {
		struct answer answer;

		ask(port, "GET", targets[i], NULL, &answer);
		ck_assert_msg(answer.status == 400, "%s: %d", targets[i], answer.status);
	}
}
END_TEST

START_TEST(handler_without_answer_is_500)
{
	struct answer answer;

	ask(port, "GET", "/silent", NULL, &answer);
	ck_assert_int_eq(answer.status, 500);
	ck_assert_ptr_nonnull(strstr(answer.body, "RV0513"));
}
END_TEST

START_TEST(headers_cannot_be_split)
{
	struct answer answer;

	ask(port, "GET", "/split", NULL, &answer);
	ck_assert_int_eq(answer.status, 200);
	ck_assert_ptr_null(strstr(answer.head, "Injected"));
	ck_assert_ptr_null(strstr(answer.head, "Bad"));
}
END_TEST

/* -- bodies ----------------------------------------------------------------------------- */

START_TEST(json_bodies_come_back)
{
	struct answer answer;

	ask(port, "POST", "/echo", "{\"b\": 1, \"a\": [\"支付\"]}", &answer);
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

		ask(port, "POST", "/echo", bodies[i], &answer);
		ck_assert_msg(answer.status == 400, "'%s': %d", bodies[i], answer.status);
	}
	memset(deep, '[', 200);
	memset(deep + 200, ']', 200);
	deep[400] = '\0';
	struct answer answer;
	ask(port, "POST", "/echo", deep, &answer);
	ck_assert_int_eq(answer.status, 400);
	ck_assert_ptr_nonnull(strstr(answer.body, "RV0091"));
}
END_TEST

START_TEST(chunked_bodies_are_whole)
{
	struct client client;
	struct answer answer;

	client_open(&client, port);
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

	client_open(&client, port);
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
	ask(port, "POST", "/count", body, &answer);
	ck_assert_str_eq(answer.body, "{\"length\":1000}");
	body[1000] = 'x';
	body[1001] = '\0';
	ask(port, "POST", "/count", body, &answer);
	ck_assert_int_eq(answer.status, 413);
}
END_TEST

START_TEST(chunked_body_over_the_limit_is_413_and_the_connection_goes_on)
{
	struct client client;
	struct answer answer;

	client_open(&client, port);
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

	client_open(&client, port);
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

	client_open(&client, port);
	client_say(
	    &client, "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n");
	client_read(&client, &answer, false);
	ck_assert_int_eq(answer.status, 100);
	client_say(&client, "[7]");
	client_read(&client, &answer, false);
	ck_assert_str_eq(answer.body, "[7]");
	client_close(&client);

	client_open(&client, port);
	client_say(
	    &client, "POST /nope HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n");
	client_read(&client, &answer, false);
	ck_assert_int_eq(answer.status, 404);
	client_close(&client);
	client_open(&client, port);
	client_say(&client,
	    "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 99999\r\nExpect: 100-continue\r\n\r\n");
	client_read(&client, &answer, false);
	ck_assert_int_eq(answer.status, 413);
	ck_assert(client_ended(&client));
	client_close(&client);
}
END_TEST

/* -- abuse ------------------------------------------------------------------------------ */

START_TEST(malformed_requests_hurt_nobody)
{
	static const char *const requests[] = {"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
	    "GET\r\n\r\n", "GET /hello HTTP/9.9\r\nHost: a\r\n\r\n",
	    "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n",
	    "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999999\r\n\r\n",
	    "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5x\r\n\r\nhello",
	    "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n[1]\r\n0\r\n\r\n",
	    "GET /hello HTTP/1.1\r\n\r\n"};

	for (size_t i = 0; i < sizeof requests / sizeof *requests; i++) {
		struct client client;
		struct answer answer;

		client_open(&client, port);
		client_say(&client, requests[i]);
		shutdown(client.fd, SHUT_WR);
		client_read(&client, &answer, false);
		ck_assert_msg(
		    answer.status == 0 || answer.status >= 400, "request %zu: %d", i, answer.status);
		client_close(&client);
		ask(port, "GET", "/hello", NULL, &answer);
		ck_assert_int_eq(answer.status, 200);
	}
}
END_TEST

/* A request whose head has about `length` bytes. */
static int status_of_head(size_t length)
{
	static const char start[] = "GET /split HTTP/1.1\r\nHost: a\r\nX: ";
	char *header = malloc(length + 1);
	struct client client;
	struct answer answer;

	memset(header, 'h', length);
	memcpy(header, start, sizeof start - 1);
	memcpy(header + length - 4, "\r\n\r\n", 4);
	client_open(&client, port);
	client_send(&client, header, length);
	client_read(&client, &answer, false);
	client_close(&client);
	free(header);
	return answer.status;
}

START_TEST(heads_up_to_the_limit_pass_and_longer_ones_are_431)
{
	struct answer answer;

	ck_assert_int_eq(status_of_head(8000), 200);
	ck_assert_int_eq(status_of_head(8300), 431);
	ck_assert_int_eq(status_of_head(20000), 431);
	ask(port, "GET", "/hello", NULL, &answer);
	ck_assert_int_eq(answer.status, 200);
}
END_TEST

START_TEST(slow_request_is_cut_and_logged_while_others_are_served)
{
	int64_t begun;
	struct client client;
	struct answer answer;

	settings.limits.request_timeout_ms = 300;
	restart();
	begun = rv__monotonic_ms();
	client_open(&client, port);
	client_say(&client, "POST /count HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n");
	/* A byte now and then keeps any inactivity timer happy; the deadline must not care. */
	while (rv__monotonic_ms() - begun < 3000 && atomic_load(&slow_lines) == 0) {
		client_say(&client, "x");
		ask(port, "GET", "/hello", NULL, &answer);
		ck_assert_int_eq(answer.status, 200);
		wait_pause(99);
	}
	ck_assert_int_eq(atomic_load(&slow_lines), 1);
	ck_assert(client_ended(&client));
	ck_assert_int_lt(rv__monotonic_ms() - begun, 3000);
	client_close(&client);
}
END_TEST

START_TEST(client_that_says_nothing_is_cut)
{
	struct client client;

	settings.limits.request_timeout_ms = 200;
	restart();
	client_open(&client, port);
	ck_assert(client_ended(&client));
	WAIT_UNTIL(2000, atomic_load(&slow_lines) == 1);
	client_close(&client);
}
END_TEST

START_TEST(client_that_does_not_read_is_cut)
{
	struct client client;
	struct answer answer;
	int small = 4096;

	settings.limits.write_timeout_ms = 300;
	restart();
	client_open(&client, port);
	setsockopt(client.fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
	client_say(&client, "GET /large HTTP/1.1\r\nHost: a\r\n\r\n");
	WAIT_UNTIL(5000, atomic_load(&slow_lines) == 1);
	ask(port, "GET", "/hello", NULL, &answer);
	ck_assert_int_eq(answer.status, 200);
	client_close(&client);
}
END_TEST

START_TEST(idle_connection_is_closed_without_a_word)
{
	struct client client;
	struct answer answer;

	settings.limits.idle_timeout_ms = 200;
	restart();
	client_open(&client, port);
	client_say(&client, "GET /hello HTTP/1.1\r\nHost: a\r\n\r\n");
	client_read(&client, &answer, false);
	ck_assert(client_ended(&client));
	ck_assert_int_eq(atomic_load(&slow_lines), 0);
	client_close(&client);
}
END_TEST

/* -- load ------------------------------------------------------------------------------- */

START_TEST(waiting_handlers_are_capped_and_delay_nobody)
{
	struct client waiters[2];
	struct answer answer;

	for (int i = 0; i < 2; i++) {
		client_open(&waiters[i], port);
		client_say(&waiters[i], "POST /hang HTTP/1.1\r\nHost: a\r\n\r\n");
	}
	WAIT_UNTIL(5000, atomic_load(&waiting) == 2);
	ask(port, "GET", "/hello", NULL, &answer);
	ck_assert_int_eq(answer.status, 503);
	ck_assert_ptr_nonnull(strstr(answer.head, "Retry-After: 1\r\n"));
	ask(port, "GET", "/manage", NULL, &answer);
	ck_assert_int_eq(answer.status, 200);
	sem_post(&gate);
	sem_post(&gate);
	for (int i = 0; i < 2; i++) {
		client_read(&waiters[i], &answer, false);
		ck_assert_str_eq(answer.body, "done");
		client_close(&waiters[i]);
	}
	ask(port, "GET", "/hello", NULL, &answer);
	ck_assert_int_eq(answer.status, 200);
}
END_TEST

START_TEST(connections_are_capped_and_management_still_answers)
{
	struct client open[4];
	struct answer answer;

	for (int i = 0; i < 4; i++) {
		client_open(&open[i], port);
		client_say(&open[i], "GET /hello HTTP/1.1\r\nHost: a\r\n\r\n");
		client_read(&open[i], &answer, false);
		ck_assert_int_eq(answer.status, 200);
	}
	ask(port, "GET", "/hello", NULL, &answer);
	ck_assert_int_eq(answer.status, 503);
	ck_assert_ptr_nonnull(strstr(answer.body, "RV0511"));
	ask(port, "GET", "/manage", NULL, &answer);
	ck_assert_int_eq(answer.status, 200);
	for (int i = 0; i < 4; i++)
		client_close(&open[i]);
}
END_TEST

static bool is_refused(void)
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	int result;

	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	result = connect(fd, (struct sockaddr *)&to, sizeof to);
	close(fd);
	return result != 0;
}

static void *close_server(void *arg)
{
	rv__http_server_close(server);
	server = NULL;
	return arg;
}

START_TEST(stop_lets_running_handlers_answer)
{
	struct client client;
	struct client idle;
	struct answer answer;
	pthread_t closer;

	client_open(&idle, port);
	client_say(&idle, "GET /hello HTTP/1.1\r\nHost: a\r\n\r\n");
	client_read(&idle, &answer, false);
	client_open(&client, port);
	client_say(&client, "POST /hang HTTP/1.1\r\nHost: a\r\n\r\n");
	WAIT_UNTIL(5000, atomic_load(&waiting) == 1);
	rv__http_server_stop(server);
	ck_assert(is_refused());
	client_say(&idle, "GET /hello HTTP/1.1\r\nHost: a\r\n\r\n");
	client_read(&idle, &answer, false);
	ck_assert_int_eq(answer.status, 503);
	ck_assert_ptr_nonnull(strstr(answer.body, "RV0519"));
	ck_assert(client_ended(&idle));
	pthread_create(&closer, NULL, close_server, NULL);
	sem_post(&gate);
	client_read(&client, &answer, false);
	ck_assert_int_eq(answer.status, 200);
	ck_assert_str_eq(answer.body, "done");
	pthread_join(closer, NULL);
	client_close(&client);
	client_close(&idle);
}
END_TEST

START_TEST(taken_port_says_how_to_go_on)
{
	struct rv_error error;
	int other;
	int fd;

	ck_assert_int_eq(rv__listen("127.0.0.1", port, "server.port", &fd, &other, &error), RV_E_IO);
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

START_TEST(routes_that_cannot_work_are_refused)
{
	static const struct {
		const char *method;
		const char *path;
	} bad[] = {{"get", "/x"}, {"", "/x"}, {NULL, "/x"}, {"GET", "x"}, {"GET", ""}, {"GET", NULL},
	    {"GET", "/a//b"}, {"GET", "/a/"}, {"GET", "/a{b}"}, {"GET", "/{}"}, {"GET", "/hello"},
	    {"GET", "/1/2/3/4/5/6/7/8/9/10/11/12/13/14/15/16/17"}};

	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		ck_assert_msg(rv__routes_add(&routes, bad[i].method, bad[i].path, hello, NULL, false, NULL) ==
		        RV_E_INVALID,
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
	    expect_is_answered_before_the_body, malformed_requests_hurt_nobody,
	    heads_up_to_the_limit_pass_and_longer_ones_are_431,
	    slow_request_is_cut_and_logged_while_others_are_served, client_that_says_nothing_is_cut,
	    client_that_does_not_read_is_cut, idle_connection_is_closed_without_a_word,
	    waiting_handlers_are_capped_and_delay_nobody, connections_are_capped_and_management_still_answers,
	    stop_lets_running_handlers_answer, taken_port_says_how_to_go_on,
	    address_of_another_machine_is_refused, routes_that_cannot_work_are_refused, NULL};

	return unit_run("http", cases, setup, teardown);
}
