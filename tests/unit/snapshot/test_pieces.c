/* SPDX-License-Identifier: Apache-2.0 */
#include "support/test.h"

#include "scratch.h"
#include "base/crc32c.h"
#include "base/mem.h"
#include "base/rng.h"
#include "snapshot/pieces.h"

/* Two full pieces and a bit. */
#define SOURCE_LEN (2 * BLX__SNAPSHOT_PIECE_SIZE + 12345)

struct fixture {
	struct scratch scratch;
	uint8_t *source;
	uint8_t *buf;
	struct blx__manifest manifest;
	char part[BLX__SNAPSHOT_NAME_SIZE];
	struct blx__snapshot_recv *recv;
};

static void fixture_init(struct fixture *f)
{
	struct blx__rng rng;
	struct blx__snapshot_info info = {.meta = {.index = 50, .term = 3}};
	size_t i;

	scratch_init(&f->scratch);
	f->source = blx__malloc(SOURCE_LEN);
	f->buf = blx__malloc(BLX__SNAPSHOT_PIECE_SIZE);
	blx__rng_init(&rng, 42);
	for (i = 0; i < SOURCE_LEN; i++) {
		f->source[i] = (uint8_t)blx__rng_u64(&rng);
	}
	scratch_write(&f->scratch, "source", f->source, SOURCE_LEN);
	info.size = SOURCE_LEN;
	info.crc = blx__crc32c(0, f->source, SOURCE_LEN);
	blx__manifest_init(&f->manifest, &info);
	blx__snapshot_part_name(50, 3, info.crc, f->part);
	f->recv = NULL;
}

static void fixture_finish(struct fixture *f)
{
	blx__snapshot_recv_destroy(f->recv);
	scratch_finish(&f->scratch);
	blx__free(f->source);
	blx__free(f->buf);
}

static void start(struct fixture *f)
{
	struct blx__snapshot_recv_opts opts = {
		.files = &blx__files_posix,
		.dir = f->scratch.dir,
		.manifest = &f->manifest,
	};

	cr_assert_eq(blx__snapshot_recv_create(&opts, &f->recv, NULL), 0);
}

static void stop(struct fixture *f)
{
	blx__snapshot_recv_destroy(f->recv);
	f->recv = NULL;
}

static struct blx__piece piece_at(struct fixture *f, uint64_t offset)
{
	struct blx__piece piece = {
		.offset = offset,
		.data = f->buf,
		.len = BLX__SNAPSHOT_PIECE_SIZE,
	};

	cr_assert_eq(blx__snapshot_read_piece(&blx__files_posix,
			     scratch_path(&f->scratch, "source"), &piece, NULL),
		0);
	return piece;
}

static void add_next(struct fixture *f)
{
	struct blx__piece piece = piece_at(f, blx__snapshot_recv_offset(f->recv));

	cr_assert_eq(blx__snapshot_recv_add(f->recv, &piece, NULL), 0);
}

static void commit_and_compare(struct fixture *f)
{
	uint8_t *data;
	size_t len;
	char *path;

	cr_assert_eq(blx__snapshot_recv_commit(f->recv, &path, NULL), 0);
	cr_assert_str_eq(path, scratch_path(&f->scratch, f->manifest.name));
	data = scratch_read(&f->scratch, f->manifest.name, &len);
	cr_assert_eq(len, SOURCE_LEN);
	cr_assert_arr_eq(data, f->source, SOURCE_LEN);
	cr_assert_not(scratch_has(&f->scratch, f->part));
	free(data);
	blx__free(path);
}

Test(pieces, a_file_arrives_as_it_is)
{
	struct fixture f;

	fixture_init(&f);
	start(&f);
	while (!blx__snapshot_recv_complete(f.recv)) {
		add_next(&f);
	}
	commit_and_compare(&f);
	fixture_finish(&f);
}

Test(pieces, the_last_one_is_shorter_and_there_is_none_behind_it)
{
	struct fixture f;
	struct blx__piece piece;

	fixture_init(&f);
	piece = piece_at(&f, 2 * BLX__SNAPSHOT_PIECE_SIZE);
	cr_assert_eq(piece.len, 12345);
	piece = piece_at(&f, SOURCE_LEN);
	cr_assert_eq(piece.len, 0);
	fixture_finish(&f);
}

Test(pieces, of_a_file_that_is_gone_are_told_so)
{
	struct fixture f;
	struct blx__piece piece = {.len = 10};

	fixture_init(&f);
	piece.data = f.buf;
	cr_assert_eq(blx__snapshot_read_piece(&blx__files_posix,
			     scratch_path(&f.scratch, "gone"), &piece, NULL),
		BLX_ENOENT);
	fixture_finish(&f);
}

