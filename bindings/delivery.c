/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One delivery: the listeners say their verdict; then comes another attempt, or the settlement.
 *
 *     RV_ACK                        acknowledge
 *     RV_RETRY, attempts left       again in place, after the back-off
 *     RV_RETRY, none left           the broker's own way (requeue), else dead letter, else drop
 *     RV_REJECT                     dead letter, else drop
 *     none: delivered too often     likewise, without a call of the listeners
 *
 * Each settlement is counted; all but acknowledge are logged once. A settlement that fails otherwise than by
 * being stale is tried again: the position must not stay open for ever.
 */
#include "bindings/delivery.h"

#include "base/clock.h"
#include "base/numbers.h"
#include "bindings/app.h"
#include "bindings/embedded.h"
#include "bindings/message.h"
#include "bindings/slots.h"

#include <stdlib.h>

enum { SETTLE_AGAIN_MS = 100 };

/* What the listener of this thread is handling. */
static __thread struct handling {
	struct rv__input *input;
	struct rv__slot *slot;
	struct rv__item *item;
	rv_delivery *taken;
	struct rv__joints joints;
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

/* Whether the broker delivered it so often that no listener sees it again. */
static bool is_over_delivered(const struct rv__slot *slot, const struct rv__item *item)
{
	return slot->source->max_deliveries > 0 && item->deliveries >= slot->source->max_deliveries;
}

/* Whether a redelivery would be one too many. */
static bool is_last_delivery(const struct rv__slot *slot, const struct rv__item *item)
{
	return slot->source->max_deliveries > 0 && item->deliveries + 1 >= slot->source->max_deliveries;
}

static enum rv_settlement choose(const struct rv__slot *slot, const struct rv__item *item, rv_verdict verdict)
{
	const struct rv_consumer_info *info = &slot->source->info;

	if (verdict == RV_ACK)
		return RV_SETTLE_ACK;
	if (verdict == RV_RETRY && info->redelivers && !is_last_delivery(slot, item))
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

static rv_err call_settle(struct rv__input *input, const struct rv__slot *slot,
    const struct rv_settle *request, int64_t *ret_hold_ms)
{
	rv_err code = RV_E_STALE;

	*ret_hold_ms = -1;
	if (rv__input_enter(input)) {
		code = input->ops->settle(slot->source->consumer, request, ret_hold_ms);
		rv__input_leave(input);
	}
	return code;
}

static void note_stale(struct rv__input *input, const struct rv__slot *slot, const struct rv__item *item)
{
	atomic_fetch_add_explicit(&input->stale, 1, memory_order_relaxed);
	if (rv_log_enabled(RV_LOG_DEBUG, "delivery"))
		log_settled(input, slot, item, RV_LOG_DEBUG, "settled too late, its new owner gets it", NULL);
}

/* Settles with the binder. RV_E_STALE is a normal result. *ret_hold_ms >= 0: try again in place after it. */
static rv_err settle(struct rv__input *input, struct rv__slot *slot, const struct rv__item *item,
    enum rv_settlement settlement, const char *reason, int64_t *ret_hold_ms)
{
	struct rv_settle request = {
	    .token = item->token,
	    .settlement = settlement,
	    .reason = reason,
	    .message = item->message,
	};
	rv_err code = call_settle(input, slot, &request, ret_hold_ms);

	if (code == RV_OK && *ret_hold_ms == RV_HOLD_DEAD_LETTER)
		request.settlement = RV_SETTLE_DEAD_LETTER;
	else if (code == RV_OK && *ret_hold_ms == RV_HOLD_DROP)
		request.settlement = RV_SETTLE_DROP;
	if (code == RV_OK)
		count_and_log(input, slot, item, request.settlement, reason);
	else if (code == RV_E_STALE)
		note_stale(input, slot, item);
	else if (!item->pending)
		log_settled(input, slot, item, RV_LOG_WARN, "could not be settled, and is tried again",
		    rv_err_text(code));
	return code;
}

rv_err rv__delivery_acknowledge(
    struct rv__input *input, const struct rv__slot *slot, const struct rv__item *items, size_t n)
{
	struct rv_token tokens[RV__ACKS_MAX];
	rv_err code = RV_E_STALE;

	for (size_t i = 0; i < n; i++)
		tokens[i] = items[i].token;
	if (rv__input_enter(input)) {
		code = input->ops->acknowledge(slot->source->consumer, tokens, n);
		rv__input_leave(input);
	}
	return code;
}

void rv__delivery_conclude(
    struct rv__input *input, const struct rv__slot *slot, const struct rv__item *items, size_t n, bool stale)
{
	if (n > 0 && !stale)
		atomic_fetch_add_explicit(&input->acked, n, memory_order_relaxed);
	for (size_t i = 0; i < n; i++) {
		if (i + 2 < n)
			__builtin_prefetch(items[i + 2].message->root, 1);
		if (stale)
			note_stale(input, slot, &items[i]);
		else if (input->observer && input->observer->settled)
			input->observer->settled(input->observer->context, input->channel, RV_SETTLE_ACK);
		rv_message_unref(items[i].message);
	}
}

rv_err rv__delivery_settle_moved(rv_delivery *delivery)
{
	const struct rv__item *item = &delivery->line.item;
	struct rv_settle request = {
	    .token = item->token, .settlement = RV_SETTLE_ACK, .message = item->message};
	int64_t hold_ms;
	rv_err code =
	    delivery->settled ? RV_OK : call_settle(delivery->input, delivery->slot, &request, &hold_ms);

	if (code == RV_OK)
		count_and_log(delivery->input, delivery->slot, item, RV_SETTLE_DEAD_LETTER,
		    delivery->reason ? delivery->reason
		                     : rv_message_header(delivery->letter, "x-exception-message"));
	else if (code == RV_E_STALE)
		note_stale(delivery->input, delivery->slot, item);
	return code;
}

void rv__delivery_committed(rv_delivery *delivery, bool stale)
{
	if (stale)
		note_stale(delivery->input, delivery->slot, &delivery->line.item);
	else
		count_and_log(delivery->input, delivery->slot, &delivery->line.item, RV_SETTLE_ACK, NULL);
	rv__delivery_end(delivery);
}

/* What follows a verdict. The message of a finished item is given back. */
static enum rv__outcome conclude(struct rv__input *input, struct rv__slot *slot, struct rv__item *item,
    rv_verdict verdict, const char *reason, int64_t *ret_delay_ms, rv_err *ret_code)
{
	enum rv_settlement settlement;

	*ret_code = RV_OK;
	if (verdict == RV_RETRY && item->attempts < input->max_attempts) {
		*ret_delay_ms = back_off_ms(input, item->attempts);
		return RV__AGAIN;
	}
	settlement = choose(slot, item, verdict);
	if (settlement == RV_SETTLE_DEAD_LETTER && slot->source->letters)
		return RV__BURY;
	*ret_code = settle(input, slot, item, settlement, reason, ret_delay_ms);
	if (*ret_code == RV_OK && *ret_delay_ms >= 0) {
		/* The broker's way is to hold the queue: for the listener it is a new delivery. */
		item->before += item->attempts;
		item->attempts = 0;
		item->deliveries++;
		item->pending = 0;
		return RV__AGAIN;
	}
	if (*ret_code != RV_OK && *ret_code != RV_E_STALE) {
		item->pending = (int16_t)(verdict + 1);
		*ret_delay_ms = SETTLE_AGAIN_MS;
		*ret_code = RV_OK;
		return RV__AGAIN;
	}
	rv_message_unref(item->message);
	item->message = NULL;
	return RV__DONE;
}

/* -- taken deliveries ---------------------------------------------------------------------------------- */

/* Lists an item of a worker as taken; the item itself is untouched. NULL: no memory. */
static rv_delivery *list_taken(struct rv__input *input, struct rv__slot *slot, const struct rv__item *item)
{
	rv_delivery *delivery = calloc(1, sizeof *delivery);

	if (!delivery)
		return NULL;
	delivery->line.item = *item;
	delivery->input = input;
	delivery->slot = slot;
	rv__input_ref(input);
	pthread_mutex_lock(&input->lock);
	delivery->next = input->taken;
	input->taken = delivery;
	input->deferred++;
	slot->deferred++;
	pthread_mutex_unlock(&input->lock);
	return delivery;
}

/* Out of the list, and out of what holds its slot. Locks: input->lock held. */
static void unlist_taken(rv_delivery *delivery)
{
	struct rv__input *input = delivery->input;
	struct rv__slot *slot = delivery->slot;
	rv_delivery **at = &input->taken;

	while (*at != delivery)
		at = &(*at)->next;
	*at = delivery->next;
	input->deferred--;
	slot->deferred--;
	if (!delivery->holds)
		return;
	delivery->holds = false;
	input->held--;
	if (--slot->held == 0 && slot->place == RV__SLOT_IDLE)
		rv__slot_rest(input, slot);
}

void rv__delivery_forget(rv_delivery *delivery)
{
	unlist_taken(delivery);
	rv__slot_forget(delivery->slot, &delivery->line.item);
}

void rv__delivery_free(rv_delivery *delivery)
{
	rv_message_unref(delivery->line.item.message);
	rv_message_unref(delivery->letter);
	free(delivery->reason);
	rv__input_unref(delivery->input);
	free(delivery);
}

void rv__delivery_end(rv_delivery *delivery)
{
	struct rv__input *input = delivery->input;
	struct rv__after after;

	pthread_mutex_lock(&input->lock);
	rv__delivery_forget(delivery);
	rv__slot_check(input, delivery->slot, &after);
	pthread_cond_broadcast(&input->idle);
	pthread_mutex_unlock(&input->lock);
	rv__after_run(input, &after);
	rv__delivery_free(delivery);
}

/* Commits what the listener of a worker sent. */
static enum rv__outcome commit_running(struct rv__input *input, struct rv__slot *slot, struct rv__item *item,
    struct rv__joints *joints, int64_t *ret_delay_ms)
{
	rv_delivery *delivery = list_taken(input, slot, item);

	if (!delivery) {
		rv__joints_discard(joints);
		*ret_delay_ms = SETTLE_AGAIN_MS;
		return RV__AGAIN;
	}
	delivery->joints = *joints;
	item->message = NULL;
	item->bytes = 0;
	rv__delivery_commit(delivery);
	return RV__DEFERRED;
}

static enum rv__cause cause_of(const struct rv__slot *slot, const struct rv__item *item, rv_verdict verdict)
{
	if (is_over_delivered(slot, item))
		return RV__CAUSE_DELIVERIES;
	return verdict == RV_REJECT ? RV__CAUSE_REJECT : RV__CAUSE_RETRIES;
}

/* Moves what a worker has to the dead letters. */
static enum rv__outcome bury_running(struct rv__input *input, struct rv__slot *slot, struct rv__item *item,
    rv_verdict verdict, int64_t *ret_delay_ms)
{
	rv_delivery *delivery = list_taken(input, slot, item);

	if (!delivery) {
		item->pending = (int16_t)(verdict + 1);
		*ret_delay_ms = SETTLE_AGAIN_MS;
		return RV__AGAIN;
	}
	item->message = NULL;
	item->bytes = 0;
	rv__delivery_bury(delivery, cause_of(slot, item, verdict), NULL);
	return RV__DEFERRED;
}

/* -- listeners --------------------------------------------------------------------------------------- */

static rv_verdict call_listeners(
    const struct rv__input *input, const struct rv__listener *poller, const rv_message *message)
{
	rv_verdict verdict = RV_ACK;

	if (poller)
		return poller->call(message, poller->context);

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

/* Takes embedded headers out of the payload; what has none is a payload like any other. */
static void unwrap(struct rv__input *input, const struct rv__slot *slot, struct rv__item *item)
{
	if (rv__embedded_decode(&item->message) == RV_E_NOMEM)
		log_settled(
		    input, slot, item, RV_LOG_WARN, "no memory to take the headers out of the payload", NULL);
	rv__message_default_content_type(item->message, input->content_type);
	item->unwrapped = true;
}

/* Tells a binder that counts what ends the process. */
static void tell_attempt(
    struct rv__input *input, const struct rv__slot *slot, const struct rv__item *item, bool begins)
{
	if (!slot->source->info.watches_attempts || !rv__input_enter(input))
		return;
	input->ops->attempt(slot->source->consumer, &item->token, begins);
	rv__input_leave(input);
}

/* False: another one has it by now, though nobody told us yet. */
static bool is_still_ours(struct rv__input *input, const struct rv__slot *slot, const struct rv__item *item)
{
	bool ours = false;

	if (!slot->source->info.fenced)
		return true;
	if (rv__input_enter(input)) {
		ours = input->ops->holds(slot->source->consumer, &item->token);
		rv__input_leave(input);
	}
	return ours;
}

/* One more attempt: what the listeners say. `*ret_taken`: one of them took it. */
static rv_verdict attempt(struct rv__input *input, struct rv__slot *slot, struct rv__item *item,
    const struct rv__listener *poller, rv_delivery **ret_taken, struct rv__joints *ret_joints)
{
	struct handling outer = current; /* a listener may poll another channel */
	struct rv__joints *outer_joints = rv__joints_open;
	rv_verdict verdict;

	if (item->attempts > 0)
		atomic_fetch_add_explicit(&input->retried, 1, memory_order_relaxed);
	item->attempts++;
	if (rv_message_attempt(item->message) != item->before + item->attempts &&
	    rv__message_set_attempt(&item->message, item->before + item->attempts) != RV_OK)
		log_settled(input, slot, item, RV_LOG_WARN, "no memory to tell the attempt number", NULL);
	tell_attempt(input, slot, item, true);
	current = (struct handling){
	    .input = input, .slot = slot, .item = item, .joints = {.binder = input->binder_used}};
	rv__joints_open = slot->source->info.transactional ? &current.joints : NULL;
	verdict = call_listeners(input, poller, item->message);
	*ret_taken = current.taken;
	*ret_joints = current.joints;
	current = outer;
	rv__joints_open = outer_joints;
	if (!*ret_taken)
		tell_attempt(input, slot, item, false);
	return verdict;
}

enum rv__outcome rv__delivery_run(struct rv__input *input, struct rv__slot *slot, struct rv__item *item,
    const struct rv__listener *poller, bool gathers, int64_t *ret_delay_ms)
{
	struct rv__joints joints = {0};
	rv_delivery *taken = NULL;
	const char *reason = NULL;
	enum rv__outcome outcome;
	rv_verdict verdict;
	rv_err code;

	if (!is_still_ours(input, slot, item)) {
		note_stale(input, slot, item);
		rv_message_unref(item->message);
		item->message = NULL;
		return RV__DONE;
	}
	if (input->embedded && !item->unwrapped)
		unwrap(input, slot, item);
	if (item->pending) {
		verdict = (rv_verdict)(item->pending - 1);
	} else if (is_over_delivered(slot, item)) {
		verdict = RV_REJECT;
		reason = "the broker delivered it too often";
	} else {
		verdict = attempt(input, slot, item, poller, &taken, &joints);
		if (taken) {
			rv_message_unref(item->message); /* that of rv_delivery_take() for the listener */
			item->message = NULL;
			item->bytes = 0;
			return RV__DEFERRED;
		}
		if (verdict == RV_ACK && joints.first)
			return commit_running(input, slot, item, &joints, ret_delay_ms);
		if (verdict == RV_ACK && gathers)
			return RV__ACKED;
		rv__joints_discard(&joints);
		verdict = judge(input, slot, item, verdict);
	}
	outcome = conclude(input, slot, item, verdict, reason, ret_delay_ms, &code);
	return outcome == RV__BURY ? bury_running(input, slot, item, verdict, ret_delay_ms) : outcome;
}

/* -- deferred -------------------------------------------------------------------------------------------- */

rv_delivery *rv_delivery_take(const rv_message *message)
{
	if (!current.item || current.taken || current.item->message != message)
		return NULL;
	current.taken = list_taken(current.input, current.slot, current.item);
	if (current.taken) {
		current.taken->joints = current.joints;
		current.joints = (struct rv__joints){0};
		rv__joints_open = NULL;
	}
	/* The listener's message is borrowed until it returns, even when another thread settles before. */
	if (current.taken)
		rv_message_ref(message);
	return current.taken;
}

const rv_message *rv_delivery_message(const rv_delivery *delivery)
{
	return delivery ? delivery->line.item.message : NULL;
}

/* Puts a deferred delivery in line for another attempt; the line has it then. Locks: input->lock held. */
static bool try_again(rv_delivery *delivery, int64_t delay_ms)
{
	struct rv__slot *slot = delivery->slot;

	if (slot->epoch != delivery->line.item.token.epoch || slot->revoked ||
	    atomic_load(&delivery->input->halted))
		return false;
	delivery->line.due_ns = rv__monotonic_ns() + delay_ms * 1000000;
	unlist_taken(delivery);
	rv__slot_add_again(slot, &delivery->line);
	if (slot->place == RV__SLOT_IDLE || slot->place == RV__SLOT_PARKED) {
		rv__slot_unlist(delivery->input, slot);
		rv__slot_rest(delivery->input, slot);
	}
	return true;
}

/* Another attempt was asked for, or another try to settle. */
static rv_err settle_again(rv_delivery *delivery, int64_t delay_ms)
{
	struct rv__input *input = delivery->input;
	struct rv__after after = {.slot = delivery->slot};
	bool in_line;

	pthread_mutex_lock(&input->lock);
	in_line = try_again(delivery, delay_ms);
	if (in_line)
		rv__slot_check(input, after.slot, &after);
	pthread_cond_broadcast(&input->idle);
	pthread_mutex_unlock(&input->lock);
	if (!in_line) {
		rv__delivery_end(delivery);
		return RV_E_STALE;
	}
	rv__after_run(input, &after);
	rv__input_unref(input);
	return RV_OK;
}

/* Whether its slot moved on: a dead letter would only double what the new owner gets. */
static bool has_moved_on(const rv_delivery *delivery)
{
	struct rv__input *input = delivery->input;
	bool moved_on;

	pthread_mutex_lock(&input->lock);
	moved_on = delivery->slot->epoch != delivery->line.item.token.epoch;
	pthread_mutex_unlock(&input->lock);
	return moved_on || atomic_load(&input->detached);
}

rv_err rv_delivery_settle(rv_delivery *delivery, rv_verdict verdict, const char *reason)
{
	struct rv__item *item;
	enum rv__outcome outcome;
	int64_t delay_ms;
	rv_err code;

	if (!delivery || (verdict != RV_ACK && verdict != RV_RETRY && verdict != RV_REJECT))
		return RV_E_INVALID;
	item = &delivery->line.item;
	if (verdict == RV_ACK && delivery->joints.first) {
		rv__delivery_commit(delivery);
		return RV_OK;
	}
	rv__delivery_discard_joints(delivery);
	outcome = conclude(delivery->input, delivery->slot, item, verdict, reason, &delay_ms, &code);
	if (outcome == RV__AGAIN)
		return settle_again(delivery, delay_ms);
	if (outcome == RV__BURY && !has_moved_on(delivery)) {
		rv__delivery_bury(delivery, cause_of(delivery->slot, item, verdict), reason);
		return RV_OK;
	}
	if (outcome == RV__BURY) {
		note_stale(delivery->input, delivery->slot, item);
		code = RV_E_STALE;
	}
	rv__delivery_end(delivery);
	return code;
}
