/* SPDX-License-Identifier: Apache-2.0 */
/* One stream as a consumer reads it: its group or its end, and what it needs as time passes. */
#include <stdlib.h>
#include <string.h>

#include "base/numbers.h"
#include "binder/redis/consumer.h"

enum { RETRY_MS = 100, ABSENT_MS = 500, DENIED_MS = 1000 };

static struct rv__redis_slot *slot_of(struct rv__redis_request *request)
{
	return RV__OWNER(request, struct rv__redis_slot, request);
}

static void retry(struct rv__redis_slot *slot, int64_t pause_ms)
{
	slot->state = RV__REDIS_SLOT_NEW;
	slot->retry_ms = slot->consumer->client->now_ms + pause_ms;
	rv__redis_client_tend_at(slot->consumer->client, slot->retry_ms);
}

static void ready(struct rv__redis_slot *slot)
{
	struct rv__redis_consumer *consumer = slot->consumer;

	slot->regroup = false;
	slot->late = true; /* should it have to be made again */
	slot->state = consumer->group ? RV__REDIS_SLOT_DRAIN : RV__REDIS_SLOT_READY;
	if (consumer->group)
		rv__redis_claim_own(slot);
	rv__redis_client_tend_at(consumer->client, consumer->client->now_ms);
	rv__redis_consumer_judge(consumer);
	if (consumer->started)
		rv__redis_read(consumer);
}

void rv__redis_slot_refused(struct rv__redis_slot *slot, const struct rv__redis_answer *answer)
{
	struct rv__redis_client *client = slot->consumer->client;

	if (answer->trouble == RV__REDIS_ELSEWHERE || answer->trouble == RV__REDIS_ASK)
		rv__redis_route_refused(client, &slot->route, answer);
	if (answer->trouble != RV__REDIS_LOST && slot->state == RV__REDIS_SLOT_READY)
		retry(slot, answer->trouble == RV__REDIS_DENIED ? DENIED_MS : RETRY_MS);
	rv__redis_consumer_troubled(slot->consumer, answer->why);
}

/* -- the group ------------------------------------------------------------------------------------ */

static bool is_absent(const struct rv__redis_answer *answer)
{
	/* "ERR no such key", "ERR The XGROUP subcommand requires the key to exist …" */
	return answer->trouble == RV__REDIS_REFUSED &&
	    (strstr(answer->why->text, "no such key") ||
	        strstr(answer->why->text, "requires the key to exist"));
}

static void failed(struct rv__redis_slot *slot, const struct rv__redis_answer *answer)
{
	retry(slot, answer->trouble == RV__REDIS_DENIED ? DENIED_MS : RETRY_MS);
	rv__redis_slot_refused(slot, answer);
}

static void ask(struct rv__redis_slot *slot, struct rv__redis_link *link,
    void (*done)(struct rv__redis_request *, const struct rv__redis_answer *), bool tree)
{
	slot->state = RV__REDIS_SLOT_ASKED;
	slot->request = (struct rv__redis_request){.done = done, .tree = tree};
	rv__redis_link_ask(link, &slot->request);
}

static void on_reset(struct rv__redis_request *request, const struct rv__redis_answer *answer)
{
	struct rv__redis_slot *slot = slot_of(request);

	if (answer->trouble != RV__REDIS_FINE) {
		failed(slot, answer);
		return;
	}
	slot->reset = true;
	ready(slot);
}

static const char *start_of(const struct rv__redis_slot *slot)
{
	return slot->consumer->settings->start == RV__REDIS_LATEST && !slot->late ? "$" : "0";
}

/* auto-create is false: it comes when somebody makes it. One that was never there is no trouble of those that are. */
static void await_stream(struct rv__redis_slot *slot)
{
	struct rv_error why;

	retry(slot, ABSENT_MS);
	if (slot->consumer->up && !slot->late) {
		rv__redis_consumer_judge(slot->consumer);
		return;
	}
	rv_error_set(&why, RV_E_NOTFOUND, RV__N_REDIS_NO_STREAM, RV__REDIS_TOPIC,
	    "there is no stream '%s' and auto-create is false; make it, or allow "
	    "spring.cloud.stream.redis.binder.auto-create",
	    slot->key);
	rv__redis_consumer_troubled(slot->consumer, &why);
}

static void on_group(struct rv__redis_request *request, const struct rv__redis_answer *answer)
{
	struct rv__redis_slot *slot = slot_of(request);
	struct rv__redis_consumer *consumer = slot->consumer;
	struct rv__redis_link *link = rv__redis_route_link(consumer->client, &slot->route);

	if (is_absent(answer)) {
		await_stream(slot);
		return;
	}
	if (answer->trouble != RV__REDIS_FINE && answer->trouble != RV__REDIS_BUSY_GROUP) {
		failed(slot, answer);
		return;
	}
	if (!consumer->settings->reset_offsets || slot->reset || consumer->instance_index != 0 ||
	    answer->trouble == RV__REDIS_FINE || !link) {
		ready(slot);
		return;
	}
	rv__resp_words(
	    rv__redis_link_out(link), "XGROUP", "SETID", slot->key, consumer->group, start_of(slot), NULL);
	ask(slot, link, on_reset, false);
}

