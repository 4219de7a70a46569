/*
 * moment.h - a moment as people write it: 2026-11-22T10:00:00Z, 2026-11-22 10:00+07:00,
 * 2026-11-22T10:00:00.250.  Without a zone it is this machine's local time.
 */
#ifndef GW_CORE_MOMENT_H
#define GW_CORE_MOMENT_H

#include <stdbool.h>
#include <stdint.h>

/* Milliseconds UTC; false: not a moment, or none that the calendar has. */
bool gw_moment_parse(const char *text, int64_t *ms);

#endif
