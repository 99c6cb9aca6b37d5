/* SPDX-License-Identifier: Apache-2.0 */
/* Threads beside the loop. */
#include "base/assert.h"
#include "sys/uv_impl.h"

#include <signal.h>
#include <stddef.h>

int blx__worker_init(struct blx__worker *worker, struct blx__uv *uv)
{
	*worker = (struct blx__worker){.uv = uv};
	blx__list_init(&worker->pending);
	(void)pthread_mutex_init(&worker->lock, NULL);
	(void)pthread_cond_init(&worker->wake, NULL);
	return 0;
}

/* The next one; NULL: the thread is to end. */
static struct blx__work *work_wait(struct blx__worker *worker)
{
	struct blx__list *link;

	(void)pthread_mutex_lock(&worker->lock);
	while (blx__list_empty(&worker->pending) && !worker->ending) {
		(void)pthread_cond_wait(&worker->wake, &worker->lock);
	}
	link = blx__list_pop_front(&worker->pending);
	(void)pthread_mutex_unlock(&worker->lock);
	return link != NULL ? blx__container_of(link, struct blx__work, link) : NULL;
}

static void work_finished(struct blx__uv *uv, struct blx__work *work)
{
	(void)pthread_mutex_lock(&uv->lock);
	blx__list_push_back(&uv->finished, &work->link);
	(void)pthread_mutex_unlock(&uv->lock);
	blx__uv_wake(uv);
}

static void *worker_main(void *data)
{
	struct blx__worker *worker = data;
	struct blx__work *work;

	while ((work = work_wait(worker)) != NULL) {
		work->run(work);
		work_finished(worker->uv, work);
	}
	return NULL;
}

/* Signals are the host's business: none is delivered here. */
static int worker_start(struct blx__worker *worker, const char *name)
{
	sigset_t all;
	sigset_t before;
	int rv;

	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &before);
	rv = pthread_create(&worker->thread, NULL, worker_main, worker);
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (rv == 0) {
		(void)pthread_setname_np(worker->thread, name);
		worker->started = true;
	}
	return rv;
}

void blx__worker_submit(
	struct blx__worker *worker, struct blx__work *work, const char *name)
{
	if (!worker->started && worker_start(worker, name) != 0) {
		/* No thread is to be had: slowly is better than not at all. */
		work->run(work);
		work_finished(worker->uv, work);
		return;
	}
	(void)pthread_mutex_lock(&worker->lock);
	blx__list_push_back(&worker->pending, &work->link);
	(void)pthread_mutex_unlock(&worker->lock);
	/* Behind the lock, or the thread wakes up only to wait for it. */
	(void)pthread_cond_signal(&worker->wake);
}

void blx__worker_finish(struct blx__worker *worker)
{
	if (worker->started) {
		(void)pthread_mutex_lock(&worker->lock);
		worker->ending = true;
		(void)pthread_cond_signal(&worker->wake);
		(void)pthread_mutex_unlock(&worker->lock);
		(void)pthread_join(worker->thread, NULL);
	}
	(void)pthread_mutex_destroy(&worker->lock);
	(void)pthread_cond_destroy(&worker->wake);
}
