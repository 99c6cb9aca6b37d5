/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Watching: every change below a path or of a pattern, once and in the order it
 * was committed, from a revision on.
 *
 * A pattern is a path in which '*' in a component stands for any bytes of it,
 * and a component "**" for any number of components: "/app/web/port",
 * "/app/ * /port" (without the blanks), "/app/" followed by "**".
 *
 * A watch is fed from the replica of the member asked, which holds what is
 * committed and nothing else, and keeps its latest changes (16 MiB of them). It
 * outlives a lost connection, a change of the leader and a restart of the
 * member: it goes on where it was. What it cannot do is wait for ever for a
 * reader that does not read: where changes that it has yet to tell are no longer
 * kept, it ends with an event BLX_EVENT_COMPACTED. Then read what is there with
 * blx_list_children_consistent(), which is of one revision, and open a watch
 * from the revision behind it. Nothing is ever left out in silence.
 *
 * A watch belongs to one thread at a time, and is closed before its client.
 */
#ifndef BLIXARD_WATCH_H
#define BLIXARD_WATCH_H

#include <blixard/client.h>
#include <blixard/error.h>

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct blx_watch blx_watch;

enum blx_watch_flags {
	BLX_WATCH_PREV_VALUE = 1, /* with the value that was there before */
	BLX_WATCH_NO_VALUES = 2   /* without the value that is there now */
};

/* Options of blx_watch_open(). Zero means the default. */
typedef struct blx_watch_opts {
	size_t size;
	uint64_t from_revision; /* the first that is wanted; 0: what comes after the open.
				 * One that is yet to come is waited for */
	uint32_t flags;         /* enum blx_watch_flags */
	uint32_t progress_ms;   /* tell BLX_EVENT_PROGRESS when nothing matched for so
				 * long, 100 to 300000; 0: do not */
	uint32_t timeout_ms;    /* of the open; default BLX_TIMEOUT_DEFAULT_MS */
	size_t buffer_bytes;    /* fetched ahead of the reader, give or take a batch of
				 * 256 KiB; default 1 MiB */
} blx_watch_opts;

#define BLX_WATCH_OPTS_INIT                                                              \
	{                                                                                \
		sizeof(blx_watch_opts), 0, 0, 0, 0, 0                                    \
	}
BLX_API void blx_watch_opts_init(blx_watch_opts *opts);

/*
 * Opens a watch. pattern and opts (which may be NULL) are borrowed until return,
 * the client until blx_watch_close(). Waits for nothing, unless the client is
 * one of blx_client_open() and no revision is given: then it asks the member
 * where it is. BLX_EINVAL the pattern, or an option; BLX_ETIMEOUT, BLX_ECONNECT.
 */
BLX_API int blx_watch_open(blx_client *client, const char *pattern, const blx_watch_opts *opts,
	blx_watch **ret_watch, blx_error *error);

/* Ends it and frees it, with what was not read. NULL is allowed. */
BLX_API void blx_watch_close(blx_watch *watch);

enum blx_event_kind {
	BLX_EVENT_PUT = 1,      /* a value was set */
	BLX_EVENT_DELETE = 2,   /* a value was removed */
	BLX_EVENT_PROGRESS = 3, /* all that matched up to this revision has been told */
	BLX_EVENT_COMPACTED = 4 /* what comes next is no longer kept, and the watch is at
				 * its end: begin again with what is there at this
				 * revision or a later one */
};

typedef struct blx_event {
	size_t size;
	int kind;         /* enum blx_event_kind */
	int more;         /* 1: another event of the same transaction follows. Until it has
			   * come, a watch that goes on later must begin at this revision
			   * again, not behind it */
	const char *path; /* NULL but for PUT and DELETE, as what follows */
	const void *value; /* of PUT; NULL with BLX_WATCH_NO_VALUES */
	size_t value_len;
	const void *prev_value; /* with BLX_WATCH_PREV_VALUE; NULL: there was none */
	size_t prev_value_len;
	uint64_t revision;        /* of the transaction that made the change */
	uint64_t create_revision; /* of the value, or of the one that was removed */
	uint64_t version;         /* likewise */
	uint64_t prev_revision;   /* of the value before; 0: there was none */
	const char *cause;        /* DELETE: the path whose change made the conditions of the
				   * value fail (blx_txn_put_while()); NULL: it was removed
				   * itself */
} blx_event;

#define BLX_EVENT_INIT                                                                   \
	{                                                                                \
		sizeof(blx_event), 0, 0, NULL, NULL, 0, NULL, 0, 0, 0, 0, 0, NULL              \
	}
BLX_API void blx_event_init(blx_event *event);

#define BLX_WATCH_FOREVER UINT32_MAX

/*
 * The next event. event's size field must be set; what it points to is borrowed
 * until the next call for this watch. Waits for timeout_ms at most, 0: not at
 * all, which is allowed in callbacks, too; BLX_WATCH_FOREVER.
 * BLX_ETIMEOUT there is none yet, the message says so if it is because the
 * member cannot be reached, which the watch goes on trying. Any other code is
 * its end: BLX_ECOMPACTED after the event that told it; BLX_ECANCELED the member
 * in this process was stopped.
 */
BLX_API int blx_watch_next(blx_watch *watch, uint32_t timeout_ms, blx_event *ret_event,
	blx_error *error);

/*
 * A descriptor for poll(): readable while blx_watch_next() has something to give
 * or to do at once; call it with a timeout of 0 until it gives BLX_ETIMEOUT. It
 * belongs to the watch: neither read nor close it. BLX_EBUSY: none is to be had.
 */
BLX_API int blx_watch_fd(blx_watch *watch);

#ifdef __cplusplus
}
#endif

#endif
