/* SPDX-License-Identifier: Apache-2.0 */
#include "support/test.h"

#include "base/codec.h"
#include "base/error.h"
#include "base/mem.h"
#include "base/rng.h"
#include "node/wire.h"

#include <stdlib.h>

static struct raft_entry entries[3];

static uint64_t seed_of_environment(void)
{
	const char *text = getenv("BLX_SEED");
	uint64_t seed = text != NULL ? strtoull(text, NULL, 10) : 20;

	cr_log_info("seed %llu", (unsigned long long)seed);
	return seed;
}

static struct raft_message append_entries(void)
{
	static uint8_t data[3][16];
	struct raft_message message = {.type = RAFT_IO_APPEND_ENTRIES};
	unsigned i;

	for (i = 0; i < 3; i++) {
		memset(data[i], 'a' + (int)i, sizeof data[i]);
		entries[i] = (struct raft_entry){.term = 5 + i,
			.type = RAFT_COMMAND,
			.buf = {.base = data[i], .len = 8 * (1 + i % 2)}};
	}
	message.append_entries = (struct raft_append_entries){.term = 9,
		.prev_log_index = 41,
		.prev_log_term = 4,
		.leader_commit = 40,
		.entries = entries,
		.n_entries = 3};
	return message;
}

Test(wire, append_entries_comes_back_in_one_batch)
{
	struct raft_message out = append_entries();
	struct raft_message in;
	struct blx__buf buf;
	unsigned i;

	blx__buf_init(&buf);
	cr_assert_eq(blx__wire_put(&buf, &out, 0, 3), 0);
	cr_assert_eq(blx__wire_get(buf.data, buf.len, &in), 0);

	cr_assert_eq(in.append_entries.prev_log_index, 41);
	cr_assert_eq(in.append_entries.prev_log_term, 4);
	cr_assert_eq(in.append_entries.n_entries, 3);
	for (i = 0; i < 3; i++) {
		const struct raft_entry *entry = &in.append_entries.entries[i];

		cr_assert_eq(entry->term, entries[i].term);
		cr_assert_eq(entry->batch, in.append_entries.entries[0].batch);
		cr_assert_eq(entry->buf.len, entries[i].buf.len);
		cr_assert_arr_eq(entry->buf.base, entries[i].buf.base, entry->buf.len);
	}
	blx__wire_free(&in);
	blx__buf_finish(&buf);
}

Test(wire, a_later_piece_continues_from_the_entry_before_it)
{
	struct raft_message out = append_entries();
	struct raft_message in;
	struct blx__buf buf;

	blx__buf_init(&buf);
	cr_assert_eq(blx__wire_put(&buf, &out, 2, 1), 0);
	cr_assert_eq(blx__wire_get(buf.data, buf.len, &in), 0);
	cr_assert_eq(in.append_entries.prev_log_index, 43);
	cr_assert_eq(in.append_entries.prev_log_term, entries[1].term);
	cr_assert_eq(in.append_entries.n_entries, 1);
	blx__wire_free(&in);
	blx__buf_finish(&buf);
}

Test(wire, a_piece_holds_at_least_one_entry_and_no_more_than_its_bytes)
{
	static uint8_t big[BLX__WIRE_ENTRIES_BYTES + 8];
	struct raft_entry two[2] = {{.term = 1, .buf = {.base = big, .len = sizeof big}},
		{.term = 1, .buf = {.base = big, .len = 8}}};
	struct raft_append_entries args = {.entries = two, .n_entries = 2};

	cr_assert_eq(blx__wire_fit(&args, 0), 1);
	cr_assert_eq(blx__wire_fit(&args, 1), 1);
	cr_assert_eq(blx__wire_fit(&args, 2), 0);
}

