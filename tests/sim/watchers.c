/* SPDX-License-Identifier: Apache-2.0 */
#include "watchers.h"

#include "node/protocol.h"

#include <string.h>

#define PATTERN "/**"

typedef unsigned long long ull;

static struct sim_watcher *watcher_of(struct sim_guest *guest)
{
	return (struct sim_watcher *)guest;
}

static void turn(struct sim_guest *guest, struct sim_member *member)
{
	struct sim_watcher *watcher = watcher_of(guest);
	struct blx__watch_spec spec = {.flags = BLX__WATCH_PREV,
		.from = watcher->at,
		.wait_ms = (uint32_t)sim_spread(&guest->rng, 1, 1500),
		.text = PATTERN,
		.text_len = sizeof PATTERN - 1};
	struct blx__buf body;

	blx__buf_init(&body);
	blx__watch_spec_put(&body, &spec);
	sim_guest_ask(guest, member, BLX__OP_WATCH, &body, 2000);
}

/* All of a transaction was told. */
static void transaction_end(struct sim_watcher *watcher)
{
	uint64_t should = sim_feed_digest(watcher->watchers->feed, watcher->told);

	watcher->open = false;
	if (should != 0 && should != watcher->digest) {
		sim_fail(watcher->guest.cluster->world,
			"watcher %u: of revision %llu it was told something else",
			watcher->guest.number, (ull)watcher->told);
	}
}

static void take_event(struct sim_watcher *watcher, const struct blx__watch_event *event)
{
	uint64_t expected = watcher->open ? watcher->told : watcher->told + 1;

	if (event->revision != expected) {
		sim_fail(watcher->guest.cluster->world,
			"watcher %u: told of revision %llu where %llu comes",
			watcher->guest.number, (ull)event->revision, (ull)expected);
		return;
	}
	watcher->digest = sim_feed_mix(watcher->open ? watcher->digest : 0, event);
	watcher->told = event->revision;
	watcher->open = event->more;
	watcher->watchers->events++;
	if (!event->more) {
		transaction_end(watcher);
	}
}

static void take_events(struct sim_watcher *watcher, const struct blx__response *response)
{
	struct blx__reader reader = blx__reader_of(response->body, response->body_len);
	struct blx__watch_event event;
	struct blx__watch_head head;
	bool sound = blx__watch_head_get(&reader, &head) == 0;
	uint32_t i;

	for (i = 0; sound && i < head.count; i++) {
		sound = blx__watch_event_get(&reader, &event) == 0;
		if (sound) {
			take_event(watcher, &event);
		}
	}
	if (!sound || !blx__reader_done(&reader)) {
		sim_fail(watcher->guest.cluster->world, "watcher %u: a malformed answer",
			watcher->guest.number);
		return;
	}
	watcher->at = head.next;
	/* Where it goes on is right behind what it was told of. */
	if (!watcher->open && head.next.skip == 0 &&
		head.next.revision != watcher->told + 1) {
		sim_fail(watcher->guest.cluster->world,
			"watcher %u: goes on at revision %llu, told of %llu",
			watcher->guest.number, (ull)head.next.revision, (ull)watcher->told);
	}
}

/* It begins again behind what is there at that revision. */
static void begin_again(struct sim_watcher *watcher, uint64_t revision)
{
	watcher->watchers->compacted++;
	watcher->at = (struct blx__watch_at){.revision = revision + 1};
	watcher->told = revision;
	watcher->open = false;
}

static void answer(struct sim_guest *guest, const struct blx__response *response)
{
	struct sim_watcher *watcher = watcher_of(guest);

	if (response != NULL && response->code == 0) {
		take_events(watcher, response);
	} else if (response != NULL && response->code == BLX_ECOMPACTED) {
		begin_again(watcher, response->revision);
	}
	sim_guest_turn_after(guest, sim_spread(&guest->rng, 1, 200) * SIM_MS);
}

void sim_watchers_init(struct sim_watchers *watchers, struct sim_guests *guests,
	const struct sim_feed *feed)
{
	unsigned i;

	*watchers = (struct sim_watchers){
		.cluster = guests->cluster, .feed = feed, .count = guests->cluster->plan->watchers};
	for (i = 0; i < watchers->count; i++) {
		struct sim_watcher *watcher = &watchers->list[i];

		watcher->watchers = watchers;
		watcher->at.revision = 1;
		watcher->guest.turn = turn;
		watcher->guest.answer = answer;
		sim_guest_init(&watcher->guest, guests, "watcher", i);
	}
}

bool sim_watchers_done(const struct sim_watchers *watchers)
{
	unsigned i;

	for (i = 0; i < watchers->count; i++) {
		if (watchers->list[i].told < watchers->feed->last || watchers->list[i].open) {
			return false;
		}
	}
	return true;
}
