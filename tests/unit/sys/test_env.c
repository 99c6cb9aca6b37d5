/* SPDX-License-Identifier: Apache-2.0 */
#include "sys/uv_env.h"

#include "support/test.h"

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>

static struct blx__env *env;

static void begin(void)
{
	cr_assert_eq(blx__uv_env_create(&env, NULL), 0);
}

static void end(void)
{
	blx__uv_env_destroy(env);
}

Test(env, with_nothing_done_is_destroyed, .init = begin, .fini = end)
{
	cr_assert_gt(blx__wall_ms(env), INT64_C(1600000000000));
	cr_assert_neq(blx__random_u64(env), blx__random_u64(env));
	cr_assert_leq(blx__mono_ns(env), blx__mono_ns(env));
}

/* ---- timers -------------------------------------------------------------------------
 */

static char order[32];

static void note(char c)
{
	size_t len = strlen(order);

	if (len + 1 < sizeof order) {
		order[len] = c;
		order[len + 1] = '\0';
	}
}

static void on_noted(struct blx__timer *timer)
{
	note(*(const char *)timer->data);
}

static void on_last(struct blx__timer *timer)
{
	(void)timer;
	blx__uv_env_stop(env);
}

Test(timers, run_out_in_order_and_equals_as_they_were_started, .init = begin, .fini = end)
{
	struct blx__timer timers[4];
	struct blx__timer last;
	uint64_t started = blx__mono_ms(env);
	int i;

	order[0] = '\0';
	for (i = 0; i < 4; i++) {
		blx__timer_init(&timers[i], on_noted, (void *)&"abcd"[i]);
	}
	blx__timer_init(&last, on_last, NULL);
	cr_assert_eq(blx__timer_start_ms(env, &last, 9), 0);
	cr_assert_eq(blx__timer_start_ms(env, &timers[0], 6), 0);
	cr_assert_eq(blx__timer_start_ms(env, &timers[1], 0), 0);
	cr_assert_eq(blx__timer_start_ms(env, &timers[2], 3), 0);
	cr_assert_eq(blx__timer_start_ms(env, &timers[3], 3), 0);
	cr_assert_str_eq(order, "", "not inside the call");
	blx__uv_env_run(env);
	cr_assert_str_eq(order, "bcda");
	cr_assert_geq(blx__mono_ms(env) - started, 9 - 1);
}

static struct blx__timer victim;
static struct blx__timer again;
static int rounds;

static void on_again(struct blx__timer *timer)
{
	blx__timer_stop(env, &victim);
	if (++rounds < 5) {
		(void)blx__timer_start_ms(env, timer, 0);
	} else {
		blx__uv_env_stop(env);
	}
}

Test(timers, may_be_stopped_and_started_in_a_callback, .init = begin, .fini = end)
{
	order[0] = '\0';
	rounds = 0;
	blx__timer_init(&again, on_again, NULL);
	blx__timer_init(&victim, on_noted, (void *)"v");
	/* Both are due in the same round; the first one stops the other. */
	cr_assert_eq(env->ops->timer_start(env, &again, 1), 0);
	cr_assert_eq(env->ops->timer_start(env, &victim, 2), 0);
	blx__uv_env_run(env);
	cr_assert_eq(rounds, 5);
	cr_assert_str_eq(order, "");
	blx__timer_stop(env, &again);
	blx__timer_stop(env, &again);
}

Test(timers, started_anew_run_out_once_at_the_new_time, .init = begin, .fini = end)
{
	struct blx__timer timer;
	struct blx__timer last;

	order[0] = '\0';
	blx__timer_init(&timer, on_noted, (void *)"t");
	blx__timer_init(&last, on_last, NULL);
	cr_assert_eq(blx__timer_start_ms(env, &timer, 1), 0);
	cr_assert_eq(blx__timer_start_ms(env, &timer, 1000000), 0);
	cr_assert_eq(blx__timer_start_ms(env, &last, 5), 0);
	blx__uv_env_run(env);
	cr_assert_str_eq(order, "", "put off");
	cr_assert_eq(blx__timer_start_ms(env, &timer, 1), 0);
	cr_assert_eq(blx__timer_start_ms(env, &last, 5), 0);
	blx__uv_env_run(env);
	cr_assert_str_eq(order, "t");
}

