/* SPDX-License-Identifier: Apache-2.0 */
#include "support/test.h"

#include "../node/dirs.h"
#include "base/mem.h"
#include "node/identity.h"
#include "node/salvage.h"
#include "snapshot/dir.h"
#include "snapshot/snapshot.h"

#include <blixard/blixard.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

static const blx_member two[] = { { "b", "127.0.0.1:2" }, { "a", "127.0.0.1:1" } };

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

/* ---- founding and joining ------------------------------------------------------- */

static blx_init_opts init_opts(const char *name)
{
	blx_init_opts opts = BLX_INIT_OPTS_INIT;

	opts.data_dir = dirs_path(&dirs, name);
	opts.name = name;
	opts.members = two;
	opts.members_count = 2;
	return opts;
}

static struct blx__identity identity_of(const char *name)
{
	struct blx__identity identity;

	cr_assert_eq(blx__identity_read(dirs.env.files, dirs_path(&dirs, name), &identity, &error),
		0, "%s", error.message);
	return identity;
}

Test(offline, founders_are_of_one_cluster, .init = begin, .fini = end)
{
	blx_init_opts opts = init_opts("a");
	struct blx__identity a;
	struct blx__identity b;

	cr_assert_eq(blx_cluster_init(&opts, &error), 0, "%s", error.message);
	opts = init_opts("b");
	cr_assert_eq(blx_cluster_init(&opts, &error), 0, "%s", error.message);
	a = identity_of("a");
	b = identity_of("b");
	cr_assert_arr_eq(a.cluster_id, b.cluster_id, sizeof a.cluster_id);
	cr_assert_str_eq(a.cluster, "blixard");
	cr_assert_eq(a.id, 1);
	cr_assert_eq(b.id, 2);
	cr_assert_neq(a.instance, b.instance);
	cr_assert_eq(blx_cluster_init(&opts, &error), BLX_EINUSE);
}

Test(offline, founding_checks_its_arguments, .init = begin, .fini = end)
{
	blx_init_opts opts = init_opts("a");

	opts.members_count = 0;
	cr_assert_eq(blx_cluster_init(&opts, &error), BLX_EINVAL);
	opts = init_opts("a");
	opts.name = "z";
	cr_assert_eq(blx_cluster_init(&opts, &error), BLX_EINVAL);
	opts = init_opts("a");
	opts.data_dir = NULL;
	cr_assert_eq(blx_cluster_init(&opts, &error), BLX_EINVAL);
	cr_assert_eq(blx_cluster_init(NULL, NULL), BLX_EINVAL);
}

Test(offline, joining_checks_its_arguments_before_it_asks_anybody, .init = begin, .fini = end)
{
	blx_join_opts opts = BLX_JOIN_OPTS_INIT;

	opts.data_dir = dirs.root;
	opts.name = "d";
	opts.address = "127.0.0.1:4";
	opts.via = "127.0.0.1";
	cr_assert_eq(blx_cluster_join(&opts, &error), BLX_EINVAL);
	cr_assert_not_null(strstr(error.message, "via"));
	opts.via = "127.0.0.1:1";
	opts.address = "nowhere";
	cr_assert_eq(blx_cluster_join(&opts, &error), BLX_EINVAL);
	opts.address = "127.0.0.1:4";
	opts.name = "a b";
	cr_assert_eq(blx_cluster_join(&opts, &error), BLX_EINVAL);
}

/* ---- snapshot files ------------------------------------------------------------- */

