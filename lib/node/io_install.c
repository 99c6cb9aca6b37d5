/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A snapshot from the leader. The message carries a manifest; the file is
 * fetched in pieces and loaded before raft sees the message, so that heartbeats
 * go on meanwhile and raft's own install is a matter of one record.
 *
 *   open -> (ask -> add)* -> commit and load -> deliver
 *
 * A failure anywhere ends it; what was fetched stays on disk, and the leader
 * is told, so that it sends the message again at once: by itself it would only
 * after its timeout, which is long because fetching may take long.
 */
#include "base/assert.h"
#include "base/log.h"
#include "base/mem.h"
#include "node/impl.h"
#include "node/io_impl.h"
#include "node/wire.h"
#include "snapshot/pieces.h"
#include "snapshot/snapshot.h"

#include <stddef.h>
#include <string.h>

#define PIECE_TIMEOUT_MS 10000

struct blx__install {
	struct blx__io *io;
	struct blx__work work;
	struct raft_message message; /* owned until delivered */
	raft_id from;
	struct blx__manifest manifest;
	struct blx__snapshot_recv *recv; /* owned */
	struct blx__piece piece;         /* data owned */
	struct blx__image *image;        /* owned */
	char *path;                      /* owned */
	int code;
	blx_error error;
	bool asking;
	uint64_t began_ns;
};

static void install_free(struct blx__install *install)
{
	blx__snapshot_recv_destroy(install->recv);
	blx__image_unref(install->image);
	blx__free(install->piece.data);
	blx__free(install->path);
	blx__free(install);
}

/* After a pause, so that what fails at once is not tried all the time. */
static void refuse_later(struct blx__io *io, raft_id to, raft_index index)
{
	if (io->closed || io->node->closing || io->node->failed) {
		return;
	}
	if (io->refused_to != 0 && io->refused_to != to &&
		io->refused_to == blx__node_leader(io->node)) {
		return; /* the leader is to hear it, not the one before */
	}
	/* The leader listens to what it offered last. */
	io->refused_index = io->refused_to == to && io->refused_index > index ? io->refused_index
									      : index;
	io->refused_to = to;
	(void)blx__timer_start_ms(io->node->env, &io->refuse_timer,
		io->node->opts.election_timeout_ms / 2);
}

/* For libraft a rejected AppendEntries with the snapshot's index is this very thing: it looks
 * anew at what the follower needs. One that comes too late is passed over. */
void blx__io_install_refuse(struct blx__timer *timer)
{
	struct blx__io *io = timer->data;
	struct raft_message message = { .type = RAFT_IO_APPEND_ENTRIES_RESULT,
		.server_id = io->refused_to };
	struct raft_append_entries_result *result = &message.append_entries_result;
	struct blx__buf buf;

	io->refused_to = 0;
	if (io->closed || io->node->failed || blx__node_is_leader(io->node)) {
		return;
	}
	result->term = io->node->raft.current_term;
	result->rejected = io->refused_index;
	result->last_log_index = io->node->raft.last_stored;
	blx__buf_init(&buf);
	if (blx__wire_put(&buf, &message, 0, 0) == 0) {
		(void)blx__peers_send(io->node->peers, message.server_id, BLX__KIND_RAFT, buf.data,
			buf.len);
	}
	blx__buf_finish(&buf);
}

static void install_end(struct blx__install *install)
{
	struct blx__io *io = install->io;

	if (install->code != 0) {
		blx__log(BLX__LOG_WARN, "node", "%s: fetching %s failed: %s",
			io->node->identity.name, install->manifest.name, install->error.message);
	}
	refuse_later(io, install->from, install->message.install_snapshot.last_index);
	blx__wire_free(&install->message);
	io->install = NULL;
	install_free(install);
}

static bool given_up(const struct blx__install *install)
{
	const struct blx__io *io = install->io;

	return install->code != 0 || io->closed || io->node->closing || io->node->failed;
}

static void work_submit(struct blx__install *install, void (*run)(struct blx__work *),
	void (*done)(struct blx__work *))
{
	install->work = (struct blx__work){ .run = run, .done = done, .data = install };
	blx__list_init(&install->work.link);
	install->io->works++;
	blx__env_submit(install->io->node->env, BLX__QUEUE_WORK, &install->work);
}

