/* SPDX-License-Identifier: Apache-2.0 */
#include "bindings/output.h"

#include "base/clock.h"
#include "base/numbers.h"
#include "base/wait.h"
#include "bindings/binding.h"
#include "bindings/embedded.h"
#include "bindings/joints.h"
#include "bindings/message.h"
#include "bindings/ticket.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

/* A send before the properties were read waits for the default of send-timeout. */
enum { BEFORE_CONFIGURED_MS = 3000 };

/* Set while this thread runs completions: waiting there would wait for itself. */
static __thread bool in_completion;

rv_err rv__output_init(struct rv__output *output, struct rv__binding *binding)
{
	*output = (struct rv__output){.binding = binding};
	atomic_init(&output->gate, RV__GATE_WAITING);
	atomic_init(&output->send_timeout_ms, BEFORE_CONFIGURED_MS);
	return rv__wait_init(&output->lock, &output->changed) ? RV_OK : RV_E_NOMEM;
}

void rv__output_finish(struct rv__output *output)
{
	rv__partitioner_destroy(output->partitioner);
	pthread_cond_destroy(&output->changed);
	pthread_mutex_destroy(&output->lock);
}

/* Another try of those who wait may succeed now. */
static void tell_progress(struct rv__output *output)
{
	pthread_mutex_lock(&output->lock);
	atomic_fetch_add(&output->progress, 1);
	pthread_cond_broadcast(&output->changed);
	pthread_mutex_unlock(&output->lock);
}

void rv__output_set_gate(struct rv__output *output, enum rv__gate gate)
{
	atomic_store(&output->gate, gate);
	tell_progress(output);
}

void rv__output_configured(struct rv__output *output)
{
	atomic_store_explicit(&output->configured, true, memory_order_release);
	tell_progress(output);
}

/* Enters the part that may use `producer`. Paired with leave(). */
static bool enter(struct rv__output *output)
{
	/* Both sequentially consistent: either we see the closed gate, or the closer sees us. */
	atomic_fetch_add(&output->users, 1);
	return atomic_load(&output->gate) == RV__GATE_OPEN;
}

static void leave(struct rv__output *output)
{
	/* The last access: a closer that sees nobody inside may free the output. */
	atomic_fetch_sub(&output->users, 1);
}

/* Nobody tells when the last one leaves, since telling would touch what may be freed then. Senders pass in
 * microseconds, and waiting ones leave at once when the gate is shut. */
static void wait_for_none(const atomic_uint *count)
{
	const struct timespec pause = {.tv_nsec = 100000};

	while (atomic_load(count) > 0)
		nanosleep(&pause, NULL);
}

void rv__output_wait_unused(struct rv__output *output)
{
	wait_for_none(&output->users);
}

void rv__output_leave_all(struct rv__output *output)
{
	wait_for_none(&output->callers);
	wait_for_none(&output->users);
}

/* -- bounds ------------------------------------------------------------------------------ */

static bool reserve(struct rv__output *output, long long bytes)
{
	long long count = atomic_fetch_add(&output->in_flight, 1);
	long long before = atomic_fetch_add(&output->in_flight_bytes, bytes);

	/* One message alone always passes, however large. */
	if (count < output->max_in_flight && (before + bytes <= output->max_in_flight_bytes || count == 0))
		return true;
	atomic_fetch_sub(&output->in_flight, 1);
	atomic_fetch_sub(&output->in_flight_bytes, bytes);
	return false;
}

static void release(struct rv__output *output, long long count, long long bytes)
{
	atomic_fetch_sub(&output->in_flight_bytes, bytes);
	atomic_fetch_sub(&output->in_flight, count);
	if (atomic_load(&output->waiters) > 0)
		tell_progress(output);
}

/* -- handing over -------------------------------------------------------------------------- */

void rv__output_forget_partitions(struct rv__output *output)
{
	atomic_store(&output->partition_count, 0);
}

void rv__output_learn_partitions(struct rv__output *output, int32_t count)
{
	int32_t known = atomic_load(&output->partition_count);

	/* As Spring has it: the larger of both numbers, and the one at the time of binding unless told otherwise. */
	if (count < output->least_partitions)
		count = count > 0 ? output->least_partitions : 0;
	if (count <= 0 || count == known || (known > 0 && !output->dynamic_partitions))
		return;
	atomic_store(&output->partition_count, count);
	tell_progress(output);
}

