/*
 * scan.h - looking for devices.  Blocking.
 *
 * On a serial line requests to many units go out one after the other, with no more
 * than the silence between frames that the standard wants; whoever is there answers into
 * one of the gaps.  As soon as bytes come the sending stops, and the answer, or when it
 * is garbled asking once more with longer gaps, says who it was.  So a whole setting costs
 * a second or two at 19200 baud, not minutes.  The order is that of scan_order.h.
 *
 * A unit is reported only when it has answered twice, the second time asked alone: what
 * noise or another master leaves on the line is nobody's answer.
 */
#ifndef MODBUS_SCAN_H
#define MODBUS_SCAN_H

#include "plugins/modbus/tool_client.h"

enum { MB_SCAN_UNITS_MAX = 512, MB_SCAN_SETTINGS_MAX = 24 };

struct mb_scan_options {
	int64_t function, address;
	bool all;        /* rtu: look at the other settings too when somebody was found */
	int64_t wait_us; /* for an answer; 0: what is usual */
	unsigned stop_bits; /* rtu: of our requests; 0: 1, which devices that send 2 take too */
};

struct mb_scan {
	void (*progress)(void *arg, const char *text, unsigned percent);
	void *arg;
	/* rtu: settings at which somebody answers, in the order of finding */
	struct mb_serial settings[MB_SCAN_SETTINGS_MAX];
	unsigned nsettings;
	/* ascending by setting, then by unit; each once */
	struct {
		uint8_t setting, unit;
		char what[40]; /* "0x00e6", "exception 2" */
	} found[MB_SCAN_UNITS_MAX];
	unsigned count;
	/* what was heard and is no answer; baud 0: nothing */
	struct mb_scan_heard {
		struct mb_serial serial;
		unsigned unit; /* garbled: who had been asked; master: whom it asks */
	} garbled, master;
	bool restless; /* the line is never silent: not all could be asked */
	bool noise;    /* network: bytes that were no answer */
};

/* -1: the connection cannot be opened. */
int mb_scan_run(struct mb_scan *s, const struct mb_url *url, const struct mb_scan_options *o,
		struct gw_err *err);

/* ---- a serial line, for tests also one of their own ---- */

/* Blocking, like those of tool_client.h; one line, opened again for each setting. */
struct mb_scan_wire {
	void *arg;
	int (*open)(void *arg, const struct mb_serial *serial, struct gw_err *err);
	void (*close)(void *arg);
	int (*send)(void *arg, const uint8_t *bytes, size_t n);
	int (*listen)(void *arg, uint8_t *buf, size_t size, int64_t until_us);
	void (*flush)(void *arg);
	int64_t (*now_us)(void *arg);
};

/* `name`: of the port, for messages. */
int mb_scan_serial(struct mb_scan *s, const struct mb_scan_wire *wire, const char *name,
		   const struct mb_scan_options *o, struct gw_err *err);

/* ---- shared by scan_*.c ---- */

/* A unit answered with data or an exception at settings[setting]. */
void mb_scan_found(struct mb_scan *s, unsigned setting, unsigned unit, const struct mb_frame *f);
struct mb_query mb_scan_query(const struct mb_scan_options *o, unsigned unit);

/* tcp:// and rtu+tcp:// */
int mb_scan_network(struct mb_scan *s, const struct mb_url *url, const struct mb_scan_options *o,
		    struct gw_err *err);

#endif
