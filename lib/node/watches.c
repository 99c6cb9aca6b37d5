/* SPDX-License-Identifier: Apache-2.0 */
#include "node/watches.h"

#include "base/assert.h"
#include "base/mem.h"
#include "node/impl.h"
#include "watch/stream.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* What waits: the place of its request. */
struct watch {
	struct blx__watches *watches; /* borrowed */
	struct blx__request *request; /* borrowed */
	struct blx__pattern pattern;
	uint8_t flags;
	struct blx__watch_at at; /* all before it was looked at */
	struct blx__timer timer;
};

/* ---- answers ------------------------------------------------------------------- */

static void answer_events(
	struct blx__request *request, const struct watch *watch, uint32_t count)
{
	struct blx__watches *watches = watch->watches;
	struct blx__watch_head head = {.next = watch->at,
		.revision = blx__history_last(watches->history),
		.count = count};
	struct blx__response response = {.revision = head.revision};
	struct blx__buf body;

	blx__buf_init(&body);
	blx__watch_head_put(&body, &head);
	if (count > 0) {
		blx__buf_append(&body, watches->events.data, watches->events.len);
	}
	if (!blx__buf_ok(&body)) {
		blx__request_fail(request, BLX_ENOMEM, "watch: out of memory");
	} else {
		watches->events_told += count;
		response.body = body.data;
		response.body_len = body.len;
		blx__request_finish(request, &response);
	}
	blx__buf_finish(&body);
}

static void answer_compacted(struct blx__request *request, const struct watch *watch)
{
	struct blx__watches *watches = watch->watches;
	char text[BLX_ERROR_MESSAGE_SIZE];
	struct blx__response response = {.code = BLX_ECOMPACTED,
		.revision = blx__history_last(watches->history),
		.message = text};

	(void)snprintf(text, sizeof text,
		"watch from revision %" PRIu64 ": changes up to %" PRIu64
		" are no longer kept; read what is there, at revision %" PRIu64
		" or later, and watch from behind it",
		watch->at.revision, blx__history_floor(watches->history),
		response.revision);
	response.message_len = strlen(text);
	watches->compacted_told++;
	blx__request_finish(request, &response);
}

/* Looks at what is new. True: the request was answered. */
static bool look(struct blx__request *request, struct watch *watch)
{
	struct blx__watches *watches = watch->watches;
	uint32_t count = 0;
	int rv;

	blx__buf_reset(&watches->events);
	rv = blx__watch_fill(watches->history, &watch->pattern, watch->flags, &watch->at,
		&watches->events, &count);
	if (rv == BLX_ECOMPACTED) {
		answer_compacted(request, watch);
	} else if (rv != 0) {
		blx__request_fail(request, rv, "watch: out of memory");
	} else if (count > 0 ||
		   watch->at.revision <= blx__history_last(watches->history)) {
		answer_events(request, watch, count);
	} else {
		return false;
	}
	return true;
}

/* ---- waiting -------------------------------------------------------------------- */

/* Nothing came: how far it was looked is an answer, too. */
static void on_wait_end(struct blx__timer *timer)
{
	struct watch *watch = timer->data;

	answer_events(watch->request, watch, 0);
}

static void wait_begin(
	struct blx__request *request, const struct watch *from, uint32_t wait_ms)
{
	struct blx__watches *watches = from->watches;
	struct watch *watch;

	if (watches->count >= BLX__WATCHES_MAX) {
		blx__request_fail(request, BLX_EBUSY,
			"watch: %u watches wait here already", watches->count);
		return;
	}
	watch = blx__memdup(from, sizeof *from);
	if (watch == NULL) {
		blx__request_fail(request, BLX_ENOMEM, "watch: out of memory");
		return;
	}
	watch->request = request;
	blx__timer_init(&watch->timer, on_wait_end, watch);
	if (blx__timer_start_ms(watches->node->env, &watch->timer, wait_ms) != 0) {
		blx__free(watch);
		blx__request_fail(request, BLX_ENOMEM, "watch: out of memory");
		return;
	}
	request->place = watch;
	blx__request_move(request, BLX__REQUEST_WATCHING, &watches->waiting);
	watches->count++;
}

void blx__watches_forget(struct blx__watches *watches, struct blx__request *request)
{
	struct watch *watch = request->place;

	PRE(request->state == BLX__REQUEST_WATCHING);
	INVARIANT(watches->count > 0);

	blx__timer_stop(watches->node->env, &watch->timer);
	watches->count--;
	request->place = NULL;
	blx__free(watch);
}

void blx__watches_add(struct blx__watches *watches, struct blx__request *request)
{
	struct watch watch = {.watches = watches};
	blx_error error = BLX_ERROR_INIT;
	struct blx__watch_spec spec;
	int rv;

	if (blx__watch_spec_get(request->body, request->body_len, &spec) != 0) {
		blx__request_fail(request, BLX_EPROTO, "watch: the request is malformed");
		return;
	}
	rv = blx__pattern_parse(spec.text, spec.text_len, &watch.pattern, &error);
	if (rv != 0) {
		blx__request_fail(request, rv, "watch: %s", error.message);
		return;
	}
	watch.flags = spec.flags;
	watch.at = spec.from;
	if (look(request, &watch)) {
		return;
	}
	if (spec.wait_ms == 0) {
		answer_events(request, &watch, 0);
	} else {
		wait_begin(request, &watch, spec.wait_ms);
	}
}

void blx__watches_poll(struct blx__watches *watches)
{
	struct blx__list *link;
	struct blx__list *tmp;

	if (watches->history == NULL ||
		blx__history_last(watches->history) == watches->seen) {
		return;
	}
	watches->seen = blx__history_last(watches->history);
	blx__list_foreach_safe (link, tmp, &watches->waiting) {
		struct blx__request *request =
			blx__container_of(link, struct blx__request, link);
		/* Answering lets go of what waits, so it is looked at in a copy. */
		struct watch *waiting = request->place;
		struct watch watch = *waiting;

		if (!look(request, &watch)) {
			waiting->at = watch.at;
		}
	}
}

/* ---- the whole --------------------------------------------------------------------- */

void blx__watches_init(struct blx__watches *watches, struct blx__node *node)
{
	*watches = (struct blx__watches){.node = node};
	blx__list_init(&watches->waiting);
	blx__buf_init(&watches->events);
}

int blx__watches_begin(struct blx__watches *watches, struct blx__machine *machine)
{
	struct blx__machine_observer observer;
	int rv = blx__history_create(BLX__HISTORY_BYTES, &watches->history);

	if (rv == 0) {
		rv = blx__views_create(&watches->views);
	}
	if (rv == 0) {
		observer = blx__history_observer(watches->history);
		blx__machine_observe(machine, &observer);
		observer = blx__views_observer(watches->views);
		blx__machine_observe(machine, &observer);
	}
	return rv;
}

void blx__watches_finish(struct blx__watches *watches)
{
	PRE(watches->count == 0);

	blx__history_destroy(watches->history);
	blx__views_destroy(watches->views);
	blx__buf_finish(&watches->events);
}
