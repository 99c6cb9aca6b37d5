/* SPDX-License-Identifier: Apache-2.0 */
#include "base/rng.h"
#include "plan/model.h"
#include "support/test.h"

#include <blixard/placement.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static blx_place_model *model;
static blx_constraint constraints[BLX_CONSTRAINTS_MAX];
static size_t constraints_count;
static blx_place_request request;
static blx_error error;

static void begin(void)
{
	cr_assert_eq(blx_place_model_create(&model), 0);
	request = (blx_place_request)BLX_PLACE_REQUEST_INIT;
	request.constraints = constraints;
	constraints_count = 0;
	blx_error_init(&error);
}

static void end(void)
{
	blx_place_model_destroy(model);
}

/* "label=value", "+capability", "!taint", "zone:z" with blanks between. */
static blx_node_info info_of(int64_t cpu, int64_t memory, const char *traits)
{
	blx_node_info info = {.cpu = cpu, .memory = memory};
	char text[256];
	char *rest = text;
	char *word;

	(void)snprintf(text, sizeof text, "%s", traits);
	while ((word = strtok_r(rest, " ", &rest)) != NULL) {
		char *equals = strchr(word, '=');

		if (word[0] == '+') {
			(void)strcpy(info.capabilities[info.capabilities_count++], word + 1);
		} else if (word[0] == '!') {
			(void)strcpy(info.taints[info.taints_count++], word + 1);
		} else if (strncmp(word, "zone:", 5) == 0) {
			(void)strcpy(info.zone, word + 5);
		} else if (equals != NULL) {
			*equals = '\0';
			(void)strcpy(info.labels[info.labels_count].key, word);
			(void)strcpy(info.labels[info.labels_count++].value, equals + 1);
		}
	}
	return info;
}

static void node(const char *name, int64_t cpu, int64_t memory, const char *traits)
{
	blx_node_info info = info_of(cpu, memory, traits);

	cr_assert_eq(blx_place_model_add_node(model, name, &info), 0);
}

static void use(const char *on, const char *name, const char *group, int64_t cpu, int64_t memory)
{
	blx_place_use one = {.size = sizeof one,
		.name = name,
		.group = group,
		.cpu = cpu,
		.memory = memory};

	cr_assert_eq(blx_place_model_add_use(model, on, &one), 0);
}

static void want(int kind, const char *key, const char *values, int64_t limit)
{
	blx_constraint *one = &constraints[constraints_count++];
	char text[256];
	char *rest = text;
	char *word;

	*one = (blx_constraint){.kind = kind, .limit = limit};
	(void)snprintf(one->key, sizeof one->key, "%s", key);
	(void)snprintf(text, sizeof text, "%s", values);
	while ((word = strtok_r(rest, " ", &rest)) != NULL) {
		(void)strcpy(one->values[one->values_count++], word);
	}
}

/* The node chosen, or why each will not do: "a: reason; reason. b: reason." */
static const char *place(void)
{
	static char text[4096];
	char reason[BLX_PLACE_REASON_SIZE];
	blx_place_verdict verdict = {.size = sizeof verdict};
	blx_place_plan *plan;
	size_t i;
	size_t k;
	int rv;

	request.constraints_count = constraints_count;
	rv = blx_place(model, &request, &plan, &error);
	constraints_count = 0;
	text[0] = '\0';
	if (rv == 0) {
		(void)snprintf(text, sizeof text, "%s", blx_place_plan_node(plan));
	}
	for (i = 0; rv == BLX_ENOPLACE && i < blx_place_plan_count(plan); i++) {
		cr_assert_eq(blx_place_plan_at(plan, i, &verdict), 0);
		(void)snprintf(text + strlen(text), sizeof text - strlen(text), "%s%s:",
			i > 0 ? " " : "", verdict.node);
		for (k = 0; k < verdict.reasons; k++) {
			cr_assert_eq(blx_place_plan_reason(plan, i, k, reason), 0);
			(void)snprintf(text + strlen(text), sizeof text - strlen(text), "%s %s",
				k > 0 ? ";" : "", reason);
		}
		cr_assert_eq(blx_place_plan_reason(plan, i, k, reason), BLX_EINVAL);
		(void)strcat(text, ".");
	}
	if (rv != 0 && rv != BLX_ENOPLACE) {
		(void)snprintf(text, sizeof text, "%s", blx_err_name(rv));
	}
	blx_place_plan_free(plan);
	return text;
}

