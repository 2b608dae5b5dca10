/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Channels on Redis Streams against a bare pipelining loop of hiredis in the same program, the same bytes and headers on
 * the wire:
 *
 *     bench-redis PORT send|receive COUNT PAIRS
 *     bench-redis PORT send-ours|send-raw|receive-ours|receive-raw COUNT      one run, for a profile
 *
 * The binder comes from RIVULET_BINDER_PATH.
 */
#include "bench/flow.h"
#include "bench/pairs.h"

#include <hiredis/hiredis.h>

#include <stdarg.h>

enum { WORDS = 16, WINDOW = 512, READ = 256, MS = 1000000 };

static int port;

/* What our binder writes for the headers of flow.h, with the id's digits. */
#define HEADERS_START \
	"{\"" FLOW_HEADER_1 "\":\"" FLOW_VALUE_1 "\",\"" FLOW_HEADER_2 "\":\"" FLOW_VALUE_2 \
	"\",\"messageId\":\""
#define HEADERS_END "\"}"

static bool failed(const char *what, const char *why)
{
	fprintf(stderr, "%s: %s\n", what, why);
	return false;
}

/* A name that no run had before. */
static void fresh_name(char *name, size_t size, const char *what)
{
	static int runs;

	snprintf(name, size, "bench-%s-%ld-%d", what, (long)(now_ns() / MS), runs++);
}

static redisContext *open_context(void)
{
	redisContext *context = redisConnect("127.0.0.1", port);

	if (context && !context->err)
		return context;
	failed("redis", context ? context->errstr : "no memory");
	redisFree(context);
	return NULL;
}

/* One command and its answer; false: an error. */
static bool command(redisContext *context, const char *format, ...)
{
	redisReply *reply;
	va_list arguments;
	bool ok;

	va_start(arguments, format);
	reply = redisvCommand(context, format, arguments);
	va_end(arguments);
	ok = reply && reply->type != REDIS_REPLY_ERROR;
	if (!ok)
		failed(format, reply ? reply->str : context->errstr);
	freeReplyObject(reply);
	return ok;
}

/* Gives the server its memory back. */
static void delete_stream(const char *key)
{
	redisContext *context = open_context();

	if (context)
		command(context, "DEL %s", key);
	redisFree(context);
}

/* An application's words: the common ones, then those given. */
static bool run_ours(struct flow *flow, const char *destination, const char *group)
{
	char words[WORDS][256];
	char *argv[WORDS];
	int n = 0;

#define WORD(...) snprintf(words[n++], sizeof words[0], __VA_ARGS__)
	WORD("bench");
	WORD("--spring.config.location=");
	WORD("--logging.level.root=warn");
	WORD("--spring.cloud.stream.default-binder=redis");
	WORD("--spring.cloud.stream.redis.binder.nodes=127.0.0.1:%d", port);
	WORD("--spring.cloud.stream.redis.binder.check-server=false");
	if (flow->sends)
		WORD("--spring.cloud.stream.bindings.output.destination=%s", destination);
	if (flow->receives) {
		WORD("--spring.cloud.stream.bindings.input.destination=%s", destination);
		WORD("--spring.cloud.stream.bindings.input.group=%s", group);
	}
#undef WORD
	for (int i = 0; i < n; i++)
		argv[i] = words[i];
	return flow_run(flow, n, argv);
}

/* -- sending ---------------------------------------------------------------------- */

static bool take_answers(redisContext *context, long n)
{
	bool ok = true;

	for (long i = 0; i < n; i++) {
		void *reply = NULL;

		if (redisGetReply(context, &reply) != REDIS_OK)
			return failed("redis", context->errstr);
		ok = ok && ((redisReply *)reply)->type == REDIS_REPLY_STRING;
		freeReplyObject(reply);
	}
	return ok || failed("XADD", "refused");
}

static bool raw_send_to(redisContext *context, const char *key, long count, int64_t *ret_ns)
{
	char payload[FLOW_BYTES];
	char headers[512];
	const char *words[] = {
	    "XADD", key, "*", "payload", payload, "contentType", "application/json", "headers", headers};
	size_t lengths[] = {4, strlen(key), 1, 7, FLOW_BYTES, 11, 16, 7, 0};
	long waiting = 0;
	bool ok = true;
	int64_t start = now_ns();

	for (long i = 0; i < count && ok; i++) {
		flow_payload(payload, 0);
		lengths[8] = (size_t)snprintf(headers, sizeof headers, HEADERS_START "%032lX" HEADERS_END, i);
		ok = redisAppendCommandArgv(context, 9, words, lengths) == REDIS_OK;
		/* Half of the window stays on the way. */
		if (++waiting == WINDOW) {
			ok = ok && take_answers(context, WINDOW / 2);
			waiting -= WINDOW / 2;
		}
	}
	ok = ok && take_answers(context, waiting);
	*ret_ns = now_ns() - start;
	return ok;
}

static bool raw_send(void *unused, long count, int64_t *ret_ns)
{
	redisContext *context = open_context();
	char key[64];
	bool ok;

	(void)unused;
	fresh_name(key, sizeof key, "raw");
	ok = context && raw_send_to(context, key, count, ret_ns);
	redisFree(context);
	delete_stream(key);
	return ok;
}

