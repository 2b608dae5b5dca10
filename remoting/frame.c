/* SPDX-License-Identifier: Apache-2.0 */
#include "remoting/frame.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/numbers.h"

enum { PREFIX = 8, FIRST_ROOM = 4096 };

static struct rv__block *block_create(size_t capacity)
{
	struct rv__block *block = malloc(sizeof(*block) + capacity);

	if (block) {
		block->refs = 1;
		block->capacity = capacity;
	}
	return block;
}

struct rv__block *rv__block_ref(struct rv__block *block)
{
	__atomic_add_fetch(&block->refs, 1, __ATOMIC_RELAXED);
	return block;
}

void rv__block_unref(struct rv__block *block)
{
	if (block && __atomic_sub_fetch(&block->refs, 1, __ATOMIC_ACQ_REL) == 0)
		free(block);
}

static bool is_shared(const struct rv__block *block)
{
	return __atomic_load_n(&block->refs, __ATOMIC_ACQUIRE) > 1;
}

void rv__frame_decoder_finish(struct rv__frame_decoder *decoder)
{
	rv__block_unref(decoder->block);
	*decoder = (struct rv__frame_decoder){.limit = decoder->limit};
}

void rv__frame_decoder_trim(struct rv__frame_decoder *decoder)
{
	if (decoder->start == decoder->end)
		rv__frame_decoder_finish(decoder);
}

/* Moves what is pending to the front of a block of at least `capacity` bytes that nobody else holds. */
static bool move_to(struct rv__frame_decoder *decoder, size_t capacity)
{
	struct rv__block *block = block_create(capacity);
	size_t pending = rv__frame_decoder_pending(decoder);

	if (!block)
		return false;
	if (decoder->block && pending)
		memcpy(block->bytes, decoder->block->bytes + decoder->start, pending);
	rv__block_unref(decoder->block);
	decoder->block = block;
	decoder->start = 0;
	decoder->end = pending;
	return true;
}

static bool make_room(struct rv__frame_decoder *decoder, size_t wish)
{
	struct rv__block *block = decoder->block;
	size_t pending = rv__frame_decoder_pending(decoder);
	size_t capacity;

	if (block && !is_shared(block) && decoder->start > 0) {
		/* Cheap in the common case: everything was handed out and nothing is pending. */
		if (pending == 0 || block->capacity - decoder->end < wish) {
			memmove(block->bytes, block->bytes + decoder->start, pending);
			decoder->start = 0;
			decoder->end = pending;
		}
	}
	if (block && block->capacity - decoder->end >= (is_shared(block) ? FIRST_ROOM : wish))
		return true;
	capacity = pending * 2 > pending + wish ? pending * 2 : pending + wish;
	return move_to(decoder, capacity);
}

uint8_t *rv__frame_decoder_room(struct rv__frame_decoder *decoder, size_t wish, size_t *ret_size)
{
	if (wish < FIRST_ROOM)
		wish = FIRST_ROOM;
	if (!make_room(decoder, wish))
		return NULL;
	*ret_size = decoder->block->capacity - decoder->end;
	return decoder->block->bytes + decoder->end;
}

void rv__frame_decoder_received(struct rv__frame_decoder *decoder, size_t n)
{
	assert(decoder->block && n <= decoder->block->capacity - decoder->end);
	decoder->end += n;
}

static enum rv__frame_result check_lengths(
    const struct rv__frame_decoder *decoder, size_t total, size_t header, struct rv_error *err)
{
	size_t limit = decoder->limit ? decoder->limit : RV__FRAME_MAX;

	if (total > limit - 4) {
		rv_error_set(err, RV_E_TOOBIG, RV__N_FRAME_TOO_BIG, "remoting",
		    "a frame announces %zu bytes, the limit is %zu", total, limit - 4);
		return RV__FRAME_BROKEN;
	}
	if (total < 4 || header > total - 4 || header > RV__FRAME_HEADER_MAX) {
		rv_error_set(err, RV_E_PROTOCOL, RV__N_FRAME_MALFORMED, "remoting",
		    "a frame of %zu bytes announces a header of %zu", total, header);
		return RV__FRAME_BROKEN;
	}
	return RV__FRAME_WHOLE;
}

enum rv__frame_result rv__frame_decoder_next(
    struct rv__frame_decoder *decoder, struct rv__frame *ret_frame, struct rv_error *err)
{
	size_t pending = rv__frame_decoder_pending(decoder);
	uint8_t *at;
	size_t total, header;

	if (pending < 4)
		return RV__FRAME_MORE;
	at = decoder->block->bytes + decoder->start;
	total = rv__get_u32(at);
	/* The header's length is judged as soon as it is there: a hopeless frame is not waited for. */
	header = pending >= PREFIX ? rv__get_u32(at + 4) & 0xffffff : 0;
	if (check_lengths(decoder, total, header, err) == RV__FRAME_BROKEN)
		return RV__FRAME_BROKEN;
	if (pending < 4 + total)
		return RV__FRAME_MORE;
	*ret_frame = (struct rv__frame){
	    .serialize = at[4],
	    .header = at + PREFIX,
	    .header_length = header,
	    .body = total - 4 > header ? at + PREFIX + header : NULL,
	    .body_length = total - 4 - header,
	    .block = decoder->block,
	};
	decoder->start += 4 + total;
	return RV__FRAME_WHOLE;
}
