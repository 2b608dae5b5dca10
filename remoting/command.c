/* SPDX-License-Identifier: Apache-2.0 */
/* Reading fields, and writing both forms of a header; the JSON reader is in command_json.c. */
#include "remoting/command.h"

#include <assert.h>
#include <string.h>
#include <strings.h>

#include "base/numbers.h"
#include "remoting/command_json.h"
#include "remoting/json_dialect.h"

static const char *const languages[] = {"JAVA", "CPP", "DOTNET", "PYTHON", "DELPHI", "ERLANG", "RUBY",
    "OTHER", "HTTP", "GO", "PHP", "OMS", "RUST", "NODE_JS"};
enum { LANGUAGES = sizeof(languages) / sizeof(languages[0]) };

uint8_t rv__language_find(struct rv_span name)
{
	for (int i = 0; i < LANGUAGES; i++)
		if (rv__span_is(name, languages[i]))
			return (uint8_t)i;
	return RV__LANGUAGE_OTHER;
}

const char *rv__language_name(uint8_t language)
{
	return languages[language < LANGUAGES ? language : RV__LANGUAGE_OTHER];
}

rv_err rv__command_malformed(struct rv_error *err, const char *what)
{
	return rv_error_set(
	    err, RV_E_PROTOCOL, RV__N_HEADER_MALFORMED, "remoting", "malformed command header: %s", what);
}

/* -- decoding the binary form ------------------------------------------------------------------ */

static struct rv_span read_span(struct rv__reader *reader, uint32_t length)
{
	return (struct rv_span){(const char *)rv__read_bytes(reader, length), length};
}

static rv_err decode_binary_fields(
    struct rv__reader *reader, uint32_t length, struct rv__command *command, struct rv_error *err)
{
	size_t end;

	if (length > reader->length - reader->at)
		return rv__command_malformed(err, "extFields are longer than the header");
	end = reader->at + length;
	while (reader->at < end && !reader->failed) {
		struct rv__field field;

		field.name = read_span(reader, rv__read_u16(reader));
		field.value = read_span(reader, rv__read_u32(reader));
		if (reader->failed || reader->at > end)
			return rv__command_malformed(err, "an extField is longer than the header");
		if (command->field_count == RV__FIELDS_MAX)
			return rv__command_malformed(err, "too many extFields");
		command->fields[command->field_count++] = field;
	}
	return RV_OK;
}

/* Layout: RocketMQSerializable.rocketMQProtocolEncode. */
static rv_err decode_binary(const struct rv__frame *frame, struct rv__command *command, struct rv_error *err)
{
	struct rv__reader reader = {.bytes = frame->header, .length = frame->header_length};
	uint32_t length;

	command->code = (int16_t)rv__read_u16(&reader);
	command->language = rv__read_u8(&reader);
	if (command->language >= LANGUAGES)
		command->language = RV__LANGUAGE_OTHER;
	command->version = (int16_t)rv__read_u16(&reader);
	command->opaque = (int32_t)rv__read_u32(&reader);
	command->flag = (int32_t)rv__read_u32(&reader);
	length = rv__read_u32(&reader);
	if (length)
		command->remark = read_span(&reader, length);
	length = rv__read_u32(&reader);
	if (reader.failed)
		return rv__command_malformed(err, "it ends too early");
	return decode_binary_fields(&reader, length, command, err);
}

rv_err rv__command_decode(struct rv__frame *frame, struct rv__command *ret_command, struct rv_error *err)
{
	struct rv__command *command = ret_command;

	/* Not the whole struct: the array of fields is large, and only field_count of them are read. */
	command->code = command->version = command->opaque = command->flag = 0;
	command->language = RV__LANGUAGE_OTHER;
	command->serialize = frame->serialize;
	command->remark = (struct rv_span){NULL, 0};
	command->field_count = 0;
	command->body = frame->body;
	command->body_length = frame->body_length;
	switch (frame->serialize) {
	case RV__SERIALIZE_JSON:
		return rv__command_decode_json((char *)frame->header, frame->header_length, command, err);
	case RV__SERIALIZE_ROCKETMQ:
		return decode_binary(frame, command, err);
	default:
		return rv__command_malformed(err, "unknown serialize type");
	}
}

