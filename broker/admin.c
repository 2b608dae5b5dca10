/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/admin.h"

#include "broker/server.h"

void (*rv__admin_find(int32_t code))(struct rv__request *request)
{
	(void)code;
	return NULL;
}
