/* SPDX-License-Identifier: Apache-2.0 */
/* Health and bindings as a probe or an operator asks for them. */
#include "actuator/values.h"
#include "bindings/app.h"

#include <rivulet/http.h>
#include <rivulet/test.h>

#include "tests/support/http_client.h"
#include "tests/support/unit.h"
#include "tests/support/wait.h"

#include <semaphore.h>
#include <stdatomic.h>

static rv_test *test;
static int port;
static sem_t gate;
static _Atomic int waiting;
static _Atomic int received;

static rv_verdict take(const rv_message *message, void *context)
{
	(void)message;
	(void)context;
	atomic_fetch_add(&received, 1);
	return RV_ACK;
}

static int hang(const rv_http_request *request, rv_http_response *response, void *context)
{
	(void)request;
	(void)context;
	atomic_fetch_add(&waiting, 1);
	sem_wait(&gate);
	return rv_http_text(response, 200, "done");
}

static void declare(rv_app *app, void *context)
{
	(void)context;
	rv_app_enable_binding(app, RV_PROCESSOR);
	rv_app_listen(app, "input", take, NULL);
	rv_app_route(app, "POST", "/hang", hang, NULL);
}

static void start(const char *const *properties)
{
	struct rv_error error;

	test = rv_test_start(declare, NULL, properties, &error);
	ck_assert_msg(test != NULL, "%s", error.text);
	port = rv_test_http_port(test);
	ck_assert_int_gt(port, 0);
}

static void setup(void)
{
	static const char *const properties[] = {"server.port=0",
	    "management.endpoint.health.show-details=always", "rivulet.http.max-requests=1",
	    "spring.cloud.stream.bindings.input.destination=cars",
	    "spring.cloud.stream.bindings.input.group=garage",
	    "spring.cloud.stream.bindings.output.destination=bills",
	    "spring.cloud.stream.bindings.input.consumer.max-attempts=7", NULL};

	sem_init(&gate, 0, 0);
	atomic_store(&waiting, 0);
	atomic_store(&received, 0);
	start(properties);
}

static void teardown(void)
{
	sem_post(&gate);
	ck_assert_int_eq(rv_test_stop(test), 0);
}

static json_t *get(const char *path, int expected)
{
	struct answer answer;
	json_t *json;

	ask(port, "GET", path, NULL, &answer);
	ck_assert_msg(answer.status == expected, "%s: %d %s", path, answer.status, answer.body);
	json = json_loads(answer.body, 0, NULL);
	ck_assert_msg(json != NULL, "%s: %s", path, answer.body);
	return json;
}

static const char *text(const json_t *json, const char *name)
{
	const char *value = json_string_value(json_object_get(json, name));

	return value ? value : "(none)";
}

static int change(const char *name, const char *body)
{
	struct answer answer;
	char path[128];

	snprintf(path, sizeof path, "/actuator/bindings/%s", name);
	ask(port, "POST", path, body, &answer);
	return answer.status;
}

static bool state_is(const char *name, const char *state)
{
	char path[128];
	json_t *list;
	bool is;

	snprintf(path, sizeof path, "/actuator/bindings/%s", name);
	list = get(path, 200);
	is = strcmp(text(json_array_get(list, 0), "state"), state) == 0;
	json_decref(list);
	return is;
}

static bool readiness_is(int status)
{
	struct answer answer;

	ask(port, "GET", "/actuator/health/readiness", NULL, &answer);
	return answer.status == status;
}

START_TEST(health_has_springs_shape)
{
	json_t *health = get("/actuator/health", 200);
	json_t *binders = json_object_get(json_object_get(health, "components"), "binders");

	ck_assert_str_eq(text(health, "status"), "UP");
	ck_assert_str_eq(text(binders, "status"), "UP");
	ck_assert_str_eq(
	    text(json_object_get(json_object_get(binders, "components"), "memory"), "status"), "UP");
	json_decref(health);
}
END_TEST

START_TEST(probes_answer_a_status_alone)
{
	struct answer answer;

	ask(port, "GET", "/actuator/health/liveness", NULL, &answer);
	ck_assert_str_eq(answer.body, "{\"status\":\"UP\"}");
	ask(port, "GET", "/actuator/health/readiness", NULL, &answer);
	ck_assert_str_eq(answer.body, "{\"status\":\"UP\"}");
	json_decref(get("/actuator/health/nonsense", 404));
}
END_TEST

START_TEST(details_are_hidden_unless_asked_for)
{
	static const char *const properties[] = {"server.port=0", NULL};
	json_t *health;

	ck_assert_int_eq(rv_test_stop(test), 0);
	start(properties);
	health = get("/actuator/health", 200);
	ck_assert_ptr_null(json_object_get(health, "components"));
	json_decref(health);
	json_decref(get("/actuator/health/binders", 404));
}
END_TEST

