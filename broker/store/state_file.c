/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Documents: <store>/config/<name>.json, the text as it was given and one more line
 *
 *     //crc32c 1a2b3c4d
 *
 * over everything before that line. A file without it was written by hand and is taken, with a warning.
 */
#include "broker/store/inside.h"

#include "base/numbers.h"
#include "broker/store/crc32c.h"

#include <rivulet/log.h>

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LAST_LINE = 18, DOCUMENT_MAX = 256 << 20 };

static const char mark[] = "//crc32c ";

static rv_err check_name(const char *name, struct rv_error *err)
{
	size_t length = strlen(name);

	if (length == 0 || length >= RV__DOCUMENT_NAME_MAX ||
	    strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") != length)
		return rv_error_set(err, RV_E_INVALID, 0, RV__STORE_TOPIC,
		    "'%s' is no name for a document of the store", name);
	return RV_OK;
}

/* The text with its last line. */
static uint8_t *with_last_line(const void *bytes, size_t length, size_t *ret_length)
{
	uint8_t *copy = malloc(length + LAST_LINE + 2);
	size_t at = length;

	if (!copy)
		return NULL;
	if (length)
		memcpy(copy, bytes, length);
	if (at == 0 || copy[at - 1] != '\n')
		copy[at++] = '\n';
	*ret_length = at +
	    (size_t)snprintf(
	        (char *)copy + at, LAST_LINE + 1, "%s%08" PRIx32 "\n", mark, rv__crc32c(0, copy, at));
	return copy;
}

rv_err rv__state_file_save(rv__store *store, const char *name, const void *bytes, size_t length,
    rv__state_saved_fn saved, void *arg, struct rv_error *err)
{
	struct rv__waiter *waiter = NULL;
	size_t total;
	uint8_t *copy;
	rv_err code = check_name(name, err);

	if (code != RV_OK)
		return code;
	copy = with_last_line(bytes, length, &total);
	if (copy && saved && (waiter = calloc(1, sizeof *waiter))) {
		waiter->saved = saved;
		waiter->arg = arg;
	}
	if (copy && (!saved || waiter) &&
	    rv__keeper_save(&store->keeper, name, copy, total, store->end, waiter) == RV_OK)
		return RV_OK;
	free(copy);
	free(waiter);
	return rv_error_set(err, RV_E_NOMEM, 0, RV__STORE_TOPIC, "no memory to save the document '%s'", name);
}

/* Outcome of a save that somebody waits for. */
struct outcome {
	bool known;
	rv_err code;
	struct rv_error err;
};

static void note_outcome(void *arg, rv_err code, const struct rv_error *err)
{
	struct outcome *outcome = arg;

	outcome->known = true;
	outcome->code = code;
	if (code != RV_OK)
		outcome->err = *err;
}

rv_err rv__state_file_save_now(
    rv__store *store, const char *name, const void *bytes, size_t length, struct rv_error *err)
{
	struct outcome outcome = {0};
	rv_err code = rv__state_file_save(store, name, bytes, length, note_outcome, &outcome, err);

	if (code != RV_OK)
		return code;
	(void)rv__keeper_wait(&store->keeper);
	rv__documents_complete(store);
	if (outcome.code != RV_OK && err)
		*err = outcome.err;
	return outcome.code;
}

void rv__documents_complete(rv__store *store)
{
	struct rv__waiter *waiter = rv__keeper_finished(&store->keeper);

	while (waiter) {
		struct rv__waiter *next = waiter->next;

		waiter->saved(waiter->arg, waiter->code, &waiter->err);
		free(waiter);
		waiter = next;
	}
}

/* Whether the text is whole; drops its last line. */
static bool intact(struct rv__buffer *out, size_t before, const char *path)
{
	size_t length = out->length - before;
	uint8_t *text = out->bytes + before;
	char line[LAST_LINE + 1];
	size_t body = length - LAST_LINE;

	if (length >= LAST_LINE && memcmp(text + body, mark, sizeof mark - 1) == 0) {
		snprintf(line, sizeof line, "%s%08" PRIx32 "\n", mark, rv__crc32c(0, text, body));
		out->length = before + body;
		return memcmp(line, text + body, LAST_LINE) == 0;
	}
	/* Something of a last line means damage, nothing of it a hand. */
	if (memmem(text, length, "crc32c", 6) || memmem(text, length, "//", 2))
		return false;
	rv_log(RV_LOG_WARN, RV__STORE_TOPIC, "'%s' has no checksum line: taken as written by hand", path);
	return true;
}

static rv_err read_document(rv__store *store, const char *path, struct rv__buffer *out, struct rv_error *err)
{
	const struct rv__io *io = store->io;
	size_t before = out->length;
	int fd = io->open(io->arg, path, O_RDONLY);
	int64_t size = fd < 0 ? -1 : io->size(io->arg, fd);
	rv_err code = RV_OK;
	uint8_t *at;

	if (fd < 0 && errno == ENOENT)
		return rv_error_set(err, RV_E_NOTFOUND, 0, RV__STORE_TOPIC, "there is no '%s'", path);
	if (size < 0 || size > DOCUMENT_MAX)
		code = rv__store_io_error(err, "be read", path, size < 0 ? errno : EFBIG);
	else if (!(at = rv__buffer_reserve(out, (size_t)size)))
		code = rv_error_set(
		    err, rv__buffer_error(out), 0, RV__STORE_TOPIC, "no room to read '%s'", path);
	else if (rv__io_read(io, fd, at, (size_t)size, 0) != size)
		code = rv__store_io_error(err, "be read", path, errno);
	else
		out->length += (size_t)size;
	if (fd >= 0)
		(void)io->close(io->arg, fd);
	if (code == RV_OK && !intact(out, before, path)) {
		out->length = before;
		code = rv_error_set(err, RV_E_CORRUPT, RV__N_STORE_DOCUMENT, RV__STORE_TOPIC,
		    "'%s' is damaged: its checksum is wrong; correct it by hand and remove its last line",
		    path);
	}
	return code;
}

rv_err rv__state_file_load(rv__store *store, const char *name, struct rv__buffer *out, struct rv_error *err)
{
	char path[RV__PATH_MAX + 96];
	struct rv_error first = {0};
	rv_err code = check_name(name, err);
	rv_err old;

	if (code != RV_OK)
		return code;
	snprintf(path, sizeof path, "%s/config/%s.json", store->directory, name);
	code = read_document(store, path, out, &first);
	if (code == RV_OK)
		return RV_OK;
	/* Nothing there: perhaps never saved. Damaged: the one before is nearer to the truth than nothing. */
	if (code == RV_E_CORRUPT) {
		rv_log(RV_LOG_ERROR, RV__STORE_TOPIC, "RV%04d %s; the one before it is taken",
		    RV__N_STORE_DOCUMENT, first.text);
		store->stats.corrupt_regions++;
		snprintf(path, sizeof path, "%s/config/%s.json.old", store->directory, name);
		old = read_document(store, path, out, NULL);
		if (old == RV_OK)
			return RV_OK;
	}
	if (err)
		*err = first;
	return code;
}
