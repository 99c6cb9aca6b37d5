/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Three members on the disk, 64 writers with values that never repeat, a reader
 * on each member: members are killed (SIGKILL) at random, one after the other.
 * No acknowledged write may be lost, no revision of a member go back, and the
 * replicas must end equal.
 *
 * BLX_ROUNDS: how many are killed (default 6); BLX_SEED.
 */
#include "load.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define WRITERS 64

static unsigned number_from(const char *name, unsigned otherwise)
{
	const char *text = getenv(name);

	return text != NULL ? (unsigned)strtoul(text, NULL, 10) : otherwise;
}

int main(void)
{
	static struct live live;
	static struct load load;
	unsigned rounds = number_from("BLX_ROUNDS", 6);
	unsigned seed = number_from("BLX_SEED", (unsigned)time(NULL));
	unsigned leaders = 0;
	unsigned i;

	printf("BLX_SEED=%u BLX_ROUNDS=%u\n", seed, rounds);
	srand(seed);
	live_found(&live, 3, NULL);
	for (i = 0; i < 3; i++) {
		live_start(&live, i);
	}
	if (live_leader(&live, 15000) < 0) {
		live_fail(&live, "no leader within 15 s");
	}
	load_start(&load, &live, WRITERS);
	for (i = 0; i < rounds; i++) {
		unsigned victim = (unsigned)rand() % 3;

		live_sleep_ms(300 + (unsigned)rand() % 700);
		leaders += live_leader(&live, 0) == (int)victim;
		live_kill(&live, victim);
		live_sleep_ms((unsigned)rand() % 800);
		live_start(&live, victim);
		if (live_leader(&live, 15000) < 0) {
			live_fail(&live, "no leader within 15 s after round %u", i);
		}
	}
	live_sleep_ms(500);
	load_stop(&load);
	if (!live_equal(&live, 20000)) {
		live_fail(&live, "the replicas do not become equal");
	}
	for (i = 0; i < 3; i++) {
		printf("%u keys verified through %s\n", load_verify(&load, i),
			live.members[i].name);
	}
	printf("%u rounds, %u of them killed the leader: %" PRIu64 " writes acknowledged, %" PRIu64
	       " unknown, %" PRIu64 " refused, %" PRIu64 " reads\n",
		rounds, leaders, load.acked, load.unknown, load.refused, load.reads);
	if (load.went_back != 0) {
		live_fail(&live, "a revision went back %" PRIu64 " times", load.went_back);
	}
	if (load.acked == 0) {
		live_fail(&live, "nothing was written");
	}
	for (i = 0; i < 3; i++) {
		live_stop(&live, i);
	}
	live_finish(&live);
	return 0;
}
