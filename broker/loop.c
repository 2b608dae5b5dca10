/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/loop.h"

#include <string.h>

#include "broker/delay.h"
#include "broker/groups.h"
#include "broker/locks.h"
#include "broker/longpoll.h"
#include "broker/namesrv.h"
#include "broker/offsets.h"
#include "broker/register.h"
#include "broker/relay.h"
#include "broker/topics.h"
#include "broker/transactions.h"

enum {
	EXPIRE_EVERY = 5,    /* seconds between looks for members, locks and brokers that are gone */
	STOP_TURNS_MAX = 200 /* turns of 10 ms that a stop waits for the last acknowledgements */
};

/* -- turns ---------------------------------------------------------------------------------------------- */

static void flush_connections(struct rv__broker *broker)
{
	while (broker->dirty) {
		struct rv__connection *connection = broker->dirty;

		broker->dirty = connection->next_dirty;
		connection->dirty = false;
		rv__connection_flush(connection);
		rv__connection_unref(connection);
	}
}

/* Requests were handled: what they appended is written once, and everybody is answered. A connection whose answers are
 * out may go on with requests that it had received already; those are served before the loop waits again. */
static void end_turn(struct rv__broker *broker)
{
	do {
		if (rv__broker_serves(broker)) {
			rv__append_write(broker);
			rv__topics_save(broker);
			rv__groups_save(broker);
			rv__longpoll_wake(broker);
		}
		flush_connections(broker);
	} while (broker->append.any || broker->append.unwritten || broker->ready);
}

static void on_before_poll(uv_prepare_t *handle)
{
	end_turn(handle->data);
}

static void on_after_poll(uv_check_t *handle)
{
	end_turn(handle->data);
}

/* -- the store's news ------------------------------------------------------------------------------------ */

static void on_progress(void *arg)
{
	struct rv__broker *broker = arg;

	/* The store has news until it is closed, which is after the loop. */
	uv_mutex_lock(&broker->wake_lock);
	if (broker->wake_open)
		uv_async_send(&broker->wake);
	uv_mutex_unlock(&broker->wake_lock);
}

static void on_visible(
    void *arg, rv__queue *queue, int64_t queue_offset, int64_t tags_code, int64_t store_timestamp)
{
	struct rv__broker *broker = arg;

	(void)store_timestamp;
	if (strcmp(rv__queue_topic(queue, NULL), RV__TOPIC_SCHEDULE) == 0)
		rv__delay_arrived(broker, rv__queue_id(queue));
	else
		rv__longpoll_arrived(broker, queue, queue_offset, tags_code);
}

struct rv__store_hooks rv__loop_hooks(struct rv__broker *broker)
{
	return (struct rv__store_hooks){
	    .progress = on_progress,
	    .visible = rv__broker_serves(broker) ? on_visible : NULL,
	    .arg = broker,
	};
}

static void poll_store(struct rv__broker *broker)
{
	struct rv_error error;
	rv_err code = rv__store_poll(broker->store, &error);

	if (code == RV_OK) {
		rv__append_complete(broker);
		return;
	}
	if (broker->append.count)
		rv_log(RV_LOG_ERROR, RV__TOPIC, "nothing more is acknowledged: %s", error.text);
	rv__append_fail(broker, code, &error);
}

/* -- the end ----------------------------------------------------------------------------------------------- */

static void close_handle(uv_handle_t *handle)
{
	if (!uv_is_closing(handle))
		uv_close(handle, NULL);
}

static void close_wake(struct rv__broker *broker)
{
	uv_mutex_lock(&broker->wake_lock);
	broker->wake_open = false;
	uv_mutex_unlock(&broker->wake_lock);
	close_handle((uv_handle_t *)&broker->wake);
}

/* The last answers are out: everything closes, and the loop ends by itself. */
static void finish_stop(struct rv__broker *broker)
{
	end_turn(broker);
	for (struct rv__connection *connection = broker->connections; connection;
	     connection = connection->next)
		rv__connection_close(connection, NULL);
	close_wake(broker);
	close_handle((uv_handle_t *)&broker->before_poll);
	close_handle((uv_handle_t *)&broker->after_poll);
	close_handle((uv_handle_t *)&broker->second);
}

static void on_stop_turn(uv_timer_t *timer)
{
	struct rv__broker *broker = timer->data;

	if (broker->append.count == 0 || broker->stop_turns++ == STOP_TURNS_MAX)
		finish_stop(broker);
}

