/* SPDX-License-Identifier: Apache-2.0 */
/* From what is embedded (an operation, a request) back to what it is embedded in. */
#ifndef BASE_OWNER_H
#define BASE_OWNER_H

#include <stddef.h>

/** The `type` whose `member` lies at `embedded`. */
#define RV__OWNER(embedded, type, member) ((type *)((char *)(embedded)-offsetof(type, member)))

#endif
