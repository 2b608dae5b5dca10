/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Answers. A request is answered at once, or its ticket is kept and answered later; one of the two
 * happens exactly once for every request that is not one-way.
 */
#ifndef BROKER_ANSWER_H
#define BROKER_ANSWER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"
#include "remoting/command.h"

struct rv__broker;
struct rv__connection;

/* What is needed to answer: where to, and what is copied from the request. */
struct rv__ticket {
	struct rv__connection *connection; /* NULL: nobody waits (one-way) */
	int32_t opaque;
	uint8_t serialize;
};

/* One request being handled. */
struct rv__request {
	struct rv__broker *broker;
	struct rv__connection *connection;
	const struct rv__command *command;
	struct rv__ticket ticket; /* borrowed reference; rv__ticket_keep() for later */
	bool answered;            /* or will be */
};

/** A ticket with a reference of its own, to be answered or dropped later; the request counts as answered. */
struct rv__ticket rv__ticket_keep(struct rv__request *request);
void rv__ticket_drop(struct rv__ticket *ticket);
/** Whether the client is still there. */
bool rv__ticket_alive(const struct rv__ticket *ticket);

/**
 * Begins an answer: false when nobody waits for one, then nothing is to be written. Between begin and
 * end only rv__command_add*() may be called on the writer.
 */
bool rv__ticket_begin(
    const struct rv__ticket *ticket, struct rv__command_writer *writer, int code, const char *remark);
void rv__ticket_end(
    const struct rv__ticket *ticket, struct rv__command_writer *writer, const void *body, size_t length);
void rv__ticket_answer(const struct rv__ticket *ticket, int code, const char *remark);
/** A completion (rv__state_saved_fn) for a ticket on the heap: answers 0, or 1 with the error's sentence, and frees it. */
void rv__ticket_saved(void *ticket, rv_err code, const struct rv_error *err);

/* The same for the request at hand. */
bool rv__answer_begin(
    struct rv__request *request, struct rv__command_writer *writer, int code, const char *remark);
void rv__answer_end(
    struct rv__request *request, struct rv__command_writer *writer, const void *body, size_t length);
/** Code and remark (NULL: none), no fields. */
void rv__answer(struct rv__request *request, int code, const char *remark);
void rv__answer_format(struct rv__request *request, int code, const char *format, ...) RV_PRINTF(3, 4);
/** Code 0 with a body. When the buffer has failed, code 1. */
void rv__answer_body(struct rv__request *request, const struct rv__buffer *body);
/** A code with the sentence of an error. */
void rv__answer_error(struct rv__request *request, int code, const struct rv_error *err);

/** A required text field into text[size]; when it is missing or too long, answers code 1 and returns false. */
bool rv__need_text(struct rv__request *request, const char *name, char *text, size_t size);
bool rv__need_i64(struct rv__request *request, const char *name, int64_t *ret_value);
bool rv__need_i32(struct rv__request *request, const char *name, int32_t *ret_value);

#endif
