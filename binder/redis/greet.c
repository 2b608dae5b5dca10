/* SPDX-License-Identifier: Apache-2.0 */
#include "binder/redis/greet.h"

#include <stdio.h>
#include <string.h>

#include "base/numbers.h"
#include "binder/redis/client.h"

enum word { WORD_AUTH, WORD_SELECT, WORD_NAME, WORD_ID, WORD_PING, WORD_ROLE };

static void expect(struct rv__redis_greeting *greeting, enum word word)
{
	greeting->kinds[greeting->request.replies++] = word;
}

static void refuse_role(struct rv__redis_link *link)
{
	struct rv_error why;

	rv_error_set(&why, RV_E_UNAVAILABLE, RV__N_REDIS_READONLY, RV__REDIS_TOPIC,
	    "redis %s:%u is no master now; the master is looked for", link->endpoint.host,
	    (unsigned)link->endpoint.port);
	if (link->client->resolver->doubt)
		link->client->resolver->doubt(link->client->resolver_state, &link->endpoint);
	rv__redis_link_drop(link, &why);
}

/* A server that does not know CLIENT, or does not let us use it, is fine all the same. */
static bool may_fail(enum word word, enum rv__redis_trouble trouble)
{
	if (word == WORD_PING)
		return trouble == RV__REDIS_DENIED || trouble == RV__REDIS_REFUSED;
	return (word == WORD_NAME || word == WORD_ID) && trouble != RV__REDIS_LATER;
}

static void on_word(struct rv__redis_request *request, const struct rv__redis_answer *answer)
{
	struct rv__redis_greeting *greeting = (struct rv__redis_greeting *)request;
	struct rv__redis_link *link = greeting->link;
	struct rv__resp_cursor cursor = answer->cursor;
	enum word word;

	if (answer->trouble == RV__REDIS_LOST)
		return; /* the link tells by itself */
	word = (enum word)greeting->kinds[greeting->step++];
	if (answer->trouble != RV__REDIS_FINE &&
	    (!may_fail(word, answer->trouble) || strstr(answer->why->text, "NOAUTH"))) {
		rv__redis_link_drop(link, answer->why);
		return;
	}
	if (word == WORD_ID && answer->trouble == RV__REDIS_FINE)
		link->client_id = rv__resp_get_integer(&cursor);
	if (word == WORD_ROLE && rv__resp_get_array(&cursor) > 0) {
		struct rv_span role = rv__resp_get_text(&cursor);

		if (!role.bytes || role.length != 6 || memcmp(role.bytes, "master", 6) != 0) {
			refuse_role(link);
			return;
		}
	}
	if (request->replies == 0)
		rv__redis_link_greeted(link);
}

void rv__redis_greet(struct rv__redis_link *link)
{
	const struct rv__redis_binder_settings *settings = link->client->settings;
	struct rv__redis_greeting *greeting = &link->greeting;
	struct rv__buffer *out = rv__redis_link_out(link);
	char name[128];

	*greeting = (struct rv__redis_greeting){.link = link, .request = {.done = on_word}};
	if (settings->password && *settings->password) {
		if (settings->username && *settings->username)
			rv__resp_words(out, "AUTH", settings->username, settings->password, NULL);
		else
			rv__resp_words(out, "AUTH", settings->password, NULL);
		expect(greeting, WORD_AUTH);
	}
	if (settings->database > 0) {
		char number[RV__RESP_NUMBER_ROOM];

		snprintf(number, sizeof number, "%lld", (long long)settings->database);
		rv__resp_words(out, "SELECT", number, NULL);
		expect(greeting, WORD_SELECT);
	}
	if (settings->client_name && *settings->client_name)
		snprintf(name, sizeof name, "%s-%s", settings->client_name, link->role);
	else
		snprintf(name, sizeof name, "%.48s-%.48s-%s", link->client->env->application,
		    link->client->env->name, link->role);
	for (char *at = name; *at; at++) /* what CLIENT SETNAME takes: src/networking.c clientSetName() */
		if (*at < '!' || *at > '~')
			*at = '_';
	rv__resp_words(out, "CLIENT", "SETNAME", name, NULL);
	expect(greeting, WORD_NAME);
	rv__resp_words(out, "CLIENT", "ID", NULL);
	expect(greeting, WORD_ID);
	rv__resp_words(out, link->client->resolver->checks_role ? "ROLE" : "PING", NULL);
	expect(greeting, link->client->resolver->checks_role ? WORD_ROLE : WORD_PING);
	rv__redis_link_ask(link, &greeting->request);
}
