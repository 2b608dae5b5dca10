/* SPDX-License-Identifier: Apache-2.0 */
/* The loop: operations in, a turn's work out, and the tick that looks after everything. */
#include "binder/rocketmq/client.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/numbers.h"
#include "binder/rocketmq/consumer.h"
#include "binder/rocketmq/producer.h"
#include "binder/rocketmq/route.h"

enum { QUIET_MS = 1000, RESTLESS_MS = 50 };

static void ring(void *arg)
{
	struct rv__rmq_client *client = arg;

	uv_async_send(&client->wake);
}

static void on_wake(uv_async_t *wake)
{
	struct rv__rmq_client *client = wake->data;

	rv__inbox_run(&client->inbox);
}

/* -- one turn ---------------------------------------------------------------------------------- */

static void on_prepare(uv_prepare_t *prepare)
{
	struct rv__rmq_client *client = prepare->data;

	/* Flushing may lose a connection and so bring work back; twice is enough, the rest comes by tick. */
	for (int round = 0; round < 3; round++) {
		while (client->dirty) {
			struct rv__rmq_producer *producer = client->dirty;

			client->dirty = producer->next_dirty;
			producer->dirty = false;
			rv__rmq_producer_dispatch(producer);
		}
		if (client->heartbeat_due) {
			client->heartbeat_due = false;
			rv__rmq_heartbeat(client, NULL);
		}
		for (struct rv__rmq_connection *c = client->connections; c; c = c->next)
			rv__rmq_connection_flush(c);
		if (!client->dirty && !client->heartbeat_due)
			break;
	}
	for (struct rv__rmq_producer *p = client->producers, *next; p; p = next) {
		next = p->next;
		if (p->close_call)
			rv__rmq_producer_close(p);
	}
}

void rv__rmq_client_announce(struct rv__rmq_client *client)
{
	client->heartbeat_due = true;
}

static void on_expiry(uv_timer_t *timer);

void rv__rmq_client_expire_at(struct rv__rmq_client *client, int64_t at_ms)
{
	int64_t wait = at_ms - rv__rmq_now_ms(client);

	client->expiry_at_ms = at_ms;
	uv_update_time(&client->loop);
	uv_timer_start(&client->expiry, on_expiry, wait > 0 ? (uint64_t)wait : 1, 0);
}

static void tend_connections(struct rv__rmq_client *client)
{
	int64_t now = rv__rmq_now_ms(client), next = 0;

	client->expiry_at_ms = 0;
	for (struct rv__rmq_connection *c = client->connections; c; c = c->next) {
		int64_t deadline = rv__rmq_connection_tend(c, now);

		if (deadline && (!next || deadline < next))
			next = deadline;
	}
	if (next && (client->expiry_at_ms == 0 || next < client->expiry_at_ms))
		rv__rmq_client_expire_at(client, next);
}

static void on_expiry(uv_timer_t *timer)
{
	tend_connections(timer->data);
}

/* -- the tick ------------------------------------------------------------------------------------ */

static void update_view(struct rv__rmq_client *client)
{
	struct rv__rmq_view view = {.names_up = client->names.up};

	snprintf(
	    view.name_server, sizeof view.name_server, "%s", client->names.addresses[client->names.current]);
	for (struct rv__rmq_connection *c = client->connections; c; c = c->next) {
		view.connections += c->link == RV__RMQ_OPEN;
		view.connections_wanted += c->broker;
		if (c->broker && c->link != RV__RMQ_OPEN)
			snprintf(view.problem, sizeof view.problem, "broker %s is not connected", c->address);
	}
	if (!view.names_up)
		snprintf(view.problem, sizeof view.problem, "no name server answers");
	uv_mutex_lock(&client->view_lock);
	client->view = view;
	uv_mutex_unlock(&client->view_lock);
}

