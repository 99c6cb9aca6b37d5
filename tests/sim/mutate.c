/* SPDX-License-Identifier: Apache-2.0 */
#include "mutate.h"

#include "base/crc32c.h"
#include "base/mem.h"
#include "checks.h"
#include "env.h"
#include "machine/callers.h"
#include "machine/command.h"
#include "machine/machine.h"
#include "node/guard.h"
#include "node/impl.h"
#include "node/reads.h"
#include "wal/wal.h"
#include "watch/leases.h"
#include "watch/stream.h"
#include "watch/views.h"

#include <raft.h>
#include <stdlib.h>
#include <string.h>

struct sim_mutations sim_mutations;

static struct sim_checks *taps;
static unsigned taps_trailing;

static const char *const names[] = {"none", "stale-read", "early-ack", "lying-disk",
	"apply-twice", "forget-vote", "skip-entry", "long-lease", "old-age", "skip-event",
	"fast-lease", "stale-view", "no-guard", "short-fence", "stale-report", "keep-always"};

bool sim_mutations_parse(const char *text)
{
	size_t i;

	sim_mutations.text = text;
	if (strncmp(text, "cure:", 5) == 0) {
		sim_mutations.which = SIM_MUTATE_CURE;
		sim_mutations.cures = 1u << strtoul(text + 5, NULL, 10);
		return true;
	}
	for (i = 0; i < sizeof names / sizeof names[0]; i++) {
		if (strcmp(text, names[i]) == 0) {
			sim_mutations.which = (enum sim_mutation)i;
			return true;
		}
	}
	return false;
}

void sim_taps_set(struct sim_checks *checks, unsigned trailing)
{
	taps = checks;
	taps_trailing = trailing;
}

/* ---- what is applied ---- */

int __real_blx__machine_apply(struct blx__machine *machine, uint64_t index, uint64_t term,
	const void *data, size_t len, blx__reply_cb cb, void *cb_data);
int __wrap_blx__machine_apply(struct blx__machine *machine, uint64_t index, uint64_t term,
	const void *data, size_t len, blx__reply_cb cb, void *cb_data);
int __real_blx__machine_restore(
	struct blx__machine *machine, const struct blx__image *image);
int __wrap_blx__machine_restore(
	struct blx__machine *machine, const struct blx__image *image);

/* Stands between the machine and who wants its replies. */
struct tap {
	blx__reply_cb cb;
	void *data;
	struct blx__entry entry;
	bool first;
	uint64_t index;
	uint64_t revision;
};

static void on_reply(void *data, const struct blx__entry_header *header,
	unsigned position, const struct blx__reply *reply)
{
	struct tap *tap = data;
	struct blx__command command;
	const uint8_t *bytes;
	size_t len;

	if (tap->first && blx__entry_next(&tap->entry, &bytes, &len) &&
		blx__command_decode(bytes, len, &command) == 0 && command.session != 0 &&
		reply->code == 0 && reply->revision > tap->revision) {
		sim_checks_done(taps, &(struct sim_done){.session = command.session,
					      .seq = command.seq,
					      .index = tap->index,
					      .revision = reply->revision});
	}
	if (reply->code == 0 && reply->revision > tap->revision) {
		tap->revision = reply->revision;
	}
	tap->cb(tap->data, header, position, reply);
}

static void tell_applied(
	struct blx__machine *machine, uint64_t index, uint64_t term, uint64_t digest)
{
	struct sim_env *env = sim_env_current();
	struct blx__machine_stats stats;

	blx__machine_stats_get(machine, &stats);
	sim_checks_applied(taps, &(struct sim_apply){.member = env->host.number,
					 .name = env->host.name,
					 .index = index,
					 .term = term,
					 .digest = digest,
					 .state = stats.hash,
					 .revision = stats.revision});
}

/* Are the views what a look at everything gives? */
static void check_views(struct blx__node *node)
{
	struct blx__image *image;

	if (blx__views_count(node->watches.views) == 0) {
		return;
	}
	image = blx__machine_pin(node->machine);
	if (image != NULL &&
		!blx__views_are_right(node->watches.views, blx__image_tree(image))) {
		sim_fail(taps->world, "%s: a view is not what is there",
			sim_env_current()->host.name);
	}
	blx__image_unref(image);
}

