/* SPDX-License-Identifier: Apache-2.0 */
#include "node/found.h"

#include "base/assert.h"
#include "base/mem.h"
#include "node/guard_member.h"
#include "node/heap.h"
#include "node/impl.h"
#include "node/io_impl.h"
#include "snapshot/dir.h"
#include "snapshot/manifest.h"
#include "snapshot/snapshot.h"

#include <blixard/blixard.h>
#include <raft.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Of the first segments: room for the greatest configuration, and no more, because the member
 * makes new ones of the size it is started with. */
#define SEGMENT_SIZE (1024 * 1024)

/* Where raft's own bootstrap puts the first configuration. */
#define FIRST_INDEX 1
#define FIRST_TERM  1

/* The founders in the order of their names, which is the order of their ids. */
struct founders {
	struct blx__founder list[BLX__FOUNDERS_MAX];
	size_t count;
	size_t self;
};

/* ---- checking -------------------------------------------------------------- */

static int founder_compare(const void *a, const void *b)
{
	return strcmp(((const struct blx__founder *)a)->name,
		((const struct blx__founder *)b)->name);
}

static int founder_check(const struct blx__founder *founder, blx_error *error)
{
	if (!blx__name_valid(founder->name)) {
		return blx__error_set(error, BLX_EINVAL,
			"found a cluster: member name \"%s\": must be 1 to %d of a-z A-Z 0-9 - _ . "
			"and begin with a letter, a digit or _",
			founder->name != NULL ? founder->name : "", BLX__NAME_LEN_MAX);
	}
	if (!blx__address_valid(founder->address)) {
		return blx__error_set(error, BLX_EINVAL,
			"found a cluster: address \"%s\" of member %s: must be HOST:PORT",
			founder->address != NULL ? founder->address : "", founder->name);
	}
	return 0;
}

static int founders_unique(const struct founders *founders, blx_error *error)
{
	size_t i;
	size_t k;

	for (i = 0; i < founders->count; i++) {
		for (k = i + 1; k < founders->count; k++) {
			if (strcmp(founders->list[i].name, founders->list[k].name) == 0) {
				return blx__error_set(error, BLX_EINVAL,
					"found a cluster: member %s is given twice",
					founders->list[i].name);
			}
			if (strcmp(founders->list[i].address, founders->list[k].address) == 0) {
				return blx__error_set(error, BLX_EINVAL,
					"found a cluster: members %s and %s have the same address "
					"%s",
					founders->list[i].name, founders->list[k].name,
					founders->list[i].address);
			}
		}
	}
	return 0;
}

static int founders_find(struct founders *founders, const char *name, blx_error *error)
{
	size_t i;

	for (i = 0; i < founders->count; i++) {
		if (name != NULL && strcmp(founders->list[i].name, name) == 0) {
			founders->self = i;
			return 0;
		}
	}
	return blx__error_set(error, BLX_EINVAL,
		"found a cluster: \"%s\" is not among its members; give the name of one of them",
		name != NULL ? name : "");
}

static int founders_init(struct founders *founders, const struct blx__found_opts *opts,
	blx_error *error)
{
	size_t i;
	int rv;

	if (!blx__name_valid(opts->cluster)) {
		return blx__error_set(error, BLX_EINVAL,
			"found a cluster: name \"%s\": must be 1 to %d of a-z A-Z 0-9 - _ .",
			opts->cluster != NULL ? opts->cluster : "", BLX__NAME_LEN_MAX);
	}
	if (opts->count == 0 || opts->founders == NULL || opts->count > BLX__FOUNDERS_MAX) {
		return blx__error_set(error, BLX_EINVAL,
			"found cluster %s: %zu members: must be 1 to %d", opts->cluster,
			opts->count, BLX__FOUNDERS_MAX);
	}
	founders->count = opts->count;
	for (i = 0; i < opts->count; i++) {
		rv = founder_check(&opts->founders[i], error);
		if (rv != 0) {
			return rv;
		}
		founders->list[i] = opts->founders[i];
	}
	qsort(founders->list, founders->count, sizeof founders->list[0], founder_compare);
	rv = founders_unique(founders, error);
	return rv != 0 ? rv : founders_find(founders, opts->name, error);
}

/* ---- the cluster's id ------------------------------------------------------- */

/* Two FNV-1a of 64 bits, the second with another multiplier and beginning: it only has to
 * tell clusters apart that are not meant to be one; nobody's trust rests on it. */
struct digest {
	uint64_t a;
	uint64_t b;
};

