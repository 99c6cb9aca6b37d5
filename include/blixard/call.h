/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Functions that programs serve at their members, called from anywhere in the cluster by
 * the name of the member: for what belongs to one machine, such as to ask what is on its
 * disk, or to have something done there. Nothing of it is in the log: what must not be lost
 * belongs in the store.
 *
 * A call is done at most once. Where its answer is lost the caller is told that it may have
 * been done (error.outcome is BLX_UNKNOWN), and may call again under the same id: the member
 * remembers answers for a minute, so many as fit in 16 MiB, and gives the one it gave. A
 * member that was restarted meanwhile has forgotten them, and does it again.
 *
 * Who may call is who may use the member's socket, and the other members.
 */
#ifndef BLIXARD_CALL_H
#define BLIXARD_CALL_H

#include <blixard/client.h>
#include <blixard/error.h>
#include <blixard/node.h>

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Of arguments, and of an answer, in bytes. */
#define BLX_CALL_MAX 1048576

/* Of the name of a function, and of an id, with the end. */
#define BLX_CALL_NAME_MAX 64

/* ---- calling -------------------------------------------------------------------------- */

typedef struct blx_call_opts {
	size_t size;
	uint32_t timeout_ms; /* default BLX_TIMEOUT_DEFAULT_MS */
	const char *id;      /* to call again under; NULL: one that was never used */
} blx_call_opts;

#define BLX_CALL_OPTS_INIT                                                               \
	{                                                                                \
		sizeof(blx_call_opts), 0, NULL                                           \
	}
BLX_API void blx_call_opts_init(blx_call_opts *opts);

/*
 * Calls a function of that member, and waits for its answer: *ret_answer is to be freed with
 * blx_answer_free(), and is followed by a zero byte that does not count. opts may be NULL.
 * BLX_ENOTMEMBER: there is none of that name; BLX_ENOSYS: it serves no such function;
 * BLX_ECONNECT: it is not connected, or was lost meanwhile (see outcome); BLX_ETIMEOUT;
 * BLX_ETOOBIG: more than BLX_CALL_MAX; or what the function refused it with.
 * "ping" is served by every member, and answers with its arguments.
 */
BLX_API int blx_call(blx_client *client, const char *member, const char *function,
	const void *args, size_t args_len, const blx_call_opts *opts, void **ret_answer,
	size_t *ret_len, blx_error *error);
BLX_API void blx_answer_free(void *answer); /* NULL is allowed */

/* ---- serving -------------------------------------------------------------------------- */

/* A call that came here: it is the function's until it answers or refuses it, once. */
typedef struct blx_request blx_request;

/* On the loop thread: it must not wait. What takes long is answered later, by another. */
typedef void (*blx_function)(blx_request *request, void *data);

/*
 * Serves a function under that name, in place of one that there was; function NULL: no more.
 * One that is being called at that moment may be called yet.
 */
BLX_API int blx_node_serve(blx_node *node, const char *name, blx_function function, void *data,
	blx_error *error);

/* Borrowed until it is answered. */
BLX_API const void *blx_request_args(const blx_request *request, size_t *ret_len);
BLX_API const char *blx_request_id(const blx_request *request);

/*
 * Ends it, from any thread, also when the member was stopped and destroyed meanwhile: then
 * nobody hears it. code is of enum blx_code, and negative; message may be NULL.
 */
BLX_API void blx_request_answer(blx_request *request, const void *answer, size_t len);
BLX_API void blx_request_refuse(blx_request *request, int code, const char *message);

#ifdef __cplusplus
}
#endif

#endif
