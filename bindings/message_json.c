/* SPDX-License-Identifier: Apache-2.0 */
/* Messages from and to JSON. */
#include "bindings/message.h"

#include "base/json.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

enum { STACK_BYTES = 4096, DUMP_FLAGS = JSON_COMPACT | JSON_PRESERVE_ORDER | JSON_ENCODE_ANY };

rv_message *rv_message_create_from_json(const json_t *value)
{
	char small[STACK_BYTES];
	size_t length = value ? json_dumpb(value, small, sizeof small, DUMP_FLAGS) : 0;
	rv_message *message;
	void *payload;

	if (length == 0)
		return rv__message_failed_format();
	message = rv__message_allocate(length, &payload);
	if (message->error)
		return message;
	if (length <= sizeof small)
		memcpy(payload, small, length);
	else
		json_dumpb(value, payload, length, DUMP_FLAGS);
	rv__message_set_static_header(message, RV_HEADER_CONTENT_TYPE, "application/json");
	return message;
}

rv_message *rv_message_create_json(const char *format, ...)
{
	json_error_t error;
	rv_message *message;
	json_t *value;
	va_list args;

	va_start(args, format);
	value = format ? json_vpack_ex(&error, 0, format, args) : NULL;
	va_end(args);
	if (!value) {
		enum json_error_code code = format ? json_error_code(&error) : json_error_invalid_format;

		return code == json_error_out_of_memory ? rv__message_failed(RV_E_NOMEM)
		    : code == json_error_invalid_utf8   ? rv__message_failed_utf8()
		                                        : rv__message_failed_format();
	}
	message = rv_message_create_from_json(value);
	json_decref(value);
	return message;
}

json_t *rv_message_json(const rv_message *message, struct rv_error *err)
{
	size_t length;
	const void *payload = rv_message_payload(message, &length);

	if (rv_message_error(message, err) != RV_OK)
		return NULL;
	return rv__json_load(payload, length, "message", err);
}
