/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/store/batch.h"

#include "base/buffer.h"
#include "broker/store/crc32c.h"

enum { AT_ARRAY_CRC = 40, AT_HEADER_CRC = 44 };

uint32_t rv__batch_proof(uint64_t store_id, const uint8_t *record, size_t size, int64_t tags_code)
{
	uint8_t seed[8];
	uint8_t code[8];

	rv__put_u64(seed, store_id);
	rv__put_u64(code, (uint64_t)tags_code);
	return rv__crc32c(rv__crc32c(rv__crc32c(0, seed, sizeof seed), record, size), code, sizeof code);
}

void rv__batch_row_put(uint8_t *at, const struct rv__batch_row *row)
{
	rv__put_u32(at, row->size);
	rv__put_u32(at + 4, row->proof);
	rv__put_u64(at + 8, (uint64_t)row->tags_code);
}

struct rv__batch_row rv__batch_row_get(const uint8_t *at)
{
	return (struct rv__batch_row){
	    .size = rv__get_u32(at), .proof = rv__get_u32(at + 4), .tags_code = (int64_t)rv__get_u64(at + 8)};
}

void rv__trailer_put(uint8_t *at, const struct rv__trailer *trailer)
{
	size_t array = (size_t)trailer->count * RV__TRAILER_ROW;

	rv__put_u32(at, (uint32_t)rv__trailer_size(trailer->count));
	rv__put_u32(at + 4, RV__TRAILER_MAGIC);
	rv__put_u64(at + 8, trailer->store_id);
	rv__put_u64(at + 16, (uint64_t)trailer->batch_offset);
	rv__put_u32(at + 24, trailer->length);
	rv__put_u32(at + 28, trailer->count);
	rv__put_u64(at + 32, (uint64_t)trailer->newest_ms);
	rv__put_u32(at + AT_ARRAY_CRC, rv__crc32c(0, at + RV__TRAILER_HEADER, array));
	rv__put_u32(at + AT_HEADER_CRC, rv__crc32c(0, at, AT_HEADER_CRC));
}

bool rv__trailer_get(const uint8_t *at, uint64_t store_id, struct rv__trailer *ret)
{
	if (rv__get_u32(at + 4) != RV__TRAILER_MAGIC || rv__get_u64(at + 8) != store_id)
		return false;
	if (rv__get_u32(at + AT_HEADER_CRC) != rv__crc32c(0, at, AT_HEADER_CRC))
		return false;
	*ret = (struct rv__trailer){
	    .store_id = store_id,
	    .batch_offset = (int64_t)rv__get_u64(at + 16),
	    .length = rv__get_u32(at + 24),
	    .count = rv__get_u32(at + 28),
	    .newest_ms = (int64_t)rv__get_u64(at + 32),
	    .array_crc = rv__get_u32(at + AT_ARRAY_CRC),
	};
	return ret->count <= RV__BATCH_ROWS_MAX && rv__get_u32(at) == rv__trailer_size(ret->count);
}
