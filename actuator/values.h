/* SPDX-License-Identifier: Apache-2.0 */
/* Effective settings as JSON, straight from the property table that describes them. */
#ifndef ACTUATOR_VALUES_H
#define ACTUATOR_VALUES_H

#include <jansson.h>

#include <rivulet/property.h>

/**
 * One member a row: "max-attempts" becomes maxAttempts, "partition.count" an object. Durations are milliseconds,
 * sizes bytes. Secrets that are set show as "******". Rows without effect here are left out.
 *
 * @return a new object, owned; empty when `table` or `settings` is NULL; NULL without memory
 */
json_t *rv__values_json(const struct rv_prop_table *table, const void *settings);

#endif
