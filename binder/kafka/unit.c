/* SPDX-License-Identifier: Apache-2.0 */
/* What is committed together: made, listed, told. */
#include <stdlib.h>
#include <string.h>

#include "binder/kafka/lane.h"
#include "binder/kafka/producer.h"

/* -- making and freeing ---------------------------------------------------------------------------- */

/* What goes with a delivery is none of the client's that the output has for the rest: that one would wait for it at its end. */
static bool is_counted(const struct rv__kafka_producer *producer)
{
	return !producer->client;
}

static bool fill(struct rv__kafka_record *record, struct rv__kafka_unit *unit, const struct rv_joint *joint)
{
	*record = (struct rv__kafka_record){.unit = unit,
	    .producer = joint->producer,
	    .outbound = joint->outbound,
	    .receipt = {.partition = -1, .position = -1}};
	if (joint->outbound.destination &&
	    !(record->outbound.destination = strdup(joint->outbound.destination)))
		return false;
	record->outbound.message = rv_message_ref(joint->outbound.message);
	atomic_fetch_add(&record->producer->refs, 1);
	if (is_counted(record->producer))
		atomic_fetch_add(&record->producer->accepted, 1);
	return true;
}

struct rv__kafka_unit *rv__kafka_unit_create(
    struct rv__kafka_lane *lane, const struct rv_joint *joints, size_t count)
{
	struct rv__kafka_unit *unit = malloc(sizeof *unit + count * sizeof unit->records[0]);

	if (!unit)
		return NULL;
	*unit = (struct rv__kafka_unit){.lane = lane};
	while (unit->count < count && fill(&unit->records[unit->count], unit, &joints[unit->count]))
		unit->count++;
	if (unit->count == count)
		return unit;
	rv__kafka_unit_drop(unit);
	return NULL;
}

static void release(struct rv__kafka_record *record)
{
	rv_message_unref(record->outbound.message);
	free((char *)record->outbound.destination);
	if (is_counted(record->producer))
		atomic_fetch_add(&record->producer->completed, 1);
	rv__kafka_producer_unref(record->producer);
}

static void release_all(struct rv__kafka_unit *unit)
{
	for (size_t i = 0; i < unit->count; i++)
		release(&unit->records[i]);
	free(unit);
}

void rv__kafka_unit_drop(struct rv__kafka_unit *unit)
{
	release_all(unit);
}

/* -- telling ------------------------------------------------------------------------------------------ */

static void count(struct rv__kafka_unit *unit, bool failed)
{
	for (size_t i = 0; i < unit->count; i++) {
		struct rv__kafka_producer *producer = unit->records[i].producer;

		atomic_fetch_add_explicit(
		    failed ? &producer->send_errors : &producer->sent, 1, memory_order_relaxed);
		if (failed && atomic_load(&producer->ending))
			atomic_fetch_add_explicit(&producer->failed_leaving, 1, memory_order_relaxed);
	}
}

void rv__kafka_unit_tell(struct rv__kafka_unit *unit, const struct rv_error *error)
{
	struct rv__kafka_record *record = &unit->records[0];

	count(unit, error != NULL);
	if (unit->done)
		unit->done(unit->arg, error);
	else
		record->producer->sink_ops->sent(
		    record->producer->sink, record->outbound.arg, error ? NULL : &record->receipt, error);
	release_all(unit);
}

/* -- lists ---------------------------------------------------------------------------------------------- */

void rv__kafka_units_add(struct rv__kafka_units *units, struct rv__kafka_unit *unit)
{
	unit->next = NULL;
	if (units->last)
		units->last->next = unit;
	else
		units->first = unit;
	units->last = unit;
	units->count++;
}

void rv__kafka_units_join(struct rv__kafka_units *units, struct rv__kafka_units *more)
{
	if (!more->first)
		return;
	if (units->last)
		units->last->next = more->first;
	else
		units->first = more->first;
	units->last = more->last;
	units->count += more->count;
	*more = (struct rv__kafka_units){0};
}

struct rv__kafka_unit *rv__kafka_units_take(struct rv__kafka_units *units)
{
	struct rv__kafka_unit *unit = units->first;

	if (!unit)
		return NULL;
	units->first = unit->next;
	if (!units->first)
		units->last = NULL;
	units->count--;
	unit->next = NULL;
	return unit;
}
