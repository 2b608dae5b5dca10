/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which files are read, and in which order the layers lie. From the lowest to the highest, as
 * Spring Boot has them:
 *
 *   1. built-in defaults
 *   2. for each group of locations: the plain files, then those of each active profile. The default group is ./ and
 *      then ./config/; commas in spring.config.location begin a new group, semicolons stay within one;
 *      spring.config.additional-location comes behind. In one directory: .yaml, .yml, .properties
 *      (the last one wins). A file's documents in their order; what one imports lies right above it.
 *   3. environment variables
 *   4. SPRING_APPLICATION_JSON
 *   5. --key=value arguments
 *
 * The layers are put together up to three times: without files, to know where they are; with the plain ones,
 * to know the profiles; and whole. Each file is read once.
 */
#include "base/config_file.h"
#include "base/config_store.h"
#include "base/numbers.h"
#include "base/profile.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

enum { IMPORT_DEPTH = 16, DOCUMENTS_MAX = 256, PROFILES_MAX = 32, PATH_SIZE = 1024 };

struct loader {
	rv_config *config;
	const struct rv__config_sources *sources;
	struct rv__problems *problems;
	struct rv__config_file *files; /* each path once */
	const struct rv__config_document *order[DOCUMENTS_MAX];
	size_t order_count;
	struct rv_strings profiles; /* active ones; empty during the first pass */
	const char *profile_names[PROFILES_MAX];
	struct rv_strings names; /* spring.config.name */
	bool final;              /* the last pass: warnings count */
	/* The import that is being followed, for messages; no file: a location. */
	struct {
		const char *file;
		int line;
	} importer;
	const char
	    *below; /* where the default group is looked for; NULL: not there, or in the working directory */
};

static void place_location(struct loader *loader, const char *location, const char *from, const char *profile,
    bool required, int depth);

/* -- documents in their order ----------------------------------------------------- */

static const struct rv__config_file *file_at(struct loader *loader, const char *path)
{
	struct rv__config_file *file = loader->files;

	while (file && strcmp(file->path, path) != 0)
		file = file->next;
	if (!file && (file = rv__config_file_read(&loader->config->arena, path, loader->problems))) {
		file->next = loader->files;
		loader->files = file;
	}
	return file;
}

/* One profile expression, or list of them, of a document. */
static bool holds(struct loader *loader, const struct rv__config_document *document, const char *expression)
{
	bool valid;
	bool result = rv__profile_matches(expression, &loader->profiles, &valid);

	if (!valid)
		rv__problems_add(loader->problems, true, RV__N_CONFIG_PROFILE,
		    "spring.config.activate.on-profile",
		    "%s: spring.config.activate.on-profile: '%.80s' is no profile expression; write names "
		    "with !, &, | "
		    "and parentheses",
		    document->file->path, expression);
	/* The first pass knows no profiles, and !x would hold for all of them. */
	return result && loader->profiles.count > 0;
}

/* Written as one value or as a list, of which one has to hold. */
static bool has_its_profile(struct loader *loader, const struct rv__config_document *document)
{
	const char *expression = rv__config_document_get(document, "spring.config.activate.onprofile");
	bool any = false;
	char key[64];

	if (expression)
		return holds(loader, document, expression);
	for (int i = 0;; i++) {
		snprintf(key, sizeof key, "spring.config.activate.onprofile.%d", i);
		if (!(expression = rv__config_document_get(document, key)))
			return any || i == 0;
		any |= holds(loader, document, expression);
	}
}

/* Of Spring's platforms, Kubernetes is the one that can be told here; all others are elsewhere. */
static bool has_its_platform(const struct loader *loader, const struct rv__config_document *document)
{
	const char *platform = rv__config_document_get(document, "spring.config.activate.oncloudplatform");
	bool on_kubernetes = false;

	for (char **variable = loader->sources->environment; variable && *variable; variable++)
		on_kubernetes |= strncmp(*variable, "KUBERNETES_SERVICE_HOST=", 24) == 0;
	return !platform || strcasecmp(platform, on_kubernetes ? "kubernetes" : "none") == 0;
}

static bool is_active(struct loader *loader, const struct rv__config_document *document)
{
	/* Both are asked, so that a malformed expression is told even where nothing depends on it. */
	bool profile = has_its_profile(loader, document);

	return loader->sources->every_document || (profile && has_its_platform(loader, document));
}

/* "file:line: spring.config.import: " while an import is followed, else "". */
static const char *named_at(const struct loader *loader, char *text, size_t size)
{
	*text = '\0';
	if (loader->importer.file)
		snprintf(text, size, "%.*s:%d: spring.config.import: ", (int)size - 64, loader->importer.file,
		    loader->importer.line);
	return text;
}

