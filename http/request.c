/* SPDX-License-Identifier: Apache-2.0 */
#include "http/request.h"

#include "base/hex.h"
#include "base/json.h"
#include "base/numbers.h"
#include "base/utf8.h"

#include <string.h>

/* A buffer that grew beyond this is given back before the connection rests. */
enum { KEEP_MAX = 16 * 1024, TARGET_MAX = 1024 * 1024 };

void rv__request_init(struct rv_http_request *request, size_t max_body_size)
{
	*request = (struct rv_http_request){
	    .path = RV__BUFFER_INIT(TARGET_MAX),
	    .decoded = RV__BUFFER_INIT(TARGET_MAX),
	    /* A limit of 0 would count as the buffer's default. */
	    .body = RV__BUFFER_INIT(max_body_size ? max_body_size : 1),
	};
}

static void reset_buffer(struct rv__buffer *buffer)
{
	if (buffer->capacity > KEEP_MAX) {
		size_t limit = buffer->limit;

		rv__buffer_finish(buffer);
		buffer->limit = limit;
	}
	rv__buffer_clear(buffer);
}

void rv__request_reset(struct rv_http_request *request)
{
	reset_buffer(&request->path);
	reset_buffer(&request->decoded);
	reset_buffer(&request->body);
	request->connection = NULL;
	request->method = NULL;
	request->route = NULL;
	request->segments.count = 0;
	request->query_count = 0;
	request->whole_server = false;
}

void rv__request_finish(struct rv_http_request *request)
{
	rv__buffer_finish(&request->path);
	rv__buffer_finish(&request->decoded);
	rv__buffer_finish(&request->body);
}

/* Decodes %XX (and '+' in a query) in place. False: a broken escape, a zero, or not UTF-8. */
static bool decode(char *text, bool plus_is_blank)
{
	char *to = text;

	for (const char *from = text; *from; from++) {
		if (*from == '%') {
			int byte = rv__hex_byte(from + 1);

			if (byte <= 0)
				return false;
			*to++ = (char)byte;
			from += 2;
		} else {
			*to++ = *from == '+' && plus_is_blank ? ' ' : *from;
		}
	}
	*to = '\0';
	return rv__utf8_valid(text, (size_t)(to - text));
}

static const char *cut_path(struct rv_http_request *request, char *path)
{
	char *segment;

	if (strcmp(path, "/") == 0)
		return NULL;
	path++;
	while ((segment = strsep(&path, "/"))) {
		if (!decode(segment, false))
			return "the path has a broken escape";
		/* One more than any route has: matches nothing. */
		if (request->segments.count == RV__SEGMENTS_MAX)
			return "the path has too many segments";
		request->segments.items[request->segments.count++] = segment;
	}
	return NULL;
}

static const char *cut_query(struct rv_http_request *request, char *query)
{
	char *name;

	while ((name = strsep(&query, "&"))) {
		char *value = strchr(name, '=');

		if (!*name)
			continue;
		if (value)
			*value++ = '\0';
		else
			value = name + strlen(name);
		if (!decode(name, true) || !decode(value, true))
			return "the query has a broken escape";
		if (request->query_count == RV__QUERY_MAX)
			return "the query has more than 32 parameters";
		request->query[request->query_count++] = (struct rv_pair){name, value};
	}
	return NULL;
}

/* The path of "http://host:port/path"; servers must accept this form, proxies send it. */
static const char *skip_authority(const char *target)
{
	const char *slash;

	if (strncasecmp(target, "http://", 7) != 0 && strncasecmp(target, "https://", 8) != 0)
		return target;
	slash = strchr(strstr(target, "//") + 2, '/');
	return slash ? slash : "/";
}

rv_err rv__request_set_target(struct rv_http_request *request, const char *target, struct rv_error *err)
{
	const char *mistake = NULL;
	size_t path_length;
	char *text;

	target = skip_authority(target);
	if (strcmp(target, "*") == 0) {
		request->whole_server = true;
		rv__buffer_add_text(&request->path, target);
		rv__buffer_text(&request->path);
		return rv__buffer_error(&request->path);
	}
	if (*target != '/')
		return rv_error_set(err, RV_E_INVALID, RV__N_BAD_TARGET, "http",
		    "the request's target is not a path; it must begin with '/'");
	path_length = strcspn(target, "?");
	rv__buffer_add(&request->path, target, path_length);
	rv__buffer_text(&request->path);
	rv__buffer_add_text(&request->decoded, target);
	rv__buffer_text(&request->decoded);
	if (rv__buffer_error(&request->path) || rv__buffer_error(&request->decoded))
		return rv_error_set(err, RV_E_NOMEM, 0, "http", "no memory for the request's target");
	text = (char *)request->decoded.bytes;
	if (text[path_length] == '?') {
		text[path_length] = '\0';
		mistake = cut_query(request, text + path_length + 1);
	}
	if (!mistake)
		mistake = cut_path(request, text);
	if (mistake)
		return rv_error_set(err, RV_E_INVALID, RV__N_BAD_TARGET, "http",
		    "%s; escapes are '%%' and two hexadecimal digits that make up UTF-8", mistake);
	return RV_OK;
}

const char *rv_http_method(const rv_http_request *request)
{
	return request->method ? request->method : "";
}

const char *rv_http_path(const rv_http_request *request)
{
	return request->path.length ? (const char *)request->path.bytes : "";
}

const char *rv_http_path_value(const rv_http_request *request, const char *name)
{
	const struct rv__route *route = request->route;

	if (!route || !name)
		return NULL;
	for (size_t i = 0; i < route->path.count; i++)
		if (route->braced & 1u << i && strcmp(route->path.items[i], name) == 0)
			return request->segments.items[i];
	return NULL;
}

const char *rv_http_query(const rv_http_request *request, const char *name)
{
	for (size_t i = 0; name && i < request->query_count; i++)
		if (strcmp(request->query[i].name, name) == 0)
			return request->query[i].value;
	return NULL;
}

const char *rv_http_header(const rv_http_request *request, const char *name)
{
	if (!request->connection || !name)
		return NULL;
	return MHD_lookup_connection_value(request->connection, MHD_HEADER_KIND, name);
}

const void *rv_http_body(const rv_http_request *request, size_t *ret_length)
{
	if (ret_length)
		*ret_length = request->body.length;
	return request->body.length ? (const void *)request->body.bytes : "";
}

json_t *rv_http_body_json(const rv_http_request *request, struct rv_error *err)
{
	size_t length;
	const void *bytes = rv_http_body(request, &length);

	if (length == 0) {
		rv_error_set(err, RV_E_INVALID, RV__N_BODY_EMPTY, "http",
		    "the request has no body; send a JSON value");
		return NULL;
	}
	return rv__json_load(bytes, length, "http", err);
}