/* ---- the end: commit, load, deliver --------------------------------------- */

static void finish_run(struct blx__work *work)
{
	struct blx__install *install = work->data;
	struct blx__snapshot_ctl ctl = { .files = install->io->node->env->files,
		.cancel = &install->io->cancel };
	struct blx__snapshot_info info = { 0 };

	install->code = blx__snapshot_recv_commit(install->recv, &install->path, &install->error);
	if (install->code != 0) {
		return;
	}
	install->code = blx__snapshot_load(install->path, &ctl, &install->image, &info,
		&install->error);
	if (install->code != 0) {
		return;
	}
	install->code = blx__manifest_check(&install->manifest, &info, &install->error);
	blx__snapshot_info_finish(&info);
}

static void on_finished(struct blx__work *work)
{
	struct blx__install *install = work->data;
	struct blx__io *io = install->io;
	struct raft_message message = install->message;
	raft_id from = install->from;

	io->works--;
	if (!given_up(install) && io->installing) {
		/* The record of the one before is on its way to the disk, and what was fetched
		 * for it is not restored yet. */
		install->code = blx__error_set(&install->error, BLX_EBUSY,
			"another one is being installed");
	}
	if (given_up(install)) {
		install_end(install);
		return;
	}
	blx__log(BLX__LOG_INFO, "node", "%s: fetched %s, %llu bytes in %llu ms",
		io->node->identity.name, install->manifest.name,
		(unsigned long long)install->manifest.size,
		(unsigned long long)((blx__mono_ns(io->node->env) - install->began_ns) / 1000000));
	blx__image_unref(io->fetched);
	io->fetched = install->image;
	install->image = NULL;
	io->install = NULL;
	install_free(install);
	io->node->counters.snapshots_installed++;
	blx__io_deliver(io, &message, from);
}

/* ---- the middle: pieces ---------------------------------------------------- */

static void ask(struct blx__install *install);

static void add_run(struct blx__work *work)
{
	struct blx__install *install = work->data;

	install->code = blx__snapshot_recv_add(install->recv, &install->piece, &install->error);
}

static void go_on(struct blx__install *install)
{
	if (given_up(install)) {
		install_end(install);
	} else if (blx__snapshot_recv_complete(install->recv)) {
		work_submit(install, finish_run, on_finished);
	} else {
		ask(install);
	}
}

static void on_added(struct blx__work *work)
{
	struct blx__install *install = work->data;

	install->io->works--;
	go_on(install);
}

static void on_piece(int code, const struct blx__response *response, void *data)
{
	struct blx__install *install = data;
	struct blx__reader reader;
	const uint8_t *bytes;
	size_t len;

	install->asking = false;
	install->io->works--;
	if (code != 0 || response->code != 0) {
		install->code = code != 0 ? code : response->code;
		(void)blx__error_set(&install->error, install->code, "ask the leader: %s",
			blx_strerror(install->code));
		install_end(install);
		return;
	}
	reader = blx__reader_of(response->body, response->body_len);
	install->piece.crc = blx__get_u32(&reader);
	bytes = blx__get_bytes(&reader, BLX__SNAPSHOT_PIECE_SIZE, &len);
	if (!blx__reader_done(&reader) || len == 0) {
		install->code = blx__error_set(&install->error, BLX_EPROTO,
			"the leader's answer is malformed");
		install_end(install);
		return;
	}
	memcpy(install->piece.data, bytes, len);
	install->piece.len = len;
	if (given_up(install)) {
		install_end(install);
		return;
	}
	work_submit(install, add_run, on_added);
}

