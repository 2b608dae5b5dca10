/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Trimming that looks at the groups first. Redis trims without asking who still needs an entry (issues 5570, 10756, 9211 of
 * redis/redis); here one script per stream finds the oldest entry that some group has not settled, and evicts what is
 * older than that and beyond max-length or retention. Whole nodes of the stream go, so a little more stays.
 */
#include <stdlib.h>
#include <string.h>

#include "binder/redis/producer.h"

/*
 * KEYS[1] the stream, ARGV[1] max-length (0: none), ARGV[2] the oldest id that retention keeps ("": none).
 * A group needs everything from its oldest pending entry on, or from behind its last delivered one.
 */
static const char script[] =
    "local function less(a, b) "
    "local am, as = string.match(a, '(%d+)-(%d+)') local bm, bs = string.match(b, '(%d+)-(%d+)') "
    "am, as, bm, bs = tonumber(am), tonumber(as), tonumber(bm), tonumber(bs) "
    "return am < bm or (am == bm and as < bs) end "
    "if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end "
    "local needed = nil "
    "for _, group in ipairs(redis.call('XINFO', 'GROUPS', KEYS[1])) do "
    "local row = {} for i = 1, #group, 2 do row[group[i]] = group[i + 1] end "
    "local from = row['last-delivered-id'] "
    "if row['pending'] > 0 then from = redis.call('XPENDING', KEYS[1], row['name'])[2] end "
    "if not needed or less(from, needed) then needed = from end end "
    "local gone = 0 "
    "local old = ARGV[2] "
    "if old ~= '' then "
    "if needed and less(needed, old) then old = needed end "
    "gone = redis.call('XTRIM', KEYS[1], 'MINID', '~', old) end "
    "local most = tonumber(ARGV[1]) "
    "local excess = redis.call('XLEN', KEYS[1]) - most "
    "if most > 0 and excess > 0 then "
    "if needed then gone = gone + redis.call('XTRIM', KEYS[1], 'MINID', '~', needed, 'LIMIT', excess) "
    "else gone = gone + redis.call('XTRIM', KEYS[1], 'MAXLEN', '~', most) end end "
    "return gone";

struct rv__redis_trimmer {
	struct rv__redis_request request;
	struct rv__redis_producer *producer;
	size_t lane; /* of the newest lanes, whose turn it is */
	int64_t next_ms;
	bool asked;
	bool complained; /* since it last worked */
};

static void next_lane(struct rv__redis_trimmer *trimmer)
{
	const struct rv__redis_producer *producer = trimmer->producer;

	if (++trimmer->lane >= atomic_load(&producer->lanes)->count) {
		trimmer->lane = 0;
		trimmer->next_ms = producer->client->now_ms + producer->settings->trim_interval_ms;
	}
	rv__redis_client_tend_at(producer->client, trimmer->next_ms);
}

static void on_trimmed(struct rv__redis_request *request, const struct rv__redis_answer *answer)
{
	struct rv__redis_trimmer *trimmer = (struct rv__redis_trimmer *)request;
	const struct rv_binder_env *env = trimmer->producer->client->env;

	trimmer->asked = false;
	if (answer->trouble == RV__REDIS_FINE)
		trimmer->complained = false;
	else if (answer->trouble != RV__REDIS_LOST && !trimmer->complained) {
		trimmer->complained = true;
		env->log(RV_LOG_WARN, RV__REDIS_TOPIC,
		    "a stream of '%s' could not be trimmed: %s; trying again", trimmer->producer->destination,
		    answer->why->text);
	}
	next_lane(trimmer);
}

static void ask(struct rv__redis_trimmer *trimmer, struct rv__redis_lane *lane)
{
	const struct rv__redis_producer_settings *settings = trimmer->producer->settings;
	struct rv__redis_client *client = trimmer->producer->client;
	struct rv__redis_link *link = rv__redis_route_link(client, &lane->route);
	struct rv__redis_id oldest = {0};
	char most[RV__RESP_NUMBER_ROOM], id[RV__REDIS_ID_ROOM] = "";

	if (!link) {
		next_lane(trimmer);
		return;
	}
	most[rv__resp_digits(most, (uint64_t)settings->max_length)] = '\0';
	if (settings->retention_ms > 0) {
		oldest.ms = (uint64_t)(client->env->wall_ms() - settings->retention_ms);
		(void)rv__redis_id_print(oldest, id);
	}
	rv__resp_words(rv__redis_link_out(link), "EVAL", script, "1", lane->key, most, id, NULL);
	trimmer->request = (struct rv__redis_request){.done = on_trimmed};
	trimmer->asked = true;
	rv__redis_link_ask(link, &trimmer->request);
}

int64_t rv__redis_trimmer_tend(struct rv__redis_trimmer *trimmer, int64_t now_ms)
{
	const struct rv__redis_lanes *lanes = atomic_load(&trimmer->producer->lanes);

	if (trimmer->asked)
		return INT64_MAX;
	if (now_ms < trimmer->next_ms)
		return trimmer->next_ms;
	ask(trimmer, lanes->items[trimmer->lane < lanes->count ? trimmer->lane : 0]);
	return trimmer->asked ? INT64_MAX : trimmer->next_ms;
}

struct rv__redis_trimmer *rv__redis_trimmer_create(struct rv__redis_producer *producer)
{
	const struct rv__redis_producer_settings *settings = producer->settings;
	bool wanted = settings->retention_ms > 0 ||
	    (settings->max_length > 0 && settings->trimming == RV__REDIS_TRIM_SAFE);
	struct rv__redis_trimmer *trimmer = wanted ? calloc(1, sizeof *trimmer) : NULL;

	if (trimmer) {
		trimmer->producer = producer;
		trimmer->next_ms = producer->client->now_ms + settings->trim_interval_ms;
	}
	return trimmer;
}

void rv__redis_trimmer_destroy(struct rv__redis_trimmer *trimmer)
{
	if (trimmer)
		rv__redis_request_cancel(&trimmer->request);
	free(trimmer);
}
