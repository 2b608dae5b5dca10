/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The JSON that Java's fastjson writes and reads, which is not quite JSON: keys may be bare numbers
 * ({0:"a"}) or whole objects ({{"brokerName":"b","queueId":0,"topic":"T"}:7}). Reading turns such keys
 * into strings (an object into its own text) and hands the rest to jansson; writing goes into a buffer.
 *
 * Source: apache/rocketmq, remoting/…/protocol/RemotingSerializable.java; observed bodies of 105, 106, 202,
 * 208.
 */
#ifndef REMOTING_JSON_DIALECT_H
#define REMOTING_JSON_DIALECT_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <rivulet/error.h>

#include "base/buffer.h"

/**
 * Parses one value, nested at most 64 deep. A new reference, owned (json_decref). An object used as a key
 * becomes the key '{"brokerName":…}' (text as written, without blanks outside strings), which
 * rv__json_parse() reads again.
 *
 * @return NULL with *err (RV_E_PROTOCOL, RV_E_NOMEM) on failure
 */
json_t *rv__json_parse(const void *text, size_t length, struct rv_error *err);

/** Writes one JSON string with its quotes; control characters as \u00XX or short forms. */
void rv__json_add_string(struct rv__buffer *out, const char *text, size_t length);

/* Members by name with fallbacks; `object` may be NULL or not an object. Borrowed. */
const char *rv__json_text(const json_t *object, const char *name, const char *fallback);
/** Numbers, and numbers in quotes. */
int64_t rv__json_i64(const json_t *object, const char *name, int64_t fallback);
bool rv__json_bool(const json_t *object, const char *name, bool fallback);

#endif
