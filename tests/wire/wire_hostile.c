/* SPDX-License-Identifier: Apache-2.0 */
/* Malformed, oversized, truncated, slow and greedy clients; none of them stalls another. */
#include "tests/support/unit.h"
#include "tests/wire/wire_kit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static struct wire_client client, bad;

static void open_both(void)
{
	wire_open();
	wire_connect(&client, wire_port());
	wire_connect(&bad, wire_port());
}

static void teardown(void)
{
	wire_disconnect(&client);
	wire_disconnect(&bad);
	wire_teardown();
}

/* The good client is served, whatever the bad one does. */
static void expect_service(void)
{
	ck_assert_int_eq(wire_send_message(&client, "T", 0, "", "x"), RV__RSP_SUCCESS);
}

/* Where connections may idle for a short time only, a slow machine would make the good client one that idles. */
static void expect_service_anew(void)
{
	wire_disconnect(&client);
	wire_connect(&client, wire_port());
	expect_service();
}

static const struct {
	const char *what;
	const char *bytes;
	size_t length;
} broken[] = {
    {"HTTP", "GET / HTTP/1.1\r\n\r\n", 18},
    {"TLS", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 11},
    {"a length over the limit", "\x01\x00\x00\x00\x00\x00\x00\x01", 8},
    {"a length below four", "\x00\x00\x00\x03\x00\x00\x00\x00", 8},
    {"a header longer than the frame", "\x00\x00\x00\x06\x00\x00\x00\x09{}", 10},
    {"a header that is no JSON", "\x00\x00\x00\x06\x00\x00\x00\x02[]", 10},
    {"an unknown serialization", "\x00\x00\x00\x06\x07\x00\x00\x02{}", 10},
    {"a torn binary header", "\x00\x00\x00\x07\x01\x00\x00\x03\x00\x0a\x00", 11},
};

START_TEST(what_is_not_the_protocol_is_closed)
{
	open_both();
	for (size_t i = 0; i < sizeof(broken) / sizeof(broken[0]); i++) {
		wire_disconnect(&bad);
		wire_connect(&bad, wire_port());
		wire_write(&bad, broken[i].bytes, broken[i].length);
		ck_assert_msg(wire_is_closed(&bad, WIRE_WAIT_MS), "%s", broken[i].what);
		expect_service();
	}
}
END_TEST

START_TEST(an_unknown_code_gets_rocketmqs_answer)
{
	open_both();
	wire_begin(&client, 9999);
	ck_assert_int_eq(wire_call(&client, NULL, 0), RV__RSP_REQUEST_CODE_NOT_SUPPORTED);
	ck_assert_str_eq(wire_remark(&client), " request type 9999 not supported");
	wire_begin(&client, 200050); /* POP of 5.x: clients fall back on this answer */
	ck_assert_int_eq(wire_call(&client, NULL, 0), RV__RSP_REQUEST_CODE_NOT_SUPPORTED);
	wire_disconnect(&client);
	wire_connect(&client, wire_name_server_port());
	wire_begin(&client, RV__REQ_SEND_MESSAGE_V2);
	ck_assert_int_eq(wire_call(&client, NULL, 0), RV__RSP_REQUEST_CODE_NOT_SUPPORTED);
}
END_TEST

/* Every code that is served, asked with nothing at all: an answer, never silence. */
START_TEST(requests_without_fields_are_answered)
{
	static const int codes[] = {
#define X(symbol, number) number,
	    RV__REQUEST_LIST(X)
#undef X
	};

	open_both();
	for (int door = 0; door < 2; door++) {
		wire_disconnect(&bad);
		wire_connect(&bad, door ? wire_port() : wire_name_server_port());
		for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
			wire_begin(&bad, codes[i]);
			(void)wire_call(&bad, NULL, 0);
			wire_begin(&bad, codes[i]);
			(void)wire_call(&bad, "{\"x\":{{", 7);
		}
	}
	expect_service();
}
END_TEST

START_TEST(a_request_that_never_ends_is_closed_after_the_idle_time)
{
	wire_settings.idle_ms = 1000;
	open_both();
	wire_write(&bad, "\x00\x00\x10\x00\x00\x00\x00\x10", 8);
	for (int i = 0; i < 8; i++) {
		/* A byte now and then does not help. */
		(void)send(bad.fd, "x", 1, MSG_NOSIGNAL);
		expect_service_anew();
		(void)wire_receive(&bad, 100);
	}
	while (!wire_is_closed(&bad, 100)) {
		(void)send(bad.fd, "x", 1, MSG_NOSIGNAL);
		expect_service_anew();
	}
}
END_TEST

START_TEST(an_idle_connection_is_closed)
{
	wire_settings.idle_ms = 1000;
	open_both();
	ck_assert(wire_is_closed(&bad, WIRE_WAIT_MS));
}
END_TEST