/* A follower loses its way once in some hundred entries. */
static bool skips(uint64_t index)
{
	return sim_mutations.which == SIM_MUTATE_SKIP_ENTRY && index % 151 == 150 &&
	       sim_env_current()->host.number == 1;
}

int __wrap_blx__machine_apply(struct blx__machine *machine, uint64_t index, uint64_t term,
	const void *data, size_t len, blx__reply_cb cb, void *cb_data)
{
	struct tap tap = {.cb = cb, .data = cb_data, .index = index};
	struct blx__node *node = cb_data;
	uint64_t before;
	int rv;

	if (sim_env_current() == NULL) {
		return __real_blx__machine_apply(
			machine, index, term, data, len, cb, cb_data);
	}
	tap.first = sim_checks_is_first(taps, index) &&
		    blx__entry_read(data, len, &tap.entry) == 0;
	before = blx__machine_revision(machine);
	tap.revision = before;
	if (skips(index)) {
		blx__machine_skip(machine, index, term);
		rv = 0;
	} else {
		rv = __real_blx__machine_apply(
			machine, index, term, data, len, on_reply, &tap);
	}
	if (rv == 0 && sim_checks_is_first(taps, index)) {
		sim_checks_changed(taps, node->watches.history, before + 1,
			blx__machine_revision(machine));
	}
	if (rv == 0 && index % 16 == 0) {
		check_views(node);
	}
	if (rv == 0) {
		tell_applied(machine, index, term,
			((uint64_t)blx__crc32c(0, data, len) << 32) | len);
	}
	return rv;
}

int __wrap_blx__machine_restore(
	struct blx__machine *machine, const struct blx__image *image)
{
	struct sim_env *env = sim_env_current();
	int rv = __real_blx__machine_restore(machine, image);
	struct blx__machine_stats stats;

	if (rv == 0 && env != NULL) {
		blx__machine_stats_get(machine, &stats);
		sim_checks_restored(taps, env->host.name, stats.index, stats.hash);
	}
	return rv;
}

/* ---- planted ---- */

void __real_blx__reads_add(struct blx__reads *reads, struct blx__request *request);
void __wrap_blx__reads_add(struct blx__reads *reads, struct blx__request *request);

void __wrap_blx__reads_add(struct blx__reads *reads, struct blx__request *request)
{
	if (sim_mutations.which == SIM_MUTATE_STALE_READ &&
		request->op != BLX__OP_READ_INDEX) {
		request->index = 0;
		blx__request_move(request, BLX__REQUEST_APPLYING, &reads->node->applying);
		blx__node_wake_applying(reads->node);
		return;
	}
	__real_blx__reads_add(reads, request);
}

uint64_t __real_blx__read_lease_ns(uint32_t promise_ms);
uint64_t __wrap_blx__read_lease_ns(uint32_t promise_ms);

/* A leader whose clock is far outside of what its lease allows for. */
uint64_t __wrap_blx__read_lease_ns(uint32_t promise_ms)
{
	return __real_blx__read_lease_ns(promise_ms) *
	       (sim_mutations.which == SIM_MUTATE_LONG_LEASE ? 20 : 1);
}

bool __real_blx__reads_current_within(struct blx__reads *reads, uint64_t max_age_ms);
bool __wrap_blx__reads_current_within(struct blx__reads *reads, uint64_t max_age_ms);

bool __wrap_blx__reads_current_within(struct blx__reads *reads, uint64_t max_age_ms)
{
	return __real_blx__reads_current_within(
		reads, max_age_ms * (sim_mutations.which == SIM_MUTATE_OLD_AGE ? 4 : 1));
}

int __real_blx__watch_fill(const struct blx__history *history,
	const struct blx__pattern *pattern, uint8_t flags, struct blx__watch_at *at,
	struct blx__buf *events, uint32_t *ret_count);
