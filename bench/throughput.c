/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How many messages a second a broker acknowledges, asked by a client that costs next to nothing (raw.h).
 *
 *     bench-throughput PORT TOPIC COUNT SIZE WINDOW
 *
 * One connection keeps WINDOW sends (SEND_MESSAGE_V2) unanswered. Prints messages a second and the time from
 * send to answer. Works against any broker that speaks the protocol.
 */
#include "bench/raw.h"

struct load {
	const char *topic;
	long count, size, window;
};

struct sender {
	int fd;
	char frame[RAW_FRAME_MAX];
	char *body;
	int64_t *sent_ns; /* by message */
};

static bool send_one(struct sender *sender, const struct load *load, long number_of)
{
	char header[768];
	size_t length;
	int n = snprintf(header, sizeof(header),
	    "{\"code\":%d,\"extFields\":{\"a\":\"bench\",\"b\":\"%s\",\"c\":\"TBW102\",\"d\":\"4\",\"e\":\"%"
	    "ld\","
	    "\"f\":\"0\",\"g\":\"%lld\",\"h\":\"0\",\"i\":\"\",\"j\":\"0\",\"k\":\"false\",\"m\":\"false\"},"
	    "\"flag\":0,\"language\":\"CPP\",\"opaque\":%ld,\"version\":409}",
	    RAW_SEND_MESSAGE_V2, load->topic, number_of % 4, (long long)time(NULL) * 1000, number_of);

	if (n < 0 || (size_t)n >= sizeof(header))
		return false;
	length = raw_frame(sender->frame, header, sender->body, (size_t)load->size);
	sender->sent_ns[number_of] = now_ns();
	return length && raw_write(sender->fd, sender->frame, length);
}

/* Sends all with the window kept full; took_ns[i] gets the time to the answer. False with a reason on stderr. */
static bool run(struct sender *sender, const struct load *load, int64_t *took_ns)
{
	static struct raw_input input;
	const char *header, *body, *opaque;
	size_t header_length, body_length;
	long sent = 0, answered = 0, which;

	while (answered < load->count) {
		while (sent < load->count && sent - answered < load->window)
			if (!send_one(sender, load, sent++)) {
				fprintf(stderr, "the broker closed the connection\n");
				return false;
			}
		if (!raw_answer(sender->fd, &input, &header, &header_length, &body, &body_length)) {
			fprintf(stderr, "the broker closed the connection\n");
			return false;
		}
		opaque = memmem(header, header_length, "\"opaque\":", 9);
		which = opaque ? strtol(opaque + 9, NULL, 10) : -1;
		if (!raw_succeeded(header, header_length) || which < 0 || which >= load->count) {
			fprintf(stderr, "the broker refused: %.*s\n", (int)header_length, header);
			return false;
		}
		took_ns[which] = now_ns() - sender->sent_ns[which];
		answered++;
	}
	return true;
}

int main(int argc, char **argv)
{
	struct load load;
	static struct sender sender;
	int64_t *took, start, elapsed;
	bool ok;

	if (argc != 6) {
		fprintf(stderr, "usage: bench-throughput PORT TOPIC COUNT SIZE WINDOW\n");
		return 2;
	}
	load = (struct load){.topic = argv[2],
	    .count = number(argv[3], 1, 100000000),
	    .size = number(argv[4], 1, 65536),
	    .window = number(argv[5], 1, 10000)};
	sender.fd = raw_connect((int)number(argv[1], 1, 65535));
	if (sender.fd < 0) {
		fprintf(stderr, "no broker listens at 127.0.0.1:%s\n", argv[1]);
		return 1;
	}
	sender.body = calloc(1, (size_t)load.size);
	sender.sent_ns = calloc((size_t)load.count, sizeof(int64_t));
	took = calloc((size_t)load.count, sizeof(int64_t));
	if (!sender.body || !sender.sent_ns || !took) {
		free(took);
		return 1;
	}
	memset(sender.body, 'x', (size_t)load.size);
	start = now_ns();
	ok = run(&sender, &load, took);
	elapsed = now_ns() - start;
	if (ok) {
		sort_ns(took, (size_t)load.count);
		printf("%.0f messages/s (%ld of %ld bytes, window %ld); answered after %.0f µs at the "
		       "median, %.0f at "
		       "the 99th percentile\n",
		    (double)load.count * 1e9 / (double)elapsed, load.count, load.size, load.window,
		    quantile_us(took, (size_t)load.count, 500), quantile_us(took, (size_t)load.count, 990));
	}
	free(sender.body);
	free(sender.sent_ns);
	free(took);
	close(sender.fd);
	return ok ? 0 : 1;
}
