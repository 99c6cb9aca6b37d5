/* SPDX-License-Identifier: Apache-2.0 */
#include "support/test.h"

#include "base/buf.h"
#include "base/codec.h"
#include "base/crc32c.h"
#include "base/error.h"
#include "base/heap.h"
#include "base/list.h"
#include "base/mem.h"
#include "base/rng.h"
#include "base/sm.h"

#include <errno.h>

Test(codec, what_was_put_is_read_back)
{
	struct blx__buf buf;
	struct blx__reader reader;
	size_t len;
	char *text;

	blx__buf_init(&buf);
	blx__put_u8(&buf, 7);
	blx__put_u16(&buf, 65535);
	blx__put_u32(&buf, 0xdeadbeef);
	blx__put_u64(&buf, UINT64_MAX - 1);
	blx__put_varint(&buf, 300);
	blx__put_varint(&buf, UINT64_MAX);
	blx__put_bytes(&buf, "a\0b", 3);
	blx__put_text(&buf, "héllo");

	reader = blx__reader_of(buf.data, buf.len);
	cr_assert_eq(blx__get_u8(&reader), 7);
	cr_assert_eq(blx__get_u16(&reader), 65535);
	cr_assert_eq(blx__get_u32(&reader), 0xdeadbeef);
	cr_assert_eq(blx__get_u64(&reader), UINT64_MAX - 1);
	cr_assert_eq(blx__get_varint(&reader), 300);
	cr_assert_eq(blx__get_varint(&reader), UINT64_MAX);
	cr_assert_arr_eq(blx__get_bytes(&reader, 16, &len), "a\0b", 3);
	cr_assert_eq(len, 3);
	text = blx__get_text(&reader, 16);
	cr_assert_str_eq(text, "héllo");
	cr_assert(blx__reader_done(&reader));
	blx__free(text);
	blx__buf_finish(&buf);
}

Test(codec, a_short_input_fails_at_every_byte_and_never_reads_past_it)
{
	struct blx__buf buf;
	size_t cut;

	blx__buf_init(&buf);
	blx__put_u64(&buf, 1);
	blx__put_bytes(&buf, "abcdefgh", 8);
	blx__put_u32(&buf, 9);
	for (cut = 0; cut < buf.len; cut++) {
		uint8_t *copy = blx__memdup(buf.data, cut);
		struct blx__reader reader = blx__reader_of(copy, cut);
		size_t len;

		(void)blx__get_u64(&reader);
		(void)blx__get_bytes(&reader, 100, &len);
		(void)blx__get_u32(&reader);
		cr_assert_not(blx__reader_ok(&reader), "cut at %zu", cut);
		blx__free(copy);
	}
	blx__buf_finish(&buf);
}

Test(codec, bytes_over_the_limit_and_endless_varints_are_refused)
{
	static const uint8_t endless[11] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
		0xff, 0x01 };
	static const uint8_t huge[] = { 0xff, 0xff, 0xff, 0xff, 0x0f, 'x' };
	struct blx__reader reader = blx__reader_of(endless, sizeof endless);
	size_t len;

	(void)blx__get_varint(&reader);
	cr_assert_not(blx__reader_ok(&reader));

	reader = blx__reader_of(huge, sizeof huge);
	cr_assert_null(blx__get_bytes(&reader, 1024, &len));
	cr_assert_not(blx__reader_ok(&reader));
}

Test(crc32c, known_value_and_both_ways_agree)
{
	struct blx__rng rng;
	uint8_t data[1000];
	size_t i;

	cr_assert_eq(blx__crc32c(0, "123456789", 9), 0xe3069283u);
	blx__rng_init(&rng, 1);
	for (i = 0; i < sizeof data; i++) {
		data[i] = (uint8_t)blx__rng_u64(&rng);
	}
	for (i = 0; i < sizeof data; i++) {
		uint32_t whole = blx__crc32c(0, data, i);

		cr_assert_eq(whole, blx__crc32c_portable(0, data, i));
		cr_assert_eq(whole,
			blx__crc32c(blx__crc32c(0, data, i / 3), data + i / 3, i - i / 3));
	}
}

