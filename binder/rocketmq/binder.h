/* SPDX-License-Identifier: Apache-2.0 */
/* The binder type `rocketmq`, built in. */
#ifndef BINDER_ROCKETMQ_BINDER_H
#define BINDER_ROCKETMQ_BINDER_H

#include <rivulet/binder.h>

extern const struct rv_binder_ops rv__rocketmq_binder;

#endif
