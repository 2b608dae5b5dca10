/* SPDX-License-Identifier: Apache-2.0 */
/* One stream as a producer writes it: from the inbox to the link, replies to completions, and what is written again. */
#include <stdlib.h>
#include <string.h>

#include "base/numbers.h"
#include "binder/redis/foreign.h"
#include "binder/redis/producer.h"

enum {
	ENCODED_MAX = 1 << 30,
	KEPT_BYTES = 1 << 20, /* of an encoding buffer between bursts */
	FULL_PAUSE_MS = 100,  /* after OOM */
	/* While so many replies are due, senders leave less than a burst for the thread that will see them: fewer and longer
	 * writes, which the server reads with fewer calls. */
	AWAITED_LEAST = 32,
	BURST_MESSAGES = 256,
	BURST_BYTES = 64 << 10
};

static struct rv__redis_send *at(struct rv__redis_lane *lane, size_t index)
{
	return &lane->ring[(lane->head_at + index) & (lane->room - 1)];
}

static bool encode(
    const struct rv__redis_lane *lane, struct rv__buffer *out, const struct rv__redis_send *send)
{
	int64_t format = lane->producer->settings->format;
	const char *source = lane->producer->client->env->application;

	if (format == RV__REDIS_FORMAT_NATIVE)
		return rv__redis_encode(out, &lane->head, send->message, send->bare);
	return rv__redis_encode_as(out, &lane->head, send->message, send->bare, (enum rv__redis_format)format,
	    source && *source ? source : "rivulet");
}

/* -- the inbox, on the sender's thread --------------------------------------------------------------- */

static bool grow_sends(struct rv__redis_sends *sends)
{
	size_t room = sends->room ? sends->room * 2 : 64;
	struct rv__redis_send *items = realloc(sends->items, room * sizeof *items);

	if (!items)
		return false;
	sends->items = items;
	sends->room = room;
	return true;
}

bool rv__redis_lane_put(struct rv__redis_lane *lane, const struct rv_outbound *outbound, int64_t deadline_ms)
{
	struct rv__redis_send *send;
	size_t length;

	if (lane->inbox.count == lane->inbox.room && !grow_sends(&lane->inbox))
		return false;
	(void)rv_message_payload(outbound->message, &length);
	send = &lane->inbox.items[lane->inbox.count++];
	*send = (struct rv__redis_send){.message = rv_message_ref(outbound->message),
	    .arg = outbound->arg,
	    .deadline_ms = deadline_ms,
	    .bytes = (uint32_t)length + 256,
	    .bare = outbound->bare,
	    .refused =
	        !outbound->destination && outbound->partition >= 0 && outbound->partition != lane->partition};
	/* Encoded where the message is warm; what cannot be written at once is encoded later, from the message. */
	if (!lane->skipped)
		lane->skipped = send->refused || !atomic_load_explicit(&lane->flows, memory_order_relaxed) ||
		    !encode(lane, &lane->encoded, send);
	return true;
}

bool rv__redis_lane_rings(struct rv__redis_lane *lane)
{
	bool leaves = atomic_load_explicit(&lane->awaits, memory_order_relaxed) &&
	    lane->inbox.count < BURST_MESSAGES && lane->encoded.length < BURST_BYTES;

	if (lane->posted)
		return false;
	lane->posted = !leaves;
	atomic_store_explicit(&lane->left, leaves, memory_order_relaxed);
	return !leaves;
}

/* -- writing, on the I/O thread ------------------------------------------------------------------------ */

static void on_added(struct rv__redis_request *request, const struct rv__redis_answer *answer);
static void on_replicas(struct rv__redis_request *request, const struct rv__redis_answer *answer);

