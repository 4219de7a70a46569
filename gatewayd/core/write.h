/*
 * write.h - writing a point: checked, handed to its source, awaited, and in every case one line in the
 * log (who, what, old value, new value, result).  A write is never repeated.
 *
 * Who asks gets exactly one answer: -1 at once, or `done` later.
 */
#ifndef GW_CORE_WRITE_H
#define GW_CORE_WRITE_H

#include "core/daemon.h"

enum { GW_WRITES_MAX = 64, GW_WRITE_DEADLINE_S = 50 };

struct gw_write_end;

struct gw_write_order {
	const char *device, *point, *value; /* as a person writes it, in the unit of the directory */
	const char *who;                    /* for the log: "uid 1000", "sink goc, command c1" */
	void (*done)(void *arg, const struct gw_write_end *end);
	void *arg;
};

struct gw_write_end {
	enum gw_write_result result;
	const char *reason;            /* "" when done */
	const struct gw_device *dev;   /* NULL: taken out meanwhile */
	unsigned point;
	const struct gw_value *value;  /* read back, as published; GW_NONE: nothing was */
	const struct gw_value *old;    /* latest before; GW_NONE: none */
};

/* -1 with *err: refused, and nothing was sent. */
int gw_write_begin(struct gw_daemon *d, const struct gw_write_order *o, struct gw_err *err);
void gw_write_forget(struct gw_daemon *d, const void *arg); /* `arg` is gone: nobody is told */

void gw_write_answer(struct gw_daemon *d, const struct gw_source *s, const struct gw_msg_written *m);
void gw_write_source_down(struct gw_daemon *d, const struct gw_source *s);
void gw_write_second(struct gw_daemon *d); /* those that took too long */
void gw_write_end_all(struct gw_daemon *d);  /* the daemon ends; frees */

/* The device's source and its number there; false: none has it now. */
bool gw_device_place(const struct gw_daemon *d, const struct gw_device *dev, struct gw_source **s,
		     uint16_t *number);

#endif
