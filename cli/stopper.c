/* SPDX-License-Identifier: Apache-2.0 */
#include "stopper.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <unistd.h>

#define EXIT_BY_SIGNAL 128

/* One for the process, as signals are. */
static sigset_t signals;
static atomic_int asked_by;
static int wake;

static int wait_signal(void)
{
	int number;

	while (sigwait(&signals, &number) != 0) {
	}
	return number;
}

static void *run(void *data)
{
	uint64_t one = 1;

	(void)data;
	atomic_store(&asked_by, wait_signal());
	/* A full eventfd is one that wakes already. */
	if (write(wake, &one, sizeof one) < 0 && errno != EAGAIN) {
		_exit(EXIT_BY_SIGNAL + atomic_load(&asked_by));
	}
	_exit(EXIT_BY_SIGNAL + wait_signal());
}

int stopper_start(int wake_fd)
{
	pthread_t thread;
	int rv;

	wake = wake_fd;
	(void)sigemptyset(&signals);
	(void)sigaddset(&signals, SIGTERM);
	(void)sigaddset(&signals, SIGINT);
	rv = pthread_sigmask(SIG_BLOCK, &signals, NULL);
	if (rv == 0) {
		rv = pthread_create(&thread, NULL, run, NULL);
	}
	if (rv == 0) {
		rv = pthread_detach(thread); /* it lives as long as the process */
	}
	return -rv;
}

int stopper_signal(void)
{
	return atomic_load(&asked_by);
}