START_TEST(links_name_the_endpoints)
{
	json_t *links = get("/actuator", 200);
	json_t *bindings = json_object_get(json_object_get(links, "_links"), "bindings-name");

	ck_assert_str_eq(text(bindings, "href"), "http://test/actuator/bindings/{name}");
	ck_assert(json_is_true(json_object_get(bindings, "templated")));
	json_decref(links);
}
END_TEST

START_TEST(bindings_list_inputs_first)
{
	json_t *list = get("/actuator/bindings", 200);
	json_t *input = json_array_get(list, 0);
	json_t *output = json_array_get(list, 1);
	json_t *properties;

	ck_assert_uint_eq(json_array_size(list), 2);
	ck_assert_str_eq(text(input, "bindingName"), "input");
	ck_assert_str_eq(text(input, "name"), "cars");
	ck_assert_str_eq(text(input, "group"), "garage");
	ck_assert_str_eq(text(input, "state"), "running");
	ck_assert_str_eq(text(input, "binderType"), "memory");
	ck_assert(json_is_true(json_object_get(input, "pausable")));
	ck_assert(json_is_true(json_object_get(input, "input")));
	ck_assert_str_eq(text(json_object_get(input, "extension"), "rivuletState"), "running");
	properties = json_object_get(json_object_get(input, "extendedInfo"), "ExtendedConsumerProperties");
	ck_assert_int_eq(json_integer_value(json_object_get(properties, "maxAttempts")), 7);
	ck_assert_str_eq(text(output, "bindingName"), "output");
	ck_assert(json_is_null(json_object_get(output, "group")));
	ck_assert(json_is_false(json_object_get(output, "input")));
	json_decref(list);
}
END_TEST

START_TEST(names_have_no_case)
{
	json_t *list = get("/actuator/bindings/INPUT", 200);

	ck_assert_uint_eq(json_array_size(list), 1);
	json_decref(list);
}
END_TEST

START_TEST(unknown_binding_is_404)
{
	json_t *error = get("/actuator/bindings/nope", 404);

	ck_assert_str_eq(text(error, "error"), "Not Found");
	ck_assert_str_eq(text(error, "path"), "/actuator/bindings/nope");
	json_decref(error);
	ck_assert_int_eq(change("nope", "{\"state\":\"STOPPED\"}"), 404);
}
END_TEST

START_TEST(paused_input_keeps_messages_until_resumed)
{
	rv_message *message = rv_message_create_text("car");

	ck_assert_int_eq(change("input", "{\"state\":\"PAUSED\"}"), 204);
	WAIT_UNTIL(30000, state_is("input", "paused"));
	ck_assert_int_eq(rv_test_put(test, "input", message, NULL), RV_OK);
	ck_assert_int_eq(rv_test_settlement(test, "input", 100), RV_SETTLED_NONE);
	ck_assert_int_eq(atomic_load(&received), 0);
	ck_assert_int_eq(change("input", "{\"state\":\"RESUMED\"}"), 204);
	ck_assert_int_eq(rv_test_settlement(test, "input", 30000), RV_SETTLED_ACK);
	ck_assert_int_eq(atomic_load(&received), 1);
	rv_message_unref(message);
}
END_TEST

START_TEST(stopped_input_starts_again_and_health_stays_up)
{
	rv_message *message = rv_message_create_text("car");

	ck_assert_int_eq(change("input", "{\"state\":\"STOPPED\"}"), 204);
	WAIT_UNTIL(30000, state_is("input", "stopped"));
	/* Stopped on purpose is no illness. */
	ck_assert(readiness_is(200));
	ck_assert_int_eq(rv_test_put(test, "input", message, NULL), RV_OK);
	ck_assert_int_eq(change("input", "{\"state\":\"started\"}"), 204);
	WAIT_UNTIL(30000, state_is("input", "running"));
	ck_assert_int_eq(rv_test_settlement(test, "input", 30000), RV_SETTLED_ACK);
	rv_message_unref(message);
}
END_TEST

START_TEST(wrong_changes_are_400_and_change_nothing)
{
	static const char *const bodies[] = {"{\"state\":\"JUMP\"}", "{\"state\":1}", "{}", "[]", "", "{"};

	for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++)
		ck_assert_msg(change("input", bodies[i]) == 400, "%s", bodies[i]);
	ck_assert(state_is("input", "running"));
}
END_TEST

START_TEST(outputs_cannot_be_paused)
{
	ck_assert_int_eq(change("output", "{\"state\":\"PAUSED\"}"), 409);
}
END_TEST

START_TEST(get_changes_nothing)
{
	json_decref(get("/actuator/bindings/input?state=STOPPED", 200));
	ck_assert(state_is("input", "running"));
}
END_TEST

START_TEST(page_of_another_site_is_refused)
{
	struct client client;
	struct answer answer;

	client_open(&client, port);
	client_say(&client,
	    "POST /actuator/bindings/input HTTP/1.1\r\nHost: localhost:1\r\nOrigin: http://evil.example\r\n"
	    "Content-Length: 19\r\n\r\n{\"state\":\"STOPPED\"}");
	client_read(&client, &answer, false);
	ck_assert_int_eq(answer.status, 403);
	client_close(&client);
	ck_assert(state_is("input", "running"));
}
END_TEST

