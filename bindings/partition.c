/* SPDX-License-Identifier: Apache-2.0 */
#include "bindings/partition.h"

#include "base/decimal.h"
#include "base/expression.h"
#include "base/hash.h"
#include "base/numbers.h"
#include "bindings/message.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *const rv__partition_hashes[] = {"java", "murmur2", "crc32", "fnv1a", NULL};

struct rv__partitioner {
	struct rv__expression *key;
	struct rv__expression *selector; /* NULL: by hash */
	enum rv__partition_hash hash;
};

rv_err rv__partitioner_create(const char *key, const char *selector, enum rv__partition_hash hash,
    struct rv__partitioner **ret, bool *ret_selector, struct rv_error *err)
{
	struct rv__partitioner *partitioner = calloc(1, sizeof *partitioner);
	bool in_selector = false;
	rv_err code;

	if (!partitioner)
		return rv_error_set(
		    err, RV_E_NOMEM, 0, "config", "there is no memory for a partitioner; add memory");
	partitioner->hash = hash;
	code = rv__expression_create(key, RV__ROOT_MESSAGE, &partitioner->key, err);
	if (code == RV_OK && selector) {
		code = rv__expression_create(selector, RV__ROOT_VALUE, &partitioner->selector, err);
		in_selector = code != RV_OK;
	}
	if (ret_selector)
		*ret_selector = in_selector;
	if (code == RV_OK)
		*ret = partitioner;
	else
		rv__partitioner_destroy(partitioner);
	return code;
}

void rv__partitioner_destroy(struct rv__partitioner *partitioner)
{
	if (!partitioner)
		return;
	rv__expression_destroy(partitioner->key);
	rv__expression_destroy(partitioner->selector);
	free(partitioner);
}

/* -- from the key to a number --------------------------------------------------------------- */

static rv_err fail(const char *channel, const char *what, struct rv_error *err)
{
	return rv_error_set(err, RV_E_INVALID, RV__N_NO_PARTITION, "channel",
	    "channel '%s' is partitioned, and %s", channel, what);
}

/* Without sign: |INT32_MIN| is one more than fits. */
static uint32_t magnitude(int32_t number)
{
	return number < 0 ? -(uint32_t)number : (uint32_t)number;
}

/* Hashes of bytes take the text of numbers, so that "7" and 7 are one key for them. */
static rv_err hash_bytes(const struct rv__partitioner *partitioner, const struct rv__value *key,
    struct rv__arena *arena, const char *channel, uint32_t *ret, struct rv_error *err)
{
	struct rv__value bytes = *key;

	if (key->kind == RV__VALUE_JSON)
		return fail(channel,
		    "its key is a JSON object or array, which only partition-hash=java takes; take a member "
		    "of "
		    "it",
		    err);
	if (key->kind != RV__VALUE_BYTES && !rv__value_to_text(key, arena, &bytes))
		return rv_message_error(rv__message_failed(RV_E_NOMEM), err);
	switch (partitioner->hash) {
	case RV__HASH_MURMUR2: /* Utils.toPositive() of Kafka */
		*ret = rv__hash_murmur2(bytes.bytes, bytes.length) & 0x7fffffff;
		return RV_OK;
	case RV__HASH_CRC32:
		*ret = rv__hash_crc32(bytes.bytes, bytes.length);
		return RV_OK;
	default: /* signed and then made positive, as Sarama has it */
		*ret = magnitude((int32_t)rv__hash_fnv1a(bytes.bytes, bytes.length));
		return RV_OK;
	}
}

/* abs(key.hashCode()), and 0 for the number that has no opposite: PartitionHandler's default selector. */
static uint32_t hash_java(const struct rv__value *key)
{
	int32_t hash = rv__value_java_hash(key);

	return hash == INT32_MIN ? 0 : magnitude(hash);
}

/* A whole decimal number of 32 bits. */
static bool read_int(const char *text, size_t length, int32_t *ret)
{
	int64_t number;

	if (length == 0 || text[0] == '+' || !rv__decimal_within(text, length, INT32_MIN, INT32_MAX, &number))
		return false;
	*ret = (int32_t)number;
	return true;
}

