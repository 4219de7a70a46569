/*
 * promise.h - does the configuration promise what buffer and disk can keep?
 */
#ifndef GW_CORE_PROMISE_H
#define GW_CORE_PROMISE_H

#include "core/capacity.h"
#include "core/settings.h"

/*
 * Problems, each with its numbers: `keep` that max_size or the disk does not hold, `sync` beyond
 * `keep`, max_size beyond the file system, more writing than write_budget.  Warnings: a buffer
 * in memory.
 */
void gw_promise_check(struct gw_settings *s, const struct gw_load *l, const struct gw_disk *d);

/* "FILE: OK, the buffer holds an outage of about 9d and writes about 690.2 MiB a day": the last
 * line of gatewayd --check. */
const char *gw_promise_line(char *buf, size_t size, const struct gw_settings *s, const struct gw_load *l);

#endif
