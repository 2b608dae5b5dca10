/* SPDX-License-Identifier: Apache-2.0 */
/* Packed bodies: zlib both ways; LZ4 and Zstandard, which newer Java clients may send, unpacked when installed. */
#ifndef BINDER_ROCKETMQ_COMPRESS_H
#define BINDER_ROCKETMQ_COMPRESS_H

#include <stddef.h>
#include <stdint.h>

#include <rivulet/error.h>

enum { RV__RMQ_UNPACKED_MAX = 64 << 20 };

/** Packs with zlib, level 5 as Java does. A new block, owned (free()); NULL when it would not get smaller. */
void *rv__rmq_pack(const void *bytes, size_t length, size_t *ret_length);

/**
 * Unpacks a body by the compression bits of its sysFlag. A new block, owned (free()).
 *
 * @return RV_OK; RV_E_INVALID: malformed; RV_E_TOOBIG: over RV__RMQ_UNPACKED_MAX; RV_E_UNSUPPORTED: the
 *         library is not installed; RV_E_NOMEM
 */
rv_err rv__rmq_unpack(const void *bytes, size_t length, int32_t sys_flag, void **ret_bytes,
    size_t *ret_length, struct rv_error *err);

#endif
