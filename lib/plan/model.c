/* SPDX-License-Identifier: Apache-2.0 */
#include "plan/model.h"

#include "base/mem.h"
#include "record/fields.h"
#include "store/path.h"

#include <string.h>

/* ---- nodes ---------------------------------------------------------------------- */

static void node_finish(struct blx__plan_node *node)
{
	size_t i;

	blx__free(node->labels);
	blx__free(node->capabilities);
	blx__free(node->taints);
	blx__free(node->uses);
	for (i = 0; i < node->asks_count; i++) {
		blx__free(node->asks[i].constraints);
	}
	blx__free(node->asks);
}

int blx_place_model_create(blx_place_model **ret_model)
{
	if (ret_model == NULL) {
		return BLX_EINVAL;
	}
	*ret_model = blx__calloc(1, sizeof **ret_model);
	return *ret_model != NULL ? 0 : BLX_ENOMEM;
}

void blx_place_model_destroy(blx_place_model *model)
{
	size_t i;

	if (model == NULL) {
		return;
	}
	for (i = 0; i < model->nodes_count; i++) {
		node_finish(&model->nodes[i]);
	}
	blx__free(model->nodes);
	blx__words_finish(&model->words);
	blx__free(model);
}

/* Where the name is, or would be. */
static size_t node_at(const blx_place_model *model, const char *name, bool *ret_there)
{
	size_t low = 0;
	size_t high = model->nodes_count;

	*ret_there = false;
	while (low < high) {
		size_t middle = (low + high) / 2;
		int order = strcmp(
			blx__word_text(&model->words, model->nodes[middle].name), name);

		if (order == 0) {
			*ret_there = true;
			return middle;
		}
		if (order < 0) {
			low = middle + 1;
		} else {
			high = middle;
		}
	}
	return low;
}

struct blx__plan_node *blx__model_node(const blx_place_model *model, const char *name)
{
	bool there;
	size_t at = node_at(model, name, &there);

	return there ? &model->nodes[at] : NULL;
}

/* A list of texts as words. False: no memory. */
static bool words_of(struct blx__words *words, const char *texts, size_t size, size_t count,
	blx__word **ret_list)
{
	size_t i;

	*ret_list = blx__calloc(count > 0 ? count : 1, sizeof **ret_list);
	for (i = 0; *ret_list != NULL && i < count; i++) {
		(*ret_list)[i] = blx__word_of(words, texts + i * size);
		if ((*ret_list)[i] == 0 && texts[i * size] != '\0') {
			return false;
		}
	}
	return *ret_list != NULL;
}

static bool label_add(
	blx_place_model *model, struct blx__plan_node *node, const char *key, const char *value)
{
	struct blx__plan_label *label = &node->labels[node->labels_count];

	if (value[0] == '\0') {
		return true;
	}
	label->key = blx__word_of(&model->words, key);
	label->value = blx__word_of(&model->words, value);
	node->labels_count++;
	return label->key != 0 && label->value != 0;
}

static bool node_fill(blx_place_model *model, struct blx__plan_node *node, const char *name,
	const blx_node_info *info)
{
	size_t i;

	*node = (struct blx__plan_node){.name = blx__word_of(&model->words, name),
		.status = info->status,
		.health = info->health,
		.draining = info->draining != 0,
		.cpu = info->cpu,
		.memory = info->memory,
		.capabilities_count = info->capabilities_count,
		.taints_count = info->taints_count};
	node->labels = blx__calloc(info->labels_count + 2, sizeof *node->labels);
	if (node->name == 0 || node->labels == NULL ||
		!label_add(model, node, "node", name) ||
		!label_add(model, node, "zone", info->zone)) {
		return false;
	}
	for (i = 0; i < info->labels_count; i++) {
		if (!label_add(model, node, info->labels[i].key, info->labels[i].value)) {
			return false;
		}
	}
	return words_of(&model->words, info->capabilities[0], BLX_NAME_MAX,
		       info->capabilities_count, &node->capabilities) &&
	       words_of(&model->words, info->taints[0], BLX_NAME_MAX, info->taints_count,
		       &node->taints);
}

