/* SPDX-License-Identifier: Apache-2.0 */
#include "base/module.h"

#include <assert.h>

static size_t index_of(const struct rv__module *module)
{
	size_t i = 0;

	while (rv__builtin_modules[i] && rv__builtin_modules[i] != module)
		i++;
	/* Only modules of the table have a place; compose/builtin.c must name every one. */
	assert(rv__builtin_modules[i] && i < RV__MODULES_MAX);
	return i;
}

void **rv__host_slot(struct rv__host *host, const struct rv__module *module)
{
	return &host->slots[index_of(module)];
}

void rv__host_set_port(struct rv__host *host, const struct rv__module *module, int port)
{
	host->ports[index_of(module)] = port;
}
