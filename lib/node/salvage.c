/* SPDX-License-Identifier: Apache-2.0 */
#include "node/salvage.h"

#include "base/assert.h"
#include "base/mem.h"
#include "machine/machine.h"
#include "node/impl.h"
#include "node/io_impl.h"
#include "snapshot/dir.h"
#include "snapshot/manifest.h"
#include "snapshot/snapshot.h"
#include "store/path.h"

#include <jansson.h>
#include <raft.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The log is opened to read it; nothing is appended, so no segment of this size is made. */
#define SEGMENT_SIZE (1024 * 1024)

/* ---- reading what is left ---------------------------------------------------- */

static int open_wal(struct blx__env *env, const char *dir, const struct blx__identity *identity,
	struct blx__wal **ret_wal, blx_error *error)
{
	BLX__CLEANUP_FREE char *path = blx__snapshot_join(dir, "wal");
	struct blx__wal_opts opts = { .env = env,
		.dir = path,
		.member_id = identity->id,
		.segment_size = SEGMENT_SIZE,
		.groups_max = 1 };

	if (path == NULL) {
		return blx__error_set(error, BLX_ENOMEM, "read %s: out of memory", dir);
	}
	memcpy(opts.cluster_id, identity->cluster_id, sizeof opts.cluster_id);
	return blx__wal_open(&opts, ret_wal, error);
}

static int load_file(struct blx__env *env, const char *dir, const struct blx__manifest *manifest,
	struct blx__image **ret_image, blx_error *error)
{
	BLX__CLEANUP_FREE char *snapshots = blx__snapshot_join(dir, "snapshots");
	BLX__CLEANUP_FREE char *path = NULL;
	struct blx__snapshot_ctl ctl = { .files = env->files };
	struct blx__snapshot_info info = { 0 };
	struct blx__image *image = NULL;
	int rv;

	path = snapshots != NULL ? blx__snapshot_join(snapshots, manifest->name) : NULL;
	if (path == NULL) {
		return blx__error_set(error, BLX_ENOMEM, "read %s: out of memory", dir);
	}
	rv = blx__snapshot_load(path, &ctl, &image, &info, error);
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

/* The snapshot that the log goes on from. */
static int load_snapshot(struct blx__env *env, const char *dir, const struct blx__wal_state *state,
	struct blx__machine *machine, blx_error *error)
{
	struct blx__io_snapshot_meta meta;
	struct blx__manifest manifest;
	struct blx__image *image = NULL;
	int rv = blx__io_snapshot_meta_get(state->snapshot_meta, state->snapshot_meta_len, &meta);

	if (rv != 0) {
		return blx__error_set(error, rv,
			"read %s: the log's record of the snapshot at index %llu is malformed; "
			"recover from a snapshot file instead",
			dir, (unsigned long long)state->snapshot_index);
	}
	rv = blx__manifest_decode(meta.manifest, meta.manifest_len, &manifest, error);
	if (rv == 0) {
		rv = load_file(env, dir, &manifest, &image, error);
	}
	if (rv != 0) {
		return rv;
	}
	rv = blx__machine_restore(machine, image);
	blx__image_unref(image);
	return rv != 0 ? blx__error_set(error, rv, "read %s: %s", dir, blx_strerror(rv)) : 0;
}

static void on_reply(void *data, const struct blx__entry_header *header, unsigned position,
	const struct blx__reply *reply)
{
	(void)data; /* nobody waits for it any more */
	(void)header;
	(void)position;
	(void)reply;
}

static int apply_entries(const char *dir, const struct blx__wal_state *state,
	struct blx__machine *machine, blx_error *error)
{
	size_t i;