START_TEST(waiting_handlers_do_not_delay_the_actuator)
{
	struct client waiter;
	struct answer answer;

	client_open(&waiter, port);
	client_say(&waiter, "POST /hang HTTP/1.1\r\nHost: a\r\n\r\n");
	WAIT_UNTIL(30000, atomic_load(&waiting) == 1);
	ask(port, "POST", "/hang", NULL, &answer);
	ck_assert_int_eq(answer.status, 503);
	json_decref(get("/actuator/health", 200));
	sem_post(&gate);
	client_read(&waiter, &answer, false);
	ck_assert_int_eq(answer.status, 200);
	client_close(&waiter);
}
END_TEST

START_TEST(a_taken_port_stops_the_start_before_anything_binds)
{
	char taken[64];
	const char *const properties[] = {"server.port=0", taken, NULL};
	struct rv_error error;

	snprintf(taken, sizeof taken, "management.server.port=%d", port);
	ck_assert_ptr_null(rv_test_start(declare, NULL, properties, &error));
	ck_assert_ptr_nonnull(strstr(error.text, "status 1"));
}
END_TEST

static int actuator_port(void)
{
	const struct rv__host *host = (const struct rv__host *)rv_test_app(test);
	int found = 0;

	for (size_t i = 0; rv__builtin_modules[i]; i++)
		if (strcmp(rv__builtin_modules[i]->name, "actuator") == 0 && host->ports[i] > 0)
			found = host->ports[i];
	return found;
}

START_TEST(the_actuator_may_have_a_port_of_its_own)
{
	static const char *const properties[] = {"server.port=0", "management.server.port=0", NULL};
	struct answer answer;
	int own;

	ck_assert_int_eq(rv_test_stop(test), 0);
	start(properties);
	own = actuator_port();
	ck_assert_int_gt(own, 0);
	ck_assert_int_ne(own, port);
	ask(port, "GET", "/actuator/health", NULL, &answer);
	ck_assert_int_eq(answer.status, 404);
	ask(own, "GET", "/actuator/health", NULL, &answer);
	ck_assert_int_eq(answer.status, 200);
}
END_TEST

START_TEST(secrets_are_hidden_and_names_are_camel_case)
{
	struct settings {
		const char *secret_key, *unset_key;
		int64_t back_off, mode;
		struct rv_strings list;
	};
	static const char *const modes[] = {"none", "headers", NULL};
	static const char *const items[] = {"a", "b"};
	static const struct rv_prop_desc rows[] = {{.name = "secret-key",
	                                               .type = RV_PROP_STRING,
	                                               .flags = RV_PROP_SECRET,
	                                               .offset = offsetof(struct settings, secret_key)},
	    {.name = "unset-key",
	        .type = RV_PROP_STRING,
	        .flags = RV_PROP_SECRET,
	        .offset = offsetof(struct settings, unset_key)},
	    {.name = "back-off.initial-interval",
	        .type = RV_PROP_DURATION,
	        .offset = offsetof(struct settings, back_off)},
	    {.name = "header-mode",
	        .type = RV_PROP_ENUM,
	        .choices = modes,
	        .offset = offsetof(struct settings, mode)},
	    {.name = "list", .type = RV_PROP_LIST, .offset = offsetof(struct settings, list)},
	    {.name = "later", .type = RV_PROP_STRING, .flags = RV_PROP_NO_EFFECT}, {.name = NULL}};
	const struct rv_prop_table table = {rows, sizeof(struct settings)};
	const struct settings settings = {"hush", NULL, 250, 1, {items, 2}};
	json_t *json = rv__values_json(&table, &settings);
	char *dump = json_dumps(json, JSON_COMPACT);

	ck_assert_str_eq(dump,
	    "{\"secretKey\":\"******\",\"unsetKey\":null,\"backOff\":{\"initialInterval\":250},"
	    "\"headerMode\":\"headers\",\"list\":[\"a\",\"b\"]}");
	free(dump);
	json_decref(json);
}
END_TEST

int main(void)
{
	const TTest *const cases[] = {health_has_springs_shape, probes_answer_a_status_alone,
	    details_are_hidden_unless_asked_for, links_name_the_endpoints, bindings_list_inputs_first,
	    names_have_no_case, unknown_binding_is_404, paused_input_keeps_messages_until_resumed,
	    stopped_input_starts_again_and_health_stays_up, wrong_changes_are_400_and_change_nothing,
	    outputs_cannot_be_paused, get_changes_nothing, page_of_another_site_is_refused,
	    waiting_handlers_do_not_delay_the_actuator, a_taken_port_stops_the_start_before_anything_binds,
	    the_actuator_may_have_a_port_of_its_own, secrets_are_hidden_and_names_are_camel_case, NULL};

	return unit_run("actuator", cases, setup, teardown);
}
