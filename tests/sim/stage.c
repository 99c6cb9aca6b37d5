/* SPDX-License-Identifier: Apache-2.0 */
#include "stage.h"

#include "inode.h"
#include "memory.h"
#include "mutate.h"
#include "node/impl.h"
#include "node/io_impl.h"
#include "tenants.h"
#include "wish.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What is waited for comes within this. */
#define WAIT_NS (20 * SIM_S)

#define ASK_MS  1500

struct sim_stage_call {
	struct blx__request request;
	struct blx__buf body;
	struct sim_stage *stage;
	struct sim_member *member;
	bool done;
	int code;
	int outcome;
	uint32_t value;
};

__attribute__((format(printf, 2, 3))) static bool answer(
	struct sim_stage *stage, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	(void)vsnprintf(stage->answer, stage->answer_size, format, args);
	va_end(args);
	return true;
}

static void run(struct sim_stage *stage, uint64_t for_ns)
{
	uint64_t until = stage->world.now_ns + for_ns;

	while (sim_world_step(&stage->world, until)) {
	}
}

/* Until it is so, or for too long. */
static bool wait_for(struct sim_stage *stage,
	bool (*is_so)(struct sim_stage *stage, struct sim_member *member),
	struct sim_member *member)
{
	uint64_t until = stage->world.now_ns + WAIT_NS;

	while (!is_so(stage, member)) {
		if (stage->world.failed || stage->world.now_ns >= until) {
			return false;
		}
		run(stage, SIM_MS);
	}
	return true;
}

static struct sim_member *member_of(struct sim_stage *stage, const char *name)
{
	if (name == NULL || name[0] < 'A' || name[0] >= 'A' + SIM_HOSTS_MAX ||
		name[1] != '\0') {
		return NULL;
	}
	return &stage->cluster.members[name[0] - 'A'];
}

/* ---- questions ---- */

static void on_done(struct blx__request *request, const struct blx__response *response)
{
	struct sim_stage_call *call = request->data;
	struct blx__got got;

	call->done = true;
	call->code = response->code;
	call->outcome = response->outcome;
	if (response->code == 0 && request->op == BLX__OP_GET &&
		blx__got_get(response->body, response->body_len, &got) == 0) {
		call->value = sim_value_parse(got.value, got.value_len);
	}
}

static bool is_answered(struct sim_stage *stage, struct sim_member *member)
{
	return stage->call->done;
}

static void call_end(struct sim_stage *stage)
{
	blx__buf_finish(&stage->call->body);
	free(stage->call);
	stage->call = NULL;
}

/* body is taken. */
static void ask(struct sim_stage *stage, struct sim_member *member, uint8_t op,
	const struct blx__buf *body)
{
	struct sim_stage_call *call = sim_alloc(sizeof *call);

	call->stage = stage;
	call->member = member;
	call->body = *body;
	call->request.op = op;
	call->request.timeout_ms = ASK_MS;
	call->request.body = call->body.data;
	call->request.body_len = call->body.len;
	call->request.done = on_done;
	call->request.data = call;
	blx__list_init(&call->request.link);
	stage->call = call;
	sim_env_enter(&member->env, false);
	blx__request_submit(member->node, &call->request);
	sim_env_leave(&member->env);
}

static bool tell_result(struct sim_stage *stage)
{
	const struct sim_stage_call *call = stage->call;

	if (call->code == 0 && call->request.op == BLX__OP_GET) {
		return answer(stage, "%u", call->value);
	}
	return answer(stage, "%s%s", call->code == 0 ? "ok" : blx_strerror(call->code),
		call->outcome == BLX_UNKNOWN       ? ", may have been done"
		: call->outcome == BLX_NOT_APPLIED ? ", not done"
						   : "");
}

static bool is_there(struct sim_stage *stage, const struct sim_member *member)
{
	return (member != NULL && member->node != NULL) || !answer(stage, "nobody is there");
}

static bool ask_and_wait(struct sim_stage *stage, struct sim_member *member, uint8_t op,
	const struct blx__buf *body)
{
	bool answered;

	ask(stage, member, op, body);
	answered = wait_for(stage, is_answered, member) && tell_result(stage);
	if (answered) {
		call_end(stage);
	}
	return answered || !answer(stage, "no answer");
}

