/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What must be true of a cluster at all times, held against each thing that
 * happens as it happens: the one sequence of entries that all members apply,
 * the same state after each of them, one leader a term, each command of a
 * session done once, and nothing acknowledged that is not in the sequence.
 */
#ifndef SIM_CHECKS_H
#define SIM_CHECKS_H

#include "feed.h"
#include "world.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What some member, ever, applied at an index. */
struct sim_applied {
	uint64_t term;   /* 0: nobody yet */
	uint64_t digest; /* of its bytes */
	uint64_t state;  /* hash of the state behind it; 0: not known */
	uint64_t revision;
	unsigned first; /* the member that did it first */
};

/* A command of a session that changed something. */
struct sim_done {
	uint64_t session; /* 0: free */
	uint64_t seq;
	uint64_t index;
	uint64_t revision;
};

/* One that a client was told was not done. */
struct sim_denied {
	unsigned client;
	uint64_t session;
	uint64_t seq;
};

struct sim_checks {
	struct sim_world *world;     /* borrowed */
	struct sim_applied *applied; /* owned; by index */
	size_t applied_size;
	uint64_t last_index;
	struct sim_done *done; /* owned; a table */
	size_t done_count;
	size_t done_size;
	struct sim_denied *denied; /* owned */
	size_t denied_count;
	size_t denied_size;
	unsigned *leaders; /* owned; by term: member + 1 */
	size_t leaders_size;
	uint64_t terms; /* counter: terms that had a leader */
	struct sim_feed feed;
	/* Told of each change when a member is the first to apply it. May be NULL. */
	void (*on_change)(const struct blx__change *change, void *data);
	void *data;
};

void sim_checks_init(struct sim_checks *checks, struct sim_world *world);
void sim_checks_finish(struct sim_checks *checks);

/* A member applied an entry. First: nobody did before. */
struct sim_apply {
	unsigned member;
	const char *name;
	uint64_t index;
	uint64_t term;
	uint64_t digest;
	uint64_t state;
	uint64_t revision;
};
void sim_checks_applied(struct sim_checks *checks, const struct sim_apply *apply);
/* The first member that applied it has changed what its history tells of these. */
void sim_checks_changed(struct sim_checks *checks, const struct blx__history *history,
	uint64_t from_revision, uint64_t to_revision);
bool sim_checks_is_first(const struct sim_checks *checks, uint64_t index);

/* A member became what a snapshot says. */
void sim_checks_restored(
	struct sim_checks *checks, const char *name, uint64_t index, uint64_t state);

/* A command changed something, as the first member that applied it says. */
void sim_checks_done(struct sim_checks *checks, const struct sim_done *done);

/* A client was told that its write was done, at this revision. */
void sim_checks_acked(struct sim_checks *checks, unsigned client, uint64_t session,
	uint64_t seq, uint64_t revision);

/* A client was told that its write was not done, and will not be. */
void sim_checks_denied(
	struct sim_checks *checks, unsigned client, uint64_t session, uint64_t seq);

/* At the end: is all that was denied true? */
void sim_checks_finally(struct sim_checks *checks);

void sim_checks_leads(
	struct sim_checks *checks, unsigned member, const char *name, uint64_t term);

#endif
