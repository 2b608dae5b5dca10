/* SPDX-License-Identifier: Apache-2.0 */
/* From keys to settings structs, the judgement of keys, and what holds for every row of this program. */
#include "base/config.h"

#include "base/keys.h"
#include "base/numbers.h"
#include "base/prop_value.h"
#include "bindings/properties.h"
#include "tests/support/unit.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

struct settings {
	const char *text;
	bool flag;
	int64_t number, wait, size, choice;
	double factor;
	struct rv_strings list;
	struct rv_pairs map;
	int64_t refused, later, password;
};

static const char *const choices[] = {"one", "two", NULL};

#define AT(member) .offset = offsetof(struct settings, member)

static const struct rv_prop_desc rows[] = {
    {.name = "text", .type = RV_PROP_STRING, .def = "t", .doc = "A text.", AT(text)},
    {.name = "flag", .type = RV_PROP_BOOL, .def = "true", .doc = "A flag.", AT(flag)},
    {.name = "max-attempts",
        .type = RV_PROP_INT,
        .def = "3",
        .min = 1,
        .max = 9,
        .doc = "A number.",
        AT(number)},
    {.name = "wait", .type = RV_PROP_DURATION, .def = "2s", .unit = "ms", .doc = "A wait.", AT(wait)},
    {.name = "size", .type = RV_PROP_SIZE, .def = "4KB", .unit = "bytes", .doc = "A size.", AT(size)},
    {.name = "choice",
        .type = RV_PROP_ENUM,
        .def = "two",
        .choices = choices,
        .doc = "A choice.",
        AT(choice)},
    {.name = "factor", .type = RV_PROP_DOUBLE, .def = "1.5", .doc = "A factor.", AT(factor)},
    {.name = "list", .type = RV_PROP_LIST, .def = "x, y", .doc = "A list.", AT(list)},
    {.name = "map", .type = RV_PROP_MAP, .doc = "A map.", AT(map)},
    {.name = "batch",
        .type = RV_PROP_BOOL,
        .def = "false",
        .flags = RV_PROP_REFUSED,
        .doc = "Refused.",
        .instead = "send one by one"},
    {.name = "partitions",
        .type = RV_PROP_INT,
        .def = "1",
        .flags = RV_PROP_REFUSED,
        .doc = "Refused.",
        AT(refused)},
    {.name = "later",
        .type = RV_PROP_INT,
        .def = "5",
        .flags = RV_PROP_NO_EFFECT,
        .doc = "Later.",
        AT(later)},
    {.name = "bean-name",
        .type = RV_PROP_STRING,
        .flags = RV_PROP_JAVA_ONLY,
        .doc = "Java.",
        .instead = "register a listener"},
    {.name = "password", .type = RV_PROP_INT, .flags = RV_PROP_SECRET, .doc = "A secret.", AT(password)},
    {.name = NULL}};

static const struct rv_prop_table table = {.rows = rows, .size = sizeof(struct settings)};

static const struct rv__section bindings_section = {
    .prefix = "spring.cloud.stream.bindings.*.consumer", .table = &table, .title = "Inputs"};
static const struct rv__section rocket_section = {.prefix = "spring.cloud.stream.rocketmq.binder",
    .table = &table,
    .title = "Binder",
    .module = "rocketmq"};
static const struct rv__section http_section = {.prefix = "server", .table = &table, .title = "HTTP"};
static const struct rv__section own_section = {.prefix = "rivulet.http", .table = &table, .title = "HTTP"};
static const struct rv__section *const sections[] = {
    &bindings_section, &rocket_section, &http_section, &own_section, &rv__config_sections[0]};

enum { SECTIONS = sizeof sections / sizeof *sections };

static struct rv__problems problems;
static rv_config *config;
static struct settings settings;

static void teardown(void)
{
	rv__config_unref(config);
	config = NULL;
	rv__problems_finish(&problems);
}

/* The pairs, up to NULL, are built-in defaults: the layer does not matter here. */
static void load(char **environment, const char *first, ...)
{
	static const char *pairs[24];
	const struct rv__config_sources sources = {
	    .environment = environment, .defaults = pairs, .no_files = true};
	va_list args;
	size_t n = 0;

	va_start(args, first);
	for (const char *pair = first; pair; pair = va_arg(args, const char *))
		pairs[n++] = pair;
	va_end(args);
	pairs[n] = NULL;
	teardown();
	config = rv__config_load(&sources, &problems);
	ck_assert_ptr_nonnull(config);
}