Test(timers, of_a_time_that_never_comes_do_not_run_out_at_once, .init = begin,
	.fini = end)
{
	struct blx__timer timers[2];
	struct blx__timer last;

	order[0] = '\0';
	blx__timer_init(&timers[0], on_noted, (void *)"x");
	blx__timer_init(&timers[1], on_noted, (void *)"y");
	blx__timer_init(&last, on_last, NULL);
	cr_assert_eq(env->ops->timer_start(env, &timers[0], UINT64_MAX), 0);
	cr_assert_eq(blx__timer_start_ms(env, &timers[1], UINT64_MAX / 2), 0);
	cr_assert_eq(blx__timer_start_ms(env, &last, 3), 0);
	blx__uv_env_run(env);
	cr_assert_str_eq(order, "");
	blx__timer_stop(env, &timers[0]);
	blx__timer_stop(env, &timers[1]);
}

/* ---- posts --------------------------------------------------------------------------
 */

static struct blx__post posts[2];

static void on_post_noted(struct blx__post *post)
{
	note(*(const char *)post->data);
	blx__uv_env_stop(env);
}

Test(posts, run_in_order_and_once_however_often_they_are_posted, .init = begin,
	.fini = end)
{
	order[0] = '\0';
	blx__post_init(&posts[0], on_post_noted, (void *)"a");
	blx__post_init(&posts[1], on_post_noted, (void *)"b");
	blx__env_post(env, &posts[1]);
	blx__env_post(env, &posts[0]);
	blx__env_post(env, &posts[1]);
	cr_assert_str_eq(order, "", "not inside the call");
	blx__uv_env_run(env);
	cr_assert_str_eq(order, "ba");
	blx__env_post(env, &posts[1]);
	blx__uv_env_run(env);
	cr_assert_str_eq(order, "bab");
}

static unsigned posted;

static void on_endless(struct blx__post *post)
{
	posted++;
	blx__env_post(env, post);
}

static void on_endless_work_done(struct blx__work *work)
{
	(void)work;
	note('w');
}

static void no_run(struct blx__work *work)
{
	(void)work;
}

Test(posts, that_post_themselves_starve_neither_timers_nor_works, .init = begin,
	.fini = end)
{
	struct blx__work work = {.run = no_run, .done = on_endless_work_done};
	struct blx__timer last;

	order[0] = '\0';
	posted = 0;
	blx__post_init(&posts[0], on_endless, NULL);
	blx__env_post(env, &posts[0]);
	blx__env_submit(env, BLX__QUEUE_WORK, &work);
	blx__timer_init(&last, on_last, NULL);
	while (order[0] == '\0') {
		cr_assert_eq(blx__timer_start_ms(env, &last, 2), 0);
		blx__uv_env_run(env);
	}
	cr_assert_gt(posted, 2);
	/* It is still posted: let it run out. */
	posts[0].cb = on_post_noted;
	posts[0].data = (void *)"e";
	blx__uv_env_run(env);
}

enum { SENDERS = 3, EACH = 2000 };

struct sender {
	struct blx__post posts[64];
	pthread_t thread;
	atomic_uint ran;
};

static struct sender senders[SENDERS];
static unsigned senders_over;

static void on_sent(struct blx__post *post)
{
	struct sender *sender = post->data;

	if (atomic_fetch_add(&sender->ran, 1) + 1 == EACH && ++senders_over == SENDERS) {
		blx__uv_env_stop(env);
	}
}

/* Each post again when it has run, so that none is dropped as posted already. */
static void *sender_main(void *data)
{
	struct sender *sender = data;
	unsigned i;

	for (i = 0; i < EACH; i++) {
		while (i - atomic_load(&sender->ran) >= 64) {
			sched_yield();
		}
		blx__env_post(env, &sender->posts[i % 64]);
	}
	return NULL;
}

