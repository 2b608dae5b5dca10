/* SPDX-License-Identifier: Apache-2.0 */
/* Judges keys and values against the sections of all tables; unknown keys get the nearest known one named. */
#include "base/config_store.h"
#include "base/numbers.h"
#include "base/prop_table.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* -- which row a key belongs to ----------------------------------------------------- */

/* `uniform` behind a prefix pattern in kebab case, where `*` is one segment; NULL when it does not match. */
static const char *behind_pattern(const char *uniform, const char *pattern)
{
	if (!*pattern)
		return uniform;
	for (; *pattern; pattern++) {
		if (*pattern == '*') {
			size_t length = rv__key_segment(uniform);

			if (length == 0)
				return NULL;
			uniform += length;
		} else if (*pattern != '-' && *uniform++ != *pattern) {
			return NULL;
		}
	}
	return *uniform == '.' ? uniform + 1 : NULL;
}

/* Whether `rest` names the row, an item of its list or a key of its map. */
static bool names_row(const char *rest, const struct rv_prop_desc *row)
{
	for (const char *name = row->name; *name; name++)
		if (*name != '-' && *rest++ != ((*name >= 'A' && *name <= 'Z') ? *name | 0x20 : *name))
			return false;
	if (row->type == RV_PROP_LIST && *rest == '.')
		return rest[1] && rest[1 + strspn(rest + 1, "0123456789")] == '\0';
	if (row->type == RV_PROP_MAP)
		return *rest == '.' && rest[1];
	return *rest == '\0';
}

static const struct rv_prop_desc *row_of(const struct rv__section *section, const char *uniform)
{
	const char *rest = behind_pattern(uniform, section->prefix);

	for (const struct rv_prop_desc *row = section->table->rows; rest && row && row->name; row++)
		if (names_row(rest, row))
			return row;
	return NULL;
}

/* -- environment variables: letters and digits alone ---------------------------------- */

/* Eats one squashed pattern piece up to `*` or the end; NULL when it does not match. */
static const char *eat(const char *squashed, const char *pattern, const char **ret_pattern)
{
	for (; *pattern && *pattern != '*'; pattern++) {
		char c = *pattern >= 'A' && *pattern <= 'Z' ? (char)(*pattern | 0x20) : *pattern;

		if (c == '-' || c == '.' || c == '_')
			continue;
		if (*squashed++ != c)
			return NULL;
	}
	*ret_pattern = pattern;
	return squashed;
}

static bool row_is_squashed(const char *squashed, const struct rv_prop_desc *row)
{
	const char *end;
	const char *rest = eat(squashed, row->name, &end);

	if (!rest || *end)
		return false;
	if (row->type == RV_PROP_LIST)
		return rest[strspn(rest, "0123456789")] == '\0';
	return row->type == RV_PROP_MAP ? *rest != '\0' : *rest == '\0';
}

static bool matches_squashed(const char *squashed, const char *pattern, const struct rv_prop_desc *row)
{
	const char *rest = eat(squashed, pattern, &pattern);

	if (!rest)
		return false;
	if (!*pattern)
		return row_is_squashed(rest, row);
	/* The segment of the user's choice has at least one letter. */
	while (*rest++)
		if (matches_squashed(rest, pattern + 1, row))
			return true;
	return false;
}

static const struct rv_prop_desc *row_of_variable(const struct rv__section *section, const char *squashed)
{
	for (const struct rv_prop_desc *row = section->table->rows; row && row->name; row++)
		if (matches_squashed(squashed, section->prefix, row))
			return row;
	return NULL;
}

static const struct rv_prop_desc *row_of_entry(
    const struct rv__section *section, const struct rv__entry *entry)
{
	return entry->squashed ? row_of_variable(section, entry->squashed) : row_of(section, entry->uniform);
}

/* -- judging ------------------------------------------------------------------------ */