static void complain_of_place(struct loader *loader, const char *location, const char *what)
{
	char at[PATH_SIZE + 64];

	rv__problems_add(loader->problems, true, RV__N_CONFIG_LOCATION, "spring.config", "%s'%.200s' %s",
	    named_at(loader, at, sizeof at), location, what);
}

/* Calls place_location for each location of a list value. */
static void place_list(struct loader *loader, const char *list, const char *separators, const char *from,
    const char *profile, bool required, int depth)
{
	char location[PATH_SIZE];

	while (*list) {
		size_t length = strcspn(list, separators);
		size_t start = strspn(list, " \t");
		size_t end = length;

		while (end > start && (list[end - 1] == ' ' || list[end - 1] == '\t'))
			end--;
		if (start < end && end - start >= sizeof location) {
			complain_of_place(loader, list + start, "… is longer than a path can be; shorten it");
		} else if (start < end) {
			memcpy(location, list + start, end - start);
			location[end - start] = '\0';
			place_location(loader, location, from, profile, required, depth);
		}
		list += length + (list[length] != '\0');
	}
}

static void place_import(struct loader *loader, const char *file, const struct rv__config_item *item,
    const char *profile, int depth)
{
	const char *outer = loader->importer.file;
	int outer_line = loader->importer.line;

	loader->importer.file = file;
	loader->importer.line = item->line;
	place_list(loader, item->value, ",", file, profile, true, depth + 1);
	loader->importer.file = outer;
	loader->importer.line = outer_line;
}

static void place_imports(
    struct loader *loader, const struct rv__config_document *document, const char *profile, int depth)
{
	const struct rv__config_item *item = rv__config_document_find(document, "spring.config.import");
	char key[64];

	if (item)
		place_import(loader, document->file->path, item, profile, depth);
	for (int i = 0;; i++) {
		snprintf(key, sizeof key, "spring.config.import.%d", i);
		if (!(item = rv__config_document_find(document, key)))
			return;
		place_import(loader, document->file->path, item, profile, depth);
	}
}

/* Whether the file is there. */
static bool place_file(struct loader *loader, const char *path, int depth)
{
	const struct rv__config_file *file = file_at(loader, path);

	if (!file || !file->exists)
		return false;
	for (const struct rv__config_document *document = file->documents; document;
	     document = document->next) {
		if (!is_active(loader, document))
			continue;
		if (loader->order_count == DOCUMENTS_MAX || depth > IMPORT_DEPTH) {
			complain_of_place(loader, path,
			    "is one file too many: imports nest too deeply or go round in a circle; break "
			    "it");
			return true;
		}
		loader->order[loader->order_count++] = document;
		place_imports(loader, document, NULL, depth);
	}
	return true;
}

/* -- locations ---------------------------------------------------------------------- */

static bool strip(const char **text, const char *prefix)
{
	size_t length = strlen(prefix);

	if (strncmp(*text, prefix, length) != 0)
		return false;
	*text += length;
	return true;
}

static bool is_directory(const char *path)
{
	struct stat info;

	return stat(path, &info) == 0 && S_ISDIR(info.st_mode);
}

/* application.yaml, .yml, .properties of one directory ("" or with its slash). Whether any is there. */
static bool place_directory(struct loader *loader, const char *directory, const char *profile, int depth)
{
	static const char *const extensions[] = {"yaml", "yml", "properties"};
	char path[PATH_SIZE];
	bool any = false;

	for (size_t i = 0; i < loader->names.count; i++)
		for (size_t j = 0; j < 3; j++) {
			int length =
			    snprintf(path, sizeof path, "%s%s%s%s.%s", directory, loader->names.items[i],
			        profile ? "-" : "", profile ? profile : "", extensions[j]);

			if (length > 0 && (size_t)length < sizeof path)
				any |= place_file(loader, path, depth);
		}
	return any;
}

/* "dir/stem.ext" with a profile: "dir/stem-profile.ext". */
static bool place_named_file(struct loader *loader, const char *path, const char *profile, int depth)
{
	char named[PATH_SIZE];
	const char *dot = strrchr(path, '.');
	int length;

	if (!profile)
		return place_file(loader, path, depth);
	if (!dot || strchr(dot, '/'))
		dot = path + strlen(path);
	length = snprintf(named, sizeof named, "%.*s-%s%s", (int)(dot - path), path, profile, dot);
	return length > 0 && (size_t)length < sizeof named && place_file(loader, named, depth);
}

