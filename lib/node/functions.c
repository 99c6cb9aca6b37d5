/* SPDX-License-Identifier: Apache-2.0 */
#include "node/functions.h"

#include "base/assert.h"
#include "base/mem.h"
#include "node/impl.h"

#include <pthread.h>
#include <string.h>

/* Where the program's threads and the loop meet. */
struct blx__hub {
	pthread_mutex_t lock;
	unsigned refs;                    /* with lock */
	struct blx__functions *functions; /* with lock; NULL: the member is gone */
	struct blx__list ended;           /* with lock; blx_request */
};

struct served {
	struct blx__list link;
	blx_function function;
	void *data;
	char name[BLX_CALL_NAME_MAX];
};

/* One id. */
struct asked {
	struct blx__list link;
	struct blx__list waiters; /* RUNNING: struct waiter */
	bool done;
	uint64_t done_ns;
	int code;
	uint8_t *answer; /* owned; NULL: none */
	size_t len;
	char id[BLX_CALL_NAME_MAX];
};

struct waiter {
	struct blx__list link;
	struct blx__request *request; /* borrowed */
};

struct blx_request {
	struct blx__list link; /* in the hub, when it has ended */
	struct blx__hub *hub;  /* one of its references */
	struct asked *asked;   /* borrowed; of no meaning when the member is gone */
	int code;
	uint8_t *answer; /* owned */
	size_t answer_len;
	char id[BLX_CALL_NAME_MAX];
	size_t args_len;
	uint8_t args[];
};

/* What a call says. */
struct call {
	char member[BLX__NAME_LEN_MAX + 1];
	char function[BLX_CALL_NAME_MAX];
	char id[BLX_CALL_NAME_MAX];
	const uint8_t *args; /* borrowed */
	size_t len;
};

/* ---- the hub ---------------------------------------------------------------------- */

static void hub_unref(struct blx__hub *hub)
{
	bool last;

	(void)pthread_mutex_lock(&hub->lock);
	last = --hub->refs == 0;
	(void)pthread_mutex_unlock(&hub->lock);
	if (last) {
		(void)pthread_mutex_destroy(&hub->lock);
		blx__free(hub);
	}
}

static void request_free(blx_request *request)
{
	hub_unref(request->hub);
	blx__free(request->answer);
	blx__free(request);
}

/* ---- remembering ------------------------------------------------------------------ */

static struct asked *asked_of(struct blx__list *link)
{
	return blx__container_of(link, struct asked, link);
}

static void asked_free(struct blx__functions *functions, struct asked *asked)
{
	PRE(blx__list_empty(&asked->waiters));

	if (asked->done) {
		functions->done--;
		functions->bytes -= asked->len;
	} else {
		functions->running--;
	}
	blx__list_remove(&asked->link);
	blx__free(asked->answer);
	blx__free(asked);
}

/* Is the oldest of those that are done old, or are they too many? */
static bool is_to_go(const struct blx__functions *functions, const struct asked *oldest)
{
	return functions->done > BLX__FUNCTIONS_DONE_MAX ||
	       functions->bytes > BLX__FUNCTIONS_BYTES_MAX ||
	       blx__mono_ns(functions->node->env) - oldest->done_ns >=
		       BLX__FUNCTIONS_DONE_MS * UINT64_C(1000000);
}

static void sweep(struct blx__functions *functions)
{
	while (!blx__list_empty(&functions->ended) &&
		is_to_go(functions, asked_of(functions->ended.next))) {
		asked_free(functions, asked_of(functions->ended.next));
	}
}

static struct asked *find_in(struct blx__list *list, const char *id)
{
	struct blx__list *link;

	blx__list_foreach (link, list) {
		if (strcmp(asked_of(link)->id, id) == 0) {
			return asked_of(link);
		}
	}
	return NULL;
}

static struct asked *find(struct blx__functions *functions, const char *id)
{
	struct asked *asked = find_in(&functions->asked, id);

	return asked != NULL ? asked : find_in(&functions->ended, id);
}

/* ---- answers ---------------------------------------------------------------------- */

static void tell(struct blx__request *request, const struct asked *asked)
{
	struct blx__response response = {.code = asked->code};

	if (asked->code != 0) {
		response.outcome = BLX_NOT_APPLIED; /* the function said so */
		response.message = asked->answer != NULL ? (const char *)asked->answer : "";
		response.message_len = asked->len;
	} else {
		response.body = asked->answer;
		response.body_len = asked->len;
	}
	blx__request_finish(request, &response);
}

