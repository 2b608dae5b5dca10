/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Channels on Redis Streams against a bare pipelining loop of hiredis in the same program, the same bytes and headers on
 * the wire:
 *
 *     bench-redis PORT …                                          see pairs.h
 *
 * The binder comes from RIVULET_BINDER_PATH.
 */
#include "bench/flow.h"
#include "bench/measure.h"
#include "bench/pairs.h"

#include <hiredis/hiredis.h>

#include <stdarg.h>

enum { WINDOW = 512, READ = 256 };

static int port;

/* What our binder writes for the headers of flow.h, with the id's digits. */
#define HEADERS_START \
	"{\"" FLOW_HEADER_1 "\":\"" FLOW_VALUE_1 "\",\"" FLOW_HEADER_2 "\":\"" FLOW_VALUE_2 \
	"\",\"messageId\":\""
#define HEADERS_END "\"}"

static redisContext *open_context(void)
{
	redisContext *context = redisConnect("127.0.0.1", port);

	if (context && !context->err)
		return context;
	pairs_failed("redis", context ? context->errstr : "no memory");
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
		pairs_failed(format, reply ? reply->str : context->errstr);
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

/* -- sending ---------------------------------------------------------------------- */

static bool take_answers(redisContext *context, long n)
{
	bool ok = true;

	for (long i = 0; i < n; i++) {
		void *reply = NULL;

		if (redisGetReply(context, &reply) != REDIS_OK)
			return pairs_failed("redis", context->errstr);
		ok = ok && ((redisReply *)reply)->type == REDIS_REPLY_STRING;
		freeReplyObject(reply);
	}
	return ok || pairs_failed("XADD", "refused");
}

static bool send_to(redisContext *context, const char *key, long count, int64_t *ret_ns)
{
	char payload[FLOW_BYTES];
	char headers[] = HEADERS_START "00000000000000000000000000000000" HEADERS_END;
	const char *words[] = {
	    "XADD", key, "*", "payload", payload, "contentType", "application/json", "headers", headers};
	size_t lengths[] = {4, strlen(key), 1, 7, FLOW_BYTES, 11, 16, 7, sizeof headers - 1};
	long waiting = 0;
	bool ok = true;
	int64_t start = now_ns();

	for (long i = 0; i < count && ok; i++) {
		flow_payload(payload, 0);
		flow_id(headers + sizeof HEADERS_START - 1, (unsigned long)i);
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

static bool send_all(const char *key, long count, int64_t *ret_ns)
{
	redisContext *context = open_context();
	bool ok = context && send_to(context, key, count, ret_ns);

	redisFree(context);
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
static bool receive_from(
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
			return pairs_failed("XACK", context->errstr);
		freeReplyObject(before);
		freeReplyObject(reply);
		before = reply = NULL;
		if (redisGetReply(context, (void **)&reply) != REDIS_OK)
			return pairs_failed("XREADGROUP", context->errstr);
		n = take_entries(reply, words + 3, lengths + 3, &bytes);
		received += (long)n;
	} while (n > 0);
	freeReplyObject(reply);
	*ret_ns = now_ns() - start;
	return (received >= count && bytes > 0) || pairs_failed(key, "the messages did not come");
}

static bool receive_all(const char *key, const char *group, long count, int64_t *ret_ns)
{
	redisContext *context = open_context();
	bool ok = context && command(context, "XGROUP CREATE %s %s 0", key, group) &&
	    receive_from(context, key, group, count, ret_ns);

	redisFree(context);
	return ok;
}

/* -- program ---------------------------------------------------------------------- */

int main(int argc, char **argv)
{
	static char binder[256];
	static const char *const words[] = {"--spring.cloud.stream.default-binder=redis", binder,
	    "--spring.cloud.stream.redis.binder.check-server=false", NULL};
	static const struct pairs_client client = {
	    .program = "bench-redis",
	    .where = "PORT",
	    .receiving = "receive and acknowledge",
	    .words = words,
	    .send = send_all,
	    .receive = receive_all,
	    .remove = delete_stream,
	};

	port = argc > 1 ? (int)number(argv[1], 1, 65535) : 0;
	snprintf(binder, sizeof binder, "--spring.cloud.stream.redis.binder.nodes=127.0.0.1:%d", port);
	return pairs_main(&client, argc, argv);
}