/* Gives the message its partition. RV_E_UNAVAILABLE: their number is not known yet; RV_E_NOTFOUND: there is no such
 * one. */
static rv_err place(struct rv__output *output, struct rv__ticket *ticket, struct rv_outbound *outbound)
{
	int32_t count = atomic_load_explicit(&output->partition_count, memory_order_acquire);
	const char *text;

	if (count <= 0)
		return RV_E_UNAVAILABLE;
	outbound->partition = rv__spot_partition(ticket->spot, count);
	if (outbound->partition < 0)
		return RV_E_NOTFOUND;
	text = rv__partition_text(outbound->partition);
	if (!text || rv__message_place(&ticket->message, text) != RV_OK)
		return RV_E_NOMEM;
	outbound->message = ticket->message;
	return RV_OK;
}

/* Makes the message that has its headers in its payload; once a ticket. */
static rv_err embed(struct rv__output *output, struct rv__ticket *ticket, struct rv_outbound *outbound)
{
	rv_err code;

	if (!ticket->wire)
		ticket->wire = rv__embedded_encode(
		    ticket->message, output->embedded_headers, output->info.embedded_headers);
	outbound->message = ticket->wire;
	code = rv_message_error(ticket->wire, NULL);
	if (code != RV_OK)
		return code;
	ticket->bytes = (long long)rv__message_size(ticket->wire);
	return output->info.max_message_size > 0 && ticket->wire->length > output->info.max_message_size
	    ? RV_E_TOOBIG
	    : RV_OK;
}

/* It waits for the verdict of the delivery. Nothing else makes room for it: its bound is one of a delivery. */
static rv_err join(struct rv__output *output, struct rv__joints *joints, const struct rv_outbound *outbound)
{
	struct rv__ticket *ticket = outbound->arg;

	if (joints->count >= (size_t)output->max_in_flight)
		return RV_E_TIMEOUT;
	if (!rv__joints_add(joints, output, outbound))
		return RV_E_NOMEM;
	atomic_fetch_add(&output->in_flight, 1);
	atomic_fetch_add(&output->in_flight_bytes, ticket->bytes);
	return RV_OK;
}

/* One try of who is inside the open gate. RV_E_FULL: no room. */
static rv_err hand_over(struct rv__output *output, struct rv__ticket *ticket)
{
	struct rv_outbound outbound = {.message = ticket->message,
	    .partition = -1,
	    .arg = ticket,
	    .bare = output->header_mode != RV__HEADERS_NATIVE};
	struct rv__joints *joints;
	long long bytes;
	rv_err code;

	if (output->partitioner && (code = place(output, ticket, &outbound)) != RV_OK)
		return code;
	if (output->header_mode == RV__HEADERS_EMBEDDED && (code = embed(output, ticket, &outbound)) != RV_OK)
		return code;
	joints = rv__joints_here(output->binding->binder);
	if (joints)
		return join(output, joints, &outbound);
	bytes = ticket->bytes; /* an accepted ticket may be gone at once */
	if (!reserve(output, bytes))
		return RV_E_FULL;
	if (output->ops->send(output->producer, &outbound, 1) == 1)
		return RV_OK;
	release(output, 1, bytes);
	return RV_E_FULL;
}

static rv_err gate_error(struct rv__output *output)
{
	return atomic_load(&output->gate) == RV__GATE_STOPPED ? RV_E_CLOSED : RV_E_UNAVAILABLE;
}

/* One try. RV_E_UNAVAILABLE or RV_E_CLOSED: the gate is not open; RV_E_FULL: no room. */
static rv_err offer(struct rv__output *output, struct rv__ticket *ticket)
{
	rv_err code = enter(output) ? hand_over(output, ticket) : gate_error(output);

	leave(output);
	return code;
}

