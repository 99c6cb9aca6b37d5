/* SPDX-License-Identifier: Apache-2.0 */
#include "env.h"

#include "base/assert.h"

#include <stddef.h>

/* 2026, in ms since the epoch: where all clocks begin. */
#define WALL_BASE_MS INT64_C(1767225600000)

/* A kernel wakes nobody at the very nanosecond. */
#define LATE_NS (100 * SIM_US)

static struct sim_env *current;

struct sim_env *sim_env_current(void)
{
	return current;
}

static struct sim_env *env_of(struct blx__env *env)
{
	return env->impl;
}

void sim_env_enter(struct sim_env *env, bool files)
{
	PRE(current == NULL);
	current = env;
	env->disk.open = files;
	env->was = sim_memory_enter(&env->owner);
}

void sim_env_leave(struct sim_env *env)
{
	PRE(current == env);
	(void)sim_memory_enter(env->was);
	env->disk.open = false;
	current = NULL;
	if (env->after != NULL) {
		env->after(env, env->data);
	}
}

bool sim_env_wake(struct sim_env *env, struct sim_event *event)
{
	if (sim_env_paused(env)) {
		sim_event_at(env->world, event, env->paused_until_ns);
		return false;
	}
	sim_env_enter(env, false);
	return true;
}

static bool host_enter(struct sim_host *host, struct sim_event *event)
{
	return sim_env_wake(blx__container_of(host, struct sim_env, host), event);
}

static void host_leave(struct sim_host *host)
{
	sim_env_leave(blx__container_of(host, struct sim_env, host));
}

/* ---- clock ---- */

static uint64_t mono_now(const struct sim_env *env)
{
	return env->mono_base_ns +
	       (uint64_t)((unsigned __int128)(env->world->now_ns - env->world_base_ns) *
			  env->rate_ppm / 1000000);
}

static uint64_t world_time_of(const struct sim_env *env, uint64_t mono_ns)
{
	if (mono_ns <= env->mono_base_ns) {
		return env->world_base_ns;
	}
	return env->world_base_ns + 1 +
	       (uint64_t)((unsigned __int128)(mono_ns - env->mono_base_ns) * 1000000 /
			  env->rate_ppm);
}

static uint64_t on_mono_ns(struct blx__env *table)
{
	return mono_now(env_of(table));
}

static int64_t on_wall_ms(struct blx__env *table)
{
	const struct sim_env *env = env_of(table);

	return WALL_BASE_MS + (int64_t)(env->world->now_ns / SIM_MS) +
	       env->wall_offset_ms;
}

static uint64_t on_random_u64(struct blx__env *table)
{
	return blx__rng_u64(&env_of(table)->rng);
}

/* ---- timers ---- */

static void timers_arm(struct sim_env *env)
{
	struct blx__heap_item *first = blx__heap_min(&env->timers);

	if (first == NULL) {
		sim_event_cancel(env->world, &env->timer_event);
		return;
	}
	sim_event_at(env->world, &env->timer_event,
		world_time_of(env, first->key) + blx__rng_below(&env->rng, LATE_NS));
}

static int on_timer_start(
	struct blx__env *table, struct blx__timer *timer, uint64_t delay_ns)
{
	struct sim_env *env = env_of(table);
	struct sim_owner *was = sim_memory_enter(NULL);
	bool ok;

	blx__heap_remove(&env->timers, &timer->item);
	ok = blx__heap_insert(&env->timers, &timer->item, mono_now(env) + delay_ns);
	(void)sim_memory_enter(was);
	if (!ok) {
		sim_memory_exhausted();
	}
	if (blx__heap_min(&env->timers) == &timer->item) {
		timers_arm(env);
	}
	return 0;
}

static void on_timer_stop(struct blx__env *table, struct blx__timer *timer)
{
	blx__heap_remove(&env_of(table)->timers, &timer->item);
}