static bool is_restless(const struct rv__rmq_client *client)
{
	if (!client->names.up && (client->producers || client->consumers))
		return true;
	for (const struct rv__rmq_connection *c = client->connections; c; c = c->next)
		if (c->broker && c->link != RV__RMQ_OPEN)
			return true;
	for (const struct rv__rmq_producer *p = client->producers; p; p = p->next)
		if (p->pending || p->bind_call || p->close_call)
			return true;
	for (const struct rv__rmq_consumer *c = client->consumers; c; c = c->next)
		if (rv__rmq_consumer_restless(c))
			return true;
	return false;
}

static void on_tick(uv_timer_t *timer);

static void set_tick(struct rv__rmq_client *client, int64_t wait_ms)
{
	client->tick_at_ms = rv__rmq_now_ms(client) + wait_ms;
	uv_update_time(&client->loop);
	uv_timer_start(&client->tick, on_tick, (uint64_t)wait_ms, 0);
}

static void on_tick(uv_timer_t *timer)
{
	struct rv__rmq_client *client = timer->data;
	int64_t now = rv__rmq_now_ms(client);

	rv__rmq_routes_tend(client, now);
	tend_connections(client);
	for (struct rv__rmq_producer *p = client->producers, *next; p; p = next) {
		next = p->next;
		rv__rmq_producer_tend(p, now);
		rv__rmq_producer_judge(p);
		if (p->bind_call && now >= p->bind_deadline_ms)
			rv__rmq_producer_give_up_binding(p);
		rv__rmq_producer_close(p);
	}
	for (struct rv__rmq_consumer *c = client->consumers, *next; c; c = next) {
		next = c->next;
		rv__rmq_consumer_tend(c, now);
	}
	if (now >= client->next_heartbeat_ms) {
		client->next_heartbeat_ms = now + client->settings->common.heartbeat_ms;
		rv__rmq_client_announce(client);
	}
	update_view(client);
	client->restless = is_restless(client);
	set_tick(client,
	    rv__rmq_routes_wait_ms(
	        client, rv__rmq_now_ms(client), client->restless ? RESTLESS_MS : QUIET_MS));
}

void rv__rmq_client_hurry(struct rv__rmq_client *client)
{
	if (client->restless || client->closing)
		return;
	client->restless = true;
	set_tick(client, RESTLESS_MS);
}

void rv__rmq_client_look_in(struct rv__rmq_client *client, int64_t ms)
{
	if (!client->closing && client->tick_at_ms > rv__rmq_now_ms(client) + ms)
		set_tick(client, ms);
}

/* Pending sends end now; what has no loop of its own notices by `stopping`. */
static void run_stop(struct rv__op *op)
{
	struct rv__rmq_client *client = RV__OWNER(op, struct rv__rmq_client, stop_op);

	for (struct rv__rmq_producer *p = client->producers; p; p = p->next)
		rv__rmq_producer_tend(p, rv__rmq_now_ms(client));
}

/* -- events of connections and routes -------------------------------------------------------------- */

static void judge_all(struct rv__rmq_client *client)
{
	for (struct rv__rmq_producer *p = client->producers, *next; p; p = next) {
		next = p->next;
		rv__rmq_producer_judge(p);
	}
	for (struct rv__rmq_consumer *c = client->consumers, *next; c; c = next) {
		next = c->next;
		rv__rmq_consumer_judge(c);
	}
}

void rv__rmq_on_open(struct rv__rmq_connection *connection)
{
	struct rv__rmq_client *client = connection->client;

	client->env->log(RV_LOG_DEBUG, RV__RMQ_TOPIC, "connected to %s", connection->address);
	if (!connection->broker)
		return;
	for (struct rv__rmq_producer *p = client->producers; p; p = p->next)
		if (p->pending)
			rv__rmq_producer_mark(p);
	rv__rmq_heartbeat(client, connection);
	judge_all(client);
	for (struct rv__rmq_consumer *c = client->consumers; c; c = c->next)
		rv__rmq_consumer_on_open(c, connection);
}

