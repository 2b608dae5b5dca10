/* SPDX-License-Identifier: Apache-2.0 */
/* Opening and closing a broker: settings, sockets, store, tables, in this order. */
#include "broker/broker.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/numbers.h"
#include "broker/delay.h"
#include "broker/groups.h"
#include "broker/locks.h"
#include "broker/longpoll.h"
#include "broker/loop.h"
#include "broker/namesrv.h"
#include "broker/offsets.h"
#include "broker/register.h"
#include "broker/relay.h"
#include "broker/topics.h"
#include "broker/transactions.h"

enum {
	BACKLOG = 1024,
	PORT_TRIES = 20,
	VIP_DISTANCE = 2,
	OWN_FILES = 256 /* descriptors that the store and the loop may need at once */
};

/* -- settings --------------------------------------------------------------------------------------------- */

/* All strings of the settings, so that they can be copied and freed. */
static const size_t strings[] = {
    offsetof(struct rv__broker_settings, broker_name),
    offsetof(struct rv__broker_settings, cluster),
    offsetof(struct rv__broker_settings, broker_ip),
    offsetof(struct rv__broker_settings, listen_address),
    offsetof(struct rv__broker_settings, name_servers),
    offsetof(struct rv__broker_settings, store),
    offsetof(struct rv__broker_settings, ports_file),
    offsetof(struct rv__broker_settings, delay_levels),
    offsetof(struct rv__broker_settings, trace_topic_name),
    offsetof(struct rv__broker_settings, region),
};
enum { STRINGS = sizeof(strings) / sizeof(strings[0]) };

static const char **string_at(struct rv__broker_settings *settings, size_t i)
{
	return (const char **)((char *)settings + strings[i]);
}

static rv_err copy_settings(
    struct rv__broker *broker, const struct rv__broker_settings *settings, struct rv_error *err)
{
	bool ok = true;

	broker->settings = *settings;
	for (size_t i = 0; i < STRINGS; i++) {
		const char **at = string_at(&broker->settings, i);

		if (!*at)
			continue;
		*at = strdup(*at);
		ok = ok && *at;
	}
	return ok ? RV_OK : rv_error_set(err, RV_E_NOMEM, 0, RV__TOPIC, "no memory for the settings");
}

static void free_settings(struct rv__broker *broker)
{
	for (size_t i = 0; i < STRINGS; i++)
		free((char *)(uintptr_t)*string_at(&broker->settings, i));
}

/* -- sockets ---------------------------------------------------------------------------------------------- */

static void on_connection(uv_stream_t *stream, int status)
{
	struct rv__listener *listener = stream->data;

	if (status == 0)
		rv__connection_accept(listener->broker, stream, listener->door);
}

static bool make_address(const char *ip, int port, struct sockaddr_storage *address)
{
	return uv_ip4_addr(ip, port, (struct sockaddr_in *)address) == 0 ||
	    uv_ip6_addr(ip, port, (struct sockaddr_in6 *)address) == 0;
}

static int bound_port(uv_tcp_t *tcp)
{
	struct sockaddr_storage address;
	int length = sizeof(address);

	if (uv_tcp_getsockname(tcp, (struct sockaddr *)&address, &length) != 0)
		return 0;
	return ntohs(address.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&address)->sin6_port
	                                           : ((struct sockaddr_in *)&address)->sin_port);
}

/* Binds and listens; a libuv status. Connections wait in the backlog until the loop runs. */
static int listen_on(struct rv__broker *broker, enum rv__door door, int port)
{
	struct rv__listener *listener = &broker->listeners[door];
	const char *ip =
	    broker->settings.listen_address ? broker->settings.listen_address : broker->settings.broker_ip;
	struct sockaddr_storage address;
	int status;

	*listener = (struct rv__listener){.broker = broker, .door = door};
	if (!make_address(ip, port, &address))
		return UV_EINVAL;
	status = uv_tcp_init(&broker->loop, &listener->tcp);
	if (status != 0)
		return status;
	listener->tcp.data = listener;
	status = uv_tcp_bind(&listener->tcp, (struct sockaddr *)&address, 0);
	if (status == 0)
		status = uv_listen((uv_stream_t *)&listener->tcp, BACKLOG, on_connection);
	listener->open = status == 0;
	if (listener->open)
		listener->port = bound_port(&listener->tcp);
	return status;
}

