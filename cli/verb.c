/* SPDX-License-Identifier: Apache-2.0 */
/* The table of verbs. What is not here does not exist: help and completion come from it.
 */
#include "verb.h"

#include <string.h>

const struct opt verb_opts_common[] = {
	{"output", 'o', "table|json", "how to print results and errors (table)"},
	{"socket", 0, "PATH",
		"of the member to ask (BLIXARD_SOCKET, else /run/blixard/blixard.sock)"},
	{"timeout", 0, "TIME", "for all of it: 5s, 500ms, 2m, or milliseconds (5s)"},
	{"help", 'h', NULL, "print this"},
	{0},
};

static const struct opt opts_get[] = {
	{"consistent", 0, NULL, "what is true now, confirmed with a majority"},
	{"max-age-ms", 0, "N", "what was true so long ago, or later"},
	{"local", 0, NULL, "what this member knows, without asking others (the default)"},
	{"rev-info", 0, NULL, "print revisions on standard error"},
	{"min-revision", 0, "N", "wait until the member has this revision of the store"},
	{0},
};

static const struct opt opts_put[] = {
	{"if-absent", 0, NULL, "only if there is no value yet; otherwise exit 5"},
	{"lease", 0, "ID", "it goes when the lease ends"},
	{0},
};

static const struct opt opts_cas[] = {
	{"expect", 0, "VALUE", "the value that must be there"},
	{"rev", 0, "N", "the revision that must be there; 0: no value"},
	{0},
};

static const struct opt opts_rm[] = {
	{"recursive", 'r', NULL, "all that is below the path, too"},
	{0},
};

static const struct opt opts_ls[] = {
	{"tree", 'r', NULL, "everything below, not only the children"},
	{"values", 0, NULL, "with revisions and values"},
	{"limit", 0, "N", "at most so many; the rest is told on standard error"},
	{"after", 0, "NAME", "begin behind this one"},
	{"consistent", 0, NULL, "what is true now, confirmed with a majority"},
	{0},
};

#define OPT_TTL                                                                          \
	{                                                                                \
		"ttl", 0, "TIME", "how long it lasts when it is not kept, 100ms to 24h (10s)" \
	}
#define OPT_HOLDER                                                                       \
	{                                                                                \
		"holder", 0, "TEXT", "whose it is, for people (the host and the process)" \
	}

static const struct opt opts_grant[] = {OPT_TTL, OPT_HOLDER, {0}};

static const struct opt opts_held[] = {
	OPT_TTL,
	OPT_HOLDER,
	{"wait", 0, "TIME", "for it to be free (for ever); then exit 6"},
	{0},
};

static const struct opt opts_declare[] = {
	{"by", 0, "FIELD", "group by this field of the values; a.b: b in the object a"},
	{"sum", 0, "FIELD", "add up this field in each group; once for each"},
	{0},
};

static const struct opt opts_view[] = {
	{"limit", 0, "N", "at most so many"},
	{"after", 0, "NAME", "begin behind this group, or path"},
	{"consistent", 0, NULL, "what is true now, confirmed with a majority"},
	{0},
};

static const struct opt opts_record[] = {
	{"consistent", 0, NULL, "what is true now, confirmed with a majority"},
	{0},
};

static const struct opt opts_svc_cas[] = {
	{"expect-state", 0, "STATE", "Running, Stopped, Failed and so on"},
	{"expect-node", 0, "NODE", "where it is; empty: nowhere"},
	{0},
};

static const struct opt opts_what_if[] = {
	{"strategy", 0, "least-allocated|bin-pack|first-fit", "(least-allocated)"},
	{0},
};

#define OPTS_CONSTRAINTS                                                                 \
	{"on", 0, "NODE[,NODE ...]", "one of these"},                                    \
	{"not-on", 0, "NODE[,NODE ...]", "none of these"},                               \
	{"needs", 0, "CAPABILITY[,...]", "a node with all of them"},                     \
	{"label", 0, "KEY=VALUE[,VALUE ...]", "the label is one of these"},              \
	{"not-label", 0, "KEY=VALUE[,VALUE ...]", "the label is none of these"},         \
	{"apart-from", 0, "NAME[,NAME ...]", "not where one of these is"},               \
	{"together-with", 0, "NAME[,NAME ...]", "where all of these are"},               \
	{"max-per-node", 0, "GROUP=N", "not where so many of the group are"},            \
	{"spread", 0, "LABEL=N", "the fullest value of the label at most N over the emptiest"}, \
	{"tolerate", 0, "TAINT[,TAINT ...]", "these do not matter"}

