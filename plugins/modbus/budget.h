/*
 * budget.h - how much of its time a serial line needs for what it is asked.  Pure.
 *
 * One request takes the characters of request and answer, 3.5 characters of
 * silence after each, the device's turnaround and the configured pause.  Points
 * that are due together share requests as plan.h joins them, so the load is the
 * mean over all ticks of the intervals, without retries and silent devices.
 */
#ifndef MODBUS_BUDGET_H
#define MODBUS_BUDGET_H

#include "plugins/modbus/plan.h"
#include "plugins/modbus/serial.h"

/* What is asked of one device. */
struct mb_demand {
	const struct mb_span *spans;
	const int64_t *interval_ms; /* of each point */
	unsigned npoints;
	const struct mb_limits *limits;
	const struct mb_rules *rules; /* NULL: none */
	int64_t turnaround_us, pause_us, guard_us, unit_pause_us;
};

enum { MB_BUDGET_WARNING = 700, MB_BUDGET_MOST = 1000 }; /* permille */

/* One request with its answer; shared: another unit was asked before. */
int64_t mb_budget_request_us(const struct mb_serial *s, const struct mb_demand *d,
			     const struct mb_request *r, bool shared);

/* From the first bit of the longest request that all points together lead to until the last of its answer. */
int64_t mb_budget_longest_us(const struct mb_serial *s, const struct mb_demand *d);

struct mb_budget {
	int64_t permille;    /* of the line's time, rounded */
	int64_t interval_us; /* the shortest there is; 0: nothing is asked */
	int64_t need_us;     /* of every such interval */
};

struct mb_budget mb_budget_make(const struct mb_serial *s, const struct mb_demand *demands, unsigned n);

#endif