void rv__rmq_on_lost(struct rv__rmq_connection *connection, const struct rv_error *why)
{
	struct rv__rmq_client *client = connection->client;

	if (client->closing)
		return;
	client->env->log(connection->failures == 1 ? RV_LOG_WARN : RV_LOG_DEBUG, RV__RMQ_TOPIC,
	    "%s; trying again by itself", why->text);
	if (!connection->broker)
		return;
	for (struct rv__rmq_producer *p = client->producers; p; p = p->next)
		p->trouble = *why;
	for (struct rv__rmq_consumer *c = client->consumers; c; c = c->next)
		c->trouble = *why;
	/* Perhaps it is another broker's turn by now. */
	for (struct rv__rmq_topic *topic = client->topics; topic; topic = topic->next) {
		int64_t soon = rv__rmq_now_ms(client) + QUIET_MS;

		if (topic->next_query_ms > soon)
			topic->next_query_ms = soon;
	}
	judge_all(client);
}

void rv__rmq_on_route(struct rv__rmq_topic *topic, bool changed)
{
	struct rv__rmq_client *client = topic->client;

	if (!changed)
		return;
	for (struct rv__rmq_producer *p = client->producers; p; p = p->next)
		if (p->pending)
			rv__rmq_producer_mark(p);
	judge_all(client);
	for (struct rv__rmq_consumer *c = client->consumers; c; c = c->next)
		rv__rmq_consumer_on_route(c, topic);
}

void rv__rmq_on_no_nameserver(struct rv__rmq_client *client, const struct rv_error *why)
{
	bool was_up = client->names.up;

	client->names.up = false;
	client->names.why = *why;
	if (was_up)
		client->env->log(RV_LOG_WARN, RV__RMQ_TOPIC, "%s; trying again by itself", why->text);
	for (struct rv__rmq_producer *p = client->producers, *next; p; p = next) {
		next = p->next;
		if (p->trouble.code == RV_OK)
			p->trouble = *why;
		if (!p->topic->answered)
			rv__rmq_producer_judge(p);
	}
	for (struct rv__rmq_consumer *c = client->consumers, *next; c; c = next) {
		next = c->next;
		if (c->trouble.code == RV_OK)
			c->trouble = *why;
		rv__rmq_consumer_judge(c);
	}
	rv__rmq_client_hurry(client);
}

/* -- life -------------------------------------------------------------------------------------------- */

static void close_handle(uv_handle_t *handle, void *arg)
{
	(void)arg;
	if (!uv_is_closing(handle))
		uv_close(handle, NULL);
}

static void run_loop(void *arg)
{
	struct rv__rmq_client *client = arg;

	uv_run(&client->loop, UV_RUN_DEFAULT);
}

/* Own address for the client id: the first of this machine that is not loopback. */
static void own_address(char *text, size_t size)
{
	uv_interface_address_t *addresses;
	int count;

	snprintf(text, size, "127.0.0.1");
	if (uv_interface_addresses(&addresses, &count) != 0)
		return;
	for (int i = 0; i < count; i++) {
		if (addresses[i].is_internal || addresses[i].address.address4.sin_family != AF_INET)
			continue;
		uv_ip4_name(&addresses[i].address.address4, text, size);
		break;
	}
	uv_free_interface_addresses(addresses, count);
}

void rv__rmq_identity_name(struct rv__rmq_client *client, struct rv__rmq_identity *identity)
{
	const char *unit = client->settings->common.unit_name;
	char address[64];

	own_address(address, sizeof address);
	snprintf(identity->client_id, sizeof identity->client_id, "%s@%d#%llu%s%.40s", address, (int)getpid(),
	    (unsigned long long)client->env->random() % 1000000000000000ULL, unit && *unit ? "@" : "",
	    unit && *unit ? unit : "");
	identity->client = client;
}

