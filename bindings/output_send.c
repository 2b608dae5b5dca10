/* SPDX-License-Identifier: Apache-2.0 */
/* A message on its way out: from the channel's call to the binder's hands. */
#include "bindings/output_path.h"

#include "base/clock.h"
#include "base/numbers.h"
#include "base/wait.h"
#include "bindings/binding.h"
#include "bindings/embedded.h"
#include "bindings/joints.h"
#include "bindings/message.h"

/* -- handing over -------------------------------------------------------------------------- */

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
	if (!rv__output_reserve(output, bytes))
		return RV_E_FULL;
	if (output->ops->send(output->producer, &outbound, 1) == 1)
		return RV_OK;
	rv__output_release(output, 1, bytes);
	return RV_E_FULL;
}

/* One try. RV_E_UNAVAILABLE or RV_E_CLOSED: the gate is not open; RV_E_FULL: no room. */
static rv_err offer(struct rv__output *output, struct rv__ticket *ticket)
{
	rv_err code = rv__output_enter(output) ? hand_over(output, ticket) : rv__output_gate_error(output);

	rv__output_leave(output);
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

/* -- tickets --------------------------------------------------------------------------------- */

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
		return rv__output_refuse(output, RV_E_NOMEM, err);
	ticket->message = rv__message_seal(message, output->content_type);
	if (!ticket->message) {
		rv__ticket_give(ticket);
		return rv__output_refuse(output, RV_E_NOMEM, err);
	}
	code = prepare(output, ticket, err);
	if (code != RV_OK) {
		atomic_fetch_add(&output->send_errors, 1);
		rv__output_drop_ticket(ticket);
		return code;
	}
	ticket->bytes = (long long)rv__message_size(ticket->message);
	*ret = ticket;
	return RV_OK;
}

/* -- sending --------------------------------------------------------------------------------- */

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
	if (rv__output_in_completion())
		return rv_error_set(err, RV_E_INVALID, RV__N_SEND_IN_COMPLETION, "channel",
		    "rv_channel_send() on '%s' from a completion would wait for itself; use "
		    "rv_channel_send_async()",
		    output->binding->channel);
	if (!atomic_load_explicit(&output->configured, memory_order_acquire) &&
	    !wait_configured(output, deadline_ns))
		return rv__output_refuse(output, RV_E_UNAVAILABLE, err);
	return RV_OK;
}

static rv_err send_and_wait(struct rv__output *output, rv_message *message, struct rv_error *err)
{
	int64_t deadline_ns = rv__monotonic_ns() + atomic_load(&output->send_timeout_ms) * 1000000;
	bool waits = !atomic_load(&output->queued_is_sent);
	struct rv__waiter *waiter = NULL;
	struct rv__ticket *ticket = NULL; /* stays so on failure */
	rv_err code = rv__output_check(output, message, err);

	if (code == RV_OK)
		code = check_way(output, deadline_ns, err);
	if (code != RV_OK)
		return code;
	code = make_ticket(output, message, &ticket, err);
	if (!ticket)
		return code;
	waits &= !rv__joints_here(output->binding->binder); /* the answer comes after the verdict */
	if (waits && !(waiter = rv__waiter_take())) {
		rv__output_drop_ticket(ticket);
		return rv__output_refuse(output, RV_E_NOMEM, err);
	}
	ticket->waiter = waiter;
	code = offer_until(output, ticket, deadline_ns);
	if (code != RV_OK) {
		rv__output_drop_ticket(ticket);
		if (waiter)
			rv__waiter_give_unused(waiter);
		return rv__output_refuse(output, code, err);
	}
	if (!waiter || rv__waiter_wait(waiter, deadline_ns, &code, err))
		return code;
	return rv__output_unanswered(output, err);
}

static rv_err send_only(
    struct rv__output *output, rv_message *message, rv_sent_fn done, void *context, struct rv_error *err)
{
	struct rv__ticket *ticket = NULL; /* stays so on failure */
	rv_err code = rv__output_check(output, message, err);

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
	rv__output_drop_ticket(ticket);
	return rv__output_refuse(output, code, err);
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
	if (rv__output_enter(output)) /* an open gate says that it is configured */
		code = send_only(output, message, done, context, err);
	else if (rv_message_error(message, NULL) != RV_OK)
		code = rv__output_check(output, message, err);
	else
		code = rv__output_refuse(output, rv__output_gate_error(output), err);
	rv__output_leave(output);
	return code;
}
