/* SPDX-License-Identifier: Apache-2.0 */
#include "plan/words.h"

#include "base/list.h"
#include "base/mem.h"

#include <string.h>

struct blx__word_entry {
	struct blx__table_link link;
	blx__word number;
	char text[];
};

static struct blx__word_entry *entry_of(struct blx__table_link *link)
{
	return blx__container_of(link, struct blx__word_entry, link);
}

blx__word blx__word_find(const struct blx__words *words, const char *text)
{
	struct blx__table_link *link =
		blx__table_find(&words->table, blx__table_hash(text, strlen(text)));

	while (link != NULL && strcmp(entry_of(link)->text, text) != 0) {
		link = blx__table_find_next(link);
	}
	return link != NULL ? entry_of(link)->number : 0;
}

const char *blx__word_text(const struct blx__words *words, blx__word word)
{
	return word != 0 ? words->list[word - 1]->text : "";
}

static bool words_room(struct blx__words *words)
{
	size_t room = words->room == 0 ? 64 : 2 * words->room;
	struct blx__word_entry **grown;

	if (words->count < words->room) {
		return true;
	}
	grown = blx__realloc(words->list, room * sizeof(struct blx__word_entry *));
	if (grown == NULL) {
		return false;
	}
	words->list = grown;
	words->room = room;
	return true;
}

blx__word blx__word_of(struct blx__words *words, const char *text)
{
	blx__word word = blx__word_find(words, text);
	size_t size = strlen(text) + 1;
	struct blx__word_entry *entry;

	if (word != 0 || size == 1 || !words_room(words)) {
		return word;
	}
	entry = blx__calloc(1, sizeof *entry + size);
	if (entry == NULL) {
		return 0;
	}
	memcpy(entry->text, text, size);
	if (blx__table_add(&words->table, &entry->link, blx__table_hash(text, size - 1)) != 0) {
		blx__free(entry);
		return 0;
	}
	words->list[words->count++] = entry;
	entry->number = (blx__word)words->count;
	return entry->number;
}

void blx__words_finish(struct blx__words *words)
{
	size_t i;

	for (i = 0; i < words->count; i++) {
		blx__free(words->list[i]);
	}
	blx__free(words->list);
	blx__table_finish(&words->table);
}
