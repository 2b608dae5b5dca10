/* SPDX-License-Identifier: Apache-2.0 */
/* Merges the two spellings of the properties and judges what only a whole binding can tell. */
#include "binder/rocketmq/settings.h"

#include <string.h>
#include <strings.h>
#include <time.h>

#include "base/clock.h"
#include "base/numbers.h"

enum { DEFAULT_SUSPEND_MS = 1000, DEFAULT_COMPRESS = 4096 };

static rv_err contradict(struct rv_error *err, const char *binding, const char *one, const char *other)
{
	return rv_error_set(err, RV_E_CONFIG, RV__N_RMQ_CONTRADICTION, "rocketmq",
	    "binding '%s': '%s' and '%s' are the old and the new name of one setting and contradict each "
	    "other; "
	    "keep one of them",
	    binding, one, other);
}

/* A number with two spellings, 0 when not set. */
static rv_err merge_number(int64_t one, const char *one_name, int64_t other, const char *other_name,
    int64_t absent, const char *binding, int64_t *ret_value, struct rv_error *err)
{
	if (one && other && one != other)
		return contradict(err, binding, one_name, other_name);
	*ret_value = one ? one : other ? other : absent;
	return RV_OK;
}

/* A switch with two spellings, each possibly unset. */
static rv_err merge_switch(int64_t one, const char *one_name, int64_t other, const char *other_name,
    bool absent, const char *binding, bool *ret_value, struct rv_error *err)
{
	if (one && other && one != other)
		return contradict(err, binding, one_name, other_name);
	if (one || other)
		*ret_value = (one ? one : other) == RV__RMQ_TRUE;
	else
		*ret_value = absent;
	return RV_OK;
}

static bool is_set(const char *text)
{
	return text && *text;
}

static rv_err merge_expression(const struct rv__rmq_consumer_settings *settings, const char *binding,
    struct rv__rmq_consumer_plan *plan, struct rv_error *err)
{
	bool sql_prefix = is_set(settings->subscription) && strncmp(settings->subscription, "sql:", 4) == 0;

	if (is_set(settings->tags) && is_set(settings->sql))
		return contradict(err, binding, "tags", "sql");
	if (is_set(settings->subscription) && is_set(settings->tags) &&
	    strcmp(settings->subscription, settings->tags) != 0)
		return contradict(err, binding, "tags", "subscription");
	if (is_set(settings->subscription) && is_set(settings->sql) &&
	    !(sql_prefix && strcmp(settings->subscription + 4, settings->sql) == 0))
		return contradict(err, binding, "sql", "subscription");
	plan->sql = is_set(settings->sql) || sql_prefix;
	if (is_set(settings->sql))
		plan->expression = settings->sql;
	else if (sql_prefix)
		plan->expression = settings->subscription + 4;
	else if (is_set(settings->subscription))
		plan->expression = settings->subscription;
	else
		plan->expression = is_set(settings->tags) ? settings->tags : "*";
	return RV_OK;
}

bool rv__rmq_parse_timestamp(const char *text, int64_t *ret_ms)
{
	struct tm parts = {.tm_isdst = -1};
	int fields[] = {4, 2, 2, 2, 2, 2}, values[6];
	const char *at = text;
	time_t seconds;

	if (strlen(text) != 14)
		return false;
	for (size_t i = 0; i < 6; i++) {
		values[i] = 0;
		for (int k = 0; k < fields[i]; k++, at++) {
			if (*at < '0' || *at > '9')
				return false;
			values[i] = values[i] * 10 + (*at - '0');
		}
	}
	if (values[1] < 1 || values[1] > 12 || values[2] < 1 || values[2] > 31 || values[3] > 23 ||
	    values[4] > 59 || values[5] > 60)
		return false;
	parts.tm_year = values[0] - 1900;
	parts.tm_mon = values[1] - 1;
	parts.tm_mday = values[2];
	parts.tm_hour = values[3];
	parts.tm_min = values[4];
	parts.tm_sec = values[5];
	seconds = mktime(&parts);
	if (seconds == (time_t)-1)
		return false;
	*ret_ms = (int64_t)seconds * 1000;
	return true;
}

static rv_err plan_start(const struct rv__rmq_consumer_settings *settings, const char *binding,
    struct rv__rmq_consumer_plan *plan, struct rv_error *err)
{
	/* Index in the list of words: first, last, timestamp, then three old words that Java treats as last. */
	static const enum rv__rmq_from meaning[] = {RV__RMQ_FROM_FIRST, RV__RMQ_FROM_LAST,
	    RV__RMQ_FROM_TIMESTAMP, RV__RMQ_FROM_LAST, RV__RMQ_FROM_LAST, RV__RMQ_FROM_LAST};

	plan->from = meaning[settings->consume_from];
	plan->from_timestamp_ms = rv__wall_ms() - 30 * 60 * 1000;
	if (is_set(settings->consume_timestamp) &&
	    !rv__rmq_parse_timestamp(settings->consume_timestamp, &plan->from_timestamp_ms))
		return rv_error_set(err, RV_E_CONFIG, RV__N_RMQ_BAD_VALUE, "rocketmq",
		    "binding '%s': consume-timestamp '%s' is not a time; write it as yyyyMMddHHmmss", binding,
		    settings->consume_timestamp);
	return RV_OK;
}

rv_err rv__rmq_consumer_plan(const struct rv__rmq_consumer_settings *settings, const char *binding,
    struct rv__rmq_consumer_plan *ret_plan, struct rv_error *err)
{
	struct rv__rmq_consumer_plan plan = {0};
	int64_t model =
	    settings->message_model ? 3 - settings->message_model : 0; /* BROADCASTING is "true" */
	int64_t level = 0;
	rv_err failed;