Test(posts, from_other_threads_all_run, .init = begin, .fini = end, .timeout = 60)
{
	unsigned i;
	unsigned k;

	senders_over = 0;
	for (i = 0; i < SENDERS; i++) {
		atomic_store(&senders[i].ran, 0);
		for (k = 0; k < 64; k++) {
			blx__post_init(&senders[i].posts[k], on_sent, &senders[i]);
		}
	}
	for (i = 0; i < SENDERS; i++) {
		cr_assert_eq(pthread_create(
				     &senders[i].thread, NULL, sender_main, &senders[i]),
			0);
	}
	blx__uv_env_run(env);
	for (i = 0; i < SENDERS; i++) {
		cr_assert_eq(pthread_join(senders[i].thread, NULL), 0);
		cr_assert_eq(atomic_load(&senders[i].ran), EACH);
	}
}

enum { MANY = 100000 };

struct counted {
	struct blx__post post;
	unsigned number;
};

static struct counted many[MANY];
static unsigned many_ran;
static bool many_in_order;

static void on_counted(struct blx__post *post)
{
	struct counted *counted = (struct counted *)post;

	many_in_order = many_in_order && counted->number == many_ran;
	if (++many_ran == MANY) {
		blx__uv_env_stop(env);
	}
}

static void on_post_many(struct blx__timer *timer)
{
	unsigned i;

	(void)timer;
	for (i = 0; i < MANY; i++) {
		blx__env_post(env, &many[i].post);
	}
	cr_assert_eq(many_ran, 0, "not inside the call");
}

Test(posts, a_great_many_of_one_callback_run_in_order, .init = begin, .fini = end)
{
	unsigned i;

	many_ran = 0;
	many_in_order = true;
	for (i = 0; i < MANY; i++) {
		blx__post_init(&many[i].post, on_counted, NULL);
		many[i].number = i;
	}
	blx__timer_init(&again, on_post_many, NULL);
	cr_assert_eq(blx__timer_start_ms(env, &again, 0), 0);
	blx__uv_env_run(env);
	cr_assert_eq(many_ran, MANY);
	cr_assert(many_in_order);
}

/* ---- works --------------------------------------------------------------------------
 */

enum { WORKS = 200 };

struct numbered {
	struct blx__work work;
	unsigned number;
	pthread_t ran_on;
	sigset_t blocked;
};

static struct numbered works[WORKS];
static unsigned works_run;  /* by the worker */
static unsigned works_done; /* by the loop */
static bool run_in_order;   /* by the worker */
static bool done_in_order;  /* by the loop */
static pthread_t loop_thread;

static void number_run(struct blx__work *work)
{
	struct numbered *numbered = (struct numbered *)work;

	numbered->ran_on = pthread_self();
	(void)pthread_sigmask(SIG_SETMASK, NULL, &numbered->blocked);
	run_in_order = run_in_order && numbered->number == works_run;
	works_run++;
}

static void number_done(struct blx__work *work)
{
	struct numbered *numbered = (struct numbered *)work;

	done_in_order = done_in_order && numbered->number == works_done &&
			pthread_equal(pthread_self(), loop_thread) &&
			!pthread_equal(numbered->ran_on, loop_thread);
	if (++works_done == WORKS) {
		blx__uv_env_stop(env);
	}
}

Test(works, of_a_queue_run_one_after_the_other_and_are_done_on_the_loop, .init = begin,
	.fini = end)
{
	unsigned i;

	works_run = works_done = 0;
	run_in_order = done_in_order = true;
	loop_thread = pthread_self();
	for (i = 0; i < WORKS; i++) {
		works[i] = (struct numbered){
			.work = {.run = number_run, .done = number_done}, .number = i};
		blx__env_submit(env, BLX__QUEUE_DISK, &works[i].work);
	}
	cr_assert_eq(works_done, 0, "not inside the call");
	blx__uv_env_run(env);
	cr_assert(run_in_order);
	cr_assert(done_in_order);
	cr_assert(sigismember(&works[0].blocked, SIGTERM) &&
			  sigismember(&works[0].blocked, SIGUSR1),
		"signals are for the host's threads");
}

