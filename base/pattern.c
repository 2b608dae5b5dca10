/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A pattern becomes a tree, the tree a program of a few instructions, and all states of that program
 * walk over the text at once (Thompson's construction), so that no text is ever looked at twice.
 */
#include "base/pattern.h"

#include "base/utf8.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum {
	NODES_MAX = 512,
	PROGRAM_MAX = 2048,
	RANGES_MAX = 512,
	DEPTH_MAX = 32,
	EMIT_STEPS_MAX = 20000, /* repeated nothing makes no program, and still takes time */
	REPEAT_MAX = 255,
	NOT_UTF8 = 0x110000 /* stands for a byte that is no character */
};

enum node_kind { NODE_EMPTY, NODE_CHARACTER, NODE_ANY, NODE_CLASS, NODE_BOTH, NODE_EITHER, NODE_REPEAT };

struct node {
	enum node_kind kind;
	uint16_t a, b;       /* children; of a class: first range, and how many */
	bool negated;        /* a class */
	uint32_t character;  /* … */
	int16_t least, most; /* a repetition; most -1: no end */
};

enum op { OP_CHARACTER, OP_ANY, OP_CLASS, OP_SPLIT, OP_JUMP, OP_MATCH };

struct instruction {
	uint8_t op;
	bool negated;
	uint16_t x, y; /* targets of SPLIT and JUMP; range and count of CLASS */
	uint32_t character;
};

struct range {
	uint32_t first, last;
};

struct rv__pattern {
	struct range *ranges;
	struct instruction *program;
	uint16_t length;
	bool fold; /* (?i) */
};

struct compiler {
	const char *at, *end;
	const char *why; /* the first mistake */
	struct node nodes[NODES_MAX];
	struct range ranges[RANGES_MAX];
	struct instruction program[PROGRAM_MAX];
	uint16_t node_count, range_count, length;
	int depth, steps;
};

/* -- the tree ------------------------------------------------------------------------------- */

static uint16_t fail(struct compiler *in, const char *why)
{
	if (!in->why)
		in->why = why;
	in->at = in->end;
	return 0;
}

static uint16_t add_node(struct compiler *in, struct node node)
{
	if (in->node_count == NODES_MAX)
		return fail(in, "the pattern is too large");
	in->nodes[in->node_count] = node;
	return in->node_count++;
}

static bool peek(const struct compiler *in, char c)
{
	return in->at < in->end && *in->at == c;
}

static bool take(struct compiler *in, char c)
{
	bool there = peek(in, c);

	in->at += there;
	return there;
}

/* The character at `at`, and its length. */
static uint32_t decode(const char *at, size_t left, size_t *ret_length)
{
	size_t length = rv__utf8_length(at, left);

	*ret_length = length ? length : 1;
	return length ? rv__utf8_decode(at, length) : NOT_UTF8;
}

static uint32_t take_character(struct compiler *in)
{
	size_t length;
	uint32_t character = decode(in->at, (size_t)(in->end - in->at), &length);

	in->at += length;
	return character;
}

static void add_range(struct compiler *in, uint32_t first, uint32_t last)
{
	if (in->range_count == RANGES_MAX)
		(void)fail(in, "its classes are too large");
	else
		in->ranges[in->range_count++] = (struct range){first, last};
}

static const struct shorthand {
	char letter;
	struct range ranges[4];
	size_t count;
} shorthands[] = {{'d', {{'0', '9'}}, 1}, {'w', {{'0', '9'}, {'A', 'Z'}, {'_', '_'}, {'a', 'z'}}, 4},
    {'s', {{'\t', '\r'}, {' ', ' '}}, 2}};

/* \d and its like, or its negation: the ranges in between. false: not one of these. */
static bool add_shorthand(struct compiler *in, char letter)
{
	bool negated = letter >= 'A' && letter <= 'Z';
	uint32_t next = 0;

	for (size_t i = 0; i < sizeof shorthands / sizeof *shorthands; i++) {
		const struct shorthand *row = &shorthands[i];

		if (row->letter != (negated ? letter + 32 : letter))
			continue;
		for (size_t j = 0; j < row->count; j++) {
			if (!negated)
				add_range(in, row->ranges[j].first, row->ranges[j].last);
			else
				add_range(in, next, row->ranges[j].first - 1);
			next = row->ranges[j].last + 1;
		}
		if (negated)
			add_range(in, next, NOT_UTF8);
		return true;
	}
	return false;
}

