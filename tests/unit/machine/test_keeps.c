/* SPDX-License-Identifier: Apache-2.0 */
#include "base/mem.h"
#include "base/rng.h"
#include "entries.h"
#include "machine/machine.h"
#include "store/keep.h"
#include "support/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TOLD_SIZE 4096

static struct entries e;
static struct blx__txn txn;  /* under construction */
static struct blx__txn when; /* the conditions of the next put */
static char told[TOLD_SIZE]; /* what the last transaction changed: "-a(cause) +b" */

static void tell(const char *sign, const struct blx__item *item)
{
	size_t len = strlen(told);

	(void)snprintf(told + len, sizeof told - len, "%s%s%.*s", len > 0 ? " " : "", sign,
		(int)item->key_len, (const char *)blx__item_key(item));
}

static bool on_change(
	void *data, uint64_t revision, const struct blx__machine_change *change)
{
	size_t len;

	(void)data;
	(void)revision;
	tell(change->new_item != NULL ? "+" : "-",
		change->new_item != NULL ? change->new_item : change->old_item);
	if (change->cause != NULL) {
		len = strlen(told);
		(void)snprintf(told + len, sizeof told - len, "(%.*s)",
			(int)change->cause_len, (const char *)change->cause);
	}
	return true;
}

static void on_revision(void *data, uint64_t revision, const struct blx__tree *tree)
{
	(void)tree;
	(void)data;
	(void)revision;
}

static void observe(struct blx__machine *machine)
{
	struct blx__machine_observer observer = {
		.changed = on_change, .committed = on_revision, .replaced = on_revision};

	blx__machine_observe(machine, &observer);
}

static void begin(void)
{
	entries_init(&e);
	observe(e.machine);
	blx__txn_init(&txn);
	blx__txn_init(&when);
}

static void end(void)
{
	blx__txn_finish(&txn);
	blx__txn_finish(&when);
	entries_finish(&e);
}

static struct blx__txn_line line_of(uint8_t kind, const char *key)
{
	return (struct blx__txn_line){.kind = kind,
		.key = (const uint8_t *)key,
		.key_len = strlen(key),
		.value = (const uint8_t *)"v",
		.value_len = kind == BLX__TXN_PUT || kind == BLX__TXN_PUT_WHILE ? 1 : 0};
}

static void add(uint8_t kind, const char *key)
{
	struct blx__txn_line line = line_of(kind, key);

	cr_assert_eq(blx__txn_add(&txn, &line), 0);
}

/* A condition of the next put_while. */
static void only_if(uint8_t kind, const char *key, uint64_t number)
{
	struct blx__txn_line line = line_of(kind, key);

	line.revision = number;
	cr_assert_eq(blx__txn_add(&when, &line), 0);
}

static void put_while(const char *key)
{
	struct blx__txn_line line = line_of(BLX__TXN_PUT_WHILE, key);
	struct blx__buf keep;

	blx__buf_init(&keep);
	blx__keep_encode(&when, &keep);
	line.keep = keep.data;
	line.keep_len = keep.len;
	cr_assert_eq(blx__txn_add(&txn, &line), 0);
	blx__buf_finish(&keep);
	blx__txn_finish(&when);
	blx__txn_init(&when);
}

static const char *commit_to(struct entries *entries)
{
	struct blx__command command = {.kind = BLX__COMMAND_TXN};
	struct blx__buf body;

	blx__buf_init(&body);
	blx__txn_encode(&txn, &body);
	command.body = body.data;
	command.body_len = body.len;
	told[0] = '\0';
	entries_begin(entries);
	entries_add(entries, &command);
	cr_assert_eq(entries_end(entries), 0);
	cr_assert_eq(entries->replies[0].code, 0);
	blx__buf_finish(&body);
	return told;
}

static const char *commit(void)
{
	const char *text = commit_to(&e);

	blx__txn_finish(&txn);
	blx__txn_init(&txn);
	return text;
}

static const char *put(const char *key)
{
	add(BLX__TXN_PUT, key);
	return commit();
}

static const char *rm(const char *key)
{
	add(BLX__TXN_DELETE, key);
	return commit();
}

Test(keeps, a_value_goes_with_what_it_lives_by, .init = begin, .fini = end)
{
	put("lease");
	only_if(BLX__TXN_IF_EXISTS, "lease", 0);
	put_while("b");
	only_if(BLX__TXN_IF_EXISTS, "lease", 0);
	put_while("a");
	cr_assert_str_eq(commit(), "+b +a");
	cr_assert_str_eq(put("lease"), "+lease");
	cr_assert_str_eq(rm("lease"), "-lease -a(lease) -b(lease)");
	cr_assert_eq(blx__machine_revision(e.machine), 4);
	cr_assert_str_eq(put("lease"), "+lease");
	cr_assert_str_eq(rm("lease"), "-lease", "what is gone is not looked at");
}

