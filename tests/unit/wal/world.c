/* SPDX-License-Identifier: Apache-2.0 */
#include "unit/wal/world.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TYPE_OF(id) ((uint8_t)(1 + (id) % 3))

uint64_t world_seed(void)
{
	const char *text = getenv("BLX_SEED");

	return text != NULL ? strtoull(text, NULL, 10) : 0;
}

void world_init(struct world *world, uint64_t seed)
{
	unsigned i;

	memset(world, 0, sizeof *world);
	fake_init(&world->fake, seed);
	world->segment_size = 65536;
	world->groups = GROUPS;
	world->cluster = 7;
	world->member = 1;
	for (i = 0; i < GROUPS; i++) {
		world->state[i].first = 1;
		world->state[i].next = 1;
		world->base[i] = world->state[i];
	}
}

static void requests_free(struct world *world)
{
	size_t i;

	for (i = 0; i < world->count; i++) {
		size_t k;

		for (k = 0; k < world->requests[i]->n; k++) {
			free(world->requests[i]->bytes[k]);
		}
		free(world->requests[i]);
	}
	free(world->requests);
	world->requests = NULL;
	world->count = 0;
	world->acked = 0;
	world->ended = 0;
}

void world_finish(struct world *world)
{
	requests_free(world);
	fake_finish(&world->fake);
}

static void on_fatal(void *data, const blx_error *error)
{
	struct world *world = data;

	cr_assert_not(world->inside, "told inside a call");
	world->fatals++;
	world->fatal_code = error->code;
	memcpy(world->fatal, error->message, sizeof world->fatal);
}

int world_open(struct world *world, bool create, blx_error *error)
{
	struct blx__wal_opts opts = {.env = &world->fake.env,
		.dir = DIR,
		.member_id = world->member,
		.segment_size = world->segment_size,
		.groups_max = world->groups,
		.create = create,
		.on_fatal = on_fatal,
		.data = world};

	memset(opts.cluster_id, world->cluster, sizeof opts.cluster_id);
	return blx__wal_open(&opts, &world->wal, error);
}

void world_create(struct world *world)
{
	blx_error error = BLX_ERROR_INIT;

	cr_assert_eq(world_open(world, true, &error), 0, "%s", error.message);
}

static void on_close(void *data)
{
	struct world *world = data;

	world->closed = true;
	world->wal = NULL;
}

void world_close(struct world *world)
{
	world->closed = false;
	blx__wal_close(world->wal, on_close, world);
	cr_assert_not(world->closed);
	fake_run(&world->fake);
	cr_assert(world->closed);
	cr_assert_eq(world->ended, world->count);
}

void world_reopen(struct world *world)
{
	blx_error error = BLX_ERROR_INIT;

	world_close(world);
	cr_assert_eq(world->acked, world->count);
	cr_assert_eq(world_open(world, false, &error), 0, "%s", error.message);
	world_check(world);
}

/* ---- requests ------------------------------------------------------------ */

static void *bytes_of(uint64_t id, size_t len)
{
	uint8_t *bytes = malloc(len + 1);
	size_t i;

	for (i = 0; i < len; i++) {
		bytes[i] = (uint8_t)(id * 131 + i * 7 + (i >> 8));
	}
	return bytes;
}

static void on_done(struct blx__wal_req *req, int status)
{
	struct request *request = req->data;
	struct world *world = request->world;
	size_t i;

	cr_assert_not(world->inside, "told inside a call");
	cr_assert_not(request->done, "told twice");
	cr_assert_eq(world->requests[world->ended], request, "told out of order");
	request->done = true;
	request->status = status;
	world->ended++;
	if (status == 0) {
		cr_assert_eq(world->acked + 1, world->ended, "success after a failure");
		world->acked++;
	}
	for (i = 0; i < request->n; i++) {
		memset(request->bytes[i], 0xdb, request->lens[i]);
	}
}