static void end(struct blx__functions *functions, blx_request *request)
{
	struct asked *asked = request->asked;
	struct blx__list *link;

	asked->done = true;
	asked->done_ns = blx__mono_ns(functions->node->env);
	asked->code = request->code;
	asked->answer = request->answer;
	asked->len = request->answer_len;
	request->answer = NULL;
	functions->running--;
	functions->done++;
	functions->bytes += asked->len;
	blx__list_remove(&asked->link);
	blx__list_push_back(&functions->ended, &asked->link);
	request_free(request);
	while ((link = blx__list_pop_front(&asked->waiters)) != NULL) {
		struct waiter *waiter = blx__container_of(link, struct waiter, link);
		struct blx__request *waiting = waiter->request;

		waiting->place = NULL;
		blx__free(waiter);
		tell(waiting, asked);
	}
}

static void on_ended(struct blx__post *post)
{
	struct blx__functions *functions = post->data;
	struct blx__hub *hub = functions->hub;
	struct blx__list ended;
	struct blx__list *link;

	blx__list_init(&ended);
	(void)pthread_mutex_lock(&hub->lock);
	blx__list_splice(&ended, &hub->ended);
	(void)pthread_mutex_unlock(&hub->lock);
	while ((link = blx__list_pop_front(&ended)) != NULL) {
		end(functions, blx__container_of(link, blx_request, link));
	}
	sweep(functions);
}

void blx__function_end(blx_request *request, int code, const void *answer, size_t len)
{
	struct blx__hub *hub = request->hub;
	bool gone;

	PRE(code <= 0);

	request->code = code;
	request->answer = len > 0 ? blx__memdup(answer, len) : NULL;
	request->answer_len = len;
	if (len > 0 && request->answer == NULL) {
		request->code = BLX_ENOMEM;
		request->answer_len = 0;
	}
	(void)pthread_mutex_lock(&hub->lock);
	gone = hub->functions == NULL;
	if (!gone) {
		blx__list_push_back(&hub->ended, &request->link);
		blx__env_post(hub->functions->node->env, &hub->functions->post);
	}
	(void)pthread_mutex_unlock(&hub->lock);
	if (gone) {
		request_free(request);
	}
}

const void *blx__function_args(const blx_request *request, size_t *ret_len)
{
	*ret_len = request->args_len;
	return request->args;
}

const char *blx__function_id(const blx_request *request)
{
	return request->id;
}

/* ---- functions -------------------------------------------------------------------- */

/* With the lock. */
static struct served *served_of(struct blx__functions *functions, const char *name)
{
	struct blx__list *link;

	blx__list_foreach (link, &functions->served) {
		struct served *served = blx__container_of(link, struct served, link);

		if (strcmp(served->name, name) == 0) {
			return served;
		}
	}
	return NULL;
}

int blx__functions_serve(
	struct blx__functions *functions, const char *name, blx_function function, void *data)
{
	struct blx__hub *hub = functions->hub;
	struct served *served;
	int rv = 0;

	PRE(blx__function_is_name(name));

	(void)pthread_mutex_lock(&hub->lock);
	served = served_of(functions, name);
	if (function == NULL && served != NULL) {
		blx__list_remove(&served->link);
		blx__free(served);
	} else if (function != NULL && served == NULL) {
		served = blx__calloc(1, sizeof *served);
		rv = served != NULL ? 0 : BLX_ENOMEM;
		if (served != NULL) {
			memcpy(served->name, name, strlen(name));
			blx__list_init(&served->link);
			blx__list_push_back(&functions->served, &served->link);
		}
	}
	if (function != NULL && served != NULL) {
		served->function = function;
		served->data = data;
	}
	(void)pthread_mutex_unlock(&hub->lock);
	return rv;
}

/* ---- calls ------------------------------------------------------------------------ */

static bool get_name(struct blx__reader *reader, char *ret_name, size_t size)
{
	BLX__CLEANUP_FREE char *name = blx__get_text(reader, size - 1);

	if (name == NULL || name[0] == '\0') {
		return false;
	}
	memcpy(ret_name, name, strlen(name) + 1);
	return true;
}

static bool read_call(const struct blx__request *request, struct call *call)
{
	struct blx__reader reader = blx__reader_of(request->body, request->body_len);

	if (!get_name(&reader, call->member, sizeof call->member) ||
		!get_name(&reader, call->function, sizeof call->function) ||
		!get_name(&reader, call->id, sizeof call->id)) {
		return false;
	}
	call->args = blx__get_bytes(&reader, BLX_CALL_MAX, &call->len);
	return blx__reader_done(&reader);
}

/* NULL: no memory. */
static blx_request *request_create(
	struct blx__functions *functions, const struct call *call, struct asked *asked)
{
	blx_request *request = blx__malloc(sizeof *request + call->len);

	if (request == NULL) {
		return NULL;
	}
	*request = (blx_request){
		.hub = functions->hub, .asked = asked, .args_len = call->len};
	blx__list_init(&request->link);
	memcpy(request->id, call->id, strlen(call->id));
	if (call->len > 0) {
		memcpy(request->args, call->args, call->len);
	}
	(void)pthread_mutex_lock(&request->hub->lock);
	request->hub->refs++;
	(void)pthread_mutex_unlock(&request->hub->lock);
	return request;
}