static rv_err start_loop(struct rv__rmq_client *client, struct rv_error *err)
{
	sigset_t all, before;
	int status = uv_loop_init(&client->loop);

	if (status != 0)
		return rv_error_set(err, RV_E_IO, 0, RV__RMQ_TOPIC, "no event loop: %s", uv_strerror(status));
	uv_async_init(&client->loop, &client->wake, on_wake);
	uv_prepare_init(&client->loop, &client->prepare);
	uv_timer_init(&client->loop, &client->tick);
	uv_timer_init(&client->loop, &client->expiry);
	client->wake.data = client->prepare.data = client->tick.data = client->expiry.data = client;
	uv_prepare_start(&client->prepare, on_prepare);
	set_tick(client, QUIET_MS);
	/* Signals belong to the service's own threads. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	status = uv_thread_create(&client->thread, run_loop, client);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (status == 0)
		return RV_OK;
	uv_walk(&client->loop, close_handle, NULL);
	uv_run(&client->loop, UV_RUN_DEFAULT);
	uv_loop_close(&client->loop);
	return rv_error_set(err, RV_E_IO, 0, RV__RMQ_TOPIC, "no thread: %s", uv_strerror(status));
}

rv_err rv__rmq_client_create(const struct rv_binder_env *env, const struct rv__rmq_binder_settings *settings,
    struct rv__rmq_client **ret_client, struct rv_error *err)
{
	struct rv__rmq_client *client = calloc(1, sizeof *client);
	rv_err failed;

	if (!client)
		return rv_error_set(err, RV_E_NOMEM, 0, RV__RMQ_TOPIC, "no memory for a client");
	client->env = env;
	client->settings = settings;
	client->identities = &client->self;
	client->inbox = (struct rv__inbox){.ring = ring, .loop = client};
	client->stop_op.run = run_stop;
	rv__rmq_identity_name(client, &client->self);
	failed = rv__rmq_nameservers_init(&client->names, &settings->common.name_server, err);
	if (failed == RV_OK) {
		uv_mutex_init(&client->view_lock);
		client->next_heartbeat_ms = rv__rmq_now_ms(client) + settings->common.heartbeat_ms;
		failed = start_loop(client, err);
		if (failed != RV_OK)
			uv_mutex_destroy(&client->view_lock);
	}
	if (failed != RV_OK) {
		rv__rmq_nameservers_finish(&client->names);
		free(client);
		return failed;
	}
	*ret_client = client;
	return RV_OK;
}

static void run_shutdown(struct rv__op *op)
{
	struct rv__rmq_client *client = ((struct rv__rmq_shutdown *)op)->client;

	for (struct rv__rmq_connection *c = client->connections; c; c = c->next)
		rv__rmq_connection_flush(c);
	client->closing = true;
	while (client->topics) {
		struct rv__rmq_topic *topic = client->topics;

		client->topics = topic->next;
		rv__rmq_topic_destroy(topic);
	}
	while (client->connections) {
		struct rv__rmq_connection *connection = client->connections;

		client->connections = connection->next;
		rv__rmq_connection_destroy(connection);
	}
	uv_walk(&client->loop, close_handle, NULL);
}

void rv__rmq_client_destroy(struct rv__rmq_client *client)
{
	struct rv__rmq_shutdown shutdown = {.op = {.run = run_shutdown}, .client = client};

	rv__inbox_post(&client->inbox, &shutdown.op);
	uv_thread_join(&client->thread);
	uv_loop_close(&client->loop);
	while (client->brokers) {
		struct rv__rmq_broker *broker = client->brokers;

		client->brokers = broker->next;
		rv__rmq_broker_destroy(broker);
	}
	while (client->identities != &client->self) {
		struct rv__rmq_identity *identity = client->identities;

		client->identities = identity->next;
		free(identity);
	}
	rv__rmq_nameservers_finish(&client->names);
	uv_mutex_destroy(&client->view_lock);
	free(client);
}
