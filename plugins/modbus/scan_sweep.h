/*
 * scan_sweep.h - asking units at one setting of a serial line: who answers?
 *
 * A sweep holds a queue of units.  A burst asks those at its front until bytes come.
 * Who has been asked and given all the time to answer leaves the queue; who was asked
 * shortly before the bytes stays at its front, for his answer may have met them.  What
 * could not be understood is asked again with longer gaps, then alone, twice.
 */
#ifndef MODBUS_SCAN_SWEEP_H
#define MODBUS_SCAN_SWEEP_H

#include "plugins/modbus/rtu.h"
#include "plugins/modbus/scan.h"

enum { MB_SWEEP_BYTES = 8 * (MB_UNIT_MAX + 1) };

struct mb_sweep {
	/* given */
	const struct mb_scan_wire *wire;
	const struct mb_scan_options *o;
	struct mb_serial serial;
	int64_t wait_us;
	void (*progress)(void *arg); /* after each burst */
	void *arg;

	/* the outcome */
	bool answered[MB_UNIT_MAX + 1]; /* at least once, by an answer that may be his */
	unsigned foreign;               /* frames of another master, and to it when we said nothing */
	unsigned stranger;              /* the unit they are about */
	unsigned garbled;               /* was asked alone, and something that is no answer came; 0: none */
	bool disturbed;                 /* bytes came that no answer explains */
	bool spoken;                    /* somebody spoke without having been asked */
	bool given_up;                  /* the line was never silent for long enough to ask all */

	/* its own */
	struct mb_sweep_ask {
		uint8_t unit, level;
	} queue[MB_UNIT_MAX];
	unsigned queued;
	int64_t until_us; /* when it is given up */
	bool asked[MB_UNIT_MAX + 1], listened, wondering; /* wondering: whose bytes those were */
	int64_t end_us[MB_UNIT_MAX]; /* of each request of a burst */
	int64_t first_us;            /* when something else than an echo was heard */
	uint8_t sent[MB_SWEEP_BYTES], heard[MB_SWEEP_BYTES + 512];
	size_t nsent, fill, unasked;
};

/* The line is open.  -1: it does not work any more. */
int mb_sweep_units(struct mb_sweep *w, const uint8_t *units, unsigned n);

/* Say nothing and listen so long, or until it is clear that there is another master.  -1: as above. */
int mb_sweep_listen(struct mb_sweep *w, int64_t us);

/* Another master is on the line: its requests were heard. */
bool mb_sweep_has_master(const struct mb_sweep *w);

/* Asks one unit alone, three times at most.  1: it answered, into *f (what f->data points to lives
 * until the next call); 0: not; -1: the line is gone. */
int mb_sweep_confirm(struct mb_sweep *w, unsigned unit, struct mb_frame *f);

#endif
