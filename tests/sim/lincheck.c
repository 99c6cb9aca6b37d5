/* SPDX-License-Identifier: Apache-2.0 */
#include "lincheck.h"

#include "memory.h"

#include <stdlib.h>
#include <string.h>

/* A call or a return, in the order of time. Operations that are placed are taken out. */
struct entry {
	struct entry *prev;
	struct entry *next;
	struct entry *match; /* of a call: its return, NULL if there was none */
	const struct sim_op *op;
	bool call;
	uint64_t time_ns;
	uint64_t mark[2]; /* random, of the operation */
};

/* A set of placed operations, as the sum of their marks, with the value it led to. Two
 * sets with the same 128 bits are taken for the same. */
struct seen {
	uint64_t set[2];
	uint32_t value;
	bool used;
};

struct placed {
	struct entry *entry;
	uint32_t value; /* before it */
};

struct search {
	struct entry head;
	struct entry *entries; /* owned */
	size_t returns;        /* that are left */
	uint32_t value;
	uint64_t set[2];
	struct placed *stack; /* owned */
	size_t depth;
	struct seen *seen; /* owned */
	size_t seen_count;
	size_t seen_size; /* a power of two */
	size_t deepest;
	const struct sim_op *stuck;
};

/* What the operation does to the value; false: it cannot have been answered so. */
static bool step(const struct sim_op *op, uint32_t value, uint32_t *ret_value)
{
	bool matches;

	switch (op->kind) {
	case SIM_PUT:
		*ret_value = op->value;
		return true;
	case SIM_CAS:
		matches = value == op->expected;
		*ret_value = matches ? op->value : value;
		return op->result == SIM_UNKNOWN || matches == (op->result == SIM_OK);
	case SIM_DELETE:
		*ret_value = 0;
		return op->result == SIM_UNKNOWN || op->existed == (value != 0);
	case SIM_GET:
		*ret_value = value;
		return op->value == value;
	}
	return false;
}

/* ---- what was seen ---- */

static struct seen *seen_place(
	const struct search *search, const uint64_t set[2], uint32_t value)
{
	size_t at = (size_t)(set[0] ^ (value * UINT64_C(0x9e3779b97f4a7c15)));

	for (;; at++) {
		struct seen *seen = &search->seen[at & (search->seen_size - 1)];

		if (!seen->used || (seen->set[0] == set[0] && seen->set[1] == set[1] &&
					   seen->value == value)) {
			return seen;
		}
	}
}

static void seen_grow(struct search *search)
{
	struct seen *old = search->seen;
	size_t size = search->seen_size;
	size_t i;

	search->seen_size = size > 0 ? size * 2 : 256;
	search->seen = sim_alloc(search->seen_size * sizeof search->seen[0]);
	for (i = 0; i < size; i++) {
		if (old[i].used) {
			*seen_place(search, old[i].set, old[i].value) = old[i];
		}
	}
	free(old);
}

/* False: it was there before. */
static bool seen_add(struct search *search, const uint64_t set[2], uint32_t value)
{
	struct seen *seen;

	if (search->seen_count * 2 >= search->seen_size) {
		seen_grow(search);
	}
	seen = seen_place(search, set, value);
	if (seen->used) {
		return false;
	}
	*seen = (struct seen){.set = {set[0], set[1]}, .value = value, .used = true};
	search->seen_count++;
	return true;
}

/* ---- the list ---- */

static void entry_take(struct entry *entry)
{
	entry->prev->next = entry->next;
	if (entry->next != NULL) {
		entry->next->prev = entry->prev;
	}
}

static void entry_put_back(struct entry *entry)
{
	entry->prev->next = entry;
	if (entry->next != NULL) {
		entry->next->prev = entry;
	}
}

/* Returns before calls of the same time: they are taken to be in that order. */
static int entry_compare(const void *a, const void *b)
{
	const struct entry *x = a;
	const struct entry *y = b;

	if (x->time_ns != y->time_ns) {
		return x->time_ns < y->time_ns ? -1 : 1;
	}
	if (x->call != y->call) {
		return x->call ? 1 : -1;
	}
	return x->op < y->op ? -1 : x->op > y->op;
}

