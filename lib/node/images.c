/* SPDX-License-Identifier: Apache-2.0 */
#include "node/images.h"

#include "base/assert.h"
#include "base/mem.h"
#include "node/impl.h"
#include "snapshot/dir.h"
#include "snapshot/pieces.h"
#include "snapshot/snapshot.h"

#include <blixard/blixard.h>
#include <stdio.h>
#include <string.h>

#define SAVE_NAME_SIZE 40

/* A work on a file for one request, which may end before it. */
struct image_work {
	struct blx__work work;
	struct blx__images *images;
	struct blx__request *request; /* borrowed; NULL: ended */
	struct blx__image *image;     /* owned; what to write, or NULL */
	struct blx__piece piece;      /* data owned; what to read */
	char *path;                   /* owned */
	uint64_t token;
	bool remove; /* the file, and nothing else */
	struct blx__snapshot_info info;
	int code;
	blx_error error;
};

void blx__images_init(struct blx__images *images, struct blx__node *node)
{
	images->node = node;
	images->works = 0;
	memset(images->saves, 0, sizeof images->saves);
	atomic_init(&images->cancel, false);
}

static char *save_path(const struct blx__node *node, uint64_t token)
{
	char name[SAVE_NAME_SIZE];

	(void)snprintf(name, sizeof name, "save-%016llx.db", (unsigned long long)token);
	return blx__snapshot_join(node->data_dir, name);
}

static void work_free(struct image_work *work)
{
	blx__image_unref(work->image);
	blx__free(work->piece.data);
	blx__free(work->path);
	blx__free(work);
}

static void work_run(struct blx__work *job)
{
	struct image_work *work = job->data;
	const struct blx__files *files = work->images->node->env->files;

	if (work->remove) {
		(void)files->ops->remove(files, work->path, NULL); /* tried again at start */
	} else if (work->image != NULL) {
		struct blx__snapshot_write_opts opts = {
			.ctl = { .files = files, .cancel = &work->images->cancel },
			.path = work->path,
			.image = work->image,
			.product = "libblixard " BLX_VERSION_STRING,
		};

		work->code = blx__snapshot_write(&opts, &work->info, &work->error);
		blx__image_unref(work->image);
		work->image = NULL;
	} else {
		work->code = blx__snapshot_read_piece(files, work->path, &work->piece,
			&work->error);
	}
}

static void save_ready(struct blx__images *images, uint64_t token, bool ok)
{
	size_t i;

	for (i = 0; i < BLX__SAVES_MAX; i++) {
		if (images->saves[i].token == token) {
			images->saves[i].ready = true;
			images->saves[i].used_ns = blx__mono_ns(images->node->env);
			if (!ok) {
				images->saves[i].token = 0;
			}
		}
	}
}

static void answer(struct blx__request *request, const struct image_work *work)
{
	struct blx__response response = { .code = 0 };
	struct blx__buf body;

	blx__buf_init(&body);
	if (request->op == BLX__OP_SNAP_MAKE) {
		blx__put_u64(&body, work->token);
		blx__put_u64(&body, work->info.size);
		blx__put_u32(&body, work->info.crc);
	} else {
		blx__put_u32(&body, work->piece.crc);
		blx__put_bytes(&body, work->piece.data, work->piece.len);
	}
	if (blx__buf_ok(&body)) {
		response.revision = work->info.meta.revision;
		response.body = body.data;
		response.body_len = body.len;
		blx__request_finish(request, &response);
	} else {
		blx__request_fail(request, BLX_ENOMEM, "out of memory");
	}
	blx__buf_finish(&body);
}

static void on_done(struct blx__work *job)
{
	struct image_work *work = job->data;
	struct blx__images *images = work->images;
	struct blx__request *request = work->request;

	INVARIANT(images->works > 0);
	images->works--;
	if (work->token != 0 && !work->remove) {
		save_ready(images, work->token, work->code == 0);
	}
	if (request != NULL) {
		request->place = NULL;
		if (work->code == 0) {
			answer(request, work);
		} else {
			blx__request_fail(request, work->code, "%s", work->error.message);
		}
	}
	work_free(work);
}

static struct image_work *work_create(struct blx__images *images, struct blx__request *request,
	char *path)
{
	struct image_work *work = path != NULL ? blx__calloc(1, sizeof *work) : NULL;

	if (work == NULL) {
		blx__free(path);
		return NULL;
	}
	work->images = images;
	work->request = request;
	work->path = path;
	blx_error_init(&work->error);
	return work;
}

static void work_submit(struct image_work *work)
{
	struct blx__images *images = work->images;

	work->work = (struct blx__work){ .run = work_run, .done = on_done, .data = work };
	blx__list_init(&work->work.link);
	images->works++;
	if (work->request != NULL) {
		blx__request_move(work->request, BLX__REQUEST_WORKING, &images->node->working);
		work->request->place = work;
	}
	blx__env_submit(images->node->env, BLX__QUEUE_WORK, &work->work);
}

