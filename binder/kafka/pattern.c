/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A pattern of topics in Java's words, as the regular expression that librdkafka takes: POSIX, extended, behind a '^'.
 * Where Java's client looks, the whole name has to match: SubscriptionState.matchesSubscribedPattern() in apache/kafka
 * clients/src/main/java/org/apache/kafka/clients/consumer/internals/SubscriptionState.java.
 */
#include <ctype.h>
#include <regex.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/numbers.h"
#include "binder/kafka/kafka.h"

enum { PATTERN_MAX = 16384 };

/* What Java's \d and \w have, as it stands in brackets; NULL: another letter. */
static const char *class_of(char letter)
{
	switch (letter) {
	case 'd':
	case 'D':
		return "0-9";
	case 'w':
	case 'W':
		return "A-Za-z0-9_";
	default:
		return NULL;
	}
}

/* What a backslash makes of the character behind it, outside of brackets. False: there is no word for it. */
static bool put_escaped(struct rv__buffer *out, char escaped)
{
	const char *class = class_of(escaped);

	if (class)
		rv__buffer_printf(out, isupper((unsigned char)escaped) ? "[^%s]" : "[%s]", class);
	else if (escaped && !isalnum((unsigned char)escaped))
		rv__buffer_printf(out, "\\%c", escaped);
	else
		return false;
	return true;
}

/* From behind a '[' to its ']'. A backslash means itself there in POSIX. NULL: there is no word for it. */
static const char *put_brackets(struct rv__buffer *out, const char *at)
{
	bool dash = false;

	rv__buffer_add_u8(out, '[');
	if (*at == '^')
		rv__buffer_add_u8(out, (uint8_t)*at++);
	for (; *at && *at != ']'; at++) {
		if (*at != '\\') {
			if (*at == '[' || strncmp(at, "&&", 2) == 0)
				return NULL;
			rv__buffer_add_u8(out, (uint8_t)*at);
		} else if (*++at == 'd' || *at == 'w') {
			rv__buffer_add_text(out, class_of(*at));
		} else if (*at == '.' || *at == '_') {
			rv__buffer_add_u8(out, (uint8_t)*at);
		} else if (*at == '-') {
			dash = true;
		} else {
			return NULL;
		}
	}
	rv__buffer_add_text(out, dash ? "-]" : "]"); /* one that means itself stands last */
	return *at ? at : NULL;
}

/* A '?' behind a quantifier is Java's reluctant one: the same where all of a name has to match. */
static bool is_reluctant(const char *java, const char *at)
{
	return *at == '?' && at > java && strchr("*+?}", at[-1]) && (at < java + 2 || at[-2] != '\\');
}

/* False: it says what there is no word for. */
static bool translate(struct rv__buffer *out, const char *java)
{
	for (const char *at = java; *at; at++) {
		if (*at == '\\') {
			if (!put_escaped(out, *++at))
				return false;
		} else if (*at == '[') {
			if (!(at = put_brackets(out, at + 1)))
				return false;
		} else if (strncmp(at, "(?", 2) == 0) {
			if (at[2] != ':')
				return false;
			rv__buffer_add_u8(out, '(');
			at += 2;
		} else if (!is_reluctant(java, at)) {
			rv__buffer_add_u8(out, (uint8_t)*at);
		}
	}
	return true;
}

rv_err rv__kafka_pattern(const char *java, const char *binding, char **ret_pattern, struct rv_error *err)
{
	struct rv__buffer out = RV__BUFFER_INIT(PATTERN_MAX);
	regex_t compiled;
	char why[128] = "there is no word for a part of it in POSIX";
	bool fits;
	int code;

	rv__buffer_add_text(&out, "^(");
	fits = translate(&out, java);
	rv__buffer_add_text(&out, ")$");
	if (fits && rv__buffer_error(&out) == RV_OK) {
		code = regcomp(&compiled, rv__buffer_text(&out), REG_EXTENDED | REG_NOSUB);
		fits = code == 0;
		if (fits)
			regfree(&compiled);
		else
			regerror(code, &compiled, why, sizeof why);
	}
	if (!fits) {
		rv__buffer_finish(&out);
		return rv_error_set(err, RV_E_CONFIG, RV__N_KAFKA_BAD_VALUE, RV__KAFKA_TOPIC,
		    "binding '%s': librdkafka cannot take the pattern '%.100s' (%s); write it with "
		    "characters, "
		    ". * + ? { } | ( ) [ ] \\d and \\w, or name the topics",
		    binding, java, why);
	}
	*ret_pattern = rv__buffer_take(&out, NULL);
	return *ret_pattern ? RV_OK
	                    : rv_error_set(err, RV_E_NOMEM, 0, RV__KAFKA_TOPIC, "no memory for a pattern");
}