/* The character that an escape other than a class stands for. */
static uint32_t escaped(struct compiler *in, char letter)
{
	static const char letters[] = "tnrf", characters[] = "\t\n\r\f";
	const char *found = letter ? strchr(letters, letter) : NULL;

	if (found)
		return (uint32_t)characters[found - letters];
	if ((letter >= 'a' && letter <= 'z') || (letter >= 'A' && letter <= 'Z') ||
	    (letter >= '0' && letter <= '9') || (letter & 0x80))
		(void)fail(in, "\\ stands before a letter or digit that means nothing here");
	return (unsigned char)letter;
}

static char take_escape(struct compiler *in)
{
	if (in->at >= in->end) {
		(void)fail(in, "it ends with \\");
		return '\\';
	}
	return *in->at++;
}

static uint16_t parse_escape(struct compiler *in)
{
	uint16_t first = in->range_count;
	char letter = take_escape(in);

	if (add_shorthand(in, letter))
		return add_node(in,
		    (struct node){.kind = NODE_CLASS, .a = first, .b = (uint16_t)(in->range_count - first)});
	return add_node(in, (struct node){.kind = NODE_CHARACTER, .character = escaped(in, letter)});
}

/* One member of a class; a range when a dash and another follow. */
static void parse_member(struct compiler *in)
{
	uint32_t first, last;

	if (take(in, '\\')) {
		char letter = take_escape(in);

		if (add_shorthand(in, letter))
			return;
		first = escaped(in, letter);
	} else if (peek(in, '[') || (peek(in, '&') && in->end - in->at > 1 && in->at[1] == '&')) {
		(void)fail(in, "classes inside classes are not known");
		return;
	} else {
		first = take_character(in);
	}
	last = first;
	if (in->end - in->at > 1 && in->at[0] == '-' && in->at[1] != ']') {
		in->at++;
		last = take(in, '\\') ? escaped(in, take_escape(in)) : take_character(in);
	}
	if (last < first)
		(void)fail(in, "a range of a class runs backwards");
	else
		add_range(in, first, last);
}

static uint16_t parse_class(struct compiler *in)
{
	struct node node = {.kind = NODE_CLASS, .a = in->range_count, .negated = take(in, '^')};

	do {
		if (in->at >= in->end)
			return fail(in, "a class has no ]");
		parse_member(in);
	} while (!take(in, ']'));
	node.b = (uint16_t)(in->range_count - node.a);
	return add_node(in, node);
}

static uint16_t parse_either(struct compiler *in);

static uint16_t parse_group(struct compiler *in)
{
	uint16_t inside;

	if (take(in, '?') && !take(in, ':'))
		return fail(in, "of groups that begin with (? only (?: is known, and (?i) at the beginning");
	if (++in->depth > DEPTH_MAX)
		return fail(in, "its groups nest too deep");
	inside = parse_either(in);
	in->depth--;
	return take(in, ')') ? inside : fail(in, "a group has no )");
}

static uint16_t parse_atom(struct compiler *in)
{
	char c = *in->at;

	switch (c) {
	case '(':
		in->at++;
		return parse_group(in);
	case '[':
		in->at++;
		return parse_class(in);
	case '\\':
		in->at++;
		return parse_escape(in);
	case '.':
		in->at++;
		return add_node(in, (struct node){.kind = NODE_ANY});
	case '^':
	case '$':
		return fail(in, "^ and $ stand only at its ends, where they change nothing");
	case '*':
	case '+':
	case '?':
	case '{':
		return fail(in, "there is nothing to repeat before a *, +, ? or {");
	default:
		return add_node(in, (struct node){.kind = NODE_CHARACTER, .character = take_character(in)});
	}
}

static int16_t parse_count(struct compiler *in)
{
	int value = -1;

	while (in->at < in->end && *in->at >= '0' && *in->at <= '9') {
		value = (value < 0 ? 0 : value) * 10 + (*in->at++ - '0');
		if (value > REPEAT_MAX) {
			(void)fail(in, "it repeats more than 255 times");
			return 0;
		}
	}
	return (int16_t)value;
}

static bool parse_counts(struct compiler *in, struct node *repeat)
{
	repeat->least = parse_count(in);
	repeat->most = repeat->least;
	if (take(in, ','))
		repeat->most = parse_count(in);
	return take(in, '}') && repeat->least >= 0 && (repeat->most < 0 || repeat->most >= repeat->least);
}

