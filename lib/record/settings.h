/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The settings of a cluster that members act on: values below /:config. One table says
 * what each is called, what it may be and what holds without it. Pure.
 */
#ifndef BLX_RECORD_SETTINGS_H
#define BLX_RECORD_SETTINGS_H

#include "base/error.h"
#include "store/tree.h"
#include "store/txn.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum blx__setting {
	BLX__SETTING_DEGRADED_AFTER = 0, /* health.degraded_after */
	BLX__SETTING_FAILED_AFTER = 1,   /* health.failed_after */
	BLX__SETTING_QUOTA_BYTES = 2,    /* quota.bytes; 0: no limit */
	BLX__SETTING_QUOTA_KEYS = 3,     /* quota.keys; 0: no limit */
	BLX__SETTING_HOST_LEASE = 4,     /* host.lease */
	BLX__SETTING_FENCE_MARGIN = 5,   /* fence.margin */
	BLX__SETTING_DRAIN_PARALLEL = 6, /* drain.parallel */
	BLX__SETTINGS = 7
};

/* "health.degraded_after"; NULL: there is no such one. */
const char *blx__setting_name(int setting);

/* A number as decimal text; a duration, which becomes ns, as "5s", "500ms", "2m", or
 * milliseconds, up to a day. A line's end behind it does not matter. */
bool blx__setting_parse(
	enum blx__setting setting, const void *text, size_t len, uint64_t *ret_value);

/* As the tree says; what is absent, or cannot be, counts as not set. */
uint64_t blx__setting_of(const struct blx__tree *tree, enum blx__setting setting);
/* What holds if it is not set. */
uint64_t blx__setting_default(enum blx__setting setting);

/* One that is put and cannot be that: BLX_EINVAL, with the path. */
blx__put_check blx__setting_put_check;

#endif
