/* SPDX-License-Identifier: Apache-2.0 */
/* What groups.c and heartbeat.c share. Nobody else includes this. */
#ifndef BROKER_GROUPS_TABLES_H
#define BROKER_GROUPS_TABLES_H

#include "base/map.h"
#include "broker/groups.h"

struct rv__groups {
	struct rv__map by_name;   /* struct rv__group */
	struct rv__map producers; /* struct rv__members by group */
	int64_t version_counter;
	bool unsaved;        /* groups were made in this turn */
	int32_t next_opaque; /* of requests to clients */
};

struct rv__member *rv__members_of_connection(
    struct rv__members *members, const struct rv__connection *connection);
/** NULL: no memory. */
struct rv__member *rv__members_add(
    struct rv__members *members, struct rv__connection *connection, const char *client_id);
void rv__members_remove(struct rv__members *members, struct rv__member *member);
void rv__interest_finish(struct rv__interest *interest);

#endif