static bool ask_and_tell(
	struct sim_stage *stage, struct sim_member *member, const struct sim_wish *wish)
{
	struct sim_session session = {
		.id = stage->session, .seq = ++stage->seq, .acked = stage->seq};
	struct blx__buf body;
	uint8_t op;

	if (!is_there(stage, member)) {
		return false;
	}
	session.born_ms = sim_member_time_ms(member);
	blx__buf_init(&body);
	op = sim_wish_encode(wish, &session, &body);
	return ask_and_wait(stage, member, op, &body);
}

/* grant MEMBER LEASE TTL-MS */
static bool do_grant(struct sim_stage *stage, char **words)
{
	struct sim_member *member = member_of(stage, words[1]);
	struct blx__buf body;

	if (!is_there(stage, member)) {
		return false;
	}
	blx__buf_init(&body);
	sim_lease_encode(strtoull(words[2], NULL, 10), strtoull(words[3], NULL, 10), NULL, &body);
	return ask_and_wait(stage, member, BLX__OP_WRITE, &body);
}

/* keep MEMBER LEASE */
static bool do_keep(struct sim_stage *stage, char **words)
{
	struct sim_member *member = member_of(stage, words[1]);
	struct blx__buf body;

	if (!is_there(stage, member)) {
		return false;
	}
	blx__buf_init(&body);
	blx__put_u64(&body, strtoull(words[2], NULL, 10));
	return ask_and_wait(stage, member, BLX__OP_LEASE_KEEP, &body);
}

/* put MEMBER KEY VALUE */
static bool do_put(struct sim_stage *stage, char **words)
{
	struct sim_wish wish = {.kind = SIM_WISH_PUT, .size_max = 16};

	wish.key = (unsigned)atoi(words[2]);
	wish.value = (uint32_t)atoi(words[3]);
	return ask_and_tell(stage, member_of(stage, words[1]), &wish);
}

/* get MEMBER KEY: consistent */
static bool do_get(struct sim_stage *stage, char **words)
{
	struct sim_wish wish = {.kind = SIM_WISH_GET, .key = (unsigned)atoi(words[2])};

	return ask_and_tell(stage, member_of(stage, words[1]), &wish);
}

/* local MEMBER KEY: what its replica has */
static bool do_local(struct sim_stage *stage, char **words)
{
	struct sim_wish wish = {
		.kind = SIM_WISH_GET_LOCAL, .key = (unsigned)atoi(words[2])};

	return ask_and_tell(stage, member_of(stage, words[1]), &wish);
}

/* fill MEMBER KEYS TIMES: large values */
static bool do_fill(struct sim_stage *stage, char **words)
{
	struct sim_wish wish = {.kind = SIM_WISH_PUT, .size_max = 256 * 1024};
	unsigned keys = (unsigned)atoi(words[2]);
	unsigned times = (unsigned)atoi(words[3]);
	unsigned i;

	for (i = 0; i < keys * times; i++) {
		wish.key = 10 + i % keys;
		wish.value = 1000 + i;
		if (!ask_and_tell(stage, member_of(stage, words[1]), &wish) ||
			strcmp(stage->answer, "ok") != 0) {
			return false;
		}
	}
	return true;
}

/* ---- the operator ---- */

static bool is_idle(struct sim_stage *stage, struct sim_member *member)
{
	return !sim_admin_busy(&stage->admin);
}

static bool admin(struct sim_stage *stage, uint8_t op, char **words)
{
	struct sim_member *target = member_of(stage, words[1]);
	struct sim_member *via = member_of(stage, words[2]);

	if (target == NULL || via == NULL || via->node == NULL) {
		(void)answer(stage, "nobody is there");
		return false;
	}
	if (op == BLX__OP_JOIN) {
		stage->cluster.count = target->number + 1;
	}
	(void)sim_admin_ask(&stage->admin, via, op, target);
	if (!wait_for(stage, is_idle, NULL)) {
		return !answer(stage, "no answer");
	}
	return answer(stage, "%s",
		stage->admin.code == 0 ? "ok" : blx_strerror(stage->admin.code));
}

/* transfer TO VIA */
static bool do_transfer(struct sim_stage *stage, char **words)
{
	return admin(stage, BLX__OP_TRANSFER, words);
}

static bool do_join(struct sim_stage *stage, char **words)
{
	return admin(stage, BLX__OP_JOIN, words);
}

static bool do_promote(struct sim_stage *stage, char **words)
{
	return admin(stage, BLX__OP_PROMOTE, words);
}

