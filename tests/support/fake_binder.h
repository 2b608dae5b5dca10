/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A scripted binder of type `fake`: the test plays the broker. What the core does is recorded,
 * what the broker says is called by the test. One per process.
 */
#ifndef SUPPORT_FAKE_BINDER_H
#define SUPPORT_FAKE_BINDER_H

#include <check.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rivulet/binder.h>
#include <rivulet/rivulet.h>

#include "binder/registry.h"
#include "bindings/inspect.h"
#include "tests/support/wait.h"

enum { FAKE_MAX = 4096 };

static struct fake {
	pthread_mutex_t lock;
	/* The script. */
	rv_err open_code, bind_code; /* answered while not RV_OK */
	bool waiting;                /* of the bind calls */
	const char *why;             /* told by a producer's bind that waits; NULL: nothing */
	bool redelivers, dead_letter, queued_is_sent;
	bool core_dead_letters; /* … made by the core */
	int32_t dead_letter_partitions, max_deliveries;
	int32_t partitions;     /* answered by a producer's bind; 0: not known yet */
	int32_t delivery_count; /* given with deliveries */
	size_t room;            /* send() accepts so many more */
	int64_t hold_ms;        /* of REQUEUE */
	rv_err settle_code;
	rv_err acknowledge_code; /* nothing is settled while not RV_OK */
	/* The record. */
	int opens, binds, unbinds, stops, pauses, resumes;
	const struct rv_producer_sink *producer_sink;
	void *producer;
	const struct rv_consumer_sink *consumer_sink;
	void *consumer;
	struct rv_consumer_spec consumer_spec; /* numbers only: its texts are gone */
	void *pending[FAKE_MAX];               /* args of accepted sends */
	size_t pending_count;
	rv_message *sent; /* the last accepted one; a reference */
	int32_t sent_partition;
	bool sent_bare;
	bool partitioned; /* said to a producer's bind */
	struct rv_settle settled[FAKE_MAX];
	size_t settled_count;
	size_t acknowledged; /* of these, many in one call */
	size_t refused;      /* such calls that failed */
	bool watches_attempts;
	size_t begun, outlived; /* listeners' calls, and returns */
	uint32_t credit_slot;
	int64_t lease_ms; /* given with deliveries */
	size_t extended;  /* tokens, all calls */
	int credits;
	uint32_t released[16];
	size_t released_count;
} fake = {.lock = PTHREAD_MUTEX_INITIALIZER};

static rv_err fake_open(
    const struct rv_binder_env *env, const void *settings, void **ret_binder, struct rv_error *err)
{
	rv_err code;

	(void)env;
	(void)settings;
	pthread_mutex_lock(&fake.lock);
	fake.opens++;
	code = fake.open_code;
	pthread_mutex_unlock(&fake.lock);
	if (code != RV_OK)
		return rv_error_set(err, code, 0, "fake", "scripted failure of open");
	*ret_binder = &fake;
	return RV_OK;
}

static void fake_stop(void *binder)
{
	(void)binder;
}

static rv_err fake_bind(struct rv_error *err)
{
	rv_err code;

	pthread_mutex_lock(&fake.lock);
	fake.binds++;
	code = fake.bind_code;
	pthread_mutex_unlock(&fake.lock);
	return code == RV_OK ? RV_OK : rv_error_set(err, code, 0, "fake", "scripted failure of bind");
}

static rv_err fake_bind_producer(void *binder, const struct rv_producer_spec *spec, void **ret_producer,
    struct rv_producer_info *info, struct rv_error *err)
{
	rv_err code = fake_bind(err);

	(void)binder;
	if (code != RV_OK)
		return code;
	pthread_mutex_lock(&fake.lock);
	fake.producer_sink = spec->sink_ops;
	fake.producer = spec->sink;
	info->waiting = fake.waiting;
	info->queued_is_sent = fake.queued_is_sent;
	info->partition_count = fake.partitions;
	fake.partitioned = spec->partitioned;
	pthread_mutex_unlock(&fake.lock);
	if (fake.waiting && fake.why) {
		struct rv_error why;

		rv_error_set(&why, RV_E_UNAVAILABLE, 0, "fake", "%s", fake.why);
		spec->sink_ops->state(spec->sink, &why);
	}
	*ret_producer = &fake;
	return RV_OK;
}