/* Whether a location is of a kind that is read here; "file:" is dropped from it. */
static bool is_file_location(struct loader *loader, const char **location, bool optional)
{
	const char *colon;

	if (strip(location, "file://") || strip(location, "file:"))
		return true;
	colon = strchr(*location, ':');
	if (!colon || strcspn(*location, "/") < (size_t)(colon - *location))
		return true;
	if (!optional)
		complain_of_place(loader, *location,
		    "is no place for configuration here; use a path, file:PATH or optional:file:PATH");
	return false;
}

/*
 * A relative path is below the working directory, whoever names it; those of the default group are where the application
 * has its files, and an import without "file:" stands beside its file.
 */
static bool full_path(struct loader *loader, const char *path, const char *from, char *out, size_t size)
{
	const char *slash = from ? strrchr(from, '/') : NULL;
	const char *directory = loader->below;
	int length;

	while (strncmp(path, "./", 2) == 0)
		path += 2;
	if (*path == '/' || (!slash && !directory))
		length = snprintf(out, size, "%s", path);
	else if (slash)
		length = snprintf(out, size, "%.*s/%s", (int)(slash - from), from, path);
	else
		length = snprintf(out, size, "%s/%s", directory, path);
	return length >= 0 && (size_t)length + 2 < size;
}

static void complain_of_missing(
    struct loader *loader, const char *path, const char *location, bool fatal, const char *what)
{
	char at[PATH_SIZE + 64];

	rv__problems_add(loader->problems, fatal, RV__N_CONFIG_MISSING, "spring.config.location",
	    "%s%s: %s; create it, correct the path, or write optional:%s", named_at(loader, at, sizeof at),
	    path, what, location);
}

static void place_location(struct loader *loader, const char *location, const char *from, const char *profile,
    bool required, int depth)
{
	char path[PATH_SIZE];
	const char *named = location;
	bool optional = strip(&named, "optional:") || !required;
	const char *start = named;
	bool told = optional || profile; /* what is missing was told with the plain files */
	size_t length;

	if (!is_file_location(loader, &named, optional) ||
	    !full_path(loader, named, named == start ? from : NULL, path, sizeof path))
		return;
	length = strlen(path);
	if (length == 0 || path[length - 1] == '/' || is_directory(path)) {
		if (length && path[length - 1] != '/' && length + 1 < sizeof path)
			memcpy(path + length, "/", 2);
		if (!told && length && !is_directory(path))
			complain_of_missing(loader, path, location, true, "there is no such directory");
		else if (!place_directory(loader, path, profile, depth) && !told)
			complain_of_missing(loader, path, location, false,
			    "there is no application.properties or .yml in it");
	} else if (!place_named_file(loader, path, profile, depth) && !told) {
		complain_of_missing(loader, path, location, true, "there is no such file");
	}
}

/*
 * Locations between two commas: first all plain files, then those of each profile, imported ones below. `separators`
 * are those between the locations of a group.
 */
static void place_group(struct loader *loader, const char *group, const char *separators, bool required)
{
	size_t first = loader->order_count;
	size_t behind;

	place_list(loader, group, separators, NULL, NULL, required, 0);
	behind = loader->order_count;
	for (size_t i = 0; i < loader->profiles.count; i++) {
		for (size_t j = first; j < behind; j++)
			place_imports(loader, loader->order[j], loader->profiles.items[i], 0);
		place_list(loader, group, separators, NULL, loader->profiles.items[i], required, 0);
	}
}

static void place_groups(struct loader *loader, const char *locations, bool required)
{
	char group[PATH_SIZE];

	while (*locations) {
		size_t length = strcspn(locations, ",");

		if (length < sizeof group) {
			memcpy(group, locations, length);
			group[length] = '\0';
			place_group(loader, group, ";", required);
		} else {
			complain_of_place(loader, locations, "… is longer than a path can be; shorten it");
		}
		locations += length + (locations[length] != '\0');
	}
}

static void place_all(struct loader *loader, const char *location, const char *additional)
{
	loader->order_count = 0;
	if (loader->sources->file)
		place_group(loader, loader->sources->file, "", true);
	else if (location)
		place_groups(loader, location, true);
	else if (!loader->sources->no_files) {
		loader->below = loader->sources->directory;
		place_groups(loader, "./;./config/", false);
		loader->below = NULL;
	}
	if (additional)
		place_groups(loader, additional, true);
}

/* -- layers ------------------------------------------------------------------------- */

static void add_defaults(struct loader *loader)
{
	struct rv__arena *arena = &loader->config->arena;

	for (const char *const *pair = loader->sources->defaults; pair && *pair; pair++) {
		const char *sign = strchr(*pair, '=');

		assert(sign);
		rv__config_add(loader->config, 0, rv__arena_text_n(arena, *pair, (size_t)(sign - *pair)),
		    rv__arena_text(arena, sign + 1), "default", false);
	}
}

