/* SPDX-License-Identifier: Apache-2.0 */
/*
 * spring.data.redis.* beneath the binder's own keys. A key of ours that stands at its default counts as not set, as the
 * Kafka binder of Spring has it.
 * Source: spring-boot RedisProperties.java, RedisConnectionConfiguration.java.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/decimal.h"
#include "base/hex.h"
#include "base/numbers.h"
#include "binder/redis/client.h"
#include "binder/redis/settings.h"

static const struct rv__redis_binder_settings defaults = {
    .port = 6379, .connect_timeout_ms = 2000, .command_timeout_ms = 5000};

static bool says_where(const struct rv__redis_binder_settings *settings)
{
	bool nodes_default =
	    settings->nodes.count == 1 && strcmp(settings->nodes.items[0], "127.0.0.1:6379") == 0;

	return settings->host || settings->sentinel_master || settings->mode != RV__REDIS_SINGLE ||
	    settings->port != defaults.port || (settings->nodes.count > 0 && !nodes_default);
}

static void beneath_text(const char **own, const char *boot)
{
	if (!*own)
		*own = boot;
}

static void beneath_time(int64_t *own, int64_t untouched, int64_t boot)
{
	if (*own == untouched && boot > 0)
		*own = boot;
}

static rv_err refuse(struct rv_error *err, const char *why)
{
	return rv_error_set(err, RV_E_CONFIG, RV__N_REDIS_URL, RV__REDIS_TOPIC,
	    "spring.data.redis.url %s; write redis://user:password@host:port/database, or rediss:// for TLS",
	    why);
}

/* %41 to A, in place. */
static void unescape(char *text)
{
	char *to = text;

	for (; *text; text++) {
		int byte = text[0] == '%' ? rv__hex_byte(text + 1) : -1;

		if (byte >= 0) {
			*to++ = (char)byte;
			text += 2;
		} else {
			*to++ = *text;
		}
	}
	*to = '\0';
}

/* Cuts the last ":<number>" off; false when what stands there is no number up to `most`. */
static bool cut_number(char *text, char mark, int64_t most, int64_t *ret_number)
{
	char *at = strrchr(text, mark);

	if (!at || (mark == ':' && strchr(at, ']')))
		return true;
	*at = '\0';
	return !at[1] || rv__decimal_within(at + 1, strlen(at + 1), 0, most, ret_number);
}

static void take_user(struct rv__redis_boot *boot, char *user)
{
	char *password = strchr(user, ':');

	if (password)
		*password++ = '\0';
	unescape(user);
	if (password)
		unescape(password);
	boot->username = password && *user ? user : NULL;
	boot->password = password ? password : user;
}

/* The parts of boot->url over the other keys, as Boot has it. */
static rv_err take_url(struct rv__redis_boot *boot, char *room, struct rv_error *err)
{
	char *at = room, *host;

	if ((size_t)snprintf(room, RV__REDIS_URL_MAX, "%s", boot->url) >= RV__REDIS_URL_MAX)
		return refuse(err, "is too long");
	boot->tls = strncmp(at, "rediss://", 9) == 0;
	if (!boot->tls && strncmp(at, "redis://", 8) != 0)
		return refuse(err, "begins neither with redis:// nor with rediss://");
	at += boot->tls ? 9 : 8;
	host = strrchr(at, '@');
	if (host) {
		*host++ = '\0';
		take_user(boot, at);
		at = host;
	}
	at[strcspn(at, "?#")] = '\0';
	if (!cut_number(at, '/', 65535, &boot->database))
		return refuse(err, "names a database that is no number");
	if (!cut_number(at, ':', 65535, &boot->port))
		return refuse(err, "names a port that is no number up to 65535");
	if (*at == '[' && at[strlen(at) - 1] == ']') {
		at[strlen(at) - 1] = '\0';
		at++;
	}
	if (!*at)
		return refuse(err, "names no host");
	boot->host = at;
	return RV_OK;
}

static void take_place(struct rv__redis_binder_settings *settings, const struct rv__redis_boot *boot)
{
	if (boot->sentinel_master) {
		settings->mode = RV__REDIS_SENTINEL;
		settings->sentinel_master = boot->sentinel_master;
		settings->nodes = boot->sentinel_nodes;
	} else if (boot->cluster_nodes.count > 0) {
		settings->mode = RV__REDIS_CLUSTER;
		settings->nodes = boot->cluster_nodes;
	} else if (boot->host || boot->port > 0) {
		settings->host = boot->host ? boot->host : "127.0.0.1";
		settings->port = boot->port > 0 ? boot->port : defaults.port;
	}
}

rv_err rv__redis_settings_merge(const struct rv__redis_binder_settings *settings,
    struct rv__redis_merged *ret_merged, struct rv_error *err)
{
	struct rv__redis_binder_settings *merged = &ret_merged->settings;
	struct rv__redis_boot boot = settings->boot;

	*merged = *settings;
	if (boot.url && take_url(&boot, ret_merged->url, err) != RV_OK)
		return RV_E_CONFIG;
	if (!says_where(settings))
		take_place(merged, &boot);
	if (!merged->password) {
		beneath_text(&merged->username, boot.username);
		merged->password = boot.password;
	}
	beneath_text(&merged->client_name, boot.client_name);
	beneath_text(&merged->sentinel_username, boot.sentinel_username);
	beneath_text(&merged->sentinel_password, boot.sentinel_password);
	if (merged->database == 0 && boot.database > 0)
		merged->database = boot.database;
	beneath_time(&merged->connect_timeout_ms, defaults.connect_timeout_ms, boot.connect_timeout_ms);
	beneath_time(&merged->command_timeout_ms, defaults.command_timeout_ms, boot.command_timeout_ms);
	merged->tls = merged->tls || boot.tls;
	return RV_OK;
}
