/* SPDX-License-Identifier: Apache-2.0 */
#include "bindings/letters.h"

#include "base/back_off.h"
#include "base/clock.h"
#include "base/config.h"
#include "base/numbers.h"
#include "bindings/app.h"
#include "bindings/delivery.h"
#include "bindings/slots.h"

#include <stdlib.h>
#include <string.h>

enum { NO_ROOM_MS = 20, BACK_OFF_FIRST_MS = 50, BACK_OFF_MAX_MS = 10000, RETRY_BATCH = 64 };

/* -- holding a slot ---------------------------------------------------------------------------- */

/* Locks: input->lock held. */
static void hold_slot(rv_delivery *delivery)
{
	struct rv__slot *slot = delivery->slot;

	if (delivery->holds)
		return;
	delivery->holds = true;
	delivery->input->held++;
	slot->held++;
	if (slot->place == RV__SLOT_RUNNING)
		rv__slot_interrupt(delivery->input, slot);
	else if (slot->place == RV__SLOT_READY)
		rv__slot_unlist(delivery->input, slot);
}

/* -- waiting for another try ----------------------------------------------------------------------- */

/* A gone assignment cannot be settled, and one that drains or stops waits for no further try. Locks: input->lock held.
 */
static bool may_wait(const rv_delivery *delivery)
{
	const struct rv__slot *slot = delivery->slot;

	return !slot->revoked && slot->epoch == delivery->line.item.token.epoch &&
	    !atomic_load(&delivery->input->halted);
}

static void explain_hold(const rv_delivery *delivery, const struct rv_error *why, struct rv_error *ret)
{
	const struct rv__letters *letters = delivery->slot->source->letters;

	rv_error_set(ret, why->code, RV__N_LETTER_HELD, "letters",
	    "a dead letter of '%s' cannot be moved to '%s', and partition %d rests until it is: %s",
	    delivery->input->channel, letters->destination,
	    (int)rv_message_partition(delivery->line.item.message), why->text);
}

/* Another try later. `why` NULL: the binder had no room. The delivery may be gone after the return. */
static void wait_again(rv_delivery *delivery, const struct rv_error *why)
{
	struct rv__input *input = delivery->input;
	struct rv_error held = {0};
	bool waits;

	if (why)
		explain_hold(delivery, why, &held);
	if (why && delivery->tries++ == 0)
		rv_log(RV_LOG_WARN, "delivery",
		    "channel=%s binder=%s id=%s: RV%04u %s, retrying in %d ms and then more and more rarely",
		    input->channel, input->binder, rv_message_id(delivery->line.item.message),
		    (unsigned)held.number, held.text, BACK_OFF_FIRST_MS);
	pthread_mutex_lock(&input->lock);
	waits = may_wait(delivery);
	if (waits) {
		int64_t delay_ms =
		    why ? rv__back_off_ms(BACK_OFF_FIRST_MS, BACK_OFF_MAX_MS, delivery->tries) : NO_ROOM_MS;

		delivery->line.due_ns = rv__monotonic_ns() + delay_ms * 1000000;
		delivery->burial = RV__BURIAL_WAITING;
		atomic_fetch_add(&input->letters_waiting, 1);
		hold_slot(delivery);
		if (why)
			input->held_why = held;
		/* Under the lock: once the input is halted, its binding may be gone. */
		rv__binding_wake(input->binding);
	}
	pthread_mutex_unlock(&input->lock);
	if (waits)
		return;
	atomic_fetch_add_explicit(&input->stale, 1, memory_order_relaxed);
	rv__delivery_end(delivery);
}

/* -- moving ------------------------------------------------------------------------------------------ */

static void letter_failed(rv_delivery *delivery, const struct rv_error *error);

/* The dead letter is with the broker: now the original may go. */
static void finish(rv_delivery *delivery)
{
	rv_err code = rv__delivery_settle_moved(delivery);
	struct rv_error why;

	if (code == RV_OK || code == RV_E_STALE) {
		rv__delivery_end(delivery);
		return;
	}
	rv_error_set(&why, code, RV__N_LETTER_HELD, "letters",
	    "the letter is there, but the original could not be settled: %s", rv_err_text(code));
	wait_again(delivery, &why);
}