Test(place, where_most_is_left_and_of_equals_the_first_by_name, .init = begin, .fini = end)
{
	node("c", 4000, 4096, "");
	node("a", 4000, 4096, "");
	node("b", 8000, 8192, "");
	request.cpu = 1000;
	request.memory = 1024;
	cr_assert_str_eq(place(), "b");
	use("b", "x", NULL, 6000, 6144);
	cr_assert_str_eq(place(), "a");
	request.strategy = BLX_PLACE_BIN_PACK;
	cr_assert_str_eq(place(), "b");
	request.strategy = BLX_PLACE_FIRST_FIT;
	cr_assert_str_eq(place(), "a");
	request.memory = 2049;
	request.strategy = BLX_PLACE_BIN_PACK;
	cr_assert_str_eq(place(), "a", "it does not fit on b");
}

Test(place, every_reason_is_told, .init = begin, .fini = end)
{
	blx_node_info info = info_of(1000, 512, "!gpu !old");

	info.status = BLX_NODE_FAILED;
	info.health = BLX_HEALTH_FAILED;
	cr_assert_eq(blx_place_model_add_node(model, "n", &info), 0);
	use("n", "x", NULL, 900, 500);
	request.cpu = 200;
	request.memory = 100;
	want(BLX_TOLERATE, "", "old", 0);
	want(BLX_NEEDS, "", "kvm", 0);
	cr_assert_str_eq(place(),
		"n: is Failed; its health is Failed; has 100 of cpu left, 200 needed; has 12 MiB "
		"of memory left, 100 needed; has taints that are not tolerated: gpu; has not all "
		"of the capabilities: kvm.");
	cr_assert_not_null(strstr(error.message, "No suitable nodes available"));
}

Test(place, draining_takes_nothing_more, .init = begin, .fini = end)
{
	blx_node_info info = info_of(1000, 512, "");

	info.draining = 1;
	cr_assert_eq(blx_place_model_add_node(model, "n", &info), 0);
	cr_assert_str_eq(place(), "n: is Draining.");
	info.draining = 0;
	info.health = BLX_HEALTH_DEGRADED;
	cr_assert_eq(blx_place_model_add_node(model, "n", &info), 0);
	cr_assert_str_eq(place(), "n");
}

Test(place, constraints_on_the_node_itself, .init = begin, .fini = end)
{
	node("a", 1, 1, "disk=ssd +kvm +nix");
	node("b", 1, 1, "disk=hdd +kvm");
	node("c", 1, 1, "zone:z");
	want(BLX_ON_NODE, "", "b c", 0);
	cr_assert_str_eq(place(), "b");
	want(BLX_NOT_ON_NODE, "", "a b", 0);
	cr_assert_str_eq(place(), "c");
	want(BLX_NEEDS, "", "kvm nix", 0);
	cr_assert_str_eq(place(), "a");
	want(BLX_LABEL_IN, "disk", "hdd tape", 0);
	cr_assert_str_eq(place(), "b");
	want(BLX_LABEL_NOT_IN, "disk", "hdd ssd", 0);
	cr_assert_str_eq(place(), "c", "one without the label does");
	want(BLX_LABEL_IN, "zone", "z", 0);
	cr_assert_str_eq(place(), "c");
	want(BLX_LABEL_IN, "disk", "tape", 0);
	want(BLX_ON_NODE, "", "nowhere", 0);
	cr_assert_str_eq(place(),
		"a: its label disk is \"ssd\", and not one of: tape; is none of: nowhere. "
		"b: its label disk is \"hdd\", and not one of: tape; is none of: nowhere. "
		"c: its label disk is \"\", and not one of: tape; is none of: nowhere.");
}

Test(place, taints_repel_unless_they_are_tolerated, .init = begin, .fini = end)
{
	node("a", 1, 1, "!gpu");
	cr_assert_str_eq(place(), "a: has taints that are not tolerated: gpu.");
	want(BLX_TOLERATE, "", "gpu other", 0);
	cr_assert_str_eq(place(), "a");
}

Test(place, constraints_on_what_is_there, .init = begin, .fini = end)
{
	node("a", 100, 100, "");
	node("b", 100, 100, "");
	use("a", "db", "g", 1, 1);
	use("a", "db2", "g", 1, 1);
	want(BLX_APART_FROM, "", "db nothing", 0);
	cr_assert_str_eq(place(), "b");
	want(BLX_TOGETHER_WITH, "", "db db2", 0);
	cr_assert_str_eq(place(), "a");
	want(BLX_TOGETHER_WITH, "", "db nothing", 0);
	cr_assert_str_eq(place(), "a: has not on it all of: db, nothing. b: has not on it all of: "
				  "db, nothing.");
	want(BLX_MAX_PER_NODE, "g", "", 2);
	cr_assert_str_eq(place(), "b");
	want(BLX_MAX_PER_NODE, "g", "", 2);
	want(BLX_ON_NODE, "", "a", 0);
	cr_assert_not_null(strstr(place(), "a: has 2 of the group g, and 2 are allowed."));
	request.name = "db2";
	want(BLX_MAX_PER_NODE, "g", "", 2);
	want(BLX_ON_NODE, "", "a", 0);
	cr_assert_str_eq(place(), "a", "it does not count against itself");
}

