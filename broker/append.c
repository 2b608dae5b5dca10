/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/append.h"

#include <stdlib.h>
#include <string.h>

#include "base/numbers.h"
#include "broker/server.h"
#include "broker/topics.h"

enum { FIRST_CAPACITY = 64 };

static struct rv__waiting *slot(struct rv__append *append, size_t index)
{
	return &append->ring[(append->head + index) & (append->capacity - 1)];
}

static rv_err grow(struct rv__append *append)
{
	size_t capacity = append->capacity ? append->capacity * 2 : FIRST_CAPACITY;
	struct rv__waiting *ring = malloc(capacity * sizeof(*ring));

	if (!ring)
		return RV_E_NOMEM;
	for (size_t i = 0; i < append->count; i++)
		ring[i] = *slot(append, i);
	free(append->ring);
	append->ring = ring;
	append->capacity = capacity;
	append->head = 0;
	return RV_OK;
}

/* Tells one and lets go of what it held. It is out of the ring already: `done` may append. */
static void finish_waiting(
    struct rv__broker *broker, struct rv__waiting *waiting, rv_err code, const struct rv_error *err)
{
	waiting->done(broker, waiting, code, err);
	rv__ticket_drop(&waiting->ticket);
	free(waiting->text);
}

static struct rv__waiting take_first(struct rv__append *append)
{
	struct rv__waiting first = *slot(append, 0);

	append->head = (append->head + 1) & (append->capacity - 1);
	append->count--;
	return first;
}

rv_err rv__append(struct rv__broker *broker, const struct rv__store_message *message,
    struct rv__store_position *ret_position, struct rv_error *err)
{
	rv_err code = rv__store_add(broker->store, message, ret_position, err);

	if (code == RV_E_FULL && broker->append.any) {
		rv__append_write(broker);
		code = rv__store_add(broker->store, message, ret_position, err);
	}
	if (code == RV_OK)
		broker->append.any = true;
	return code;
}

rv_err rv__append_wait(struct rv__broker *broker, const struct rv__waiting *waiting)
{
	struct rv__append *append = &broker->append;

	if (append->count == append->capacity && grow(append) != RV_OK)
		return RV_E_NOMEM;
	*slot(append, append->count) = *waiting;
	slot(append, append->count)->end = -1;
	append->count++;
	append->unwritten++;
	return RV_OK;
}

/* The batch was taken back: those who wait for it are at the end of the ring. */
static void fail_unwritten(struct rv__broker *broker, rv_err code, const struct rv_error *err)
{
	struct rv__append *append = &broker->append;
	size_t n = append->unwritten;

	rv_log(RV_LOG_ERROR, RV__TOPIC, "%zu messages were not stored: %s", n, err->text);
	append->unwritten = 0;
	while (n--) {
		struct rv__waiting last = *slot(append, append->count - n - 1);

		slot(append, append->count - n - 1)->done = NULL;
		finish_waiting(broker, &last, code, err);
	}
	while (append->count && !slot(append, append->count - 1)->done)
		append->count--;
}

void rv__append_write(struct rv__broker *broker)
{
	struct rv__append *append = &broker->append;
	struct rv_error error;
	int64_t end = 0;
	rv_err code;

	if (!append->any && !append->unwritten)
		return;
	append->any = false;
	code = rv__store_write(broker->store, &end, &error);
	if (code != RV_OK) {
		fail_unwritten(broker, code, &error);
		return;
	}
	for (; append->unwritten; append->unwritten--)
		slot(append, append->count - append->unwritten)->end = end;
	rv__append_complete(broker);
}

void rv__append_complete(struct rv__broker *broker)
{
	struct rv__append *append = &broker->append;
	int64_t acknowledged = append->count ? rv__store_acknowledged(broker->store) : 0;

	while (append->count > append->unwritten) {
		struct rv__waiting waiting = *slot(append, 0);
		struct rv_error error;
		rv_err code = RV_OK;

		if (waiting.end > acknowledged)
			return;
		if (waiting.topics_change) {
			code = rv__topics_durable(broker, waiting.topics_change, &error);
			if (code == RV_E_FULL) /* its file is on the way */
				return;
		}
		waiting = take_first(append);
		finish_waiting(broker, &waiting, code, &error);
	}
}

void rv__append_fail(struct rv__broker *broker, rv_err code, const struct rv_error *err)
{
	struct rv__append *append = &broker->append;

	while (append->count > append->unwritten) {
		struct rv__waiting waiting = take_first(append);

		finish_waiting(broker, &waiting, code, err);
	}
}

void rv__append_close(struct rv__broker *broker)
{
	struct rv__append *append = &broker->append;

	while (append->count) {
		struct rv__waiting waiting = take_first(append);

		rv__ticket_drop(&waiting.ticket);
		free(waiting.text);
	}
	free(append->ring);
	memset(append, 0, sizeof(*append));
}

int rv__append_response(rv_err code, const struct rv_error *err)
{
	switch (code) {
	case RV_E_FULL:
		return err->number == RV__N_STORE_FULL ? RV__RSP_SERVICE_NOT_AVAILABLE : RV__RSP_SYSTEM_BUSY;
	case RV_E_TOOBIG:
	case RV_E_INVALID:
		return RV__RSP_MESSAGE_ILLEGAL;
	case RV_E_NOMEM:
		return RV__RSP_SYSTEM_ERROR;
	default:
		return RV__RSP_SERVICE_NOT_AVAILABLE;
	}
}
