/* SPDX-License-Identifier: Apache-2.0 */
/* From the text of an expression to its tree, by recursive descent; one function a precedence, as SpEL has them. */
#include "base/expression_node.h"

#include "base/numbers.h"
#include "base/utf8.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct parser {
	struct rv__expression *expression;
	const char *at;
	struct rv_error *err;
	bool failed;
	int depth;
};

static uint8_t parse_choice(struct parser *in);

/* -- mistakes ----------------------------------------------------------------------------------- */

static size_t position_of(const struct parser *in)
{
	return (size_t)(in->at - in->expression->text) + 1;
}

/* Keeps the first mistake; the rest of the text is not read. */
static uint8_t fail(struct parser *in, const char *what)
{
	if (!in->failed)
		rv_error_set(in->err, RV_E_CONFIG, RV__N_EXPRESSION, "config",
		    "the expression \"%s\" is wrong at character %zu: %s", in->expression->text,
		    position_of(in), what);
	in->failed = true;
	in->at += strlen(in->at);
	return 0;
}

static uint8_t no_memory(struct parser *in)
{
	if (!in->failed)
		rv_error_set(
		    in->err, RV_E_NOMEM, 0, "config", "there is no memory for an expression; add memory");
	in->failed = true;
	in->at += strlen(in->at);
	return 0;
}

static uint8_t add_node(struct parser *in, struct rv__node node)
{
	struct rv__expression *expression = in->expression;

	if (in->failed)
		return 0;
	if (expression->count == RV__EXPRESSION_NODES_MAX)
		return fail(in, "it is too long; make it simpler");
	expression->nodes[expression->count] = node;
	return expression->count++;
}

/* -- words --------------------------------------------------------------------------------------- */

static bool is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == '$' || (c & 0x80);
}

static void skip(struct parser *in)
{
	while (is_space(*in->at))
		in->at++;
}

static size_t word_length(const char *at)
{
	size_t length = 0;

	if (is_letter(*at))
		while (is_letter(at[length]) || is_digit(at[length]))
			length++;
	return length;
}

/* Takes a sign or a word if it is next; a word only as a whole. */
static bool take(struct parser *in, const char *what)
{
	size_t length = strlen(what);

	skip(in);
	if (strncmp(in->at, what, length) != 0 || (is_letter(*what) && word_length(in->at) != length))
		return false;
	in->at += length;
	return true;
}

/* -- values ------------------------------------------------------------------------------------------ */

/* 'it''s' or "…"; the quote itself is written twice. */
static uint8_t parse_text(struct parser *in)
{
	char quote = *in->at++;
	char *text = rv__arena_alloc(&in->expression->arena, strlen(in->at) + 1);
	size_t length = 0;

	if (!text)
		return no_memory(in);
	for (; *in->at && (*in->at != quote || in->at[1] == quote); in->at++) {
		text[length++] = *in->at;
		in->at += *in->at == quote;
	}
	if (*in->at != quote)
		return fail(in, "a text has no closing quote");
	in->at++;
	return add_node(
	    in, (struct rv__node){.value = {.kind = RV__VALUE_TEXT, .bytes = text, .length = length}});
}

static uint8_t parse_real(struct parser *in, const char *start)
{
	double real = strtod(start, NULL); /* the service runs in the C locale, or its point is a point */

	if (*in->at == 'd' || *in->at == 'D' || *in->at == 'f' || *in->at == 'F')
		in->at++;
	if (is_letter(*in->at))
		return fail(in, "a number is followed by a letter");
	return add_node(in, (struct rv__node){.value = {.kind = RV__VALUE_DOUBLE, .real = real}});
}

static uint8_t parse_number(struct parser *in)
{
	const char *start = in->at;
	bool hex = in->at[0] == '0' && (in->at[1] == 'x' || in->at[1] == 'X');
	struct rv__node node = {.value = {.kind = RV__VALUE_INT}};
	unsigned long long number;
	char *end;

	errno = 0;
	number = strtoull(start, &end, hex ? 16 : 10);
	in->at = end;
	if (!hex && ((*end == '.' && is_digit(end[1])) || *end == 'e' || *end == 'E')) {
		(void)strtod(start, &end);
		in->at = end;
		return parse_real(in, start);
	}
	if (!hex && *end && strchr("dDfF", *end))
		return parse_real(in, start);
	if (*in->at == 'l' || *in->at == 'L') {
		in->at++;
		node.value.kind = RV__VALUE_LONG;
	}
	if (is_letter(*in->at))
		return fail(in, "a number is followed by a letter");
	if (errno || number > (node.value.kind == RV__VALUE_INT ? INT32_MAX : (unsigned long long)INT64_MAX))
		return fail(in, "the number is too large; write L behind one of 64 bits");
	node.value.number = (int64_t)number;
	return add_node(in, node);
}

