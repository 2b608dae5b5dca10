/* SPDX-License-Identifier: Apache-2.0 */
/* The tables of all parts of this program: configuration, modules, binders in this process. */
#ifndef CLI_SECTIONS_H
#define CLI_SECTIONS_H

#include "base/config.h"

struct rv__sections {
	const struct rv__section **items; /* owned, and what they point at */
	size_t count;
	void *memory;
};

/** RV_E_NOMEM or RV_OK. */
rv_err rv__collect_sections(struct rv__sections *ret_sections);
void rv__sections_finish(struct rv__sections *sections);

#endif
