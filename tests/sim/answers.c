/* SPDX-License-Identifier: Apache-2.0 */
#include "answers.h"

#include "base/codec.h"
#include "lincheck.h"
#include "memory.h"
#include "node/list.h"
#include "store/txn.h"
#include "wish.h"

#include <stdlib.h>

typedef unsigned long long ull;

/* Steps of the search for an order of one key's history. */
#define STEPS_MAX 2000000

static struct sim_world *world_of(const struct sim_client *client)
{
	return client->workload->cluster->world;
}

/* ---- what is remembered ---- */

static void op_add(struct sim_client *client, unsigned key, const struct sim_op *op)
{
	struct sim_op full = *op;

	full.client = client->number;
	full.call_ns = client->wish->call_ns;
	/* What comes at the moment of the call comes after it. */
	full.return_ns =
		op->result == SIM_UNKNOWN ? UINT64_MAX : world_of(client)->now_ns + 1;
	sim_history_add(&client->workload->histories[key], &full);
}

static void change_add(
	struct sim_client *client, unsigned key, uint64_t revision, uint32_t value)
{
	struct sim_changes *changes = &client->workload->changes[key];

	if (changes->count == changes->cap) {
		changes->cap = changes->cap * 2 + 64;
		changes->list =
			sim_resize(changes->list, changes->cap * sizeof changes->list[0]);
	}
	changes->list[changes->count++] =
		(struct sim_change){.revision = revision, .value = value};
}

static void look_add(struct sim_client *client, const struct sim_look *look)
{
	struct sim_workload *workload = client->workload;

	if (workload->looks_count == workload->looks_cap) {
		workload->looks_cap = workload->looks_cap * 2 + 256;
		workload->looks = sim_resize(
			workload->looks, workload->looks_cap * sizeof workload->looks[0]);
	}
	workload->looks[workload->looks_count++] = *look;
	client->seen[look->key] =
		(struct sim_seen){.value = look->value, .revision = look->modified};
}

/* A replica never shows older things than it did. */
static void revision_read(
	struct sim_client *client, struct sim_member *member, uint64_t revision)
{
	if (revision < member->revision_read) {
		sim_fail(world_of(client),
			"no way back: %s answers a read at revision %llu, and did at "
			"%llu before",
			member->name, (ull)revision, (ull)member->revision_read);
	}
	member->revision_read = revision;
}

/* ---- writes ---- */

static struct sim_op op_of(const struct sim_wish *wish, enum sim_result result)
{
	struct sim_op op = {.result = result, .value = wish->value};

	switch (wish->kind) {
	case SIM_WISH_PUT:
		op.kind = SIM_PUT;
		break;
	case SIM_WISH_DELETE:
		op.kind = SIM_DELETE;
		op.value = 0;
		break;
	default:
		op.kind = SIM_CAS;
		op.expected = wish->expected;
		break;
	}
	return op;
}

static bool parse_existed(const struct blx__response *response, bool *ret_existed)
{
	struct blx__reader reader = blx__reader_of(response->body, response->body_len);
	struct blx__txn_result_head head;
	struct blx__txn_op_result result;

	if (blx__txn_result_head_get(&reader, &head) != 0 || head.count < 1 ||
		blx__txn_op_result_get(&reader, &result) != 0) {
		return false;
	}
	*ret_existed = result.existed == 1;
	return true;
}

static void write_ok(struct sim_client *client, const struct blx__response *response)
{
	const struct sim_wish *wish = client->wish;
	struct sim_op op = op_of(wish, SIM_OK);

	if (!parse_existed(response, &op.existed)) {
		sim_fail(world_of(client),
			"client %u: the answer to a write is malformed", client->number);
		return;
	}
	op_add(client, wish->key, &op);
	if (wish->kind == SIM_WISH_TXN) {
		op_add(client, wish->other,
			&(struct sim_op){.kind = SIM_PUT, .value = wish->other_value});
		change_add(client, wish->other, response->revision, wish->other_value);
	}
	if (op.kind != SIM_DELETE || op.existed) {
		change_add(client, wish->key, response->revision, op.value);
		sim_acks_add(&client->workload->acks, world_of(client)->now_ns,
			response->revision);
		sim_checks_acked(&client->workload->cluster->checks, client->number,
			client->session, client->seq, response->revision);
	}
	client->seen[wish->key] =
		(struct sim_seen){.value = op.value, .revision = response->revision};
	if (op.kind == SIM_DELETE) {
		client->seen[wish->key].revision = 0;
	}
	client->workload->oks++;
}

