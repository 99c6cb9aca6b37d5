/* SPDX-License-Identifier: Apache-2.0 */
#include "fake.h"

#include "support/test.h"

#include "base/rng.h"
#include "machine/command.h"

#include <blixard/blixard.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static struct fake *fake_of(blx_client *client)
{
	return blx__container_of(client, struct fake, client);
}

/* ---- what list.c asks of a member ------------------------------------------- */

void blx__request_finish(struct blx__request *request, const struct blx__response *response)
{
	request->done(request, response);
}

void blx__request_fail(struct blx__request *request, int code, const char *format, ...)
{
	char text[BLX_ERROR_MESSAGE_SIZE];
	struct blx__response response = { .code = code, .message = text };
	va_list args;

	va_start(args, format);
	(void)vsnprintf(text, sizeof text, format, args);
	va_end(args);
	response.message_len = strlen(text);
	request->done(request, &response);
}

bool blx__node_lease_holds(struct blx__node *node)
{
	return blx__container_of(node, struct fake, node)->lease_holds;
}

bool blx__node_current_within(struct blx__node *node, uint64_t max_age_ms)
{
	uint64_t known = blx__container_of(node, struct fake, node)->current_within_ms;

	return known != 0 && known <= max_age_ms;
}

uint64_t blx__node_leader_age_ms(struct blx__node *node)
{
	(void)node;
	return 7;
}

static uint64_t env_mono_ns(struct blx__env *env)
{
	return ((struct fake *)env->impl)->now_ns;
}

static int64_t env_wall_ms(struct blx__env *env)
{
	return (int64_t)(((struct fake *)env->impl)->now_ns / 1000000);
}

static uint64_t env_random(struct blx__env *env)
{
	return ++((struct fake *)env->impl)->random;
}

static const struct blx__env_ops env_ops = { .mono_ns = env_mono_ns,
	.wall_ms = env_wall_ms,
	.random_u64 = env_random };

/* ---- answering --------------------------------------------------------------- */

/* The answer as the one who asked gets it: elsewhere, through its bytes. */
static void answer(struct fake *fake, struct blx__request *request,
	const struct blx__response *response)
{
	struct blx__response read;
	struct blx__buf buf;

	if (!fake->remote) {
		request->done(request, response);
		return;
	}
	blx__buf_init(&buf);
	blx__response_put(&buf, response);
	cr_assert(blx__buf_ok(&buf));
	cr_assert_eq(blx__response_get(buf.data, buf.len, &read), 0);
	request->done(request, &read);
	blx__buf_finish(&buf);
}

struct applied {
	struct fake *fake;
	struct blx__request *request;
};

static void on_reply(void *data, const struct blx__entry_header *header, unsigned position,
	const struct blx__reply *reply)
{
	struct applied *applied = data;
	struct blx__response response = { .code = reply->code,
		.outcome = reply->code != 0 ? BLX_NOT_APPLIED : BLX_OUTCOME_NONE,
		.revision = reply->revision,
		.message = blx_strerror(reply->code),
		.body = reply->body,
		.body_len = reply->body_len };

	(void)header;
	cr_assert_eq(position, 0);
	response.message_len = strlen(response.message);
	if (applied->fake->bare) {
		response.body_len = 0;
	}
	answer(applied->fake, applied->request, &response);
}

static void answer_write(struct fake *fake, struct blx__request *request)
{
	struct blx__entry_header header = { .origin = 1,
		.incarnation = 1,
		.token = 1,
		.time_ms = env_wall_ms(&fake->env) };
	struct applied applied = { .fake = fake, .request = request };
	blx_error error = BLX_ERROR_INIT;
	struct blx__buf entry;
	int rv = blx__command_check(request->body, request->body_len, &error);

	if (rv != 0) {
		struct blx__response refusal = { .code = rv,
			.outcome = BLX_NOT_APPLIED,
			.message = error.message,
			.message_len = strlen(error.message) };

		answer(fake, request, &refusal);
		return;
	}
	blx__buf_init(&entry);
	blx__entry_begin(&entry, &header);
	blx__entry_add(&entry, request->body, request->body_len);
	blx__entry_end(&entry);
	cr_assert(blx__buf_ok(&entry));
	fake->entry_len = entry.len;
	rv = blx__machine_apply(fake->node.machine, ++fake->index, 1, entry.data, entry.len,
		on_reply, &applied);
	cr_assert_eq(rv, 0);
	blx__buf_finish(&entry);
}

