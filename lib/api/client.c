/* SPDX-License-Identifier: Apache-2.0 */
/* The handle as such, and what can be asked of the cluster through it. */
#include <blixard/client.h>

#include "api/opts.h"
#include "base/crc32c.h"
#include "base/error.h"
#include "base/mem.h"
#include "client/client.h"
#include "client/remote.h"
#include "sys/files.h"

#include <stdio.h>
#include <string.h>

void blx_client_opts_init(blx_client_opts *opts)
{
	*opts = (blx_client_opts)BLX_CLIENT_OPTS_INIT;
}

int blx_client_open(const char *address, const blx_client_opts *user_opts,
	blx_client **ret_client, blx_error *error)
{
	blx_client_opts opts;

	if (address == NULL || ret_client == NULL || strncmp(address, "unix:/", 6) != 0) {
		return blx__error_set(error, BLX_EINVAL,
			"open %s: the address must be unix: and an absolute path",
			address != NULL ? address : "a client");
	}
	BLX__OPTS(&opts, user_opts);
	return blx__client_remote_open(address,
		opts.connect_timeout_ms != 0 ? opts.connect_timeout_ms : BLX_TIMEOUT_DEFAULT_MS,
		ret_client, error);
}

void blx_client_close(blx_client *client)
{
	if (client != NULL) {
		atomic_store(&client->closing, true);
		client->ops->close(client);
	}
}

void blx_text_free(char *text)
{
	blx__free(text);
}

/* What a member answers with text. */
static int text_of(blx_client *client, const struct blx__ask *ask, const char *what,
	char **ret_text, blx_error *error)
{
	struct blx__answer answer;
	int rv;

	if (client == NULL || ret_text == NULL) {
		return blx__error_set(
			error, BLX_EINVAL, "%s: no client, or nowhere to put it", what);
	}
	rv = blx__client_call(client, ask, &answer, error);
	if (rv == 0) {
		*ret_text = blx__strndup((const char *)answer.body, answer.body_len);
		if (*ret_text == NULL) {
			rv = blx__error_set(error, BLX_ENOMEM, "%s: out of memory", what);
		}
	}
	blx__answer_finish(&answer);
	return rv;
}

int blx_status(blx_client *client, uint32_t timeout_ms, char **ret_json, blx_error *error)
{
	struct blx__ask ask = { .op = BLX__OP_STATUS, .timeout_ms = timeout_ms };

	return text_of(client, &ask, "status", ret_json, error);
}

int blx_health_get(blx_client *client, uint32_t timeout_ms, char **ret_json, blx_error *error)
{
	struct blx__ask ask = { .op = BLX__OP_HEALTH, .timeout_ms = timeout_ms };
	blx_error why = BLX_ERROR_INIT;
	int rv = text_of(client, &ask, "health", ret_json, &why);

	return rv == 0 ? 0
		       : blx__error_set(error, rv, "Failed to check cluster health: %.200s",
				 why.message);
}

/* ---- membership --------------------------------------------------------------- */

static int by_name(blx_client *client, uint8_t op, const char *name, uint32_t timeout_ms,
	blx_error *error)
{
	struct blx__ask ask = { .op = op,
		.timeout_ms = timeout_ms,
		.body = name,
		.body_len = name != NULL ? strlen(name) : 0 };
	struct blx__answer answer;
	int rv;

	if (client == NULL || (name == NULL && op != BLX__OP_TRANSFER)) {
		return blx__error_set(error, BLX_EINVAL, "change the membership: no name given");
	}
	rv = blx__client_call(client, &ask, &answer, error);
	blx__answer_finish(&answer);
	return rv;
}

int blx_member_promote(blx_client *client, const char *name, uint32_t timeout_ms,
	blx_error *error)
{
	return by_name(client, BLX__OP_PROMOTE, name, timeout_ms, error);
}

int blx_member_demote(blx_client *client, const char *name, uint32_t timeout_ms,
	blx_error *error)
{
	return by_name(client, BLX__OP_DEMOTE, name, timeout_ms, error);
}

int blx_member_remove(blx_client *client, const char *name, uint32_t timeout_ms,
	blx_error *error)
{
	return by_name(client, BLX__OP_REMOVE, name, timeout_ms, error);
}

int blx_leader_transfer(blx_client *client, const char *name, uint32_t timeout_ms,
	blx_error *error)
{
	return by_name(client, BLX__OP_TRANSFER, name, timeout_ms, error);
}

/* ---- saving a snapshot ---------------------------------------------------------- */

struct save {
	blx_client *client;
	const struct blx__files *files;
	struct blx__file *file;
	const char *path;
	uint32_t timeout_ms;
	uint64_t token;
	uint64_t size;
	uint32_t crc;
};

