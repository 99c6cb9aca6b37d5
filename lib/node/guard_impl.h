/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The inside of the guard, shared by guard*.c and by nobody else. Every entry
 * from outside (a message, a tick, an answer of the inner raft_io) is bracketed
 * by enter and leave; what a call makes due is done by the outermost leave.
 */
#ifndef BLX_NODE_GUARD_IMPL_H
#define BLX_NODE_GUARD_IMPL_H

#include "base/list.h"
#include "node/conf.h"
#include "node/guard.h"

#include <raft.h>
#include <stdbool.h>

enum blx__guard_op_kind { BLX__GUARD_APPEND, BLX__GUARD_TRUNCATE, BLX__GUARD_PUT };

struct blx__guard_put;

/* Work for the disk, in the order that raft asked for it. */
struct blx__guard_op {
	struct blx__list link;
	enum blx__guard_op_kind kind;
	struct raft_io_append *append;    /* borrowed from raft until called back */
	const struct raft_entry *entries; /* borrowed likewise */
	unsigned n;
	raft_term term;                   /* raft's when it asked */
	raft_index index;                 /* to truncate from */
	struct blx__guard_put *put;
};

struct blx__guard {
	struct raft_io io; /* impl is this struct; data is raft's */
	struct raft *raft;
	struct raft_io *inner;
	struct blx__guard_opts opts;
	raft_io_tick_cb tick_cb;
	raft_io_recv_cb recv_cb;
	raft_io_close_cb close_cb;

	unsigned depth;     /* of enter and leave */
	bool notifying;     /* on_change is running */
	bool started;       /* raft reads messages */
	bool stopping;
	bool closed;        /* raft is to be told nothing any more, at all */
	bool failed;
	bool failure_told;
	int fail_status;
	const char *fail_what; /* static */
	raft_time started_ms;
	raft_time silent_until_ms; /* guard_vote.c; 0: no silence was promised */
	raft_term told_term; /* of the last leader that told us to begin an election */

	/* guard_append.c, guard_snapshot.c */
	struct blx__list ops;    /* struct blx__guard_op, not begun */
	struct blx__list kept;   /* ops that raft hears of when it is closed */
	struct blx__list writes; /* struct write: appends of the inner raft_io */
	unsigned appends;        /* raft's, not answered */
	struct blx__guard_put *put;  /* at the inner raft_io; owned */
	bool installing;         /* from raft's snapshot_put with trailing 0 to its end */

	/* guard_send.c */
	struct blx__list sends;  /* struct send: at the inner raft_io */
	struct blx__list unsent; /* struct send: to be called back with a failure */
	unsigned entry_sends;    /* AppendEntries with entries among them */

	/* guard_ack.c */
	raft_term match_term;    /* what follows is of the leader of this term */
	raft_index match;        /* our log is the leader's up to here */
	bool stale_write;        /* the write being answered was asked for in an older term */

	/* guard_lead.c */
	raft_term lead_term;     /* the term whose own entry is at lead_index */
	raft_index lead_index;
	struct raft_barrier barrier;
	bool barrier_out;        /* raft holds the request above */

	/* guard_conf.c */
	struct blx__conf_history history;
	raft_index loaded_snapshot; /* index of the snapshot that was loaded; 0: none */

	/* guard_install.c */
	struct raft_message held; /* an InstallSnapshot that waits for the disk; owned */
	char *held_address;       /* owned; NULL: nothing is held */
	raft_term true_term;      /* of the snapshot being handed to raft; 0: as raft sees it */

	/* guard_check.c: what must not go back, and what comes next */
	raft_term seen_term;
	raft_index seen_commit;
	raft_index seen_applied;
	raft_index next_index; /* of the next entry appended */
	raft_term last_term;   /* of the entry before it */

	struct blx__guard_stats stats;
};

static inline struct blx__guard *blx__guard_of(struct raft_io *io)
{
	return io->impl;
}

static inline bool blx__guard_cures(const struct blx__guard *guard, enum blx__guard_cure cure)
{
	return (guard->opts.without & (uint32_t)cure) == 0;
}

/* ---- guard.c ---- */
void blx__guard_enter(struct blx__guard *guard);
void blx__guard_leave(struct blx__guard *guard);

/* The member must end. The first reason counts. what is static. */
void blx__guard_fail(struct blx__guard *guard, int status, const char *what);

/* Frees what a message brought along. */
void blx__guard_message_free(struct raft_message *message);

/* Hands a message to raft, which takes it. */
void blx__guard_deliver(struct blx__guard *guard, struct raft_message *message);

/* Throws a message away. */
void blx__guard_drop(struct blx__guard *guard, struct raft_message *message);