/* Fills from a.* and, beneath, b.*. */
static void fill(void)
{
	static const char *const prefixes[] = {"a", "b", NULL};

	rv__config_fill(config, &table, prefixes, &settings, &problems);
}

static void check(const char *const *modules)
{
	rv__config_check(config, sections, SECTIONS, modules, &problems);
}

/* Problem number `index` is of that kind and its text has that word. */
static void expect(size_t index, bool fatal, unsigned number, const char *word)
{
	ck_assert_msg(index < problems.count, "only %zu problems, no '%s'", problems.count, word);
	ck_assert_msg(problems.items[index].fatal == fatal && problems.items[index].number == number &&
	        strstr(problems.items[index].text, word),
	    "RV%04u %s", problems.items[index].number, problems.items[index].text);
}

/* -- filling --------------------------------------------------------------------------- */

START_TEST(defaults_fill_what_nobody_sets)
{
	load(NULL, NULL);
	fill();
	ck_assert_str_eq(settings.text, "t");
	ck_assert(settings.flag);
	ck_assert_int_eq(settings.number, 3);
	ck_assert_int_eq(settings.wait, 2000);
	ck_assert_int_eq(settings.size, 4096);
	ck_assert_int_eq(settings.choice, 1);
	ck_assert_double_eq(settings.factor, 1.5);
	ck_assert_uint_eq(settings.list.count, 2);
	ck_assert_str_eq(settings.list.items[1], "y");
	ck_assert_uint_eq(settings.map.count, 0);
	ck_assert_int_eq(settings.refused, 1);
	ck_assert_int_eq(settings.later, 5);
	ck_assert_uint_eq(problems.count, 0);
}
END_TEST

START_TEST(defaults_need_no_configuration)
{
	rv__config_fill(NULL, &table, NULL, &settings, &problems);
	ck_assert_int_eq(settings.number, 3);
	ck_assert_uint_eq(settings.map.count, 0);
}
END_TEST

START_TEST(values_of_every_type_arrive)
{
	load(NULL, "a.text=x", "a.flag=no", "a.maxAttempts=9", "a.wait=PT1S", "a.size=1MB", "a.choice=ONE",
	    "a.factor=2", "a.list=p , q,,r", "a.map.k.l=1", "a.map.[m.n]=2", NULL);
	fill();
	ck_assert_str_eq(settings.text, "x");
	ck_assert(!settings.flag);
	ck_assert_int_eq(settings.number, 9);
	ck_assert_int_eq(settings.wait, 1000);
	ck_assert_int_eq(settings.size, 1048576);
	ck_assert_int_eq(settings.choice, 0);
	ck_assert_double_eq(settings.factor, 2);
	ck_assert_uint_eq(settings.list.count, 3);
	ck_assert_str_eq(settings.list.items[0], "p");
	ck_assert_str_eq(settings.list.items[2], "r");
	ck_assert_uint_eq(settings.map.count, 2);
	ck_assert_str_eq(settings.map.items[0].name, "k.l");
	ck_assert_str_eq(settings.map.items[1].name, "m.n");
	ck_assert_uint_eq(problems.count, 0);
}
END_TEST

START_TEST(the_more_specific_prefix_wins_key_by_key)
{
	load(NULL, "b.text=b", "b.max-attempts=4", "a.max-attempts=5", "b.map.x=b", "b.map.y=b", "a.map.x=a",
	    "b.list=1,2", "a.list[0]=3", NULL);
	fill();
	ck_assert_str_eq(settings.text, "b");
	ck_assert_int_eq(settings.number, 5);
	ck_assert_uint_eq(settings.map.count, 2);
	ck_assert_str_eq(settings.map.items[0].value, "a");
	ck_assert_str_eq(settings.map.items[1].value, "b");
	ck_assert_uint_eq(settings.list.count, 1);
	ck_assert_str_eq(settings.list.items[0], "3");
}
END_TEST

START_TEST(a_list_comes_whole_from_the_highest_layer)
{
	static char *variables[] = {(char *)"RIVULET_X_LIST_0_=e", NULL};
	static const char *const prefixes[] = {"rivulet.x", NULL};

	load(variables, "rivulet.x.list[0]=1", "rivulet.x.list[1]=2", NULL);
	rv__config_fill(config, &table, prefixes, &settings, &problems);
	ck_assert_uint_eq(settings.list.count, 1);
	ck_assert_str_eq(settings.list.items[0], "e");
}
END_TEST

