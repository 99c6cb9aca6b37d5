/* SPDX-License-Identifier: Apache-2.0 */
/* Waiting for what was wanted of a service, shared by the calls that do. */
#ifndef BLX_API_SERVICE_H
#define BLX_API_SERVICE_H

#include <blixard/service.h>

enum blx__service_end { BLX__SERVICE_RUNS, BLX__SERVICE_RESTS, BLX__SERVICE_MOVED };

struct blx__service_wait {
	const char *name;
	enum blx__service_end end;
	int64_t restart;  /* that is to be done; 0: none */
	const char *from; /* RUNS: on another than that; NULL: on any */
	const char *id;   /* MOVED: of the migration; name is not known then */
	uint64_t until_ns;
	const blx_service_opts *opts;
};

/* 0; BLX_EFAILED with what its node says, BLX_ENOPLACE, BLX_ETIMEOUT; of a migration as
 * blx_service_migrate(). */
int blx__service_wait(
	blx_client *client, const struct blx__service_wait *wait, blx_error *error);

int blx__service_absent(blx_error *error, const char *name);

#endif
