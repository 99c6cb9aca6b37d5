/* SPDX-License-Identifier: Apache-2.0 */
/* The group commit with a raft that is played by the test: it keeps what it is given. */
#include "support/test.h"

#include "machine/command.h"
#include "node/impl.h"
#include "store/txn.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WRITES_MAX 2048

struct given {
	struct raft_apply *req;
	struct raft_buffer buf;
};

static struct {
	struct blx__node node;
	struct blx__env env;
	bool leader;
	int apply_fails;
	struct given given[64]; /* entries that raft has, oldest first */
	unsigned given_count;
	unsigned polls;
} world;

struct write {
	struct blx__request request;
	unsigned done;
	int code;
	int outcome;
	uint64_t revision;
};
static struct write writes[WRITES_MAX];

/* ---- what proposals.c asks of the rest ----------------------------------------- */

int raft_apply(struct raft *r, struct raft_apply *req, const struct raft_buffer bufs[],
	const unsigned n, raft_apply_cb cb)
{
	(void)r;
	cr_assert_eq(n, 1);
	cr_assert_eq(bufs[0].len % 8, 0);
	if (world.apply_fails != 0) {
		return world.apply_fails;
	}
	req->cb = cb;
	world.given[world.given_count++] = (struct given){ .req = req, .buf = bufs[0] };
	return 0;
}

void *raft_malloc(size_t n)
{
	return malloc(n);
}

void raft_free(void *ptr)
{
	free(ptr);
}

void blx__guard_poll(struct blx__guard *guard)
{
	(void)guard;
	world.polls++;
}

bool blx__node_is_leader(const struct blx__node *node)
{
	(void)node;
	return world.leader;
}

void blx__request_move(struct blx__request *request, enum blx__request_state state,
	struct blx__list *list)
{
	blx__list_remove(&request->link);
	request->state = state;
	if (list != NULL) {
		blx__list_push_back(list, &request->link);
	}
}

void blx__request_finish(struct blx__request *request, const struct blx__response *response)
{
	struct write *write = request->data;

	if (request->state == BLX__REQUEST_PROPOSED || request->state == BLX__REQUEST_QUEUED) {
		blx__proposals_forget(&world.node.proposals, request);
	}
	blx__list_remove(&request->link);
	request->state = BLX__REQUEST_DONE;
	write->done++;
	write->code = response->code;
	write->outcome = response->outcome;
	write->revision = response->revision;
}

void blx__request_fail(struct blx__request *request, int code, const char *format, ...)
{
	struct blx__response response = { .code = code,
		.outcome = request->maybe_applied ? BLX_UNKNOWN : BLX_NOT_APPLIED };

	(void)format;
	blx__request_finish(request, &response);
}

static int64_t env_wall_ms(struct blx__env *env)
{
	(void)env;
	return 1000;
}

static const struct blx__env_ops env_ops = { .wall_ms = env_wall_ms };

/* ---- steps ---------------------------------------------------------------------- */

static uint8_t body[BLX__BATCH_BYTES_MAX + 4096];
static struct blx__buf command;

static void begin(void)
{
	memset(&world, 0, sizeof world);
	memset(writes, 0, sizeof writes);
	world.leader = true;
	world.env.ops = &env_ops;
	world.node.env = &world.env;
	world.node.identity.id = 3;
	world.node.incarnation = 77;
	blx__list_init(&world.node.waiting);
	cr_assert_eq(blx__machine_create(body, &world.node.machine), 0);
	blx__proposals_init(&world.node.proposals, &world.node);
	blx__buf_init(&command);
}

static void lose_all(int status)
{
	unsigned i;

	for (i = 0; i < world.given_count; i++) {
		world.given[i].req->cb(world.given[i].req, status, NULL);
		raft_free(world.given[i].buf.base);
	}
	world.given_count = 0;
}

static void end(void)
{
	lose_all(RAFT_LEADERSHIPLOST);
	blx__proposals_finish(&world.node.proposals);
	blx__machine_destroy(world.node.machine);
	blx__buf_finish(&command);
}

/* A put of a value of that length, as a command of a session of its own. */
static void command_make(size_t value_len)
{
	struct blx__txn_line line = { .kind = BLX__TXN_PUT,
		.key = (const uint8_t *)"k",
		.key_len = 1,
		.value = body,
		.value_len = value_len };
	struct blx__command made = { .kind = BLX__COMMAND_TXN };
	struct blx__txn txn;
	struct blx__buf bytes;

	blx__txn_init(&txn);
	blx__buf_init(&bytes);
	cr_assert_eq(blx__txn_add(&txn, &line), 0);
	blx__txn_encode(&txn, &bytes);
	made.body = bytes.data;
	made.body_len = bytes.len;
	blx__buf_reset(&command);
	blx__command_encode(&made, &command);
	cr_assert(blx__buf_ok(&command));
	blx__buf_finish(&bytes);
	blx__txn_finish(&txn);
}