Test(heap, gives_the_smallest_first_and_equals_in_order)
{
	enum { N = 500 };
	static struct blx__heap_item items[N];
	struct blx__heap heap;
	struct blx__rng rng;
	uint64_t last_key = 0;
	uint64_t last_seq = 0;
	size_t i;
	size_t left = 0;

	blx__heap_init(&heap);
	blx__rng_init(&rng, 42);
	for (i = 0; i < N; i++) {
		cr_assert(blx__heap_insert(&heap, &items[i], blx__rng_below(&rng, 50)));
	}
	for (i = 0; i < N; i += 3) {
		blx__heap_remove(&heap, &items[i]);
		blx__heap_remove(&heap, &items[i]);
	}
	while (blx__heap_min(&heap) != NULL) {
		struct blx__heap_item *item = blx__heap_min(&heap);

		cr_assert(item->key > last_key || (item->key == last_key && item->seq >= last_seq));
		last_key = item->key;
		last_seq = item->seq;
		blx__heap_remove(&heap, item);
		left++;
	}
	cr_assert_eq(left, N - (N + 2) / 3);
	blx__heap_finish(&heap);
}

Test(list, keeps_order_and_allows_removal_twice)
{
	struct blx__list head;
	struct blx__list a;
	struct blx__list b;

	blx__list_init(&head);
	blx__list_init(&a);
	blx__list_init(&b);
	blx__list_push_back(&head, &a);
	blx__list_push_back(&head, &b);
	blx__list_remove(&a);
	blx__list_remove(&a);
	cr_assert_eq(blx__list_pop_front(&head), &b);
	cr_assert_null(blx__list_pop_front(&head));
}

Test(error, every_code_has_a_name_and_a_text_of_its_own)
{
	int a;
	int b;

	for (a = 0; a >= BLX_EMIGRATION; a--) {
		cr_assert_str_neq(blx_strerror(a), "unknown error", "code %d", a);
		for (b = a - 1; b >= BLX_EMIGRATION; b--) {
			cr_assert_str_neq(blx_strerror(a), blx_strerror(b));
			cr_assert_str_neq(blx_err_name(a), blx_err_name(b));
		}
	}
	cr_assert_str_eq(blx_strerror(BLX_ENOQUORUM), "no quorum");
	cr_assert_str_eq(blx_strerror(BLX_EMIGRATION - 1), "unknown error");
	cr_assert_str_eq(blx_strerror(1), "unknown error");
}

Test(error, set_fills_and_returns_the_code)
{
	blx_error error = BLX_ERROR_INIT;

	cr_assert_eq(blx__error_set(&error, BLX_EIO, "write %s: %s", "/x", "broken"), BLX_EIO);
	cr_assert_str_eq(error.message, "write /x: broken");
	cr_assert_eq(blx__error_set(NULL, BLX_EIO, "nobody reads this"), BLX_EIO);
	cr_assert_eq(blx__code_of_errno(ENOSPC), BLX_ENOSPC);
}

static void *failing_malloc(size_t size, void *data)
{
	(void)size;
	(void)data;
	return NULL;
}

static void *failing_realloc(void *ptr, size_t size, void *data)
{
	(void)ptr;
	(void)size;
	(void)data;
	return NULL;
}

static void no_free(void *ptr, void *data)
{
	(void)ptr;
	(void)data;
}

Test(buf, no_memory_is_latched)
{
	static const struct blx__allocator failing = { failing_malloc, failing_realloc, no_free,
		NULL };
	struct blx__buf buf;

	blx__buf_init(&buf);
	blx__allocator_set(&failing);
	blx__put_u64(&buf, 1);
	blx__allocator_set(NULL);
	blx__put_u64(&buf, 1);
	cr_assert_not(blx__buf_ok(&buf));
	cr_assert_eq(buf.len, 0);
	blx__buf_finish(&buf);
}
