/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One transaction, call by call. librdkafka says of each failure what follows: the same call again (retriable), an
 * abort, or a new client (fatal: fenced, or its state is lost). Calls are made in slices of time, so that an end does not
 * wait for a broker that is away; librdkafka goes on with one that is called again.
 */
#include <stdio.h>

#include "base/clock.h"
#include "base/numbers.h"
#include "binder/kafka/lane.h"
#include "binder/kafka/producer.h"

enum {
	SLICE_MS = 500,
	PAUSE_MS = 20,   /* before the same call again that failed at once */
	ABORT_MS = 2000, /* that an abort may take; then a new client aborts it */
	FULL_MS = 10,    /* librdkafka's queue is full */
	POLL_EACH = 256  /* records between two looks at reports */
};

/* -- words ------------------------------------------------------------------------------------------- */

static const char *cure_of(rd_kafka_resp_err_t code)
{
	switch (code) {
	case RD_KAFKA_RESP_ERR__FENCED:
	case RD_KAFKA_RESP_ERR_PRODUCER_FENCED:
	case RD_KAFKA_RESP_ERR_INVALID_PRODUCER_EPOCH:
		return "another process uses the same id: give each instance a transaction-id-prefix of its "
		       "own";
	case RD_KAFKA_RESP_ERR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED:
		return "grant the user of this service write and describe on the transactional id";
	case RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED:
		return "grant the user of this service read on the group";
	case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
		return "grant the user of this service write on the topic";
	case RD_KAFKA_RESP_ERR_INVALID_TRANSACTION_TIMEOUT:
		return "lower transaction.timeout.ms, or raise transaction.max.timeout.ms of the broker";
	case RD_KAFKA_RESP_ERR_COORDINATOR_NOT_AVAILABLE:
	case RD_KAFKA_RESP_ERR_INVALID_REPLICATION_FACTOR:
		return "look whether there are brokers enough for transaction.state.log.replication.factor";
	default:
		return "look whether the broker can be reached, and at its log";
	}
}

static bool is_fenced(rd_kafka_resp_err_t code)
{
	return code == RD_KAFKA_RESP_ERR__FENCED || code == RD_KAFKA_RESP_ERR_PRODUCER_FENCED ||
	    code == RD_KAFKA_RESP_ERR_INVALID_PRODUCER_EPOCH;
}

static void explain(const struct rv__kafka_lane *lane, const rd_kafka_error_t *error, struct rv_error *err)
{
	rd_kafka_resp_err_t code = rd_kafka_error_code(error);
	char why[256];

	/* "Fatal" is no reason: the reason lies behind it. */
	snprintf(why, sizeof why, "%.255s", rd_kafka_error_string(error));
	if (code == RD_KAFKA_RESP_ERR__FATAL && lane->rk)
		code = rd_kafka_fatal_error(lane->rk, why, sizeof why);
	rv_error_set(err, is_fenced(code) ? RV_E_CLOSED : RV_E_UNAVAILABLE, RV__N_KAFKA_TRANSACTION,
	    RV__KAFKA_TOPIC, "binding '%s', transactional.id '%s': %s (%s); %s", lane->binding, lane->id, why,
	    rd_kafka_err2name(code), cure_of(code));
	err->retriable = true;
	err->native = code;
}

bool rv__kafka_is_cause(rd_kafka_resp_err_t code)
{
	switch (code) {
	case RD_KAFKA_RESP_ERR_NO_ERROR:
	case RD_KAFKA_RESP_ERR__PURGE_QUEUE:
	case RD_KAFKA_RESP_ERR__PURGE_INFLIGHT:
	case RD_KAFKA_RESP_ERR__FATAL:
	case RD_KAFKA_RESP_ERR__FENCED:
	case RD_KAFKA_RESP_ERR__STATE:
	case RD_KAFKA_RESP_ERR__DESTROY:
	case RD_KAFKA_RESP_ERR__MSG_TIMED_OUT: /* of the broker, not of the message */
	case RD_KAFKA_RESP_ERR_INVALID_PRODUCER_EPOCH:
	case RD_KAFKA_RESP_ERR_PRODUCER_FENCED:
	case RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER:
	case RD_KAFKA_RESP_ERR_UNKNOWN_PRODUCER_ID:
	case RD_KAFKA_RESP_ERR_INVALID_TXN_STATE:
	case RD_KAFKA_RESP_ERR_INVALID_PRODUCER_ID_MAPPING:
		return false;
	default:
		return true;
	}
}

void rv__kafka_lane_trouble(struct rv__kafka_lane *lane, const struct rv_error *why)
{
	bool news;

	pthread_mutex_lock(&lane->lock);
	news = why ? lane->trouble.native != why->native || lane->trouble.code == RV_OK
	           : lane->trouble.code != RV_OK;
	lane->trouble = why ? *why : (struct rv_error){0};
	lane->trouble_ms = why ? rv__monotonic_ms() : 0;
	pthread_mutex_unlock(&lane->lock);
	if (news && why)
		lane->kafka->env->log(RV_LOG_WARN, RV__KAFKA_TOPIC, "RV%04u %s; trying again",
		    (unsigned)why->number, why->text);
	else if (news)
		lane->kafka->env->log(RV_LOG_INFO, RV__KAFKA_TOPIC,
		    "binding '%s', transactional.id '%s': transactions can be committed again", lane->binding,
		    lane->id);
}

