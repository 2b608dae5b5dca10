/* SPDX-License-Identifier: Apache-2.0 */
/* What of a lane is under way: replies to completions, what is kept for another time, and replicas that are waited for. */
#include <stdlib.h>

#include "base/numbers.h"
#include "binder/redis/lane.h"

enum {
	/* So many replies due, and senders leave less than a burst for the thread that will see them (inbox.c). */
	AWAITED_LEAST = 32,
	FULL_PAUSE_MS = 100 /* after OOM */
};

static void on_added(struct rv__redis_request *request, const struct rv__redis_answer *answer);
static void on_replicas(struct rv__redis_request *request, const struct rv__redis_answer *answer);

bool rv__redis_burst_expect(struct rv__redis_lane *lane, struct rv__redis_link *link, size_t replies)
{
	struct rv__redis_burst *burst = lane->bursts;

	if (replies >= AWAITED_LEAST)
		atomic_store_explicit(&lane->awaits, true, memory_order_relaxed);
	if (burst && link->last == &burst->request.next) {
		rv__redis_link_ask_more(link, &burst->request, replies);
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

void rv__redis_burst_wait(struct rv__redis_lane *lane, struct rv__redis_link *link)
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

static void drop_burst(struct rv__redis_lane *lane, struct rv__redis_burst *burst)
{
	struct rv__redis_burst **link = &lane->bursts;

	while (*link != burst)
		link = &(*link)->next;
	*link = burst->next;
	burst->next = lane->spare_bursts;
	lane->spare_bursts = burst;
	if (!lane->bursts && atomic_load_explicit(&lane->awaits, memory_order_relaxed))
		rv__redis_lane_end_awaiting(lane);
}

void rv__redis_bursts_cancel(struct rv__redis_lane *lane)
{
	while (lane->bursts) {
		struct rv__redis_burst *burst = lane->bursts;

		rv__redis_request_cancel(&burst->request);
		if (burst->waits)
			rv__redis_request_cancel(&burst->wait);
		drop_burst(lane, burst);
	}
}

/* -- replies -------------------------------------------------------------------------------------------- */

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
		rv__redis_lane_take_back(lane);
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
	rv__redis_lane_take_back(
	    lane); /* all bursts of a lane are on one link: the others will find nothing left to do */
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
	rv__redis_lane_list_left(lane);
	send = rv__redis_lane_at(lane, lane->answered++);
	if (answer->trouble == RV__REDIS_FINE)
		complete_one(lane, send, answer->cursor);
	else if (is_for_later(answer->trouble))
		keep_for_later(lane, answer);
	else
		fail_one(lane, send, answer);
	rv__redis_lane_trim(lane);
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
		struct rv__redis_send *send = rv__redis_lane_at(lane, i);
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
	rv__redis_lane_trim(lane);
	go_on(lane);
}
