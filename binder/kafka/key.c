/* SPDX-License-Identifier: Apache-2.0 */
/* Sources: apache/kafka clients/src/main/java/org/apache/kafka/common/serialization/ (IntegerSerializer, LongSerializer,
 * ShortSerializer, UUIDSerializer, StringSerializer, ByteArraySerializer). */
#include "binder/kafka/key.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/decimal.h"
#include "base/numbers.h"
#include "base/utf8.h"

static const struct row {
	const char *word; /* the class without package and without Serializer or Deserializer */
	enum rv__kafka_format format;
	size_t bytes; /* on the wire; 0: any */
} rows[] = {{"ByteArray", RV__KAFKA_FORMAT_BYTES, 0}, {"Bytes", RV__KAFKA_FORMAT_BYTES, 0},
    {"ByteBuffer", RV__KAFKA_FORMAT_BYTES, 0}, {"String", RV__KAFKA_FORMAT_STRING, 0},
    {"UUID", RV__KAFKA_FORMAT_UUID, 0}, {"Short", RV__KAFKA_FORMAT_SHORT, 2},
    {"Integer", RV__KAFKA_FORMAT_INTEGER, 4}, {"Long", RV__KAFKA_FORMAT_LONG, 8}};

bool rv__kafka_format_of(const char *class_name, enum rv__kafka_format *ret_format)
{
	const char *dot = strrchr(class_name, '.');
	const char *word = dot ? dot + 1 : class_name;

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		size_t length = strlen(rows[i].word);

		if (strncmp(word, rows[i].word, length) == 0 &&
		    (strcmp(word + length, "Serializer") == 0 ||
		        strcmp(word + length, "Deserializer") == 0)) {
			*ret_format = rows[i].format;
			return true;
		}
	}
	return false;
}

static size_t width(enum rv__kafka_format format)
{
	return format == RV__KAFKA_FORMAT_SHORT  ? 2
	    : format == RV__KAFKA_FORMAT_INTEGER ? 4
	    : format == RV__KAFKA_FORMAT_LONG    ? 8
	                                         : 0;
}

static bool parse(const struct rv_header *header, size_t bytes, int64_t *ret_value)
{
	int64_t limit = bytes == 8 ? INT64_MAX : ((int64_t)1 << (bytes * 8 - 1)) - 1;

	return rv__decimal_within(header->value, header->length, -limit - 1, limit, ret_value);
}

rv_err rv__kafka_key_write(enum rv__kafka_format format, const struct rv_header *header,
    struct rv__kafka_record_key *ret_key, struct rv_error *err)
{
	size_t bytes = width(format);
	uint8_t number[8];
	int64_t value;

	ret_key->bytes = header->value;
	ret_key->length = header->length;
	if (bytes == 0)
		return RV_OK;
	if (!parse(header, bytes, &value))
		return rv_error_set(err, RV_E_INVALID, RV__N_KAFKA_RECORD_KEY, "kafka",
		    "the key '%.*s' is no number of %zu bytes, as key.serializer wants it; set "
		    "header " RV_HEADER_KEY " to a decimal number in its range, or use StringSerializer",
		    (int)(header->length < 64 ? header->length : 64),
		    header->type == RV_HEADER_BYTES ? "(bytes)" : header->value, bytes);
	rv__put_u64(number, (uint64_t)value);
	memcpy(ret_key->room, number + 8 - bytes, bytes);
	ret_key->bytes = ret_key->room;
	ret_key->length = bytes;
	return RV_OK;
}

/* A key that an expression made, as if it stood in a header. False: there is none. */
static bool as_header(const struct rv__value *value, struct rv__arena *arena, struct rv_header *ret_header)
{
	struct rv__value text = *value;

	if (value->kind != RV__VALUE_BYTES && !rv__value_to_text(value, arena, &text))
		return false;
	*ret_header = (struct rv_header){.name = RV_HEADER_KEY,
	    .value = text.bytes,
	    .length = text.length,
	    .type = value->kind == RV__VALUE_BYTES ? RV_HEADER_BYTES : RV_HEADER_TEXT};
	return true;
}

rv_err rv__kafka_key_choose(const struct rv__expression *expression, enum rv__kafka_format format,
    const struct rv_header *header, struct rv__evaluation *evaluation, struct rv__kafka_record_key *ret_key,
    struct rv_error *err)
{
	struct rv_header made = *header;
	struct rv__value value;
	rv_err failed;

	ret_key->bytes = NULL;
	ret_key->length = 0;
	if (expression) {
		failed = rv__expression_evaluate(expression, evaluation, &value, err);
		if (failed != RV_OK || value.kind == RV__VALUE_NULL)
			return failed;
		if (!as_header(&value, &evaluation->arena, &made))
			return rv_error_set(err, RV_E_INVALID, RV__N_KAFKA_RECORD_KEY, "kafka",
			    "message-key-expression '%.100s' yields %s, which is no key; take a member of it",
			    rv__expression_text(expression), rv__value_word(&value));
	}
	return made.name ? rv__kafka_key_write(format, &made, ret_key, err) : RV_OK;
}

void rv__kafka_key_read(enum rv__kafka_format format, const void *bytes, size_t length,
    struct rv__kafka_record_key *room, struct rv_header_span *ret_span)
{
	size_t expected = width(format);
	const uint8_t *at = bytes ? bytes : (const void *)"";
	int64_t value;

	if (!bytes)
		length = 0;
	*ret_span = (struct rv_header_span){
	    .name = {RV_HEADER_KEY, sizeof RV_HEADER_KEY - 1}, .value = {(const char *)at, length}};
	if (expected == 0 || length != expected) {
		bool text = expected == 0 &&
		    (length == 0 || (!memchr(at, 0, length) && rv__utf8_valid((const char *)at, length)));

		ret_span->type = text ? RV_HEADER_TEXT : RV_HEADER_BYTES;
		return;
	}
	value = expected == 8 ? (int64_t)rv__get_u64(at)
	    : expected == 4   ? (int32_t)rv__get_u32(at)
	                      : (int16_t)rv__get_u16(at);
	ret_span->value.bytes = room->room;
	ret_span->value.length = (size_t)snprintf(room->room, sizeof room->room, "%" PRId64, value);
	ret_span->type = expected == 8 ? RV_HEADER_LONG : RV_HEADER_INT;
}
