/* SPDX-License-Identifier: Apache-2.0 */
#include "support/test.h"

#include "base/error.h"
#include "base/mem.h"
#include "base/rng.h"
#include "node/conf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct raft_configuration three(void)
{
	struct raft_configuration conf;

	raft_configuration_init(&conf);
	cr_assert_eq(raft_configuration_add(&conf, 1, "a@h:1", RAFT_VOTER), 0);
	cr_assert_eq(raft_configuration_add(&conf, 300, "bb@host:2", RAFT_STANDBY), 0);
	cr_assert_eq(raft_configuration_add(&conf, 7, "c@h:65535", RAFT_SPARE), 0);
	return conf;
}

Test(conf, what_libraft_encodes_is_decoded)
{
	struct raft_configuration out = three();
	struct raft_configuration in;
	struct raft_buffer buf;

	cr_assert_eq(raft_configuration_encode(&out, &buf), 0);
	cr_assert_eq(blx__conf_decode(buf.base, buf.len, &in), 0);
	cr_assert(blx__conf_equal(&out, &in));
	cr_assert_eq(blx__conf_voters(&in), 1);
	cr_assert_str_eq(blx__conf_find(&in, 300)->address, "bb@host:2");
	cr_assert_null(blx__conf_find(&in, 2));
	cr_assert(blx__conf_sole_voter(&in, 1));
	cr_assert_not(blx__conf_sole_voter(&in, 300));
	cr_assert_not(blx__conf_sole_voter(&in, 2));
	raft_free(buf.base);
	raft_configuration_close(&in);
	raft_configuration_close(&out);
}

Test(conf, cut_anywhere_it_is_refused)
{
	struct raft_configuration out = three();
	struct raft_configuration in;
	struct raft_buffer buf;
	size_t used =
		1 + 8 + 3 * 9 + sizeof "a@h:1" + sizeof "bb@host:2" + sizeof "c@h:65535";
	size_t cut;

	cr_assert_eq(raft_configuration_encode(&out, &buf), 0);
	for (cut = 0; cut < used; cut++) {
		uint8_t *copy = blx__memdup(buf.base, cut);

		cr_assert_eq(blx__conf_decode(copy, cut, &in), BLX_ECORRUPT, "cut at %zu",
			cut);
		blx__free(copy);
	}
	cr_assert_eq(blx__conf_decode(buf.base, used, &in), 0, "padding says nothing");
	raft_configuration_close(&in);
	raft_free(buf.base);
	raft_configuration_close(&out);
}

Test(conf, what_is_no_configuration_is_refused)
{
	static const uint8_t none[] = {1, 0, 0, 0, 0, 0, 0, 0, 0};
	static const uint8_t format[] = {
		2, 1, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 'a', 0, 1};
	static const uint8_t many[] = {1, 0, 1, 0, 0, 0, 0, 0, 0};
	static const uint8_t id_0[] = {
		1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 'a', 0, 1};
	static const uint8_t role[] = {
		1, 1, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 'a', 0, 9};
	struct raft_configuration in;

	cr_assert_eq(blx__conf_decode(none, sizeof none, &in), BLX_ECORRUPT);
	cr_assert_eq(blx__conf_decode(format, sizeof format, &in), BLX_ECORRUPT);
	cr_assert_eq(blx__conf_decode(many, sizeof many, &in), BLX_ETOOBIG);
	cr_assert_eq(blx__conf_decode(id_0, sizeof id_0, &in), BLX_ECORRUPT);
	cr_assert_eq(blx__conf_decode(role, sizeof role, &in), BLX_ECORRUPT);
}

Test(conf, the_same_server_twice_is_refused)
{
	static const uint8_t twice[] = {1, 2, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0,
		'a', 0, 1, 1, 0, 0, 0, 0, 0, 0, 0, 'b', 0, 1};
	struct raft_configuration in;

	cr_assert_eq(blx__conf_decode(twice, sizeof twice, &in), BLX_ECORRUPT);
}

static uint64_t seed_of_environment(void)
{
	const char *text = getenv("BLX_SEED");

	return text != NULL ? strtoull(text, NULL, 10) : 20;
}

/* Of every change of a byte it either makes a configuration that can be encoded, or
 * nothing. */
