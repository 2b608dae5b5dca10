/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The properties of the binding layer: the structs that their tables fill, and the tables.
 * Spring's keys keep their names; a key that has no effect here has its row and says so.
 */
#ifndef BINDINGS_PROPERTIES_H
#define BINDINGS_PROPERTIES_H

#include <stdbool.h>
#include <stddef.h>

#include "base/config.h"

#define RV__STREAM_PREFIX "spring.cloud.stream"

/* Where the values of keys without effect go, so that every row has a place. */
union rv__unused_value {
	const char *text;
	bool flag;
	int64_t number;
	double real;
	struct rv_strings list;
	struct rv_pairs map;
};

/* spring.cloud.stream.bindings.<name> */
struct rv__binding_settings {
	union rv__unused_value unused;
	const char *destination;
	const char *group;
	const char *content_type;
	const char *binder;
};

enum rv__header_mode { RV__HEADERS_NATIVE, RV__HEADERS_NONE, RV__HEADERS_EMBEDDED };

/* spring.cloud.stream.bindings.<name>.consumer */
struct rv__consumer_settings {
	union rv__unused_value unused;
	bool auto_startup;
	int64_t concurrency;
	bool partitioned;
	int64_t header_mode; /* enum rv__header_mode */
	bool default_retryable;
	int64_t instance_count;
	int64_t instance_index;
	struct rv_strings instance_index_list;
	int64_t max_attempts;
	int64_t back_off_initial_ms;
	int64_t back_off_max_ms;
	double back_off_multiplier;
};

/* The words of header-mode, in this order. */
/* spring.cloud.stream.bindings.<name>.producer */
struct rv__producer_settings {
	union rv__unused_value unused;
	bool auto_startup;
	int64_t partition_count;
	struct rv_strings required_groups;
	const char *partition_key_expression;
	const char *partition_selector_expression;
	bool dynamic_partitions;
	int64_t header_mode; /* enum rv__header_mode */
	bool native_encoding;
	bool error_channel;
};

/* rivulet.bindings.<name> */
struct rv__own_settings {
	bool fail_fast;
};

/* rivulet.bindings.<name>.consumer */
struct rv__own_consumer_settings {
	int64_t queue_messages;
	int64_t queue_bytes;
	int64_t stop_deadline_ms;
	int64_t max_deliveries;
};

/* rivulet.bindings.<name>.producer */
struct rv__own_producer_settings {
	int64_t send_timeout_ms;
	int64_t max_in_flight;
	int64_t max_in_flight_bytes;
	int64_t partition_hash; /* enum rv__partition_hash */
	struct rv_strings embedded_headers;
};

/* spring.cloud.stream.binders.<name> */
struct rv__binder_settings {
	union rv__unused_value unused;
	const char *type;
	bool inherit_environment;
	bool default_candidate;
};

/* spring.cloud.stream */
struct rv__stream_settings {
	union rv__unused_value unused;
	const char *default_binder;
	int64_t instance_count;
	int64_t instance_index;
	struct rv_strings instance_index_list;
};

/* rivulet */
struct rv__app_settings {
	struct rv_strings binder_path;
	int64_t stop_deadline_ms;
};

/* spring.application */
struct rv__application_settings {
	const char *name;
};

/* logging */
struct rv__logging_settings {
	struct rv_pairs levels;
};

extern const struct rv_prop_table rv__binding_table;
extern const struct rv_prop_table rv__consumer_table;
extern const struct rv_prop_table rv__producer_table;
extern const struct rv_prop_table rv__own_table;
extern const struct rv_prop_table rv__own_consumer_table;
extern const struct rv_prop_table rv__own_producer_table;
extern const struct rv_prop_table rv__binder_table;
extern const struct rv_prop_table rv__stream_table;
extern const struct rv_prop_table rv__app_table;
extern const struct rv_prop_table rv__application_table;
extern const struct rv_prop_table rv__logging_table;

/** Fills *ret_logging from the keys below `logging`; a word that is no level becomes a warning. */
void rv__logging_read(
    const rv_config *config, struct rv__logging_settings *ret_logging, struct rv__problems *problems);

/* Every section of this program: binding layer, modules, binders in this process. */
struct rv__sections {
	const struct rv__section **items; /* owned, and what they point at */
	size_t count;
	void *memory;
};

/**
 * Collects all sections, for rv__config_check() and `rivulet config`. Binders are those in this process;
 * load modules with rv__binder_find() before. RV_E_NOMEM or RV_OK.
 */
rv_err rv__collect_sections(struct rv__sections *ret_sections);
void rv__sections_finish(struct rv__sections *sections);

#endif