/* Tries until it succeeds or the deadline passes. */
static rv_err offer_until(struct rv__output *output, struct rv__ticket *ticket, int64_t deadline_ns)
{
	rv_err code = offer(output, ticket);
	bool in_time = true;

	if (code != RV_E_FULL && code != RV_E_UNAVAILABLE)
		return code;
	/* Counted in before the next look, so that a completion after that look wakes us. */
	atomic_fetch_add(&output->waiters, 1);
	while (in_time) {
		unsigned seen = atomic_load(&output->progress);

		code = offer(output, ticket);
		if (code != RV_E_FULL && code != RV_E_UNAVAILABLE)
			break;
		pthread_mutex_lock(&output->lock);
		while (in_time && atomic_load(&output->progress) == seen)
			in_time = rv__wait_until(&output->changed, &output->lock, deadline_ns);
		pthread_mutex_unlock(&output->lock);
	}
	if (!in_time && code == RV_E_FULL)
		code = RV_E_TIMEOUT;
	atomic_fetch_sub(&output->waiters, 1);
	return code;
}

static rv_err refuse(struct rv__output *output, rv_err code, struct rv_error *err)
{
	const char *channel = output->binding->channel;

	atomic_fetch_add(&output->send_errors, 1);
	if (code == RV_E_CLOSED)
		return rv_error_set(err, code, RV__N_SEND_CLOSED, "channel",
		    "channel '%s' is stopped; start its binding again, or send before the application stops",
		    channel);
	if (code == RV_E_FULL)
		return rv_error_set(err, code, RV__N_SEND_FULL, "channel",
		    "channel '%s' has no room for another message now; try again after a completion",
		    channel);
	if (code == RV_E_TIMEOUT)
		return rv_error_set(err, code, RV__N_SEND_NO_ROOM, "channel",
		    "channel '%s' had no room for another message within %lld ms; send slower or raise "
		    "rivulet.bindings.%s.producer.max-in-flight",
		    channel, (long long)atomic_load(&output->send_timeout_ms), channel);
	if (code == RV_E_TOOBIG)
		return rv_error_set(err, code, RV__N_MESSAGE_TOOBIG, "channel",
		    "with its headers in the payload the message is larger than the broker of channel '%s' "
		    "takes "
		    "(%zu bytes); send less, or raise the broker's limit",
		    channel, output->info.max_message_size);
	if (code == RV_E_NOTFOUND)
		return rv_error_set(err, RV_E_INVALID, RV__N_NO_PARTITION, "channel",
		    "channel '%s' is partitioned, and the header scst_partitionOverride of a message names "
		    "none of "
		    "its %d partitions; set one from 0 to %d",
		    channel, (int)atomic_load(&output->partition_count),
		    (int)atomic_load(&output->partition_count) - 1);
	if (code == RV_E_UNAVAILABLE && output->partitioner && atomic_load(&output->gate) == RV__GATE_OPEN)
		return rv_error_set(err, code, RV__N_PARTITIONS_UNKNOWN, "channel",
		    "channel '%s' does not know yet how many partitions '%s' has; try again, or create it "
		    "there",
		    channel, output->binding->destination);
	if (code == RV_E_UNAVAILABLE) {
		char why[256];

		rv__binding_describe_wait(output->binding, why, sizeof why);
		return rv_error_set(err, code, RV__N_SEND_UNAVAILABLE, "channel",
		    "channel '%s' has no way to its broker: %s; start the broker or correct its address",
		    channel, why);
	}
	return rv_message_error(rv__message_failed(RV_E_NOMEM), err);
}

/* What the broker of this channel cannot carry. */
static rv_err check_kind(const struct rv__output *output, const rv_message *message, struct rv_error *err)
{
	if (rv__message_body(message)->null && !(output->ops->caps & RV_CAP_TOMBSTONE))
		return rv_error_set(err, RV_E_UNSUPPORTED, RV__N_NO_TOMBSTONE, "channel",
		    "%s, to which channel '%s' is bound, carries no tombstones; send a payload that says it, "
		    "or "
		    "bind the channel to a broker that does",
		    output->ops->label, output->binding->channel);
	if (rv__message_body(message)->binary_headers && output->header_mode != RV__HEADERS_NONE &&
	    (output->header_mode == RV__HEADERS_EMBEDDED || !(output->ops->caps & RV_CAP_BINARY_HEADERS)))
		return rv_error_set(err, RV_E_UNSUPPORTED, RV__N_NO_BINARY_HEADERS, "channel",
		    "%s, to which channel '%s' is bound, carries text in headers, and one of this message's "
		    "is "
		    "no UTF-8 text; encode its bytes (base64), or leave it out",
		    output->ops->label, output->binding->channel);
	return RV_OK;
}

