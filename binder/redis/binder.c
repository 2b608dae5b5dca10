/* SPDX-License-Identifier: Apache-2.0 */
/* The operations of the contract, what a look from outside shows, and the one symbol of the module. */
#include <stdio.h>

#include "binder/redis/consumer.h"
#include "binder/redis/producer.h"

static rv_err open_binder(
    const struct rv_binder_env *env, const void *settings, void **ret_binder, struct rv_error *err)
{
	struct rv__redis_client *client = NULL;
	rv_err code = rv__redis_client_create(env, settings, &client, err);

	if (code == RV_OK)
		*ret_binder = client;
	return code;
}

static void stop_binder(void *binder)
{
	struct rv__redis_client *client = binder;

	atomic_store(&client->stopping, true);
	if (!atomic_exchange(&client->stop_posted, true))
		rv__inbox_post(&client->inbox, &client->stop_op);
}

static void close_binder(void *binder)
{
	rv__redis_client_destroy(binder);
}

/* Bindings whose groups' members differ in what they should not. */
static void tell_mixed(struct rv__redis_client *client, rv_detail_fn detail, void *arg)
{
	char text[512];

	pthread_mutex_lock(&client->view_lock);
	for (const struct rv__redis_consumer *c = client->consumers; c; c = c->next) {
		if (atomic_load(&c->mixed) == 0)
			continue;
		snprintf(text, sizeof text,
		    "channel=%s: members of group '%.200s' differ in orderly, and its order is not kept; set "
		    "it "
		    "alike for all of them",
		    c->binding, c->group);
		detail(arg, "mixed-group", text);
	}
	pthread_mutex_unlock(&client->view_lock);
}

static enum rv_health_status health(void *binder, rv_detail_fn detail, void *arg)
{
	struct rv__redis_client *client = binder;
	struct rv__redis_view view;
	char text[32];

	pthread_mutex_lock(&client->view_lock);
	view = client->view;
	pthread_mutex_unlock(&client->view_lock);
	if (detail) {
		detail(arg, "server", view.server);
		detail(arg, "mode", client->resolver->name);
		snprintf(text, sizeof text, "%u", view.links_open);
		detail(arg, "connections", text);
		if (view.problem[0])
			detail(arg, "problem", view.problem);
		if (view.warning[0])
			detail(arg, "warning", view.warning);
		if (client->resolver->describe)
			client->resolver->describe(client->resolver_state, detail, arg);
		tell_mixed(client, detail, arg);
	}
	if (!view.known)
		return RV_HEALTH_UNKNOWN;
	return view.problem[0] ? RV_HEALTH_DOWN : RV_HEALTH_UP;
}

static double count_of(_Atomic uint64_t *counter)
{
	return (double)atomic_load_explicit(counter, memory_order_relaxed);
}

static void stats(void *binder, rv_stat_fn stat, void *arg)
{
	struct rv__redis_client *client = binder;

	pthread_mutex_lock(&client->view_lock);
	for (struct rv__redis_producer *p = client->producers; p; p = p->next) {
		stat(arg, "sent", p->binding, count_of(&p->sent));
		stat(arg, "send_errors", p->binding, count_of(&p->send_errors));
		stat(arg, "in_flight", p->binding, (double)atomic_load(&p->in_flight));
	}
	for (struct rv__redis_consumer *c = client->consumers; c; c = c->next) {
		stat(arg, "received", c->binding, count_of(&c->received));
		stat(arg, "settled", c->binding, count_of(&c->settled));
		stat(arg, "requeued", c->binding, count_of(&c->requeued));
		stat(arg, "claimed", c->binding, count_of(&c->claimed));
		if (c->group)
			stat(arg, "lag", c->binding,
			    (double)atomic_load_explicit(&c->lag, memory_order_relaxed));
	}
	stat(arg, "connections", NULL, client->view.links_open);
	stat(arg, "reconnects", NULL, count_of(&client->reconnects));
	pthread_mutex_unlock(&client->view_lock);
}

static const struct rv_binder_ops redis_binder = {
    .abi = RV_BINDER_ABI,
    .caps = RV_CAP_PARTITIONS | RV_CAP_SHARED_PARTITIONS | RV_CAP_HEADERS | RV_CAP_REQUEUE |
        RV_CAP_REQUEUE_DELAY | RV_CAP_DELIVERY_COUNT | RV_CAP_DURABLE | RV_CAP_GROUP_RESUME | RV_CAP_LEASE |
        RV_CAP_LAG | RV_CAP_DEAD_LETTER | RV_CAP_TOMBSTONE | RV_CAP_COUNT_UNSETTLED | RV_CAP_BINARY_HEADERS,
    .type = "redis",
    .label = "Redis",
    .binder_props = {rv__redis_binder_rows, sizeof(struct rv__redis_binder_settings)},
    .consumer_props = {rv__redis_consumer_rows, sizeof(struct rv__redis_consumer_settings)},
    .producer_props = {rv__redis_producer_rows, sizeof(struct rv__redis_producer_settings)},
    .open = open_binder,
    .stop = stop_binder,
    .close = close_binder,
    .bind_producer = rv__redis_bind_producer,
    .send = rv__redis_producer_send,
    .unbind_producer = rv__redis_unbind_producer,
    .bind_consumer = rv__redis_bind_consumer,
    .start_consumer = rv__redis_start_consumer,
    .credit = rv__redis_credit,
    .settle = rv__redis_settle,
    .acknowledge = rv__redis_acknowledge,
    .holds = rv__redis_holds,
    .describe = rv__redis_describe,
    .boot_prefix = "spring.data.redis",
    .boot_props = {rv__redis_boot_rows, 0},
    .extend = rv__redis_extend,
    .released = rv__redis_released,
    .pause = rv__redis_pause,
    .resume = rv__redis_resume,
    .stop_consumer = rv__redis_stop_consumer,
    .unbind_consumer = rv__redis_unbind_consumer,
    .health = health,
    .stats = stats,
};

RV_API const struct rv_binder_ops *rv_binder_module(uint32_t host_abi);

const struct rv_binder_ops *rv_binder_module(uint32_t host_abi)
{
	return host_abi == RV_BINDER_ABI ? &redis_binder : NULL;
}