START_TEST(an_empty_list_is_not_the_default)
{
	load(NULL, "a.list=", NULL);
	fill();
	ck_assert_uint_eq(settings.list.count, 0);
}
END_TEST

START_TEST(all_mistakes_are_told_at_once_and_defaults_stay)
{
	load(NULL, "a.max-attempts=0", "a.wait=soon", "a.choice=three", "a.text=fine", NULL);
	fill();
	ck_assert_uint_eq(problems.fatal_count, 3);
	expect(0, true, RV__N_CONFIG_VALUE,
	    "a.max-attempts: '0' is no fit value; write a whole number from 1 to 9");
	expect(1, true, RV__N_CONFIG_VALUE, "'soon'");
	expect(2, true, RV__N_CONFIG_VALUE, "one or two");
	ck_assert_int_eq(settings.number, 3);
	ck_assert_str_eq(settings.text, "fine");
}
END_TEST

START_TEST(the_same_mistake_is_told_once)
{
	load(NULL, "b.max-attempts=0", NULL);
	fill();
	fill();
	ck_assert_uint_eq(problems.count, 1);
	ck_assert_uint_eq(problems.fatal_count, 1);
}
END_TEST

START_TEST(refused_rows_refuse_all_but_their_default)
{
	load(NULL, "a.batch=false", "a.partitions=1", NULL);
	fill();
	ck_assert_uint_eq(problems.count, 0);
	load(NULL, "a.batch=true", "a.partitions=2", NULL);
	fill();
	ck_assert_uint_eq(problems.fatal_count, 2);
	expect(0, true, RV__N_CONFIG_REFUSED, "send one by one");
	expect(1, true, RV__N_CONFIG_REFUSED, "a.partitions");
	ck_assert_int_eq(settings.refused, 1);
}
END_TEST

START_TEST(rows_without_effect_and_of_java_warn)
{
	load(NULL, "a.later=7", "a.bean-name=foo", NULL);
	fill();
	ck_assert_uint_eq(problems.fatal_count, 0);
	expect(0, false, RV__N_CONFIG_NO_EFFECT, "a.later");
	expect(1, false, RV__N_CONFIG_JAVA_ONLY, "register a listener");
	ck_assert_str_eq(settings.text, "t"); /* a row without a place is not stored at offset 0 */
}
END_TEST

START_TEST(secrets_stay_out_of_messages)
{
	load(NULL, "a.password=hunter2", NULL);
	fill();
	ck_assert_uint_eq(problems.count, 1);
	ck_assert_ptr_null(strstr(problems.items[0].text, "hunter2"));
}
END_TEST

START_TEST(a_required_key_that_is_missing_is_a_mistake)
{
	static const struct rv_prop_desc required[] = {
	    {.name = "url", .type = RV_PROP_STRING, .flags = RV_PROP_REQUIRED, .doc = "Where to go."},
	    {.name = NULL}};
	static const struct rv_prop_table needs = {.rows = required, .size = sizeof(const char *)};
	const char *const prefixes[] = {"my.client", NULL};
	const char *url;

	load(NULL, NULL);
	rv__config_fill(config, &needs, prefixes, &url, &problems);
	expect(0, true, RV__N_CONFIG_REQUIRED, "my.client.url");
	load(NULL, "my.client.url=x", NULL);
	rv__config_fill(config, &needs, prefixes, &url, &problems);
	ck_assert_uint_eq(problems.count, 0);
	ck_assert_str_eq(url, "x");
}
END_TEST

/* -- judging --------------------------------------------------------------------------- */

START_TEST(known_keys_pass)
{
	load(NULL, "spring.cloud.stream.bindings.my-input.consumer.maxAttempts=2",
	    "spring.cloud.stream.bindings.[my.name].consumer.list[3]=x", "server.map.a.b=1",
	    "spring.cloud.stream.rocketmq.binder.text=x", "my.own.key=1", NULL);
	check(NULL);
	ck_assert_msg(problems.count == 0, "%s", problems.count ? problems.items[0].text : "");
}
END_TEST

