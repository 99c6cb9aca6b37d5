/* SPDX-License-Identifier: Apache-2.0 */
#include "act/agent_impl.h"

#include "base/assert.h"
#include "base/log.h"
#include "base/mem.h"
#include "record/fields.h"
#include "store/path.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NS_PER_S UINT64_C(1000000000)

/* Who asked comes back within that, or does not mind to wait once more. */
#define ASKED_NS (30 * NS_PER_S)

static const char services_dir[] = ":services";
#define DIR_LEN (sizeof services_dir - 1)

void blx__agent_init(struct blx__agent *agent, const struct blx__agent_ops *ops, void *data,
	struct blx__units *units, const char *node)
{
	*agent = (struct blx__agent){.ops = ops, .data = data, .units = units};
	(void)snprintf(agent->node, sizeof agent->node, "%s", node);
	blx__list_init(&agent->entries);
	agent->begun_ns = ops->mono_ns(data);
}

void blx__agent_end(struct blx__agent *agent)
{
	agent->ending = true;
}

static struct blx__agent_entry *entry_of(struct blx__list *link)
{
	return blx__container_of(link, struct blx__agent_entry, link);
}

static void entry_destroy(struct blx__agent_entry *entry)
{
	PRE(!entry->start.busy && !entry->stop.busy && entry->report == 0);

	if (entry->watching) {
		entry->agent->units->ops->unwatch(entry->agent->units, &entry->watch);
	}
	blx__list_remove(&entry->link);
	entry->agent->count--;
	blx__free(entry);
}

void blx__agent_finish(struct blx__agent *agent)
{
	PRE(agent->under_way == 0);

	while (!blx__list_empty(&agent->entries)) {
		struct blx__agent_entry *entry = entry_of(agent->entries.next);

		entry->watching = false; /* the table is closed */
		entry_destroy(entry);
	}
}

void blx__agent_lease(struct blx__agent *agent, uint64_t until_ns)
{
	if (until_ns > agent->lease_until_ns) {
		agent->lease_until_ns = until_ns;
		agent->hold_due = true;
	}
}

/* ---- entries -------------------------------------------------------------------- */

static void on_changed(struct blx__unit_watch *watch, const blx_unit_status *status)
{
	struct blx__agent_entry *entry = watch->data;
	struct blx__agent *agent = entry->agent;

	entry->changed_ns = agent->ops->mono_ns(agent->data);
	if (blx__agent_is_answered(entry)) {
		entry->silent_ns = entry->changed_ns;
	}
	entry->status = *status;
	entry->known = true;
	agent->ops->wake(agent->data);
}

static struct blx__agent_entry *entry_create(struct blx__agent *agent, const uint8_t *key,
	size_t key_len, struct blx__list *before)
{
	struct blx__agent_entry *entry;
	char name[BLX__PATH_TEXT_SIZE];

	if (agent->count == BLX__AGENT_UNITS_MAX || key_len > sizeof entry->key ||
		blx__path_format_name(key, key_len, name) >= sizeof entry->service) {
		return NULL;
	}
	entry = blx__calloc(1, sizeof *entry);
	if (entry == NULL) {
		return NULL;
	}
	entry->agent = agent;
	memcpy(entry->key, key, key_len);
	entry->key_len = key_len;
	memcpy(entry->service, name, strlen(name));
	entry->watch = (struct blx__unit_watch){.manager = entry->manager,
		.unit = entry->unit,
		.changed = on_changed,
		.data = entry};
	blx__list_init(&entry->link);
	blx__list_insert_before(before, &entry->link);
	agent->count++;
	return entry;
}

/* And was run by the cluster at some time. */
static bool is_exclusive(const struct blx__agent_wish *wish)
{
	return !wish->shared && wish->epoch > 0;
}

/* Who may run it here starts it, which begins with the guard: bound to one that is not there,
 * one that runs already would be stopped. */
static bool is_to_be_gated(const struct blx__agent_entry *entry)
{
	return is_exclusive(&entry->wish) && !(blx__agent_is_licensed(entry->agent) &&
						     blx__agent_wish_is_to_run(&entry->wish));
}

static void watch(struct blx__agent_entry *entry)
{
	struct blx__agent *agent = entry->agent;
	struct blx__units *units = agent->units;

	if (blx__agent_is_answered(entry) || entry->silent_ns == 0) {
		entry->silent_ns = agent->ops->mono_ns(agent->data);
	}
	entry->known = false;
	entry->watch.gated = is_to_be_gated(entry);
	entry->watch.stop_timeout_ms = (uint32_t)entry->wish.stop_ms;
	entry->refused = (blx_error)BLX_ERROR_INIT;
	entry->watching = units->ops->watch(units, &entry->watch, &entry->refused) == 0;
}

void blx__agent_forget(struct blx__agent_entry *entry)
{
	struct blx__units *units = entry->agent->units;

	if (entry->watching && !entry->agent->ending) {
		units->ops->unwatch(units, &entry->watch);
		watch(entry);
	}
}

static bool is_busy(const struct blx__agent_entry *entry)
{
	return entry->start.busy || entry->stop.busy || entry->report != 0;
}

