/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Views: the values that match a pattern, grouped by a field of theirs, counted and
 * added up, kept up to date by every member as transactions are applied. To read a
 * group costs as much as what it gives, whatever the store has beside it.
 *
 * A view is declared for the whole cluster, by a value at /:views/<name>. A value
 * of at most BLX_VIEW_VALUE_MAX bytes that is a JSON object and has the field that is
 * grouped by, as a string, number, true or false, is in the group of that text; what
 * has it not is in no group. Of what is added up, integers count, nothing else does.
 * Without a field to group by, all that match are in one group, of the empty name.
 *
 * Read views are of one revision of the store. They are local reads, unless
 * BLX_VIEW_CONSISTENT says otherwise.
 */
#ifndef BLIXARD_VIEW_H
#define BLIXARD_VIEW_H

#include <blixard/client.h>
#include <blixard/error.h>
#include <blixard/store.h>

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define BLX_VIEWS_MAX          64
#define BLX_VIEW_SUMS_MAX      8
#define BLX_VIEW_FIELD_LEN_MAX 127
#define BLX_VIEW_VALUE_MAX     (64 * 1024)
#define BLX_VIEW_BYTES_MAX     (4 * 1024 * 1024)

/* Options of blx_view_declare(). */
typedef struct blx_view_declare_opts {
	size_t size;
	const char *const *sums; /* fields to add up; borrowed until return */
	size_t sums_count;       /* at most BLX_VIEW_SUMS_MAX */
	uint32_t timeout_ms;
} blx_view_declare_opts;

#define BLX_VIEW_DECLARE_OPTS_INIT                                                       \
	{                                                                                \
		sizeof(blx_view_declare_opts), NULL, 0, 0                                \
	}
BLX_API void blx_view_declare_opts_init(blx_view_declare_opts *opts);

/*
 * Declares a view, or changes one. pattern as in watch.h; by: the field to group by,
 * "a.b" for b in the object a; NULL: none. opts may be NULL. Every member has the
 * view when it has applied this, after one look at all that may match. BLX_EINVAL; as
 * blx_put(). Of more than BLX_VIEWS_MAX views some cannot be read.
 */
BLX_API int blx_view_declare(blx_client *client, const char *name, const char *pattern,
	const char *by, const blx_view_declare_opts *opts, blx_error *error);

/* BLX_ENOENT: there is none of that name. */
BLX_API int blx_view_drop(
	blx_client *client, const char *name, uint32_t timeout_ms, blx_error *error);

/* What was read. Any thread may read it; free it with blx_view_free(). */
typedef struct blx_view blx_view;

enum blx_view_flags {
	BLX_VIEW_CONSISTENT = 1, /* what is true now, as blx_get_consistent() */
	BLX_VIEW_NO_VALUES = 2   /* paths and revisions only */
};

typedef struct blx_view_opts {
	size_t size;
	uint32_t flags;    /* enum blx_view_flags */
	uint32_t limit;    /* entries at most; 0: as many as BLX_VIEW_BYTES_MAX hold */
	const char *after; /* begin behind this group, or path; NULL: at the beginning */
	uint32_t timeout_ms;
} blx_view_opts;

#define BLX_VIEW_OPTS_INIT                                                               \
	{                                                                                \
		sizeof(blx_view_opts), 0, 0, NULL, 0                                     \
	}
BLX_API void blx_view_opts_init(blx_view_opts *opts);

/* The groups of a view, by name. opts may be NULL. BLX_ENOENT: there is no such view. */
BLX_API int blx_view_groups(blx_client *client, const char *name, const blx_view_opts *opts,
	blx_view **ret_view, blx_error *error);

/* The values of a group, by path; one that has none is an empty group. */
BLX_API int blx_view_group(blx_client *client, const char *name, const char *group,
	const blx_view_opts *opts, blx_view **ret_view, blx_error *error);

BLX_API uint64_t blx_view_revision(const blx_view *view);
BLX_API uint64_t blx_view_age_ms(const blx_view *view); /* as blx_read_info's */
BLX_API int blx_view_more(const blx_view *view); /* 1: there are entries behind the last */
BLX_API size_t blx_view_count(const blx_view *view); /* of entries */

/* How many values the group has, all of them; of groups: how many there are. */
BLX_API uint64_t blx_view_total(const blx_view *view);
/* Of the group, what the field number i adds up to; of groups 0. */
BLX_API int64_t blx_view_sum(const blx_view *view, size_t i);

/* All borrowed from the view. */
typedef struct blx_view_entry {
	size_t size;
	const char *name;     /* of the group; or the path */
	uint64_t count;       /* values of the group; of a value 1 */
	const int64_t *sums;  /* of the group, as many as it was declared with; else NULL */
	size_t sums_count;
	const void *value;    /* NULL: of groups, or with BLX_VIEW_NO_VALUES */
	size_t value_len;
	uint64_t revision;
	uint64_t create_revision;
	uint64_t version;
} blx_view_entry;

/* entry's size field must be set. BLX_EINVAL when i is too large. */
BLX_API int blx_view_at(const blx_view *view, size_t i, blx_view_entry *ret_entry);
BLX_API void blx_view_free(blx_view *view); /* NULL is allowed */

#ifdef __cplusplus
}
#endif

#endif