START_TEST(a_misspelt_key_names_the_nearest_one)
{
	load(NULL, "spring.cloud.stream.bindings.input.consumer.max-atempts=2", "rivulet.htp.text=1",
	    "spring.cloud.stream.bindings.input.max-attempts=3", "spring.cloud.stream.rocketmw.binder.text=1",
	    NULL);
	check(NULL);
	ck_assert_uint_eq(problems.fatal_count, 4);
	expect(0, true, RV__N_CONFIG_UNKNOWN,
	    "did you mean spring.cloud.stream.bindings.input.consumer.max-attempts?");
	expect(1, true, RV__N_CONFIG_UNKNOWN, "did you mean rivulet.http.text?");
	expect(2, true, RV__N_CONFIG_UNKNOWN,
	    "did you mean spring.cloud.stream.bindings.input.consumer.max-attempts?");
	expect(3, true, RV__N_CONFIG_UNKNOWN, "did you mean spring.cloud.stream.rocketmq.binder.text?");
}
END_TEST

START_TEST(a_key_like_no_other_is_told_without_a_guess)
{
	load(NULL, "rivulet.zzz.qqq=1", NULL);
	check(NULL);
	expect(0, true, RV__N_CONFIG_UNKNOWN, "docs/properties.md");
	ck_assert_ptr_null(strstr(problems.items[0].text, "did you mean"));
}
END_TEST

START_TEST(unknown_keys_warn_or_pass_on_request)
{
	load(NULL, "rivulet.config.unknown-keys=warn", "rivulet.zzz.qqq=1", NULL);
	check(NULL);
	expect(0, false, RV__N_CONFIG_UNKNOWN, "rivulet.zzz.qqq");
	load(NULL, "rivulet.config.unknown-keys=ignore", "rivulet.zzz.qqq=1", NULL);
	check(NULL);
	ck_assert_uint_eq(problems.count, 0);
}
END_TEST

START_TEST(an_unknown_name_from_the_environment_never_fails)
{
	static char *variables[] = {(char *)"RIVULET_HTTP_TEXTT=1", (char *)"SERVER_TEXT=x",
	    (char *)"SPRING_CLOUD_STREAM_BINDINGS_INPUT_CONSUMER_MAX_ATTEMPTS=2",
	    (char *)"SERVER_UNHEARD_OF=1", NULL};

	load(variables, NULL);
	check(NULL);
	ck_assert_uint_eq(problems.fatal_count, 0);
	ck_assert_uint_eq(problems.count, 1);
	expect(0, false, RV__N_CONFIG_UNKNOWN, "environment variable RIVULET_HTTP_TEXTT");
}
END_TEST

START_TEST(a_bad_value_from_the_environment_fails)
{
	static char *variables[] = {
	    (char *)"SPRING_CLOUD_STREAM_BINDINGS_INPUT_CONSUMER_MAXATTEMPTS=none", NULL};

	load(variables, NULL);
	check(NULL);
	expect(0, true, RV__N_CONFIG_VALUE,
	    "environment variable SPRING_CLOUD_STREAM_BINDINGS_INPUT_CONSUMER_MAXATTEMPTS");
}
END_TEST

START_TEST(keys_of_a_java_sibling_warn_once_a_kind)
{
	load(NULL, "spring.datasource.url=x", "spring.datasource.username=x", "server.tomcat.threads=2",
	    "server.txet=1", NULL);
	check(NULL);
	ck_assert_uint_eq(problems.fatal_count, 0);
	ck_assert_uint_eq(problems.count, 2);
	expect(0, false, RV__N_CONFIG_FOREIGN, "spring.datasource.url (and 1 more of its kind)");
	expect(1, false, RV__N_CONFIG_FOREIGN, "server.tomcat.threads");
}
END_TEST

START_TEST(keys_of_unused_and_unheard_binders_are_not_judged)
{
	static const char *const none[] = {NULL};
	static const char *const used[] = {"rocketmq", NULL};

	load(NULL, "spring.cloud.stream.rocketmq.binder.max-attempts=99",
	    "spring.cloud.stream.rocketmq.binder.nonsense=1", "spring.cloud.stream.pulsar.binder.x=1",
	    "spring.cloud.stream.pulsar.bindings.input.consumer.y=1", NULL);
	check(none);
	ck_assert_uint_eq(problems.count, 0);
	check(used);
	ck_assert_uint_eq(problems.fatal_count, 2);
	expect(0, true, RV__N_CONFIG_VALUE, "max-attempts");
	expect(1, true, RV__N_CONFIG_UNKNOWN, "nonsense");
}
END_TEST