/* The unit that the record names. One that runs under another name is looked after until it
 * has stopped. */
static void watch_unit(struct blx__agent_entry *entry, const blx_service *service)
{
	struct blx__agent *agent = entry->agent;
	char unit[BLX_UNIT_NAME_MAX + 16];
	bool down = !entry->known || entry->status.active == BLX_UNIT_INACTIVE ||
		    entry->status.active == BLX_UNIT_HAS_FAILED;

	if (service->unit[0] != '\0') {
		(void)snprintf(unit, sizeof unit, "%s", service->unit);
	} else {
		(void)snprintf(unit, sizeof unit, "%s.service", entry->service);
	}
	if (entry->watching && (entry->watch.gated || !is_to_be_gated(entry)) &&
		(is_busy(entry) || !down ||
				       (strcmp(unit, entry->unit) == 0 &&
					       strcmp(service->manager, entry->manager) == 0))) {
		return;
	}
	if (entry->watching) {
		agent->units->ops->unwatch(agent->units, &entry->watch);
	}
	(void)snprintf(entry->unit, sizeof entry->unit, "%s", unit);
	(void)snprintf(entry->manager, sizeof entry->manager, "%s", service->manager);
	watch(entry);
}

static blx_service *decode(const struct blx__item *item)
{
	blx_service *service = blx__malloc(sizeof *service);

	if (service != NULL && blx__record_decode(blx__record_of(BLX_RECORD_SERVICE),
				       blx__item_value(item), item->value_len, service,
				       NULL) != 0) {
		blx__free(service);
		service = NULL;
	}
	return service;
}

/* What the tree has of the service of that own key. */
static const struct blx__item *item_of(
	const struct blx__tree *tree, const uint8_t *own, size_t own_len)
{
	uint8_t key[DIR_LEN + 1 + BLX__KEY_LEN_MAX];

	memcpy(key, services_dir, DIR_LEN);
	key[DIR_LEN] = BLX__KEY_SEPARATOR;
	memcpy(key + DIR_LEN + 1, own, own_len);
	return blx__tree_get(tree, key, DIR_LEN + 1 + own_len);
}

blx_service *blx__agent_read(
	const struct blx__agent_entry *entry, const struct blx__tree *tree)
{
	const struct blx__item *item = item_of(tree, entry->key, entry->key_len);

	return item != NULL && item->mod_revision == entry->revision ? decode(item) : NULL;
}

/* ---- what the store says -------------------------------------------------------- */

static bool concerns(const struct blx__agent_wish *wish)
{
	return wish->owned || wish->here || is_exclusive(wish);
}

/* All that the record says, at once: whoever reads it first, the next look finds it taken. */
static void entry_take(struct blx__agent_entry *entry, const blx_service *service,
	uint64_t revision)
{
	if (entry->revision != revision) {
		entry->agent->hold_due = true;
	}
	blx__agent_wish_of(service, entry->agent->node, &entry->wish);
	entry->revision = revision;
	entry->relevant = concerns(&entry->wish);
	watch_unit(entry, service);
}

/* In step with the walk: the entry of this key, or where it would be. */
static struct blx__list *seek(struct blx__agent *agent, struct blx__list *at,
	const uint8_t *key, size_t key_len, struct blx__agent_entry **ret_entry)
{
	*ret_entry = NULL;
	while (at != &agent->entries) {
		struct blx__agent_entry *entry = entry_of(at);
		int order = blx__key_compare(entry->key, entry->key_len, key, key_len);

		if (order == 0) {
			*ret_entry = entry;
			return at->next;
		}
		if (order > 0) {
			break;
		}
		entry->revision = 0; /* its record is gone */
		entry->relevant = false;
		at = at->next;
	}
	return at;
}

static void take(struct blx__agent *agent, const struct blx__item *item,
	struct blx__agent_entry *entry, struct blx__list *before)
{
	const uint8_t *key = blx__item_key(item) + DIR_LEN + 1;
	size_t key_len = item->key_len - DIR_LEN - 1;
	struct blx__agent_wish wish;
	blx_service *service;

	if (entry != NULL && entry->revision == item->mod_revision) {
		return;
	}
	service = decode(item);
	if (service == NULL) {
		return;
	}
	blx__agent_wish_of(service, agent->node, &wish);
	if (entry == NULL && concerns(&wish)) {
		entry = entry_create(agent, key, key_len, before);
	}
	if (entry != NULL) {
		entry_take(entry, service, item->mod_revision);
	}
	blx__free(service->extra);
	blx__free(service);
}

static bool is_service(const struct blx__item *item)
{
	return item->key_len > DIR_LEN + 1 &&
	       memchr(blx__item_key(item) + DIR_LEN + 1, BLX__KEY_SEPARATOR,
		       item->key_len - DIR_LEN - 1) == NULL;
}

