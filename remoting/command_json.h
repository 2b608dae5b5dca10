/* SPDX-License-Identifier: Apache-2.0 */
/* What command.c and its JSON reader share. Nobody else includes this. */
#ifndef REMOTING_COMMAND_JSON_H
#define REMOTING_COMMAND_JSON_H

#include "remoting/command.h"

/** Fills the members that the JSON header carries; unescapes strings in place. RV_E_PROTOCOL when malformed. */
rv_err rv__command_decode_json(char *text, size_t length, struct rv__command *command, struct rv_error *err);

rv_err rv__command_malformed(struct rv_error *err, const char *what);
uint8_t rv__language_find(struct rv_span name);

#endif
