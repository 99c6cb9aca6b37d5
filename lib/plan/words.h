/* SPDX-License-Identifier: Apache-2.0 */
/* Texts as numbers, the same for the same text: they are compared at once. Pure. */
#ifndef BLX_PLAN_WORDS_H
#define BLX_PLAN_WORDS_H

#include "base/table.h"

#include <stddef.h>
#include <stdint.h>

/* A text by its number; 0: none, and what no node has. */
typedef uint32_t blx__word;

struct blx__words {
	struct blx__table table;
	struct blx__word_entry **list; /* owned; by number - 1 */
	size_t count;
	size_t room;
};

/* Zeroes are one that is empty. */
void blx__words_finish(struct blx__words *words);

/* The number of a text, a new one if it had none. 0: no memory, or the text is empty. */
blx__word blx__word_of(struct blx__words *words, const char *text);
/* 0: it has none. */
blx__word blx__word_find(const struct blx__words *words, const char *text);
/* As long as the words are there; "" for 0. */
const char *blx__word_text(const struct blx__words *words, blx__word word);

#endif
