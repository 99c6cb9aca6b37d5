/* SPDX-License-Identifier: Apache-2.0 */
#include "disk.h"
#include "support/test.h"

#include <string.h>

#define FILE_PATH "/d/file"

struct fixture {
	struct sim_world world;
	struct sim_disk disk;
	const struct blx__files *files;
};

static void fixture_init(struct fixture *fixture, uint64_t seed)
{
	sim_world_init(&fixture->world, seed, NULL);
	sim_disk_init(&fixture->disk, &fixture->world, "A", 0);
	fixture->files = &fixture->disk.files;
	fixture->disk.open = true;
	cr_assert_eq(fixture->files->ops->make_dir(fixture->files, "/d", NULL), 0);
	cr_assert_eq(fixture->files->ops->sync_dir(fixture->files, "/", NULL), 0);
}

static void fixture_finish(struct fixture *fixture)
{
	cr_assert_not(fixture->world.failed, "%s", fixture->world.failure);
	sim_disk_finish(&fixture->disk);
	sim_world_finish(&fixture->world);
}

static struct blx__file *open_file(struct fixture *fixture, unsigned flags)
{
	struct blx__file *file;

	cr_assert_eq(
		fixture->files->ops->open(fixture->files, FILE_PATH, flags, &file, NULL),
		0);
	return file;
}

/* A file of a page of the byte, durable with its name. */
static void make_durable(struct fixture *fixture, int byte)
{
	struct blx__file *file = open_file(fixture, BLX__OPEN_WRITE | BLX__OPEN_CREATE);
	uint8_t page[SIM_PAGE];

	memset(page, byte, sizeof page);
	cr_assert_eq(file->files->ops->write(file, page, sizeof page, 0, NULL), 0);
	cr_assert_eq(file->files->ops->sync(file, NULL), 0);
	cr_assert_eq(fixture->files->ops->sync_dir(fixture->files, "/d", NULL), 0);
	file->files->ops->close(file);
}

static void write_page(struct fixture *fixture, unsigned flags, int byte, bool sync)
{
	struct blx__file *file = open_file(fixture, BLX__OPEN_WRITE | flags);
	uint8_t page[SIM_PAGE];

	memset(page, byte, sizeof page);
	cr_assert_eq(file->files->ops->write(file, page, sizeof page, 0, NULL), 0);
	if (sync) {
		cr_assert_eq(file->files->ops->sync(file, NULL), 0);
	}
	file->files->ops->close(file);
}

static void restart(struct fixture *fixture, bool power)
{
	sim_disk_end_process(&fixture->disk);
	if (power) {
		sim_disk_lose_power(&fixture->disk);
	}
	fixture->disk.open = true;
}

/* How many sectors of the page have the byte. */
static unsigned count_sectors(struct fixture *fixture, int byte)
{
	struct blx__file *file = open_file(fixture, BLX__OPEN_READ);
	uint8_t page[SIM_PAGE];
	uint8_t sector[SIM_SECTOR];
	unsigned count = 0;
	size_t len;
	size_t at;

	memset(sector, byte, sizeof sector);
	cr_assert_eq(file->files->ops->read(file, page, sizeof page, 0, &len, NULL), 0);
	cr_assert_eq(len, sizeof page);
	for (at = 0; at < sizeof page; at += SIM_SECTOR) {
		count += memcmp(page + at, sector, sizeof sector) == 0;
	}
	file->files->ops->close(file);
	return count;
}

Test(disk, what_was_synced_survives_a_loss_of_power)
{
	struct fixture fixture;

	fixture_init(&fixture, 1);
	make_durable(&fixture, 'a');
	write_page(&fixture, 0, 'b', true);
	restart(&fixture, true);
	cr_assert_eq(count_sectors(&fixture, 'b'), 8);
	fixture_finish(&fixture);
}

Test(disk, a_write_with_dsync_needs_no_sync)
{
	struct fixture fixture;

	fixture_init(&fixture, 1);
	make_durable(&fixture, 'a');
	write_page(&fixture, BLX__OPEN_DSYNC, 'b', false);
	restart(&fixture, true);
	cr_assert_eq(count_sectors(&fixture, 'b'), 8);
	fixture_finish(&fixture);
}

Test(disk, the_end_of_the_process_alone_loses_nothing)
{
	struct fixture fixture;

	fixture_init(&fixture, 1);
	make_durable(&fixture, 'a');
	write_page(&fixture, 0, 'b', false);
	restart(&fixture, false);
	cr_assert_eq(count_sectors(&fixture, 'b'), 8);

	/* It was in the kernel's hands only. */
	restart(&fixture, true);
	cr_assert_lt(count_sectors(&fixture, 'b'), 8);
	fixture_finish(&fixture);
}