	failed = merge_expression(settings, binding, &plan, err);
	if (failed == RV_OK)
		failed = merge_switch(settings->broadcasting, "broadcasting", model, "message-model", false,
		    binding, &plan.broadcasting, err);
	if (failed == RV_OK)
		failed = merge_switch(settings->orderly, "orderly", settings->push_orderly, "push.orderly",
		    false, binding, &plan.orderly, err);
	if (failed == RV_OK)
		failed = merge_number(settings->delay_level, "delay-level-when-next-consume",
		    settings->push_delay_level, "push.delay-level-when-next-consume", 0, binding, &level,
		    err);
	if (failed == RV_OK)
		failed = merge_number(settings->suspend_ms, "suspend-current-queue-time-millis",
		    settings->push_suspend_ms, "push.suspend-current-queue-time-millis", DEFAULT_SUSPEND_MS,
		    binding, &plan.suspend_ms, err);
	if (failed == RV_OK)
		failed = plan_start(settings, binding, &plan, err);
	if (failed != RV_OK)
		return failed;
	plan.delay_level = (int)level;
	plan.pull_error_delay_ms = settings->pull_error_delay_ms;
	plan.max_count = settings->threshold_queue;
	plan.max_bytes = settings->threshold_queue_mib << 20;
	plan.max_count_topic = settings->threshold_topic;
	plan.max_bytes_topic = settings->threshold_topic_mib < 0 ? -1 : settings->threshold_topic_mib << 20;
	plan.max_span = settings->max_span;
	plan.pull_batch = (int)settings->pull_batch;
	plan.pull_interval_ms = settings->pull_interval_ms;
	plan.max_reconsume = (int)settings->max_reconsume;
	*ret_plan = plan;
	return RV_OK;
}

static rv_err plan_send_type(const struct rv__rmq_producer_settings *settings, const char *binding,
    struct rv__rmq_producer_plan *plan, struct rv_error *err)
{
	/* send_type: 0 unset, 1 Sync, 2 Async, 3 OneWay. */
	if (settings->sync == RV__RMQ_TRUE && settings->send_type > 1)
		return contradict(err, binding, "sync", "send-type");
	if (settings->sync == RV__RMQ_FALSE && settings->send_type == 1)
		return contradict(err, binding, "sync", "send-type");
	if (settings->send_type == 3)
		plan->type = RV__RMQ_SEND_ONEWAY;
	else if (settings->send_type == 2 || settings->sync == RV__RMQ_FALSE)
		plan->type = RV__RMQ_SEND_ASYNC;
	else
		plan->type = RV__RMQ_SEND_SYNC;
	plan->queued_is_sent = plan->type != RV__RMQ_SEND_SYNC;
	return RV_OK;
}

rv_err rv__rmq_producer_plan(const struct rv__rmq_producer_settings *settings, const char *binding,
    struct rv__rmq_producer_plan *ret_plan, struct rv_error *err)
{
	struct rv__rmq_producer_plan plan = {.group = is_set(settings->group) ? settings->group : NULL};
	rv_err failed;

	failed = plan_send_type(settings, binding, &plan, err);
	if (failed == RV_OK)
		failed = merge_number(settings->send_message_timeout_ms, "send-message-timeout",
		    settings->send_msg_timeout_ms, "send-msg-timeout", 0, binding, &plan.timeout_ms, err);
	if (failed == RV_OK)
		failed = merge_number(settings->compress_message_threshold, "compress-message-body-threshold",
		    settings->compress_msg_threshold, "compress-msg-body-threshold", DEFAULT_COMPRESS,
		    binding, &plan.compress_threshold, err);
	if (failed == RV_OK)
		failed = merge_switch(settings->retry_next_server, "retry-next-server",
		    settings->retry_another_broker, "retry-another-broker", false, binding,
		    &plan.retry_not_stored, err);
	if (failed != RV_OK)
		return failed;
	plan.max_message_size = settings->max_message_size;
	plan.retries = (int)(plan.type == RV__RMQ_SEND_SYNC ? settings->retry_sync : settings->retry_async);
	*ret_plan = plan;
	return RV_OK;
}

static bool same_text(const char *one, const char *other)
{
	return !is_set(other) || (is_set(one) && strcmp(one, other) == 0);
}

static bool same_list(const struct rv_strings *one, const struct rv_strings *other)
{
	if (other->count == 0)
		return true;
	if (one->count != other->count)
		return false;
	for (size_t i = 0; i < one->count; i++)
		if (strcasecmp(one->items[i], other->items[i]) != 0)
			return false;
	return true;
}

rv_err rv__rmq_check_common(const struct rv__rmq_common *binder, const struct rv__rmq_common *binding,
    const char *name, const char *side, struct rv_error *err)
{
	const char *key = NULL;

	if (!same_list(&binder->name_server, &binding->name_server))
		key = "name-server";
	else if (!same_text(binder->access_key, binding->access_key))
		key = "access-key";
	else if (!same_text(binder->secret_key, binding->secret_key))
		key = "secret-key";
	if (!key)
		return RV_OK;
	return rv_error_set(err, RV_E_CONFIG, RV__N_RMQ_BINDING_CONNECTION, "rocketmq",
	    "spring.cloud.stream.rocketmq.bindings.%s.%s.%s differs from the binder's; give the binding a "
	    "binder "
	    "configuration of its own (spring.cloud.stream.binders.<name>.environment)",
	    name, side, key);
}
