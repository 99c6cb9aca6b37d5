/* SPDX-License-Identifier: Apache-2.0 */
#include "client/session.h"

#include "base/assert.h"
#include "base/rng.h"

#include <string.h>

void blx__session_init(struct blx__session *session, uint64_t seed)
{
	memset(session, 0, sizeof *session);
	(void)pthread_mutex_init(&session->lock, NULL);
	session->seed = seed;
}

void blx__session_finish(struct blx__session *session)
{
	(void)pthread_mutex_destroy(&session->lock);
}

static void session_open(struct blx__session *session, int64_t time_ms)
{
	struct blx__rng rng;

	blx__rng_init(&rng, session->seed);
	do {
		session->id = blx__rng_u64(&rng);
	} while (session->id == 0);
	session->seed = blx__rng_u64(&rng);
	session->born_ms = time_ms;
	session->next = 1;
	session->first = 1;
	memset(session->ended, 0, sizeof session->ended);
}

bool blx__session_begin(struct blx__session *session, uint64_t now_ns, int64_t time_ms,
	struct blx__session_slot *ret_slot)
{
	bool room;

	(void)pthread_mutex_lock(&session->lock);
	if (session->id == 0 ||
		(session->first == session->next &&
			now_ns - session->used_ns > BLX__SESSION_IDLE_MS * UINT64_C(1000000))) {
		session_open(session, time_ms);
	}
	room = session->next - session->first < BLX__SESSION_CALLS_MAX;
	if (room) {
		*ret_slot = (struct blx__session_slot){ .id = session->id,
			.born_ms = session->born_ms,
			.seq = session->next,
			.acked = session->first };
		session->ended[session->next % BLX__SESSION_CALLS_MAX] = 0;
		session->next++;
		session->used_ns = now_ns;
	}
	(void)pthread_mutex_unlock(&session->lock);
	return room;
}

void blx__session_end(struct blx__session *session, const struct blx__session_slot *slot)
{
	(void)pthread_mutex_lock(&session->lock);
	if (slot->id == session->id) {
		INVARIANT(slot->seq >= session->first && slot->seq < session->next);
		session->ended[slot->seq % BLX__SESSION_CALLS_MAX] = 1;
		while (session->first < session->next &&
			session->ended[session->first % BLX__SESSION_CALLS_MAX]) {
			session->first++;
		}
	}
	(void)pthread_mutex_unlock(&session->lock);
}

void blx__session_renew(struct blx__session *session, uint64_t id)
{
	(void)pthread_mutex_lock(&session->lock);
	if (session->id == id) {
		session->id = 0;
	}
	(void)pthread_mutex_unlock(&session->lock);
}
