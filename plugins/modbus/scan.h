/*
 * scan.h - looking for devices.  Blocking.
 *
 * On a serial line requests to many units go out one after the other, with no more
 * than the silence between frames that the standard wants; whoever is there answers into
 * one of the gaps.  As soon as bytes come the sending stops, and the answer, or when it
 * is garbled a bisection of the units asked, says who it was.  So a whole setting costs
 * a second or two, not minutes.
 */
#ifndef MODBUS_SCAN_H
#define MODBUS_SCAN_H

#include "plugins/modbus/tool_client.h"

enum { MB_SCAN_UNITS_MAX = 256 };

struct mb_scan_options {
	int64_t function, address;
	bool all;
	int64_t wait_us; /* for an answer; 0: what is usual */
};

struct mb_scan {
	void (*progress)(void *arg, const char *text, unsigned percent);
	void *arg;
	/* what was found */
	struct mb_serial serial; /* rtu: the settings of the line */
	struct {
		uint8_t unit;
		char what[40]; /* "0x00e6", "exception 2" */
	} found[MB_SCAN_UNITS_MAX];
	unsigned count;
	bool noise; /* bytes that were no answer, and where */
	char noise_at[40];
};

/* -1: the connection cannot be opened. */
int mb_scan_run(struct mb_scan *s, const struct mb_url *url, const struct mb_scan_options *o,
		struct gw_err *err);

#endif
