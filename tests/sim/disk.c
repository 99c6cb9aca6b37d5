/* SPDX-License-Identifier: Apache-2.0 */
#include "disk.h"

#include "base/assert.h"
#include "inode.h"
#include "memory.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

/* Bytes of a host's disk that can be seen to be free. */
#define FREE_SPACE (UINT64_C(64) << 30)

struct sim_handle {
	struct blx__file file; /* its path is owned */
	struct sim_disk *disk;
	struct sim_inode *inode; /* a reference */
	struct sim_handle *next;
	unsigned flags;
	bool locked;
};

static struct sim_disk *disk_of(const struct blx__files *files)
{
	return files->impl;
}

static struct sim_handle *handle_of(struct blx__file *file)
{
	return blx__container_of(file, struct sim_handle, file);
}

/* ---- what can go wrong with a call ---- */

static int refuse(
	blx_error *error, int code, const char *what, const char *path, const char *why)
{
	return blx__error_set(error, code, "%s %s: %s", what, path, why);
}

static int begin(
	struct sim_disk *disk, const char *what, const char *path, blx_error *error)
{
	if (!disk->open) {
		sim_fail(disk->world, "%s: %s %s on the loop thread", disk->who, what,
			path);
	}
	if (disk->budget == 0) {
		return refuse(error, BLX_EIO, what, path, "the host is gone");
	}
	if (disk->budget != UINT64_MAX) {
		disk->budget--;
	}
	return 0;
}

static int begin_change(
	struct sim_disk *disk, const char *what, const char *path, blx_error *error)
{
	int rv = begin(disk, what, path, error);

	if (rv == 0 && (disk->faults & SIM_DISK_WRITE_ERROR) != 0) {
		disk->faults &= ~(unsigned)SIM_DISK_WRITE_ERROR;
		sim_tell(disk->world, disk->who, "has an error of the disk: %s %s", what,
			path);
		return refuse(error, BLX_EIO, what, path, "Input/output error");
	}
	return rv;
}

static int no_space(
	struct sim_disk *disk, const char *what, const char *path, blx_error *error)
{
	sim_tell(disk->world, disk->who, "has no space left on the disk: %s %s", what,
		path);
	return refuse(error, BLX_ENOSPC, what, path, "No space left on device");
}

/* ---- files ---- */

static int open_inode(struct sim_disk *disk, const char *path, unsigned flags,
	struct sim_inode **ret_inode, blx_error *error)
{
	struct sim_inode *dir;
	const char *name;
	struct sim_inode *inode;

	dir = sim_inode_parent(disk->root, path, &name);
	if (dir == NULL) {
		return refuse(
			error, BLX_ENOENT, "open", path, "No such file or directory");
	}
	inode = sim_inode_child(dir, name);
	if (inode != NULL && (flags & BLX__OPEN_EXCLUSIVE) != 0) {
		return refuse(error, BLX_EEXIST, "open", path, "File exists");
	}
	if (inode != NULL && sim_inode_is_dir(inode)) {
		return refuse(error, BLX_EINVAL, "open", path, "Is a directory");
	}
	if (inode == NULL && (flags & BLX__OPEN_CREATE) == 0) {
		return refuse(
			error, BLX_ENOENT, "open", path, "No such file or directory");
	}
	if (inode == NULL && (disk->faults & SIM_DISK_FULL) != 0) {
		return no_space(disk, "open", path, error);
	}
	if (inode == NULL) {
		inode = sim_inode_create(false);
		sim_inode_link(dir, name, inode);
		sim_inode_unref(inode);
	}
	*ret_inode = inode;
	return 0;
}

static int on_open(const struct blx__files *files, const char *path, unsigned flags,
	struct blx__file **ret_file, blx_error *error)
{
	struct sim_disk *disk = disk_of(files);
	struct sim_inode *inode = NULL;
	struct sim_handle *handle;
	int rv = begin(disk, "open", path, error);

