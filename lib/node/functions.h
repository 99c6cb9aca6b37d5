/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Functions that the host program serves at this member. A call has an id: one that comes
 * again waits for the same answer, or gets the one that was given.
 *
 *	                    function                   a minute, or too many
 *	(not known) -> RUNNING -----> DONE, remembered ----------------------> (not known)
 *
 * What the program holds, a blx_request, outlives the member: the two meet in the hub, which
 * both hold. Loop thread, but for what says otherwise.
 */
#ifndef BLX_NODE_FUNCTIONS_H
#define BLX_NODE_FUNCTIONS_H

#include "base/list.h"
#include "node/request.h"

#include <blixard/call.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Under way at once. */
#define BLX__FUNCTIONS_RUNNING_MAX 1024

/* Answers that are remembered. */
#define BLX__FUNCTIONS_DONE_MAX   4096
#define BLX__FUNCTIONS_BYTES_MAX  (16 * 1024 * 1024)
#define BLX__FUNCTIONS_DONE_MS    60000

struct blx__hub;

struct blx__functions {
	struct blx__node *node;  /* borrowed */
	struct blx__hub *hub;    /* one of its references; NULL: no memory */
	struct blx__list asked;  /* RUNNING */
	struct blx__list ended;  /* DONE, the oldest first */
	struct blx__list served; /* ANY THREAD, under the hub's lock */
	size_t running;
	size_t done;
	size_t bytes; /* of the answers that are remembered */
	struct blx__post post;
};

int blx__functions_init(struct blx__functions *functions, struct blx__node *node);

/* No request waits any more. What is being done is left to those who do it. */
void blx__functions_finish(struct blx__functions *functions);

/* Of a member, a function, an id: 1 to BLX_CALL_NAME_MAX - 1 bytes. */
static inline bool blx__function_is_name(const char *name)
{
	return name != NULL && name[0] != '\0' && strlen(name) < BLX_CALL_NAME_MAX;
}

/* ANY THREAD. function NULL: no more. */
int blx__functions_serve(
	struct blx__functions *functions, const char *name, blx_function function, void *data);

/* Takes a request BLX__OP_CALL: the member's name, the function's, the id, the arguments. */
void blx__functions_add(struct blx__functions *functions, struct blx__request *request);

/* A request ends before its answer came. */
void blx__functions_forget(struct blx__request *request);

/* ---- what the program holds: ANY THREAD ------------------------------------------------- */

const void *blx__function_args(const blx_request *request, size_t *ret_len);
const char *blx__function_id(const blx_request *request);

/* code 0, or negative with the text of a message as the answer. */
void blx__function_end(blx_request *request, int code, const void *answer, size_t len);

#endif
