/* SPDX-License-Identifier: Apache-2.0 */
#include "base/mem.h"
#include "base/rng.h"
#include "record/check.h"
#include "record/fields.h"
#include "store/path.h"
#include "store/txn.h"
#include "support/test.h"

#include <blixard/record.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static blx_error error;

static int decode(int kind, const char *text, void *to)
{
	blx_error_init(&error);
	return blx__record_decode(blx__record_of(kind), text, strlen(text), to, &error);
}

/* Freed with free(). */
static char *encode(int kind, const void *from)
{
	json_t *root;
	char *text;

	blx_error_init(&error);
	root = blx__record_write(blx__record_of(kind), from, &error);
	text = root != NULL ? json_dumps(root, JSON_COMPACT) : NULL;
	json_decref(root);
	return text;
}

static void clear(int kind, void *record)
{
	blx__free(*(char **)((char *)record + blx__record_of(kind)->extra_at));
	memset(record, 0, blx__record_of(kind)->size);
}

Test(records, a_service_there_and_back)
{
	static const char text[] =
		"{\"state\":\"Running\",\"node\":\"n1\",\"timestamp\":\"2026-11-25T15:04:05.678Z\","
		"\"wanted\":\"Stopped\",\"unit\":\"web.service\",\"shared\":true,\"cpu\":500,"
		"\"memory\":64,\"priority\":-3,\"group\":\"g\",\"epoch\":7,\"constraints\":["
		"{\"kind\":\"label-in\",\"key\":\"disk\",\"values\":[\"ssd\",\"nvme\"]},"
		"{\"kind\":\"max-per-node\",\"key\":\"g\",\"limit\":2}]}";
	blx_service service;
	char *again;

	cr_assert_eq(decode(BLX_RECORD_SERVICE, text, &service), 0, "%s", error.message);
	cr_assert_eq(service.state, BLX_SERVICE_RUNNING);
	cr_assert_str_eq(service.node, "n1");
	cr_assert_eq(service.timestamp, INT64_C(1795619045678000000));
	cr_assert_eq(service.wanted, BLX_SERVICE_STOPPED);
	cr_assert_eq(service.priority, -3);
	cr_assert_eq(service.constraints_count, 2);
	cr_assert_eq(service.constraints[0].kind, BLX_LABEL_IN);
	cr_assert_str_eq(service.constraints[0].values[1], "nvme");
	cr_assert_eq(service.constraints[1].limit, 2);
	cr_assert_null(service.extra);
	again = encode(BLX_RECORD_SERVICE, &service);
	cr_assert_str_eq(again, text);
	free(again);
}

Test(records, a_node_there_and_back)
{
	static const char text[] =
		"{\"status\":\"Draining\",\"capabilities\":[\"kvm\",\"nix\"],"
			"\"last_heartbeat\":1795619045,"
		"\"health\":\"Degraded\",\"draining\":true,\"cpu\":8000,\"memory\":16384,"
			"\"zone\":\"z1\","
		"\"labels\":{\"disk\":\"ssd\",\"rack\":\"7\"},\"taints\":[\"gpu-only\"]}";
	blx_node_info node;
	char *again;

	cr_assert_eq(decode(BLX_RECORD_NODE, text, &node), 0, "%s", error.message);
	cr_assert_eq(node.labels_count, 2);
	cr_assert_eq(node.status, BLX_NODE_DRAINING);
	again = encode(BLX_RECORD_NODE, &node);
	cr_assert_str_eq(again, text);
	free(again);
}

