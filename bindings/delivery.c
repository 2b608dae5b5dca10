/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One delivery: the listeners say their verdict; then comes another attempt, or the settlement.
 *
 *     RV_ACK                        acknowledge
 *     RV_RETRY, attempts left       again in place, after the back-off
 *     RV_RETRY, none left           the broker's own way (requeue), else dead letter, else drop
 *     RV_REJECT                     dead letter, else drop
 *
 * Each settlement is counted; all but acknowledge are logged once.
 */
#include "bindings/input.h"

#include "base/clock.h"
#include "base/numbers.h"
#include "bindings/app.h"
#include "bindings/message.h"
#include "bindings/slots.h"

#include <stdlib.h>

/* What the listener of this thread is handling. */
static __thread struct {
	struct rv__input *input;
	struct rv__slot *slot;
	struct rv__item *item;
	rv_delivery *taken;
} current;

static int64_t back_off_ms(const struct rv__input *input, int attempts)
{
	double delay = (double)input->back_off_initial_ms;

	for (int i = 1; i < attempts && delay < (double)input->back_off_max_ms; i++)
		delay *= input->back_off_multiplier;
	return delay < (double)input->back_off_max_ms ? (int64_t)delay : input->back_off_max_ms;
}

/* -- settling ------------------------------------------------------------------------------------ */

static void log_settled(const struct rv__input *input, const struct rv__slot *slot,
    const struct rv__item *item, rv_log_level level, const char *what, const char *reason)
{
	rv_log(level, "delivery",
	    "channel=%s binder=%s destination=%s partition=%d position=%lld id=%s attempt=%d: %s%s%s",
	    input->channel, input->binder, slot->source->destination,
	    (int)rv_message_partition(item->message), (long long)item->token.position,
	    rv_message_id(item->message), rv_message_attempt(item->message), what, reason ? ": " : "",
	    reason ? reason : "");
}

static enum rv_settlement choose(const struct rv__slot *slot, rv_verdict verdict)
{
	const struct rv_consumer_info *info = &slot->source->info;

	if (verdict == RV_ACK)
		return RV_SETTLE_ACK;
	if (verdict == RV_RETRY && info->redelivers)
		return RV_SETTLE_REQUEUE;
	return info->dead_letter ? RV_SETTLE_DEAD_LETTER : RV_SETTLE_DROP;
}

static void count_and_log(struct rv__input *input, const struct rv__slot *slot, const struct rv__item *item,
    enum rv_settlement settlement, const char *reason)
{
	static const struct {
		rv_log_level level;
		const char *what;
	} words[] = {
	    [RV_SETTLE_REQUEUE] = {RV_LOG_WARN, "requeued, the broker delivers it again"},
	    [RV_SETTLE_DEAD_LETTER] = {RV_LOG_ERROR, "moved to the dead letters"},
	    [RV_SETTLE_DROP] = {RV_LOG_ERROR, "dropped, there is no dead-letter destination"},
	};
	atomic_ullong *const counters[] = {
	    [RV_SETTLE_ACK] = &input->acked,
	    [RV_SETTLE_REQUEUE] = &input->requeued,
	    [RV_SETTLE_DEAD_LETTER] = &input->dead_lettered,
	    [RV_SETTLE_DROP] = &input->dropped,
	};

	atomic_fetch_add_explicit(counters[settlement], 1, memory_order_relaxed);
	if (input->observer && input->observer->settled)
		input->observer->settled(input->observer->context, input->channel, settlement);
	if (settlement != RV_SETTLE_ACK)
		log_settled(input, slot, item, words[settlement].level, words[settlement].what, reason);
}

