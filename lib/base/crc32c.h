/* SPDX-License-Identifier: Apache-2.0 */
/* CRC-32C (Castagnoli, RFC 3720 B.4), with the processor's instruction where it has it. */
#ifndef BLX_BASE_CRC32C_H
#define BLX_BASE_CRC32C_H

#include <stddef.h>
#include <stdint.h>

/* Goes on from crc (0 to begin): crc32c(crc32c(0, a), b) is that of a followed by b. */
uint32_t blx__crc32c(uint32_t crc, const void *data, size_t len);

/* The same without the instruction, for the test that compares them. */
uint32_t blx__crc32c_portable(uint32_t crc, const void *data, size_t len);

#endif
