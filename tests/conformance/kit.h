/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the cases share: services that run on threads of this process, recorders as their
 * listeners, destinations that no other case uses.
 */
#ifndef CONFORMANCE_KIT_H
#define CONFORMANCE_KIT_H

#include <check.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/types.h>

#include <rivulet/binder.h>
#include <rivulet/rivulet.h>

#include "bindings/inspect.h"
#include "tests/support/wait.h"

#define KIT_CONSUMER "spring.cloud.stream.bindings.input.consumer."
#define KIT_PRODUCER "spring.cloud.stream.bindings.output.producer."

enum {
	KIT_SOON_MS = 30000, /* a broker may take its time to share out partitions */
	KIT_QUIET_MS = 300,  /* nothing more comes for so long */
	KIT_LEASE_MS = 2500, /* see kit_short_lease() */
	KIT_END_MS = 8000    /* see kit_long_lease(): a machine that stands still for a while renews late */
};

/* Set by main(): the binder under test, what it can do, and the arguments for every service. */
extern const char *kit_type;
extern uint32_t kit_caps;
enum { KIT_BROKERS_MAX = 16 };
extern pid_t
    kit_brokers[KIT_BROKERS_MAX]; /* all processes of the broker, which may be stopped for a moment */
extern size_t kit_broker_count;   /* 0: none was named */

/** SIGSTOP or SIGCONT to every process of the broker; false when one is gone. */
bool kit_signal_broker(int signal);

extern const struct rv_binder_ops *kit_ops;
extern char **kit_arguments;
extern int kit_argument_count;

/* -- destinations ------------------------------------------------------------------------------ */

/** A name that nobody used before; static memory of the case, a new one each call. */
const char *kit_destination(void);
/** The full name of a group on a (first) destination: what an earlier case sent back to its own group comes to nobody else. */
const char *kit_group(const char *group, const char *destination);

/* -- recorders ------------------------------------------------------------------------------------ */

struct kit_record {
	char text[64];
	char id[64];
	int partition;
	long long position;
	int attempt;
};

struct kit_recorder {
	pthread_mutex_t lock;
	struct kit_record *records;
	size_t count, room;
	atomic_int running;    /* listener calls now */
	atomic_int most;       /* listener calls at once, ever */
	atomic_int fail_first; /* so many calls answer `failure` */
	rv_verdict failure;    /* … and the others RV_ACK */
	atomic_bool blocked;   /* calls wait until it is false */
	rv_delivery *taken;    /* under the lock: with `defer` */
	bool defer;
	int busy_us;      /* how long a call takes */
	rv_message *kept; /* under the lock: the last message, a reference */
	const char
	    *fail_text; /* only calls for texts that contain it answer `failure`; NULL: see fail_first */
};

void kit_recorder_init(struct kit_recorder *recorder);
void kit_recorder_finish(struct kit_recorder *recorder);
/** The listener; its context is the recorder. */
rv_verdict kit_listen(const rv_message *message, void *recorder);
size_t kit_count(struct kit_recorder *recorder);
/** How many different texts were recorded. */
size_t kit_distinct(struct kit_recorder *recorder);
bool kit_has(struct kit_recorder *recorder, const char *text);
/** Waits until each of the texts "<prefix><i>" for i in [from, to) is in one of the recorders, be it more than once. */
void kit_await_all(struct kit_recorder *const *recorders, size_t count, const char *prefix, int from, int to);
/** Waits until a text is there; the partition in which it arrived last. */
int kit_partition_of(struct kit_recorder *recorder, const char *text);
/** The delivery that the listener took with `defer`; NULL: none yet. */
rv_delivery *kit_taken(struct kit_recorder *recorder);

/* -- services ----------------------------------------------------------------------------------------- */

struct kit_service {
	rv_app *app;
	pthread_t thread;
	atomic_bool ready, over;
	int status;
	char *arguments[64];
	int argument_count;
};

/** A service with nothing declared; then declare with rv_app_*(service.app) and kit_property(). */
void kit_service_init(struct kit_service *service);
/** printf format of key=value. Before kit_service_create(). */
void kit_property(struct kit_service *service, const char *format, ...) RV_PRINTF(2, 3);
/** Makes service->app from the properties so far. */
void kit_service_create(struct kit_service *service);
/** Runs it and waits until it is ready and all its bindings run: launch, then await. */
void kit_service_start(struct kit_service *service);
void kit_service_launch(struct kit_service *service);
void kit_service_await(struct kit_service *service);
/** Asks it to stop, joins; the exit code. */
int kit_service_stop(struct kit_service *service);

