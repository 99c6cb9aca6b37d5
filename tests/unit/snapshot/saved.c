/* SPDX-License-Identifier: Apache-2.0 */
#include "saved.h"

#include "support/test.h"

#include "images.h"

#include <stdio.h>
#include <string.h>

const struct blx__snapshot_ctl saved_ctl = {.files = &blx__files_posix};

static const struct blx__snapshot_member members[] = {
	{1, "a", "127.0.0.1:7001", "voter"},
	{UINT64_MAX, "zwölf", "unix:/run/blixard.sock", "spare"},
};

int saved_write(struct saved *saved, const struct blx__snapshot_ctl *ctl,
	struct blx__snapshot_info *ret_info, blx_error *error)
{
	struct blx__snapshot_write_opts opts = {
		.ctl = *ctl,
		.path = saved->path,
		.image = saved->image,
		.members = members,
		.members_count = 2,
		.product = "blixard test",
	};

	return blx__snapshot_write(&opts, ret_info, error);
}

void saved_init(struct saved *saved, struct blx__image *image)
{
	blx_error error = BLX_ERROR_INIT;

	scratch_init(&saved->scratch);
	(void)snprintf(saved->path, sizeof saved->path, "%s",
		scratch_path(&saved->scratch, "image.db"));
	saved->image = image;
	cr_assert_eq(saved_write(saved, &saved_ctl, &saved->info, &error), 0, "%s",
		error.message);
}

void saved_finish(struct saved *saved)
{
	blx__image_unref(saved->image);
	scratch_finish(&saved->scratch);
}

static void compare_info(const struct saved *saved, const struct blx__snapshot_info *info)
{
	cr_assert_eq(info->hash, saved->info.hash);
	cr_assert_eq(info->items, saved->info.items);
	cr_assert_eq(info->sessions, saved->info.sessions);
	cr_assert_str_eq(info->product, saved->info.product);
	cr_assert_eq(info->members_count, 2);
	cr_assert_eq(info->members[0].id, UINT64_MAX);
	cr_assert_str_eq(info->members[0].address, members[1].address);
	cr_assert_str_eq(info->members[1].name, members[0].name);
}

int saved_load_and_compare(struct saved *saved)
{
	struct blx__snapshot_info info;
	struct blx__image *loaded;
	blx_error error = BLX_ERROR_INIT;
	int rv = blx__snapshot_load(saved->path, &saved_ctl, &loaded, &info, &error);

	if (rv != BLX_OK) {
		cr_assert_neq(error.message[0], '\0');
		cr_assert_eq(error.code, rv);
		return rv;
	}
	compare_info(saved, &info);
	cr_assert(images_equal(loaded, saved->image));
	blx__snapshot_info_finish(&info);
	blx__image_unref(loaded);
	return BLX_OK;
}
