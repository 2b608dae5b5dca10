/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An HTTP server: one listening socket, one libmicrohttpd daemon, the connections it serves.
 *
 * Lifecycle   start -> stop (accepts nothing more, answers 503) -> close (waits for handlers, joins, frees)
 * Threads     One a connection, so that a handler may block and delays nobody else; one that accepts; and the
 *             watch, which cuts off clients that are slower than the time-outs. Measured against a polling
 *             thread with a pool of workers, this needs no hand-over between threads: see README.md.
 */
#ifndef HTTP_SERVER_H
#define HTTP_SERVER_H

#include "http/routes.h"
#include "http/settings.h"

struct rv__http_server;

/**
 * Serves `routes` on a listening socket (http/listen.h).
 *
 * @param settings   copied; its strings are needed until the return only
 * @param routes     borrowed until close
 * @param listen_fd  transfer
 * @return RV_OK; RV_E_NOMEM or RV_E_IO when memory or threads lack
 */
rv_err rv__http_server_start(const struct rv__http_settings *settings, const struct rv__routes *routes,
    int listen_fd, struct rv__http_server **ret_server, struct rv_error *err);

/** No new connections; requests on open ones get 503, but for management. Returns at once. NULL is fine. */
void rv__http_server_stop(struct rv__http_server *server);

/**
 * Waits for running handlers, closes all connections, joins the threads and frees. NULL is fine. Handlers that
 * run beyond the stop time-out are named in the log; they are waited for, since what they use would go away.
 */
void rv__http_server_close(struct rv__http_server *server);

#endif