/* Settles with the binder. RV_E_STALE is a normal result. *ret_hold_ms >= 0: try again in place after it. */
static rv_err settle(struct rv__input *input, struct rv__slot *slot, const struct rv__item *item,
    rv_verdict verdict, const char *reason, int64_t *ret_hold_ms)
{
	struct rv_settle request = {
	    .token = item->token,
	    .settlement = choose(slot, verdict),
	    .reason = reason,
	    .message = item->message,
	};
	rv_err code = RV_E_STALE;

	*ret_hold_ms = -1;
	if (rv__input_enter(input)) {
		code = input->ops->settle(slot->source->consumer, &request, ret_hold_ms);
		rv__input_leave(input);
	}
	if (code == RV_OK && *ret_hold_ms == RV_HOLD_DEAD_LETTER)
		request.settlement = RV_SETTLE_DEAD_LETTER;
	else if (code == RV_OK && *ret_hold_ms == RV_HOLD_DROP)
		request.settlement = RV_SETTLE_DROP;
	if (code == RV_OK) {
		count_and_log(input, slot, item, request.settlement, reason);
		return RV_OK;
	}
	atomic_fetch_add_explicit(&input->stale, 1, memory_order_relaxed);
	if (code != RV_E_STALE)
		log_settled(input, slot, item, RV_LOG_ERROR, "could not be settled and will come again",
		    rv_err_text(code));
	else if (rv_log_enabled(RV_LOG_DEBUG, "delivery"))
		log_settled(input, slot, item, RV_LOG_DEBUG, "settled too late, its new owner gets it", NULL);
	return RV_E_STALE;
}

/* What follows a verdict. The message of a finished item is given back. */
static enum rv__outcome conclude(struct rv__input *input, struct rv__slot *slot, struct rv__item *item,
    rv_verdict verdict, const char *reason, int64_t *ret_delay_ms, rv_err *ret_code)
{
	*ret_code = RV_OK;
	if (verdict == RV_RETRY && item->attempts < input->max_attempts) {
		*ret_delay_ms = back_off_ms(input, item->attempts);
		return RV__AGAIN;
	}
	*ret_code = settle(input, slot, item, verdict, reason, ret_delay_ms);
	if (*ret_code == RV_OK && *ret_delay_ms >= 0) {
		/* The broker's way is to hold the queue: for the listener it is a new delivery. */
		item->before += item->attempts;
		item->attempts = 0;
		return RV__AGAIN;
	}
	rv_message_unref(item->message);
	item->message = NULL;
	return RV__DONE;
}

/* -- listeners --------------------------------------------------------------------------------------- */

static rv_verdict call_listeners(const struct rv__input *input, const rv_message *message)
{
	rv_verdict verdict = RV_ACK;

	for (size_t i = 0; i < input->listener_count; i++) {
		rv_verdict said = input->listeners[i].call(message, input->listeners[i].context);

		if (verdict == RV_ACK)
			verdict = said;
	}
	return verdict;
}

static rv_verdict judge(
    struct rv__input *input, struct rv__slot *slot, const struct rv__item *item, rv_verdict said)
{
	if (said == RV_ACK || said == RV_RETRY || said == RV_REJECT)
		return said;
	log_settled(input, slot, item, RV_LOG_ERROR,
	    said == RV_DEFER ? "the listener returned RV_DEFER without rv_delivery_take(); counts as RV_RETRY"
	                     : "the listener returned an unknown verdict; counts as RV_RETRY",
	    NULL);
	return RV_RETRY;
}

enum rv__outcome rv__delivery_run(
    struct rv__input *input, struct rv__slot *slot, struct rv__item *item, int64_t *ret_delay_ms)
{
	rv_verdict verdict;
	rv_delivery *taken;
	rv_err code;