/* -- reading fields ------------------------------------------------------------------------------ */

bool rv__span_is(struct rv_span span, const char *text)
{
	return span.bytes && strlen(text) == span.length && memcmp(span.bytes, text, span.length) == 0;
}

struct rv_span rv__command_field(const struct rv__command *command, const char *name)
{
	size_t length = strlen(name);

	for (size_t i = 0; i < command->field_count; i++) {
		const struct rv__field *field = &command->fields[i];

		if (field->name.length == length && memcmp(field->name.bytes, name, length) == 0)
			return field->value;
	}
	return (struct rv_span){NULL, 0};
}

bool rv__command_i64(const struct rv__command *command, const char *name, int64_t *ret_value)
{
	return rv__span_i64(rv__command_field(command, name), ret_value);
}

bool rv__command_i32(const struct rv__command *command, const char *name, int32_t *ret_value)
{
	int64_t value;

	if (!rv__command_i64(command, name, &value) || value < INT32_MIN || value > INT32_MAX)
		return false;
	*ret_value = (int32_t)value;
	return true;
}

bool rv__command_bool(const struct rv__command *command, const char *name, bool fallback)
{
	struct rv_span value = rv__command_field(command, name);

	return value.bytes ? value.length == 4 && strncasecmp(value.bytes, "true", 4) == 0 : fallback;
}

bool rv__command_text(const struct rv__command *command, const char *name, char *text, size_t size)
{
	struct rv_span value = rv__command_field(command, name);

	if (value.length == 0 || value.length >= size || memchr(value.bytes, 0, value.length))
		return false;
	memcpy(text, value.bytes, value.length);
	text[value.length] = '\0';
	return true;
}

/* -- encoding ------------------------------------------------------------------------------------ */

static size_t format_i64(char text[24], int64_t value)
{
	uint64_t rest = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
	char digits[20];
	size_t n = 0, length = 0;

	do
		digits[n++] = (char)('0' + rest % 10);
	while (rest /= 10);
	if (value < 0)
		text[length++] = '-';
	while (n)
		text[length++] = digits[--n];
	return length;
}

static void add_number(struct rv__buffer *out, int64_t value)
{
	char text[24];

	rv__buffer_add(out, text, format_i64(text, value));
}

#define ADD_LITERAL(out, literal) rv__buffer_add((out), (literal), sizeof(literal) - 1)

void rv__command_begin(
    struct rv__command_writer *writer, struct rv__buffer *out, const struct rv__command_head *head)
{
	static const uint8_t lengths[8];

	*writer = (struct rv__command_writer){.out = out, .head = *head, .start = out->length};
	if (!writer->head.version)
		writer->head.version = RV__MQ_VERSION;
	rv__buffer_add(out, lengths, sizeof(lengths));
	if (head->serialize == RV__SERIALIZE_JSON) {
		ADD_LITERAL(out, "{\"code\":");
		add_number(out, head->code);
		return;
	}
	rv__buffer_add_u16(out, (uint16_t)head->code);
	rv__buffer_add_u8(out, head->language);
	rv__buffer_add_u16(out, (uint16_t)writer->head.version);
	rv__buffer_add_u32(out, (uint32_t)head->opaque);
	rv__buffer_add_u32(out, (uint32_t)head->flag);
	rv__buffer_add_u32(out, head->remark ? (uint32_t)strlen(head->remark) : 0);
	if (head->remark)
		rv__buffer_add_text(out, head->remark);
	writer->fields = out->length;
	rv__buffer_add_u32(out, 0);
}

