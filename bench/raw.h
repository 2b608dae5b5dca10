/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The barest client of RocketMQ's remoting protocol: blocking, JSON headers, answers looked at only for their
 * code. It stands in for a client that costs nothing, so that a figure is the broker's.
 *
 *     0         4            8
 *     | total   | 0 | header length | header (JSON) | body |     both integers big-endian
 *
 * Frame: apache/rocketmq remoting/src/main/java/org/apache/rocketmq/remoting/protocol/RemotingCommand.java
 */
#ifndef BENCH_RAW_H
#define BENCH_RAW_H

#include "bench/measure.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <unistd.h>

enum { RAW_GET_BROKER_CLUSTER_INFO = 106, RAW_SEND_MESSAGE_V2 = 310, RAW_FRAME_MAX = 128 * 1024 };

/* A connection to loopback, or -1. */
static inline int raw_connect(int port)
{
	struct sockaddr_in address = {.sin_family = AF_INET,
	    .sin_port = htons((uint16_t)port),
	    .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;

	if (fd < 0)
		return -1;
	if (connect(fd, (struct sockaddr *)&address, sizeof(address))) {
		close(fd);
		return -1;
	}
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	return fd;
}

static inline bool raw_write(int fd, const void *bytes, size_t length)
{
	const char *at = bytes;

	while (length) {
		ssize_t wrote = send(fd, at, length, MSG_NOSIGNAL);

		if (wrote <= 0)
			return false;
		at += wrote;
		length -= (size_t)wrote;
	}
	return true;
}

/* Lays out one frame in `frame` (RAW_FRAME_MAX bytes); its length, 0 when it does not fit. */
static inline size_t raw_frame(char *frame, const char *header, const void *body, size_t body_length)
{
	size_t header_length = strlen(header);
	uint32_t total = htonl((uint32_t)(4 + header_length + body_length));
	uint32_t mark = htonl((uint32_t)header_length);

	if (8 + header_length + body_length > RAW_FRAME_MAX)
		return 0;
	memcpy(frame, &total, 4);
	memcpy(frame + 4, &mark, 4);
	memcpy(frame + 8, header, header_length);
	if (body_length)
		memcpy(frame + 8 + header_length, body, body_length);
	return 8 + header_length + body_length;
}

/* Received bytes of a connection that are not taken yet. */
struct raw_input {
	size_t start, end;
	char bytes[RAW_FRAME_MAX];
};

/* The next whole answer: header and its length, valid until the next call. False when the peer is gone. */
static inline bool raw_answer(int fd, struct raw_input *input, const char **header, size_t *header_length,
    const char **body, size_t *body_length)
{
	uint32_t total = 0, mark;

	for (;;) {
		size_t have = input->end - input->start;
		ssize_t got;

		if (have >= 8) {
			memcpy(&total, input->bytes + input->start, 4);
			total = ntohl(total);
			if (total < 4 || total > RAW_FRAME_MAX - 4)
				return false;
			if (have >= total + 4)
				break;
		}
		if (input->start) {
			memmove(input->bytes, input->bytes + input->start, have);
			input->start = 0;
			input->end = have;
		}
		got = recv(fd, input->bytes + input->end, sizeof(input->bytes) - input->end, 0);
		if (got <= 0)
			return false;
		input->end += (size_t)got;
	}
	memcpy(&mark, input->bytes + input->start + 4, 4);
	*header_length = ntohl(mark) & 0xffffff;
	if (*header_length > total - 4)
		return false;
	*header = input->bytes + input->start + 8;
	*body = *header + *header_length;
	*body_length = total - 4 - *header_length;
	input->start += total + 4;
	return true;
}

/* Whether an answer's header says code 0, success. */
static inline bool raw_succeeded(const char *header, size_t length)
{
	const char *code = memmem(header, length, "\"code\":", 7);

	return code && code + 8 < header + length && code[7] == '0' && (code[8] == ',' || code[8] == '}');
}

#endif
