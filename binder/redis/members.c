/* SPDX-License-Identifier: Apache-2.0 */
/*
 * orderly=true: how many members the group has, so that each takes its share of the streams and no more. The set
 * "{<destination>}:members:<group>" holds their names by the time at which they count no longer; each says now and then
 * that it is there.
 */
#include <stdlib.h>
#include <string.h>

#include "binder/redis/consumer.h"
#include "binder/redis/producer.h"

enum { LOOK_MAX_MS = 2000, TRY_MS = 200 };

struct rv__redis_members {
	struct rv__redis_request request; /* first: it is the way back */
	struct rv__redis_consumer *consumer;
	struct rv__redis_route route; /* its key is owned */
	int64_t next_ms;
	unsigned count; /* 0: not known … */
	bool tried;     /* … and it will not be soon: we take what we get */
};

/* ARGV: our name, how long we count. */
static const char join[] =
    "local time = redis.call('TIME') local now = time[1] * 1000 + math.floor(time[2] / 1000) "
    "redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now) "
    "redis.call('ZADD', KEYS[1], now + ARGV[2], ARGV[1]) "
    "redis.call('PEXPIRE', KEYS[1], ARGV[2]) "
    "return redis.call('ZCARD', KEYS[1])";

static void on_joined(struct rv__redis_request *request, const struct rv__redis_answer *answer)
{
	struct rv__redis_members *members = (struct rv__redis_members *)request;
	struct rv__redis_consumer *consumer = members->consumer;
	struct rv__redis_client *client = consumer->client;
	struct rv__resp_cursor cursor = answer->cursor;
	int64_t look_ms = consumer->settings->lease_ms / 3, count;

	if (answer->trouble != RV__REDIS_FINE) {
		members->next_ms = client->now_ms + TRY_MS;
		members->tried |= answer->trouble == RV__REDIS_DENIED || answer->trouble == RV__REDIS_REFUSED;
		if (answer->trouble == RV__REDIS_ELSEWHERE || answer->trouble == RV__REDIS_ASK)
			rv__redis_route_refused(client, &members->route, answer);
		rv__redis_client_tend_at(client, members->next_ms);
		return;
	}
	count = rv__resp_get_integer(&cursor);
	members->count = count < 1 ? 1 : count > RV__REDIS_SLOTS_MAX ? RV__REDIS_SLOTS_MAX : (unsigned)count;
	members->next_ms = client->now_ms + (look_ms < LOOK_MAX_MS ? look_ms : LOOK_MAX_MS);
	rv__redis_client_tend_at(client, client->now_ms);
}

static struct rv__redis_members *create(struct rv__redis_consumer *consumer)
{
	struct rv__redis_members *members = calloc(1, sizeof *members);
	char *whole = rv__redis_key(consumer->client->settings, consumer->destination, 0, 1);
	char *suffix = rv__redis_suffix("members", consumer->group);

	if (members && whole && suffix)
		members->route.key = rv__redis_helper_key(whole, suffix);
	free(whole);
	free(suffix);
	if (!members || !members->route.key) {
		free(members);
		return NULL;
	}
	members->route.length = strlen(members->route.key);
	members->consumer = consumer;
	return members;
}

int64_t rv__redis_members_tend(struct rv__redis_consumer *consumer, int64_t now_ms)
{
	struct rv__redis_members *members = consumer->members;
	struct rv__redis_link *link;
	char time[RV__RESP_NUMBER_ROOM];

	if (!consumer->settings->orderly || !consumer->group || !consumer->started ||
	    atomic_load(&consumer->stopped))
		return INT64_MAX;
	if (!members && !(members = consumer->members = create(consumer)))
		return now_ms + TRY_MS;
	if (members->request.link)
		return INT64_MAX;
	if (now_ms < members->next_ms)
		return members->next_ms;
	link = rv__redis_route_link(consumer->client, &members->route);
	if (!link)
		return now_ms + TRY_MS;
	time[rv__resp_digits(time, (uint64_t)consumer->settings->lease_ms)] = '\0';
	rv__resp_words(
	    rv__redis_link_out(link), "EVAL", join, "1", members->route.key, consumer->name, time, NULL);
	members->request = (struct rv__redis_request){.done = on_joined};
	rv__redis_link_ask(link, &members->request);
	return INT64_MAX;
}

unsigned rv__redis_members_share(const struct rv__redis_consumer *consumer)
{
	const struct rv__redis_members *members = consumer->members;
	unsigned streams = atomic_load(&consumer->slot_count);

	if (consumer->partitioned && consumer->instance_count > 1)
		return streams; /* shared out by instance-index; the lease looks after doubles */
	if (!members || members->count == 0)
		return members && members->tried ? streams : 0;
	return (streams + members->count - 1) / members->count;
}

void rv__redis_members_leave(struct rv__redis_consumer *consumer)
{
	struct rv__redis_members *members = consumer->members;
	struct rv__redis_link *link;

	if (!members || members->count == 0)
		return;
	members->count = 0;
	link = rv__redis_route_link(consumer->client, &members->route);
	if (link && rv__redis_ask_and_forget(link, 1))
		rv__resp_words(rv__redis_link_out(link), "ZREM", members->route.key, consumer->name, NULL);
}

void rv__redis_members_destroy(struct rv__redis_consumer *consumer)
{
	struct rv__redis_members *members = consumer->members;

	if (!members)
		return;
	rv__redis_request_cancel(&members->request);
	rv__redis_route_clear(&members->route);
	free((char *)members->route.key);
	free(members);
	consumer->members = NULL;
}