START_TEST(keys_in_the_environment_of_a_binder_are_judged_like_others)
{
	load(NULL, "spring.cloud.stream.binders.r1.environment.spring.cloud.stream.rocketmq.binder.text=x",
	    "spring.cloud.stream.binders.r1.environment.spring.cloud.stream.rocketmq.binder.txt=x",
	    "spring.cloud.stream.binders.r1.environment.spring.foreign.x=1", NULL);
	check(NULL);
	ck_assert_uint_eq(problems.fatal_count, 1);
	expect(0, true, RV__N_CONFIG_UNKNOWN, "did you mean spring.cloud.stream.rocketmq.binder.text?");
}
END_TEST

/* -- showing --------------------------------------------------------------------------- */

static char shown[1024];

static void note(void *arg, const struct rv__config_value *value)
{
	size_t length = strlen(shown);

	(void)arg;
	snprintf(shown + length, sizeof shown - length, "%s=%s%s;", value->key,
	    value->value ? value->value : "-", value->secret ? "!" : "");
}

START_TEST(values_in_force_are_shown_sorted_and_secrets_withheld)
{
	load(NULL, "server.text=b", "server.password=1", "my.db-password=x", "a.key=${server.text}", NULL);
	shown[0] = '\0';
	rv__config_visit(config, sections, SECTIONS, note, NULL);
	ck_assert_str_eq(shown, "a.key=b;my.db-password=-!;server.password=-!;server.text=b;");
}
END_TEST

/* -- every row of this program ----------------------------------------------------------- */

static const char *const texts[] = {"x", "true", "false", "0", "1", "2", "3", "7", "100", "1000", NULL};

static const char *row_name(const struct rv__section *section, const struct rv_prop_desc *row)
{
	static char name[512];

	snprintf(name, sizeof name, "%s.%s", section->prefix, row->name);
	return name;
}

/* Lower case words with dashes in them and dots between, `*` alone where one is allowed. */
static bool is_kebab(const char *name, bool stars)
{
	char before = '.';

	for (; *name; before = *name++) {
		bool word = islower((unsigned char)*name) || isdigit((unsigned char)*name);
		bool star = stars && *name == '*' && before == '.' && (name[1] == '.' || !name[1]);
		bool joint = (*name == '-' || *name == '.') && before != '-' && before != '.';

		if (!word && !star && !joint)
			return false;
	}
	return before != '-' && before != '.';
}

static size_t size_of(const struct rv_prop_desc *row)
{
	switch (row->type) {
	case RV_PROP_BOOL:
		return sizeof(bool);
	case RV_PROP_LIST:
		return sizeof(struct rv_strings);
	case RV_PROP_MAP:
		return sizeof(struct rv_pairs);
	default:
		return sizeof(int64_t);
	}
}

static bool is_stored(const struct rv_prop_desc *row)
{
	return !(row->flags & RV_PROP_JAVA_ONLY) &&
	    !(row->flags & (RV_PROP_NO_EFFECT | RV_PROP_REFUSED) && row->offset == 0);
}

static void check_words(const struct rv__section *section, const struct rv_prop_desc *row)
{
	const char *name = row_name(section, row);

	ck_assert_msg(is_kebab(row->name, false), "%s: not in kebab case", name);
	ck_assert_msg(row->doc && strlen(row->doc) > 10, "%s: no documentation", name);
	ck_assert_msg(row->doc[strlen(row->doc) - 1] == '.', "%s: its documentation is no sentence", name);
	ck_assert_msg(row->type != RV_PROP_ENUM || (row->choices && row->choices[0]), "%s: no choices", name);
	ck_assert_msg(!(row->flags & RV_PROP_JAVA_ONLY) || row->instead, "%s: says no way out", name);
}

static void check_default(const struct rv__section *section, const struct rv_prop_desc *row)
{
	union rv__prop_value value;
	char cure[256];

	if (row->def && !strstr(row->def, "${"))
		ck_assert_msg(rv__prop_parse(row, row->def, &value, cure, sizeof cure),
		    "%s: default '%s': %s", row_name(section, row), row->def, cure);
}

static void check_place(const struct rv__section *section, const struct rv_prop_desc *row)
{
	if (!is_stored(row))
		return;
	ck_assert_msg(row->offset + size_of(row) <= section->table->size, "%s: outside its struct",
	    row_name(section, row));
	for (const struct rv_prop_desc *other = section->table->rows; other != row; other++) {
		ck_assert_msg(!rv__key_equal(other->name, row->name), "%s: twice", row_name(section, row));
		if (is_stored(other) &&
		    !((other->flags | row->flags) & (RV_PROP_NO_EFFECT | RV_PROP_REFUSED)))
			ck_assert_msg(other->offset + size_of(other) <= row->offset ||
			        row->offset + size_of(row) <= other->offset,
			    "%s: lies over %s", row_name(section, row), other->name);
	}
}