static void digest_add(struct digest *digest, const void *data, size_t len)
{
	const uint8_t *bytes = data;
	size_t i;

	for (i = 0; i < len; i++) {
		digest->a = (digest->a ^ bytes[i]) * UINT64_C(0x100000001b3);
		digest->b = (digest->b ^ bytes[i]) * UINT64_C(0x9e3779b97f4a7c15);
	}
}

static void digest_add_text(struct digest *digest, const char *text)
{
	digest_add(digest, text, strlen(text) + 1);
}

/* splitmix64's last step, so that each bit depends on all. */
static uint64_t scatter(uint64_t x)
{
	x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
	return x ^ (x >> 31);
}

static void cluster_id(const struct founders *founders, const struct blx__found_opts *opts,
	uint8_t ret_id[BLX__CLUSTER_ID_LEN])
{
	struct digest digest = { .a = UINT64_C(0xcbf29ce484222325),
		.b = UINT64_C(0x6c62272e07bb0142) };
	uint8_t salt[8];
	size_t i;

	digest_add_text(&digest, opts->cluster);
	for (i = 0; i < founders->count; i++) {
		digest_add_text(&digest, founders->list[i].name);
		digest_add_text(&digest, founders->list[i].address);
	}
	blx__store_u64(salt, opts->salt);
	digest_add(&digest, salt, sizeof salt);
	blx__store_u64(ret_id, scatter(digest.a));
	blx__store_u64(ret_id + 8, scatter(digest.b ^ scatter(digest.a)));
}

int blx__found_cluster_id(const struct blx__found_opts *opts,
	uint8_t ret_id[BLX__CLUSTER_ID_LEN], blx_error *error)
{
	struct founders founders = { 0 };
	int rv = founders_init(&founders, opts, error);

	if (rv == 0) {
		cluster_id(&founders, opts, ret_id);
	}
	return rv;
}

/* ---- the directory ------------------------------------------------------------ */

static void on_name(const char *name, void *data)
{
	char *first = data;

	if (first[0] == '\0') {
		(void)snprintf(first, 64, "%s", name);
	}
}

int blx__found_check_dir(const struct blx__files *files, const char *dir, blx_error *error)
{
	blx_error why = BLX_ERROR_INIT;
	char first[64] = "";
	int rv;

	if (dir == NULL || dir[0] == '\0') {
		return blx__error_set(error, BLX_EINVAL, "make a member: no data directory given");
	}
	rv = files->ops->list(files, dir, on_name, first, &why);
	if (rv == BLX_ENOENT) {
		return 0;
	}
	if (rv != 0) {
		blx__error_copy(error, &why);
		return rv;
	}
	if (first[0] != '\0') {
		return blx__error_set(error, BLX_EINUSE,
			"make a member in %s: the directory is not empty, it holds %s; choose an "
			"empty one, or remove what is left of an attempt that was cut off",
			dir, first);
	}
	return 0;
}

static char *parent_of(const char *dir)
{
	size_t len = strlen(dir);

	while (len > 1 && dir[len - 1] == '/') {
		len--;
	}
	while (len > 0 && dir[len - 1] != '/') {
		len--;
	}
	if (len == 0) {
		return blx__strdup(".");
	}
	return blx__strndup(dir, len > 1 ? len - 1 : 1);
}

/* The directory, and the two in it; durable in the one above. */
static int make_dirs(const struct blx__files *files, const char *dir, blx_error *error)
{
	static const char *const names[] = { "wal", "snapshots" };
	BLX__CLEANUP_FREE char *parent = parent_of(dir);
	int rv = files->ops->make_dir(files, dir, error);
	size_t i;

	if (rv == 0 && parent == NULL) {
		rv = blx__error_set(error, BLX_ENOMEM, "make %s: out of memory", dir);
	}
	for (i = 0; rv == 0 && i < sizeof names / sizeof names[0]; i++) {
		BLX__CLEANUP_FREE char *path = blx__snapshot_join(dir, names[i]);

		if (path == NULL) {
			rv = blx__error_set(error, BLX_ENOMEM, "make %s: out of memory", dir);
		} else {
			rv = files->ops->make_dir(files, path, error);
		}
	}
	return rv == 0 ? files->ops->sync_dir(files, parent, error) : rv;
}

static int create_wal(struct blx__env *env, const char *dir, const struct blx__identity *identity,
	struct blx__wal **ret_wal, blx_error *error)
{
	BLX__CLEANUP_FREE char *path = blx__snapshot_join(dir, "wal");
	struct blx__wal_opts opts = { .env = env,
		.dir = path,
		.member_id = identity->id,
		.segment_size = SEGMENT_SIZE,
		.groups_max = 1,
		.create = true };

