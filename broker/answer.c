/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/answer.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "broker/connection.h"
#include "broker/server.h"

struct rv__ticket rv__ticket_keep(struct rv__request *request)
{
	request->answered = true;
	if (request->ticket.connection)
		rv__connection_ref(request->ticket.connection);
	return request->ticket;
}

void rv__ticket_drop(struct rv__ticket *ticket)
{
	if (ticket->connection)
		rv__connection_unref(ticket->connection);
	ticket->connection = NULL;
}

bool rv__ticket_alive(const struct rv__ticket *ticket)
{
	return ticket->connection && !ticket->connection->closing;
}

bool rv__ticket_begin(
    const struct rv__ticket *ticket, struct rv__command_writer *writer, int code, const char *remark)
{
	if (!rv__ticket_alive(ticket))
		return false;
	rv__command_begin(writer, rv__connection_out(ticket->connection),
	    &(struct rv__command_head){
	        .code = code,
	        .opaque = ticket->opaque,
	        .flag = RV__FLAG_RESPONSE,
	        .language = RV__LANGUAGE_CPP,
	        .serialize = ticket->serialize,
	        .remark = remark,
	    });
	return true;
}

void rv__ticket_end(
    const struct rv__ticket *ticket, struct rv__command_writer *writer, const void *body, size_t length)
{
	(void)ticket;
	rv__command_end(writer, length);
	rv__buffer_add(writer->out, body, length);
}

void rv__ticket_answer(const struct rv__ticket *ticket, int code, const char *remark)
{
	struct rv__command_writer writer;

	if (rv__ticket_begin(ticket, &writer, code, remark))
		rv__ticket_end(ticket, &writer, NULL, 0);
}

void rv__ticket_saved(void *ticket, rv_err code, const struct rv_error *err)
{
	rv__ticket_answer(
	    ticket, code == RV_OK ? RV__RSP_SUCCESS : RV__RSP_SYSTEM_ERROR, code == RV_OK ? NULL : err->text);
	rv__ticket_drop(ticket);
	free(ticket);
}

bool rv__answer_begin(
    struct rv__request *request, struct rv__command_writer *writer, int code, const char *remark)
{
	request->answered = true;
	return rv__ticket_begin(&request->ticket, writer, code, remark);
}

void rv__answer_end(
    struct rv__request *request, struct rv__command_writer *writer, const void *body, size_t length)
{
	rv__ticket_end(&request->ticket, writer, body, length);
}

void rv__answer(struct rv__request *request, int code, const char *remark)
{
	request->answered = true;
	rv__ticket_answer(&request->ticket, code, remark);
}

void rv__answer_format(struct rv__request *request, int code, const char *format, ...)
{
	char remark[512];
	va_list args;

	va_start(args, format);
	vsnprintf(remark, sizeof(remark), format, args);
	va_end(args);
	rv__answer(request, code, remark);
}

void rv__answer_body(struct rv__request *request, const struct rv__buffer *body)
{
	struct rv__command_writer writer;

	if (rv__buffer_error(body) != RV_OK) {
		rv__answer_format(request, RV__RSP_SYSTEM_ERROR, "the answer cannot be made: %s",
		    rv_err_text(rv__buffer_error(body)));
		return;
	}
	if (rv__answer_begin(request, &writer, RV__RSP_SUCCESS, NULL))
		rv__answer_end(request, &writer, body->bytes, body->length);
}

void rv__answer_error(struct rv__request *request, int code, const struct rv_error *err)
{
	rv__answer(request, code, err->text);
}

bool rv__need_text(struct rv__request *request, const char *name, char *text, size_t size)
{
	if (rv__command_text(request->command, name, text, size))
		return true;
	rv__answer_format(request, RV__RSP_SYSTEM_ERROR,
	    "the field '%s' is missing, empty or longer than %zu bytes", name, size - 1);
	return false;
}

bool rv__need_i64(struct rv__request *request, const char *name, int64_t *ret_value)
{
	if (rv__command_i64(request->command, name, ret_value))
		return true;
	rv__answer_format(request, RV__RSP_SYSTEM_ERROR, "the field '%s' is missing or not a number", name);
	return false;
}

bool rv__need_i32(struct rv__request *request, const char *name, int32_t *ret_value)
{
	if (rv__command_i32(request->command, name, ret_value))
		return true;
	rv__answer_format(
	    request, RV__RSP_SYSTEM_ERROR, "the field '%s' is missing or not a 32-bit number", name);
	return false;
}