/* All that are due, as a loop does that woke up late. */
static void on_timer_event(struct sim_event *event)
{
	struct sim_env *env = event->data;
	uint64_t now = mono_now(env);
	struct blx__heap_item *first;

	first = blx__heap_min(&env->timers);
	if (first == NULL) {
		return;
	}
	if (first->key > now) {
		timers_arm(env); /* that one was stopped meanwhile */
		return;
	}
	if (!sim_env_wake(env, event)) {
		return;
	}
	while ((first = blx__heap_min(&env->timers)) != NULL && first->key <= now) {
		struct blx__timer *timer =
			blx__container_of(first, struct blx__timer, item);

		blx__heap_remove(&env->timers, first);
		timer->cb(timer);
	}
	timers_arm(env);
	sim_env_leave(env);
}

/* ---- posts ---- */

static void on_post(struct blx__env *table, struct blx__post *post)
{
	struct sim_env *env = env_of(table);

	if (post->queued) {
		return;
	}
	post->queued = true;
	blx__list_push_back(&env->posts, &post->link);
	if (!sim_event_pending(&env->post_event)) {
		sim_event_after(env->world, &env->post_event,
			1 + blx__rng_below(&env->rng, 5 * SIM_US));
	}
}

static void on_post_event(struct sim_event *event)
{
	struct sim_env *env = event->data;
	struct blx__list due;
	struct blx__list *link;

	if (!sim_env_wake(env, event)) {
		return;
	}
	blx__list_init(&due);
	blx__list_splice(&due, &env->posts);
	while ((link = blx__list_pop_front(&due)) != NULL) {
		struct blx__post *post = blx__container_of(link, struct blx__post, link);

		post->queued = false;
		post->cb(post);
	}
	sim_env_leave(env);
}

/* ---- works ---- */

static void queue_arm(struct sim_queue *queue)
{
	struct sim_world *world = queue->env->world;
	uint64_t takes =
		sim_spread(&queue->env->rng, queue->pace.low_ns, queue->pace.high_ns);
	uint64_t at = world->now_ns + takes;

	if (blx__list_empty(&queue->works)) {
		return;
	}
	sim_event_at(world, &queue->event,
		at > queue->stall_until_ns ? at : queue->stall_until_ns + takes);
}

static void on_submit(
	struct blx__env *table, enum blx__queue number, struct blx__work *work)
{
	struct sim_queue *queue = &env_of(table)->queues[number];

	blx__list_push_back(&queue->works, &work->link);
	if (!sim_event_pending(&queue->event)) {
		queue_arm(queue);
	}
}

static void on_queue_event(struct sim_event *event)
{
	struct sim_queue *queue = event->data;
	struct sim_env *env = queue->env;
	struct blx__work *work;

	if (env->world->now_ns < queue->stall_until_ns) {
		sim_event_at(env->world, event, queue->stall_until_ns);
		return;
	}
	if (!sim_env_wake(env, event)) {
		return;
	}
	work = blx__container_of(
		blx__list_pop_front(&queue->works), struct blx__work, link);
	env->disk.open = true;
	work->run(work);
	env->disk.open = false;
	queue_arm(queue);
	work->done(work);
	sim_env_leave(env);
}

/* What was under way when the process ended: some first calls of it took effect. */
static void queue_cut_short(struct sim_queue *queue)
{
	struct sim_env *env = queue->env;
	struct blx__work *work;

	if (blx__list_empty(&queue->works)) {
		return;
	}
	work = blx__container_of(queue->works.next, struct blx__work, link);
	env->disk.budget = blx__rng_below(&env->rng, sim_chance(&env->rng, 500) ? 3 : 40);
	sim_env_enter(env, true);
	work->run(work);
	(void)sim_memory_enter(env->was);
	current = NULL;
}

static const struct blx__env_ops ops = {
	.mono_ns = on_mono_ns,
	.wall_ms = on_wall_ms,
	.random_u64 = on_random_u64,
	.timer_start = on_timer_start,
	.timer_stop = on_timer_stop,
	.post = on_post,
	.submit = on_submit,
};

/* ---- the whole ---- */

