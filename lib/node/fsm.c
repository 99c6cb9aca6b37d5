/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The state machine's side of raft: entries into the machine, the machine into
 * images. When a snapshot is due is decided here, by bytes and count of the
 * log against the size of the state, so that the bytes written for a put do not
 * grow with the store.
 */
#include "base/assert.h"
#include "base/mem.h"
#include "node/impl.h"

#include <string.h>

/* libraft takes a snapshot when so many entries were applied since the last one. */
#define NOW   1
#define NEVER 0x7fffffffu

/* Entries kept behind a snapshot, for followers that lag a little: as many as this many
 * bytes hold. */
#define TRAILING_BYTES (16 * 1024 * 1024)
#define TRAILING_MIN   64
#define TRAILING_MAX   8192

/* By count alone a large store would be written out again and again for little: there must
 * be this part of it in the log, too. */
#define COUNT_STATE_PART 8

static void on_reply(void *data, const struct blx__entry_header *header, unsigned position,
	const struct blx__reply *reply)
{
	struct blx__node *node = data;

	node->counters.applied_commands++;
	if (header->origin == node->identity.id && header->incarnation == node->incarnation) {
		blx__proposals_on_reply(&node->proposals, header->token, position, reply);
	}
}

static bool snapshot_is_due(struct blx__node *node)
{
	struct blx__machine_stats stats;
	uint64_t entries = node->raft.last_applied - node->raft.log.snapshot.last_index;

	blx__machine_stats_get(node->machine, &stats);
	if (node->log_bytes >= node->opts.snapshot_bytes && node->log_bytes >= stats.bytes) {
		return true;
	}
	return entries >= node->opts.snapshot_entries &&
		node->log_bytes >= stats.bytes / COUNT_STATE_PART;
}

static int fsm_apply(struct raft_fsm *fsm, const struct raft_buffer *buf, void **result)
{
	struct blx__node *node = fsm->data;
	raft_index index = node->raft.last_applied + 1;
	raft_term term = blx__guard_term_of(node->guard, index);
	int rv;

	*result = NULL;
	rv = blx__machine_apply(node->machine, index, term, buf->base, buf->len, on_reply, node);
	if (rv != 0) {
		blx_error error = BLX_ERROR_INIT;

		(void)blx__error_set(&error, rv,
			"apply entry %llu: %s; this member stops, because the others may know what "
			"this version does not: upgrade it",
			index, blx_strerror(rv));
		blx__node_fail(node, &error);
		return RAFT_SHUTDOWN;
	}
	node->log_bytes += buf->len;
	raft_set_snapshot_threshold(&node->raft, snapshot_is_due(node) ? NOW : NEVER);
	return 0;
}

static unsigned trailing(const struct blx__node *node)
{
	uint64_t entries = node->raft.last_applied - node->raft.log.snapshot.last_index;
	uint64_t mean = entries > 0 ? node->log_bytes / entries + 64 : 64;
	uint64_t count = TRAILING_BYTES / mean;

	if (count < TRAILING_MIN) {
		count = TRAILING_MIN;
	}
	return count > TRAILING_MAX ? TRAILING_MAX : (unsigned)count;
}

/* raft calls this after the apply that made a snapshot due, and hands the buffer to
 * snapshot_put, which finds the image where it was left. */
static int fsm_snapshot(struct raft_fsm *fsm, struct raft_buffer *bufs[], unsigned *n_bufs)
{
	struct blx__node *node = fsm->data;
	struct blx__image *image;

	if (node->closing || node->failed || !blx__guard_snapshot_ok(node->guard)) {
		return RAFT_BUSY;
	}
	image = blx__machine_pin(node->machine);
	if (image == NULL) {
		return RAFT_BUSY;
	}
	*bufs = raft_malloc(sizeof **bufs);
	if (*bufs != NULL) {
		(*bufs)[0].len = 8;
		(*bufs)[0].base = raft_calloc(1, 8);
	}
	if (*bufs == NULL || (*bufs)[0].base == NULL) {
		raft_free(*bufs);
		blx__image_unref(image);
		return RAFT_BUSY;
	}
	*n_bufs = 1;
	raft_set_snapshot_trailing(&node->raft, trailing(node));
	raft_set_snapshot_threshold(&node->raft, NEVER);
	node->log_bytes = 0;
	blx__io_image_give(node->io, image);
	return 0;
}

/* Letting go of a large store takes long: on a worker. */
struct release {
	struct blx__work work;
	struct blx__node *node;
	struct blx__image *image;
};

static void release_run(struct blx__work *work)
{
	struct release *release = work->data;

	blx__image_unref(release->image);
}

static void on_released(struct blx__work *work)
{
	struct release *release = work->data;

	release->node->releases--;
	blx__free(release);
}

static void release_later(struct blx__node *node, struct blx__image *image)
{
	struct release *release = blx__calloc(1, sizeof *release);

	if (release == NULL || !node->raft_started) {
		blx__free(release);
		blx__image_unref(image);
		return;
	}
	release->node = node;
	release->image = image;
	node->releases++;
	release->work = (struct blx__work){ .run = release_run,
		.done = on_released,
		.data = release };
	blx__list_init(&release->work.link);
	blx__env_submit(node->env, BLX__QUEUE_WORK, &release->work);
}

static int restore_image(struct blx__node *node, struct blx__image *image, blx_error *error)
{
	struct blx__image *old = blx__machine_pin(node->machine);
	int rv = blx__machine_restore(node->machine, image);

	blx__image_unref(image);
	release_later(node, old);
	return rv != 0 ? blx__error_set(error, rv, "restore: %s", blx_strerror(rv)) : 0;
}

static int fsm_restore(struct raft_fsm *fsm, struct raft_buffer *buf)
{
	struct blx__node *node = fsm->data;
	struct blx__image *image;
	blx_error error = BLX_ERROR_INIT;
	int rv = blx__io_image_take(node->io, buf, &image, &error);

	if (rv == 0) {
		rv = restore_image(node, image, &error);
	}
	if (rv != 0) {
		if (node->raft_started) {
			blx__node_fail(node, &error);
		}
		return RAFT_CORRUPT;
	}
	raft_free(buf->base);
	node->log_bytes = 0;
	return 0;
}

void blx__fsm_init(struct blx__node *node)
{
	node->fsm = (struct raft_fsm){ .version = 1,
		.data = node,
		.apply = fsm_apply,
		.snapshot = fsm_snapshot,
		.restore = fsm_restore };
}
