/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/reference.h"

#include <string.h>

static const char introduction[] =
    "# Properties\n"
    "\n"
    "<!-- Generated from the property tables by `./dev docs`; do not edit. -->\n"
    "\n"
    "Every key that Rivulet knows. Names are relaxed as in Spring Boot: `max-attempts`, `maxAttempts` and\n"
    "`MAX_ATTEMPTS` are one key. `*` stands for a name of yours: a channel, a binder configuration. Names "
    "with\n"
    "dots go in brackets: `spring.cloud.stream.bindings.[my.name].group`.\n"
    "\n"
    "Values come from, the last one wins: built-in defaults; `application.properties` or `application.yml` "
    "in `./`\n"
    "and `./config/`, or what `spring.config.location` names; the same with `-<profile>`; environment "
    "variables\n"
    "(`SPRING_CLOUD_STREAM_BINDINGS_INPUT_GROUP`); `SPRING_APPLICATION_JSON`; arguments `--key=value`.\n"
    "`${other.key:default}` is replaced.\n"
    "\n"
    "Durations: a number in the unit of the key, or `500ms`, `2s`, `1m`, `PT2S`. Sizes: bytes, or `64KB`, "
    "`4MB`.\n"
    "Lists: commas, or `key[0]`, `key[1]`.\n"
    "\n"
    "*refused*: known, but not built yet, and ignoring it would change delivery, order or safety; a value "
    "other\n"
    "than the default stops the start. *no effect yet*: known, warns. *Java only*: belongs to a Java "
    "sibling, warns.\n"
    "*secret*: never printed.\n";

static const char *type_of(const struct rv_prop_desc *row)
{
	static const char *const words[] = {
	    [RV_PROP_STRING] = "text",
	    [RV_PROP_BOOL] = "bool",
	    [RV_PROP_INT] = "number",
	    [RV_PROP_DOUBLE] = "number",
	    [RV_PROP_DURATION] = "duration",
	    [RV_PROP_SIZE] = "size",
	    [RV_PROP_ENUM] = "",
	    [RV_PROP_LIST] = "list",
	    [RV_PROP_MAP] = "map",
	};

	return words[row->type];
}

/* A cell of a table: `|` would end it. */
static void print_cell(FILE *to, const char *text)
{
	for (; *text; text++) {
		if (*text == '|' || *text == '*' || *text == '<')
			fputc('\\', to);
		fputc(*text, to);
	}
}

static void print_type(FILE *to, const struct rv_prop_desc *row)
{
	fputs(type_of(row), to);
	for (size_t i = 0; row->type == RV_PROP_ENUM && row->choices && row->choices[i]; i++)
		fprintf(to, "%s`%s`", i ? ", " : "", row->choices[i]);
	if (row->min != 0 || row->max != 0)
		fprintf(to, " %.15g–%.15g", row->min, row->max);
	if (row->unit)
		fprintf(to, " %s", row->unit);
}

static void print_flags(FILE *to, const struct rv_prop_desc *row)
{
	if (row->flags & RV_PROP_REQUIRED)
		fputs(" *required*.", to);
	if (row->flags & RV_PROP_SECRET)
		fputs(" *secret*.", to);
	if (row->flags & RV_PROP_REFUSED)
		fputs(" *refused*", to);
	else if (row->flags & RV_PROP_JAVA_ONLY)
		fputs(" *Java only*", to);
	else if (row->flags & RV_PROP_NO_EFFECT)
		fputs(" *no effect yet*", to);
	else
		return;
	if (row->instead) {
		fputs(": ", to);
		print_cell(to, row->instead);
	}
	fputc('.', to);
}

static void print_row(FILE *to, const struct rv_prop_desc *row)
{
	fprintf(to, "| `%s%s` | ", row->name, row->type == RV_PROP_MAP ? ".*" : "");
	print_type(to, row);
	if (row->def && *row->def)
		fprintf(to, " | `%s` | ", row->def);
	else
		fputs(" | | ", to);
	print_cell(to, row->doc ? row->doc : "");
	if (row->since)
		fprintf(to, " Since %s.", row->since);
	print_flags(to, row);
	fputs(" |\n", to);
}

/* An earlier section with the same keys, such as that of one binding for the defaults of all; NULL: none. */
static const struct rv__section *twin_of(const struct rv__section *const *sections, size_t index)
{
	for (size_t i = 0; i < index; i++)
		if (sections[i]->table->rows == sections[index]->table->rows)
			return sections[i];
	return NULL;
}

static void print_section(FILE *to, const struct rv__section *section, const struct rv__section *twin)
{
	fprintf(to, "\n## %s\n\n", section->title ? section->title : section->prefix);
	if (twin) {
		fprintf(to, "Below `%s.`: the keys of `%s.`.\n", section->prefix, twin->prefix);
		return;
	}
	if (*section->prefix)
		fprintf(to, "Below `%s.`:\n\n", section->prefix);
	fputs("| key | type | default | meaning |\n|---|---|---|---|\n", to);
	for (const struct rv_prop_desc *row = section->table->rows; row->name; row++)
		print_row(to, row);
}

void rv__reference_print(FILE *to, const struct rv__section *const *sections, size_t count)
{
	fputs(introduction, to);
	for (size_t i = 0; i < count; i++)
		if (sections[i]->table->rows && sections[i]->table->rows->name)
			print_section(to, sections[i], twin_of(sections, i));
}
