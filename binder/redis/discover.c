/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How many partitions the destination has: the field `partitions` of the hash "{<destination>}:rivulet", written by
 * producers (provision.c), looked at now and then, since a producer with more may come at any time. While nobody has
 * written it there is one stream, named as the destination.
 */
#include <stdlib.h>
#include <string.h>

#include "binder/redis/consumer.h"
#include "binder/redis/producer.h"

enum { SINGLE_LOOK_MS = 1000, LOOK_MS = 5000, TRY_MS = 100 };

struct rv__redis_discovery {
	struct rv__redis_request request;
	struct rv__redis_consumer *consumer;
	struct rv__redis_route route; /* its key is owned */
	int64_t next_ms;
	int32_t partitions; /* 0: not known yet */
};

static bool add_slot(struct rv__redis_consumer *consumer, int32_t partition, int32_t count)
{
	unsigned id = atomic_load(&consumer->slot_count);
	char *key = rv__redis_key(consumer->client->settings, consumer->destination, partition, count);
	struct rv__redis_slot *slot;

	for (unsigned i = 0; key && i < id; i++) {
		if (strcmp(consumer->slots[i]->key, key) == 0) {
			free(key);
			return true;
		}
	}
	if (!key || id == RV__REDIS_SLOTS_MAX) {
		free(key);
		return false;
	}
	slot = rv__redis_slot_create(consumer, id, partition, key);
	if (!slot)
		return false;
	slot->late = consumer->discovered;
	consumer->slots[id] = slot;
	atomic_store_explicit(&consumer->slot_count, id + 1, memory_order_release);
	return true;
}

/* With partitioned=true the instances share the partitions out by their index; else every member reads them all. */
static bool is_ours(const struct rv__redis_consumer *consumer, int32_t partition)
{
	return !consumer->partitioned ||
	    rv_is_own_partition(partition, consumer->instance_count, consumer->instance_index,
	        consumer->instances, consumer->instances_count);
}

static bool add_slots(struct rv__redis_consumer *consumer, int32_t count)
{
	bool made = true;

	for (int32_t i = 0; i < count; i++)
		if (is_ours(consumer, i) && !add_slot(consumer, i, count))
			made = false;
	return made;
}

static int32_t parse(struct rv_span text)
{
	int32_t number = 0;

	for (size_t i = 0; text.bytes && i < text.length && number <= RV__REDIS_PARTITIONS_MAX; i++) {
		if (text.bytes[i] < '0' || text.bytes[i] > '9')
			return 1;
		number = number * 10 + (text.bytes[i] - '0');
	}
	if (number < 1)
		return 1;
	return number > RV__REDIS_PARTITIONS_MAX ? RV__REDIS_PARTITIONS_MAX : number;
}

static void on_partitions(struct rv__redis_request *request, const struct rv__redis_answer *answer)
{
	struct rv__redis_discovery *discovery = (struct rv__redis_discovery *)request;
	struct rv__redis_consumer *consumer = discovery->consumer;
	struct rv__redis_client *client = consumer->client;
	struct rv__resp_cursor cursor = answer->cursor;
	int32_t partitions;

	if (answer->trouble != RV__REDIS_FINE) {
		if (answer->trouble != RV__REDIS_LOST) {
			rv__redis_route_refused(client, &discovery->route, answer);
			rv__redis_consumer_troubled(consumer, answer->why);
		}
		discovery->next_ms = client->now_ms + TRY_MS;
		rv__redis_client_tend_at(client, discovery->next_ms);
		return;
	}
	partitions = parse(rv__resp_get_text(&cursor));
	discovery->next_ms = client->now_ms + (partitions > 1 ? LOOK_MS : SINGLE_LOOK_MS);
	rv__redis_client_tend_at(client, discovery->next_ms);
	if (partitions == discovery->partitions)
		return;
	if (add_slots(consumer, partitions))
		discovery->partitions = partitions;
	consumer->discovered = true;
	rv__redis_client_tend_at(client, client->now_ms);
	rv__redis_consumer_judge(consumer);
}

static struct rv__redis_discovery *create(struct rv__redis_consumer *consumer)
{
	struct rv__redis_discovery *discovery = calloc(1, sizeof *discovery);
	char *whole = rv__redis_key(consumer->client->settings, consumer->destination, 0, 1);

	if (discovery && whole)
		discovery->route.key = rv__redis_helper_key(whole, "rivulet");
	free(whole);
	if (!discovery || !discovery->route.key) {
		free(discovery);
		return NULL;
	}
	discovery->route.length = strlen(discovery->route.key);
	discovery->consumer = consumer;
	return discovery;
}

int64_t rv__redis_discover(struct rv__redis_consumer *consumer, int64_t now_ms)
{
	struct rv__redis_discovery *discovery = consumer->discovery;
	struct rv__redis_link *link;

	if (!discovery && !(discovery = consumer->discovery = create(consumer)))
		return now_ms + TRY_MS;
	if (discovery->request.link)
		return INT64_MAX;
	if (now_ms < discovery->next_ms)
		return discovery->next_ms;
	link = rv__redis_route_link(consumer->client, &discovery->route);
	if (!link)
		return INT64_MAX; /* when it opens, everything is tended */
	rv__resp_words(rv__redis_link_out(link), "HGET", discovery->route.key, "partitions", NULL);
	discovery->request = (struct rv__redis_request){.done = on_partitions};
	rv__redis_link_ask(link, &discovery->request);
	return INT64_MAX;
}

void rv__redis_discovery_destroy(struct rv__redis_consumer *consumer)
{
	struct rv__redis_discovery *discovery = consumer->discovery;

	if (!discovery)
		return;
	rv__redis_request_cancel(&discovery->request);
	rv__redis_route_clear(&discovery->route);
	free((char *)discovery->route.key);
	free(discovery);
	consumer->discovery = NULL;
}
