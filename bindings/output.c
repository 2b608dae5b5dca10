/* SPDX-License-Identifier: Apache-2.0 */
#include "bindings/output.h"

#include "base/wait.h"
#include "bindings/output_path.h"

#include <time.h>

/* A send before the properties were read waits for the default of send-timeout. */
enum { BEFORE_CONFIGURED_MS = 3000 };

rv_err rv__output_init(struct rv__output *output, struct rv__binding *binding)
{
	*output = (struct rv__output){.binding = binding};
	atomic_init(&output->gate, RV__GATE_WAITING);
	atomic_init(&output->send_timeout_ms, BEFORE_CONFIGURED_MS);
	return rv__wait_init(&output->lock, &output->changed) ? RV_OK : RV_E_NOMEM;
}

void rv__output_finish(struct rv__output *output)
{
	rv__partitioner_destroy(output->partitioner);
	pthread_cond_destroy(&output->changed);
	pthread_mutex_destroy(&output->lock);
}

void rv__output_tell_progress(struct rv__output *output)
{
	pthread_mutex_lock(&output->lock);
	atomic_fetch_add(&output->progress, 1);
	pthread_cond_broadcast(&output->changed);
	pthread_mutex_unlock(&output->lock);
}

void rv__output_set_gate(struct rv__output *output, enum rv__gate gate)
{
	atomic_store(&output->gate, gate);
	rv__output_tell_progress(output);
}

void rv__output_configured(struct rv__output *output)
{
	atomic_store_explicit(&output->configured, true, memory_order_release);
	rv__output_tell_progress(output);
}

/* Nobody tells when the last one leaves, since telling would touch what may be freed then. Senders pass in
 * microseconds, and waiting ones leave at once when the gate is shut. */
static void wait_for_none(const atomic_uint *count)
{
	const struct timespec pause = {.tv_nsec = 100000};

	while (atomic_load(count) > 0)
		nanosleep(&pause, NULL);
}

void rv__output_wait_unused(struct rv__output *output)
{
	wait_for_none(&output->users);
}

void rv__output_leave_all(struct rv__output *output)
{
	wait_for_none(&output->callers);
	wait_for_none(&output->users);
}

/* -- partitions ----------------------------------------------------------------------------- */

void rv__output_forget_partitions(struct rv__output *output)
{
	atomic_store(&output->partition_count, 0);
}

void rv__output_learn_partitions(struct rv__output *output, int32_t count)
{
	int32_t known = atomic_load(&output->partition_count);

	/* As Spring has it: the larger of both numbers, and the one at the time of binding unless told otherwise. */
	if (count < output->least_partitions)
		count = count > 0 ? output->least_partitions : 0;
	if (count <= 0 || count == known || (known > 0 && !output->dynamic_partitions))
		return;
	atomic_store(&output->partition_count, count);
	rv__output_tell_progress(output);
}