static void add(unsigned first, unsigned count)
{
	unsigned i;

	for (i = first; i < first + count; i++) {
		struct blx__request *request = &writes[i].request;

		*request = (struct blx__request){ .op = BLX__OP_WRITE,
			.body = command.data,
			.body_len = command.len,
			.data = &writes[i],
			.node = &world.node };
		blx__list_init(&request->link);
		blx__proposals_add(&world.node.proposals, request);
	}
	blx__proposals_pump(&world.node.proposals);
}

static unsigned given_commands(unsigned i)
{
	struct blx__entry entry;

	cr_assert_eq(blx__entry_read(world.given[i].buf.base, world.given[i].buf.len, &entry), 0);
	cr_assert_eq(entry.header.origin, 3);
	cr_assert_eq(entry.header.incarnation, 77);
	cr_assert_eq(entry.header.time_ms, 1000);
	return entry.header.count;
}

/* The oldest entry is applied, each command with that code; then raft calls back. */
static void apply_first(int code)
{
	struct given first = world.given[0];
	struct blx__entry entry;
	unsigned i;

	cr_assert_gt(world.given_count, 0);
	cr_assert_eq(blx__entry_read(first.buf.base, first.buf.len, &entry), 0);
	for (i = 0; i < entry.header.count; i++) {
		struct blx__reply reply = { .code = code, .revision = 100 + i };

		blx__proposals_on_reply(&world.node.proposals, entry.header.token, i, &reply);
	}
	world.given_count--;
	memmove(world.given, world.given + 1, world.given_count * sizeof world.given[0]);
	first.req->cb(first.req, 0, NULL);
	raft_free(first.buf.base);
	blx__proposals_pump(&world.node.proposals);
}

/* ---- tests ------------------------------------------------------------------------ */

Test(proposals, what_comes_together_leaves_in_one_entry_and_is_answered_by_position,
	.init = begin, .fini = end)
{
	unsigned i;

	command_make(10);
	add(0, 5);
	cr_assert_eq(world.given_count, 1);
	cr_assert_eq(given_commands(0), 5);
	cr_assert_eq(world.polls, 1);
	apply_first(0);
	for (i = 0; i < 5; i++) {
		cr_assert_eq(writes[i].done, 1);
		cr_assert_eq(writes[i].code, 0);
		cr_assert_eq(writes[i].revision, 100 + i);
	}
}

Test(proposals, what_is_not_a_full_entry_waits_while_enough_are_under_way, .init = begin,
	.fini = end)
{
	unsigned i;

	command_make(10);
	for (i = 0; i < BLX__BATCHES_PART_MAX + 20; i++) {
		add(i, 1);
	}
	cr_assert_eq(world.given_count, BLX__BATCHES_PART_MAX);
	apply_first(0);
	cr_assert_eq(world.given_count, BLX__BATCHES_PART_MAX);
	cr_assert_eq(given_commands(BLX__BATCHES_PART_MAX - 1), 20, "all that waited");
}

Test(proposals, full_entries_leave_up_to_the_limit, .init = begin, .fini = end)
{
	command_make(10);
	add(0, (BLX__BATCHES_MAX + 2) * BLX__BATCH_COMMANDS_MAX);

	cr_assert_eq(world.given_count, BLX__BATCHES_MAX);
	cr_assert_eq(given_commands(BLX__BATCHES_MAX - 1), BLX__BATCH_COMMANDS_MAX);
	cr_assert_eq(world.node.proposals.queued_count, 2 * BLX__BATCH_COMMANDS_MAX);
	apply_first(0);
	cr_assert_eq(world.given_count, BLX__BATCHES_MAX);
}

Test(proposals, an_entry_is_bounded_by_bytes_but_holds_one_command_of_any_size, .init = begin,
	.fini = end)
{
	command_make(BLX__BATCH_BYTES_MAX / 3);
	add(0, 4);
	cr_assert_eq(world.given_count, 2);
	cr_assert_eq(given_commands(0), 2);
	command_make(BLX__BATCH_BYTES_MAX + 10);
	add(10, 1);
	cr_assert_eq(world.given_count, 3, "full by its bytes");
	cr_assert_eq(given_commands(2), 1);
}

Test(proposals, a_command_that_cannot_be_applied_is_not_logged, .init = begin, .fini = end)
{
	command_make(10);
	command.data[0] = 99;
	add(0, 1);
	cr_assert_eq(world.given_count, 0);
	cr_assert_lt(writes[0].code, 0);
	cr_assert_eq(writes[0].outcome, BLX_NOT_APPLIED);
}

