/* SPDX-License-Identifier: Apache-2.0 */
#include "support/test.h"

#include "dirs.h"
#include "node/conf.h"
#include "node/found.h"
#include "node/io_impl.h"
#include "node/salvage.h"
#include "snapshot/manifest.h"
#include "snapshot/snapshot.h"
#include "wal/wal.h"

#include <raft.h>
#include <stdio.h>
#include <string.h>

static const struct blx__founder three[] = { { "c", "127.0.0.1:3" }, { "a", "127.0.0.1:1" },
	{ "b", "127.0.0.1:2" } };
static const struct blx__founder three_sorted[] = { { "a", "127.0.0.1:1" },
	{ "b", "127.0.0.1:2" }, { "c", "127.0.0.1:3" } };

static struct dirs dirs;
static blx_error error;

static void begin(void)
{
	dirs_init(&dirs);
	blx_error_init(&error);
}

static void end(void)
{
	dirs_finish(&dirs);
}

static struct blx__found_opts opts_of(const char *name, const struct blx__founder *founders,
	size_t count)
{
	struct blx__found_opts opts = { .env = &dirs.env,
		.dir = dirs_path(&dirs, name),
		.cluster = "blixard",
		.name = name,
		.founders = founders,
		.count = count };

	return opts;
}

/* The log of a directory, as the member would find it. */
static void state_open(const char *dir, struct blx__identity *ret_identity,
	struct blx__wal **ret_wal, struct blx__wal_state *ret_state)
{
	char path[256];
	struct blx__wal_opts opts = { .env = &dirs.env,
		.dir = path,
		.segment_size = 1024 * 1024,
		.groups_max = 1 };

	cr_assert_eq(blx__identity_read(dirs.env.files, dir, ret_identity, &error), 0, "%s",
		error.message);
	(void)snprintf(path, sizeof path, "%s/wal", dir);
	memcpy(opts.cluster_id, ret_identity->cluster_id, sizeof opts.cluster_id);
	opts.member_id = ret_identity->id;
	cr_assert_eq(blx__wal_open(&opts, ret_wal, &error), 0, "%s", error.message);
	cr_assert_eq(blx__wal_state_take(*ret_wal, 0, ret_state), 0);
}

static void state_close(struct blx__wal *wal, struct blx__wal_state *state)
{
	blx__wal_state_finish(state);
	blx__wal_close_sync(wal);
}

static void assert_conf(const void *data, size_t len)
{
	struct raft_configuration conf;
	unsigned i;

	cr_assert_eq(blx__conf_decode(data, len, &conf), 0);
	cr_assert_eq(conf.n, 3);
	for (i = 0; i < 3; i++) {
		char server[64];

		(void)snprintf(server, sizeof server, "%s@%s", three_sorted[i].name,
			three_sorted[i].address);
		cr_assert_eq(conf.servers[i].id, i + 1);
		cr_assert_str_eq(conf.servers[i].address, server);
		cr_assert_eq(conf.servers[i].role, RAFT_VOTER);
	}
	raft_configuration_close(&conf);
}

Test(found, the_order_of_the_founders_makes_no_difference, .init = begin, .fini = end)
{
	struct blx__found_opts opts = opts_of("a", three, 3);
	struct blx__found_opts sorted = opts_of("b", three_sorted, 3);
	uint8_t id[BLX__CLUSTER_ID_LEN];
	uint8_t other[BLX__CLUSTER_ID_LEN];

	cr_assert_eq(blx__found_cluster_id(&opts, id, &error), 0);
	cr_assert_eq(blx__found_cluster_id(&sorted, other, &error), 0);
	cr_assert_arr_eq(id, other, sizeof id);

	sorted.cluster = "another";
	cr_assert_eq(blx__found_cluster_id(&sorted, other, &error), 0);
	cr_assert_neq(memcmp(id, other, sizeof id), 0);
	opts.salt = 1;
	cr_assert_eq(blx__found_cluster_id(&opts, other, &error), 0);
	cr_assert_neq(memcmp(id, other, sizeof id), 0);
	sorted = opts_of("a", three_sorted, 2);
	cr_assert_eq(blx__found_cluster_id(&sorted, other, &error), 0);
	cr_assert_neq(memcmp(id, other, sizeof id), 0);
}

