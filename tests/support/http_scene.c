/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/http_scene.h"

#include "http/listen.h"

#include <rivulet/log.h>

#include <check.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

struct http_scene scene;

static char world[] = "world";

static int hello(const rv_http_request *request, rv_http_response *response, void *context)
{
	(void)request;
	return rv_http_json(response, 200, "{s:s}", "hello", (const char *)context);
}

static int echo(const rv_http_request *request, rv_http_response *response, void *context)
{
	struct rv_error error;
	json_t *value = rv_http_body_json(request, &error);

	(void)context;
	if (!value)
		return rv_http_problem(response, 400, &error);
	return rv_http_json_value(response, 200, value);
}

static int count(const rv_http_request *request, rv_http_response *response, void *context)
{
	size_t length;

	(void)context;
	rv_http_body(request, &length);
	return rv_http_json(response, 200, "{s:I}", "length", (json_int_t)length);
}

static int show(const rv_http_request *request, rv_http_response *response, void *context)
{
	const char *page = rv_http_query(request, "page");
	const char *agent = rv_http_header(request, "user-agent");

	(void)context;
	rv_http_set_header(response, "X-Plate", "seen");
	return rv_http_json(response, 200, "{s:s, s:s?, s:s?, s:s, s:s}", "plate",
	    rv_http_path_value(request, "plate"), "page", page, "agent", agent, "path", rv_http_path(request),
	    "method", rv_http_method(request));
}

static int hang(const rv_http_request *request, rv_http_response *response, void *context)
{
	(void)request;
	(void)context;
	atomic_fetch_add(&scene.waiting, 1);
	sem_wait(&scene.gate);
	return rv_http_text(response, 200, "done");
}

static int silent(const rv_http_request *request, rv_http_response *response, void *context)
{
	(void)request;
	(void)response;
	(void)context;
	return 0;
}

static int large(const rv_http_request *request, rv_http_response *response, void *context)
{
	char *text = malloc(24 * 1024 * 1024 + 1);
	int result;

	(void)request;
	(void)context;
	memset(text, 'x', 24 * 1024 * 1024);
	text[24 * 1024 * 1024] = '\0';
	result = rv_http_text(response, 200, text);
	free(text);
	return result;
}

static int split(const rv_http_request *request, rv_http_response *response, void *context)
{
	char filler[400];

	(void)request;
	(void)context;
	rv_http_set_header(response, "X-Bad", "a\r\nX-Injected: 1");
	rv_http_set_header(response, "X Bad", "a");
	/* As many and as long as are let through must not spoil the answer. */
	memset(filler, 'f', sizeof filler - 1);
	filler[sizeof filler - 1] = '\0';
	for (int i = 0; i < 20; i++)
		rv_http_set_header(response, "X-Filler", filler);
	return rv_http_text(response, 200, "fine");
}

static void count_lines(rv_log_level level, const char *topic, const char *line, void *arg)
{
	(void)level;
	(void)topic;
	(void)arg;
	if (strstr(line, "RV0504"))
		atomic_fetch_add(&scene.slow_lines, 1);
	if (strstr(line, "RV0505") && strstr(line, "is no HTTP"))
		atomic_fetch_add(&scene.foreign_lines, 1);
}

static void add(const char *method, const char *path, rv_http_handler_fn handler, bool management)
{
	ck_assert_int_eq(
	    rv__routes_add(&scene.routes, method, path, handler, world, management, NULL), RV_OK);
}

static void begin(void)
{
	struct rv_error error;
	int fd;

	ck_assert_msg(
	    rv__listen("127.0.0.1", 0, "server.port", &fd, &scene.port, &error) == RV_OK, "%s", error.text);
	ck_assert_msg(
	    rv__http_server_start(&scene.settings, &scene.routes, fd, &scene.server, &error) == RV_OK, "%s",
	    error.text);
}

void http_scene_setup(void)
{
	sem_init(&scene.gate, 0, 0);
	atomic_store(&scene.waiting, 0);
	atomic_store(&scene.slow_lines, 0);
	atomic_store(&scene.foreign_lines, 0);
	rv_log_set_sink(count_lines, NULL);
	add("GET", "/hello", hello, false);
	add("POST", "/echo", echo, false);
	add("POST", "/count", count, false);
	add("GET", "/cars/{plate}", show, false);
	add("GET", "/cars/all", hello, false);
	add("DELETE", "/cars/{plate}", show, false);
	add("POST", "/hang", hang, false);
	add("GET", "/silent", silent, false);
	add("GET", "/large", large, false);
	add("GET", "/split", split, false);
	add("GET", "/manage", hello, true);
	scene.settings = (struct rv__http_settings){
	    .server = {.address = "127.0.0.1", .max_header_size = 8192},
	    /* What a case does not look at is out of reach: time for a machine that hangs for a while, and places for
	     * connections that the server has not yet seen end. */
	    .limits = {.max_body_size = 1000,
	        .max_connections = 100,
	        .max_requests = 2,
	        .request_timeout_ms = 60000,
	        .write_timeout_ms = 60000,
	        .idle_timeout_ms = 60000,
	        .stop_timeout_ms = 60000},
	};
	begin();
}

void http_scene_teardown(void)
{
	for (int i = 0; i < 16; i++)
		sem_post(&scene.gate);
	rv__http_server_close(scene.server);
	rv__routes_finish(&scene.routes);
}

void http_scene_restart(void)
{
	rv__http_server_close(scene.server);
	begin();
}