	for (i = 0; i < state->count; i++) {
		const struct blx__wal_entry *entry = &state->entries[i];
		int rv = 0;

		if (state->has_snapshot && entry->index <= state->snapshot_index) {
			continue;
		}
		if (entry->type == RAFT_COMMAND) {
			rv = blx__machine_apply(machine, entry->index, entry->term, entry->data,
				entry->len, on_reply, NULL);
		} else {
			blx__machine_skip(machine, entry->index, entry->term);
		}
		if (rv != 0) {
			return blx__error_set(error, rv, "read %s: apply entry %llu: %s", dir,
				(unsigned long long)entry->index, blx_strerror(rv));
		}
	}
	return 0;
}

static int replay(struct blx__env *env, const char *dir, struct blx__wal *wal,
	struct blx__machine *machine, struct blx__salvage *salvage, blx_error *error)
{
	struct blx__wal_state state;
	int rv = blx__wal_state_take(wal, BLX__GROUP, &state);

	if (rv != 0) {
		return blx__error_set(error, rv, "read %s: %s", dir, blx_strerror(rv));
	}
	if (state.has_snapshot) {
		salvage->snapshot_index = state.snapshot_index;
		rv = load_snapshot(env, dir, &state, machine, error);
	}
	if (rv == 0) {
		rv = apply_entries(dir, &state, machine, error);
	}
	salvage->last_index = state.first_index + state.count - 1;
	blx__wal_state_finish(&state);
	return rv;
}

static int salvage_locked(struct blx__env *env, const char *dir, struct blx__salvage *salvage,
	blx_error *error)
{
	struct blx__machine *machine = NULL;
	struct blx__wal *wal = NULL;
	int rv = open_wal(env, dir, &salvage->identity, &wal, error);

	if (rv == 0 && blx__machine_create(salvage->identity.cluster_id, &machine) != 0) {
		rv = blx__error_set(error, BLX_ENOMEM, "read %s: out of memory", dir);
	}
	if (rv == 0) {
		rv = replay(env, dir, wal, machine, salvage, error);
	}
	if (rv == 0) {
		salvage->image = blx__machine_pin(machine);
		rv = salvage->image != NULL
			? 0
			: blx__error_set(error, BLX_ENOMEM, "read %s: out of memory", dir);
	}
	blx__machine_destroy(machine);
	blx__wal_close_sync(wal);
	return rv;
}

int blx__salvage(struct blx__env *env, const char *dir, struct blx__salvage *ret_salvage,
	blx_error *error)
{
	struct blx__salvage salvage = { 0 };
	struct blx__file *lock;
	int rv = blx__identity_read(env->files, dir, &salvage.identity, error);

	if (rv == 0) {
		rv = blx__identity_lock(env->files, dir, &lock, error);
	}
	if (rv != 0) {
		return rv;
	}
	rv = salvage_locked(env, dir, &salvage, error);
	env->files->ops->close(lock);
	if (rv == 0) {
		*ret_salvage = salvage;
	}
	return rv;
}

void blx__salvage_finish(struct blx__salvage *salvage)
{
	blx__image_unref(salvage->image);
	*salvage = (struct blx__salvage){ 0 };
}

/* ---- the first state of the new cluster ------------------------------------------ */

uint64_t blx__salvage_salt(const struct blx__image *image)
{
	uint64_t hash = blx__image_hash(image) ^ blx__image_meta(image)->revision;

	return hash != 0 ? hash : 1;
}

static void note_key(uint8_t ret_key[BLX__KEY_LEN_MAX], size_t *ret_len)
{
	static const char path[] = BLX__SALVAGE_KEY;
	bool dir;
	int rv = blx__path_parse(path, sizeof path - 1, ret_key, ret_len, &dir, NULL);

	POST(rv == 0);
}

/* No time and no name of a host in it: it is the same wherever it is made. free() it. */
static char *note_text(const struct blx__image *image)
{
	const struct blx__image_meta *meta = blx__image_meta(image);
	char cluster_id[BLX__CLUSTER_ID_TEXT];
	char salt[17];
	json_t *root;
	char *text;

	blx__cluster_id_text(meta->cluster_id, cluster_id);
	(void)snprintf(salt, sizeof salt, "%016llx",
		(unsigned long long)blx__salvage_salt(image));
	root = json_pack("{s:s, s:I, s:I, s:I, s:s}", "from_cluster", cluster_id, "from_index",
		(json_int_t)meta->index, "from_term", (json_int_t)meta->term, "from_revision",
		(json_int_t)meta->revision, "salt", salt);
	text = root != NULL ? json_dumps(root, JSON_COMPACT) : NULL;
	json_decref(root);
	return text;
}

struct rebase {
	struct blx__image_builder *builder;
	struct blx__image_item note;
	bool note_added;
};

static int add_note(struct rebase *rebase)
{
	rebase->note_added = true;
	return blx__image_builder_add_item(rebase->builder, &rebase->note);
}

/* The note goes in where its key belongs, in place of an older one. */
static int on_item(const struct blx__item *item, void *data)
{
	struct rebase *rebase = data;
	struct blx__image_item copy = { .key = blx__item_key(item),
		.key_len = item->key_len,
		.value = blx__item_value(item),
		.value_len = blx__item_value_len(item),
		.create_revision = item->create_revision,
		.mod_revision = item->mod_revision,
		.version = item->version };
	int order = blx__key_compare(copy.key, copy.key_len, rebase->note.key,
		rebase->note.key_len);
	int rv = 0;

	if (order == 0) {
		rebase->note.create_revision = item->create_revision;
		rebase->note.version = item->version + 1;
		return add_note(rebase);
	}
	if (order > 0 && !rebase->note_added) {
		rv = add_note(rebase);
	}
	return rv != 0 ? rv : blx__image_builder_add_item(rebase->builder, &copy);
}

static int rebase_build(const struct blx__image *image, struct rebase *rebase,
	struct blx__image **ret_image)
{
	int rv = blx__image_each_item(image, on_item, rebase);

