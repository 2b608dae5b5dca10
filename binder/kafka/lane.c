/* SPDX-License-Identifier: Apache-2.0 */
/* The thread of a transactional producer: what it takes, and what becomes of it. */
#include "binder/kafka/lane.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/numbers.h"
#include "base/wait.h"
#include "binder/kafka/client.h"
#include "binder/kafka/producer.h"

enum {
	IDLE_MS = 1000,
	AGAIN_MS = 500,        /* before another try while something is wrong */
	FORGET_MS = 3000,      /* from the last failure to well again, while nothing is to be committed */
	UNITS_MAX = 8192,      /* of one transaction */
	ROOM_MAX = 100000,     /* messages that wait */
	TRANSACTION_MS = 60000 /* transaction.timeout.ms where nobody says it */
};

/* -- waiting ------------------------------------------------------------------------------------------ */

/* Locks: lane->lock held. */
static void wait_ms(struct rv__kafka_lane *lane, int64_t ms)
{
	(void)rv__wait_until(&lane->changed, &lane->lock, rv__monotonic_ns() + ms * 1000000);
}

static bool has_work(const struct rv__kafka_lane *lane)
{
	return lane->waiting.first || lane->work || lane->store;
}

static void wait_for_work(struct rv__kafka_lane *lane)
{
	pthread_mutex_lock(&lane->lock);
	if (!has_work(lane) && !atomic_load(&lane->quit))
		wait_ms(lane, IDLE_MS);
	pthread_mutex_unlock(&lane->lock);
}

/* Not busy while something is wrong; an end is noticed. */
static void rest(struct rv__kafka_lane *lane)
{
	int64_t until_ms = rv__monotonic_ms() + AGAIN_MS;

	pthread_mutex_lock(&lane->lock);
	while (!atomic_load(&lane->quit) && !atomic_load(&lane->purge) && rv__monotonic_ms() < until_ms)
		wait_ms(lane, until_ms - rv__monotonic_ms());
	pthread_mutex_unlock(&lane->lock);
}

/* -- failing --------------------------------------------------------------------------------------------- */

static void closed_error(const struct rv__kafka_lane *lane, struct rv_error *err)
{
	rv_error_set(err, RV_E_CLOSED, RV__N_KAFKA_NOT_SENT, RV__KAFKA_TOPIC,
	    "a message of binding '%s' was not committed before the end; send it again after the next start",
	    lane->binding);
}

static void fail_all(struct rv__kafka_units *units, const struct rv_error *error)
{
	struct rv__kafka_unit *unit;

	while ((unit = rv__kafka_units_take(units)))
		rv__kafka_unit_tell(unit, error);
}

static struct rv__kafka_units take_waiting(struct rv__kafka_lane *lane, size_t most)
{
	struct rv__kafka_units units = {0};

	pthread_mutex_lock(&lane->lock);
	if (lane->waiting.count <= most)
		rv__kafka_units_join(&units, &lane->waiting);
	while (units.count < most && lane->waiting.first)
		rv__kafka_units_add(&units, rv__kafka_units_take(&lane->waiting));
	pthread_mutex_unlock(&lane->lock);
	return units;
}

/* Before those that came meanwhile. */
static void put_back(struct rv__kafka_lane *lane, struct rv__kafka_units *units)
{
	pthread_mutex_lock(&lane->lock);
	rv__kafka_units_join(units, &lane->waiting);
	lane->waiting = *units;
	pthread_mutex_unlock(&lane->lock);
	*units = (struct rv__kafka_units){0};
}

static void late_error(struct rv__kafka_lane *lane, struct rv_error *err)
{
	char why[sizeof lane->trouble.text];

	pthread_mutex_lock(&lane->lock);
	snprintf(why, sizeof why, "%s", lane->trouble.text);
	pthread_mutex_unlock(&lane->lock);
	rv_error_set(err, RV_E_TIMEOUT, RV__N_KAFKA_NOT_SENT, RV__KAFKA_TOPIC,
	    "a message of binding '%s' was not committed in time; the broker does not have it%s%s",
	    lane->binding, *why ? ": " : "; look whether the broker can be reached", why);
}

/* So many of those that wait; the ones whose time is over fail: nobody expects them to arrive any more. */
static struct rv__kafka_units take_timely(struct rv__kafka_lane *lane, size_t most)
{
	struct rv__kafka_units units = take_waiting(lane, most), timely = {0};
	int64_t now_ms = rv__monotonic_ms();
	struct rv__kafka_unit *unit;
	struct rv_error error;