static rv_err need_listener(struct rv__broker *broker, enum rv__door door, int port, struct rv_error *err)
{
	int status = listen_on(broker, door, port);

	if (status == 0)
		return RV_OK;
	return rv_error_set(err, RV_E_IO, RV__N_BROKER_PORT, RV__TOPIC,
	    "port %d of the %s cannot be used: %s; stop what listens on it ('rivulet shutdown broker' if it "
	    "is one of "
	    "ours) or choose another with %s",
	    port, door == RV__DOOR_NAMESRV ? "name server" : "broker", uv_strerror(status),
	    door == RV__DOOR_NAMESRV ? "--name-server-port" : "--port");
}

/* A listener that was closed again must leave the loop before its memory is used again. */
static void drop_listener(struct rv__broker *broker, enum rv__door door)
{
	uv_close((uv_handle_t *)&broker->listeners[door].tcp, NULL);
	uv_run(&broker->loop, UV_RUN_NOWAIT);
	broker->listeners[door].open = false;
}

/* The broker's port, and two below it RocketMQ's VIP port. A port of the system's choice is chosen so that both are
 * free. */
static rv_err open_broker_ports(struct rv__broker *broker, struct rv_error *err)
{
	int wanted = (int)broker->settings.listen_port;

	for (int tries = 0;; tries++) {
		struct rv__listener *listener = &broker->listeners[RV__DOOR_BROKER];
		rv_err code = need_listener(broker, RV__DOOR_BROKER, wanted, err);
		int status;

		if (code != RV_OK)
			return code;
		status = listener->port > VIP_DISTANCE
		    ? listen_on(broker, RV__DOOR_VIP, listener->port - VIP_DISTANCE)
		    : UV_EINVAL;
		if (status == 0)
			return RV_OK;
		if (wanted != 0 || tries == PORT_TRIES) {
			rv_log(RV_LOG_WARN, RV__TOPIC,
			    "RV%04d port %d cannot be used (%s): clients with vipChannelEnabled=true will "
			    "not reach the broker",
			    RV__N_BROKER_PORT, listener->port - VIP_DISTANCE, uv_strerror(status));
			return RV_OK;
		}
		drop_listener(broker, RV__DOOR_VIP);
		drop_listener(broker, RV__DOOR_BROKER);
	}
}

/* Clients must not take the descriptors that the store needs to go on. */
static void limit_connections(struct rv__broker *broker)
{
	rlim_t wanted = (rlim_t)broker->settings.max_connections + OWN_FILES;
	struct rlimit files;

	broker->connection_limit = (size_t)broker->settings.max_connections;
	if (getrlimit(RLIMIT_NOFILE, &files) != 0 || files.rlim_cur >= wanted)
		return;
	files.rlim_cur = files.rlim_max < wanted ? files.rlim_max : wanted;
	if (setrlimit(RLIMIT_NOFILE, &files) != 0 && getrlimit(RLIMIT_NOFILE, &files) != 0)
		return;
	if (files.rlim_cur < wanted)
		broker->connection_limit =
		    (size_t)(files.rlim_cur > 2 * OWN_FILES ? files.rlim_cur - OWN_FILES
		                                            : files.rlim_cur / 2);
}