/* Expects so many more replies of this lane: with those that end the row, if they are this lane's, too. */
static bool expect(struct rv__redis_lane *lane, struct rv__redis_link *link, size_t replies)
{
	struct rv__redis_burst *burst = lane->bursts;

	if (replies >= AWAITED_LEAST)
		atomic_store_explicit(&lane->awaits, true, memory_order_relaxed);
	if (burst && link->last == &burst->request.next) {
		burst->request.replies += replies;
		return true;
	}
	burst = lane->spare_bursts;
	if (burst)
		lane->spare_bursts = burst->next;
	else if (!(burst = malloc(sizeof *burst)))
		return false;
	*burst = (struct rv__redis_burst){
	    .request = {.done = on_added, .replies = replies}, .lane = lane, .next = lane->bursts};
	lane->bursts = burst;
	rv__redis_link_ask(link, &burst->request);
	return true;
}

/* Behind what was just written: WAIT answers when so many replicas have all of it, or the time is over. */
static void ask_replicas(struct rv__redis_lane *lane, struct rv__redis_link *link)
{
	const struct rv__redis_producer_settings *settings = lane->producer->settings;
	struct rv__buffer *out = rv__redis_link_out(link);

	if (settings->wait_replicas <= 0)
		return;
	rv__resp_array(out, 3);
	rv__resp_text(out, "WAIT");
	rv__resp_number(out, settings->wait_replicas);
	rv__resp_number(out, settings->wait_timeout_ms);
	lane->bursts->waits = true;
	lane->bursts->wait = (struct rv__redis_request){.done = on_replicas};
	rv__redis_link_ask(link, &lane->bursts->wait);
}

/* No reply is due that would bring us back to the inbox. */
static void end_awaiting(struct rv__redis_lane *lane)
{
	bool ring;

	pthread_mutex_lock(&lane->lock);
	atomic_store_explicit(&lane->awaits, false, memory_order_relaxed);
	ring = atomic_load_explicit(&lane->left, memory_order_relaxed) && !lane->listed && !lane->posted;
	lane->posted |= ring;
	pthread_mutex_unlock(&lane->lock);
	if (ring)
		rv__inbox_post(&lane->producer->client->inbox, &lane->op);
}

static void drop_burst(struct rv__redis_lane *lane, struct rv__redis_burst *burst)
{
	struct rv__redis_burst **link = &lane->bursts;

	while (*link != burst)
		link = &(*link)->next;
	*link = burst->next;
	burst->next = lane->spare_bursts;
	lane->spare_bursts = burst;
	if (!lane->bursts && atomic_load_explicit(&lane->awaits, memory_order_relaxed))
		end_awaiting(lane);
}

static bool is_held(const struct rv__redis_lane *lane, const struct rv__redis_node *node)
{
	int64_t now_ms = lane->producer->client->now_ms;

	return lane->again || now_ms < lane->held_until_ms || (node->full && now_ms < node->full_until_ms);
}

/* The link to write to now, or NULL. */
static struct rv__redis_link *way(struct rv__redis_lane *lane)
{
	struct rv__redis_client *client = lane->producer->client;
	struct rv__redis_link *link =
	    lane->producer->provisioned ? rv__redis_route_link(client, &lane->route) : NULL;

	if (!link || is_held(lane, lane->route.node))
		return NULL;
	/* Replies come in the order of writing only from one link: the answers of the former come first. */
	return lane->bursts && lane->bursts->request.link != link ? NULL : link;
}

void rv__redis_lane_dispatch(struct rv__redis_lane *lane)
{
	struct rv__redis_link *link = way(lane);
	struct rv__buffer *out;
	size_t before = lane->written, length;

	atomic_store_explicit(&lane->flows, link != NULL, memory_order_relaxed);
	if (!link || lane->written == lane->count)
		return;
	out = rv__redis_link_out(link);
	length = out->length;
	for (; lane->written < lane->count; lane->written++) {
		const struct rv__redis_send *send = at(lane, lane->written);

		if (!encode(lane, out, send))
			break;
	}
	if (lane->written == before)
		return;
	if (expect(lane, link, lane->written - before)) {
		ask_replicas(lane, link);
	} else {
		out->length = length; /* no memory: they stay unsent until something is answered */
		lane->written = before;
	}
}

static bool grow_ring(struct rv__redis_lane *lane, size_t count)
{
	size_t room = lane->room ? lane->room : 64;
	struct rv__redis_send *ring;

	while (room < count)
		room *= 2;
	if (room == lane->room)
		return true;
	ring = malloc(room * sizeof *ring);
	if (!ring)
		return false;
	for (size_t i = 0; i < lane->count; i++)
		ring[i] = *at(lane, i);
	free(lane->ring);
	lane->ring = ring;
	lane->head_at = 0;
	lane->room = room;
	return true;
}

