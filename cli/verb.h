/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The verbs of the command: one table, from which parsing, help and completion
 * are made. A verb is a function that takes the context of its run and returns
 * the exit code.
 */
#ifndef BLX_CLI_VERB_H
#define BLX_CLI_VERB_H

#include "opt.h"

struct ctx;

enum verb_flags {
	VERB_MEMBER = 1, /* talks to a member: takes --socket and --timeout */
	VERB_TIMEOUT = 2 /* takes --timeout only */
};

struct verb {
	const char *noun;  /* NULL ends the table */
	const char *name;  /* NULL: the noun is the verb */
	const char *words; /* the arguments, as the usage line shows them */
	size_t words_min;
	size_t words_max;
	unsigned flags; /* enum verb_flags */
	const char *summary;
	const char *notes;      /* more lines for its help; may be NULL */
	const struct opt *opts; /* its own options; may be NULL */
	int (*run)(struct ctx *ctx);
};

#define VERB_WORDS_ANY ((size_t)-1)

extern const struct verb verbs[];

/* Options of all verbs, and of those with VERB_MEMBER. */
extern const struct opt verb_opts_common[];

/* A noun may have no verbs below it: then name is NULL. NULL: there is no such verb. */
const struct verb *verb_find(const char *noun, const char *name);
/* The first verb of a noun; NULL: no such noun. */
const struct verb *verb_first(const char *noun);
/* Does it take this option of the common table? */
bool verb_takes(const struct verb *verb, const struct opt *opt);

int kv_get(struct ctx *ctx);
int kv_ls(struct ctx *ctx);
int kv_put(struct ctx *ctx);
int kv_cas(struct ctx *ctx);
int kv_rm(struct ctx *ctx);
int kv_txn(struct ctx *ctx);
int config_get(struct ctx *ctx);
int config_set(struct ctx *ctx);
int config_unset(struct ctx *ctx);
int config_ls(struct ctx *ctx);
int cluster_init(struct ctx *ctx);
int cluster_join(struct ctx *ctx);
int cluster_leave(struct ctx *ctx);
int cluster_status(struct ctx *ctx);
int cluster_members(struct ctx *ctx);
int cluster_transfer(struct ctx *ctx);
int cluster_promote(struct ctx *ctx);
int cluster_demote(struct ctx *ctx);
int cluster_remove(struct ctx *ctx);
int snapshot_save(struct ctx *ctx);
int snapshot_verify(struct ctx *ctx);
int snapshot_inspect(struct ctx *ctx);
int recover(struct ctx *ctx);
int node_run(struct ctx *ctx);
int lease_grant(struct ctx *ctx);
int lease_keep(struct ctx *ctx);
int lease_revoke(struct ctx *ctx);
int lease_ls(struct ctx *ctx);
int lock(struct ctx *ctx);
int elect(struct ctx *ctx);
int view_declare(struct ctx *ctx);
int view_get(struct ctx *ctx);
int view_ls(struct ctx *ctx);
int view_rm(struct ctx *ctx);
int node_drain(struct ctx *ctx);
int node_undrain(struct ctx *ctx);
int node_label(struct ctx *ctx);
int node_set(struct ctx *ctx);
int health(struct ctx *ctx);
int events(struct ctx *ctx);
int node_ls(struct ctx *ctx);
int node_show(struct ctx *ctx);
int svc_ls(struct ctx *ctx);
int svc_show(struct ctx *ctx);
int svc_cas(struct ctx *ctx);
int svc_define(struct ctx *ctx);
int svc_adopt(struct ctx *ctx);
int svc_rm(struct ctx *ctx);
int svc_start(struct ctx *ctx);
int svc_stop(struct ctx *ctx);
int svc_restart(struct ctx *ctx);
int svc_status(struct ctx *ctx);
int svc_owner(struct ctx *ctx);
int svc_can_run(struct ctx *ctx);
int svc_logs(struct ctx *ctx);
int debug_rpc(struct ctx *ctx);
int svc_migrate(struct ctx *ctx);
int svc_reassign(struct ctx *ctx);
int migrate_abort(struct ctx *ctx);
int migrate_history(struct ctx *ctx);
int failover(struct ctx *ctx);
int guard(struct ctx *ctx);
int gate(struct ctx *ctx);
int place_plan(struct ctx *ctx);
int place_explain(struct ctx *ctx);
int place_why_not(struct ctx *ctx);
int place_what_if(struct ctx *ctx);
int place_ls(struct ctx *ctx);
int place_show(struct ctx *ctx);
int reservation_ls(struct ctx *ctx);
int reservation_show(struct ctx *ctx);
int reservation_rm(struct ctx *ctx);
int vm_ls(struct ctx *ctx);
int vm_show(struct ctx *ctx);
int migrate_ls(struct ctx *ctx);
int migrate_show(struct ctx *ctx);
int sql(struct ctx *ctx);
int watch(struct ctx *ctx);
int version(struct ctx *ctx);
int completion_bash(struct ctx *ctx);

#endif
