/* SPDX-License-Identifier: Apache-2.0 */
/* The I/O thread: operations in, a turn's work out, and the looking after everything when its time comes. */
#include "binder/redis/client.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/back_off.h"
#include "base/numbers.h"
#include "binder/redis/consumer.h"
#include "binder/redis/producer.h"

enum { EVENTS = 64, BACK_OFF_FIRST_MS = 20, BACK_OFF_MAX_MS = 1000 };

static void ring(void *arg)
{
	struct rv__redis_client *client = arg;
	uint64_t one = 1;

	if (write(client->wake_fd, &one, sizeof one) < 0 && errno != EAGAIN)
		client->env->log(
		    RV_LOG_ERROR, RV__REDIS_TOPIC, "cannot wake the I/O thread: %s", strerror(errno));
}

/* -- one turn ---------------------------------------------------------------------------------- */

static int64_t clock_ms(const struct rv__redis_client *client)
{
	return client->env->monotonic_ns() / 1000000;
}

void rv__redis_client_tend_at(struct rv__redis_client *client, int64_t at_ms)
{
	if (at_ms < client->tend_ms)
		client->tend_ms = at_ms;
}

static void tend(struct rv__redis_client *client)
{
	int64_t now_ms = client->now_ms;

	client->tend_ms = INT64_MAX;
	for (struct rv__redis_link *link = client->links; link; link = link->next)
		rv__redis_client_tend_at(client, rv__redis_link_tend(link, now_ms));
	if (client->resolver->tend)
		rv__redis_client_tend_at(client, client->resolver->tend(client->resolver_state, now_ms));
	for (struct rv__redis_producer *p = client->producers, *next; p; p = next) {
		next = p->next;
		rv__redis_client_tend_at(client, rv__redis_producer_tend(p, now_ms));
	}
	for (struct rv__redis_consumer *c = client->consumers, *next; c; c = next) {
		next = c->next;
		rv__redis_client_tend_at(client, rv__redis_consumer_tend(c, now_ms));
	}
	rv__redis_nodes_tend(client);
	rv__redis_nodes_view(client);
}

static void flush(struct rv__redis_client *client)
{
	struct rv__redis_link *link;

	while ((link = client->to_flush)) {
		client->to_flush = link->next_flush;
		link->flushing = false;
		rv__redis_link_flush(link);
	}
}

static void free_doomed(struct rv__redis_client *client)
{
	struct rv__redis_link **link_at = &client->links;
	struct rv__redis_node **node_at = &client->nodes;

	client->has_doomed = false;
	while (*link_at) {
		struct rv__redis_link *link = *link_at;

		if (!link->doomed) {
			link_at = &link->next;
			continue;
		}
		*link_at = link->next;
		rv__redis_link_free(link);
	}
	while (*node_at) {
		struct rv__redis_node *node = *node_at;

		if (!node->doomed) {
			node_at = &node->next;
			continue;
		}
		*node_at = node->next;
		free(node);
	}
}

static int time_left(const struct rv__redis_client *client)
{
	int64_t left = client->tend_ms - client->now_ms;

	if (client->tend_ms == INT64_MAX)
		return -1;
	return left <= 0 ? 0 : left > 60000 ? 60000 : (int)left;
}

static void listen_once(struct rv__redis_client *client)
{
	struct epoll_event events[EVENTS];
	int left_ms = rv__redis_client_rest_ms(client, time_left(client));
	int count = epoll_wait(client->epoll_fd, events, EVENTS, left_ms);

	client->now_ms = clock_ms(client);
	rv__redis_client_look_at_resting(client);
	for (int i = 0; i < count; i++) {
		struct rv__redis_link *link = events[i].data.ptr;
		uint64_t rings;

		if (link) /* what rests was read just now */
			rv__redis_link_handle(link, events[i].events & ~(link->rests ? EPOLLIN : 0u));
		else if (read(client->wake_fd, &rings, sizeof rings) < 0 && errno != EAGAIN)
			client->env->log(
			    RV_LOG_ERROR, RV__REDIS_TOPIC, "cannot read the wake-up: %s", strerror(errno));
	}
}

static void *run(void *arg)
{
	struct rv__redis_client *client = arg;
	struct rv__redis_endpoint endpoint;

	client->now_ms = clock_ms(client);
	/* One connection from the start, so that health knows before the first binding does. */
	if (client->resolver->locate(client->resolver_state, NULL, 0, &endpoint))
		(void)rv__redis_node_get(client, &endpoint);
	while (!client->ending) {
		rv__inbox_run(&client->inbox);
		if (client->now_ms >= client->tend_ms)
			tend(client);
		flush(client);
		if (client->has_doomed)
			free_doomed(client);
		else if (!client->ending)
			listen_once(client);
	}
	while (client->links) {
		for (struct rv__redis_link *link = client->links; link; link = link->next)
			rv__redis_link_destroy(link);
		for (struct rv__redis_node *node = client->nodes; node; node = node->next)
			node->doomed = true;
		free_doomed(client);
	}
	rv__inbox_run(&client->inbox); /* look-ups that nobody waits for any more */
	return NULL;
}

