/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A group whose members differ in `orderly`: those without it read beside the owner of a stream, so that its messages do not
 * come in order, and what they hold is claimed by each new owner and comes twice. Nothing is lost; nobody would see it
 * either, so each looks now and then for a sign of the other kind:
 *
 *     "{<stream>}:owner:<group>"    the lease of an owner (lease.c), which those without look for
 *     "{<stream>}:shared:<group>"   what they leave when they find it, and what owners look for
 *
 * A group of one kind so costs one GET per stream and look, and leaves no key.
 */
#include <stdlib.h>
#include <string.h>

#include "base/numbers.h"
#include "binder/redis/consumer.h"
#include "binder/redis/producer.h"

enum { SIGN_MS = 10000 };

struct rv__redis_mixture {
	struct rv__redis_request request; /* first: it is the way back */
	struct rv__redis_slot *slot;
	char *owner, *shared; /* keys, owned */
	bool seen;
};

/* Says it for the first stream of several, and when the last one is over. */
static void note(struct rv__redis_mixture *mixture, bool seen, struct rv_span other)
{
	struct rv__redis_consumer *consumer = mixture->slot->consumer;
	const struct rv_binder_env *env = consumer->client->env;
	bool orderly = consumer->settings->orderly;

	if (seen == mixture->seen)
		return;
	mixture->seen = seen;
	if (seen && atomic_fetch_add(&consumer->mixed, 1) == 0)
		env->log(RV_LOG_WARN, RV__REDIS_TOPIC,
		    "channel=%s RV%04d group '%s' of stream '%s' has members with orderly=true and without: "
		    "'%.*s' reads it %s orderly, we %s; its order is not kept until orderly is the same for "
		    "all "
		    "of them",
		    consumer->binding, RV__N_REDIS_MIXED, consumer->group, mixture->slot->key,
		    (int)(other.length < 128 ? other.length : 128), other.bytes, orderly ? "without" : "with",
		    orderly ? "with" : "without");
	else if (!seen && atomic_fetch_sub(&consumer->mixed, 1) == 1)
		env->log(RV_LOG_INFO, RV__REDIS_TOPIC,
		    "channel=%s the members of group '%s' agree about orderly again", consumer->binding,
		    consumer->group);
}

static void leave_sign(const struct rv__redis_mixture *mixture)
{
	const struct rv__redis_consumer *consumer = mixture->slot->consumer;
	struct rv__redis_link *link = rv__redis_route_link(consumer->client, &mixture->slot->route);
	char time[RV__RESP_NUMBER_ROOM];

	if (!link || !rv__redis_ask_and_forget(link, 1))
		return;
	time[rv__resp_digits(time, SIGN_MS)] = '\0';
	rv__resp_words(rv__redis_link_out(link), "SET", mixture->shared, consumer->name, "PX", time, NULL);
}

static void on_sign(struct rv__redis_request *request, const struct rv__redis_answer *answer)
{
	struct rv__redis_mixture *mixture = (struct rv__redis_mixture *)request;
	struct rv__resp_cursor cursor = answer->cursor;
	struct rv_span other;

	if (answer->trouble != RV__REDIS_FINE)
		return; /* whatever it is, others say it */
	other = rv__resp_get_text(&cursor);
	note(mixture, !cursor.failed && other.length > 0, other);
	if (mixture->seen && !mixture->slot->lease)
		leave_sign(mixture);
}

static struct rv__redis_mixture *create(struct rv__redis_slot *slot)
{
	struct rv__redis_mixture *mixture = calloc(1, sizeof *mixture);
	char *owner = rv__redis_suffix("owner", slot->consumer->group);
	char *shared = rv__redis_suffix("shared", slot->consumer->group);

	if (mixture && owner && shared) {
		mixture->slot = slot;
		mixture->owner = rv__redis_helper_key(slot->key, owner);
		mixture->shared = rv__redis_helper_key(slot->key, shared);
	}
	free(owner);
	free(shared);
	if (mixture && mixture->owner && mixture->shared)
		return mixture;
	if (mixture) {
		free(mixture->owner);
		free(mixture->shared);
	}
	free(mixture);
	return NULL;
}

void rv__redis_mixture_look(struct rv__redis_slot *slot)
{
	struct rv__redis_link *link = rv__redis_route_link(slot->consumer->client, &slot->route);
	struct rv__redis_mixture *mixture = slot->mixture;

	if (!link || slot->state < RV__REDIS_SLOT_DRAIN || !slot->consumer->group)
		return;
	if (!mixture && !(mixture = slot->mixture = create(slot)))
		return;
	if (mixture->request.link)
		return;
	rv__resp_words(rv__redis_link_out(link), "GET", slot->lease ? mixture->shared : mixture->owner, NULL);
	mixture->request = (struct rv__redis_request){.done = on_sign};
	rv__redis_link_ask(link, &mixture->request);
}

void rv__redis_mixture_destroy(struct rv__redis_slot *slot)
{
	struct rv__redis_mixture *mixture = slot->mixture;

	if (!mixture)
		return;
	rv__redis_request_cancel(&mixture->request);
	free(mixture->owner);
	free(mixture->shared);
	free(mixture);
	slot->mixture = NULL;
}
