/*
 * store.h - the buffer on disk.  The only module that knows SQL, and the only
 * one with a thread.
 *
 * SQLite, WAL, synchronous=FULL, one connection used by the store's thread only.
 * The loop hands over work and gets answers as callbacks on the loop (eventfd);
 * a commit that takes a minute stops nothing else.  Requests are carried out in
 * order.  Everything that a request borrows must stay valid until its callback.
 *
 * Tables (docs/buffer.md says the same for people):
 *	meta    key, value: identifier of the buffer, created, ...
 *	boot    number, boot id
 *	device  number, name, first_seq, next_seq, readings
 *	layout  number, device, from_seq, body (LAYOUT and LAYOUT_POINT messages,
 *		each preceded by its u32 size)
 *	sink    number, name, session, present
 *	reading id (grows in order of arrival), device, seq, ts, body (struct gw_reading)
 *	due     sink, device, ranges of seq that the sink has not acknowledged
 *	loss    id, sink, device, from, to, readings, cause, exact, ts_from, ts_to, sent
 *	window  id, sink, device, from, to, ts_from, ts_to, window_ms, body (struct gw_window, packed)
 *	window_fixed  sink, id: windows up to there were handed out
 *	state   owner, key, value: the memory of plugins
 *
 * A row of `reading` may go when no sink has it due and it is older than
 * `history`, or room is needed.  The store decides that by itself, in slices, at
 * each commit; what is due is never deleted: the loop first gives it up
 * (gw_store_oldest, then a commit with smaller `due` and a loss record).
 *
 * Beside the database <path>: <path>.lock (flock, holds the pid), <path>.seq
 * (two fixed slots with CRC, written in place alternately and synced: upper
 * bounds of all numbers given, by device name) and <path>.reserve (a reserve that is
 * given back to the file system when it is full).
 *
 * Out of memory aborts: the process is started again and the ring has the rest.
 */
#ifndef GW_CORE_STORE_H
#define GW_CORE_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/ranges.h"
#include "gatewayd/error.h"
#include "gatewayd/loop.h"
#include "gatewayd/reading.h"
#include "gatewayd/window.h"

struct gw_store;

/*
 * --- what happens by itself ---
 *
 * A database that turns out to be damaged, at the open or under way, that has a WAL beside it that
 * is not its own, or that was removed or replaced under way, is put aside (info, or PUT_ASIDE) and a new one begun.  Its small tables go on
 * in the new one at once; its readings follow in the store's idle time, under their old ids
 * (SALVAGED when all that could be read has been moved).  What is due then and has no row is lost.
 *
 * Readings are verified in the store's idle time, one slice of at most 2,000 rows or 1 MiB a
 * minute, then windows, 256 KiB a minute.  Readings that are damaged are taken out and told
 * (DAMAGED_ROWS).  Windows that are damaged are told (DAMAGED_WINDOWS) and stay until a commit says
 * that they are gone, so that their numbers are always in one or lost.
 */
enum gw_store_event_kind {
	GW_STORE_PUT_ASIDE, GW_STORE_SALVAGED, GW_STORE_DAMAGED_ROWS, GW_STORE_DAMAGED_WINDOWS,
};
enum gw_store_why { GW_STORE_DAMAGED, GW_STORE_REMOVED, GW_STORE_MIXED /* with a WAL that is not its own */ };

struct gw_damaged_row {
	uint64_t id, seq;
	uint16_t device;
};

struct gw_window_row;
struct gw_store_event {
	enum gw_store_event_kind kind;
	enum gw_store_why why; /* PUT_ASIDE */
	char aside[512];       /* where it lies now; "": it had been removed */
	unsigned old_removed;  /* PUT_ASIDE: so many older ones, to keep two */
	uint64_t rows;         /* SALVAGED: readings that were moved */
	bool exact;            /* SALVAGED: what was due is known; else all was taken to be due */
	bool full;             /* SALVAGED: ended for want of room */
	size_t n;              /* DAMAGED_ROWS, DAMAGED_WINDOWS */
	const struct gw_damaged_row *row;
	const struct gw_window_row *window;
};
typedef void gw_store_event_fn(void *arg, const struct gw_store_event *e);

