/* SPDX-License-Identifier: Apache-2.0 */
#include "binder/redis/link.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/numbers.h"
#include "binder/redis/client.h"
#include "binder/redis/connect.h"
#include "binder/redis/greet.h"

enum {
	READ_BYTES = 128 << 10,
	REPLY_MAX = 1 << 30, /* bytes of one reply; above it the server is not one */
	OUT_MAX = 1 << 30,
	DENIED_RETRY_MS = 1000
};

static void say_address(const struct rv__redis_link *link, char *text, size_t size)
{
	snprintf(text, size, "%s:%u", link->endpoint.host, (unsigned)link->endpoint.port);
}

void rv__redis_link_enter(struct rv__redis_link *link, enum rv__redis_link_state state)
{
	link->state = state;
	link->since_ms = link->client->now_ms;
	rv__redis_client_tend_at(link->client, link->since_ms);
}

/* -- epoll ---------------------------------------------------------------------------------- */

void rv__redis_link_watch(struct rv__redis_link *link, unsigned events)
{
	struct epoll_event event = {.events = events, .data.ptr = link};

	if (link->watched == events || link->fd < 0)
		return;
	if (epoll_ctl(
	        link->client->epoll_fd, link->watched ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, link->fd, &event) == 0)
		link->watched = events;
}

/* -- requests --------------------------------------------------------------------------------- */

struct rv__buffer *rv__redis_link_out(struct rv__redis_link *link)
{
	if (!link->flushing) {
		link->flushing = true;
		link->next_flush = link->client->to_flush;
		link->client->to_flush = link;
	}
	return &link->out;
}

void rv__redis_link_ask(struct rv__redis_link *link, struct rv__redis_request *request)
{
	request->next = NULL;
	request->link = link;
	if (request->replies == 0)
		request->replies = 1;
	link->due += request->replies;
	if (!link->first) {
		link->asked_ms = link->client->now_ms;
		rv__redis_client_tend_at(link->client, link->asked_ms + link->silence_ms);
	}
	*link->last = request;
	link->last = &request->next;
}

void rv__redis_link_ask_more(struct rv__redis_link *link, struct rv__redis_request *request, size_t replies)
{
	request->replies += replies;
	link->due += replies;
}

static void pop_request(struct rv__redis_link *link)
{
	struct rv__redis_request *request = link->first;

	link->first = request->next;
	if (!link->first)
		link->last = &link->first;
	request->next = NULL;
	request->link = NULL;
}

static void ignore(struct rv__redis_request *request, const struct rv__redis_answer *answer)
{
	(void)answer;
	if (request->replies == 0)
		free(request);
}

void rv__redis_request_cancel(struct rv__redis_request *request)
{
	struct rv__redis_link *link = request->link;
	struct rv__redis_request *stand_in = link ? malloc(sizeof *stand_in) : NULL, **at;

	if (!link)
		return;
	if (!stand_in) {
		struct rv_error why;

		/* Without somebody to take its replies the row would be out of step. */
		request->done = ignore;
		rv_error_set(&why, RV_E_NOMEM, RV__N_REDIS_NOMEM, RV__REDIS_TOPIC, "no memory for a request");
		for (at = &link->first; *at != request;)
			at = &(*at)->next;
		*at = request->next;
		if (link->last == &request->next)
			link->last = at;
		request->link = NULL;
		rv__redis_link_drop(link, &why);
		return;
	}
	*stand_in = *request;
	stand_in->done = ignore;
	stand_in->tree = false;
	for (at = &link->first; *at != request;)
		at = &(*at)->next;
	*at = stand_in;
	if (link->last == &request->next)
		link->last = &stand_in->next;
	request->link = NULL;
	request->next = NULL;
}

static void fail_requests(struct rv__redis_link *link, const struct rv_error *why)
{
	struct rv__redis_answer answer = {.trouble = RV__REDIS_LOST, .why = why};
	/* Only those that are under way now: whoever is told may ask again once the link is up. */
	struct rv__redis_request *request = link->first;

	link->first = NULL;
	link->last = &link->first;
	link->due = 0;
	while (request) {
		struct rv__redis_request *next = request->next;

		request->next = NULL;
		request->link = NULL;
		request->replies = 0;
		request->done(request, &answer);
		request = next;
	}
}

/* -- losing -------------------------------------------------------------------------------------- */