Test(keeps, one_that_does_not_hold_goes_at_once, .init = begin, .fini = end)
{
	only_if(BLX__TXN_IF_EXISTS, "lease", 0);
	put_while("a");
	cr_assert_str_eq(commit(), "+a -a(lease)");
	only_if(BLX__TXN_IF_EXISTS, "lease", 0);
	put_while("a");
	add(BLX__TXN_PUT, "lease");
	cr_assert_str_eq(commit(), "+a +lease", "only the end of the transaction counts");
	add(BLX__TXN_DELETE, "lease");
	add(BLX__TXN_PUT, "lease");
	cr_assert_str_eq(commit(), "-lease +lease");
}

Test(keeps, a_later_put_leaves_the_conditions_unless_it_has_others, .init = begin,
	.fini = end)
{
	put("x");
	only_if(BLX__TXN_IF_EXISTS, "x", 0);
	put_while("a");
	(void)commit();
	cr_assert_str_eq(put("a"), "+a");
	cr_assert_str_eq(rm("x"), "-x -a(x)");

	put("x");
	only_if(BLX__TXN_IF_EXISTS, "x", 0);
	put_while("a");
	(void)commit();
	put_while("a"); /* of none */
	(void)commit();
	cr_assert_str_eq(rm("x"), "-x");

	only_if(BLX__TXN_IF_ABSENT, "x", 0);
	put_while("a");
	(void)commit();
	(void)rm("a");
	cr_assert_str_eq(put("x"), "+x", "removed by itself, it has no conditions any more");
	(void)put("a");
	cr_assert_str_eq(rm("x"), "-x");
}

Test(keeps, one_ends_the_other_and_so_on, .init = begin, .fini = end)
{
	put("a");
	only_if(BLX__TXN_IF_EXISTS, "a", 0);
	put_while("b");
	only_if(BLX__TXN_IF_EXISTS, "b", 0);
	put_while("c");
	only_if(BLX__TXN_IF_ABSENT, "c", 0);
	put_while("d");
	cr_assert_str_eq(commit(), "+b +c +d -d(c)");
	only_if(BLX__TXN_IF_EXISTS, "f", 0);
	put_while("e");
	only_if(BLX__TXN_IF_EXISTS, "e", 0);
	put_while("f");
	cr_assert_str_eq(commit(), "+e +f", "each by the other");
	cr_assert_str_eq(rm("a"), "-a -b(a) -c(b)");
	cr_assert_str_eq(rm("f"), "-f -e(f)");
}

Test(keeps, children_are_counted_again_when_one_comes_or_goes, .init = begin, .fini = end)
{
	put("dir");
	add(BLX__TXN_PUT, "one");
	only_if(BLX__TXN_IF_FEWER, "", 3);
	put_while("root");
	cr_assert_str_eq(commit(), "+one +root -root()");
	(void)rm("dir");
	only_if(BLX__TXN_IF_MORE, "", 1);
	put_while("many");
	cr_assert_str_eq(commit(), "+many");
	cr_assert_str_eq(put("one"), "+one", "no child came or went");
	cr_assert_str_eq(rm("one"), "-one -many()");
}

Test(keeps, the_cause_in_a_group_is_the_guard_that_decided_it, .init = begin, .fini = end)
{
	put("x");
	put("y");
	only_if(BLX__TXN_ANY, "", 0);
	only_if(BLX__TXN_IF_EXISTS, "x", 0);
	only_if(BLX__TXN_IF_EXISTS, "y", 0);
	only_if(BLX__TXN_END, "", 0);
	put_while("a");
	cr_assert_str_eq(commit(), "+a");
	cr_assert_str_eq(rm("x"), "-x");
	cr_assert_str_eq(rm("y"), "-y -a(y)");
}

Test(keeps, too_many_conditions_are_refused)
{
	struct blx__txn guards;
	struct blx__txn_line line = line_of(BLX__TXN_IF_EXISTS, "k");
	struct blx__buf keep;
	int i;

	blx__txn_init(&guards);
	blx__buf_init(&keep);
	for (i = 0; i <= BLX_KEEP_GUARDS_MAX; i++) {
		blx__buf_reset(&keep);
		blx__keep_encode(&guards, &keep);
		cr_assert_eq(blx__keep_check(keep.data, keep.len, NULL), 0);
		cr_assert_eq(blx__txn_add(&guards, &line), 0);
	}
	blx__buf_reset(&keep);
	blx__keep_encode(&guards, &keep);
	cr_assert_eq(blx__keep_check(keep.data, keep.len, NULL), BLX_ETOOBIG);
	cr_assert_neq(blx__keep_check(keep.data, keep.len - 1, NULL), 0);
	cr_assert_neq(blx__keep_check(NULL, 0, NULL), 0);
	blx__buf_finish(&keep);
	blx__txn_finish(&guards);
}

