/* SPDX-License-Identifier: Apache-2.0 */
/* The way out. Source: spring-cloud/spring-cloud-stream, binders/kafka-binder/…/BinderHeaderMapper.java, fromHeaders. */
#include "binder/kafka/headers.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/decimal.h"
#include "binder/kafka/header_names.h"

#define JAVA_STRING "java.lang.String"

enum { USUAL_HEADERS = 8, USUAL_TYPES = 1024 };

/* -- which go ------------------------------------------------------------------------------- */

#define KAFKA "kafka_"

/* Names that Spring never maps: they steer the send, or describe a receipt. Those behind "kafka_", in the order of the
 * source. */
static const char *const never[] = {"acknowledgment", "consumer", "messageKey", "offset", "partitionId",
    "data", "receivedMessageKey", "receivedPartitionId", "receivedTimestamp", "receivedTopic", "timestamp",
    "timestampType", "batchConvertedHeaders", "nativeHeaders", "topic", "deliveryAttempt", "listenerInfo",
    "groupId", NULL};

static bool is_one_of(const char *const *words, const char *name)
{
	for (; *words; words++)
		if (strcmp(*words, name) == 0)
			return true;
	return false;
}

static bool is_never(const char *name)
{
	/* Nearly all names are told from these by their first letter. */
	switch (name[0]) {
	case 'k':
		return strncmp(name, KAFKA, sizeof KAFKA - 1) == 0 &&
		    is_one_of(never, name + sizeof KAFKA - 1);
	case 'i':
		return strcmp(name, "id") == 0;
	case 't':
		return strcmp(name, "timestamp") == 0;
	case 'd':
		return strcmp(name, "deliveryAttempt") == 0;
	case 's':
		return strcmp(name, "scst_nativeHeadersPresent") == 0 || strcmp(name, RV__KAFKA_TYPES) == 0;
	case 'r':
		return strcmp(name, RV_HEADER_KEY) == 0;
	case 'm':
		return strcmp(name, RV_HEADER_MESSAGE_ID) == 0;
	default:
		return false;
	}
}

/* PatternMatchUtils.simpleMatch on lower-cased texts: `*` at the start, at the end, or both. */
static bool pattern_matches(const char *pattern, const char *name)
{
	size_t length = strlen(pattern);
	size_t name_length = strlen(name);
	bool open_start = length > 0 && pattern[0] == '*';
	bool open_end = length > 1 && pattern[length - 1] == '*';

	if (open_start) {
		pattern++;
		length--;
	}
	if (open_end)
		length--;
	if (!open_start && !open_end)
		return strcasecmp(pattern, name) == 0;
	if (name_length < length)
		return false;
	if (open_start && open_end) {
		for (size_t at = 0; at + length <= name_length; at++)
			if (strncasecmp(name + at, pattern, length) == 0)
				return true;
		return false;
	}
	return strncasecmp(open_start ? name + name_length - length : name, pattern, length) == 0;
}

static bool is_chosen(const struct rv__kafka_mapping *mapping, const char *name)
{
	for (size_t i = 0; i < mapping->patterns.count; i++) {
		const char *pattern = mapping->patterns.items[i];
		bool negated = pattern[0] == '!';

		if (pattern_matches(pattern + negated, name))
			return !negated;
	}
	return false;
}

static bool wanted(const struct rv__kafka_mapping *mapping, const char *name)
{
	return mapping->patterns.count == 0 || is_chosen(mapping, name);
}

bool rv__kafka_header_is_raw(const char *name)
{
	static const char *const names[] = {
	    "X-B3-TraceId", "X-B3-SpanId", "X-B3-Sampled", "X-B3-Flags", NULL};

	return name[0] == 'b' ? strcmp(name, "b3") == 0
	    : name[0] == 't'  ? strcmp(name, "traceparent") == 0
	                      : name[0] == 'X' && is_one_of(names, name);
}

/* What a dead letter is told beside the headers of its original: never listed. */
static bool is_dead_letter_fact(const char *name)
{
	return name[0] == 'x' &&
	    (strncmp(name, "x-original-", 11) == 0 || strncmp(name, "x-exception-", 12) == 0);
}

/* -- the list of types ---------------------------------------------------------------------- */

/* JSON under way, on the stack while it is of the usual size. Copying a name costs less than looking up whether the
 * same list was written before. */
struct types {
	char *bytes;
	size_t length, capacity;
	bool failed;
	char usual[USUAL_TYPES];
};

static bool make_room(struct types *types, size_t extra)
{
	size_t capacity = types->capacity;
	char *bytes;

	if (types->length + extra <= capacity)
		return true;
	while (capacity < types->length + extra)
		capacity *= 2;
	bytes = types->bytes == types->usual ? malloc(capacity) : realloc(types->bytes, capacity);
	if (!bytes) {
		types->failed = true;
		return false;
	}
	if (types->bytes == types->usual)
		memcpy(bytes, types->usual, types->length);
	types->bytes = bytes;
	types->capacity = capacity;
	return true;
}

