/* SPDX-License-Identifier: Apache-2.0 */
/* The inside of the agent: agent.c knows what is to be looked after, agent_do.c does it. */
#ifndef BLX_ACT_AGENT_IMPL_H
#define BLX_ACT_AGENT_IMPL_H

#include "act/agent.h"

#include <blixard/record.h>

struct blx__agent_call {
	struct blx__agent_entry *entry; /* borrowed; it outlives the call */
	struct blx__unit_call unit;
	struct blx__unit_setup setup;
	blx_service *service; /* owned: what the setup borrows from */
	const char *argv[BLX_WORDS_MAX + 1];
	int64_t epoch;
	int64_t restart;
	bool busy;
};

/* One service whose unit is looked after. */
struct blx__agent_entry {
	struct blx__list link;
	struct blx__agent *agent; /* borrowed */
	char service[BLX_NAME_MAX];
	size_t key_len;
	uint8_t key[BLX_NAME_MAX]; /* the name as it is in keys */
	uint64_t revision;         /* of the record that the wish is of; 0: there is none */
	struct blx__agent_wish wish;
	char manager[BLX__MANAGER_SIZE];
	char unit[BLX_UNIT_NAME_MAX];
	bool relevant;  /* by its record */
	bool asked;     /* a migration or somebody wants to know */
	uint64_t asked_ns;

	struct blx__unit_watch watch;
	bool watching;
	blx_error refused; /* why it cannot be watched */
	blx_unit_status status;
	bool known; /* the status was told */
	uint64_t changed_ns;
	uint64_t silent_ns; /* since when nothing is known of it, if nothing is */

	struct blx__agent_call start; /* or restart */
	struct blx__agent_call stop;  /* or kill */
	uint64_t retry_ns; /* not before it is tried again: starting, stopping */
	uint64_t stop_again_ns;
	int64_t set_up;
	int64_t restarted;
	blx_error failed; /* of the last start; code 0: nothing to be told */
	bool stop_failed;
	uint64_t report; /* number of the one under way; 0: none */
	int reported;    /* what it says */
};

/* ---- agent.c ---- */

/* The record of its service in the tree, if it is of the revision that the wish is of. NULL:
 * it is not, or there is no memory. To be freed with its extra. */
blx_service *blx__agent_read(
	const struct blx__agent_entry *entry, const struct blx__tree *tree);

/* Does the lease of this host run, and do the guard and the gate know what by? */
static inline bool blx__agent_is_licensed(const struct blx__agent *agent)
{
	return agent->held && agent->lease_until_ns > agent->ops->mono_ns(agent->data);
}

/* Is it known what its unit does? */
static inline bool blx__agent_is_answered(const struct blx__agent_entry *entry)
{
	return entry->known && entry->status.active != BLX_UNIT_LOST;
}

/* What was told of its unit counts no more: it is told anew. */
void blx__agent_forget(struct blx__agent_entry *entry);

/* ---- agent_do.c ---- */

/* Does the next step of one. */
void blx__agent_step(struct blx__agent_entry *entry, const struct blx__tree *tree);

/* Answers the migrations that want this host as their target. */
void blx__agent_answer(struct blx__agent *agent, const struct blx__tree *tree);

/* The entry of a service, made if need be, for somebody who asks; NULL: no memory, or too
 * many. */
struct blx__agent_entry *blx__agent_ask(
	struct blx__agent *agent, const struct blx__tree *tree, const char *service);

/* As blx__agent_can_run() for one. */
int blx__agent_entry_can_run(
	const struct blx__agent_entry *entry, char ret_why[BLX_TEXT_MAX]);

#endif