static int save_make(struct save *save, blx_error *error)
{
	struct blx__ask ask = { .op = BLX__OP_SNAP_MAKE, .timeout_ms = save->timeout_ms };
	struct blx__answer answer;
	struct blx__reader reader;
	int rv = blx__client_call(save->client, &ask, &answer, error);

	if (rv == 0) {
		reader = blx__reader_of(answer.body, answer.body_len);
		save->token = blx__get_u64(&reader);
		save->size = blx__get_u64(&reader);
		save->crc = blx__get_u32(&reader);
		if (!blx__reader_done(&reader)) {
			rv = blx__error_set(error, BLX_EPROTO, "save a snapshot: malformed answer");
		}
	}
	blx__answer_finish(&answer);
	return rv;
}

/* One piece, written where it belongs; *crc goes on over it. */
static int save_piece(struct save *save, uint64_t offset, uint32_t *crc, size_t *ret_len,
	blx_error *error)
{
	struct blx__ask ask = { .op = BLX__OP_SNAP_PIECE, .timeout_ms = save->timeout_ms };
	struct blx__answer answer;
	struct blx__reader reader;
	uint8_t body[16];
	const uint8_t *bytes;
	uint32_t piece_crc;
	int rv;

	blx__store_u64(body, save->token);
	blx__store_u64(body + 8, offset);
	ask.body = body;
	ask.body_len = sizeof body;
	rv = blx__client_call(save->client, &ask, &answer, error);
	if (rv == 0) {
		reader = blx__reader_of(answer.body, answer.body_len);
		piece_crc = blx__get_u32(&reader);
		bytes = blx__get_bytes(&reader, answer.body_len, ret_len);
		if (!blx__reader_done(&reader) || *ret_len == 0 ||
			blx__crc32c(0, bytes, *ret_len) != piece_crc) {
			rv = blx__error_set(error, BLX_EPROTO,
				"save %s: a piece arrived damaged; try again", save->path);
		} else {
			*crc = blx__crc32c(*crc, bytes, *ret_len);
			rv = save->files->ops->write(save->file, bytes, *ret_len, offset, error);
		}
	}
	blx__answer_finish(&answer);
	return rv;
}

static int save_all(struct save *save, blx_error *error)
{
	uint64_t offset = 0;
	uint32_t crc = 0;
	int rv = 0;

	while (rv == 0 && offset < save->size) {
		size_t len = 0;

		rv = save_piece(save, offset, &crc, &len, error);
		offset += len;
	}
	if (rv == 0 && (offset != save->size || crc != save->crc)) {
		rv = blx__error_set(error, BLX_EPROTO,
			"save %s: what arrived is not what was made; try again", save->path);
	}
	return rv == 0 ? save->files->ops->sync(save->file, error) : rv;
}

static int save_to(struct save *save, const char *tmp, blx_error *error)
{
	unsigned flags = BLX__OPEN_WRITE | BLX__OPEN_CREATE | BLX__OPEN_EXCLUSIVE;
	int rv = save_make(save, error);

	if (rv != 0) {
		return rv;
	}
	rv = save->files->ops->open(save->files, tmp, flags, &save->file, error);
	if (rv != 0) {
		return rv;
	}
	rv = save_all(save, error);
	save->files->ops->close(save->file);
	if (rv == 0) {
		rv = save->files->ops->rename(save->files, tmp, save->path, error);
	}
	if (rv != 0) {
		/* The first failure is told. */
		(void)save->files->ops->remove(save->files, tmp, NULL);
	}
	return rv;
}

static bool file_exists(const struct blx__files *files, const char *path)
{
	struct blx__file *file;

	if (files->ops->open(files, path, BLX__OPEN_READ, &file, NULL) != 0) {
		return false;
	}
	files->ops->close(file);
	return true;
}

int blx_snapshot_save(blx_client *client, const char *path, uint32_t timeout_ms,
	blx_error *error)
{
	struct save save = { .client = client,
		.files = &blx__files_posix,
		.path = path,
		.timeout_ms = timeout_ms != 0 ? timeout_ms : 60000 };
	char *tmp;
	size_t size;
	int rv;

	if (client == NULL || path == NULL) {
		return blx__error_set(error, BLX_EINVAL, "save a snapshot: no client or no path");
	}
	if (file_exists(save.files, path)) {
		return blx__error_set(error, BLX_EEXIST, "save %s: the file exists already", path);
	}
	size = strlen(path) + sizeof ".part";
	tmp = blx__malloc(size);
	if (tmp == NULL) {
		return blx__error_set(error, BLX_ENOMEM, "save %s: out of memory", path);
	}
	(void)snprintf(tmp, size, "%s.part", path);
	rv = save_to(&save, tmp, error);
	blx__free(tmp);
	return rv;
}
