/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A request to a member: from a caller in this process, from a client on the
 * socket, or from another member that forwards. One path for all three.
 *
 * The memory is the asker's. blx__request_submit() may be called from any
 * thread; done fires exactly once, on the loop thread, never inside the call.
 * After it fired the member does not touch the request again.
 *
 *            +--------------> WAITING (no leader known) <--+
 *            |                   |                         | leader lost
 *   NEW -> dispatch ----------> QUEUED -> PROPOSED --------+
 *            |                   |          |              |
 *            +-> FORWARDED ------+----------+--------------+
 *            +-> READING -> APPLYING
 *            +-> WATCHING
 *                         all of them -> DONE, by an answer or the deadline
 */
#ifndef BLX_NODE_REQUEST_H
#define BLX_NODE_REQUEST_H

#include "base/error.h"
#include "base/list.h"
#include "node/protocol.h"
#include "sys/env.h"

#include <stdbool.h>
#include <stdint.h>

struct blx__node;
struct blx__request;

/* Where the asker sets none. */
#define BLX__REQUEST_TIMEOUT_MS 5000

typedef void (*blx__request_cb)(struct blx__request *request,
	const struct blx__response *response);

enum blx__request_state {
	BLX__REQUEST_NEW = 0,   /* handed over, not looked at */
	BLX__REQUEST_WAITING,   /* for a leader to be known */
	BLX__REQUEST_QUEUED,    /* a write here on the leader, for room in an entry */
	BLX__REQUEST_PROPOSED,  /* in an entry that raft has */
	BLX__REQUEST_FORWARDED, /* with the leader */
	BLX__REQUEST_READING,   /* for a read index */
	BLX__REQUEST_APPLYING,  /* for the replica to reach an index or revision */
	BLX__REQUEST_WORKING,   /* a membership change or a snapshot is under way for it */
	BLX__REQUEST_WATCHING,  /* for a change that it matches */
	BLX__REQUEST_DONE
};

struct blx__request {
	/* set by the asker */
	uint8_t op;          /* enum blx__op */
	uint8_t flags;       /* enum blx__call_flags */
	uint32_t timeout_ms; /* from when it is handed over */
	const uint8_t *body; /* borrowed until done */
	size_t body_len;
	blx__request_cb done;
	void *data;

	/* the member's */
	struct blx__list link; /* in the list that its state names */
	struct blx__node *node;
	struct blx__timer timer;
	enum blx__request_state state;
	bool maybe_applied; /* it has left us at least once: a failure is UNKNOWN */
	uint64_t since_ns;
	uint64_t index;        /* APPLYING: to be applied; READING: nothing */
	uint64_t min_revision; /* APPLYING: to be reached */
	uint64_t call_id;      /* FORWARDED */
	void *place;           /* PROPOSED: the slot in its batch; WORKING: the work;
				* WATCHING: the watch */
};

/* ANY THREAD. */
void blx__request_submit(struct blx__node *node, struct blx__request *request);

/* Loop thread. Ends it; done is called. */
void blx__request_finish(struct blx__request *request, const struct blx__response *response);

/* Ends it as a failure; outcome by whether it has left us. */
__attribute__((format(printf, 3, 4))) void blx__request_fail(struct blx__request *request,
	int code, const char *format, ...);

/* Is it for a certain member, so that another would not do? */
bool blx__request_is_of_a_member(const struct blx__request *request);

/* Is it a write, so that a failure needs an outcome? */
bool blx__request_is_write(const struct blx__request *request);

/* Milliseconds left to it. */
uint32_t blx__request_left_ms(const struct blx__request *request);

/* Puts it in the state and at the end of the list (NULL: in none). */
void blx__request_move(struct blx__request *request, enum blx__request_state state,
	struct blx__list *list);

/* Called from the node: takes in what was submitted. */
void blx__request_intake(struct blx__post *post);

#endif
