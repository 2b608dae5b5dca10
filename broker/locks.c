/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/locks.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "broker/groups.h"
#include "broker/server.h"
#include "remoting/queue.h"

enum { KEY_SIZE = 2 * RV__NAME_SIZE + 16, LOCKS_MAX = 1000000 };

struct lock {
	int64_t renewed_ms;
	char client_id[];
};

struct rv__locks {
	struct rv__map table; /* struct lock by "id topic@group" */
};

static bool make_key(char key[KEY_SIZE], const char *group, const struct rv__message_queue *queue)
{
	int length = snprintf(key, KEY_SIZE, "%d %s@%s", queue->id, queue->topic, group);

	return length > 0 && length < KEY_SIZE;
}

static bool is_live(const struct rv__broker *broker, const struct lock *lock)
{
	return rv__broker_now(broker) - lock->renewed_ms < broker->settings.lock_live_ms;
}

/* Whether the holder is still a member of the group. One whose connection closed has left it, most often by dying;
 * its queues are handed out again at once, and so are their locks. Apache's broker makes them wait a minute. */
static bool is_member(const struct rv__broker *broker, const char *group_name, const struct lock *lock)
{
	const struct rv__group *group = rv__group_find(broker, group_name);

	return group && rv__members_find(&group->members, lock->client_id);
}

/* Takes or renews; false: another client holds it, or no memory. */
static bool take_lock(struct rv__broker *broker, const char *group, const char *key, const char *client_id)
{
	struct rv__map *table = &broker->locks->table;
	struct lock *lock = rv__map_get(table, key);
	bool same = lock && strcmp(lock->client_id, client_id) == 0;
	void *old = NULL;

	if (lock && !same && is_live(broker, lock) && is_member(broker, group, lock))
		return false;
	if (!same) {
		if (!lock && table->count >= LOCKS_MAX)
			return false;
		lock = malloc(sizeof(*lock) + strlen(client_id) + 1);
		if (!lock)
			return false;
		memcpy(lock->client_id, client_id, strlen(client_id) + 1);
		if (rv__map_put(table, key, lock, &old) != RV_OK) {
			free(lock);
			return false;
		}
		free(old);
	}
	lock->renewed_ms = rv__broker_now(broker);
	return true;
}

static void release_lock(struct rv__broker *broker, const char *key, const char *client_id)
{
	struct lock *lock = rv__map_get(&broker->locks->table, key);

	if (lock && strcmp(lock->client_id, client_id) == 0)
		free(rv__map_remove(&broker->locks->table, key));
}

static bool decode(struct rv__request *request, struct rv__lock_request *lock)
{
	struct rv_error error;

	if (rv__lock_request_decode(request->command->body, request->command->body_length, lock, &error) ==
	    RV_OK)
		return true;
	rv__answer_error(request, RV__RSP_SYSTEM_ERROR, &error);
	return false;
}

void rv__locks_lock(struct rv__request *request)
{
	struct rv__buffer body = RV__BUFFER_INIT(0);
	struct rv__lock_request lock;
	char key[KEY_SIZE];
	size_t taken = 0;

	if (!decode(request, &lock))
		return;
	for (size_t i = 0; i < lock.queues.count; i++)
		if (make_key(key, lock.group, &lock.queues.items[i]) &&
		    take_lock(request->broker, lock.group, key, lock.client_id))
			lock.queues.items[taken++] = lock.queues.items[i];
	rv__lock_answer_encode(&body, lock.queues.items, taken);
	rv__answer_body(request, &body);
	rv__buffer_finish(&body);
	rv__lock_request_finish(&lock);
}

void rv__locks_unlock(struct rv__request *request)
{
	struct rv__lock_request lock;
	char key[KEY_SIZE];

	if (!decode(request, &lock))
		return;
	for (size_t i = 0; i < lock.queues.count; i++)
		if (make_key(key, lock.group, &lock.queues.items[i]))
			release_lock(request->broker, key, lock.client_id);
	rv__lock_request_finish(&lock);
	rv__answer(request, RV__RSP_SUCCESS, NULL);
}

void rv__locks_expire(struct rv__broker *broker)
{
	struct rv__map *table = &broker->locks->table;
	size_t cursor = 0;
	const char *key;
	void *value;

	while (rv__map_next(table, &cursor, &key, &value)) {
		if (is_live(broker, value))
			continue;
		rv__map_remove(table, key);
		free(value);
		cursor--; /* another may stand there now */
	}
}

rv_err rv__locks_open(struct rv__broker *broker, struct rv_error *err)
{
	broker->locks = calloc(1, sizeof(*broker->locks));
	return broker->locks ? RV_OK : rv_error_set(err, RV_E_NOMEM, 0, RV__TOPIC, "no memory for locks");
}

void rv__locks_close(struct rv__broker *broker)
{
	size_t cursor = 0;
	void *value;

	if (!broker->locks)
		return;
	while (rv__map_next(&broker->locks->table, &cursor, NULL, &value))
		free(value);
	rv__map_finish(&broker->locks->table);
	free(broker->locks);
	broker->locks = NULL;
}