struct check {
	const rv_config *config;
	const struct rv__section *const *sections;
	size_t count;
	const char *const *modules; /* NULL: all are judged */
	struct rv__problems *problems;
	enum rv__unknown_keys unknown;
	/* Keys of one foreign root are told in one line. */
	struct foreign {
		char root[96];
		struct rv__entry first; /* a copy: the one judged may live on the stack */
		size_t more;
	} foreign[32];
	size_t foreign_count;
};

static bool is_judged(const struct check *check, const struct rv__section *section)
{
	if (!section->module || !check->modules)
		return true;
	for (const char *const *module = check->modules; *module; module++)
		if (strcasecmp(*module, section->module) == 0)
			return true;
	return false;
}

/* The section whose row the entry names; *ret_row. */
static const struct rv__section *section_of(
    const struct check *check, const struct rv__entry *entry, const struct rv_prop_desc **ret_row)
{
	for (size_t i = 0; i < check->count; i++)
		if ((*ret_row = row_of_entry(check->sections[i], entry)))
			return check->sections[i];
	return NULL;
}

/* A key below spring.cloud.stream.<type>.binder|bindings|default of a type that is not judged here. */
static bool is_of_other_binder(const struct check *check, const struct rv__entry *entry)
{
	static const char *const words[] = {"binder", "bindings", "default"};
	const char *rest = rv__key_below(entry->uniform, "spring.cloud.stream");
	size_t length = rest ? rv__key_segment(rest) : 0;
	char type[64];
	bool shaped = false;

	if (!length || length >= sizeof type || rest[length] != '.')
		return false;
	memcpy(type, rest, length);
	type[length] = '\0';
	for (size_t i = 0; i < 3; i++)
		shaped |= rv__key_below(rest + length + 1, words[i]) != NULL;
	if (!shaped || strcmp(type, "bindings") == 0 || strcmp(type, "binders") == 0 ||
	    strcmp(type, "default") == 0)
		return false;
	for (size_t i = 0; i < check->count; i++) {
		const char *module = check->sections[i]->module;

		/* A known type that is judged has no such row; one letter off is a typing error. */
		if (module && strcasecmp(module, type) == 0)
			return !is_judged(check, check->sections[i]);
		if (module && rv__key_distance(module, type) <= 1 + strlen(type) / 6)
			return false;
	}
	return true;
}

/* -- did you mean --------------------------------------------------------------------- */

/* The pattern's key with `*` replaced by what the user wrote there. */
static void fill_pattern(
    const struct rv__section *section, const struct rv_prop_desc *row, const char *written, char *out)
{
	size_t at = 0;

	for (const char *c = section->prefix; *c && at < RV__KEY_MAX - 1; c++) {
		size_t length = rv__key_segment(written);

		if (*c == '*' && length) {
			if (length > RV__KEY_MAX - 1 - at)
				length = RV__KEY_MAX - 1 - at;
			memcpy(out + at, written, length);
			at += length;
		} else {
			out[at++] = *c;
		}
		if (*c == '.')
			written = rv__key_skip(written, 1);
	}
	snprintf(out + at, RV__KEY_MAX - at, "%s%s", *section->prefix ? "." : "", row->name);
}

static const char *last_segment(const char *key)
{
	const char *dot = strrchr(key, '.');

	return dot ? dot + 1 : key;
}

enum { ELSEWHERE = 1000 };

/*
 * How far a known key is from the written one: edits, at most a third of what differs; or the right last word in
 * another place. SIZE_MAX: another key.
 */
static size_t farness(const char *written, const char *known)
{
	size_t same = 0;
	size_t distance;
	size_t differs;

	while (written[same] && written[same] == known[same])
		same++;
	while (same && written[same - 1] != '.')
		same--;
	distance = rv__key_distance(written + same, known + same);
	differs = strlen(known + same);
	if (distance <= differs / 3 + (differs > 1))
		return distance;
	if (strcmp(last_segment(written), last_segment(known)) == 0 && same > 0)
		return ELSEWHERE + distance;
	return SIZE_MAX;
}