int __wrap_blx__watch_fill(const struct blx__history *history,
	const struct blx__pattern *pattern, uint8_t flags, struct blx__watch_at *at,
	struct blx__buf *events, uint32_t *ret_count);

int __wrap_blx__watch_fill(const struct blx__history *history,
	const struct blx__pattern *pattern, uint8_t flags, struct blx__watch_at *at,
	struct blx__buf *events, uint32_t *ret_count)
{
	if (sim_mutations.which == SIM_MUTATE_SKIP_EVENT && at->revision % 40 == 39 &&
		at->skip == 0 && at->revision <= blx__history_last(history)) {
		at->revision++;
	}
	return __real_blx__watch_fill(history, pattern, flags, at, events, ret_count);
}

int __real_blx__view_change(struct blx__view *view, struct blx__item *old_item,
	struct blx__item *new_item);
int __wrap_blx__view_change(struct blx__view *view, struct blx__item *old_item,
	struct blx__item *new_item);

int __wrap_blx__view_change(struct blx__view *view, struct blx__item *old_item,
	struct blx__item *new_item)
{
	if (sim_mutations.which == SIM_MUTATE_STALE_VIEW && new_item == NULL &&
		old_item->mod_revision % 4 == 3) {
		return 0;
	}
	return __real_blx__view_change(view, old_item, new_item);
}

void __real_blx__leases_pass(struct blx__leases *leases, uint64_t ns);
void __wrap_blx__leases_pass(struct blx__leases *leases, uint64_t ns);

/* The leader's clock is far faster than it may be. */
void __wrap_blx__leases_pass(struct blx__leases *leases, uint64_t ns)
{
	__real_blx__leases_pass(
		leases, ns * (sim_mutations.which == SIM_MUTATE_FAST_LEASE ? 2 : 1));
}

int __real_blx__callers_record(struct blx__callers *callers, uint32_t slot, uint64_t seq,
	const struct blx__reply *reply);
int __wrap_blx__callers_record(struct blx__callers *callers, uint32_t slot, uint64_t seq,
	const struct blx__reply *reply);

int __wrap_blx__callers_record(struct blx__callers *callers, uint32_t slot, uint64_t seq,
	const struct blx__reply *reply)
{
	if (sim_mutations.which == SIM_MUTATE_TWICE) {
		return 0;
	}
	return __real_blx__callers_record(callers, slot, seq, reply);
}

void __real_blx__wal_append(struct blx__wal *wal, struct blx__wal_req *req,
	unsigned group, const struct blx__wal_entry *entries, size_t n);
void __wrap_blx__wal_append(struct blx__wal *wal, struct blx__wal_req *req,
	unsigned group, const struct blx__wal_entry *entries, size_t n);

/* An append that is told to be over at once, and goes on. */
struct early {
	struct blx__wal_req req;
	struct blx__post post;
	struct blx__wal_req *outer;
	struct blx__wal_entry *entries;
	size_t count;
};

static void early_free(struct blx__wal_req *req, int status)
{
	struct early *early = req->data;
	size_t i;

	for (i = 0; i < early->count; i++) {
		blx__free((void *)early->entries[i].data);
	}
	blx__free(early->entries);
	early->entries = NULL;
	if (early->outer == NULL) {
		blx__free(early);
	}
}

static void early_tell(struct blx__post *post)
{
	struct early *early = post->data;
	struct blx__wal_req *outer = early->outer;

	early->outer = NULL;
	if (early->entries == NULL) {
		blx__free(early);
	}
	outer->cb(outer, 0);
}

void __wrap_blx__wal_append(struct blx__wal *wal, struct blx__wal_req *req,
	unsigned group, const struct blx__wal_entry *entries, size_t n)
{
	struct early *early;
	size_t i;

	if (sim_mutations.which != SIM_MUTATE_EARLY_ACK) {
		__real_blx__wal_append(wal, req, group, entries, n);
		return;
	}
	early = blx__calloc(1, sizeof *early);
	early->outer = req;
	early->count = n;
	early->entries = blx__memdup(entries, n * sizeof entries[0]);
	for (i = 0; i < n; i++) {
		early->entries[i].data = blx__memdup(entries[i].data, entries[i].len);
	}
	early->req.cb = early_free;
	early->req.data = early;
	blx__post_init(&early->post, early_tell, early);
	blx__env_post(&sim_env_current()->env, &early->post);
	__real_blx__wal_append(wal, &early->req, group, early->entries, n);
}

