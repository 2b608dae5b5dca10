/* SPDX-License-Identifier: Apache-2.0 */
/* Profile expressions: "cloud", "!test", "prod & (eu | us)", and lists of them with commas. */
#ifndef BASE_PROFILE_H
#define BASE_PROFILE_H

#include <stdbool.h>

#include <rivulet/property.h>

/** Whether any expression of the list holds for the active profiles. *ret_valid: false when malformed. */
bool rv__profile_matches(const char *expressions, const struct rv_strings *active, bool *ret_valid);

#endif