#define OPTS_DEFINE                                                                      \
	{"unit", 0, "UNIT", "of systemd (NAME.service)"},                                \
	{"manager", 0, "user|user:UID", "its service manager (the system's)"},          \
	{"shared", 0, NULL, "it may run on several nodes at once: no lease is needed"},  \
	{"cpu", 0, "N", "thousandths of a processor"},                                   \
	{"memory", 0, "N", "MiB"},                                                       \
	{"priority", 0, "N", "those with more leave a drained node first (0)"},          \
	{"group", 0, "NAME", "of it, for --spread"},                                     \
	{"stop-timeout", 0, "DURATION", "after which it is killed (5s)"},                \
	{"failures-max", 0, "N", "so many, and it is moved to another node (never)"},    \
	OPTS_CONSTRAINTS

static const struct opt opts_define[] = {
	OPTS_DEFINE,
	{0},
};

static const struct opt opts_adopt[] = {
	{"node", 0, "NODE", "where it runs"},
	OPTS_DEFINE,
	{0},
};

#define OPT_WAIT {"wait", 0, NULL, "until it is so, or has failed; says how far it is"}

static const struct opt opts_start[] = {
	{"node", 0, "NODE", "there, and nowhere else"},
	OPT_WAIT,
	{0},
};

static const struct opt opts_wait[] = {
	OPT_WAIT,
	{0},
};

static const struct opt opts_owner[] = {
	{"is", 0, "NODE", "exit 0: it is that one, 1: it is not, 2: that cannot be told"},
	{"consistent", 0, NULL, "what is true now, confirmed with a majority"},
	{0},
};

static const struct opt opts_can_run[] = {
	{"node", 0, "NODE", "where it is to run"},
	{0},
};

static const struct opt opts_logs[] = {
	{"follow", 'f', NULL, "go on"},
	{"lines", 'n', "N", "the last so many (100)"},
	{0},
};

static const struct opt opts_migrate[] = {
	{"to", 0, "NODE", "where it is to go"},
	OPT_WAIT,
	{0},
};

static const struct opt opts_rpc[] = {
	{"id", 0, "ID", "to ask again under: what was done already is not done again"},
	{0},
};

static const struct opt opts_reassign[] = {
	{"from", 0, "NODE", "where it is, and not to stay"},
	OPT_WAIT,
	{0},
};

static const struct opt opts_failover[] = {
	{"dry-run", 0, NULL, "say where everything on it would go, and change nothing"},
	{0},
};

static const struct opt opts_drain[] = {
	{"deadline", 0, "DURATION", "what is there then is stopped (none)"},
	{"wait", 0, NULL, "until it is empty"},
	{0},
};

#define OPT_RUN_DIR {"run-dir", 0, "DIR", "of the member (/run/blixard)"}

static const struct opt opts_guard[] = {
	OPT_RUN_DIR,
	{0},
};

static const struct opt opts_gate[] = {
	OPT_RUN_DIR,
	{"manager", 0, "user|user:UID", "of the unit (the system's)"},
	{0},
};

static const struct opt opts_place[] = {
	{"cpu", 0, "N", "thousandths of a processor"},
	{"memory", 0, "N", "MiB"},
	{"name", 0, "NAME", "of what is to be placed: it does not count against itself"},
	{"group", 0, "NAME", "of it, for --spread"},
	{"strategy", 0, "least-allocated|bin-pack|first-fit", "(least-allocated)"},
	OPTS_CONSTRAINTS,
	{"without", 0, "NODE", "what if that node was not there; once for each"},
	{0},
};

static const struct opt opts_sql[] = {
	{"consistent", 0, NULL, "what is true now, confirmed with a majority"},
	{0},
};

static const struct opt opts_events[] = {
	{"from", 0, "N", "the first revision that is wanted; otherwise what comes from now on"},
	{"count", 0, "N", "end after so many"},
	{0},
};