void rv__redis_link_forget_socket(struct rv__redis_link *link)
{
	if (link->fd >= 0)
		close(link->fd); /* leaves the epoll set by itself */
	link->fd = -1;
	link->watched = 0;
	link->wakes_at = 1;
	rv__redis_link_rest(link);
}

static void close_socket(struct rv__redis_link *link)
{
	if (link->lookup)
		rv__redis_lookup_forget(link->lookup);
	link->lookup = NULL;
	if (link->session)
		link->client->transport->end(link->session);
	link->session = NULL;
	rv__redis_link_forget_socket(link);
	rv__buffer_finish(&link->in);
	rv__buffer_finish(&link->out);
	link->in = (struct rv__buffer)RV__BUFFER_INIT(REPLY_MAX);
	link->out = (struct rv__buffer)RV__BUFFER_INIT(OUT_MAX);
	link->in_at = link->out_at = link->asked_at = 0;
	link->answered = link->asking_answered = false;
	link->framer = (struct rv__resp_framer){0};
	if (link->reader)
		redisReaderFree(link->reader);
	link->reader = NULL;
	link->client_id = 0;
}

void rv__redis_link_drop(struct rv__redis_link *link, const struct rv_error *why)
{
	struct rv__redis_client *client = link->client;
	struct rv_error kept = *why;

	if (link->state == RV__REDIS_LINK_DOWN)
		return;
	if (link->answered && link->state == RV__REDIS_LINK_OPEN)
		link->failures = 0; /* whoever takes connections and says nothing was not there */
	link->failures++;
	link->why = kept;
	link->denied = kept.code == RV_E_DENIED;
	if (link->events->answered)
		link->events->answered(link);
	close_socket(link);
	link->retry_ms =
	    client->now_ms + (link->denied ? DENIED_RETRY_MS : rv__redis_back_off_ms(client, link->failures));
	rv__redis_link_enter(link, RV__REDIS_LINK_DOWN);
	rv__redis_client_tend_at(client, link->retry_ms);
	atomic_fetch_add_explicit(&client->reconnects, 1, memory_order_relaxed);
	fail_requests(link, &kept);
	if (!link->doomed)
		link->events->lost(link, &kept);
}

void rv__redis_link_lose(struct rv__redis_link *link, const char *what, const char *why)
{
	struct rv_error error;
	char address[RV__REDIS_HOST_MAX + 8];

	say_address(link, address, sizeof address);
	rv_error_set(&error, RV_E_UNAVAILABLE, RV__N_REDIS_LOST, RV__REDIS_TOPIC, "redis %s %s: %s", address,
	    what, why);
	rv__redis_link_drop(link, &error);
}

void rv__redis_link_greeted(struct rv__redis_link *link)
{
	if (link->answered)
		link->failures = 0;
	link->denied = false;
	link->seen = true;
	link->why = (struct rv_error){0};
	rv__redis_link_enter(link, RV__REDIS_LINK_OPEN);
	link->events->opened(link);
}

/* -- replies --------------------------------------------------------------------------------------------- */

static redisReply *make_tree(struct rv__redis_link *link, const char *reply, size_t length)
{
	void *tree = NULL;

	if (!link->reader && (link->reader = redisReaderCreate()))
		link->reader->maxbuf = 0;
	if (link->reader && redisReaderFeed(link->reader, reply, length) == REDIS_OK)
		(void)redisReaderGetReply(link->reader, &tree);
	return tree;
}

/* Gives one whole reply to whoever asked. */
static void answer(struct rv__redis_link *link, const char *reply, size_t length)
{
	struct rv__redis_request *request = link->first;
	struct rv__redis_answer said = {.cursor = {.at = reply, .end = reply + length}};
	struct rv_error why;

	link->answered = true;
	if (link->endpoint.asks && link->state == RV__REDIS_LINK_OPEN) {
		link->asking_answered = !link->asking_answered;
		if (link->asking_answered)
			return; /* that was the one to ASKING */
	}
	if (!request) {
		rv__redis_link_lose(link, "is out of step", "it answered what nobody asked");
		return;
	}
	if (*reply == '-') {
		char address[RV__REDIS_HOST_MAX + 8];

		say_address(link, address, sizeof address);
		said.trouble = rv__redis_trouble_of((struct rv_span){reply + 1, length - 3}, address, &why);
		said.why = &why;
	} else if (request->tree && !(said.tree = make_tree(link, reply, length))) {
		rv__redis_link_lose(
		    link, "answered what cannot be read", link->reader ? link->reader->errstr : "no memory");
		return;
	}
	link->due--;
	if (--request->replies == 0)
		pop_request(link);
	request->done(request, &said);
	if (said.tree)
		freeReplyObject(said.tree);
}