	while ((unit = rv__kafka_units_take(&units))) {
		if (now_ms < unit->deadline_ms) {
			rv__kafka_units_add(&timely, unit);
			continue;
		}
		late_error(lane, &error);
		rv__kafka_unit_tell(unit, &error);
	}
	return timely;
}

/* While nothing can be committed. */
static void expire(struct rv__kafka_lane *lane)
{
	struct rv__kafka_units timely = take_timely(lane, SIZE_MAX);

	put_back(lane, &timely);
}

static void serve_purge(struct rv__kafka_lane *lane)
{
	struct rv__kafka_units units;
	struct rv_error error;

	if (!atomic_load(&lane->purge) && !atomic_load(&lane->quit))
		return;
	units = take_waiting(lane, SIZE_MAX);
	atomic_store(&lane->purge, false);
	closed_error(lane, &error);
	fail_all(&units, &error);
}

/* -- what became of a transaction ------------------------------------------------------------------------- */

/* The first message of the unit that was refused for itself; NULL: none. */
static const struct rv__kafka_record *cause_in(const struct rv__kafka_unit *unit)
{
	for (size_t i = 0; i < unit->count; i++)
		if (rv__kafka_is_cause(unit->records[i].code))
			return &unit->records[i];
	return NULL;
}

static void tell_cause(struct rv__kafka_unit *unit, const struct rv__kafka_record *record)
{
	struct rv_error error;

	rv__kafka_send_error(record->producer, record->code, NULL, record->outbound.message, &error);
	rv__kafka_unit_tell(unit, &error);
}

static void tell_committed(struct rv__kafka_units *units)
{
	struct rv__kafka_unit *unit;

	while ((unit = rv__kafka_units_take(units))) {
		if (unit->left_out)
			tell_cause(unit, cause_in(unit));
		else
			rv__kafka_unit_tell(unit, NULL);
	}
}

static void aborted_error(const struct rv_error *why, bool sure, struct rv_error *err)
{
	rv_error_set(err, why->code, RV__N_KAFKA_TRANSACTION, RV__KAFKA_TOPIC, "%s; %s", why->text,
	    sure ? "the transaction was aborted, none of its messages can be seen"
	         : "the broker did not say whether the transaction was committed");
	err->retriable = true;
	err->native = why->native;
}

/* Its messages failed, or it goes with the next transaction, or to its new owner. */
static void settle_aborted(struct rv__kafka_lane *lane, struct rv__kafka_unit *unit, bool sure,
    bool blameless, const struct rv_error *error, struct rv__kafka_units *again)
{
	const struct rv__kafka_record *cause = cause_in(unit);

	if (cause && sure) {
		tell_cause(unit, cause);
	} else if (unit->done) {
		lane->deliveries->restore(unit);
	} else if (blameless && sure && rv__monotonic_ms() < unit->deadline_ms && !atomic_load(&lane->quit)) {
		rv__kafka_units_add(again, unit);
	} else {
		rv__kafka_unit_tell(unit, error);
	}
}

static size_t count_causes(const struct rv__kafka_units *units)
{
	size_t n = 0;

	for (const struct rv__kafka_unit *unit = units->first; unit; unit = unit->next)
		n += cause_in(unit) != NULL;
	return n;
}

/* A broker refuses batches, not messages: who is the cause is found by halves. */
static void acquit(struct rv__kafka_lane *lane, const struct rv__kafka_units *units)
{
	lane->most = units->count / 2;
	for (struct rv__kafka_unit *unit = units->first; unit; unit = unit->next)
		for (size_t i = 0; i < unit->count && !unit->left_out; i++)
			unit->records[i].code = RD_KAFKA_RESP_ERR_NO_ERROR;
}

static void settle_all_aborted(
    struct rv__kafka_lane *lane, struct rv__kafka_units *units, bool sure, const struct rv_error *why)
{
	struct rv__kafka_units again = {0};
	size_t causes = count_causes(units);
	/* After a refused message librdkafka takes a new epoch, and says so at the next transaction. */
	bool skipped = why->native == RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER;
	bool blameless = causes > 0 || skipped;
	struct rv__kafka_unit *unit;
	struct rv_error error;

