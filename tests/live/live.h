/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Members as they run in production: processes of the blixard command with
 * data on a disk, started, killed and asked by a test. A member may live in a
 * network namespace. Every process that a test starts it also ends, by pid, and
 * what it made in the file system it removes.
 */
#ifndef BLX_TESTS_LIVE_LIVE_H
#define BLX_TESTS_LIVE_LIVE_H

#include <blixard/blixard.h>

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define LIVE_MEMBERS_MAX 7

struct live_member {
	char name[8];
	char address[64];
	char dir[256];
	char socket[256];
	char log[256];
	char netns[32]; /* empty: none */
	pid_t pid;      /* 0: does not run */
};

struct live {
	char dir[192];
	unsigned count;
	bool insecure;
	unsigned election_timeout_ms;
	const char *extra[8]; /* further arguments of "node run", up to NULL */
	struct live_member members[LIVE_MEMBERS_MAX];
};

/* Says why, ends the processes and exits with 1. */
__attribute__((noreturn, format(printf, 2, 3))) void live_fail(struct live *live,
	const char *format, ...);

/* Makes the directories of a cluster of count founders; exits on failure. Addresses are on
 * loopback unless hosts are given as a format with the number of the member, 1 and up. */
void live_found(struct live *live, unsigned count, const char *hosts);

void live_start(struct live *live, unsigned i);
void live_kill(struct live *live, unsigned i); /* SIGKILL, and waits */
void live_stop(struct live *live, unsigned i); /* SIGTERM, and waits; the exit code must be 0 */

/* Ends and removes everything. */
void live_finish(struct live *live);

/* Waits until the member answers; NULL after timeout_ms. Close it with blx_client_close(). */
blx_client *live_open(struct live *live, unsigned i, unsigned timeout_ms);

/* What a member says of itself. */
struct live_status {
	bool leads;
	bool caught_up;
	char leader[64];
	char hash[24];
	uint64_t revision;
	uint64_t term;
};
bool live_status(blx_client *client, struct live_status *ret_status);

/* The number of the member that leads and that a majority of the running ones follows; -1
 * after timeout_ms. */
int live_leader(struct live *live, unsigned timeout_ms);

/* Waits until all running members are at one revision with one hash; false after timeout_ms. */
bool live_equal(struct live *live, unsigned timeout_ms);

uint64_t live_now_ms(void);
void live_sleep_ms(unsigned ms);

#endif
