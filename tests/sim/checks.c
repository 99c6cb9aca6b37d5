/* SPDX-License-Identifier: Apache-2.0 */
#include "checks.h"

#include "memory.h"

#include <stdlib.h>
#include <string.h>

typedef unsigned long long ull;

void sim_checks_init(struct sim_checks *checks, struct sim_world *world)
{
	*checks = (struct sim_checks){.world = world};
}

void sim_checks_finish(struct sim_checks *checks)
{
	free(checks->applied);
	free(checks->done);
	free(checks->denied);
	free(checks->leaders);
	sim_feed_finish(&checks->feed);
}

/* ---- one sequence ---- */

static struct sim_applied *applied_at(struct sim_checks *checks, uint64_t index)
{
	if (index >= checks->applied_size) {
		size_t size = (size_t)(index + 1) * 2 + 256;

		checks->applied =
			sim_resize(checks->applied, size * sizeof checks->applied[0]);
		memset(checks->applied + checks->applied_size, 0,
			(size - checks->applied_size) * sizeof checks->applied[0]);
		checks->applied_size = size;
	}
	return &checks->applied[index];
}

bool sim_checks_is_first(const struct sim_checks *checks, uint64_t index)
{
	return index >= checks->applied_size || checks->applied[index].term == 0;
}

void sim_checks_changed(struct sim_checks *checks, const struct blx__history *history,
	uint64_t from_revision, uint64_t to_revision)
{
	uint64_t revision;
	size_t count;
	size_t i;

	for (revision = from_revision; revision <= to_revision; revision++) {
		const struct blx__change *changes;

		if (revision <= blx__history_floor(history)) {
			continue; /* it was too large to keep */
		}
		sim_feed_add(&checks->feed, history, revision);
		changes = blx__history_at(history, revision, &count);
		for (i = 0; checks->on_change != NULL && i < count; i++) {
			checks->on_change(&changes[i], checks->data);
		}
	}
}

void sim_checks_applied(struct sim_checks *checks, const struct sim_apply *apply)
{
	struct sim_applied *known = applied_at(checks, apply->index);

	sim_world_mix(checks->world, apply->index, apply->state);
	if (known->term == 0) {
		*known = (struct sim_applied){.term = apply->term,
			.digest = apply->digest,
			.state = apply->state,
			.revision = apply->revision,
			.first = apply->member};
		if (apply->index > checks->last_index) {
			checks->last_index = apply->index;
		}
		return;
	}
	if (known->term != apply->term || known->digest != apply->digest) {
		sim_fail(checks->world,
			"one log: %s applies another entry at index %llu (term %llu) "
			"than was "
			"applied there before (term %llu): what was committed is lost",
			apply->name, (ull)apply->index, (ull)apply->term,
			(ull)known->term);
	} else if (known->state != apply->state) {
		sim_fail(checks->world,
			"equal states: behind index %llu %s is at revision %llu with "
			"state %016llx, "
			"another was at revision %llu with state %016llx",
			(ull)apply->index, apply->name, (ull)apply->revision,
			(ull)apply->state, (ull)known->revision, (ull)known->state);
	}
}

void sim_checks_restored(
	struct sim_checks *checks, const char *name, uint64_t index, uint64_t state)
{
	const struct sim_applied *known = applied_at(checks, index);

	sim_world_mix(checks->world, index, state);
	if (known->term != 0 && known->state != state) {
		sim_fail(checks->world,
			"equal states: the snapshot that %s takes at index %llu has the "
			"state %016llx, "
			"members had %016llx there",
			name, (ull)index, (ull)state, (ull)known->state);
	}
}

/* ---- once ---- */

static struct sim_done *done_place(
	const struct sim_checks *checks, uint64_t session, uint64_t seq)
{
	size_t at = (size_t)((session ^ seq * UINT64_C(0xff51afd7ed558ccd)) *
				     UINT64_C(0x9e3779b97f4a7c15) >>
			     20);

	for (;; at++) {
		struct sim_done *done = &checks->done[at & (checks->done_size - 1)];

		if (done->session == 0 ||
			(done->session == session && done->seq == seq)) {
			return done;
		}
	}
}