static bool nodes_room(blx_place_model *model)
{
	size_t room = model->nodes_room == 0 ? 16 : 2 * model->nodes_room;
	struct blx__plan_node *grown;

	if (model->nodes_count < model->nodes_room) {
		return true;
	}
	grown = blx__realloc(model->nodes, room * sizeof *grown);
	if (grown == NULL) {
		return false;
	}
	model->nodes = grown;
	model->nodes_room = room;
	return true;
}

static bool info_is_sound(const blx_node_info *info)
{
	return info->labels_count <= BLX_LABELS_MAX &&
	       info->capabilities_count <= BLX_CAPABILITIES_MAX &&
	       info->taints_count <= BLX_TAINTS_MAX;
}

int blx_place_model_add_node(
	blx_place_model *model, const char *name, const blx_node_info *info)
{
	struct blx__plan_node node = {0};
	bool there;
	size_t at;

	if (model == NULL || name == NULL || name[0] == '\0' || info == NULL ||
		!info_is_sound(info)) {
		return BLX_EINVAL;
	}
	if (!nodes_room(model) || !node_fill(model, &node, name, info)) {
		node_finish(&node);
		return BLX_ENOMEM;
	}
	at = node_at(model, name, &there);
	if (there) {
		node_finish(&model->nodes[at]);
	} else {
		memmove(&model->nodes[at + 1], &model->nodes[at],
			(model->nodes_count - at) * sizeof node);
		model->nodes_count++;
	}
	model->nodes[at] = node;
	return 0;
}

int blx_place_model_remove_node(blx_place_model *model, const char *name)
{
	bool there;
	size_t at;

	if (model == NULL || name == NULL) {
		return BLX_EINVAL;
	}
	at = node_at(model, name, &there);
	if (!there) {
		return BLX_ENOENT;
	}
	node_finish(&model->nodes[at]);
	memmove(&model->nodes[at], &model->nodes[at + 1],
		(--model->nodes_count - at) * sizeof model->nodes[0]);
	return 0;
}

/* ---- what is on them ------------------------------------------------------------ */

static struct blx__plan_use *use_make(struct blx__plan_node *node, blx__word name)
{
	size_t room = node->uses_room == 0 ? 4 : 2 * node->uses_room;
	struct blx__plan_use *grown;
	size_t i;

	for (i = 0; i < node->uses_count; i++) {
		if (node->uses[i].name == name) {
			return &node->uses[i];
		}
	}
	if (node->uses_count == node->uses_room) {
		grown = blx__realloc(node->uses, room * sizeof *grown);
		if (grown == NULL) {
			return NULL;
		}
		node->uses = grown;
		node->uses_room = room;
	}
	node->uses[node->uses_count] = (struct blx__plan_use){.name = name};
	return &node->uses[node->uses_count++];
}

