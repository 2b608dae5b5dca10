/* SPDX-License-Identifier: Apache-2.0 */
/* Tells whoever listens that a parking fee was paid: POST /sendTestMsg puts one notice on `output`. */
#include "charging.h"

struct notice {
	const char *mcontent;
	const char *mtype;
};

/* What a request without a body sends. */
static const struct notice test_notice = {"这是第一个消息测试.", "支付消息"};

/* Reads {"mcontent": …, "mtype": …}; what is absent keeps its test text. The texts live as long as `body`. */
static rv_err read_notice(json_t *body, struct notice *notice, struct rv_error *err)
{
	json_error_t mistake;

	if (json_unpack_ex(body, &mistake, JSON_STRICT, "{s?s, s?s}", "mcontent", &notice->mcontent, "mtype",
	        &notice->mtype))
		return rv_error_set(err, RV_E_INVALID, 0, "charging",
		    "the body must be {\"mcontent\": \"text\", \"mtype\": \"text\"}: %s", mistake.text);
	return RV_OK;
}

static int send_notice(rv_channel *output, const struct notice *notice, rv_http_response *response)
{
	RV_CLEANUP(rv_message_unrefp)
	rv_message *message =
	    rv_message_create_json("{s:s, s:s}", "mcontent", notice->mcontent, "mtype", notice->mtype);
	struct rv_error error;

	if (rv_channel_send(output, message, &error) != RV_OK)
		return rv_http_problem(response, error.code == RV_E_TOOBIG ? 413 : 503, &error);
	return rv_http_json(response, 200, "{s:s}", "messageId", rv_message_id(message));
}

static int send_test_msg(const rv_http_request *request, rv_http_response *response, void *output)
{
	struct notice notice = test_notice;
	struct rv_error error;
	json_t *body = NULL;
	size_t length;
	int result;

	rv_http_body(request, &length);
	if (length > 0) {
		body = rv_http_body_json(request, &error);
		if (!body || read_notice(body, &notice, &error) != RV_OK) {
			json_decref(body);
			return rv_http_problem(response, 400, &error);
		}
	}
	result = send_notice(output, &notice, response);
	json_decref(body);
	return result;
}

void charging_declare(rv_app *app, void *context)
{
	(void)context;
	rv_app_enable_binding(app, RV_SOURCE); /* output */
	rv_app_enable_binding(
	    app, RV_OUTPUTS("output1")); /* bound like any other; nothing is sent to it yet */
	rv_app_route(app, "POST", "/sendTestMsg", send_test_msg, rv_app_channel(app, RV_SOURCE_OUTPUT));
}