Test(place, a_group_is_spread_over_the_values_of_a_label, .init = begin, .fini = end)
{
	node("a1", 100, 100, "zone:a");
	node("a2", 100, 100, "zone:a");
	node("b1", 100, 100, "zone:b");
	node("none", 1000, 1000, "");
	request.group = "g";
	use("a1", "g1", "g", 1, 1);
	want(BLX_SPREAD, "zone", "", 1);
	cr_assert_str_eq(place(), "b1");
	use("b1", "g2", "g", 1, 1);
	want(BLX_SPREAD, "zone", "", 1);
	cr_assert_str_eq(place(), "a2");
	use("a2", "g3", "g", 1, 1);
	want(BLX_SPREAD, "zone", "", 1);
	want(BLX_NOT_ON_NODE, "", "b1", 0);
	cr_assert_not_null(strstr(place(), "a1: its label zone is \"a\", where with this one"));
}

Test(place, what_is_on_a_node_already_is_not_in_its_own_way, .init = begin, .fini = end)
{
	node("a", 100, 100, "");
	use("a", "x", NULL, 80, 80);
	use("a", "x", NULL, 60, 90);
	request.name = "x";
	request.cpu = 100;
	request.memory = 100;
	cr_assert_str_eq(place(), "a", "a reservation and what it is for count once");
	request.name = "y";
	cr_assert_str_eq(place(), "a: has 20 of cpu left, 100 needed; has 10 MiB of memory left, "
				  "100 needed.");
}

Test(place, what_is_wrong_is_refused, .init = begin, .fini = end)
{
	node("a", 100, 100, "");
	request.cpu = -1;
	cr_assert_str_eq(place(), "BLX_EINVAL");
	request.cpu = 0;
	request.strategy = 3;
	cr_assert_str_eq(place(), "BLX_EINVAL");
	request.strategy = 0;
	want(99, "", "x", 0);
	cr_assert_str_eq(place(), "BLX_EINVAL");
	want(BLX_SPREAD, "zone", "", 0);
	cr_assert_str_eq(place(), "BLX_EINVAL");
	want(BLX_LABEL_IN, "", "x", 0);
	cr_assert_str_eq(place(), "BLX_EINVAL");
	want(BLX_ON_NODE, "", "", 0);
	cr_assert_str_eq(place(), "BLX_EINVAL");
	cr_assert_eq(blx_place_model_remove_node(model, "x"), BLX_ENOENT);
	cr_assert_eq(blx_place_model_remove_node(model, "a"), 0);
	cr_assert_str_eq(place(), "");
}

/* ---- the order in which a model is made does not matter ------------------------------------- */

Test(place, any_order_gives_the_same_plan)
{
	const char *seed = getenv("BLX_SEED");
	struct blx__rng rng;
	unsigned round;

	blx__rng_init(&rng, seed != NULL ? strtoull(seed, NULL, 0) : 20261125);
	for (round = 0; round < 300; round++) {
		unsigned order[20];
		char first[4096];
		unsigned again;
		uint64_t traits = blx__rng_u64(&rng);
		unsigned i;

		for (again = 0; again < 2; again++) {
			begin();
			for (i = 0; i < 20; i++) {
				order[i] = i;
			}
			for (i = 19; again > 0 && i > 0; i--) {
				unsigned k = (unsigned)blx__rng_below(&rng, i + 1);
				unsigned other = order[i];

				order[i] = order[k];
				order[k] = other;
			}
			for (i = 0; i < 20; i++) {
				char name[16];
				unsigned n = order[i];

				(void)snprintf(name, sizeof name, "n%02u", n);
				node(name, 100 + (int64_t)(traits >> n & 3) * 10, 100,
					(traits >> (n + 9) & 1) != 0 ? "zone:a !t" : "zone:b +c");
				use(name, "u", (traits >> n & 4) != 0 ? "g" : "h",
					(int64_t)(traits >> (n + 20) & 63), 10);
			}
			request.group = "g";
			request.cpu = 60;
			want(BLX_SPREAD, "zone", "", 1 + (int64_t)(traits & 3));
			want(BLX_MAX_PER_NODE, "g", "", 1);
			if ((traits & 8) != 0) {
				want(BLX_TOLERATE, "", "t", 0);
			}
			if (again == 0) {
				(void)snprintf(first, sizeof first, "%s", place());
			} else {
				cr_assert_str_eq(place(), first);
			}
			end();
		}
	}
}
