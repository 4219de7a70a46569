/*
 * scan_order.h - in which order the settings of a serial line and its units are tried.
 * Pure.
 *
 * A request and the silence behind it are 11.5 characters and 1 ms: 97 to 107 ms at 1200
 * baud, 13 to 14 ms at 9600.  8 speeds x 3 parities x 247 units are 161 s of them, 77 s at
 * 1200 baud alone, so a minute cannot hold all.  It holds what is likely and what is cheap:
 * every unit at 4800 baud and above, units 1 to 10 at 2400 and 1200.  The steps behind
 * that are the rest, so that the end of the order is the end of the possibilities.
 */
#ifndef MODBUS_SCAN_ORDER_H
#define MODBUS_SCAN_ORDER_H

#include "plugins/modbus/serial.h"

struct mb_scan_step {
	struct mb_serial serial;
	unsigned setting; /* below MB_SCAN_SETTINGS_MAX: which speed and parity */
	unsigned from, to;
};

/* Silence between frames: that of the standard and 1 ms, for an adapter on USB sends when its turn
 * comes; at least 3 ms, since some merge what is closer. */
int64_t mb_scan_rest_us(const struct mb_serial *s);

bool mb_scan_step(unsigned i, struct mb_scan_step *out); /* false: there is no such step */
/* What it costs when nobody answers. */
int64_t mb_scan_step_us(const struct mb_scan_step *t, int64_t wait_us);

#endif