static void answer_get(struct fake *fake, struct blx__request *request)
{
	struct blx__response response = { 0 };
	struct blx__got got = { .age_ms = 7 };
	struct blx__item *item = NULL;
	struct blx__buf body;
	struct blx__get get;

	cr_assert_eq(blx__get_get(request->body, request->body_len, &get), 0);
	response.code = blx__machine_get(
		fake->node.machine, get.key, get.key_len, &item, &got.revision);
	if (response.code == 0) {
		got.create_revision = item->create_revision;
		got.mod_revision = item->mod_revision;
		got.version = item->version;
		got.value = blx__item_value(item);
		got.value_len = blx__item_value_len(item);
	}
	blx__buf_init(&body);
	blx__got_put(&body, &got);
	response.body = body.data;
	response.body_len = body.len;
	answer(fake, request, &response);
	blx__buf_finish(&body);
	if (item != NULL) {
		blx__item_unref(item);
	}
}

static void dispatch(struct fake *fake, struct blx__request *request)
{
	struct blx__response refusal = fake->refusal;

	fake->requests++;
	if (refusal.code != 0) {
		fake->refusal.code = 0;
		answer(fake, request, &refusal);
		return;
	}
	switch (request->op) {
	case BLX__OP_WRITE:
		answer_write(fake, request);
		break;
	case BLX__OP_GET:
		answer_get(fake, request);
		break;
	case BLX__OP_LIST:
		fake->lists++;
		blx__lists_answer(&fake->node.lists, request);
		break;
	case BLX__OP_BARRIER:
		answer(fake, request, &(struct blx__response){ .code = 0 });
		break;
	default:
		cr_assert_fail("a request that is not known here");
	}
}

/* ---- the handle ----------------------------------------------------------------- */

static void fake_submit(blx_client *client, struct blx__request *request)
{
	struct fake *fake = fake_of(client);

	if (fake->hold) {
		blx__list_push_back(&fake->held, &request->link);
	} else {
		dispatch(fake, request);
	}
}

static struct blx__machine *fake_machine(blx_client *client)
{
	return fake_of(client)->remote ? NULL : fake_of(client)->node.machine;
}

static bool fake_on_loop(blx_client *client)
{
	return fake_of(client)->on_loop;
}

static int64_t fake_time_ms(blx_client *client)
{
	return env_wall_ms(&fake_of(client)->env);
}

static void fake_close(blx_client *client)
{
	(void)client;
}

static const struct blx__client_ops fake_ops = { .submit = fake_submit,
	.machine = fake_machine,
	.on_loop = fake_on_loop,
	.time_ms = fake_time_ms,
	.close = fake_close };

const struct blx__client_ops *fake_client_ops(void)
{
	return &fake_ops;
}

void fake_init(struct fake *fake, bool remote)
{
	static const uint8_t cluster_id[16] = "fake";

	memset(fake, 0, sizeof *fake);
	fake->remote = remote;
	fake->now_ns = UINT64_C(1000000000000);
	fake->env = (struct blx__env){ .ops = &env_ops, .impl = fake };
	fake->node.env = &fake->env;
	blx__list_init(&fake->held);
	cr_assert_eq(blx__machine_create(cluster_id, &fake->node.machine), 0);
	blx__lists_init(&fake->node.lists, &fake->node);
	blx__client_init(&fake->client, &fake_ops, 5);
	fake->client.node = remote ? NULL : &fake->node;
}

void fake_finish(struct fake *fake)
{
	blx__lists_finish(&fake->node.lists);
	blx__client_finish(&fake->client);
	blx__machine_destroy(fake->node.machine);
}

void fake_release(struct fake *fake)
{
	struct blx__list *link;

	fake->hold = false;
	while ((link = blx__list_pop_front(&fake->held)) != NULL) {
		dispatch(fake, blx__container_of(link, struct blx__request, link));
	}
}

void fake_put(struct fake *fake, const char *path, const char *value)
{
	blx_error error = BLX_ERROR_INIT;

	cr_assert_eq(blx_put(&fake->client, path, value, strlen(value), NULL, NULL, &error), 0,
		"%s", error.message);
}