/* Of a version N that knows less than N + 1 it loses nothing. */
Test(records, what_is_not_known_is_kept)
{
	static const char text[] = "{\"state\":\"Stopped\",\"node\":\"\",\"new\":{\"a\":[1,null]},"
				   "\"later\":1.5}";
	blx_service service;
	char *again;

	cr_assert_eq(decode(BLX_RECORD_SERVICE, text, &service), 0);
	cr_assert_str_eq(service.extra, "{\"later\":1.5,\"new\":{\"a\":[1,null]}}");
	service.state = BLX_SERVICE_RUNNING;
	(void)strcpy(service.node, "n2");
	again = encode(BLX_RECORD_SERVICE, &service);
	cr_assert_str_eq(again,
		"{\"state\":\"Running\",\"node\":\"n2\",\"later\":1.5,\"new\":{\"a\":[1,null]}}");
	free(again);
	clear(BLX_RECORD_SERVICE, &service);
}

Test(records, what_is_left_out_has_its_default)
{
	blx_migration migration;
	blx_service service;
	char *again;

	cr_assert_eq(decode(BLX_RECORD_SERVICE, "{}", &service), 0);
	again = encode(BLX_RECORD_SERVICE, &service);
	cr_assert_str_eq(again, "{\"state\":\"Unknown\",\"node\":\"\"}");
	free(again);
	cr_assert_eq(decode(BLX_RECORD_MIGRATION, "{\"state\":\"RollingBack\"}", &migration), 0);
	cr_assert_eq(migration.state, BLX_MIGRATION_ROLLING_BACK);
}

Test(records, what_is_known_must_be_right)
{
	static const struct {
		int kind;
		const char *text;
		const char *told;
	} wrong[] = {
		{BLX_RECORD_SERVICE, "[]", "must be a JSON object"},
		{BLX_RECORD_SERVICE, "", "must be a JSON object"},
		{BLX_RECORD_SERVICE, "{\"state\":\"running\"}",
			"\"state\" must be one of Unknown Running"},
		{BLX_RECORD_SERVICE, "{\"state\":1}", "\"state\" must be"},
		{BLX_RECORD_SERVICE, "{\"state\":\"Running\","
			"\"state\":\"Stopped\"}", "JSON object"},
		{BLX_RECORD_SERVICE, "{\"node\":null}", "\"node\" must be a text"},
		{BLX_RECORD_SERVICE,
			"{\"node\":\"01234567890123456789012345678901"
			"23456789012345678901234567890123\"}",
			"\"node\" must be a text"},
		{BLX_RECORD_SERVICE, "{\"timestamp\":5}", "\"timestamp\" must be a time"},
		{BLX_RECORD_SERVICE, "{\"timestamp\":\"2026-11-25\"}",
			"\"timestamp\" must be a time"},
		{BLX_RECORD_SERVICE, "{\"timestamp\":\"2026-11-25T15:04:05+01:00\"}", "time"},
		{BLX_RECORD_SERVICE, "{\"shared\":1}", "\"shared\" must be true or false"},
		{BLX_RECORD_SERVICE, "{\"cpu\":-1}", "\"cpu\" must be an integer from 0"},
		{BLX_RECORD_SERVICE, "{\"cpu\":1.5}", "\"cpu\" must be an integer"},
		{BLX_RECORD_SERVICE, "{\"memory\":2000000000000}", "\"memory\""},
		{BLX_RECORD_SERVICE, "{\"constraints\":[{\"kind\":\"later\"}]}",
			"a constraint: \"kind\""},
		{BLX_RECORD_SERVICE, "{\"constraints\":[{\"kind\":\"node\",\"nodes\":[]}]}",
			"\"nodes\" is not known"},
		{BLX_RECORD_SERVICE, "{\"constraints\":{}}", "a list of objects"},
		{BLX_RECORD_NODE, "{\"capabilities\":\"kvm\"}", "a list of texts"},
		{BLX_RECORD_NODE, "{\"labels\":[]}", "an object of texts"},
		{BLX_RECORD_NODE, "{\"labels\":{\"a\":5}}", "an object of texts"},
		{BLX_RECORD_VM, "{\"networks\":[{\"vlan\":4095}]}", "from 0 to 4094"},
	};
	blx_service service;
	size_t i;

	for (i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
		void *record = malloc(blx__record_of(wrong[i].kind)->size);

		cr_assert_eq(decode(wrong[i].kind, wrong[i].text, record), BLX_EINVAL, "%s",
			wrong[i].text);
		cr_assert_not_null(strstr(error.message, wrong[i].told), "%s: %s", wrong[i].text,
			error.message);
		free(record);
	}
	cr_assert_eq(decode(BLX_RECORD_SERVICE, "{}", &service), 0);
	service.state = 99;
	cr_assert_null(encode(BLX_RECORD_SERVICE, &service));
	service.state = 0;
	service.constraints_count = 1000;
	cr_assert_null(encode(BLX_RECORD_SERVICE, &service));
	service.constraints_count = 0;
	(void)strcpy(service.node, "\xff");
	cr_assert_null(encode(BLX_RECORD_SERVICE, &service));
	memset(service.node, 'x', sizeof service.node);
	cr_assert_null(encode(BLX_RECORD_SERVICE, &service));
}

