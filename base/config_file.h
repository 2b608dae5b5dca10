/* SPDX-License-Identifier: Apache-2.0 */
/* One configuration file, read: its documents and their keys. Text lives in the arena that it was read with. */
#ifndef BASE_CONFIG_FILE_H
#define BASE_CONFIG_FILE_H

#include "base/arena.h"
#include "base/config.h"

struct rv__config_item {
	struct rv__config_item *next;
	const char *key, *value;
	int line;
};

struct rv__config_document {
	struct rv__config_document *next;
	const struct rv__config_file *file;
	struct rv__config_item *items, **last;
};

struct rv__config_file {
	struct rv__config_file *next; /* for whoever keeps several */
	const char *path;             /* as messages show it */
	bool exists;
	struct rv__config_document *documents;
};

/**
 * Reads `path` by its extension (.yml and .yaml, else .properties). NULL only without memory; an absent file has
 * exists == false, whatever else is wrong goes to `problems`.
 */
struct rv__config_file *rv__config_file_read(
    struct rv__arena *arena, const char *path, struct rv__problems *problems);

/** The last item of a uniform key in one document; NULL when absent. */
const struct rv__config_item *rv__config_document_find(
    const struct rv__config_document *document, const char *uniform);

/** The value of a uniform key in one document, the last one set; NULL when absent. */
const char *rv__config_document_get(const struct rv__config_document *document, const char *uniform);

#endif
