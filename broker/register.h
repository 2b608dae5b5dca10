/* SPDX-License-Identifier: Apache-2.0 */
/* Role broker: registers at name servers in other processes, every 30 s and after each change of topics. */
#ifndef BROKER_REGISTER_H
#define BROKER_REGISTER_H

#include <rivulet/error.h>

struct rv__broker;

/** Begins; does nothing in role all. RV_E_CONFIG for malformed addresses. */
rv_err rv__registrar_open(struct rv__broker *broker, struct rv_error *err);
/** Unregisters where it is connected; no new work. */
void rv__registrar_stop(struct rv__broker *broker);
void rv__registrar_close(struct rv__broker *broker);

/** Topics changed: register soon. */
void rv__registrar_changed(struct rv__broker *broker);

#endif
