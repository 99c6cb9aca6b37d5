/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Snapshots of our own. raft carries a manifest of some hundred bytes; the
 * image is a file. To take one: the image was pinned by fsm->snapshot(); a
 * worker writes the file; a record in the log makes it the snapshot, and only
 * then may older entries go. To install one: the file is here already
 * (io_install.c), and the record is all that is left.
 */
#include "base/assert.h"
#include "base/log.h"
#include "base/mem.h"
#include "node/conf.h"
#include "node/impl.h"
#include "node/io_impl.h"
#include "snapshot/dir.h"
#include "snapshot/snapshot.h"

#include <blixard/blixard.h>
#include <stddef.h>
#include <string.h>

/* Behind the one that the log goes on from one more stays: a lagging member may be fetching
 * it. */
#define OLDER_KEPT 1

struct put {
	struct blx__work work;
	struct blx__wal_req req;
	struct blx__io *io;
	struct raft_io_snapshot_put *outer;
	struct blx__image *image; /* owned; NULL when installing */
	char *path;               /* owned */
	char *dir;                /* owned */
	unsigned trailing;
	raft_index recorded; /* index of the one that the log went on from when this began */
	struct blx__io_snapshot snapshot; /* owned until it is the io's */
	struct blx__snapshot_member *members; /* owned, with the texts in it */
	size_t members_count;
	struct blx__snapshot_info info;
	int code;
	blx_error error;
};

void blx__io_snapshot_finish(struct blx__io_snapshot *snapshot)
{
	blx__free(snapshot->conf);
	blx__free(snapshot->manifest);
	*snapshot = (struct blx__io_snapshot){ 0 };
}

char *blx__io_snapshot_file(const struct blx__io *io, const char *name)
{
	BLX__CLEANUP_FREE char *dir = blx__snapshot_join(io->node->data_dir, "snapshots");

	if (dir == NULL || name == NULL) {
		return NULL;
	}
	return blx__snapshot_join(dir, name);
}

static void members_free(struct put *put)
{
	size_t i;

	for (i = 0; i < put->members_count; i++) {
		blx__free((char *)put->members[i].name);
		blx__free((char *)put->members[i].address);
	}
	blx__free(put->members);
}

static void put_free(struct put *put)
{
	members_free(put);
	blx__io_snapshot_finish(&put->snapshot);
	blx__image_unref(put->image);
	blx__free(put->path);
	blx__free(put->dir);
	blx__free(put);
}

static void put_end(struct put *put, int status)
{
	struct blx__io *io = put->io;
	struct raft_io_snapshot_put *outer = put->outer;
	bool installed = put->trailing == 0;

	INVARIANT(io->works > 0);
	io->works--;
	put_free(put);
	outer->cb(outer, status); /* raft restores what was installed */
	if (installed) {
		io->installing = false;
	}
	blx__node_poll(io->node);
}

/* The record is durable: it is the snapshot now. */
static void on_recorded(struct blx__wal_req *req, int status)
{
	struct put *put = req->data;
	struct blx__io *io = put->io;

	if (status == 0) {
		blx__io_snapshot_finish(&io->snapshot);
		io->snapshot = put->snapshot;
		put->snapshot = (struct blx__io_snapshot){ 0 };
	}
	put_end(put, status == 0 ? 0 : RAFT_IOERR);
}

static void put_record(struct put *put)
{
	struct blx__io *io = put->io;
	struct blx__wal_snapshot record = { .index = put->snapshot.index,
		.term = put->snapshot.term };
	struct blx__buf meta;

	blx__buf_init(&meta);
	blx__io_snapshot_meta_put(&meta,
		&(struct blx__io_snapshot_meta){ .conf_index = put->snapshot.conf_index,
			.conf = put->snapshot.conf,
			.conf_len = put->snapshot.conf_len,
			.manifest = put->snapshot.manifest,
			.manifest_len = put->snapshot.manifest_len });
	if (!blx__buf_ok(&meta)) {
		blx__buf_finish(&meta);
		put_end(put, RAFT_NOMEM);
		return;
	}
	record.meta = meta.data;
	record.meta_len = meta.len;
	if (put->trailing == 0) {
		record.keep_from = put->snapshot.index + 1;
		io->next_index = put->snapshot.index + 1;
	} else {
		record.keep_from = put->snapshot.index > put->trailing
			? put->snapshot.index - put->trailing + 1
			: 1;
	}
	put->req.cb = on_recorded;
	put->req.data = put;
	blx__wal_snapshot(io->node->wal, &put->req, BLX__GROUP, &record);
	blx__buf_finish(&meta);
}