static bool do_remove(struct sim_stage *stage, char **words)
{
	return admin(stage, BLX__OP_REMOVE, words);
}

static bool is_leader(struct sim_stage *stage, struct sim_member *member)
{
	struct sim_member *leader = sim_cluster_leader(&stage->cluster);

	return member == NULL ? leader != NULL : leader == member;
}

/* lead MEMBER: by whatever it takes */
static bool do_lead(struct sim_stage *stage, char **words)
{
	struct sim_member *member = member_of(stage, words[1]);
	unsigned i;

	for (i = 0; i < 20 && !is_leader(stage, member); i++) {
		(void)wait_for(stage, is_leader, NULL);
		if (!is_leader(stage, member)) {
			(void)sim_admin_ask(
				&stage->admin, member, BLX__OP_TRANSFER, member);
			(void)wait_for(stage, is_idle, NULL);
		}
		run(stage, 100 * SIM_MS);
	}
	return answer(stage, is_leader(stage, member) ? "ok" : "it does not");
}

/* ---- what happens ---- */

/* run MS */
static bool do_run(struct sim_stage *stage, char **words)
{
	run(stage, (uint64_t)atoi(words[1]) * SIM_MS);
	return true;
}

/* cut SIDE SIDE: both ways between the two */
static bool do_cut(struct sim_stage *stage, char **words)
{
	const char *a;
	const char *b;

	for (a = words[1]; *a != '\0'; a++) {
		for (b = words[2]; *b != '\0'; b++) {
			sim_net_cut(&stage->cluster.net, (unsigned)(*a - 'A'),
				(unsigned)(*b - 'A'), true);
			sim_net_cut(&stage->cluster.net, (unsigned)(*b - 'A'),
				(unsigned)(*a - 'A'), true);
		}
	}
	return true;
}

static bool do_mend(struct sim_stage *stage, char **words)
{
	sim_cluster_link_all(&stage->cluster);
	return true;
}

/* pause MEMBER MS */
static bool do_pause(struct sim_stage *stage, char **words)
{
	sim_env_pause(
		&member_of(stage, words[1])->env, (uint64_t)atoi(words[2]) * SIM_MS);
	return true;
}

static bool do_kill(struct sim_stage *stage, char **words)
{
	sim_member_end(member_of(stage, words[1]), SIM_END_KILL);
	return true;
}

static bool do_start(struct sim_stage *stage, char **words)
{
	return sim_member_start(member_of(stage, words[1])) ||
	       !answer(stage, "it does not start");
}

/* lose MEMBER: its disk, and it is made anew under its old identity */
static bool do_lose(struct sim_stage *stage, char **words)
{
	struct sim_member *member = member_of(stage, words[1]);

	sim_member_end(member, SIM_END_POWER);
	sim_disk_wipe(&member->env.disk);
	member->damaged = true;
	member->ghost = true;
	return sim_member_found(member, stage->plan.members);
}

static void look_at(const char *name, void *data)
{
	if (strncmp(name, "incoming-", 9) == 0) {
		(void)snprintf(data, 256, "%s", name);
	}
}

/* Some of the snapshot is there, and not all of it. */
static bool is_half_way(struct sim_stage *stage, struct sim_member *member)
{
	struct sim_inode *dir =
		sim_inode_find(member->env.disk.root, "/blixard/snapshots");
	char name[256] = "";

	if (dir == NULL || member->node->io->install == NULL) {
		return false;
	}
	sim_inode_each_name(dir, look_at, name);
	return name[0] != '\0' && sim_inode_child(dir, name)->size > 0;
}

/* fetching MEMBER: waits until it is in the middle of fetching a snapshot */
static bool do_fetching(struct sim_stage *stage, char **words)
{
	return answer(stage, wait_for(stage, is_half_way, member_of(stage, words[1]))
				     ? "it is half way"
				     : "it fetches nothing");
}

/* ---- what is so ---- */

static bool is_settled(struct sim_stage *stage, struct sim_member *member)
{
	char why[256];

	return sim_cluster_settled(&stage->cluster, why, sizeof why);
}

/* settle: waits until all have the same */
static bool do_settle(struct sim_stage *stage, char **words)
{
	return answer(stage,
		wait_for(stage, is_settled, NULL) ? "all have the same" : "they do not");
}