static size_t fake_send(void *producer, const struct rv_outbound *batch, size_t n)
{
	size_t accepted = 0;

	(void)producer;
	pthread_mutex_lock(&fake.lock);
	while (accepted < n && fake.room > 0) {
		fake.room--;
		rv_message_unref(fake.sent);
		fake.sent = rv_message_ref(batch[accepted].message);
		fake.sent_partition = batch[accepted].partition;
		fake.sent_bare = batch[accepted].bare;
		fake.pending[fake.pending_count++] = batch[accepted++].arg;
	}
	pthread_mutex_unlock(&fake.lock);
	return accepted;
}

/* Completes the oldest pending send; `code` RV_OK: success. */
static inline void fake_complete(rv_err code)
{
	struct rv_receipt receipt = {.partition = 0, .position = 0};
	struct rv_error error;
	void *arg = NULL;

	pthread_mutex_lock(&fake.lock);
	if (fake.pending_count > 0) {
		arg = fake.pending[0];
		fake.pending_count--;
		memmove(fake.pending, fake.pending + 1, fake.pending_count * sizeof *fake.pending);
	}
	pthread_mutex_unlock(&fake.lock);
	ck_assert_ptr_nonnull(arg);
	if (code != RV_OK)
		rv_error_set(&error, code, 0, "fake", "scripted failure of send");
	fake.producer_sink->sent(fake.producer, arg, &receipt, code == RV_OK ? NULL : &error);
}

static inline size_t fake_pending(void)
{
	size_t count;

	pthread_mutex_lock(&fake.lock);
	count = fake.pending_count;
	pthread_mutex_unlock(&fake.lock);
	return count;
}

static size_t fake_unbind_producer(void *producer, int64_t deadline_ms)
{
	size_t failed = 0;

	(void)producer;
	(void)deadline_ms;
	while (fake_pending() > 0) {
		fake_complete(RV_E_CLOSED);
		failed++;
	}
	pthread_mutex_lock(&fake.lock);
	fake.unbinds++;
	pthread_mutex_unlock(&fake.lock);
	return failed;
}

static rv_err fake_bind_consumer(void *binder, const struct rv_consumer_spec *spec, void **ret_consumer,
    struct rv_consumer_info *info, struct rv_error *err)
{
	rv_err code = fake_bind(err);

	(void)binder;
	if (code != RV_OK)
		return code;
	pthread_mutex_lock(&fake.lock);
	fake.consumer_sink = spec->sink_ops;
	fake.consumer = spec->sink;
	fake.consumer_spec = *spec;
	info->waiting = fake.waiting;
	info->redelivers = fake.redelivers;
	info->dead_letter = fake.dead_letter;
	info->core_dead_letters = fake.core_dead_letters;
	info->dead_letter_destination = fake.dead_letter ? "letters" : NULL;
	info->dead_letter_partitions = fake.dead_letter_partitions;
	info->max_deliveries = fake.max_deliveries;
	info->watches_attempts = fake.watches_attempts;
	pthread_mutex_unlock(&fake.lock);
	*ret_consumer = &fake;
	return RV_OK;
}

static rv_err fake_start_consumer(void *consumer, struct rv_error *err)
{
	(void)consumer;
	(void)err;
	return RV_OK;
}

static void fake_credit(void *consumer, uint32_t slot, uint32_t room)
{
	(void)consumer;
	(void)room;
	pthread_mutex_lock(&fake.lock);
	fake.credit_slot = slot;
	fake.credits++;
	pthread_mutex_unlock(&fake.lock);
}

static rv_err fake_settle(void *consumer, const struct rv_settle *settle, int64_t *ret_hold_ms)
{
	rv_err code;

	(void)consumer;
	pthread_mutex_lock(&fake.lock);
	code = fake.settle_code;
	fake.settled[fake.settled_count++] = *settle;
	if (settle->settlement == RV_SETTLE_REQUEUE)
		*ret_hold_ms = fake.hold_ms;
	pthread_mutex_unlock(&fake.lock);
	return code;
}

