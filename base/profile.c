/* SPDX-License-Identifier: Apache-2.0 */
/* Grammar of org.springframework.core.env.Profiles.of(): ! before a term, & and | not mixed without parentheses. */
#include "base/profile.h"

#include <string.h>

struct parser {
	const char *at;
	const struct rv_strings *active;
	bool valid;
	int depth;
};

static bool read_any(struct parser *parser);

static char peek(struct parser *parser)
{
	parser->at += strspn(parser->at, " \t\n");
	return *parser->at;
}

static bool is_active(const struct rv_strings *active, const char *name, size_t length)
{
	for (size_t i = 0; i < active->count; i++)
		if (strlen(active->items[i]) == length && memcmp(active->items[i], name, length) == 0)
			return true;
	return false;
}

static bool read_term(struct parser *parser)
{
	size_t length;
	bool result;

	if (++parser->depth > 64) {
		parser->valid = false;
		return false;
	}
	switch (peek(parser)) {
	case '!':
		parser->at++;
		result = !read_term(parser);
		break;
	case '(':
		parser->at++;
		result = read_any(parser);
		parser->valid &= peek(parser) == ')';
		parser->at += *parser->at == ')';
		break;
	default:
		length = strcspn(parser->at, "!&|(), \t\n");
		parser->valid &= length > 0;
		result = is_active(parser->active, parser->at, length);
		parser->at += length;
	}
	parser->depth--;
	return result;
}

static bool read_any(struct parser *parser)
{
	bool result = read_term(parser);
	char joint = peek(parser);

	while (parser->valid && (peek(parser) == '&' || *parser->at == '|')) {
		bool next;

		parser->valid &= *parser->at == joint;
		parser->at++;
		next = read_term(parser);
		result = joint == '&' ? result && next : result || next;
	}
	return result;
}

bool rv__profile_matches(const char *expressions, const struct rv_strings *active, bool *ret_valid)
{
	struct parser parser = {.at = expressions, .active = active, .valid = true};
	bool result = read_any(&parser);

	while (parser.valid && peek(&parser) == ',') {
		parser.at++;
		result |= read_any(&parser);
	}
	*ret_valid = parser.valid && peek(&parser) == '\0';
	return *ret_valid && result;
}
