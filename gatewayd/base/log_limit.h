/*
 * log_limit.h - how many lines of one kind may pass.  Pure: the time is a
 * parameter.  Private to log.c and its test.
 */
#ifndef GW_BASE_LOG_LIMIT_H
#define GW_BASE_LOG_LIMIT_H

#include <stdbool.h>

#include "base/log.h"

enum { LOG_SITES = 64, LOG_SITE_LINES = 10, LOG_CHILD_LINES = 100, LOG_WINDOW_US = 10 * 1000 * 1000 };

/* Call sites by address.  When two fall on one place the later takes it over:
 * that lets a line too many pass, and never holds one back wrongly. */
struct log_sites {
	struct {
		const void *key;
		struct gw_log_limit limit;
	} at[LOG_SITES];
};

/* May a line pass?  *held: how many were held back since the last that did. */
bool gw_log_passes(struct gw_log_limit *limit, unsigned lines, int64_t now_us, unsigned *held);
struct gw_log_limit *gw_log_site(struct log_sites *sites, const void *key);

#endif
