/* SPDX-License-Identifier: Apache-2.0 */
/* The way in. Source: spring-cloud/spring-cloud-stream, binders/kafka-binder/…/BinderHeaderMapper.java, toHeaders. */
#include "binder/kafka/headers.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/decimal.h"
#include "base/json.h"
#include "base/utf8.h"
#include "binder/kafka/header_names.h"
#include "binder/kafka/settings.h"

enum { TYPE_LIST_MAX = 16384 }; /* longer lists are read each time */

/* -- lists of types ------------------------------------------------------------------------- */

/* What becomes of a value that a list names. */
enum kind {
	UNLISTED,
	KIND_STRING,
	KIND_NAME, /* MIME types, UUIDs, URIs: a text, as JSON or raw */
	KIND_INT,
	KIND_LONG,
	KIND_DOUBLE,
	KIND_BOOLEAN,
	KIND_JSON
};

struct type_row {
	const char *name; /* within the list's JSON object */
	size_t length;
	enum kind kind;
};

/* A list as it stood on the wire, and what it says. */
struct rv__kafka_type_list {
	size_t length;
	size_t count;
	json_t *object; /* keeps the names */
	struct type_row *rows;
	char bytes[];
};

static enum kind kind_of(const char *type)
{
	static const struct {
		const char *type;
		enum kind kind;
	} known[] = {{"java.lang.String", KIND_STRING}, {"java.lang.Integer", KIND_INT},
	    {"java.lang.Long", KIND_LONG}, {"java.lang.Boolean", KIND_BOOLEAN}, {"java.lang.Short", KIND_INT},
	    {"java.lang.Byte", KIND_INT}, {"java.lang.Double", KIND_DOUBLE}, {"java.lang.Float", KIND_DOUBLE},
	    {"org.springframework.util.MimeType", KIND_NAME},
	    {"org.springframework.http.MediaType", KIND_NAME}, {"java.util.UUID", KIND_NAME},
	    {"java.net.URI", KIND_NAME}};

	for (size_t i = 0; i < sizeof known / sizeof *known; i++)
		if (strcmp(type, known[i].type) == 0)
			return known[i].kind;
	return KIND_JSON;
}

static void destroy_list(struct rv__kafka_type_list *list)
{
	if (!list)
		return;
	json_decref(list->object);
	free(list->rows);
	free(list);
}

void rv__kafka_header_reader_finish(struct rv__kafka_header_reader *reader)
{
	for (size_t i = 0; i < RV__KAFKA_TYPE_LISTS; i++)
		destroy_list(reader->lists[i]);
	free(reader->scratch);
	memset(reader, 0, sizeof *reader);
}

static struct rv__kafka_type_list *parse_list(const void *bytes, size_t length)
{
	json_t *object = length <= TYPE_LIST_MAX ? rv__json_load(bytes, length, "kafka", NULL) : NULL;
	struct rv__kafka_type_list *list = malloc(sizeof *list + length);
	size_t size = object ? json_object_size(object) : 0;
	const char *name;
	json_t *type;

	if (!list || !(list->rows = calloc(size + 1, sizeof *list->rows))) {
		json_decref(object);
		free(list);
		return NULL;
	}
	/* What is no list is remembered as one that names nothing, as Spring treats it. */
	list->object = object;
	list->length = length;
	list->count = 0;
	memcpy(list->bytes, bytes, length);
	json_object_foreach(object, name, type) if (json_is_string(type)) list->rows[list->count++] =
	    (struct type_row){name, strlen(name), kind_of(json_string_value(type))};
	return list;
}

/* The list of these bytes, from before or parsed now, at the front of the reader's. NULL: none. */
static const struct rv__kafka_type_list *find_list(
    struct rv__kafka_header_reader *reader, const void *bytes, size_t length)
{
	struct rv__kafka_type_list *found;
	size_t at = 0;

	while (at < RV__KAFKA_TYPE_LISTS && reader->lists[at] &&
	    (reader->lists[at]->length != length || memcmp(reader->lists[at]->bytes, bytes, length) != 0))
		at++;
	if (at == 0 && reader->lists[0])
		return reader->lists[0];
	if (at < RV__KAFKA_TYPE_LISTS && reader->lists[at]) {
		found = reader->lists[at];
	} else {
		found = parse_list(bytes, length);
		if (!found)
			return NULL;
		if (at == RV__KAFKA_TYPE_LISTS)
			destroy_list(reader->lists[--at]);
	}
	memmove(&reader->lists[1], &reader->lists[0], at * sizeof *reader->lists);
	reader->lists[0] = found;
	return found;
}

static enum kind listed_kind(const struct rv__kafka_type_list *list, const char *name, size_t length)
{
	if (list)
		for (size_t i = 0; i < list->count; i++)
			if (list->rows[i].length == length && memcmp(list->rows[i].name, name, length) == 0)
				return list->rows[i].kind;
	return UNLISTED;
}

/* -- values ----------------------------------------------------------------------------------- */