	if (rv == 0) {
		rv = open_inode(disk, path, flags, &inode, error);
	}
	if (rv != 0) {
		return rv;
	}
	handle = sim_alloc(sizeof *handle);
	*handle = (struct sim_handle){.disk = disk,
		.inode = sim_inode_ref(inode),
		.next = disk->handles,
		.flags = flags};
	handle->file.files = files;
	handle->file.path = sim_text(path);
	disk->handles = handle;
	*ret_file = &handle->file;
	return 0;
}

static void handle_close(struct sim_handle *handle)
{
	struct sim_handle **at = &handle->disk->handles;

	while (*at != handle) {
		at = &(*at)->next;
	}
	*at = handle->next;
	if (handle->locked) {
		handle->inode->locked = false;
	}
	sim_inode_unref(handle->inode);
	free(handle->file.path);
	free(handle);
}

static void on_close(struct blx__file *file)
{
	handle_close(handle_of(file));
}

static void check_direct(
	const struct sim_handle *handle, const void *data, size_t len, uint64_t offset)
{
	if ((handle->flags & BLX__OPEN_DIRECT) != 0 &&
		((uintptr_t)data % 4096 != 0 || len % 4096 != 0 || offset % 4096 != 0)) {
		sim_fail(handle->disk->world,
			"%s: %s: %zu bytes at %p to %llu are not aligned",
			handle->disk->who, handle->file.path, len, data,
			(unsigned long long)offset);
	}
}

/* The call that the power went in: some sectors of it were written. */
static void write_torn(
	struct sim_handle *handle, const uint8_t *data, size_t len, uint64_t offset)
{
	struct sim_disk *disk = handle->disk;
	size_t done;

	for (done = 0; done < len;) {
		size_t n = SIM_SECTOR - (offset + done) % SIM_SECTOR;

		n = n < len - done ? n : len - done;
		if (sim_chance(&disk->rng, 500)) {
			sim_inode_write(handle->inode, data + done, n, offset + done);
		}
		done += n;
	}
}

static int on_write(struct blx__file *file, const void *data, size_t len, uint64_t offset,
	blx_error *error)
{
	struct sim_handle *handle = handle_of(file);
	struct sim_disk *disk = handle->disk;
	int rv;

	check_direct(handle, data, len, offset);
	if (disk->budget == 1) {
		write_torn(handle, data, len, offset);
		disk->budget = 0;
	}
	rv = begin_change(disk, "write", file->path, error);
	if (rv != 0) {
		return rv;
	}
	if ((disk->faults & SIM_DISK_FULL) != 0 &&
		offset + len > handle->inode->allocated) {
		return no_space(disk, "write", file->path, error);
	}
	sim_inode_write(handle->inode, data, len, offset);
	if ((handle->flags & BLX__OPEN_DSYNC) != 0 && !disk->lying) {
		sim_inode_sync_range(handle->inode, offset, len);
		disk->syncs++;
	}
	disk->writes++;
	disk->bytes += len;
	return 0;
}

static int on_read(struct blx__file *file, void *data, size_t len, uint64_t offset,
	size_t *ret_len, blx_error *error)
{
	struct sim_handle *handle = handle_of(file);
	struct sim_disk *disk = handle->disk;
	int rv = begin(disk, "read", file->path, error);

	if (rv != 0) {
		return rv;
	}
	check_direct(handle, data, len, offset);
	if ((disk->faults & SIM_DISK_READ_ERROR) != 0) {
		disk->faults &= ~(unsigned)SIM_DISK_READ_ERROR;
		sim_tell(disk->world, disk->who, "cannot read %s", file->path);
		return refuse(error, BLX_EIO, "read", file->path, "Input/output error");
	}
	*ret_len = sim_inode_read(handle->inode, data, len, offset);
	return 0;
}

static int on_sync(struct blx__file *file, blx_error *error)
{
	struct sim_handle *handle = handle_of(file);
	int rv = begin_change(handle->disk, "sync", file->path, error);

	if (rv == 0) {
		sim_inode_sync(handle->inode);
		handle->disk->syncs++;
	}
	return rv;
}