static uint16_t parse_repeat(struct compiler *in)
{
	uint16_t inside = parse_atom(in);

	while (in->at < in->end && *in->at && strchr("*+?{", *in->at)) {
		struct node repeat = {.kind = NODE_REPEAT, .a = inside, .most = -1};
		char c = *in->at++;

		repeat.least = c == '+';
		if (c == '?')
			repeat.most = 1;
		if (c == '{' && !parse_counts(in, &repeat))
			return fail(in, "a repetition is written {m}, {m,} or {m,n}");
		(void)take(in, '?'); /* lazy: the same texts match */
		if (peek(in, '+'))
			return fail(in, "possessive repetitions are not known");
		inside = add_node(in, repeat);
	}
	return inside;
}

static uint16_t parse_both(struct compiler *in)
{
	uint16_t left = add_node(in, (struct node){.kind = NODE_EMPTY});

	while (in->at < in->end && *in->at != '|' && *in->at != ')') {
		uint16_t right = parse_repeat(in);

		left = add_node(in, (struct node){.kind = NODE_BOTH, .a = left, .b = right});
	}
	return left;
}

static uint16_t parse_either(struct compiler *in)
{
	uint16_t left = parse_both(in);

	while (take(in, '|')) {
		uint16_t right = parse_both(in);

		left = add_node(in, (struct node){.kind = NODE_EITHER, .a = left, .b = right});
	}
	return left;
}

/* -- the program ------------------------------------------------------------------------------ */

static uint16_t emit(struct compiler *in, struct instruction instruction)
{
	if (in->length == PROGRAM_MAX)
		return fail(in, "the pattern is too large");
	in->program[in->length] = instruction;
	return in->length++;
}

static void emit_node(struct compiler *in, uint16_t index);

static void emit_either(struct compiler *in, const struct node *node)
{
	uint16_t split = emit(in, (struct instruction){.op = OP_SPLIT});
	uint16_t jump;

	in->program[split].x = in->length;
	emit_node(in, node->a);
	jump = emit(in, (struct instruction){.op = OP_JUMP});
	in->program[split].y = in->length;
	emit_node(in, node->b);
	in->program[jump].x = in->length;
}

static void emit_repeat(struct compiler *in, const struct node *node)
{
	int times = node->least;

	for (int i = 0; i < times && !in->why; i++)
		emit_node(in, node->a);
	if (node->most < 0) { /* x*: split over x and back */
		uint16_t split = emit(in, (struct instruction){.op = OP_SPLIT});

		in->program[split].x = in->length;
		emit_node(in, node->a);
		(void)emit(in, (struct instruction){.op = OP_JUMP, .x = split});
		in->program[split].y = in->length;
	}
	for (int i = times; i < node->most && !in->why; i++) { /* x? and x? … */
		uint16_t split = emit(in, (struct instruction){.op = OP_SPLIT});

		in->program[split].x = in->length;
		emit_node(in, node->a);
		in->program[split].y = in->length;
	}
}

static void emit_node(struct compiler *in, uint16_t index)
{
	const struct node *node = &in->nodes[index];

	if (++in->steps > EMIT_STEPS_MAX)
		(void)fail(in, "the pattern is too large");
	if (in->why)
		return;
	switch (node->kind) {
	case NODE_EMPTY:
		break;
	case NODE_CHARACTER:
		(void)emit(in, (struct instruction){.op = OP_CHARACTER, .character = node->character});
		break;
	case NODE_ANY:
		(void)emit(in, (struct instruction){.op = OP_ANY});
		break;
	case NODE_CLASS:
		(void)emit(in,
		    (struct instruction){
		        .op = OP_CLASS, .negated = node->negated, .x = node->a, .y = node->b});
		break;
	case NODE_BOTH:
		emit_node(in, node->a);
		emit_node(in, node->b);
		break;
	case NODE_EITHER:
		emit_either(in, node);
		break;
	case NODE_REPEAT:
		emit_repeat(in, node);
		break;
	}
}

static struct rv__pattern *copy_out(const struct compiler *in, bool fold)
{
	size_t ranges = in->range_count * sizeof(struct range);
	size_t program = in->length * sizeof(struct instruction);
	struct rv__pattern *pattern = malloc(sizeof *pattern + ranges + program);

