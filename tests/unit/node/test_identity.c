/* SPDX-License-Identifier: Apache-2.0 */
#include "support/test.h"

#include "base/assert.h"
#include "base/mem.h"
#include "node/identity.h"

#include <stdio.h>
#include <string.h>

/* ---- a file system of two files, in memory -------------------------------- */

struct memory_file {
	char path[128];
	char text[8192];
	size_t len;
	bool exists;
	bool locked;
};

static struct memory_file stored[2];
static const char *failing; /* the operation that fails; NULL: none does */
static char synced[64];     /* what was made durable, in order */
static unsigned open_count;

static int fails(const char *operation, blx_error *error)
{
	if (failing != NULL && strcmp(failing, operation) == 0) {
		return blx__error_set(error, BLX_EIO, "%s: broken", operation);
	}
	return 0;
}

static struct memory_file *find(const char *path)
{
	size_t i;

	for (i = 0; i < sizeof stored / sizeof stored[0]; i++) {
		if (stored[i].exists && strcmp(stored[i].path, path) == 0) {
			return &stored[i];
		}
	}
	return NULL;
}

static struct memory_file *make(const char *path)
{
	struct memory_file *file = stored[0].exists ? &stored[1] : &stored[0];

	INVARIANT(!file->exists);
	*file = (struct memory_file){.exists = true};
	(void)snprintf(file->path, sizeof file->path, "%s", path);
	return file;
}

static int files_open(const struct blx__files *files, const char *path, unsigned flags,
	struct blx__file **ret_file, blx_error *error)
{
	struct memory_file *found = find(path);
	struct blx__file *file;

	if (fails("open", error) != 0) {
		return BLX_EIO;
	}
	if (found == NULL && !(flags & BLX__OPEN_CREATE)) {
		return blx__error_set(error, BLX_ENOENT, "open %s: none", path);
	}
	if (found != NULL && (flags & BLX__OPEN_EXCLUSIVE)) {
		return blx__error_set(error, BLX_EEXIST, "open %s: there", path);
	}
	if (found == NULL) {
		(void)make(path);
	}
	file = blx__calloc(1, sizeof *file);
	INVARIANT(file != NULL);
	file->files = files;
	file->path = blx__strdup(path);
	open_count++;
	*ret_file = file;
	return 0;
}

static void files_close(struct blx__file *file)
{
	struct memory_file *found = find(file->path);

	if (found != NULL) {
		found->locked = false;
	}
	open_count--;
	blx__free(file->path);
	blx__free(file);
}

static int files_write(struct blx__file *file, const void *data, size_t len,
	uint64_t offset, blx_error *error)
{
	struct memory_file *found = find(file->path);

	INVARIANT(offset + len <= sizeof found->text);
	if (fails("write", error) != 0) {
		return BLX_EIO;
	}
	memcpy(found->text + offset, data, len);
	found->len = offset + len;
	return 0;
}

static int files_read(struct blx__file *file, void *data, size_t len, uint64_t offset,
	size_t *ret_len, blx_error *error)
{
	struct memory_file *found = find(file->path);
	size_t left = found->len - offset;

	if (fails("read", error) != 0) {
		return BLX_EIO;
	}
	*ret_len = left < len ? left : len;
	memcpy(data, found->text + offset, *ret_len);
	return 0;
}

static int files_sync(struct blx__file *file, blx_error *error)
{
	(void)file;
	strcat(synced, "file ");
	return fails("sync", error);
}

static int files_sync_dir(
	const struct blx__files *files, const char *path, blx_error *error)
{
	(void)files;
	(void)path;
	strcat(synced, "dir ");
	return fails("sync_dir", error);
}

static int files_remove(
	const struct blx__files *files, const char *path, blx_error *error)
{
	(void)files;
	(void)error;
	find(path)->exists = false;
	return 0;
}

static int files_lock(struct blx__file *file, blx_error *error)
{
	struct memory_file *found = find(file->path);

	if (found->locked) {
		return blx__error_set(error, BLX_EINUSE, "locked");
	}
	found->locked = true;
	return 0;
}