/* Nearly all values are plain ASCII. */
static bool is_text(const char *bytes, size_t length)
{
	return rv__text_plain(bytes, length) || (!memchr(bytes, 0, length) && rv__utf8_valid(bytes, length));
}

/* Keeps a text that stands nowhere in the record. What was given out before moves along. */
static const char *keep(struct rv__kafka_header_reader *reader, const char *text, size_t length)
{
	char *at;

	if (reader->scratch_used + length > reader->scratch_capacity) {
		size_t capacity = 2 * (reader->scratch_used + length) + 256;
		char *before = reader->scratch;
		char *grown = malloc(capacity);

		if (!grown)
			return NULL;
		if (before)
			memcpy(grown, before, reader->scratch_used);
		for (size_t i = 0; before && i < reader->count; i++) {
			struct rv_span *value = &reader->spans[i].value;

			if (value->bytes >= before && value->bytes < before + reader->scratch_used)
				value->bytes = grown + (value->bytes - before);
		}
		if (before && reader->id.bytes >= before && reader->id.bytes < before + reader->scratch_used)
			reader->id.bytes = grown + (reader->id.bytes - before);
		free(before);
		reader->scratch = grown;
		reader->scratch_capacity = capacity;
	}
	at = reader->scratch + reader->scratch_used;
	memcpy(at, text, length);
	reader->scratch_used += length;
	return at;
}

static bool keep_text(
    struct rv__kafka_header_reader *reader, const char *text, size_t length, struct rv_span *value)
{
	const char *kept = keep(reader, text, length);

	if (kept)
		*value = (struct rv_span){kept, length};
	return kept != NULL;
}

/* {"type":"application","subtype":"json","parameters":{"charset":"UTF-8"}}: how Spring before 3.0 wrote a MimeType. */
static bool read_mime_object(
    struct rv__kafka_header_reader *reader, const json_t *object, struct rv_span *value)
{
	const char *type = json_string_value(json_object_get(object, "type"));
	const char *subtype = json_string_value(json_object_get(object, "subtype"));
	json_t *parameters = json_object_get(object, "parameters");
	const char *name;
	json_t *parameter;
	char text[512];
	int length;

	if (!type || !subtype)
		return false;
	length = snprintf(text, sizeof text, "%s/%s", type, subtype);
	json_object_foreach(parameters, name, parameter) if (json_is_string(parameter) && length >= 0 &&
	    (size_t)length < sizeof text) length += snprintf(text + length, sizeof text - (size_t)length,
	    ";%s=%s", name, json_string_value(parameter));
	return length >= 0 && (size_t)length < sizeof text && keep_text(reader, text, (size_t)length, value);
}

/* A JSON string, or a MimeType object, becomes the text that it stands for. False: it is neither. */
static bool decode_text(struct rv__kafka_header_reader *reader, struct rv_span *value)
{
	json_t *json = rv__json_load(value->bytes, value->length, "kafka", NULL);
	bool done = false;

	if (json_is_string(json) && !memchr(json_string_value(json), 0, json_string_length(json)))
		done = keep_text(reader, json_string_value(json), json_string_length(json), value);
	else if (json_is_object(json))
		done = read_mime_object(reader, json, value);
	json_decref(json);
	return done;
}

static bool is_integer(const struct rv_span *value, int64_t min, int64_t max)
{
	int64_t number;

	return value->length > 0 && value->bytes[0] != '+' &&
	    rv__decimal_within(value->bytes, value->length, min, max, &number);
}

static bool is_json(const struct rv_span *value, bool number)
{
	json_t *json = rv__json_load(value->bytes, value->length, "kafka", NULL);
	bool is = number ? json_is_number(json) : json != NULL;

	json_decref(json);
	return is;
}

static bool is_word(const struct rv_span *value, const char *word)
{
	return value->length == strlen(word) && memcmp(value->bytes, word, value->length) == 0;
}

static enum rv_header_type text_or_bytes(const struct rv_span *value)
{
	return is_text(value->bytes, value->length) ? RV_HEADER_TEXT : RV_HEADER_BYTES;
}

/* Of a value that its list calls something of Java. What it is not stays as the bytes that came. */
static enum rv_header_type read_listed(
    struct rv__kafka_header_reader *reader, enum kind kind, struct rv_span *value)
{
	bool quoted = value->length > 0 && value->bytes[0] == '"';

	if (kind == KIND_STRING || kind == KIND_NAME) {
		if (!quoted && (kind == KIND_STRING || value->length == 0 || value->bytes[0] != '{'))
			return text_or_bytes(value);
		return decode_text(reader, value) ? RV_HEADER_TEXT : RV_HEADER_BYTES;
	}
	if (kind == KIND_INT && is_integer(value, INT32_MIN, INT32_MAX))
		return RV_HEADER_INT;
	if (kind == KIND_LONG && is_integer(value, INT64_MIN, INT64_MAX))
		return RV_HEADER_LONG;
	if (kind == KIND_BOOLEAN && (is_word(value, "true") || is_word(value, "false")))
		return RV_HEADER_BOOLEAN;
	if (kind == KIND_DOUBLE && is_json(value, true))
		return RV_HEADER_DOUBLE;
	return is_json(value, false) ? RV_HEADER_JSON : RV_HEADER_BYTES;
}

