/* SPDX-License-Identifier: Apache-2.0 */
/* What is done without a running member: founding, joining, snapshot files, recovery. */
#include <blixard/node.h>

#include "api/opts.h"
#include "base/buf.h"
#include "base/codec.h"
#include "base/error.h"
#include "base/mem.h"
#include "client/join.h"
#include "node/found.h"
#include "node/salvage.h"
#include "snapshot/snapshot.h"
#include "sys/files.h"
#include "sys/uv_env.h"

#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CLUSTER_NAME "blixard"

void blx_init_opts_init(blx_init_opts *opts)
{
	*opts = (blx_init_opts)BLX_INIT_OPTS_INIT;
}

void blx_join_opts_init(blx_join_opts *opts)
{
	*opts = (blx_join_opts)BLX_JOIN_OPTS_INIT;
}

void blx_recover_opts_init(blx_recover_opts *opts)
{
	*opts = (blx_recover_opts)BLX_RECOVER_OPTS_INIT;
}

/* ---- founding ------------------------------------------------------------------ */

/* The members as found.h takes them. */
static int founders_of(const blx_member *members, size_t count, struct blx__founder *ret_founders,
	blx_error *error)
{
	size_t i;

	if (members == NULL || count == 0 || count > BLX__FOUNDERS_MAX) {
		return blx__error_set(error, BLX_EINVAL,
			"found a cluster: %zu members given: must be 1 to %d", count,
			BLX__FOUNDERS_MAX);
	}
	for (i = 0; i < count; i++) {
		ret_founders[i] = (struct blx__founder){ .name = members[i].name,
			.address = members[i].address };
	}
	return 0;
}

int blx_cluster_init(const blx_init_opts *user_opts, blx_error *error)
{
	blx_init_opts opts;
	struct blx__founder founders[BLX__FOUNDERS_MAX];
	struct blx__found_opts found = { .founders = founders };
	int rv;

	BLX__OPTS(&opts, user_opts);
	rv = founders_of(opts.members, opts.members_count, founders, error);
	if (rv != 0) {
		return rv;
	}
	found.count = opts.members_count;
	found.dir = opts.data_dir;
	found.name = opts.name;
	found.cluster = opts.cluster != NULL ? opts.cluster : CLUSTER_NAME;
	rv = blx__uv_env_create(&found.env, error);
	if (rv == 0) {
		rv = blx__found(&found, error);
		blx__uv_env_destroy(found.env);
	}
	return rv;
}

/* ---- joining -------------------------------------------------------------------- */

static int join_check(const blx_join_opts *opts, blx_error *error)
{
	if (!blx__name_valid(opts->name)) {
		return blx__error_set(error, BLX_EINVAL,
			"join: name \"%s\": must be 1 to %d of a-z A-Z 0-9 - _ . and begin with a "
			"letter, a digit or _",
			opts->name != NULL ? opts->name : "", BLX__NAME_LEN_MAX);
	}
	if (!blx__address_valid(opts->address)) {
		return blx__error_set(error, BLX_EINVAL,
			"join: own address \"%s\": must be HOST:PORT, where the others reach this "
			"member",
			opts->address != NULL ? opts->address : "");
	}
	if (!blx__address_valid(opts->via)) {
		return blx__error_set(error, BLX_EINVAL,
			"join: via \"%s\": must be HOST:PORT of a member",
			opts->via != NULL ? opts->via : "");
	}
	return blx__found_check_dir(&blx__files_posix, opts->data_dir, error);
}