static rv_err check_message(struct rv__output *output, rv_message *message, struct rv_error *err)
{
	size_t length;
	rv_err code = rv_message_error(message, err);

	if (code != RV_OK) {
		atomic_fetch_add(&output->send_errors, 1);
		return code;
	}
	rv_message_payload(message, &length);
	if (atomic_load(&output->gate) != RV__GATE_OPEN)
		return RV_OK;
	code = check_kind(output, message, err);
	if (code != RV_OK) {
		atomic_fetch_add(&output->send_errors, 1);
		return code;
	}
	if (output->info.max_message_size == 0 || length <= output->info.max_message_size)
		return RV_OK;
	atomic_fetch_add(&output->send_errors, 1);
	return rv_error_set(err, RV_E_TOOBIG, RV__N_MESSAGE_TOOBIG, "channel",
	    "the message has %zu bytes, the broker of channel '%s' takes %zu; send less, or raise the "
	    "broker's limit",
	    length, output->binding->channel, output->info.max_message_size);
}

static void drop_ticket(struct rv__ticket *ticket)
{
	rv_message_unref(ticket->message);
	rv_message_unref(ticket->wire);
	rv__ticket_give(ticket);
}

/* What is decided of a message before its destination is known: from what its partition comes. */
static rv_err prepare(struct rv__output *output, struct rv__ticket *ticket, struct rv_error *err)
{
	rv_err code = RV_OK;

	if (output->partitioner)
		code = rv__partitioner_choose(
		    output->partitioner, ticket->message, output->binding->channel, &ticket->spot, err);
	else if (rv__message_placed(ticket->message) && !*rv_message_source(ticket->message) &&
	    rv__message_place(&ticket->message, RV__UNPLACED) != RV_OK)
		code = rv_message_error(rv__message_failed(RV_E_NOMEM), err);
	return code;
}

/* A ticket for one message, with the binding's content type on it; failures are counted. */
static rv_err make_ticket(
    struct rv__output *output, rv_message *message, struct rv__ticket **ret, struct rv_error *err)
{
	struct rv__ticket *ticket = rv__ticket_take();
	rv_err code;

	if (!ticket)
		return refuse(output, RV_E_NOMEM, err);
	ticket->message = rv__message_seal(message, output->content_type);
	if (!ticket->message) {
		rv__ticket_give(ticket);
		return refuse(output, RV_E_NOMEM, err);
	}
	code = prepare(output, ticket, err);
	if (code != RV_OK) {
		atomic_fetch_add(&output->send_errors, 1);
		drop_ticket(ticket);
		return code;
	}
	ticket->bytes = (long long)rv__message_size(ticket->message);
	*ret = ticket;
	return RV_OK;
}

static rv_err answer_timeout(struct rv__output *output, struct rv_error *err)
{
	bool lost = atomic_load(&output->gate) == RV__GATE_WAITING;
	char why[256] = "";

	if (lost) /* while the message was under way */
		rv__binding_describe_wait(output->binding, why, sizeof why);
	return rv_error_set(err, RV_E_TIMEOUT, RV__N_SEND_NO_ANSWER, "channel",
	    "the broker of channel '%s' did not answer within %lld ms%s%s; it may have the message or not; "
	    "send it again where a duplicate does no harm, or raise "
	    "rivulet.bindings.%s.producer.send-timeout",
	    output->binding->channel, (long long)atomic_load(&output->send_timeout_ms), lost ? ": " : "", why,
	    output->binding->channel);
}

/* Before the properties are read nothing is known of the binding. */
static bool wait_configured(struct rv__output *output, int64_t deadline_ns)
{
	bool in_time = true;
	bool configured;

	atomic_fetch_add(&output->waiters, 1);
	pthread_mutex_lock(&output->lock);
	while (!atomic_load(&output->configured) && atomic_load(&output->gate) != RV__GATE_STOPPED && in_time)
		in_time = rv__wait_until(&output->changed, &output->lock, deadline_ns);
	pthread_mutex_unlock(&output->lock);
	configured = atomic_load(&output->configured);
	atomic_fetch_sub(&output->waiters, 1);
	return configured;
}

