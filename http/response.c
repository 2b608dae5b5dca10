/* SPDX-License-Identifier: Apache-2.0 */
#include "http/response.h"

#include <rivulet/log.h>

#include "base/numbers.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *rv__http_phrase(int status)
{
	const char *phrase = MHD_get_reason_phrase_for((unsigned)status);

	return phrase ? phrase : "Unknown";
}

/* Takes `body`. The first answer of a handler counts; a second one is a defect of the handler. */
static int answer(
    struct rv_http_response *response, int status, const char *content_type, char *body, size_t length)
{
	if (response->status) {
		rv_log(RV_LOG_WARN, "http", "RV%04d a handler answered %s twice; the first answer counts",
		    RV__N_ANSWERED_TWICE, response->instance ? response->instance : "");
		free(body);
		return 0;
	}
	if (status < 200 || status > 599) {
		free(body);
		return rv__http_refuse(response, 500, RV_E_INTERNAL, RV__N_BAD_STATUS,
		    "the handler answered with status %d; it must be from 200 to 599", status);
	}
	response->status = status;
	response->content_type = content_type;
	response->body = body;
	response->length = length;
	return 0;
}

static int answer_json(struct rv_http_response *response, int status, const char *content_type, json_t *value)
{
	char *body = value ? json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY) : NULL;

	json_decref(value);
	if (!body)
		return rv__http_refuse(response, 500, RV_E_INVALID, RV__N_BAD_ANSWER,
		    "the handler's answer could not be made: its JSON format or a text in it is not valid");
	return answer(response, status, content_type, body, strlen(body));
}

int rv_http_json(rv_http_response *response, int status, const char *format, ...)
{
	json_error_t error;
	json_t *value;
	va_list args;

	va_start(args, format);
	value = json_vpack_ex(&error, 0, format, args);
	va_end(args);
	if (!value)
		rv_log(RV_LOG_ERROR, "http", "RV%04d cannot pack the answer of %s: %s", RV__N_BAD_ANSWER,
		    response->instance ? response->instance : "", error.text);
	return answer_json(response, status, "application/json", value);
}

int rv_http_json_value(rv_http_response *response, int status, json_t *value)
{
	return answer_json(response, status, "application/json", value);
}

int rv_http_text(rv_http_response *response, int status, const char *text)
{
	char *body = strdup(text ? text : "");

	if (!body)
		return -1;
	return answer(response, status, "text/plain;charset=UTF-8", body, strlen(body));
}

int rv__http_empty(struct rv_http_response *response, int status)
{
	return answer(response, status, NULL, NULL, 0);
}

int rv_http_problem(rv_http_response *response, int status, const struct rv_error *error)
{
	json_t *problem = json_pack("{s:s, s:i}", "title", rv__http_phrase(status), "status", status);
	char number[16];

	if (!problem)
		return -1;
	if (error) {
		/* A detail that came from a broker may be no UTF-8; the rest of the problem stays useful. */
		json_object_set_new(problem, "detail", json_string(error->text));
		json_object_set_new(problem, "error", json_string(rv_err_word(error->code)));
		if (error->number) {
			snprintf(number, sizeof number, "RV%04d", error->number);
			json_object_set_new(problem, "number", json_string(number));
		}
		json_object_set_new(problem, "retriable", json_boolean(error->retriable));
	}
	if (response->instance)
		json_object_set_new(problem, "instance", json_string(response->instance));
	return answer_json(response, status, "application/problem+json", problem);
}

int rv__http_refuse(
    struct rv_http_response *response, int status, rv_err code, uint16_t number, const char *format, ...)
{
	struct rv_error error;
	char text[512];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof text, format, args);
	va_end(args);
	rv_error_set(&error, code, number, "http", "%s", text);
	return rv_http_problem(response, status, &error);
}

/* Token characters of RFC 9110 section 5.6.2. */
static bool is_token(const char *name)
{
	static const char others[] = "!#$%&'*+-.^_`|~";

	if (!name || !*name)
		return false;
	for (; *name; name++)
		if (!(*name >= '0' && *name <= '9') && !(*name >= 'A' && *name <= 'Z') &&
		    !(*name >= 'a' && *name <= 'z') && !strchr(others, *name))
			return false;
	return true;
}

static bool is_field_value(const char *value)
{
	if (!value)
		return false;
	for (; *value; value++)
		if (((unsigned char)*value < 0x20 && *value != '\t') || *value == 0x7f)
			return false;
	return true;
}

static bool has_room(const struct rv_http_response *response, const char *name, const char *value)
{
	return response->header_count < RV__RESPONSE_HEADERS_MAX &&
	    response->header_bytes + strlen(name) + strlen(value) < RV__RESPONSE_HEADER_BYTES_MAX;
}

void rv_http_set_header(rv_http_response *response, const char *name, const char *value)
{
	struct rv__response_header *header = &response->headers[response->header_count];
	size_t name_size;

	if (!is_token(name) || !is_field_value(value) || !has_room(response, name, value)) {
		rv_log(RV_LOG_WARN, "http",
		    "RV%04d a header of the answer to %s is left out: names are tokens, values have no "
		    "control "
		    "characters, and there are at most %d of them with %d bytes together",
		    RV__N_HEADER_REFUSED, response->instance ? response->instance : "",
		    RV__RESPONSE_HEADERS_MAX, RV__RESPONSE_HEADER_BYTES_MAX);
		return;
	}
	name_size = strlen(name) + 1;
	header->name = malloc(name_size + strlen(value) + 1);
	if (!header->name)
		return;
	header->value = header->name + name_size;
	memcpy(header->name, name, name_size);
	memcpy(header->value, value, strlen(value) + 1);
	response->header_count++;
	response->header_bytes += name_size + strlen(value);
}

enum MHD_Result rv__response_queue(struct rv_http_response *response, struct MHD_Connection *connection)
{
	static char nothing[1];
	struct MHD_Response *out;
	enum MHD_Result result;

	out = MHD_create_response_from_buffer(response->length, response->body ? response->body : nothing,
	    response->body ? MHD_RESPMEM_MUST_FREE : MHD_RESPMEM_PERSISTENT);
	if (!out)
		return MHD_NO;
	response->body = NULL; /* libmicrohttpd frees it */
	if (response->content_type)
		MHD_add_response_header(out, MHD_HTTP_HEADER_CONTENT_TYPE, response->content_type);
	for (size_t i = 0; i < response->header_count; i++)
		MHD_add_response_header(out, response->headers[i].name, response->headers[i].value);
	if (response->close)
		MHD_add_response_header(out, MHD_HTTP_HEADER_CONNECTION, "close");
	result = MHD_queue_response(connection, (unsigned)response->status, out);
	MHD_destroy_response(out);
	return result;
}

void rv__response_finish(struct rv_http_response *response)
{
	free(response->body);
	for (size_t i = 0; i < response->header_count; i++)
		free(response->headers[i].name);
}
