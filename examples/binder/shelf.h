/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is on the shelf: messages in the order in which they came, and how far each group is. All of this process share
 * one shelf, which is empty again when its last user left.
 */
#ifndef EXAMPLES_BINDER_SHELF_H
#define EXAMPLES_BINDER_SHELF_H

#include <pthread.h>

#include <rivulet/binder.h>

struct topic {
	char *name;
	rv_message **messages; /* a reference each */
	size_t count, room;
	struct topic *next;
};

/* The members of a group take turns: one has the topic, the others wait until it leaves. */
struct group {
	struct topic *topic;
	char *name; /* NULL: anonymous, of one member */
	bool *done; /* by position: settled; as many as messages->room */
	size_t done_room;
	size_t first, next; /* below `first` all is settled; `next` is handed out next */
	struct consumer *owner;
	uint32_t epoch; /* of the owner; settlements of an older one are stale */
	struct group *following;
};

/* Protects the shelf and everything that lies on it; given up for every call into the core. */
extern pthread_mutex_t shelf_lock;
/* Broadcast whenever somebody may have something to do. */
extern pthread_cond_t shelf_changed;

/* All of these with shelf_lock held. NULL or false: no memory. */
void shelf_enter(void);
void shelf_leave(void);
struct topic *shelf_topic(const char *name);
/** Takes a reference; false also when the topic is full. */
bool shelf_put(struct topic *topic, rv_message *message);
/** A named group begins with the first message, an anonymous one (name NULL) behind the last. */
struct group *shelf_group(struct topic *topic, const char *name);
/** Has a group no owner, this one gets it, from the first message that is not settled; true when it did. */
bool shelf_own(struct group *group, struct consumer *consumer);
void shelf_disown(struct group *group, struct consumer *consumer);
/** RV_E_STALE when the epoch is gone. */
rv_err shelf_settle(struct group *group, const struct rv_token *token);

#endif