struct gw_store_options {
	const char *path;
	uint64_t max_size;   /* bytes of database and WAL together */
	int64_t history_ms;  /* acknowledged readings stay so long, as far as room allows; 0: go at once */
	const char *boot;    /* boot id */
	int64_t build_ms;    /* build time, UTC: numbering never starts before it */
	int64_t idle_ms;     /* between two slices of verification; 0: a minute */
	gw_store_event_fn *event; /* on the loop; NULL: nobody listens */
	void *event_arg;
};

/* What the disk knew at the open, and what this boot is. */
struct gw_store_info {
	char buffer[37];     /* identifier (UUID) */
	uint32_t boot;       /* number of this boot */
	bool boot_again;     /* the buffer was open in this boot before */
	bool created;        /* there was no database, or nothing of it could be read */
	bool salvaging;      /* readings of a damaged one follow: wait for GW_STORE_SALVAGED */
	bool mixed;      /* the damage: beside it lay a WAL that is not its own */
	unsigned old_removed; /* databases that had been put aside earlier; two are kept */
	bool due_assumed;    /* after a damage all was taken to be due (GW_STORE_SALVAGED, exact) */
	uint64_t readings, bytes;
	int64_t oldest_ts_ms; /* 0: none */
};

/*
 * Open or create, lock, check the version, migrate, start the thread.
 * Errors (one line, for the user): GW_EFULL "... is in use by process N"; GW_EINPUT
 * not a buffer, or of a later version (nothing is changed); GW_EIO .sys set: cannot
 * be opened, disk full, not permitted.  A damaged file is put aside as
 * <path>.damaged-<UTC time> and a new one begun; *aside names it.
 */
int gw_store_open(struct gw_store **out, const struct gw_store_options *opts, struct gw_loop *loop,
		  struct gw_store_info *info, char aside[512], struct gw_err *err);
/* Carries out what was requested (a verify is cut short), calls back for it, writes exact bounds to
 * .seq, closes.  Not from a callback of the store.  NULL is allowed. */
void gw_store_close(struct gw_store *st);

/* Other limits from now on (a reload). */
void gw_store_configure(struct gw_store *st, uint64_t max_size, int64_t history_ms);

/*
 * --- registration: at start and at a reload ---
 *
 * next_seq is what the database knows.  After a stop that was not orderly, .seq
 * may lie above it: numbers gap_from..gap_to may have been given, and their
 * readings are not in the database.  The loop decides:
 *	ring found       no gap: commit what is on the ring, go on behind the last
 *	                 number on it (below next_seq: at next_seq)
 *	ring not found   declare gap_from..gap_to lost (power_cut, not exact), go on at gap_to + 1
 * and then commits `next` for the device in either case: until it does, an
 * orderly close takes all numbers up to gap_to as given.  Nobody is told of numbers
 * from `reserved` on.  A device that was registered before in this process has no gap;
 * commit its `next` before registering it again.
 *
 * A device that is new here goes on from .seq, else begins at the later of now
 * and build_ms; a known device that .seq does not know (or knows less of than
 * the database) gets a gap up to there.
 *
 * sinks is the whole list of the configuration: one that is not in it loses its
 * due sets and losses and is fresh when it comes back.  NULL: leave sinks as they are.
 */
struct gw_registration {
	const char *name;      /* of the device */
	const void *layout;    /* body of its layout, for comparison with the last one */
	size_t layout_size;
	uint64_t rate;         /* readings an hour: size of the reservation */
	/* out: */
	uint16_t device;       /* number */
	uint32_t layout_number;
	uint64_t first_seq, next_seq, from_seq, reserved; /* numbers below `reserved` may be given */
	/* from_seq of a new layout is next_seq; readings on a ring may lie above and be of the old one */
	uint64_t gap_from, gap_to; /* after a power cut: numbers that may have been given and are gone; 0: none */
};
struct gw_sink_registration {
	const char *name;
	/* out: */
	uint16_t sink;
	uint64_t session;
	bool fresh; /* new to this buffer: it gets what comes from now on */
};
/* `done` gets 0 or an error.  Readings on the ring may be ahead of next_seq: the
 * loop tells with gw_store_reserve. */
typedef void gw_store_done_fn(void *arg, const struct gw_err *err); /* err NULL: done */
void gw_store_register(struct gw_store *st, struct gw_registration *devices, size_t ndevices,
		       struct gw_sink_registration *sinks, size_t nsinks, gw_store_done_fn *done, void *arg);

/* How many numbers are reserved ahead for so many readings an hour: half an hour's and a few.  So
 * many at most are declared lost after a power cut. */
