/* SPDX-License-Identifier: Apache-2.0 */
#include "record/settings.h"
#include "store/txn.h"
#include "support/test.h"

#include <string.h>

#define S  UINT64_C(1000000000)
#define MS UINT64_C(1000000)

static uint64_t value;

static bool parse(enum blx__setting setting, const char *text)
{
	value = 0;
	return blx__setting_parse(setting, text, strlen(text), &value);
}

Test(settings, durations_are_read_and_nothing_else)
{
	cr_assert(parse(BLX__SETTING_FAILED_AFTER, "5s") && value == 5 * S);
	cr_assert(parse(BLX__SETTING_FAILED_AFTER, "500ms\n") && value == 500 * MS);
	cr_assert(parse(BLX__SETTING_FAILED_AFTER, "2m") && value == 120 * S);
	cr_assert(parse(BLX__SETTING_FAILED_AFTER, "750") && value == 750 * MS);
	cr_assert(parse(BLX__SETTING_FAILED_AFTER, "1440m") && value == 86400 * S);
	cr_assert_not(parse(BLX__SETTING_FAILED_AFTER, "1441m"));
	cr_assert_not(parse(BLX__SETTING_FAILED_AFTER, ""));
	cr_assert_not(parse(BLX__SETTING_FAILED_AFTER, "s"));
	cr_assert_not(parse(BLX__SETTING_FAILED_AFTER, "-5s"));
	cr_assert_not(parse(BLX__SETTING_FAILED_AFTER, "5h"));
	cr_assert_not(parse(BLX__SETTING_FAILED_AFTER, "5ss"));
	cr_assert_not(parse(BLX__SETTING_FAILED_AFTER, "99999999999999999999s"));
}

static int check(int kind, const char *key, size_t key_len, const char *text)
{
	struct blx__txn_line line = {.kind = (enum blx__txn_kind)kind,
		.key = (const uint8_t *)key,
		.key_len = key_len,
		.value = (const uint8_t *)text,
		.value_len = strlen(text)};
	blx_error error = BLX_ERROR_INIT;
	struct blx__txn txn;
	struct blx__buf body;
	int rv;

	blx__txn_init(&txn);
	blx__buf_init(&body);
	cr_assert_eq(blx__txn_add(&txn, &line), 0);
	blx__txn_encode(&txn, &body);
	rv = blx__txn_check_puts(body.data, body.len, blx__setting_put_check, &error);
	if (rv != 0) {
		cr_assert_not_null(strstr(error.message, "/:config/"), "%s", error.message);
	}
	blx__buf_finish(&body);
	blx__txn_finish(&txn);
	return rv;
}

#define CHECK(key, text) check(BLX__TXN_PUT, key, sizeof(key) - 1, text)

Test(settings, what_one_cannot_be_is_refused_before_it_is_logged)
{
	cr_assert_eq(CHECK(":config\0quota.bytes", "0"), 0);
	cr_assert_eq(CHECK(":config\0quota.bytes", "1048576\n"), 0);
	cr_assert_eq(CHECK(":config\0quota.bytes", "9999999999999999999"), 0);
	cr_assert_eq(CHECK(":config\0quota.bytes", ""), BLX_EINVAL);
	cr_assert_eq(CHECK(":config\0quota.bytes", "\n"), BLX_EINVAL);
	cr_assert_eq(CHECK(":config\0quota.bytes", "-1"), BLX_EINVAL);
	cr_assert_eq(CHECK(":config\0quota.keys", "1M"), BLX_EINVAL);
	cr_assert_eq(CHECK(":config\0quota.keys", "99999999999999999999"), BLX_EINVAL);
	cr_assert_eq(CHECK(":config\0health.failed_after", "20s"), 0);
	cr_assert_eq(CHECK(":config\0health.failed_after", "soon"), BLX_EINVAL);
	cr_assert_eq(CHECK(":config\0health.degraded_after", "2d"), BLX_EINVAL);
}

Test(settings, others_may_be_anything)
{
	cr_assert_eq(CHECK(":config\0quota.bytes.mine", "x"), 0);
	cr_assert_eq(CHECK(":config\0quota", "x"), 0);
	cr_assert_eq(CHECK(":config\0quota.bytes\0x", "x"), 0);
	cr_assert_eq(CHECK(":confi\0quota.bytes", "x"), 0);
	cr_assert_eq(CHECK("quota.bytes", "x"), 0);
}
