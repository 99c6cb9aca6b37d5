/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Raft configurations: libraft's encoding read with its bounds checked (libraft
 * has no function for it, and its own reader trusts the bytes), copies, and the
 * history of configurations in a log. Configurations are made with libraft's
 * allocator and closed with raft_configuration_close(). Loop thread only.
 */
#ifndef BLX_NODE_CONF_H
#define BLX_NODE_CONF_H

#include <raft.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Members of all roles. A configuration is one entry, and every message to every member costs
 * the leader: some hundred is far beyond what one group is for. */
#define BLX__CONF_SERVERS_MAX 255

/* As long as a name and an address joined can be, and some. */
#define BLX__CONF_ADDRESS_LEN_MAX 1023

/* u8 1, u64 n, n times (u64 id, text and NUL, u8 role), zeros up to a multiple of 8.
 * ret_conf need not be initialised. BLX_ECORRUPT, BLX_ETOOBIG, BLX_ENOMEM. */
int blx__conf_decode(const void *data, size_t len, struct raft_configuration *ret_conf);

/* BLX_ENOMEM. ret_conf need not be initialised. */
int blx__conf_copy(const struct raft_configuration *conf, struct raft_configuration *ret_conf);

/* Same servers in the same order. */
bool blx__conf_equal(const struct raft_configuration *a, const struct raft_configuration *b);

unsigned blx__conf_voters(const struct raft_configuration *conf);

/* NULL: no server of that id. */
const struct raft_server *blx__conf_find(const struct raft_configuration *conf, raft_id id);

/* Is that server the only voter? */
bool blx__conf_sole_voter(const struct raft_configuration *conf, raft_id id);

/* Newest last. */
struct blx__conf_version {
	raft_index index; /* of its entry */
	struct raft_configuration conf; /* owned */
};

struct blx__conf_history {
	struct blx__conf_version *versions; /* owned */
	size_t count;
	size_t cap;
};

void blx__conf_history_init(struct blx__conf_history *history);
void blx__conf_history_finish(struct blx__conf_history *history);

/* Adds what the entry at the index holds; forgets what was at or after that index. Copied.
 * BLX_ENOMEM or a code of blx__conf_decode(); nothing is changed then. */
int blx__conf_history_push(struct blx__conf_history *history, raft_index index,
	const struct raft_configuration *conf);
int blx__conf_history_push_encoded(struct blx__conf_history *history, raft_index index,
	const struct raft_buffer *buf);

/* The entries from this index on are gone. */
void blx__conf_history_truncate(struct blx__conf_history *history, raft_index index);

/* Everything up to the index is committed: older ones can never come back. */
void blx__conf_history_commit(struct blx__conf_history *history, raft_index index);

/* The newest one at or below the index; NULL: none. */
const struct blx__conf_version *blx__conf_history_at(const struct blx__conf_history *history,
	raft_index index);

/* The newest of all; NULL: none. */
const struct blx__conf_version *blx__conf_history_last(const struct blx__conf_history *history);

#endif
