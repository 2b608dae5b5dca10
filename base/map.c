/* SPDX-License-Identifier: Apache-2.0 */
/* Open addressing, linear probing, removal by shifting back: no tombstones. */
#include "base/map.h"

#include "base/clock.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { FIRST_CAPACITY = 16 };

static unsigned char fold(unsigned char c)
{
	return c >= 'A' && c <= 'Z' ? (unsigned char)(c | 0x20) : c;
}

/* FNV-1a over the key, mixed with the seed at both ends. */
static uint64_t hash_of(const struct rv__map *map, const char *key)
{
	uint64_t hash = 0xcbf29ce484222325u ^ map->seed;

	for (; *key; key++) {
		unsigned char c = (unsigned char)*key;

		hash = (hash ^ (map->flags & RV__MAP_NOCASE ? fold(c) : c)) * 0x100000001b3u;
	}
	hash ^= hash >> 32;
	hash *= 0x9e3779b97f4a7c15u;
	return hash ^ hash >> 29;
}

static bool same(const struct rv__map *map, const struct rv__map_slot *slot, uint64_t hash, const char *key)
{
	if (slot->hash != hash)
		return false;
	return map->flags & RV__MAP_NOCASE ? strcasecmp(slot->key, key) == 0 : strcmp(slot->key, key) == 0;
}

/* The slot of the key, or the free one where it would go. The map has a free slot. */
static size_t place_of(const struct rv__map *map, uint64_t hash, const char *key)
{
	size_t at = hash & (map->capacity - 1);

	while (map->slots[at].key && !same(map, &map->slots[at], hash, key))
		at = (at + 1) & (map->capacity - 1);
	return at;
}

static const struct rv__map_slot *find(const struct rv__map *map, const char *key)
{
	size_t at;

	if (map->count == 0)
		return NULL;
	at = place_of(map, hash_of(map, key), key);
	return map->slots[at].key ? &map->slots[at] : NULL;
}

void *rv__map_get(const struct rv__map *map, const char *key)
{
	const struct rv__map_slot *slot = find(map, key);

	return slot ? slot->value : NULL;
}

static rv_err grow(struct rv__map *map)
{
	struct rv__map bigger = *map;

	bigger.capacity = map->capacity ? map->capacity * 2 : FIRST_CAPACITY;
	if (!map->capacity)
		bigger.seed = rv__random();
	bigger.slots = calloc(bigger.capacity, sizeof *bigger.slots);
	if (!bigger.slots)
		return RV_E_NOMEM;
	for (size_t i = 0; i < map->capacity; i++) {
		const struct rv__map_slot *slot = &map->slots[i];

		if (slot->key)
			bigger.slots[place_of(&bigger, slot->hash, slot->key)] = *slot;
	}
	free(map->slots);
	*map = bigger;
	return RV_OK;
}

rv_err rv__map_put(struct rv__map *map, const char *key, void *value, void **ret_old)
{
	struct rv__map_slot *slot;
	uint64_t hash;

	/* At most three quarters full. */
	if ((map->count + 1) * 4 > map->capacity * 3 && grow(map) != RV_OK)
		return RV_E_NOMEM;
	hash = hash_of(map, key);
	slot = &map->slots[place_of(map, hash, key)];
	if (ret_old)
		*ret_old = slot->key ? slot->value : NULL;
	if (!slot->key) {
		char *copy = map->flags & RV__MAP_BORROWS ? (char *)key : strdup(key);

		if (!copy)
			return RV_E_NOMEM;
		*slot = (struct rv__map_slot){.key = copy, .hash = hash};
		map->count++;
	}
	slot->value = value;
	return RV_OK;
}

void *rv__map_remove(struct rv__map *map, const char *key)
{
	struct rv__map_slot *slot = (struct rv__map_slot *)find(map, key);
	size_t mask = map->capacity - 1;
	size_t hole;
	void *value;

	if (!slot)
		return NULL;
	value = slot->value;
	if (!(map->flags & RV__MAP_BORROWS))
		free(slot->key);
	hole = (size_t)(slot - map->slots);
	for (size_t at = (hole + 1) & mask; map->slots[at].key; at = (at + 1) & mask) {
		/* An entry moves back into the hole unless its own place lies behind the hole. */
		if (((at - (map->slots[at].hash & mask)) & mask) >= ((at - hole) & mask)) {
			map->slots[hole] = map->slots[at];
			hole = at;
		}
	}
	map->slots[hole] = (struct rv__map_slot){0};
	map->count--;
	return value;
}

bool rv__map_next(const struct rv__map *map, size_t *cursor, const char **ret_key, void **ret_value)
{
	for (; *cursor < map->capacity; (*cursor)++) {
		const struct rv__map_slot *slot = &map->slots[*cursor];

		if (slot->key) {
			if (ret_key)
				*ret_key = slot->key;
			if (ret_value)
				*ret_value = slot->value;
			(*cursor)++;
			return true;
		}
	}
	return false;
}

void rv__map_finish(struct rv__map *map)
{
	if (!(map->flags & RV__MAP_BORROWS))
		for (size_t i = 0; i < map->capacity; i++)
			free(map->slots[i].key);
	free(map->slots);
	*map = (struct rv__map){.flags = map->flags};
}