/* -- the client ---------------------------------------------------------------------------------------- */

static void on_report(rd_kafka_t *rk, const rd_kafka_message_t *message, void *opaque)
{
	struct rv__kafka_record *record = message->_private;
	struct rv__kafka_lane *lane = opaque;

	(void)rk;
	lane->unreported--;
	record->code = message->err;
	if (!message->err)
		record->receipt = (struct rv_receipt){
		    .partition = message->partition, .position = message->offset >= 0 ? message->offset : -1};
}

static void on_error(rd_kafka_t *rk, int code, const char *reason, void *opaque)
{
	struct rv__kafka_lane *lane = opaque;

	(void)rk;
	if (code != RD_KAFKA_RESP_ERR__FATAL) /* that comes as the answer to a call, too */
		rv__kafka_watch_heard(lane->kafka->watch, code, reason);
}

static void on_log(const rd_kafka_t *rk, int level, const char *facility, const char *text)
{
	const struct rv__kafka_lane *lane = rd_kafka_opaque(rk);

	if (lane)
		lane->kafka->env->log(
		    level <= 2 ? RV_LOG_WARN : RV_LOG_DEBUG, RV__KAFKA_TOPIC, "%s: %s", facility, text);
}

static bool make(struct rv__kafka_lane *lane)
{
	rd_kafka_conf_t *conf = rd_kafka_conf_dup(lane->conf);
	struct rv_error error;
	char why[256];

	rd_kafka_conf_set_opaque(conf, lane);
	rd_kafka_conf_set_log_cb(conf, on_log);
	rd_kafka_conf_set_error_cb(conf, on_error);
	rd_kafka_conf_set_dr_msg_cb(conf, on_report);
	lane->rk = rd_kafka_new(RD_KAFKA_PRODUCER, conf, why, sizeof why);
	if (lane->rk)
		return true;
	rd_kafka_conf_destroy(conf);
	rv_error_set(&error, RV_E_CONFIG, RV__N_KAFKA_CLIENT, RV__KAFKA_TOPIC,
	    "binding '%s': the transactional producer cannot be made: %s; correct the settings under "
	    "transaction.producer, producer-properties or spring.kafka.producer",
	    lane->binding, why);
	rv__kafka_lane_trouble(lane, &error);
	return false;
}

void rv__kafka_lane_drop_client(struct rv__kafka_lane *lane)
{
	if (lane->rk)
		rd_kafka_destroy(lane->rk);
	lane->rk = NULL;
	lane->ready = false;
	lane->unreported = 0;
	atomic_fetch_add(&lane->renewals, 1);
}

/* InitProducerId (API key 22): ends what an earlier process left under the same id, and fences it. */
bool rv__kafka_lane_prepare(struct rv__kafka_lane *lane)
{
	rd_kafka_error_t *failed;
	struct rv_error error;

	if (!lane->rk && !make(lane))
		return false;
	if (lane->ready)
		return true;
	failed = rd_kafka_init_transactions(lane->rk, 2 * SLICE_MS);
	lane->ready = !failed;
	if (!failed)
		return true;
	explain(lane, failed, &error);
	rv__kafka_lane_trouble(lane, &error);
	if (!rd_kafka_error_is_retriable(failed))
		rv__kafka_lane_drop_client(lane);
	rd_kafka_error_destroy(failed);
	return false;
}

/* -- calls ------------------------------------------------------------------------------------------------ */

static bool must_end(const struct rv__kafka_lane *lane)
{
	return atomic_load(&lane->quit) || (atomic_load(&lane->purge) && lane->producer);
}

typedef rd_kafka_error_t *(*call_fn)(
    struct rv__kafka_lane *lane, const struct rv__kafka_positions *positions, int timeout_ms);

static rd_kafka_error_t *commit(
    struct rv__kafka_lane *lane, const struct rv__kafka_positions *positions, int timeout_ms)
{
	(void)positions;
	return rd_kafka_commit_transaction(lane->rk, timeout_ms);
}

static rd_kafka_error_t *abort_it(
    struct rv__kafka_lane *lane, const struct rv__kafka_positions *positions, int timeout_ms)
{
	(void)positions;
	return rd_kafka_abort_transaction(lane->rk, timeout_ms);
}

/* The same call again while that may help. NULL: done. */
static rd_kafka_error_t *insist(struct rv__kafka_lane *lane, call_fn call,
    const struct rv__kafka_positions *positions, int64_t deadline_ms, bool may_end)
{
	for (;;) {
		rd_kafka_error_t *error = call(lane, positions, SLICE_MS);

		if (!error || !rd_kafka_error_is_retriable(error) || rv__monotonic_ms() >= deadline_ms ||
		    (may_end && must_end(lane)))
			return error;
		rd_kafka_error_destroy(error);
		rd_kafka_poll(lane->rk, PAUSE_MS);
	}
}

