/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/dispatch.h"

#include <stdio.h>

#include "broker/admin.h"
#include "broker/groups.h"
#include "broker/locks.h"
#include "broker/namesrv.h"
#include "broker/offsets.h"
#include "broker/pull.h"
#include "broker/relay.h"
#include "broker/send.h"
#include "broker/sendback.h"
#include "broker/server.h"
#include "broker/transactions.h"

typedef void (*handler_fn)(struct rv__request *request);

static handler_fn find_namesrv_handler(int32_t code)
{
	switch (code) {
	case RV__REQ_GET_ROUTEINFO_BY_TOPIC:
		return rv__namesrv_route;
	case RV__REQ_REGISTER_BROKER:
		return rv__namesrv_register;
	case RV__REQ_UNREGISTER_BROKER:
		return rv__namesrv_unregister;
	case RV__REQ_QUERY_DATA_VERSION:
		return rv__namesrv_query_version;
	case RV__REQ_GET_BROKER_CLUSTER_INFO:
		return rv__namesrv_cluster;
	case RV__REQ_GET_ALL_TOPIC_LIST_FROM_NAMESERVER:
		return rv__namesrv_topics;
	case RV__REQ_GET_TOPICS_BY_CLUSTER:
		return rv__namesrv_topics_by_cluster;
	case RV__REQ_GET_SYSTEM_TOPIC_LIST_FROM_NS:
		return rv__namesrv_system_topics;
	case RV__REQ_GET_UNIT_TOPIC_LIST:
	case RV__REQ_GET_HAS_UNIT_SUB_TOPIC_LIST:
	case RV__REQ_GET_HAS_UNIT_SUB_UNUNIT_TOPIC_LIST:
		return rv__namesrv_unit_topics;
	case RV__REQ_DELETE_TOPIC_IN_NAMESRV:
		return rv__namesrv_delete_topic;
	case RV__REQ_WIPE_WRITE_PERM_OF_BROKER:
		return rv__namesrv_wipe_write_perm;
	case RV__REQ_ADD_WRITE_PERM_OF_BROKER:
		return rv__namesrv_add_write_perm;
	case RV__REQ_PUT_KV_CONFIG:
		return rv__namesrv_put_kv;
	case RV__REQ_GET_KV_CONFIG:
		return rv__namesrv_get_kv;
	case RV__REQ_DELETE_KV_CONFIG:
		return rv__namesrv_delete_kv;
	case RV__REQ_GET_KVLIST_BY_NAMESPACE:
		return rv__namesrv_list_kv;
	case RV__REQ_GET_NAMESRV_CONFIG:
		return rv__namesrv_get_config;
	case RV__REQ_UPDATE_NAMESRV_CONFIG:
		return rv__namesrv_update_config;
	default:
		return NULL;
	}
}

/* What clients ask all the time. */
static handler_fn find_client_handler(int32_t code)
{
	switch (code) {
	case RV__REQ_SEND_MESSAGE:
	case RV__REQ_SEND_MESSAGE_V2:
	case RV__REQ_SEND_BATCH_MESSAGE:
	case RV__REQ_SEND_REPLY_MESSAGE:
	case RV__REQ_SEND_REPLY_MESSAGE_V2:
		return rv__send_handle;
	case RV__REQ_PULL_MESSAGE:
	case RV__REQ_LITE_PULL_MESSAGE:
		return rv__pull_handle;
	case RV__REQ_CONSUMER_SEND_MSG_BACK:
		return rv__sendback_handle;
	case RV__REQ_END_TRANSACTION:
		return rv__transactions_end;
	case RV__REQ_HEART_BEAT:
		return rv__groups_heartbeat;
	case RV__REQ_UNREGISTER_CLIENT:
		return rv__groups_unregister;
	case RV__REQ_GET_CONSUMER_LIST_BY_GROUP:
		return rv__groups_members;
	case RV__REQ_CHECK_CLIENT_CONFIG:
		return rv__groups_check_config;
	case RV__REQ_QUERY_CONSUMER_OFFSET:
		return rv__offsets_query;
	case RV__REQ_UPDATE_CONSUMER_OFFSET:
		return rv__offsets_update;
	case RV__REQ_GET_MAX_OFFSET:
		return rv__offsets_max;
	case RV__REQ_GET_MIN_OFFSET:
		return rv__offsets_min;
	case RV__REQ_SEARCH_OFFSET_BY_TIMESTAMP:
		return rv__offsets_search;
	case RV__REQ_GET_EARLIEST_MSG_STORETIME:
		return rv__offsets_earliest;
	case RV__REQ_LOCK_BATCH_MQ:
		return rv__locks_lock;
	case RV__REQ_UNLOCK_BATCH_MQ:
		return rv__locks_unlock;
	default:
		return NULL;
	}
}

static handler_fn find_handler(const struct rv__connection *connection, int32_t code)
{
	handler_fn handler;

	if (connection->door == RV__DOOR_NAMESRV)
		return find_namesrv_handler(code);
	/* RocketMQ's fast port serves everything but pulls, so that held ones never stand in its way. */
	if (connection->door == RV__DOOR_VIP && code == RV__REQ_PULL_MESSAGE)
		return NULL;
	handler = find_client_handler(code);
	return handler ? handler : rv__admin_find(code);
}

void rv__dispatch(struct rv__connection *connection, struct rv__command *command)
{
	struct rv__request request = {
	    .broker = connection->broker,
	    .connection = connection,
	    .command = command,
	    .ticket = {rv__command_is_oneway(command) ? NULL : connection, command->opaque,
	        command->serialize},
	};
	handler_fn handler;

	if (rv__command_is_response(command)) {
		rv__relay_take_response(connection, command);
		return;
	}
	handler = find_handler(connection, command->code);
	if (!handler) {
		rv_log(RV_LOG_DEBUG, RV__TOPIC, "peer=%s: request type %d is not supported", connection->peer,
		    command->code);
		rv__answer_format(&request, RV__RSP_REQUEST_CODE_NOT_SUPPORTED,
		    " request type %d not supported", command->code);
		return;
	}
	handler(&request);
	/* A request that nobody answers costs the client its connection. */
	if (!request.answered)
		rv__answer_format(
		    &request, RV__RSP_SYSTEM_ERROR, "request type %d found no answer", command->code);
}

void rv__dispatch_closed(struct rv__connection *connection)
{
	struct rv__broker *broker = connection->broker;

	rv__relay_connection_closed(broker, connection);
	if (broker->namesrv)
		rv__namesrv_connection_closed(broker, connection);
	if (broker->groups)
		rv__groups_connection_closed(broker, connection);
}
