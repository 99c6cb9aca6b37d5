/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Data directories: made for a founding member, for one that joins, or for the
 * first of a new cluster from what is left of an old one. Offline and blocking;
 * a directory appears with its identity last, so that one half made is not
 * taken for a member.
 */
#ifndef BLX_NODE_FOUND_H
#define BLX_NODE_FOUND_H

#include "base/error.h"
#include "machine/image.h"
#include "node/identity.h"
#include "sys/env.h"
#include "sys/files.h"

#include <stddef.h>

/* Founding voters at most: what a round of reads counts (node/reads.h). */
#define BLX__FOUNDERS_MAX 64

struct blx__founder {
	const char *name;
	const char *address;
};

struct blx__found_opts {
	struct blx__env *env;
	const char *dir;
	const char *cluster;
	const char *name; /* which of the founders this is */
	const struct blx__founder *founders;
	size_t count;
	/* What the cluster begins with; NULL: nothing. Borrowed. Its cluster id is the new
	 * cluster's, its index is above 0. */
	const struct blx__image *image;
	uint64_t salt; /* makes the cluster's id another one than the founders alone give; 0 */
};

/*
 * The id that members of one cluster have in common, from what they were founded
 * with, in whatever order the founders are given. BLX_EINVAL: a name or an
 * address is not valid, is there twice, or name is not of the founders.
 */
int blx__found_cluster_id(const struct blx__found_opts *opts,
	uint8_t ret_id[BLX__CLUSTER_ID_LEN], blx_error *error);

/* May a member's directory be made there: is it absent, or empty? BLX_EINUSE names what is
 * in it. Makes nothing. */
int blx__found_check_dir(const struct blx__files *files, const char *dir, blx_error *error);

/* Makes the directory of a founding member. Ids are 1 and up in the order of the names. */
int blx__found(const struct blx__found_opts *opts, blx_error *error);

/* Makes the directory of a member that the cluster has given an id. */
int blx__found_joined(struct blx__env *env, const char *dir,
	const struct blx__identity *identity, blx_error *error);

#endif
