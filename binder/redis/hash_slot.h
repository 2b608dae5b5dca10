/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which of the slots of a Redis Cluster a key belongs to.
 *
 *     slot = CRC16(key, or what stands between its first { and the next } if that is not empty) mod 16384
 *
 * CRC16: CCITT polynomial 0x1021 from 0 (XMODEM). Sources: redis.io cluster specification, "Keys distribution model" and
 * "Hash tags"; redis 7.0 src/cluster.c keyHashSlot().
 */
#ifndef BINDER_REDIS_HASH_SLOT_H
#define BINDER_REDIS_HASH_SLOT_H

#include <stddef.h>

enum { RV__REDIS_SLOTS = 16384 };

/** The slot of a key, by its hash tag if it has one. */
unsigned rv__redis_slot_of(const char *key, size_t length);

#endif
