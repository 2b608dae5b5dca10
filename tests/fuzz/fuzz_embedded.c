/* SPDX-License-Identifier: Apache-2.0 */
/* Payloads with headers inside, as a stranger may send them; expressions and patterns on such messages. */
#include "tests/fuzz/target.h"

#include "base/expression.h"
#include "base/pattern.h"
#include "bindings/embedded.h"

#include <stdlib.h>
#include <string.h>

static rv_message *received(const void *bytes, size_t length)
{
	struct rv_received facts = {.payload = bytes, .length = length, .destination = "d"};

	return rv_message_create_received(&facts);
}

/* What came out of a payload goes into one again, and out once more the same. */
static void go_round(const rv_message *message)
{
	static const char *items[160];
	struct rv_strings names = {items, 0};
	struct rv_header header, again;
	rv_message *wrapped, *back;

	for (size_t i = 0; names.count < 160 && rv_message_header_entry(message, i, &header); i++)
		items[names.count++] = header.name;
	wrapped = rv__embedded_encode(message, &names, NULL);
	if (rv_message_error(wrapped, NULL) == RV_OK) {
		size_t length;
		const void *payload = rv_message_payload(wrapped, &length);

		back = received(payload, length);
		if (back && rv__embedded_decode(&back) == RV_OK)
			for (size_t i = 0; rv_message_header_entry(back, i, &again); i++)
				if (!rv_message_header_find(message, again.name, &header))
					abort();
		rv_message_unref(back);
	}
	rv_message_unref(wrapped);
}

/* The text up to a zero is an expression, what follows a message. */
static void evaluate(const char *text, const rv_message *message)
{
	struct rv__expression *expression;
	struct rv__evaluation evaluation = {.message = message};
	struct rv__value value;
	struct rv_error error;

	if (rv__expression_create(text, RV__ROOT_MESSAGE, &expression, &error) != RV_OK)
		return;
	if (rv__expression_evaluate(expression, &evaluation, &value, &error) == RV_OK)
		(void)rv__value_java_hash(&value);
	rv__evaluation_finish(&evaluation);
	rv__expression_destroy(expression);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
	const uint8_t *zero = length ? memchr(bytes, 0, length) : NULL;
	rv_message *message = received(bytes, length);
	struct rv__pattern *pattern;
	const char *why;

	if (!message)
		return 0;
	if (rv__embedded_decode(&message) == RV_OK)
		go_round(message);
	rv_message_unref(message);
	if (!zero)
		return 0;
	message = received(zero + 1, length - (size_t)(zero + 1 - bytes));
	evaluate((const char *)bytes, message);
	pattern = rv__pattern_create((const char *)bytes, (size_t)(zero - bytes), &why);
	if (pattern)
		(void)rv__pattern_matches(
		    pattern, (const char *)zero + 1, length - (size_t)(zero + 1 - bytes));
	rv__pattern_destroy(pattern);
	rv_message_unref(message);
	return 0;
}
