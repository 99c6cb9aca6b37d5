/* SPDX-License-Identifier: Apache-2.0 */
#include <blixard/call.h>

#include "api/opts.h"
#include "base/codec.h"
#include "base/error.h"
#include "base/mem.h"
#include "client/client.h"
#include "node/functions.h"

#include <blixard/service.h>
#include <string.h>

void blx_call_opts_init(blx_call_opts *opts)
{
	if (opts != NULL) {
		*opts = (blx_call_opts)BLX_CALL_OPTS_INIT;
	}
}

/* ---- calling ---------------------------------------------------------------------- */

static int check(const char *member, const char *function, const void *args, size_t args_len,
	const blx_call_opts *opts, blx_error *error)
{
	if (!blx__function_is_name(member) || !blx__function_is_name(function) ||
		(opts->id != NULL && !blx__function_is_name(opts->id)) ||
		(args == NULL && args_len > 0)) {
		return blx__error_set_write(error, BLX_EINVAL, BLX_NOT_APPLIED,
			"call: the member, the function, and the id if there is one, must be named "
			"in 1 to %d bytes",
			BLX_CALL_NAME_MAX - 1);
	}
	if (args_len > BLX_CALL_MAX) {
		return blx__error_set_write(error, BLX_ETOOBIG, BLX_NOT_APPLIED,
			"call %s of %s: arguments of %zu bytes are more than %d", function, member,
			args_len, BLX_CALL_MAX);
	}
	return 0;
}

/* Who frees it need not know how long it is, nor who prints it. */
static int take(struct blx__answer *answer, void **ret_answer, size_t *ret_len,
	blx_error *error)
{
	uint8_t *copy = blx__malloc(answer->body_len + 1);

	if (copy == NULL) {
		return blx__error_set_write(
			error, BLX_ENOMEM, BLX_UNKNOWN, "call: it was done, but out of memory");
	}
	if (answer->body_len > 0) {
		memcpy(copy, answer->body, answer->body_len);
	}
	copy[answer->body_len] = '\0';
	*ret_answer = copy;
	*ret_len = answer->body_len;
	return 0;
}

int blx_call(blx_client *client, const char *member, const char *function, const void *args,
	size_t args_len, const blx_call_opts *user_opts, void **ret_answer, size_t *ret_len,
	blx_error *error)
{
	struct blx__ask ask = {.op = BLX__OP_CALL};
	char id[BLX_MIGRATION_ID_SIZE];
	struct blx__answer answer;
	struct blx__buf body;
	blx_call_opts opts;
	int rv;

	BLX__OPTS(&opts, user_opts);
	if (client == NULL || ret_answer == NULL || ret_len == NULL) {
		return blx__error_set_write(error, BLX_EINVAL, BLX_NOT_APPLIED,
			"call: no client, or nowhere to put the answer");
	}
	rv = check(member, function, args, args_len, &opts, error);
	if (rv != 0) {
		return rv;
	}
	blx_migration_id(id); /* never made twice */
	blx__buf_init(&body);
	blx__put_text(&body, member);
	blx__put_text(&body, function);
	blx__put_text(&body, opts.id != NULL ? opts.id : id);
	blx__put_bytes(&body, args, args_len);
	if (!blx__buf_ok(&body)) {
		blx__buf_finish(&body);
		return blx__error_set_write(
			error, BLX_ENOMEM, BLX_NOT_APPLIED, "call: out of memory");
	}
	ask.body = body.data;
	ask.body_len = body.len;
	ask.timeout_ms = opts.timeout_ms;
	rv = blx__client_call(client, &ask, &answer, error);
	rv = rv == 0 ? take(&answer, ret_answer, ret_len, error) : rv;
	blx__answer_finish(&answer);
	blx__buf_finish(&body);
	return rv;
}

void blx_answer_free(void *answer)
{
	blx__free(answer);
}

/* ---- serving ---------------------------------------------------------------------- */

const void *blx_request_args(const blx_request *request, size_t *ret_len)
{
	return blx__function_args(request, ret_len);
}

const char *blx_request_id(const blx_request *request)
{
	return blx__function_id(request);
}

void blx_request_answer(blx_request *request, const void *answer, size_t len)
{
	static const char too_big[] = "the answer is more than 1 MiB";

	if (len > BLX_CALL_MAX) {
		blx__function_end(request, BLX_ETOOBIG, too_big, sizeof too_big - 1);
	} else {
		blx__function_end(request, 0, answer, len);
	}
}

void blx_request_refuse(blx_request *request, int code, const char *message)
{
	const char *text = message != NULL ? message : blx_strerror(code);

	blx__function_end(request, code < 0 ? code : BLX_EFAILED, text, strlen(text));
}