	if (!pattern)
		return NULL;
	*pattern = (struct rv__pattern){.length = in->length, .fold = fold};
	pattern->ranges = memcpy(pattern + 1, in->ranges, ranges);
	pattern->program = memcpy((char *)(pattern + 1) + ranges, in->program, program);
	return pattern;
}

struct rv__pattern *rv__pattern_create(const char *text, size_t length, const char **ret_why)
{
	struct compiler *in = calloc(1, sizeof *in);
	struct rv__pattern *pattern = NULL;
	bool fold = length >= 4 && memcmp(text, "(?i)", 4) == 0;
	uint16_t root;

	*ret_why = "there is no memory for it";
	if (!in)
		return NULL;
	in->at = text + (fold ? 4 : 0);
	in->end = text + length;
	(void)take(in, '^');
	if (in->end > in->at && in->end[-1] == '$' && (in->end - in->at < 2 || in->end[-2] != '\\'))
		in->end--;
	root = parse_either(in);
	if (in->at < in->end)
		(void)fail(in, "a ) has no group");
	emit_node(in, root);
	if (!in->why)
		(void)emit(in, (struct instruction){.op = OP_MATCH});
	if (in->why)
		*ret_why = in->why;
	else
		pattern = copy_out(in, fold);
	free(in);
	return pattern;
}

void rv__pattern_destroy(struct rv__pattern *pattern)
{
	free(pattern);
}

/* -- walking ------------------------------------------------------------------------------------ */

/* A set of instructions: emptied in no time, each in it once. */
struct states {
	uint16_t count;
	uint16_t dense[PROGRAM_MAX];
	uint16_t sparse[PROGRAM_MAX];
};

static bool add_state(struct states *states, uint16_t at)
{
	uint16_t place = states->sparse[at];

	if (place < states->count && states->dense[place] == at)
		return false;
	states->sparse[at] = states->count;
	states->dense[states->count++] = at;
	return true;
}

/* Adds an instruction and all that is reached from it without a character. */
static void enter(const struct rv__pattern *pattern, struct states *states, uint16_t at)
{
	uint16_t from = states->count;

	add_state(states, at);
	for (; from < states->count; from++) {
		const struct instruction *here = &pattern->program[states->dense[from]];

		if (here->op == OP_JUMP || here->op == OP_SPLIT)
			add_state(states, here->x);
		if (here->op == OP_SPLIT)
			add_state(states, here->y);
	}
}

static uint32_t folded(uint32_t character)
{
	return character >= 'A' && character <= 'Z' ? character + 32 : character;
}

static bool in_class(const struct rv__pattern *pattern, const struct instruction *here, uint32_t character)
{
	for (uint16_t i = 0; i < here->y; i++) {
		const struct range *range = &pattern->ranges[here->x + i];

		if (character >= range->first && character <= range->last)
			return true;
	}
	return false;
}

static bool is_line_end(uint32_t character)
{
	return character == '\n' || character == '\r' || character == 0x85 || character == 0x2028 ||
	    character == 0x2029;
}

static bool fits(const struct rv__pattern *pattern, const struct instruction *here, uint32_t character)
{
	bool inside;

	switch (here->op) {
	case OP_CHARACTER:
		return character != NOT_UTF8 &&
		    (here->character == character ||
		        (pattern->fold && folded(here->character) == folded(character)));
	case OP_ANY:
		return !is_line_end(character);
	case OP_CLASS:
		inside = in_class(pattern, here, character);
		if (!inside && pattern->fold && folded(character) >= 'a' && folded(character) <= 'z')
			inside = in_class(pattern, here, character ^ 32);
		return inside != here->negated;
	default:
		return false;
	}
}

bool rv__pattern_matches(const struct rv__pattern *pattern, const char *text, size_t length)
{
	struct states sets[2] = {{.count = 0}, {.count = 0}};
	struct states *now = &sets[0], *next = &sets[1];
	size_t step;

	enter(pattern, now, 0);
	for (size_t at = 0; at < length && now->count > 0; at += step) {
		uint32_t character = decode(text + at, length - at, &step);
		struct states *swap = now;

		next->count = 0;
		for (uint16_t i = 0; i < now->count; i++)
			if (fits(pattern, &pattern->program[now->dense[i]], character))
				enter(pattern, next, (uint16_t)(now->dense[i] + 1));
		now = next;
		next = swap;
	}
	for (uint16_t i = 0; i < now->count; i++)
		if (pattern->program[now->dense[i]].op == OP_MATCH)
			return true;
	return false;
}