static const struct blx__files_ops ops = {.open = files_open,
	.close = files_close,
	.write = files_write,
	.read = files_read,
	.sync = files_sync,
	.sync_dir = files_sync_dir,
	.remove = files_remove,
	.lock = files_lock};
static const struct blx__files files = {.ops = &ops};

static struct blx__identity identity(void)
{
	struct blx__identity id = {.id = 300,
		.instance = UINT64_C(0xfedcba9876543210),
		.cluster = "prod",
		.name = "node-1",
		.address = "10.0.0.1:7000"};
	unsigned i;

	for (i = 0; i < sizeof id.cluster_id; i++) {
		id.cluster_id[i] = (uint8_t)(i * 17);
	}
	return id;
}

/* ---- the file ------------------------------------------------------------- */

Test(identity, what_is_written_is_read)
{
	struct blx__identity out = identity();
	struct blx__identity in;

	cr_assert_eq(blx__identity_write(&files, "/d", &out, NULL), 0);
	cr_assert_str_eq(synced, "file dir ", "the file, then its name");
	cr_assert_eq(blx__identity_read(&files, "/d", &in, NULL), 0);
	cr_assert_arr_eq(in.cluster_id, out.cluster_id, sizeof in.cluster_id);
	cr_assert_eq(in.id, 300);
	cr_assert_eq(in.instance, out.instance);
	cr_assert_str_eq(in.cluster, "prod");
	cr_assert_str_eq(in.name, "node-1");
	cr_assert_str_eq(in.address, "10.0.0.1:7000");
	cr_assert_eq(open_count, 0);
}

Test(identity, a_directory_holds_one_member_only)
{
	struct blx__identity out = identity();
	blx_error error = BLX_ERROR_INIT;

	cr_assert_eq(blx__identity_write(&files, "/d", &out, NULL), 0);
	cr_assert_eq(blx__identity_write(&files, "/d", &out, &error), BLX_EINUSE);
	cr_assert_not_null(strstr(error.message, "/d/member.json"));
	cr_assert(find("/d/member.json")->exists, "the one that was there stays");
}

Test(identity, an_empty_directory_is_told_with_what_to_do)
{
	blx_error error = BLX_ERROR_INIT;
	struct blx__identity in;

	cr_assert_eq(blx__identity_read(&files, "/d", &in, &error), BLX_ENOENT);
	cr_assert_not_null(strstr(error.message, "cluster init"));
}

Test(identity, a_write_that_fails_leaves_nothing)
{
	static const char *const operations[] = {"open", "write", "sync", "sync_dir"};
	struct blx__identity out = identity();
	size_t i;

	for (i = 0; i < sizeof operations / sizeof operations[0]; i++) {
		blx_error error = BLX_ERROR_INIT;

		failing = operations[i];
		cr_assert_eq(blx__identity_write(&files, "/d", &out, &error), BLX_EIO);
		cr_assert_null(find("/d/member.json"), "after %s", failing);
		cr_assert_eq(open_count, 0);
	}
	failing = NULL;
	cr_assert_eq(blx__identity_write(&files, "/d", &out, NULL), 0);
}

static void assert_reads(const char *text, int code)
{
	struct memory_file *file = find("/d/member.json");
	struct blx__identity in;

	if (file == NULL) {
		file = make("/d/member.json");
	}
	file->len = strlen(text);
	memcpy(file->text, text, file->len);
	cr_assert_eq(blx__identity_read(&files, "/d", &in, NULL), code, "%s", text);
	cr_assert_eq(open_count, 0);
}

#define BEFORE_ID                                                                        \
	"\"cluster_id\": \"00112233445566778899aabbccddeeff\", \"cluster\": \"c\", "
#define AFTER_ID "\"name\": \"n\", \"address\": \"h:1\", \"instance\": \"1f\"}"

