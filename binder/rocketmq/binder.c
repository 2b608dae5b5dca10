/* SPDX-License-Identifier: Apache-2.0 */
/* The operations of the contract, and what a look from outside shows. */
#include "binder/rocketmq/binder.h"

#include <stdio.h>

#include "binder/rocketmq/acl.h"
#include "binder/rocketmq/consumer.h"
#include "binder/rocketmq/producer.h"

static rv_err open_binder(
    const struct rv_binder_env *env, const void *settings, void **ret_binder, struct rv_error *err)
{
	const struct rv__rmq_binder_settings *own = settings;
	struct rv__rmq_client *client;
	bool account = own->common.access_key && *own->common.access_key;
	rv_err failed = account ? rv__rmq_acl_load(err) : RV_OK;

	if (failed == RV_OK)
		failed = rv__rmq_client_create(env, settings, &client, err);
	if (failed == RV_OK)
		*ret_binder = client;
	return failed;
}

static void stop_binder(void *binder)
{
	struct rv__rmq_client *client = binder;

	atomic_store(&client->stopping, true);
	if (!atomic_exchange(&client->stop_posted, true))
		rv__inbox_post(&client->inbox, &client->stop_op);
}

static void close_binder(void *binder)
{
	rv__rmq_client_destroy(binder);
}

static enum rv_health_status health(void *binder, rv_detail_fn detail, void *arg)
{
	struct rv__rmq_client *client = binder;
	struct rv__rmq_view view;
	char text[64];
	bool up;

	uv_mutex_lock(&client->view_lock);
	view = client->view;
	uv_mutex_unlock(&client->view_lock);
	up = view.names_up && view.connections >= view.connections_wanted;
	if (detail) {
		detail(arg, "nameServer", view.name_server);
		snprintf(text, sizeof text, "%u", view.connections);
		detail(arg, "connections", text);
		if (!up && view.problem[0])
			detail(arg, "problem", view.problem);
	}
	if (view.name_server[0] == '\0')
		return RV_HEALTH_UNKNOWN;
	return up ? RV_HEALTH_UP : RV_HEALTH_DOWN;
}

static double count_of(_Atomic uint64_t *counter)
{
	return (double)atomic_load_explicit(counter, memory_order_relaxed);
}

static void stats(void *binder, rv_stat_fn stat, void *arg)
{
	struct rv__rmq_client *client = binder;

	uv_mutex_lock(&client->view_lock);
	for (struct rv__rmq_producer *p = client->producers; p; p = p->next) {
		stat(arg, "sent", p->binding, count_of(&p->sent));
		stat(arg, "send_errors", p->binding, count_of(&p->send_errors));
		stat(arg, "in_flight", p->binding, (double)atomic_load(&p->in_flight));
	}
	for (struct rv__rmq_consumer *c = client->consumers; c; c = c->next) {
		stat(arg, "received", c->binding, count_of(&c->received));
		stat(arg, "settled", c->binding, count_of(&c->settled));
		stat(arg, "requeued", c->binding, count_of(&c->requeued));
		stat(arg, "dead_lettered", c->binding, count_of(&c->dead_lettered));
		stat(arg, "lag", c->binding, (double)atomic_load_explicit(&c->lag, memory_order_relaxed));
	}
	stat(arg, "connections", NULL, client->view.connections);
	uv_mutex_unlock(&client->view_lock);
}

const struct rv_binder_ops rv__rocketmq_binder = {
    .abi = RV_BINDER_ABI,
    .caps = RV_CAP_PARTITIONS | RV_CAP_HEADERS | RV_CAP_KEY_ORDER | RV_CAP_REQUEUE | RV_CAP_REQUEUE_DELAY |
        RV_CAP_DEAD_LETTER | RV_CAP_DELIVERY_COUNT | RV_CAP_DELAYED_SEND | RV_CAP_DURABLE |
        RV_CAP_GROUP_RESUME | RV_CAP_LAG,
    .type = "rocketmq",
    .label = "RocketMQ",
    .binder_props = {rv__rmq_binder_rows, sizeof(struct rv__rmq_binder_settings)},
    .consumer_props = {rv__rmq_consumer_rows, sizeof(struct rv__rmq_consumer_settings)},
    .producer_props = {rv__rmq_producer_rows, sizeof(struct rv__rmq_producer_settings)},
    .open = open_binder,
    .stop = stop_binder,
    .close = close_binder,
    .bind_producer = rv__rmq_bind_producer,
    .send = rv__rmq_producer_send,
    .unbind_producer = rv__rmq_unbind_producer,
    .bind_consumer = rv__rmq_bind_consumer,
    .start_consumer = rv__rmq_start_consumer,
    .credit = rv__rmq_credit,
    .settle = rv__rmq_settle,
    .released = rv__rmq_released,
    .pause = rv__rmq_pause,
    .resume = rv__rmq_resume,
    .stop_consumer = rv__rmq_stop_consumer,
    .unbind_consumer = rv__rmq_unbind_consumer,
    .health = health,
    .stats = stats,
};
