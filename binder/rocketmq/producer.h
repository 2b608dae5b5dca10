/* SPDX-License-Identifier: Apache-2.0 */
/* One bound output: what is waiting, under way and being tried again. */
#ifndef BINDER_ROCKETMQ_PRODUCER_H
#define BINDER_ROCKETMQ_PRODUCER_H

#include "binder/rocketmq/route.h"

struct rv__rmq_producer;

/* One accepted message, from send() until its completion. */
struct rv__rmq_send {
	struct rv__op op;
	struct rv__rmq_request request; /* the first of a batch asks for all */
	struct rv__rmq_send *next;      /* in `pending`, or within a batch under way */
	struct rv__rmq_send *next_under_way, **under_way_link;
	struct rv__rmq_producer *producer;
	rv_message *message; /* a reference of ours */
	void *arg;
	const void *body;
	size_t body_length;
	void *packed;                /* owned; NULL: body is the message's own payload */
	struct rv__rmq_topic *topic; /* set on the loop */
	struct rv__rmq_broker *last; /* where the last try went */
	const char *destination;     /* NULL: the producer's; stands behind the properties */
	int64_t deadline_ms;
	int32_t partition;
	bool bare; /* no header travels */
	int32_t flag;
	int32_t delay_level;
	int32_t batch;  /* messages under way with this one, itself included */
	int16_t tries;  /* so far */
	bool alone;     /* not to be batched again */
	rv_err refused; /* found wrong in send(): only its completion is left to do */
	uint32_t properties_length;
	char properties[];
};

struct rv__rmq_producer {
	struct rv__rmq_producer *next, *next_dirty;
	struct rv__rmq_client *client;
	const struct rv_producer_sink *sink_ops;
	void *sink;
	char *binding, *group, *instance; /* owned; instance: namespace or NULL */
	struct rv__rmq_topic *topic;
	struct rv__rmq_topic *template_topic;
	struct rv__rmq_producer_plan plan;
	bool own_timeout;        /* a property of ours says plan.timeout_ms, not the core */
	int32_t partition_count; /* wanted */
	bool partitioned;        /* the core chooses queues, and must know how many there are */
	int32_t told_queues;     /* … what it knows; 0: nothing yet */
	struct rv__rmq_send *pending, **pending_tail;
	size_t pending_count;
	uint32_t turn; /* of the round robin */
	bool dirty;
	bool up, told; /* last word given to sink->state() */
	bool closing;
	enum {
		RV__RMQ_PROVISION_NONE,
		RV__RMQ_PROVISION_ASKED,
		RV__RMQ_PROVISION_ALLOWED, /* the broker makes topics; whether ours is missing is asked once more */
		RV__RMQ_PROVISION_DONE /* made, found, forbidden or given up: never again */
	} provision;
	struct rv__rmq_request provision_request;
	struct rv__rmq_broker *maker; /* that is asked to make the topic */
	unsigned provision_tries;     /* that ended without an answer */
	struct rv_error trouble;      /* why it is not up */
	struct rv__call *bind_call;   /* waits for the first judgement */
	int64_t bind_deadline_ms;
	struct rv__call *close_call; /* waits for the last completion */
	int64_t close_deadline_ms;
	size_t failed_at_close;
	struct rv__rmq_send *under_way; /* firsts of the batches with an answer outstanding */

	/* Any thread. */
	atomic_size_t in_flight, in_flight_bytes;
	atomic_bool wants_room; /* send() took fewer than offered */
	_Atomic uint64_t sent, send_errors;
};

rv_err rv__rmq_bind_producer(void *binder, const struct rv_producer_spec *spec, void **ret_producer,
    struct rv_producer_info *info, struct rv_error *err);
size_t rv__rmq_producer_send(void *producer, const struct rv_outbound *batch, size_t n);
size_t rv__rmq_unbind_producer(void *producer, int64_t deadline_ms);

/* Loop thread. */

/** Sends what can be sent now. */
void rv__rmq_producer_dispatch(struct rv__rmq_producer *producer);
/** Puts it on the list of this turn. */
void rv__rmq_producer_mark(struct rv__rmq_producer *producer);
/** Looks whether the way to the broker is open, and tells the sink when that changed. */
void rv__rmq_producer_judge(struct rv__rmq_producer *producer);
/** Ends a bind that waits for a slow broker: the binding begins as waiting. */
void rv__rmq_producer_give_up_binding(struct rv__rmq_producer *producer);
/** Fails what is past its deadline; everything when the binder stops. */
void rv__rmq_producer_tend(struct rv__rmq_producer *producer, int64_t now_ms);

/** Ends an unbinding once nothing is in flight. */
void rv__rmq_producer_close(struct rv__rmq_producer *producer);

/* provision.c */

/**
 * Makes the topic where it is missing and a broker makes topics by itself; the way to one is open. True while that is
 * under way: rv__rmq_producer_judge() is called at its end. Once a binding; a refusal or silence leaves it to the first message.
 */
bool rv__rmq_provision(struct rv__rmq_producer *producer);

/* names.c */

/** "ns%name", or a copy of name; owned. NULL: no memory. %RETRY% and %DLQ% stay in front. */
char *rv__rmq_qualify(const char *space, const char *name);
/** RV_E_CONFIG for a name that RocketMQ does not allow. `what` is "destination" or "group". */
rv_err rv__rmq_check_name(const char *what, const char *name, size_t limit, struct rv_error *err);

#endif
