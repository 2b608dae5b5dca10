/* SPDX-License-Identifier: Apache-2.0 */
#include "binder/rocketmq/allocate.h"

#include <string.h>

struct rv__rmq_share rv__rmq_allocate(size_t queues, size_t members, size_t index)
{
	struct rv__rmq_share share = {0, 0};
	size_t rest, size;

	if (queues == 0 || index >= members)
		return share;
	rest = queues % members;
	size = queues <= members ? 1 : queues / members + (index < rest ? 1 : 0);
	share.start = index < rest ? index * size : index * size + rest;
	if (share.start < queues)
		share.count = size < queues - share.start ? size : queues - share.start;
	return share;
}

size_t rv__rmq_rank(const char *const *names, size_t count, const char *name)
{
	size_t rank = 0;
	int known = 0;

	for (size_t i = 0; i < count; i++) {
		int order = strcmp(names[i], name);

		if (order < 0)
			rank++;
		known |= order == 0;
	}
	return known ? rank : count;
}