/* Letter and original went as one. */
static void on_committed(void *arg, const struct rv_error *error)
{
	rv_delivery *delivery = arg;

	if (!error) {
		delivery->settled = true;
		delivery->confirmed = true;
		finish(delivery);
	} else if (error->code == RV_E_STALE) {
		atomic_fetch_add_explicit(&delivery->input->stale, 1, memory_order_relaxed);
		rv__delivery_end(delivery);
	} else {
		letter_failed(delivery, error);
	}
}

/* RV_OK: it is on its way, and the delivery may be gone. RV_E_STALE: there is no point in another try. */
static rv_err hand_over(rv_delivery *delivery, const struct rv_outbound *outbound)
{
	struct rv__source *source = delivery->slot->source;
	const struct rv_binder_ops *ops = delivery->input->ops;
	struct rv_joint joint = {source->letters->producer, *outbound};
	struct rv_commit commit = {.token = delivery->line.item.token,
	    .joints = &joint,
	    .count = 1,
	    .done = on_committed,
	    .arg = delivery};

	if (source->info.transactional && !source->info.letters_apart)
		return ops->commit(source->consumer, &commit);
	return ops->send(source->letters->producer, outbound, 1) == 1 ? RV_OK : RV_E_FULL;
}

static bool make_letter(rv_delivery *delivery)
{
	struct rv__letter_facts facts = {
	    .input = delivery->input,
	    .source = delivery->slot->source,
	    .item = &delivery->line.item,
	    .cause = delivery->cause,
	    .reason = delivery->reason,
	    .trace = !delivery->without_trace,
	};

	if (!delivery->letter)
		delivery->letter = rv__letter_make(&facts);
	return delivery->letter;
}

/* The partition among the dead letters: that of the original, unless the binder says otherwise. */
static int32_t choose_partition(const struct rv__letters *letters, const rv_message *original)
{
	int32_t wanted = letters->source->info.dead_letter_partitions;
	int32_t count = atomic_load_explicit(&letters->partition_count, memory_order_relaxed);
	int32_t partition = rv_message_partition(original);

	if (!(letters->source->input->ops->caps & RV_CAP_PARTITIONS) || wanted < 0 || partition < 0)
		return -1;
	if (wanted == 1)
		return 0;
	/* Where there are fewer, another partition is better than a letter that never moves. */
	return count > 0 ? partition % count : partition;
}

/* The delivery may be gone after the return. The caller has a reference of the input. */
static void move(rv_delivery *delivery)
{
	static const struct rv_error no_memory = {
	    .code = RV_E_NOMEM, .text = "there is no memory for it; give the process more"};
	struct rv__input *input = delivery->input;
	struct rv__letters *letters = delivery->slot->source->letters;
	struct rv_outbound outbound = {.partition = -1, .arg = delivery};
	rv_err code;

	if (delivery->confirmed) {
		finish(delivery);
		return;
	}
	if (!make_letter(delivery)) {
		wait_again(delivery, &no_memory);
		return;
	}
	if (!rv__input_enter(input)) {
		atomic_fetch_add_explicit(&input->stale, 1, memory_order_relaxed);
		rv__delivery_end(delivery);
		return;
	}
	outbound.message = delivery->letter;
	outbound.bare = input->embedded;
	outbound.partition = choose_partition(letters, delivery->line.item.message);
	code = hand_over(delivery, &outbound);
	rv__input_leave(input);
	if (code == RV_E_STALE) {
		atomic_fetch_add_explicit(&input->stale, 1, memory_order_relaxed);
		rv__delivery_end(delivery);
	} else if (code != RV_OK) {
		wait_again(delivery, NULL);
	}
}

void rv__delivery_bury(rv_delivery *delivery, enum rv__cause cause, const char *reason)
{
	struct rv__input *input = delivery->input;

	rv__input_ref(input);
	delivery->cause = cause;
	delivery->reason = reason ? strdup(reason) : NULL;
	delivery->burial = RV__BURIAL_SENDING;
	move(delivery);
	rv__input_unref(input);
}

