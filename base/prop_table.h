/* SPDX-License-Identifier: Apache-2.0 */
/* What filling and judging share: one set value against one row. */
#ifndef BASE_PROP_TABLE_H
#define BASE_PROP_TABLE_H

#include "base/config_store.h"
#include "base/prop_value.h"

/**
 * Judges an entry that stands for `row`: unresolved, of the wrong type, out of range, refused, without effect,
 * Java's. What is wrong goes to `problems`, the same words at every call.
 *
 * @return whether the value may be used; *ret_value is set then
 */
bool rv__prop_judge(const struct rv_prop_desc *row, const struct rv__entry *entry,
    union rv__prop_value *ret_value, struct rv__problems *problems);

#endif
