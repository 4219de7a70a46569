/*
 * plugin.h - writing a plugin.
 *
 * A plugin is one program that describes itself with a struct and calls
 * gw_plugin_main().  The runtime speaks the link, checks the configuration by
 * the plugin's tables, keeps the schedule, answers heartbeats and ends the
 * process when the core goes.  A source contains nothing but its devices, a sink
 * nothing but its far end.  One thread: every callback comes from the loop.
 *
 * Run by hand a plugin explains itself: `NAME --help`, `NAME --version`, and
 * its tools: `NAME TOOL ARG...`.
 */
#ifndef GATEWAYD_PLUGIN_H
#define GATEWAYD_PLUGIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gatewayd/config.h"
#include "gatewayd/error.h"
#include "gatewayd/loop.h"
#include "gatewayd/reading.h"
#include "gatewayd/window.h"

struct gw_plugin; /* the runtime's side of this process */

/* A command of the plugin when it is run by hand. */
struct gw_tool {
	const char *usage; /* "probe URL [--unit-id N]": first word is the name */
	const char *help;
	int (*run)(int argc, char *argv[]); /* returns the exit code */
};

/* ---- configuration as the runtime hands it to configure() ---- */

struct gw_point_config {
	const char *name;
	const struct gw_node *node;
	int64_t interval_ms; /* its own, its device's or its source's */
	void *own;           /* struct of the plugin's point table */
};

struct gw_device_config {
	const char *name;
	const struct gw_node *node;
	int64_t interval_ms;
	void *own; /* struct of the plugin's device table, inherited keys filled in */
	struct gw_point_config *points;
	size_t npoints;
};

struct gw_source_config {
	const char *name;
	const struct gw_node *node;
	void *own; /* struct of the plugin's source table */
	struct gw_device_config *devices;
	size_t ndevices;
};

/* ---- sources ---- */

struct gw_cycle; /* one cycle of one device: the points due now */

/* An answer to `gatewayctl read`: fill and return once. */
struct gw_question;
/* A write under way, to be ended once. */
struct gw_write;

struct gw_source_plugin {
	const char *name, *version, *help;
	const struct gw_table *source, *device, *point; /* NULL: no keys of its own */
	const struct gw_tool *tools;                    /* ends with usage NULL */

	/*
	 * Check what tables cannot say (report with gw_problem to gw_plugin_problems)
	 * and build; touch nothing outside.  Declare each point with gw_source_point.
	 * *self is the plugin's own.  The config lives as long as the process, but its nodes
	 * only until configure() returns.
	 * -1 with *err only when it cannot go on.
	 */
	int (*configure)(struct gw_plugin *p, const struct gw_source_config *config, void **self,
			 struct gw_err *err);
	/* Begin; NULL: nothing to do. */
	int (*start)(void *self, struct gw_loop *loop, struct gw_err *err);
	/*
	 * The points of gw_cycle_due() are due.  Put or fail each of them, now or
	 * later from the loop, then close the cycle.  The next cycle of a device
	 * does not begin before; a tick that finds it open is counted as an overrun.
	 */
	void (*cycle)(void *self, struct gw_cycle *cycle);
	/* `gatewayctl read`: answer now or later with gw_answer_*(); NULL: not offered. */
	void (*ask)(void *self, unsigned device, unsigned point, struct gw_question *q);
	/*
	 * `gatewayctl write` and commands: write `v` (a raw value of the declared kind, range
	 * checked by the core) to a point declared writable, wait for the device's confirmation, read
	 * it back and answer with gw_write_done(), now or later.  Never retried blindly.  A text is
	 * borrowed: copy it before returning.  NULL: not offered.
	 */
	void (*write)(void *self, unsigned device, unsigned point, const struct gw_value *v,
		      struct gw_write *w);
	/* One thing remembered with gw_state_put() by a process before; before start(). */
	void (*state)(void *self, const char *key, const void *value, size_t size);
	/* Give up what is open and release; then the process ends. */
	void (*stop)(void *self);
};

/* In configure(): declare point number `point` (from 0, dense) of the device.
 * bits: 1, 16, 32 or 64; unit may be NULL. */
void gw_source_point(struct gw_plugin *p, unsigned device, unsigned point, const char *name,
		     enum gw_kind kind, unsigned bits, bool writable, const char *unit, int64_t interval_ms);

unsigned gw_cycle_device(const struct gw_cycle *c);
/* Which points are due: numbers in growing order.  The array stays the same for
 * the same `gw_cycle_mask`, so a plan may be kept for it. */
const uint16_t *gw_cycle_due(const struct gw_cycle *c, size_t *count);
uint32_t gw_cycle_mask(const struct gw_cycle *c); /* set of intervals that are due */
int64_t gw_cycle_started_us(const struct gw_cycle *c); /* when it was due, CLOCK_BOOTTIME */

/* Any order; a point that is put twice keeps the last.  Each good answer should
 * be stamped once with gw_cycle_answered(), which sets the time of the reading. */