static int64_t larger(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

/* False: no memory. */
static bool constraint_words(struct blx__words *words, const blx_constraint *from,
	struct blx__plan_constraint *to)
{
	size_t i;

	*to = (struct blx__plan_constraint){.kind = from->kind,
		.key = blx__word_of(words, from->key),
		.limit = from->limit,
		.values_count = from->values_count};
	if (to->key == 0 && from->key[0] != '\0') {
		return false;
	}
	for (i = 0; i < from->values_count; i++) {
		to->values[i] = blx__word_of(words, from->values[i]);
		if (to->values[i] == 0 && from->values[i][0] != '\0') {
			return false;
		}
	}
	return true;
}

void blx__plan_constraint_text(const struct blx__words *words,
	const struct blx__plan_constraint *from, blx_constraint *to)
{
	size_t i;

	memset(to, 0, sizeof *to);
	to->kind = from->kind;
	to->limit = from->limit;
	to->values_count = from->values_count;
	(void)strcpy(to->key, blx__word_text(words, from->key));
	for (i = 0; i < from->values_count; i++) {
		(void)strcpy(to->values[i], blx__word_text(words, from->values[i]));
	}
}

struct blx__plan_ask *blx__plan_ask_of(const struct blx__plan_node *node, blx__word name)
{
	size_t i;

	for (i = 0; i < node->asks_count; i++) {
		if (node->asks[i].name == name) {
			return &node->asks[i];
		}
	}
	return NULL;
}

/* NULL: no memory. */
static struct blx__plan_ask *ask_make(struct blx__plan_node *node, blx__word name)
{
	struct blx__plan_ask *ask = blx__plan_ask_of(node, name);
	struct blx__plan_ask *grown;

	if (ask != NULL) {
		return ask;
	}
	grown = blx__realloc(node->asks, (node->asks_count + 1) * sizeof *grown);
	if (grown == NULL) {
		return NULL;
	}
	node->asks = grown;
	grown[node->asks_count] = (struct blx__plan_ask){.name = name};
	return &grown[node->asks_count++];
}

/* Those that came with the latest record that has any. False: no memory. */
static bool ask_set(struct blx__words *words, struct blx__plan_node *node, blx__word name,
	const blx_place_use *from)
{
	struct blx__plan_constraint *copy;
	struct blx__plan_ask *ask;
	size_t i;

	if (from->constraints_count == 0) {
		return true;
	}
	ask = ask_make(node, name);
	if (ask == NULL) {
		return false;
	}
	copy = blx__calloc(from->constraints_count, sizeof *copy);
	for (i = 0; copy != NULL && i < from->constraints_count; i++) {
		if (!constraint_words(words, &from->constraints[i], &copy[i])) {
			blx__free(copy);
			copy = NULL;
		}
	}
	if (copy == NULL) {
		return false;
	}
	blx__free(ask->constraints);
	ask->constraints = copy;
	ask->constraints_count = from->constraints_count;
	return true;
}

static int use_add(
	blx_place_model *model, struct blx__plan_node *node, const blx_place_use *from)
{
	blx__word name = blx__word_of(&model->words, from->name);
	struct blx__plan_use *use = name != 0 ? use_make(node, name) : NULL;
	int64_t cpu;
	int64_t memory;

	if (use == NULL || !ask_set(&model->words, node, name, from)) {
		return BLX_ENOMEM;
	}
	if (from->group != NULL && from->group[0] != '\0') {
		use->group = blx__word_of(&model->words, from->group);
		if (use->group == 0) {
			return BLX_ENOMEM;
		}
	}
	cpu = larger(use->cpu, from->cpu);
	memory = larger(use->memory, from->memory);
	node->cpu_used += cpu - use->cpu;
	node->memory_used += memory - use->memory;
	use->cpu = cpu;
	use->memory = memory;
	return 0;
}

/* No more values than there is room for: it is copied before it is looked at. */
static bool constraints_are_sound(const blx_place_use *use)
{
	size_t i;

	if (use->constraints_count > BLX_CONSTRAINTS_MAX ||
		(use->constraints_count > 0 && use->constraints == NULL)) {
		return false;
	}
	for (i = 0; i < use->constraints_count; i++) {
		if (use->constraints[i].values_count > BLX_VALUES_MAX) {
			return false;
		}
	}
	return true;
}

int blx_place_model_add_use(
	blx_place_model *model, const char *node_name, const blx_place_use *use)
{
	struct blx__plan_node *node;

	if (model == NULL || node_name == NULL || use == NULL || use->name == NULL ||
		use->name[0] == '\0' || use->cpu < 0 || use->memory < 0 ||
		!constraints_are_sound(use)) {
		return BLX_EINVAL;
	}
	node = blx__model_node(model, node_name);
	return node != NULL ? use_add(model, node, use) : BLX_ENOENT;
}

size_t blx__plan_group_count(
	const struct blx__plan_node *node, blx__word group, blx__word but)
{
	size_t count = 0;
	size_t i;

	for (i = 0; group != 0 && i < node->uses_count; i++) {
		count += node->uses[i].group == group && node->uses[i].name != but;
	}
	return count;
}

size_t blx_place_model_nodes(const blx_place_model *model)
{
	return model->nodes_count;
}

uint64_t blx_place_model_revision(const blx_place_model *model)
{
	return model->revision;
}

/* ---- from the store ------------------------------------------------------------- */

/* What a record of something takes of a node; the name is its own. */
static void use_of(int kind, const void *record, const char **ret_node, blx_place_use *use)
{
	const blx_reservation *reservation = record;
	const blx_service *service = record;
	const blx_vm *vm = record;

	if (kind == BLX_RECORD_RESERVATION) {
		*ret_node = reservation->node;
		use->group = reservation->group;
		use->cpu = reservation->cpu;
		use->memory = reservation->memory;
	} else if (kind == BLX_RECORD_SERVICE) {
		*ret_node = service->state == BLX_SERVICE_STOPPED ? "" : service->node;
		use->group = service->group;
		use->cpu = service->cpu;
		use->memory = service->memory;
		use->constraints = service->constraints;
		use->constraints_count = service->constraints_count;
	} else {
		*ret_node = vm->state == BLX_VM_STOPPED ? "" : vm->host_node;
		use->group = vm->group;
		use->cpu = vm->cpu;
		use->memory = vm->memory;
		use->constraints = vm->constraints;
		use->constraints_count = vm->constraints_count;
	}
}

static int take_record(blx_place_model *model, int kind, const char *name, const void *record,
	uint64_t revision)
{
	blx_place_use use = {.size = sizeof use, .name = name};
	struct blx__plan_node *node;
	const char *node_name;
	int rv;

	if (kind == BLX_RECORD_NODE) {
		rv = blx_place_model_add_node(model, name, record);
		node = rv == 0 ? blx__model_node(model, name) : NULL;
		if (node != NULL) {
			node->revision = revision;
		}
		return rv;
	}
	use_of(kind, record, &node_name, &use);
	rv = node_name[0] != '\0' ? blx_place_model_add_use(model, node_name, &use) : 0;
	return rv == BLX_ENOMEM ? rv : 0; /* a node that is gone has nothing to be counted */
}

static bool is_capacity(
	const uint8_t *key, size_t key_len, char ret_name[BLX__PATH_TEXT_SIZE])
{
	size_t dir = sizeof BLX__CAPACITY_DIR - 1;

	if (key_len <= dir + 1 || memcmp(key, BLX__CAPACITY_DIR, dir) != 0 ||
		key[dir] != BLX__KEY_SEPARATOR) {
		return false;
	}
	(void)blx__path_format_name(key + dir + 1, key_len - dir - 1, ret_name);
	return true;
}

int blx__model_take(blx_place_model *model, const uint8_t *key, size_t key_len,
	const void *value, size_t len, uint64_t revision)
{
	char name[BLX__PATH_TEXT_SIZE];
	struct blx__plan_node *node;
	const uint8_t *own;
	size_t own_len;
	void *record;
	int kind;
	int rv;

	if (is_capacity(key, key_len, name)) {
		node = blx__model_node(model, name);
		if (node != NULL) {
			node->capacity_revision = revision;
		}
		return 0;
	}
	kind = blx__record_kind_of_key(key, key_len, &own, &own_len);
	if (kind != BLX_RECORD_NODE && kind != BLX_RECORD_RESERVATION &&
		kind != BLX_RECORD_SERVICE && kind != BLX_RECORD_VM) {
		return 0;
	}
	(void)blx__path_format_name(own, own_len, name);
	record = blx__malloc(blx__record_of(kind)->size);
	if (record == NULL) {
		return BLX_ENOMEM;
	}
	rv = blx__record_decode(blx__record_of(kind), value, len, record, NULL);
	if (rv == 0) {
		rv = take_record(model, kind, name, record, revision);
		blx__free(*(char **)((char *)record + blx__record_of(kind)->extra_at));
	}
	blx__free(record);
	return rv == BLX_ENOMEM ? rv : 0;
}

static int take_dir(blx_place_model *model, const struct blx__tree *tree, const char *dir)
{
	size_t len = strlen(dir);
	struct blx__cursor cursor;
	struct blx__item *item =
		blx__cursor_seek(&cursor, tree, (const uint8_t *)dir, len);
	int rv = 0;

	for (; rv == 0 && blx__item_begins(item, dir, len);
		item = blx__cursor_next(&cursor)) {
		rv = blx__model_take(model, blx__item_key(item), item->key_len,
			blx__item_value(item), item->value_len, item->mod_revision);
	}
	return rv;
}

int blx__model_of(const struct blx__tree *tree, uint64_t revision, blx_place_model **ret_model)
{
	static const char *const dirs[] = {
		":nodes", BLX__CAPACITY_DIR, ":reservations", ":services", ":vms"};
	blx_place_model *model;
	int rv = blx_place_model_create(&model);
	size_t i;

	if (rv != 0) {
		return rv;
	}
	model->revision = revision;
	for (i = 0; rv == 0 && i < sizeof dirs / sizeof dirs[0]; i++) {
		rv = take_dir(model, tree, dirs[i]);
	}
	if (rv != 0) {
		blx_place_model_destroy(model);
		return rv;
	}
	*ret_model = model;
	return 0;
}
