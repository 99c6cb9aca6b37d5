/* SPDX-License-Identifier: Apache-2.0 */
#include "node/identity.h"

#include "base/mem.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FORMAT        1
#define FILE_SIZE_MAX 4096 /* a member.json is some 300 bytes */

bool blx__name_valid(const char *name)
{
	size_t len = name != NULL ? strlen(name) : 0;
	size_t i;

	if (len == 0 || len > BLX__NAME_LEN_MAX) {
		return false;
	}
	for (i = 0; i < len; i++) {
		unsigned char c = (unsigned char)name[i];

		if (c >= 0x80 || (!isalnum(c) && c != '-' && c != '_' && c != '.')) {
			return false;
		}
	}
	return name[0] != '.' && name[0] != '-';
}

bool blx__address_valid(const char *address)
{
	size_t len = address != NULL ? strlen(address) : 0;
	const char *colon = len > 0 ? strrchr(address, ':') : NULL;
	char *end;
	unsigned long port;
	size_t i;

	if (colon == NULL || colon == address || len > BLX__ADDRESS_LEN_MAX ||
		!isdigit((unsigned char)colon[1])) {
		return false;
	}
	for (i = 0; i < len; i++) {
		if ((unsigned char)address[i] <= ' ' || address[i] == '@' || address[i] == '/') {
			return false;
		}
	}
	port = strtoul(colon + 1, &end, 10);
	return *end == '\0' && port > 0 && port <= 65535;
}

/* A host name may begin with "127.", too. */
static bool is_loopback_v4(const char *address)
{
	const char *colon = strrchr(address, ':');
	char host[INET_ADDRSTRLEN];
	struct in_addr in;

	if (strncmp(address, "127.", 4) != 0 || colon == NULL ||
		(size_t)(colon - address) >= sizeof host) {
		return false;
	}
	memcpy(host, address, (size_t)(colon - address));
	host[colon - address] = '\0';
	return inet_pton(AF_INET, host, &in) == 1;
}

bool blx__address_is_loopback(const char *address)
{
	return is_loopback_v4(address) || strncmp(address, "[::1]:", 6) == 0 ||
		strncmp(address, "localhost:", 10) == 0;
}

int blx__server_address_split(const char *server, char *ret_name, char *ret_address)
{
	const char *at = strchr(server, '@');
	char name[BLX__NAME_LEN_MAX + 1];

	if (at == NULL || at == server || (size_t)(at - server) > BLX__NAME_LEN_MAX ||
		!blx__address_valid(at + 1)) {
		return BLX_EINVAL;
	}
	memcpy(name, server, (size_t)(at - server));
	name[at - server] = '\0';
	if (!blx__name_valid(name)) {
		return BLX_EINVAL;
	}
	memcpy(ret_name, name, sizeof name);
	memcpy(ret_address, at + 1, strlen(at + 1) + 1);
	return 0;
}

int blx__server_address_join(const char *name, const char *address, char *ret_server, size_t size)
{
	int len = snprintf(ret_server, size, "%s@%s", name, address);

	return len > 0 && (size_t)len < size ? 0 : BLX_ETOOBIG;
}

void blx__cluster_id_text(const uint8_t id[BLX__CLUSTER_ID_LEN],
	char ret_text[BLX__CLUSTER_ID_TEXT])
{
	static const char digits[] = "0123456789abcdef";
	size_t i;

	for (i = 0; i < BLX__CLUSTER_ID_LEN; i++) {
		ret_text[2 * i] = digits[id[i] >> 4];
		ret_text[2 * i + 1] = digits[id[i] & 15];
	}
	ret_text[2 * BLX__CLUSTER_ID_LEN] = '\0';
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9') {
		return c - '0';
	}
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool blx__cluster_id_parse(const char *text, uint8_t ret_id[BLX__CLUSTER_ID_LEN])
{
	size_t i;

	if (strlen(text) != 2 * BLX__CLUSTER_ID_LEN) {
		return false;
	}
	for (i = 0; i < BLX__CLUSTER_ID_LEN; i++) {
		int high = hex_digit(text[2 * i]);
		int low = hex_digit(text[2 * i + 1]);

		if (high < 0 || low < 0) {
			return false;
		}
		ret_id[i] = (uint8_t)(high * 16 + low);
	}
	return true;
}

static bool instance_parse(const char *text, uint64_t *ret_instance)
{
	size_t len = strlen(text);

	if (len == 0 || len > 16 || strspn(text, "0123456789abcdef") != len) {
		return false;
	}
	*ret_instance = strtoull(text, NULL, 16);
	return true;
}

static char *path_in(const char *dir, const char *name)
{
	size_t size = strlen(dir) + strlen(name) + 2;
	char *path = blx__malloc(size);

	if (path != NULL) {
		(void)snprintf(path, size, "%s/%s", dir, name);
	}
	return path;
}