static void make_group(struct rv__redis_slot *slot, struct rv__redis_link *link, const char *from)
{
	rv__resp_words(rv__redis_link_out(link), "XGROUP", "CREATE", slot->key, slot->consumer->group, from,
	    slot->consumer->client->settings->auto_create ? "MKSTREAM" : NULL, NULL);
	ask(slot, link, on_group, false);
}

/* -- the end of the stream ----------------------------------------------------------------------------- */

/* The value of a field of XINFO STREAM; empty when it is not there. */
static struct rv_span field(const redisReply *tree, const char *name)
{
	for (size_t i = 0; tree && tree->type == REDIS_REPLY_ARRAY && i + 1 < tree->elements; i += 2)
		if (tree->element[i]->str && strcmp(tree->element[i]->str, name) == 0)
			return (struct rv_span){tree->element[i + 1]->str, tree->element[i + 1]->len};
	return (struct rv_span){NULL, 0};
}

static void on_end(struct rv__redis_request *request, const struct rv__redis_answer *answer)
{
	struct rv__redis_slot *slot = slot_of(request);
	struct rv__redis_link *link = rv__redis_route_link(slot->consumer->client, &slot->route);
	struct rv__redis_id end = {0};
	char from[RV__REDIS_ID_ROOM] = "0";

	if (answer->trouble != RV__REDIS_FINE && !is_absent(answer)) {
		failed(slot, answer);
		return;
	}
	(void)rv__redis_id_parse(field(answer->tree, "last-generated-id"), &end);
	if (!slot->consumer->group) {
		slot->last = end;
		ready(slot);
		return;
	}
	if (!link) {
		retry(slot, RETRY_MS);
		return;
	}
	/* The group goes on behind what was seen, unless the stream itself began anew. */
	if (rv__redis_id_compare(end, slot->last) >= 0)
		(void)rv__redis_id_print(slot->last, from);
	make_group(slot, link, from);
}

static void ask_end(struct rv__redis_slot *slot, struct rv__redis_link *link)
{
	rv__resp_words(rv__redis_link_out(link), "XINFO", "STREAM", slot->key, NULL);
	ask(slot, link, on_end, true);
}

void rv__redis_slot_lost_group(struct rv__redis_slot *slot)
{
	const struct rv__redis_consumer *consumer = slot->consumer;

	if (slot->state < RV__REDIS_SLOT_DRAIN || !consumer->group)
		return;
	consumer->client->env->log(RV_LOG_WARN, RV__REDIS_TOPIC,
	    "channel=%s RV%04d group '%s' of stream '%s' is gone and is made again; messages may have been "
	    "lost: see who "
	    "removed it, and whether the server persists",
	    consumer->binding, RV__N_REDIS_NO_GROUP, consumer->group, slot->key);
	slot->regroup = true;
	retry(slot, 0);
}

static void begin(struct rv__redis_slot *slot, struct rv__redis_link *link)
{
	if (!slot->consumer->group && slot->late)
		ready(slot);
	else if (!slot->consumer->group || slot->regroup)
		ask_end(slot, link);
	else
		make_group(slot, link, start_of(slot));
}

/* -- as time passes --------------------------------------------------------------------------------------- */

static void announce(struct rv__redis_slot *slot)
{
	struct rv__redis_consumer *consumer = slot->consumer;
	struct rv_assignment assignment = {.slot = slot->id, .epoch = 1, .name = slot->key};

	pthread_mutex_lock(&slot->lock);
	slot->epoch = assignment.epoch;
	pthread_mutex_unlock(&slot->lock);
	slot->announced = true;
	consumer->sink_ops->assigned(consumer->sink, &assignment, 1);
}

static void keep_backlog(struct rv__redis_slot *slot)
{
	struct rv__redis_backlog *backlog = &slot->backlog;
	uint32_t indexes[256];
	size_t count = 0;

	for (size_t i = 0; i < backlog->count; i++) {
		const struct rv_inbound *item = &backlog->items[(backlog->head + i) & (backlog->room - 1)];

		indexes[count++] = (uint32_t)item->token.cookie;
		if (count == sizeof indexes / sizeof *indexes) {
			rv__redis_keep(slot, indexes, count);
			count = 0;
		}
	}
	rv__redis_keep(slot, indexes, count);
}

