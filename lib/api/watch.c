/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A watch as its reader has it: a position, what was fetched from there ahead
 * of the reader, and one request at a time for more. The request is answered
 * on the library's loop thread, the events are read on the reader's; the lock
 * is between the two. While as much is fetched as the reader allows for nothing
 * is asked for, and the member knows nothing of this watch.
 */
#include <blixard/watch.h>

#include "api/opts.h"
#include "base/error.h"
#include "base/list.h"
#include "base/mem.h"
#include "client/client.h"
#include "watch/stream.h"

#include <pthread.h>
#include <string.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#define BUFFER_BYTES ((size_t)1024 * 1024)

/* A request waits at the member for so long, and has so much longer to come back. */
#define WAIT_MS         10000
#define SLACK_MS        5000

#define PROGRESS_MIN_MS 100
#define PROGRESS_MAX_MS (5 * 60 * 1000)

/* After a failure that may pass. */
#define RETRY_MS  200

#define NS_PER_MS UINT64_C(1000000)
#define NEVER     UINT64_MAX

/* The events of one answer. */
struct batch {
	struct blx__list link;
	size_t len;
	size_t at;
	uint32_t left; /* events that were not read */
	uint8_t bytes[];
};

struct blx_watch {
	pthread_mutex_t lock;
	pthread_cond_t changed;      /* with lock */
	unsigned refs;               /* the reader's, and that of the request under way */
	blx_client *client;          /* borrowed; NULL: not to be touched any more */
	struct blx__watch_spec spec; /* its text is owned; from: where to ask next */
	bool want_progress;
	size_t buffer_bytes;

	struct blx__list batches; /* of at least one event each */
	size_t batched;           /* their bytes */
	uint64_t progress;        /* to be told when the batches are read; 0: nothing */
	uint64_t compacted;       /* likewise */
	blx_error end;            /* its end, behind all that; code 0: not yet */

	bool asking;
	uint64_t retry_ns; /* do not ask before */
	blx_error last;    /* why the latest request failed; code 0: it did not */

	int fd;                /* -1: nobody wanted it */
	struct batch *reading; /* owned, the reader's: what the last event points into */
	char path[BLX__PATH_TEXT_SIZE];
	char cause[BLX__PATH_TEXT_SIZE];
};

void blx_watch_opts_init(blx_watch_opts *opts)
{
	*opts = (blx_watch_opts)BLX_WATCH_OPTS_INIT;
}

void blx_event_init(blx_event *event)
{
	*event = (blx_event)BLX_EVENT_INIT;
}

static struct timespec timespec_of(uint64_t ns)
{
	return (struct timespec){.tv_sec = (time_t)(ns / 1000000000u),
		.tv_nsec = (long)(ns % 1000000000u)};
}

/* ---- the whole ------------------------------------------------------------------ */

