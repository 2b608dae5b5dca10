/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/document.h"

#include "base/numbers.h"
#include "broker/server.h"
#include "remoting/json_dialect.h"

rv_err rv__document_load(struct rv__broker *broker, const char *name, json_t **ret_root, struct rv_error *err)
{
	struct rv__buffer text = RV__BUFFER_INIT(0);
	struct rv_error why;
	rv_err code = rv__state_file_load(broker->store, name, &text, err);

	*ret_root = NULL;
	if (code == RV_OK) {
		*ret_root = rv__json_parse(text.bytes, text.length, &why);
		if (!*ret_root)
			code = rv_error_set(err, RV_E_CORRUPT, RV__N_BROKER_STATE, RV__TOPIC,
			    "'%s/config/%s.json' cannot be read: %s; correct it, or put '%s.json.old' or a "
			    "backup "
			    "in its place",
			    broker->directory, name, why.text, name);
	} else if (code == RV_E_NOTFOUND) {
		code = RV_OK;
	}
	rv__buffer_finish(&text);
	return code;
}