/* ---- against what the items say ------------------------------------------------- */

static const char *const keys[] = {"a", "b", "c", "d", "e", "f", "g", "h"};

#define KEYS_COUNT (sizeof keys / sizeof keys[0])

static const char *random_key(struct blx__rng *rng)
{
	return keys[blx__rng_below(rng, KEYS_COUNT)];
}

static void random_condition(struct blx__rng *rng)
{
	static const uint8_t kinds[] = {BLX__TXN_IF_EXISTS, BLX__TXN_IF_EXISTS,
		BLX__TXN_IF_ABSENT, BLX__TXN_IF_VERSION, BLX__TXN_IF_MORE,
		BLX__TXN_IF_FEWER};
	uint8_t kind = kinds[blx__rng_below(rng, sizeof kinds)];
	bool children = kind == BLX__TXN_IF_MORE || kind == BLX__TXN_IF_FEWER;

	only_if(kind, children ? "" : random_key(rng), blx__rng_below(rng, KEYS_COUNT));
}

static void random_txn(struct blx__rng *rng)
{
	uint64_t left = 1 + blx__rng_below(rng, 3);

	while (left-- > 0) {
		switch (blx__rng_below(rng, 5)) {
		case 0:
			add(BLX__TXN_DELETE, random_key(rng));
			break;
		case 1:
			add(BLX__TXN_DELETE_TREE,
				blx__rng_below(rng, 20) == 0 ? "" : random_key(rng));
			break;
		case 2:
			add(BLX__TXN_PUT, random_key(rng));
			break;
		default:
			random_condition(rng);
			if (blx__rng_below(rng, 3) == 0) {
				random_condition(rng);
			}
			put_while(random_key(rng));
			break;
		}
	}
}

static int check_item(const struct blx__item *item, void *data)
{
	const uint8_t *cause;
	size_t cause_len;
	bool holds = true;

	if (item->keep_len > 0) {
		cr_assert_eq(blx__keep_holds(blx__image_tree(data), blx__item_keep(item),
				     item->keep_len, &holds, &cause, &cause_len),
			0);
	}
	cr_assert(holds, "%.*s", (int)item->key_len, (const char *)blx__item_key(item));
	return 0;
}

/* Another member that begins with an image is the same from there on, in the order of its
 * changes, too. */
static void check_image(struct blx__image *image, struct entries *other)
{
	struct blx__image *copy = entries_copy_image(image);

	cr_assert_eq(blx__image_hash(copy), blx__image_hash(image));
	cr_assert_eq(blx__machine_restore(other->machine, copy), 0);
	other->index = e.index;
	blx__image_unref(copy);
}

Test(keeps, what_is_there_holds_after_every_transaction_and_on_every_member, .init = begin,
	.fini = end)
{
	const char *seed = getenv("BLX_SEED");
	struct blx__rng rng;
	struct entries other;
	unsigned i;

	blx__rng_init(&rng, seed != NULL ? strtoull(seed, NULL, 0) : 20261125);
	entries_init(&other);
	observe(other.machine);
	for (i = 0; i < 30000; i++) {
		char first[TOLD_SIZE];
		struct blx__image *image;

		random_txn(&rng);
		(void)snprintf(first, sizeof first, "%s", commit_to(&e));
		cr_assert_str_eq(commit_to(&other), first, "transaction %u", i);
		blx__txn_finish(&txn);
		blx__txn_init(&txn);
		cr_assert_eq(entries_hash(&other), entries_hash(&e));
		image = blx__machine_pin(e.machine);
		cr_assert_eq(blx__image_each_item(image, check_item, image), 0);
		if (i % 7 == 0) {
			check_image(image, &other);
		}
		blx__image_unref(image);
	}
	entries_finish(&other);
}

/* ---- many of one lease ---------------------------------------------------------- */

Test(keeps, a_lease_of_many_keys_ends_in_one_transaction, .init = begin, .fini = end)
{
	struct blx__machine_stats stats;
	char key[32];
	int i;

	blx__machine_observe(e.machine, NULL);
	put("lease");
	for (i = 0; i < 50000; i++) {
		(void)snprintf(key, sizeof key, "k%d", i);
		only_if(BLX__TXN_IF_EXISTS, "lease", 0);
		put_while(key);
		(void)commit();
	}
	blx__machine_stats_get(e.machine, &stats);
	cr_assert_eq(stats.kept, 50000);
	(void)rm("lease");
	blx__machine_stats_get(e.machine, &stats);
	cr_assert_eq(stats.kept, 0);
	cr_assert_eq(stats.keys, 0);
	cr_assert_eq(stats.bytes, 0);
}
