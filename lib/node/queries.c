/* SPDX-License-Identifier: Apache-2.0 */
#include "node/queries.h"

#include "base/assert.h"
#include "base/mem.h"
#include "node/impl.h"
#include "snapshot/query.h"

#include <stdatomic.h>
#include <string.h>

/* One statement. The worker's, while it runs, but for stop. */
struct query_work {
	struct blx__list link;
	struct blx__work work;
	struct blx__queries *queries;
	struct blx__request *request; /* borrowed; NULL: ended */
	struct blx__image *image;     /* owned */
	uint8_t *body;                /* owned; what query points into */
	struct blx__query query;
	struct blx__query_head head;
	struct blx__buf rows;
	atomic_bool stop; /* ANY THREAD */
	int code;
	blx_error error;
};

void blx__queries_init(struct blx__queries *queries, struct blx__node *node)
{
	*queries = (struct blx__queries){.node = node};
	blx__list_init(&queries->works);
}

static void work_free(struct query_work *work)
{
	blx__image_unref(work->image);
	blx__buf_finish(&work->rows);
	blx__free(work->body);
	blx__free(work);
}

static bool is_to_stop(void *data)
{
	struct query_work *work = data;

	return atomic_load(&work->stop);
}

static void work_run(struct blx__work *job)
{
	struct query_work *work = job->data;
	struct blx__query_opts opts = {
		.image = work->image, .stop = is_to_stop, .data = work};

	if (!is_to_stop(work)) {
		work->code = blx__query_run(
			&work->query, &opts, &work->head, &work->rows, &work->error);
	}
	/* Here, for it may be the last one: what it frees may be much. */
	blx__image_unref(work->image);
	work->image = NULL;
}

static void answer(struct query_work *work)
{
	struct blx__request *request = work->request;
	struct blx__response response = {.revision = work->head.revision};
	struct blx__buf body;

	if (work->code != 0) {
		blx__request_fail(request, work->code, "%s", work->error.message);
		return;
	}
	blx__buf_init(&body);
	work->head.age_ms = blx__node_leader_age_ms(work->queries->node);
	blx__query_head_put(&body, &work->head);
	blx__buf_append(&body, work->rows.data, work->rows.len);
	if (blx__buf_ok(&body)) {
		response.body = body.data;
		response.body_len = body.len;
		blx__request_finish(request, &response);
	} else {
		blx__request_fail(request, BLX_ENOMEM, "sql: out of memory");
	}
	blx__buf_finish(&body);
}

static void on_done(struct blx__work *job)
{
	struct query_work *work = job->data;
	struct blx__queries *queries = work->queries;

	INVARIANT(queries->count > 0);
	queries->count--;
	queries->done++;
	blx__list_remove(&work->link);
	if (work->request != NULL) {
		work->request->place = NULL;
		answer(work);
	}
	work_free(work);
}

/* NULL: no memory. */
static struct query_work *work_create(
	struct blx__queries *queries, const struct blx__request *request)
{
	struct query_work *work = blx__calloc(1, sizeof *work);

	if (work == NULL) {
		return NULL;
	}
	blx__list_init(&work->link);
	blx__buf_init(&work->rows);
	blx_error_init(&work->error);
	atomic_init(&work->stop, false);
	work->queries = queries;
	work->image = blx__machine_pin(queries->node->machine);
	work->body = blx__memdup(request->body, request->body_len);
	if (work->image == NULL || work->body == NULL) {
		work_free(work);
		return NULL;
	}
	work->work = (struct blx__work){.run = work_run, .done = on_done, .data = work};
	blx__list_init(&work->work.link);
	return work;
}

void blx__queries_add(struct blx__queries *queries, struct blx__request *request)
{
	struct query_work *work;

	if (queries->count >= BLX__QUERIES_MAX) {
		blx__request_fail(request, BLX_EBUSY,
			"sql: %u statements are under way here; try again when some have ended",
			queries->count);
		return;
	}
	work = work_create(queries, request);
	if (work == NULL) {
		blx__request_fail(request, BLX_ENOMEM, "sql: out of memory");
		return;
	}
	if (blx__query_get(work->body, request->body_len, &work->query) != 0) {
		work_free(work);
		blx__request_fail(request, BLX_EPROTO, "sql: the request is malformed");
		return;
	}
	work->request = request;
	request->place = work;
	blx__request_move(request, BLX__REQUEST_WORKING, &queries->node->working);
	blx__list_push_back(&queries->works, &work->link);
	queries->count++;
	blx__env_submit(queries->node->env, BLX__QUEUE_READ, &work->work);
}

void blx__queries_forget(struct blx__request *request)
{
	struct query_work *work = request->place;

	if (request->op == BLX__OP_SQL && work != NULL) {
		work->request = NULL;
		request->place = NULL;
		atomic_store(&work->stop, true);
	}
}

void blx__queries_finish(struct blx__queries *queries)
{
	struct blx__list *link;

	blx__list_foreach (link, &queries->works) {
		atomic_store(
			&blx__container_of(link, struct query_work, link)->stop, true);
	}
}

bool blx__queries_idle(const struct blx__queries *queries)
{
	return queries->count == 0;
}
