/* SPDX-License-Identifier: Apache-2.0 */
#include "inode.h"

#include "base/assert.h"
#include "disk.h"
#include "memory.h"

#include <stdlib.h>
#include <string.h>

#define SECTORS (SIM_PAGE / SIM_SECTOR)

struct sim_page {
	uint8_t data[SIM_PAGE];
	uint8_t *durable; /* owned; NULL: the same as data */
	uint8_t dirty;    /* a bit for each sector that is not durable */
};

/*
 * A list of names. In that of what is durable the names of the last sync come
 * first, and behind them the changes since, in order: a name with its inode was
 * made, one without removed, one with from renamed.
 */
struct sim_name {
	struct sim_name *next;
	struct sim_inode *inode; /* a reference; NULL: removed */
	char *from;              /* owned; NULL: not renamed */
	bool change;
	char name[];
};

struct sim_inode *sim_inode_create(bool dir)
{
	struct sim_inode *inode = sim_alloc(sizeof *inode);

	inode->refs = 1;
	inode->dir = dir;
	return inode;
}

struct sim_inode *sim_inode_ref(struct sim_inode *inode)
{
	inode->refs++;
	return inode;
}

static void page_free(struct sim_page *page)
{
	if (page != NULL) {
		free(page->durable);
		free(page);
	}
}

static void names_free(struct sim_name *name)
{
	while (name != NULL) {
		struct sim_name *next = name->next;

		if (name->inode != NULL) {
			sim_inode_unref(name->inode);
		}
		free(name->from);
		free(name);
		name = next;
	}
}

void sim_inode_unref(struct sim_inode *inode)
{
	size_t i;

	if (--inode->refs > 0) {
		return;
	}
	for (i = 0; i < inode->pages_count; i++) {
		page_free(inode->pages[i]);
	}
	free(inode->pages);
	names_free(inode->names);
	names_free(inode->durable);
	free(inode);
}

/* ---- content ---- */

static struct sim_page *page_make(struct sim_inode *inode, size_t at)
{
	if (at >= inode->pages_count) {
		size_t count =
			at + 1 > inode->pages_count * 2 ? at + 1 : inode->pages_count * 2;

		inode->pages = sim_resize(inode->pages, count * sizeof inode->pages[0]);
		memset(inode->pages + inode->pages_count, 0,
			(count - inode->pages_count) * sizeof inode->pages[0]);
		inode->pages_count = count;
	}
	if (inode->pages[at] == NULL) {
		inode->pages[at] = sim_alloc(sizeof *inode->pages[at]);
	}
	return inode->pages[at];
}

/* A change of these bytes of a page is coming. */
static void page_soil(struct sim_page *page, size_t from, size_t len)
{
	size_t sector;

	if (page->durable == NULL) {
		page->durable = sim_alloc(SIM_PAGE);
		memcpy(page->durable, page->data, SIM_PAGE);
	}
	for (sector = from / SIM_SECTOR; sector <= (from + len - 1) / SIM_SECTOR;
		sector++) {
		page->dirty |= (uint8_t)(1u << sector);
	}
}

static void page_sync(struct sim_page *page)
{
	free(page->durable);
	page->durable = NULL;
	page->dirty = 0;
}

void sim_inode_write(
	struct sim_inode *inode, const void *data, size_t len, uint64_t offset)
{
	const uint8_t *bytes = data;
	size_t done = 0;

	while (done < len) {
		size_t in = (size_t)((offset + done) % SIM_PAGE);
		size_t n = SIM_PAGE - in < len - done ? SIM_PAGE - in : len - done;
		struct sim_page *page =
			page_make(inode, (size_t)((offset + done) / SIM_PAGE));

		page_soil(page, in, n);
		memcpy(page->data + in, bytes + done, n);
		done += n;
	}
	if (offset + len > inode->size) {
		inode->size = offset + len;
	}
	if (offset + len > inode->allocated) {
		inode->allocated = offset + len;
	}
}

size_t sim_inode_read(
	const struct sim_inode *inode, void *data, size_t len, uint64_t offset)
{
	uint8_t *bytes = data;
	size_t done = 0;

	if (offset >= inode->size) {
		return 0;
	}
	len = len < inode->size - offset ? len : (size_t)(inode->size - offset);
	while (done < len) {
		size_t at = (size_t)((offset + done) / SIM_PAGE);
		size_t in = (size_t)((offset + done) % SIM_PAGE);
		size_t n = SIM_PAGE - in < len - done ? SIM_PAGE - in : len - done;

		if (at < inode->pages_count && inode->pages[at] != NULL) {
			memcpy(bytes + done, inode->pages[at]->data + in, n);
		} else {
			memset(bytes + done, 0, n);
		}
		done += n;
	}
	return len;
}

