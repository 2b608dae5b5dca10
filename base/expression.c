/* SPDX-License-Identifier: Apache-2.0 */
/* The value of a tree for one message or one root value. */
#include "base/expression_node.h"

#include "base/hash.h"
#include "base/json.h"
#include "base/numbers.h"
#include "base/utf8.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct walk {
	const struct rv__expression *expression;
	struct rv__evaluation *evaluation;
	struct rv_error *err;
};

static rv_err value_of(const struct walk *walk, uint8_t at, struct rv__value *ret);

static rv_err fail(const struct walk *walk, const struct rv__node *node, const char *what, const char *found)
{
	return rv_error_set(walk->err, RV_E_INVALID, RV__N_EXPRESSION_VALUE, "expression",
	    "the expression \"%s\" has no value for this message: %s%s (at character %u)",
	    walk->expression->text, what, found, (unsigned)node->position);
}

static rv_err no_memory(const struct walk *walk)
{
	return rv_error_set(walk->err, RV_E_NOMEM, 0, "expression",
	    "there is no memory to evaluate an expression; add memory");
}

/* -- payload and headers ------------------------------------------------------------------------- */

static struct rv__value payload_value(const rv_message *message)
{
	size_t length;
	const char *bytes = rv_message_payload(message, &length);

	if (rv_message_is_null(message))
		return (struct rv__value){.kind = RV__VALUE_NULL};
	return (struct rv__value){.kind = rv__utf8_valid(bytes, length) ? RV__VALUE_TEXT : RV__VALUE_BYTES,
	    .bytes = bytes,
	    .length = length};
}

/* The payload as JSON, parsed once an evaluation. */
static rv_err parse_payload(const struct walk *walk, const struct rv__node *node)
{
	struct rv__evaluation *evaluation = walk->evaluation;
	struct rv_error why;

	if (!evaluation->payload)
		evaluation->payload = rv_message_json(evaluation->message, &why);
	return evaluation->payload ? RV_OK : fail(walk, node, "the payload is ", why.text);
}

/* JSON of a header, kept as long as the evaluation. */
static rv_err header_json(const struct walk *walk, const struct rv__node *node,
    const struct rv_header *header, struct rv__value *ret)
{
	struct rv__evaluation *evaluation = walk->evaluation;
	struct rv_error why;
	json_t *json = rv__json_load(header->value, header->length, "message", &why);

	if (!json)
		return fail(walk, node, "the header is ", why.text);
	if (!evaluation->held)
		evaluation->held = json_array();
	if (json_array_append_new(evaluation->held, json) != 0) /* which gives it up on failure */
		return no_memory(walk);
	*ret = rv__value_from_json(json);
	return RV_OK;
}

static rv_err header_value(
    const struct walk *walk, const struct rv__node *node, const char *name, struct rv__value *ret)
{
	struct rv_header header;

	*ret = (struct rv__value){.kind = RV__VALUE_NULL};
	if (strcmp(name, RV_HEADER_MESSAGE_ID) == 0) {
		*ret = rv__value_text(rv_message_id(walk->evaluation->message));
		return RV_OK;
	}
	if (!rv_message_header_find(walk->evaluation->message, name, &header))
		return RV_OK;
	switch (header.type) {
	case RV_HEADER_BOOLEAN:
		*ret = (struct rv__value){.kind = RV__VALUE_BOOL, .flag = strcmp(header.value, "true") == 0};
		return RV_OK;
	case RV_HEADER_INT:
	case RV_HEADER_LONG:
		*ret =
		    (struct rv__value){.kind = header.type == RV_HEADER_INT ? RV__VALUE_INT : RV__VALUE_LONG,
		        .number = strtoll(header.value, NULL, 10)};
		return RV_OK;
	case RV_HEADER_DOUBLE:
		*ret = (struct rv__value){.kind = RV__VALUE_DOUBLE, .real = strtod(header.value, NULL)};
		return RV_OK;
	case RV_HEADER_JSON:
		return header_json(walk, node, &header, ret);
	case RV_HEADER_TEXT:
	case RV_HEADER_BYTES:
		break;
	}
	*ret = (struct rv__value){.kind = header.type == RV_HEADER_BYTES ? RV__VALUE_BYTES : RV__VALUE_TEXT,
	    .bytes = header.value,
	    .length = header.length};
	return RV_OK;
}

