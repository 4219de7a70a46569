/*
 * deliver.h - what one sink gets next: decides over ranges of sequence numbers,
 * with the time as a parameter.  No clock, no SQL, no sockets: what is to be done
 * leaves through `ops`, answers come in as calls.
 *
 * For each device the sink has a set of numbers it has not acknowledged (`due`) and
 * a subset that is on its way (`flight`).  A new reading goes out live at once while
 * there is credit, else it waits in line as long as it may be called live and lies in
 * the ring; everything else is backlog and comes from the store, oldest first, in
 * groups of one device, capped by a rate and by a share of the window so that
 * live readings always find room.  A device whose topic is refused is parked until
 * the next connection; it holds up nobody else.
 */
#ifndef GW_CORE_DELIVER_H
#define GW_CORE_DELIVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/messages.h"
#include "core/ranges.h"
#include "core/store.h"
#include "gatewayd/reading.h"

enum { GW_REPLAY_MAX = 100 }; /* readings of a group (contract, section 4) */

struct gw_deliver;
struct gw_giveup;

struct gw_deliver_ops {
	/* 1 sent, 0 the link is full: try again at the next gw_deliver_pump().  Live also -1: not now, and it
	 * holds up nobody: it is backlog from here on. */
	int (*live)(void *arg, const struct gw_reading *r);
	int (*replay)(void *arg, const struct gw_reading *const *r, size_t n);
	int (*loss)(void *arg, const struct gw_loss_row *row);
	int (*window)(void *arg, const struct gw_window_row *row);
	int (*correction)(void *arg, uint64_t id); /* also -1: it is forgotten, the next one */
	/* Ask the store; the answer comes as gw_deliver_rows(). */
	void (*fetch)(void *arg, uint64_t from_id, size_t max_rows, size_t max_bytes);
	/* The same with gw_deliver_windows(). */
	void (*fetch_windows)(void *arg, uint64_t from_id, size_t max_bytes);
	/* Acknowledged or given up: to be deleted with the next commit. */
	void (*window_gone)(void *arg, uint64_t id);
	/* No longer due: acknowledged (lost is NULL) or given up, as said there. For the ring. */
	void (*settled)(void *arg, uint16_t device, uint64_t from, uint64_t to, const struct gw_giveup *lost);
	/* The record is new or changed: to be kept with the next commit. */
	void (*loss_changed)(void *arg, const struct gw_loss_row *row);
	uint64_t (*loss_id)(void *arg); /* a fresh id */
	/* Corrections up to this one are acknowledged: to be kept with the next commit. */
	void (*corrected)(void *arg, uint64_t id);
	/* The newest reading of the device made by this process, NULL: none; borrowed for the call. */
	const struct gw_reading *(*newest)(void *arg, uint16_t device);
};

struct gw_deliver_options {
	uint16_t sink;        /* the store's number */
	int64_t replay_rate;  /* readings a second; 0: no cap */
	const struct gw_deliver_ops *ops;
	void *arg;
};

struct gw_deliver *gw_deliver_new(const struct gw_deliver_options *o);
void gw_deliver_free(struct gw_deliver *d); /* NULL is allowed */

/* --- at start --- */
/* A device this sink gets; a reading is live for live_us after its answer.  Again: changes live_us. */
void gw_deliver_device(struct gw_deliver *d, uint16_t device, int64_t live_us);
void gw_deliver_restore(struct gw_deliver *d, uint16_t device, const struct gw_ranges *due);
void gw_deliver_restore_thinned(struct gw_deliver *d, uint16_t device, const struct gw_ranges *ranges);
void gw_deliver_restore_loss(struct gw_deliver *d, const struct gw_loss_row *row);

/* --- events --- */
/* A new reading lies in the ring at `position`; it is due now. */
void gw_deliver_reading(struct gw_deliver *d, const struct gw_reading *r, uint64_t position);
/* A number that is due but whose reading is only on disk, or comes from a former process.  Clears
 * its doubt. */