Test(identity, damaged_files_are_refused)
{
	assert_reads("{\"format\": 1, " BEFORE_ID "\"id\": 5, " AFTER_ID, 0);
	assert_reads("{\"format\": 2, " BEFORE_ID "\"id\": 5, " AFTER_ID, BLX_EVERSION);
	assert_reads("{\"format\": 1, " BEFORE_ID "\"id\": 0, " AFTER_ID, BLX_ECORRUPT);
	assert_reads(
		"{\"format\": 1, " BEFORE_ID "\"id\": \"5\", " AFTER_ID, BLX_ECORRUPT);
	assert_reads("{\"format\": 1, " BEFORE_ID AFTER_ID, BLX_ECORRUPT);
	assert_reads("{\"format\": 1, \"cluster_id\": \"0011\", \"cluster\": \"c\", "
		     "\"id\": 5, " AFTER_ID,
		BLX_ECORRUPT);
	assert_reads("{\"format\": 1, " BEFORE_ID "\"id\": 5, \"name\": \"../n\", "
		     "\"address\": \"h:1\", \"instance\": \"1f\"}",
		BLX_ECORRUPT);
	assert_reads("{\"format\": 1, " BEFORE_ID "\"id\": 5, \"name\": \"n\", "
		     "\"address\": \"h\", \"instance\": \"1f\"}",
		BLX_ECORRUPT);
	assert_reads("{\"format\": 1, " BEFORE_ID "\"id\": 5, \"name\": \"n\", "
		     "\"address\": \"h:1\", \"instance\": \"x\"}",
		BLX_ECORRUPT);
	assert_reads("", BLX_ECORRUPT);
	assert_reads("[]", BLX_ECORRUPT);
}

Test(identity, a_file_cut_anywhere_is_refused)
{
	struct blx__identity out = identity();
	struct blx__identity in;
	struct memory_file *file;
	size_t len;

	cr_assert_eq(blx__identity_write(&files, "/d", &out, NULL), 0);
	file = find("/d/member.json");
	len = file->len;
	for (file->len = 0; file->len < len - 1; file->len++) {
		cr_assert_eq(blx__identity_read(&files, "/d", &in, NULL), BLX_ECORRUPT,
			"cut at %zu of %zu", file->len, len);
	}
}

Test(identity, a_file_that_cannot_be_read_is_not_called_damaged)
{
	struct blx__identity out = identity();
	struct blx__identity in;

	cr_assert_eq(blx__identity_write(&files, "/d", &out, NULL), 0);
	failing = "read";
	cr_assert_eq(blx__identity_read(&files, "/d", &in, NULL), BLX_EIO);
	cr_assert_eq(open_count, 0);
}

Test(identity, a_directory_is_locked_until_the_file_is_closed)
{
	struct blx__file *first;
	struct blx__file *second;
	blx_error error = BLX_ERROR_INIT;

	cr_assert_eq(blx__identity_lock(&files, "/d", &first, NULL), 0);
	stored[0].locked = true;
	cr_assert_eq(blx__identity_lock(&files, "/d", &second, &error), BLX_EINUSE);
	cr_assert_not_null(strstr(error.message, "/d"));
	files_close(first);
	cr_assert_eq(blx__identity_lock(&files, "/d", &first, NULL), 0);
	files_close(first);
	cr_assert_eq(open_count, 0);
}

/* ---- names and addresses --------------------------------------------------- */

Test(identity, names_are_short_and_plain)
{
	char name[BLX__NAME_LEN_MAX + 2];

	memset(name, 'a', sizeof name);
	name[BLX__NAME_LEN_MAX + 1] = '\0';
	cr_assert_not(blx__name_valid(name));
	name[BLX__NAME_LEN_MAX] = '\0';
	cr_assert(blx__name_valid(name));
	cr_assert(blx__name_valid("node-1.rack_2"));
	cr_assert_not(blx__name_valid(""));
	cr_assert_not(blx__name_valid(NULL));
	cr_assert_not(blx__name_valid(".."));
	cr_assert_not(blx__name_valid("-x"));
	cr_assert_not(blx__name_valid("a/b"));
	cr_assert_not(blx__name_valid("a b"));
	cr_assert_not(blx__name_valid("a@b"));
	cr_assert_not(blx__name_valid("\xc3\xa9"));
}