static int line_of_origin(const char *origin)
{
	const char *colon = strrchr(origin, ':');

	return colon ? (int)strtol(colon + 1, NULL, 10) : 0;
}

static void add_document(struct loader *loader, unsigned source, const struct rv__config_document *document)
{
	for (const struct rv__config_item *item = document->items; item; item = item->next) {
		const char *origin =
		    rv__arena_printf(&loader->config->arena, "%s:%d", document->file->path, item->line);
		const struct rv__entry *before;

		if (!origin)
			continue;
		before = rv__config_add(loader->config, source, item->key, item->value, origin, false);
		if (before && loader->final)
			rv__problems_add(loader->problems, false, RV__N_CONFIG_DUPLICATE, item->key,
			    "%s: %s: is set again, so line %d has no effect; remove one of them", origin,
			    item->key, line_of_origin(before->origin));
	}
}

/* Puts the layers together as far as they are known. */
static void commit(struct loader *loader)
{
	struct rv__problems *problems = loader->final ? loader->problems : NULL;
	unsigned source = 1;

	rv__config_clear(loader->config);
	add_defaults(loader);
	for (size_t i = 0; i < loader->order_count; i++)
		add_document(loader, source++, loader->order[i]);
	rv__config_add_environment(loader->config, source++);
	rv__config_add_json(loader->config, source++, problems);
	rv__config_add_arguments(
	    loader->config, source, loader->sources->argc, loader->sources->argv, problems);
	rv__config_resolve(loader->config);
}

/* -- profiles ----------------------------------------------------------------------- */

static void add_profile(struct loader *loader, const char *name, int depth);

/* Adds the words of a list key, written with commas or as key[0] … */
static void add_profiles_of(struct loader *loader, const char *key, int depth)
{
	static const struct rv_prop_desc rows[] = {{.name = "list", .type = RV_PROP_LIST}, {.name = NULL}};
	struct rv_prop_desc row[2] = {rows[0], rows[1]};
	const struct rv_prop_table table = {.rows = row, .size = sizeof(struct rv_strings)};
	const char *prefixes[] = {"", NULL};
	struct rv_strings list;

	row[0].name = key;
	rv__config_fill(loader->config, &table, prefixes, &list, loader->problems);
	for (size_t i = 0; i < list.count; i++)
		add_profile(loader, list.items[i], depth);
}

static void add_profile(struct loader *loader, const char *name, int depth)
{
	char group[RV__KEY_MAX];

	for (size_t i = 0; i < loader->profiles.count; i++)
		if (strcmp(loader->profile_names[i], name) == 0)
			return;
	if (loader->profiles.count == PROFILES_MAX || depth > 8)
		return;
	loader->profile_names[loader->profiles.count++] = name;
	if (rv__key_join(group, sizeof group, "spring.profiles.group", name, NULL))
		add_profiles_of(loader, group, depth + 1);
}

static void find_profiles(struct loader *loader)
{
	loader->profiles = (struct rv_strings){.items = loader->profile_names};
	add_profiles_of(loader, "spring.profiles.active", 0);
	add_profiles_of(loader, "spring.profiles.include", 0);
	if (loader->profiles.count > 0)
		return;
	add_profiles_of(loader, "spring.profiles.default", 0);
	if (loader->profiles.count == 0)
		loader->profile_names[loader->profiles.count++] = "default";
}

/* -- all of it ---------------------------------------------------------------------- */

static void find_names(struct loader *loader)
{
	static const char *const usual[] = {"application"};
	static const struct rv_prop_desc rows[] = {
	    {.name = "spring.config.name", .type = RV_PROP_LIST}, {.name = NULL}};
	static const struct rv_prop_table table = {.rows = rows, .size = sizeof(struct rv_strings)};
	const char *prefixes[] = {"", NULL};

	rv__config_fill(loader->config, &table, prefixes, &loader->names, loader->problems);
	if (loader->names.count == 0)
		loader->names = (struct rv_strings){.items = usual, .count = 1};
}

rv_config *rv__config_load(const struct rv__config_sources *sources, struct rv__problems *problems)
{
	struct loader loader = {.sources = sources, .problems = problems};
	const char *location;
	const char *additional;

	loader.config = rv__config_create();
	if (!loader.config)
		return NULL;
	loader.config->environment = sources->environment;
	commit(&loader);
	find_names(&loader);
	location = rv__config_get(loader.config, "spring.config.location");
	additional = rv__config_get(loader.config, "spring.config.additional-location");
	place_all(&loader, location, additional);
	commit(&loader);
	find_profiles(&loader);
	place_all(&loader, location, additional);
	loader.final = true;
	commit(&loader);
	return loader.config;
}
