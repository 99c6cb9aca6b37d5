/* SPDX-License-Identifier: Apache-2.0 */
#include "world.h"

#include "base/assert.h"
#include "memory.h"

#include <stdarg.h>
#include <stddef.h>
#include <string.h>

static uint64_t scatter(uint64_t x)
{
	x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
	return x ^ (x >> 31);
}

void sim_world_init(struct sim_world *world, uint64_t seed, FILE *story)
{
	*world = (struct sim_world){
		.seed = seed, .story = story, .hash = scatter(seed + 1)};
	blx__heap_init(&world->events);
}

void sim_world_finish(struct sim_world *world)
{
	struct sim_owner *was = sim_memory_enter(NULL);

	blx__heap_finish(&world->events);
	(void)sim_memory_enter(was);
}

void sim_world_rng(const struct sim_world *world, const char *part, unsigned number,
	struct blx__rng *ret_rng)
{
	uint64_t seed = world->seed + 1;

	for (; *part != '\0'; part++) {
		seed = scatter(seed * 31 + (unsigned char)*part);
	}
	blx__rng_init(ret_rng, scatter(seed ^ ((uint64_t)number << 32)));
}

/* ---- events ---- */

void sim_event_init(
	struct sim_event *event, void (*cb)(struct sim_event *event), void *data)
{
	*event = (struct sim_event){.cb = cb, .data = data};
}

void sim_event_at(struct sim_world *world, struct sim_event *event, uint64_t at_ns)
{
	/* The heap is the world's, not of the member that is running. */
	struct sim_owner *was = sim_memory_enter(NULL);

	blx__heap_remove(&world->events, &event->item);
	if (!blx__heap_insert(&world->events, &event->item,
		    at_ns > world->now_ns ? at_ns : world->now_ns)) {
		sim_memory_exhausted();
	}
	(void)sim_memory_enter(was);
}

void sim_event_after(struct sim_world *world, struct sim_event *event, uint64_t delay_ns)
{
	sim_event_at(world, event, world->now_ns + delay_ns);
}

void sim_event_cancel(struct sim_world *world, struct sim_event *event)
{
	blx__heap_remove(&world->events, &event->item);
}

bool sim_event_pending(const struct sim_event *event)
{
	return event->item.at != 0;
}

bool sim_world_step(struct sim_world *world, uint64_t until_ns)
{
	struct blx__heap_item *item = blx__heap_min(&world->events);
	struct sim_event *event;

	if (world->failed) {
		return false;
	}
	if (item == NULL || item->key > until_ns) {
		world->now_ns = until_ns;
		return false;
	}
	event = blx__container_of(item, struct sim_event, item);
	blx__heap_remove(&world->events, item);
	world->now_ns = item->key;
	world->steps++;
	sim_world_mix(world, world->now_ns, world->steps);
	event->cb(event);
	return !world->failed;
}

/* ---- what is told ---- */

void sim_world_mix(struct sim_world *world, uint64_t a, uint64_t b)
{
	world->hash = (world->hash ^ a) * UINT64_C(0x9e3779b97f4a7c15);
	world->hash =
		((world->hash >> 29) ^ world->hash ^ b) * UINT64_C(0xbf58476d1ce4e5b9);
}

void sim_tell(struct sim_world *world, const char *who, const char *format, ...)
{
	va_list args;

	if (world->story == NULL) {
		return;
	}
	(void)fprintf(world->story, "%10.6f  ", (double)world->now_ns / 1e9);
	if (who != NULL) {
		(void)fprintf(world->story, "%s ", who);
	}
	va_start(args, format);
	(void)vfprintf(world->story, format, args);
	va_end(args);
	(void)fputc('\n', world->story);
}

void sim_fail(struct sim_world *world, const char *format, ...)
{
	va_list args;

	if (world->failed) {
		return;
	}
	world->failed = true;
	va_start(args, format);
	(void)vsnprintf(world->failure, sizeof world->failure, format, args);
	va_end(args);
	sim_tell(world, NULL, "WRONG: %s", world->failure);
}

uint64_t sim_spread(struct blx__rng *rng, uint64_t low, uint64_t high)
{
	unsigned doublings = 0;
	uint64_t from;
	uint64_t to;

	while (low > 0 && (low << (doublings + 1)) <= high) {
		doublings++;
	}
	from = low << blx__rng_below(rng, doublings + 1);
	to = from * 2 < high ? from * 2 : high;
	return sim_between(rng, from, to);
}
