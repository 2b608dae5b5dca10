/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Headers inside the payload (header-mode=embeddedHeaders), as Spring Cloud Stream writes them for brokers
 * that carry none:
 *
 *     0xFF | n (1) | n x [ name length (1) | name UTF-8 | value length (4, big-endian) | value as JSON ] | payload
 *
 * Source: spring-cloud/spring-cloud-stream core/spring-cloud-stream/src/main/java/org/springframework/cloud/stream/
 * binder/EmbeddedHeaderUtils.java. Functions without state; any thread.
 */
#ifndef BINDINGS_EMBEDDED_H
#define BINDINGS_EMBEDDED_H

#include <rivulet/binder.h>

/**
 * A message whose payload is the block and the payload of `message`; it keeps id and headers. Into the block go those of
 * correlationId, sequenceSize, sequenceNumber, contentType and the names of both lists (may be NULL) that
 * the message has. A tombstone stays one, without a block. Owned; an error message when there is no memory or
 * it grew too large.
 */
rv_message *rv__embedded_encode(
    const rv_message *message, const struct rv_strings *more, const struct rv_strings *yet_more);

/**
 * Takes the block off a received message: its headers join those that are there, the payload is what follows.
 * Nothing is changed when the message has a contentType of its own (then its headers travelled natively), when
 * no block begins there, or when the block is malformed: then it is a payload like any other.
 *
 * @param slot  the message; replaced, with the same delivery and id
 * @return RV_OK; RV_E_INVALID when there is no such block; RV_E_NOMEM
 */
rv_err rv__embedded_decode(rv_message **slot);

#endif
