/* SPDX-License-Identifier: Apache-2.0 */
#include "api/change.h"

#include "base/error.h"
#include "base/mem.h"
#include "client/client.h"
#include "record/fields.h"
#include "store/path.h"

#include <blixard/record.h>
#include <blixard/store.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define TRIES_MAX 64

uint64_t blx__until_ns(uint32_t timeout_ms)
{
	return blx__client_now_ns() +
	       (timeout_ms != 0 ? timeout_ms : BLX_TIMEOUT_DEFAULT_MS) * UINT64_C(1000000);
}

uint32_t blx__left_ms(uint64_t until_ns)
{
	uint64_t now = blx__client_now_ns();

	return until_ns > now + 1000000 ? (uint32_t)((until_ns - now) / 1000000) : 1;
}

int64_t blx__wall_ns(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_REALTIME, &now);
	return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

int blx__error_prefix(blx_error *error, const char *prefix)
{
	char text[BLX_ERROR_MESSAGE_SIZE];

	if (error == NULL) {
		return 0;
	}
	(void)snprintf(text, sizeof text, "%s%s", prefix, error->message);
	memcpy(error->message, text, sizeof text);
	return error->code;
}

static int write_back(blx_client *client, int kind, const char *path, const void *record,
	uint64_t revision, uint32_t timeout_ms, blx_error *error)
{
	blx_write_opts opts = BLX_WRITE_OPTS_INIT;
	char *text;
	int rv = blx_record_encode(kind, record, &text, error);

	if (rv != 0) {
		return rv;
	}
	opts.timeout_ms = timeout_ms;
	rv = revision != 0 ? blx_cas_revision(client, path, revision, text, strlen(text), &opts,
				     NULL, error)
			   : blx_put_if_absent(
				     client, path, text, strlen(text), &opts, NULL, error);
	blx_text_free(text);
	return rv == BLX_EEXIST && revision == 0 ? BLX_ECONFLICT : rv;
}

static int change_once(blx_client *client, int kind, const char *name, uint64_t until_ns,
	blx__change_fn *change, void *data, blx_error *error)
{
	char path[BLX__PATH_TEXT_SIZE];
	BLX__CLEANUP_FREE void *record = blx__calloc(1, blx__record_of(kind)->size);
	uint64_t revision = 0;
	int rv;

	if (record == NULL) {
		return blx__error_set(error, BLX_ENOMEM, "%s: out of memory", name);
	}
	if (!blx__path_child(blx__record_of(kind)->dir, name, path)) {
		return blx__error_set(error, BLX_EINVAL,
			"\"%.80s\": a name must be there, without \"/\"",
			name != NULL ? name : "");
	}
	rv = blx_record_get(
		client, kind, name, 1, blx__left_ms(until_ns), record, &revision, error);
	if (rv != 0 && rv != BLX_ENOENT) {
		return rv;
	}
	rv = change(record, rv == 0, data, error);
	if (rv == 0) {
		rv = write_back(client, kind, path, record, revision, blx__left_ms(until_ns),
			error);
	}
	blx_record_clear(kind, record);
	return rv;
}

int blx__record_change(blx_client *client, int kind, const char *name, uint64_t until_ns,
	blx__change_fn *change, void *data, blx_error *error)
{
	int rv = BLX_ECONFLICT;
	int tries;

	if (client == NULL || name == NULL) {
		return blx__error_set(error, BLX_EINVAL, "no client, or no name given");
	}
	for (tries = 0; rv == BLX_ECONFLICT && tries < TRIES_MAX; tries++) {
		if (error != NULL) {
			blx_error_init(error);
		}
		rv = change_once(client, kind, name, until_ns, change, data, error);
		if (rv == BLX_ECONFLICT && error != NULL && error->outcome == BLX_OUTCOME_NONE) {
			return rv; /* it is the change's own */
		}
		if (rv == BLX_ECONFLICT && blx__client_now_ns() >= until_ns) {
			break;
		}
	}
	if (rv == BLX_ECONFLICT) {
		return blx__error_set_write(error, BLX_EBUSY, BLX_NOT_APPLIED,
			"%s: it is changed by others all the time; try again", name);
	}
	return rv > 0 ? 0 : rv;
}