void sim_inode_truncate(struct sim_inode *inode, uint64_t size)
{
	size_t at;

	for (at = (size_t)(size / SIM_PAGE); at < inode->pages_count; at++) {
		size_t from = at == size / SIM_PAGE ? (size_t)(size % SIM_PAGE) : 0;

		if (inode->pages[at] != NULL) {
			page_soil(inode->pages[at], from, SIM_PAGE - from);
			memset(inode->pages[at]->data + from, 0, SIM_PAGE - from);
		}
	}
	inode->size = size;
	inode->allocated = size;
}

void sim_inode_sync(struct sim_inode *inode)
{
	size_t i;

	for (i = 0; i < inode->pages_count; i++) {
		if (inode->pages[i] != NULL && inode->pages[i]->dirty != 0) {
			page_sync(inode->pages[i]);
		}
	}
	inode->durable_size = inode->size;
}

/* As O_DSYNC: the bytes, and the size that is needed to read them. Whole pages, for what
 * is beside the bytes in them could have been written back at any time. */
void sim_inode_sync_range(struct sim_inode *inode, uint64_t offset, size_t len)
{
	size_t at;

	for (at = (size_t)(offset / SIM_PAGE); at <= (offset + len - 1) / SIM_PAGE;
		at++) {
		if (inode->pages[at] != NULL) {
			page_sync(inode->pages[at]);
		}
	}
	if (offset + len > inode->durable_size) {
		inode->durable_size = inode->size;
	}
}

/* ---- names ---- */

static struct sim_name *name_create(
	const char *text, struct sim_inode *inode, const char *from)
{
	size_t len = strlen(text) + 1;
	struct sim_name *name = sim_alloc(sizeof *name + len);

	memcpy(name->name, text, len);
	name->inode = inode != NULL ? sim_inode_ref(inode) : NULL;
	name->from = from != NULL ? sim_text(from) : NULL;
	return name;
}

/* Where a name is in an ascending list, or would be. */
static struct sim_name **name_place(struct sim_name **at, const char *text)
{
	while (*at != NULL && strcmp((*at)->name, text) < 0) {
		at = &(*at)->next;
	}
	return at;
}

static struct sim_name *name_find(struct sim_name **list, const char *text)
{
	struct sim_name *name = *name_place(list, text);

	return name != NULL && strcmp(name->name, text) == 0 ? name : NULL;
}

static void name_drop(struct sim_name **list, const char *text)
{
	struct sim_name **at = name_place(list, text);
	struct sim_name *name = *at;

	if (name != NULL && strcmp(name->name, text) == 0) {
		*at = name->next;
		name->next = NULL;
		names_free(name);
	}
}

static void name_put(struct sim_name **list, const char *text, struct sim_inode *inode)
{
	struct sim_name *name = name_create(text, inode, NULL);
	struct sim_name **at;

	name_drop(list, text);
	at = name_place(list, text);
	name->next = *at;
	*at = name;
}

/* Remembers a change until the directory is synced. */
static void change_add(struct sim_inode *dir, struct sim_name *change)
{
	struct sim_name **at = &dir->durable;

	while (*at != NULL) {
		at = &(*at)->next;
	}
	change->change = true;
	*at = change;
}

void sim_inode_link(struct sim_inode *dir, const char *name, struct sim_inode *inode)
{
	name_put(&dir->names, name, inode);
	change_add(dir, name_create(name, inode, NULL));
}

void sim_inode_unlink(struct sim_inode *dir, const char *name)
{
	name_drop(&dir->names, name);
	change_add(dir, name_create(name, NULL, NULL));
}

void sim_inode_rename(struct sim_inode *dir, const char *from, const char *to)
{
	struct sim_inode *inode = sim_inode_ref(sim_inode_child(dir, from));

	name_drop(&dir->names, from);
	name_put(&dir->names, to, inode);
	change_add(dir, name_create(to, inode, from));
	sim_inode_unref(inode);
}

static struct sim_name *names_copy(const struct sim_name *list)
{
	struct sim_name *copy = NULL;
	struct sim_name **end = &copy;

	for (; list != NULL; list = list->next) {
		*end = name_create(list->name, list->inode, NULL);
		end = &(*end)->next;
	}
	return copy;
}

void sim_inode_sync_names(struct sim_inode *dir)
{
	names_free(dir->durable);
	dir->durable = names_copy(dir->names);
}

void sim_inode_each_name(
	const struct sim_inode *dir, void (*cb)(const char *name, void *data), void *data)
{
	const struct sim_name *name;

	for (name = dir->names; name != NULL; name = name->next) {
		cb(name->name, data);
	}
}

struct sim_inode *sim_inode_child(struct sim_inode *dir, const char *name)
{
	struct sim_name *found = dir->dir ? name_find(&dir->names, name) : NULL;

	return found != NULL ? found->inode : NULL;
}

struct sim_inode *sim_inode_parent(
	struct sim_inode *root, const char *path, const char **ret_name)
{
	struct sim_inode *dir = root;
	const char *slash;
	char part[256];