/* The nearest known key, in `out`; false when none is nearer than `limit`. */
static bool find_nearest(const struct check *check, const struct rv__entry *entry, size_t limit, char *out)
{
	size_t best = limit;
	char key[RV__KEY_MAX];
	char uniform[RV__KEY_MAX];

	for (size_t i = 0; i < check->count; i++) {
		const struct rv__section *section = check->sections[i];

		for (const struct rv_prop_desc *row = section->table->rows; row && row->name; row++) {
			size_t far;

			fill_pattern(section, row, entry->key, key);
			if (!rv__key_uniform(key, uniform, sizeof uniform))
				continue;
			far = farness(entry->uniform, uniform);
			if (far < best) {
				best = far;
				snprintf(
				    out, RV__KEY_MAX, "%.500s%s", key, row->type == RV_PROP_MAP ? ".…" : "");
			}
		}
	}
	return best < limit;
}

static void tell_unknown(struct check *check, const struct rv__entry *entry)
{
	/* A name in the environment may be meant for somebody else, so it never fails. */
	bool fatal = check->unknown == RV__UNKNOWN_FAIL && !entry->squashed;
	char nearest[RV__KEY_MAX];

	if (check->unknown == RV__UNKNOWN_IGNORE)
		return;
	if (find_nearest(check, entry, SIZE_MAX, nearest))
		rv__problems_add(check->problems, fatal, RV__N_CONFIG_UNKNOWN, entry->key,
		    "%s: %s: unknown key; did you mean %s?", entry->origin, entry->key, nearest);
	else
		rv__problems_add(check->problems, fatal, RV__N_CONFIG_UNKNOWN, entry->key,
		    "%s: %s: unknown key; look it up in docs/properties.md, remove it, or set "
		    "rivulet.config.unknown-keys=warn",
		    entry->origin, entry->key);
}

/* -- keys that a Java sibling may own -------------------------------------------------- */

/* Counts the key under "server", or "spring.datasource" below spring. */
static void note_foreign(struct check *check, const struct rv__entry *entry)
{
	size_t length = rv__key_segment(entry->uniform);
	struct foreign *foreign = check->foreign;

	if (strncmp(entry->uniform, "spring.", 7) == 0)
		length = 7 + rv__key_segment(entry->uniform + 7);
	if (length >= sizeof foreign->root)
		length = sizeof foreign->root - 1;
	for (size_t i = 0; i < check->foreign_count; i++, foreign++)
		if (strncmp(foreign->root, entry->uniform, length) == 0 && !foreign->root[length]) {
			foreign->more++;
			return;
		}
	if (check->foreign_count == sizeof check->foreign / sizeof *check->foreign)
		return;
	check->foreign_count++;
	memcpy(foreign->root, entry->uniform, length);
	foreign->root[length] = '\0';
	foreign->first = *entry;
}

static void tell_foreign(struct check *check)
{
	for (size_t i = 0; i < check->foreign_count; i++) {
		const struct foreign *foreign = &check->foreign[i];
		char nearest[RV__KEY_MAX];
		char more[64] = "";

		if (foreign->more)
			snprintf(more, sizeof more, " (and %zu more of its kind)", foreign->more);
		if (find_nearest(check, &foreign->first, ELSEWHERE, nearest))
			rv__problems_add(check->problems, false, RV__N_CONFIG_FOREIGN, foreign->first.key,
			    "%s: %s%s: has no effect here; did you mean %s?", foreign->first.origin,
			    foreign->first.key, more, nearest);
		else
			rv__problems_add(check->problems, false, RV__N_CONFIG_FOREIGN, foreign->first.key,
			    "%s: %s%s: has no effect here; it may stay for a Java sibling",
			    foreign->first.origin, foreign->first.key, more);
	}
}

static bool below_any(const char *uniform, const char *const *roots)
{
	for (; *roots; roots++)
		if (rv__key_below(uniform, *roots))
			return true;
	return false;
}

static void judge_entry(struct check *check, const struct rv__entry *entry);

