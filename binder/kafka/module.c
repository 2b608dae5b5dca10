/* SPDX-License-Identifier: Apache-2.0 */
/* What the program that loads this module looks for. */
#include "binder/kafka/kafka.h"

RV_API const struct rv_binder_ops *rv_binder_module(uint32_t host_abi);

const struct rv_binder_ops *rv_binder_module(uint32_t host_abi)
{
	return host_abi == RV_BINDER_ABI ? &rv__kafka_binder : NULL;
}