/* False: it is left to the next client. None of it can be seen in any case: a commit was never asked for. */
static void give_up(struct rv__kafka_lane *lane)
{
	rd_kafka_error_t *error = insist(lane, abort_it, NULL, rv__monotonic_ms() + ABORT_MS, true);

	atomic_fetch_add(&lane->aborts, 1);
	if (error || lane->unreported > 0)
		rv__kafka_lane_drop_client(lane);
	if (error)
		rd_kafka_error_destroy(error);
}

/* -- messages ----------------------------------------------------------------------------------------------- */

static rd_kafka_resp_err_t produce(struct rv__kafka_lane *lane, struct rv__kafka_record *record)
{
	for (;;) {
		rd_kafka_resp_err_t code =
		    rv__kafka_produce(record->producer, &record->outbound, lane->rk, record);

		if (code == RD_KAFKA_RESP_ERR_NO_ERROR)
			lane->unreported++;
		if (code != RD_KAFKA_RESP_ERR__QUEUE_FULL || rv__monotonic_ms() >= lane->deadline_ms ||
		    must_end(lane))
			return code;
		rd_kafka_poll(lane->rk, FULL_MS);
	}
}

/* What became of the messages of one unit. */
enum taken { TAKEN, LEFT_OUT, SPOILED };

static enum taken produce_unit(struct rv__kafka_lane *lane, struct rv__kafka_unit *unit)
{
	for (size_t i = 0; i < unit->count; i++) {
		struct rv__kafka_record *record = &unit->records[i];
		rd_kafka_resp_err_t code;

		record->code = RD_KAFKA_RESP_ERR_NO_ERROR;
		code = produce(lane, record);
		if (code == RD_KAFKA_RESP_ERR_NO_ERROR)
			continue;
		record->code = code;
		/* A message alone is left out, and the others go without it. */
		unit->left_out = !unit->done && rv__kafka_is_cause(code);
		return unit->left_out ? LEFT_OUT : SPOILED;
	}
	return TAKEN;
}

/* False: the transaction cannot be committed. */
static bool produce_all(struct rv__kafka_lane *lane, const struct rv__kafka_units *units)
{
	unsigned n = 0;

	for (struct rv__kafka_unit *unit = units->first; unit; unit = unit->next) {
		if (produce_unit(lane, unit) == SPOILED)
			return false;
		if (++n % POLL_EACH == 0)
			rd_kafka_poll(lane->rk, 0);
	}
	return true;
}

/* Whether one did not arrive. */
static bool has_failed(const struct rv__kafka_units *units)
{
	for (const struct rv__kafka_unit *unit = units->first; unit; unit = unit->next)
		for (size_t i = 0; i < unit->count && !unit->left_out; i++)
			if (unit->records[i].code != RD_KAFKA_RESP_ERR_NO_ERROR)
				return true;
	return false;
}

/* -- all of it ------------------------------------------------------------------------------------------------ */

/* After a failed call: aborts, or leaves the client. `sure`: no commit was asked for. */
static enum rv__kafka_end conclude(
    struct rv__kafka_lane *lane, rd_kafka_error_t *error, bool sure, struct rv_error *err)
{
	bool abortable = rd_kafka_error_txn_requires_abort(error);
	bool fatal = rd_kafka_error_is_fatal(error);

	explain(lane, error, err);
	rd_kafka_error_destroy(error);
	if (!fatal && (abortable || sure)) {
		give_up(lane);
		return RV__KAFKA_ABORTED;
	}
	rv__kafka_lane_drop_client(lane);
	return sure ? RV__KAFKA_ABORTED : RV__KAFKA_UNSURE;
}

enum rv__kafka_end rv__kafka_transact(struct rv__kafka_lane *lane, const struct rv__kafka_units *units,
    const struct rv__kafka_positions *positions, struct rv_error *err)
{
	rd_kafka_error_t *error = rd_kafka_begin_transaction(lane->rk);

	lane->deadline_ms = rv__monotonic_ms() + lane->patience_ms;
	if (error)
		return conclude(lane, error, true, err);
	if (!produce_all(lane, units)) {
		rv_error_set(err, must_end(lane) ? RV_E_CLOSED : RV_E_UNAVAILABLE, RV__N_KAFKA_TRANSACTION,
		    RV__KAFKA_TOPIC, "binding '%s', transactional.id '%s': %s", lane->binding, lane->id,
		    must_end(lane) ? "it ended before the commit"
		                   : "a message was refused; look at its error");
		give_up(lane);
		return RV__KAFKA_ABORTED;
	}
	if (positions->list)
		error = insist(lane, lane->deliveries->join, positions, lane->deadline_ms, true);
	if (error)
		return conclude(lane, error, true, err);
	error = insist(lane, commit, NULL, lane->deadline_ms, true);
	/* A commit is asked for only when the broker has all messages. */
	if (error)
		return conclude(lane, error, has_failed(units) || lane->unreported > 0, err);
	atomic_fetch_add(&lane->transactions, 1);
	rv__kafka_lane_trouble(lane, NULL);
	return RV__KAFKA_COMMITTED;
}