int blx_cluster_join(const blx_join_opts *user_opts, blx_error *error)
{
	blx_join_opts opts;
	struct blx__identity identity;
	struct blx__join_opts join;
	struct blx__env *env;
	int rv;

	BLX__OPTS(&opts, user_opts);
	rv = join_check(&opts, error);
	if (rv != 0) {
		return rv;
	}
	join = (struct blx__join_opts){ .via = opts.via,
		.name = opts.name,
		.address = opts.address,
		.timeout_ms = opts.timeout_ms != 0 ? opts.timeout_ms : BLX_TIMEOUT_DEFAULT_MS };
	rv = blx__join(&join, &identity, error);
	if (rv != 0) {
		return rv;
	}
	rv = blx__uv_env_create(&env, error);
	if (rv == 0) {
		rv = blx__found_joined(env, opts.data_dir, &identity, error);
		blx__uv_env_destroy(env);
	}
	return rv;
}

/* ---- snapshot files --------------------------------------------------------------- */

int blx_snapshot_verify(const char *path, blx_error *error)
{
	struct blx__snapshot_ctl ctl = { .files = &blx__files_posix };

	if (path == NULL) {
		return blx__error_set(error, BLX_EINVAL, "verify a snapshot: no path given");
	}
	return blx__snapshot_verify(path, &ctl, NULL, error);
}

static json_t *members_json(const struct blx__snapshot_info *info)
{
	json_t *array = json_array();
	size_t i;

	for (i = 0; array != NULL && i < info->members_count; i++) {
		const struct blx__snapshot_member *member = &info->members[i];

		if (json_array_append_new(array,
			    json_pack("{s:s, s:I, s:s, s:s}", "name", member->name, "id",
				    (json_int_t)member->id, "address", member->address, "role",
				    member->role)) != 0) {
			json_decref(array);
			return NULL;
		}
	}
	return array;
}

/* Text for the caller, made by blx__malloc() as blx_text_free() frees it. */
static char *info_text(const struct blx__snapshot_info *info)
{
	char cluster_id[BLX__CLUSTER_ID_TEXT];
	char hash[17];
	json_t *root;
	char *dumped;
	char *text;

	blx__cluster_id_text(info->meta.cluster_id, cluster_id);
	(void)snprintf(hash, sizeof hash, "%016llx", (unsigned long long)info->hash);
	root = json_pack("{s:I, s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:s, s:s, s:o}", "format",
		(json_int_t)info->format, "cluster_id", cluster_id, "revision",
		(json_int_t)info->meta.revision, "index", (json_int_t)info->meta.index, "term",
		(json_int_t)info->meta.term, "time_ms", (json_int_t)info->meta.time_ms, "items",
		(json_int_t)info->items, "sessions", (json_int_t)info->sessions, "size",
		(json_int_t)info->size, "hash", hash, "product", info->product, "members",
		members_json(info));
	dumped = root != NULL ? json_dumps(root, JSON_COMPACT) : NULL;
	text = dumped != NULL ? blx__strdup(dumped) : NULL;
	free(dumped);
	json_decref(root);
	return text;
}

int blx_snapshot_inspect(const char *path, char **ret_json, blx_error *error)
{
	struct blx__snapshot_info info = { 0 };
	char *text;
	int rv;

	if (path == NULL || ret_json == NULL) {
		return blx__error_set(error, BLX_EINVAL,
			"inspect a snapshot: no path, or nowhere to put what it says");
	}
	rv = blx__snapshot_inspect(&blx__files_posix, path, &info, error);
	if (rv == 0) {
		text = info_text(&info);
		if (text != NULL) {
			*ret_json = text;
		} else {
			rv = blx__error_set(error, BLX_ENOMEM, "inspect %s: out of memory", path);
		}
	}
	blx__snapshot_info_finish(&info);
	return rv;
}

/* ---- recovery ----------------------------------------------------------------------- */

struct recovery {
	const blx_recover_opts *opts;
	struct blx__founder founders[BLX__FOUNDERS_MAX];
	struct blx__found_opts found;
	struct blx__salvage salvage; /* identity.id 0: from a snapshot file */
	struct blx__image *image;    /* owned: what the new cluster begins with */
	bool continued; /* the file is another founder's beginning of this very cluster */
	uint8_t cluster_id[BLX__CLUSTER_ID_LEN];
};