static rv_err check_way(struct rv__output *output, int64_t deadline_ns, struct rv_error *err)
{
	if (in_completion)
		return rv_error_set(err, RV_E_INVALID, RV__N_SEND_IN_COMPLETION, "channel",
		    "rv_channel_send() on '%s' from a completion would wait for itself; use "
		    "rv_channel_send_async()",
		    output->binding->channel);
	if (!atomic_load_explicit(&output->configured, memory_order_acquire) &&
	    !wait_configured(output, deadline_ns))
		return refuse(output, RV_E_UNAVAILABLE, err);
	return RV_OK;
}

static rv_err send_and_wait(struct rv__output *output, rv_message *message, struct rv_error *err)
{
	int64_t deadline_ns = rv__monotonic_ns() + atomic_load(&output->send_timeout_ms) * 1000000;
	bool waits = !atomic_load(&output->queued_is_sent);
	struct rv__waiter *waiter = NULL;
	struct rv__ticket *ticket = NULL; /* stays so on failure */
	rv_err code = check_message(output, message, err);

	if (code == RV_OK)
		code = check_way(output, deadline_ns, err);
	if (code != RV_OK)
		return code;
	code = make_ticket(output, message, &ticket, err);
	if (!ticket)
		return code;
	waits &= !rv__joints_here(output->binding->binder); /* the answer comes after the verdict */
	if (waits && !(waiter = rv__waiter_take())) {
		drop_ticket(ticket);
		return refuse(output, RV_E_NOMEM, err);
	}
	ticket->waiter = waiter;
	code = offer_until(output, ticket, deadline_ns);
	if (code != RV_OK) {
		drop_ticket(ticket);
		if (waiter)
			rv__waiter_give_unused(waiter);
		return refuse(output, code, err);
	}
	if (!waiter || rv__waiter_wait(waiter, deadline_ns, &code, err))
		return code;
	return answer_timeout(output, err);
}

static rv_err send_only(
    struct rv__output *output, rv_message *message, rv_sent_fn done, void *context, struct rv_error *err)
{
	struct rv__ticket *ticket = NULL; /* stays so on failure */
	rv_err code = check_message(output, message, err);

	if (code != RV_OK)
		return code;
	code = make_ticket(output, message, &ticket, err);
	if (!ticket)
		return code;
	ticket->done = done;
	ticket->context = context;
	code = hand_over(output, ticket);
	if (code == RV_OK)
		return RV_OK;
	drop_ticket(ticket);
	return refuse(output, code, err);
}

rv_err rv__output_send(struct rv__output *output, rv_message *message, struct rv_error *err)
{
	rv_err code;

	atomic_fetch_add(&output->callers, 1);
	code = send_and_wait(output, message, err);
	atomic_fetch_sub(&output->callers, 1);
	return code;
}

rv_err rv__output_send_async(
    struct rv__output *output, rv_message *message, rv_sent_fn done, void *context, struct rv_error *err)
{
	rv_err code;

	/* It never waits, so that all of it may count as inside the gate: who waits for none of these waits for
	 * us, too. */
	if (enter(output)) /* an open gate says that it is configured */
		code = send_only(output, message, done, context, err);
	else if (rv_message_error(message, NULL) != RV_OK)
		code = check_message(output, message, err);
	else
		code = refuse(output, gate_error(output), err);
	leave(output);
	return code;
}

/* -- upcalls --------------------------------------------------------------------------------- */

static void log_lost(
    const struct rv__output *output, const struct rv__ticket *ticket, const struct rv_error *error)
{
	rv_log(RV_LOG_ERROR, "channel",
	    "channel=%s id=%s: RV%04u a message that was queued could not be sent: %s",
	    output->binding->channel, rv_message_id(ticket->message), (unsigned)error->number, error->text);
}

