/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files and directories of a virtual disk: of each what is seen and what is
 * durable. Pages that were never written take no memory.
 */
#ifndef SIM_INODE_H
#define SIM_INODE_H

#include "base/rng.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sim_page;
struct sim_name;

struct sim_inode {
	unsigned refs;
	bool dir;
	bool locked;
	uint64_t size;
	uint64_t durable_size;
	uint64_t allocated;      /* writes below it take no more space */
	struct sim_page **pages; /* owned; NULL: zeros */
	size_t pages_count;
	struct sim_name *names;   /* owned; of a directory, in ascending order */
	struct sim_name *durable; /* owned; as of the last sync, then changes in order */
};

struct sim_inode *sim_inode_create(bool dir);
struct sim_inode *sim_inode_ref(struct sim_inode *inode);
void sim_inode_unref(struct sim_inode *inode);

static inline bool sim_inode_is_dir(const struct sim_inode *inode)
{
	return inode->dir;
}

/* ---- content ---- */

void sim_inode_write(
	struct sim_inode *inode, const void *data, size_t len, uint64_t offset);
size_t sim_inode_read(
	const struct sim_inode *inode, void *data, size_t len, uint64_t offset);
void sim_inode_truncate(struct sim_inode *inode, uint64_t size);
void sim_inode_sync(struct sim_inode *inode);
void sim_inode_sync_range(struct sim_inode *inode, uint64_t offset, size_t len);

/* ---- names; borrowed references ---- */

/* The directory that a path is in, and the rest of the path; NULL: there is none. */
struct sim_inode *sim_inode_parent(
	struct sim_inode *root, const char *path, const char **ret_name);
struct sim_inode *sim_inode_find(struct sim_inode *root, const char *path);
struct sim_inode *sim_inode_child(struct sim_inode *dir, const char *name);
void sim_inode_link(struct sim_inode *dir, const char *name, struct sim_inode *inode);
void sim_inode_unlink(struct sim_inode *dir, const char *name);
/* Replaces what had the new name; both at once, also when power goes. */
void sim_inode_rename(struct sim_inode *dir, const char *from, const char *to);
void sim_inode_sync_names(struct sim_inode *dir);
void sim_inode_each_name(const struct sim_inode *dir,
	void (*cb)(const char *name, void *data), void *data);

/* ---- what a disk does to them ---- */

struct sim_inode_loss {
	uint64_t sectors;
	uint64_t names;
};

/* All below: what is durable is what is left, and of the rest what chance left. */
void sim_inode_lose_power(
	struct sim_inode *inode, struct blx__rng *rng, struct sim_inode_loss *loss);

/* Turns a bit in one of the files below; false: there is nothing written. */
bool sim_inode_rot(struct sim_inode *inode, struct blx__rng *rng);

#endif