static int recovery_read(struct recovery *recovery, blx_error *error)
{
	struct blx__snapshot_ctl ctl = { .files = &blx__files_posix };
	const char *from = recovery->opts->from;
	int rv = blx__salvage(recovery->found.env, from, &recovery->salvage, error);

	if (rv == BLX_ENOENT) {
		rv = blx__snapshot_load(from, &ctl, &recovery->salvage.image, NULL, error);
	}
	if (rv != 0) {
		return rv;
	}
	if (blx__image_meta(recovery->salvage.image)->index == 0) {
		return blx__error_set(error, BLX_ENOENT,
			"recover from %s: nothing was ever committed there", from);
	}
	return 0;
}

/*
 * All founders must begin with the same bytes under the same id. Made of the
 * same source they do. Made of the file that the first of them began with they
 * do as well: such a file is recognised, and taken as it is.
 */
static int recovery_rebase(struct recovery *recovery, blx_error *error)
{
	const struct blx__image *old = recovery->salvage.image;
	int rv;

	if (blx__salvage_is_rebased(old, &recovery->found.salt)) {
		rv = blx__found_cluster_id(&recovery->found, recovery->cluster_id, error);
		if (rv != 0) {
			return rv;
		}
		if (memcmp(recovery->cluster_id, blx__image_meta(old)->cluster_id,
			    BLX__CLUSTER_ID_LEN) == 0) {
			recovery->continued = true;
			recovery->image = blx__image_ref(recovery->salvage.image);
			return 0;
		}
	}
	recovery->found.salt = blx__salvage_salt(old);
	rv = blx__found_cluster_id(&recovery->found, recovery->cluster_id, error);
	return rv != 0 ? rv
		       : blx__salvage_rebase(old, recovery->cluster_id, &recovery->image, error);
}

__attribute__((format(printf, 2, 3))) static void say(struct blx__buf *buf, const char *format,
	...)
{
	char line[1024];
	va_list args;
	int len;

	va_start(args, format);
	len = vsnprintf(line, sizeof line, format, args);
	va_end(args);
	if (len > 0) {
		blx__buf_append(buf, line,
			(size_t)len < sizeof line ? (size_t)len : sizeof line - 1);
	}
}

static void say_source(const struct recovery *recovery, struct blx__buf *buf)
{
	const struct blx__salvage *salvage = &recovery->salvage;
	const struct blx__image_meta *meta = blx__image_meta(salvage->image);
	char id[BLX__CLUSTER_ID_TEXT];

	blx__cluster_id_text(meta->cluster_id, id);
	say(buf, "source: %s, cluster %s, revision %llu, %llu keys, log index %llu, term %llu\n",
		recovery->opts->from, id, (unsigned long long)meta->revision,
		(unsigned long long)blx__image_items(salvage->image),
		(unsigned long long)meta->index, (unsigned long long)meta->term);
	if (salvage->identity.id != 0) {
		say(buf,
			"  what is left of member %s (id %llu): its snapshot at index %llu and its "
			"log up to %llu.\n"
			"  All entries of the log are included. Which of the last ones were "
			"committed cannot be known\n"
			"  from one member: writes that were never acknowledged may be among them, "
			"and writes that\n"
			"  were acknowledged are missing if this member did not have them.\n",
			salvage->identity.name, (unsigned long long)salvage->identity.id,
			(unsigned long long)salvage->snapshot_index,
			(unsigned long long)salvage->last_index);
	} else if (!recovery->continued) {
		say(buf, "  a snapshot file: what was written after it was made is lost.\n");
	}
}