static void snapshot_write(const char *path)
{
	struct blx__image_meta meta = { .cluster_id = "an old cluster!",
		.index = 50,
		.term = 4,
		.revision = 9,
		.time_ms = 5 };
	struct blx__image_item item = { (const uint8_t *)"a", 1, (const uint8_t *)"1", 1, NULL, 0,
		2, 9, 2 };
	struct blx__snapshot_member member = { 1, "old", "127.0.0.1:9", "voter" };
	struct blx__snapshot_write_opts opts = { .ctl = { .files = dirs.env.files },
		.path = path,
		.members = &member,
		.members_count = 1,
		.product = "test" };
	struct blx__image_builder *builder;
	struct blx__image *image;

	cr_assert_eq(blx__image_builder_create(&meta, &builder), 0);
	cr_assert_eq(blx__image_builder_add_item(builder, &item), 0);
	cr_assert_eq(blx__image_builder_finish(builder, &image), 0);
	blx__image_builder_destroy(builder);
	opts.image = image;
	cr_assert_eq(blx__snapshot_write(&opts, NULL, &error), 0, "%s", error.message);
	blx__image_unref(image);
}

Test(offline, a_snapshot_file_is_verified_and_tells_what_it_is, .init = begin, .fini = end)
{
	const char *path = dirs_path(&dirs, "old.db");
	char *text = NULL;
	json_int_t revision;
	json_int_t index;
	json_int_t items;
	const char *id;
	const char *name;
	json_t *root;

	snapshot_write(path);
	cr_assert_eq(blx_snapshot_verify(path, &error), 0, "%s", error.message);
	cr_assert_eq(blx_snapshot_inspect(path, &text, &error), 0, "%s", error.message);
	root = json_loads(text, 0, NULL);
	cr_assert_not_null(root);
	cr_assert_eq(json_unpack(root, "{s:I, s:I, s:I, s:s, s:[{s:s}]}", "revision", &revision,
			     "index", &index, "items", &items, "cluster_id", &id, "members",
			     "name", &name),
		0, "%s", text);
	cr_assert_eq(revision, 9);
	cr_assert_eq(index, 50);
	cr_assert_eq(items, 1);
	cr_assert_eq(strlen(id), 32);
	cr_assert_str_eq(name, "old");
	json_decref(root);
	blx_text_free(text);
	cr_assert_eq(blx_snapshot_verify(dirs_path(&dirs, "none.db"), &error), BLX_ENOENT);
	cr_assert_eq(blx_snapshot_verify(NULL, &error), BLX_EINVAL);
	cr_assert_eq(blx_snapshot_inspect(path, NULL, &error), BLX_EINVAL);
}

/* ---- recovery ------------------------------------------------------------------- */

struct recovered {
	char from[400];
	char dir[200];
	blx_recover_opts opts;
	char *plan;
};

static void recovered_init(struct recovered *recovered, const char *from, const char *name)
{
	memset(recovered, 0, sizeof *recovered);
	blx_recover_opts_init(&recovered->opts);
	(void)snprintf(recovered->from, sizeof recovered->from, "%s", from);
	(void)snprintf(recovered->dir, sizeof recovered->dir, "%s", dirs_path(&dirs, name));
	recovered->opts.from = recovered->from;
	recovered->opts.data_dir = recovered->dir;
	recovered->opts.name = name;
	recovered->opts.members = two;
	recovered->opts.members_count = 2;
}

static int recover(struct recovered *recovered)
{
	blx_text_free(recovered->plan);
	recovered->plan = NULL;
	return blx_recover(&recovered->opts, &recovered->plan, &error);
}

static uint64_t content_of(const char *name, uint8_t ret_cluster_id[16])
{
	struct blx__salvage salvage;
	uint64_t hash;

	cr_assert_eq(blx__salvage(&dirs.env, dirs_path(&dirs, name), &salvage, &error), 0, "%s",
		error.message);
	hash = blx__image_hash(salvage.image);
	memcpy(ret_cluster_id, salvage.identity.cluster_id, 16);
	cr_assert_arr_eq(ret_cluster_id, blx__image_meta(salvage.image)->cluster_id, 16);
	blx__salvage_finish(&salvage);
	return hash;
}