/* By the log's record, not by what is newest: a file whose record a crash took is there all the
 * same, and with two of them the one that is needed would be the third. What cannot be
 * removed does no harm; the next time does. */
static void remove_older(const struct put *put)
{
	const struct blx__files *files = put->io->node->env->files;
	struct blx__snapshot_dir dir;
	unsigned older = 0;
	size_t i;

	if (put->recorded == 0 || blx__snapshot_dir_list(files, put->dir, &dir, NULL) != 0) {
		return;
	}
	for (i = 0; i < dir.count; i++) {
		BLX__CLEANUP_FREE char *path = NULL;

		if (dir.entries[i].index >= put->recorded || older++ < OLDER_KEPT) {
			continue;
		}
		path = blx__snapshot_join(put->dir, dir.entries[i].name);
		if (path != NULL) {
			(void)files->ops->remove(files, path, NULL);
		}
	}
	blx__snapshot_dir_finish(&dir);
}

static void put_run(struct blx__work *work)
{
	struct put *put = work->data;
	struct blx__snapshot_write_opts opts = {
		.ctl = { .files = put->io->node->env->files, .cancel = &put->io->cancel },
		.path = put->path,
		.image = put->image,
		.members = put->members,
		.members_count = put->members_count,
		.product = "libblixard " BLX_VERSION_STRING,
	};

	put->code = blx__snapshot_write(&opts, &put->info, &put->error);
	if (put->code == 0) {
		remove_older(put);
	}
	blx__image_unref(put->image); /* may be long: here, not on the loop */
	put->image = NULL;
}

static void on_written(struct blx__work *work)
{
	struct put *put = work->data;
	struct blx__io *io = put->io;
	struct blx__manifest manifest;
	struct blx__buf bytes;

	if (put->code != 0) {
		if (put->code != BLX_ECANCELED) {
			blx__node_fail(io->node, &put->error);
		}
		put_end(put, put->code == BLX_ECANCELED ? RAFT_CANCELED : RAFT_IOERR);
		return;
	}
	blx__manifest_init(&manifest, &put->info);
	blx__buf_init(&bytes);
	blx__manifest_encode(&manifest, &bytes);
	if (!blx__buf_ok(&bytes)) {
		put_end(put, RAFT_NOMEM);
		return;
	}
	put->snapshot.manifest = blx__buf_take(&bytes, &put->snapshot.manifest_len);
	io->node->counters.snapshots_taken++;
	blx__log(BLX__LOG_INFO, "node", "%s: snapshot at index %llu: %llu keys, %llu bytes",
		io->node->identity.name, (unsigned long long)put->snapshot.index,
		(unsigned long long)put->info.items, (unsigned long long)put->info.size);
	put_record(put);
}

static const char *role_text(int role)
{
	return role == RAFT_VOTER ? "voter" : role == RAFT_STANDBY ? "standby" : "spare";
}

static int members_copy(struct put *put, const struct raft_configuration *conf)
{
	char name[BLX__NAME_LEN_MAX + 1];
	char address[BLX__ADDRESS_LEN_MAX + 1];
	unsigned i;

	put->members = blx__calloc(conf->n, sizeof *put->members);
	if (put->members == NULL) {
		return BLX_ENOMEM;
	}
	for (i = 0; i < conf->n; i++) {
		struct blx__snapshot_member *member = &put->members[i];

		if (blx__server_address_split(conf->servers[i].address, name, address) != 0) {
			continue;
		}
		put->members_count = i + 1;
		member->id = conf->servers[i].id;
		member->name = blx__strdup(name);
		member->address = blx__strdup(address);
		member->role = role_text(conf->servers[i].role);
		if (member->name == NULL || member->address == NULL) {
			return BLX_ENOMEM;
		}
	}
	return 0;
}