static void model_apply(struct model *model, const struct request *request)
{
	size_t i;

	switch (request->kind) {
	case APPEND:
		for (i = 0; i < request->n; i++) {
			cr_assert_lt(model->next, MODEL_MAX);
			model->ids[model->next++] = request->ids[i];
		}
		break;
	case TRUNCATE:
		model->next = request->index;
		break;
	case HARD_STATE:
		model->term = request->term;
		model->vote = request->vote;
		break;
	case SNAPSHOT:
		model->has_snapshot = true;
		model->snapshot_index = request->index;
		model->snapshot_term = request->term;
		if (request->keep_from == request->index + 1) {
			model->first = request->keep_from;
			model->next = request->keep_from;
		} else if (request->keep_from > model->first) {
			model->first = request->keep_from;
		}
		break;
	}
}

static struct request *request_new(struct world *world, enum kind kind, unsigned group)
{
	struct request *request = calloc(1, sizeof *request);

	request->world = world;
	request->kind = kind;
	request->group = group;
	request->req.cb = on_done;
	request->req.data = request;
	world->requests =
		realloc(world->requests, (world->count + 1) * sizeof *world->requests);
	world->requests[world->count++] = request;
	return request;
}

void world_append(struct world *world, unsigned group, size_t n, size_t len)
{
	struct request *request = request_new(world, APPEND, group);
	struct blx__wal_entry entries[4];
	size_t i;

	request->n = n;
	for (i = 0; i < n; i++) {
		uint64_t id = ++world->id * 1000000000 + len;

		request->ids[i] = id;
		request->lens[i] = len;
		request->bytes[i] = bytes_of(id, len);
		entries[i] =
			(struct blx__wal_entry){.index = world->state[group].next + i,
				.term = id % 1000,
				.type = TYPE_OF(id),
				.data = request->bytes[i],
				.len = len};
	}
	model_apply(&world->state[group], request);
	world->inside = true;
	blx__wal_append(world->wal, &request->req, group, entries, n);
	world->inside = false;
	memset(entries, 0xee, sizeof entries); /* only the bytes are kept */
}

void world_truncate(struct world *world, unsigned group, uint64_t index)
{
	struct request *request = request_new(world, TRUNCATE, group);

	request->index = index;
	model_apply(&world->state[group], request);
	world->inside = true;
	blx__wal_truncate(world->wal, &request->req, group, index);
	world->inside = false;
}

void world_hard_state(struct world *world, unsigned group, uint64_t term, uint64_t vote)
{
	struct request *request = request_new(world, HARD_STATE, group);

	request->term = term;
	request->vote = vote;
	model_apply(&world->state[group], request);
	world->inside = true;
	blx__wal_set_hard_state(world->wal, &request->req, group, term, vote);
	world->inside = false;
}

static size_t meta_fill(uint64_t index, char meta[64])
{
	return (size_t)snprintf(meta, 64, "snapshot at %" PRIu64, index);
}

void world_snapshot(
	struct world *world, unsigned group, uint64_t index, uint64_t keep_from)
{
	struct request *request = request_new(world, SNAPSHOT, group);
	struct blx__wal_snapshot snapshot = {
		.index = index, .term = 5, .keep_from = keep_from};
	char meta[64];

	snapshot.meta_len = meta_fill(index, meta);
	snapshot.meta = meta;
	request->index = index;
	request->term = 5;
	request->keep_from = keep_from;
	model_apply(&world->state[group], request);
	world->inside = true;
	blx__wal_snapshot(world->wal, &request->req, group, &snapshot);
	world->inside = false;
	memset(meta, 0xee, sizeof meta);
}