/* Takes up to `room` letters that are due. *ret_next_ns: when the next one is. */
static size_t take_due(
    struct rv__input *input, int64_t now_ns, rv_delivery **due, size_t room, int64_t *ret_next_ns)
{
	size_t n = 0;

	*ret_next_ns = INT64_MAX;
	pthread_mutex_lock(&input->lock);
	for (rv_delivery *at = input->taken; at && n < room; at = at->next) {
		if (at->burial != RV__BURIAL_WAITING)
			continue;
		if (at->line.due_ns <= now_ns) {
			at->burial = RV__BURIAL_SENDING;
			atomic_fetch_sub(&input->letters_waiting, 1);
			due[n++] = at;
		} else if (at->line.due_ns < *ret_next_ns) {
			*ret_next_ns = at->line.due_ns;
		}
	}
	pthread_mutex_unlock(&input->lock);
	return n;
}

int64_t rv__letters_retry(struct rv__input *input, int64_t now_ns)
{
	rv_delivery *due[RETRY_BATCH];
	int64_t next_ns;
	size_t n;

	if (atomic_load(&input->letters_waiting) == 0)
		return INT64_MAX;
	do {
		n = take_due(input, now_ns, due, RETRY_BATCH, &next_ns);
		/* One that waits again wakes us for its time. */
		for (size_t i = 0; i < n; i++)
			move(due[i]);
	} while (n == RETRY_BATCH);
	return next_ns;
}

void rv__letters_drop_waiting(struct rv__input *input, const struct rv__slot *slot)
{
	rv_delivery *next;

	for (rv_delivery *at = input->taken; at; at = next) {
		next = at->next;
		if (at->burial != RV__BURIAL_WAITING || (slot && at->slot != slot))
			continue;
		atomic_fetch_sub(&input->letters_waiting, 1);
		rv__delivery_forget(at);
		rv__delivery_free(at); /* not the last reference: the binding has one */
	}
}

/* -- upcalls ------------------------------------------------------------------------------------------- */

static void letter_failed(rv_delivery *delivery, const struct rv_error *error)
{
	if (error->code == RV_E_TOOBIG && !delivery->without_trace) {
		struct rv__input *input = delivery->input;

		delivery->without_trace = true;
		rv_message_unref(delivery->letter);
		delivery->letter = NULL;
		rv__input_ref(input);
		move(delivery);
		rv__input_unref(input);
	} else {
		wait_again(delivery, error);
	}
}

static void on_sent(void *sink, void *arg, const struct rv_receipt *receipt, const struct rv_error *error)
{
	rv_delivery *delivery = arg;

	(void)sink;
	(void)receipt;
	if (error) {
		letter_failed(delivery, error);
		return;
	}
	delivery->confirmed = true;
	finish(delivery);
}

/* Another try may succeed now. */
static void hurry(const struct rv__letters *letters)
{
	struct rv__input *input = letters->source->input;

	if (atomic_load(&input->letters_waiting) == 0)
		return;
	pthread_mutex_lock(&input->lock);
	for (rv_delivery *at = input->taken; at; at = at->next)
		if (at->burial == RV__BURIAL_WAITING && at->slot->source == letters->source)
			at->line.due_ns = 0;
	if (!atomic_load(&input->halted))
		rv__binding_wake(input->binding);
	pthread_mutex_unlock(&input->lock);
}

static void on_writable(void *sink)
{
	hurry(sink);
}

static void on_state(void *sink, const struct rv_error *why)
{
	const struct rv__letters *letters = sink;
	struct rv__input *input = letters->source->input;
	struct rv_error closed = {0};

	if (why) {
		rv_error_set(&closed, why->code, RV__N_LETTER_HELD, "letters",
		    "the dead letters of '%s' have no way to '%s', and what fails waits for it: %s",
		    input->channel, letters->destination, why->text);
		rv_log(RV_LOG_WARN, "delivery", "channel=%s binder=%s: RV%04u %s", input->channel,
		    input->binder, (unsigned)closed.number, closed.text);
	}
	pthread_mutex_lock(&input->lock);
	if (why ||
	    input->closed_letters == letters) { /* of several sources the last one that said so counts */
		input->closed_letters = why ? letters : NULL;
		input->closed_why = closed;
	}
	pthread_mutex_unlock(&input->lock);
	if (!why)
		hurry(letters);
}

