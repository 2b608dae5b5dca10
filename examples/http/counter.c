/* SPDX-License-Identifier: Apache-2.0 */
/* A service with routes: counts the messages of `input`, tells the count, and sends to `output` on request. */
#include <rivulet/rivulet.h>

#include <stdatomic.h>

static atomic_long count; /* a listener and handlers run on threads of their own */

static rv_verdict count_message(const rv_message *message, void *context)
{
	(void)message;
	(void)context;
	atomic_fetch_add(&count, 1);
	return RV_ACK;
}

static int get_count(const rv_http_request *request, rv_http_response *response, void *context)
{
	(void)request;
	(void)context;
	return rv_http_json(response, 200, "{s:I}", "count", (json_int_t)atomic_load(&count));
}

/* Blocks until the broker has the message; other requests do not notice. */
static int put_car(const rv_http_request *request, rv_http_response *response, void *output)
{
	const char *plate = rv_http_path_value(request, "plate");
	RV_CLEANUP(rv_message_unrefp) rv_message *message = rv_message_create_json("{s:s}", "plate", plate);
	struct rv_error error;

	rv_message_set_header(message, RV_HEADER_KEY, plate);
	if (rv_channel_send(output, message, &error) != RV_OK)
		return rv_http_problem(response, 503, &error);
	return rv_http_json(response, 202, "{s:s}", "messageId", rv_message_id(message));
}

int main(int argc, char **argv)
{
	rv_app *app = rv_app_create("car-counter", argc, argv);

	rv_app_enable_binding(app, RV_PROCESSOR);
	rv_app_listen(app, RV_PROCESSOR_INPUT, count_message, NULL);
	rv_app_route(app, "GET", "/count", get_count, NULL);
	rv_app_route(app, "PUT", "/cars/{plate}", put_car, rv_app_channel(app, RV_PROCESSOR_OUTPUT));
	return rv_app_run(app);
}
