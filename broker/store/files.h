/* SPDX-License-Identifier: Apache-2.0 */
/* Open descriptors for reading, a bounded number of them: the one that was not used for longest is closed. */
#ifndef BROKER_STORE_FILES_H
#define BROKER_STORE_FILES_H

#include "broker/store/io.h"

enum { RV__PATH_MAX = 1024, RV__FILES_MAX = 128 };

/* Stands in what the file belongs to; zeroed is closed. */
struct rv__file {
	int slot; /* in the cache, plus one; 0 when not open */
};

struct rv__files {
	const struct rv__io *io;
	struct {
		struct rv__file *owner; /* NULL: free */
		int fd;
		uint64_t used; /* tick of the last use */
	} slots[RV__FILES_MAX];
	uint64_t tick;
};

/** The descriptor if it is open, else -1. */
int rv__files_peek(struct rv__files *files, struct rv__file *file);
/** Opens `path` for the file and keeps it; -1 and errno. */
int rv__files_open(struct rv__files *files, struct rv__file *file, const char *path, int flags);
void rv__files_close(struct rv__files *files, struct rv__file *file);
void rv__files_finish(struct rv__files *files);

#endif
