/* SPDX-License-Identifier: Apache-2.0 */
/* The first words on a connection: AUTH, SELECT, CLIENT SETNAME, CLIENT ID, then PING or ROLE. */
#ifndef BINDER_REDIS_GREET_H
#define BINDER_REDIS_GREET_H

#include "binder/redis/link.h"

/** Sends them in one burst; ends in rv__redis_link_greeted() or a drop. */
void rv__redis_greet(struct rv__redis_link *link);

/** link.c: the link is open from now on. */
void rv__redis_link_greeted(struct rv__redis_link *link);

#endif
