/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/store/files.h"

int rv__files_peek(struct rv__files *files, struct rv__file *file)
{
	if (file->slot == 0)
		return -1;
	files->slots[file->slot - 1].used = ++files->tick;
	return files->slots[file->slot - 1].fd;
}

int rv__files_open(struct rv__files *files, struct rv__file *file, const char *path, int flags)
{
	int fd = files->io->open(files->io->arg, path, flags);
	int victim = 0;

	if (fd < 0)
		return -1;
	rv__files_close(files, file);
	for (int i = 0; i < RV__FILES_MAX && files->slots[victim].owner; i++)
		if (!files->slots[i].owner || files->slots[i].used < files->slots[victim].used)
			victim = i;
	if (files->slots[victim].owner)
		rv__files_close(files, files->slots[victim].owner);
	files->slots[victim].owner = file;
	files->slots[victim].fd = fd;
	files->slots[victim].used = ++files->tick;
	file->slot = victim + 1;
	return fd;
}

void rv__files_close(struct rv__files *files, struct rv__file *file)
{
	if (file->slot == 0)
		return;
	(void)files->io->close(files->io->arg, files->slots[file->slot - 1].fd);
	files->slots[file->slot - 1].owner = NULL;
	file->slot = 0;
}

void rv__files_finish(struct rv__files *files)
{
	for (int i = 0; i < RV__FILES_MAX; i++)
		if (files->slots[i].owner)
			rv__files_close(files, files->slots[i].owner);
}