static void say_plan(const struct recovery *recovery, struct blx__buf *buf)
{
	const blx_recover_opts *opts = recovery->opts;
	const struct blx__image_meta *meta = blx__image_meta(recovery->image);
	char id[BLX__CLUSTER_ID_TEXT];
	size_t i;

	blx__cluster_id_text(recovery->cluster_id, id);
	say_source(recovery, buf);
	say(buf, "new cluster: %s, id %s, begins at revision %llu, log index %llu\n",
		recovery->found.cluster, id, (unsigned long long)meta->revision,
		(unsigned long long)meta->index);
	for (i = 0; i < recovery->found.count; i++) {
		say(buf, "  voter %s at %s\n", recovery->founders[i].name,
			recovery->founders[i].address);
	}
	if (recovery->continued) {
		say(buf, "  the source is what another founder of this cluster began with: it is "
			 "taken as it is.\n");
	} else {
		say(buf,
			"  its members and those of the old cluster refuse each other; callers' "
			"sessions are not kept;\n  a note of the source is written to %s.\n",
			BLX__SALVAGE_KEY);
	}
	say(buf, "%s: %s, for member %s\n",
		opts->confirmed ? "made" : "would make, once it is confirmed", opts->data_dir,
		opts->name);
	if (recovery->found.count > 1) {
		say(buf,
			"next: make the other members in the same way from the same source, or "
			"from the file in\n  %s/snapshots, before any of them is started.\n",
			opts->data_dir);
	}
}

static int recovery_plan(const struct recovery *recovery, char **ret_plan, blx_error *error)
{
	struct blx__buf buf;
	size_t len;

	blx__buf_init(&buf);
	say_plan(recovery, &buf);
	blx__put_u8(&buf, 0);
	if (!blx__buf_ok(&buf)) {
		blx__buf_finish(&buf);
		return blx__error_set(error, BLX_ENOMEM, "recover: out of memory");
	}
	*ret_plan = (char *)blx__buf_take(&buf, &len);
	return 0;
}

static int recovery_run(struct recovery *recovery, char **ret_plan, blx_error *error)
{
	char *plan = NULL;
	int rv = blx__found_check_dir(&blx__files_posix, recovery->opts->data_dir, error);

	if (rv == 0) {
		/* Are name and members as they must be? Before the source is read. */
		rv = blx__found_cluster_id(&recovery->found, recovery->cluster_id, error);
	}
	if (rv == 0) {
		rv = recovery_read(recovery, error);
	}
	if (rv == 0) {
		rv = recovery_rebase(recovery, error);
	}
	if (rv == 0) {
		rv = recovery_plan(recovery, &plan, error);
	}
	if (rv == 0 && recovery->opts->confirmed) {
		recovery->found.image = recovery->image;
		rv = blx__found(&recovery->found, error);
	}
	if (rv != 0) {
		blx__free(plan);
		return rv;
	}
	*ret_plan = plan;
	return 0;
}

int blx_recover(const blx_recover_opts *user_opts, char **ret_plan, blx_error *error)
{
	blx_recover_opts opts;
	struct recovery recovery = { .opts = &opts };
	int rv;

	BLX__OPTS(&opts, user_opts);
	if (opts.from == NULL || ret_plan == NULL) {
		return blx__error_set(error, BLX_EINVAL,
			"recover: nothing to recover from, or nowhere to put the plan");
	}
	rv = founders_of(opts.members, opts.members_count, recovery.founders, error);
	if (rv != 0) {
		return rv;
	}
	recovery.found = (struct blx__found_opts){ .founders = recovery.founders,
		.count = opts.members_count,
		.dir = opts.data_dir,
		.name = opts.name,
		.cluster = opts.cluster != NULL ? opts.cluster : CLUSTER_NAME };
	rv = blx__uv_env_create(&recovery.found.env, error);
	if (rv != 0) {
		return rv;
	}
	rv = recovery_run(&recovery, ret_plan, error);
	blx__image_unref(recovery.image);
	blx__salvage_finish(&recovery.salvage);
	blx__uv_env_destroy(recovery.found.env);
	return rv;
}
