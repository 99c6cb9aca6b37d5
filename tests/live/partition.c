/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Five members, each in a network namespace of its own, behind two switches of
 * which one is unused: to cut [n1, n2] from [n3, n4, n5] the first two are moved
 * to the other switch. Nothing is reset or refused by that; packets just do not
 * arrive, as when a cable is pulled.
 *
 * Writes go on in the majority within two election timeouts; the minority
 * answers get, and refuses writes with "no quorum" before the deadline; after
 * the cut heals all agree, and nothing that was acknowledged is gone.
 *
 * Needs root and network namespaces; exits with 77 where it cannot have them.
 */
#include "load.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MEMBERS     5
#define ELECTION_MS 1000

static char prefix[16];

__attribute__((format(printf, 1, 2))) static bool run(const char *format, ...)
{
	char command[512];
	va_list args;

	va_start(args, format);
	(void)vsnprintf(command, sizeof command, format, args);
	va_end(args);
	return system(command) == 0;
}

static void net_down(void)
{
	unsigned i;

	for (i = 1; i <= MEMBERS; i++) {
		(void)run("ip netns del %s%u 2>/dev/null", prefix, i);
	}
	(void)run("ip netns del %ssw 2>/dev/null", prefix);
}

/* The switches live in a namespace of their own: nothing is added to the host's. */
static bool net_up(void)
{
	bool ok = run("ip netns add %ssw 2>/dev/null", prefix) &&
		run("ip -n %ssw link add br0 type bridge && ip -n %ssw link set br0 up", prefix,
			prefix) &&
		run("ip -n %ssw link add br1 type bridge && ip -n %ssw link set br1 up", prefix,
			prefix);
	unsigned i;

	for (i = 1; ok && i <= MEMBERS; i++) {
		ok = run("ip netns add %s%u && ip -n %s%u link set lo up", prefix, i, prefix, i) &&
			run("ip -n %ssw link add p%u type veth peer name eth0 netns %s%u", prefix,
				i, prefix, i) &&
			run("ip -n %ssw link set p%u master br0 up", prefix, i) &&
			run("ip -n %s%u addr add 10.77.0.%u/24 dev eth0", prefix, i, i) &&
			run("ip -n %s%u link set eth0 up", prefix, i);
	}
	return ok;
}

static void on_exit_clean(void)
{
	net_down();
}

static void move(struct live *live, unsigned i, const char *bridge)
{
	if (!run("ip -n %ssw link set p%u master %s", prefix, i + 1, bridge)) {
		live_fail(live, "move %s to %s", live->members[i].name, bridge);
	}
}

/* As soon as it is taken: right after the cut heals a member may still know no leader. */
static void put_soon(struct live *live, unsigned i, const char *path, const char *value)
{
	uint64_t give_up = live_now_ms() + 15000;
	blx_client *client = live_open(live, i, 2000);
	blx_error error = BLX_ERROR_INIT;

	while (client != NULL &&
		blx_put(client, path, value, strlen(value), NULL, NULL, &error) != 0) {
		if (live_now_ms() > give_up) {
			live_fail(live, "put %s through %s: %s", path, live->members[i].name,
				error.message);
		}
		live_sleep_ms(20);
	}
	blx_client_close(client);
}

/* Refused for want of a quorum, in time, and the value did not change. */
static void minority_refuses(struct live *live, unsigned i)
{
	blx_client *client = live_open(live, i, 2000);
	blx_write_opts opts = BLX_WRITE_OPTS_INIT;
	blx_read_opts read_opts = BLX_READ_OPTS_INIT;
	blx_read_info info = BLX_READ_INFO_INIT;
	blx_error error = BLX_ERROR_INIT;
	blx_value *value = NULL;
	uint64_t begin = live_now_ms();
	uint64_t took;
	int rv;

	if (client == NULL) {
		live_fail(live, "%s does not answer", live->members[i].name);
	}
	opts.timeout_ms = 4000;
	rv = blx_put(client, "/cut", "from the minority", 17, &opts, NULL, &error);
	took = live_now_ms() - begin;
	if (rv != BLX_ENOQUORUM || strstr(error.message, "no quorum") == NULL || took > 4000) {
		live_fail(live, "put through %s: %s (%s) after %" PRIu64 " ms",
			live->members[i].name, blx_err_name(rv), error.message, took);
	}
	printf("%s refuses a write after %" PRIu64 " ms: %s (%s)\n", live->members[i].name, took,
		error.message, error.outcome == BLX_NOT_APPLIED ? "not applied" : "unknown");
	read_opts.timeout_ms = 3000;
	rv = blx_get_consistent(client, "/before", &read_opts, &value, NULL, &error);
	if (rv != BLX_ENOQUORUM) {
		live_fail(live, "consistent get through %s: %s", live->members[i].name,
			blx_err_name(rv));
	}
	rv = blx_get(client, "/before", NULL, &value, &info, &error);
	if (rv != 0) {
		live_fail(live, "get through %s: %s", live->members[i].name, error.message);
	}
	blx_value_unref(value);
	printf("%s answers get, %" PRIu64 " ms old\n", live->members[i].name, info.age_ms);
	blx_client_close(client);
}