Test(found, a_founder_begins_with_the_configuration_as_first_entry, .init = begin, .fini = end)
{
	struct blx__found_opts opts = opts_of("b", three, 3);
	struct blx__identity identity;
	struct blx__wal_state state;
	struct blx__wal *wal;

	cr_assert_eq(blx__found(&opts, &error), 0, "%s", error.message);
	state_open(opts.dir, &identity, &wal, &state);

	cr_assert_eq(identity.id, 2);
	cr_assert_str_eq(identity.name, "b");
	cr_assert_str_eq(identity.address, "127.0.0.1:2");
	cr_assert_eq(state.term, 1);
	cr_assert_eq(state.vote, 0);
	cr_assert_not(state.has_snapshot);
	cr_assert_eq(state.first_index, 1);
	cr_assert_eq(state.count, 1);
	cr_assert_eq(state.entries[0].term, 1);
	cr_assert_eq(state.entries[0].type, RAFT_CHANGE);
	assert_conf(state.entries[0].data, state.entries[0].len);
	state_close(wal, &state);
}

Test(found, one_that_joins_begins_with_an_empty_log, .init = begin, .fini = end)
{
	struct blx__identity identity = { .id = 300,
		.cluster = "blixard",
		.name = "d",
		.address = "127.0.0.1:4" };
	struct blx__identity read;
	struct blx__wal_state state;
	struct blx__wal *wal;
	char dir[160];

	(void)snprintf(dir, sizeof dir, "%s", dirs_path(&dirs, "d"));
	cr_assert_eq(blx__found_joined(&dirs.env, dir, &identity, &error), 0, "%s", error.message);
	state_open(dir, &read, &wal, &state);
	cr_assert_eq(read.id, 300);
	cr_assert_neq(read.instance, 0);
	cr_assert_eq(state.term, 0);
	cr_assert_eq(state.count, 0);
	cr_assert_eq(state.first_index, 1);
	state_close(wal, &state);

	identity.id = 2;
	cr_assert_eq(blx__found_joined(&dirs.env, dirs_path(&dirs, "e"), &identity, &error),
		BLX_EPROTO, "an id of a founder");
}

Test(found, a_directory_that_is_not_empty_is_left_alone, .init = begin, .fini = end)
{
	struct blx__found_opts opts = opts_of("a", three, 3);
	struct blx__file *file;
	char path[200];

	cr_assert_eq(blx__found(&opts, &error), 0, "%s", error.message);
	cr_assert_eq(blx__found(&opts, &error), BLX_EINUSE);

	opts = opts_of("b", three, 3);
	cr_assert_eq(dirs.env.files->ops->make_dir(dirs.env.files, opts.dir, NULL), 0);
	(void)snprintf(path, sizeof path, "%s/precious", opts.dir);
	cr_assert_eq(dirs.env.files->ops->open(dirs.env.files, path,
			     BLX__OPEN_WRITE | BLX__OPEN_CREATE, &file, NULL),
		0);
	dirs.env.files->ops->close(file);
	cr_assert_eq(blx__found(&opts, &error), BLX_EINUSE);
	cr_assert_not_null(strstr(error.message, "precious"), "%s", error.message);
}

static void assert_refused(struct blx__found_opts *opts, const char *part)
{
	cr_assert_eq(blx__found(opts, &error), BLX_EINVAL, "%s", part);
	cr_assert_not_null(strstr(error.message, part), "%s", error.message);
}

Test(found, what_cannot_be_founded_is_refused_by_name, .init = begin, .fini = end)
{
	struct blx__founder twice[] = { { "a", "127.0.0.1:1" }, { "a", "127.0.0.1:2" } };
	struct blx__founder shared[] = { { "a", "127.0.0.1:1" }, { "b", "127.0.0.1:1" } };
	struct blx__founder bad_name[] = { { "a/b", "127.0.0.1:1" } };
	struct blx__founder bad_address[] = { { "a", "127.0.0.1" } };
	struct blx__founder nothing[] = { { NULL, NULL } };
	struct blx__found_opts opts = opts_of("z", three, 3);

	assert_refused(&opts, "\"z\"");
	opts = opts_of("a", twice, 2);
	assert_refused(&opts, "twice");
	opts = opts_of("a", shared, 2);
	assert_refused(&opts, "127.0.0.1:1");
	opts = opts_of("a", bad_name, 1);
	assert_refused(&opts, "a/b");
	opts = opts_of("a", bad_address, 1);
	assert_refused(&opts, "HOST:PORT");
	opts = opts_of("a", nothing, 1);
	assert_refused(&opts, "name");
	opts = opts_of("a", three, 0);
	assert_refused(&opts, "0 members");
	opts = opts_of("a", three, 3);
	opts.cluster = "no spaces";
	assert_refused(&opts, "no spaces");
	opts.cluster = NULL;
	assert_refused(&opts, "name");
}