	aborted_error(why, sure, &error);
	if (!blameless)
		rv__kafka_lane_trouble(lane, why);
	if (causes > 1 && sure)
		acquit(lane, units);
	while ((unit = rv__kafka_units_take(units)))
		settle_aborted(lane, unit, sure, blameless, &error, &again);
	put_back(lane, &again);
	if (!blameless)
		rest(lane);
	rv__kafka_lane_look(lane, false);
}

/*
 * Whether deliveries were committed is told by what the group has stored, once a new client has ended whatever the
 * old one left.
 */
static void resolve(struct rv__kafka_lane *lane, struct rv__kafka_units *units,
    rd_kafka_topic_partition_list_t *offsets, const struct rv_error *why)
{
	struct rv__kafka_units committed = {0}, others = {0};
	struct rv__kafka_unit *unit;
	bool known = false;

	while (!atomic_load(&lane->quit) && !known) {
		known = rv__kafka_lane_prepare(lane) && lane->deliveries->stored(lane, offsets);
		if (!known)
			rest(lane);
	}
	while ((unit = rv__kafka_units_take(units)))
		rv__kafka_units_add(
		    known && lane->deliveries->is_behind(unit, offsets) ? &committed : &others, unit);
	if (committed.first)
		lane->deliveries->settle(lane, &committed, offsets);
	tell_committed(&committed);
	settle_all_aborted(lane, &others, false, why);
}

/* One transaction, if there is anything for one. */
static void work(struct rv__kafka_lane *lane)
{
	struct rv__kafka_positions positions = {NULL, NULL};
	struct rv__kafka_units units = {0};
	enum rv__kafka_end end;
	struct rv_error why = {0};

	if (lane->deliveries)
		lane->deliveries->take(lane, &units, &positions);
	else
		units = take_timely(lane, lane->most);
	if (!units.first && !positions.list) {
		rv__kafka_positions_finish(&positions);
		return;
	}
	end = rv__kafka_transact(lane, &units, &positions, &why);
	if (end == RV__KAFKA_COMMITTED) {
		lane->most = lane->most < UNITS_MAX / 2 ? lane->most * 2 : UNITS_MAX;
		if (lane->deliveries)
			lane->deliveries->settle(lane, &units, positions.list);
		tell_committed(&units);
	} else if (end == RV__KAFKA_UNSURE && positions.list) {
		resolve(lane, &units, positions.list, &why);
	} else {
		settle_all_aborted(lane, &units, end == RV__KAFKA_ABORTED, &why);
	}
	rv__kafka_positions_finish(&positions);
}

/* -- the thread ------------------------------------------------------------------------------------------- */

static void begin_round(struct rv__kafka_lane *lane)
{
	pthread_mutex_lock(&lane->lock);
	lane->begun++;
	lane->work = false;
	pthread_mutex_unlock(&lane->lock);
}

static void end_round(struct rv__kafka_lane *lane)
{
	bool tell;

	pthread_mutex_lock(&lane->lock);
	lane->ended = lane->begun;
	tell = lane->wants_room && lane->waiting.count <= lane->room / 2;
	if (tell)
		lane->wants_room = false;
	pthread_cond_broadcast(&lane->changed);
	pthread_mutex_unlock(&lane->lock);
	if (tell)
		lane->producer->sink_ops->writable(lane->producer->sink);
}

static bool wants_client(struct rv__kafka_lane *lane)
{
	bool wanted;

	pthread_mutex_lock(&lane->lock);
	wanted = !lane->on_demand || has_work(lane) || lane->trouble.code != RV_OK;
	pthread_mutex_unlock(&lane->lock);
	return wanted;
}

/* Nobody sends by a service that is out of use for its health, so it must not take a message to be well again. */
static void forget_trouble(struct rv__kafka_lane *lane)
{
	if (lane->ready && rv__monotonic_ms() >= lane->trouble_ms + FORGET_MS)
		rv__kafka_lane_trouble(lane, NULL);
}

static void *run(void *argument)
{
	struct rv__kafka_lane *lane = argument;

	while (!atomic_load(&lane->quit)) {
		wait_for_work(lane);
		begin_round(lane);
		serve_purge(lane);
		if (wants_client(lane)) {
			if (rv__kafka_lane_prepare(lane)) {
				work(lane);
				forget_trouble(lane);
			} else {
				expire(lane);
				rest(lane);
				rv__kafka_lane_look(lane, false);
			}
		}
		if (lane->rk)
			rd_kafka_poll(lane->rk, 0);
		end_round(lane);
	}
	serve_purge(lane);
	end_round(lane);
	if (lane->rk)
		rd_kafka_destroy(lane->rk);
	lane->rk = NULL;
	return NULL;
}