uint64_t gw_reservation(uint64_t readings_an_hour);
/* More numbers for a device: `upto` may be given once done is called without error.  The write that this
 * costs reserves for all devices, so that most calls cost none. */
void gw_store_reserve(struct gw_store *st, uint16_t device, uint64_t upto, gw_store_done_fn *done, void *arg);

/* --- reading back: devices and layouts that stored readings refer to, due sets, losses --- */
struct gw_loss_row {
	uint64_t id;
	uint16_t sink, device;
	uint8_t cause; /* enum gw_loss_cause */
	bool exact;
	uint64_t from, to, readings;
	int64_t ts_from_ms, ts_to_ms;
	uint8_t state; /* 0 never sent: may still grow; 1 sent; 2 acknowledged */
};
struct gw_state_row { /* the memory of a plugin */
	const char *owner, *key; /* "source/NAME" or "sink/NAME" */
	const void *value;
	size_t size; /* 0 in a commit: forget it */
};
struct gw_store_visitor {
	void *arg;
	void (*boot)(void *arg, uint32_t number, const char *id); /* the last thousand, newest first */
	/* bound: numbers below may have been given, as far as .seq knows. */
	void (*device)(void *arg, uint16_t device, const char *name, uint64_t first_seq, uint64_t next_seq,
		       uint64_t bound);
	void (*layout)(void *arg, uint32_t layout, uint16_t device, const void *body, size_t size);
	void (*due)(void *arg, uint16_t sink, uint16_t device, const struct gw_ranges *ranges);
	void (*loss)(void *arg, const struct gw_loss_row *row);
	/* The numbers that lie in windows of the sink. */
	void (*thinned)(void *arg, uint16_t sink, uint16_t device, const struct gw_ranges *ranges);
	void (*state)(void *arg, const struct gw_state_row *row);
	gw_store_done_fn *done;
};
/* The callbacks run on the loop, in the order of the members, then done. */
void gw_store_visit(struct gw_store *st, const struct gw_store_visitor *v);

/*
 * --- the group commit ---
 *
 * All in one transaction, or nothing.  readings[i]->device is the store's
 * number.  About 1 MiB a commit keeps the WAL within its limit; more is allowed.
 * After an error hand the same in again: what had reached the disk after all is
 * taken back first, nothing is doubled.  Errors: GW_EFULL all that is left is
 * due (give some up; .sys ENOSPC: it is the disk that is full, the reserve was
 * released and the file may not grow until there is room for a reserve again);
 * GW_EIO with .sys: also for a database that turned out to be damaged; the next
 * request finds a new one.
 */
struct gw_due_row {
	uint16_t sink, device;
	const struct gw_ranges *ranges; /* copied by the call */
};
struct gw_next_row {
	uint16_t device;
	uint64_t next_seq; /* all below were given */
};
struct gw_window_piece {
	uint16_t sink;
	uint64_t first_id; /* of the reading row that is the first in it */
	const struct gw_window *window;
};
struct gw_commit {
	const struct gw_reading *const *readings; /* borrowed until done; lie in the ring */
	size_t nreadings;
	const struct gw_due_row *due; /* changed ones only; copied by the call */
	size_t ndue;
	const struct gw_loss_row *losses; /* new or changed, by id; copied by the call */
	size_t nlosses;
	const struct gw_next_row *next; /* changed ones; copied */
	size_t nnext;
	const struct gw_state_row *states; /* changed ones; copied */
	size_t nstates;
	/* New ones; the windows are borrowed until done.  One that continues the last window of its
	 * sink and device in the same minute becomes part of it. */
	const struct gw_window_piece *windows;
	size_t nwindows;
	const uint64_t *windows_gone; /* ids: acknowledged or given up; copied */
	size_t nwindows_gone;
	/* An orderly end: all numbers that were given are in it, and no more will be.  When none was the last that
	 * succeeded, .seq keeps its bounds, and the next start counts on above them. */
	bool last;
};
struct gw_commit_result {
	const struct gw_err *err; /* NULL: committed; GW_EFULL: no room although history is gone */
	uint64_t first_id, last_id; /* of the readings, in their order; 0 when none */
	uint64_t readings, bytes, free_bytes; /* in the buffer now; bytes until max_size */
	uint64_t disk_free; /* bytes that the file system has left for us; UINT64_MAX: it does not say */
	uint64_t oldest_id;
	int64_t oldest_ts_ms;
	int64_t took_us;
};
typedef void gw_commit_done_fn(void *arg, const struct gw_commit_result *result);
void gw_store_commit(struct gw_store *st, const struct gw_commit *c, gw_commit_done_fn *done, void *arg);

