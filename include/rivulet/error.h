/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What went wrong: a class that code can switch on, a stable number that people
 * can search for, and one sentence. Not an exception system: functions return
 * rv_err and fill a struct rv_error that the caller owns.
 */
#ifndef RIVULET_ERROR_H
#define RIVULET_ERROR_H

#include <stdbool.h>
#include <stdint.h>

#include <rivulet/export.h>

#ifdef __cplusplus
extern "C" {
#endif

/* One row a class: symbol, word in logs and JSON, what it means. */
#define RV_ERR_LIST(X) \
	X(CONFIG, "config", "a property or declaration is missing, malformed or unfit") \
	X(TIMEOUT, "timeout", "the deadline passed; the outcome may be unknown") \
	X(CLOSED, "closed", "the object is stopping or stopped") \
	X(NOMEM, "nomem", "allocation failed") \
	X(UNAVAILABLE, "unavailable", "the broker or binding cannot be reached now") \
	X(FULL, "full", "a bound was reached; room comes back by itself") \
	X(STALE, "stale", "the delivery was settled, or its partition moved on") \
	X(UNSUPPORTED, "unsupported", "this binder or broker cannot do that") \
	X(NOTFOUND, "notfound", "there is nothing of that name") \
	X(INVALID, "invalid", "an argument or received bytes break the rules") \
	X(TOOBIG, "toobig", "larger than the limit") \
	X(DENIED, "denied", "the peer refused for lack of permission") \
	X(PROTOCOL, "protocol", "the peer answered what its protocol does not allow") \
	X(IO, "io", "the operating system reported an error") \
	X(CORRUPT, "corrupt", "stored bytes do not match their checksum") \
	X(INTERNAL, "internal", "a defect of this library")

typedef enum rv_err {
	RV_OK = 0,
#define X(symbol, word, text) RV_E_##symbol,
	RV_ERR_LIST(X)
#undef X
} rv_err;

/* Detail of one failure. Caller's memory, fixed size: reporting cannot fail. */
struct rv_error {
	rv_err code;     /* the class */
	uint16_t number; /* RV0123: the message, explained in docs/errors.md; 0 when none */
	bool retriable;  /* the same call may succeed later, unchanged */
	int native;      /* errno, librdkafka or broker code; 0 when none */
	char where[32];  /* "kafka", "config", "codec" */
	char text[512];  /* one sentence without newline or secrets; cut at a UTF-8 boundary */
};

/** The word of a class ("timeout"); "ok" for RV_OK, "unknown" for a number outside the list. */
RV_API const char *rv_err_word(rv_err code);

/** The meaning of a class in one phrase; never NULL. */
RV_API const char *rv_err_text(rv_err code);

/**
 * Fills *err, for binders and listeners that report failures of their own.
 *
 * @param err     caller's; NULL is allowed and does nothing
 * @param number  stable number of the message, 0 when it has none
 * @param where   short topic, cut at 31 bytes
 * @param format  printf format of one sentence; cut at 511 bytes on a UTF-8
 *                boundary, control characters become blanks
 * @return code, so that `return rv_error_set(…);` reads well. `retriable` is
 *         preset from the class (TIMEOUT, UNAVAILABLE, FULL: yes) and `native`
 *         to 0; set them after the call where the cause knows better.
 */
RV_API rv_err rv_error_set(struct rv_error *err, rv_err code, uint16_t number, const char *where,
    const char *format, ...) RV_PRINTF(5, 6);

#ifdef __cplusplus
}
#endif
#endif