	while (*path == '/') {
		path++;
	}
	while (dir != NULL && (slash = strchr(path, '/')) != NULL) {
		size_t len = (size_t)(slash - path);

		if (len >= sizeof part) {
			return NULL;
		}
		memcpy(part, path, len);
		part[len] = '\0';
		dir = sim_inode_child(dir, part);
		for (path = slash; *path == '/'; path++) {
		}
	}
	*ret_name = path;
	return dir != NULL && dir->dir ? dir : NULL;
}

struct sim_inode *sim_inode_find(struct sim_inode *root, const char *path)
{
	const char *name;
	struct sim_inode *dir = sim_inode_parent(root, path, &name);

	if (dir == NULL || *name == '\0') {
		return dir;
	}
	return sim_inode_child(dir, name);
}

/* ---- what a disk does to them ---- */

static void page_lose_power(
	struct sim_page *page, struct blx__rng *rng, struct sim_inode_loss *loss)
{
	unsigned sector;

	for (sector = 0; sector < SECTORS; sector++) {
		if ((page->dirty & (1u << sector)) != 0 && sim_chance(rng, 500)) {
			memcpy(page->data + sector * SIM_SECTOR,
				page->durable + sector * SIM_SECTOR, SIM_SECTOR);
			loss->sectors++;
		}
	}
	page_sync(page);
}

static void file_lose_power(
	struct sim_inode *inode, struct blx__rng *rng, struct sim_inode_loss *loss)
{
	size_t i;

	for (i = 0; i < inode->pages_count; i++) {
		if (inode->pages[i] != NULL && inode->pages[i]->dirty != 0) {
			page_lose_power(inode->pages[i], rng, loss);
		}
	}
	if (inode->size != inode->durable_size && sim_chance(rng, 500)) {
		/* The size goes back; what the pages beyond it hold is of no more use. */
		if (inode->durable_size < inode->size) {
			sim_inode_truncate(inode, inode->durable_size);
		}
		inode->size = inode->durable_size;
	}
	sim_inode_sync(inode);
}

static void change_apply(struct sim_name **list, const struct sim_name *change)
{
	if (change->from != NULL) {
		name_drop(list, change->from);
	}
	if (change->inode != NULL) {
		name_put(list, change->name, change->inode);
	} else {
		name_drop(list, change->name);
	}
}

/* File systems write names in the order they were changed: some first ones survive. */
static void names_lose_power(
	struct sim_inode *dir, struct blx__rng *rng, struct sim_inode_loss *loss)
{
	struct sim_name *names = NULL;
	struct sim_name *name;
	uint64_t changes = 0;
	uint64_t kept;

	for (name = dir->durable; name != NULL; name = name->next) {
		changes += name->change;
	}
	kept = blx__rng_below(rng, changes + 1);
	loss->names += changes - kept;
	for (name = dir->durable; name != NULL; name = name->next) {
		if (!name->change || kept > 0) {
			kept -= name->change;
			change_apply(&names, name);
		}
	}
	names_free(dir->names);
	dir->names = names;
	sim_inode_sync_names(dir);
}

void sim_inode_lose_power(
	struct sim_inode *inode, struct blx__rng *rng, struct sim_inode_loss *loss)
{
	struct sim_name *name;

	if (!inode->dir) {
		file_lose_power(inode, rng, loss);
		return;
	}
	names_lose_power(inode, rng, loss);
	for (name = inode->names; name != NULL; name = name->next) {
		sim_inode_lose_power(name->inode, rng, loss);
	}
}

static size_t count_pages(const struct sim_inode *inode)
{
	const struct sim_name *name;
	size_t count = 0;
	size_t i;

	for (i = 0; i < inode->pages_count; i++) {
		count += inode->pages[i] != NULL;
	}
	for (name = inode->names; name != NULL; name = name->next) {
		count += count_pages(name->inode);
	}
	return count;
}

/* The n-th page below; counts down. */
static struct sim_page *nth_page(struct sim_inode *inode, size_t *n)
{
	struct sim_name *name;
	struct sim_page *page = NULL;
	size_t i;

	for (i = 0; i < inode->pages_count; i++) {
		if (inode->pages[i] != NULL && (*n)-- == 0) {
			return inode->pages[i];
		}
	}
	for (name = inode->names; name != NULL && page == NULL; name = name->next) {
		page = nth_page(name->inode, n);
	}
	return page;
}

bool sim_inode_rot(struct sim_inode *inode, struct blx__rng *rng)
{
	size_t count = count_pages(inode);
	struct sim_page *page;
	size_t n;

	if (count == 0) {
		return false;
	}
	n = (size_t)blx__rng_below(rng, count);
	page = nth_page(inode, &n);
	INVARIANT(page != NULL);
	page->data[blx__rng_below(rng, SIM_PAGE)] ^=
		(uint8_t)(1u << blx__rng_below(rng, 8));
	return true;
}