static uint8_t parse_word_literal(struct parser *in)
{
	static const struct {
		const char *word;
		struct rv__value value;
	} words[] = {{"true", {.kind = RV__VALUE_BOOL, .flag = true}},
	    {"false", {.kind = RV__VALUE_BOOL, .flag = false}}, {"null", {.kind = RV__VALUE_NULL}}};

	for (size_t i = 0; i < sizeof words / sizeof *words; i++)
		if (take(in, words[i].word))
			return add_node(in, (struct rv__node){.value = words[i].value});
	return UINT8_MAX; /* none of them: not a node, there are at most 128 */
}

/* -- names and what follows them ----------------------------------------------------------------------- */

static const struct {
	const char *word;
	enum rv__node_kind kind;
} methods[] = {
    {"hashCode", RV__NODE_HASH_CODE}, {"length", RV__NODE_LENGTH}, {"toString", RV__NODE_TO_STRING}};

/* A name behind a dot, or at the beginning of an expression on a value: a member, or one of the methods. */
static uint8_t parse_member(struct parser *in, uint8_t base, bool safe)
{
	size_t length;
	const char *name;
	struct rv__node node = {.kind = RV__NODE_MEMBER, .a = base, .safe = safe};

	skip(in);
	length = word_length(in->at);
	node.position = (uint16_t)position_of(in);
	if (length == 0)
		return fail(in, "a name is missing here");
	name = rv__arena_text_n(&in->expression->arena, in->at, length);
	if (!name)
		return no_memory(in);
	in->at += length;
	node.value = rv__value_text(name);
	if (!take(in, "("))
		return add_node(in, node);
	for (size_t i = 0; i < sizeof methods / sizeof *methods; i++) {
		if (strcmp(methods[i].word, name) == 0 && take(in, ")")) {
			node.kind = methods[i].kind;
			return add_node(in, node);
		}
	}
	return fail(in,
	    "of methods only hashCode(), length() and toString() are known; set a header to what "
	    "shall count instead");
}

static uint8_t parse_root(struct parser *in)
{
	bool on_message = in->expression->root == RV__ROOT_MESSAGE;

	if (take(in, "#root") || take(in, "#this"))
		return on_message
		    ? fail(in, "#root is the whole message here; write payload or headers['name']")
		    : add_node(in, (struct rv__node){.kind = RV__NODE_ROOT});
	if (!on_message && word_length(in->at) > 0)
		return parse_member(in, add_node(in, (struct rv__node){.kind = RV__NODE_ROOT}), false);
	if (take(in, "payload"))
		return add_node(in, (struct rv__node){.kind = RV__NODE_PAYLOAD});
	if (take(in, "headers"))
		return add_node(in, (struct rv__node){.kind = RV__NODE_HEADERS});
	return fail(in,
	    !*in->at ? "a value is missing at its end"
	        : *in->at == 'T' || *in->at == '@' || *in->at == '#' || *in->at == '{' || *in->at == '*'
	        ? "types, beans, variables and collections of Java are not known; known are payload, "
	          "headers['name'], literals, comparison, && || !, arithmetic, ?: and matches"
	        : on_message
	        ? "only payload, payload.name, headers.name and headers['name'] are names here; a "
	          "text stands in quotes"
	        : "only #root, its members and literals are known here");
}

static uint8_t parse_primary(struct parser *in)
{
	uint8_t node;

	skip(in);
	if (*in->at == '\'' || *in->at == '"')
		return parse_text(in);
	if (is_digit(*in->at))
		return parse_number(in);
	if (take(in, "(")) {
		node = parse_choice(in);
		return take(in, ")") ? node : fail(in, "a ) is missing");
	}
	node = parse_word_literal(in);
	return node == UINT8_MAX ? parse_root(in) : node;
}