/* -- opening and closing ------------------------------------------------------------------------------------ */

static rv_err no_memory(struct rv_error *err)
{
	return rv_error_set(err, RV_E_NOMEM, 0, RV__KAFKA_TOPIC, "no memory for a transactional producer");
}

rv_err rv__kafka_lane_collect(struct rv__kafka_config *config, const struct rv__kafka *kafka,
    const char *binding, int64_t message_timeout_ms, struct rv_error *err)
{
	const struct rv__kafka_producer_settings *settings = &kafka->settings->transaction_producer;
	rv_err failed = rv__kafka_config_collect(
	    config, kafka->settings, RV__KAFKA_PRODUCER, binding, &settings->configuration, err);

	if (failed == RV_OK) {
		int64_t limit_ms = rv__kafka_config_number(config, "transaction.timeout.ms", TRANSACTION_MS);

		/* librdkafka refuses a message that may take longer than its transaction. */
		rv__kafka_put_settings(config, settings,
		    message_timeout_ms > 0 && message_timeout_ms < limit_ms ? message_timeout_ms : limit_ms);
		rv__kafka_config_put(config, "enable.idempotence", "true", RV__KAFKA_BINDING);
	}
	return failed;
}

static rv_err configure(
    struct rv__kafka_lane *lane, const struct rv__kafka_lane_spec *spec, struct rv_error *err)
{
	struct rv__kafka_config config;
	rv_err failed =
	    rv__kafka_lane_collect(&config, lane->kafka, spec->binding, spec->message_timeout_ms, err);

	if (failed == RV_OK) {
		lane->patience_ms =
		    rv__kafka_config_number(&config, "transaction.timeout.ms", TRANSACTION_MS);
		rv__kafka_config_put(&config, "transactional.id", lane->id, RV__KAFKA_BINDING);
		failed = rv__kafka_config_build(&config, lane->kafka->env, &lane->conf, err);
	}
	rv__kafka_config_finish(&config);
	return failed;
}

static void destroy(struct rv__kafka_lane *lane)
{
	if (lane->rk)
		rd_kafka_destroy(lane->rk);
	if (lane->conf)
		rd_kafka_conf_destroy(lane->conf);
	pthread_cond_destroy(&lane->changed);
	pthread_mutex_destroy(&lane->lock);
	free(lane->binding);
	free(lane->id);
	free(lane);
}

/* Whether librdkafka takes the settings is known at once, and a bind says it. */
static rv_err try_settings(const struct rv__kafka_lane *lane, struct rv_error *err)
{
	rd_kafka_conf_t *conf = rd_kafka_conf_dup(lane->conf);
	char why[256];
	rd_kafka_t *rk = rd_kafka_new(RD_KAFKA_PRODUCER, conf, why, sizeof why);

	if (rk) {
		rd_kafka_destroy(rk);
		return RV_OK;
	}
	rd_kafka_conf_destroy(conf);
	return rv_error_set(err, RV_E_CONFIG, RV__N_KAFKA_CLIENT, RV__KAFKA_TOPIC,
	    "binding '%s': the transactional producer cannot be made: %s; correct the settings under "
	    "transaction.producer, producer-properties or spring.kafka.producer",
	    lane->binding, why);
}

rv_err rv__kafka_lane_open(struct rv__kafka *kafka, const struct rv__kafka_lane_spec *spec,
    struct rv__kafka_lane **ret_lane, struct rv_error *err)
{
	struct rv__kafka_lane *lane = calloc(1, sizeof *lane);
	rv_err failed;

	if (!lane || !rv__wait_init(&lane->lock, &lane->changed)) {
		free(lane);
		return no_memory(err);
	}
	lane->kafka = kafka;
	lane->producer = spec->producer;
	lane->consumer = spec->consumer;
	lane->deliveries = spec->deliveries;
	lane->on_demand = spec->on_demand;
	lane->room = ROOM_MAX;
	lane->most = UNITS_MAX;
	lane->binding = strdup(spec->binding);
	if (asprintf(&lane->id, "%s%s.%s", kafka->settings->transaction_id_prefix, spec->binding,
	        spec->destination) < 0)
		lane->id = NULL;
	failed = lane->binding && lane->id ? configure(lane, spec, err) : no_memory(err);
	if (failed == RV_OK)
		failed = try_settings(lane, err);
	if (failed == RV_OK && pthread_create(&lane->thread, NULL, run, lane) != 0)
		failed = no_memory(err);
	if (failed != RV_OK) {
		destroy(lane);
		return failed;
	}
	pthread_mutex_lock(&kafka->senders->lock);
	lane->next = kafka->senders->lanes;
	kafka->senders->lanes = lane;
	pthread_mutex_unlock(&kafka->senders->lock);
	*ret_lane = lane;
	return RV_OK;
}

