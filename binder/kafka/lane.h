/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One transactional producer of librdkafka and the thread that drives it. What is to be committed together is a unit: a
 * message that was sent on its own, or a delivery with all that its listener sent. One transaction takes all units
 * that came while the one before was committed; if one of them is refused, that one fails, and the others go with the
 * next.
 *
 *     no client -> initialized -> { begin -> produce -> offsets -> commit | abort } … -> renewed after a fatal error
 *
 * An output has a lane for what is sent outside of deliveries (lane->producer), an input one for its deliveries
 * (lane->consumer). So a listener may take its time: the transaction begins behind it.
 *
 * Lifecycle: rv__kafka_lane_open -> add … -> rv__kafka_lane_close. Threads: add, store, close from any; the lane's own
 * thread alone calls librdkafka, and completes units with no lock held.
 */
#ifndef BINDER_KAFKA_LANE_H
#define BINDER_KAFKA_LANE_H

#include <pthread.h>

#include "binder/kafka/kafka.h"

struct rv__kafka_deliveries;
struct rv__kafka_lane;
struct rv__kafka_partition;
struct rv__kafka_producer;

/* One message of a unit. */
struct rv__kafka_record {
	struct rv__kafka_unit *unit;
	struct rv__kafka_producer *producer; /* a reference */
	struct rv_outbound outbound;         /* with a reference of the message; the destination is owned */
	rd_kafka_resp_err_t code;            /* of its report */
	struct rv_receipt receipt;
};

struct rv__kafka_unit {
	struct rv__kafka_unit *next;
	struct rv__kafka_lane *lane; /* where it is produced */
	int64_t deadline_ms;         /* a message alone; a delivery has none */
	bool left_out;               /* a message alone that was refused before the transaction had it */

	/* A delivery. */
	struct rv__kafka_partition *partition; /* NULL: a message alone */
	struct rv_token token;
	void (*done)(void *arg, const struct rv_error *error);
	void *arg;

	size_t count;
	struct rv__kafka_record records[];
};

/* Units in their order. Zeroed memory is an empty one. */
struct rv__kafka_units {
	struct rv__kafka_unit *first, *last;
	size_t count;
};

struct rv__kafka_lane {
	struct rv__kafka *kafka;
	struct rv__kafka_lane *next;         /* under senders->lock */
	struct rv__kafka_producer *producer; /* whose lane it is; NULL: a consumer's */
	struct rv__kafka_consumer *consumer;
	const struct rv__kafka_deliveries *deliveries; /* of the consumer; NULL: a producer's */
	char *binding, *id;                            /* owned; the transactional.id */
	rd_kafka_conf_t *conf;
	int64_t patience_ms; /* transaction.timeout.ms */
	pthread_t thread;
	atomic_bool quit;  /* what is left fails, then the thread ends */
	atomic_bool purge; /* what is on its way is to fail now */
	atomic_ullong transactions, aborts, renewals;

	/* The thread's own. */
	rd_kafka_t *rk; /* NULL: none now */
	bool ready;     /* initialized */
	size_t unreported;
	size_t most;         /* units of the next transaction */
	int64_t deadline_ms; /* of the transaction under way */
	int64_t trouble_ms;  /* when something went wrong last */

	pthread_mutex_t lock;   /* protects what follows; nothing is called under it */
	pthread_cond_t changed; /* there is work, or a round is over */
	struct rv__kafka_units waiting;
	size_t room;
	bool on_demand;        /* the client is made with the first message */
	bool work;             /* deliveries or positions are to be looked at */
	bool store;            /* positions alone are reason enough */
	uint64_t begun, ended; /* rounds */
	bool wants_room;
	struct rv_error trouble; /* code 0: none */
};

/* What a transaction stores for the group. Zeroed memory: nothing. */
struct rv__kafka_positions {
	rd_kafka_topic_partition_list_t *list;
	/* Who stores them: the member as it was when the deliveries were taken. In a later generation they may be another's. */
	rd_kafka_consumer_group_metadata_t *member;
};

static inline void rv__kafka_positions_finish(struct rv__kafka_positions *positions)
{
	if (positions->list)
		rd_kafka_topic_partition_list_destroy(positions->list);
	if (positions->member)
		rd_kafka_consumer_group_metadata_destroy(positions->member);
	*positions = (struct rv__kafka_positions){NULL, NULL};
}

/* What is opened. */
struct rv__kafka_lane_spec {
	const char *binding;
	const char
	    *destination; /* behind the prefix they make the transactional.id: <binding>.<destination> */
	struct rv__kafka_producer *producer; /* or */
	struct rv__kafka_consumer *consumer; /* with `deliveries` */
	const struct rv__kafka_deliveries *deliveries;
	int64_t message_timeout_ms; /* of a message; 0: as long as a transaction */
	bool on_demand;             /* the client is made with the first message */
};

/** Whether transactions are on. */
static inline bool rv__kafka_transactional(const struct rv__kafka *kafka)
{
	const char *prefix = kafka->settings->transaction_id_prefix;

	return prefix && *prefix;
}

