/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/sim_disk.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SECTOR = 512 };

struct content {
	uint8_t *bytes;
	size_t length;
};

struct sim_inode {
	struct sim_inode *next;
	bool directory;
	bool locked;
	struct content now, durable;
};

static void set_content(struct content *content, const uint8_t *bytes, size_t length)
{
	content->bytes = realloc(content->bytes, length + 1);
	assert(content->bytes);
	if (length && bytes)
		memcpy(content->bytes, bytes, length);
	content->length = length;
}

static void grow(struct content *content, size_t length)
{
	size_t before = content->length;

	if (length <= before)
		return;
	content->bytes = realloc(content->bytes, length + 1);
	assert(content->bytes);
	memset(content->bytes + before, 0, length - before);
	content->length = length;
}

static struct sim_inode *new_inode(struct sim_disk *disk, bool directory)
{
	struct sim_inode *inode = calloc(1, sizeof *inode);

	assert(inode);
	inode->directory = directory;
	inode->next = disk->inodes;
	disk->inodes = inode;
	return inode;
}

static struct sim_name *find(struct sim_disk *disk, const char *path, bool create)
{
	struct sim_name *name;

	for (size_t i = 0; i < disk->name_count; i++)
		if (strcmp(disk->names[i].path, path) == 0)
			return &disk->names[i];
	if (!create)
		return NULL;
	/* Entries of which nothing is left are used again. */
	for (size_t i = 0; i < disk->name_count; i++)
		if (!disk->names[i].now && !disk->names[i].durable) {
			snprintf(disk->names[i].path, sizeof disk->names[i].path, "%s", path);
			return &disk->names[i];
		}
	assert(disk->name_count < SIM_NAMES_MAX);
	name = &disk->names[disk->name_count++];
	*name = (struct sim_name){0};
	snprintf(name->path, sizeof name->path, "%s", path);
	return name;
}

static size_t parent_length(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? (size_t)(slash - path) : 0;
}

static bool has_parent(struct sim_disk *disk, const char *path)
{
	char parent[200];
	struct sim_name *name;

	snprintf(parent, sizeof parent, "%.*s", (int)parent_length(path), path);
	if (strchr(parent, '/') == parent && !strchr(parent + 1, '/'))
		return true; /* "/x": the root of the test */
	name = find(disk, parent, false);
	return name && name->now && name->now->directory;
}

/* Locks: held. Whether the fault strikes this call. */
static bool strikes(struct sim_disk *disk)
{
	disk->calls++;
	if (disk->fail_at == 0 || disk->calls < disk->fail_at ||
	    (disk->calls > disk->fail_at && !disk->fail_on))
		return false;
	disk->failed = true;
	errno = disk->fail_errno;
	return true;
}

#define ENTER() \
	struct sim_disk *disk = arg; \
	pthread_mutex_lock(&disk->lock)

static int leave(struct sim_disk *disk, int result, int number)
{
	pthread_mutex_unlock(&disk->lock);
	if (number)
		errno = number;
	return result;
}

static int sim_open(void *arg, const char *path, int flags)
{
	ENTER();
	struct sim_name *name = find(disk, path, false);
	int fd = 0;

	if ((flags & O_CREAT) && strikes(disk))
		return leave(disk, -1, disk->fail_errno);
	if ((!name || !name->now) && !(flags & O_CREAT))
		return leave(disk, -1, ENOENT);
	if (name && name->now && name->now->directory)
		return leave(disk, -1, EISDIR);
	if (!name || !name->now) {
		if (!has_parent(disk, path))
			return leave(disk, -1, ENOENT);
		name = find(disk, path, true);
		name->now = new_inode(disk, false);
	}
	if (flags & O_TRUNC)
		name->now->now.length = 0;
	while (fd < SIM_FDS_MAX && disk->fds[fd])
		fd++;
	if (fd == SIM_FDS_MAX)
		return leave(disk, -1, EMFILE);
	disk->fds[fd] = name->now;
	return leave(disk, fd, 0);
}

static int sim_close(void *arg, int fd)
{
	ENTER();
	/* A lock goes with its descriptor; there is one holder at most. */
	if (fd >= 0 && fd < SIM_FDS_MAX && disk->fds[fd]) {
		disk->fds[fd]->locked = false;
		disk->fds[fd] = NULL;
	}
	return leave(disk, 0, 0);
}

