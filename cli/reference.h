/* SPDX-License-Identifier: Apache-2.0 */
/* docs/properties.md from the property tables. */
#ifndef CLI_REFERENCE_H
#define CLI_REFERENCE_H

#include <stdio.h>

#include "base/config.h"

/** Writes the page of all sections, in their order. */
void rv__reference_print(FILE *to, const struct rv__section *const *sections, size_t count);

#endif