/* Answers all whole replies. */
static void answer_all(struct rv__redis_link *link)
{
	while (link->in_at < link->in.length && !link->doomed) {
		const char *bytes = (const char *)link->in.bytes + link->in_at;
		size_t length = 0;
		enum rv__resp_framed framed =
		    rv__resp_frame(&link->framer, bytes, link->in.length - link->in_at, &length);

		if (framed == RV__RESP_BROKEN) {
			rv__redis_link_lose(link, "is no Redis server", "its answer breaks the protocol");
			return;
		}
		if (framed == RV__RESP_MORE)
			break;
		link->in_at += length;
		link->answering = true;
		answer(link, bytes, length);
		link->answering = false;
	}
	if (link->events->answered && !link->doomed)
		link->events->answered(link);
	if (link->in_at == link->in.length) {
		link->in.length = link->in_at = 0;
	} else if (link->in_at > READ_BYTES) {
		memmove(link->in.bytes, link->in.bytes + link->in_at, link->in.length - link->in_at);
		link->in.length -= link->in_at;
		link->in_at = 0;
	}
}

static void receive(struct rv__redis_link *link)
{
	while (!link->doomed && link->session) {
		struct rv_error why = {0};
		uint8_t *room = rv__buffer_reserve(&link->in, READ_BYTES);
		ssize_t n;

		if (!room) {
			rv__redis_link_lose(link, "answered too much",
			    "the reply is beyond all bounds, or there is no memory");
			return;
		}
		n = link->client->transport->read(link->session, room, READ_BYTES, &why);
		if (n == RV__TRANSPORT_AGAIN) {
			rv__redis_link_rest(link);
			return;
		}
		if (n == RV__TRANSPORT_LOST) {
			rv__redis_link_lose(link, "was lost", why.text);
			return;
		}
		link->in.length += (size_t)n;
		link->heard_ms = link->client->now_ms;
		answer_all(link);
	}
}

/*
 * Puts ASKING before each command that was written since the last time: a node takes a key of a slot that is on its way
 * to it from those alone who say so each time. The greeting is about no key.
 */
static void put_asking(struct rv__redis_link *link)
{
	static const char asking[] = "*1\r\n$6\r\nASKING\r\n";
	struct rv__buffer whole = RV__BUFFER_INIT(OUT_MAX);
	struct rv__resp_framer framer = {0};
	const char *bytes = (const char *)link->out.bytes;
	size_t length;

	rv__buffer_add(&whole, bytes + link->out_at, link->asked_at - link->out_at);
	while (link->asked_at < link->out.length &&
	    rv__resp_frame(&framer, bytes + link->asked_at, link->out.length - link->asked_at, &length) ==
	        RV__RESP_WHOLE) {
		rv__buffer_add(&whole, asking, sizeof asking - 1);
		rv__buffer_add(&whole, bytes + link->asked_at, length);
		link->asked_at += length;
	}
	rv__buffer_finish(&link->out);
	link->out = whole;
	link->out_at = 0;
	link->asked_at = whole.length;
}

void rv__redis_link_flush(struct rv__redis_link *link)
{
	if (link->doomed || !link->session || link->state < RV__REDIS_LINK_GREETING)
		return;
	if (link->endpoint.asks && link->state == RV__REDIS_LINK_OPEN && link->asked_at < link->out.length)
		put_asking(link);
	if (rv__buffer_error(&link->out) != RV_OK) {
		if (!link->answering)
			rv__redis_link_lose(link, "cannot be told", "no memory for commands");
		return;
	}
	while (link->out_at < link->out.length) {
		struct rv_error why = {0};
		ssize_t n = link->client->transport->write(
		    link->session, link->out.bytes + link->out_at, link->out.length - link->out_at, &why);

		if (n == RV__TRANSPORT_LOST) {
			if (!link->answering) /* else the end of the turn finds the same */
				rv__redis_link_lose(link, "was lost", why.text);
			return;
		}
		if (n == RV__TRANSPORT_AGAIN)
			break;
		link->out_at += (size_t)n;
	}
	if (link->out_at == link->out.length)
		link->out.length = link->out_at = link->asked_at = 0;
	rv__redis_link_watch(
	    link, EPOLLIN | (link->client->transport->wants_write(link->session) ? EPOLLOUT : 0));
}