static void queues_init(struct sim_env *env)
{
	unsigned i;

	for (i = 0; i < BLX__QUEUE_COUNT; i++) {
		struct sim_queue *queue = &env->queues[i];

		queue->env = env;
		blx__list_init(&queue->works);
		sim_event_init(&queue->event, on_queue_event, queue);
		queue->pace = (struct sim_pace){100 * SIM_US, 1 * SIM_MS};
	}
}

void sim_env_init(
	struct sim_env *env, struct sim_net *net, unsigned number, const char *name)
{
	*env = (struct sim_env){.world = net->world, .rate_ppm = 1000000};
	env->mono_base_ns = (uint64_t)(number + 1) * 1000 * SIM_S;
	sim_world_rng(net->world, "env", number, &env->rng);
	sim_owner_init(&env->owner);
	sim_disk_init(&env->disk, net->world, name, number);
	sim_host_init(&env->host, net, number, name);
	env->host.enter = host_enter;
	env->host.leave = host_leave;
	env->env = (struct blx__env){.ops = &ops,
		.files = &env->disk.files,
		.net = &env->host.table,
		.impl = env};
	blx__heap_init(&env->timers);
	sim_event_init(&env->timer_event, on_timer_event, env);
	blx__list_init(&env->posts);
	sim_event_init(&env->post_event, on_post_event, env);
	queues_init(env);
}

static void events_drop(struct sim_env *env)
{
	struct sim_owner *was = sim_memory_enter(NULL);
	unsigned i;

	sim_event_cancel(env->world, &env->timer_event);
	sim_event_cancel(env->world, &env->post_event);
	blx__heap_finish(&env->timers);
	blx__list_init(&env->posts);
	for (i = 0; i < BLX__QUEUE_COUNT; i++) {
		sim_event_cancel(env->world, &env->queues[i].event);
		blx__list_init(&env->queues[i].works);
	}
	(void)sim_memory_enter(was);
}

void sim_env_end(struct sim_env *env, enum sim_end how)
{
	unsigned i;

	PRE(current == NULL);
	for (i = 0; i < BLX__QUEUE_COUNT; i++) {
		queue_cut_short(&env->queues[i]);
	}
	events_drop(env);
	sim_host_end(&env->host, how == SIM_END_KILL);
	sim_disk_end_process(&env->disk);
	if (how == SIM_END_POWER) {
		sim_disk_lose_power(&env->disk);
	}
	sim_owner_drop(&env->owner);
	env->paused_until_ns = 0;
}

void sim_env_finish(struct sim_env *env)
{
	events_drop(env);
	sim_host_end(&env->host, false);
	sim_disk_finish(&env->disk);
	sim_owner_drop(&env->owner);
	env->host.net->hosts[env->host.number] = NULL;
}

const char *sim_env_left(const struct sim_env *env)
{
	unsigned i;

	if (env->timers.count > 0) {
		return "a timer";
	}
	if (!blx__list_empty(&env->posts)) {
		return "a post";
	}
	for (i = 0; i < BLX__QUEUE_COUNT; i++) {
		if (!blx__list_empty(&env->queues[i].works)) {
			return "a work";
		}
	}
	if (!sim_host_idle(&env->host)) {
		return "a stream or a listener";
	}
	if (env->disk.handles != NULL) {
		return "an open file";
	}
	return env->owner.count > 0 ? "memory" : NULL;
}

void sim_env_pause(struct sim_env *env, uint64_t for_ns)
{
	env->paused_until_ns = env->world->now_ns + for_ns;
}

bool sim_env_paused(const struct sim_env *env)
{
	return env->world->now_ns < env->paused_until_ns;
}

void sim_env_drift(struct sim_env *env, uint64_t rate_ppm)
{
	env->mono_base_ns = mono_now(env);
	env->world_base_ns = env->world->now_ns;
	env->rate_ppm = rate_ppm;
	timers_arm(env);
}

void sim_env_stall(struct sim_env *env, uint64_t for_ns)
{
	env->queues[BLX__QUEUE_DISK].stall_until_ns = env->world->now_ns + for_ns;
}
