/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Making a destination: how many partitions it has stands in the hash "{<destination>}:rivulet", field `partitions`, where
 * consumers find it; it only ever grows. Then the groups that are required, from the first message on.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/numbers.h"
#include "binder/redis/producer.h"

/* Raises the number, and tells what it is now. */
static const char widen[] =
    "local have = tonumber(redis.call('HGET', KEYS[1], 'partitions') or '0') "
    "local want = tonumber(ARGV[1]) "
    "if want > have then redis.call('HSET', KEYS[1], 'partitions', want) return want end "
    "return have";

struct rv__redis_provision {
	struct rv__redis_request request;
	struct rv__redis_producer *producer;
	char *destination; /* key of the destination, owned */
	struct rv__redis_route meta;
	int32_t partitions;           /* known from the first answer on */
	int32_t partition;            /* whose groups are being made */
	size_t group;                 /* … this one */
	struct rv__redis_route route; /* to that partition; its key is owned */
};

static void finish(struct rv__redis_provision *provision)
{
	provision->producer->provision = NULL;
	rv__redis_route_clear(&provision->meta);
	rv__redis_route_clear(&provision->route);
	free((char *)provision->meta.key);
	free((char *)provision->route.key);
	free(provision->destination);
	free(provision);
}

static void fail(struct rv__redis_provision *provision, const struct rv_error *why)
{
	struct rv__redis_producer *producer = provision->producer;
	struct rv_error kept = *why;

	finish(provision);
	rv__redis_producer_provisioned(producer, 0, &kept);
}

static void fail_for_memory(struct rv__redis_provision *provision)
{
	struct rv_error why;

	rv_error_set(&why, RV_E_NOMEM, RV__N_REDIS_NOMEM, RV__REDIS_TOPIC, "no memory to make a destination");
	fail(provision, &why);
}

static void fail_for_way(struct rv__redis_provision *provision, struct rv__redis_route *route)
{
	struct rv_error why;

	if (route->node && route->node->link->why.code != RV_OK)
		why = route->node->link->why;
	else
		rv_error_set(&why, RV_E_UNAVAILABLE, RV__N_REDIS_LOST, RV__REDIS_TOPIC,
		    "no connection to Redis is open yet");
	fail(provision, &why);
}

static bool next_route(struct rv__redis_provision *provision)
{
	char *key = rv__redis_key(provision->producer->client->settings, provision->producer->destination,
	    provision->partition, provision->partitions);

	rv__redis_route_clear(&provision->route);
	free((char *)provision->route.key);
	provision->route = (struct rv__redis_route){.key = key, .length = key ? strlen(key) : 0};
	return key;
}

static void make_group(struct rv__redis_provision *provision);

static void on_group(struct rv__redis_request *request, const struct rv__redis_answer *answer)
{
	struct rv__redis_provision *provision = (struct rv__redis_provision *)request;

	if (answer->trouble != RV__REDIS_FINE && answer->trouble != RV__REDIS_BUSY_GROUP) {
		rv__redis_route_refused(provision->producer->client, &provision->route, answer);
		fail(provision, answer->why);
		return;
	}
	provision->group++;
	make_group(provision);
}

static void make_group(struct rv__redis_provision *provision)
{
	struct rv__redis_producer *producer = provision->producer;
	struct rv__redis_link *link;

	if (provision->group == producer->group_count) {
		provision->group = 0;
		provision->partition++;
	}
	if (producer->group_count == 0 || provision->partition == provision->partitions) {
		int32_t partitions = provision->partitions;

		finish(provision);
		rv__redis_producer_provisioned(producer, partitions, NULL);
		return;
	}
	if (provision->group == 0 && !next_route(provision)) {
		fail_for_memory(provision);
		return;
	}
	link = rv__redis_route_link(producer->client, &provision->route);
	if (!link) {
		fail_for_way(provision, &provision->route);
		return;
	}
	rv__resp_words(rv__redis_link_out(link), "XGROUP", "CREATE", provision->route.key,
	    producer->groups[provision->group], "0",
	    producer->client->settings->auto_create ? "MKSTREAM" : NULL, NULL);
	provision->request = (struct rv__redis_request){.done = on_group};
	rv__redis_link_ask(link, &provision->request);
}

static void on_meta(struct rv__redis_request *request, const struct rv__redis_answer *answer)
{
	struct rv__redis_provision *provision = (struct rv__redis_provision *)request;
	struct rv__resp_cursor cursor = answer->cursor;
	struct rv_span text;
	int32_t partitions = 0;

	if (answer->trouble != RV__REDIS_FINE) {
		rv__redis_route_refused(provision->producer->client, &provision->meta, answer);
		fail(provision, answer->why);
		return;
	}
	text = rv__resp_get_text(&cursor);
	for (size_t i = 0; text.bytes && i < text.length && partitions <= RV__REDIS_PARTITIONS_MAX; i++)
		partitions = text.bytes[i] >= '0' && text.bytes[i] <= '9'
		    ? partitions * 10 + (text.bytes[i] - '0')
		    : 0;
	if (partitions > RV__REDIS_PARTITIONS_MAX)
		partitions = RV__REDIS_PARTITIONS_MAX;
	if (partitions < provision->producer->wanted)
		partitions = provision->producer->wanted;
	provision->partitions = partitions < 1 ? 1 : partitions;
	make_group(provision);
}

void rv__redis_producer_provision(struct rv__redis_producer *producer)
{
	struct rv__redis_provision *provision = calloc(1, sizeof *provision);
	struct rv__redis_link *link;

	if (!provision)
		return; /* the next look tries again */
	producer->provision = provision;
	provision->producer = producer;
	provision->destination = rv__redis_key(producer->client->settings, producer->destination, 0, 1);
	provision->meta.key =
	    provision->destination ? rv__redis_helper_key(provision->destination, "rivulet") : NULL;
	if (!provision->meta.key) {
		fail_for_memory(provision);
		return;
	}
	provision->meta.length = strlen(provision->meta.key);
	link = rv__redis_route_link(producer->client, &provision->meta);
	if (!link) {
		fail_for_way(provision, &provision->meta);
		return;
	}
	if (producer->wanted > 1 && producer->client->settings->auto_create) {
		char number[RV__RESP_NUMBER_ROOM];

		snprintf(number, sizeof number, "%d", (int)producer->wanted);
		rv__resp_words(
		    rv__redis_link_out(link), "EVAL", widen, "1", provision->meta.key, number, NULL);
	} else {
		rv__resp_words(rv__redis_link_out(link), "HGET", provision->meta.key, "partitions", NULL);
	}
	provision->request = (struct rv__redis_request){.done = on_meta};
	rv__redis_link_ask(link, &provision->request);
}

void rv__redis_producer_provision_cancel(struct rv__redis_producer *producer)
{
	if (!producer->provision)
		return;
	rv__redis_request_cancel(&producer->provision->request);
	finish(producer->provision);
}
