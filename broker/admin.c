/* SPDX-License-Identifier: Apache-2.0 */
/* Which admin request is served by what, and what they ask of the broker as a whole. */
#include "broker/admin.h"

#include <stdio.h>
#include <string.h>

#include <rivulet/version.h>

#include "base/clock.h"
#include "broker/server.h"
#include "broker/topics.h"
#include "remoting/json_dialect.h"

typedef void (*handler_fn)(struct rv__request *request);

static void answer_nothing_to_do(struct rv__request *request)
{
	rv__answer(request, RV__RSP_SUCCESS, NULL);
}

/* -- runtime information ------------------------------------------------------------------------------------- */

static void add_entry(struct rv__buffer *body, const char *name, const char *value)
{
	rv__buffer_add_text(body, body->bytes[body->length - 1] == '{' ? "" : ",");
	rv__json_add_string(body, name, strlen(name));
	rv__buffer_add_text(body, ":");
	rv__json_add_string(body, value, strlen(value));
}

static void add_number(struct rv__buffer *body, const char *name, int64_t value)
{
	char text[32];

	snprintf(text, sizeof(text), "%lld", (long long)value);
	add_entry(body, name, text);
}

/* Three equal figures: the mean since start stands for the last 10, 60 and 600 seconds. */
static void add_rate(struct rv__buffer *body, const char *name, uint64_t count, double seconds)
{
	double rate = seconds > 0 ? (double)count / seconds : 0;
	char text[128];

	snprintf(text, sizeof(text), "%.6f %.6f %.6f", rate, rate, rate);
	add_entry(body, name, text);
}

static void add_store(struct rv__buffer *body, const struct rv__broker *broker)
{
	struct rv__store_stats stats;
	char text[64];

	rv__store_stats(broker->store, &stats);
	snprintf(text, sizeof(text), "%.4f", stats.disk_used);
	add_entry(body, "commitLogDiskRatio", text);
	add_entry(body, "consumeQueueDiskRatio", text);
	add_number(body, "commitLogMinOffset", stats.log_start);
	add_number(body, "commitLogMaxOffset", stats.log_end);
	add_number(body, "dispatchBehindBytes", 0);
	add_number(body, "remainHowManyDataToFlush", stats.log_end - stats.synced_end);
	add_number(body, "earliestMessageTimeStamp", -1);
}

static void tell_runtime(struct rv__request *request)
{
	const struct rv__broker *broker = request->broker;
	struct rv__buffer body = RV__BUFFER_INIT(0);
	double seconds = (double)(rv__wall_ms() - broker->started_ms) / 1000;

	rv__buffer_add_text(&body, "{\"table\":{");
	add_entry(&body, "brokerVersionDesc", "V4_9_8");
	add_number(&body, "brokerVersion", RV__MQ_VERSION);
	add_entry(&body, "rivuletVersion", RV_VERSION);
	add_number(&body, "bootTimestamp", broker->started_ms);
	add_rate(&body, "putTps", broker->put_messages, seconds);
	add_rate(&body, "getTransferedTps", broker->got_messages, seconds);
	add_rate(&body, "getTotalTps", broker->got_messages, seconds);
	add_rate(&body, "getFoundTps", broker->got_messages, seconds);
	add_number(&body, "putMessageTimesTotal", (int64_t)broker->put_messages);
	add_number(&body, "msgPutTotalTodayNow", (int64_t)broker->put_messages);
	add_number(&body, "msgPutTotalTodayMorning", 0);
	add_number(&body, "msgPutTotalYesterdayMorning", 0);
	add_number(&body, "msgGetTotalTodayNow", (int64_t)broker->got_messages);
	add_number(&body, "msgGetTotalTodayMorning", 0);
	add_number(&body, "msgGetTotalYesterdayMorning", 0);
	add_number(&body, "sendThreadPoolQueueHeadWaitTimeMills", 0);
	add_number(&body, "pullThreadPoolQueueHeadWaitTimeMills", 0);
	add_number(&body, "queryThreadPoolQueueHeadWaitTimeMills", 0);
	add_number(&body, "sendThreadPoolQueueSize", 0);
	add_number(&body, "pullThreadPoolQueueSize", 0);
	add_number(&body, "pageCacheLockTimeMills", 0);
	add_number(&body, "connections", (int64_t)broker->connection_count);
	add_store(&body, broker);
	rv__buffer_add_text(&body, "}}");
	rv__answer_body(request, &body);
	rv__buffer_finish(&body);
}

/* -- configuration ------------------------------------------------------------------------------------------------ */

