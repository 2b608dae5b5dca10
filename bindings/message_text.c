/* SPDX-License-Identifier: Apache-2.0 */
/* rv_message_text(): a payload as people may see it in a log line. */
#include "bindings/message.h"

#include "base/utf8.h"

#include <stdlib.h>
#include <string.h>

/* Length of what may stand as it is at `at`: one well-formed character that is not a control; else 0. */
static size_t printable(const char *at, size_t left)
{
	unsigned char first = (unsigned char)*at;

	if (first < 0x20 || first == 0x7f)
		return 0;
	/* U+0080 … U+009F are controls too. */
	if (first == 0xc2 && left > 1 && (unsigned char)at[1] < 0xa0)
		return 0;
	return rv__utf8_length(at, left);
}

static size_t escaped_length(const char *bytes, size_t length)
{
	size_t result = 0;

	for (size_t at = 0; at < length;) {
		size_t n = printable(bytes + at, length - at);

		result += n ? n : 4;
		at += n ? n : 1;
	}
	return result;
}

static void escape(char *to, const char *bytes, size_t length)
{
	static const char digits[] = "0123456789abcdef";

	for (size_t at = 0; at < length;) {
		size_t n = printable(bytes + at, length - at);

		if (n) {
			memcpy(to, bytes + at, n);
			to += n;
			at += n;
			continue;
		}
		*to++ = '\\';
		*to++ = 'x';
		*to++ = digits[(unsigned char)bytes[at] >> 4];
		*to++ = digits[bytes[at] & 15];
		at++;
	}
	*to = '\0';
}

const char *rv_message_text(const rv_message *message)
{
	struct rv__message_body *body;
	char *text;
	char *expected = NULL;

	if (!message || message->length == 0)
		return "";
	/* Only the cache of the text changes; the message stays what it is. */
	body = rv__message_body(message);
	text = atomic_load_explicit(&body->text, memory_order_acquire);
	if (text)
		return text;
	text = malloc(escaped_length(message->payload, message->length) + 1);
	if (!text)
		return "(no memory for the text)";
	escape(text, message->payload, message->length);
	if (atomic_compare_exchange_strong_explicit(
	        &body->text, &expected, text, memory_order_acq_rel, memory_order_acquire)) {
		/* Before our reference goes, and so before the last one does. */
		atomic_store_explicit(&((rv_message *)message->root)->laden, true, memory_order_relaxed);
		return text;
	}
	free(text);
	return expected;
}