/* Keys below spring.cloud.stream.binders.<name>.environment are keys of their own. */
static bool judge_environment(struct check *check, const struct rv__entry *entry)
{
	const char *rest = behind_pattern(entry->uniform, "spring.cloud.stream.binders.*.environment");
	struct rv__entry inner = *entry;

	if (!rest)
		return false;
	inner.uniform = rest;
	inner.key = rv__key_skip(entry->key, rv__key_segments(entry->uniform) - rv__key_segments(rest));
	/* The letters of a variable cannot be split for sure. */
	if (!entry->squashed)
		judge_entry(check, &inner);
	return true;
}

static void judge_entry(struct check *check, const struct rv__entry *entry)
{
	static const char *const strict[] = {"rivulet", "spring.cloud.stream", NULL};
	static const char *const foreign[] = {"server", "management", "logging", "spring", NULL};
	const struct rv_prop_desc *row = NULL;
	const struct rv__section *section = section_of(check, entry, &row);
	union rv__prop_value value;

	if (judge_environment(check, entry))
		return;
	if (section) {
		if (is_judged(check, section))
			(void)rv__prop_judge(row, entry, &value, check->problems);
	} else if (below_any(entry->uniform, strict)) {
		if (!is_of_other_binder(check, entry))
			tell_unknown(check, entry);
	} else if (below_any(entry->uniform, foreign) && !entry->squashed) {
		note_foreign(check, entry);
	}
}

void rv__config_check(const rv_config *config, const struct rv__section *const *sections, size_t count,
    const char *const *modules, struct rv__problems *problems)
{
	struct check check = {.config = config,
	    .sections = sections,
	    .count = count,
	    .modules = modules,
	    .problems = problems,
	    .unknown = rv__config_unknown_keys(config)};

	for (size_t i = 0; i < config->count; i++)
		judge_entry(&check, &config->entries[i]);
	tell_foreign(&check);
}

/* -- config show ---------------------------------------------------------------------- */

static int by_key(const void *a, const void *b)
{
	const struct rv__entry *const *left = a;
	const struct rv__entry *const *right = b;

	return strcmp((*left)->key, (*right)->key);
}

/* What no table knows may still be a secret by its name: a password of a Java sibling, a client's option. */
static bool sounds_secret(const char *uniform)
{
	static const char *const words[] = {
	    "password", "secret", "token", "credential", "passwd", "privatekey", "jaas", "accesskey"};

	for (size_t i = 0; i < sizeof words / sizeof *words; i++)
		if (strstr(uniform, words[i]))
			return true;
	return false;
}

/* A value that is made of a secret by ${…} is one too. */
static bool copies_secret(const char *raw)
{
	char squashed[RV__KEY_MAX];

	return strstr(raw, "${") && rv__key_squash(raw, squashed, sizeof squashed) && sounds_secret(squashed);
}

void rv__config_visit(const rv_config *config, const struct rv__section *const *sections, size_t count,
    rv__config_visit_fn visit, void *arg)
{
	struct check check = {.config = config, .sections = sections, .count = count};
	const struct rv__entry **sorted = calloc(config->count + 1, sizeof *sorted);
	size_t n = 0;

	for (size_t i = 0; sorted && i < config->count; i++)
		if (rv__config_is_effective(config, &config->entries[i]))
			sorted[n++] = &config->entries[i];
	if (sorted)
		qsort(sorted, n, sizeof *sorted, by_key);
	for (size_t i = 0; i < n; i++) {
		const struct rv_prop_desc *row = NULL;
		bool secret = sounds_secret(sorted[i]->uniform) || copies_secret(sorted[i]->raw);
		struct rv__config_value value = {.key = sorted[i]->key, .origin = sorted[i]->origin};

		(void)section_of(&check, sorted[i], &row);
		value.row = row;
		value.secret = secret || (row && row->flags & RV_PROP_SECRET);
		value.value = value.secret ? NULL : sorted[i]->value;
		visit(arg, &value);
	}
	free(sorted);
}