/* who SIDE: does one of them lead, and how many of them know a leader? */
static bool do_who(struct sim_stage *stage, char **words)
{
	unsigned leading = 0;
	unsigned knowing = 0;
	const char *name;

	for (name = words[1]; *name != '\0'; name++) {
		const struct sim_member *member = &stage->cluster.members[*name - 'A'];

		if (member->node != NULL) {
			leading += blx__node_is_leader(member->node);
			knowing += blx__node_leader(member->node) != 0;
		}
	}
	return answer(stage, "%s, %u of %zu know a leader",
		leading == 1   ? "one of them leads"
		: leading == 0 ? "none of them leads"
			       : "several of them lead",
		knowing, strlen(words[1]));
}

/* fetched MEMBER: has it installed a snapshot in this run? */
static bool do_fetched(struct sim_stage *stage, char **words)
{
	const struct sim_member *member = member_of(stage, words[1]);

	return answer(
		stage, member->node->counters.snapshots_installed > 0 ? "yes" : "no");
}

static const struct {
	const char *verb;
	unsigned words; /* with the verb */
	bool (*cb)(struct sim_stage *stage, char **words);
} verbs[] = {{"run", 2, do_run}, {"cut", 3, do_cut}, {"mend", 1, do_mend},
	{"pause", 3, do_pause}, {"kill", 2, do_kill}, {"start", 2, do_start},
	{"lose", 2, do_lose}, {"lead", 2, do_lead}, {"put", 4, do_put},
	{"get", 3, do_get}, {"local", 3, do_local}, {"fill", 4, do_fill},
	{"transfer", 3, do_transfer}, {"join", 3, do_join}, {"promote", 3, do_promote},
	{"remove", 3, do_remove}, {"fetching", 2, do_fetching},
	{"fetched", 2, do_fetched}, {"grant", 4, do_grant}, {"keep", 3, do_keep},
	{"settle", 1, do_settle}, {"who", 2, do_who}};

#define WORDS_MAX 5

bool sim_stage_do(struct sim_stage *stage, char *line, char *ret_answer, size_t size)
{
	char *words[WORDS_MAX + 1] = {NULL};
	unsigned count = 0;
	char *rest = line;
	size_t i;

	stage->answer = ret_answer;
	stage->answer_size = size;
	ret_answer[0] = '\0';
	while (count < WORDS_MAX && (words[count] = strtok_r(rest, " ", &rest)) != NULL) {
		count++;
	}
	for (i = 0; i < sizeof verbs / sizeof verbs[0]; i++) {
		if (count == verbs[i].words && strcmp(words[0], verbs[i].verb) == 0) {
			return verbs[i].cb(stage, words) && !stage->world.failed;
		}
	}
	(void)answer(stage, "not understood");
	return false;
}

/* ---- the whole ---- */

static void on_end(struct sim_member *member, void *data)
{
	struct sim_stage *stage = data;

	sim_admin_on_end(&stage->admin, member);
	if (stage->call != NULL && stage->call->member == member) {
		call_end(stage);
	}
}

bool sim_stage_create(struct sim_stage *stage, unsigned members, bool leases)
{
	*stage = (struct sim_stage){.session = 0x5e55,
		.plan = {.seed = 1,
			.members = members,
			.leases = leases,
			.election_ms = 300,
			.heartbeat_ms = 60,
			.snapshot_bytes = 1024 * 1024,
			.snapshot_entries = 40,
			.trailing = 5,
			.segment_bytes = 65536,
			.latency_ns = SIM_MS,
			.jitter_ns = SIM_MS,
			.give_up_ns = SIM_S,
			.disk = {100 * SIM_US, SIM_MS},
			.work = {5 * SIM_MS, 20 * SIM_MS}}};
	sim_world_init(&stage->world, stage->plan.seed, NULL);
	sim_taps_set(&stage->cluster.checks, stage->plan.trailing);
	stage->cluster.world = &stage->world;
	stage->cluster.plan = &stage->plan;
	stage->cluster.on_end = on_end;
	stage->cluster.data = stage;
	sim_admin_init(&stage->admin, &stage->cluster);
	return sim_cluster_create(&stage->cluster, &stage->world, &stage->plan);
}

void sim_stage_finish(struct sim_stage *stage)
{
	sim_admin_finish(&stage->admin);
	sim_cluster_finish(&stage->cluster);
	if (stage->call != NULL) {
		call_end(stage);
	}
	sim_world_finish(&stage->world);
}