static void on_partitions(void *sink, int32_t count)
{
	struct rv__letters *letters = sink;

	atomic_store(&letters->partition_count, count);
}

static const struct rv_producer_sink letters_sink = {
    .sent = on_sent, .writable = on_writable, .state = on_state, .partitions = on_partitions};

/* -- opening and closing ---------------------------------------------------------------------------------- */

/* Where the binder gives no settings: the defaults of its table. NULL: no memory. */
static void *default_settings(const struct rv_prop_table *table)
{
	static const char *const no_prefixes[] = {NULL};
	struct rv__problems none = {0};
	void *settings = calloc(1, table->size ? table->size : 1);

	if (settings && table->rows)
		rv__config_fill(NULL, table, no_prefixes, settings, &none);
	rv__problems_finish(&none);
	return settings;
}

static rv_err bind(struct rv__letters *letters, struct rv__binding *binding, struct rv_error *err)
{
	static const struct rv_strings no_groups = {NULL, 0};
	const struct rv_consumer_info *from = &letters->source->info;
	struct rv_producer_info info = {0};
	struct rv_producer_spec spec = {
	    .binding = binding->channel,
	    .destination = letters->destination,
	    .partition_count = from->dead_letter_partitions > 1 ? from->dead_letter_partitions : 1,
	    .required_groups = &no_groups,
	    .settings = from->dead_letter_settings ? from->dead_letter_settings : letters->settings,
	    .sink_ops = &letters_sink,
	    .sink = letters,
	    .send_timeout_ms = RV__LETTER_TIMEOUT_MS,
	    .dead_letters = true,
	};
	void *producer = NULL;
	rv_err code = letters->source->input->ops->bind_producer(
	    binding->binder->instance, &spec, &producer, &info, err);

	if (code != RV_OK)
		return code;
	if (info.partition_count > 0)
		atomic_store(&letters->partition_count, info.partition_count);
	letters->producer = producer;
	return RV_OK;
}

rv_err rv__letters_open(struct rv__binding *binding, struct rv__source *source, struct rv_error *err)
{
	struct rv__letters *letters;

	if (!binding->group)
		return rv_error_set(err, RV_E_CONFIG, RV__N_LETTER_ANONYMOUS, "binding",
		    "input '%s' has dead letters but no group, and nobody could say whose letters they are; "
		    "set "
		    "spring.cloud.stream.bindings.%s.group, or switch its dead letters off",
		    binding->channel, binding->channel);
	letters = calloc(1, sizeof *letters);
	if (!letters)
		return rv_error_set(err, RV_E_NOMEM, RV__N_MESSAGE_NOMEM, "binding",
		    "no memory for the dead letters of '%s'", binding->channel);
	source->letters = letters;
	letters->source = source;
	letters->destination =
	    strdup(source->info.dead_letter_destination ? source->info.dead_letter_destination : "");
	letters->settings = default_settings(&source->input->ops->producer_props);
	if (!letters->destination || !letters->settings)
		return rv_error_set(err, RV_E_NOMEM, RV__N_MESSAGE_NOMEM, "binding",
		    "no memory for the dead letters of '%s'", binding->channel);
	return bind(letters, binding, err);
}

void rv__letters_close(struct rv__letters *letters, int64_t deadline_ms)
{
	if (!letters || !letters->producer)
		return;
	(void)letters->source->input->ops->unbind_producer(letters->producer, deadline_ms);
	letters->producer = NULL;
}

void rv__letters_free(struct rv__letters *letters)
{
	if (!letters)
		return;
	free(letters->destination);
	free(letters->settings);
	free(letters);
}
