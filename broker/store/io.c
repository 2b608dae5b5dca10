/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/store/io.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

static int sys_open(void *arg, const char *path, int flags)
{
	return open(path, flags | O_CLOEXEC, 0640);
}

static int sys_close(void *arg, int fd)
{
	return close(fd);
}

static ssize_t sys_pread(void *arg, int fd, void *bytes, size_t length, int64_t offset)
{
	return pread(fd, bytes, length, offset);
}

static ssize_t sys_pwrite(void *arg, int fd, const void *bytes, size_t length, int64_t offset)
{
	return pwrite(fd, bytes, length, offset);
}

static int sys_fdatasync(void *arg, int fd)
{
	return fdatasync(fd);
}

static int sys_ftruncate(void *arg, int fd, int64_t length)
{
	return ftruncate(fd, length);
}

static int64_t sys_size(void *arg, int fd)
{
	struct stat info;

	return fstat(fd, &info) == 0 ? (int64_t)info.st_size : -1;
}

static int sys_punch(void *arg, int fd, int64_t offset, int64_t length)
{
	return fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, offset, length);
}

static int sys_lock(void *arg, int fd)
{
	struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};

	/* Of the open file, not of the process: a library's close() elsewhere does not drop it. */
	return fcntl(fd, F_OFD_SETLK, &lock);
}

static int sys_rename(void *arg, const char *from, const char *to)
{
	return rename(from, to);
}

static int sys_link(void *arg, const char *from, const char *to)
{
	return link(from, to);
}

static int sys_unlink(void *arg, const char *path)
{
	return unlink(path);
}

static int sys_mkdir(void *arg, const char *path)
{
	return mkdir(path, 0750);
}

static int sys_rmdir(void *arg, const char *path)
{
	return rmdir(path);
}

static int sys_sync_directory(void *arg, const char *path)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int result;
	int saved;

	if (fd < 0)
		return -1;
	result = fsync(fd);
	saved = errno;
	close(fd);
	errno = saved;
	return result;
}

static int sys_list(
    void *arg, const char *path, void (*visit)(void *visit_arg, const char *name), void *visit_arg)
{
	DIR *directory = opendir(path);
	struct dirent *entry;

	if (!directory)
		return -1;
	while (errno = 0, (entry = readdir(directory)))
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
			visit(visit_arg, entry->d_name);
	if (errno != 0) {
		int saved = errno;

		closedir(directory);
		errno = saved;
		return -1;
	}
	return closedir(directory);
}

static int sys_space(void *arg, const char *path, uint64_t *ret_total, uint64_t *ret_free)
{
	struct statvfs info;

	if (statvfs(path, &info) != 0)
		return -1;
	/* Blocks that only root may take count for nobody. */
	*ret_total = (uint64_t)(info.f_blocks - info.f_bfree + info.f_bavail) * info.f_frsize;
	*ret_free = (uint64_t)info.f_bavail * info.f_frsize;
	return 0;
}

static int sys_boot_id(void *arg, char text[RV__BOOT_ID_SIZE])
{
	int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
	ssize_t length = fd < 0 ? -1 : read(fd, text, RV__BOOT_ID_SIZE - 1);

	if (fd >= 0)
		close(fd);
	text[length > 0 ? length : 0] = '\0';
	text[strcspn(text, "\n")] = '\0';
	return length > 0 ? 0 : -1;
}

const struct rv__io rv__io_system = {
    .open = sys_open,
    .close = sys_close,
    .pread = sys_pread,
    .pwrite = sys_pwrite,
    .fdatasync = sys_fdatasync,
    .ftruncate = sys_ftruncate,
    .size = sys_size,
    .punch = sys_punch,
    .lock = sys_lock,
    .rename = sys_rename,
    .link = sys_link,
    .unlink = sys_unlink,
    .mkdir = sys_mkdir,
    .rmdir = sys_rmdir,
    .sync_directory = sys_sync_directory,
    .list = sys_list,
    .space = sys_space,
    .boot_id = sys_boot_id,
};

int rv__io_write(const struct rv__io *io, int fd, const void *bytes, size_t length, int64_t offset)
{
	const uint8_t *at = bytes;

	while (length > 0) {
		ssize_t n = io->pwrite(io->arg, fd, at, length, offset);

		if (n < 0 && errno == EINTR)
			continue;
		if (n == 0)
			errno = ENOSPC;
		if (n <= 0)
			return -1;
		at += n;
		offset += n;
		length -= (size_t)n;
	}
	return 0;
}

ssize_t rv__io_read(const struct rv__io *io, int fd, void *bytes, size_t length, int64_t offset)
{
	size_t done = 0;

	while (done < length) {
		ssize_t n =
		    io->pread(io->arg, fd, (uint8_t *)bytes + done, length - done, offset + (int64_t)done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		if (n == 0)
			break;
		done += (size_t)n;
	}
	return (ssize_t)done;
}

static int write_new(const struct rv__io *io, const char *path, const void *bytes, size_t length)
{
	int fd = io->open(io->arg, path, O_WRONLY | O_CREAT | O_TRUNC);
	int result;
	int saved;

	if (fd < 0)
		return -1;
	result = rv__io_write(io, fd, bytes, length, 0);
	if (result == 0)
		result = io->fdatasync(io->arg, fd);
	saved = errno;
	if (io->close(io->arg, fd) != 0 && result == 0)
		return -1;
	errno = saved;
	return result;
}

int rv__io_replace(const struct rv__io *io, const char *directory, const char *path, const char *keep,
    const void *bytes, size_t length)
{
	char fresh[4096];

	if (snprintf(fresh, sizeof fresh, "%s.tmp", path) >= (int)sizeof fresh) {
		errno = ENAMETOOLONG;
		return -1;
	}
	if (write_new(io, fresh, bytes, length) != 0)
		return -1;
	if (keep) {
		/* Best effort: the copy of before only serves when the disk damages the new one. */
		(void)io->unlink(io->arg, keep);
		(void)io->link(io->arg, path, keep);
	}
	if (io->rename(io->arg, fresh, path) != 0)
		return -1;
	return io->sync_directory(io->arg, directory);
}

void rv__io_parent(const char *path, char *ret_parent, size_t size)
{
	size_t length = strlen(path);

	while (length > 1 && path[length - 1] == '/')
		length--;
	while (length > 0 && path[length - 1] != '/')
		length--;
	while (length > 1 && path[length - 1] == '/')
		length--;
	if (length == 0)
		snprintf(ret_parent, size, ".");
	else
		snprintf(ret_parent, size, "%.*s", (int)length, path);
}