static bool our_send(void *unused, long count, int64_t *ret_ns)
{
	struct flow flow = {.sends = true, .count = count};
	char key[64];
	bool ok;

	(void)unused;
	fresh_name(key, sizeof key, "ours");
	ok = run_ours(&flow, key, NULL);
	*ret_ns = flow.sent_ns;
	delete_stream(key);
	return ok;
}

/* -- receiving -------------------------------------------------------------------- */

/* The entries of one stream; their ids go to `ids`, their bytes are looked at. */
static size_t take_entries(const redisReply *reply, const char **ids, size_t *lengths, size_t *bytes)
{
	const redisReply *entries = reply->type == REDIS_REPLY_ARRAY ? reply->element[0]->element[1] : NULL;

	for (size_t i = 0; entries && i < entries->elements; i++) {
		const redisReply *id = entries->element[i]->element[0],
		                 *fields = entries->element[i]->element[1];

		ids[i] = id->str;
		lengths[i] = id->len;
		for (size_t k = 0; k < fields->elements; k++)
			*bytes += fields->element[k]->len;
	}
	return entries ? entries->elements : 0;
}

/* Reads and acknowledges: what a read brought is acknowledged together with the next read. */
static bool raw_receive_from(
    redisContext *context, const char *key, const char *group, long count, int64_t *ret_ns)
{
	const char *words[READ + 3] = {"XACK", key, group};
	size_t lengths[READ + 3] = {4, strlen(key), strlen(group)};
	size_t bytes = 0, n = 0;
	redisReply *reply = NULL, *before = NULL;
	int64_t start = now_ns();
	long received = 0;

	do {
		if (n > 0)
			redisAppendCommandArgv(context, (int)n + 3, words, lengths);
		redisAppendCommand(
		    context, "XREADGROUP GROUP %s raw COUNT %d STREAMS %s >", group, READ, key);
		if (n > 0 && redisGetReply(context, (void **)&before) != REDIS_OK)
			return failed("XACK", context->errstr);
		freeReplyObject(before);
		freeReplyObject(reply);
		before = reply = NULL;
		if (redisGetReply(context, (void **)&reply) != REDIS_OK)
			return failed("XREADGROUP", context->errstr);
		n = take_entries(reply, words + 3, lengths + 3, &bytes);
		received += (long)n;
	} while (n > 0);
	freeReplyObject(reply);
	*ret_ns = now_ns() - start;
	return (received >= count && bytes > 0) || failed(key, "the messages did not come");
}

static bool raw_receive(void *key, long count, int64_t *ret_ns)
{
	redisContext *context = open_context();
	char group[64];
	bool ok;

	fresh_name(group, sizeof group, "raw");
	ok = context && command(context, "XGROUP CREATE %s %s 0", (char *)key, group) &&
	    raw_receive_from(context, key, group, count, ret_ns) &&
	    command(context, "XGROUP DESTROY %s %s", (char *)key, group);
	redisFree(context);
	return ok;
}

static bool our_receive(void *key, long count, int64_t *ret_ns)
{
	struct flow flow = {.receives = true, .count = count};
	redisContext *context = open_context();
	char group[64];
	bool ok;

	fresh_name(group, sizeof group, "ours");
	ok = context && run_ours(&flow, key, group) &&
	    command(context, "XGROUP DESTROY %s %s", (char *)key, group);
	*ret_ns = flow.received_ns;
	redisFree(context);
	return ok;
}

/* -- program ---------------------------------------------------------------------- */

static bool with_filled_stream(pairs_fn one, long count, long pairs)
{
	struct flow flow = {.sends = true, .count = count};
	struct pairs_run took;
	char key[64];
	bool ok;

	fresh_name(key, sizeof key, "receive");
	ok = run_ours(&flow, key, NULL);
	if (ok)
		ok = one
		    ? pairs_one(one, key, count, &took)
		    : pairs_print("receive and acknowledge", pairs, count, raw_receive, our_receive, key);
	if (ok && one)
		pairs_print_one(count, &took);
	delete_stream(key);
	return ok;
}

static bool once(pairs_fn one, long count)
{
	struct pairs_run took;
	bool ok = pairs_one(one, NULL, count, &took);

	if (ok)
		pairs_print_one(count, &took);
	return ok;
}

int main(int argc, char **argv)
{
	const char *what = argc > 3 ? argv[2] : "";
	long count = argc > 3 ? number(argv[3], 1, 100000000) : 0;
	long pairs = argc > 4 ? number(argv[4], 1, PAIRS_MAX) : 0;
	bool ok = false;

	port = argc > 1 ? (int)number(argv[1], 1, 65535) : 0;
	if (!strcmp(what, "send") && pairs)
		ok = pairs_print("send", pairs, count, raw_send, our_send, NULL);
	else if (!strcmp(what, "receive") && pairs)
		ok = with_filled_stream(NULL, count, pairs);
	else if (!strcmp(what, "send-raw") || !strcmp(what, "send-ours"))
		ok = once(what[5] == 'r' ? raw_send : our_send, count);
	else if (!strcmp(what, "receive-raw") || !strcmp(what, "receive-ours"))
		ok = with_filled_stream(what[8] == 'r' ? raw_receive : our_receive, count, 0);
	else
		fprintf(stderr,
		    "usage: bench-redis PORT send|receive COUNT PAIRS | send-raw|send-ours|receive-raw|"
		    "receive-ours COUNT\n");
	return ok ? 0 : 1;
}