Test(identity, addresses_have_a_host_and_a_port)
{
	char address[BLX__ADDRESS_LEN_MAX + 8];

	cr_assert(blx__address_valid("h:1"));
	cr_assert(blx__address_valid("[::1]:65535"));
	cr_assert_not(blx__address_valid("h:0"));
	cr_assert_not(blx__address_valid("h:65536"));
	cr_assert_not(blx__address_valid("h:99999999999999999999"));
	cr_assert_not(blx__address_valid("h:+1"));
	cr_assert_not(blx__address_valid("h:1x"));
	cr_assert_not(blx__address_valid("h:"));
	cr_assert_not(blx__address_valid(":1"));
	cr_assert_not(blx__address_valid("h"));
	cr_assert_not(blx__address_valid(""));
	cr_assert_not(blx__address_valid(NULL));
	cr_assert_not(blx__address_valid("a@h:1"));
	cr_assert_not(blx__address_valid("a h:1"));
	memset(address, 'a', sizeof address);
	(void)snprintf(address + BLX__ADDRESS_LEN_MAX - 2, 4, ":1");
	cr_assert(blx__address_valid(address));
	(void)snprintf(address + BLX__ADDRESS_LEN_MAX - 2, 8, ":12");
	cr_assert_not(blx__address_valid(address));
}

Test(identity, loopback_is_told_from_what_looks_like_it)
{
	cr_assert(blx__address_is_loopback("127.0.0.1:1"));
	cr_assert(blx__address_is_loopback("[::1]:1"));
	cr_assert(blx__address_is_loopback("localhost:1"));
	cr_assert_not(blx__address_is_loopback("128.0.0.1:1"));
	cr_assert_not(blx__address_is_loopback("localhost.example.org:1"));
	cr_assert_not(blx__address_is_loopback("127.0.0.1.example.org:1"));
	cr_assert_not(blx__address_is_loopback("127.example.org:1"));
}

Test(identity, a_server_address_is_name_and_address)
{
	char server[BLX__SERVER_ADDRESS_SIZE];
	char name[BLX__NAME_LEN_MAX + 1];
	char address[BLX__ADDRESS_LEN_MAX + 1];

	cr_assert_eq(blx__server_address_join("n1", "h:1", server, sizeof server), 0);
	cr_assert_str_eq(server, "n1@h:1");
	cr_assert_eq(blx__server_address_split(server, name, address), 0);
	cr_assert_str_eq(name, "n1");
	cr_assert_str_eq(address, "h:1");
	cr_assert_eq(blx__server_address_join("n1", "h:1", server, 6), BLX_ETOOBIG);
	cr_assert_eq(blx__server_address_split("h:1", name, address), BLX_EINVAL);
	cr_assert_eq(blx__server_address_split("@h:1", name, address), BLX_EINVAL);
	cr_assert_eq(blx__server_address_split("n1@h", name, address), BLX_EINVAL);
	cr_assert_eq(blx__server_address_split("n 1@h:1", name, address), BLX_EINVAL);
	cr_assert_eq(blx__server_address_split("a@b@h:1", name, address), BLX_EINVAL);
}

Test(identity, a_cluster_id_is_32_digits)
{
	uint8_t id[BLX__CLUSTER_ID_LEN];
	char text[BLX__CLUSTER_ID_TEXT];

	cr_assert(blx__cluster_id_parse("00112233445566778899aabbccddeeff", id));
	cr_assert_eq(id[15], 0xff);
	blx__cluster_id_text(id, text);
	cr_assert_str_eq(text, "00112233445566778899aabbccddeeff");
	cr_assert_not(blx__cluster_id_parse("00112233445566778899aabbccddeef", id));
	cr_assert_not(blx__cluster_id_parse("00112233445566778899aabbccddeeffa", id));
	cr_assert_not(blx__cluster_id_parse("00112233445566778899aabbccddeefg", id));
	cr_assert_not(blx__cluster_id_parse("", id));
}
