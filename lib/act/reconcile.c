/* SPDX-License-Identifier: Apache-2.0 */
#include "act/reconcile.h"

#include "base/assert.h"
#include "base/mem.h"
#include "plan/health.h"
#include "plan/migrate.h"
#include "plan/service.h"
#include "record/fields.h"
#include "record/replace.h"
#include "store/path.h"

#include <blixard/record.h>
#include <string.h>

/* Between two looks. */
#define LOOK_NS UINT64_C(1000000000)
/* And when something has changed: much of it may. */
#define SOON_NS UINT64_C(20000000)

void blx__reconcile_init(
	struct blx__reconcile *reconcile, const struct blx__reconcile_ops *ops, void *data)
{
	*reconcile = (struct blx__reconcile){.ops = ops, .data = data};
	blx__scene_init(&reconcile->scene);
}

void blx__reconcile_finish(struct blx__reconcile *reconcile)
{
	blx__scene_finish(&reconcile->scene);
}

void blx__reconcile_stir(struct blx__reconcile *reconcile)
{
	reconcile->stirred = true;
}

void blx__reconcile_ended(struct blx__reconcile *reconcile, int code)
{
	INVARIANT(reconcile->under_way > 0);
	reconcile->under_way--;
	reconcile->changed += code == 0;
}

int64_t blx__reconcile_age_ns(const struct blx__reconcile *reconcile, uint64_t at_ns)
{
	uint64_t now = reconcile->ops->mono_ns(reconcile->data);
	uint64_t since = at_ns > reconcile->since_ns ? at_ns : reconcile->since_ns;

	return now > since ? (int64_t)(now - since) : 0;
}

/* ---- nodes ---------------------------------------------------------------------- */

/* The record as it is to be, in place of the one that was read. */
static void submit_record(struct blx__reconcile *reconcile, const struct blx__item *item,
	const blx_node_info *info)
{
	struct blx__txn txn;

	blx__txn_init(&txn);
	reconcile->under_way +=
		blx__record_replace(&txn, blx__record_of(BLX_RECORD_NODE), info,
			blx__item_key(item), item->key_len, item->mod_revision) == 0 &&
		reconcile->ops->submit(&txn, "", reconcile->data);
	blx__txn_finish(&txn);
}

static void look_at_node(struct blx__reconcile *reconcile, const struct blx__item *item,
	const struct blx__health_limits *limits)
{
	const struct blx__record *record = blx__record_of(BLX_RECORD_NODE);
	char name[BLX__PATH_TEXT_SIZE];
	BLX__CLEANUP_FREE blx_node_info *info = NULL;
	const uint8_t *own;
	size_t own_len;
	uint64_t heard;

	if (blx__record_kind_of_key(blx__item_key(item), item->key_len, &own, &own_len) !=
		BLX_RECORD_NODE) {
		return;
	}
	(void)blx__path_format_name(own, own_len, name);
	info = blx__malloc(sizeof *info);
	if (info == NULL || !reconcile->ops->heard_ns(name, &heard, reconcile->data) ||
		blx__record_decode(record, blx__item_value(item), item->value_len, info, NULL) !=
			0) {
		return;
	}
	if (blx__health_change(limits, blx__reconcile_age_ns(reconcile, heard),
		    reconcile->ops->wall_ns(reconcile->data), info)) {
		submit_record(reconcile, item, info);
	}
	blx__free(info->extra);
}

static void look_at_nodes(struct blx__reconcile *reconcile, const struct blx__tree *tree)
{
	static const char dir[] = ":nodes";
	struct blx__health_limits limits = blx__health_limits_of(tree);
	struct blx__cursor cursor;
	struct blx__item *item =
		blx__cursor_seek(&cursor, tree, (const uint8_t *)dir, sizeof dir - 1);

	for (; blx__item_begins(item, dir, sizeof dir - 1) &&
		reconcile->under_way < BLX__RECONCILE_MAX;
		item = blx__cursor_next(&cursor)) {
		look_at_node(reconcile, item, &limits);
	}
}

/* ---- services and migrations ---------------------------------------------------- */

static int64_t kept_ago_ns(const char *name, void *data)
{
	struct blx__reconcile *reconcile = data;

	return blx__reconcile_age_ns(
		reconcile, reconcile->ops->kept_ns(name, reconcile->data));
}

static void submit_moves(struct blx__reconcile *reconcile, const struct blx__moves *moves)
{
	size_t i;

	for (i = 0; i < moves->count; i++) {
		reconcile->under_way += reconcile->ops->submit(
			&moves->list[i].txn, moves->list[i].from, reconcile->data);
	}
}

static void look_at_services(struct blx__reconcile *reconcile, const struct blx__image *image)
{
	struct blx__moves *moves = blx__calloc(1, sizeof *moves);

	if (moves != NULL &&
		blx__scene_look(&reconcile->scene, blx__image_tree(image),
			blx__image_meta(image)->revision,
			reconcile->ops->wall_ns(reconcile->data), kept_ago_ns,
			reconcile) == 0) {
		blx__plan_migrations(&reconcile->scene, moves);
		blx__plan_services(&reconcile->scene, moves);
		blx__plan_drain(&reconcile->scene, moves);
		blx__plan_rebalance(&reconcile->scene, moves);
		submit_moves(reconcile, moves);
		blx__moves_finish(moves);
	}
	blx__free(moves);
}

/* ---- the whole ------------------------------------------------------------------ */

void blx__reconcile_tick(struct blx__reconcile *reconcile, uint64_t term)
{
	uint64_t now = reconcile->ops->mono_ns(reconcile->data);
	struct blx__image *image;

	if (term != reconcile->term) {
		reconcile->term = term;
		reconcile->since_ns = now;
		reconcile->looked_ns = now;
	}
	/* What is under way is not decided again. */
	if (term == 0 || reconcile->under_way > 0 ||
		now - reconcile->looked_ns < (reconcile->stirred ? SOON_NS : LOOK_NS)) {
		return;
	}
	reconcile->looked_ns = now;
	reconcile->stirred = false;
	image = reconcile->ops->pin(reconcile->data);
	if (image != NULL) {
		look_at_services(reconcile, image);
		look_at_nodes(reconcile, blx__image_tree(image));
		blx__image_unref(image);
	}
}