static rv_err open_ports(struct rv__broker *broker, struct rv_error *err)
{
	const char *ip = broker->settings.broker_ip;
	rv_err code = RV_OK;
	int port;

	if (broker->settings.role != RV__ROLE_BROKER)
		code = need_listener(broker, RV__DOOR_NAMESRV, (int)broker->settings.name_server_port, err);
	if (code == RV_OK && rv__broker_serves(broker))
		code = open_broker_ports(broker, err);
	if (code != RV_OK)
		return code;
	port = broker->listeners[rv__broker_serves(broker) ? RV__DOOR_BROKER : RV__DOOR_NAMESRV].port;
	snprintf(broker->address, sizeof(broker->address), "%s:%d", ip, port);
	broker->host.length = inet_pton(AF_INET, ip, broker->host.ip) == 1 ? 4 : 16;
	if (broker->host.length == 16)
		inet_pton(AF_INET6, ip, broker->host.ip);
	broker->host.port = (uint32_t)port;
	return RV_OK;
}

/* -- store --------------------------------------------------------------------------------------------------- */

void rv__broker_lock_directory(enum rv__broker_role role, const char *store, char *path, size_t size)
{
	char chosen[4096];

	if (store)
		snprintf(chosen, sizeof(chosen), "%s", store);
	else
		rv__broker_default_store(chosen, sizeof(chosen));
	/* A name server of its own keeps its few documents, and its lock, beside a broker's. */
	snprintf(path, size, role == RV__ROLE_NAMESRV ? "%s/namesrv" : "%s", chosen);
}

static rv_err make_directories(const char *path, struct rv_error *err)
{
	char part[4300];

	snprintf(part, sizeof(part), "%s", path);
	for (char *slash = part + 1; (slash = strchr(slash, '/')); slash++) {
		*slash = '\0';
		(void)mkdir(part, 0755);
		*slash = '/';
	}
	if (mkdir(part, 0700) == 0 || errno == EEXIST)
		return RV_OK;
	return rv_error_set(err, RV_E_IO, RV__N_BROKER_DIRECTORY, RV__TOPIC,
	    "the directory '%s' of the store cannot be made: %s; choose another with --store", path,
	    strerror(errno));
}

static rv_err open_store(struct rv__broker *broker, struct rv_error *err)
{
	const struct rv__broker_settings *settings = &broker->settings;
	char path[4200];
	struct rv__store_options options = {
	    .level = settings->flush == RV__FLUSH_ASYNC ? RV__STORE_WRITTEN : RV__STORE_SYNCED,
	    .segment_bytes = (uint64_t)settings->segment_bytes,
	    .retention_ms = settings->reserved_hours < 0 ? -1 : settings->reserved_hours * 3600000,
	    .retention_bytes = (uint64_t)settings->retention_bytes,
	    .disk_warn_ratio = (double)settings->disk_ratio / 100,
	    .message_bytes = (size_t)settings->max_message,
	    .host = broker->host,
	    .hooks = rv__loop_hooks(broker),
	};
	rv_err code;

	rv__broker_lock_directory((enum rv__broker_role)settings->role, settings->store, path, sizeof(path));
	broker->directory = strdup(path);
	if (!broker->directory)
		return rv_error_set(err, RV_E_NOMEM, 0, RV__TOPIC, "no memory for a path");
	code = make_directories(path, err);
	options.directory = broker->directory;
	return code == RV_OK ? rv__store_open(&options, &broker->store, err) : code;
}

/* -- tables ---------------------------------------------------------------------------------------------------- */

static rv_err open_tables(struct rv__broker *broker, struct rv_error *err)
{
	rv_err code = rv__relay_open(broker, err);

	if (code == RV_OK && broker->settings.role != RV__ROLE_BROKER)
		code = rv__namesrv_open(broker, err);
	if (code != RV_OK || !rv__broker_serves(broker))
		return code;
	code = rv__topics_open(broker, err);
	if (code == RV_OK)
		code = rv__groups_open(broker, err);
	if (code == RV_OK)
		code = rv__offsets_open(broker, err);
	if (code == RV_OK)
		code = rv__locks_open(broker, err);
	if (code == RV_OK)
		code = rv__delay_open(broker, err);
	if (code == RV_OK)
		code = rv__transactions_open(broker, err);
	if (code == RV_OK)
		code = rv__registrar_open(broker, err);
	if (code == RV_OK)
		rv__namesrv_local_changed(broker, NULL);
	return code;
}