void rv__redis_link_handle(struct rv__redis_link *link, unsigned events)
{
	if (link->state == RV__REDIS_LINK_CONNECTING || link->state == RV__REDIS_LINK_HANDSHAKE) {
		rv__redis_link_go_on_connecting(link);
	} else if (link->state >= RV__REDIS_LINK_GREETING) {
		if (events & (EPOLLIN | EPOLLHUP | EPOLLERR))
			receive(link);
		if (events & EPOLLOUT && !link->doomed)
			rv__redis_link_flush(link);
	}
}

/* -- time ------------------------------------------------------------------------------------------------------ */

int64_t rv__redis_link_tend(struct rv__redis_link *link, int64_t now_ms)
{
	int64_t deadline_ms;

	switch (link->state) {
	case RV__REDIS_LINK_DOWN:
		if (!link->wanted || link->doomed)
			return INT64_MAX;
		if (now_ms < link->retry_ms)
			return link->retry_ms;
		rv__redis_link_connect(link);
		return now_ms; /* whatever began has a deadline of its own */
	case RV__REDIS_LINK_OPEN:
		if (!link->first)
			return INT64_MAX;
		deadline_ms =
		    (link->heard_ms > link->asked_ms ? link->heard_ms : link->asked_ms) + link->silence_ms;
		break;
	default:
		deadline_ms = link->since_ms + link->client->settings->connect_timeout_ms;
		break;
	}
	if (now_ms < deadline_ms)
		return deadline_ms;
	if (link->state == RV__REDIS_LINK_OPEN)
		rv__redis_link_lose(link, "is silent", "no answer in time");
	else if (link->state == RV__REDIS_LINK_CONNECTING)
		rv__redis_link_connect_failed(link, "no answer in time");
	else
		rv__redis_link_miss(link, "cannot be reached", "no answer in time");
	return now_ms;
}

/* -- lifecycle ------------------------------------------------------------------------------------------------------ */

struct rv__redis_link *rv__redis_link_create(struct rv__redis_client *client,
    const struct rv__redis_endpoint *endpoint, const char *role, const struct rv__redis_link_events *events,
    void *owner)
{
	struct rv__redis_connecting *link = calloc(1, sizeof *link);
	struct rv__redis_link *public = &link->link;

	if (!link)
		return NULL;
	public->client = client;
	public->endpoint = *endpoint;
	public->role = role;
	public->events = events;
	public->owner = owner;
	public->wanted = true;
	public->greets = true;
	public->silence_ms = client->settings->command_timeout_ms;
	public->fd = -1;
	public->wakes_at = 1;
	public->last = &public->first;
	public->in = (struct rv__buffer)RV__BUFFER_INIT(REPLY_MAX);
	public->out = (struct rv__buffer)RV__BUFFER_INIT(OUT_MAX);
	public->next = client->links;
	client->links = public;
	rv__redis_client_tend_at(client, client->now_ms);
	return public;
}

void rv__redis_link_destroy(struct rv__redis_link *link)
{
	struct rv_error why;

	if (!link || link->doomed)
		return;
	link->doomed = true;
	link->wanted = false;
	link->state = RV__REDIS_LINK_DOWN;
	if (link->events->answered)
		link->events->answered(link);
	close_socket(link);
	rv_error_set(&why, RV_E_CLOSED, 0, RV__REDIS_TOPIC, "the connection is closed");
	fail_requests(link, &why);
	link->client->has_doomed = true;
}

void rv__redis_link_free(struct rv__redis_link *link)
{
	struct rv__redis_link **at;

	for (at = &link->client->to_flush; *at && *at != link;)
		at = &(*at)->next_flush;
	if (*at)
		*at = link->next_flush;
	rv__buffer_finish(&link->out); /* somebody may have written to it after the end */
	free(link);
}

void rv__redis_link_redirect(struct rv__redis_link *link, const struct rv__redis_endpoint *endpoint)
{
	struct rv_error why;

	if (rv__redis_endpoint_equal(&link->endpoint, endpoint))
		return;
	link->endpoint = *endpoint;
	rv_error_set(
	    &why, RV_E_UNAVAILABLE, RV__N_REDIS_LOST, RV__REDIS_TOPIC, "the key moved to another server");
	rv__redis_link_drop(link, &why);
	link->retry_ms = 0;
	link->failures = 0;
	rv__redis_client_tend_at(link->client, link->client->now_ms);
}
