/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/transactions.h"

#include "broker/server.h"

void rv__transactions_prepare(struct rv__request *request, struct rv__put *put)
{
	rv__answer_format(request, RV__RSP_NO_PERMISSION,
	    "the broker[%s] sending transaction message is forbidden", request->broker->settings.broker_ip);
}

rv_err rv__transactions_open(struct rv__broker *broker, struct rv_error *err)
{
	return RV_OK;
}

void rv__transactions_stop(struct rv__broker *broker)
{
}

void rv__transactions_close(struct rv__broker *broker)
{
}