static rv_err write_ports_file(const struct rv__broker *broker, struct rv_error *err)
{
	const char *path = broker->settings.ports_file;
	char temporary[4200];
	FILE *file;
	bool ok;

	if (!path)
		return RV_OK;
	snprintf(temporary, sizeof(temporary), "%s.tmp", path);
	file = fopen(temporary, "we");
	ok = file &&
	    fprintf(file, "broker=%d\nnamesrv=%d\n", rv__broker_port(broker),
	        rv__broker_name_server_port(broker)) > 0;
	if (file && fclose(file) != 0)
		ok = false;
	if (ok && rename(temporary, path) == 0)
		return RV_OK;
	return rv_error_set(err, RV_E_IO, RV__N_BROKER_DIRECTORY, RV__TOPIC,
	    "the ports file '%s' cannot be written: %s", path, strerror(errno));
}

static rv_err open_all(
    struct rv__broker *broker, const struct rv__broker_settings *settings, struct rv_error *err)
{
	rv_err code = copy_settings(broker, settings, err);

	if (code == RV_OK)
		code = rv__loop_init(broker, err);
	limit_connections(broker);
	if (code == RV_OK)
		code = open_ports(broker, err);
	if (code == RV_OK)
		code = open_store(broker, err);
	if (code == RV_OK)
		code = open_tables(broker, err);
	if (code == RV_OK)
		code = rv__loop_start(broker, err);
	if (code == RV_OK)
		code = write_ports_file(broker, err);
	return code;
}

rv_err rv__broker_open(
    const struct rv__broker_settings *settings, rv__broker **ret_broker, struct rv_error *err)
{
	rv_err code = rv__broker_settings_check(settings, err);
	struct rv__broker *broker;

	if (code != RV_OK)
		return code;
	broker = calloc(1, sizeof(*broker));
	if (!broker)
		return rv_error_set(err, RV_E_NOMEM, 0, RV__TOPIC, "no memory for a broker");
	broker->started_ms = rv__wall_ms();
	code = open_all(broker, settings, err);
	if (code != RV_OK)
		rv__broker_close(broker);
	else
		*ret_broker = broker;
	return code;
}

void rv__broker_close(rv__broker *broker)
{
	if (!broker)
		return;
	rv__loop_finish(broker);
	rv__longpoll_close(broker);
	if (broker->store) {
		rv__topics_save(broker);
		rv__groups_save(broker);
		rv__offsets_save(broker, true);
		rv__delay_save(broker);
		rv__transactions_save(broker);
	}
	rv__store_close(broker->store);
	rv__loop_forget(broker);
	rv__append_close(broker);
	rv__registrar_close(broker);
	rv__transactions_close(broker);
	rv__delay_close(broker);
	rv__locks_close(broker);
	rv__offsets_close(broker);
	rv__groups_close(broker);
	rv__topics_close(broker);
	rv__namesrv_close(broker);
	rv__relay_close(broker);
	rv__buffer_finish(&broker->scratch);
	rv__buffer_finish(&broker->properties);
	free_settings(broker);
	free(broker->directory);
	free(broker);
}

int rv__broker_port(const rv__broker *broker)
{
	return broker->listeners[RV__DOOR_BROKER].port;
}

int rv__broker_name_server_port(const rv__broker *broker)
{
	return broker->listeners[RV__DOOR_NAMESRV].port;
}

const char *rv__broker_store(const rv__broker *broker)
{
	return broker->directory;
}

const char *rv__broker_level(const rv__broker *broker)
{
	return broker->settings.flush == RV__FLUSH_ASYNC ? "written" : "synced";
}