	if (rv == 0 && !rebase->note_added) {
		rv = add_note(rebase);
	}
	return rv != 0 ? rv : blx__image_builder_finish(rebase->builder, ret_image);
}

int blx__salvage_rebase(const struct blx__image *image, const uint8_t cluster_id[16],
	struct blx__image **ret_image, blx_error *error)
{
	struct blx__image_meta meta = *blx__image_meta(image);
	struct rebase rebase = { 0 };
	uint8_t key[BLX__KEY_LEN_MAX];
	char *text = note_text(image);
	int rv;

	memcpy(meta.cluster_id, cluster_id, sizeof meta.cluster_id);
	meta.index++;
	meta.term++;
	meta.revision++;
	rv = text != NULL ? blx__image_builder_create(&meta, &rebase.builder) : BLX_ENOMEM;
	if (rv == 0) {
		note_key(key, &rebase.note.key_len);
		rebase.note.key = key;
		rebase.note.value = (const uint8_t *)text;
		rebase.note.value_len = strlen(text);
		rebase.note.create_revision = meta.revision;
		rebase.note.mod_revision = meta.revision;
		rebase.note.version = 1;
		rv = rebase_build(image, &rebase, ret_image);
	}
	blx__image_builder_destroy(rebase.builder);
	free(text);
	return rv != 0 ? blx__error_set(error, rv, "recover: %s", blx_strerror(rv)) : 0;
}

bool blx__salvage_is_rebased(const struct blx__image *image, uint64_t *ret_salt)
{
	const struct blx__image_meta *meta = blx__image_meta(image);
	const struct blx__item *item;
	uint8_t key[BLX__KEY_LEN_MAX];
	size_t key_len;
	json_int_t index;
	const char *salt;
	json_t *root;
	bool is;

	note_key(key, &key_len);
	item = blx__tree_get(blx__image_tree(image), key, key_len);
	if (item == NULL) {
		return false;
	}
	root = json_loadb((const char *)blx__item_value(item), blx__item_value_len(item), 0, NULL);
	is = root != NULL &&
		json_unpack(root, "{s:I, s:s}", "from_index", &index, "salt", &salt) == 0 &&
		(uint64_t)index + 1 == meta->index && item->mod_revision == meta->revision;
	if (is) {
		*ret_salt = strtoull(salt, NULL, 16);
	}
	json_decref(root);
	return is;
}
