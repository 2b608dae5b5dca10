/* SPDX-License-Identifier: Apache-2.0 */
#include <rivulet/error.h>

#include "base/utf8.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const struct {
	const char *word;
	const char *text;
} classes[] = {{"ok", "success"},
#define X(symbol, word, text) {word, text},
    RV_ERR_LIST(X)
#undef X
};

const char *rv_err_word(rv_err code)
{
	return (size_t)code < sizeof classes / sizeof *classes ? classes[code].word : "unknown";
}

const char *rv_err_text(rv_err code)
{
	return (size_t)code < sizeof classes / sizeof *classes ? classes[code].text : "unknown error";
}

rv_err rv_error_set(
    struct rv_error *err, rv_err code, uint16_t number, const char *where, const char *format, ...)
{
	char sentence[2048];
	va_list args;
	size_t length;

	if (!err)
		return code;
	va_start(args, format);
	vsnprintf(sentence, sizeof sentence, format, args);
	va_end(args);
	length = rv__utf8_cut(sentence, strlen(sentence), sizeof err->text - 1);
	*err = (struct rv_error){.code = code, .number = number};
	err->retriable = code == RV_E_TIMEOUT || code == RV_E_UNAVAILABLE || code == RV_E_FULL;
	snprintf(err->where, sizeof err->where, "%s", where ? where : "");
	memcpy(err->text, sentence, length);
	rv__text_flatten(err->text);
	return code;
}
