/* SPDX-License-Identifier: Apache-2.0 */
/* RocketMQ's ACL (version 1): a request carries AccessKey and a Signature over its other fields and body. */
#ifndef BINDER_ROCKETMQ_ACL_H
#define BINDER_ROCKETMQ_ACL_H

#include "remoting/command.h"

enum { RV__RMQ_SIGNATURE_MAX = 32 };

/** Loads libcrypto on first use. RV_E_UNSUPPORTED when it is not installed. Any thread. */
rv_err rv__rmq_acl_load(struct rv_error *err);

/**
 * Base64(HmacSHA1(secret, values of all fields in ascending order of their names, then the body)).
 * Sorts `fields` in place. False when libcrypto is not loaded. Source: apache/rocketmq acl/…/AclUtils.java.
 */
bool rv__rmq_acl_sign(const char *secret, struct rv__field *fields, size_t count, const void *body,
    size_t body_length, char ret_signature[RV__RMQ_SIGNATURE_MAX]);

#endif