static void refuse(struct rv__redis_lane *lane, struct rv__redis_send *send)
{
	struct rv_error why;
	size_t count = atomic_load(&lane->producer->lanes)->count;

	rv_error_set(&why, RV_E_INVALID, RV__N_REDIS_PARTITION, RV__REDIS_TOPIC,
	    "destination '%s' has %zu partitions, and the message names another; raise "
	    "producer.partition-count or "
	    "correct the choice",
	    lane->producer->destination, count);
	rv__redis_complete(lane, send, (struct rv_span){0}, &why);
}

/* Everything into the ring but what is refused. */
static void enqueue(struct rv__redis_lane *lane, struct rv__redis_sends *sends)
{
	struct rv_error why;
	bool fits = grow_ring(lane, lane->count + sends->count);

	for (size_t i = 0; i < sends->count; i++) {
		struct rv__redis_send *send = &sends->items[i];

		if (!fits) {
			rv_error_set(&why, RV_E_NOMEM, RV__N_REDIS_NOMEM, RV__REDIS_TOPIC,
			    "no memory for what is being sent");
			rv__redis_complete(lane, send, (struct rv_span){0}, &why);
		} else if (send->refused) {
			refuse(lane, send);
		} else {
			lane->count++;
			*at(lane, lane->count - 1) = *send;
		}
	}
	sends->count = 0;
}

/* What senders put into the inbox goes out. `posted`: by its operation, which alone does so while that is posted. */
static void take_inbox(struct rv__redis_lane *lane, bool posted)
{
	struct rv__redis_link *link;
	struct rv__redis_sends sends;
	struct rv__buffer encoded;
	size_t count;
	bool skipped;

	pthread_mutex_lock(&lane->lock);
	if (lane->posted != posted || lane->inbox.count == 0) {
		lane->posted &= !posted;
		pthread_mutex_unlock(&lane->lock);
		return;
	}
	sends = lane->inbox;
	encoded = lane->encoded;
	skipped = lane->skipped;
	lane->inbox = lane->spare;
	lane->encoded = lane->spare_encoded;
	lane->skipped = lane->posted = false;
	atomic_store_explicit(&lane->left, false, memory_order_relaxed);
	pthread_mutex_unlock(&lane->lock);

	count = sends.count;
	link = skipped || lane->written < lane->count ? NULL : way(lane);
	if (link && grow_ring(lane, lane->count + count) && expect(lane, link, count)) {
		rv__buffer_add(rv__redis_link_out(link), encoded.bytes, encoded.length);
		ask_replicas(lane, link);
		enqueue(lane, &sends);
		lane->written += count;
	} else {
		enqueue(lane, &sends);
		rv__redis_lane_dispatch(lane);
		if (lane->written < lane->count) /* their deadlines */
			rv__redis_client_tend_at(lane->producer->client, lane->producer->client->now_ms);
	}
	lane->spare = sends;
	if (encoded.capacity > KEPT_BYTES)
		rv__buffer_finish(&encoded);
	rv__buffer_clear(&encoded);
	encoded.limit = ENCODED_MAX;
	lane->spare_encoded = encoded;
}

static void run_lane(struct rv__op *op)
{
	take_inbox((struct rv__redis_lane *)op, true);
}

void rv__redis_lanes_take_left(struct rv__redis_client *client)
{
	while (client->left) {
		struct rv__redis_lane *lane = client->left;

		client->left = lane->next_left;
		lane->listed = false;
		take_inbox(lane, false);
	}
}

static void list_left(struct rv__redis_lane *lane)
{
	struct rv__redis_client *client = lane->producer->client;

	if (lane->listed || !atomic_load_explicit(&lane->left, memory_order_relaxed))
		return;
	lane->listed = true;
	lane->next_left = client->left;
	client->left = lane;
}

/* -- replies -------------------------------------------------------------------------------------------- */

