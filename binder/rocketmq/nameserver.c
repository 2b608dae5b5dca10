/* SPDX-License-Identifier: Apache-2.0 */
/* The list of name servers and which of them is in use. */
#include "binder/rocketmq/route.h"

#include <stdlib.h>
#include <string.h>

#include "base/numbers.h"
#include "base/prop_value.h"

static rv_err add_address(
    struct rv__rmq_nameservers *names, const char *text, size_t length, struct rv_error *err)
{
	char **grown;

	while (length && (*text == ' ' || *text == '\t'))
		text++, length--;
	while (length && (text[length - 1] == ' ' || text[length - 1] == '\t'))
		length--;
	if (length == 0)
		return RV_OK;
	if (!rv__prop_take_address(&text, &length))
		return rv_error_set(err, RV_E_CONFIG, RV__N_RMQ_BAD_ADDRESS, RV__RMQ_TOPIC,
		    "name-server '%.*s' is not host:port; write for example 127.0.0.1:9876, several "
		    "separated by "
		    "';'",
		    (int)(length < 200 ? length : 200), text);
	grown = realloc(names->addresses, (names->count + 1) * sizeof *grown);
	if (!grown)
		return rv_error_set(err, RV_E_NOMEM, 0, RV__RMQ_TOPIC, "no memory");
	names->addresses = grown;
	grown[names->count] = strndup(text, length);
	if (!grown[names->count])
		return rv_error_set(err, RV_E_NOMEM, 0, RV__RMQ_TOPIC, "no memory");
	names->count++;
	return RV_OK;
}

static rv_err add_list(struct rv__rmq_nameservers *names, const char *text, struct rv_error *err)
{
	rv_err failed = RV_OK;

	while (failed == RV_OK && *text) {
		size_t length = strcspn(text, ";,");

		failed = add_address(names, text, length, err);
		text += length;
		text += *text != '\0';
	}
	return failed;
}

rv_err rv__rmq_nameservers_init(
    struct rv__rmq_nameservers *names, const struct rv_strings *list, struct rv_error *err)
{
	rv_err failed = RV_OK;
	/* RocketMQ's programs all read this one; a property wins over it. */
	const char *fallback = getenv("NAMESRV_ADDR");

	for (size_t i = 0; failed == RV_OK && i < list->count; i++)
		failed = add_list(names, list->items[i], err);
	if (failed == RV_OK && names->count == 0)
		failed = add_list(names, fallback && *fallback ? fallback : "127.0.0.1:9876", err);
	return failed;
}

void rv__rmq_nameservers_finish(struct rv__rmq_nameservers *names)
{
	for (size_t i = 0; i < names->count; i++)
		free(names->addresses[i]);
	free(names->addresses);
	*names = (struct rv__rmq_nameservers){0};
}

struct rv__rmq_connection *rv__rmq_nameserver(struct rv__rmq_client *client)
{
	struct rv__rmq_nameservers *names = &client->names;

	for (size_t i = 0; i < names->count; i++) {
		size_t index = (names->current + i) % names->count;
		struct rv__rmq_connection *connection =
		    rv__rmq_connection_get(client, &client->self, names->addresses[index], false);

		if (connection && rv__rmq_connection_usable(connection)) {
			names->current = index;
			return connection;
		}
	}
	return NULL;
}

void rv__rmq_nameserver_failed(struct rv__rmq_client *client)
{
	client->names.current = (client->names.current + 1) % client->names.count;
}

void rv__rmq_silence(
    struct rv__rmq_client *client, const struct rv__rmq_topic *topic, int waited_ms, struct rv_error *ret_why)
{
	if (topic->answered) {
		rv_error_set(ret_why, RV_E_TIMEOUT, RV__N_RMQ_NO_ANSWER, RV__RMQ_TOPIC,
		    "no answer from a broker of topic '%s' within %d ms", topic->name, waited_ms);
		return;
	}
	rv_error_set(ret_why, RV_E_TIMEOUT, RV__N_RMQ_NO_ANSWER, RV__RMQ_TOPIC,
	    "no answer from name server %s within %d ms", client->names.addresses[client->names.current],
	    waited_ms);
	client->names.why = *ret_why;
}