/* --- backlog --- */
struct gw_rows {
	uint64_t next_id;    /* where to go on: first id not looked at */
	bool end;            /* nothing behind that */
	size_t n;
	const uint64_t *ids;
	const struct gw_reading *const *readings; /* checked: CRC and shape; damaged rows are left out */
	size_t damaged;
	const struct gw_damaged_row *damaged_rows; /* as many: who they are by the table's own columns */
};
typedef void gw_rows_fn(void *arg, struct gw_rows *rows, const struct gw_err *err);
/*
 * Rows from id `from_id` on that `sink` has due (as of the last commit: the loop
 * filters again), at most `max_rows` and about max_bytes; looks at 20,000 rows at most.
 * sink 0: all rows.  The callee of fn ends them with gw_rows_free().
 */
void gw_store_fetch(struct gw_store *st, uint16_t sink, uint64_t from_id, size_t max_rows, size_t max_bytes,
		    gw_rows_fn *fn, void *arg);
void gw_rows_free(struct gw_rows *rows);

/* The oldest rows that any sink has due, together at least `bytes`.  headers: without bodies beyond
 * the header (readings[i]->count is right, tags are not there), damaged ones among them. */
void gw_store_oldest(struct gw_store *st, size_t bytes, bool headers, gw_rows_fn *fn, void *arg);

/* --- windows of thinned readings (gatewayd/window.h), each for one sink --- */
struct gw_window_row {
	uint64_t id; /* unique, grows with the age of what is in it */
	uint16_t sink, device;
	uint64_t from, to;              /* a damaged one's: its own, when only the row's are not right */
	int64_t ts_from_ms, ts_to_ms;   /* UTC for a loss; 0: folded without a trusted clock */
	const struct gw_window *window; /* NULL: damaged, or not asked for */
};
struct gw_windows {
	uint64_t next_id; /* where to go on */
	bool end;         /* nothing behind that */
	size_t n, bytes;  /* bytes: on the disk */
	size_t looked_at;
	const struct gw_window_row *rows;
};
typedef void gw_windows_fn(void *arg, struct gw_windows *windows, const struct gw_err *err);
struct gw_windows_query {
	uint16_t sink;    /* 0: all, without their bodies */
	bool damaged;     /* with sink 0: their bodies are looked at, and those that are whole left out */
	uint64_t from_id;
	size_t max_bytes; /* about; looks at 20,000 windows at most */
};
/* Windows that were handed out with their bodies never change any more.  The callee of fn ends
 * them with gw_windows_free(). */
void gw_store_windows(struct gw_store *st, const struct gw_windows_query *q, gw_windows_fn *fn, void *arg);
void gw_windows_free(struct gw_windows *windows);

/* Joins windows of one minute that were not handed out to windows of ten, the oldest first, about
 * max_bytes of them.  fn gets how many fewer there are then. */
typedef void gw_joined_fn(void *arg, uint64_t fewer, const struct gw_err *err);
void gw_store_join_windows(struct gw_store *st, size_t max_bytes, gw_joined_fn *fn, void *arg);

/* --- memory of sinks and plugins --- */
void gw_store_session(struct gw_store *st, uint16_t sink, uint64_t session); /* kept with the next commit */

/* --- is it alive? --- */
struct gw_store_pulse {
	size_t waiting;     /* requests and events that were not called back for */
	uint64_t done;      /* changes when one was, or when a slice of a long one is done */
	const char *reason; /* why the present one may take long, in words; NULL: none known */
};
struct gw_store_pulse gw_store_pulse(struct gw_store *st); /* reads a file of /proc while something waits */

/* Whole check of every row and window (gatewayctl buffer --verify): result as counts. */
struct gw_verify {
	uint64_t readings, damaged;
	uint64_t windows, damaged_windows;
	bool integrity_ok;
	char text[200]; /* SQLite's word when not ok */
};
typedef void gw_verify_fn(void *arg, const struct gw_verify *v, const struct gw_err *err);
void gw_store_verify(struct gw_store *st, gw_verify_fn *fn, void *arg);

#endif