static void ask(struct blx__install *install)
{
	struct blx__node *node = install->io->node;
	struct blx__call_head head = { .op = BLX__OP_IMAGE_PIECE, .timeout_ms = PIECE_TIMEOUT_MS };
	struct blx__buf body;
	int rv;

	install->piece.offset = blx__snapshot_recv_offset(install->recv);
	blx__buf_init(&body);
	blx__put_u64(&body, install->manifest.index);
	blx__put_u64(&body, install->manifest.term);
	blx__put_u64(&body, install->piece.offset);
	rv = blx__buf_ok(&body)
		? blx__peers_call(node->peers, install->from, &head, body.data, body.len, on_piece,
			  install)
		: BLX_ENOMEM;
	blx__buf_finish(&body);
	if (rv != 0) {
		install->code = blx__error_set(&install->error, rv, "ask the leader: %s",
			blx_strerror(rv));
		install_end(install);
		return;
	}
	install->asking = true;
	install->io->works++;
}

/* ---- the beginning ----------------------------------------------------------- */

static void open_run(struct blx__work *work)
{
	struct blx__install *install = work->data;
	struct blx__node *node = install->io->node;
	BLX__CLEANUP_FREE char *dir = blx__snapshot_join(node->data_dir, "snapshots");
	struct blx__snapshot_recv_opts opts = {
		.files = node->env->files,
		.dir = dir,
		.manifest = &install->manifest,
		.cancel = &install->io->cancel,
	};

	install->code = dir == NULL
		? blx__error_set(&install->error, BLX_ENOMEM, "out of memory")
		: blx__snapshot_recv_create(&opts, &install->recv, &install->error);
}

static void on_opened(struct blx__work *work)
{
	struct blx__install *install = work->data;

	install->io->works--;
	go_on(install);
}

static int install_create(struct blx__io *io, struct raft_message *message, raft_id from,
	struct blx__install **ret_install)
{
	struct blx__install *install = blx__calloc(1, sizeof *install);
	int rv;

	if (install == NULL) {
		return BLX_ENOMEM;
	}
	blx_error_init(&install->error);
	install->piece.data = blx__malloc(BLX__SNAPSHOT_PIECE_SIZE);
	rv = install->piece.data == NULL
		? BLX_ENOMEM
		: blx__manifest_decode(message->install_snapshot.data.base,
			  message->install_snapshot.data.len, &install->manifest, NULL);
	if (rv == 0 && memcmp(install->manifest.cluster_id, io->node->identity.cluster_id,
			       BLX__CLUSTER_ID_LEN) != 0) {
		rv = BLX_ECLUSTER;
	}
	if (rv != 0) {
		install_free(install);
		return rv;
	}
	install->io = io;
	install->message = *message;
	install->from = from;
	install->began_ns = blx__mono_ns(io->node->env);
	*ret_install = install;
	return 0;
}

static bool fetched_already(const struct blx__io *io, const struct raft_buffer *data)
{
	struct blx__manifest manifest;

	return io->fetched != NULL &&
		blx__manifest_decode(data->base, data->len, &manifest, NULL) == 0 &&
		blx__image_meta(io->fetched)->index == manifest.index &&
		blx__image_meta(io->fetched)->revision == manifest.revision;
}

void blx__io_install_begin(struct blx__io *io, struct raft_message *message, raft_id from)
{
	const struct raft_install_snapshot *args = &message->install_snapshot;
	struct blx__install *install;
	int rv;

	if (args->term < io->node->raft.current_term ||
		args->last_index <= io->node->raft.last_applied) {
		blx__io_deliver(io, message, from); /* raft declines it by itself */
		return;
	}
	if (io->install != NULL || io->installing || io->node->closing || io->node->failed) {
		refuse_later(io, from, args->last_index); /* one at a time */
		blx__wire_free(message);
		return;
	}
	if (fetched_already(io, &args->data)) {
		blx__io_deliver(io, message, from); /* raft was busy the last time */
		return;
	}
	rv = install_create(io, message, from, &install);
	if (rv != 0) {
		blx__log(BLX__LOG_WARN, "node", "%s: a snapshot is offered that cannot be used: %s",
			io->node->identity.name, blx_strerror(rv));
		blx__wire_free(message);
		return;
	}
	io->install = install;
	atomic_store(&io->node->heard_ns, blx__mono_ns(io->node->env));
	work_submit(install, open_run, on_opened);
}

void blx__io_install_destroy(struct blx__io *io)
{
	if (io->install != NULL) {
		blx__wire_free(&io->install->message);
		install_free(io->install);
		io->install = NULL;
	}
}
