/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SQL over the live store: one statement that reads, over the table
 *
 *	kv(path TEXT, value, create_revision INTEGER, mod_revision INTEGER,
 *	   version INTEGER)
 *
 * of one revision. A value that is UTF-8 without NUL is TEXT, so that
 * json_extract() works on it, any other a BLOB: as in a snapshot file. All of the
 * functions of the SQLite that is linked are there; nothing can be written,
 * attached or set.
 *
 * The store goes on while a statement runs. A comparison of path with "=", a GLOB
 * that begins with fixed text, and "path >= ... AND path < ..." look at what begins
 * so; anything else looks at every value. By a handle of blx_node_client() the
 * statement runs on the caller's thread; by one of blx_client_open() on a thread of
 * the member, one after the other, and where 16 wait a further one is BLX_EBUSY.
 *
 * What a statement sorts or groups may take 256 MiB, what it gives BLX_SQL_BYTES_MAX:
 * BLX_ETOOBIG. It ends at its timeout.
 */
#ifndef BLIXARD_SQL_H
#define BLIXARD_SQL_H

#include <blixard/client.h>
#include <blixard/error.h>

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define BLX_SQL_TEXT_MAX   (64 * 1024)
#define BLX_SQL_PARAMS_MAX 64
#define BLX_SQL_BYTES_MAX  (4 * 1024 * 1024)

typedef struct blx_sql blx_sql;

enum blx_sql_flags {
	BLX_SQL_CONSISTENT = 1 /* what is true now, as blx_get_consistent() */
};

typedef struct blx_sql_opts {
	size_t size;
	uint32_t flags;            /* enum blx_sql_flags */
	const char *const *params; /* texts for ?1, ?2 and so on; NULL in it: NULL */
	size_t params_count;       /* at most BLX_SQL_PARAMS_MAX */
	uint32_t timeout_ms;       /* default BLX_TIMEOUT_DEFAULT_MS */
} blx_sql_opts;

#define BLX_SQL_OPTS_INIT                                                                \
	{                                                                                \
		sizeof(blx_sql_opts), 0, NULL, 0, 0                                      \
	}
BLX_API void blx_sql_opts_init(blx_sql_opts *opts);

/*
 * Runs the statement; all of what it gives is there when this returns. opts may be
 * NULL; all arguments are borrowed until return. BLX_EINVAL: what SQLite says of the
 * statement, or it is none that reads; BLX_ETOOBIG, BLX_ETIMEOUT, BLX_EBUSY, and as
 * blx_get().
 */
BLX_API int blx_sql_query(blx_client *client, const char *sql, const blx_sql_opts *opts,
	blx_sql **ret_sql, blx_error *error);

BLX_API uint64_t blx_sql_revision(const blx_sql *sql);
BLX_API uint64_t blx_sql_age_ms(const blx_sql *sql); /* as blx_read_info's */
BLX_API size_t blx_sql_rows(const blx_sql *sql);
BLX_API size_t blx_sql_columns(const blx_sql *sql);
/* Borrowed; NULL: there is no such column. */
BLX_API const char *blx_sql_name(const blx_sql *sql, size_t column);

/* To the next row, the first one at first. 1: there is one; 0: there is none. */
BLX_API int blx_sql_next(blx_sql *sql);

enum blx_sql_type {
	BLX_SQL_NULL = 0,
	BLX_SQL_INTEGER = 1,
	BLX_SQL_REAL = 2,
	BLX_SQL_TEXT = 3,
	BLX_SQL_BLOB = 4
};

/* Of the row it is at. What is of another type than is asked for gives 0, and NULL;
 * an integer can be had as a real. Bytes are borrowed until the next call of
 * blx_sql_next(); a text has a NUL behind it. */
BLX_API int blx_sql_type(const blx_sql *sql, size_t column);
BLX_API int64_t blx_sql_integer(const blx_sql *sql, size_t column);
BLX_API double blx_sql_real(const blx_sql *sql, size_t column);
BLX_API const void *blx_sql_bytes(const blx_sql *sql, size_t column, size_t *ret_len);

BLX_API void blx_sql_free(blx_sql *sql); /* NULL is allowed */

#ifdef __cplusplus
}
#endif

#endif