/* -- members --------------------------------------------------------------------------------------- */

static rv_err object_member(const struct walk *walk, const struct rv__node *node,
    const struct rv__value *object, const char *name, struct rv__value *ret)
{
	const json_t *member;

	if (object->kind == RV__VALUE_NULL && node->safe) {
		*ret = *object;
		return RV_OK;
	}
	if (object->kind != RV__VALUE_JSON || !json_is_object(object->json))
		return fail(
		    walk, node, "a member was asked of what is no JSON object but ", rv__value_word(object));
	member = json_object_get(object->json, name);
	*ret = member ? rv__value_from_json(member) : (struct rv__value){.kind = RV__VALUE_NULL};
	return RV_OK;
}

/* The value of which a member is asked: the payload then stands for its JSON. */
static rv_err base_value(const struct walk *walk, const struct rv__node *node, struct rv__value *ret)
{
	rv_err code;

	if (walk->expression->nodes[node->a].kind != RV__NODE_PAYLOAD)
		return value_of(walk, node->a, ret);
	if (rv_message_is_null(walk->evaluation->message)) {
		*ret = (struct rv__value){.kind = RV__VALUE_NULL};
		return RV_OK;
	}
	code = parse_payload(walk, node);
	if (code == RV_OK)
		*ret = rv__value_from_json(walk->evaluation->payload);
	return code;
}

static rv_err member_value(const struct walk *walk, const struct rv__node *node, struct rv__value *ret)
{
	struct rv__value base;
	rv_err code;

	if (walk->expression->nodes[node->a].kind == RV__NODE_HEADERS)
		return header_value(walk, node, node->value.bytes, ret);
	code = base_value(walk, node, &base);
	return code == RV_OK ? object_member(walk, node, &base, node->value.bytes, ret) : code;
}

static rv_err array_member(const struct walk *walk, const struct rv__node *node, const json_t *array,
    int64_t index, struct rv__value *ret)
{
	if (index < 0 || (uint64_t)index >= json_array_size(array))
		return fail(walk, node, "an index lies outside its array", "");
	*ret = rv__value_from_json(json_array_get(array, (size_t)index));
	return RV_OK;
}

static rv_err index_value(const struct walk *walk, const struct rv__node *node, struct rv__value *ret)
{
	bool headers = walk->expression->nodes[node->a].kind == RV__NODE_HEADERS;
	struct rv__value index, base = {.kind = RV__VALUE_NULL};
	const char *name;
	rv_err code = value_of(walk, node->b, &index);

	if (code == RV_OK && !headers)
		code = base_value(walk, node, &base);
	if (code != RV_OK)
		return code;
	if (base.kind == RV__VALUE_JSON && json_is_array(base.json) &&
	    (index.kind == RV__VALUE_INT || index.kind == RV__VALUE_LONG))
		return array_member(walk, node, base.json, index.number, ret);
	if (index.kind != RV__VALUE_TEXT)
		return fail(
		    walk, node, "what stands in [ ] must be a text here and is ", rv__value_word(&index));
	name = rv__arena_text_n(&walk->evaluation->arena, index.bytes, index.length);
	if (!name)
		return no_memory(walk);
	return headers ? header_value(walk, node, name, ret) : object_member(walk, node, &base, name, ret);
}

/* -- operators ---------------------------------------------------------------------------------------- */