Test(wire, small_messages_come_back_as_they_were)
{
	struct raft_message vote = {.type = RAFT_IO_REQUEST_VOTE,
		.request_vote = {.term = 3,
			.candidate_id = 7,
			.last_log_index = 8,
			.last_log_term = 2,
			.disrupt_leader = true,
			.pre_vote = false}};
	struct raft_message result = {.type = RAFT_IO_APPEND_ENTRIES_RESULT,
		.append_entries_result = {.term = 3, .rejected = 4, .last_log_index = 5}};
	struct raft_message in;
	struct blx__buf buf;

	blx__buf_init(&buf);
	cr_assert_eq(blx__wire_put(&buf, &vote, 0, 0), 0);
	cr_assert_eq(blx__wire_get(buf.data, buf.len, &in), 0);
	cr_assert_eq(in.request_vote.candidate_id, 7);
	cr_assert(in.request_vote.disrupt_leader);
	cr_assert_not(in.request_vote.pre_vote);

	blx__buf_reset(&buf);
	cr_assert_eq(blx__wire_put(&buf, &result, 0, 0), 0);
	cr_assert_eq(blx__wire_get(buf.data, buf.len, &in), 0);
	cr_assert_eq(in.append_entries_result.rejected, 4);
	cr_assert_eq(in.append_entries_result.last_log_index, 5);
	blx__buf_finish(&buf);
}

Test(wire, an_install_snapshot_brings_its_configuration)
{
	struct raft_message out = {.type = RAFT_IO_INSTALL_SNAPSHOT};
	struct raft_message in;
	struct blx__buf buf;

	out.install_snapshot.term = 2;
	out.install_snapshot.last_index = 100;
	out.install_snapshot.last_term = 1;
	out.install_snapshot.conf_index = 3;
	raft_configuration_init(&out.install_snapshot.conf);
	cr_assert_eq(raft_configuration_add(
			     &out.install_snapshot.conf, 1, "n1@h:1", RAFT_VOTER),
		0);
	out.install_snapshot.data.base = (void *)(uintptr_t) "manifest";
	out.install_snapshot.data.len = 8;

	blx__buf_init(&buf);
	cr_assert_eq(blx__wire_put(&buf, &out, 0, 0), 0);
	cr_assert_eq(blx__wire_get(buf.data, buf.len, &in), 0);
	cr_assert_eq(in.install_snapshot.last_index, 100);
	cr_assert_eq(in.install_snapshot.conf.n, 1);
	cr_assert_str_eq(in.install_snapshot.conf.servers[0].address, "n1@h:1");
	cr_assert_arr_eq(in.install_snapshot.data.base, "manifest", 8);
	blx__wire_free(&in);
	raft_configuration_close(&out.install_snapshot.conf);
	blx__buf_finish(&buf);
}

Test(wire, cut_anywhere_it_is_refused_and_nothing_leaks)
{
	struct raft_message out = append_entries();
	struct raft_message in;
	struct blx__buf buf;
	size_t cut;

	blx__buf_init(&buf);
	cr_assert_eq(blx__wire_put(&buf, &out, 0, 3), 0);
	for (cut = 0; cut < buf.len; cut++) {
		uint8_t *copy = blx__memdup(buf.data, cut);

		cr_assert_eq(
			blx__wire_get(copy, cut, &in), BLX_EPROTO, "cut at %zu", cut);
		blx__free(copy);
	}
	blx__buf_finish(&buf);
}

/* libraft 0.15 corrupts memory on entries whose length is no multiple of 8. */
Test(wire, entries_that_are_not_whole_words_are_refused)
{
	struct raft_message out = append_entries();
	struct raft_message in;
	struct blx__buf buf;

	entries[1].buf.len = 9;
	blx__buf_init(&buf);
	cr_assert_eq(blx__wire_put(&buf, &out, 0, 3), 0);
	cr_assert_eq(blx__wire_get(buf.data, buf.len, &in), BLX_EPROTO);
	blx__buf_finish(&buf);
}

static struct raft_message snapshot(void)
{
	struct raft_message message = {.type = RAFT_IO_INSTALL_SNAPSHOT};
	struct raft_install_snapshot *args = &message.install_snapshot;