void rv__command_begin_response(struct rv__command_writer *writer, struct rv__buffer *out,
    const struct rv__command *request, int32_t code, const char *remark)
{
	rv__command_begin(writer, out,
	    &(struct rv__command_head){
	        .code = code,
	        .opaque = request->opaque,
	        .flag = RV__FLAG_RESPONSE,
	        .language = RV__LANGUAGE_CPP,
	        .serialize = request->serialize,
	        .remark = remark,
	    });
}

void rv__command_add(struct rv__command_writer *writer, const char *name, const char *value, size_t length)
{
	struct rv__buffer *out = writer->out;
	size_t name_length = strlen(name);

	if (writer->head.serialize == RV__SERIALIZE_JSON) {
		if (writer->any_field)
			ADD_LITERAL(out, ",");
		else
			ADD_LITERAL(out, ",\"extFields\":{");
		rv__json_add_string(out, name, name_length);
		ADD_LITERAL(out, ":");
		rv__json_add_string(out, value, length);
	} else {
		rv__buffer_add_u16(out, (uint16_t)name_length);
		rv__buffer_add(out, name, name_length);
		rv__buffer_add_u32(out, (uint32_t)length);
		rv__buffer_add(out, value, length);
	}
	writer->any_field = true;
}

void rv__command_add_text(struct rv__command_writer *writer, const char *name, const char *value)
{
	rv__command_add(writer, name, value, strlen(value));
}

void rv__command_add_i64(struct rv__command_writer *writer, const char *name, int64_t value)
{
	char text[24];

	rv__command_add(writer, name, text, format_i64(text, value));
}

void rv__command_add_bool(struct rv__command_writer *writer, const char *name, bool value)
{
	rv__command_add(writer, name, value ? "true" : "false", value ? 4 : 5);
}

void rv__command_add_nothing(struct rv__command_writer *writer)
{
	if (writer->any_field || writer->head.serialize != RV__SERIALIZE_JSON)
		return;
	ADD_LITERAL(writer->out, ",\"extFields\":{");
	writer->any_field = true;
}

static void end_json(struct rv__command_writer *writer)
{
	const struct rv__command_head *head = &writer->head;
	struct rv__buffer *out = writer->out;
	const char *language = rv__language_name(head->language);

	if (writer->any_field)
		ADD_LITERAL(out, "}");
	ADD_LITERAL(out, ",\"flag\":");
	add_number(out, head->flag);
	ADD_LITERAL(out, ",\"language\":\"");
	rv__buffer_add_text(out, language);
	ADD_LITERAL(out, "\",\"opaque\":");
	add_number(out, head->opaque);
	if (head->remark) {
		ADD_LITERAL(out, ",\"remark\":");
		rv__json_add_string(out, head->remark, strlen(head->remark));
	}
	ADD_LITERAL(out, ",\"serializeTypeCurrentRPC\":\"JSON\",\"version\":");
	add_number(out, head->version);
	ADD_LITERAL(out, "}");
}

void rv__command_end(struct rv__command_writer *writer, size_t body_length)
{
	struct rv__buffer *out = writer->out;
	size_t header;

	if (writer->head.serialize == RV__SERIALIZE_JSON)
		end_json(writer);
	if (rv__buffer_error(out) != RV_OK)
		return;
	header = out->length - writer->start - 8;
	if (header > 0xffffff || body_length > RV__FRAME_MAX) {
		out->failed = RV_E_TOOBIG;
		return;
	}
	if (writer->head.serialize != RV__SERIALIZE_JSON)
		rv__put_u32(out->bytes + writer->fields, (uint32_t)(out->length - writer->fields - 4));
	rv__put_u32(out->bytes + writer->start, (uint32_t)(4 + header + body_length));
	rv__put_u32(
	    out->bytes + writer->start + 4, (uint32_t)writer->head.serialize << 24 | (uint32_t)header);
}