static void done_grow(struct sim_checks *checks)
{
	struct sim_done *old = checks->done;
	size_t size = checks->done_size;
	size_t i;

	checks->done_size = size > 0 ? size * 2 : 1024;
	checks->done = sim_alloc(checks->done_size * sizeof checks->done[0]);
	for (i = 0; i < size; i++) {
		if (old[i].session != 0) {
			*done_place(checks, old[i].session, old[i].seq) = old[i];
		}
	}
	free(old);
}

void sim_checks_done(struct sim_checks *checks, const struct sim_done *done)
{
	struct sim_done *place;

	if (checks->done_count * 2 >= checks->done_size) {
		done_grow(checks);
	}
	place = done_place(checks, done->session, done->seq);
	if (place->session != 0) {
		sim_fail(checks->world,
			"exactly once: write %llu of session %llx was done at index "
			"%llu, revision "
			"%llu, and again at index %llu, revision %llu",
			(ull)done->seq, (ull)done->session, (ull)place->index,
			(ull)place->revision, (ull)done->index, (ull)done->revision);
		return;
	}
	*place = *done;
	checks->done_count++;
}

void sim_checks_acked(struct sim_checks *checks, unsigned client, uint64_t session,
	uint64_t seq, uint64_t revision)
{
	const struct sim_done *done =
		checks->done_size > 0 ? done_place(checks, session, seq) : NULL;

	if (done == NULL || done->session == 0) {
		sim_fail(checks->world,
			"acknowledged: client %u was told that its write %llu is done at "
			"revision "
			"%llu, and no member has applied it",
			client, (ull)seq, (ull)revision);
	} else if (done->revision != revision) {
		sim_fail(checks->world,
			"acknowledged: client %u was told revision %llu for its write "
			"%llu, which was "
			"done at revision %llu",
			client, (ull)revision, (ull)seq, (ull)done->revision);
	}
}

void sim_checks_denied(
	struct sim_checks *checks, unsigned client, uint64_t session, uint64_t seq)
{
	if (checks->denied_count == checks->denied_size) {
		checks->denied_size = checks->denied_size * 2 + 64;
		checks->denied = sim_resize(
			checks->denied, checks->denied_size * sizeof checks->denied[0]);
	}
	checks->denied[checks->denied_count++] =
		(struct sim_denied){.client = client, .session = session, .seq = seq};
}

void sim_checks_finally(struct sim_checks *checks)
{
	size_t i;

	for (i = 0; i < checks->denied_count && checks->done_size > 0; i++) {
		const struct sim_denied *denied = &checks->denied[i];
		const struct sim_done *done =
			done_place(checks, denied->session, denied->seq);

		if (done->session != 0) {
			sim_fail(checks->world,
				"not applied: client %u was told that its write %llu was "
				"not done; it "
				"was, at index %llu, revision %llu",
				denied->client, (ull)denied->seq, (ull)done->index,
				(ull)done->revision);
		}
	}
}

/* ---- one leader ---- */

void sim_checks_leads(
	struct sim_checks *checks, unsigned member, const char *name, uint64_t term)
{
	if (term >= checks->leaders_size) {
		size_t size = (size_t)term * 2 + 64;

		checks->leaders =
			sim_resize(checks->leaders, size * sizeof checks->leaders[0]);
		memset(checks->leaders + checks->leaders_size, 0,
			(size - checks->leaders_size) * sizeof checks->leaders[0]);
		checks->leaders_size = size;
	}
	if (checks->leaders[term] == 0) {
		checks->leaders[term] = member + 1;
		checks->terms++;
		sim_world_mix(checks->world, term, member);
		sim_tell(checks->world, name, "leads in term %llu", (ull)term);
	} else if (checks->leaders[term] != member + 1) {
		sim_fail(checks->world,
			"one leader a term: %s leads in term %llu, and %c did", name,
			(ull)term, (char)('A' + checks->leaders[term] - 1));
	}
}
