/* SPDX-License-Identifier: Apache-2.0 */
/* What admin tools ask of the broker. */
#ifndef BROKER_ADMIN_H
#define BROKER_ADMIN_H

#include "broker/answer.h"

/** The handler of an admin request's code; NULL: not supported. */
void (*rv__admin_find(int32_t code))(struct rv__request *request);

/* Topics, groups, and messages each have a file. */
void rv__admin_update_topic(struct rv__request *request);
void rv__admin_delete_topic(struct rv__request *request);
void rv__admin_all_topics(struct rv__request *request);
void rv__admin_topic(struct rv__request *request);
void rv__admin_topic_stats(struct rv__request *request);
void rv__admin_system_topics(struct rv__request *request);

void rv__admin_update_group(struct rv__request *request);
void rv__admin_delete_group(struct rv__request *request);
void rv__admin_all_groups(struct rv__request *request);
void rv__admin_group(struct rv__request *request);
void rv__admin_consumers(struct rv__request *request);
void rv__admin_producers(struct rv__request *request);
void rv__admin_all_producers(struct rv__request *request);
void rv__admin_consume_stats(struct rv__request *request);
void rv__admin_consumed_by(struct rv__request *request);
void rv__admin_time_span(struct rv__request *request);
void rv__admin_reset_offset(struct rv__request *request);
void rv__admin_clone_offset(struct rv__request *request);
void rv__admin_all_offsets(struct rv__request *request);
void rv__admin_all_delays(struct rv__request *request);
void rv__admin_running_info(struct rv__request *request);
void rv__admin_consume_directly(struct rv__request *request);

void rv__admin_view_message(struct rv__request *request);
void rv__admin_query_message(struct rv__request *request);
void rv__admin_query_queue(struct rv__request *request);

#endif