static int put_fill(struct put *put, const struct raft_snapshot *snapshot)
{
	struct raft_buffer conf;

	put->snapshot.index = snapshot->index;
	put->snapshot.term = snapshot->term;
	put->snapshot.conf_index = snapshot->configuration_index;
	if (raft_configuration_encode(&snapshot->configuration, &conf) != 0) {
		return BLX_ENOMEM;
	}
	put->snapshot.conf = blx__memdup(conf.base, conf.len);
	put->snapshot.conf_len = conf.len;
	raft_free(conf.base);
	put->dir = blx__snapshot_join(put->io->node->data_dir, "snapshots");
	return put->snapshot.conf == NULL || put->dir == NULL ? BLX_ENOMEM : 0;
}

static int put_own(struct put *put, const struct raft_snapshot *snapshot)
{
	struct blx__io *io = put->io;
	const struct blx__image_meta *meta;
	char name[BLX__SNAPSHOT_NAME_SIZE];

	INVARIANT(io->given != NULL);

	put->recorded = io->snapshot.index;
	put->image = io->given;
	io->given = NULL;
	meta = blx__image_meta(put->image);
	blx__snapshot_name(meta->index, meta->term, name);
	put->path = blx__io_snapshot_file(io, name);
	if (put->path == NULL || members_copy(put, &snapshot->configuration) != 0) {
		return BLX_ENOMEM;
	}
	put->work = (struct blx__work){ .run = put_run, .done = on_written, .data = put };
	blx__list_init(&put->work.link);
	io->works++;
	blx__env_submit(io->node->env, BLX__QUEUE_WORK, &put->work);
	return 0;
}

static int put_installed(struct put *put, const struct raft_snapshot *snapshot)
{
	struct blx__io *io = put->io;

	INVARIANT(snapshot->n_bufs == 1);

	put->snapshot.manifest = blx__memdup(snapshot->bufs[0].base, snapshot->bufs[0].len);
	put->snapshot.manifest_len = snapshot->bufs[0].len;
	if (put->snapshot.manifest == NULL) {
		return BLX_ENOMEM;
	}
	io->works++;
	io->installing = true;
	put_record(put);
	return 0;
}

int blx__io_snapshot_put(struct raft_io *raft_io, unsigned trailing,
	struct raft_io_snapshot_put *req, const struct raft_snapshot *snapshot,
	raft_io_snapshot_put_cb cb)
{
	struct blx__io *io = raft_io->impl;
	struct put *put = blx__calloc(1, sizeof *put);
	int rv;

	if (put == NULL) {
		return RAFT_NOMEM;
	}
	put->io = io;
	put->outer = req;
	put->trailing = trailing;
	blx_error_init(&put->error);
	req->cb = cb;
	rv = put_fill(put, snapshot);
	if (rv == 0) {
		rv = trailing > 0 ? put_own(put, snapshot) : put_installed(put, snapshot);
	}
	if (rv != 0) {
		put_free(put);
		return RAFT_NOMEM;
	}
	return 0;
}

/* ---- for raft to read ---------------------------------------------------- */

int blx__io_snapshot_restore_meta(struct blx__io *io, const struct blx__wal_state *state)
{
	struct blx__io_snapshot *snapshot = &io->snapshot;
	struct blx__io_snapshot_meta meta;

	if (blx__io_snapshot_meta_get(state->snapshot_meta, state->snapshot_meta_len, &meta) != 0) {
		(void)blx__error_set(&io->load_error, BLX_ECORRUPT,
			"open %s: the log's record of the snapshot at index %llu is malformed; "
			"remove this member from the cluster and join anew with an empty directory",
			io->node->data_dir, (unsigned long long)state->snapshot_index);
		return RAFT_CORRUPT;
	}
	snapshot->index = state->snapshot_index;
	snapshot->term = state->snapshot_term;
	snapshot->conf_index = meta.conf_index;
	snapshot->conf = blx__memdup(meta.conf, meta.conf_len);
	snapshot->conf_len = meta.conf_len;
	snapshot->manifest = blx__memdup(meta.manifest, meta.manifest_len);
	snapshot->manifest_len = meta.manifest_len;
	return snapshot->conf == NULL || snapshot->manifest == NULL ? RAFT_NOMEM : 0;
}