void gw_cycle_answered(struct gw_cycle *c);
void gw_cycle_bool(struct gw_cycle *c, unsigned point, bool v);
void gw_cycle_i64(struct gw_cycle *c, unsigned point, int64_t v);
void gw_cycle_u64(struct gw_cycle *c, unsigned point, uint64_t v);
void gw_cycle_f32(struct gw_cycle *c, unsigned point, float v);  /* NaN, infinity: not_available */
void gw_cycle_f64(struct gw_cycle *c, unsigned point, double v); /* the same */
void gw_cycle_text(struct gw_cycle *c, unsigned point, const char *s, size_t n); /* trailing NUL and blanks cut; not UTF-8: bad_text */
void gw_cycle_fail(struct gw_cycle *c, unsigned point, unsigned reason);
/* Points of the due set that were neither put nor failed fail with `rest`. */
void gw_cycle_close(struct gw_cycle *c, unsigned rest);

void gw_answer_value(struct gw_question *q, const struct gw_value *v); /* kind, reason, value */

enum gw_write_result {
	GW_WRITE_DONE,     /* confirmed by the device and read back the same */
	GW_WRITE_FAILED,   /* `reason` says why; the device may or may not have taken it */
	GW_WRITE_REFUSED,  /* nothing was sent */
};
/* read_back may be NULL; reason: "" or in words, e.g. "exception_3". */
void gw_write_done(struct gw_write *w, enum gw_write_result result, const char *reason,
		   const struct gw_value *read_back);

/*
 * Memory that outlives the process (learned maps, counter totals): kept by the core with its
 * next synced commit.  key: 1 to 64 bytes of UTF-8; size 0 forgets it; at most 4 KiB a value and
 * 1 MiB an instance (a thing counts its key, its value and 64 bytes), more is refused with a line in
 * the log.  Any time from start() to the end of stop().  The core keeps it under the instance's name, also
 * while that is not in the configuration.
 */
enum { GW_STATE_KEY_MAX = 64, GW_STATE_VALUE_MAX = 4096 };
void gw_state_put(struct gw_plugin *p, const char *key, const void *value, size_t size);

/* Counts shown by `gatewayctl devices`: the runtime sends them about once a second. */
void gw_source_requests(struct gw_plugin *p, unsigned device, uint64_t requests);
void gw_source_load(struct gw_plugin *p, unsigned device, unsigned permille);

int gw_source_main(const struct gw_source_plugin *def, int argc, char *argv[]);

/* ---- sinks ---- */

struct gw_sink_config {
	const char *name;
	const struct gw_node *node;
	void *own; /* struct of the plugin's sink table */
};

struct gw_gateway_info {
	const char *id, *title, *province, *site, *version, *config, *boot, *buffer;
	bool located;
	double lat, lon;
	uint64_t session;
	unsigned devices;
	uint32_t boot_number; /* what readings of this boot have as `boot` */
};

enum gw_point_type { GW_TYPE_BOOL, GW_TYPE_INTEGER, GW_TYPE_NUMBER, GW_TYPE_TEXT };

struct gw_layout_point {
	const char *name, *unit, *symbol, *quantity; /* "" when none */
	enum gw_point_type type;
	int64_t interval_ms, max_silence_ms;
	bool writable, has_min, has_max, has_deadband;
	double min, max, deadband;
	const char **labels; /* of an enumeration, else NULL */
	unsigned nlabels;
	void *own; /* the sink's, 0 at first */
};

/* A device and the names its readings are made under; constant once given. */
struct gw_layout {
	uint32_t number;
	unsigned device; /* the core's number: stable while the process lives */
	bool current;
	const char *name, *title, *profile, *domain;
	uint64_t first_seq, from_seq;
	struct gw_layout_point *points;
	unsigned npoints;
	void *own; /* the sink's, 0 at first */
};

enum gw_device_state { GW_STATE_UNKNOWN, GW_STATE_ONLINE, GW_STATE_OFFLINE };
enum gw_link_state { GW_FAR_CONNECTING, GW_FAR_CONNECTED, GW_FAR_WAITING };

struct gw_loss {
	uint64_t id, from, to, readings;
	const char *cause; /* "buffer_full", ... */
	bool exact;
	int64_t ts_from_ms, ts_to_ms;
};

/* Readings of this boot that were made from from_ms to to_ms and carry GW_READING_UNSYNCED:
 * their true time is mono_ms + offset_ms. */
struct gw_correction_news {
	uint64_t id;
	const char *boot; /* "" when it is not known any more */
	int64_t from_ms, to_ms, offset_ms;
};

struct gw_progress {
	uint64_t first_seq, complete_to, last;
	int64_t ts_ms;
};

/* Stored readings of a device, both ends included. */
struct gw_again_span {
	unsigned device; /* the core's number */
	bool by_time;	 /* from and to are UTC in milliseconds, else numbers of readings */
	int64_t from, to;
};

