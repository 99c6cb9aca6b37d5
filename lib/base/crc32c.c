/* SPDX-License-Identifier: Apache-2.0 */
#include "base/crc32c.h"

#include <pthread.h>
#include <string.h>

static uint32_t table[256];
static pthread_once_t table_once = PTHREAD_ONCE_INIT;

static void table_fill(void)
{
	uint32_t i;

	for (i = 0; i < 256; i++) {
		uint32_t crc = i;
		unsigned k;

		for (k = 0; k < 8; k++) {
			crc = (crc >> 1) ^ ((crc & 1) ? 0x82f63b78u : 0);
		}
		table[i] = crc;
	}
}

uint32_t blx__crc32c_portable(uint32_t crc, const void *data, size_t len)
{
	const uint8_t *p = data;

	(void)pthread_once(&table_once, table_fill);
	crc = ~crc;
	while (len-- > 0) {
		crc = (crc >> 8) ^ table[(crc ^ *p++) & 0xff];
	}
	return ~crc;
}

#if defined(__x86_64__)
#include <nmmintrin.h>

__attribute__((target("sse4.2"))) static uint32_t crc32c_sse42(uint32_t crc,
	const void *data, size_t len)
{
	const uint8_t *p = data;
	uint64_t c = (uint32_t)~crc;

	for (; len >= 8; len -= 8, p += 8) {
		uint64_t word;

		memcpy(&word, p, sizeof word);
		c = _mm_crc32_u64(c, word);
	}
	for (; len > 0; len--, p++) {
		c = _mm_crc32_u8((uint32_t)c, *p);
	}
	return ~(uint32_t)c;
}

uint32_t blx__crc32c(uint32_t crc, const void *data, size_t len)
{
	if (__builtin_cpu_supports("sse4.2")) {
		return crc32c_sse42(crc, data, len);
	}
	return blx__crc32c_portable(crc, data, len);
}
#else
uint32_t blx__crc32c(uint32_t crc, const void *data, size_t len)
{
	return blx__crc32c_portable(crc, data, len);
}
#endif
