/*
 * log.h - the log of a process: journal fields under systemd (JOURNAL_STREAM
 * matches standard error), plain lines on standard error otherwise.
 *
 * gw_log() itself is declared in gatewayd/plugin.h.  Each call site is limited
 * to 10 lines in 10 s; the next line that passes says how many were held back.
 */
#ifndef GW_BASE_LOG_H
#define GW_BASE_LOG_H

#include <stddef.h>
#include <stdint.h>

#include "gatewayd/plugin.h"

/* identifier: "gatewayd" or a plugin's name; level: highest that is written. */
void gw_log_open(const char *identifier, enum gw_level level);
/* A line that a child wrote to its standard error: `source` is its name in the
 * configuration.  Level taken from a leading "<N>" if there is one; escaped.
 * Limited to 100 lines in 10 s for each source (`limit` is the caller's, zeroed
 * at first); now_us as a parameter. */
struct gw_log_limit { int64_t since_us; unsigned lines, held; };
void gw_log_child(const char *source, const char *line, size_t n, struct gw_log_limit *limit, int64_t now_us);
/* A line that nothing holds back: what must be there later, such as who wrote what. */
void gw_log_always(enum gw_level level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Logs an error value with its place. */
void gw_log_err(enum gw_level level, const struct gw_err *err);

#endif
