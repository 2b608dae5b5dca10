/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A store in a directory of its own, with numbered messages: number n has the body "body n", the tags code n,
 * and the properties KEYS="keyn common" and UNIQ_KEY="un". Failures fail the Check case.
 */
#ifndef SUPPORT_STORE_KIT_H
#define SUPPORT_STORE_KIT_H

#include "broker/store/store.h"

struct store_kit {
	struct rv__store_options options; /* change before open */
	char directory[256];
	rv__store *store;
	struct rv__buffer out; /* what the last read gave */
	int visible;           /* calls of the hook */
	_Atomic int progress;
};

void store_kit_init(struct store_kit *kit);
/** On a simulated disk, in /sim/store. */
void store_kit_init_on(struct store_kit *kit, const struct rv__io *io);
void store_kit_finish(struct store_kit *kit);
void store_kit_open(struct store_kit *kit);
void store_kit_reopen(struct store_kit *kit);

/** Removes a file of a closed store. */
int store_kit_remove(struct store_kit *kit, const char *name);

rv_err store_kit_add(struct store_kit *kit, const char *topic, int32_t queue_id, int number,
    struct rv__store_position *ret, struct rv_error *err);
/** Writes what was added and waits until it is visible. */
void store_kit_flush(struct store_kit *kit);
/** Sends one and waits until it is visible. */
struct rv__store_position store_kit_send(
    struct store_kit *kit, const char *topic, int32_t queue_id, int number);
/** Sends `count` messages in one write. */
void store_kit_send_some(struct store_kit *kit, const char *topic, int32_t queue_id, int first, int count);

struct rv__store_read store_kit_read(
    struct store_kit *kit, const char *topic, int32_t queue_id, int64_t offset, uint32_t max_count);
struct rv__store_read store_kit_read_filtered(struct store_kit *kit, const char *topic, int32_t queue_id,
    int64_t offset, uint32_t max_count, const struct rv__store_filter *filter);
/** Number of the i-th message of the last read. */
int store_kit_number(const struct store_kit *kit, int i);

/** Whether RIVULET_TEST_LONG asks for the long form: the same cases with bigger counts. */
bool long_form(void);

/** Removes a directory and what is in it. */
void remove_tree(const char *path);

#endif
