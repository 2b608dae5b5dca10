/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The name server: which brokers there are, which topics they serve, and a table of key-value pairs.
 * Brokers of other processes register over the network and go with their connection; the one in this
 * process is entered directly.
 */
#ifndef BROKER_NAMESRV_H
#define BROKER_NAMESRV_H

#include "broker/answer.h"

struct rv__topic;

rv_err rv__namesrv_open(struct rv__broker *broker, struct rv_error *err);
void rv__namesrv_close(struct rv__broker *broker);

/** The broker of this process: a topic is new or changed (NULL: all), or gone. */
void rv__namesrv_local_changed(struct rv__broker *broker, const struct rv__topic *topic);
void rv__namesrv_local_removed(struct rv__broker *broker, const char *topic);

/** A connection is gone, and the registrations that were made on it. */
void rv__namesrv_connection_closed(struct rv__broker *broker, struct rv__connection *connection);
/** Every few seconds: drops brokers that have not registered for 120 s. */
void rv__namesrv_expire(struct rv__broker *broker);

/* Handlers; each answers its request. */
void rv__namesrv_put_kv(struct rv__request *request);
void rv__namesrv_get_kv(struct rv__request *request);
void rv__namesrv_delete_kv(struct rv__request *request);
void rv__namesrv_list_kv(struct rv__request *request);
void rv__namesrv_register(struct rv__request *request);
void rv__namesrv_unregister(struct rv__request *request);
void rv__namesrv_query_version(struct rv__request *request);
void rv__namesrv_route(struct rv__request *request);
void rv__namesrv_cluster(struct rv__request *request);
void rv__namesrv_topics(struct rv__request *request);
void rv__namesrv_topics_by_cluster(struct rv__request *request);
void rv__namesrv_system_topics(struct rv__request *request);
void rv__namesrv_unit_topics(struct rv__request *request);
void rv__namesrv_delete_topic(struct rv__request *request);
void rv__namesrv_wipe_write_perm(struct rv__request *request);
void rv__namesrv_add_write_perm(struct rv__request *request);
void rv__namesrv_get_config(struct rv__request *request);
void rv__namesrv_update_config(struct rv__request *request);

#endif
