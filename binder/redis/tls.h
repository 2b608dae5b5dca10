/* SPDX-License-Identifier: Apache-2.0 */
/* The transport that encrypts; only in builds that found OpenSSL's headers. */
#ifndef BINDER_REDIS_TLS_H
#define BINDER_REDIS_TLS_H

#include "binder/redis/transport.h"

extern const struct rv__redis_transport rv__redis_tls;

#endif
