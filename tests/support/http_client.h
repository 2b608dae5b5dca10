/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A raw HTTP client for tests: sends exactly the bytes it is given, so that a case can break the rules,
 * and reads one answer at a time, so that it can look at what follows on the connection.
 */
#ifndef SUPPORT_HTTP_CLIENT_H
#define SUPPORT_HTTP_CLIENT_H

#include "base/clock.h"

#include <arpa/inet.h>
#include <check.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { CLIENT_DEADLINE_MS = 30000, CLIENT_BUFFER = 64 * 1024 };

/* One connection and what was read ahead on it. */
struct client {
	int fd;
	size_t length;
	char bytes[CLIENT_BUFFER];
};

/* One answer. */
struct answer {
	int status; /* 0: the server closed the connection without one */
	char head[8192];
	char body[CLIENT_BUFFER];
};

static inline void client_open(struct client *client, int port)
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};

	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	client->length = 0;
	client->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	ck_assert_int_ge(client->fd, 0);
	ck_assert_int_eq(connect(client->fd, (struct sockaddr *)&to, sizeof to), 0);
}

static inline void client_close(struct client *client)
{
	close(client->fd);
}

/* What the server no longer wants to read is no failure of the client. */
static inline void client_send(struct client *client, const char *bytes, size_t length)
{
	while (length > 0) {
		ssize_t n = send(client->fd, bytes, length, MSG_NOSIGNAL);

		if (n <= 0)
			return;
		bytes += n;
		length -= (size_t)n;
	}
}

static inline void client_say(struct client *client, const char *text)
{
	client_send(client, text, strlen(text));
}

/* Reads more; false at the end of the connection. Fails the case after the deadline. */
static inline bool client_fill(struct client *client)
{
	struct pollfd wait = {.fd = client->fd, .events = POLLIN};
	ssize_t n;

	ck_assert_uint_lt(client->length, CLIENT_BUFFER - 1);
	ck_assert_msg(poll(&wait, 1, CLIENT_DEADLINE_MS) == 1, "no answer within %d ms", CLIENT_DEADLINE_MS);
	n = recv(client->fd, client->bytes + client->length, CLIENT_BUFFER - 1 - client->length, 0);
	if (n <= 0)
		return false;
	client->length += (size_t)n;
	client->bytes[client->length] = '\0';
	return true;
}

static inline size_t client_body_length(const char *head)
{
	const char *at = strcasestr(head, "\r\nContent-Length:");

	return at ? (size_t)strtoul(at + 17, NULL, 10) : 0;
}

/* Reads one answer, without a body when `is_head`. */
static inline void client_read(struct client *client, struct answer *answer, bool is_head)
{
	size_t head_length;
	size_t body_length;
	char *end;

	memset(answer, 0, sizeof *answer);
	client->bytes[client->length] = '\0';
	while (!(end = strstr(client->bytes, "\r\n\r\n")))
		if (!client_fill(client))
			return;
	head_length = (size_t)(end - client->bytes) + 4;
	ck_assert_uint_lt(head_length, sizeof answer->head);
	memcpy(answer->head, client->bytes, head_length);
	ck_assert_int_eq(sscanf(answer->head, "HTTP/1.%*d %d", &answer->status), 1);
	body_length = is_head ? 0 : client_body_length(answer->head);
	while (client->length < head_length + body_length)
		if (!client_fill(client))
			return;
	memcpy(answer->body, client->bytes + head_length, body_length);
	client->length -= head_length + body_length;
	memmove(client->bytes, client->bytes + head_length + body_length, client->length);
}

/* True when nothing follows but the end of the connection. */
static inline bool client_ended(struct client *client)
{
	return client->length == 0 && !client_fill(client);
}

/* One request on a connection of its own. `body` NULL: none. */
static inline void ask(
    int port, const char *method, const char *target, const char *body, struct answer *answer)
{
	struct client client;
	char head[8192];

	client_open(&client, port);
	snprintf(head, sizeof head, "%s %s HTTP/1.1\r\nHost: test\r\nConnection: close\r\n", method, target);
	client_say(&client, head);
	if (body) {
		snprintf(head, sizeof head, "Content-Type: application/json\r\nContent-Length: %zu\r\n",
		    strlen(body));
		client_say(&client, head);
	}
	client_say(&client, "\r\n");
	if (body)
		client_say(&client, body);
	client_read(&client, answer, strcmp(method, "HEAD") == 0);
	client_close(&client);
}

#endif