/* Takes what is completed off the head. */
static void trim_head(struct rv__redis_lane *lane)
{
	while (lane->answered > 0 && !at(lane, 0)->message) {
		lane->head_at = (lane->head_at + 1) & (lane->room - 1);
		lane->count--;
		lane->written--;
		lane->answered--;
	}
}

/* Nothing is under way any more: what is left of the written goes back in front of the unsent, in order. */
static void take_back(struct rv__redis_lane *lane)
{
	size_t kept = 0, dropped;

	/* From the back, so that the survivors end up right before the unsent. */
	for (size_t i = lane->written; i-- > 0;) {
		struct rv__redis_send send = *at(lane, i);

		send.stored = false;
		if (send.message)
			*at(lane, lane->written - ++kept) = send;
	}
	dropped = lane->written - kept;
	lane->head_at = (lane->head_at + dropped) & (lane->room - 1);
	lane->count -= dropped;
	lane->written = lane->answered = 0;
	lane->again = false;
	atomic_store_explicit(&lane->flows, false, memory_order_relaxed);
}

/* That one will be written again, and nothing newer before it. */
static void keep_for_later(struct rv__redis_lane *lane, const struct rv__redis_answer *answer)
{
	struct rv__redis_client *client = lane->producer->client;
	enum { PAUSE_MS = 100, REROUTE_MS = 20 };

	lane->again = true;
	lane->held_until_ms = client->now_ms + (answer->trouble == RV__REDIS_LATER ? PAUSE_MS : REROUTE_MS);
	lane->producer->trouble = *answer->why;
	if (answer->trouble == RV__REDIS_ELSEWHERE || answer->trouble == RV__REDIS_ASK)
		rv__redis_route_refused(client, &lane->route, answer);
}

static void fail_one(
    struct rv__redis_lane *lane, struct rv__redis_send *send, const struct rv__redis_answer *answer)
{
	struct rv__redis_node *node = lane->route.node;

	if (answer->trouble == RV__REDIS_FULL && node) {
		node->full = true;
		node->full_until_ms = lane->producer->client->now_ms + FULL_PAUSE_MS;
		atomic_store_explicit(&lane->flows, false, memory_order_relaxed);
		rv__redis_client_tend_at(lane->producer->client, node->full_until_ms);
	}
	rv__redis_complete(lane, send, (struct rv_span){0}, answer->why);
}

static void complete_one(
    struct rv__redis_lane *lane, struct rv__redis_send *send, struct rv__resp_cursor cursor)
{
	struct rv_span id = rv__resp_get_text(&cursor);
	struct rv_error why;

	if (id.bytes && !cursor.failed) {
		if (lane->route.node && lane->route.node->full)
			lane->route.node->full = false;
		send->stored =
		    lane->producer->settings->wait_replicas > 0 && rv__redis_id_parse(id, &send->id);
		if (send->stored)
			return; /* until on_replicas() */
		rv__redis_complete(lane, send, id, NULL);
		return;
	}
	rv_error_set(&why, RV_E_NOTFOUND, RV__N_REDIS_NO_STREAM, RV__REDIS_TOPIC,
	    "there is no stream '%s' and auto-create is false; make it, or allow "
	    "spring.cloud.stream.redis.binder.auto-create",
	    lane->key);
	rv__redis_complete(lane, send, (struct rv_span){0}, &why);
}

static bool is_for_later(enum rv__redis_trouble trouble)
{
	return trouble == RV__REDIS_LATER || trouble == RV__REDIS_ELSEWHERE || trouble == RV__REDIS_ASK;
}

/* What follows an answer: nothing is under way any more, or there is room again. */
static void go_on(struct rv__redis_lane *lane)
{
	struct rv__redis_client *client = lane->producer->client;

	if (lane->again && !lane->bursts) {
		take_back(lane);
		rv__redis_client_tend_at(client, lane->held_until_ms);
	} else if (lane->written == 0 && lane->count > 0) {
		rv__redis_client_tend_at(client, client->now_ms);
	}
}

