/* SPDX-License-Identifier: Apache-2.0 */
#include "support/test.h"

#include "base/codec.h"
#include "rpc/hello.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct blx__buf buf;

static void begin(void)
{
	blx__buf_init(&buf);
}

static void end(void)
{
	blx__buf_finish(&buf);
}

static struct blx__hello a_member(void)
{
	return (struct blx__hello){.major = BLX__HELLO_MAJOR,
		.minor = BLX__HELLO_MINOR,
		.role = BLX__ROLE_MEMBER,
		.cluster_id = "0123456789abcde",
		.id = 3,
		.instance = UINT64_MAX,
		.incarnation = 0x1122334455667788,
		.time_ms = 1767225600000,
		.name = "node-3.example"};
}

/* From memory of exactly the length, so that reading on is noticed. */
static int get_of(size_t len, struct blx__hello *ret_hello)
{
	uint8_t *bytes = malloc(len > 0 ? len : 1);
	int rv;

	memcpy(bytes, buf.data, len);
	rv = blx__hello_get(bytes, len, ret_hello);
	free(bytes);
	return rv;
}

static void assert_same(const struct blx__hello *a, const struct blx__hello *b)
{
	cr_assert_eq(a->major, b->major);
	cr_assert_eq(a->minor, b->minor);
	cr_assert_eq(a->role, b->role);
	cr_assert_arr_eq(a->cluster_id, b->cluster_id, sizeof a->cluster_id);
	cr_assert_eq(a->id, b->id);
	cr_assert_eq(a->instance, b->instance);
	cr_assert_eq(a->incarnation, b->incarnation);
	cr_assert_eq(a->time_ms, b->time_ms);
	cr_assert_str_eq(a->name, b->name);
}

Test(hello, comes_back_as_it_was_put, .init = begin, .fini = end)
{
	struct blx__hello hello = a_member();
	struct blx__hello got;

	blx__hello_put(&buf, &hello);

	cr_assert_eq(get_of(buf.len, &got), 0);
	assert_same(&hello, &got);
}

Test(hello, cut_off_at_any_byte_is_a_protocol_error, .init = begin, .fini = end)
{
	struct blx__hello hello = a_member();
	struct blx__hello got;
	size_t len;

	blx__hello_put(&buf, &hello);
	for (len = 0; len < buf.len; len++) {
		cr_assert_eq(get_of(len, &got), BLX_EPROTO, "%zu bytes", len);
	}
}

Test(hello, what_a_later_minor_version_adds_is_not_read, .init = begin, .fini = end)
{
	struct blx__hello hello = a_member();
	struct blx__hello got;

	hello.minor = BLX__HELLO_MINOR + 1;
	blx__hello_put(&buf, &hello);
	blx__put_text(&buf, "more");

	cr_assert_eq(get_of(buf.len, &got), 0);
	assert_same(&hello, &got);
}

Test(hello, another_major_version_is_told_apart_whatever_follows_it, .init = begin,
	.fini = end)
{
	struct blx__hello hello = a_member();
	struct blx__hello got;

	hello.major = BLX__HELLO_MAJOR + 1;
	blx__hello_put(&buf, &hello);

	cr_assert_eq(get_of(8, &got), BLX_EVERSION);
	cr_assert_eq(get_of(buf.len, &got), BLX_EVERSION);
}

Test(hello, what_cannot_be_true_is_refused, .init = begin, .fini = end)
{
	const struct {
		const char *what;
		uint8_t role;
		uint64_t id;
		int64_t time_ms;
		const char *name;
		int rv;
	} cases[] = {
		{"a client without a name", BLX__ROLE_CLIENT, 0, 0, "", 0},
		{"a joiner", BLX__ROLE_JOINER, 0, 0, "d", 0},
		{"no role", 0, 1, 0, "a", BLX_EPROTO},
		{"a role that is not known", 4, 1, 0, "a", BLX_EPROTO},
		{"a member without an id", BLX__ROLE_MEMBER, 0, 0, "a", BLX_EPROTO},
		{"time before the epoch", BLX__ROLE_MEMBER, 1, -1, "a", BLX_EPROTO},
		{"a line in the name", BLX__ROLE_MEMBER, 1, 0, "a\nb", BLX_EPROTO},
		{"an escape in the name", BLX__ROLE_CLIENT, 0, 0, "\x1b[2J", BLX_EPROTO},
		{"a blank in the name", BLX__ROLE_CLIENT, 0, 0, "a b", BLX_EPROTO},
		{"bytes that are not ASCII", BLX__ROLE_CLIENT, 0, 0, "\xc3\xa4",
			BLX_EPROTO},
	};
	size_t i;

	for (i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct blx__hello hello = a_member();
		struct blx__hello got;

		hello.role = cases[i].role;
		hello.id = cases[i].id;
		hello.time_ms = cases[i].time_ms;
		(void)snprintf(hello.name, sizeof hello.name, "%s", cases[i].name);
		blx__buf_reset(&buf);
		blx__hello_put(&buf, &hello);
		cr_assert_eq(get_of(buf.len, &got), cases[i].rv, "%s", cases[i].what);
	}
}

Test(hello, something_else_on_the_wire_is_a_protocol_error, .init = begin, .fini = end)
{
	struct blx__hello got;

	blx__buf_append(&buf, "GET / HTTP/1.1\r\nHost: a\r\n\r\n", 27);

	cr_assert_eq(get_of(buf.len, &got), BLX_EPROTO);
}

Test(hello, welcome_comes_back_as_it_was_put_and_cut_off_it_does_not, .init = begin,
	.fini = end)
{
	struct blx__welcome welcome = {.hello = a_member()};
	struct blx__welcome got;
	size_t len;

	blx__welcome_put(&buf, &welcome);

	cr_assert_eq(blx__welcome_get(buf.data, buf.len, &got), 0);
	cr_assert_eq(got.code, 0);
	assert_same(&welcome.hello, &got.hello);
	for (len = 0; len < buf.len; len++) {
		cr_assert_eq(
			blx__welcome_get(buf.data, len, &got), BLX_EPROTO, "%zu", len);
	}
}

Test(hello, refusal_is_understood_though_the_hello_in_it_is_of_another_version,
	.init = begin, .fini = end)
{
	struct blx__welcome welcome = {
		.code = BLX_ECLUSTER, .text = "of another\ncluster", .hello = a_member()};
	struct blx__welcome got;

	welcome.hello.major = BLX__HELLO_MAJOR + 1;
	blx__welcome_put(&buf, &welcome);

	cr_assert_eq(blx__welcome_get(buf.data, buf.len, &got), 0);
	cr_assert_eq(got.code, BLX_ECLUSTER);
	cr_assert_str_eq(got.text, "of another cluster", "one line, whatever came");
}

Test(hello, welcome_of_another_major_version_is_told_apart, .init = begin, .fini = end)
{
	struct blx__welcome welcome = {.hello = a_member()};
	struct blx__welcome got;

	welcome.hello.major = BLX__HELLO_MAJOR + 1;
	blx__welcome_put(&buf, &welcome);

	cr_assert_eq(blx__welcome_get(buf.data, buf.len, &got), BLX_EVERSION);
}