	if (path == NULL) {
		return blx__error_set(error, BLX_ENOMEM, "make %s: out of memory", dir);
	}
	memcpy(opts.cluster_id, identity->cluster_id, sizeof opts.cluster_id);
	return blx__wal_open(&opts, ret_wal, error);
}

/* ---- what the log begins with --------------------------------------------------- */

static int conf_encode(const struct founders *founders, struct raft_buffer *ret_buf)
{
	struct raft_configuration conf;
	size_t i;
	int rv = 0;

	blx__raft_heap_set();
	raft_configuration_init(&conf);
	for (i = 0; rv == 0 && i < founders->count; i++) {
		char server[BLX__SERVER_ADDRESS_SIZE];

		rv = blx__server_address_join(founders->list[i].name, founders->list[i].address,
			server, sizeof server);
		if (rv == 0) {
			rv = raft_configuration_add(&conf, i + 1, server, RAFT_VOTER);
		}
	}
	if (rv == 0) {
		rv = raft_configuration_encode(&conf, ret_buf);
	}
	raft_configuration_close(&conf);
	return rv != 0 ? BLX_ENOMEM : 0;
}

/* A first entry with the configuration, as raft_bootstrap() would make it. */
static int begin_empty(struct blx__wal *wal, const struct raft_buffer *conf, blx_error *error)
{
	struct blx__wal_entry entry = { .index = FIRST_INDEX,
		.term = FIRST_TERM,
		.type = RAFT_CHANGE,
		.data = conf->base,
		.len = conf->len };
	int rv = blx__wal_write_hard_state_sync(wal, BLX__GROUP, FIRST_TERM, 0, error);

	return rv != 0 ? rv : blx__wal_append_sync(wal, BLX__GROUP, &entry, 1, error);
}

static int write_image(const struct blx__found_opts *opts, const struct founders *founders,
	struct blx__snapshot_info *ret_info, blx_error *error)
{
	const struct blx__image_meta *meta = blx__image_meta(opts->image);
	struct blx__snapshot_member members[BLX__FOUNDERS_MAX];
	char name[BLX__SNAPSHOT_NAME_SIZE];
	BLX__CLEANUP_FREE char *dir = blx__snapshot_join(opts->dir, "snapshots");
	BLX__CLEANUP_FREE char *path = NULL;
	struct blx__snapshot_write_opts write = { .ctl = { .files = opts->env->files },
		.image = opts->image,
		.members = members,
		.members_count = founders->count,
		.product = "libblixard " BLX_VERSION_STRING };
	size_t i;

	blx__snapshot_name(meta->index, meta->term, name);
	path = dir != NULL ? blx__snapshot_join(dir, name) : NULL;
	if (path == NULL) {
		return blx__error_set(error, BLX_ENOMEM, "make %s: out of memory", opts->dir);
	}
	for (i = 0; i < founders->count; i++) {
		members[i] = (struct blx__snapshot_member){ .id = i + 1,
			.name = founders->list[i].name,
			.address = founders->list[i].address,
			.role = "voter" };
	}
	write.path = path;
	return blx__snapshot_write(&write, ret_info, error);
}

static int put_record(struct blx__wal *wal, const struct blx__snapshot_info *info,
	const struct raft_buffer *conf, blx_error *error)
{
	struct blx__wal_snapshot record = { .index = info->meta.index,
		.term = info->meta.term,
		.keep_from = info->meta.index + 1 };
	struct blx__io_snapshot_meta meta = { .conf_index = info->meta.index,
		.conf = conf->base,
		.conf_len = conf->len };
	struct blx__manifest manifest;
	struct blx__buf manifest_bytes;
	struct blx__buf bytes;
	int rv;

	blx__manifest_init(&manifest, info);
	blx__buf_init(&manifest_bytes);
	blx__buf_init(&bytes);
	blx__manifest_encode(&manifest, &manifest_bytes);
	meta.manifest = manifest_bytes.data;
	meta.manifest_len = manifest_bytes.len;
	blx__io_snapshot_meta_put(&bytes, &meta);
	record.meta = bytes.data;
	record.meta_len = bytes.len;
	rv = blx__buf_ok(&manifest_bytes) && blx__buf_ok(&bytes)
		? blx__wal_snapshot_sync(wal, BLX__GROUP, &record, error)
		: blx__error_set(error, BLX_ENOMEM, "write the log: out of memory");
	blx__buf_finish(&manifest_bytes);
	blx__buf_finish(&bytes);
	return rv;
}