static void on_lost(struct rv__redis_lane *lane, struct rv__redis_burst *burst, const struct rv_error *why)
{
	if (!burst->waits || !burst->wait.link)
		drop_burst(lane, burst); /* else with its last answer */
	lane->producer->trouble = *why;
	take_back(lane); /* all bursts of a lane are on one link: the others will find nothing left to do */
	rv__redis_client_tend_at(lane->producer->client, lane->producer->client->now_ms);
}

static void on_added(struct rv__redis_request *request, const struct rv__redis_answer *answer)
{
	struct rv__redis_burst *burst = (struct rv__redis_burst *)request;
	struct rv__redis_lane *lane = burst->lane;
	struct rv__redis_send *send;

	if (answer->trouble == RV__REDIS_LOST) {
		on_lost(lane, burst, answer->why);
		return;
	}
	list_left(lane);
	send = at(lane, lane->answered++);
	if (answer->trouble == RV__REDIS_FINE)
		complete_one(lane, send, answer->cursor);
	else if (is_for_later(answer->trouble))
		keep_for_later(lane, answer);
	else
		fail_one(lane, send, answer);
	trim_head(lane);
	if (request->replies == 0 && !burst->waits)
		drop_burst(lane, burst);
	go_on(lane);
}

/* -- replicas ---------------------------------------------------------------------------------------------- */

/* All that is stored by now was written before that WAIT: replies come in order. */
static void complete_stored(struct rv__redis_lane *lane, const struct rv_error *why)
{
	enum { AT_ONCE = 64 };
	char texts[AT_ONCE][RV__REDIS_ID_ROOM];
	size_t told = 0;

	for (size_t i = 0; i < lane->answered; i++) {
		struct rv__redis_send *send = at(lane, i);
		char *text = texts[told % AT_ONCE];

		if (!send->message || !send->stored)
			continue;
		if (told++ % AT_ONCE == 0)
			rv__redis_complete_flush(lane->producer->client);
		rv__redis_complete(
		    lane, send, (struct rv_span){text, rv__redis_id_print(send->id, text)}, why);
	}
	rv__redis_complete_flush(lane->producer->client);
}

static void too_few(struct rv__redis_lane *lane, int64_t replicas)
{
	const struct rv__redis_producer_settings *settings = lane->producer->settings;
	struct rv_error why;

	rv_error_set(&why, RV_E_UNAVAILABLE, RV__N_REDIS_REPLICAS, RV__REDIS_TOPIC,
	    "Redis stored the message in '%s', but %lld of %lld replicas confirmed it within %lld ms; send "
	    "it again where "
	    "a duplicate does no harm, bring replicas back, or lower producer.wait-replicas",
	    lane->key, (long long)replicas, (long long)settings->wait_replicas,
	    (long long)settings->wait_timeout_ms);
	complete_stored(lane, &why);
}

static void on_replicas(struct rv__redis_request *request, const struct rv__redis_answer *answer)
{
	struct rv__redis_burst *burst = RV__OWNER(request, struct rv__redis_burst, wait);
	struct rv__redis_lane *lane = burst->lane;
	struct rv__resp_cursor cursor = answer->cursor;

	if (answer->trouble == RV__REDIS_LOST) {
		on_lost(lane, burst, answer->why);
		return;
	}
	drop_burst(lane, burst);
	if (is_for_later(answer->trouble)) {
		keep_for_later(lane, answer); /* the server changed its role: what it stored may be gone */
	} else if (answer->trouble != RV__REDIS_FINE) {
		complete_stored(lane, answer->why);
	} else {
		int64_t replicas = rv__resp_get_integer(&cursor);

		if (replicas >= lane->producer->settings->wait_replicas)
			complete_stored(lane, NULL);
		else
			too_few(lane, replicas);
	}
	trim_head(lane);
	go_on(lane);
}

/* -- time ------------------------------------------------------------------------------------------------ */