static int on_allocate(struct blx__file *file, uint64_t size, blx_error *error)
{
	struct sim_handle *handle = handle_of(file);
	int rv = begin_change(handle->disk, "allocate", file->path, error);

	if (rv != 0) {
		return rv;
	}
	if ((handle->disk->faults & SIM_DISK_FULL) != 0 &&
		size > handle->inode->allocated) {
		return no_space(handle->disk, "allocate", file->path, error);
	}
	if (size > handle->inode->size) {
		handle->inode->size = size;
	}
	if (size > handle->inode->allocated) {
		handle->inode->allocated = size;
	}
	return 0;
}

static int on_truncate(struct blx__file *file, uint64_t size, blx_error *error)
{
	struct sim_handle *handle = handle_of(file);
	int rv = begin_change(handle->disk, "truncate", file->path, error);

	if (rv == 0) {
		sim_inode_truncate(handle->inode, size);
	}
	return rv;
}

static int on_size(struct blx__file *file, uint64_t *ret_size, blx_error *error)
{
	struct sim_handle *handle = handle_of(file);
	int rv = begin(handle->disk, "size", file->path, error);

	if (rv == 0) {
		*ret_size = handle->inode->size;
	}
	return rv;
}

static int on_lock(struct blx__file *file, blx_error *error)
{
	struct sim_handle *handle = handle_of(file);
	int rv = begin(handle->disk, "lock", file->path, error);

	if (rv == 0 && handle->inode->locked && !handle->locked) {
		return refuse(
			error, BLX_EINUSE, "lock", file->path, "another process has it");
	}
	if (rv == 0) {
		handle->locked = true;
		handle->inode->locked = true;
	}
	return rv;
}

/* ---- names ---- */

static int on_rename(const struct blx__files *files, const char *from, const char *to,
	blx_error *error)
{
	struct sim_disk *disk = disk_of(files);
	int rv = begin_change(disk, "rename", from, error);
	struct sim_inode *from_dir;
	struct sim_inode *to_dir;
	struct sim_inode *inode;
	const char *from_name;
	const char *to_name;

	if (rv != 0) {
		return rv;
	}
	from_dir = sim_inode_parent(disk->root, from, &from_name);
	to_dir = sim_inode_parent(disk->root, to, &to_name);
	inode = from_dir != NULL ? sim_inode_child(from_dir, from_name) : NULL;
	if (inode == NULL || to_dir == NULL) {
		return refuse(
			error, BLX_ENOENT, "rename", from, "No such file or directory");
	}
	if (from_dir == to_dir) {
		sim_inode_rename(from_dir, from_name, to_name);
		return 0;
	}
	(void)sim_inode_ref(inode);
	sim_inode_unlink(from_dir, from_name);
	sim_inode_link(to_dir, to_name, inode);
	sim_inode_unref(inode);
	return 0;
}

static int on_remove(const struct blx__files *files, const char *path, blx_error *error)
{
	struct sim_disk *disk = disk_of(files);
	int rv = begin_change(disk, "remove", path, error);
	struct sim_inode *dir;
	const char *name;

	if (rv != 0) {
		return rv;
	}
	dir = sim_inode_parent(disk->root, path, &name);
	if (dir == NULL || sim_inode_child(dir, name) == NULL) {
		return refuse(
			error, BLX_ENOENT, "remove", path, "No such file or directory");
	}
	sim_inode_unlink(dir, name);
	return 0;
}

static int on_make_dir(const struct blx__files *files, const char *path, blx_error *error)
{
	struct sim_disk *disk = disk_of(files);
	int rv = begin_change(disk, "make", path, error);
	struct sim_inode *dir;
	struct sim_inode *made;
	const char *name;

	if (rv != 0) {
		return rv;
	}
	dir = sim_inode_parent(disk->root, path, &name);
	if (dir == NULL) {
		return refuse(
			error, BLX_ENOENT, "make", path, "No such file or directory");
	}
	made = sim_inode_child(dir, name);
	if (made == NULL) {
		made = sim_inode_create(true);
		sim_inode_link(dir, name, made);
		sim_inode_unref(made);
	}
	return sim_inode_is_dir(made)
		       ? 0
		       : refuse(error, BLX_EEXIST, "make", path, "File exists");
}