void world_random(struct world *world, struct blx__rng *rng)
{
	unsigned group = (unsigned)blx__rng_below(rng, world->groups);
	struct model *model = &world->state[group];
	uint64_t live = model->next - model->first;
	uint64_t dice = blx__rng_below(rng, 100);

	if (dice < 65) {
		size_t len = blx__rng_below(rng, 10) == 0
				     ? (size_t)blx__rng_below(rng, 30000)
				     : (size_t)blx__rng_below(rng, 1500);

		world_append(world, group, 1 + (size_t)blx__rng_below(rng, 4), len);
	} else if (dice < 75) {
		world_hard_state(world, group, model->term + 1, blx__rng_below(rng, 4));
	} else if (dice < 82 && live > 0) {
		world_truncate(world, group, model->next - blx__rng_below(rng, live + 1));
	} else if (dice < 97 && live > 2) {
		uint64_t index = model->first + blx__rng_below(rng, live);
		uint64_t keep = index > 2 ? index - blx__rng_below(rng, 3) : index;

		world_snapshot(world, group, index, keep);
	} else if (dice >= 97) {
		uint64_t index = model->next + blx__rng_below(rng, 5);

		world_snapshot(world, group, index, index + 1);
	}
}

/* ---- what recovery found ------------------------------------------------- */

static bool entry_equal(const struct blx__wal_entry *entry, uint64_t index, uint64_t id)
{
	size_t len = (size_t)(id % 1000000000);
	void *bytes = bytes_of(id, len);
	bool equal = entry->index == index && entry->len == len &&
		     entry->term == id % 1000 && entry->type == TYPE_OF(id) &&
		     memcmp(entry->data, bytes, len) == 0;

	free(bytes);
	return equal;
}

static bool state_equal(const struct blx__wal_state *state, const struct model *model)
{
	char meta[64];
	size_t i;

	if (state->term != model->term || state->vote != model->vote ||
		state->first_index != model->first ||
		state->count != model->next - model->first ||
		state->has_snapshot != model->has_snapshot) {
		return false;
	}
	if (model->has_snapshot &&
		(state->snapshot_index != model->snapshot_index ||
			state->snapshot_term != model->snapshot_term ||
			state->snapshot_meta_len !=
				meta_fill(model->snapshot_index, meta) ||
			memcmp(state->snapshot_meta, meta, state->snapshot_meta_len) !=
				0)) {
		return false;
	}
	for (i = 0; i < state->count; i++) {
		if (!entry_equal(&state->entries[i], model->first + i,
			    model->ids[model->first + i])) {
			return false;
		}
	}
	return true;
}

static bool all_equal(const struct world *world, const struct blx__wal_state *states,
	const struct model *models)
{
	unsigned i;

	for (i = 0; i < world->groups; i++) {
		if (!state_equal(&states[i], &models[i])) {
			return false;
		}
	}
	return true;
}

void world_check(struct world *world)
{
	struct blx__wal_state states[GROUPS];
	struct model *models = malloc(sizeof world->base);
	size_t k;
	unsigned i;
	bool found = false;

	for (i = 0; i < world->groups; i++) {
		cr_assert_eq(blx__wal_state_take(world->wal, i, &states[i]), 0);
	}
	memcpy(models, world->base, sizeof world->base);
	for (k = 0;; k++) {
		if (k >= world->acked && all_equal(world, states, models)) {
			found = true;
			break;
		}
		if (k == world->count) {
			break;
		}
		model_apply(&models[world->requests[k]->group], world->requests[k]);
	}
	for (i = 0; i < world->groups; i++) {
		blx__wal_state_finish(&states[i]);
	}
	cr_assert(found,
		"seed %" PRIu64 ": what is there is no prefix of %zu..%zu requests",
		world_seed(), world->acked, world->count);
	memcpy(world->base, models, sizeof world->base);
	memcpy(world->state, models, sizeof world->base);
	free(models);
	requests_free(world);
}

struct blx__wal_stats world_stats(const struct world *world)
{
	struct blx__wal_stats stats;

	blx__wal_stats_get(world->wal, &stats);
	return stats;
}