static void call(
    rv_sent_fn done, const struct rv__ticket *ticket, const struct rv_error *error, void *context)
{
	in_completion = true;
	done(ticket->message, error, context);
	in_completion = false;
}

/* Tells whoever sent it and gives its messages back, not yet the ticket. Returns its bytes, which the caller releases
 * last: once nothing is in flight, a stopping application may go on. */
static long long complete(
    const struct rv__output *output, struct rv__ticket *ticket, const struct rv_error *error)
{
	if (ticket->waiter) {
		rv__waiter_complete(ticket->waiter, error);
	} else if (ticket->done) {
		call(ticket->done, ticket, error, ticket->context);
	} else if (error) {
		log_lost(output, ticket, error);
		if (output->failed)
			call(output->failed, ticket, error, output->failed_context);
	}
	rv_message_unref(ticket->message);
	rv_message_unref(ticket->wire);
	return ticket->bytes;
}

static void count_sent(struct rv__output *output, size_t n, size_t failed)
{
	if (n > failed)
		atomic_fetch_add_explicit(&output->sent, n - failed, memory_order_relaxed);
	if (failed > 0)
		atomic_fetch_add_explicit(&output->send_errors, failed, memory_order_relaxed);
}

static void on_sent(void *sink, void *arg, const struct rv_receipt *receipt, const struct rv_error *error)
{
	struct rv__output *output = sink;
	long long bytes = complete(output, arg, error);

	rv__ticket_give(arg);
	count_sent(output, 1, error != NULL);
	release(output, 1, bytes);
}

/* The sender's processor wrote both, or they were not looked at for long. */
static void fetch_ahead(const struct rv_sent *sent, size_t n)
{
	if (n > 6)
		__builtin_prefetch(sent[6].arg, 1);
	if (n > 3)
		__builtin_prefetch(((const struct rv__ticket *)sent[3].arg)->message, 1);
}

static void on_sent_batch(void *sink, const struct rv_sent *sent, size_t n)
{
	enum { AT_ONCE = 64 }; /* room is told after so many: senders shall not run dry meanwhile */
	struct rv__output *output = sink;

	while (n > 0) {
		size_t count = n < AT_ONCE ? n : AT_ONCE;
		long long bytes = 0;
		size_t failed = 0;

		for (size_t i = 0; i < count; i++) {
			struct rv__ticket *ticket = sent[i].arg;

			fetch_ahead(sent + i, n - i);
			bytes += complete(output, ticket, sent[i].error);
			failed += sent[i].error != NULL;
			ticket->next = i + 1 < count ? sent[i + 1].arg : NULL;
		}
		rv__ticket_give_all(sent[0].arg, sent[count - 1].arg);
		count_sent(output, count, failed);
		release(output, (long long)count, bytes);
		sent += count;
		n -= count;
	}
}

/* -- what joined a delivery ------------------------------------------------------------------- */

rv_err rv__output_enter_joined(struct rv__output *output, void **ret_producer)
{
	rv_err code;

	if (enter(output)) {
		*ret_producer = output->producer;
		return RV_OK;
	}
	code = gate_error(output);
	leave(output);
	return code;
}

void rv__output_leave_joined(struct rv__output *output)
{
	leave(output);
}

/* A failure is told of the delivery, and not once more of each message. */
void rv__output_complete_joined(
    struct rv__output *output, struct rv__ticket *ticket, const struct rv_error *error)
{
	long long bytes = ticket->bytes;

	if (ticket->done)
		call(ticket->done, ticket, error, ticket->context);
	drop_ticket(ticket);
	count_sent(output, 1, error != NULL);
	release(output, 1, bytes);
}

/* -- the sink ---------------------------------------------------------------------------------- */

static void on_writable(void *sink)
{
	tell_progress(sink);
}

static void on_state(void *sink, const struct rv_error *why)
{
	struct rv__output *output = sink;

	rv__binding_tell_way(output->binding, NULL, why);
}

static void on_partitions(void *sink, int32_t count)
{
	rv__output_learn_partitions(sink, count);
}

const struct rv_producer_sink rv__output_sink = {
    .sent = on_sent,
    .writable = on_writable,
    .state = on_state,
    .partitions = on_partitions,
    .sent_batch = on_sent_batch,
};
