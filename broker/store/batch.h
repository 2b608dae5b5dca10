/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What one append leaves in the log: records back to back, then a trailer that proves them.
 *
 *     | record | record | ... | trailer |
 *
 *     trailer:  0      4        8          16             24       28      32           40         44          48
 *               | size | "RVT1" | store id | batch offset | length | count | newest ms  | arrayCRC | headerCRC |
 *               48 + 16 i:  | record size (4) | proof (4) | tags code (8) |       all big-endian
 *
 * headerCRC is the CRC-32C of the first 44 bytes, arrayCRC that of the array, and a record's proof that of
 * the store id, the record and its tags code. So every byte is under a checksum, damage in one record
 * leaves its neighbours
 * provable, and damage in the trailer leaves each record's own proof. The store id keeps anybody who sends
 * messages from forging a trailer inside a body; the batch offset keeps a moved block from being taken.
 */
#ifndef BROKER_STORE_BATCH_H
#define BROKER_STORE_BATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RV__TRAILER_MAGIC UINT32_C(0x52565431)

enum {
	RV__TRAILER_HEADER = 48,
	RV__TRAILER_ROW = 16,
	RV__BATCH_ROWS_MAX = 4096,  /* records of one batch */
	RV__BATCH_BYTES = 256 << 10 /* a batch that reached this is closed */
};

struct rv__trailer {
	uint64_t store_id;
	int64_t batch_offset;
	uint32_t length; /* bytes of the records */
	uint32_t count;
	int64_t newest_ms;
	uint32_t array_crc;
};

/* One row of the array. */
struct rv__batch_row {
	uint32_t size;
	uint32_t proof;
	int64_t tags_code;
};

/** The proof of a record in a store. */
uint32_t rv__batch_proof(uint64_t store_id, const uint8_t *record, size_t size, int64_t tags_code);

void rv__batch_row_put(uint8_t *at, const struct rv__batch_row *row);
struct rv__batch_row rv__batch_row_get(const uint8_t *at);

/** Writes the header; the array must stand behind it already. array_crc is computed here. */
void rv__trailer_put(uint8_t *at, const struct rv__trailer *trailer);

/** Reads the header at `at` (48 bytes); false when it is none of that store, or damaged. */
bool rv__trailer_get(const uint8_t *at, uint64_t store_id, struct rv__trailer *ret);

static inline size_t rv__trailer_size(uint32_t count)
{
	return RV__TRAILER_HEADER + (size_t)count * RV__TRAILER_ROW;
}

#endif
