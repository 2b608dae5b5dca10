/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every system call of the store on files, as one table, so that a test can fail any of them, lose what
 * was not synced, or tear a write. Calls return what the system's do: -1 and errno on failure.
 *
 * Threads: any; implementations are thread-safe.
 */
#ifndef BROKER_STORE_IO_H
#define BROKER_STORE_IO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum { RV__BOOT_ID_SIZE = 64 };

struct rv__io {
	void *arg;
	int (*open)(void *arg, const char *path, int flags);
	int (*close)(void *arg, int fd);
	ssize_t (*pread)(void *arg, int fd, void *bytes, size_t length, int64_t offset);
	ssize_t (*pwrite)(void *arg, int fd, const void *bytes, size_t length, int64_t offset);
	int (*fdatasync)(void *arg, int fd);
	int (*ftruncate)(void *arg, int fd, int64_t length);
	int64_t (*size)(void *arg, int fd);
	/* Gives the blocks of a range back; may fail, nothing depends on it. */
	int (*punch)(void *arg, int fd, int64_t offset, int64_t length);
	int (*lock)(void *arg, int fd); /* exclusive, not waiting: EWOULDBLOCK */
	int (*rename)(void *arg, const char *from, const char *to);
	int (*link)(void *arg, const char *from, const char *to);
	int (*unlink)(void *arg, const char *path);
	int (*mkdir)(void *arg, const char *path);
	int (*rmdir)(void *arg, const char *path);
	int (*sync_directory)(void *arg, const char *path);
	/* Calls `visit` for each name but . and .. */
	int (*list)(
	    void *arg, const char *path, void (*visit)(void *visit_arg, const char *name), void *visit_arg);
	int (*space)(void *arg, const char *path, uint64_t *ret_total, uint64_t *ret_free);
	/* Changes when the machine was restarted, so that unsynced writes of before may be lost. */
	int (*boot_id)(void *arg, char text[RV__BOOT_ID_SIZE]);
};

/** The operating system's. */
extern const struct rv__io rv__io_system;

/** Writes all of it; -1 and errno when some could not be written. */
int rv__io_write(const struct rv__io *io, int fd, const void *bytes, size_t length, int64_t offset);

/** Reads up to `length` bytes, fewer only at the end of the file; -1 and errno. */
ssize_t rv__io_read(const struct rv__io *io, int fd, void *bytes, size_t length, int64_t offset);

/** The directory that holds `path`. */
void rv__io_parent(const char *path, char *ret_parent, size_t size);

/**
 * Replaces a file atomically and durably: writes `path`.tmp, syncs it, renames it, syncs the directory.
 *
 * @param keep  name that the file of before gets, NULL: it goes
 */
int rv__io_replace(const struct rv__io *io, const char *directory, const char *path, const char *keep,
    const void *bytes, size_t length);

#endif