void gw_deliver_due(struct gw_deliver *d, uint16_t device, uint64_t from, uint64_t to);
/*
 * --- doubt: is what is due there at all? ---
 * Numbers that were restored, and all that are due once gw_deliver_doubt() was called, must have a row
 * in the store.  gw_deliver_prove(): the store has all the rows it will have; those that a whole walk
 * through it does not find then are given up (damaged).  exact: it is known that they were due.
 */
void gw_deliver_doubt(struct gw_deliver *d);
void gw_deliver_trust(struct gw_deliver *d, uint16_t device, uint64_t seq); /* it lies in the ring */
void gw_deliver_prove(struct gw_deliver *d, bool exact);
/* What is due at the start may have been sent by a former process. */
void gw_deliver_began(struct gw_deliver *d);
/* The same of numbers that were given up, without those that a loss record names: for gw_deliver_give_up(). */
void gw_deliver_due_undeclared(struct gw_deliver *d, uint16_t device, uint64_t from, uint64_t to);
/* Acknowledged to a former process. */
void gw_deliver_settle(struct gw_deliver *d, uint16_t device, uint64_t from, uint64_t to);
/* The ring forgot everything below `position`. */
void gw_deliver_released(struct gw_deliver *d, uint64_t position);
/* The newest reading of each device goes before all else, as credits allow. */
void gw_deliver_connected(struct gw_deliver *d, unsigned window, int64_t now_us);
void gw_deliver_disconnected(struct gw_deliver *d);
void gw_deliver_ack(struct gw_deliver *d, const struct gw_ack *ack);
/* A commit ended: rows below `next_id` are in the store. */
void gw_deliver_committed(struct gw_deliver *d, uint64_t next_id);
void gw_deliver_rows(struct gw_deliver *d, struct gw_rows *rows); /* takes the rows over; NULL: failed */
/* Send what can be sent.  Returns when to be called again (us from now), -1: at the next event. */
int64_t gw_deliver_pump(struct gw_deliver *d, int64_t now_us);

/* Give up what is due and not in flight in the range: becomes loss records, not exact where a number was
 * sent and nobody knows whether it came.  `readings`: how many of
 * the numbers were readings.  Returns how many numbers were given up. */
struct gw_giveup {
	uint16_t device;
	uint64_t from, to;
	enum gw_loss_cause cause;
	bool exact;
	int64_t ts_from_ms, ts_to_ms; /* 0: not known */
};
uint64_t gw_deliver_give_up(struct gw_deliver *d, const struct gw_giveup *g);

/*
 * Thinning: readings that lie still become part of windows of this sink.  The windows go to
 * the store in the same commit as the smaller due sets; from then on they are delivered, before
 * the backlog, and acknowledged.  A number is due or in a window, never both.
 */
bool gw_deliver_may_thin(const struct gw_deliver *d, uint16_t device, uint64_t seq); /* due and not in flight */
void gw_deliver_thin(struct gw_deliver *d, uint16_t device, uint64_t from, uint64_t to);
void gw_deliver_windows(struct gw_deliver *d, struct gw_windows *rows); /* takes them over; NULL: failed */
/* It is on its way: its acknowledgement settles it, or the end of the connection. */
bool gw_deliver_window_flies(const struct gw_deliver *d, const struct gw_window_row *row);
/* A window of this sink that is not in flight becomes a loss.  Returns how many numbers. */
uint64_t gw_deliver_give_up_window(struct gw_deliver *d, const struct gw_window_row *row,
				   enum gw_loss_cause cause);

/* `gatewayctl replay`, replay commands: make acknowledged numbers due again. Returns how many.
 * Numbers that wait in a window stay there, and those of a loss that is not acknowledged stay lost.
 * Those that a walk through the store does not find are not waited for. */
uint64_t gw_deliver_again(struct gw_deliver *d, uint16_t device, uint64_t from, uint64_t to);

/* What is due only because it was asked for, and lies still, was received or declared lost before: it is not
 * due any more, and no loss.  Returns how many. */
uint64_t gw_deliver_drop_asked(struct gw_deliver *d, uint16_t device, uint64_t from, uint64_t to);