static const struct opt opts_watch[] = {
	{"from", 0, "N", "the first revision that is wanted; otherwise what comes from now on"},
	{"prev", 0, NULL, "with the value that was there before"},
	{"no-values", 0, NULL, "paths and revisions only"},
	{"count", 0, "N", "end after so many changes"},
	{"exec", 0, NULL, "run the command for each change, one after the other"},
	{0},
};

#define OPT_DATA_DIR                                                                     \
	{                                                                                \
		"data-dir", 0, "DIR",                                                    \
			"of the member (BLIXARD_DATA_DIR, else /var/lib/blixard)"        \
	}
#define OPT_MEMBER                                                                       \
	{                                                                                \
		"member", 0, "NAME=HOST:PORT",                                           \
			"a voter; once for each, or as further arguments"                \
	}

static const struct opt opts_init[] = {
	OPT_DATA_DIR,
	{"name", 0, "NAME", "which of the members this is"},
	{"cluster", 0, "NAME", "of the cluster (blixard)"},
	OPT_MEMBER,
	{0},
};

static const struct opt opts_join[] = {
	OPT_DATA_DIR,
	{"name", 0, "NAME", "of the new member"},
	{"address", 0, "HOST:PORT", "where the other members reach it"},
	{"via", 0, "HOST:PORT", "of any member of the cluster"},
	{0},
};

static const struct opt opts_recover[] = {
	{"from", 0, "FILE|DIR",
		"a snapshot file, or the data directory of a stopped member"},
	OPT_DATA_DIR,
	{"name", 0, "NAME", "which of the members this is"},
	{"cluster", 0, "NAME", "of the new cluster (blixard)"},
	OPT_MEMBER,
	{"i-understand", 0, NULL, "do it; without this the plan is printed"},
	{0},
};

static const struct opt opts_run[] = {
	{"config", 0, "FILE", "lines of \"key = value\", keys as the options below"},
	{"data-dir", 0, "DIR", "of the member (/var/lib/blixard)"},
	{"socket", 0, "PATH",
		"where clients connect (/run/blixard/blixard.sock); none: nowhere"},
	{"listen", 0, "HOST:PORT", "where it differs from the address the others use"},
	{"election-timeout-ms", 0, "N", "20 to 60000 (1000)"},
	{"heartbeat-ms", 0, "N", "(a tenth of the election timeout)"},
	{"snapshot-bytes", 0, "N", "bytes of log that trigger a snapshot (67108864)"},
	{"snapshot-entries", 0, "N", "entries of log that trigger a snapshot (100000)"},
	{"segment-bytes", 0, "N", "size of a file of the log (33554432)"},
	{"insecure-transport", 0, NULL,
		"plain TCP to other machines; the status shows it"},
	{"lease-reads", 0, NULL,
		"consistent reads ask nobody while the leader has a lease (see the manual)"},
	{"services", 0, NULL, "this host takes services: it is a node with a record"},
	OPT_RUN_DIR,
	{"unit-dir", 0, "DIR", "for drop-ins (/etc/systemd/system, or that of /run)"},
	{"allow-units", 0, "FILE", "patterns, a line each: no other unit is touched"},
	{"manager", 0, "system|user", "the service manager (system)"},
	{"bus", 0, "ADDRESS", "of its bus, unix:path=... (where it is found)"},
	{"guard", 0, "PATH", "the command that is the guard and the gate (this one)"},
	{"log-level", 0, "error|warn|info|debug", "(info)"},
	{0},
};

