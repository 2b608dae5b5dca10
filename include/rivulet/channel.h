/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A channel: a named end inside a service. Sending goes through the handle; no
 * name is looked up and no global lock taken on the way.
 *
 * Threads: any, at the same time.
 */
#ifndef RIVULET_CHANNEL_H
#define RIVULET_CHANNEL_H

#include <rivulet/error.h>
#include <rivulet/export.h>
#include <rivulet/message.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct rv_channel rv_channel;

/**
 * Sends one message and returns when the broker answered (or when it is queued, only if a
 * property of the binder says so: producer.sync=false, send-type=Async|OneWay).
 *
 * Inside a listener whose input is transactional, a send to an output of the same binder joins the delivery: it
 * returns when the message is kept, and the message goes out together with the acknowledgement, or, with any other
 * verdict, not at all. What is sent after rv_delivery_take(), or from another thread, does not join.
 *
 * @param channel  an output channel
 * @param message  borrowed; the binder takes its own reference
 * @param err      filled on failure only; may be NULL
 * @return RV_OK; RV_E_TIMEOUT without room or answer within the send time-out (retriable, the
 *         broker may have it); RV_E_UNAVAILABLE when the binding could not reach its broker in that
 *         time (retriable); RV_E_CLOSED after stop; RV_E_CONFIG if `channel` is NULL, undeclared or an
 *         input; RV_E_INVALID from a completion, or when a partitioned output finds no key or partition for it;
 *         RV_E_UNSUPPORTED for a tombstone, or bytes in a header, where the broker carries none; the message's
 *         own error if it could not be made; RV_E_NOMEM; RV_E_TOOBIG, RV_E_DENIED, RV_E_PROTOCOL as the broker says
 * Blocks: at most the send time-out (rivulet.bindings.<channel>.producer.send-timeout, 3000 ms). Not from a
 * completion.
 */
RV_API rv_err rv_channel_send(rv_channel *channel, rv_message *message, struct rv_error *err);

/** Completion of an asynchronous send: `error` is NULL on success; both borrowed until return. Must not
 * block. */
typedef void (*rv_sent_fn)(const rv_message *message, const struct rv_error *error, void *context);

/**
 * Queues one message. `done` runs exactly once, on a binder thread (or one of the application's),
 * iff this returns RV_OK; also after stop. For a message that joined a delivery (see rv_channel_send()) it tells
 * what became of that, and may run on the thread of the listener, once it has returned.
 *
 * @param channel  an output channel
 * @param message  borrowed; a reference of it is kept until `done` returned
 * @param done     NULL: a failure is logged and counted, and goes to rv_app_on_send_error()
 * @param context  for `done`; borrowed until it returned
 * @param err      filled on failure only; may be NULL
 * @return RV_OK when queued; RV_E_FULL when there is no room now (retriable); RV_E_UNAVAILABLE when the binding has
 *         no way to its broker now (retriable); never RV_E_TIMEOUT; else as rv_channel_send(). What the broker
 *         says comes to `done`.
 * Blocks: never. Also from a completion.
 */
RV_API rv_err rv_channel_send_async(
    rv_channel *channel, rv_message *message, rv_sent_fn done, void *context, struct rv_error *err);

/** The channel's name as declared; borrowed as long as the handle is valid. */
RV_API const char *rv_channel_name(const rv_channel *channel);

#ifdef __cplusplus
}
#endif
#endif