/* No new work; those who wait for an acknowledgement still get it. */
static void begin_stop(struct rv__broker *broker)
{
	broker->stopping = true;
	for (int i = 0; i < RV__DOORS; i++)
		if (broker->listeners[i].open)
			close_handle((uv_handle_t *)&broker->listeners[i].tcp);
	for (struct rv__connection *connection = broker->connections; connection;
	     connection = connection->next)
		if (!connection->closing)
			uv_read_stop(&connection->stream);
	rv__delay_stop(broker);
	rv__transactions_stop(broker);
	rv__registrar_stop(broker);
	end_turn(broker);
	if (broker->append.count == 0)
		finish_stop(broker);
	else
		uv_timer_start(&broker->second, on_stop_turn, 10, 10);
}

static void on_wake(uv_async_t *handle)
{
	struct rv__broker *broker = handle->data;

	if (broker->store)
		poll_store(broker);
	if (__atomic_load_n(&broker->stop_wanted, __ATOMIC_ACQUIRE) && !broker->stopping)
		begin_stop(broker);
}

/* -- once a second ----------------------------------------------------------------------------------------- */

static void expire(struct rv__broker *broker)
{
	if (++broker->seconds % EXPIRE_EVERY)
		return;
	rv__namesrv_expire(broker);
	rv__relay_expire(broker);
	if (!rv__broker_serves(broker))
		return;
	rv__topics_retry(broker);
	rv__groups_expire(broker);
	rv__locks_expire(broker);
}

static void on_second(uv_timer_t *timer)
{
	struct rv__broker *broker = timer->data;

	for (struct rv__connection *connection = broker->connections; connection;
	     connection = connection->next)
		rv__connection_check_idle(connection);
	rv__store_tick(broker->store);
	if (rv__broker_serves(broker)) {
		rv__longpoll_expire(broker);
		rv__offsets_save(broker, false);
		rv__delay_save(broker);
		rv__transactions_save(broker);
	}
	expire(broker);
}

/* -- life ----------------------------------------------------------------------------------------------------- */

rv_err rv__loop_init(struct rv__broker *broker, struct rv_error *err)
{
	int status = uv_loop_init(&broker->loop);

	if (status != 0)
		return rv_error_set(err, RV_E_IO, 0, RV__TOPIC, "no event loop: %s", uv_strerror(status));
	broker->loop_open = true;
	uv_mutex_init(&broker->wake_lock);
	uv_async_init(&broker->loop, &broker->wake, on_wake);
	broker->wake_open = broker->lock_open = true;
	uv_prepare_init(&broker->loop, &broker->before_poll);
	uv_check_init(&broker->loop, &broker->after_poll);
	uv_timer_init(&broker->loop, &broker->second);
	broker->wake.data = broker->before_poll.data = broker->after_poll.data = broker->second.data = broker;
	uv_prepare_start(&broker->before_poll, on_before_poll);
	uv_check_start(&broker->after_poll, on_after_poll);
	uv_timer_start(&broker->second, on_second, 1000, 1000);
	return RV_OK;
}

static void run(void *arg)
{
	struct rv__broker *broker = arg;

	uv_run(&broker->loop, UV_RUN_DEFAULT);
}

rv_err rv__loop_start(struct rv__broker *broker, struct rv_error *err)
{
	int status = uv_thread_create(&broker->thread, run, broker);

	if (status != 0)
		return rv_error_set(err, RV_E_IO, 0, RV__TOPIC, "no thread: %s", uv_strerror(status));
	broker->running = true;
	return RV_OK;
}

static void close_walk(uv_handle_t *handle, void *arg)
{
	(void)arg;
	close_handle(handle);
}

void rv__loop_finish(struct rv__broker *broker)
{
	if (!broker->loop_open)
		return;
	if (broker->running) {
		__atomic_store_n(&broker->stop_wanted, true, __ATOMIC_RELEASE);
		uv_async_send(&broker->wake);
		uv_thread_join(&broker->thread);
		broker->running = false;
	}
	broker->stopping = true;
	if (broker->wake_open)
		close_wake(broker);
	uv_walk(&broker->loop, close_walk, NULL);
	uv_run(&broker->loop, UV_RUN_DEFAULT);
	uv_loop_close(&broker->loop);
	broker->loop_open = false;
}

void rv__loop_forget(struct rv__broker *broker)
{
	if (broker->lock_open)
		uv_mutex_destroy(&broker->wake_lock);
	broker->lock_open = false;
}