Test(pieces, receiving_goes_on_where_it_was_cut_off)
{
	struct fixture f;

	fixture_init(&f);
	start(&f);
	add_next(&f);
	stop(&f);

	start(&f);

	cr_assert_eq(blx__snapshot_recv_offset(f.recv), BLX__SNAPSHOT_PIECE_SIZE);
	while (!blx__snapshot_recv_complete(f.recv)) {
		add_next(&f);
	}
	commit_and_compare(&f);
	fixture_finish(&f);
}

Test(pieces, receiving_goes_on_behind_a_piece_that_was_half_written)
{
	struct fixture f;

	fixture_init(&f);
	scratch_write(&f.scratch, f.part, f.source, 777);

	start(&f);

	cr_assert_eq(blx__snapshot_recv_offset(f.recv), 777);
	while (!blx__snapshot_recv_complete(f.recv)) {
		add_next(&f);
	}
	commit_and_compare(&f);
	fixture_finish(&f);
}

Test(pieces, a_damaged_one_is_refused_and_can_be_sent_again)
{
	struct fixture f;
	struct blx__piece piece;

	fixture_init(&f);
	start(&f);
	piece = piece_at(&f, 0);
	piece.data[1000] ^= 1;

	cr_assert_eq(blx__snapshot_recv_add(f.recv, &piece, NULL), BLX_ECORRUPT);

	cr_assert_eq(blx__snapshot_recv_offset(f.recv), 0);
	while (!blx__snapshot_recv_complete(f.recv)) {
		add_next(&f);
	}
	commit_and_compare(&f);
	fixture_finish(&f);
}

Test(pieces, out_of_order_empty_or_past_the_end_are_refused)
{
	struct fixture f;
	struct blx__piece piece;
	char *path;

	fixture_init(&f);
	start(&f);
	piece = piece_at(&f, BLX__SNAPSHOT_PIECE_SIZE);
	cr_assert_eq(blx__snapshot_recv_add(f.recv, &piece, NULL), BLX_EINVAL);
	piece = piece_at(&f, 0);
	piece.len = 0;
	cr_assert_eq(blx__snapshot_recv_add(f.recv, &piece, NULL), BLX_EINVAL);
	cr_assert_eq(blx__snapshot_recv_commit(f.recv, &path, NULL), BLX_EINVAL);
	add_next(&f);
	add_next(&f);
	piece = piece_at(&f, 2 * BLX__SNAPSHOT_PIECE_SIZE);
	piece.len++;
	cr_assert_eq(blx__snapshot_recv_add(f.recv, &piece, NULL), BLX_EINVAL);
	fixture_finish(&f);
}

Test(pieces, a_whole_that_is_not_the_promised_file_begins_anew)
{
	struct fixture f;
	char *path;

	fixture_init(&f);
	f.source[5] ^= 1;
	scratch_write(&f.scratch, f.part, f.source, SOURCE_LEN);
	f.source[5] ^= 1;
	start(&f);
	cr_assert(blx__snapshot_recv_complete(f.recv));

	cr_assert_eq(blx__snapshot_recv_commit(f.recv, &path, NULL), BLX_ECORRUPT);

	cr_assert_not(scratch_has(&f.scratch, f.manifest.name));
	cr_assert_eq(blx__snapshot_recv_offset(f.recv), 0);
	while (!blx__snapshot_recv_complete(f.recv)) {
		add_next(&f);
	}
	commit_and_compare(&f);
	fixture_finish(&f);
}

Test(pieces, a_part_longer_than_the_file_begins_anew)
{
	struct fixture f;

	fixture_init(&f);
	f.manifest.size = 1000;
	scratch_write(&f.scratch, f.part, f.source, 1001);
	start(&f);
	cr_assert_eq(blx__snapshot_recv_offset(f.recv), 0);
	fixture_finish(&f);
}

Test(pieces, resuming_can_be_canceled)
{
	struct fixture f;
	atomic_bool cancel = true;
	struct blx__snapshot_recv_opts opts = {
		.files = &blx__files_posix, .cancel = &cancel};

	fixture_init(&f);
	opts.dir = f.scratch.dir;
	opts.manifest = &f.manifest;
	scratch_write(&f.scratch, f.part, f.source, 1000);
	cr_assert_eq(blx__snapshot_recv_create(&opts, &f.recv, NULL), BLX_ECANCELED);
	cr_assert(scratch_has(&f.scratch, f.part));
	f.recv = NULL;
	fixture_finish(&f);
}