static int on_sync_dir(const struct blx__files *files, const char *path, blx_error *error)
{
	struct sim_disk *disk = disk_of(files);
	int rv = begin_change(disk, "sync", path, error);
	struct sim_inode *dir;

	if (rv != 0) {
		return rv;
	}
	dir = sim_inode_find(disk->root, path);
	if (dir == NULL) {
		return refuse(
			error, BLX_ENOENT, "sync", path, "No such file or directory");
	}
	sim_inode_sync_names(dir);
	disk->syncs++;
	return 0;
}

static int on_list(const struct blx__files *files, const char *path,
	void (*cb)(const char *name, void *data), void *data, blx_error *error)
{
	struct sim_disk *disk = disk_of(files);
	int rv = begin(disk, "list", path, error);
	struct sim_inode *dir;

	if (rv != 0) {
		return rv;
	}
	dir = sim_inode_find(disk->root, path);
	if (dir == NULL || !sim_inode_is_dir(dir)) {
		return refuse(
			error, BLX_ENOENT, "list", path, "No such file or directory");
	}
	sim_inode_each_name(dir, cb, data);
	return 0;
}

static int on_free_space(const struct blx__files *files, const char *path,
	uint64_t *ret_bytes, blx_error *error)
{
	struct sim_disk *disk = disk_of(files);
	int rv = begin(disk, "look at the space of", path, error);

	if (rv == 0) {
		*ret_bytes = (disk->faults & SIM_DISK_FULL) != 0 ? 0 : FREE_SPACE;
	}
	return rv;
}

static const struct blx__files_ops ops = {
	.open = on_open,
	.close = on_close,
	.write = on_write,
	.read = on_read,
	.sync = on_sync,
	.allocate = on_allocate,
	.truncate = on_truncate,
	.size = on_size,
	.rename = on_rename,
	.remove = on_remove,
	.make_dir = on_make_dir,
	.sync_dir = on_sync_dir,
	.list = on_list,
	.free_space = on_free_space,
	.lock = on_lock,
};

/* ---- the whole ---- */

void sim_disk_init(
	struct sim_disk *disk, struct sim_world *world, const char *who, unsigned number)
{
	*disk = (struct sim_disk){.world = world, .who = who, .budget = UINT64_MAX};
	disk->files = (struct blx__files){.ops = &ops, .impl = disk};
	sim_world_rng(world, "disk", number, &disk->rng);
	disk->root = sim_inode_create(true);
}

void sim_disk_end_process(struct sim_disk *disk)
{
	while (disk->handles != NULL) {
		handle_close(disk->handles);
	}
	disk->budget = UINT64_MAX;
	disk->open = false;
}

void sim_disk_finish(struct sim_disk *disk)
{
	sim_disk_end_process(disk);
	sim_inode_unref(disk->root);
	disk->root = NULL;
}

void sim_disk_lose_power(struct sim_disk *disk)
{
	struct sim_inode_loss loss = {0};

	PRE(disk->handles == NULL);
	sim_inode_lose_power(disk->root, &disk->rng, &loss);
	disk->sectors_lost += loss.sectors;
	disk->names_lost += loss.names;
	if (loss.sectors + loss.names > 0) {
		sim_tell(disk->world, disk->who,
			"lost %llu sectors and %llu names that were not synced",
			(unsigned long long)loss.sectors, (unsigned long long)loss.names);
	}
}

void sim_disk_wipe(struct sim_disk *disk)
{
	PRE(disk->handles == NULL);
	sim_inode_unref(disk->root);
	disk->root = sim_inode_create(true);
}

bool sim_disk_rot(struct sim_disk *disk)
{
	return sim_inode_rot(disk->root, &disk->rng);
}