static bool take_write(struct sim_client *client, const struct blx__response *response)
{
	const struct sim_wish *wish = client->wish;

	if (response->code == 0) {
		write_ok(client, response);
		return true;
	}
	if (response->code != BLX_ECONFLICT) {
		return false;
	}
	if (op_of(wish, SIM_OK).kind != SIM_CAS) {
		sim_fail(world_of(client),
			"client %u: a conflict, and there was no guard", client->number);
	}
	op_add(client, wish->key,
		&(struct sim_op){.kind = SIM_CAS,
			.result = SIM_CONFLICT,
			.value = wish->value,
			.expected = wish->expected});
	sim_checks_denied(&client->workload->cluster->checks, client->number,
		client->session, client->seq);
	client->workload->conflicts++;
	return true;
}

void sim_answers_none(struct sim_client *client, bool maybe)
{
	const struct sim_wish *wish = client->wish;
	struct sim_op op = op_of(wish, SIM_UNKNOWN);

	if (!maybe) {
		sim_checks_denied(&client->workload->cluster->checks, client->number,
			client->session, client->seq);
		return;
	}
	op_add(client, wish->key, &op);
	client->workload->changes[wish->key].unknown = true;
	if (wish->kind == SIM_WISH_TXN) {
		/* Done or not, it follows the first key: a CAS that nobody knows of. It
		 * is put as one that may have been done at any time. */
		op_add(client, wish->other,
			&(struct sim_op){.kind = SIM_PUT,
				.result = SIM_UNKNOWN,
				.value = wish->other_value});
		client->workload->changes[wish->other].unknown = true;
	}
	client->workload->unknowns++;
}

/* ---- reads ---- */

static void key_read(struct sim_client *client, const struct sim_look *look)
{
	look_add(client, look);
	if (sim_wish_is_consistent(client->wish)) {
		op_add(client, look->key,
			&(struct sim_op){.kind = SIM_GET, .value = look->value});
	}
}

static uint32_t value_read(struct sim_client *client, const uint8_t *bytes, size_t len)
{
	uint32_t value = sim_value_parse(bytes, len);

	if (value == 0) {
		sim_fail(world_of(client),
			"client %u: a value was read that nobody wrote", client->number);
	}
	return value;
}

/* A member's clock may be a tenth too slow, and rounds to milliseconds. */
static void age_check(struct sim_client *client, const struct sim_member *member,
	uint64_t revision)
{
	const struct sim_wish *wish = client->wish;
	uint64_t age_ns = (wish->max_age_ms * UINT64_C(112) / 100 + 2) * SIM_MS;
	uint64_t floor;

	if (wish->kind != SIM_WISH_GET_AGED || wish->call_ns < age_ns) {
		return;
	}
	floor = sim_acks_before(&client->workload->acks, wish->call_ns - age_ns);
	if (revision < floor) {
		sim_fail(world_of(client),
			"too old: %s answers at revision %llu a read of at most %u ms ago, when "
			"revision %llu had been acknowledged",
			member->name, (ull)revision, wish->max_age_ms, (ull)floor);
	}
}

static bool take_get(struct sim_client *client, struct sim_member *member,
	const struct blx__response *response)
{
	struct sim_look look = {.key = client->wish->key};
	struct blx__got got;

	if (response->code != 0 && response->code != BLX_ENOENT) {
		return false;
	}
	if (blx__got_get(response->body, response->body_len, &got) != 0) {
		sim_fail(world_of(client), "client %u: the answer to a get is malformed",
			client->number);
		return true;
	}
	revision_read(client, member, got.revision);
	age_check(client, member, got.revision);
	look.revision = got.revision;
	if (response->code == 0) {
		look.value = value_read(client, got.value, got.value_len);
		look.modified = got.mod_revision;
	}
	key_read(client, &look);
	client->workload->oks++;
	return true;
}

static void list_entries(struct sim_client *client, struct blx__reader *reader,
	const struct blx__list_head *head)
{
	struct sim_look looks[SIM_KEYS_MAX] = {0};
	unsigned key;
	uint32_t i;

	for (i = 0; i < head->count; i++) {
		struct blx__list_entry entry;
		int number;

		if (blx__list_entry_get(reader, &entry) != 0) {
			sim_fail(world_of(client), "client %u: a list is malformed",
				client->number);
			return;
		}
		number = entry.has_value ? sim_key_parse(entry.name, entry.name_len) : -1;
		if (number >= 0 && number < SIM_KEYS_MAX) {
			looks[number].value =
				value_read(client, entry.value, entry.value_len);
			looks[number].modified = entry.mod_revision;
		}
	}
	for (key = 0; key < client->workload->keys && !head->more; key++) {
		looks[key].key = key;
		looks[key].revision = head->revision;
		key_read(client, &looks[key]);
	}
}

