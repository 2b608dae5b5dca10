/* SPDX-License-Identifier: Apache-2.0 */
/* What became of a message: the binder's upcalls about an output, and the ends of what joined a delivery. */
#include "bindings/output_path.h"

#include "bindings/binding.h"
#include "bindings/message.h"

/* Set while this thread runs completions. */
static __thread bool in_completion;

bool rv__output_in_completion(void)
{
	return in_completion;
}

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
	rv__output_release(output, 1, bytes);
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
		rv__output_release(output, (long long)count, bytes);
		sent += count;
		n -= count;
	}
}

/* -- what joined a delivery ------------------------------------------------------------------- */

rv_err rv__output_enter_joined(struct rv__output *output, void **ret_producer)
{
	rv_err code;

	if (rv__output_enter(output)) {
		*ret_producer = output->producer;
		return RV_OK;
	}
	code = rv__output_gate_error(output);
	rv__output_leave(output);
	return code;
}

void rv__output_leave_joined(struct rv__output *output)
{
	rv__output_leave(output);
}

/* A failure is told of the delivery, and not once more of each message. */
void rv__output_complete_joined(
    struct rv__output *output, struct rv__ticket *ticket, const struct rv_error *error)
{
	long long bytes = ticket->bytes;

	if (ticket->done)
		call(ticket->done, ticket, error, ticket->context);
	rv__output_drop_ticket(ticket);
	count_sent(output, 1, error != NULL);
	rv__output_release(output, 1, bytes);
}

/* -- the sink ---------------------------------------------------------------------------------- */

static void on_writable(void *sink)
{
	rv__output_tell_progress(sink);
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