static int identity_of_json(json_t *root, struct blx__identity *ret)
{
	const char *cluster_id;
	const char *cluster;
	const char *name;
	const char *address;
	const char *instance;
	json_int_t id;
	int format;

	if (json_unpack(root, "{s:i, s:s, s:s, s:I, s:s, s:s, s:s}", "format", &format,
		    "cluster_id", &cluster_id, "cluster", &cluster, "id", &id, "name", &name,
		    "address", &address, "instance", &instance) != 0) {
		return BLX_ECORRUPT;
	}
	if (format != FORMAT) {
		return BLX_EVERSION;
	}
	if (!blx__cluster_id_parse(cluster_id, ret->cluster_id) || !blx__name_valid(cluster) ||
		!blx__name_valid(name) || !blx__address_valid(address) || id <= 0 ||
		!instance_parse(instance, &ret->instance)) {
		return BLX_ECORRUPT;
	}
	ret->id = (uint64_t)id;
	(void)snprintf(ret->cluster, sizeof ret->cluster, "%s", cluster);
	(void)snprintf(ret->name, sizeof ret->name, "%s", name);
	(void)snprintf(ret->address, sizeof ret->address, "%s", address);
	return 0;
}

static int file_read_all(const struct blx__files *files, const char *path, char *ret_text,
	size_t size, blx_error *error)
{
	struct blx__file *file;
	size_t len;
	int rv = files->ops->open(files, path, BLX__OPEN_READ, &file, error);

	if (rv != 0) {
		return rv;
	}
	rv = files->ops->read(file, ret_text, size - 1, 0, &len, error);
	files->ops->close(file);
	if (rv == 0) {
		ret_text[len] = '\0';
	}
	return rv;
}

int blx__identity_read(const struct blx__files *files, const char *dir,
	struct blx__identity *ret_identity, blx_error *error)
{
	BLX__CLEANUP_FREE char *path = path_in(dir, "member.json");
	struct blx__identity identity = { 0 };
	char text[FILE_SIZE_MAX];
	json_t *root;
	int rv;

	if (path == NULL) {
		return blx__error_set(error, BLX_ENOMEM, "open %s: out of memory", dir);
	}
	rv = file_read_all(files, path, text, sizeof text, error);
	if (rv == BLX_ENOENT) {
		return blx__error_set(error, rv,
			"open %s: no member there; make one with cluster init or cluster join",
			dir);
	}
	if (rv != 0) {
		return rv;
	}
	root = json_loads(text, 0, NULL);
	rv = root != NULL ? identity_of_json(root, &identity) : BLX_ECORRUPT;
	json_decref(root);
	if (rv != 0) {
		return blx__error_set(error, rv,
			"read %s: %s; restore the file from a copy, or remove this member from "
			"the cluster and join anew with an empty directory",
			path, rv == BLX_EVERSION ? "written by a newer version" : "damaged");
	}
	*ret_identity = identity;
	return 0;
}

static int file_write_durable(const struct blx__files *files, const char *dir, const char *path,
	const char *text, blx_error *error)
{
	struct blx__file *file;
	int rv = files->ops->open(files, path,
		BLX__OPEN_WRITE | BLX__OPEN_CREATE | BLX__OPEN_EXCLUSIVE, &file, error);

	if (rv != 0) {
		return rv;
	}
	rv = files->ops->write(file, text, strlen(text), 0, error);
	if (rv == 0) {
		rv = files->ops->sync(file, error);
	}
	files->ops->close(file);
	if (rv == 0) {
		rv = files->ops->sync_dir(files, dir, error);
	}
	if (rv != 0) {
		(void)files->ops->remove(files, path, NULL); /* the first failure is told */
	}
	return rv;
}

static char *identity_text(const struct blx__identity *identity)
{
	char cluster_id[BLX__CLUSTER_ID_TEXT];
	char instance[17];
	json_t *root;
	char *text;

	blx__cluster_id_text(identity->cluster_id, cluster_id);
	(void)snprintf(instance, sizeof instance, "%016llx",
		(unsigned long long)identity->instance);
	root = json_pack("{s:i, s:s, s:s, s:I, s:s, s:s, s:s}", "format", FORMAT, "cluster_id",
		cluster_id, "cluster", identity->cluster, "id", (json_int_t)identity->id, "name",
		identity->name, "address", identity->address, "instance", instance);
	text = root != NULL ? json_dumps(root, JSON_INDENT(2)) : NULL;
	json_decref(root);
	return text;
}

int blx__identity_write(const struct blx__files *files, const char *dir,
	const struct blx__identity *identity, blx_error *error)
{
	BLX__CLEANUP_FREE char *path = path_in(dir, "member.json");
	char *text = identity_text(identity);
	int rv;

	if (path == NULL || text == NULL) {
		free(text);
		return blx__error_set(error, BLX_ENOMEM, "write %s: out of memory", dir);
	}
	rv = file_write_durable(files, dir, path, text, error);
	free(text);
	if (rv == BLX_EEXIST) {
		return blx__error_set(error, BLX_EINUSE,
			"write %s: the directory holds a member already; choose an empty one",
			path);
	}
	return rv;
}

int blx__identity_lock(const struct blx__files *files, const char *dir,
	struct blx__file **ret_lock, blx_error *error)
{
	BLX__CLEANUP_FREE char *path = path_in(dir, "LOCK");
	struct blx__file *file;
	int rv;

	if (path == NULL) {
		return blx__error_set(error, BLX_ENOMEM, "lock %s: out of memory", dir);
	}
	rv = files->ops->open(files, path, BLX__OPEN_WRITE | BLX__OPEN_CREATE, &file, error);
	if (rv != 0) {
		return rv;
	}
	rv = files->ops->lock(file, error);
	if (rv != 0) {
		files->ops->close(file);
		if (rv == BLX_EINUSE) {
			return blx__error_set(error, rv,
				"lock %s: another process runs a member in this directory", path);
		}
		return rv;
	}
	*ret_lock = file;
	return 0;
}
