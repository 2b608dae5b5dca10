/* SPDX-License-Identifier: Apache-2.0 */
/* The resolver of a master that Sentinels watch. */
#ifndef BINDER_REDIS_SENTINEL_H
#define BINDER_REDIS_SENTINEL_H

#include "binder/redis/resolver.h"

extern const struct rv__redis_resolver rv__redis_sentinel;

#endif
