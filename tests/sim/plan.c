/* SPDX-License-Identifier: Apache-2.0 */
#include "plan.h"

#include <stdio.h>
#include <string.h>

static const char *const names[SIM_FAULTS] = {"partition", "one-way", "isolate", "slow",
	"reset", "kill", "power", "stop", "pause", "stall", "disk", "full", "clock",
	"members", "transfer", "wipe", "ghost"};

const char *sim_fault_name(unsigned i)
{
	return names[i];
}

static bool parse_one(const char *text, size_t len, unsigned *ret_faults)
{
	unsigned i;

	for (i = 0; i < SIM_FAULTS; i++) {
		if (strlen(names[i]) == len && memcmp(names[i], text, len) == 0) {
			*ret_faults |= 1u << i;
			return true;
		}
	}
	return false;
}

bool sim_faults_parse(const char *text, unsigned *ret_faults)
{
	unsigned faults = 0;

	if (strcmp(text, "all") == 0 || strcmp(text, "none") == 0) {
		*ret_faults = text[0] == 'a' ? SIM_FAULT_ALL : 0;
		return true;
	}
	while (*text != '\0') {
		size_t len = strcspn(text, ",");

		if (!parse_one(text, len, &faults)) {
			return false;
		}
		text += len + (text[len] == ',');
	}
	*ret_faults = faults;
	return true;
}

void sim_faults_format(unsigned faults, char *ret_text, size_t size)
{
	size_t len = 0;
	unsigned i;

	(void)snprintf(ret_text, size, "none");
	for (i = 0; i < SIM_FAULTS && len < size; i++) {
		if ((faults & (1u << i)) != 0) {
			len += (size_t)snprintf(ret_text + len, size - len, "%s%s",
				len > 0 ? "," : "", names[i]);
		}
	}
}

static void plan_cluster(struct sim_plan *plan, struct blx__rng *rng)
{
	static const unsigned sizes[] = {1, 3, 3, 3, 3, 3, 5, 5};

	plan->members = sizes[blx__rng_below(rng, sizeof sizes / sizeof sizes[0])];
	plan->election_ms = (unsigned)sim_spread(rng, 150, 600);
	plan->heartbeat_ms = plan->election_ms / (unsigned)sim_between(rng, 3, 6);
	plan->snapshot_bytes = sim_spread(rng, 4096, 1024 * 1024);
	plan->snapshot_entries = sim_spread(rng, 20, 2000);
	plan->trailing = (unsigned)sim_spread(rng, 2, 200);
	plan->segment_bytes = 65536;
}

static void plan_outside(struct sim_plan *plan, struct blx__rng *rng)
{
	plan->latency_ns = sim_spread(rng, 50 * SIM_US, 10 * SIM_MS);
	plan->jitter_ns = sim_spread(rng, 10 * SIM_US, plan->latency_ns * 4);
	plan->give_up_ns = sim_spread(rng, 500 * SIM_MS, 2 * SIM_S);
	plan->disk.low_ns = sim_spread(rng, 50 * SIM_US, 2 * SIM_MS);
	plan->disk.high_ns = plan->disk.low_ns * sim_between(rng, 2, 16);
	plan->work.low_ns = sim_spread(rng, 1 * SIM_MS, 30 * SIM_MS);
	plan->work.high_ns = plan->work.low_ns * sim_between(rng, 2, 32);
}

static void plan_load(struct sim_plan *plan, struct blx__rng *rng)
{
	plan->clients = (unsigned)sim_spread(rng, 2, 16);
	plan->keys = (unsigned)sim_spread(rng, 1, 16);
	plan->value_max = (unsigned)sim_spread(rng, 16, 16384);
	plan->think_ms = (unsigned)sim_spread(rng, 4, 200);
	plan->read_part = (unsigned)sim_between(rng, 100, 800);
}

/* A part of its own, so that what the others are does not depend on it. */
static void plan_guests(struct sim_plan *plan, struct blx__rng *rng)
{
	plan->watchers = (unsigned)blx__rng_below(rng, 3);
	plan->tenants = (unsigned)blx__rng_below(rng, 3);
	plan->starters = (unsigned)blx__rng_below(rng, 5);
	plan->services = blx__rng_below(rng, 3) == 0;
	plan->operators = plan->services ? (unsigned)blx__rng_below(rng, 3) : 0;
}

static void plan_faults(struct sim_plan *plan, struct blx__rng *rng)
{
	unsigned part = (unsigned)sim_between(rng, 100, 600);
	unsigned i;

	plan->fault_ns = sim_spread(rng, 100 * SIM_MS, 1600 * SIM_MS);
	plan->leader_bias = (unsigned)sim_between(rng, 200, 900);
	plan->chaos_ns = sim_between(rng, 4, 9) * SIM_S;
	plan->load_ns = 1 * SIM_S;
	for (i = 0; i < SIM_FAULTS; i++) {
		if (sim_chance(rng, part)) {
			plan->faults |= 1u << i;
		}
	}
}

/* Each part from chance of its own: what is added to one changes no other. */
void sim_plan_make(struct sim_plan *plan, uint64_t seed)
{
	static void (*const parts[])(struct sim_plan * plan, struct blx__rng * rng) = {
		plan_cluster, plan_outside, plan_load, plan_faults, plan_guests};
	unsigned i;

	*plan = (struct sim_plan){.seed = seed};
	for (i = 0; i < sizeof parts / sizeof parts[0]; i++) {
		struct blx__rng rng;

		blx__rng_init(&rng, seed * UINT64_C(0x9e3779b97f4a7c15) + i * 0x5eed);
		(void)blx__rng_u64(&rng);
		blx__rng_init(&rng, blx__rng_u64(&rng));
		parts[i](plan, &rng);
	}
}

void sim_plan_format(const struct sim_plan *plan, char *ret_text, size_t size)
{
	char faults[256];

	sim_faults_format(plan->faults, faults, sizeof faults);
	(void)snprintf(ret_text, size,
		"%u members, %u clients, %u watchers, %u tenants, %u starters, "
		"%u operators, %u keys, "
		"election %u ms, "
		"heartbeat %u ms, latency %.1f ms, "
		"disk %.1f to %.1f ms, snapshot every %llu entries or %llu bytes, faults "
		"%s every "
		"%.1f s for %.1f s",
		plan->members, plan->clients, plan->watchers, plan->tenants,
		plan->starters, plan->operators, plan->keys,
		plan->election_ms, plan->heartbeat_ms, (double)plan->latency_ns / 1e6,
		(double)plan->disk.low_ns / 1e6, (double)plan->disk.high_ns / 1e6,
		(unsigned long long)plan->snapshot_entries,
		(unsigned long long)plan->snapshot_bytes, faults,
		(double)plan->fault_ns / 1e9, (double)plan->chaos_ns / 1e9);
}