void rv__redis_client_judge(struct rv__redis_client *client)
{
	for (struct rv__redis_producer *p = client->producers, *next; p; p = next) {
		next = p->next;
		rv__redis_producer_judge(p);
	}
	for (struct rv__redis_consumer *c = client->consumers, *next; c; c = next) {
		next = c->next;
		rv__redis_consumer_judge(c);
	}
	rv__redis_nodes_view(client);
}

int64_t rv__redis_back_off_ms(struct rv__redis_client *client, unsigned failures)
{
	return rv__jitter_ms(
	    rv__back_off_ms(BACK_OFF_FIRST_MS, BACK_OFF_MAX_MS, failures), client->env->random());
}

/* -- lifecycle ------------------------------------------------------------------------------------- */

static void run_stop(struct rv__op *op)
{
	struct rv__redis_client *client = RV__OWNER(op, struct rv__redis_client, stop_op);

	rv__redis_client_tend_at(client, client->now_ms);
}

static void run_end(struct rv__op *op)
{
	struct rv__redis_client *client = RV__OWNER(op, struct rv__redis_client, end_op);

	client->ending = true;
}

static void free_client(struct rv__redis_client *client)
{
	if (client->resolver_state)
		client->resolver->close(client->resolver_state);
	if (client->transport)
		client->transport->close(client->transport_state);
	if (client->epoll_fd >= 0)
		close(client->epoll_fd);
	if (client->wake_fd >= 0)
		close(client->wake_fd);
	pthread_mutex_destroy(&client->view_lock);
	free(client);
}

static rv_err start(struct rv__redis_client *client, struct rv_error *err)
{
	struct epoll_event wake = {.events = EPOLLIN};
	sigset_t all, before;
	int failed;

	client->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	client->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (client->epoll_fd < 0 || client->wake_fd < 0 ||
	    epoll_ctl(client->epoll_fd, EPOLL_CTL_ADD, client->wake_fd, &wake) != 0)
		return rv_error_set(err, RV_E_IO, RV__N_REDIS_NOMEM, RV__REDIS_TOPIC,
		    "the Redis binder gets no descriptors: %s; raise the limit of open files",
		    strerror(errno));
	sigfillset(&all); /* signals are the application's */
	pthread_sigmask(SIG_SETMASK, &all, &before);
	failed = pthread_create(&client->thread, NULL, run, client);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (failed)
		return rv_error_set(err, RV_E_NOMEM, RV__N_REDIS_NOMEM, RV__REDIS_TOPIC,
		    "the Redis binder gets no thread: %s", strerror(failed));
	return RV_OK;
}

rv_err rv__redis_client_create(const struct rv_binder_env *env,
    const struct rv__redis_binder_settings *settings, struct rv__redis_client **ret_client,
    struct rv_error *err)
{
	struct rv__redis_client *client = calloc(1, sizeof *client);
	rv_err code;

	if (!client)
		return rv_error_set(
		    err, RV_E_NOMEM, RV__N_REDIS_NOMEM, RV__REDIS_TOPIC, "no memory for the Redis binder");
	client->env = env;
	client->settings = &client->merged.settings;
	client->epoll_fd = client->wake_fd = -1;
	client->inbox = (struct rv__inbox){.ring = ring, .loop = client};
	client->stop_op.run = run_stop;
	client->end_op.run = run_end;
	client->generation = 1;
	pthread_mutex_init(&client->view_lock, NULL);
	code = rv__redis_settings_merge(settings, &client->merged, err);
	settings = client->settings;
	if (code == RV_OK)
		code = rv__redis_resolver_choose(settings->mode, &client->resolver, err);
	if (code == RV_OK)
		code = rv__redis_transport_choose(settings, &client->transport, err);
	if (code == RV_OK &&
	    (code = client->transport->open(settings, &client->transport_state, err)) != RV_OK)
		client->transport = NULL;
	if (code == RV_OK)
		code = client->resolver->open(client, &client->resolver_state, err);
	if (code == RV_OK)
		code = start(client, err);
	if (code != RV_OK) {
		free_client(client);
		return code;
	}
	*ret_client = client;
	return RV_OK;
}

void rv__redis_client_destroy(struct rv__redis_client *client)
{
	rv__inbox_post(&client->inbox, &client->end_op);
	pthread_join(client->thread, NULL);
	free_client(client);
}