Test(offline, recovery_does_nothing_until_it_is_confirmed, .init = begin, .fini = end)
{
	struct recovered recovered;

	snapshot_write(dirs_path(&dirs, "old.db"));
	recovered_init(&recovered, dirs_path(&dirs, "old.db"), "a");
	cr_assert_eq(recover(&recovered), 0, "%s", error.message);
	cr_assert_not_null(strstr(recovered.plan, "would make"), "%s", recovered.plan);
	cr_assert_not_null(strstr(recovered.plan, "127.0.0.1:2"));
	cr_assert_eq(blx__identity_read(dirs.env.files, recovered.dir, &(struct blx__identity){ 0 },
			     &error),
		BLX_ENOENT);
	blx_text_free(recovered.plan);
}

Test(offline, founders_recovered_from_one_source_or_from_each_other_agree, .init = begin,
	.fini = end)
{
	struct recovered a;
	struct recovered b;
	char name[BLX__SNAPSHOT_NAME_SIZE];
	char from[400];
	uint8_t id[16];
	uint8_t other[16];
	uint64_t hash;

	snapshot_write(dirs_path(&dirs, "old.db"));
	recovered_init(&a, dirs_path(&dirs, "old.db"), "a");
	a.opts.confirmed = 1;
	cr_assert_eq(recover(&a), 0, "%s", error.message);
	recovered_init(&b, dirs_path(&dirs, "old.db"), "b");
	b.opts.confirmed = 1;
	cr_assert_eq(recover(&b), 0, "%s", error.message);
	hash = content_of("a", id);
	cr_assert_eq(content_of("b", other), hash);
	cr_assert_arr_eq(id, other, 16);

	/* The second time from what the first one began with. */
	blx__snapshot_name(51, 5, name);
	(void)snprintf(from, sizeof from, "%s/snapshots/%s", a.dir, name);
	(void)snprintf(b.from, sizeof b.from, "%s", from);
	(void)snprintf(b.dir, sizeof b.dir, "%s", dirs_path(&dirs, "b2"));
	cr_assert_eq(recover(&b), 0, "%s", error.message);
	cr_assert_not_null(strstr(b.plan, "as it is"), "%s", b.plan);
	cr_assert_eq(content_of("b2", other), hash);
	cr_assert_arr_eq(id, other, 16);
	blx_text_free(a.plan);
	blx_text_free(b.plan);
}

Test(offline, recovery_from_a_directory_tells_that_all_entries_are_taken, .init = begin,
	.fini = end)
{
	blx_init_opts init = init_opts("a");
	struct recovered recovered;
	uint8_t id[16];
	struct blx__identity old;

	cr_assert_eq(blx_cluster_init(&init, &error), 0, "%s", error.message);
	old = identity_of("a");
	recovered_init(&recovered, init.data_dir, "b");
	(void)snprintf(recovered.from, sizeof recovered.from, "%s", dirs_path(&dirs, "a"));
	recovered.opts.confirmed = 1;
	cr_assert_eq(recover(&recovered), 0, "%s", error.message);
	cr_assert_not_null(strstr(recovered.plan, "All entries"), "%s", recovered.plan);
	(void)content_of("b", id);
	cr_assert_neq(memcmp(id, old.cluster_id, 16), 0, "another cluster");
	blx_text_free(recovered.plan);
}

Test(offline, recovery_checks_before_it_reads, .init = begin, .fini = end)
{
	struct recovered recovered;

	recovered_init(&recovered, dirs_path(&dirs, "none.db"), "a");
	cr_assert_eq(recover(&recovered), BLX_ENOENT);
	recovered.opts.name = "z";
	cr_assert_eq(recover(&recovered), BLX_EINVAL);
	recovered.opts.name = "a";
	recovered.opts.data_dir = dirs.root;
	snapshot_write(dirs_path(&dirs, "old.db"));
	cr_assert_eq(recover(&recovered), BLX_EINUSE);
	recovered.opts.from = NULL;
	cr_assert_eq(recover(&recovered), BLX_EINVAL);
	cr_assert_null(recovered.plan);
}