static void expire(struct rv__redis_lane *lane, struct rv__redis_send *send, const struct rv_error *why)
{
	const struct rv__redis_producer *producer = lane->producer;
	struct rv_error late;

	if (!why) {
		rv_error_set(&late, RV_E_TIMEOUT, RV__N_REDIS_SEND_TIMEOUT, RV__REDIS_TOPIC,
		    "a message for '%s' found no way to Redis within %lld ms%s%.300s; send it again where a "
		    "duplicate "
		    "does no harm",
		    lane->key, (long long)producer->send_timeout_ms,
		    producer->trouble.code != RV_OK ? ": " : "",
		    producer->trouble.code != RV_OK ? producer->trouble.text : "");
		why = &late;
	}
	rv__redis_complete(lane, send, (struct rv_span){0}, why);
}

int64_t rv__redis_lane_tend(struct rv__redis_lane *lane, int64_t now_ms, const struct rv_error *why)
{
	if (why) {
		while (lane->bursts) {
			struct rv__redis_burst *burst = lane->bursts;

			rv__redis_request_cancel(&burst->request);
			if (burst->waits)
				rv__redis_request_cancel(&burst->wait);
			drop_burst(lane, burst);
		}
		if (lane->count > 0)
			take_back(lane);
	}
	/* Deadlines rise with the order of sending, but for what the caller's time-out changed. */
	while (lane->written == 0 && lane->count > 0 && (why || at(lane, 0)->deadline_ms <= now_ms)) {
		struct rv__redis_send send = *at(lane, 0);

		lane->head_at = (lane->head_at + 1) & (lane->room - 1);
		lane->count--;
		expire(lane, &send, why);
	}
	rv__redis_lane_dispatch(lane);
	if (lane->written > 0 || lane->count == 0)
		return INT64_MAX; /* the answers to what is written come first */
	if (lane->held_until_ms > now_ms)
		return lane->held_until_ms;
	if (lane->route.node && lane->route.node->full && lane->route.node->full_until_ms > now_ms)
		return lane->route.node->full_until_ms;
	return at(lane, lane->written)->deadline_ms;
}

/* -- lifecycle --------------------------------------------------------------------------------------------- */

static void make_head(struct rv__redis_lane *lane)
{
	const struct rv__redis_producer_settings *settings = lane->producer->settings;
	struct rv__redis_head *head = &lane->head;

	rv__resp_text(&head->words, "XADD");
	rv__resp_text(&head->words, lane->key);
	head->count = 2;
	if (!lane->producer->client->settings->auto_create) {
		rv__resp_text(&head->words, "NOMKSTREAM");
		head->count++;
	}
	if (settings->trimming == RV__REDIS_TRIM_EAGER && settings->max_length > 0) {
		rv__resp_text(&head->words, "MAXLEN");
		rv__resp_text(&head->words, "~");
		rv__resp_number(&head->words, settings->max_length);
		head->count += 3;
	}
	rv__resp_text(&head->words, "*");
	head->count++;
}

struct rv__redis_lane *rv__redis_lane_create(
    struct rv__redis_producer *producer, int32_t partition, char *key)
{
	struct rv__redis_lane *lane = calloc(1, sizeof *lane);

	if (!lane) {
		free(key);
		return NULL;
	}
	lane->op.run = run_lane;
	lane->producer = producer;
	lane->partition = partition;
	lane->key = key;
	lane->route = (struct rv__redis_route){.key = key, .length = strlen(key)};
	lane->encoded.limit = lane->spare_encoded.limit = ENCODED_MAX;
	pthread_mutex_init(&lane->lock, NULL);
	make_head(lane);
	if (rv__buffer_error(&lane->head.words) == RV_OK)
		return lane;
	rv__redis_lane_destroy(lane);
	return NULL;
}

void rv__redis_lane_destroy(struct rv__redis_lane *lane)
{
	struct rv__redis_burst *burst = lane->spare_bursts;

	while (burst) {
		struct rv__redis_burst *next = burst->next;

		free(burst);
		burst = next;
	}
	rv__redis_route_clear(&lane->route);
	rv__buffer_finish(&lane->head.words);
	rv__buffer_finish(&lane->encoded);
	rv__buffer_finish(&lane->spare_encoded);
	free(lane->inbox.items);
	free(lane->spare.items);
	free(lane->ring);
	pthread_mutex_destroy(&lane->lock);
	free(lane->key);
	free(lane);
}
