/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Expressions of the configuration: the part of SpEL that has no side effects.
 *
 *     payload   payload.a.b   payload['a']   payload.list[0]   headers['name']   headers.name   #root
 *     'text'  12  12L  1.5  true  false  null     == != < <= > >= (eq ne lt le gt ge)   matches 'pattern'
 *     && || ! (and or not)   + - * / % (div mod)   ?:   a ?: b   a?.b   hashCode()  length()  toString()
 *
 * They come from properties alone, never from a message, and are compiled when the configuration is
 * read. Texts, trees and depth are bounded; an evaluation takes time linear in the expression and the message,
 * and allocates only for what it makes (a parsed payload, a joined text).
 *
 * Values are Java's: whole numbers wrap at 32 or 64 bits, `1 / 2` is 0, `'a' + 1` is "a1".
 *
 * Threads: a compiled expression is constant. An evaluation belongs to one thread.
 */
#ifndef BASE_EXPRESSION_H
#define BASE_EXPRESSION_H

#include <rivulet/message.h>

#include "base/value.h"

enum {
	RV__EXPRESSION_TEXT_MAX = 1024,
	RV__EXPRESSION_NODES_MAX = 128,
	RV__EXPRESSION_DEPTH_MAX = 24,
	RV__EXPRESSION_JOINED_MAX = 64 << 10 /* a text that + makes */
};

/* What names stand for. */
enum rv__expression_root {
	RV__ROOT_MESSAGE, /* payload and headers */
	RV__ROOT_VALUE    /* a value at hand: `hashCode()` and `#root` speak of it, `a` of its member */
};

struct rv__expression;

/**
 * Compiles.
 *
 * @return RV_OK with *ret, owned; RV_E_CONFIG with a sentence that names the character (from 1) and the cure;
 *         RV_E_NOMEM
 */
rv_err rv__expression_create(const char *text, enum rv__expression_root root, struct rv__expression **ret,
    struct rv_error *err) RV_MUST_CHECK;
void rv__expression_destroy(struct rv__expression *expression);

/** The text it was made from; lives as long as it. */
const char *rv__expression_text(const struct rv__expression *expression);

/* One evaluation; initialise with a message or a root value, finish when its value is not needed any more. */
struct rv__evaluation {
	const rv_message *message;
	const struct rv__value *root;
	json_t *payload; /* parsed on first use */
	json_t *held;    /* an array of what headers held; NULL: nothing yet */
	struct rv__arena arena;
};

void rv__evaluation_finish(struct rv__evaluation *evaluation);

/**
 * Evaluates. *ret is valid until the evaluation is finished, the message goes or the expression goes.
 *
 * @return RV_OK; RV_E_INVALID with a sentence: the message holds something else than the expression needs;
 *         RV_E_NOMEM
 */
rv_err rv__expression_evaluate(const struct rv__expression *expression, struct rv__evaluation *evaluation,
    struct rv__value *ret, struct rv_error *err) RV_MUST_CHECK;

#endif