static ssize_t sim_pread(void *arg, int fd, void *bytes, size_t length, int64_t offset)
{
	ENTER();
	struct content *content = &disk->fds[fd]->now;
	size_t n = 0;

	disk->reads++;
	if (disk->fail_read_at && disk->reads == disk->fail_read_at) {
		disk->failed = true;
		return leave(disk, -1, EIO);
	}
	if (offset >= 0 && (size_t)offset < content->length) {
		n = content->length - (size_t)offset < length ? content->length - (size_t)offset : length;
		memcpy(bytes, content->bytes + offset, n);
	}
	leave(disk, 0, 0);
	return (ssize_t)n;
}

static int64_t used(const struct sim_disk *disk)
{
	int64_t sum = 0;

	for (size_t i = 0; i < disk->name_count; i++)
		if (disk->names[i].now)
			sum += (int64_t)disk->names[i].now->now.length;
	return sum;
}

static ssize_t sim_pwrite(void *arg, int fd, const void *bytes, size_t length, int64_t offset)
{
	ENTER();
	struct content *content = &disk->fds[fd]->now;
	bool fault = strikes(disk);
	int number = fault ? disk->fail_errno : 0;

	if (!fault && disk->space >= 0) {
		int64_t growth = offset + (int64_t)length - (int64_t)content->length;
		int64_t left = disk->space - used(disk);

		if (growth > left) {
			fault = true;
			number = ENOSPC;
			disk->failed = true;
		}
	}
	if (fault && length < 2)
		return leave(disk, -1, number);
	if (fault)
		length /= 2; /* the half that made it; the caller's next call meets the error */
	grow(content, (size_t)offset + length);
	memcpy(content->bytes + offset, bytes, length);
	if (fault) {
		leave(disk, 0, 0);
		errno = number;
		return -1;
	}
	leave(disk, 0, 0);
	return (ssize_t)length;
}

static int sim_fdatasync(void *arg, int fd)
{
	ENTER();
	struct sim_inode *inode = disk->fds[fd];

	if (strikes(disk)) {
		/* As ext4 does it: the pages count as clean, their content never reaches the disk. */
		return leave(disk, -1, disk->fail_errno);
	}
	set_content(&inode->durable, inode->now.bytes, inode->now.length);
	return leave(disk, 0, 0);
}

static int sim_ftruncate(void *arg, int fd, int64_t length)
{
	ENTER();
	struct content *content = &disk->fds[fd]->now;

	if (strikes(disk))
		return leave(disk, -1, disk->fail_errno);
	grow(content, (size_t)length);
	content->length = (size_t)length;
	return leave(disk, 0, 0);
}

static int64_t sim_size(void *arg, int fd)
{
	ENTER();
	int64_t length = (int64_t)disk->fds[fd]->now.length;

	leave(disk, 0, 0);
	return length;
}

static int sim_punch(void *arg, int fd, int64_t offset, int64_t length)
{
	ENTER();
	struct content *content = &disk->fds[fd]->now;

	for (int64_t i = offset; i < offset + length && i < (int64_t)content->length; i++)
		content->bytes[i] = 0;
	return leave(disk, 0, 0);
}

static int sim_lock(void *arg, int fd)
{
	ENTER();
	if (disk->fds[fd]->locked)
		return leave(disk, -1, EWOULDBLOCK);
	disk->fds[fd]->locked = true;
	return leave(disk, 0, 0);
}

static int sim_rename(void *arg, const char *from, const char *to)
{
	ENTER();
	struct sim_name *source = find(disk, from, false);
	struct sim_name *target;

	if (strikes(disk))
		return leave(disk, -1, disk->fail_errno);
	if (!source || !source->now)
		return leave(disk, -1, ENOENT);
	target = find(disk, to, true);
	source = find(disk, from, false);
	target->now = source->now;
	source->now = NULL;
	return leave(disk, 0, 0);
}

static int sim_link(void *arg, const char *from, const char *to)
{
	ENTER();
	struct sim_name *source = find(disk, from, false);
	struct sim_name *target = find(disk, to, false);

	if (strikes(disk))
		return leave(disk, -1, disk->fail_errno);
	if (!source || !source->now)
		return leave(disk, -1, ENOENT);
	if (target && target->now)
		return leave(disk, -1, EEXIST);
	target = find(disk, to, true);
	target->now = find(disk, from, false)->now;
	return leave(disk, 0, 0);
}

