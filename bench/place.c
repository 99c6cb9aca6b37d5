/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Placement: one request with five constraints among many nodes with ten
 * reservations each, and ten thousand one after the other on a thousand nodes.
 *
 *	place
 */
#include "clock.h"

#include <blixard/placement.h>
#include <stdio.h>
#include <string.h>

#define USES    10
#define ROUNDS  50
#define PLACED  10000
#define PLACES  1000

static blx_node_info info;

static blx_place_model *model_of(unsigned nodes, unsigned uses)
{
	blx_place_model *model;
	char name[32];
	unsigned i;
	unsigned k;

	if (blx_place_model_create(&model) != 0) {
		exit(1);
	}
	for (i = 0; i < nodes; i++) {
		info = (blx_node_info){.cpu = 64000, .memory = 262144};
		info.labels_count = 2;
		(void)strcpy(info.labels[0].key, "disk");
		(void)strcpy(info.labels[0].value, i % 2 == 0 ? "ssd" : "hdd");
		(void)strcpy(info.labels[1].key, "rack");
		(void)snprintf(info.labels[1].value, BLX_NAME_MAX, "r%u", i % 40);
		(void)snprintf(info.zone, BLX_NAME_MAX, "z%u", i % 5);
		info.capabilities_count = 1;
		(void)strcpy(info.capabilities[0], "kvm");
		(void)snprintf(name, sizeof name, "n%05u", i);
		if (blx_place_model_add_node(model, name, &info) != 0) {
			exit(1);
		}
		for (k = 0; k < uses; k++) {
			char own[32];
			blx_place_use use = {.size = sizeof use,
				.name = own,
				.group = k == 0 ? "web" : "other",
				.cpu = 100 + (i * 31 + k * 17) % 900,
				.memory = 1024};

			(void)snprintf(own, sizeof own, "v%u-%u", i, k);
			(void)blx_place_model_add_use(model, name, &use);
		}
	}
	return model;
}

static void constraints_of(blx_constraint list[5])
{
	memset(list, 0, 5 * sizeof list[0]);
	list[0].kind = BLX_LABEL_IN;
	(void)strcpy(list[0].key, "disk");
	list[0].values_count = 1;
	(void)strcpy(list[0].values[0], "ssd");
	list[1].kind = BLX_NEEDS;
	list[1].values_count = 1;
	(void)strcpy(list[1].values[0], "kvm");
	list[2].kind = BLX_APART_FROM;
	list[2].values_count = 2;
	(void)strcpy(list[2].values[0], "v0-1");
	(void)strcpy(list[2].values[1], "v8-3");
	list[3].kind = BLX_MAX_PER_NODE;
	(void)strcpy(list[3].key, "web");
	list[3].limit = 3;
	list[4].kind = BLX_SPREAD;
	(void)strcpy(list[4].key, "zone");
	list[4].limit = 5000;
}

static void bench_one(unsigned nodes)
{
	static uint32_t us[ROUNDS];
	blx_constraint constraints[5];
	blx_place_request request = BLX_PLACE_REQUEST_INIT;
	blx_place_model *model = model_of(nodes, USES);
	unsigned i;

	constraints_of(constraints);
	request.name = "new";
	request.group = "web";
	request.cpu = 500;
	request.memory = 512;
	request.constraints = constraints;
	request.constraints_count = 5;
	for (i = 0; i < ROUNDS; i++) {
		uint64_t began = bench_ns();
		blx_place_plan *plan;

		if (blx_place(model, &request, &plan, NULL) != 0) {
			exit(1);
		}
		us[i] = (uint32_t)((bench_ns() - began) / 1000);
		blx_place_plan_free(plan);
	}
	printf("{\"what\":\"place\",\"nodes\":%u,\"constraints\":5,\"uses_a_node\":%d,"
		"\"p50_us\":%u,"
	       "\"p99_us\":%u}\n",
		nodes, USES, bench_permille(us, ROUNDS, 500), bench_permille(us, ROUNDS, 990));
	blx_place_model_destroy(model);
}

/* Each placed one is in the way of the next. */
static void bench_many(void)
{
	blx_place_request request = BLX_PLACE_REQUEST_INIT;
	blx_place_model *model = model_of(PLACES, 0);
	uint64_t began = bench_ns();
	char name[32];
	unsigned i;

	request.cpu = 500;
	request.memory = 1024;
	for (i = 0; i < PLACED; i++) {
		blx_place_use use = {.size = sizeof use, .name = name, .cpu = 500, .memory = 1024};
		blx_place_plan *plan;

		(void)snprintf(name, sizeof name, "p%u", i);
		if (blx_place(model, &request, &plan, NULL) != 0 ||
			blx_place_model_add_use(model, blx_place_plan_node(plan), &use) != 0) {
			exit(1);
		}
		blx_place_plan_free(plan);
	}
	printf("{\"what\":\"place many\",\"nodes\":%d,\"placed\":%d,\"ms\":%.0f}\n", PLACES, PLACED,
		(double)(bench_ns() - began) / 1e6);
	blx_place_model_destroy(model);
}

int main(void)
{
	bench_one(100);
	bench_one(1000);
	bench_one(10000);
	bench_many();
	return 0;
}
