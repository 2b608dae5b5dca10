/* SPDX-License-Identifier: Apache-2.0 */
/* Brokers by name, their topics and groups. */
#include "binder/memory/memory.h"

#include "base/wait.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct {
	pthread_mutex_t lock; /* protects the list and the counts of references */
	struct rv__memory_broker *first;
} brokers = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* -- topics ----------------------------------------------------------------------------------- */

static void free_partition(struct rv__memory_partition *partition)
{
	for (size_t i = 0; i < partition->count; i++)
		rv_message_unref(partition->messages[(partition->head + i) & (partition->room - 1)]);
	free(partition->messages);
}

static void free_group(struct rv__memory_group *group)
{
	for (uint32_t i = 0; i < group->topic->partition_count; i++)
		rv__memory_share_finish(&group->shares[i]);
	free(group->shares);
	free(group->name);
	free(group);
}

static void free_topic(struct rv__memory_topic *topic)
{
	while (topic->groups) {
		struct rv__memory_group *group = topic->groups;

		topic->groups = group->next;
		free_group(group);
	}
	for (uint32_t i = 0; i < topic->partition_count; i++)
		free_partition(&topic->partitions[i]);
	free(topic->partitions);
	free(topic->name);
	free(topic);
}

static bool widen_group(struct rv__memory_group *group, uint32_t from, uint32_t to)
{
	struct rv__memory_share *shares = realloc(group->shares, to * sizeof *shares);

	if (!shares)
		return false;
	memset(shares + from, 0, (to - from) * sizeof *shares);
	group->shares = shares;
	group->unbalanced = true;
	return true;
}

static bool widen(struct rv__memory_topic *topic, uint32_t count)
{
	struct rv__memory_partition *partitions = realloc(topic->partitions, count * sizeof *partitions);

	if (!partitions)
		return false;
	topic->partitions = partitions;
	memset(partitions + topic->partition_count, 0, (count - topic->partition_count) * sizeof *partitions);
	for (struct rv__memory_group *group = topic->groups; group; group = group->next)
		if (!widen_group(group, topic->partition_count, count))
			return false;
	topic->partition_count = count;
	return true;
}

struct rv__memory_topic *rv__memory_topic_get(struct rv__memory_broker *broker,
    const struct rv__memory_binder_settings *settings, const char *name, int64_t partitions)
{
	struct rv__memory_topic *topic = broker->topics;
	int64_t wanted = partitions > settings->partitions ? partitions : settings->partitions;

	if (wanted > RV__MEMORY_SLOTS)
		wanted = RV__MEMORY_SLOTS;
	while (topic && strcmp(topic->name, name) != 0)
		topic = topic->next;
	if (!topic) {
		topic = calloc(1, sizeof *topic);
		if (!topic || !(topic->name = strdup(name))) {
			free(topic);
			return NULL;
		}
		topic->max_messages = settings->max_messages;
		topic->max_bytes = settings->max_bytes;
		topic->next = broker->topics;
		broker->topics = topic;
	}
	if (topic->partition_count < (uint32_t)wanted && !widen(topic, (uint32_t)wanted))
		return topic->partition_count ? topic : NULL;
	return topic;
}

struct rv__memory_group *rv__memory_group_get(
    struct rv__memory_broker *broker, struct rv__memory_topic *topic, const char *name)
{
	struct rv__memory_group *group = topic->groups;
	char own[48];

	while (name && group && strcmp(group->name, name) != 0)
		group = group->next;
	if (name && group)
		return group;
	if (!name)
		snprintf(own, sizeof own, "anonymous.%llu", (unsigned long long)++broker->anonymous_count);
	group = calloc(1, sizeof *group);
	if (!group || !(group->name = strdup(name ? name : own)) ||
	    !widen_group(group, 0, topic->partition_count)) {
		if (group)
			free(group->name);
		free(group);
		return NULL;
	}
	group->topic = topic;
	group->anonymous = !name;
	for (uint32_t i = 0; i < topic->partition_count; i++) {
		const struct rv__memory_partition *partition = &topic->partitions[i];
		struct rv__memory_share *share = &group->shares[i];

		share->committed = name ? partition->first : rv__memory_end(partition);
		share->cursor = share->high = share->committed;
	}
	group->next = topic->groups;
	topic->groups = group;
	return group;
}

void rv__memory_group_remove(struct rv__memory_group *group)
{
	struct rv__memory_group **at = &group->topic->groups;

	while (*at != group)
		at = &(*at)->next;
	*at = group->next;
	free_group(group);
}

/* -- brokers ------------------------------------------------------------------------------------- */

static void free_broker(struct rv__memory_broker *broker)
{
	while (broker->topics) {
		struct rv__memory_topic *topic = broker->topics;

		broker->topics = topic->next;
		free_topic(topic);
	}
	pthread_cond_destroy(&broker->wake);
	pthread_cond_destroy(&broker->settled);
	pthread_mutex_destroy(&broker->lock);
	free(broker->name);
	free(broker);
}

static struct rv__memory_broker *start_broker(const char *name, const struct rv_binder_env *env)
{
	struct rv__memory_broker *broker = calloc(1, sizeof *broker);

	if (!broker)
		return NULL;
	broker->name = strdup(name);
	broker->env = *env;
	pthread_mutex_init(&broker->lock, NULL);
	if (!broker->name || !rv__condition_init(&broker->wake) || !rv__condition_init(&broker->settled) ||
	    pthread_create(&broker->pump, NULL, rv__memory_pump, broker) != 0) {
		free_broker(broker);
		return NULL;
	}
	return broker;
}

struct rv__memory_broker *rv__memory_broker_open(const char *name, const struct rv_binder_env *env)
{
	struct rv__memory_broker *broker;

	pthread_mutex_lock(&brokers.lock);
	broker = brokers.first;
	while (broker && strcmp(broker->name, name) != 0)
		broker = broker->next;
	if (!broker && (broker = start_broker(name, env))) {
		broker->next = brokers.first;
		brokers.first = broker;
	}
	if (broker)
		broker->refs++;
	pthread_mutex_unlock(&brokers.lock);
	return broker;
}

/* Messages live as long as somebody has the broker open. */
void rv__memory_broker_close(struct rv__memory_broker *broker)
{
	struct rv__memory_broker **at = &brokers.first;
	bool last;

	pthread_mutex_lock(&brokers.lock);
	last = --broker->refs == 0;
	while (last && *at != broker)
		at = &(*at)->next;
	if (last)
		*at = broker->next;
	pthread_mutex_unlock(&brokers.lock);
	if (!last)
		return;
	pthread_mutex_lock(&broker->lock);
	broker->closing = true;
	pthread_cond_signal(&broker->wake);
	pthread_mutex_unlock(&broker->lock);
	pthread_join(broker->pump, NULL);
	free_broker(broker);
}

void rv__memory_wake(struct rv__memory_broker *broker)
{
	/* All sequentially consistent, as what was put into the inbox and in the pump: it sees that, or we see
	 * that `work` is off; it sees `work`, or we see that it sleeps. */
	if (!atomic_load(&broker->work))
		atomic_store(&broker->work, true);
	if (!atomic_load(&broker->sleeping))
		return;
	pthread_mutex_lock(&broker->lock);
	pthread_cond_signal(&broker->wake);
	pthread_mutex_unlock(&broker->lock);
}