	if (item->attempts > 0)
		atomic_fetch_add_explicit(&input->retried, 1, memory_order_relaxed);
	item->attempts++;
	if (rv_message_attempt(item->message) != item->before + item->attempts &&
	    rv__message_set_attempt(&item->message, item->before + item->attempts) != RV_OK)
		log_settled(input, slot, item, RV_LOG_WARN, "no memory to tell the attempt number", NULL);
	current.input = input;
	current.slot = slot;
	current.item = item;
	verdict = call_listeners(input, item->message);
	taken = current.taken;
	current.item = NULL;
	current.taken = NULL;
	if (taken) {
		rv_message_unref(item->message); /* that of rv_delivery_take() for the listener */
		item->message = NULL;
		item->bytes = 0;
		return RV__DEFERRED;
	}
	return conclude(input, slot, item, judge(input, slot, item, verdict), NULL, ret_delay_ms, &code);
}

/* -- deferred -------------------------------------------------------------------------------------------- */

rv_delivery *rv_delivery_take(const rv_message *message)
{
	rv_delivery *delivery;

	if (!current.item || current.taken || current.item->message != message)
		return NULL;
	delivery = malloc(sizeof *delivery);
	if (!delivery)
		return NULL;
	*delivery = (rv_delivery){.input = current.input, .slot = current.slot, .item = *current.item};
	/* The listener's message is borrowed until it returns, even when another thread settles before. */
	rv_message_ref(message);
	rv__input_ref(current.input);
	pthread_mutex_lock(&current.input->lock);
	delivery->next = current.input->taken;
	current.input->taken = delivery;
	current.input->deferred++;
	current.slot->deferred++;
	pthread_mutex_unlock(&current.input->lock);
	current.taken = delivery;
	return delivery;
}

const rv_message *rv_delivery_message(const rv_delivery *delivery)
{
	return delivery ? delivery->item.message : NULL;
}

/* Puts a deferred delivery in line for another attempt. Locks: input->lock held. */
static bool try_again(rv_delivery *delivery, int64_t delay_ms)
{
	struct rv__slot *slot = delivery->slot;
	struct rv__again *again;

	if (slot->epoch != delivery->item.token.epoch || slot->revoked ||
	    atomic_load(&delivery->input->halted))
		return false;
	again = malloc(sizeof *again);
	if (!again)
		return false;
	*again =
	    (struct rv__again){.item = delivery->item, .due_ns = rv__monotonic_ns() + delay_ms * 1000000};
	rv__slot_add_again(slot, again);
	if (slot->place == RV__SLOT_IDLE || slot->place == RV__SLOT_PARKED) {
		rv__slot_unlist(delivery->input, slot);
		rv__slot_rest(delivery->input, slot);
	}
	return true;
}

/* Locks: input->lock held. */
static void unlink_taken(struct rv__input *input, const rv_delivery *delivery)
{
	rv_delivery **at = &input->taken;

	while (*at != delivery)
		at = &(*at)->next;
	*at = delivery->next;
}

rv_err rv_delivery_settle(rv_delivery *delivery, rv_verdict verdict, const char *reason)
{
	struct rv__input *input;
	struct rv__after after;
	enum rv__outcome outcome;
	int64_t delay_ms;
	rv_err code;

	if (!delivery || (verdict != RV_ACK && verdict != RV_RETRY && verdict != RV_REJECT))
		return RV_E_INVALID;
	input = delivery->input;
	outcome = conclude(input, delivery->slot, &delivery->item, verdict, reason, &delay_ms, &code);
	pthread_mutex_lock(&input->lock);
	unlink_taken(input, delivery);
	input->deferred--;
	delivery->slot->deferred--;
	if (outcome == RV__AGAIN && try_again(delivery, delay_ms)) {
		after = (struct rv__after){.slot = delivery->slot};
	} else {
		if (outcome == RV__AGAIN)
			code = RV_E_STALE;
		rv_message_unref(delivery->item.message);
		rv__slot_forget(delivery->slot, &delivery->item);
		rv__slot_check(input, delivery->slot, &after);
	}
	pthread_cond_broadcast(&input->idle);
	pthread_mutex_unlock(&input->lock);
	rv__after_run(input, &after);
	free(delivery);
	rv__input_unref(input);
	return code;
}