static bool take_list(struct sim_client *client, struct sim_member *member,
	const struct blx__response *response)
{
	struct blx__reader reader = blx__reader_of(response->body, response->body_len);
	struct blx__list_head head;

	if (response->code == BLX_ENOENT) {
		return true; /* the directory is not there yet; it says no revision */
	}
	if (response->code != 0) {
		return false;
	}
	if (blx__list_head_get(&reader, &head) != 0) {
		sim_fail(world_of(client), "client %u: a list is malformed",
			client->number);
		return true;
	}
	revision_read(client, member, head.revision);
	list_entries(client, &reader, &head);
	client->workload->oks++;
	return true;
}

bool sim_answers_take(struct sim_client *client, struct sim_member *member,
	const struct blx__response *response)
{
	switch (client->wish->kind) {
	case SIM_WISH_GET:
	case SIM_WISH_GET_LOCAL:
	case SIM_WISH_GET_AGED:
		return take_get(client, member, response);
	case SIM_WISH_LIST:
	case SIM_WISH_LIST_LOCAL:
		return take_list(client, member, response);
	default:
		return take_write(client, response);
	}
}

/* ---- at the end ---- */

static int change_compare(const void *a, const void *b)
{
	const struct sim_change *x = a;
	const struct sim_change *y = b;

	return x->revision < y->revision ? -1 : x->revision > y->revision;
}

/* The last change at or before the revision; NULL: none that is known. */
static const struct sim_change *change_at(
	const struct sim_changes *changes, uint64_t revision)
{
	size_t low = 0;
	size_t high = changes->count;

	while (low < high) {
		size_t middle = (low + high) / 2;

		if (changes->list[middle].revision <= revision) {
			low = middle + 1;
		} else {
			high = middle;
		}
	}
	return low > 0 ? &changes->list[low - 1] : NULL;
}

/* What a replica showed at a revision is what was there at that revision. */
static void check_look(struct sim_workload *workload, const struct sim_look *look)
{
	const struct sim_changes *changes = &workload->changes[look->key];
	const struct sim_change *change = change_at(changes, look->revision);

	if (change == NULL) {
		return;
	}
	if (look->value == 0 ? change->value != 0 && !changes->unknown
			     : change->revision > look->modified ||
				       (change->revision == look->modified &&
					       change->value != look->value)) {
		sim_fail(workload->cluster->world,
			"a moment: at revision %llu key %u was read as value %u of "
			"revision %llu; it "
			"was set to %u at revision %llu",
			(ull)look->revision, look->key, look->value, (ull)look->modified,
			change->value, (ull)change->revision);
	}
}

static void tell_history(struct sim_workload *workload, unsigned key)
{
	const struct sim_history *history = &workload->histories[key];
	char text[160];
	size_t i;

	for (i = 0; i < history->count; i++) {
		sim_op_format(&history->ops[i], text, sizeof text);
		sim_tell(workload->cluster->world, NULL, "  key %u: %s", key, text);
	}
}

static void check_history(struct sim_workload *workload, unsigned key)
{
	const struct sim_history *history = &workload->histories[key];
	char text[160];
	size_t stuck;

	switch (sim_lincheck(history, STEPS_MAX, &stuck)) {
	case SIM_LINEARIZABLE:
		break;
	case SIM_TOO_HARD:
		workload->too_hard++;
		break;
	case SIM_NOT_LINEARIZABLE:
		tell_history(workload, key);
		sim_op_format(&history->ops[stuck], text, sizeof text);
		sim_fail(workload->cluster->world,
			"linearizable: no order explains the answers on key %u; none "
			"gets past: %s",
			key, text);
		break;
	}
}

void sim_workload_check(struct sim_workload *workload)
{
	unsigned key;
	size_t i;

	for (key = 0; key < workload->keys; key++) {
		struct sim_changes *changes = &workload->changes[key];

		if (changes->count > 0) {
			qsort(changes->list, changes->count, sizeof changes->list[0],
				change_compare);
		}
		check_history(workload, key);
	}
	for (i = 0; i < workload->looks_count; i++) {
		check_look(workload, &workload->looks[i]);
	}
}