#define EACH_BYTE(value) (UINT64_C(0x0101010101010101) * (value))

/* Whether one of eight bytes is below 0x20, a quote or a backslash. */
static bool must_escape(uint64_t word)
{
	uint64_t quote = word ^ EACH_BYTE('"');
	uint64_t slash = word ^ EACH_BYTE('\\');

	return (((word - EACH_BYTE(0x20)) & ~word) | ((quote - EACH_BYTE(1)) & ~quote) |
	           ((slash - EACH_BYTE(1)) & ~slash)) &
	    EACH_BYTE(0x80);
}

static char *put_escaped(char *to, const char *text, size_t length)
{
	static const char digits[] = "0123456789ABCDEF";
	size_t i = 0;
	uint64_t word;

	for (; length - i >= sizeof word; i += sizeof word, to += sizeof word) {
		memcpy(&word, text + i, sizeof word);
		if (must_escape(word))
			break;
		memcpy(to, &word, sizeof word);
	}
	for (; i < length; i++) {
		unsigned char c = (unsigned char)text[i];

		if (c == '"' || c == '\\') {
			*to++ = '\\';
			*to++ = (char)c;
		} else if (c < 0x20) {
			memcpy(to, "\\u00", 4);
			to[4] = digits[c >> 4];
			to[5] = digits[c & 15];
			to += 6;
		} else {
			*to++ = (char)c;
		}
	}
	return to;
}

static void list(struct types *types, const char *name, size_t length, const char *type, size_t type_length)
{
	char *at;

	if (!make_room(types, 6 * length + type_length + 8))
		return;
	at = types->bytes + types->length;
	*at++ = types->length == 0 ? '{' : ',';
	*at++ = '"';
	at = put_escaped(at, name, length);
	memcpy(at, "\":\"", 3);
	memcpy(at + 3, type, type_length);
	at += 3 + type_length;
	*at++ = '"';
	types->length = (size_t)(at - types->bytes);
}

/* -- one header ------------------------------------------------------------------------------- */

/* One message on its way. */
struct writing {
	struct rv__kafka_outgoing *outgoing;
	struct types types;
};

static void add(
    struct writing *writing, const char *name, size_t name_length, const void *value, ssize_t length)
{
	if (!writing->outgoing->headers)
		writing->outgoing->headers = rd_kafka_headers_new(USUAL_HEADERS);
	if (rd_kafka_header_add(writing->outgoing->headers, name, (ssize_t)name_length, value, length))
		writing->types.failed = true;
}

static void add_listed(struct writing *writing, const struct rv_header *header, const char *type)
{
	size_t length = strlen(header->name);

	add(writing, header->name, length, header->value, (ssize_t)header->length);
	list(&writing->types, header->name, length, type, strlen(type));
}

/* A text that begins with a quote would be taken for JSON, so it is made JSON. */
static void add_quoted(struct writing *writing, const struct rv_header *header)
{
	size_t length = strlen(header->name);
	char *quoted = malloc(6 * header->length + 2);
	char *end;

	if (!quoted) {
		writing->types.failed = true;
		return;
	}
	quoted[0] = '"';
	end = put_escaped(quoted + 1, header->value, header->length);
	*end++ = '"';
	add(writing, header->name, length, quoted, end - quoted);
	list(&writing->types, header->name, length, JAVA_STRING, sizeof JAVA_STRING - 1);
	free(quoted);
}

static void add_text(struct writing *writing, const struct rv_header *header)
{
	size_t length;

	if (header->length > 0 && header->value[0] == '"') {
		add_quoted(writing, header);
		return;
	}
	length = strlen(header->name);
	add(writing, header->name, length, header->value, (ssize_t)header->length);
	list(&writing->types, header->name, length, JAVA_STRING, sizeof JAVA_STRING - 1);
}

/* Jackson reads 1 as a Double as well, but writes 1.0. */
static void add_double(struct writing *writing, const struct rv_header *header)
{
	char text[72];
	struct rv_header whole = *header;

	if (header->length < sizeof text - 2 && header->length > 0 && !strpbrk(header->value, ".eEnN")) {
		memcpy(text, header->value, header->length);
		memcpy(text + header->length, ".0", 3);
		whole.value = text;
		whole.length += 2;
	}
	add_listed(writing, &whole, "java.lang.Double");
}

static const char *type_of_number(const struct rv_header *header)
{
	char *end;
	long long value;

	errno = 0;
	value = strtoll(header->value, &end, 10);
	if (end != header->value + header->length)
		return "java.lang.Double";
	if (errno != 0)
		return "java.math.BigInteger";
	return value >= INT32_MIN && value <= INT32_MAX ? "java.lang.Integer" : "java.lang.Long";
}