struct gw_again {
	uint32_t number;	      /* of the request */
	const char *reason;	      /* "" or why nothing is done, in words */
	uint64_t readings, from, to; /* how many were found; the lowest and the highest number */
};

struct gw_sink_plugin {
	const char *name, *version, *help;
	const struct gw_table *sink;
	const struct gw_tool *tools;

	int (*configure)(struct gw_plugin *p, const struct gw_sink_config *config, void **self,
			 struct gw_err *err);
	int (*start)(void *self, struct gw_loop *loop, const struct gw_gateway_info *g, struct gw_err *err);
	/* Its title, place or hash changed with a reload; `id`, `boot` and `buffer` never do.  Borrowed. */
	void (*gateway)(void *self, const struct gw_gateway_info *g);
	/* A layout, before the first reading made under it. */
	void (*layout)(void *self, struct gw_layout *l);
	void (*device_state)(void *self, const struct gw_layout *current, enum gw_device_state state,
			     int64_t ts_ms, const char *reason);
	void (*device_gone)(void *self, const char *name);
	/*
	 * Readings of one device, oldest first, made under layouts[i]; live: exactly
	 * one.  Borrowed: encode before returning.  Each must be acknowledged once,
	 * singly or in ranges; the last acknowledgement of a call's readings carries
	 * the credit (gw_sink_ack), until then one of `window` is in use.
	 */
	void (*readings)(void *self, bool live, const struct gw_layout *const *layouts,
			 const struct gw_reading *const *readings, size_t count);
	void (*loss)(void *self, const struct gw_layout *current, const struct gw_loss *loss);
	/* Readings that were thinned, made under `layout`.  Borrowed; to be acknowledged with
	 * gw_sink_ack_window().  NULL: acknowledged and forgotten, as losses are. */
	void (*window)(void *self, const struct gw_layout *layout, uint64_t id, const struct gw_window *w);
	/* To be acknowledged as a loss is.  NULL: taken and forgotten. */
	void (*correction)(void *self, const struct gw_correction_news *c);
	void (*progress)(void *self, const struct gw_layout *current, const struct gw_progress *p);
	void (*health)(void *self, const char *json, size_t size);
	/* The answer to gw_sink_again(); the readings follow.  NULL: it never asks. */
	void (*again)(void *self, const struct gw_again *a);
	/* One thing remembered with gw_state_put() by a process before; before start(). */
	void (*state)(void *self, const char *key, const void *value, size_t size);
	/* Say goodbye to the far end (up to 5 s), then gw_sink_stopped(). */
	void (*stop)(void *self);
};

/* Taken; not authorised there: nothing more goes there before the next connection; can never pass: declared
 * lost; not sent, or nobody knows: it is delivered again. */
enum gw_outcome { GW_DONE, GW_REFUSED, GW_TOO_LARGE, GW_AGAIN };
/* Acknowledgements are gathered and sent at the end of the turn. */
void gw_sink_ack(struct gw_plugin *p, unsigned device, uint64_t from, uint64_t to, enum gw_outcome o,
		 unsigned credit);
void gw_sink_ack_loss(struct gw_plugin *p, uint64_t id, enum gw_outcome o, unsigned credit);
void gw_sink_ack_window(struct gw_plugin *p, uint64_t id, enum gw_outcome o, unsigned credit);
void gw_sink_ack_correction(struct gw_plugin *p, uint64_t id, enum gw_outcome o, unsigned credit);
/* Boot id of readings that have this number as `boot`; NULL: not known.  Lives as long as p. */
const char *gw_sink_boot(struct gw_plugin *p, uint32_t number);
/*
 * On every change.  Connected: the core may have `window` calls unacknowledged.
 * Anything else: all that is unacknowledged counts as not sent, and no
 * acknowledgement for it may follow.
 */
void gw_sink_state(struct gw_plugin *p, enum gw_link_state state, unsigned window, uint64_t session,
		   const char *broker, const char *reason);
void gw_sink_counts(struct gw_plugin *p, unsigned in_flight, uint64_t refused);
/* Ask for stored readings once more; they come as replays, like a backlog. */
void gw_sink_again(struct gw_plugin *p, uint32_t number, const struct gw_again_span *span);
void gw_sink_stopped(struct gw_plugin *p);

int gw_sink_main(const struct gw_sink_plugin *def, int argc, char *argv[]);

/* ---- both ---- */

struct gw_problems *gw_plugin_problems(struct gw_plugin *p); /* valid during configure() */
struct gw_arena *gw_plugin_arena(struct gw_plugin *p);       /* lives as long as the process */
struct gw_loop *gw_plugin_loop(struct gw_plugin *p);

/* One line to the log (standard error; the core puts the plugin's name before
 * it, escapes and rate-limits it).  Nothing per reading above debug. */
enum gw_level { GW_ERROR = 3, GW_WARNING = 4, GW_INFO = 6, GW_DEBUG = 7 }; /* syslog's numbers */
void gw_log(enum gw_level level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