Test(conf, flipped_bits_never_do_harm)
{
	struct raft_configuration out = three();
	struct raft_configuration in;
	struct raft_buffer buf;
	struct blx__rng rng;
	unsigned round;

	cr_log_info("seed %llu", (unsigned long long)seed_of_environment());
	blx__rng_init(&rng, seed_of_environment());
	cr_assert_eq(raft_configuration_encode(&out, &buf), 0);
	for (round = 0; round < 20000; round++) {
		uint8_t *copy = blx__memdup(buf.base, buf.len);
		unsigned flips = 1 + (unsigned)blx__rng_below(&rng, 3);

		while (flips-- > 0) {
			copy[blx__rng_below(&rng, buf.len)] ^=
				(uint8_t)(1u << blx__rng_below(&rng, 8));
		}
		if (blx__conf_decode(copy, buf.len, &in) == 0) {
			struct raft_buffer again;

			cr_assert_eq(raft_configuration_encode(&in, &again), 0);
			raft_free(again.base);
			raft_configuration_close(&in);
		}
		blx__free(copy);
	}
	raft_free(buf.base);
	raft_configuration_close(&out);
}

Test(conf, equal_means_the_same_servers_in_the_same_order)
{
	struct raft_configuration a = three();
	struct raft_configuration b;

	cr_assert_eq(blx__conf_copy(&a, &b), 0);
	cr_assert(blx__conf_equal(&a, &b));
	b.servers[2].role = RAFT_VOTER;
	cr_assert_not(blx__conf_equal(&a, &b));
	b.servers[2].role = RAFT_SPARE;
	b.servers[1].address[0] = 'x';
	cr_assert_not(blx__conf_equal(&a, &b));
	b.servers[1].address[0] = 'b';
	b.servers[0].id = 2;
	cr_assert_not(blx__conf_equal(&a, &b));
	b.servers[0].id = 1;
	b.n--;
	cr_assert_not(blx__conf_equal(&a, &b));
	b.n++;
	raft_configuration_close(&a);
	raft_configuration_close(&b);
}

/* ---- the history --------------------------------------------------------- */

static struct blx__conf_history history;

static void begin(void)
{
	raft_index index;

	blx__conf_history_init(&history);
	for (index = 10; index <= 50; index += 10) {
		struct raft_configuration conf;
		char address[16];

		raft_configuration_init(&conf);
		(void)snprintf(address, sizeof address, "n@h:%llu", index);
		cr_assert_eq(
			raft_configuration_add(&conf, index, address, RAFT_VOTER), 0);
		cr_assert_eq(blx__conf_history_push(&history, index, &conf), 0);
		raft_configuration_close(&conf);
	}
}

static void end(void)
{
	blx__conf_history_finish(&history);
}

static raft_index at(raft_index index)
{
	const struct blx__conf_version *version = blx__conf_history_at(&history, index);

	cr_assert(version == NULL || version->conf.servers[0].id == version->index);
	return version != NULL ? version->index : 0;
}

Test(conf_history, the_newest_at_or_below_an_index_is_found, .init = begin, .fini = end)
{
	cr_assert_eq(at(9), 0);
	cr_assert_eq(at(10), 10);
	cr_assert_eq(at(29), 20);
	cr_assert_eq(at(1000), 50);
	cr_assert_eq(blx__conf_history_last(&history)->index, 50);
}

Test(conf_history, truncated_ones_are_gone, .init = begin, .fini = end)
{
	blx__conf_history_truncate(&history, 31);
	cr_assert_eq(at(1000), 30);
	blx__conf_history_truncate(&history, 30);
	cr_assert_eq(at(1000), 20);
	blx__conf_history_truncate(&history, 0);
	cr_assert_null(blx__conf_history_last(&history));
}

Test(conf_history, of_the_committed_the_newest_is_kept, .init = begin, .fini = end)
{
	blx__conf_history_commit(&history, 5);
	cr_assert_eq(history.count, 5);
	blx__conf_history_commit(&history, 39);
	cr_assert_eq(history.count, 3);
	cr_assert_eq(at(29), 0);
	cr_assert_eq(at(39), 30);
	blx__conf_history_commit(&history, 1000);
	cr_assert_eq(history.count, 1);
	cr_assert_eq(at(50), 50);
}

Test(conf_history, a_push_replaces_what_was_from_its_index_on, .init = begin, .fini = end)
{
	struct raft_configuration conf = three();
	struct raft_buffer buf;

	cr_assert_eq(raft_configuration_encode(&conf, &buf), 0);
	cr_assert_eq(blx__conf_history_push_encoded(&history, 30, &buf), 0);
	cr_assert_eq(history.count, 3);
	cr_assert(blx__conf_equal(&blx__conf_history_last(&history)->conf, &conf));
	buf.len = 9;
	cr_assert_eq(blx__conf_history_push_encoded(&history, 20, &buf), BLX_ECORRUPT);
	cr_assert_eq(history.count, 3, "a failed push changes nothing");
	raft_free(buf.base);
	raft_configuration_close(&conf);
}