static rv_err fake_acknowledge(void *consumer, const struct rv_token *tokens, size_t n)
{
	rv_err code;

	(void)consumer;
	pthread_mutex_lock(&fake.lock);
	code = fake.acknowledge_code;
	fake.refused += code != RV_OK;
	for (size_t i = 0; i < n && code == RV_OK; i++) {
		fake.settled[fake.settled_count++] =
		    (struct rv_settle){.token = tokens[i], .settlement = RV_SETTLE_ACK};
		fake.acknowledged++;
	}
	pthread_mutex_unlock(&fake.lock);
	return code;
}

static void fake_attempt(void *consumer, const struct rv_token *token, bool begins)
{
	(void)consumer;
	(void)token;
	pthread_mutex_lock(&fake.lock);
	fake.begun += begins;
	fake.outlived += !begins;
	pthread_mutex_unlock(&fake.lock);
}

/* Calls of a listener that began, less those that were told to be over. */
static inline size_t fake_in_work(size_t *ret_begun)
{
	size_t in_work;

	pthread_mutex_lock(&fake.lock);
	in_work = fake.begun - fake.outlived;
	*ret_begun = fake.begun;
	pthread_mutex_unlock(&fake.lock);
	return in_work;
}

static inline size_t fake_settled(void)
{
	size_t count;

	pthread_mutex_lock(&fake.lock);
	count = fake.settled_count;
	pthread_mutex_unlock(&fake.lock);
	return count;
}

static void fake_extend(void *consumer, const struct rv_token *tokens, size_t n)
{
	(void)consumer;
	(void)tokens;
	pthread_mutex_lock(&fake.lock);
	fake.extended += n;
	pthread_mutex_unlock(&fake.lock);
}

static inline size_t fake_extended(void)
{
	size_t count;

	pthread_mutex_lock(&fake.lock);
	count = fake.extended;
	pthread_mutex_unlock(&fake.lock);
	return count;
}

static inline int fake_credits(uint32_t *ret_slot)
{
	int count;

	pthread_mutex_lock(&fake.lock);
	count = fake.credits;
	*ret_slot = fake.credit_slot;
	pthread_mutex_unlock(&fake.lock);
	return count;
}

static void fake_released(void *consumer, uint32_t slot, uint32_t epoch)
{
	(void)consumer;
	(void)epoch;
	pthread_mutex_lock(&fake.lock);
	fake.released[fake.released_count++] = slot;
	pthread_mutex_unlock(&fake.lock);
}

static inline size_t fake_released_count(void)
{
	size_t count;

	pthread_mutex_lock(&fake.lock);
	count = fake.released_count;
	pthread_mutex_unlock(&fake.lock);
	return count;
}

static void fake_pause(void *consumer)
{
	(void)consumer;
	pthread_mutex_lock(&fake.lock);
	fake.pauses++;
	pthread_mutex_unlock(&fake.lock);
}

static void fake_resume(void *consumer)
{
	(void)consumer;
	pthread_mutex_lock(&fake.lock);
	fake.resumes++;
	pthread_mutex_unlock(&fake.lock);
}

static void fake_stop_consumer(void *consumer)
{
	(void)consumer;
	pthread_mutex_lock(&fake.lock);
	fake.stops++;
	pthread_mutex_unlock(&fake.lock);
}

static size_t fake_unbind_consumer(void *consumer, int64_t deadline_ms)
{
	(void)consumer;
	(void)deadline_ms;
	pthread_mutex_lock(&fake.lock);
	fake.unbinds++;
	pthread_mutex_unlock(&fake.lock);
	return 0;
}

static enum rv_health_status fake_health(void *binder, rv_detail_fn detail, void *arg)
{
	(void)binder;
	(void)detail;
	(void)arg;
	return RV_HEALTH_UP;
}

static const struct rv_binder_ops fake_ops = {
    .abi = RV_BINDER_ABI,
    .caps = RV_CAP_PARTITIONS | RV_CAP_DELIVERY_COUNT,
    .type = "fake",
    .label = "Fake",
    .open = fake_open,
    .stop = fake_stop,
    .close = fake_stop,
    .bind_producer = fake_bind_producer,
    .send = fake_send,
    .unbind_producer = fake_unbind_producer,
    .bind_consumer = fake_bind_consumer,
    .start_consumer = fake_start_consumer,
    .credit = fake_credit,
    .settle = fake_settle,
    .extend = fake_extend,
    .released = fake_released,
    .pause = fake_pause,
    .resume = fake_resume,
    .stop_consumer = fake_stop_consumer,
    .unbind_consumer = fake_unbind_consumer,
    .health = fake_health,
    .acknowledge = fake_acknowledge,
    .attempt = fake_attempt,
};