static void remove_save(struct blx__images *images, size_t i)
{
	struct image_work *work = work_create(images, NULL,
		save_path(images->node, images->saves[i].token));

	images->saves[i].token = 0;
	if (work != NULL) {
		work->remove = true;
		work_submit(work);
	}
}

static void make(struct blx__images *images, struct blx__request *request)
{
	struct blx__node *node = images->node;
	struct image_work *work;
	size_t i = 0;

	while (i < BLX__SAVES_MAX && images->saves[i].token != 0) {
		i++;
	}
	if (i == BLX__SAVES_MAX) {
		blx__request_fail(request, BLX_EBUSY,
			"%d snapshots are being saved already; try again in a minute",
			BLX__SAVES_MAX);
		return;
	}
	images->saves[i].token = blx__random_u64(node->env) | 1;
	images->saves[i].ready = false;
	work = work_create(images, request, save_path(node, images->saves[i].token));
	if (work != NULL) {
		work->image = blx__machine_pin(node->machine);
		work->token = images->saves[i].token;
	}
	if (work == NULL || work->image == NULL) {
		images->saves[i].token = 0;
		if (work != NULL) {
			work_free(work);
		}
		blx__request_fail(request, BLX_ENOMEM, "out of memory");
		return;
	}
	work_submit(work);
}

/* The path that a request for a piece means; NULL: none that we have. */
static char *piece_path(struct blx__images *images, const struct blx__request *request,
	struct blx__reader *reader)
{
	char name[BLX__SNAPSHOT_NAME_SIZE];
	uint64_t first = blx__get_u64(reader);
	size_t i;

	if (request->op == BLX__OP_IMAGE_PIECE) {
		blx__snapshot_name(first, blx__get_u64(reader), name);
		return blx__io_snapshot_file(images->node->io, name);
	}
	for (i = 0; i < BLX__SAVES_MAX; i++) {
		if (first != 0 && images->saves[i].token == first && images->saves[i].ready) {
			images->saves[i].used_ns = blx__mono_ns(images->node->env);
			return save_path(images->node, first);
		}
	}
	return NULL;
}

static void piece(struct blx__images *images, struct blx__request *request)
{
	struct blx__reader reader = blx__reader_of(request->body, request->body_len);
	char *path = piece_path(images, request, &reader);
	uint64_t offset = blx__get_u64(&reader);
	struct image_work *work;

	if (path == NULL || !blx__reader_done(&reader)) {
		blx__free(path);
		blx__request_fail(request, BLX_ENOENT,
			"the snapshot is no longer here; ask for a new one");
		return;
	}
	work = work_create(images, request, path);
	if (work != NULL) {
		work->piece.offset = offset;
		work->piece.len = BLX__SNAPSHOT_PIECE_SIZE;
		work->piece.data = blx__malloc(BLX__SNAPSHOT_PIECE_SIZE);
	}
	if (work == NULL || work->piece.data == NULL) {
		if (work != NULL) {
			work_free(work);
		}
		blx__request_fail(request, BLX_ENOMEM, "out of memory");
		return;
	}
	work_submit(work);
}

void blx__images_add(struct blx__images *images, struct blx__request *request)
{
	if (request->op == BLX__OP_SNAP_MAKE) {
		make(images, request);
	} else {
		piece(images, request);
	}
}

void blx__images_forget(struct blx__request *request)
{
	bool ours = request->op == BLX__OP_SNAP_MAKE || request->op == BLX__OP_SNAP_PIECE ||
		request->op == BLX__OP_IMAGE_PIECE;

	if (ours && request->place != NULL) {
		((struct image_work *)request->place)->request = NULL;
		request->place = NULL;
	}
}

void blx__images_tick(struct blx__images *images)
{
	uint64_t now = blx__mono_ns(images->node->env);
	size_t i;

	for (i = 0; i < BLX__SAVES_MAX; i++) {
		if (images->saves[i].token != 0 && images->saves[i].ready &&
			now - images->saves[i].used_ns > BLX__SAVE_MS * UINT64_C(1000000)) {
			remove_save(images, i);
		}
	}
}

void blx__images_finish(struct blx__images *images)
{
	size_t i;

	atomic_store(&images->cancel, true);
	for (i = 0; i < BLX__SAVES_MAX; i++) {
		if (images->saves[i].token != 0) {
			remove_save(images, i);
		}
	}
}

bool blx__images_idle(const struct blx__images *images)
{
	return images->works == 0;
}

static void remove_if_save(const char *name, void *data)
{
	struct blx__node *node = data;
	BLX__CLEANUP_FREE char *path = NULL;

	if (strncmp(name, "save-", 5) == 0) {
		path = blx__snapshot_join(node->data_dir, name);
		if (path != NULL) {
			(void)node->env->files->ops->remove(node->env->files, path, NULL);
		}
	}
}

void blx__images_clean(struct blx__node *node)
{
	(void)node->env->files->ops->list(node->env->files, node->data_dir, remove_if_save, node,
		NULL);
}