static void tell_config(struct rv__request *request)
{
	const struct rv__broker *broker = request->broker;
	const struct rv__broker_settings *settings = &broker->settings;
	struct rv__buffer body = RV__BUFFER_INIT(0), version = RV__BUFFER_INIT(0);
	struct rv__command_writer writer;

	rv__buffer_printf(&body,
	    "brokerName=%s\nbrokerClusterName=%s\nbrokerId=0\nbrokerIP1=%s\nlistenPort=%d\nbrokerRole=ASYNC_"
	    "MASTER\n"
	    "flushDiskType=%s\nstorePathRootDir=%s\nfileReservedTime=%lld\ndeleteWhen=%02lld\nmaxMessageSize="
	    "%lld\n"
	    "autoCreateTopicEnable=%s\nautoCreateSubscriptionGroup=%s\ndefaultTopicQueueNums=%lld\n"
	    "brokerPermission=%lld\nmessageDelayLevel=%s\nlongPollingEnable=%s\nmappedFileSizeCommitLog=%"
	    "lld\n"
	    "diskMaxUsedSpaceRatio=%lld\nenablePropertyFilter=false\naclEnable=false\ntraceTopicEnable=%s\n"
	    "registerNameServerPeriod=%lld\n",
	    settings->broker_name, settings->cluster, settings->broker_ip,
	    broker->listeners[RV__DOOR_BROKER].port,
	    settings->flush == RV__FLUSH_ASYNC ? "ASYNC_FLUSH" : "SYNC_FLUSH", broker->directory,
	    (long long)settings->reserved_hours, (long long)settings->delete_when,
	    (long long)settings->max_message, settings->auto_create_topic ? "true" : "false",
	    settings->auto_create_group ? "true" : "false", (long long)settings->default_queues,
	    (long long)settings->permission, settings->delay_levels,
	    settings->long_polling ? "true" : "false", (long long)settings->segment_bytes,
	    (long long)settings->disk_ratio, settings->trace_topic ? "true" : "false",
	    (long long)settings->register_period_ms);
	rv__topics_version_encode(broker, &version);
	if (rv__answer_begin(request, &writer, RV__RSP_SUCCESS, NULL)) {
		rv__command_add_text(&writer, "version", rv__buffer_text(&version));
		rv__answer_end(request, &writer, body.bytes, body.length);
	}
	rv__buffer_finish(&version);
	rv__buffer_finish(&body);
}

/* In Apache's broker this command has allowed to run programs (CVE-2023-33246). */
static void refuse_config(struct rv__request *request)
{
	rv__answer(request, RV__RSP_NO_PERMISSION,
	    "the configuration is not changed over the network; change the properties file and start the "
	    "broker again");
}

static void tell_stats(struct rv__request *request)
{
	char name[RV__NAME_SIZE], key[2 * RV__NAME_SIZE];

	if (rv__need_text(request, "statsName", name, sizeof(name)) &&
	    rv__need_text(request, "statsKey", key, sizeof(key)))
		rv__answer_format(request, RV__RSP_SYSTEM_ERROR, "The stats <%s> <%s> not exist", name, key);
}

/* -- which handler -------------------------------------------------------------------------------------------- */

static const struct {
	int32_t code;
	handler_fn handler;
} handlers[] = {
    {RV__REQ_QUERY_MESSAGE, rv__admin_query_message},
    {RV__REQ_UPDATE_AND_CREATE_TOPIC, rv__admin_update_topic},
    {RV__REQ_GET_ALL_TOPIC_CONFIG, rv__admin_all_topics},
    {RV__REQ_UPDATE_BROKER_CONFIG, refuse_config},
    {RV__REQ_GET_BROKER_CONFIG, tell_config},
    {RV__REQ_GET_BROKER_RUNTIME_INFO, tell_runtime},
    {RV__REQ_VIEW_MESSAGE_BY_ID, rv__admin_view_message},
    {RV__REQ_GET_ALL_CONSUMER_OFFSET, rv__admin_all_offsets},
    {RV__REQ_GET_ALL_DELAY_OFFSET, rv__admin_all_delays},
    {RV__REQ_UPDATE_AND_CREATE_SUBSCRIPTIONGROUP, rv__admin_update_group},
    {RV__REQ_GET_ALL_SUBSCRIPTIONGROUP_CONFIG, rv__admin_all_groups},
    {RV__REQ_GET_TOPIC_STATS_INFO, rv__admin_topic_stats},
    {RV__REQ_GET_CONSUMER_CONNECTION_LIST, rv__admin_consumers},
    {RV__REQ_GET_PRODUCER_CONNECTION_LIST, rv__admin_producers},
    {RV__REQ_DELETE_SUBSCRIPTIONGROUP, rv__admin_delete_group},
    {RV__REQ_GET_CONSUME_STATS, rv__admin_consume_stats},
    {RV__REQ_DELETE_TOPIC_IN_BROKER, rv__admin_delete_topic},
    {RV__REQ_INVOKE_BROKER_TO_RESET_OFFSET, rv__admin_reset_offset},
    {RV__REQ_QUERY_TOPIC_CONSUME_BY_WHO, rv__admin_consumed_by},
    {RV__REQ_QUERY_CONSUME_TIME_SPAN, rv__admin_time_span},
    {RV__REQ_GET_SYSTEM_TOPIC_LIST_FROM_BROKER, rv__admin_system_topics},
    {RV__REQ_CLEAN_EXPIRED_CONSUMEQUEUE, answer_nothing_to_do},
    {RV__REQ_CLEAN_UNUSED_TOPIC, answer_nothing_to_do},
    {RV__REQ_DELETE_EXPIRED_COMMITLOG, answer_nothing_to_do},
    {RV__REQ_GET_CONSUMER_RUNNING_INFO, rv__admin_running_info},
    {RV__REQ_CONSUME_MESSAGE_DIRECTLY, rv__admin_consume_directly},
    {RV__REQ_CLONE_GROUP_OFFSET, rv__admin_clone_offset},
    {RV__REQ_VIEW_BROKER_STATS_DATA, tell_stats},
    {RV__REQ_QUERY_CONSUME_QUEUE, rv__admin_query_queue},
    {RV__REQ_GET_ALL_PRODUCER_INFO, rv__admin_all_producers},
    {RV__REQ_GET_TOPIC_CONFIG, rv__admin_topic},
    {RV__REQ_GET_SUBSCRIPTIONGROUP_CONFIG, rv__admin_group},
};

handler_fn rv__admin_find(int32_t code)
{
	for (size_t i = 0; i < sizeof(handlers) / sizeof(handlers[0]); i++)
		if (handlers[i].code == code)
			return handlers[i].handler;
	return NULL;
}