Test(proposals, a_verdict_says_that_it_was_not_applied, .init = begin, .fini = end)
{
	command_make(10);
	add(0, 1);
	apply_first(BLX_ECONFLICT);
	cr_assert_eq(writes[0].code, BLX_ECONFLICT);
	cr_assert_eq(writes[0].outcome, BLX_NOT_APPLIED);
	cr_assert_eq(writes[0].revision, 100);
}

Test(proposals, a_lost_session_is_unknown_to_who_was_sent_before, .init = begin, .fini = end)
{
	command_make(10);
	add(0, 1);
	apply_first(BLX_ESESSION);
	cr_assert_eq(writes[0].outcome, BLX_NOT_APPLIED);

	add(1, 1);
	lose_all(RAFT_LEADERSHIPLOST);
	blx__list_remove(&writes[1].request.link);
	blx__proposals_add(&world.node.proposals, &writes[1].request);
	blx__proposals_pump(&world.node.proposals);
	apply_first(BLX_ESESSION);
	cr_assert_eq(writes[1].outcome, BLX_UNKNOWN);
}

Test(proposals, lost_leadership_sends_all_on_in_order, .init = begin, .fini = end)
{
	struct blx__list *link;
	unsigned expected = 0;

	command_make(10);
	add(0, 1);
	add(1, 1);
	add(2, 3);
	world.leader = false;
	blx__proposals_on_lost(&world.node.proposals);

	blx__list_foreach(link, &world.node.waiting) {
		struct blx__request *request = blx__container_of(link, struct blx__request, link);

		cr_assert_eq(request, &writes[expected].request);
		cr_assert_eq(request->state, BLX__REQUEST_WAITING);
		cr_assert_eq(request->maybe_applied, expected < 2, "what was queued never left");
		cr_assert_null(request->place);
		expected++;
	}
	cr_assert_eq(expected, 5);
	cr_assert_eq(world.node.proposals.queued_count, 0);
	cr_assert_eq(world.node.proposals.queued_bytes, 0);
	/* Committed by another leader after all: nobody of ours waits for it here. */
	apply_first(0);
	cr_assert_eq(writes[0].done, 0);
	lose_all(RAFT_LEADERSHIPLOST);
}

Test(proposals, what_ends_early_leaves_its_place, .init = begin, .fini = end)
{
	command_make(10);
	add(0, 2);
	add(2, 1);
	add(3, 2);
	blx__request_fail(&writes[0].request, BLX_ETIMEOUT, "late");
	blx__request_fail(&writes[3].request, BLX_ETIMEOUT, "late");
	cr_assert_eq(writes[0].outcome, BLX_UNKNOWN);
	cr_assert_eq(writes[3].outcome, BLX_NOT_APPLIED);
	cr_assert_eq(world.node.proposals.queued_count, 1);
	apply_first(0);
	apply_first(0);
	apply_first(0);
	cr_assert_eq(writes[0].done, 1);
	cr_assert_eq(writes[1].code, 0);
	cr_assert_eq(writes[3].done, 1);
	cr_assert_eq(writes[4].done, 1);
}

Test(proposals, nothing_is_proposed_while_leadership_is_handed_over, .init = begin, .fini = end)
{
	command_make(10);
	world.node.transferring = true;
	add(0, 1);
	cr_assert_eq(world.given_count, 0);
	world.node.transferring = false;
	blx__proposals_pump(&world.node.proposals);
	cr_assert_eq(world.given_count, 1);
}

Test(proposals, an_entry_that_raft_refuses_stays_queued, .init = begin, .fini = end)
{
	command_make(10);
	world.apply_fails = RAFT_NOMEM;
	add(0, 3);
	cr_assert_eq(world.node.proposals.queued_count, 3);
	cr_assert_not(writes[0].request.maybe_applied);
	world.apply_fails = 0;
	blx__proposals_pump(&world.node.proposals);
	cr_assert_eq(given_commands(0), 3);
	apply_first(0);
	cr_assert_eq(writes[2].code, 0);
}

Test(proposals, more_than_may_wait_are_refused, .init = begin, .fini = end)
{
	command_make(1);
	world.leader = false;
	world.node.proposals.queued_count = BLX__PROPOSALS_QUEUE_MAX;
	add(0, 1);
	cr_assert_eq(writes[0].code, BLX_EBUSY);
	cr_assert_eq(writes[0].outcome, BLX_NOT_APPLIED);
	world.node.proposals.queued_count = 0;
}

Test(proposals, a_member_that_ends_ends_all_of_them, .init = begin, .fini = end)
{
	command_make(10);
	add(0, 1);
	add(1, 1);
	add(2, 1);
	blx__proposals_fail(&world.node.proposals, BLX_ECANCELED, "stopping");
	cr_assert_eq(writes[0].outcome, BLX_UNKNOWN);
	cr_assert_eq(writes[1].code, BLX_ECANCELED);
	cr_assert_eq(writes[2].outcome, BLX_NOT_APPLIED);
	cr_assert_eq(world.node.proposals.queued_count, 0);
}