/* -- a service on it --------------------------------------------------------------------------- */

static struct fake_service {
	rv_app *app;
	pthread_t thread;
	int status;
	bool ready, over; /* __atomic */
} service;

static inline void fake_on_ready(rv_app *app, void *context)
{
	(void)app;
	(void)context;
	__atomic_store_n(&service.ready, true, __ATOMIC_SEQ_CST);
}

static inline void *fake_run(void *arg)
{
	(void)arg;
	service.status = rv_app_run(service.app);
	__atomic_store_n(&service.over, true, __ATOMIC_SEQ_CST);
	return NULL;
}

/* Forgets the record and makes a service; `properties`: "--key=value", NULL-terminated. */
static inline void fake_create(const char *const *properties)
{
	const char *arguments[32] = {"fake", "--spring.cloud.stream.default-binder=fake", "--server.port=-1",
	    "--logging.level.root=off", "--rivulet.stop-deadline=60s",
	    "--rivulet.default.producer.send-timeout=60s"};
	int count = 6;
	pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

	if (!rv__binder_lookup("fake"))
		ck_assert_int_eq(rv_binder_register(&fake_ops, NULL), RV_OK);
	rv_message_unref(fake.sent);
	memset(&fake, 0, sizeof fake);
	memcpy(&fake.lock, &lock, sizeof lock);
	fake.room = FAKE_MAX;
	fake.hold_ms = -1;
	service = (struct fake_service){0};
	for (; properties && *properties && count < 31; properties++)
		arguments[count++] = *properties;
	service.app = rv_app_create("fake", count, (char **)arguments);
	rv_app_on_ready(service.app, fake_on_ready, NULL);
}

static inline void fake_start(void)
{
	ck_assert_int_eq(pthread_create(&service.thread, NULL, fake_run, NULL), 0);
	WAIT_UNTIL(30000,
	    __atomic_load_n(&service.ready, __ATOMIC_SEQ_CST) ||
	        __atomic_load_n(&service.over, __ATOMIC_SEQ_CST));
}

static inline int fake_finish(void)
{
	if (!__atomic_load_n(&service.over, __ATOMIC_SEQ_CST))
		rv_app_request_stop(service.app);
	pthread_join(service.thread, NULL);
	rv_message_unref(fake.sent);
	fake.sent = NULL;
	return service.status;
}

/* The texts of a view are static words but `why`, which is the visit's: copied, until the next look. */
static inline void fake_look(void *arg, const struct rv__binding_view *view)
{
	static char why[sizeof((struct rv_error *)0)->text];
	struct rv__binding_view *copy = arg;

	snprintf(why, sizeof why, "%s", view->why);
	*copy = *view;
	copy->why = why;
}

static inline struct rv__binding_view fake_view(const char *channel)
{
	struct rv__binding_view view = {0};

	ck_assert_int_eq(
	    rv__app_visit_binding((struct rv__host *)service.app, channel, fake_look, &view, NULL), RV_OK);
	return view;
}

static inline bool fake_is(const char *channel, const char *state)
{
	return strcmp(fake_view(channel).true_state, state) == 0;
}

/* Delivers one message of a slot as the broker; whether the core took it. */
static inline bool fake_deliver(uint32_t slot, uint32_t epoch, int64_t position)
{
	char text[32];
	struct rv_received received = {.payload = text,
	    .source = "Fake",
	    .destination = "d",
	    .partition = (int32_t)slot,
	    .position = position,
	    .attempt = 1};
	struct rv_inbound inbound = {.token = {.slot = slot, .epoch = epoch, .position = position},
	    .delivery_count = fake.delivery_count,
	    .lease_ms = fake.lease_ms};

	received.length = (size_t)snprintf(text, sizeof text, "%u/%lld", slot, (long long)position);
	inbound.message = rv_message_create_received(&received);
	if (fake.consumer_sink->deliver(fake.consumer, &inbound, 1) == 1)
		return true;
	rv_message_unref(inbound.message);
	return false;
}

#endif