int blx__io_snapshot_to_raft(const struct blx__io *io, struct raft_snapshot **ret_snapshot)
{
	const struct blx__io_snapshot *from = &io->snapshot;
	struct raft_snapshot *snapshot = raft_calloc(1, sizeof *snapshot);

	if (snapshot == NULL) {
		return RAFT_NOMEM;
	}
	if (blx__conf_decode(from->conf, from->conf_len, &snapshot->configuration) != 0) {
		raft_free(snapshot);
		return RAFT_CORRUPT;
	}
	snapshot->index = from->index;
	snapshot->term = from->term;
	snapshot->configuration_index = from->conf_index;
	snapshot->bufs = raft_malloc(sizeof *snapshot->bufs);
	if (snapshot->bufs != NULL) {
		snapshot->n_bufs = 1;
		snapshot->bufs[0].len = from->manifest_len;
		snapshot->bufs[0].base = raft_malloc(from->manifest_len);
	}
	if (snapshot->bufs == NULL || snapshot->bufs[0].base == NULL) {
		raft_free(snapshot->bufs);
		raft_configuration_close(&snapshot->configuration);
		raft_free(snapshot);
		return RAFT_NOMEM;
	}
	memcpy(snapshot->bufs[0].base, from->manifest, from->manifest_len);
	*ret_snapshot = snapshot;
	return 0;
}

struct get {
	struct blx__list link;
	struct raft_io_snapshot_get *req;
};

void blx__io_gets_run(struct blx__post *post)
{
	struct blx__io *io = post->data;
	struct blx__list due;
	struct blx__list *link;

	blx__list_init(&due);
	blx__list_splice(&due, &io->gets);
	while ((link = blx__list_pop_front(&due)) != NULL) {
		struct get *get = blx__container_of(link, struct get, link);
		struct raft_io_snapshot_get *req = get->req;
		struct raft_snapshot *snapshot = NULL;
		int rv = io->snapshot.index == 0 ? RAFT_NOTFOUND
						 : blx__io_snapshot_to_raft(io, &snapshot);

		blx__free(get);
		req->cb(req, snapshot, rv);
	}
}

int blx__io_snapshot_get(struct raft_io *raft_io, struct raft_io_snapshot_get *req,
	raft_io_snapshot_get_cb cb)
{
	struct blx__io *io = raft_io->impl;
	struct get *get = blx__malloc(sizeof *get);

	if (get == NULL) {
		return RAFT_NOMEM;
	}
	req->cb = cb;
	get->req = req;
	blx__list_push_back(&io->gets, &get->link);
	blx__env_post(io->node->env, &io->gets_post);
	return 0;
}

/* ---- the image behind a manifest ----------------------------------------- */

void blx__io_image_give(struct blx__io *io, struct blx__image *image)
{
	blx__image_unref(io->given);
	io->given = image;
}

static int image_load(struct blx__io *io, const struct blx__manifest *manifest,
	struct blx__image **ret_image, blx_error *error)
{
	struct blx__snapshot_ctl ctl = { .files = io->node->env->files };
	BLX__CLEANUP_FREE char *path = blx__io_snapshot_file(io, manifest->name);
	struct blx__snapshot_info info = { 0 };
	struct blx__image *image;
	int rv;

	if (path == NULL) {
		return blx__error_set(error, BLX_ENOMEM, "open %s: out of memory",
			io->node->data_dir);
	}
	rv = blx__snapshot_load(path, &ctl, &image, &info, error);
	if (rv == BLX_ENOENT) {
		return blx__error_set(error, BLX_ECORRUPT,
			"open %s: the snapshot the log goes on from is missing; put the file back, "
			"or remove this member from the cluster and join anew with an empty "
			"directory",
			path);
	}
	if (rv != 0) {
		return rv;
	}
	rv = blx__manifest_check(manifest, &info, error);
	blx__snapshot_info_finish(&info);
	if (rv != 0) {
		blx__image_unref(image);
		return rv;
	}
	*ret_image = image;
	return 0;
}

int blx__io_image_take(struct blx__io *io, const struct raft_buffer *data,
	struct blx__image **ret_image, blx_error *error)
{
	struct blx__manifest manifest;
	int rv = blx__manifest_decode(data->base, data->len, &manifest, error);

	if (rv != 0) {
		return rv;
	}
	if (io->fetched != NULL &&
		blx__image_meta(io->fetched)->revision == manifest.revision &&
		blx__image_meta(io->fetched)->index == manifest.index) {
		*ret_image = io->fetched;
		io->fetched = NULL;
		return 0;
	}
	rv = image_load(io, &manifest, ret_image, error);
	if (rv != 0) {
		blx__error_copy(&io->load_error, error);
	}
	return rv;
}
