/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Logging of services and binders. One sink for the process, standard error by
 * default; levels per topic from `logging.level.<topic>` properties.
 *
 *     2026-11-22T13:45:00.123Z INFO  parking-message [app] ready in 9 ms, port 8082
 *
 * Threads: any. A line is written whole. Never blocks on anything but the sink.
 */
#ifndef RIVULET_LOG_H
#define RIVULET_LOG_H

#include <stdarg.h>
#include <stdbool.h>

#include <rivulet/export.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum rv_log_level {
	RV_LOG_OFF = 0,
	RV_LOG_ERROR,
	RV_LOG_WARN,
	RV_LOG_INFO,
	RV_LOG_DEBUG
} rv_log_level;

/** Receives one finished line without newline; `line` is borrowed until return. Any thread. */
typedef void (*rv_log_sink_fn)(rv_log_level level, const char *topic, const char *line, void *arg);

/** Replaces the sink of the process; NULL restores standard error. Call before threads start. */
RV_API void rv_log_set_sink(rv_log_sink_fn sink, void *arg);

/** Whether a line of that level and topic would be written; for costly arguments. */
RV_API bool rv_log_enabled(rv_log_level level, const char *topic);

/** Writes one line; control characters in the result become blanks. */
RV_API void rv_log(rv_log_level level, const char *topic, const char *format, ...) RV_PRINTF(3, 4);
RV_API void rv_vlog(rv_log_level level, const char *topic, const char *format, va_list args) RV_PRINTF(3, 0);

/* For services: topic "app". Library code passes its own topic to rv_log(). */
#define rv_log_error(...) rv_log(RV_LOG_ERROR, "app", __VA_ARGS__)
#define rv_log_warn(...) rv_log(RV_LOG_WARN, "app", __VA_ARGS__)
#define rv_log_info(...) rv_log(RV_LOG_INFO, "app", __VA_ARGS__)
#define rv_log_debug(...) \
	do { \
		if (rv_log_enabled(RV_LOG_DEBUG, "app")) \
			rv_log(RV_LOG_DEBUG, "app", __VA_ARGS__); \
	} while (0)

#ifdef __cplusplus
}
#endif
#endif