static void add_json(struct writing *writing, const struct rv_header *header)
{
	const char *first = header->value + strspn(header->value, " \t\r\n");
	const char *type = *first == '{'     ? "java.util.LinkedHashMap"
	    : *first == '['                  ? "java.util.ArrayList"
	    : *first == '"'                  ? JAVA_STRING
	    : *first == 't' || *first == 'f' ? "java.lang.Boolean"
	                                     : type_of_number(header);

	if (*first == 'n') /* JSON's null, which Java has no type for */
		add(writing, header->name, strlen(header->name), NULL, 0);
	else
		add_listed(writing, header, type);
}

static void add_header(struct writing *writing, const struct rv_header *header)
{
	if (header->type == RV_HEADER_BYTES || rv__kafka_header_is_raw(header->name) ||
	    is_dead_letter_fact(header->name)) {
		add(writing, header->name, strlen(header->name), header->value, (ssize_t)header->length);
		return;
	}
	switch (header->type) {
	case RV_HEADER_BOOLEAN:
		add_listed(writing, header, "java.lang.Boolean");
		break;
	case RV_HEADER_INT:
		add_listed(writing, header, "java.lang.Integer");
		break;
	case RV_HEADER_LONG:
		add_listed(writing, header, "java.lang.Long");
		break;
	case RV_HEADER_DOUBLE:
		add_double(writing, header);
		break;
	case RV_HEADER_JSON:
		add_json(writing, header);
		break;
	default:
		add_text(writing, header);
	}
}

/* -- a message --------------------------------------------------------------------------------- */

static int64_t number_of(const struct rv_header *header, int64_t otherwise, int64_t max)
{
	int64_t value;

	return rv__decimal_within(header->value, header->length, 0, max, &value) ? value : otherwise;
}

/* Takes note of a header that steers the send; true also for others that never go out. */
static bool steers(struct rv__kafka_outgoing *outgoing, const struct rv_header *header)
{
	if (!is_never(header->name))
		return false;
	if (strcmp(header->name, RV_HEADER_KEY) == 0)
		outgoing->key = *header;
	else if (strcmp(header->name, "kafka_messageKey") == 0 && !outgoing->key.name)
		outgoing->key = *header;
	else if (strcmp(header->name, "kafka_topic") == 0)
		outgoing->topic = header->value;
	else if (strcmp(header->name, "kafka_timestamp") == 0)
		outgoing->timestamp_ms = number_of(header, 0, INT64_MAX);
	else if (strcmp(header->name, "kafka_partitionId") == 0)
		outgoing->partition = (int32_t)number_of(header, -1, INT32_MAX);
	return true;
}

static void finish_types(struct writing *writing)
{
	struct types *types = &writing->types;

	if (types->length == 0 || types->failed || !make_room(types, 1))
		return;
	types->bytes[types->length++] = '}';
	add(writing, RV__KAFKA_TYPES, sizeof RV__KAFKA_TYPES - 1, types->bytes, (ssize_t)types->length);
}

static void add_id(
    struct writing *writing, const struct rv__kafka_mapping *mapping, const rv_message *message)
{
	const char *id = rv_message_id(message);
	const struct rv_header header = {.name = RV_HEADER_MESSAGE_ID, .value = id, .length = strlen(id)};

	if (*id && wanted(mapping, RV_HEADER_MESSAGE_ID))
		add_text(writing, &header);
}

rv_err rv__kafka_headers_write(const struct rv__kafka_mapping *mapping, const rv_message *message, bool bare,
    struct rv__kafka_outgoing *ret_outgoing)
{
	struct writing writing;
	struct rv_header header;
	size_t late = 0; /* the first fact of a dead letter, plus one: they follow the list of types */

	bare |= mapping->bare;
	*ret_outgoing = (struct rv__kafka_outgoing){.partition = -1};
	writing.outgoing = ret_outgoing;
	writing.types.bytes = writing.types.usual;
	writing.types.length = 0;
	writing.types.capacity = sizeof writing.types.usual;
	writing.types.failed = false;
	for (size_t i = 0; rv_message_header_entry(message, i, &header); i++) {
		if (steers(ret_outgoing, &header) || bare || !wanted(mapping, header.name))
			continue;
		if (is_dead_letter_fact(header.name))
			late = late ? late : i + 1;
		else
			add_header(&writing, &header);
	}
	if (!bare)
		add_id(&writing, mapping, message);
	finish_types(&writing);
	for (size_t i = late; late && rv_message_header_entry(message, i - 1, &header); i++)
		if (is_dead_letter_fact(header.name) && wanted(mapping, header.name))
			add_header(&writing, &header);
	if (writing.types.bytes != writing.types.usual)
		free(writing.types.bytes);
	if (!writing.types.failed)
		return RV_OK;
	if (ret_outgoing->headers)
		rd_kafka_headers_destroy(ret_outgoing->headers);
	ret_outgoing->headers = NULL;
	return RV_E_NOMEM;
}