struct named {
	struct blx__work work;
	char name[16];
};

static void name_run(struct blx__work *work)
{
	(void)pthread_getname_np(pthread_self(), ((struct named *)work)->name,
		sizeof(((struct named *)0)->name));
}

Test(works, are_run_by_threads_that_can_be_told_in_a_list, .init = begin, .fini = end)
{
	struct named first = {.work = {.run = no_run, .done = on_endless_work_done}};
	struct named named[BLX__QUEUE_COUNT];
	int i;

	order[0] = '\0';
	for (i = 0; i < BLX__QUEUE_COUNT; i++) {
		/* The first work may begin before its thread has its name. */
		blx__env_submit(env, i, &first.work);
		while (order[0] == '\0') {
			blx__uv_env_process(env);
		}
		named[i] = (struct named){
			.work = {.run = name_run, .done = on_endless_work_done}};
		blx__env_submit(env, i, &named[i].work);
		while (order[1] == '\0') {
			blx__uv_env_process(env);
		}
		order[0] = order[1] = '\0';
	}
	cr_assert_str_eq(named[BLX__QUEUE_DISK].name, "blixard-disk");
	cr_assert_str_eq(named[BLX__QUEUE_WORK].name, "blixard-work");
	cr_assert_str_eq(named[BLX__QUEUE_READ].name, "blixard-read");
}

static atomic_bool let_go;

static void wait_run(struct blx__work *work)
{
	(void)work;
	while (!atomic_load(&let_go)) {
		sched_yield();
	}
}

static void on_disk_done(struct blx__work *work)
{
	(void)work;
	note('d');
	atomic_store(&let_go, true);
}

static void on_wait_done(struct blx__work *work)
{
	(void)work;
	note('w');
	blx__uv_env_stop(env);
}

Test(works, of_the_disk_do_not_wait_for_long_ones, .init = begin, .fini = end,
	.timeout = 60)
{
	struct blx__work slow = {.run = wait_run, .done = on_wait_done};
	struct blx__work disk = {.run = no_run, .done = on_disk_done};

	order[0] = '\0';
	atomic_store(&let_go, false);
	blx__env_submit(env, BLX__QUEUE_WORK, &slow);
	blx__env_submit(env, BLX__QUEUE_DISK, &disk);
	blx__uv_env_run(env);
	cr_assert_str_eq(order, "dw");
}

/* ---- in somebody's loop, and its ends
 * -------------------------------------------------- */

static bool is_over;

static void on_over(struct blx__post *post)
{
	(void)post;
	is_over = true;
}

static void on_chain_timer(struct blx__timer *timer)
{
	(void)timer;
	note('t');
	blx__env_post(env, &posts[0]);
}

static void on_chain_done(struct blx__work *work)
{
	(void)work;
	note('w');
	(void)blx__timer_start_ms(env, &again, 2);
}

/* As a host does it; ends if it would wait for nothing. */
static void host_until_over(void)
{
	while (!is_over) {
		struct pollfd fd = {.fd = blx__uv_env_fd(env), .events = POLLIN};
		int timeout_ms = blx__uv_env_timeout_ms(env);
		int n = poll(&fd, 1, timeout_ms >= 0 ? timeout_ms : 10000);

		cr_assert(n > 0 || timeout_ms >= 0, "nothing woke the host");
		blx__uv_env_process(env);
	}
}

Test(host, a_loop_of_its_own_drives_works_timers_and_posts, .init = begin, .fini = end)
{
	struct blx__work work = {.run = no_run, .done = on_chain_done};

	order[0] = '\0';
	is_over = false;
	blx__timer_init(&again, on_chain_timer, NULL);
	blx__post_init(&posts[0], on_over, NULL);
	blx__env_submit(env, BLX__QUEUE_DISK, &work);
	host_until_over();
	cr_assert_str_eq(order, "wt");
}

