/* SPDX-License-Identifier: Apache-2.0 */
/* Names that both directions of the header mapping know. */
#ifndef BINDER_KAFKA_HEADER_NAMES_H
#define BINDER_KAFKA_HEADER_NAMES_H

#include <stdbool.h>

/** Whether Spring maps that header raw: written by tracing tools of any language, never listed. */
bool rv__kafka_header_is_raw(const char *name);

#endif