static int sim_unlink(void *arg, const char *path)
{
	ENTER();
	struct sim_name *name = find(disk, path, false);

	if (strikes(disk))
		return leave(disk, -1, disk->fail_errno);
	if (!name || !name->now)
		return leave(disk, -1, ENOENT);
	name->now = NULL;
	return leave(disk, 0, 0);
}

static int sim_mkdir(void *arg, const char *path)
{
	ENTER();
	struct sim_name *name = find(disk, path, false);

	if (strikes(disk))
		return leave(disk, -1, disk->fail_errno);
	if (name && name->now)
		return leave(disk, -1, EEXIST);
	if (!has_parent(disk, path))
		return leave(disk, -1, ENOENT);
	name = find(disk, path, true);
	name->now = new_inode(disk, true);
	return leave(disk, 0, 0);
}

static int sim_rmdir(void *arg, const char *path)
{
	return sim_unlink(arg, path);
}

static bool stands_in(const char *path, const char *directory)
{
	return parent_length(path) == strlen(directory) && strncmp(path, directory, strlen(directory)) == 0;
}

static int sim_sync_directory(void *arg, const char *path)
{
	ENTER();
	if (strikes(disk))
		return leave(disk, -1, disk->fail_errno);
	for (size_t i = 0; i < disk->name_count; i++)
		if (stands_in(disk->names[i].path, path))
			disk->names[i].durable = disk->names[i].now;
	return leave(disk, 0, 0);
}

static int sim_list(
    void *arg, const char *path, void (*visit)(void *visit_arg, const char *name), void *visit_arg)
{
	ENTER();
	struct sim_name *directory = find(disk, path, false);
	size_t count = disk->name_count;

	if (!directory || !directory->now)
		return leave(disk, -1, ENOENT);
	for (size_t i = 0; i < count; i++) {
		char name[200];

		if (!disk->names[i].now || !stands_in(disk->names[i].path, path))
			continue;
		snprintf(name, sizeof name, "%s", strrchr(disk->names[i].path, '/') + 1);
		/* The visitor may call us. */
		pthread_mutex_unlock(&disk->lock);
		visit(visit_arg, name);
		pthread_mutex_lock(&disk->lock);
	}
	return leave(disk, 0, 0);
}

static int sim_space(void *arg, const char *path, uint64_t *ret_total, uint64_t *ret_free)
{
	ENTER();
	int64_t taken = used(disk);

	*ret_total = disk->space >= 0 ? (uint64_t)disk->space : UINT64_C(1) << 40;
	*ret_free =
	    disk->space >= 0 ? (uint64_t)(disk->space > taken ? disk->space - taken : 0) : UINT64_C(1) << 39;
	return leave(disk, 0, 0);
}

static int sim_boot_id(void *arg, char text[RV__BOOT_ID_SIZE])
{
	ENTER();
	snprintf(text, RV__BOOT_ID_SIZE, "boot-%u", disk->boots);
	return leave(disk, 0, 0);
}

void sim_disk_init(struct sim_disk *disk)
{
	memset(disk, 0, sizeof *disk);
	pthread_mutex_init(&disk->lock, NULL);
	disk->space = -1;
	disk->io = (struct rv__io){.arg = disk,
	    .open = sim_open,
	    .close = sim_close,
	    .pread = sim_pread,
	    .pwrite = sim_pwrite,
	    .fdatasync = sim_fdatasync,
	    .ftruncate = sim_ftruncate,
	    .size = sim_size,
	    .punch = sim_punch,
	    .lock = sim_lock,
	    .rename = sim_rename,
	    .link = sim_link,
	    .unlink = sim_unlink,
	    .mkdir = sim_mkdir,
	    .rmdir = sim_rmdir,
	    .sync_directory = sim_sync_directory,
	    .list = sim_list,
	    .space = sim_space,
	    .boot_id = sim_boot_id};
}

void sim_disk_finish(struct sim_disk *disk)
{
	while (disk->inodes) {
		struct sim_inode *inode = disk->inodes;

		disk->inodes = inode->next;
		free(inode->now.bytes);
		free(inode->durable.bytes);
		free(inode);
	}
	pthread_mutex_destroy(&disk->lock);
}

static uint64_t chance(uint64_t *state)
{
	*state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return *state >> 33;
}