/** The words of spring.cloud.stream.kafka.binder.transaction.producer, as Java's client names them. */
rv_err rv__kafka_lane_collect(struct rv__kafka_config *config, const struct rv__kafka *kafka,
    const char *binding, int64_t message_timeout_ms, struct rv_error *err);

/** RV_E_CONFIG when librdkafka refuses the settings; RV_E_NOMEM. */
rv_err rv__kafka_lane_open(struct rv__kafka *kafka, const struct rv__kafka_lane_spec *spec,
    struct rv__kafka_lane **ret_lane, struct rv_error *err);
/** Ends with its last transaction, or after the deadline without; what is left fails. NULL is fine. */
void rv__kafka_lane_close(struct rv__kafka_lane *lane, int64_t deadline_ms);

/** As rv__kafka_send(), of the producer whose lane it is. */
size_t rv__kafka_lane_send(struct rv__kafka_lane *lane, const struct rv_outbound *batch, size_t n);

/** There is work among the deliveries; `store`: positions alone are reason enough. Any thread. */
void rv__kafka_lane_look(struct rv__kafka_lane *lane, bool store);
/** Stores the positions of its consumer; false when that took longer. */
bool rv__kafka_lane_store(struct rv__kafka_lane *lane, int64_t timeout_ms);

/** Whether it can commit; what is wrong goes to `detail`. */
bool rv__kafka_lane_health(struct rv__kafka_lane *lane, rv_detail_fn detail, void *arg);

/* -- units (unit.c) ---------------------------------------------------------------------------------- */

/** A unit of the messages, with references of its own. NULL: no memory. */
struct rv__kafka_unit *rv__kafka_unit_create(
    struct rv__kafka_lane *lane, const struct rv_joint *joints, size_t count);
/** Tells whoever waits, and frees. `error` NULL: it is committed. Locks: none held. */
void rv__kafka_unit_tell(struct rv__kafka_unit *unit, const struct rv_error *error);
/** Frees one that nobody was promised an answer for. */
void rv__kafka_unit_drop(struct rv__kafka_unit *unit);

void rv__kafka_units_add(struct rv__kafka_units *units, struct rv__kafka_unit *unit);
/** `more` behind those of `units`; `more` is empty then. */
void rv__kafka_units_join(struct rv__kafka_units *units, struct rv__kafka_units *more);
struct rv__kafka_unit *rv__kafka_units_take(struct rv__kafka_units *units);

/* -- a transaction (transaction.c), on the lane's thread -------------------------------------------------- */

enum rv__kafka_end {
	RV__KAFKA_COMMITTED,
	RV__KAFKA_ABORTED, /* none of it can be seen, now or later */
	RV__KAFKA_UNSURE   /* the broker did not say */
};

/** One transaction of all these, with the positions (if any). What went wrong is in `err`; the client may be gone. */
enum rv__kafka_end rv__kafka_transact(struct rv__kafka_lane *lane, const struct rv__kafka_units *units,
    const struct rv__kafka_positions *positions, struct rv_error *err);
/** Makes the client and initializes it. False: not now; the trouble is noted. */
bool rv__kafka_lane_prepare(struct rv__kafka_lane *lane);
/** Destroys it, for a new one. */
void rv__kafka_lane_drop_client(struct rv__kafka_lane *lane);
/** What a record's own code means: whether it was refused, and not only went down with the others. */
bool rv__kafka_is_cause(rd_kafka_resp_err_t code);
/** The trouble as health tells it; NULL: none any more. */
void rv__kafka_lane_trouble(struct rv__kafka_lane *lane, const struct rv_error *why);

/* -- deliveries (process.c) ------------------------------------------------------------------------- */

/* What the lane of an input asks of its deliveries. On the lane's thread. */
struct rv__kafka_deliveries {
	/* The units that can be committed now, and the positions behind them, to be finished by the caller. */
	void (*take)(struct rv__kafka_lane *lane, struct rv__kafka_units *units,
	    struct rv__kafka_positions *ret_positions);
	/* They are committed: settles them. offsets NULL: none were stored. */
	void (*settle)(struct rv__kafka_lane *lane, const struct rv__kafka_units *units,
	    const rd_kafka_topic_partition_list_t *offsets);
	/* Puts a unit back to its place, or tells that it is stale. */
	void (*restore)(struct rv__kafka_unit *unit);
	/* Adds the positions to the transaction. */
	rd_kafka_error_t *(*join)(
	    struct rv__kafka_lane *lane, const struct rv__kafka_positions *positions, int timeout_ms);
	/* What the group has stored goes into the offsets; whether that is known. */
	bool (*stored)(struct rv__kafka_lane *lane, rd_kafka_topic_partition_list_t *offsets);
	/* Whether a unit lies before what is stored. */
	bool (*is_behind)(const struct rv__kafka_unit *unit, const rd_kafka_topic_partition_list_t *offsets);
};

extern const struct rv__kafka_deliveries rv__kafka_deliveries;

/** Units of a partition that goes; under its lock. */
void rv__kafka_deliveries_disown(struct rv__kafka_partition *partition, struct rv__kafka_units *units);
/** Tells that they are stale. Locks: none held. */
void rv__kafka_deliveries_tell_stale(struct rv__kafka_units *units);

#endif
