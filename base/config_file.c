/* SPDX-License-Identifier: Apache-2.0 */
#include "base/config_file.h"

#include "base/keys.h"
#include "base/numbers.h"
#include "base/properties.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FILE_MAX = 1 << 20 };

struct reading {
	struct rv__arena *arena;
	struct rv__config_file *file;
	struct rv__config_document *document; /* the current one */
	struct rv__problems *problems;
};

static void begin_document(void *arg, int line)
{
	struct reading *reading = arg;
	struct rv__config_document *document = rv__arena_alloc(reading->arena, sizeof *document);

	(void)line;
	if (!document)
		return;
	document->file = reading->file;
	document->last = &document->items;
	if (reading->document)
		reading->document->next = document;
	else
		reading->file->documents = document;
	reading->document = document;
}

static void add_fault(void *arg, int line, const char *text)
{
	struct reading *reading = arg;

	if (line > 0)
		rv__problems_add(reading->problems, true, RV__N_CONFIG_SYNTAX, "", "%s:%d: %s",
		    reading->file->path, line, text);
	else
		rv__problems_add(
		    reading->problems, true, RV__N_CONFIG_SYNTAX, "", "%s: %s", reading->file->path, text);
}

static void add_property(void *arg, int line, const char *key, const char *value)
{
	struct reading *reading = arg;
	char uniform[RV__KEY_MAX];
	struct rv__config_item *item;

	if (!rv__key_uniform(key, uniform, sizeof uniform)) {
		add_fault(arg, line,
		    strlen(key) >= RV__KEY_MAX
		        ? "the key is longer than 511 bytes; shorten it"
		        : "the key is malformed; write words with dots between, and close "
		          "each bracket");
		return;
	}
	item = rv__arena_alloc(reading->arena, sizeof *item);
	if (!item || !reading->document)
		return;
	item->key = rv__arena_text(reading->arena, key);
	item->value = rv__arena_text(reading->arena, value);
	item->line = line;
	if (item->key && item->value) {
		*reading->document->last = item;
		reading->document->last = &item->next;
	}
}

/* The bytes of a regular file; NULL with errno (0: too large). */
static char *slurp(const char *path, size_t *ret_length)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct stat info;
	char *bytes = NULL;
	size_t length = 0;
	ssize_t n = 1;

	if (fd < 0)
		return NULL;
	errno = 0;
	if (fstat(fd, &info) == 0 && !S_ISDIR(info.st_mode) && info.st_size <= FILE_MAX)
		bytes = malloc((size_t)info.st_size + 1);
	else if (S_ISDIR(info.st_mode))
		errno = EISDIR;
	while (bytes && length < (size_t)info.st_size &&
	    ((n = read(fd, bytes + length, (size_t)info.st_size - length)) > 0 || (n < 0 && errno == EINTR)))
		length += n > 0 ? (size_t)n : 0;
	if (n < 0) {
		free(bytes);
		bytes = NULL;
	}
	close(fd);
	*ret_length = length;
	return bytes;
}

static bool is_yaml(const char *path)
{
	const char *dot = strrchr(path, '.');

	return dot && (strcmp(dot, ".yml") == 0 || strcmp(dot, ".yaml") == 0);
}

struct rv__config_file *rv__config_file_read(
    struct rv__arena *arena, const char *path, struct rv__problems *problems)
{
	struct rv__config_file *file = rv__arena_alloc(arena, sizeof *file);
	struct reading reading = {.arena = arena, .file = file, .problems = problems};
	struct rv__properties_sink sink = {
	    .property = add_property, .document = begin_document, .fault = add_fault, .arg = &reading};
	size_t length;
	char *bytes;

	if (!file || !(file->path = rv__arena_text(arena, path)))
		return NULL;
	bytes = slurp(path, &length);
	if (!bytes) {
		file->exists = errno != ENOENT && errno != ENOTDIR;
		if (file->exists)
			rv__problems_add(problems, true, RV__N_CONFIG_UNREADABLE, "",
			    "%s: cannot be read: %s; check the path, its permissions and its size", path,
			    errno ? strerror(errno) : "larger than 1 MiB");
		return file;
	}
	file->exists = true;
	begin_document(&reading, 1);
	(is_yaml(path) ? rv__yaml_read : rv__properties_read)(bytes, length, &sink);
	free(bytes);
	return file;
}

const struct rv__config_item *rv__config_document_find(
    const struct rv__config_document *document, const char *uniform)
{
	char key[RV__KEY_MAX];
	const struct rv__config_item *found = NULL;

	for (const struct rv__config_item *item = document->items; item; item = item->next)
		if (rv__key_uniform(item->key, key, sizeof key) && strcmp(key, uniform) == 0)
			found = item;
	return found;
}

const char *rv__config_document_get(const struct rv__config_document *document, const char *uniform)
{
	const struct rv__config_item *item = rv__config_document_find(document, uniform);

	return item ? item->value : NULL;
}
