/* SPDX-License-Identifier: Apache-2.0 */
/* Mistakes and warnings of a configuration, collected so that all are told at once. */
#include "base/config.h"

#include "base/log.h"
#include "base/utf8.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool is_known(const struct rv__problems *problems, const char *text)
{
	for (size_t i = 0; i < problems->count; i++)
		if (strcmp(problems->items[i].text, text) == 0)
			return true;
	return false;
}

void rv__problems_add(
    struct rv__problems *problems, bool fatal, uint16_t number, const char *key, const char *format, ...)
{
	struct rv__problem *items;
	struct rv__problem problem = {.fatal = fatal, .number = number};
	va_list args;

	va_start(args, format);
	if (vasprintf(&problem.text, format, args) < 0)
		problem.text = NULL;
	va_end(args);
	problem.key = strdup(key ? key : "");
	/* Counted even without memory for its text: a mistake must not pass. */
	problems->fatal_count += fatal && !(problem.text && is_known(problems, problem.text));
	items = problem.text && problem.key && !is_known(problems, problem.text)
	    ? realloc(problems->items, (problems->count + 1) * sizeof *items)
	    : NULL;
	if (!items) {
		free(problem.text);
		free(problem.key);
		return;
	}
	rv__text_flatten(problem.text);
	items[problems->count++] = problem;
	problems->items = items;
}

void rv__problems_finish(struct rv__problems *problems)
{
	for (size_t i = 0; i < problems->count; i++) {
		free(problems->items[i].key);
		free(problems->items[i].text);
	}
	free(problems->items);
	*problems = (struct rv__problems){0};
}

void rv__problems_log(const struct rv__problems *problems)
{
	for (size_t i = 0; i < problems->count; i++) {
		const struct rv__problem *problem = &problems->items[i];

		rv_log(problem->fatal ? RV_LOG_ERROR : RV_LOG_WARN, "config", "RV%04u %s", problem->number,
		    problem->text);
	}
}
