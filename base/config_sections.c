/* SPDX-License-Identifier: Apache-2.0 */
/* The keys that steer the configuration itself. The loader reads most of them before there is any table. */
#include "base/config_store.h"

/* In the order of enum rv__unknown_keys. */
static const char *const unknown_modes[] = {"fail", "warn", "ignore", NULL};

struct config_settings {
	int64_t unknown;
};

static const struct rv_prop_desc config_rows[] = {
    {.name = "unknown-keys",
        .type = RV_PROP_ENUM,
        .def = "fail",
        .choices = unknown_modes,
        .doc = "What an unknown key below rivulet. or spring.cloud.stream. does to the start of a service.",
        .offset = offsetof(struct config_settings, unknown)},
    {.name = NULL}};

static const struct rv_prop_table config_table = {
    .rows = config_rows, .size = sizeof(struct config_settings)};

/* Read by the loader itself, before any table; the struct is never filled. */
struct loading_settings {
	struct rv_strings active, include, fallback, name;
	struct rv_pairs group;
	const char *location, *additional, *platform;
	struct rv_strings import, on_profile;
};

static const struct rv_prop_desc profile_rows[] = {
    {.name = "active",
        .type = RV_PROP_LIST,
        .doc = "Active profiles; for each one application-<profile>.properties is read, the last one wins.",
        .offset = offsetof(struct loading_settings, active)},
    {.name = "default",
        .type = RV_PROP_LIST,
        .def = "default",
        .doc = "Profiles that are active when no other is.",
        .offset = offsetof(struct loading_settings, fallback)},
    {.name = "include",
        .type = RV_PROP_LIST,
        .doc = "Profiles that are active besides those of spring.profiles.active.",
        .offset = offsetof(struct loading_settings, include)},
    {.name = "group",
        .type = RV_PROP_MAP,
        .doc = "group.<profile>: further profiles that this profile brings along.",
        .offset = offsetof(struct loading_settings, group)},
    {.name = NULL}};

static const struct rv_prop_desc location_rows[] = {
    {.name = "name",
        .type = RV_PROP_LIST,
        .def = "application",
        .doc = "Base names of the configuration files; set by environment or argument.",
        .offset = offsetof(struct loading_settings, name)},
    {.name = "location",
        .type = RV_PROP_STRING,
        .doc = "Files and directories to read in place of ./ and ./config/; optional:, file:, commas; set by "
               "environment or argument.",
        .offset = offsetof(struct loading_settings, location)},
    {.name = "additional-location",
        .type = RV_PROP_STRING,
        .doc = "Files and directories to read besides; they win over the others.",
        .offset = offsetof(struct loading_settings, additional)},
    {.name = "import",
        .type = RV_PROP_LIST,
        .doc = "Further files that a file brings along; they win over the one that names them.",
        .offset = offsetof(struct loading_settings, import)},
    {.name = "activate.on-profile",
        .type = RV_PROP_LIST,
        .doc = "In one document of a file (#---): profile expressions; it counts when one of them holds.",
        .offset = offsetof(struct loading_settings, on_profile)},
    {.name = "activate.on-cloud-platform",
        .type = RV_PROP_STRING,
        .doc = "In one document of a file: the platform on which it counts, kubernetes or none.",
        .offset = offsetof(struct loading_settings, platform)},
    {.name = NULL}};

static const struct rv_prop_table profile_table = {
    .rows = profile_rows, .size = sizeof(struct loading_settings)};
static const struct rv_prop_table location_table = {
    .rows = location_rows, .size = sizeof(struct loading_settings)};

const struct rv__section rv__config_sections[] = {
    {.prefix = "rivulet.config", .table = &config_table, .title = "Configuration"},
    {.prefix = "spring.profiles", .table = &profile_table, .title = "Profiles"},
    {.prefix = "spring.config", .table = &location_table, .title = "Configuration files"}, {.prefix = NULL}};

enum rv__unknown_keys rv__config_unknown_keys(const rv_config *config)
{
	const char *const prefixes[] = {"rivulet.config", NULL};
	struct config_settings settings;
	struct rv__problems ignored = {0};

	rv__config_fill(config, &config_table, prefixes, &settings, &ignored);
	rv__problems_finish(&ignored);
	return (enum rv__unknown_keys)settings.unknown;
}
