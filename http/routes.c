/* SPDX-License-Identifier: Apache-2.0 */
#include "http/routes.h"

#include "base/numbers.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool is_word(const char *method)
{
	return method && *method && strlen(method) < 32 &&
	    strspn(method, "ABCDEFGHIJKLMNOPQRSTUVWXYZ-") == strlen(method);
}

/* Takes the braces off a segment: "{plate}" -> "plate". False when they do not span it. */
static bool take_braces(char **segment, bool *ret_braced)
{
	size_t length = strlen(*segment);

	*ret_braced = length > 2 && (*segment)[0] == '{' && (*segment)[length - 1] == '}';
	if (*ret_braced) {
		(*segment)[length - 1] = '\0';
		(*segment)++;
	}
	return !strpbrk(*segment, "{}");
}

/* Cuts route->cut at its slashes; a sentence about the mistake or NULL. */
static const char *cut_pattern(struct rv__route *route)
{
	char *rest = route->cut;
	char *segment;
	bool braced;

	if (*rest != '/')
		return "it must begin with '/'";
	if (strcmp(rest, "/") == 0)
		return NULL;
	rest++;
	while ((segment = strsep(&rest, "/"))) {
		if (!*segment)
			return "it has an empty segment";
		if (route->path.count == RV__SEGMENTS_MAX)
			return "it has more than 16 segments";
		if (!take_braces(&segment, &braced))
			return "braces must span a whole segment, as in '/cars/{plate}'";
		if (braced)
			route->braced |= 1u << route->path.count;
		route->path.items[route->path.count++] = segment;
	}
	return NULL;
}

static void finish_route(struct rv__route *route)
{
	free(route->method);
	free(route->text);
	free(route->cut);
}

static bool declared(const struct rv__routes *routes, const char *method, const char *path)
{
	for (size_t i = 0; i < routes->count; i++)
		if (strcmp(routes->items[i].text, path) == 0 && strcmp(routes->items[i].method, method) == 0)
			return true;
	return false;
}

rv_err rv__routes_add(struct rv__routes *routes, const char *method, const char *path,
    rv_http_handler_fn handler, void *context, bool management, struct rv_error *err)
{
	struct rv__route route = {.handler = handler, .context = context, .management = management};
	struct rv__route *items;
	const char *mistake = NULL;

	if (!is_word(method))
		mistake = "the method must be a word in capitals, such as POST";
	else if (!path || !handler)
		mistake = "it needs a path and a handler";
	else if (declared(routes, method, path))
		mistake = "it is declared twice";
	if (mistake)
		goto refuse;
	items = realloc(routes->items, (routes->count + 1) * sizeof *items);
	if (items)
		routes->items = items;
	route.method = strdup(method);
	route.text = strdup(path);
	route.cut = strdup(path);
	if (!items || !route.method || !route.text || !route.cut) {
		finish_route(&route);
		return rv_error_set(err, RV_E_NOMEM, 0, "http", "no memory for route %s", path);
	}
	if ((mistake = cut_pattern(&route))) {
		finish_route(&route);
		goto refuse;
	}
	routes->items[routes->count++] = route;
	return RV_OK;
refuse:
	return rv_error_set(err, RV_E_INVALID, RV__N_BAD_ROUTE, "http", "route '%s %s': %s",
	    method ? method : "", path ? path : "", mistake);
}

/* How many literal segments match; -1 when the path is another. */
static int match(const struct rv__route *route, const struct rv__segments *path)
{
	int literals = 0;

	if (route->path.count != path->count)
		return -1;
	for (size_t i = 0; i < path->count; i++) {
		if (route->braced & 1u << i)
			continue;
		if (strcmp(route->path.items[i], path->items[i]) != 0)
			return -1;
		literals++;
	}
	return literals;
}

const struct rv__route *rv__routes_find(
    const struct rv__routes *routes, const char *method, const struct rv__segments *path, bool *ret_known)
{
	const struct rv__route *best = NULL;
	int best_literals = -1;

	*ret_known = false;
	for (size_t i = 0; i < routes->count; i++) {
		int literals = match(&routes->items[i], path);

		if (literals < 0)
			continue;
		*ret_known = true;
		if (literals > best_literals && strcmp(routes->items[i].method, method) == 0) {
			best = &routes->items[i];
			best_literals = literals;
		}
	}
	return best;
}

static void append(char *text, size_t size, const char *word)
{
	size_t used = strlen(text);
	size_t length = strlen(word);

	/* Words only: "GET" must not pass for a part of "FORGET". */
	for (const char *at = text; (at = strstr(at, word)); at += length)
		if ((at == text || at[-1] == ' ') && (at[length] == ',' || at[length] == '\0'))
			return;
	snprintf(text + used, size - used, "%s%s", used ? ", " : "", word);
}

void rv__routes_allowed(
    const struct rv__routes *routes, const struct rv__segments *path, char *text, size_t size)
{
	text[0] = '\0';
	for (size_t i = 0; i < routes->count; i++) {
		/* No path: OPTIONS * asks for all of the server. */
		if (path && match(&routes->items[i], path) < 0)
			continue;
		append(text, size, routes->items[i].method);
		if (strcmp(routes->items[i].method, "GET") == 0)
			append(text, size, "HEAD");
	}
	append(text, size, "OPTIONS");
}

void rv__routes_finish(struct rv__routes *routes)
{
	for (size_t i = 0; i < routes->count; i++)
		finish_route(&routes->items[i]);
	free(routes->items);
	*routes = (struct rv__routes){0};
}
