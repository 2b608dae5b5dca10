/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hashes that others compute too, so that a key meets the same partition everywhere. Functions without
 * state; any thread.
 */
#ifndef BASE_HASH_H
#define BASE_HASH_H

#include <stddef.h>
#include <stdint.h>

/** String.hashCode() of the UTF-16 form of a UTF-8 text: h = 31 h + unit. What is no UTF-8 counts as U+FFFD. */
int32_t rv__hash_java_text(const char *text, size_t length);

/** Arrays.hashCode(byte[]): h = 31 h + signed byte, from 1. */
int32_t rv__hash_java_bytes(const void *bytes, size_t length);

/** How many UTF-16 units a UTF-8 text has: String.length(). */
size_t rv__utf16_length(const char *text, size_t length);

/** murmur2 with seed 0x9747b28c: apache/kafka clients/src/main/java/org/apache/kafka/common/utils/Utils.java. */
uint32_t rv__hash_murmur2(const void *bytes, size_t length);

/** CRC-32 (IEEE 802.3), as zlib's and java.util.zip.CRC32. */
uint32_t rv__hash_crc32(const void *bytes, size_t length);

/** FNV-1a with 32 bits. */
uint32_t rv__hash_fnv1a(const void *bytes, size_t length);

#endif
