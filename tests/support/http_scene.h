/* SPDX-License-Identifier: Apache-2.0 */
/* An HTTP server on a port of its own, with handlers that answer, echo, count, wait, say nothing, say too much. */
#ifndef SUPPORT_HTTP_SCENE_H
#define SUPPORT_HTTP_SCENE_H

#include "http/server.h"

#include <semaphore.h>

struct http_scene {
	struct rv__routes routes;
	struct rv__http_server *server;
	struct rv__http_settings settings; /* change, then http_scene_restart() */
	int port;
	sem_t gate; /* what a waiting handler waits for */
	_Atomic int waiting;
	_Atomic int slow_lines;    /* log lines with RV0504 */
	_Atomic int foreign_lines; /* log lines on what is no HTTP */
};

/* The one of the running case. */
extern struct http_scene scene;

/** Fixtures of a case: the server runs in between. */
void http_scene_setup(void);
void http_scene_teardown(void);
void http_scene_restart(void);

#endif