Test(records, times_are_utc_with_milliseconds)
{
	char text[BLX__TIME_SIZE];
	int64_t ns;

	blx__time_format(0, text);
	cr_assert_str_eq(text, "");
	cr_assert(blx__time_parse("", &ns));
	cr_assert_eq(ns, 0);
	blx__time_format(INT64_C(1000000000) * 951782400 + 5000000, text);
	cr_assert_str_eq(text, "2000-02-29T00:00:00.005Z");
	cr_assert(blx__time_parse("2000-02-29T00:00:00Z", &ns));
	cr_assert_eq(ns, INT64_C(1000000000) * 951782400);
	cr_assert(blx__time_parse("2000-02-29T00:00:00.000000001Z", &ns));
	cr_assert_eq(ns % 1000000000, 1);
	cr_assert_not(blx__time_parse("2000-02-29T00:00:00.Z", &ns));
	cr_assert_not(blx__time_parse("1969-02-27T00:00:00Z", &ns));
	cr_assert_not(blx__time_parse("2001-02-29T00:00:00Z", &ns));
	cr_assert_not(blx__time_parse("2001-13-01T00:00:00Z", &ns));
	cr_assert_not(blx__time_parse("2001-04-31T00:00:00Z", &ns));
	cr_assert_not(blx__time_parse("2001-04-30T24:00:00Z", &ns));
	for (ns = 0; ns < INT64_C(7000000000); ns += 86399 * 7 + 13) {
		time_t seconds = (time_t)ns;
		struct tm tm;
		char plain[BLX__TIME_SIZE];
		int64_t back;

		(void)strftime(plain, sizeof plain, "%Y-%m-%dT%H:%M:%S.000Z",
			gmtime_r(&seconds, &tm));
		blx__time_format(ns * 1000000000, text);
		cr_assert_str_eq(text, ns == 0 ? "" : plain);
		cr_assert(blx__time_parse(plain, &back));
		cr_assert_eq(back, ns * 1000000000);
	}
}

/* ---- any record at all ------------------------------------------------------------------ */

static void random_text(struct blx__rng *rng, char *to, size_t size)
{
	size_t len = blx__rng_below(rng, size < 12 ? size : 12);
	size_t i;

	for (i = 0; i < len; i++) {
		to[i] = (char)(' ' + blx__rng_below(rng, 95));
	}
	to[len] = '\0';
}