static uint8_t parse_index(struct parser *in, uint8_t base)
{
	struct rv__node node = {.kind = RV__NODE_INDEX, .a = base, .position = (uint16_t)position_of(in)};

	node.b = parse_choice(in);
	return take(in, "]") ? add_node(in, node) : fail(in, "a ] is missing");
}

static uint8_t parse_postfix(struct parser *in)
{
	uint8_t node = parse_primary(in);

	for (;;) {
		bool headers = !in->failed && in->expression->nodes[node].kind == RV__NODE_HEADERS;

		if (take(in, "?."))
			node = parse_member(in, node, true);
		else if (take(in, "."))
			node = parse_member(in, node, false);
		else if (take(in, "["))
			node = parse_index(in, node);
		else
			return headers ? fail(in, "headers alone is no value; write headers['name']") : node;
		if (headers && !in->failed && in->expression->nodes[node].kind != RV__NODE_MEMBER &&
		    in->expression->nodes[node].kind != RV__NODE_INDEX)
			return fail(in, "headers have no methods; write headers['name']");
	}
}

/* -- operators, the tightest first ---------------------------------------------------------------------- */

struct sign {
	const char *text;
	enum rv__node_kind kind;
};

/* Longer signs stand before those with which they begin. */
static const struct sign factors[] = {{"*", RV__NODE_MULTIPLY}, {"/", RV__NODE_DIVIDE},
    {"%", RV__NODE_REMAINDER}, {"div", RV__NODE_DIVIDE}, {"mod", RV__NODE_REMAINDER}, {NULL, 0}};
static const struct sign terms[] = {{"+", RV__NODE_ADD}, {"-", RV__NODE_SUBTRACT}, {NULL, 0}};
static const struct sign relations[] = {{"==", RV__NODE_EQUAL}, {"!=", RV__NODE_NOT_EQUAL},
    {"<=", RV__NODE_LESS_EQUAL}, {">=", RV__NODE_GREATER_EQUAL}, {"<", RV__NODE_LESS},
    {">", RV__NODE_GREATER}, {"eq", RV__NODE_EQUAL}, {"ne", RV__NODE_NOT_EQUAL}, {"lt", RV__NODE_LESS},
    {"le", RV__NODE_LESS_EQUAL}, {"gt", RV__NODE_GREATER}, {"ge", RV__NODE_GREATER_EQUAL},
    {"matches", RV__NODE_MATCHES}, {NULL, 0}};
static const struct sign conjunctions[] = {{"&&", RV__NODE_AND}, {"and", RV__NODE_AND}, {NULL, 0}};
static const struct sign disjunctions[] = {{"||", RV__NODE_OR}, {"or", RV__NODE_OR}, {NULL, 0}};

static uint8_t enter(struct parser *in, uint8_t (*parse)(struct parser *))
{
	uint8_t node;

	if (++in->depth > RV__EXPRESSION_DEPTH_MAX)
		return fail(in, "it nests too deep; make it simpler");
	node = parse(in);
	in->depth--;
	return node;
}

static uint8_t parse_unary(struct parser *in)
{
	struct rv__node node = {.position = (uint16_t)position_of(in)};

	if (take(in, "!") || take(in, "not"))
		node.kind = RV__NODE_NOT;
	else if (take(in, "-"))
		node.kind = RV__NODE_MINUS;
	else if (!take(in, "+"))
		return parse_postfix(in);
	node.a = enter(in, parse_unary);
	return node.kind ? add_node(in, node) : node.a;
}

static const struct sign *next_sign(struct parser *in, const struct sign *row)
{
	skip(in);
	while (row->text && !take(in, row->text))
		row++;
	return row->text ? row : NULL;
}

static uint8_t parse_chain(struct parser *in, const struct sign *row, uint8_t (*operand)(struct parser *))
{
	uint8_t left = operand(in);
	const struct sign *found;

	while (!in->failed && (found = next_sign(in, row))) {
		struct rv__node node = {
		    .kind = found->kind, .a = left, .position = (uint16_t)position_of(in)};

		node.b = operand(in);
		left = add_node(in, node);
	}
	return left;
}

static uint8_t parse_factors(struct parser *in)
{
	return parse_chain(in, factors, parse_unary);
}