static rv_err truth_of(const struct walk *walk, const struct rv__node *node, uint8_t at, bool *ret)
{
	struct rv__value value;
	rv_err code = value_of(walk, at, &value);

	if (code != RV_OK)
		return code;
	if (value.kind != RV__VALUE_BOOL)
		return fail(walk, node, "a condition must be true or false and is ", rv__value_word(&value));
	*ret = value.flag;
	return RV_OK;
}

/* && and ||: the right side only counts when the left one has not decided. */
static rv_err logic_value(const struct walk *walk, const struct rv__node *node, struct rv__value *ret)
{
	bool flag = false;
	rv_err code = truth_of(walk, node, node->a, &flag);

	if (code == RV_OK && flag == (node->kind == RV__NODE_AND))
		code = truth_of(walk, node, node->b, &flag);
	*ret = (struct rv__value){.kind = RV__VALUE_BOOL, .flag = flag};
	return code;
}

static rv_err relation_value(const struct walk *walk, const struct rv__node *node, const struct rv__value *a,
    const struct rv__value *b, struct rv__value *ret)
{
	bool equality = node->kind == RV__NODE_EQUAL || node->kind == RV__NODE_NOT_EQUAL;
	int order = 0;
	bool flag;

	if (equality)
		flag = rv__value_equal(a, b) == (node->kind == RV__NODE_EQUAL);
	else if (!rv__value_compare(a, b, &order))
		return fail(walk, node, "only two numbers or two texts have an order, not ",
		    rv__value_word(rv__value_is_number(a) || a->kind == RV__VALUE_TEXT ? b : a));
	else
		flag = node->kind == RV__NODE_LESS         ? order < 0
		    : node->kind == RV__NODE_LESS_EQUAL    ? order <= 0
		    : node->kind == RV__NODE_GREATER_EQUAL ? order >= 0
		                                           : order > 0;
	*ret = (struct rv__value){.kind = RV__VALUE_BOOL, .flag = flag};
	return RV_OK;
}

static rv_err join_texts(const struct walk *walk, const struct rv__node *node, const struct rv__value *a,
    const struct rv__value *b, struct rv__value *ret)
{
	struct rv__arena *arena = &walk->evaluation->arena;
	struct rv__value left, right;
	char *joined;

	if (a->kind >= RV__VALUE_BYTES || b->kind >= RV__VALUE_BYTES)
		return fail(walk, node, "+ joins no ", rv__value_word(a->kind >= RV__VALUE_BYTES ? a : b));
	if (!rv__value_to_text(a, arena, &left) || !rv__value_to_text(b, arena, &right))
		return no_memory(walk);
	if (left.length + right.length > RV__EXPRESSION_JOINED_MAX)
		return fail(walk, node, "+ makes a text above 64 KiB", "");
	joined = rv__arena_alloc(arena, left.length + right.length + 1);
	if (!joined)
		return no_memory(walk);
	memcpy(joined, left.bytes, left.length);
	memcpy(joined + left.length, right.bytes, right.length);
	*ret =
	    (struct rv__value){.kind = RV__VALUE_TEXT, .bytes = joined, .length = left.length + right.length};
	return RV_OK;
}

static double real_result(enum rv__node_kind kind, double a, double b)
{
	switch (kind) {
	case RV__NODE_ADD:
		return a + b;
	case RV__NODE_SUBTRACT:
		return a - b;
	case RV__NODE_MULTIPLY:
		return a * b;
	case RV__NODE_DIVIDE:
		return a / b;
	default:
		return fmod(a, b);
	}
}

/* In unsigned numbers, which wrap as Java's do. b is not 0 where it divides. */
static uint64_t whole_result(enum rv__node_kind kind, int64_t a, int64_t b)
{
	switch (kind) {
	case RV__NODE_ADD:
		return (uint64_t)a + (uint64_t)b;
	case RV__NODE_SUBTRACT:
		return (uint64_t)a - (uint64_t)b;
	case RV__NODE_MULTIPLY:
		return (uint64_t)a * (uint64_t)b;
	case RV__NODE_DIVIDE: /* the least number has no opposite, and the processor refuses it */
		return b == -1 ? -(uint64_t)a : (uint64_t)(a / b);
	default:
		return b == -1 ? 0 : (uint64_t)(a % b);
	}
}