static int64_t earlier(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

int64_t rv__redis_slot_tend(struct rv__redis_slot *slot, int64_t now_ms)
{
	struct rv__redis_consumer *consumer = slot->consumer;
	struct rv__redis_link *link = rv__redis_route_link(consumer->client, &slot->route);
	int64_t next_ms = INT64_MAX;

	if (slot->state == RV__REDIS_SLOT_NEW && link && !consumer->close_call) {
		if (now_ms >= slot->retry_ms)
			begin(slot, link);
		else
			next_ms = slot->retry_ms;
	}
	if (slot->state >= RV__REDIS_SLOT_DRAIN && consumer->started && !slot->announced && !slot->lease)
		announce(slot);
	next_ms = earlier(next_ms, rv__redis_lease_tend(slot, now_ms));
	if (now_ms >= slot->ack_ms)
		rv__redis_tell(slot, true);
	next_ms = earlier(next_ms, slot->ack_ms);
	if (slot->backlog.count == 0) {
		slot->keep_ms = INT64_MAX;
	} else if (now_ms >= slot->keep_ms) {
		keep_backlog(slot);
		slot->keep_ms = now_ms + consumer->settings->claim_idle_ms / 3;
	}
	next_ms = earlier(next_ms, slot->keep_ms);
	return earlier(next_ms, rv__redis_claim_tend(slot, now_ms));
}

bool rv__redis_slot_reads(const struct rv__redis_slot *slot)
{
	/* Of a group's slot this thread alone takes and frees places. */
	bool once = slot->consumer->group && slot->consumer->max_deliveries == 1 && slot->held_count > 0;

	return slot->state == RV__REDIS_SLOT_READY && slot->announced && !slot->refused && !slot->unsure &&
	    !once && slot->backlog.count == 0 && rv__redis_lease_left_ms(slot) > 0;
}

/* The operation: settlements and credit came in. */
static void run_slot(struct rv__op *op)
{
	struct rv__redis_slot *slot = (struct rv__redis_slot *)op;
	struct rv__redis_consumer *consumer = slot->consumer;
	bool credited, many, all;
	uint32_t credit;

	pthread_mutex_lock(&slot->lock);
	slot->posted = false;
	credited = slot->credited;
	credit = slot->credit;
	slot->credited = false;
	many = slot->settled.count >= (size_t)consumer->settings->ack_batch;
	pthread_mutex_unlock(&slot->lock);
	/* The next one waits for the acknowledgement. */
	all = consumer->settings->ack_interval_ms == 0 || slot->claim.alone_cookie ||
	    consumer->max_deliveries == 1;
	if (slot->ack_ms == INT64_MAX || many || all)
		rv__redis_tell(slot, all);
	if (slot->lease) /* it may be drained now */
		rv__redis_client_tend_at(consumer->client, consumer->client->now_ms);
	if (!credited)
		return;
	slot->room = credit;
	slot->refused = false;
	rv__redis_deliver_backlog(slot);
	if (!slot->refused) {
		rv__redis_read(consumer);
		rv__redis_client_tend_at(consumer->client, consumer->client->now_ms); /* claims may go on */
	}
}

/* -- lifecycle ---------------------------------------------------------------------------------------------- */

struct rv__redis_slot *rv__redis_slot_create(
    struct rv__redis_consumer *consumer, uint32_t id, int32_t partition, char *key)
{
	struct rv__redis_slot *slot = calloc(1, sizeof *slot);

	if (slot) {
		slot->claim.ids = calloc(RV__REDIS_CLAIM_PAGE, sizeof *slot->claim.ids);
		slot->claim.deliveries = calloc(RV__REDIS_CLAIM_PAGE, sizeof *slot->claim.deliveries);
	}
	if (!slot || !slot->claim.ids || !slot->claim.deliveries) {
		if (slot) {
			free(slot->claim.ids);
			free(slot->claim.deliveries);
		}
		free(slot);
		free(key);
		return NULL;
	}
	slot->op.run = run_slot;
	slot->consumer = consumer;
	slot->id = id;
	slot->partition = partition;
	slot->key = key;
	slot->route = (struct rv__redis_route){.key = key, .length = strlen(key)};
	slot->free_head = UINT32_MAX;
	slot->room = -1;
	slot->ack_ms = slot->keep_ms = INT64_MAX;
	pthread_mutex_init(&slot->lock, NULL);
	if (consumer->settings->orderly && consumer->group && !rv__redis_lease_create(slot)) {
		rv__redis_slot_destroy(slot);
		return NULL;
	}
	return slot;
}

void rv__redis_slot_destroy(struct rv__redis_slot *slot)
{
	rv__redis_route_clear(&slot->route);
	rv__redis_backlog_drop(slot);
	rv__redis_lease_destroy(slot);
	rv__redis_mixture_destroy(slot);
	free(slot->backlog.items);
	free(slot->claim.ids);
	free(slot->claim.deliveries);
	free(slot->held);
	free(slot->settled.items);
	free(slot->requeued.items);
	free(slot->extended.items);
	free(slot->recounted.items);
	pthread_mutex_destroy(&slot->lock);
	free(slot->key);
	free(slot);
}