/* contentType is understood in every form that was ever written, listed or not. */
static enum rv_header_type read_content_type(struct rv__kafka_header_reader *reader, struct rv_span *value)
{
	if (value->length > 0 && (value->bytes[0] == '"' || value->bytes[0] == '{') &&
	    decode_text(reader, value))
		return RV_HEADER_TEXT;
	return text_or_bytes(value);
}

/* -- a record ----------------------------------------------------------------------------------- */

static bool is_name(const char *name, size_t length, const char *known, size_t known_length)
{
	return length == known_length && memcmp(name, known, length) == 0;
}
#define IS(name, length, literal) is_name(name, length, literal, sizeof(literal) - 1)

/* Where a header of that name goes: to its earlier place, since the later one counts. NULL: no room. */
static struct rv_header_span *place(struct rv__kafka_header_reader *reader, const char *name, size_t length)
{
	for (size_t i = 0; i < reader->count; i++)
		if (is_name(name, length, reader->spans[i].name.bytes, reader->spans[i].name.length))
			return &reader->spans[i];
	if (reader->count == RV__KAFKA_HEADERS_MAX)
		return NULL;
	/* Set whole before it is counted, since keep() looks at what is counted. */
	reader->spans[reader->count] = (struct rv_header_span){.name = {name, length}, .value = {"", 0}};
	return &reader->spans[reader->count++];
}

static void read_header(struct rv__kafka_header_reader *reader, const struct rv__kafka_type_list *list,
    const char *name, const void *bytes, size_t size)
{
	size_t length = strlen(name);
	struct rv_span value = {bytes ? bytes : "", bytes ? size : 0};
	struct rv_header_span *span;
	enum rv_header_type type;
	enum kind kind;

	if (length == 0 || IS(name, length, RV__KAFKA_TYPES))
		return;
	if (IS(name, length, RV_HEADER_MESSAGE_ID)) {
		if (read_listed(reader, KIND_STRING, &value) == RV_HEADER_TEXT)
			reader->id = value;
		return;
	}
	if (IS(name, length, RV_HEADER_CONTENT_TYPE))
		type = read_content_type(reader, &value);
	else if (bytes && (kind = listed_kind(list, name, length)) != UNLISTED)
		type = read_listed(reader, kind, &value);
	else
		type = bytes && rv__kafka_header_is_raw(name) ? text_or_bytes(&value) : RV_HEADER_BYTES;
	span = place(reader, name, length);
	if (!span)
		return;
	span->value = value;
	span->type = type;
}

void rv__kafka_headers_read(struct rv__kafka_header_reader *reader, const rd_kafka_headers_t *headers)
{
	const struct rv__kafka_type_list *list = NULL;
	const char *name;
	const void *value;
	size_t size;

	reader->count = 0;
	reader->id = (struct rv_span){NULL, 0};
	reader->scratch_used = 0;
	if (!headers)
		return;
	if (!rd_kafka_header_get_last(headers, RV__KAFKA_TYPES, &value, &size) && value)
		list = find_list(reader, value, size);
	for (size_t i = 0; !rd_kafka_header_get_all(headers, i, &name, &value, &size); i++)
		read_header(reader, list, name, value, size);
}

/* -- what Spring's MessageHeaders have besides -------------------------------------------------- */

void rv__kafka_uuid(const struct rv_binder_env *env, char text[37])
{
	uint64_t a = env->random(), b = env->random();

	snprintf(text, 37, "%08x-%04x-4%03x-%04x-%012llx", (unsigned)(a >> 32), (unsigned)(a >> 16 & 0xffff),
	    (unsigned)(a & 0xfff), (unsigned)(0x8000 | (b >> 48 & 0x3fff)),
	    (unsigned long long)(b & 0xffffffffffff));
}

static void set(
    struct rv__kafka_header_reader *reader, const char *name, const char *value, enum rv_header_type type)
{
	struct rv_header_span *span = NULL;

	for (size_t i = 0; i < reader->count && !span; i++)
		if (is_name(name, strlen(name), reader->spans[i].name.bytes, reader->spans[i].name.length))
			span = &reader->spans[i];
	if (!span)
		span = &reader->spans[reader->count++];
	*span = (struct rv_header_span){{name, strlen(name)}, {value, strlen(value)}, type};
}

void rv__kafka_headers_standard(struct rv__kafka_header_reader *reader, const struct rv_binder_env *env,
    int64_t which, struct rv__kafka_standard_room *room)
{
	if (which & RV__KAFKA_WITH_ID) {
		rv__kafka_uuid(env, room->id);
		set(reader, "id", room->id, RV_HEADER_TEXT);
	}
	if (which & RV__KAFKA_WITH_TIMESTAMP) {
		snprintf(room->timestamp, sizeof room->timestamp, "%lld", (long long)env->wall_ms());
		set(reader, "timestamp", room->timestamp, RV_HEADER_LONG);
	}
}