static struct rv__value whole_value(enum rv__value_kind kind, uint64_t bits)
{
	return (struct rv__value){
	    .kind = kind, .number = kind == RV__VALUE_INT ? (int32_t)(uint32_t)bits : (int64_t)bits};
}

static rv_err arithmetic_value(const struct walk *walk, const struct rv__node *node,
    const struct rv__value *a, const struct rv__value *b, struct rv__value *ret)
{
	enum rv__value_kind kind = a->kind > b->kind ? a->kind : b->kind;
	bool divides = node->kind == RV__NODE_DIVIDE || node->kind == RV__NODE_REMAINDER;

	if (node->kind == RV__NODE_ADD && (a->kind == RV__VALUE_TEXT || b->kind == RV__VALUE_TEXT))
		return join_texts(walk, node, a, b, ret);
	if (!rv__value_is_number(a) || !rv__value_is_number(b))
		return fail(walk, node, "arithmetic needs numbers and found ",
		    rv__value_word(rv__value_is_number(a) ? b : a));
	if (kind == RV__VALUE_DOUBLE) {
		*ret = (struct rv__value){
		    .kind = kind, .real = real_result(node->kind, rv__value_real(a), rv__value_real(b))};
		return RV_OK;
	}
	if (divides && b->number == 0)
		return fail(walk, node, "it divides by zero", "");
	*ret = whole_value(kind, whole_result(node->kind, a->number, b->number));
	return RV_OK;
}

static rv_err negative_value(const struct walk *walk, const struct rv__node *node, struct rv__value *ret)
{
	struct rv__value value;
	rv_err code = value_of(walk, node->a, &value);

	if (code != RV_OK)
		return code;
	if (!rv__value_is_number(&value))
		return fail(walk, node, "- needs a number and found ", rv__value_word(&value));
	if (value.kind == RV__VALUE_DOUBLE)
		*ret = (struct rv__value){.kind = value.kind, .real = -value.real};
	else
		*ret = whole_value(value.kind, -(uint64_t)value.number);
	return RV_OK;
}

static rv_err matches_value(const struct walk *walk, const struct rv__node *node, struct rv__value *ret)
{
	struct rv__value text;
	rv_err code = value_of(walk, node->a, &text);

	if (code != RV_OK)
		return code;
	if (text.kind != RV__VALUE_TEXT && text.kind != RV__VALUE_NULL)
		return fail(walk, node, "`matches` needs a text and found ", rv__value_word(&text));
	*ret = (struct rv__value){.kind = RV__VALUE_BOOL,
	    .flag =
	        text.kind == RV__VALUE_TEXT && rv__pattern_matches(node->pattern, text.bytes, text.length)};
	return RV_OK;
}

static rv_err both_values(const struct walk *walk, const struct rv__node *node, struct rv__value *ret)
{
	struct rv__value a, b;
	rv_err code = value_of(walk, node->a, &a);

	if (code == RV_OK)
		code = value_of(walk, node->b, &b);
	if (code != RV_OK)
		return code;
	return node->kind >= RV__NODE_ADD ? arithmetic_value(walk, node, &a, &b, ret)
	                                  : relation_value(walk, node, &a, &b, ret);
}

static rv_err choice_value(const struct walk *walk, const struct rv__node *node, struct rv__value *ret)
{
	bool flag = false;
	rv_err code = truth_of(walk, node, node->a, &flag);

	return code == RV_OK ? value_of(walk, flag ? node->b : node->c, ret) : code;
}

