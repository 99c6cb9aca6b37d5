/* SPDX-License-Identifier: Apache-2.0 */
#include "rpc/hello.h"

#include "base/assert.h"
#include "base/codec.h"

#include <string.h>

/* "BLXP": something else that connects by mistake is told so. */
#define MAGIC UINT32_C(0x50584c42)

void blx__hello_put(struct blx__buf *buf, const struct blx__hello *hello)
{
	blx__put_u32(buf, MAGIC);
	blx__put_u16(buf, hello->major);
	blx__put_u16(buf, hello->minor);
	blx__put_u8(buf, hello->role);
	blx__buf_append(buf, hello->cluster_id, sizeof hello->cluster_id);
	blx__put_u64(buf, hello->id);
	blx__put_u64(buf, hello->instance);
	blx__put_u64(buf, hello->incarnation);
	blx__put_u64(buf, (uint64_t)hello->time_ms);
	blx__put_text(buf, hello->name);
}

/* A name goes to logs and messages: one word of printable ASCII, or none. */
static bool is_plain(const uint8_t *name, size_t len)
{
	size_t i;

	for (i = 0; i < len; i++) {
		if (name[i] <= ' ' || name[i] > '~') {
			return false;
		}
	}
	return true;
}

static int hello_read(struct blx__reader *reader, struct blx__hello *ret_hello)
{
	struct blx__hello hello = {0};
	const uint8_t *cluster_id;
	const uint8_t *name;
	size_t name_len;

	if (blx__get_u32(reader) != MAGIC) {
		return BLX_EPROTO;
	}
	hello.major = blx__get_u16(reader);
	hello.minor = blx__get_u16(reader);
	if (blx__reader_ok(reader) && hello.major != BLX__HELLO_MAJOR) {
		return BLX_EVERSION;
	}
	hello.role = blx__get_u8(reader);
	cluster_id = blx__get_raw(reader, sizeof hello.cluster_id);
	hello.id = blx__get_u64(reader);
	hello.instance = blx__get_u64(reader);
	hello.incarnation = blx__get_u64(reader);
	hello.time_ms = (int64_t)blx__get_u64(reader);
	name = blx__get_bytes(reader, BLX__HELLO_NAME_SIZE - 1, &name_len);
	if (!blx__reader_ok(reader) || hello.time_ms < 0 ||
		hello.role < BLX__ROLE_MEMBER || hello.role > BLX__ROLE_JOINER ||
		!is_plain(name, name_len) ||
		(hello.role == BLX__ROLE_MEMBER && hello.id == 0)) {
		return BLX_EPROTO;
	}
	memcpy(hello.cluster_id, cluster_id, sizeof hello.cluster_id);
	memcpy(hello.name, name, name_len);
	*ret_hello = hello;
	return 0;
}

int blx__hello_get(const void *data, size_t len, struct blx__hello *ret_hello)
{
	struct blx__reader reader = blx__reader_of(data, len);

	/* What a later minor version has after it is not read. */
	return hello_read(&reader, ret_hello);
}

void blx__welcome_put(struct blx__buf *buf, const struct blx__welcome *welcome)
{
	PRE(welcome->code <= 0);

	blx__put_u32(buf, (uint32_t)-welcome->code);
	blx__put_text(buf, welcome->text);
	blx__hello_put(buf, &welcome->hello);
}

/* One line, whatever the other sent. */
static void text_copy(char *to, const uint8_t *text, size_t len)
{
	size_t i;

	for (i = 0; i < len; i++) {
		to[i] = text[i] >= ' ' && text[i] != 0x7f ? (char)text[i] : ' ';
	}
	to[len] = '\0';
}

int blx__welcome_get(const void *data, size_t len, struct blx__welcome *ret_welcome)
{
	struct blx__reader reader = blx__reader_of(data, len);
	struct blx__welcome welcome = {0};
	uint32_t code = blx__get_u32(&reader);
	size_t text_len;
	const uint8_t *text = blx__get_bytes(&reader, sizeof welcome.text - 1, &text_len);
	int rv;

	if (!blx__reader_ok(&reader) || code > 1000) {
		return BLX_EPROTO;
	}
	welcome.code = -(int)code;
	text_copy(welcome.text, text, text_len);
	rv = hello_read(&reader, &welcome.hello);
	if (rv != 0 && welcome.code == 0) {
		return rv; /* a refusal is understood whatever follows it */
	}
	*ret_welcome = welcome;
	return 0;
}