/* What Spring's conversion to Integer takes: numbers in range, cut to whole ones, and their text. */
static bool to_int(const struct rv__value *value, int32_t *ret)
{
	switch (value->kind) {
	case RV__VALUE_INT:
	case RV__VALUE_LONG:
		*ret = (int32_t)value->number;
		return value->number >= INT32_MIN && value->number <= INT32_MAX;
	case RV__VALUE_DOUBLE:
		if (!(value->real > -2147483649.0 && value->real < 2147483648.0))
			return false;
		*ret = (int32_t)value->real;
		return true;
	case RV__VALUE_TEXT:
		return read_int(value->bytes, value->length, ret);
	default:
		return false;
	}
}

static rv_err select_spot(const struct rv__partitioner *partitioner, const struct rv__value *key,
    const char *channel, uint32_t *ret, struct rv_error *err)
{
	struct rv__evaluation evaluation = {.root = key};
	struct rv__value value;
	int32_t number = 0;
	rv_err code = rv__expression_evaluate(partitioner->selector, &evaluation, &value, err);

	if (code == RV_OK && !to_int(&value, &number))
		code = fail(channel,
		    "its partition-selector-expression gave no whole number of 32 bits; make it give one",
		    err);
	*ret = magnitude(number);
	rv__evaluation_finish(&evaluation);
	return code;
}

static rv_err choose_by_override(
    const struct rv_header *override, const char *channel, struct rv__spot *ret, struct rv_error *err)
{
	int32_t number;

	if (!read_int(override->value, override->length, &number) || number < 0)
		return fail(channel,
		    "the header scst_partitionOverride of a message is no number from 0 on; set one", err);
	*ret = (struct rv__spot){.value = (uint32_t)number, .exact = true};
	return RV_OK;
}

rv_err rv__partitioner_choose(const struct rv__partitioner *partitioner, const rv_message *message,
    const char *channel, struct rv__spot *ret, struct rv_error *err)
{
	struct rv__evaluation evaluation = {.message = message};
	struct rv_header override;
	struct rv__value key;
	rv_err code;

	if (rv_message_header_find(message, RV_HEADER_PARTITION_OVERRIDE, &override))
		return choose_by_override(&override, channel, ret, err);
	*ret = (struct rv__spot){.exact = false};
	code = rv__expression_evaluate(partitioner->key, &evaluation, &key, err);
	if (code == RV_OK && key.kind == RV__VALUE_NULL)
		code = fail(channel,
		    "its partition-key-expression gave no key for a message; set what it asks for, or give "
		    "it a "
		    "default, as in headers['k'] ?: 'none'",
		    err);
	else if (code == RV_OK && partitioner->selector)
		code = select_spot(partitioner, &key, channel, &ret->value, err);
	else if (code == RV_OK && partitioner->hash == RV__HASH_JAVA)
		ret->value = hash_java(&key);
	else if (code == RV_OK)
		code = hash_bytes(partitioner, &key, &evaluation.arena, channel, &ret->value, err);
	rv__evaluation_finish(&evaluation);
	return code;
}

int32_t rv__spot_partition(struct rv__spot spot, int32_t count)
{
	if (spot.exact)
		return spot.value < (uint32_t)count ? (int32_t)spot.value : -1;
	return (int32_t)(spot.value % (uint32_t)count);
}

/* -- texts ------------------------------------------------------------------------------------- */

enum { WRITTEN = 1024 };

static char written[WRITTEN][8];
static pthread_once_t written_once = PTHREAD_ONCE_INIT;

static void write_all(void)
{
	for (int i = 0; i < WRITTEN; i++)
		snprintf(written[i], sizeof written[i], "%d", i);
}

const char *rv__partition_text(int32_t partition)
{
	char text[16];

	pthread_once(&written_once, write_all);
	if (partition >= 0 && partition < WRITTEN)
		return written[partition];
	snprintf(text, sizeof text, "%" PRId32, partition);
	return rv__intern(text);
}
