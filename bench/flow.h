/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One run through channels: messages of FLOW_BYTES with contentType, messageId and two more headers, sent by
 * rv_channel_send_async() from one thread, received by one listener, or one of both. A first message of one byte, which
 * no listener counts, goes before the clock starts.
 */
#ifndef BENCH_FLOW_H
#define BENCH_FLOW_H

#include <stdbool.h>
#include <stdint.h>

#include <rivulet/message.h>

enum { FLOW_BYTES = 70 }; /* what a parking notice has */

/* The two headers of each message beside contentType and messageId. */
#define FLOW_HEADER_1 "plate"
#define FLOW_VALUE_1 "B-12345"
#define FLOW_HEADER_2 "traceparent"
#define FLOW_VALUE_2 "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

struct flow {
	bool sends, receives;
	long count;
	long rate;                 /* messages a second at fixed moments; 0: as fast as it goes */
	int64_t *took_ns;          /* NULL, or from due moment to listener, of each message */
	void (*before_send)(void); /* NULL, or called before each send on its thread */
	void (*on_message)(const rv_message *message, long index); /* NULL, or called first by the listener */
	/* Filled by flow_run(). */
	int64_t sent_ns;     /* from the first send to the last completion */
	int64_t received_ns; /* from the first listener call to the last */
	int64_t both_ns;     /* from the first send to the last listener call */
};

/* The payload of every message; its first 8 bytes are the moment at which it was due. */
void flow_payload(char payload[FLOW_BYTES], int64_t due_ns);

/* What a bare loop has in place of messageId: digits of 32. printf() would cost as much as the rest of a header. */
void flow_id(char id[32], unsigned long number);

/* Runs an application with the arguments until all is sent and received; false with a reason on stderr. */
bool flow_run(struct flow *flow, int argc, char **argv);

#endif