static uint64_t scatter(uint64_t x)
{
	x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
	return x ^ (x >> 31);
}

static size_t entries_fill(struct search *search, const struct sim_history *history)
{
	size_t count = 0;
	size_t i;

	for (i = 0; i < history->count; i++) {
		const struct sim_op *op = &history->ops[i];
		struct entry *call = &search->entries[count++];

		*call = (struct entry){.op = op, .call = true, .time_ns = op->call_ns};
		if (op->result != SIM_UNKNOWN) {
			search->entries[count++] =
				(struct entry){.op = op, .time_ns = op->return_ns};
			search->returns++;
		}
	}
	qsort(search->entries, count, sizeof search->entries[0], entry_compare);
	return count;
}

static void entries_link(
	struct search *search, const struct sim_history *history, size_t count)
{
	struct entry **calls = sim_alloc((history->count + 1) * sizeof calls[0]);
	struct entry *last = &search->head;
	size_t i;

	for (i = 0; i < count; i++) {
		struct entry *entry = &search->entries[i];
		size_t number = (size_t)(entry->op - history->ops);

		entry->prev = last;
		last->next = entry;
		last = entry;
		if (entry->call) {
			calls[number] = entry;
			entry->mark[0] = scatter(number * 2 + 1);
			entry->mark[1] = scatter(number * 2 + 2) * 31;
		} else {
			calls[number]->match = entry;
		}
	}
	free(calls);
}

/* ---- the search ---- */

static void place(struct search *search, struct entry *entry, uint32_t value)
{
	search->stack[search->depth++] =
		(struct placed){.entry = entry, .value = search->value};
	search->value = value;
	search->set[0] += entry->mark[0];
	search->set[1] += entry->mark[1];
	entry_take(entry);
	if (entry->match != NULL) {
		entry_take(entry->match);
		search->returns--;
	}
}

/* Returns the entry behind it. */
static struct entry *take_back(struct search *search)
{
	struct placed *placed = &search->stack[--search->depth];
	struct entry *entry = placed->entry;

	if (entry->match != NULL) {
		entry_put_back(entry->match);
		search->returns++;
	}
	entry_put_back(entry);
	search->value = placed->value;
	search->set[0] -= entry->mark[0];
	search->set[1] -= entry->mark[1];
	return entry->next;
}

static bool try_place(struct search *search, struct entry *entry)
{
	uint64_t set[2] = {
		search->set[0] + entry->mark[0], search->set[1] + entry->mark[1]};
	uint32_t value;

	if (!step(entry->op, search->value, &value) || !seen_add(search, set, value)) {
		return false;
	}
	place(search, entry, value);
	return true;
}

static enum sim_verdict run(struct search *search, uint64_t steps_max)
{
	struct entry *entry = search->head.next;
	uint64_t steps;

	for (steps = 0; search->returns > 0; steps++) {
		if (steps == steps_max) {
			return SIM_TOO_HARD;
		}
		if (entry->call) {
			entry = try_place(search, entry) ? search->head.next
							 : entry->next;
			continue;
		}
		if (search->depth >= search->deepest) {
			search->deepest = search->depth;
			search->stuck = entry->op;
		}
		if (search->depth == 0) {
			return SIM_NOT_LINEARIZABLE;
		}
		entry = take_back(search);
	}
	return SIM_LINEARIZABLE;
}

enum sim_verdict sim_lincheck(
	const struct sim_history *history, uint64_t steps_max, size_t *ret_stuck)
{
	struct search search = {0};
	enum sim_verdict verdict;
	size_t count;

	search.entries = sim_alloc((2 * history->count + 1) * sizeof search.entries[0]);
	search.stack = sim_alloc((history->count + 1) * sizeof search.stack[0]);
	count = entries_fill(&search, history);
	entries_link(&search, history, count);
	verdict = run(&search, steps_max);
	if (verdict == SIM_NOT_LINEARIZABLE) {
		*ret_stuck = (size_t)(search.stuck - history->ops);
	}
	free(search.entries);
	free(search.stack);
	free(search.seen);
	return verdict;
}