static void take_all(struct blx__agent *agent, const struct blx__tree *tree)
{
	struct blx__list *at = agent->entries.next;
	struct blx__cursor cursor;
	struct blx__item *item = blx__cursor_seek(
		&cursor, tree, (const uint8_t *)services_dir, DIR_LEN);
	struct blx__agent_entry *entry;

	for (; blx__item_begins(item, services_dir, DIR_LEN);
		item = blx__cursor_next(&cursor)) {
		if (is_service(item)) {
			at = seek(agent, at, blx__item_key(item) + DIR_LEN + 1,
				item->key_len - DIR_LEN - 1, &entry);
			take(agent, item, entry, at);
		}
	}
	for (; at != &agent->entries; at = at->next) {
		entry_of(at)->revision = 0;
		entry_of(at)->relevant = false;
	}
}

/* Those that nobody needs any more. */
static void sweep(struct blx__agent *agent, uint64_t now)
{
	struct blx__list *at = agent->entries.next;

	while (at != &agent->entries) {
		struct blx__agent_entry *entry = entry_of(at);

		at = at->next;
		entry->asked = entry->asked && now - entry->asked_ns < ASKED_NS;
		if (!entry->relevant && !entry->asked && !is_busy(entry)) {
			entry_destroy(entry);
		}
	}
}

struct blx__agent_entry *blx__agent_ask(
	struct blx__agent *agent, const struct blx__tree *tree, const char *name)
{
	uint8_t key[BLX__KEY_LEN_MAX];
	struct blx__agent_entry *entry = NULL;
	const struct blx__item *item;
	blx_service *service;
	struct blx__list *at;
	size_t key_len;

	if (strlen(name) >= BLX_NAME_MAX ||
		blx__path_parse_name(name, strlen(name), key, &key_len, NULL) != 0) {
		return NULL;
	}
	for (at = agent->entries.next; at != &agent->entries && entry == NULL; at = at->next) {
		int order = blx__key_compare(
			entry_of(at)->key, entry_of(at)->key_len, key, key_len);

		if (order > 0) {
			break;
		}
		entry = order == 0 ? entry_of(at) : NULL;
	}
	item = item_of(tree, key, key_len);
	service = item != NULL ? decode(item) : NULL;
	if (service != NULL && entry == NULL) {
		entry = entry_create(agent, key, key_len, at);
	}
	if (service != NULL && entry != NULL) {
		entry->asked = true;
		entry->asked_ns = agent->ops->mono_ns(agent->data);
		entry_take(entry, service, item->mod_revision);
	}
	if (service != NULL) {
		blx__free(service->extra);
		blx__free(service);
	}
	return service != NULL ? entry : NULL;
}

/* ---- the guard ------------------------------------------------------------------ */

/* The guard and the gate are told before anything is done or said that relies on it. */
static void hold(struct blx__agent *agent)
{
	struct blx__hold hold = {.until_ns = agent->lease_until_ns};
	struct blx__hold_unit *units = blx__calloc(agent->count + 1, sizeof *units);
	blx_error error = BLX_ERROR_INIT;
	struct blx__list *at;

	if (units == NULL) {
		return;
	}
	for (at = agent->entries.next; at != &agent->entries; at = at->next) {
		const struct blx__agent_entry *entry = entry_of(at);

		if (!entry->wish.shared && entry->revision != 0 &&
			blx__agent_wish_is_to_run(&entry->wish)) {
			units[hold.count++] = (struct blx__hold_unit){.manager = entry->manager,
				.unit = entry->unit,
				.epoch = (uint64_t)entry->wish.epoch};
		}
	}
	hold.units = units;
	agent->held = agent->units->ops->hold(agent->units, &hold, &error) == 0;
	if (agent->held) {
		agent->hold_due = false;
	} else {
		blx__log(BLX__LOG_ERROR, "agent", "%s: nothing is started: %s", agent->node,
			error.message);
	}
	blx__free(units);
}

/* ---- a look --------------------------------------------------------------------- */

void blx__agent_look(struct blx__agent *agent)
{
	uint64_t now = agent->ops->mono_ns(agent->data);
	struct blx__image *image;
	struct blx__list *at;

	if (agent->ending) {
		return;
	}
	image = agent->ops->pin(agent->data);
	if (image == NULL) {
		return;
	}
	if (agent->ops->revision(agent->data) != agent->revision || agent->revision == 0) {
		agent->revision = blx__image_meta(image)->revision;
		take_all(agent, blx__image_tree(image));
	}
	if (agent->hold_due && agent->lease_until_ns > now) {
		hold(agent);
	}
	for (at = agent->entries.next; at != &agent->entries; at = at->next) {
		blx__agent_step(entry_of(at), blx__image_tree(image));
	}
	blx__agent_answer(agent, blx__image_tree(image));
	blx__image_unref(image);
	sweep(agent, now);
}

int blx__agent_can_run(
	struct blx__agent *agent, const char *service, char ret_why[BLX_TEXT_MAX])
{
	struct blx__image *image = agent->ops->pin(agent->data);
	struct blx__agent_entry *entry;
	int rv = BLX_ENOMEM;

	if (image != NULL) {
		entry = blx__agent_ask(agent, blx__image_tree(image), service);
		rv = entry != NULL ? blx__agent_entry_can_run(entry, ret_why) : BLX_ENOENT;
		blx__image_unref(image);
	}
	return rv;
}
