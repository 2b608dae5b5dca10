/* SPDX-License-Identifier: Apache-2.0 */
/* Reading a document of the store, <store>/config/<name>.json, at start. */
#ifndef BROKER_DOCUMENT_H
#define BROKER_DOCUMENT_H

#include <jansson.h>

#include <rivulet/error.h>

struct rv__broker;

/**
 * Loads one as JSON, in RocketMQ's dialect too. The caller owns *ret_root; NULL: it was never saved.
 *
 * @return RV_OK; RV_E_CORRUPT, naming the file and what to do, when it is damaged or was edited badly; RV_E_IO; RV_E_NOMEM
 */
rv_err rv__document_load(
    struct rv__broker *broker, const char *name, json_t **ret_root, struct rv_error *err);

#endif
