/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which membership changes are safe: pure functions of a model, with typed
 * verdicts, and the same asked of a guard. libraft itself checks none of this.
 *
 *  - one change at a time, and only after an entry of the leader's own term is
 *    committed (Ongaro, "bug in single-server membership changes", 2015);
 *  - never from one voter to two: should the leader crash before the second
 *    has the entry, neither could elect itself. Founders are voters from the
 *    beginning, so a cluster that is to grow is founded with two or more;
 *  - never from two voters to one: the one left out may have acknowledged
 *    what the other has not, and a lone voter elects itself unasked;
 *  - the leader never changes its own role: it hands over first;
 *  - an id is used once for all times, for a vote or an acknowledgement of its
 *    former bearer may still be under way.
 */
#ifndef BLX_NODE_GUARD_MEMBER_H
#define BLX_NODE_GUARD_MEMBER_H

#include "base/error.h"
#include "node/guard.h"

#include <raft.h>
#include <stdbool.h>
#include <stdint.h>

enum blx__member_verdict {
	BLX__MEMBER_OK,
	BLX__MEMBER_NOT_LEADER,
	BLX__MEMBER_TRANSFERRING, /* leadership is being handed over */
	BLX__MEMBER_NOT_READY,    /* no entry of the leader's term is committed yet */
	BLX__MEMBER_CHANGING,     /* another change is not committed yet */
	BLX__MEMBER_UNKNOWN,      /* no server of that id */
	BLX__MEMBER_EXISTS,       /* the address is in use */
	BLX__MEMBER_TOO_MANY,
	BLX__MEMBER_IS_LEADER,    /* transfer leadership first */
	BLX__MEMBER_IS_VOTER,     /* to be promoted: it is one already */
	BLX__MEMBER_NO_VOTER,     /* to be demoted: it is none */
	BLX__MEMBER_ONE_TO_TWO,
	BLX__MEMBER_TWO_TO_ONE
};

struct blx__member_model {
	const struct raft_configuration *conf; /* the newest in the log, borrowed */
	raft_id self;
	bool leader;
	bool transferring;
	bool own_term_committed;
	bool changing;
};

enum blx__member_verdict blx__member_add(const struct blx__member_model *model,
	const char *address);
enum blx__member_verdict blx__member_promote(const struct blx__member_model *model, raft_id id);
enum blx__member_verdict blx__member_demote(const struct blx__member_model *model, raft_id id);
enum blx__member_verdict blx__member_remove(const struct blx__member_model *model, raft_id id);

/* For a person. Static. */
const char *blx__member_verdict_text(enum blx__member_verdict verdict);

/* The code of the public API that stands for it; 0 for BLX__MEMBER_OK. */
int blx__member_verdict_code(enum blx__member_verdict verdict);

/* The ids of founders are below this. */
#define BLX__MEMBER_JOINED_ID_MIN 256

/* Never used before: beyond every index of the log by a constant, and the entry that adds it
 * takes an index, so each is greater than all before, those of removed members included. */
raft_id blx__member_next_id(const struct raft_configuration *conf, raft_index last_index);

/* The same of a guard's raft, now. error may be NULL. */
int blx__member_may_add(const struct blx__guard *guard, const char *address, blx_error *error);
int blx__member_may_promote(const struct blx__guard *guard, raft_id id, blx_error *error);
int blx__member_may_demote(const struct blx__guard *guard, raft_id id, blx_error *error);
int blx__member_may_remove(const struct blx__guard *guard, raft_id id, blx_error *error);
raft_id blx__member_new_id(const struct blx__guard *guard);

#endif