static void random_record(struct blx__rng *rng, const struct blx__record *record, char *to)
{
	size_t i;
	size_t k;

	memset(to, 0, record->size);
	for (i = 0; i < record->count; i++) {
		const struct blx__field *field = &record->fields[i];
		size_t count = blx__rng_below(rng, 4);
		int names = 0;

		switch (field->type) {
		case BLX__FIELD_TEXT:
			random_text(rng, to + field->at, field->size);
			break;
		case BLX__FIELD_ENUM:
			while (field->names[names] != NULL) {
				names++;
			}
			*(int *)(to + field->at) = (int)blx__rng_below(rng, (uint64_t)names);
			break;
		case BLX__FIELD_BOOL:
			*(int *)(to + field->at) = (int)blx__rng_below(rng, 2);
			break;
		case BLX__FIELD_INTEGER:
			*(int64_t *)(to + field->at) = field->max - (int64_t)blx__rng_below(rng,
				100);
			break;
		case BLX__FIELD_TIME:
			*(int64_t *)(to + field->at) =
				(int64_t)blx__rng_below(rng, 4000000000) * 1000000000 +
				(int64_t)blx__rng_below(rng, 1000) * 1000000;
			break;
		default:
			*(size_t *)(to + field->count_at) = count;
			for (k = 0; k < count; k++) {
				char *one = to + field->at + k * field->size;

				if (field->type == BLX__FIELD_OBJECTS) {
					random_record(rng, field->of, one);
				} else if (field->type == BLX__FIELD_TEXTS) {
					random_text(rng, one, field->size);
				} else {
					(void)sprintf(one, "key%zu", k);
					random_text(rng, one + BLX_NAME_MAX, BLX_NAME_MAX);
				}
			}
			break;
		}
	}
}

Test(records, whatever_is_in_it_comes_back)
{
	const char *seed = getenv("BLX_SEED");
	struct blx__rng rng;
	unsigned i;

	blx__rng_init(&rng, seed != NULL ? strtoull(seed, NULL, 0) : 20261125);
	for (i = 0; i < 6000; i++) {
		int kind = (int)(i % BLX_RECORD_KINDS);
		const struct blx__record *record = blx__record_of(kind);
		char *one = calloc(1, record->size);
		char *other = calloc(1, record->size);
		char *text;

		random_record(&rng, record, one);
		text = encode(kind, one);
		cr_assert_not_null(text, "%s", error.message);
		cr_assert_eq(decode(kind, text, other), 0, "%s: %s", text, error.message);
		cr_assert_eq(memcmp(one, other, record->size), 0, "%s", text);
		free(text);
		free(one);
		free(other);
	}
}

/* ---- in a transaction ---------------------------------------------------------------------- */

static int check_put(const char *path, const char *value)
{
	uint8_t key[BLX__KEY_LEN_MAX];
	struct blx__txn_line line = {.kind = BLX__TXN_PUT,
		.key = key,
		.value = (const uint8_t *)value,
		.value_len = strlen(value)};
	struct blx__txn txn;
	struct blx__buf body;
	int rv;

	blx_error_init(&error);
	cr_assert_eq(
		blx__path_parse(path, strlen(path), key, &line.key_len, NULL, NULL), 0);
	blx__txn_init(&txn);
	blx__buf_init(&body);
	cr_assert_eq(blx__txn_add(&txn, &line), 0);
	blx__txn_encode(&txn, &body);
	rv = blx__txn_check_puts(body.data, body.len, blx__record_put_check, &error);
	blx__buf_finish(&body);
	blx__txn_finish(&txn);
	return rv;
}

Test(records, what_is_put_at_its_path_must_be_one)
{
	cr_assert_eq(check_put("/:services/web", "{\"state\":\"Running\",\"mem\":5}"), 0);
	cr_assert_eq(check_put("/:services/web", "running"), BLX_EINVAL);
	cr_assert_not_null(strstr(error.message, "/:services/web: a service"));
	cr_assert_eq(check_put("/:services/web/notes", "running"), 0);
	cr_assert_eq(check_put("/services/web", "running"), 0);
	cr_assert_eq(check_put("/:placement/web", "n1"), 0, "a name is enough");
	cr_assert_eq(check_put("/:placement/web", "{\"node\":\"n1\",\"epoch\":3}"), 0);
	cr_assert_eq(check_put("/:placement/web", "{\"node\":5}"), BLX_EINVAL);
	cr_assert_eq(check_put("/:nodes/a", "{\"cpu\":\"8\"}"), BLX_EINVAL);
	cr_assert_eq(check_put("/:reservations/v", "{\"node\":\"a\",\"cpu\":5,"
		"\"state\":\"Bound\"}"), 0);
}
