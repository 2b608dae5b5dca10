/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Frames of RocketMQ's remoting protocol, cut out of the bytes that a socket yields.
 *
 *     int32  total  = 4 + header length + body length    (does not count itself)
 *     int32  mark   = serialize type << 24 | header length
 *     bytes  header
 *     bytes  body
 *
 * Source: apache/rocketmq, remoting/…/protocol/RemotingCommand.java and netty/NettyDecoder.java.
 *
 *     struct rv__frame_decoder decoder = {.limit = 0};
 *     at = rv__frame_decoder_room(&decoder, 65536, &size);      -> read(fd, at, size)
 *     rv__frame_decoder_received(&decoder, n);
 *     while ((result = rv__frame_decoder_next(&decoder, &frame, &err)) == RV__FRAME_WHOLE)
 *             handle(&frame);
 *
 * Memory grows with the bytes received, never with the length that a peer announces.
 * Threads: one at a time per decoder; blocks are reference-counted atomically.
 */
#ifndef REMOTING_FRAME_H
#define REMOTING_FRAME_H

#include <stddef.h>
#include <stdint.h>

#include <rivulet/error.h>

enum {
	RV__FRAME_MAX = 16777216,      /* whole frame with its first four bytes, as Java's peers accept it */
	RV__FRAME_HEADER_MAX = 1 << 20 /* no header of the protocol comes near it */
};

/* Received bytes, shared by the decoder and by whoever keeps a body that points into them. */
struct rv__block {
	unsigned refs; /* atomic */
	size_t capacity;
	uint8_t bytes[];
};

struct rv__block *rv__block_ref(struct rv__block *block);
/** NULL is fine. */
void rv__block_unref(struct rv__block *block);

/* One whole frame. The pointers are borrowed until the decoder's next room() or finish(), or for as
 * long as a reference on `block` is held. The header may be written to (decoding unescapes in place). */
struct rv__frame {
	uint8_t serialize; /* 0 JSON, 1 ROCKETMQ; other values are passed on */
	uint8_t *header;
	size_t header_length;
	const uint8_t *body; /* NULL when empty */
	size_t body_length;
	struct rv__block *block; /* holds all of it; take a reference to keep the body */
};

enum rv__frame_result {
	RV__FRAME_MORE,  /* the next frame is not whole yet */
	RV__FRAME_WHOLE, /* *frame is filled */
	RV__FRAME_BROKEN /* not this protocol: close the connection */
};

/* Zeroed memory is a decoder without bytes. */
struct rv__frame_decoder {
	size_t limit; /* largest frame, 0 counts as RV__FRAME_MAX */
	struct rv__block *block;
	size_t start; /* of the bytes not yet handed out */
	size_t end;   /* of the bytes received */
};

void rv__frame_decoder_finish(struct rv__frame_decoder *decoder);

/**
 * Where the next bytes go: at least one, at most `wish` bytes. Frames handed out before become invalid
 * unless their block is referenced. NULL: no memory.
 */
uint8_t *rv__frame_decoder_room(struct rv__frame_decoder *decoder, size_t wish, size_t *ret_size);

/** `n` bytes were written to the room. */
void rv__frame_decoder_received(struct rv__frame_decoder *decoder, size_t n);

/** Takes the next frame out. BROKEN fills *err (RV_E_PROTOCOL or RV_E_TOOBIG) and repeats. */
enum rv__frame_result rv__frame_decoder_next(
    struct rv__frame_decoder *decoder, struct rv__frame *ret_frame, struct rv_error *err);

/** Bytes received and not yet handed out as a frame. */
static inline size_t rv__frame_decoder_pending(const struct rv__frame_decoder *decoder)
{
	return decoder->end - decoder->start;
}

/** Gives memory back while nothing is pending; for idle connections. */
void rv__frame_decoder_trim(struct rv__frame_decoder *decoder);

#endif