static uint8_t parse_terms(struct parser *in)
{
	return parse_chain(in, terms, parse_factors);
}

/* The right side of `matches` is compiled now, so it is a text that stands here. */
static uint8_t finish_matches(struct parser *in, struct rv__node *node)
{
	const struct rv__value *text = &in->expression->nodes[node->b].value;
	const char *why;
	uint8_t added;

	if (in->failed)
		return 0;
	if (in->expression->nodes[node->b].kind != RV__NODE_LITERAL || text->kind != RV__VALUE_TEXT)
		return fail(in, "the pattern behind `matches` must be a text in quotes");
	node->pattern = rv__pattern_create(text->bytes, text->length, &why);
	if (!node->pattern)
		return fail(in, why);
	added = add_node(in, *node);
	if (in->failed)
		rv__pattern_destroy(node->pattern);
	return added;
}

/* a < b, once: comparisons do not chain. */
static uint8_t parse_relation(struct parser *in)
{
	struct rv__node node = {.a = parse_terms(in)};
	const struct sign *found = in->failed ? NULL : next_sign(in, relations);

	if (!found)
		return node.a;
	node.kind = found->kind;
	node.position = (uint16_t)position_of(in);
	node.b = parse_terms(in);
	return node.kind == RV__NODE_MATCHES ? finish_matches(in, &node) : add_node(in, node);
}

static uint8_t parse_conjunction(struct parser *in)
{
	return parse_chain(in, conjunctions, parse_relation);
}

static uint8_t parse_disjunction(struct parser *in)
{
	return parse_chain(in, disjunctions, parse_conjunction);
}

static uint8_t parse_choice_inside(struct parser *in)
{
	struct rv__node node = {.a = parse_disjunction(in)};

	skip(in);
	node.position = (uint16_t)position_of(in);
	if (take(in, "?:")) {
		node.kind = RV__NODE_ELVIS;
		node.b = parse_choice(in);
		return add_node(in, node);
	}
	if (!take(in, "?"))
		return node.a;
	node.kind = RV__NODE_CHOICE;
	node.b = parse_choice(in);
	if (!take(in, ":"))
		return fail(in, "the : of ?: is missing");
	node.c = parse_choice(in);
	return add_node(in, node);
}

static uint8_t parse_choice(struct parser *in)
{
	return enter(in, parse_choice_inside);
}

/* -- the whole ---------------------------------------------------------------------------------------------- */

static rv_err parse(struct rv__expression *expression, struct rv_error *err)
{
	struct rv_error kept = {0};
	struct parser in = {.expression = expression, .at = expression->text, .err = &kept};

	expression->top = parse_choice(&in);
	skip(&in);
	if (!in.failed && *in.at)
		(void)fail(&in, "nothing should follow here");
	if (!in.failed)
		return RV_OK;
	if (err)
		*err = kept;
	return kept.code;
}

rv_err rv__expression_create(
    const char *text, enum rv__expression_root root, struct rv__expression **ret, struct rv_error *err)
{
	struct rv__expression *expression;
	rv_err code;

	if (strlen(text) > RV__EXPRESSION_TEXT_MAX || !rv__utf8_valid(text, strlen(text)))
		return rv_error_set(err, RV_E_CONFIG, RV__N_EXPRESSION, "config",
		    "an expression has at most %d bytes of UTF-8; make it shorter", RV__EXPRESSION_TEXT_MAX);
	expression = calloc(1, sizeof *expression);
	if (!expression)
		return rv_error_set(
		    err, RV_E_NOMEM, 0, "config", "there is no memory for an expression; add memory");
	expression->root = root;
	expression->text = rv__arena_text(&expression->arena, text);
	code = expression->text
	    ? parse(expression, err)
	    : rv_error_set(err, RV_E_NOMEM, 0, "config", "there is no memory for an expression; add memory");
	if (code == RV_OK)
		*ret = expression;
	else
		rv__expression_destroy(expression);
	return code;
}

void rv__expression_destroy(struct rv__expression *expression)
{
	if (!expression)
		return;
	for (size_t i = 0; i < expression->count; i++)
		rv__pattern_destroy(expression->nodes[i].pattern);
	rv__arena_finish(&expression->arena);
	free(expression);
}

const char *rv__expression_text(const struct rv__expression *expression)
{
	return expression->text;
}
