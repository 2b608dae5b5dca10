/* SPDX-License-Identifier: Apache-2.0 */
#include "base/config.h"

#include "base/numbers.h"
#include "tests/support/unit.h"

#include <rivulet-config.h>

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char directory[64];
static const char *home; /* where the application has its files; NULL: the working directory */
static struct rv__problems problems;
static rv_config *config;

static void setup(void)
{
	snprintf(directory, sizeof directory, "/tmp/rivulet-config-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(directory));
	ck_assert_int_eq(chdir(directory), 0);
}

static void teardown(void)
{
	char command[128];

	home = NULL;
	rv__config_unref(config);
	config = NULL;
	rv__problems_finish(&problems);
	snprintf(command, sizeof command, "rm -rf '%s'", directory);
	ck_assert_int_eq(system(command), 0);
}

static void write_file(const char *path, const char *text)
{
	char folder[128];
	FILE *file;

	snprintf(folder, sizeof folder, "%s", path);
	if (strrchr(folder, '/')) {
		*strrchr(folder, '/') = '\0';
		ck_assert(mkdir(folder, 0700) == 0 || errno == EEXIST);
	}
	file = fopen(path, "w");
	ck_assert_ptr_nonnull(file);
	fputs(text, file);
	fclose(file);
}

static char *no_variables[] = {NULL};

/* Loads with the arguments that follow, up to NULL. */
static void load(char **environment, ...)
{
	static char *argv[16];
	struct rv__config_sources sources = {.argv = argv, .environment = environment, .directory = home};
	va_list args;

	argv[0] = (char *)"service";
	va_start(args, environment);
	for (sources.argc = 1; (argv[sources.argc] = va_arg(args, char *)); sources.argc++)
		continue;
	va_end(args);
	rv__config_unref(config);
	rv__problems_finish(&problems);
	config = rv__config_load(&sources, &problems);
	ck_assert_ptr_nonnull(config);
}

static void expect(const char *key, const char *value)
{
	const char *actual = rv__config_get(config, key);

	if (value)
		ck_assert_msg(actual && strcmp(actual, value) == 0, "%s is %s, not %s", key,
		    actual ? actual : "absent", value);
	else
		ck_assert_msg(!actual, "%s is %s", key, actual);
}

static void expect_origin(const char *key, const char *origin)
{
	ck_assert_str_eq(rv__config_origin(config, key), origin);
}

/* One problem, whose text has all the words that follow, up to NULL. */
static void expect_problem(bool fatal, unsigned number, ...)
{
	va_list words;
	const char *word;

	ck_assert_msg(problems.count == 1, "%zu problems: %s", problems.count,
	    problems.count > 1 ? problems.items[1].text : "");
	ck_assert_int_eq(problems.items[0].fatal, fatal);
	ck_assert_uint_eq(problems.items[0].number, number);
	va_start(words, number);
	while ((word = va_arg(words, const char *)))
		ck_assert_msg(
		    strstr(problems.items[0].text, word), "no '%s' in: %s", word, problems.items[0].text);
	va_end(words);
}

/* -- layers ---------------------------------------------------------------------- */

/*
 * The order of precedence, lowest first. Each row sets the keys from its own place upwards, so that key
 * number n must come out of row n.
 */
START_TEST(each_layer_wins_over_those_below)
{
	static char *variables[] = {(char *)"RIVULET_K7=7", (char *)"RIVULET_K8=7", (char *)"RIVULET_K9=7",
	    (char *)"SPRING_APPLICATION_JSON={\"rivulet\":{\"k8\":8,\"k9\":8}}", NULL};
	static const char *const defaults[] = {"rivulet.k0=0", "rivulet.k1=0", "rivulet.k2=0", "rivulet.k3=0",
	    "rivulet.k4=0", "rivulet.k5=0", "rivulet.k6=0", "rivulet.k7=0", "rivulet.k8=0", "rivulet.k9=0",
	    NULL};
	static char *argv[] = {
	    (char *)"service", (char *)"--spring.profiles.active=a,b", (char *)"--rivulet.k9=9", NULL};
	const struct rv__config_sources sources = {
	    .argc = 3, .argv = argv, .environment = variables, .defaults = defaults};
	char key[32];
	char value[2] = "";

	write_file("application.properties",
	    "rivulet.k1=1\nrivulet.k2=1\nrivulet.k3=1\nrivulet.k4=1\n"
	    "rivulet.k5=1\nrivulet.k6=1\nrivulet.k7=1\nrivulet.k8=1\nrivulet.k9=1\n"
	    "#---\nspring.config.activate.on-profile=a\n"
	    "rivulet.k2=2\nrivulet.k3=2\nrivulet.k4=2\nrivulet.k5=2\nrivulet.k6=2\n"
	    "rivulet.k7=2\nrivulet.k8=2\nrivulet.k9=2\n");
	write_file("config/application.properties",
	    "rivulet.k3=3\nrivulet.k4=3\nrivulet.k5=3\nrivulet.k6=3\n"
	    "rivulet.k7=3\nrivulet.k8=3\nrivulet.k9=3\n");
	write_file("application-a.properties",
	    "rivulet.k4=4\nrivulet.k5=4\nrivulet.k6=4\nrivulet.k7=4\nrivulet.k8=4\nrivulet.k9=4\n");
	write_file("config/application-a.properties",
	    "rivulet.k5=5\nrivulet.k6=5\nrivulet.k7=5\nrivulet.k8=5\nrivulet.k9=5\n");
	write_file("application-b.properties", "rivulet.k6=6\nrivulet.k7=6\nrivulet.k8=6\nrivulet.k9=6\n");
	config = rv__config_load(&sources, &problems);
	for (int i = 0; i <= 9; i++) {
		snprintf(key, sizeof key, "rivulet.k%d", i);
		value[0] = (char)('0' + i);
		expect(key, value);
	}
	expect_origin("rivulet.k0", "default");
	expect_origin("rivulet.k1", "application.properties:1");
	expect_origin("rivulet.k2", "application.properties:12");
	expect_origin("rivulet.k3", "config/application.properties:1");
	expect_origin("rivulet.k6", "application-b.properties:1");
	expect_origin("rivulet.k7", "environment variable RIVULET_K7");
	expect_origin("rivulet.k8", "environment variable SPRING_APPLICATION_JSON");
	expect_origin("rivulet.k9", "argument --rivulet.k9");
	ck_assert_uint_eq(problems.count, 0);
}
END_TEST

#if RV_HAVE_YAML
START_TEST(properties_win_over_yaml_of_the_same_directory)
{
	write_file("application.yml", "a: yml\nb: yml\n");
	write_file("application.properties", "b=properties\n");
	load(no_variables, NULL);
	expect("a", "yml");
	expect("b", "properties");
	expect_origin("a", "application.yml:1");
}
END_TEST
#endif

START_TEST(nothing_at_all_is_a_configuration_too)
{
	load(no_variables, NULL);
	ck_assert_uint_eq(problems.count, 0);
	expect("a", NULL);
	expect_origin("a", "default");
	ck_assert_uint_eq(rv__config_names(config, "spring").count, 0);
}
END_TEST

START_TEST(keys_are_found_by_relaxed_names)
{
	write_file("application.properties", "spring.cloud.stream.instanceIndex=3\n");
	load(no_variables, NULL);
	expect("spring.cloud.stream.instance-index", "3");
	expect("spring.cloud.stream.INSTANCE_INDEX", "3");
}
END_TEST

START_TEST(the_environment_reaches_keys_with_dashes_in_both_spellings)
{
	static char *variables[] = {(char *)"SPRING_CLOUD_STREAM_ROCKETMQ_BINDER_NAMESERVER=a:1",
	    (char *)"SPRING_CLOUD_STREAM_BINDINGS_INPUT_CONTENT_TYPE=text/plain", (char *)"PATH=/bin", NULL};

	load(variables, NULL);
	expect("spring.cloud.stream.rocketmq.binder.name-server", "a:1");
	expect("spring.cloud.stream.bindings.input.content-type", "text/plain");
	expect("path", NULL);
}
END_TEST

START_TEST(a_key_set_twice_in_a_file_warns_and_the_last_one_wins)
{
	write_file("application.properties", "a-b=1\n\naB=2\n");
	load(no_variables, NULL);
	expect("a-b", "2");
	expect_problem(false, RV__N_CONFIG_DUPLICATE, "application.properties:3: aB:", "line 1", NULL);
}
END_TEST

/* -- where files are ----------------------------------------------------------------- */

START_TEST(a_location_replaces_the_usual_places)
{
	write_file("application.properties", "a=usual\nb=usual\n");
	write_file("x/application.properties", "a=x\n");
	load(no_variables, "--spring.config.location=x/", NULL);
	expect("a", "x");
	expect("b", NULL);
	load(no_variables, "--spring.config.location=file:./x/application.properties", NULL);
	expect("a", "x");
	expect_origin("a", "x/application.properties:1");
	load(no_variables, "--spring.config.location=x", NULL);
	expect("a", "x");
}
END_TEST

START_TEST(an_additional_location_wins_over_the_usual_places)
{
	write_file("application.properties", "a=usual\nb=usual\n");
	write_file("x/application.properties", "a=x\n");
	load(no_variables, "--spring.config.additional-location=x/", NULL);
	expect("a", "x");
	expect("b", "usual");
}
END_TEST

/* As of an installed service that is told to take the files of a source tree. */
START_TEST(a_location_is_below_the_working_directory_wherever_the_application_has_its_files)
{
	write_file("installed/application.properties", "server.port=1\nserver.address=installed");
	write_file("x/application.properties", "server.port=2");
	home = "installed";
	load(no_variables, NULL);
	expect("server.port", "1");
	load(no_variables, "--spring.config.location=x/", NULL);
	expect("server.port", "2");
	expect("server.address", NULL);
	load(no_variables, "--spring.config.additional-location=x/", NULL);
	expect("server.port", "2");
	expect("server.address", "installed");
	ck_assert_uint_eq(problems.count, 0);
}
END_TEST

START_TEST(of_several_locations_the_last_one_wins)
{
	write_file("x.properties", "a=x\nb=x\n");
	write_file("y.properties", "a=y\n");
	load(no_variables, "--spring.config.location=x.properties, y.properties", NULL);
	expect("a", "y");
	expect("b", "x");
}
END_TEST

START_TEST(commas_put_one_group_wholly_above_the_other_and_semicolons_do_not)
{
	write_file("x/application-p.properties", "a=x-p\n");
	write_file("y/application.properties", "a=y\n");
	load(no_variables, "--spring.profiles.active=p", "--spring.config.location=optional:x/,y/", NULL);
	expect("a", "y");
	load(no_variables, "--spring.profiles.active=p", "--spring.config.location=optional:x/;y/", NULL);
	expect("a", "x-p");
}
END_TEST

START_TEST(a_missing_location_is_a_mistake_unless_optional)
{
	load(no_variables, "--spring.config.location=gone.properties", NULL);
	expect_problem(true, RV__N_CONFIG_MISSING, "gone.properties", "optional:", NULL);
	load(no_variables, "--spring.config.location=gone/", NULL);
	expect_problem(true, RV__N_CONFIG_MISSING, "gone/", "directory", NULL);
	load(no_variables, "--spring.config.location=optional:gone.properties,optional:file:gone/", NULL);
	ck_assert_uint_eq(problems.count, 0);
}
END_TEST

START_TEST(places_inside_java_are_refused_unless_optional)
{
	load(no_variables, "--spring.config.location=classpath:/app.properties", NULL);
	expect_problem(true, RV__N_CONFIG_LOCATION, "classpath:", "file:", NULL);
	load(no_variables, "--spring.config.location=optional:classpath:/", NULL);
	ck_assert_uint_eq(problems.count, 0);
}
END_TEST

START_TEST(files_may_have_another_name)
{
	write_file("parking.properties", "a=1\n");
	write_file("parking-p.properties", "b=2\n");
	load(no_variables, "--spring.config.name=parking", "--spring.profiles.active=p", NULL);
	expect("a", "1");
	expect("b", "2");
}
END_TEST

START_TEST(an_import_wins_over_the_file_that_names_it)
{
	write_file(
	    "application.properties", "a=1\nb=1\nspring.config.import=optional:file:x/more.properties\n");
	write_file("x/more.properties", "a=2\nspring.config.import=deep.properties\n");
	write_file("x/deep.properties", "c=3\n");
	load(no_variables, NULL);
	expect("a", "2");
	expect("b", "1");
	expect("c", "3");
	expect_origin("c", "x/deep.properties:1");
	ck_assert_uint_eq(problems.count, 0);
}
END_TEST

START_TEST(a_missing_import_is_a_mistake_unless_optional)
{
	write_file("application.properties", "spring.config.import=optional:file:gone.properties\n");
	load(no_variables, NULL);
	ck_assert_uint_eq(problems.count, 0);
	write_file("application.properties", "spring.config.import=file:gone.properties\n");
	load(no_variables, NULL);
	expect_problem(true, RV__N_CONFIG_MISSING,
	    "application.properties:1: spring.config.import: ", "gone.properties: there is no such file",
	    NULL);
}
END_TEST

START_TEST(imports_in_a_circle_are_a_mistake)
{
	write_file("application.properties", "spring.config.import=x.properties\n");
	write_file("x.properties", "spring.config.import=application.properties\n");
	load(no_variables, NULL);
	expect_problem(true, RV__N_CONFIG_LOCATION, "circle", NULL);
}
END_TEST

START_TEST(lines_that_cannot_be_read_are_all_told)
{
	write_file("application.properties", "a=\\u12\nb=1\n=3\nc[=4\n");
	load(no_variables, NULL);
	ck_assert_uint_eq(problems.fatal_count, 3);
	for (size_t i = 0; i < 3; i++) {
		static const char *const starts[] = {
		    "application.properties:1: ", "application.properties:3: ", "application.properties:4: "};

		ck_assert_uint_eq(problems.items[i].number, RV__N_CONFIG_SYNTAX);
		ck_assert_ptr_eq(strstr(problems.items[i].text, starts[i]), problems.items[i].text);
	}
	expect("b", "1");
}
END_TEST

START_TEST(words_that_are_no_arguments_are_mistakes)
{
	load(no_variables, "server.port=1", NULL);
	expect_problem(true, RV__N_CONFIG_ARGUMENT, "number 1, 'server.port=…'", "--key=value", NULL);
	load(no_variables, "--verbose", NULL);
	expect_problem(true, RV__N_CONFIG_ARGUMENT, "write --verbose=value", NULL);
	load(no_variables, "--my.password", "hunter2", NULL);
	expect_problem(true, RV__N_CONFIG_ARGUMENT, "write --my.password=value", NULL);
	ck_assert_ptr_null(strstr(problems.items[0].text, "hunter2"));
}
END_TEST

START_TEST(broken_json_in_the_environment_is_a_mistake)
{
	static char *variables[] = {(char *)"SPRING_APPLICATION_JSON={", NULL};

	load(variables, NULL);
	expect_problem(true, RV__N_CONFIG_JSON, "SPRING_APPLICATION_JSON", NULL);
}
END_TEST

/* -- profiles ---------------------------------------------------------------------- */

START_TEST(profiles_may_be_named_by_file_environment_and_argument)
{
	static char *variables[] = {(char *)"SPRING_PROFILES_ACTIVE=e", NULL};

	write_file("application.properties", "spring.profiles.active=f\n");
	write_file("application-e.properties", "a=e\n");
	write_file("application-f.properties", "a=f\n");
	write_file("application-g.properties", "a=g\n");
	load(no_variables, NULL);
	expect("a", "f");
	load(variables, NULL);
	expect("a", "e");
	load(variables, "--spring.profiles.active=g", NULL);
	expect("a", "g");
}
END_TEST

START_TEST(the_default_profile_is_active_when_no_other_is)
{
	write_file("application-default.properties", "a=default\n");
	write_file("application-x.properties", "b=x\n");
	load(no_variables, NULL);
	expect("a", "default");
	load(no_variables, "--spring.profiles.active=x", NULL);
	expect("a", NULL);
	load(no_variables, "--spring.profiles.default=x", NULL);
	expect("b", "x");
}
END_TEST

START_TEST(groups_and_includes_bring_profiles_along)
{
	write_file(
	    "application.properties", "spring.profiles.group.prod=db,mq\nspring.profiles.include[0]=extra\n");
	write_file("application-db.properties", "a=db\n");
	write_file("application-mq.properties", "a=mq\nb=mq\n");
	write_file("application-extra.properties", "c=extra\n");
	load(no_variables, "--spring.profiles.active=prod", NULL);
	expect("a", "mq");
	expect("b", "mq");
	expect("c", "extra");
}
END_TEST

START_TEST(documents_count_when_their_profile_expression_holds)
{
	write_file("application.properties",
	    "a=0\n#---\nspring.config.activate.on-profile=x & !y\na=1\n"
	    "#---\nspring.config.activate.on-profile=y | z, w\na=2\n");
	load(no_variables, NULL);
	expect("a", "0");
	load(no_variables, "--spring.profiles.active=x", NULL);
	expect("a", "1");
	load(no_variables, "--spring.profiles.active=x,y", NULL);
	expect("a", "2");
	load(no_variables, "--spring.profiles.active=w", NULL);
	expect("a", "2");
}
END_TEST

START_TEST(a_list_of_profile_expressions_holds_when_one_does)
{
	write_file("application.properties",
	    "a=0\n#---\nspring.config.activate.on-profile[0]=x\n"
	    "spring.config.activate.on-profile[1]=y\na=1\n");
	load(no_variables, NULL);
	expect("a", "0");
	load(no_variables, "--spring.profiles.active=y", NULL);
	expect("a", "1");
}
END_TEST

START_TEST(documents_of_another_platform_do_not_count)
{
	static char *on_kubernetes[] = {(char *)"KUBERNETES_SERVICE_HOST=10.0.0.1", NULL};

	write_file("application.properties",
	    "a=0\n#---\nspring.config.activate.on-cloud-platform=kubernetes\na=1\n");
	load(no_variables, NULL);
	expect("a", "0");
	load(on_kubernetes, NULL);
	expect("a", "1");
}
END_TEST

START_TEST(a_malformed_profile_expression_is_a_mistake)
{
	write_file("application.properties", "a=0\n#---\nspring.config.activate.on-profile=x & (y\na=1\n");
	load(no_variables, NULL);
	expect_problem(true, RV__N_CONFIG_PROFILE, "application.properties", "x & (y", NULL);
}
END_TEST

/* -- placeholders -------------------------------------------------------------------- */

START_TEST(placeholders_are_replaced_wherever_the_key_stands)
{
	static char *variables[] = {(char *)"HOME=/home/p", (char *)"MY_HOST=h", NULL};

	write_file("application.properties",
	    "a=${b}-${c.d}\nb=1\nc.d=2\ne=${HOME}/x\nf=${my.host:no}:${my-port:80}\ng=\\\\${b}\nh=${cD}\n");
	load(variables, "--b=9", NULL);
	expect("a", "9-2");
	expect("e", "/home/p/x");
	expect("f", "h:80");
	expect("g", "${b}");
	expect("h", NULL);
}
END_TEST

START_TEST(placeholders_nest_in_key_and_default)
{
	write_file("application.properties",
	    "env=prod\nhost.prod=p\na=${host.${env}}\nb=${x:${y:z}}\nc=${x:a:b}\nd=${x:}\n");
	load(no_variables, NULL);
	expect("a", "p");
	expect("b", "z");
	expect("c", "a:b");
	expect("d", "");
}
END_TEST

static const struct rv_prop_desc text_rows[] = {
    {.name = "a", .type = RV_PROP_STRING, .doc = "A."}, {.name = NULL}};
static const struct rv_prop_table text_table = {.rows = text_rows, .size = sizeof(const char *)};

START_TEST(a_placeholder_without_value_is_a_mistake_of_the_key_that_needs_it)
{
	const char *const prefixes[] = {"", NULL};
	const char *a;

	write_file("application.properties", "a=${gone}\nother=${gone}\n");
	load(no_variables, NULL);
	ck_assert_uint_eq(problems.count, 0);
	rv__config_fill(config, &text_table, prefixes, &a, &problems);
	expect_problem(
	    true, RV__N_CONFIG_PLACEHOLDER, "application.properties:1: a:", "'${gone}'", "default", NULL);
}
END_TEST

START_TEST(a_circle_of_placeholders_is_told_and_ends)
{
	const char *const prefixes[] = {"", NULL};
	const char *a;

	write_file("application.properties", "a=${b}\nb=${c}\nc=x${a}\n");
	load(no_variables, NULL);
	rv__config_fill(config, &text_table, prefixes, &a, &problems);
	expect_problem(true, RV__N_CONFIG_PLACEHOLDER, "application.properties:1: a:", NULL);
}
END_TEST

START_TEST(values_that_multiply_are_cut_off)
{
	char text[2048] = "a0=xxxxxxxxxxxxxxxx\n";

	for (int i = 1; i < 20; i++)
		snprintf(text + strlen(text), sizeof text - strlen(text), "a%d=${a%d}${a%d}${a%d}${a%d}\n", i,
		    i - 1, i - 1, i - 1, i - 1);
	write_file("application.properties", text);
	load(no_variables, NULL);
	expect("a19", NULL);
	ck_assert_ptr_nonnull(rv__config_get(config, "a5"));
}
END_TEST

START_TEST(random_values_have_springs_shapes)
{
	const char *value;

	write_file("application.properties", "u=${random.uuid}\nv=${random.value}\ni=${random.int[5,7]}\n");
	load(no_variables, NULL);
	value = rv__config_get(config, "u");
	ck_assert_uint_eq(strlen(value), 36);
	ck_assert(value[8] == '-' && value[14] == '4' && strchr("89ab", value[19]));
	ck_assert_uint_eq(strlen(rv__config_get(config, "v")), 32);
	value = rv__config_get(config, "i");
	ck_assert(strcmp(value, "5") == 0 || strcmp(value, "6") == 0);
}
END_TEST

/* -- names and views ------------------------------------------------------------------ */

START_TEST(names_below_a_prefix_are_told_once_as_first_written)
{
	static char *variables[] = {(char *)"SPRING_CLOUD_STREAM_BINDINGS_INPUT_GROUP=g",
	    (char *)"SPRING_CLOUD_STREAM_BINDINGS_EXTRA_GROUP=g", NULL};
	struct rv_strings names;

	write_file("application.properties",
	    "spring.cloud.stream.bindings.myInput.group=g\nspring.cloud.stream.bindings.MYINPUT.destination="
	    "d\n"
	    "spring.cloud.stream.bindings.[my.name].group=g\nspring.cloud.stream.bindings.input.destination="
	    "d\n");
	load(variables, NULL);
	names = rv__config_names(config, "spring.cloud.stream.bindings");
	ck_assert_uint_eq(names.count, 4);
	ck_assert_str_eq(names.items[0], "myInput");
	ck_assert_str_eq(names.items[1], "my.name");
	ck_assert_str_eq(names.items[2], "input");
	ck_assert_str_eq(names.items[3], "extra");
}
END_TEST

START_TEST(a_view_lays_the_keys_of_a_binder_over_the_others)
{
	rv_config *view;

	write_file("application.properties",
	    "spring.cloud.stream.kafka.binder.brokers=a\nx=1\n"
	    "spring.cloud.stream.binders.k1.environment.spring.cloud.stream.kafka.binder.brokers=b\n");
	load(no_variables, NULL);
	view = rv__config_overlay(config, "spring.cloud.stream.binders.k1.environment", true);
	ck_assert_str_eq(rv__config_get(view, "spring.cloud.stream.kafka.binder.brokers"), "b");
	ck_assert_str_eq(
	    rv__config_origin(view, "spring.cloud.stream.kafka.binder.brokers"), "application.properties:3");
	ck_assert_str_eq(rv__config_get(view, "x"), "1");
	rv__config_unref(view);
	view = rv__config_overlay(config, "spring.cloud.stream.binders.k1.environment", false);
	ck_assert_str_eq(rv__config_get(view, "spring.cloud.stream.kafka.binder.brokers"), "b");
	ck_assert_ptr_null(rv__config_get(view, "x"));
	expect("spring.cloud.stream.kafka.binder.brokers", "a");
	rv__config_unref(config);
	config = NULL;
	ck_assert_str_eq(rv__config_get(view, "spring.cloud.stream.kafka.binder.brokers"), "b");
	rv__config_unref(view);
}
END_TEST

int main(void)
{
	const TTest *const cases[] = {
		each_layer_wins_over_those_below,
#if RV_HAVE_YAML
		properties_win_over_yaml_of_the_same_directory,
#endif
		nothing_at_all_is_a_configuration_too,
		keys_are_found_by_relaxed_names,
		the_environment_reaches_keys_with_dashes_in_both_spellings,
		a_key_set_twice_in_a_file_warns_and_the_last_one_wins,
		a_location_replaces_the_usual_places,
		an_additional_location_wins_over_the_usual_places,
		a_location_is_below_the_working_directory_wherever_the_application_has_its_files,
		of_several_locations_the_last_one_wins,
		commas_put_one_group_wholly_above_the_other_and_semicolons_do_not,
		a_missing_location_is_a_mistake_unless_optional,
		places_inside_java_are_refused_unless_optional,
		files_may_have_another_name,
		an_import_wins_over_the_file_that_names_it,
		a_missing_import_is_a_mistake_unless_optional,
		imports_in_a_circle_are_a_mistake,
		lines_that_cannot_be_read_are_all_told,
		words_that_are_no_arguments_are_mistakes,
		broken_json_in_the_environment_is_a_mistake,
		profiles_may_be_named_by_file_environment_and_argument,
		the_default_profile_is_active_when_no_other_is,
		groups_and_includes_bring_profiles_along,
		documents_count_when_their_profile_expression_holds,
		a_list_of_profile_expressions_holds_when_one_does,
		documents_of_another_platform_do_not_count,
		a_malformed_profile_expression_is_a_mistake,
		placeholders_are_replaced_wherever_the_key_stands,
		placeholders_nest_in_key_and_default,
		a_placeholder_without_value_is_a_mistake_of_the_key_that_needs_it,
		a_circle_of_placeholders_is_told_and_ends,
		values_that_multiply_are_cut_off,
		random_values_have_springs_shapes,
		names_below_a_prefix_are_told_once_as_first_written,
		a_view_lays_the_keys_of_a_binder_over_the_others,
		NULL
	};

	return unit_run("config", cases, setup, teardown);
}