START_TEST(unfinished_requests_are_bounded_together)
{
	enum { CHUNK = 65536 };
	static char chunk[CHUNK];
	bool closed = false;

	wire_settings.max_partial = 1 << 20;
	open_both();
	wire_write(&bad, "\x00\xff\x00\x00\x00\x00\x00\x10", 8);
	for (int i = 0; i < 64 && !closed; i++)
		closed = send(bad.fd, chunk, CHUNK, MSG_NOSIGNAL) < 0;
	ck_assert(closed || wire_is_closed(&bad, WIRE_WAIT_MS));
	expect_service();
}
END_TEST

START_TEST(a_client_that_does_not_read_is_bounded_and_then_closed)
{
	static char body[200000];
	int sent = 0;

	memset(body, 'b', sizeof(body) - 1);
	wire_settings.max_output = 1 << 20;
	wire_settings.idle_ms = 1000;
	open_both();
	ck_assert_int_eq(wire_send_message(&client, "Big", 0, "", body), RV__RSP_SUCCESS);
	/* Asks for it again and again, and reads nothing. */
	fcntl(bad.fd, F_SETFL, fcntl(bad.fd, F_GETFL) | O_NONBLOCK);
	for (; sent < 3000; sent++) {
		wire_begin(&bad, RV__REQ_VIEW_MESSAGE_BY_ID);
		rv__command_add_text(&bad.writer, "offset", "0");
		rv__command_end(&bad.writer, 0);
		if (send(bad.fd, bad.out.bytes, bad.out.length, MSG_NOSIGNAL) < 0)
			break;
	}
	expect_service_anew();
	for (int i = 0; i < 40; i++) {
		char byte;

		expect_service_anew();
		if (send(bad.fd, "", 0, MSG_NOSIGNAL) < 0 ||
		    (recv(bad.fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 0))
			break;
		(void)wire_receive(&client, 100);
	}
	/* What was on its way is read, and then the end. */
	fcntl(bad.fd, F_SETFL, fcntl(bad.fd, F_GETFL) & ~O_NONBLOCK);
	ck_assert(wire_is_closed(&bad, WIRE_WAIT_MS));
}
END_TEST

START_TEST(connections_over_the_limit_are_closed)
{
	struct wire_client many[4];

	wire_settings.max_connections = 4;
	open_both();
	for (int i = 0; i < 4; i++)
		wire_connect(&many[i], wire_port());
	ck_assert(wire_is_closed(&many[3], WIRE_WAIT_MS));
	expect_service();
	for (int i = 0; i < 4; i++)
		wire_disconnect(&many[i]);
}
END_TEST

START_TEST(configuration_is_not_changed_over_the_network)
{
	static const char body[] = "storePathRootDir=/tmp/elsewhere\n";

	open_both();
	wire_begin(&client, RV__REQ_UPDATE_BROKER_CONFIG);
	ck_assert_int_eq(wire_call(&client, body, sizeof(body) - 1), RV__RSP_NO_PERMISSION);
	ck_assert(strlen(wire_remark(&client)) > 20);
	wire_disconnect(&client);
	wire_connect(&client, wire_name_server_port());
	wire_begin(&client, RV__REQ_UPDATE_NAMESRV_CONFIG);
	ck_assert_int_eq(wire_call(&client, body, sizeof(body) - 1), RV__RSP_NO_PERMISSION);
}
END_TEST

START_TEST(topics_and_groups_are_bounded)
{
	char name[32];
	int code = RV__RSP_SUCCESS;

	wire_settings.max_topics = 30;
	open_both();
	for (int i = 0; i < 30 && code == RV__RSP_SUCCESS; i++) {
		snprintf(name, sizeof(name), "T%d", i);
		code = wire_send_message(&bad, name, 0, "", "x");
	}
	ck_assert_int_eq(code, RV__RSP_SYSTEM_ERROR);
	ck_assert_ptr_nonnull(strstr(wire_remark(&bad), "maxTopics"));
	ck_assert_int_eq(wire_send_message(&client, "T0", 0, "", "x"), RV__RSP_SUCCESS);
}
END_TEST

int main(void)
{
	const TTest *const cases[] = {what_is_not_the_protocol_is_closed,
	    an_unknown_code_gets_rocketmqs_answer, requests_without_fields_are_answered,
	    a_request_that_never_ends_is_closed_after_the_idle_time, an_idle_connection_is_closed,
	    unfinished_requests_are_bounded_together, a_client_that_does_not_read_is_bounded_and_then_closed,
	    connections_over_the_limit_are_closed, configuration_is_not_changed_over_the_network,
	    topics_and_groups_are_bounded, NULL};

	return unit_run("wire_hostile", cases, wire_setup, teardown);
}
