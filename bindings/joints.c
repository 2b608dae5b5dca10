/* SPDX-License-Identifier: Apache-2.0 */
#include "bindings/joints.h"

#include <stdlib.h>

#include "base/numbers.h"
#include "bindings/delivery.h"
#include "bindings/output.h"

enum { ON_STACK = 16 };

struct rv__joint {
	struct rv__joint *next;
	struct rv__output *output;
	struct rv_outbound outbound; /* `arg` is the ticket, which owns the message */
};

__thread struct rv__joints *rv__joints_open;

bool rv__joints_add(struct rv__joints *joints, struct rv__output *output, const struct rv_outbound *outbound)
{
	struct rv__joint *joint = malloc(sizeof *joint);

	if (!joint)
		return false;
	*joint = (struct rv__joint){.output = output, .outbound = *outbound};
	if (joints->last)
		joints->last->next = joint;
	else
		joints->first = joint;
	joints->last = joint;
	joints->count++;
	return true;
}

void rv__joints_complete(struct rv__joints *joints, const struct rv_error *error)
{
	struct rv__joint *joint = joints->first;

	*joints = (struct rv__joints){0};
	while (joint) {
		struct rv__joint *next = joint->next;

		rv__output_complete_joined(joint->output, joint->outbound.arg, error);
		free(joint);
		joint = next;
	}
}

void rv__joints_discard(struct rv__joints *joints)
{
	struct rv_error error;

	if (!joints->first)
		return;
	rv_error_set(&error, RV_E_CLOSED, RV__N_JOINT_DISCARDED, "delivery",
	    "the listener did not acknowledge its delivery, so what it had sent was not sent; it sends again "
	    "with the next attempt");
	rv__joints_complete(joints, &error);
}

void rv__delivery_discard_joints(rv_delivery *delivery)
{
	struct rv__joints joints;

	if (!delivery->slot->source->info.transactional)
		return;
	pthread_mutex_lock(&delivery->input->lock);
	joints = delivery->joints;
	delivery->joints = (struct rv__joints){0};
	pthread_mutex_unlock(&delivery->input->lock);
	rv__joints_discard(&joints);
}

/* -- committing ---------------------------------------------------------------------------------------- */

/* The answer of the binder. */
static void on_committed(void *arg, const struct rv_error *error)
{
	rv_delivery *delivery = arg;

	rv__joints_complete(&delivery->joints, error);
	atomic_store(&delivery->committing, false);
	if (!error || error->code == RV_E_STALE)
		rv__delivery_committed(delivery, error != NULL);
	else
		(void)rv_delivery_settle(delivery, RV_RETRY, error->text);
}

/* With each output held open until the binder has its messages. */
static rv_err hand_over(rv_delivery *delivery, struct rv_joint *joints, struct rv__output **held)
{
	struct rv__input *input = delivery->input;
	struct rv_commit commit = {
	    .token = delivery->line.item.token, .joints = joints, .done = on_committed, .arg = delivery};
	rv_err code = RV_OK;
	size_t n = 0;

	for (struct rv__joint *at = delivery->joints.first; at && code == RV_OK; at = at->next) {
		struct rv_joint *joint = &joints[n];

		joint->outbound = at->outbound;
		code = rv__output_enter_joined(at->output, &joint->producer);
		if (code == RV_OK)
			held[n++] = at->output;
	}
	commit.count = n;
	/* An accepted delivery may be gone at once, and its list with it. */
	if (code == RV_OK)
		code = input->ops->commit(delivery->slot->source->consumer, &commit);
	while (n > 0)
		rv__output_leave_joined(held[--n]);
	return code;
}

static rv_err try_commit(rv_delivery *delivery)
{
	struct rv__input *input = delivery->input;
	size_t count = delivery->joints.count;
	struct rv_joint few[ON_STACK], *joints = count > ON_STACK ? calloc(count, sizeof *joints) : few;
	struct rv__output *few_held[ON_STACK],
	    **held = count > ON_STACK ? calloc(count, sizeof *held) : few_held;
	rv_err code = joints && held ? RV_E_STALE : RV_E_NOMEM;

	if (code == RV_E_STALE && count > 0 && rv__input_enter(input)) {
		code = hand_over(delivery, joints, held);
		rv__input_leave(input);
	}
	if (count > ON_STACK) {
		free(joints);
		free((void *)held);
	}
	return code;
}

void rv__delivery_commit(rv_delivery *delivery)
{
	struct rv__input *input = delivery->input;
	struct rv_error error;
	rv_err code;

	rv__input_ref(input);
	pthread_mutex_lock(&input->lock); /* from here on a detaching input leaves them to us */
	atomic_store(&delivery->committing, true);
	pthread_mutex_unlock(&input->lock);
	code = try_commit(delivery);
	if (code != RV_OK) {
		rv_error_set(&error, code, RV__N_JOINT_DISCARDED, "delivery",
		    "what the listener sent could not be handed over: %s", rv_err_text(code));
		on_committed(delivery, &error);
	}
	rv__input_unref(input);
}