/* Until a round that begins from now on is over, or the time. */
static bool wait_round(struct rv__kafka_lane *lane, int64_t deadline_ms)
{
	int64_t until_ms = rv__monotonic_ms() + deadline_ms;
	uint64_t round;
	bool over;

	pthread_mutex_lock(&lane->lock);
	round = lane->begun + 1;
	lane->work = true;
	pthread_cond_broadcast(&lane->changed);
	while ((lane->ended < round || lane->waiting.first) && rv__monotonic_ms() < until_ms)
		wait_ms(lane, until_ms - rv__monotonic_ms());
	over = lane->ended >= round;
	pthread_mutex_unlock(&lane->lock);
	return over;
}

void rv__kafka_lane_close(struct rv__kafka_lane *lane, int64_t deadline_ms)
{
	struct rv__kafka_lane **at;

	if (!lane)
		return;
	(void)wait_round(lane, deadline_ms);
	pthread_mutex_lock(&lane->lock);
	atomic_store(&lane->quit, true);
	pthread_cond_broadcast(&lane->changed);
	pthread_mutex_unlock(&lane->lock);
	pthread_join(lane->thread, NULL);
	pthread_mutex_lock(&lane->kafka->senders->lock);
	for (at = &lane->kafka->senders->lanes; *at != lane; at = &(*at)->next)
		;
	*at = lane->next;
	pthread_mutex_unlock(&lane->kafka->senders->lock);
	destroy(lane);
}

/* -- from other threads --------------------------------------------------------------------------------------- */

size_t rv__kafka_lane_send(struct rv__kafka_lane *lane, const struct rv_outbound *batch, size_t n)
{
	int64_t deadline_ms = rv__monotonic_ms() + lane->producer->message_timeout_ms;
	struct rv__kafka_units units = {0};
	size_t room, sent = 0;

	pthread_mutex_lock(&lane->lock);
	room = lane->waiting.count < lane->room ? lane->room - lane->waiting.count : 0;
	pthread_mutex_unlock(&lane->lock);
	while (sent < n && sent < room) {
		struct rv_joint joint = {lane->producer, batch[sent]};
		struct rv__kafka_unit *unit = rv__kafka_unit_create(lane, &joint, 1);

		if (!unit)
			break;
		unit->deadline_ms = deadline_ms;
		rv__kafka_units_add(&units, unit);
		sent++;
	}
	pthread_mutex_lock(&lane->lock);
	rv__kafka_units_join(&lane->waiting, &units);
	if (sent < n)
		lane->wants_room = true;
	pthread_cond_broadcast(&lane->changed);
	pthread_mutex_unlock(&lane->lock);
	return sent;
}

void rv__kafka_lane_look(struct rv__kafka_lane *lane, bool store)
{
	pthread_mutex_lock(&lane->lock);
	lane->work = true;
	lane->store |= store;
	pthread_cond_broadcast(&lane->changed);
	pthread_mutex_unlock(&lane->lock);
}

bool rv__kafka_lane_store(struct rv__kafka_lane *lane, int64_t timeout_ms)
{
	pthread_mutex_lock(&lane->lock);
	lane->store = true;
	pthread_mutex_unlock(&lane->lock);
	return wait_round(lane, timeout_ms);
}

bool rv__kafka_lane_health(struct rv__kafka_lane *lane, rv_detail_fn detail, void *arg)
{
	struct rv_error trouble;
	char name[160];

	pthread_mutex_lock(&lane->lock);
	trouble = lane->trouble;
	pthread_mutex_unlock(&lane->lock);
	if (trouble.code == RV_OK)
		return true;
	if (detail) {
		snprintf(name, sizeof name, "transactions.%.128s", lane->binding);
		detail(arg, name, trouble.text);
	}
	return false;
}
