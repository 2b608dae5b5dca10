/* SPDX-License-Identifier: Apache-2.0 */
/* The resolver of a Redis Cluster: who owns the slot of a key. */
#ifndef BINDER_REDIS_CLUSTER_H
#define BINDER_REDIS_CLUSTER_H

#include "binder/redis/resolver.h"

extern const struct rv__redis_resolver rv__redis_cluster;

#endif
