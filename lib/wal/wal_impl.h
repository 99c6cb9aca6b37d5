/* SPDX-License-Identifier: Apache-2.0 */
/* The inside of the log, shared by wal.c (while the loop runs) and open.c (before). */
#ifndef BLX_WAL_WAL_IMPL_H
#define BLX_WAL_WAL_IMPL_H

#include "wal/keeper.h"
#include "wal/loaded.h"
#include "wal/mark.h"
#include "wal/wal.h"
#include "wal/writer.h"

/* What a batch takes at most, but for one request that is larger by itself. It bounds the
 * memory of a write, and how long those behind it wait. */
#define BLX__WAL_BATCH_MAX ((size_t)4 * 1024 * 1024)

/* How far the mark may lag behind while writes go on. */
#define BLX__WAL_MARK_MS 1000

struct blx__wal_job {
	struct blx__work work;
	bool busy;
	int code;
	blx_error error;
};

struct blx__wal {
	struct blx__env *env; /* borrowed */
	char *dir;            /* owned */
	void (*on_fatal)(void *data, const blx_error *error);
	void *data;

	struct blx__wal_writer writer; /* the disk thread's while the batch is busy */
	struct blx__wal_batch batch;
	struct blx__wal_job batch_job;
	struct blx__wal_segment batch_next; /* while it is the batch's to take */
	struct blx__wal_keeper
		keeper; /* the disk thread's while its job is busy; but while that
			 * removes, ready and next are the loop's */
	struct blx__wal_job keep_job;
	/* What the keeper is told when it is idle. */
	uint64_t current;
	uint64_t needed;
	size_t want;
	uint64_t oldest;           /* and what it told last */
	struct blx__wal_mark mark; /* the disk thread's while its job is busy */
	struct blx__wal_job mark_job;
	struct blx__timer mark_timer;
	bool mark_armed;
	uint64_t mark_lsn;      /* to be written, being written, or written last */
	uint64_t confirmed_lsn; /* the last record that is durable */

	struct blx__list pending; /* of struct blx__wal_op */
	uint64_t
		*tails; /* owned; where each group's next entry goes, all requests told */
	struct blx__wal_loaded *loaded; /* owned; of each group */

	int code;  /* what requests end with from now on; 0: they are taken */
	bool dead; /* and nothing is written any more */
	blx_error fatal;
	bool fatal_due;           /* on_fatal is to be called */
	struct blx__list refused; /* of struct blx__wal_req */
	struct blx__post refused_post;

	bool closing;
	struct blx__wal_job close_job;
	void (*close_cb)(void *data);
	void *close_data;

	struct blx__wal_stats stats;
};

void blx__wal_destroy(struct blx__wal *wal);
void blx__wal_refused_init(struct blx__wal *wal);

/* Tells the keeper, which is idle, what it is to see to. Is there something? */
bool blx__wal_keep_plan(struct blx__wal *wal);

/* The next segment becomes that of the batch. */
void blx__wal_change(struct blx__wal *wal);

/* May an op of the size go into the present segment; into the next, if that is ready?
 * When neither, the next is asked to be made large enough. No batch is under way. */
bool blx__wal_place(struct blx__wal *wal, size_t size, bool *ret_change);

/* After a batch that succeeded. */
void blx__wal_account(struct blx__wal *wal);

/* Where the group's log ends once the op is done. */
void blx__wal_tail_move(struct blx__wal *wal, const struct blx__wal_op *op);

#endif
