/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A blx_client whose member is a machine in this process and nothing else: the
 * whole way of a public call, its bytes, the machine and the answer, without a
 * cluster. As the handle of a member in this process, or as that of one
 * elsewhere, whose every answer has gone through its wire form.
 */
#ifndef BLX_TESTS_API_FAKE_H
#define BLX_TESTS_API_FAKE_H

#include "client/client.h"
#include "node/impl.h"

struct fake {
	blx_client client;
	struct blx__node node; /* of it, what lists look at: env and machine */
	struct blx__env env;
	uint64_t now_ns;
	uint64_t random;
	bool remote;
	bool on_loop;
	bool lease_holds;          /* what the member says of its replica */
	uint64_t current_within_ms; /* 0: not known */
	bool hold;              /* keep requests until fake_release() */
	struct blx__list held;
	uint64_t index;
	/* The next request ends with this instead of being looked at. */
	struct blx__response refusal;
	bool bare; /* answers to writes have lost their bodies, as a retry's may */
	unsigned requests;
	unsigned lists;
	size_t entry_len; /* of the last write, in the log */
};

void fake_init(struct fake *fake, bool remote);
void fake_finish(struct fake *fake);
void fake_release(struct fake *fake);
/* What the handle is made of, for a test that changes one part. */
const struct blx__client_ops *fake_client_ops(void);
void fake_put(struct fake *fake, const char *path, const char *value);

#endif
