/* SPDX-License-Identifier: Apache-2.0 */
/* CRC-32C (Castagnoli), by the processor's instruction where there is one. Threads: any. */
#ifndef BROKER_STORE_CRC32C_H
#define BROKER_STORE_CRC32C_H

#include <stddef.h>
#include <stdint.h>

/** Continues a checksum; start with 0. */
uint32_t rv__crc32c(uint32_t crc, const void *bytes, size_t length);

/** The same by table, for processors without the instruction and for the test that compares both. */
uint32_t rv__crc32c_table(uint32_t crc, const void *bytes, size_t length);

#endif