static void clear_faults(struct sim_disk *disk)
{
	disk->fail_at = disk->fail_read_at = 0;
	disk->fail_on = disk->failed = false;
	memset(disk->fds, 0, sizeof disk->fds);
	for (struct sim_inode *inode = disk->inodes; inode; inode = inode->next)
		inode->locked = false;
}

/* Unsynced sectors: each is kept or not; so is the new length. */
static void tear(struct sim_inode *inode, uint64_t *state)
{
	size_t length = inode->now.length;
	struct content old = inode->durable;

	if (length != old.length && chance(state) % 2)
		length = old.length + (length > old.length ? chance(state) % (length - old.length + 1) : 0);
	inode->durable = (struct content){0};
	set_content(&inode->durable, NULL, 0);
	grow(&inode->durable, length);
	for (size_t at = 0; at < length; at += SECTOR) {
		const struct content *from = chance(state) % 2 ? &inode->now : &old;
		size_t n = length - at < SECTOR ? length - at : SECTOR;

		if (at < from->length)
			memcpy(inode->durable.bytes + at, from->bytes + at,
			    from->length - at < n ? from->length - at : n);
	}
	free(old.bytes);
}

void sim_disk_power_loss(struct sim_disk *disk, bool strict, uint64_t seed)
{
	uint64_t state = seed;

	for (size_t i = 0; i < disk->name_count; i++) {
		struct sim_name *name = &disk->names[i];

		if (!strict && name->now != name->durable && chance(&state) % 2)
			name->durable = name->now;
		name->now = name->durable;
	}
	for (struct sim_inode *inode = disk->inodes; inode; inode = inode->next) {
		if (!strict &&
		    (inode->now.length != inode->durable.length ||
		        (inode->now.length &&
		            memcmp(inode->now.bytes, inode->durable.bytes, inode->now.length) != 0)))
			tear(inode, &state);
		set_content(&inode->now, inode->durable.bytes, inode->durable.length);
	}
	disk->boots++;
	clear_faults(disk);
}

void sim_disk_fail_after(struct sim_disk *disk, uint64_t n, bool for_good, int number)
{
	pthread_mutex_lock(&disk->lock);
	disk->fail_at = disk->calls + n;
	disk->fail_on = for_good;
	disk->fail_errno = number;
	pthread_mutex_unlock(&disk->lock);
}

void sim_disk_process_death(struct sim_disk *disk)
{
	clear_faults(disk);
}

uint8_t *sim_disk_bytes(struct sim_disk *disk, const char *path, size_t *ret_length)
{
	struct sim_name *name;
	uint8_t *bytes = NULL;

	pthread_mutex_lock(&disk->lock);
	name = find(disk, path, false);
	if (name && name->now) {
		*ret_length = name->now->now.length;
		bytes = name->now->now.bytes;
	}
	pthread_mutex_unlock(&disk->lock);
	return bytes;
}

void sim_disk_truncate(struct sim_disk *disk, const char *path, size_t length)
{
	struct sim_name *name = find(disk, path, false);

	assert(name && name->now);
	grow(&name->now->now, length);
	name->now->now.length = length;
	set_content(&name->now->durable, name->now->now.bytes, length);
}

void sim_disk_put(struct sim_disk *disk, const char *path, const uint8_t *bytes, size_t length)
{
	struct sim_name *name = find(disk, path, true);

	name->now = name->durable = new_inode(disk, false);
	set_content(&name->now->now, bytes, length);
	set_content(&name->now->durable, bytes, length);
}

void sim_disk_remove(struct sim_disk *disk, const char *prefix)
{
	for (size_t i = 0; i < disk->name_count; i++)
		if (strncmp(disk->names[i].path, prefix, strlen(prefix)) == 0)
			disk->names[i].now = disk->names[i].durable = NULL;
}

void sim_disk_copy(struct sim_disk *to, struct sim_disk *from)
{
	sim_disk_init(to);
	to->boots = from->boots;
	for (size_t i = 0; i < from->name_count; i++) {
		struct sim_name *name = &from->names[i];

		if (!name->now)
			continue;
		if (name->now->directory) {
			struct sim_name *copy = find(to, name->path, true);

			copy->now = copy->durable = new_inode(to, true);
		} else {
			sim_disk_put(to, name->path, name->now->now.bytes, name->now->now.length);
		}
	}
}
