/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A service that passes on what it gets, for kills in the middle: each delivery on `input` goes to `output` twice, as
 * "<body> a" and "<body> b", once by a send that waits and once by one that does not. Every seventh message fails at its
 * first attempt, after it had sent "<body> failed". On a transactional binder each of the two arrives once, and what
 * failed never does. PROCESSOR_DEADLY=TEXT: a message with it is given up (RV_REJECT).
 */
#include <rivulet/rivulet.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FAILS_EACH = 7, BODY_MAX = 128 };

struct processor {
	rv_channel *output;
	const char *deadly;
};

static rv_message *make(const char *body, const char *word)
{
	char text[BODY_MAX];

	snprintf(text, sizeof text, "%s %s", body, word);
	return rv_message_create_text(text);
}

static void on_sent(const rv_message *message, const struct rv_error *error, void *context)
{
	(void)message;
	(void)context;
	if (error && error->code != RV_E_STALE && error->code != RV_E_CLOSED)
		rv_log_warn("not sent: %s", error->text);
}

static bool send(struct processor *processor, const char *body, const char *word, bool waits)
{
	rv_message *message = make(body, word);
	struct rv_error error;
	rv_err code = waits ? rv_channel_send(processor->output, message, &error)
	                    : rv_channel_send_async(processor->output, message, on_sent, NULL, &error);

	rv_message_unref(message);
	if (code != RV_OK)
		rv_log_warn("cannot send: %s", error.text);
	return code == RV_OK;
}

static rv_verdict pass_on(const rv_message *message, void *context)
{
	struct processor *processor = context;
	const char *body = rv_message_text(message);
	const char *number = strrchr(body, ' ');

	if (processor->deadly && strstr(body, processor->deadly))
		return send(processor, body, "failed", true) ? RV_REJECT : RV_RETRY;
	if (rv_message_attempt(message) == 1 && number && strtoul(number, NULL, 10) % FAILS_EACH == 0) {
		(void)send(processor, body, "failed", true);
		return RV_RETRY;
	}
	return send(processor, body, "a", true) && send(processor, body, "b", false) ? RV_ACK : RV_RETRY;
}

int main(int argc, char **argv)
{
	rv_app *app = rv_app_create("processor", argc, argv);
	struct processor processor = {.deadly = getenv("PROCESSOR_DEADLY")};

	rv_app_enable_binding(app, RV_SINK);
	rv_app_enable_binding(app, RV_SOURCE);
	processor.output = rv_app_channel(app, "output");
	rv_app_listen(app, RV_SINK_INPUT, pass_on, &processor);
	return rv_app_run(app);
}