static void *post_main(void *data)
{
	blx__env_post(env, data);
	return NULL;
}

Test(host, is_woken_by_a_post_of_another_thread, .init = begin, .fini = end)
{
	pthread_t thread;
	int i;

	for (i = 0; i < 50; i++) {
		is_over = false;
		blx__post_init(&posts[0], on_over, NULL);
		cr_assert_eq(pthread_create(&thread, NULL, post_main, &posts[0]), 0);
		host_until_over();
		cr_assert_eq(pthread_join(thread, NULL), 0);
	}
}

Test(host, with_nothing_to_do_waits_for_ever, .init = begin, .fini = end)
{
	blx__uv_env_process(env);
	cr_assert_eq(blx__uv_env_timeout_ms(env), -1);
	is_over = false;
	blx__post_init(&posts[0], on_over, NULL);
	blx__env_post(env, &posts[0]);
	cr_assert_eq(blx__uv_env_timeout_ms(env), 0);
	host_until_over();
	cr_assert_eq(blx__uv_env_timeout_ms(env), -1);
}

static void *stop_main(void *data)
{
	(void)data;
	blx__uv_env_stop(env);
	return NULL;
}

Test(env, a_stop_ends_one_run_also_if_it_comes_before, .init = begin, .fini = end,
	.timeout = 60)
{
	pthread_t thread;

	blx__uv_env_stop(env);
	blx__uv_env_run(env);
	cr_assert_eq(pthread_create(&thread, NULL, stop_main, NULL), 0);
	blx__uv_env_run(env);
	cr_assert_eq(pthread_join(thread, NULL), 0);
}

#define SPIN_NS (8 * UINT64_C(1000000))

static void on_spin(struct blx__post *post)
{
	uint64_t until = blx__mono_ns(env) + SPIN_NS;

	(void)post;
	while (blx__mono_ns(env) < until) {
	}
	(void)blx__timer_start_ms(env, &again, 1);
}

Test(env, the_longest_time_without_waiting_is_measured, .init = begin, .fini = end)
{
	blx__timer_init(&again, on_last, NULL);
	blx__post_init(&posts[0], on_spin, NULL);
	blx__env_post(env, &posts[0]);
	blx__uv_env_run(env);
	cr_assert_geq(blx__uv_env_busy_max_ns(env, false), SPIN_NS);
	cr_assert_geq(blx__uv_env_busy_max_ns(env, true), SPIN_NS);
	cr_assert_eq(blx__uv_env_busy_max_ns(env, false), 0);
}

static void on_busy_done(struct blx__work *work)
{
	uint64_t until = blx__mono_ns(env) + SPIN_NS;

	(void)work;
	while (blx__mono_ns(env) < until) {
	}
	is_over = true;
}

/* Works are done while the loop looks at what is ready, which is the last it does there.
 */
Test(host, the_longest_time_is_measured_in_its_loop, .init = begin, .fini = end)
{
	struct blx__work work = {.run = no_run, .done = on_busy_done};

	is_over = false;
	blx__uv_env_process(env);
	(void)blx__uv_env_busy_max_ns(env, true);
	blx__env_submit(env, BLX__QUEUE_DISK, &work);
	host_until_over();
	cr_assert_geq(blx__uv_env_busy_max_ns(env, false), SPIN_NS);
}

Test(host, waiting_in_its_loop_is_not_taken_for_work, .init = begin, .fini = end)
{
	struct blx__timer last;

	is_over = false;
	blx__post_init(&posts[0], on_over, NULL);
	blx__timer_init(&last, on_chain_timer, NULL);
	order[0] = '\0';
	cr_assert_eq(blx__timer_start_ms(env, &last, 300), 0);
	host_until_over();
	cr_assert_lt(blx__uv_env_busy_max_ns(env, false), 290 * UINT64_C(1000000));
}