/* ---- beginning with what was there before ------------------------------------------ */

static struct blx__image *image_of(const uint8_t cluster_id[16], uint64_t index)
{
	struct blx__image_meta meta = { .index = index, .term = 4, .revision = 9, .time_ms = 5 };
	struct blx__image_item items[] = {
		{ (const uint8_t *)"a", 1, (const uint8_t *)"1", 1, NULL, 0, 2, 3, 2 },
		{ (const uint8_t *)"b", 1, (const uint8_t *)"2", 1, NULL, 0, 9, 9, 1 },
	};
	struct blx__image_builder *builder;
	struct blx__image *image;
	size_t i;

	memcpy(meta.cluster_id, cluster_id, 16);
	cr_assert_eq(blx__image_builder_create(&meta, &builder), 0);
	for (i = 0; i < 2; i++) {
		cr_assert_eq(blx__image_builder_add_item(builder, &items[i]), 0);
	}
	cr_assert_eq(blx__image_builder_finish(builder, &image), 0);
	blx__image_builder_destroy(builder);
	return image;
}

static void assert_snapshot(const char *dir, const struct blx__wal_state *state, uint64_t hash)
{
	struct blx__snapshot_ctl ctl = { .files = dirs.env.files };
	struct blx__io_snapshot_meta meta;
	struct blx__snapshot_info info = { 0 };
	struct blx__manifest manifest;
	char path[256];

	cr_assert_eq(blx__io_snapshot_meta_get(state->snapshot_meta, state->snapshot_meta_len,
			     &meta),
		0);
	cr_assert_eq(meta.conf_index, state->snapshot_index);
	assert_conf(meta.conf, meta.conf_len);
	cr_assert_eq(blx__manifest_decode(meta.manifest, meta.manifest_len, &manifest, &error), 0);
	(void)snprintf(path, sizeof path, "%s/snapshots/%s", dir, manifest.name);
	cr_assert_eq(blx__snapshot_verify(path, &ctl, &info, &error), 0, "%s", error.message);
	cr_assert_eq(blx__manifest_check(&manifest, &info, &error), 0, "%s", error.message);
	cr_assert_eq(info.hash, hash);
	cr_assert_eq(info.members_count, 3);
	blx__snapshot_info_finish(&info);
}

Test(found, a_recovered_cluster_begins_with_a_snapshot_and_nothing_behind_it, .init = begin,
	.fini = end)
{
	struct blx__found_opts opts = opts_of("c", three, 3);
	uint8_t id[BLX__CLUSTER_ID_LEN];
	struct blx__identity identity;
	struct blx__wal_state state;
	struct blx__image *image;
	struct blx__wal *wal;

	opts.salt = 5;
	cr_assert_eq(blx__found_cluster_id(&opts, id, &error), 0);
	image = image_of(id, 50);
	opts.image = image;
	cr_assert_eq(blx__found(&opts, &error), 0, "%s", error.message);
	state_open(opts.dir, &identity, &wal, &state);

	cr_assert_arr_eq(identity.cluster_id, id, sizeof id);
	cr_assert(state.has_snapshot);
	cr_assert_eq(state.snapshot_index, 50);
	cr_assert_eq(state.snapshot_term, 4);
	cr_assert_eq(state.term, 4);
	cr_assert_eq(state.first_index, 51);
	cr_assert_eq(state.count, 0);
	assert_snapshot(opts.dir, &state, blx__image_hash(image));
	state_close(wal, &state);
	blx__image_unref(image);
}

Test(found, an_image_of_another_cluster_is_refused, .init = begin, .fini = end)
{
	struct blx__found_opts opts = opts_of("c", three, 3);
	struct blx__image *image = image_of((const uint8_t *)"0123456789abcdef", 50);

	opts.image = image;
	cr_assert_eq(blx__found(&opts, &error), BLX_ECLUSTER);
	blx__image_unref(image);
}