const struct verb verbs[] = {
	{"node", "run", "", 0, 0, 0, "run a member until SIGTERM",
		"Options count before the environment (BLIXARD_DATA_DIR and so on), that "
		"before\n"
		"the file. Speaks the notify and watchdog protocols of systemd.\n",
		opts_run, node_run},
	{"node", "ls", "", 0, 0, VERB_MEMBER, "list the nodes", NULL, opts_record, node_ls},
	{"node", "show", "NAME", 1, 1, VERB_MEMBER, "what is known of a node", NULL, opts_record,
		node_show},
	{"node", "drain", "NAME", 1, 1, VERB_MEMBER, "move everything off a node",
		"Those of the highest priority first, then by name, as many at once as\n"
		"/:config/drain.parallel says; what has nowhere to go stays.\n",
		opts_drain, node_drain},
	{"node", "undrain", "NAME", 1, 1, VERB_MEMBER,
		"let things be placed there again; it is not dead, either", NULL, NULL,
		node_undrain},
	{"node", "label", "NAME KEY=VALUE [...]", 2, VERB_WORDS_ANY, VERB_MEMBER,
		"set labels of a node, or with KEY= remove them", NULL, NULL, node_label},
	{"node", "set", "NAME FIELD=VALUE [...]", 2, VERB_WORDS_ANY, VERB_MEMBER,
		"set cpu, memory, capabilities, taints, zone of a node",
		"cpu, memory and capabilities that were set stay so; with no value behind the =\n"
		"they are again what the host has. Lists have commas: taints=gpu,old.\n",
		NULL, node_set},
	{"health", NULL, "", 0, 0, VERB_MEMBER, "how the members are, as the leader hears them",
		"Exit 1: the worst voter is not Healthy.\n", NULL, health},
	{"kv", "get", "PATH", 1, 1, VERB_MEMBER, "write a value to standard output", NULL,
		opts_get, kv_get},
	{"kv", "put", "PATH [VALUE|-]", 1, 2, VERB_MEMBER, "set a value",
		"Without VALUE, or with -, the value is read from standard input.\n",
		opts_put, kv_put},
	{"kv", "cas", "PATH NEW|-", 2, 2, VERB_MEMBER,
		"set a value if it is the expected one",
		"Needs one of --expect and --rev.\n", opts_cas, kv_cas},
	{"kv", "rm", "PATH", 1, 1, VERB_MEMBER, "remove a value", NULL, opts_rm, kv_rm},
	{"kv", "ls", "[PATH]", 0, 1, VERB_MEMBER, "list the children of a path", NULL,
		opts_ls, kv_ls},
	{"kv", "txn", "[FILE|-]", 0, 1, VERB_MEMBER, "commit a transaction",
		"Lines, from FILE or standard input, done as one change or not at all:\n"
		"  if-absent PATH        put PATH VALUE\n"
		"  if-exists PATH        rm PATH\n"
		"  if-value PATH VALUE   rm-tree PATH\n"
		"  if-rev PATH N         get PATH\n"
		"  if-version PATH N     the value was written so often\n"
		"  if-fields PATH JSON   the value is a JSON object with these fields\n"
		"  if-children PATH N    so many; if-fewer, if-more likewise\n"
		"  put-while PATH VALUE  it lives while the guards up to its \"end\" hold\n"
		"  any, all, none        the guards up to the next \"end\" count as one\n"
		"  else                  what follows is done when a guard does not "
		"hold\n"
		"Arguments with spaces are written as JSON strings: \"two words\". # "
		"begins a comment.\n",
		NULL, kv_txn},
	{"config", "get", "NAME", 1, 1, VERB_MEMBER, "what a setting of the cluster is",
		NULL, opts_get, config_get},
	{"config", "set", "NAME VALUE", 2, 2, VERB_MEMBER, "set a setting of the cluster",
		"It is effective on every member as soon as that has applied it.\n", NULL,
		config_set},
	{"config", "unset", "NAME", 1, 1, VERB_MEMBER, "let a setting be as if never set",
		NULL, NULL, config_unset},
	{"config", "ls", "", 0, 0, VERB_MEMBER, "list the settings, and what they mean",
		NULL, NULL, config_ls},
	{"lease", "grant", "", 0, 0, VERB_MEMBER, "make a lease, and print its id",
		"It lasts for the time of --ttl unless it is kept.\n", opts_grant, lease_grant},
	{"lease", "keep", "ID", 1, 1, VERB_MEMBER, "keep a lease once", NULL, NULL,
		lease_keep},
	{"lease", "revoke", "ID", 1, 1, VERB_MEMBER,
		"end a lease, and remove what is bound to it", NULL, NULL, lease_revoke},
	{"lease", "ls", "", 0, 0, VERB_MEMBER, "list the leases", NULL, NULL, lease_ls},
	{"lock", NULL, "NAME COMMAND [ARGUMENT ...]", 2, VERB_WORDS_ANY, VERB_MEMBER,
		"run a command while holding a lock",
		"The command, after -- where it has options of its own, finds BLX_FENCE, the "
		"fencing\n"
		"token, and BLX_LOCK_PATH in its environment: \"if-rev $BLX_LOCK_PATH "
		"$BLX_FENCE\" in a\n"
		"transaction refuses what comes too late. When the lock is lost the command "
		"gets\n"
		"SIGTERM, and 5 s later SIGKILL. The exit code is that of the command. "
		"--timeout is\n"
		"for connecting only.\n",
		opts_held, lock},
	{"elect", NULL, "NAME [VALUE [COMMAND [ARGUMENT ...]]]", 1, VERB_WORDS_ANY,
		VERB_MEMBER, "be elected under a name, or tell who is",
		"With VALUE it waits until elected, then runs the command as \"lock\" does, "
		"or, with\n"
		"none, prints the fencing token and stays elected until SIGTERM. Without "
		"VALUE it prints\n"
		"that of the elected one; exit 4: there is none.\n",
		opts_held, elect},
	{"view", "declare", "NAME PATTERN", 2, 2, VERB_MEMBER,
		"keep an index of the values that match",
		"By a field of theirs, with counts and sums; it is kept by every member.\n",
		opts_declare, view_declare},
	{"view", "get", "NAME [GROUP]", 1, 2, VERB_MEMBER,
		"the groups of a view, or the values of one", NULL, opts_view, view_get},
	{"view", "ls", "", 0, 0, VERB_MEMBER, "list the views", NULL, opts_ls, view_ls},
	{"view", "rm", "NAME", 1, 1, VERB_MEMBER, "keep a view no longer", NULL, NULL, view_rm},
	{"svc", "ls", "", 0, 0, VERB_MEMBER, "list the services", NULL, opts_record, svc_ls},
	{"svc", "show", "NAME", 1, 1, VERB_MEMBER, "what is known of a service", NULL,
		opts_record, svc_show},
	{"svc", "cas", "NAME FIELD=VALUE [...]", 2, VERB_WORDS_ANY, VERB_MEMBER,
		"set fields of a service's record, if it is as expected",
		"What is not named is kept, whoever changes it meanwhile. Values are as in JSON,\n"
		"or text. Exit 5: it is not as expected.\n",
		opts_svc_cas, svc_cas},
	{"svc", "define", "NAME [-- PROGRAM [ARGUMENT ...]]", 1, VERB_WORDS_ANY, VERB_MEMBER,
		"say what a service is; a new one is stopped",
		"A unit that is installed on the nodes, or a PROGRAM with an absolute path. How "
		"one\n"
		"that runs is run changes when it is started the next time.\n",
		opts_define, svc_define},
	{"svc", "adopt", "NAME", 1, 1, VERB_MEMBER,
		"take a unit that runs into care, without restarting it", NULL, opts_adopt,
		svc_adopt},
	{"svc", "rm", "NAME", 1, 1, VERB_MEMBER, "forget a service that is stopped", NULL, NULL,
		svc_rm},
	{"svc", "start", "NAME", 1, 1, VERB_MEMBER, "have a service run", NULL, opts_start,
		svc_start},
	{"svc", "stop", "NAME", 1, 1, VERB_MEMBER, "have a service stopped", NULL, opts_wait,
		svc_stop},
	{"svc", "restart", "NAME", 1, 1, VERB_MEMBER, "have a service restarted where it is",
		NULL, opts_wait, svc_restart},
	{"svc", "status", "NAME", 1, 1, VERB_MEMBER, "how a service is",
		"Exit 1: it is not as it is wanted.\n", opts_record, svc_status},
	{"svc", "owner", "NAME", 1, 1, VERB_MEMBER, "which node a service is on", NULL,
		opts_owner, svc_owner},
	{"svc", "can-run", "NAME", 1, 1, VERB_MEMBER, "could that node take it",
		"Exit 1: no, with each reason on a line.\n", opts_can_run, svc_can_run},
	{"svc", "logs", "NAME", 1, 1, VERB_MEMBER, "its journal, where it runs", NULL, opts_logs,
		svc_logs},
	{"svc", "migrate", "NAME", 1, 1, VERB_MEMBER, "move a service to another node",
		"Stopped there, started here; if that fails it is brought back.\n", opts_migrate,
		svc_migrate},
	{"svc", "reassign", "NAME", 1, 1, VERB_MEMBER, "take a service from a node that failed",
		"Another is chosen now, and starts it when that one cannot be running it.\n",
		opts_reassign, svc_reassign},
	{"place", "plan", "", 0, 0, VERB_MEMBER, "which node would be chosen",
		"Nothing is changed. Exit 5: none will do.\n", opts_place, place_plan},
	{"place", "explain", "", 0, 0, VERB_MEMBER,
		"which node would be chosen, and why each other one not", NULL, opts_place,
		place_explain},
	{"place", "why-not", "NODE", 1, 1, VERB_MEMBER, "every reason against one node",
		"Exit 5: it will not do.\n", opts_place, place_why_not},
	{"place", "what-if", "NODE ...", 1, VERB_WORDS_ANY, VERB_MEMBER,
		"where everything on some nodes would go without them",
		"Nothing is changed. Exit 5: something has no place.\n", opts_what_if,
		place_what_if},
	{"place", "ls", "", 0, 0, VERB_MEMBER, "list the placements", NULL, opts_record,
		place_ls},
	{"place", "show", "NAME", 1, 1, VERB_MEMBER, "where a service is placed", NULL,
		opts_record, place_show},
	{"reservation", "ls", "", 0, 0, VERB_MEMBER, "list the reservations", NULL, opts_record,
		reservation_ls},
	{"reservation", "show", "NAME", 1, 1, VERB_MEMBER, "what is reserved under a name", NULL,
		opts_record, reservation_show},
	{"reservation", "rm", "NAME", 1, 1, VERB_MEMBER, "let go of what is reserved", NULL,
		NULL, reservation_rm},
	{"vm", "ls", "", 0, 0, VERB_MEMBER, "list the machines", NULL, opts_record, vm_ls},
	{"vm", "show", "NAME", 1, 1, VERB_MEMBER, "what is known of a machine", NULL,
		opts_record, vm_show},
	{"migrate", "ls", "", 0, 0, VERB_MEMBER, "list the migrations under way", NULL,
		opts_record, migrate_ls},
	{"migrate", "show", "ID", 1, 1, VERB_MEMBER, "how far a migration is", NULL, opts_record,
		migrate_show},
	{"migrate", "abort", "ID", 1, 1, VERB_MEMBER, "have a migration undone", NULL, NULL,
		migrate_abort},
	{"migrate", "history", "", 0, 0, VERB_MEMBER, "list the last that have ended", NULL,
		opts_record, migrate_history},
	{"failover", NULL, "NODE", 1, 1, VERB_MEMBER,
		"say that a node is dead: what is there goes to others",
		"As soon as it cannot be running them any more; \"node undrain\" takes it back.\n",
		opts_failover, failover},
	{"guard", NULL, "", 0, 0, 0, "end when the lease of this host does",
		"Run by systemd: what runs on one node only is bound to it.\n", opts_guard, guard},
	{"gate", NULL, "UNIT", 1, 1, 0, "may that unit run here now",
		"Asked by systemd at each start of it. Exit 1: no.\n", opts_gate, gate},
	{"sql", NULL, "STATEMENT|- [PARAMETER ...]", 1, VERB_WORDS_ANY, VERB_MEMBER,
		"read the store with SQL",
		"One SELECT over kv(path, value, create_revision, mod_revision, version), of one\n"
		"revision; PARAMETERs are the texts for ?1, ?2 and so on. With -o json each row "
		"is a\n"
		"line.\n",
		opts_sql, sql},
	{"watch", NULL, "PATTERN [COMMAND [ARGUMENT ...]]", 1, VERB_WORDS_ANY, VERB_MEMBER,
		"print each change of what matches, once and in order",
		"In PATTERN a * stands for any part of a component, a component ** for any "
		"number\n"
		"of them. The command of --exec, after -- where it has options of its own, "
		"finds\n"
		"BLX_EVENT (put, delete), BLX_PATH, BLX_REVISION and BLX_PREV_REVISION in its\n"
		"environment and the value on its standard input; the watch ends when it "
		"fails.\n"
		"--timeout is for connecting only.\n",
		opts_watch, watch},
	{"events", NULL, "", 0, 0, VERB_MEMBER,
		"print what changes in the records of nodes, services and so on",
		"Field by field, until it is stopped. Exit 1: what is to be told is no longer "
		"kept.\n",
		opts_events, events},
	{"cluster", "init", "[NAME=HOST:PORT ...]", 0, VERB_WORDS_ANY, 0,
		"found a cluster: make a member's data directory",
		"Run it once on each founding member, with the same members, then start "
		"them.\n",
		opts_init, cluster_init},
	{"cluster", "join", "", 0, 0, VERB_TIMEOUT, "join a cluster as a learner", NULL,
		opts_join, cluster_join},
	{"cluster", "leave", "", 0, 0, VERB_MEMBER,
		"remove the member at --socket for good", NULL, NULL, cluster_leave},
	{"cluster", "status", "", 0, 0, VERB_MEMBER,
		"what the member knows of itself and others", NULL, NULL, cluster_status},
	{"cluster", "members", "", 0, 0, VERB_MEMBER, "list the members", NULL, NULL,
		cluster_members},
	{"cluster", "transfer", "[NAME]", 0, 1, VERB_MEMBER,
		"hand leadership to a voter, or to the best one", NULL, NULL,
		cluster_transfer},
	{"cluster", "promote", "NAME", 1, 1, VERB_MEMBER, "make a learner a voter", NULL,
		NULL, cluster_promote},
	{"cluster", "demote", "NAME", 1, 1, VERB_MEMBER, "make a voter a learner", NULL,
		NULL, cluster_demote},
	{"cluster", "remove", "NAME", 1, 1, VERB_MEMBER, "remove a member for good", NULL,
		NULL, cluster_remove},
	{"debug", "rpc", "MEMBER FUNCTION [TEXT]", 2, 3, VERB_MEMBER,
		"call a function that a program serves at its member",
		"Prints the answer. Every member serves \"ping\".\n", opts_rpc, debug_rpc},
	{"snapshot", "save", "FILE", 1, 1, VERB_MEMBER,
		"fetch a snapshot from the member", NULL, NULL, snapshot_save},
	{"snapshot", "verify", "FILE", 1, 1, 0, "check all of a snapshot file", NULL,
		NULL, snapshot_verify},
	{"snapshot", "inspect", "FILE", 1, 1, 0, "what a snapshot file says of itself",
		NULL, NULL, snapshot_inspect},
	{"recover", NULL, "[NAME=HOST:PORT ...]", 0, VERB_WORDS_ANY, 0,
		"make a new cluster from what is left of an old one",
		"Offline. The new cluster has a new id; members of the old one are "
		"refused by it.\n",
		opts_recover, recover},
	{"version", NULL, "", 0, 0, 0, "print the version", NULL, NULL, version},
	{"completion", "bash", "", 0, 0, 0, "print a completion script", NULL, NULL,
		completion_bash},
	{0},
};

const struct verb *verb_find(const char *noun, const char *name)
{
	const struct verb *verb = verbs;

	for (; verb->noun != NULL; verb++) {
		if (strcmp(verb->noun, noun) == 0 &&
			(verb->name == NULL ||
				(name != NULL && strcmp(verb->name, name) == 0))) {
			return verb;
		}
	}
	return NULL;
}

const struct verb *verb_first(const char *noun)
{
	const struct verb *verb = verbs;

	while (verb->noun != NULL && strcmp(verb->noun, noun) != 0) {
		verb++;
	}
	return verb->noun != NULL ? verb : NULL;
}

bool verb_takes(const struct verb *verb, const struct opt *opt)
{
	if (opt_find(verb->opts, opt->name, strlen(opt->name)) != NULL) {
		return true;
	}
	if (strcmp(opt->name, "socket") == 0) {
		return (verb->flags & VERB_MEMBER) != 0;
	}
	if (strcmp(opt->name, "timeout") == 0) {
		return (verb->flags & (VERB_MEMBER | VERB_TIMEOUT)) != 0;
	}
	return true;
}