	args->term = 2;
	args->last_index = 100;
	args->last_term = 1;
	args->conf_index = 3;
	raft_configuration_init(&args->conf);
	cr_assert_eq(raft_configuration_add(&args->conf, 1, "n1@h:1", RAFT_VOTER), 0);
	cr_assert_eq(raft_configuration_add(&args->conf, 2, "n2@h:2", RAFT_SPARE), 0);
	args->data.base = (void *)(uintptr_t) "manifest";
	args->data.len = 8;
	return message;
}

/* One of each kind. */
static void put_kind(struct blx__buf *buf, unsigned kind)
{
	struct raft_message message = {.type = (unsigned short)kind};

	blx__buf_reset(buf);
	if (kind == RAFT_IO_APPEND_ENTRIES) {
		message = append_entries();
	} else if (kind == RAFT_IO_INSTALL_SNAPSHOT) {
		message = snapshot();
	}
	cr_assert_eq(
		blx__wire_put(buf, &message, 0, kind == RAFT_IO_APPEND_ENTRIES ? 3 : 0),
		0);
	if (kind == RAFT_IO_INSTALL_SNAPSHOT) {
		raft_configuration_close(&message.install_snapshot.conf);
	}
}

Test(wire, every_kind_is_refused_when_cut_or_continued)
{
	struct raft_message in;
	struct blx__buf buf;
	unsigned kind;
	size_t cut;

	blx__buf_init(&buf);
	for (kind = RAFT_IO_APPEND_ENTRIES; kind <= RAFT_IO_TIMEOUT_NOW; kind++) {
		put_kind(&buf, kind);
		for (cut = 0; cut < buf.len; cut++) {
			uint8_t *copy = blx__memdup(buf.data, cut);

			cr_assert_eq(blx__wire_get(copy, cut, &in), BLX_EPROTO,
				"kind %u cut at %zu", kind, cut);
			blx__free(copy);
		}
		cr_assert_eq(blx__wire_get(buf.data, buf.len, &in), 0);
		blx__wire_free(&in);
		blx__put_u8(&buf, 0);
		cr_assert_eq(blx__wire_get(buf.data, buf.len, &in), BLX_EPROTO,
			"kind %u with a byte too many", kind);
	}
	blx__buf_finish(&buf);
}

/* What is taken in spite of a flipped bit can be written and freed again. */
Test(wire, flipped_bits_never_do_harm)
{
	struct blx__rng rng;
	struct blx__buf again;
	struct blx__buf buf;
	unsigned round;

	blx__rng_init(&rng, seed_of_environment());
	blx__buf_init(&buf);
	blx__buf_init(&again);
	for (round = 0; round < 30000; round++) {
		struct raft_message in;
		unsigned flips = 1 + (unsigned)blx__rng_below(&rng, 3);

		put_kind(&buf, 1 + round % RAFT_IO_TIMEOUT_NOW);
		while (flips-- > 0) {
			buf.data[blx__rng_below(&rng, buf.len)] ^=
				(uint8_t)(1u << blx__rng_below(&rng, 8));
		}
		if (blx__wire_get(buf.data, buf.len, &in) == 0) {
			blx__buf_reset(&again);
			cr_assert_eq(blx__wire_put(&again, &in, 0,
					     in.type == RAFT_IO_APPEND_ENTRIES
						     ? in.append_entries.n_entries
						     : 0),
				0);
			blx__wire_free(&in);
		}
	}
	blx__buf_finish(&again);
	blx__buf_finish(&buf);
}

Test(wire, random_bytes_never_do_harm)
{
	struct blx__rng rng;
	unsigned round;

	blx__rng_init(&rng, seed_of_environment());
	for (round = 0; round < 20000; round++) {
		uint8_t bytes[96];
		size_t len = blx__rng_below(&rng, sizeof bytes);
		struct raft_message in;
		size_t i;

		for (i = 0; i < len; i++) {
			bytes[i] = (uint8_t)(blx__rng_below(&rng, 3) == 0
						     ? blx__rng_u64(&rng)
						     : blx__rng_below(&rng, 8));
		}
		if (blx__wire_get(bytes, len, &in) == 0) {
			blx__wire_free(&in);
		}
	}
}