/** A service with one input, ready. group: its first name for kit_group(); NULL: anonymous. `more`: further properties, NULL-terminated, may be NULL. */
void kit_consumer(struct kit_service *service, const char *destination, const char *group,
    struct kit_recorder *recorder, const char *const *more);
/** A service with the one output `output`, ready. */
rv_channel *kit_producer(struct kit_service *service, const char *destination, const char *const *more);

/** Sends texts "<prefix><i>" for i in [from, to). */
void kit_send(rv_channel *output, const char *prefix, int from, int to);

/** Changes a binding and waits until it is so. */
void kit_change(
    struct kit_service *service, const char *channel, const char *command, const char *true_state);
struct rv__binding_counters kit_counters(struct kit_service *service, const char *channel);

/* -- lines --------------------------------------------------------------------------------------------- */

/** What most cases have: one producer, one consumer in the group "g", what it recorded. */
struct kit_line {
	const char *destination;
	struct kit_service producer, consumer;
	struct kit_recorder recorder;
	rv_channel *output;
};

/** A new destination and its producer; the consumer joins later. `more` as of kit_producer(). */
void kit_line_begin(struct kit_line *line, const char *const *more);
/** The consumer comes, or comes back. `more` as of kit_consumer(). */
void kit_line_join(struct kit_line *line, const char *const *more);
/** Begins and joins: the producer is there first. */
void kit_line_start(
    struct kit_line *line, const char *const *consumer_more, const char *const *producer_more);
/** Sends a message, which must succeed; the caller keeps its reference. */
void kit_line_send(struct kit_line *line, rv_message *message);
/** Both services stop and say that all was well; the recorder ends with them. */
void kit_line_stop(struct kit_line *line);

/** A number of its binder about a binding, "lag" for one; -1: it has none. */
double kit_stat(struct kit_service *service, const char *channel, const char *name);
/** Of the only binder of a service. */
enum rv_health_status kit_health(struct kit_service *service);

/* -- properties of binders ------------------------------------------------------------------------------ */

/**
 * The properties `more` (may be NULL) and what switches dead letters of `input` on or off on this binder, where
 * it has such a key; static memory of the case, until the next call.
 */
const char *const *kit_letters(bool on, const char *const *more);
/** Likewise: what is given back after its last attempt comes again, and soon. */
const char *const *kit_redelivery(const char *const *more);
/** Likewise: a delivery is lent for KIT_LEASE_MS. */
const char *const *kit_short_lease(const char *const *more);
/** Likewise: what others were lent ends after KIT_END_MS only, however short their own lease. */
const char *const *kit_long_lease(const char *const *more);
/** Likewise: instances have partitions by their numbers, where the binder can do that and need not. */
const char *const *kit_fixed_partitions(const char *const *more);
/**
 * Likewise: what its listeners send goes with what they acknowledge, and its inputs see only what is committed. The service
 * has an id of its own.
 */
const char *const *kit_transactions(const char *const *more);
/** Whether the core makes the dead letters of a running input, and where; "" when nobody knows. */
bool kit_letters_are_ours(struct kit_service *service, const char *channel, char *destination, size_t size);

/* -- cases; each file adds its own to the suite -------------------------------------------------------------- */

void kit_add_messages(void);
void kit_add_headers(void);
void kit_add_partitions(void);
void kit_add_groups(void);
void kit_add_delivery(void);
void kit_add_lifecycle(void);
void kit_add_dead_letters(void);
void kit_add_errors(void);
void kit_add_late(void);
void kit_add_redelivery(void);
void kit_add_figures(void);
void kit_add_polled(void);
void kit_add_outages(void);
void kit_add_transactions(void);

/* No capability of a binder: the case stops the broker's processes, of which a durable one has some. */
#define KIT_NEEDS_PID (1u << 31)

/** Adds a case that needs all these capabilities (RV_CAP_*). */
void kit_add(uint32_t needs, const TTest *test, const char *name);
#define KIT_ADD(needs, name) kit_add(needs, name, #name)

#endif