void __real_blx__wal_set_hard_state(struct blx__wal *wal, struct blx__wal_req *req,
	unsigned group, uint64_t term, uint64_t vote);
void __wrap_blx__wal_set_hard_state(struct blx__wal *wal, struct blx__wal_req *req,
	unsigned group, uint64_t term, uint64_t vote);

void __wrap_blx__wal_set_hard_state(struct blx__wal *wal, struct blx__wal_req *req,
	unsigned group, uint64_t term, uint64_t vote)
{
	if (sim_mutations.which == SIM_MUTATE_FORGET_VOTE) {
		vote = 0;
	}
	__real_blx__wal_set_hard_state(wal, req, group, term, vote);
}

int __real_blx__guard_create(
	const struct blx__guard_opts *opts, struct blx__guard **ret_guard);
int __wrap_blx__guard_create(
	const struct blx__guard_opts *opts, struct blx__guard **ret_guard);

int __wrap_blx__guard_create(
	const struct blx__guard_opts *opts, struct blx__guard **ret_guard)
{
	struct blx__guard_opts changed = *opts;

	changed.without |= sim_mutations.cures;
	return __real_blx__guard_create(&changed, ret_guard);
}

/* ---- what is too large for short runs ---- */

void __real_raft_set_snapshot_trailing(struct raft *r, unsigned n);
void __wrap_raft_set_snapshot_trailing(struct raft *r, unsigned n);

/* The library keeps thousands of entries behind a snapshot; no run here has so many, and
 * no member would ever need a snapshot from another. */
void __wrap_raft_set_snapshot_trailing(struct raft *r, unsigned n)
{
	__real_raft_set_snapshot_trailing(r, taps_trailing > 0 ? taps_trailing : n);
}

/* ---- who runs what -------------------------------------------------------------- */

int64_t __real_blx__fence_ns(int64_t lease_ms, int64_t stop_ms, int64_t margin_ns);
int64_t __wrap_blx__fence_ns(int64_t lease_ms, int64_t stop_ms, int64_t margin_ns);
void __real_blx__service_revoke(blx_service *service);
void __wrap_blx__service_revoke(blx_service *service);
bool __real_blx__hosts_take(struct blx__hosts *hosts, const char *name);
bool __wrap_blx__hosts_take(struct blx__hosts *hosts, const char *name);
void __real_blx__hosts_taken(struct blx__hosts *hosts, const char *name, int code);
void __wrap_blx__hosts_taken(struct blx__hosts *hosts, const char *name, int code);

int64_t __wrap_blx__fence_ns(int64_t lease_ms, int64_t stop_ms, int64_t margin_ns)
{
	return sim_mutations.which == SIM_MUTATE_SHORT_FENCE
		       ? lease_ms * 1000000
		       : __real_blx__fence_ns(lease_ms, stop_ms, margin_ns);
}

void __wrap_blx__service_revoke(blx_service *service)
{
	int seen = service->seen;

	__real_blx__service_revoke(service);
	if (sim_mutations.which == SIM_MUTATE_STALE_REPORT) {
		service->seen = seen;
	}
}

bool __wrap_blx__hosts_take(struct blx__hosts *hosts, const char *name)
{
	return sim_mutations.which == SIM_MUTATE_KEEP_ALWAYS ||
	       __real_blx__hosts_take(hosts, name);
}

void __wrap_blx__hosts_taken(struct blx__hosts *hosts, const char *name, int code)
{
	if (sim_mutations.which != SIM_MUTATE_KEEP_ALWAYS) {
		__real_blx__hosts_taken(hosts, name, code);
	}
}