/* A write through any of the majority, as soon as one is taken. */
static uint64_t majority_goes_on(struct live *live, uint64_t since)
{
	uint64_t give_up = since + 30000;
	unsigned i = 2;

	while (live_now_ms() < give_up) {
		blx_client *client = live_open(live, i, 500);
		blx_write_opts opts = BLX_WRITE_OPTS_INIT;
		int rv = BLX_ECONNECT;

		opts.timeout_ms = 300;
		if (client != NULL) {
			rv = blx_put(client, "/cut", "from the majority", 17, &opts, NULL, NULL);
		}
		blx_client_close(client);
		if (rv == 0) {
			return live_now_ms() - since;
		}
		i = i < 4 ? i + 1 : 2;
	}
	live_fail(live, "the majority takes no write within 30 s");
}

/* Returns after how many ms the majority took writes again. */
static uint64_t cut_and_heal(struct live *live, bool leader_in_minority)
{
	blx_client *client = live_open(live, 2, 5000);
	const char *wanted = leader_in_minority ? "n1" : "n4";
	unsigned wanted_index = leader_in_minority ? 0 : 3;
	unsigned tries = 0;
	uint64_t begin;
	uint64_t took;

	while (live_leader(live, 10000) != (int)wanted_index && tries++ < 20) {
		(void)blx_leader_transfer(client, wanted, 5000, NULL);
	}
	blx_client_close(client);
	put_soon(live, 1, "/before", "the cut"); /* n2 may have to find the leader again */
	live_sleep_ms(300); /* so that the minority has it */
	printf("cut [n1 n2] | [n3 n4 n5], %s leads\n", wanted);
	begin = live_now_ms();
	move(live, 0, "br1");
	move(live, 1, "br1");
	took = majority_goes_on(live, begin);
	printf("the majority takes writes again after %" PRIu64 " ms\n", took);
	live_sleep_ms(2 * ELECTION_MS);
	minority_refuses(live, 0);
	minority_refuses(live, 1);
	move(live, 0, "br0");
	move(live, 1, "br0");
	begin = live_now_ms();
	put_soon(live, 0, "/healed", "yes");
	printf("a write through n1 goes %" PRIu64 " ms after the cut is healed\n",
		live_now_ms() - begin);
	return took;
}

int main(void)
{
	static struct live live;
	static struct load load;
	unsigned i;

	(void)snprintf(prefix, sizeof prefix, "blx%u", (unsigned)getpid() % 10000);
	if (geteuid() != 0 || !net_up()) {
		net_down();
		printf("skipped: needs root and network namespaces\n");
		return 77;
	}
	(void)atexit(on_exit_clean);
	live.insecure = true;
	live.election_timeout_ms = ELECTION_MS;
	live_found(&live, MEMBERS, "10.77.0.");
	for (i = 0; i < MEMBERS; i++) {
		(void)snprintf(live.members[i].netns, sizeof live.members[i].netns, "%s%u", prefix,
			i + 1);
		live_start(&live, i);
	}
	if (live_leader(&live, 15000) < 0) {
		live_fail(&live, "no leader within 15 s");
	}
	load_start(&load, &live, 16);
	/* Votes may be split, and other processes have the processors: one of three cuts has to be
	 * over in time. */
	for (i = 0; i < 3 && cut_and_heal(&live, true) > 2 * ELECTION_MS; i++) {
		printf("that was more than two election timeouts; once more\n");
	}
	if (i == 3) {
		live_fail(&live, "three times more than two election timeouts");
	}
	(void)cut_and_heal(&live, false);
	load_stop(&load);
	if (!live_equal(&live, 20000)) {
		live_fail(&live, "the replicas do not become equal");
	}
	for (i = 0; i < MEMBERS; i++) {
		printf("%u keys verified through %s\n", load_verify(&load, i),
			live.members[i].name);
	}
	printf("%" PRIu64 " writes acknowledged, %" PRIu64 " unknown, %" PRIu64 " refused\n",
		load.acked, load.unknown, load.refused);
	if (load.went_back != 0) {
		live_fail(&live, "a revision went back");
	}
	live_finish(&live);
	return 0;
}
