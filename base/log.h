/* SPDX-License-Identifier: Apache-2.0 */
/* The host's side of <rivulet/log.h>: process name and levels. */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include <rivulet/log.h>

/** Name that stands in every line; copied, cut at 63 bytes. */
void rv__log_set_process(const char *name);

/** Level of a topic; NULL or "root": of all topics without one of their own. At most 64 topics. */
void rv__log_set_level(const char *topic, rv_log_level level);

#endif