static blx_watch *watch_create(const char *pattern)
{
	blx_watch *watch = blx__calloc(1, sizeof *watch);
	pthread_condattr_t attr;

	if (watch == NULL) {
		return NULL;
	}
	watch->spec.text = blx__strdup(pattern);
	if (watch->spec.text == NULL) {
		blx__free(watch);
		return NULL;
	}
	watch->spec.text_len = strlen(pattern);
	watch->refs = 1;
	watch->fd = -1;
	blx__list_init(&watch->batches);
	blx_error_init(&watch->end);
	blx_error_init(&watch->last);
	(void)pthread_mutex_init(&watch->lock, NULL);
	(void)pthread_condattr_init(&attr);
	(void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	(void)pthread_cond_init(&watch->changed, &attr);
	(void)pthread_condattr_destroy(&attr);
	return watch;
}

static void watch_free(blx_watch *watch)
{
	struct blx__list *link;

	while ((link = blx__list_pop_front(&watch->batches)) != NULL) {
		blx__free(blx__container_of(link, struct batch, link));
	}
	blx__free(watch->reading);
	if (watch->fd >= 0) {
		(void)close(watch->fd);
	}
	(void)pthread_mutex_destroy(&watch->lock);
	(void)pthread_cond_destroy(&watch->changed);
	blx__free((char *)watch->spec.text);
	blx__free(watch);
}

/* Takes the lock's release along. */
static void watch_unref_unlock(blx_watch *watch)
{
	bool last = --watch->refs == 0;

	(void)pthread_mutex_unlock(&watch->lock);
	if (last) {
		watch_free(watch);
	}
}

/* Has blx_watch_next() something to give? Under the lock. */
static bool has_something(const blx_watch *watch)
{
	return !blx__list_empty(&watch->batches) || watch->progress != 0 ||
	       watch->compacted != 0 || watch->end.code != 0 ||
	       (watch->reading != NULL && watch->reading->left > 0);
}

/* Under the lock: is it time to ask for more? */
static bool may_ask(const blx_watch *watch)
{
	return !watch->asking && watch->client != NULL && watch->end.code == 0 &&
	       watch->compacted == 0 && watch->batched < watch->buffer_bytes &&
	       blx__client_now_ns() >= watch->retry_ns;
}

/* Under the lock. The descriptor is a timer: it has run out where something is there, and
 * runs out when it is time to ask again. */
static void fd_update(blx_watch *watch)
{
	struct itimerspec when = {{0}, {0}};
	bool waits_to_ask =
		!watch->asking && watch->client != NULL && watch->retry_ns != 0;

	if (watch->fd < 0) {
		return;
	}
	if (has_something(watch) || may_ask(watch)) {
		when.it_value.tv_nsec = 1; /* long ago */
	} else if (waits_to_ask && watch->batched < watch->buffer_bytes) {
		when.it_value = timespec_of(watch->retry_ns);
	}
	(void)timerfd_settime(watch->fd, TFD_TIMER_ABSTIME, &when, NULL);
}

/* ---- asking ----------------------------------------------------------------------- */

static void on_answer(const struct blx__response *response, void *data);

static void end_with(blx_watch *watch, int code, const char *why)
{
	(void)blx__error_set(
		&watch->end, code, "watch %.100s: %s", watch->spec.text, why);
	watch->client = NULL;
}

/* Asks for more. Without the lock; asking was set and a reference taken under it. */
static void ask(blx_watch *watch, blx_client *client, const struct blx__watch_spec *spec)
{
	struct blx__ask call = {
		.op = BLX__OP_WATCH, .timeout_ms = spec->wait_ms + SLACK_MS};
	struct blx__buf body;
	int rv = BLX_ENOMEM;

	blx__buf_init(&body);
	blx__watch_spec_put(&body, spec);
	call.body = body.data;
	call.body_len = body.len;
	if (blx__buf_ok(&body)) {
		rv = blx__client_start(client, &call, on_answer, watch);
	}
	blx__buf_finish(&body);
	if (rv != 0) {
		(void)pthread_mutex_lock(&watch->lock);
		watch->asking = false;
		end_with(watch, rv, blx_strerror(rv));
		(void)pthread_cond_broadcast(&watch->changed);
		fd_update(watch);
		watch_unref_unlock(watch);
	}
}

/* Takes the lock's release along, and asks if it is time to. */
static void unlock_and_ask(blx_watch *watch)
{
	struct blx__watch_spec spec = watch->spec;
	blx_client *client = watch->client;
	bool want = may_ask(watch);

	if (want) {
		watch->asking = true;
		watch->refs++;
	}
	fd_update(watch);
	(void)pthread_mutex_unlock(&watch->lock);
	if (want) {
		ask(watch, client, &spec);
	}
}

/* ---- answers, on the loop thread -----------------------------------------------------
 */

/* Are they events, in order, none of what was told already? */
static bool events_are_sound(const blx_watch *watch, struct blx__reader reader,
	const struct blx__watch_head *head)
{
	uint64_t revision = watch->spec.from.revision;
	struct blx__watch_event event;
	uint32_t i;

	for (i = 0; i < head->count; i++) {
		if (blx__watch_event_get(&reader, &event) != 0 ||
			event.revision < revision) {
			return false;
		}
		revision = event.revision;
	}
	return blx__reader_done(&reader) && revision <= head->next.revision &&
	       blx__watch_at_compare(&head->next, &watch->spec.from) >= 0;
}

static int batch_keep(blx_watch *watch, const struct blx__reader *reader, uint32_t count)
{
	size_t len = blx__reader_left(reader);
	struct batch *batch = blx__malloc(sizeof *batch + len);

	if (batch == NULL) {
		return BLX_ENOMEM;
	}
	*batch = (struct batch){.len = len, .left = count};
	memcpy(batch->bytes, reader->data + reader->at, len);
	blx__list_init(&batch->link);
	blx__list_push_back(&watch->batches, &batch->link);
	watch->batched += len;
	return 0;
}

static void take_events(blx_watch *watch, const struct blx__response *response)
{
	struct blx__reader reader = blx__reader_of(response->body, response->body_len);
	struct blx__watch_head head;
	int rv = blx__watch_head_get(&reader, &head);

	if (rv == 0 && !events_are_sound(watch, reader, &head)) {
		rv = BLX_EPROTO;
	}
	if (rv == 0 && head.count > 0) {
		rv = batch_keep(watch, &reader, head.count);
	}
	if (rv != 0) {
		end_with(watch, rv, blx_strerror(rv));
		return;
	}
	if (watch->want_progress && head.count == 0) {
		watch->progress = head.next.revision - 1 < head.revision
					  ? head.next.revision - 1
					  : head.revision;
	} else if (head.count > 0) {
		watch->progress = 0; /* was true, and is news no more */
	}
	watch->spec.from = head.next;
	watch->retry_ns = 0;
	watch->last.code = 0;
}

/* A member elsewhere may come back, or another take its place at the socket; the one in
 * this process does not, nor does a handle that is being closed. */
static bool may_pass(const blx_watch *watch, int code)
{
	switch (code) {
	case BLX_ETIMEOUT:
	case BLX_EBUSY:
	case BLX_ENOQUORUM:
	case BLX_ECONNECT:
		return !atomic_load(&watch->client->closing);
	case BLX_ECANCELED:
	case BLX_EUNAVAILABLE:
		return watch->client->node == NULL &&
		       !atomic_load(&watch->client->closing);
	default:
		return false;
	}
}

static void take_failure(blx_watch *watch, const struct blx__response *response)
{
	blx_error error = BLX_ERROR_INIT;

	(void)blx__response_error(response, &error);
	if (error.code == BLX_ECOMPACTED) {
		watch->compacted = error.revision != 0 ? error.revision : 1;
		watch->last = error;
	} else if (may_pass(watch, error.code)) {
		watch->retry_ns = blx__client_now_ns() + RETRY_MS * NS_PER_MS;
		watch->last = error;
	} else {
		end_with(watch, error.code, error.message);
	}
}

static void on_answer(const struct blx__response *response, void *data)
{
	blx_watch *watch = data;

	(void)pthread_mutex_lock(&watch->lock);
	watch->asking = false;
	if (watch->client != NULL) {
		if (response->code == 0) {
			take_events(watch, response);
		} else {
			take_failure(watch, response);
		}
		(void)pthread_cond_broadcast(&watch->changed);
	}
	if (may_ask(watch)) {
		unlock_and_ask(watch);
		(void)pthread_mutex_lock(&watch->lock);
	}
	fd_update(watch);
	watch_unref_unlock(watch);
}

/* ---- opening -------------------------------------------------------------------------
 */

static int opts_check(const char *pattern, const blx_watch_opts *opts, blx_error *error)
{
	struct blx__pattern parsed;

	if ((opts->flags & ~(uint32_t)(BLX_WATCH_PREV_VALUE | BLX_WATCH_NO_VALUES)) !=
		0) {
		return blx__error_set(error, BLX_EINVAL,
			"watch %.100s: flags that are not known: %#x", pattern,
			(unsigned)opts->flags);
	}
	if (opts->progress_ms != 0 && (opts->progress_ms < PROGRESS_MIN_MS ||
					      opts->progress_ms > PROGRESS_MAX_MS)) {
		return blx__error_set(error, BLX_EINVAL,
			"watch %.100s: progress every %u ms: must be from %u to %u",
			pattern, (unsigned)opts->progress_ms, (unsigned)PROGRESS_MIN_MS,
			(unsigned)PROGRESS_MAX_MS);
	}
	return blx__pattern_parse(pattern, strlen(pattern), &parsed, error);
}

/* From now on: where is the member? The one in this process is looked at. */
static int begin_now(blx_watch *watch, uint32_t timeout_ms, blx_error *error)
{
	struct blx__ask call = {.op = BLX__OP_WATCH, .timeout_ms = timeout_ms};
	struct blx__watch_spec spec = watch->spec;
	struct blx__watch_head head;
	struct blx__answer answer;
	struct blx__reader reader;
	struct blx__buf body;
	int rv;

	if (watch->client->ops->machine(watch->client) != NULL) {
		watch->spec.from.revision =
			blx__machine_revision(
				watch->client->ops->machine(watch->client)) +
			1;
		return 0;
	}
	spec.wait_ms = 0;
	blx__buf_init(&body);
	blx__watch_spec_put(&body, &spec);
	if (!blx__buf_ok(&body)) {
		return blx__error_set(error, BLX_ENOMEM, "watch: out of memory");
	}
	call.body = body.data;
	call.body_len = body.len;
	rv = blx__client_call(watch->client, &call, &answer, error);
	if (rv == 0) {
		reader = blx__reader_of(answer.body, answer.body_len);
		rv = blx__watch_head_get(&reader, &head);
		if (rv != 0) {
			(void)blx__error_set(error, rv, "watch: malformed answer");
		} else {
			watch->spec.from = head.next;
		}
	}
	blx__answer_finish(&answer);
	blx__buf_finish(&body);
	return rv;
}

static void watch_set(blx_watch *watch, blx_client *client, const blx_watch_opts *opts)
{
	watch->client = client;
	watch->spec.from.revision = opts->from_revision;
	watch->spec.wait_ms = opts->progress_ms != 0 ? opts->progress_ms : WAIT_MS;
	watch->want_progress = opts->progress_ms != 0;
	watch->buffer_bytes = opts->buffer_bytes != 0 ? opts->buffer_bytes : BUFFER_BYTES;
	if ((opts->flags & BLX_WATCH_PREV_VALUE) != 0) {
		watch->spec.flags |= BLX__WATCH_PREV;
	}
	if ((opts->flags & BLX_WATCH_NO_VALUES) != 0) {
		watch->spec.flags |= BLX__WATCH_NO_VALUES;
	}
}

int blx_watch_open(blx_client *client, const char *pattern,
	const blx_watch_opts *user_opts, blx_watch **ret_watch, blx_error *error)
{
	blx_watch_opts opts;
	blx_watch *watch;
	int rv;

	if (client == NULL || pattern == NULL || ret_watch == NULL) {
		return blx__error_set(error, BLX_EINVAL,
			"watch: no client, no pattern, or nowhere to put it");
	}
	if (blx__client_forked(client)) {
		return blx__client_may_wait(client, error); /* it has the words for it */
	}
	BLX__OPTS(&opts, user_opts);
	rv = opts_check(pattern, &opts, error);
	if (rv != 0) {
		return rv;
	}
	watch = watch_create(pattern);
	if (watch == NULL) {
		return blx__error_set(
			error, BLX_ENOMEM, "watch %.100s: out of memory", pattern);
	}
	watch_set(watch, client, &opts);
	if (opts.from_revision == 0) {
		rv = begin_now(watch, opts.timeout_ms, error);
	}
	if (rv != 0) {
		watch_free(watch);
		return rv;
	}
	*ret_watch = watch;
	(void)pthread_mutex_lock(&watch->lock);
	unlock_and_ask(watch);
	return 0;
}

void blx_watch_close(blx_watch *watch)
{
	if (watch != NULL) {
		(void)pthread_mutex_lock(&watch->lock);
		watch->client = NULL; /* what is under way comes back to nobody */
		watch_unref_unlock(watch);
	}
}

/* ---- reading
 * --------------------------------------------------------------------------- */

static void reading_next(blx_watch *watch)
{
	struct blx__list *link;

	if (watch->reading != NULL && watch->reading->left > 0) {
		return;
	}
	if (watch->reading != NULL) {
		watch->batched -= watch->reading->len;
		blx__free(watch->reading);
		watch->reading = NULL;
	}
	link = blx__list_pop_front(&watch->batches);
	if (link != NULL) {
		watch->reading = blx__container_of(link, struct batch, link);
	}
}

static void event_take(blx_watch *watch, blx_event *event)
{
	struct batch *batch = watch->reading;
	struct blx__reader reader = blx__reader_of(batch->bytes, batch->len);
	struct blx__watch_event from;
	int rv;

	reader.at = batch->at;
	rv = blx__watch_event_get(&reader, &from);
	INVARIANT(rv == 0); /* was looked at when it came */
	batch->at = reader.at;
	batch->left--;
	(void)blx__path_format(from.key, from.key_len, watch->path);
	event->kind = from.is_delete ? BLX_EVENT_DELETE : BLX_EVENT_PUT;
	event->more = from.more;
	event->path = watch->path;
	event->value = from.value;
	event->value_len = from.value_len;
	event->prev_value = from.prev;
	event->prev_value_len = from.prev_len;
	event->revision = from.revision;
	event->create_revision = from.create_revision;
	event->version = from.version;
	event->prev_revision = from.prev_revision;
	if (from.cause != NULL) {
		(void)blx__path_format(from.cause, from.cause_len, watch->cause);
		event->cause = watch->cause;
	}
}

/* Under the lock: what comes next. False: there is nothing. */
static bool take(blx_watch *watch, blx_event *event)
{
	reading_next(watch);
	if (watch->reading != NULL) {
		event_take(watch, event);
	} else if (watch->progress != 0) {
		event->kind = BLX_EVENT_PROGRESS;
		event->revision = watch->progress;
		watch->progress = 0;
	} else if (watch->compacted != 0) {
		event->kind = BLX_EVENT_COMPACTED;
		event->revision = watch->compacted;
		watch->compacted = 0;
		end_with(watch, BLX_ECOMPACTED, watch->last.message);
	} else {
		return false;
	}
	return true;
}

/* Under the lock: waits until something is there, it is time to ask, or the deadline. */
static void wait_until(blx_watch *watch, uint64_t deadline_ns)
{
	uint64_t until_ns = deadline_ns;
	struct timespec until;

	if (!watch->asking && watch->retry_ns != 0 && watch->retry_ns < until_ns) {
		until_ns = watch->retry_ns;
	}
	if (until_ns == NEVER) {
		(void)pthread_cond_wait(&watch->changed, &watch->lock);
		return;
	}
	until = timespec_of(until_ns);
	(void)pthread_cond_timedwait(&watch->changed, &watch->lock, &until);
}

static int timed_out(const blx_watch *watch, uint32_t timeout_ms, blx_error *error)
{
	if (watch->last.code != 0) {
		return blx__error_set(error, BLX_ETIMEOUT,
			"watch %.60s: nothing within %u ms, tries again: %.120s",
			watch->spec.text, (unsigned)timeout_ms, watch->last.message);
	}
	return blx__error_set(error, BLX_ETIMEOUT, "watch %.100s: nothing within %u ms",
		watch->spec.text, (unsigned)timeout_ms);
}

/* Under the lock, which it may let go of meanwhile. */
static int next_or_wait(
	blx_watch *watch, uint32_t timeout_ms, blx_event *event, blx_error *error)
{
	uint64_t deadline_ns = timeout_ms == BLX_WATCH_FOREVER
				       ? NEVER
				       : blx__client_now_ns() + timeout_ms * NS_PER_MS;

	for (;;) {
		if (take(watch, event)) {
			return 0;
		}
		if (watch->end.code != 0) {
			blx__error_copy(error, &watch->end);
			return watch->end.code;
		}
		if (may_ask(watch)) {
			unlock_and_ask(watch);
			(void)pthread_mutex_lock(&watch->lock);
			continue;
		}
		if (timeout_ms == 0 || blx__client_now_ns() >= deadline_ns) {
			return timed_out(watch, timeout_ms, error);
		}
		wait_until(watch, deadline_ns);
	}
}

int blx_watch_next(
	blx_watch *watch, uint32_t timeout_ms, blx_event *ret_event, blx_error *error)
{
	blx_event event = BLX_EVENT_INIT;
	blx_client *client;
	int rv = 0;

	if (watch == NULL || ret_event == NULL) {
		return blx__error_set(error, BLX_EINVAL,
			"watch: no watch, or nowhere to put the event");
	}
	(void)pthread_mutex_lock(&watch->lock);
	client = watch->client;
	if (client != NULL && (timeout_ms != 0 || blx__client_forked(client))) {
		rv = blx__client_may_wait(client, error);
	}
	if (rv == 0) {
		rv = next_or_wait(watch, timeout_ms, &event, error);
	}
	if (rv == 0) {
		BLX__OUT(ret_event, &event);
	}
	unlock_and_ask(watch); /* there may be room again */
	return rv;
}

int blx_watch_fd(blx_watch *watch)
{
	int fd;

	if (watch == NULL) {
		return BLX_EINVAL;
	}
	(void)pthread_mutex_lock(&watch->lock);
	if (watch->fd < 0) {
		watch->fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	}
	fd = watch->fd;
	fd_update(watch);
	(void)pthread_mutex_unlock(&watch->lock);
	return fd >= 0 ? fd : BLX_EBUSY;
}