static bool wait_for(struct asked *asked, struct blx__request *request)
{
	struct waiter *waiter = blx__malloc(sizeof *waiter);

	if (waiter == NULL) {
		blx__request_fail(request, BLX_ENOMEM, "call: out of memory");
		return false;
	}
	*waiter = (struct waiter){.request = request};
	blx__list_init(&waiter->link);
	blx__list_push_back(&asked->waiters, &waiter->link);
	blx__request_move(request, BLX__REQUEST_WORKING, &request->node->working);
	request->maybe_applied = true;
	request->place = waiter;
	return true;
}

void blx__functions_forget(struct blx__request *request)
{
	struct waiter *waiter = request->place;

	if (request->op == BLX__OP_CALL && waiter != NULL) {
		blx__list_remove(&waiter->link);
		blx__free(waiter);
		request->place = NULL;
	}
}

static void begin(struct blx__functions *functions, struct blx__request *request,
	const struct call *call, const struct served *served)
{
	struct asked *asked = blx__calloc(1, sizeof *asked);
	blx_request *what = asked != NULL ? request_create(functions, call, asked) : NULL;

	if (what == NULL) {
		blx__free(asked);
		blx__request_fail(request, BLX_ENOMEM, "call: out of memory");
		return;
	}
	memcpy(asked->id, call->id, strlen(call->id));
	blx__list_init(&asked->link);
	blx__list_init(&asked->waiters);
	if (!wait_for(asked, request)) {
		request_free(what);
		blx__free(asked);
		return;
	}
	blx__list_push_back(&functions->asked, &asked->link);
	functions->running++;
	served->function(what, served->data);
}

static void perform(struct blx__functions *functions, struct blx__request *request,
	const struct call *call)
{
	struct asked *asked = find(functions, call->id);
	struct served served = {.function = NULL};
	const struct served *there;

	if (asked != NULL && asked->done) {
		tell(request, asked);
		return;
	}
	if (asked != NULL) {
		(void)wait_for(asked, request);
		return;
	}
	(void)pthread_mutex_lock(&functions->hub->lock);
	there = served_of(functions, call->function);
	if (there != NULL) {
		served = *there;
	}
	(void)pthread_mutex_unlock(&functions->hub->lock);
	if (served.function == NULL) {
		blx__request_fail(request, BLX_ENOSYS, "%s serves no \"%s\"",
			functions->node->identity.name, call->function);
	} else if (functions->running >= BLX__FUNCTIONS_RUNNING_MAX) {
		blx__request_fail(request, BLX_EBUSY, "%s does %zu calls already",
			functions->node->identity.name, functions->running);
	} else {
		begin(functions, request, call, &served);
	}
}

void blx__functions_add(struct blx__functions *functions, struct blx__request *request)
{
	struct call call = {.args = NULL};

	if (!read_call(request, &call)) {
		blx__request_fail(request, BLX_EPROTO, "call: the request is malformed");
		return;
	}
	if (!blx__forward_to(functions->node, request, call.member)) {
		sweep(functions);
		perform(functions, request, &call);
	}
}

/* ---- the whole -------------------------------------------------------------------- */

static void ping(blx_request *request, void *data)
{
	(void)data;
	blx__function_end(request, 0, request->args, request->args_len);
}

int blx__functions_init(struct blx__functions *functions, struct blx__node *node)
{
	*functions = (struct blx__functions){.node = node};
	blx__list_init(&functions->asked);
	blx__list_init(&functions->ended);
	blx__list_init(&functions->served);
	functions->hub = blx__calloc(1, sizeof *functions->hub);
	if (functions->hub == NULL) {
		return BLX_ENOMEM;
	}
	functions->hub->refs = 1;
	functions->hub->functions = functions;
	(void)pthread_mutex_init(&functions->hub->lock, NULL);
	blx__list_init(&functions->hub->ended);
	blx__post_init(&functions->post, on_ended, functions);
	return blx__functions_serve(functions, "ping", ping, NULL);
}

void blx__functions_finish(struct blx__functions *functions)
{
	struct blx__hub *hub = functions->hub;
	struct blx__list ended;
	struct blx__list *link;

	if (hub == NULL) {
		return;
	}
	blx__list_init(&ended);
	(void)pthread_mutex_lock(&hub->lock);
	hub->functions = NULL;
	blx__list_splice(&ended, &hub->ended);
	(void)pthread_mutex_unlock(&hub->lock);
	while ((link = blx__list_pop_front(&ended)) != NULL) {
		request_free(blx__container_of(link, blx_request, link));
	}
	blx__list_splice(&functions->asked, &functions->ended);
	while (!blx__list_empty(&functions->asked)) {
		asked_free(functions, asked_of(functions->asked.next));
	}
	while ((link = blx__list_pop_front(&functions->served)) != NULL) {
		blx__free(blx__container_of(link, struct served, link));
	}
	hub_unref(hub);
	functions->hub = NULL;
}
