/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The redis binder through its contract, against a server of the case's own that is killed, filled and emptied under it: what
 * the programs share. Their argument is the folder of the module. Without redis-server, a skip.
 */
#ifndef INTEGRATION_REDIS_KIT_H
#define INTEGRATION_REDIS_KIT_H

#include <check.h>
#include <hiredis/hiredis.h>

#include "tests/support/binder_kit.h"
#include "tests/support/unit.h"

enum { SOON_MS = 60000 };

/* Of the running case: the binder, its ends, and a client of its own to look at the server, or to be in the way. */
extern const struct rv_binder_ops *ops;
extern struct kit kit;
extern struct kit_producer producer;
extern struct kit_consumer consumer;
extern redisContext *raw;
extern char home[64]; /* a folder that goes with the case */

/** A port of this machine that nobody has, or takes while the test runs. */
int free_port(void);

/** Until it answers. Every acknowledged write is on the disk: what a kill leaves is what was promised. */
void start_server(const char *password);
void kill_server(void);
/** The integer of a command's answer, or the length of its array; 0 for another one, -1 for an error. */
__attribute__((format(printf, 1, 2))) long long ask(const char *format, ...);
/** Of group g of stream d, up to a thousand. */
long long pending(void);

/** The binder, with one further setting (NULL: none). It is patient: a machine that stands still is no lost connection. */
void open_kit(const char *more);
/** To destination d, and from it in group g. */
void produce(const char *const *settings);
void consume(const char *const *settings);
/** A server without a password, the binder and the producer. */
void open_line(const char *more);
/** m<from>, m<from + 1> …, each until the server has it. */
void send_texts(int from, int to);
/** So many are there, and the first of them were read by consumer `dead`, of whom nothing more comes. */
void leave_read(int sent, int read);
/** Whether that text was delivered. */
bool has(const char *text);
void close_all(void);

/** What main() does: fixtures around each case. */
int run_cases(const char *name, const TTest *const *cases, int argc, char **argv);

#endif