Test(disk, what_was_not_synced_is_torn_at_sectors)
{
	unsigned torn = 0;
	uint64_t seed;

	for (seed = 1; seed <= 20; seed++) {
		struct fixture fixture;
		unsigned new;

		fixture_init(&fixture, seed);
		make_durable(&fixture, 'a');
		write_page(&fixture, 0, 'b', false);
		restart(&fixture, true);
		new = count_sectors(&fixture, 'b');
		cr_assert_eq(new + count_sectors(&fixture, 'a'), 8);
		torn += new > 0 && new < 8;
		fixture_finish(&fixture);
	}
	cr_assert_gt(torn, 10);
}

Test(disk, a_name_is_durable_once_its_directory_was_synced)
{
	unsigned lost = 0;
	uint64_t seed;

	for (seed = 1; seed <= 20; seed++) {
		struct fixture fixture;
		struct blx__file *file;

		fixture_init(&fixture, seed);
		file = open_file(&fixture, BLX__OPEN_WRITE | BLX__OPEN_CREATE);
		cr_assert_eq(file->files->ops->sync(file, NULL), 0);
		restart(&fixture, true);
		lost += fixture.files->ops->open(fixture.files, FILE_PATH, BLX__OPEN_READ,
				&file, NULL) == BLX_ENOENT;
		fixture_finish(&fixture);
	}
	cr_assert_gt(lost, 0);
	cr_assert_lt(lost, 20);
}

Test(disk, a_rename_is_done_or_not)
{
	uint64_t seed;

	for (seed = 1; seed <= 20; seed++) {
		struct fixture fixture;
		struct blx__file *file;
		const struct blx__files_ops *ops;
		bool before;
		bool after;

		fixture_init(&fixture, seed);
		ops = fixture.files->ops;
		make_durable(&fixture, 'a');
		cr_assert_eq(ops->rename(fixture.files, FILE_PATH, "/d/other", NULL), 0);
		restart(&fixture, true);
		before = ops->open(fixture.files, FILE_PATH, BLX__OPEN_READ, &file,
				 NULL) == 0;
		after = ops->open(fixture.files, "/d/other", BLX__OPEN_READ, &file,
				NULL) == 0;
		cr_assert(before != after);
		fixture_finish(&fixture);
	}
}

Test(disk, the_call_that_the_power_went_in_is_done_in_part)
{
	unsigned part = 0;
	uint64_t seed;

	for (seed = 1; seed <= 20; seed++) {
		struct fixture fixture;
		struct blx__file *file;
		uint8_t page[SIM_PAGE];
		unsigned new;

		fixture_init(&fixture, seed);
		make_durable(&fixture, 'a');
		file = open_file(&fixture, BLX__OPEN_WRITE);
		memset(page, 'b', sizeof page);
		fixture.disk.budget = 1;
		cr_assert_eq(file->files->ops->write(file, page, sizeof page, 0, NULL),
			BLX_EIO);
		cr_assert_eq(file->files->ops->sync(file, NULL), BLX_EIO);
		restart(&fixture, false);
		new = count_sectors(&fixture, 'b');
		part += new > 0 && new < 8;
		fixture_finish(&fixture);
	}
	cr_assert_gt(part, 10);
}

Test(disk, a_lock_ends_with_the_process)
{
	struct fixture fixture;
	struct blx__file *a;
	struct blx__file *b;

	fixture_init(&fixture, 1);
	make_durable(&fixture, 'a');
	a = open_file(&fixture, BLX__OPEN_WRITE);
	b = open_file(&fixture, BLX__OPEN_WRITE);
	cr_assert_eq(a->files->ops->lock(a, NULL), 0);
	cr_assert_eq(b->files->ops->lock(b, NULL), BLX_EINUSE);
	restart(&fixture, false);
	b = open_file(&fixture, BLX__OPEN_WRITE);
	cr_assert_eq(b->files->ops->lock(b, NULL), 0);
	fixture_finish(&fixture);
}

Test(disk, a_file_call_on_the_loop_is_a_fault)
{
	struct fixture fixture;
	struct blx__file *file;

	fixture_init(&fixture, 1);
	fixture.disk.open = false;
	(void)fixture.files->ops->open(
		fixture.files, FILE_PATH, BLX__OPEN_READ, &file, NULL);
	cr_assert(fixture.world.failed);
	fixture.world.failed = false;
	fixture_finish(&fixture);
}
