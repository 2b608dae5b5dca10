/* SPDX-License-Identifier: Apache-2.0 */
/* The broker of the example: see shelf.h. */
#include "shelf.h"

#include <stdlib.h>
#include <string.h>

enum { MOST = 1 << 20 };

pthread_mutex_t shelf_lock = PTHREAD_MUTEX_INITIALIZER;
pthread_cond_t shelf_changed = PTHREAD_COND_INITIALIZER;

static struct topic *topics;
static struct group *groups;
static unsigned users;

static void clear(void)
{
	while (groups) {
		struct group *group = groups;

		groups = group->following;
		free(group->name);
		free(group->done);
		free(group);
	}
	while (topics) {
		struct topic *topic = topics;

		topics = topic->next;
		for (size_t i = 0; i < topic->count; i++)
			rv_message_unref(topic->messages[i]);
		free(topic->messages);
		free(topic->name);
		free(topic);
	}
}

void shelf_enter(void)
{
	users++;
}

void shelf_leave(void)
{
	if (--users == 0)
		clear();
}

struct topic *shelf_topic(const char *name)
{
	struct topic *topic = topics;

	while (topic && strcmp(topic->name, name) != 0)
		topic = topic->next;
	if (topic || !(topic = calloc(1, sizeof *topic)))
		return topic;
	topic->name = strdup(name);
	if (!topic->name) {
		free(topic);
		return NULL;
	}
	topic->next = topics;
	topics = topic;
	return topic;
}

/* Room for one more of `size` bytes each; false: no memory, with everything as it was. */
static bool grow(void **items, size_t size, size_t needed, size_t *room)
{
	size_t more = *room ? *room : 64;
	char *grown;

	while (more < needed)
		more *= 2;
	if (more == *room)
		return true;
	grown = realloc(*items, more * size);
	if (!grown)
		return false;
	memset(grown + *room * size, 0, (more - *room) * size);
	*items = grown;
	*room = more;
	return true;
}

bool shelf_put(struct topic *topic, rv_message *message)
{
	void *messages = topic->messages;

	if (topic->count == MOST || !grow(&messages, sizeof *topic->messages, topic->count + 1, &topic->room))
		return false;
	topic->messages = messages;
	topic->messages[topic->count++] = rv_message_ref(message);
	pthread_cond_broadcast(&shelf_changed);
	return true;
}

struct group *shelf_group(struct topic *topic, const char *name)
{
	struct group *group = groups;

	while (group && (!name || !group->name || group->topic != topic || strcmp(group->name, name) != 0))
		group = group->following;
	if (group || !(group = calloc(1, sizeof *group)))
		return group;
	group->topic = topic;
	group->name = name ? strdup(name) : NULL;
	if (name && !group->name) {
		free(group);
		return NULL;
	}
	group->first = group->next = name ? 0 : topic->count;
	group->following = groups;
	groups = group;
	return group;
}

bool shelf_own(struct group *group, struct consumer *consumer)
{
	if (group->owner)
		return false;
	group->owner = consumer;
	group->epoch++;
	group->next = group->first;
	return true;
}

void shelf_disown(struct group *group, struct consumer *consumer)
{
	if (group->owner != consumer)
		return;
	group->owner = NULL;
	pthread_cond_broadcast(&shelf_changed);
}

rv_err shelf_settle(struct group *group, const struct rv_token *token)
{
	size_t position = (size_t)token->position;
	void *done = group->done;

	if (!group->owner || token->epoch != group->epoch)
		return RV_E_STALE;
	if (!grow(&done, sizeof *group->done, group->topic->count, &group->done_room))
		return RV_E_NOMEM;
	group->done = done;
	group->done[position] = true;
	/* Out of order settled ones wait for those before them, as a position cannot skip. */
	while (group->first < group->topic->count && group->done[group->first])
		group->first++;
	return RV_OK;
}