/* A snapshot with the configuration, and nothing behind it. */
static int begin_image(struct blx__wal *wal, const struct blx__found_opts *opts,
	const struct founders *founders, const struct raft_buffer *conf, blx_error *error)
{
	struct blx__snapshot_info info = { 0 };
	int rv = write_image(opts, founders, &info, error);

	if (rv == 0) {
		rv = blx__wal_write_hard_state_sync(wal, BLX__GROUP, info.meta.term, 0, error);
	}
	if (rv == 0) {
		rv = put_record(wal, &info, conf, error);
	}
	blx__snapshot_info_finish(&info);
	return rv;
}

static int begin(struct blx__wal *wal, const struct blx__found_opts *opts,
	const struct founders *founders, blx_error *error)
{
	struct raft_buffer conf;
	int rv = conf_encode(founders, &conf);

	if (rv != 0) {
		return blx__error_set(error, rv, "make %s: out of memory", opts->dir);
	}
	rv = opts->image == NULL ? begin_empty(wal, &conf, error)
				 : begin_image(wal, opts, founders, &conf, error);
	raft_free(conf.base);
	return rv;
}

/* ---- the whole -------------------------------------------------------------------- */

static void identity_of(const struct blx__found_opts *opts, const struct founders *founders,
	struct blx__identity *ret)
{
	const struct blx__founder *self = &founders->list[founders->self];

	*ret = (struct blx__identity){ .id = founders->self + 1,
		.instance = blx__random_u64(opts->env) };
	cluster_id(founders, opts, ret->cluster_id);
	(void)snprintf(ret->cluster, sizeof ret->cluster, "%s", opts->cluster);
	(void)snprintf(ret->name, sizeof ret->name, "%s", self->name);
	(void)snprintf(ret->address, sizeof ret->address, "%s", self->address);
}

static int check_image(const struct blx__found_opts *opts, const struct blx__identity *identity,
	blx_error *error)
{
	const struct blx__image_meta *meta;

	if (opts->image == NULL) {
		return 0;
	}
	meta = blx__image_meta(opts->image);
	if (meta->index == 0 || meta->term == 0) {
		return blx__error_set(error, BLX_EINVAL,
			"make %s: what it is to begin with has no place in a log", opts->dir);
	}
	if (memcmp(meta->cluster_id, identity->cluster_id, BLX__CLUSTER_ID_LEN) != 0) {
		return blx__error_set(error, BLX_ECLUSTER,
			"make %s: what it is to begin with is of another cluster", opts->dir);
	}
	return 0;
}

/* opts is NULL for a member that joins: its log is empty, the leader sends it all. */
static int make(struct blx__env *env, const char *dir, const struct blx__identity *identity,
	const struct blx__found_opts *opts, const struct founders *founders, blx_error *error)
{
	struct blx__file *lock = NULL;
	struct blx__wal *wal = NULL;
	int rv = blx__found_check_dir(env->files, dir, error);

	if (rv == 0) {
		rv = make_dirs(env->files, dir, error);
	}
	if (rv == 0) {
		rv = blx__identity_lock(env->files, dir, &lock, error);
	}
	if (rv == 0) {
		rv = create_wal(env, dir, identity, &wal, error);
	}
	if (rv == 0 && opts != NULL) {
		rv = begin(wal, opts, founders, error);
	}
	blx__wal_close_sync(wal);
	if (rv == 0) {
		rv = blx__identity_write(env->files, dir, identity, error);
	}
	if (lock != NULL) {
		env->files->ops->close(lock);
	}
	return rv;
}

int blx__found(const struct blx__found_opts *opts, blx_error *error)
{
	struct founders founders = { 0 };
	struct blx__identity identity;
	int rv = founders_init(&founders, opts, error);

	if (rv != 0) {
		return rv;
	}
	identity_of(opts, &founders, &identity);
	rv = check_image(opts, &identity, error);
	return rv != 0 ? rv : make(opts->env, opts->dir, &identity, opts, &founders, error);
}

int blx__found_joined(struct blx__env *env, const char *dir, const struct blx__identity *identity,
	blx_error *error)
{
	struct blx__identity own = *identity;

	if (own.id < BLX__MEMBER_JOINED_ID_MIN || !blx__name_valid(own.name) ||
		!blx__address_valid(own.address) || !blx__name_valid(own.cluster)) {
		return blx__error_set(error, BLX_EPROTO,
			"join: what the cluster answered makes no member: id %llu, cluster \"%s\"",
			(unsigned long long)own.id, own.cluster);
	}
	own.instance = blx__random_u64(env);
	return make(env, dir, &own, NULL, NULL, error);
}
