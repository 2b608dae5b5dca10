/* SPDX-License-Identifier: Apache-2.0 */
/* The tree of an expression, between expression_parse.c, which makes it, and expression.c, which walks it. */
#ifndef BASE_EXPRESSION_NODE_H
#define BASE_EXPRESSION_NODE_H

#include "base/expression.h"
#include "base/pattern.h"

enum rv__node_kind {
	RV__NODE_LITERAL,
	RV__NODE_ROOT,
	RV__NODE_PAYLOAD,
	RV__NODE_HEADERS, /* only below MEMBER and INDEX */
	RV__NODE_MEMBER,  /* a . literal */
	RV__NODE_INDEX,   /* a [b] */
	RV__NODE_HASH_CODE,
	RV__NODE_LENGTH,
	RV__NODE_TO_STRING,
	RV__NODE_NOT,
	RV__NODE_MINUS, /* of one value */
	RV__NODE_AND,
	RV__NODE_OR,
	RV__NODE_EQUAL,
	RV__NODE_NOT_EQUAL,
	RV__NODE_LESS,
	RV__NODE_LESS_EQUAL,
	RV__NODE_GREATER,
	RV__NODE_GREATER_EQUAL,
	RV__NODE_MATCHES,
	RV__NODE_ADD,
	RV__NODE_SUBTRACT,
	RV__NODE_MULTIPLY,
	RV__NODE_DIVIDE,
	RV__NODE_REMAINDER,
	RV__NODE_CHOICE, /* a ? b : c */
	RV__NODE_ELVIS   /* a ?: b */
};

struct rv__node {
	enum rv__node_kind kind;
	uint8_t a, b, c;             /* children, by number */
	bool safe;                   /* ?. : null of null */
	uint16_t position;           /* of its operator in the text, from 1 */
	struct rv__value value;      /* LITERAL; the name of MEMBER, with a zero behind it */
	struct rv__pattern *pattern; /* MATCHES; owned */
};

struct rv__expression {
	char *text;
	enum rv__expression_root root;
	uint8_t top;
	uint8_t count;
	struct rv__arena arena; /* texts of literals and names */
	struct rv__node nodes[RV__EXPRESSION_NODES_MAX];
};

#endif