/* Sets the row to something that fits but is not its default. */
static void check_refusal(const struct rv__section *section, const struct rv_prop_desc *row)
{
	union rv__prop_value value;
	char cure[256];
	char pair[512];
	const char *text = NULL;
	const char *const *candidates = row->type == RV_PROP_ENUM ? row->choices : texts;

	for (; *candidates && !text; candidates++)
		if (rv__prop_parse(row, *candidates, &value, cure, sizeof cure) &&
		    !(row->def && rv__prop_same(row, *candidates, row->def)))
			text = *candidates;
	ck_assert_msg(text != NULL, "%s: this test knows no value to refuse", row_name(section, row));
	snprintf(pair, sizeof pair, "p.%s%s=%s", row->name, row->type == RV_PROP_MAP ? ".k" : "", text);
	load(NULL, pair, NULL);
	{
		static char room[8192];
		const char *const prefixes[] = {"p", NULL};

		ck_assert_uint_le(section->table->size, sizeof room);
		rv__config_fill(config, section->table, prefixes, room, &problems);
	}
	ck_assert_msg(problems.fatal_count == 1 && problems.items[0].number == RV__N_CONFIG_REFUSED,
	    "%s=%s is not refused", row_name(section, row), text);
}

START_TEST(every_row_of_every_section_is_sound)
{
	struct rv__sections all;
	size_t count = 0;

	ck_assert_int_eq(rv__collect_sections(&all), RV_OK);
	for (size_t i = 0; i < all.count; i++) {
		const struct rv__section *section = all.items[i];

		ck_assert_msg(is_kebab(section->prefix, true), "%s: not in kebab case", section->prefix);
		ck_assert_msg(section->title && *section->title, "%s: no title", section->prefix);
		for (const struct rv_prop_desc *row = section->table->rows; row && row->name;
		     row++, count++) {
			check_words(section, row);
			check_default(section, row);
			check_place(section, row);
			if (row->flags & RV_PROP_REFUSED)
				check_refusal(section, row);
		}
	}
	ck_assert_uint_gt(count, 100);
	rv__sections_finish(&all);
}
END_TEST

START_TEST(no_two_sections_claim_one_key)
{
	struct rv__sections all;

	ck_assert_int_eq(rv__collect_sections(&all), RV_OK);
	for (size_t i = 0; i < all.count; i++)
		for (size_t j = 0; j < i; j++) {
			if (strcmp(all.items[i]->prefix, all.items[j]->prefix) != 0)
				continue;
			for (const struct rv_prop_desc *a = all.items[i]->table->rows; a && a->name; a++)
				for (const struct rv_prop_desc *b = all.items[j]->table->rows; b && b->name;
				     b++)
					ck_assert_msg(!rv__key_equal(a->name, b->name), "%s: twice",
					    row_name(all.items[i], a));
		}
	rv__sections_finish(&all);
}
END_TEST

int main(void)
{
	const TTest *const cases[] = {defaults_fill_what_nobody_sets, defaults_need_no_configuration,
	    values_of_every_type_arrive, the_more_specific_prefix_wins_key_by_key,
	    a_list_comes_whole_from_the_highest_layer, an_empty_list_is_not_the_default,
	    all_mistakes_are_told_at_once_and_defaults_stay, the_same_mistake_is_told_once,
	    refused_rows_refuse_all_but_their_default, rows_without_effect_and_of_java_warn,
	    secrets_stay_out_of_messages, a_required_key_that_is_missing_is_a_mistake, known_keys_pass,
	    a_misspelt_key_names_the_nearest_one, a_key_like_no_other_is_told_without_a_guess,
	    unknown_keys_warn_or_pass_on_request, an_unknown_name_from_the_environment_never_fails,
	    a_bad_value_from_the_environment_fails, keys_of_a_java_sibling_warn_once_a_kind,
	    keys_of_unused_and_unheard_binders_are_not_judged,
	    keys_in_the_environment_of_a_binder_are_judged_like_others,
	    values_in_force_are_shown_sorted_and_secrets_withheld, every_row_of_every_section_is_sound,
	    no_two_sections_claim_one_key, NULL};

	return unit_run("prop_table", cases, NULL, teardown);
}
