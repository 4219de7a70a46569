/*
 * line.h - one line to one or more units: a connection, a queue of jobs and one
 * transaction in flight.
 *
 * A job is what one unit is to be asked in one cycle.  Jobs take turns, one
 * request each, so that a long one does not hold up a short one.  A transaction
 * has a total deadline from its first byte to the last byte of the answer,
 * however that dribbles.  An answer of an earlier transaction is skipped and
 * counted.  On TCP an answer that breaks the protocol closes the connection, as
 * nothing that follows on it can be trusted; on a serial line what is no answer is
 * passed by until the deadline.
 *
 * A unit that stays silent is passed by and probed now and then while others are
 * on the line (units.h): its jobs end at once with the reason of its last silence.
 *
 * Reasons a request ends with (reading.h): GW_GOOD, GW_EXCEPTION_0 | code,
 * GW_TIMEOUT, GW_CRC, GW_PROTOCOL, GW_NO_CONNECTION.  While the line waits before it
 * connects again (0.1 s doubling to 30 s) jobs end at once with GW_NO_CONNECTION;
 * while it is connecting they wait for that, at most connect_timeout_us.
 *
 * Nothing here blocks, and after mb_line_new() nothing is allocated.
 */
#ifndef MODBUS_LINE_H
#define MODBUS_LINE_H

#include <stdint.h>

#include "gatewayd/error.h"
#include "gatewayd/loop.h"
#include "plugins/modbus/queue.h"
#include "plugins/modbus/url.h"

struct mb_line;

struct mb_line_options {
	struct gw_loop *loop;
	const struct mb_url *url; /* copied */
	int64_t connect_timeout_us, connect_delay_us;
	int64_t probe_period_us; /* longest between two looks at a silent unit (units.h) */
};

struct mb_line_counts {
	uint64_t opens, timeouts;
	uint64_t late;  /* frames of earlier transactions, skipped */
	uint64_t stray; /* frames that belong to nothing we sent, skipped */
	uint64_t wrong; /* broken answers; on TCP each closed the connection */
};

int mb_line_new(struct mb_line **out, const struct mb_line_options *o, struct gw_err *err);
void mb_line_free(struct mb_line *l); /* no job may be in it; NULL is allowed */

void mb_line_start(struct mb_line *l); /* begin to connect */
/* End all jobs with the reason and close the connection; a job opens it again. */
void mb_line_stop(struct mb_line *l, unsigned reason);

/* Queue a job; it may be done before this returns. */
void mb_line_submit(struct mb_line *l, struct mb_job *job);
/* The same, before all others that wait. */
void mb_line_submit_first(struct mb_line *l, struct mb_job *job);

struct mb_line_counts mb_line_counts(const struct mb_line *l);
unsigned mb_line_load(const struct mb_line *l); /* permille of the last 10 s in transactions */

/* How long to wait after the n-th fruitless attempt to connect (0: not at all);
 * dice: any number, spreads the wait by a fifth up or down. */
int64_t mb_backoff_us(unsigned n, uint32_t dice);

#endif
