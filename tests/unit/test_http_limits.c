/* SPDX-License-Identifier: Apache-2.0 */
/* The HTTP server against who breaks the rules, is slow, or is many: whom it cuts off, and who is served meanwhile. */
#include "http/server.h"

#include "tests/support/http_client.h"
#include "tests/support/http_scene.h"
#include "tests/support/unit.h"
#include "tests/support/wait.h"

#include <pthread.h>
#include <stdatomic.h>

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

		client_open(&client, scene.port);
		client_say(&client, requests[i]);
		shutdown(client.fd, SHUT_WR);
		client_read(&client, &answer, false);
		ck_assert_msg(
		    answer.status == 0 || answer.status >= 400, "request %zu: %d", i, answer.status);
		client_close(&client);
		ask(scene.port, "GET", "/hello", NULL, &answer);
		ck_assert_int_eq(answer.status, 200);
	}
}
END_TEST

START_TEST(a_body_of_two_lengths_is_refused_and_the_connection_closed)
{
	static const char *const heads[] = {"Content-Length: 3\r\nContent-Length: 4\r\n",
	    "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n", "Transfer-Encoding: xchunked\r\n",
	    "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n"};
	struct answer answer;

	for (size_t i = 0; i < sizeof heads / sizeof *heads; i++) {
		struct client client;
		char text[256];

		snprintf(text, sizeof text, "POST /echo HTTP/1.1\r\nHost: a\r\n%s\r\n", heads[i]);
		client_open(&client, scene.port);
		client_say(&client, text);
		client_read(&client, &answer, false);
		ck_assert_msg(answer.status == 400, "%s: %d", heads[i], answer.status);
		ck_assert_msg(client_ended(&client), "%s: still open", heads[i]);
		client_close(&client);
	}
}
END_TEST

START_TEST(what_is_no_http_is_closed_with_a_reason)
{
	struct client client;

	client_open(&client, scene.port);
	client_say(&client, "\x16\x03\x01\x02\n\x01\x01\xfc\x03\x03");
	ck_assert(client_ended(&client));
	client_close(&client);
	WAIT_UNTIL(60000, atomic_load(&scene.foreign_lines) == 1);
	/* Whoever only looks whether the port is open is not worth a line. */
	client_open(&client, scene.port);
	client_close(&client);
	http_scene_restart();
	ck_assert_int_eq(atomic_load(&scene.foreign_lines), 1);
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
	client_open(&client, scene.port);
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
	ask(scene.port, "GET", "/hello", NULL, &answer);
	ck_assert_int_eq(answer.status, 200);
}
END_TEST

START_TEST(slow_request_is_cut_and_logged_while_others_are_served)
{
	int64_t begun;
	struct client client;
	struct client other;
	struct answer answer;

	scene.settings.limits.request_timeout_ms = 300;
	http_scene_restart();
	begun = rv__monotonic_ms();
	/* One connection for all requests of the other: opening one takes from their time. */
	client_open(&other, scene.port);
	client_say(&other, "GET /hello HTTP/1.1\r\nHost: a\r\n\r\n");
	client_read(&other, &answer, false);
	client_open(&client, scene.port);
	client_say(&client, "POST /count HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n");
	/* A byte now and then keeps any inactivity timer happy; the deadline must not care. */
	while (rv__monotonic_ms() - begun < CLIENT_DEADLINE_MS && atomic_load(&scene.slow_lines) == 0) {
		client_say(&client, "x");
		client_say(&other, "GET /hello HTTP/1.1\r\nHost: a\r\n\r\n");
		client_read(&other, &answer, false);
		ck_assert_int_eq(answer.status, 200);
		wait_pause(99);
	}
	ck_assert_int_eq(atomic_load(&scene.slow_lines), 1);
	ck_assert(client_ended(&client));
	client_close(&client);
	client_close(&other);
}
END_TEST

START_TEST(client_that_says_nothing_is_cut)
{
	struct client client;

	scene.settings.limits.request_timeout_ms = 200;
	http_scene_restart();
	client_open(&client, scene.port);
	ck_assert(client_ended(&client));
	WAIT_UNTIL(30000, atomic_load(&scene.slow_lines) == 1);
	client_close(&client);
}
END_TEST