/* As gw_deliver_changed(), for what was asked for and is still looked for: to be kept in the same commit. */
void gw_deliver_again_changed(struct gw_deliver *d,
			      void (*fn)(void *arg, uint16_t device, const struct gw_ranges *again), void *arg);
/* At start, behind gw_deliver_restore(): what a former process was asked for is not waited for either
 * when it has left the store. */
void gw_deliver_restore_again(struct gw_deliver *d, uint16_t device, const struct gw_ranges *again);

/* --- readings without a trusted time (core/clock.h) --- */
/* They go out, or went out, with a time that is not trusted: from now on never with another. */
void gw_deliver_told(struct gw_deliver *d, uint16_t device, uint64_t from, uint64_t to);
bool gw_deliver_was_told(const struct gw_deliver *d, uint16_t device, uint64_t seq);
/* Where the note of a number that is to be told begins: lower than it when many scattered ones were told
 * since the clock was trusted last.  What lies between waits still, and has no other time yet. */
uint64_t gw_deliver_told_from(struct gw_deliver *d, uint16_t device, uint64_t seq);
void gw_deliver_trusted(struct gw_deliver *d); /* the clock is: what waits goes with its true time */
void gw_deliver_restore_told(struct gw_deliver *d, uint16_t device, const struct gw_ranges *told);
/* A commit begins: as gw_deliver_changed(), for what was told.  Then gw_deliver_told_committed(). */
void gw_deliver_told_changed(struct gw_deliver *d,
			     void (*fn)(void *arg, uint16_t device, const struct gw_ranges *told), void *arg);
void gw_deliver_told_committed(struct gw_deliver *d, bool done);
/* While no commit runs: of each device what no commit has of what was told. */
void gw_deliver_told_open(const struct gw_deliver *d,
			  void (*fn)(void *arg, uint16_t device, const struct gw_ranges *told), void *arg);
size_t gw_deliver_told_notes(const struct gw_deliver *d); /* how many ranges that are, with the commit's */
/* Corrections are numbered from 1 and go in order, one at a time. */
void gw_deliver_corrected(struct gw_deliver *d, uint64_t done);   /* at start: up to here acknowledged */
void gw_deliver_corrections(struct gw_deliver *d, uint64_t upto); /* so many there are, kept on disk */

/* --- looks --- */
const struct gw_ranges *gw_deliver_due_of(const struct gw_deliver *d, uint16_t device); /* NULL: none */
/* The lowest number of which the far end knows nothing: due, or in a window or a loss that it
 * has not acknowledged; 0: none. */
uint64_t gw_deliver_open_from(const struct gw_deliver *d, uint16_t device);
const struct gw_ranges *gw_deliver_thinned_of(const struct gw_deliver *d, uint16_t device); /* NULL: none */
bool gw_deliver_is_due(const struct gw_deliver *d, uint16_t device, uint64_t seq);
/* A commit begins: calls fn for each device whose due set changed since the last call of this, and
 * clears the marks.  Then gw_deliver_committed() or gw_deliver_mark_all(). */
void gw_deliver_changed(struct gw_deliver *d,
			void (*fn)(void *arg, uint16_t device, const struct gw_ranges *due), void *arg);
/* Losses of the device with numbers from here on are not in that commit, nor sent before they are in one. */
void gw_deliver_hold_losses(struct gw_deliver *d, uint16_t device, uint64_t from);
void gw_deliver_mark_all(struct gw_deliver *d); /* everything counts as changed (a commit failed) */
struct gw_deliver_stats {
	bool connected;
	uint64_t backlog;   /* readings due that are not on their way */
	uint64_t in_flight; /* readings on their way */
	unsigned window, in_use, parked;
	uint64_t losses;    /* records not acknowledged */
	uint64_t thinned;   /* readings in windows that are not acknowledged */
	bool can_send;      /* connected, and some of the backlog lies in the store, or came from it */
	bool full;          /* no credit for backlog */
	uint64_t moves;     /* readings sent, acknowledgements, answers of the store: counted */
};
struct gw_deliver_stats gw_deliver_stats(const struct gw_deliver *d);

#endif
