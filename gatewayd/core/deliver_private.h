/*
 * deliver_private.h - shared by deliver.c (the books), deliver_loss.c (what was given up),
 * deliver_clock.c (what went out without a trusted time) and deliver_send.c (the choice).
 */
#ifndef GW_CORE_DELIVER_PRIVATE_H
#define GW_CORE_DELIVER_PRIVATE_H

#include "core/deliver.h"

#define GW_END_UNKNOWN (UINT64_MAX >> 1)

struct outgoing { /* one device */
	struct gw_ranges due, flight;
	struct gw_ranges unsure; /* due or thinned, and sent at least once: may have come */
	struct gw_ranges thinned; /* in windows that the far end has not acknowledged */
	struct gw_ranges again; /* asked for once more: may be gone from the store */
	struct gw_ranges told;  /* went out without a trusted time */
	uint64_t told_since;    /* the first of these that went since the clock was trusted last, or since the start; or 0 */
	struct gw_ranges told_open, told_committing; /* of it: in no commit, in the one that runs */
	struct gw_ranges doubt; /* no row of it was seen yet */
	uint64_t last_sent; /* highest number ever handed to the sink by this process */
	int64_t live_us;
	bool parked;  /* the far end refuses its topic */
	bool changed; /* `due` differs from what the store knows */
	bool used;    /* ever had something due */
	bool told_changed, again_changed;
	bool first;   /* since the connection its newest reading was not looked at: that goes first */
};

struct waiting { /* a live reading in line */
	const struct gw_reading *r;
	uint64_t position;
	uint64_t seq;
	uint16_t device;
};

/* How far something is on its way to the disk. */
enum keeping { NOT_KEPT, IN_A_COMMIT, KEPT };

struct outgoing_loss {
	struct gw_loss_row row;
	enum keeping keeping; /* of row.state 1 and 2: is sent, or forgotten, when KEPT */
	bool in_flight;
	bool refused; /* not tried again before the next connection */
};

struct flying { /* a window on its way */
	struct gw_window_row row; /* without the window */
	bool refused;             /* it stays here, so that it is not tried again */
};

struct windows {
	uint64_t thinned; /* numbers in windows */
	struct flying *flight;
	size_t nflight, flight_room;
	struct gw_windows *fetched;
	size_t at;        /* next of them */
	uint64_t next_id; /* where the next fetch starts */
	bool fetching, stale;
	bool may_have;    /* the store may have more behind next_id */
};

struct gw_deliver {
	struct gw_deliver_options o;
	struct outgoing *devices; /* by the store's number */
	size_t ndevices;
	uint64_t due_total, flight_total, parked_due;
	unsigned parked;

	bool connected;
	unsigned window, in_use;
	uint64_t moves;
	size_t first_at; /* no device below it is `first` */

	struct waiting *fifo; /* circular */
	size_t fifo_at, fifo_n, fifo_capacity;

	struct outgoing_loss *losses;
	size_t nlosses, losses_capacity;

	uint64_t corrections_done, corrections_upto; /* acknowledged; there are */
	bool correction_in_flight;
	bool correction_refused; /* not tried again before the next connection */
	size_t told_notes; /* ranges of what was told and is on the disk in no commit */

	/* backlog: rows of one fetch, chained by device */
	struct gw_rows *rows;
	uint32_t *chain;   /* rows->n entries: next row of the same device, or NO_ROW */
	uint32_t first;    /* first row not handled */
	bool *handled;
	bool fetching, stale; /* stale: the answer under way is to be thrown away */
	uint64_t next_id;     /* where the next fetch starts */
	uint64_t low_id;      /* nothing due lies below */
	uint64_t end_id;      /* first id not yet in the store, or GW_END_UNKNOWN */
	uint64_t before_id;   /* end_id at the commit before */
	int64_t walked_us;    /* when the walk was last begun anew because something was passed by */
	uint64_t asked_id;    /* where the fetch under way starts */
	bool doubting, proving; /* some device has `doubt`; and a whole walk will tell */
	bool doubt_exact;
	uint64_t proven_id;   /* rows below were looked at */
	bool again;           /* some device has `again` */
	enum keeping again_keeping; /* KEPT: a walk from the first row is to find them */
	struct windows windows;
	int64_t tokens_at_us; /* replay rate: when tokens were last filled */
	int64_t tokens_milli; /* thousandths of a reading */
};

struct outgoing *gw_deliver_slot(struct gw_deliver *d, uint16_t device);
/* Not due any more.  Whether it may have come stays known.  Returns how many were due. */
uint64_t gw_due_remove(struct gw_deliver *d, struct outgoing *o, uint64_t from, uint64_t to);
void gw_deliver_enqueue(struct gw_deliver *d, const struct gw_reading *r, uint64_t position);
void gw_deliver_drop_rows(struct gw_deliver *d);
void gw_deliver_again_ends(struct gw_deliver *d);
void gw_deliver_rewind(struct gw_deliver *d); /* the backlog is walked again from low_id */


bool gw_deliver_can_send(const struct gw_deliver *d);
/* What is not live may use three quarters of the window, so that live always finds room. */
bool gw_deliver_has_share(const struct gw_deliver *d);

/* deliver_doubt.c */
void gw_doubt_add(struct gw_deliver *d, struct outgoing *o, uint64_t from, uint64_t to);
void gw_doubt_rows(struct gw_deliver *d, const struct gw_rows *rows); /* the answer to asked_id */

/* deliver_loss.c */
void gw_loss_add(struct gw_deliver *d, const struct gw_giveup *g, const struct gw_range *r);
void gw_loss_remove_declared(const struct gw_deliver *d, uint16_t device, struct gw_ranges *set); /* of the set */
void gw_loss_ack(struct gw_deliver *d, const struct gw_ack *ack);
void gw_loss_disconnected(struct gw_deliver *d);
void gw_loss_commit_begins(struct gw_deliver *d);
void gw_loss_commit_failed(struct gw_deliver *d);
void gw_loss_committed(struct gw_deliver *d);
bool gw_loss_pump(struct gw_deliver *d); /* false: no credit, or the link is full */
uint64_t gw_loss_open_from(const struct gw_deliver *d, uint16_t device); /* lowest number; 0: none */
uint64_t gw_loss_open(const struct gw_deliver *d);

/* deliver_window.c */
void gw_window_ack(struct gw_deliver *d, const struct gw_ack *ack);
void gw_window_disconnected(struct gw_deliver *d);
void gw_window_committed(struct gw_deliver *d);
void gw_window_free(struct gw_deliver *d);
bool gw_window_pump(struct gw_deliver *d); /* false: no credit, no room, or more is being fetched */
uint64_t gw_window_open_from(const struct gw_deliver *d, uint16_t device);

/* deliver_send.c: one more of the replay rate */
bool gw_deliver_may_send_one(const struct gw_deliver *d);
void gw_deliver_sent_one(struct gw_deliver *d);
/* deliver_clock.c */
bool gw_correction_pump(struct gw_deliver *d); /* false: no credit, or the link is full */
void gw_correction_ack(struct gw_deliver *d, const struct gw_ack *ack);
void gw_correction_disconnected(struct gw_deliver *d);

#endif
