/* SPDX-License-Identifier: Apache-2.0 */
#include "sys/uv_env.h"

#include "base/assert.h"
#include "base/mem.h"
#include "sys/files.h"
#include "sys/uv_impl.h"

#include <stddef.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

/* In somebody's loop: rounds of one blx__uv_env_process() at most. */
#define PROCESS_ROUNDS 64

/* Rounds of posts before the sockets are looked at again. */
#define SETTLE_ROUNDS 4

/* ---- clock and chance ------------------------------------------------------------ */

static uint64_t uv_mono_ns(struct blx__env *env)
{
	(void)env;
	return uv_hrtime();
}

static int64_t uv_wall_ms(struct blx__env *env)
{
	struct timespec now;

	(void)env;
	(void)clock_gettime(CLOCK_REALTIME, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static uint64_t uv_random_u64(struct blx__env *env)
{
	uint64_t value;

	(void)env;
	while (getrandom(&value, sizeof value, 0) != (ssize_t)sizeof value) {
		/* Interrupted before the system had any: it will have. */
	}
	return value;
}

/* ---- posts and finished works ------------------------------------------------------ */

static bool on_loop_thread(struct blx__uv *uv)
{
	return atomic_load_explicit(&uv->running, memory_order_relaxed) ==
	       (uintptr_t)pthread_self();
}

void blx__uv_wake(struct blx__uv *uv)
{
	bool tell;

	(void)pthread_mutex_lock(&uv->lock);
	tell = !uv->woken;
	uv->woken = true;
	(void)pthread_mutex_unlock(&uv->lock);
	if (tell) {
		(void)uv_async_send(&uv->async);
	}
}

static void uv_post(struct blx__env *env, struct blx__post *post)
{
	struct blx__uv *uv = blx__uv_of(env);
	bool tell;

	(void)pthread_mutex_lock(&uv->lock);
	/* The loop looks at the posts before it waits: it need not wake itself. */
	tell = !post->queued && !uv->woken && !on_loop_thread(uv);
	if (!post->queued) {
		post->queued = true;
		blx__list_push_back(&uv->posts, &post->link);
	}
	if (tell) {
		uv->woken = true;
	}
	(void)pthread_mutex_unlock(&uv->lock);
	if (tell) {
		(void)uv_async_send(&uv->async);
	}
}

static void finished_run(struct blx__uv *uv)
{
	struct blx__list due;
	struct blx__list *link;

	blx__list_init(&due);
	(void)pthread_mutex_lock(&uv->lock);
	blx__list_splice(&due, &uv->finished);
	(void)pthread_mutex_unlock(&uv->lock);
	while ((link = blx__list_pop_front(&due)) != NULL) {
		struct blx__work *work = blx__container_of(link, struct blx__work, link);

		work->done(work);
	}
}

/* One round: what is posted meanwhile comes in the next, so that nothing starves. */
static void posts_run(struct blx__uv *uv)
{
	struct blx__list due;

	blx__list_init(&due);
	(void)pthread_mutex_lock(&uv->lock);
	blx__list_splice(&due, &uv->posts);
	while (!blx__list_empty(&due)) {
		struct blx__post *post = blx__container_of(
			blx__list_pop_front(&due), struct blx__post, link);

		post->queued = false;
		(void)pthread_mutex_unlock(&uv->lock);
		post->cb(post); /* may free it */
		(void)pthread_mutex_lock(&uv->lock);
	}
	(void)pthread_mutex_unlock(&uv->lock);
}

static bool has_due(struct blx__uv *uv)
{
	bool due;

	(void)pthread_mutex_lock(&uv->lock);
	due = !blx__list_empty(&uv->posts) || !blx__list_empty(&uv->finished);
	(void)pthread_mutex_unlock(&uv->lock);
	return due;
}

/* Some rounds: what one callback posts for later mostly comes of it within three, and
 * each that is left costs a look at the sockets. */
static void posts_settle(struct blx__uv *uv)
{
	unsigned rounds;

	for (rounds = 0; rounds < SETTLE_ROUNDS && has_due(uv); rounds++) {
		posts_run(uv);
	}
}

static void on_async(uv_async_t *async)
{
	struct blx__uv *uv = async->data;

	(void)pthread_mutex_lock(&uv->lock);
	uv->woken = false;
	(void)pthread_mutex_unlock(&uv->lock);
	finished_run(uv);
	posts_run(uv);
	if (atomic_load(&uv->stop)) {
		uv_stop(&uv->loop);
	}
}

static void on_check(uv_check_t *check)
{
	posts_settle(check->data);
}

static void on_idle(uv_idle_t *idle)
{
	(void)idle; /* keeps the loop from waiting */
}

static void busy_measure(struct blx__uv *uv)
{
	uint64_t now = uv_hrtime();
	uint64_t idle = uv_metrics_idle_time(&uv->loop);
	uint64_t busy = now - uv->looked_ns - (idle - uv->looked_idle_ns);

	/* No other thread raises it; one that resets it meanwhile loses a measurement. */
	if (busy > atomic_load_explicit(&uv->busy_max_ns, memory_order_relaxed)) {
		atomic_store_explicit(&uv->busy_max_ns, busy, memory_order_relaxed);
	}
	uv->looked_ns = now;
	uv->looked_idle_ns = idle;
}

/* The last thing before the loop waits. */
static void on_prepare(uv_prepare_t *prepare)
{
	struct blx__uv *uv = prepare->data;
	bool more;

	posts_settle(uv);
	more = has_due(uv);
	if (more != uv->idling) {
		uv->idling = more;
		(void)(more ? uv_idle_start(&uv->idle, on_idle)
			    : uv_idle_stop(&uv->idle));
	}
	busy_measure(uv);
}

/* ---- timers --------------------------------------------------------------------------
 */

static void on_timer(uv_timer_t *timer);

/* One uv timer for all: it runs out with the earliest, or a little before (then it is
 * started anew), because callers start and stop many that never run out. */
static void timer_arm(struct blx__uv *uv)
{
	struct blx__heap_item *first = blx__heap_min(&uv->timers);
	uint64_t now = uv_hrtime();
	uint64_t delay;

	if (first == NULL || first->key >= uv->armed_ns) {
		return;
	}
	delay = first->key > now ? (first->key - now + 999999) / 1000000 : 0;
	uv->armed_ns = first->key;
	uv_update_time(&uv->loop);
	(void)uv_timer_start(&uv->timer, on_timer, delay, 0);
}

static void on_timer(uv_timer_t *timer)
{
	struct blx__uv *uv = timer->data;
	uint64_t now = uv_hrtime();
	struct blx__heap_item *first;

	uv->armed_ns = UINT64_MAX;
	while ((first = blx__heap_min(&uv->timers)) != NULL && first->key <= now) {
		struct blx__timer *due =
			blx__container_of(first, struct blx__timer, item);

		blx__heap_remove(&uv->timers, first);
		due->cb(due);
	}
	timer_arm(uv);
}

static int uv_timer_start_ns(
	struct blx__env *env, struct blx__timer *timer, uint64_t delay_ns)
{
	struct blx__uv *uv = blx__uv_of(env);
	uint64_t now = uv_hrtime();
	uint64_t due = delay_ns < UINT64_MAX - now ? now + delay_ns : UINT64_MAX;

	blx__heap_remove(&uv->timers, &timer->item);
	if (!blx__heap_insert(&uv->timers, &timer->item, due)) {
		return BLX_ENOMEM;
	}
	timer_arm(uv);
	return 0;
}

static void uv_timer_stop_it(struct blx__env *env, struct blx__timer *timer)
{
	blx__heap_remove(&blx__uv_of(env)->timers, &timer->item);
}

/* ---- works
 * ------------------------------------------------------------------------------ */

static const char *const worker_names[BLX__QUEUE_COUNT] = {
	"blixard-disk", "blixard-work", "blixard-read"};

static void uv_submit(struct blx__env *env, enum blx__queue queue, struct blx__work *work)
{
	PRE((unsigned)queue < BLX__QUEUE_COUNT);

	blx__worker_submit(&blx__uv_of(env)->workers[queue], work, worker_names[queue]);
}

static const struct blx__env_ops uv_ops = {
	.mono_ns = uv_mono_ns,
	.wall_ms = uv_wall_ms,
	.random_u64 = uv_random_u64,
	.timer_start = uv_timer_start_ns,
	.timer_stop = uv_timer_stop_it,
	.post = uv_post,
	.submit = uv_submit,
};

/* ---- the whole
 * ---------------------------------------------------------------------------- */

static int handles_init(struct blx__uv *uv)
{
	int rv = uv_loop_init(&uv->loop);

	if (rv != 0) {
		return rv;
	}
	(void)uv_loop_configure(&uv->loop, UV_METRICS_IDLE_TIME);
	rv = uv_async_init(&uv->loop, &uv->async, on_async);
	if (rv != 0) {
		(void)uv_loop_close(&uv->loop);
		return rv;
	}
	(void)uv_prepare_init(&uv->loop, &uv->prepare);
	(void)uv_check_init(&uv->loop, &uv->check);
	(void)uv_idle_init(&uv->loop, &uv->idle);
	(void)uv_timer_init(&uv->loop, &uv->timer);
	uv->async.data = uv;
	uv->prepare.data = uv;
	uv->check.data = uv;
	uv->timer.data = uv;
	(void)uv_prepare_start(&uv->prepare, on_prepare);
	(void)uv_check_start(&uv->check, on_check);
	return 0;
}

int blx__uv_env_create(struct blx__env **ret_env, blx_error *error)
{
	struct blx__uv *uv = blx__calloc(1, sizeof *uv);
	unsigned i;
	int rv;

	if (uv != NULL) {
		uv->read_buf = blx__malloc(BLX__UV_READ_SIZE);
	}
	if (uv == NULL || uv->read_buf == NULL) {
		blx__free(uv);
		return blx__error_set(
			error, BLX_ENOMEM, "make an event loop: out of memory");
	}
	rv = handles_init(uv);
	if (rv != 0) {
		blx__free(uv->read_buf);
		blx__free(uv);
		return blx__error_set(error, rv == UV_ENOMEM ? BLX_ENOMEM : BLX_EBUSY,
			"make an event loop: %s", uv_strerror(rv));
	}
	blx__heap_init(&uv->timers);
	uv->armed_ns = UINT64_MAX;
	(void)pthread_mutex_init(&uv->lock, NULL);
	blx__list_init(&uv->posts);
	blx__list_init(&uv->finished);
	for (i = 0; i < BLX__QUEUE_COUNT; i++) {
		(void)blx__worker_init(&uv->workers[i], uv);
	}
	uv->net = (struct blx__net){.ops = &blx__uv_net_ops, .impl = uv};
	uv->env = (struct blx__env){
		.ops = &uv_ops, .files = &blx__files_posix, .net = &uv->net, .impl = uv};
	*ret_env = &uv->env;
	return 0;
}

void blx__uv_env_destroy(struct blx__env *env)
{
	struct blx__uv *uv = blx__uv_of(env);
	unsigned i;

	PRE(uv->streams == 0);

	for (i = 0; i < BLX__QUEUE_COUNT; i++) {
		blx__worker_finish(&uv->workers[i]);
	}
	finished_run(uv);
	/* What the last streams and connections left to be freed. */
	for (i = 0; i < PROCESS_ROUNDS && has_due(uv); i++) {
		posts_run(uv);
	}
	uv_close((uv_handle_t *)&uv->async, NULL);
	uv_close((uv_handle_t *)&uv->prepare, NULL);
	uv_close((uv_handle_t *)&uv->check, NULL);
	uv_close((uv_handle_t *)&uv->idle, NULL);
	uv_close((uv_handle_t *)&uv->timer, NULL);
	(void)uv_run(&uv->loop, UV_RUN_DEFAULT);
	i = (unsigned)uv_loop_close(&uv->loop);
	POST(i == 0);
	blx__heap_finish(&uv->timers);
	(void)pthread_mutex_destroy(&uv->lock);
	blx__free(uv->read_buf);
	blx__free(uv);
}

static void run_begin(struct blx__uv *uv)
{
	atomic_store(&uv->running, (uintptr_t)pthread_self());
	uv->looked_ns = uv_hrtime();
	uv->looked_idle_ns = uv_metrics_idle_time(&uv->loop);
}

/* What ran since the loop last went to wait was not measured yet. */
static void run_end(struct blx__uv *uv)
{
	busy_measure(uv);
	atomic_store(&uv->running, 0);
}

void blx__uv_env_run(struct blx__env *env)
{
	struct blx__uv *uv = blx__uv_of(env);

	run_begin(uv);
	while (!atomic_load(&uv->stop)) {
		(void)uv_run(&uv->loop, UV_RUN_DEFAULT);
	}
	atomic_store(&uv->stop, false);
	run_end(uv);
}

void blx__uv_env_stop(struct blx__env *env)
{
	struct blx__uv *uv = blx__uv_of(env);

	atomic_store(&uv->stop, true);
	blx__uv_wake(uv);
}

int blx__uv_env_fd(struct blx__env *env)
{
	return uv_backend_fd(&blx__uv_of(env)->loop);
}

int blx__uv_env_timeout_ms(struct blx__env *env)
{
	struct blx__uv *uv = blx__uv_of(env);

	if (has_due(uv)) {
		return 0;
	}
	uv_update_time(&uv->loop);
	return uv_backend_timeout(&uv->loop);
}

void blx__uv_env_process(struct blx__env *env)
{
	struct blx__uv *uv = blx__uv_of(env);
	unsigned rounds = 0;

	run_begin(uv);
	do {
		(void)uv_run(&uv->loop, UV_RUN_NOWAIT);
	} while (has_due(uv) && ++rounds < PROCESS_ROUNDS);
	run_end(uv);
}

uint64_t blx__uv_env_busy_max_ns(struct blx__env *env, bool reset)
{
	struct blx__uv *uv = blx__uv_of(env);

	return reset ? atomic_exchange(&uv->busy_max_ns, 0)
		     : atomic_load(&uv->busy_max_ns);
}
