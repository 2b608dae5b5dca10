/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A name server and broker in one thread that does as it is told: it serves one topic with one queue
 * well enough for a client to work, and misbehaves in answer to chosen requests.
 */
#ifndef SUPPORT_SCRIPTED_PEER_H
#define SUPPORT_SCRIPTED_PEER_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>

#include "remoting/command.h"

enum peer_act {
	PEER_WELL,     /* answers as a broker does */
	PEER_CODE,     /* answers with the code `argument` */
	PEER_SILENT,   /* answers nothing */
	PEER_CLOSE,    /* closes the connection */
	PEER_BARE,     /* answers 0 without fields and body */
	PEER_GARBAGE,  /* answers 0 with a body that is nonsense */
	PEER_BROKEN,   /* sends bytes that are no frame */
	PEER_TRUNCATED /* sends half an answer and closes */
};

enum { PEER_CODES = 512, PEER_CONNECTIONS = 16, PEER_RECORDS = 256 };

struct peer {
	int listener, port;
	pthread_t thread;
	atomic_bool ending;
	pthread_mutex_t lock; /* protects the script and retry_topic */
	struct {
		enum peer_act act;
		int argument, times; /* times < 0: for ever */
	} script[PEER_CODES];
	atomic_int seen[PEER_CODES];
	atomic_llong stored; /* position of the group in the topic, told with a pull or apart */
	atomic_bool notify;  /* sends NOTIFY_CONSUMER_IDS_CHANGED to everybody, once */
	atomic_bool hang_up; /* closes all connections, once */
	/* Routes of every topic but the template are told missing so often (negative: until one is made by request). */
	atomic_int missing;
	atomic_int missed;            /* how often "topic" was */
	atomic_int made_queues;       /* as the request that made a topic says; 0: none came */
	_Atomic(const char *) config; /* what the broker says of its configuration; NULL: nothing */
	char group[128], client_id[128], retry_topic[160];
	struct rv__buffer records[PEER_RECORDS];
	size_t record_count;
	struct {
		int socket;
		struct rv__frame_decoder decoder;
		struct rv__command held; /* a pull without an answer so far */
		int64_t held_offset;
		atomic_bool holding;
	} connections[PEER_CONNECTIONS];
};

/** Listens on a port of the system's choice. */
void peer_start(struct peer *peer);
void peer_stop(struct peer *peer);
/** Whether the last message to a retry topic went to `topic`. */
bool peer_got_retry(struct peer *peer, const char *topic);
/** The next `times` requests of that code (-1: all) are treated so. */
void peer_script(struct peer *peer, int code, enum peer_act act, int argument, int times);

#endif
