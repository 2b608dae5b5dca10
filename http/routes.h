/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The routes of one server: which handler serves a method and a path. A path is exact or has
 * whole segments in braces; where several match, the one with more literal segments wins.
 *
 * Lifecycle: zeroed is empty -> add … -> read by all threads -> finish. No adding while served.
 */
#ifndef HTTP_ROUTES_H
#define HTTP_ROUTES_H

#include <stdbool.h>
#include <stddef.h>

#include <rivulet/http.h>

/* Deeper paths match nothing. */
enum { RV__SEGMENTS_MAX = 16 };

/* A path cut at its slashes; the root has no segment. Strings are borrowed from whoever cut it. */
struct rv__segments {
	const char *items[RV__SEGMENTS_MAX];
	size_t count;
};

struct rv__route {
	char *method;
	char *text;               /* owned: the path as declared, for logs */
	char *cut;                /* owned: what `path` points into */
	struct rv__segments path; /* names of braced segments stand without their braces */
	unsigned braced;          /* bit i: segment i takes anything */
	rv_http_handler_fn handler;
	void *context;
	bool management; /* of the actuator: never refused for load */
};

struct rv__routes {
	struct rv__route *items;
	size_t count;
};

/**
 * Adds a route; the strings are copied.
 *
 * @return RV_OK; RV_E_INVALID for a method that is no word in capitals, a path that does not begin with a
 *         slash, an empty or partly braced segment, too many segments, no handler, or a route declared twice;
 *         RV_E_NOMEM
 */
rv_err rv__routes_add(struct rv__routes *routes, const char *method, const char *path,
    rv_http_handler_fn handler, void *context, bool management, struct rv_error *err);

/** The best route for a method and a path; NULL with *ret_known telling whether another method has the path. */
const struct rv__route *rv__routes_find(
    const struct rv__routes *routes, const char *method, const struct rv__segments *path, bool *ret_known);

/** Writes "GET, HEAD, OPTIONS" for a path; HEAD comes with GET. */
void rv__routes_allowed(
    const struct rv__routes *routes, const struct rv__segments *path, char *text, size_t size);

void rv__routes_finish(struct rv__routes *routes);

#endif