/* ---- guard_load.c ---- */
int blx__guard_load(struct raft_io *io, raft_term *term, raft_id *vote,
	struct raft_snapshot **snapshot, raft_index *start_index, struct raft_entry *entries[],
	size_t *n);

/* ---- guard_append.c ---- */
int blx__guard_append(struct raft_io *io, struct raft_io_append *req,
	const struct raft_entry entries[], unsigned n, raft_io_append_cb cb);
int blx__guard_truncate(struct raft_io *io, raft_index index);
void blx__guard_disk_pump(struct blx__guard *guard);
bool blx__guard_disk_idle(const struct blx__guard *guard);
bool blx__guard_stalled(const struct blx__guard *guard);

/* raft is closed: it gets its requests back, to free them. */
void blx__guard_disk_release(struct blx__guard *guard);

/* ---- guard_snapshot.c ---- */
int blx__guard_snapshot_put(struct raft_io *io, unsigned trailing,
	struct raft_io_snapshot_put *req, const struct raft_snapshot *snapshot,
	raft_io_snapshot_put_cb cb);
bool blx__guard_put_installs(const struct blx__guard_put *put);
bool blx__guard_put_ended(const struct blx__guard_put *put);
void blx__guard_put_begin(struct blx__guard *guard, struct blx__guard_put *put);
void blx__guard_put_pump(struct blx__guard *guard);
void blx__guard_put_release(struct blx__guard *guard, struct blx__guard_put *put);

/* ---- guard_send.c ---- */
int blx__guard_send(struct raft_io *io, struct raft_io_send *req,
	const struct raft_message *message, raft_io_send_cb cb);
void blx__guard_unsent_pump(struct blx__guard *guard);
void blx__guard_sends_orphan(struct blx__guard *guard);

/* ---- guard_ack.c ---- */
/* Our log is that of the leader of the term up to the index. */
void blx__guard_ack_note(struct blx__guard *guard, raft_term term, raft_index index);
/* Lowers an answer to what is true; false: it must not be sent. */
bool blx__guard_ack_lower(struct blx__guard *guard, struct raft_append_entries_result *result);

/* ---- guard_lead.c ---- */
/* A new leader appends an entry of its own term. */
void blx__guard_lead_poll(struct blx__guard *guard);
void blx__guard_lead_tick(struct blx__guard *guard);
void blx__guard_lead_result(struct blx__guard *guard, struct raft_message *message);
bool blx__guard_own_term_committed(const struct blx__guard *guard);

/* ---- guard_vote.c ---- */
void blx__guard_vote_tick(struct blx__guard *guard);
void blx__guard_vote_request(struct blx__guard *guard, struct raft_message *message);
void blx__guard_vote_result_raise(struct blx__guard *guard,
	struct raft_request_vote_result *result);
bool blx__guard_vote_timeout_now_ok(const struct blx__guard *guard);
/* A request of ours for a vote; false: it must not leave. */
bool blx__guard_vote_ask(const struct blx__guard *guard, struct raft_request_vote *args);

/* ---- guard_recv.c ---- */
void blx__guard_recv(struct blx__guard *guard, struct raft_message *message);

/* ---- guard_install.c ---- */
void blx__guard_install_recv(struct blx__guard *guard, struct raft_message *message);
void blx__guard_install_pump(struct blx__guard *guard);
void blx__guard_install_forget(struct blx__guard *guard);

/* ---- guard_conf.c ---- */
struct blx__guard_loaded {
	raft_term *term;
	raft_id *vote;
	struct raft_snapshot *snapshot; /* may be NULL */
	raft_index start_index;
	struct raft_entry *entries;
	size_t n;
};

/* 0 or a status of raft.h. */
int blx__guard_conf_load(struct blx__guard *guard, const struct blx__guard_loaded *loaded);
void blx__guard_conf_start(struct blx__guard *guard);
/* Raft has these at the end of its log now. */
void blx__guard_conf_append(struct blx__guard *guard, const struct raft_entry *entries,
	unsigned n);
void blx__guard_conf_rollback(struct blx__guard *guard, raft_index conflict);
/* 0 or a status of raft.h. */
int blx__guard_conf_install(struct blx__guard *guard, raft_index index,
	const struct raft_configuration *conf);

/* ---- guard_check.c ---- */
int blx__guard_check_loaded(const struct blx__guard_loaded *loaded);
bool blx__guard_check_entries(const struct raft_entry *entries, size_t n, raft_term term_max);
void blx__guard_check_append(struct blx__guard *guard, const struct raft_entry *entries,
	unsigned n);
void blx__guard_check_truncate(struct blx__guard *guard, raft_index index);
void blx__guard_check_state(struct blx__guard *guard);

#endif