/* SpEL takes the other side for an empty text too. */
static rv_err elvis_value(const struct walk *walk, const struct rv__node *node, struct rv__value *ret)
{
	rv_err code = value_of(walk, node->a, ret);
	bool empty = ret->kind == RV__VALUE_NULL || (ret->kind == RV__VALUE_TEXT && ret->length == 0);

	return code == RV_OK && empty ? value_of(walk, node->b, ret) : code;
}

static rv_err method_value(const struct walk *walk, const struct rv__node *node, struct rv__value *ret)
{
	struct rv__value base;
	rv_err code = value_of(walk, node->a, &base);

	if (code != RV_OK)
		return code;
	if (base.kind == RV__VALUE_NULL) {
		*ret = base;
		return node->safe ? RV_OK : fail(walk, node, "a method was asked of ", rv__value_word(&base));
	}
	if (node->kind == RV__NODE_HASH_CODE) {
		*ret = (struct rv__value){.kind = RV__VALUE_INT, .number = rv__value_java_hash(&base)};
		return RV_OK;
	}
	if (node->kind == RV__NODE_TO_STRING ? base.kind >= RV__VALUE_BYTES : base.kind != RV__VALUE_TEXT)
		return fail(walk, node, "that method has no meaning for ", rv__value_word(&base));
	if (node->kind == RV__NODE_TO_STRING)
		return rv__value_to_text(&base, &walk->evaluation->arena, ret) ? RV_OK : no_memory(walk);
	*ret = (struct rv__value){
	    .kind = RV__VALUE_INT, .number = (int64_t)rv__utf16_length(base.bytes, base.length)};
	return RV_OK;
}

static rv_err not_value(const struct walk *walk, const struct rv__node *node, struct rv__value *ret)
{
	bool flag = false;
	rv_err code = truth_of(walk, node, node->a, &flag);

	*ret = (struct rv__value){.kind = RV__VALUE_BOOL, .flag = !flag};
	return code;
}

static rv_err value_of(const struct walk *walk, uint8_t at, struct rv__value *ret)
{
	const struct rv__node *node = &walk->expression->nodes[at];

	*ret = (struct rv__value){.kind = RV__VALUE_NULL};
	switch (node->kind) {
	case RV__NODE_LITERAL:
		*ret = node->value;
		return RV_OK;
	case RV__NODE_ROOT:
		*ret = *walk->evaluation->root;
		return RV_OK;
	case RV__NODE_PAYLOAD:
		*ret = payload_value(walk->evaluation->message);
		return RV_OK;
	case RV__NODE_HEADERS: /* the parser lets none stand alone */
		return RV_OK;
	case RV__NODE_MEMBER:
		return member_value(walk, node, ret);
	case RV__NODE_INDEX:
		return index_value(walk, node, ret);
	case RV__NODE_HASH_CODE:
	case RV__NODE_LENGTH:
	case RV__NODE_TO_STRING:
		return method_value(walk, node, ret);
	case RV__NODE_NOT:
		return not_value(walk, node, ret);
	case RV__NODE_MINUS:
		return negative_value(walk, node, ret);
	case RV__NODE_AND:
	case RV__NODE_OR:
		return logic_value(walk, node, ret);
	case RV__NODE_MATCHES:
		return matches_value(walk, node, ret);
	case RV__NODE_CHOICE:
		return choice_value(walk, node, ret);
	case RV__NODE_ELVIS:
		return elvis_value(walk, node, ret);
	default:
		return both_values(walk, node, ret);
	}
}

/* -- the whole --------------------------------------------------------------------------------------------- */

rv_err rv__expression_evaluate(const struct rv__expression *expression, struct rv__evaluation *evaluation,
    struct rv__value *ret, struct rv_error *err)
{
	struct walk walk = {expression, evaluation, err};

	return value_of(&walk, expression->top, ret);
}

void rv__evaluation_finish(struct rv__evaluation *evaluation)
{
	json_decref(evaluation->payload);
	json_decref(evaluation->held);
	rv__arena_finish(&evaluation->arena);
}