START_TEST(client_that_does_not_read_is_cut)
{
	struct client client;
	struct answer answer;
	int small = 4096;

	scene.settings.limits.write_timeout_ms = 1000;
	http_scene_restart();
	client_open(&client, scene.port);
	setsockopt(client.fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
	client_say(&client, "GET /large HTTP/1.1\r\nHost: a\r\n\r\n");
	WAIT_UNTIL(30000, atomic_load(&scene.slow_lines) == 1);
	ask(scene.port, "GET", "/hello", NULL, &answer);
	ck_assert_int_eq(answer.status, 200);
	client_close(&client);
}
END_TEST

START_TEST(idle_connection_is_closed_without_a_word)
{
	struct client client;
	struct answer answer;

	scene.settings.limits.idle_timeout_ms = 200;
	http_scene_restart();
	client_open(&client, scene.port);
	client_say(&client, "GET /hello HTTP/1.1\r\nHost: a\r\n\r\n");
	client_read(&client, &answer, false);
	ck_assert(client_ended(&client));
	ck_assert_int_eq(atomic_load(&scene.slow_lines), 0);
	client_close(&client);
}
END_TEST

/* -- load ------------------------------------------------------------------------------- */

START_TEST(waiting_handlers_are_capped_and_delay_nobody)
{
	struct client waiters[2];
	struct answer answer;

	for (int i = 0; i < 2; i++) {
		client_open(&waiters[i], scene.port);
		client_say(&waiters[i], "POST /hang HTTP/1.1\r\nHost: a\r\n\r\n");
	}
	WAIT_UNTIL(30000, atomic_load(&scene.waiting) == 2);
	ask(scene.port, "GET", "/hello", NULL, &answer);
	ck_assert_int_eq(answer.status, 503);
	ck_assert_ptr_nonnull(strstr(answer.head, "Retry-After: 1\r\n"));
	ask(scene.port, "GET", "/manage", NULL, &answer);
	ck_assert_int_eq(answer.status, 200);
	sem_post(&scene.gate);
	sem_post(&scene.gate);
	for (int i = 0; i < 2; i++) {
		client_read(&waiters[i], &answer, false);
		ck_assert_str_eq(answer.body, "done");
		client_close(&waiters[i]);
	}
	ask(scene.port, "GET", "/hello", NULL, &answer);
	ck_assert_int_eq(answer.status, 200);
}
END_TEST

START_TEST(connections_are_capped_and_management_still_answers)
{
	struct client open[4];
	struct answer answer;

	scene.settings.limits.max_connections = 4;
	http_scene_restart();
	for (int i = 0; i < 4; i++) {
		client_open(&open[i], scene.port);
		client_say(&open[i], "GET /hello HTTP/1.1\r\nHost: a\r\n\r\n");
		client_read(&open[i], &answer, false);
		ck_assert_int_eq(answer.status, 200);
	}
	ask(scene.port, "GET", "/hello", NULL, &answer);
	ck_assert_int_eq(answer.status, 503);
	ck_assert_ptr_nonnull(strstr(answer.body, "RV0511"));
	ask(scene.port, "GET", "/manage", NULL, &answer);
	ck_assert_int_eq(answer.status, 200);
	for (int i = 0; i < 4; i++)
		client_close(&open[i]);
}
END_TEST

static bool is_refused(void)
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)scene.port)};
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	int result;

	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	result = connect(fd, (struct sockaddr *)&to, sizeof to);
	close(fd);
	return result != 0;
}

static void *close_server(void *arg)
{
	rv__http_server_close(scene.server);
	scene.server = NULL;
	return arg;
}

START_TEST(stop_lets_running_handlers_answer)
{
	struct client client;
	struct client idle;
	struct answer answer;
	pthread_t closer;

	client_open(&idle, scene.port);
	client_say(&idle, "GET /hello HTTP/1.1\r\nHost: a\r\n\r\n");
	client_read(&idle, &answer, false);
	client_open(&client, scene.port);
	client_say(&client, "POST /hang HTTP/1.1\r\nHost: a\r\n\r\n");
	WAIT_UNTIL(30000, atomic_load(&scene.waiting) == 1);
	rv__http_server_stop(scene.server);
	ck_assert(is_refused());
	client_say(&idle, "GET /hello HTTP/1.1\r\nHost: a\r\n\r\n");
	client_read(&idle, &answer, false);
	ck_assert_int_eq(answer.status, 503);
	ck_assert_ptr_nonnull(strstr(answer.body, "RV0519"));
	ck_assert(client_ended(&idle));
	pthread_create(&closer, NULL, close_server, NULL);
	sem_post(&scene.gate);
	client_read(&client, &answer, false);
	ck_assert_int_eq(answer.status, 200);
	ck_assert_str_eq(answer.body, "done");
	pthread_join(closer, NULL);
	client_close(&client);
	client_close(&idle);
}
END_TEST

int main(void)
{
	const TTest *const cases[] = {malformed_requests_hurt_nobody,
	    a_body_of_two_lengths_is_refused_and_the_connection_closed,
	    what_is_no_http_is_closed_with_a_reason, heads_up_to_the_limit_pass_and_longer_ones_are_431,
	    slow_request_is_cut_and_logged_while_others_are_served, client_that_says_nothing_is_cut,
	    client_that_does_not_read_is_cut, idle_connection_is_closed_without_a_word,
	    waiting_handlers_are_capped_and_delay_nobody, connections_are_capped_and_management_still_answers,
	    stop_lets_running_handlers_answer, NULL};

	return unit_run("http_limits", cases, http_scene_setup, http_scene_teardown);
}
