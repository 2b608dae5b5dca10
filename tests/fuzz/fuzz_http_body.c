/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a stranger may say in a request: the first line of the input is the target, the rest the JSON body.
 * libmicrohttpd's own reading of the request is not under test here.
 */
#include "tests/fuzz/target.h"

#include "http/request.h"

#include <stdlib.h>
#include <string.h>

static void look_at(const struct rv_http_request *request)
{
	size_t total = strlen(rv_http_path(request));
	size_t length;
	json_t *value;
	char *text;

	for (size_t i = 0; i < request->segments.count; i++)
		total += strlen(request->segments.items[i]);
	for (size_t i = 0; i < request->query_count; i++)
		total += strlen(request->query[i].name) + strlen(request->query[i].value);
	rv_http_body(request, &length);
	value = rv_http_body_json(request, NULL);
	/* What was accepted must be sayable again. */
	text = value ? json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY) : NULL;
	if (value && !text)
		abort();
	free(text);
	json_decref(value);
	if (total > 0 && rv_http_query(request, "page") && rv_http_path_value(request, "plate"))
		abort(); /* there is no route, so there are no path values */
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
	const uint8_t *newline = memchr(bytes, '\n', length);
	size_t target_length = newline ? (size_t)(newline - bytes) : length;
	struct rv_http_request request;
	char *target = strndup((const char *)bytes, target_length);

	rv__request_init(&request, 64 * 1024);
	if (target && rv__request_set_target(&request, target, NULL) == RV_OK) {
		if (newline)
			rv__buffer_add(&request.body, newline + 1, length - target_length - 1);
		look_at(&request);
	}
	rv__request_reset(&request);
	rv__request_finish(&request);
	free(target);
	return 0;
}
