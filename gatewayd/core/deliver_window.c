/*
 * deliver_window.c - windows of one sink: the numbers that lie in them, which of them are on
 * their way, and what becomes of them.  The windows themselves are in the store; only those
 * fetched last and those on their way are known here by their ids.
 */
#include "core/deliver_private.h"

#include <assert.h>
#include <stdlib.h>

enum { FETCH_BYTES = 256 * 1024 };

static uint64_t numbers(const struct gw_window_row *row)
{
	return row->to - row->from + 1;
}

void gw_deliver_restore_thinned(struct gw_deliver *d, uint16_t device, const struct gw_ranges *ranges)
{
	struct outgoing *o = gw_deliver_slot(d, device);

	for (uint32_t i = 0; i < ranges->n; i++) {
		gw_deliver_settle(d, device, ranges->r[i].from, ranges->r[i].to); /* one or the other */
		d->windows.thinned += gw_ranges_add(&o->thinned, ranges->r[i].from, ranges->r[i].to);
	}
	d->windows.may_have = true;
}

bool gw_deliver_may_thin(const struct gw_deliver *d, uint16_t device, uint64_t seq)
{
	const struct outgoing *o = device < d->ndevices ? &d->devices[device] : NULL;

	return o && gw_ranges_has(&o->due, seq) && !gw_ranges_has(&o->flight, seq);
}

void gw_deliver_thin(struct gw_deliver *d, uint16_t device, uint64_t from, uint64_t to)
{
	struct outgoing *o = gw_deliver_slot(d, device);

	gw_due_remove(d, o, from, to);
	d->windows.thinned += gw_ranges_add(&o->thinned, from, to);
}

static void forget(struct gw_deliver *d, const struct gw_window_row *row)
{
	struct outgoing *o = gw_deliver_slot(d, row->device);

	d->windows.thinned -= gw_ranges_remove(&o->thinned, row->from, row->to);
	gw_ranges_remove(&o->unsure, row->from, row->to);
	d->o.ops->window_gone(d->o.arg, row->id);
}

static bool is_thinned(const struct gw_deliver *d, uint16_t device, uint64_t seq)
{
	return device < d->ndevices && gw_ranges_has(&d->devices[device].thinned, seq);
}

static bool is_in_flight(const struct gw_deliver *d, uint64_t id)
{
	for (size_t i = 0; i < d->windows.nflight; i++)
		if (d->windows.flight[i].row.id == id)
			return true;
	return false;
}

bool gw_deliver_window_flies(const struct gw_deliver *d, const struct gw_window_row *row)
{
	return is_in_flight(d, row->id);
}

/* It, or some reading of it before it was thinned. */
static bool may_have_come(const struct gw_deliver *d, const struct gw_window_row *row)
{
	struct gw_range r;

	return gw_ranges_overlap(&d->devices[row->device].unsure, row->from, row->to, &r);
}

uint64_t gw_deliver_give_up_window(struct gw_deliver *d, const struct gw_window_row *row, enum gw_loss_cause cause)
{
	struct gw_range r = { row->from, row->to };
	struct gw_giveup g = { .device = row->device, .from = row->from, .to = row->to, .cause = cause,
			       .ts_from_ms = row->ts_from_ms, .ts_to_ms = row->ts_to_ms };

	if (row->sink != d->o.sink || !is_thinned(d, row->device, row->from) || is_in_flight(d, row->id))
		return 0;
	g.exact = !may_have_come(d, row);
	forget(d, row);
	gw_loss_add(d, &g, &r);
	return numbers(row);
}

/* ---- acknowledgements ---- */

static void note_unsure(struct gw_deliver *d, const struct gw_window_row *row)
{
	gw_ranges_add(&gw_deliver_slot(d, row->device)->unsure, row->from, row->to);
}

void gw_window_ack(struct gw_deliver *d, const struct gw_ack *ack)
{
	struct windows *w = &d->windows;
	struct flying f;
	size_t i = 0;

	while (i < w->nflight && (w->flight[i].row.id != ack->from || w->flight[i].refused))
		i++;
	if (i == w->nflight)
		return;
	f = w->flight[i];
	if (ack->result == GW_ACK_REFUSED) { /* not tried again before the next connection */
		w->flight[i].refused = true;
		return;
	}
	w->flight[i] = w->flight[--w->nflight];
	if (ack->result == GW_ACK_DONE) {
		forget(d, &f.row);
	} else if (ack->result == GW_ACK_TOO_LARGE) {
		gw_deliver_give_up_window(d, &f.row, GW_LOSS_TOO_LARGE);
	} else {
		note_unsure(d, &f.row);
		w->may_have = true;
	}
}

static void drop_fetched(struct windows *w)
{
	gw_windows_free(w->fetched);
	w->fetched = NULL;
}

void gw_window_disconnected(struct gw_deliver *d)
{
	struct windows *w = &d->windows;

	for (size_t i = 0; i < w->nflight; i++)
		if (!w->flight[i].refused)
			note_unsure(d, &w->flight[i].row);
	w->nflight = 0;
	w->stale = w->fetching;
	w->next_id = 0;
	w->may_have = w->thinned > 0;
	drop_fetched(w);
}

void gw_window_free(struct gw_deliver *d)
{
	drop_fetched(&d->windows);
	free(d->windows.flight);
}

/* What a commit brought may be older than where the walk stands. */
void gw_window_committed(struct gw_deliver *d)
{
	struct windows *w = &d->windows;

	if (w->fetching || w->fetched || w->thinned == 0)
		return;
	w->next_id = 0;
	w->may_have = true;
}

/* ---- sending ---- */

static void give_up_damaged(struct gw_deliver *d)
{
	const struct gw_windows *rows = d->windows.fetched;

	for (size_t i = 0; i < rows->n; i++)
		if (!rows->rows[i].window)
			gw_deliver_give_up_window(d, &rows->rows[i], GW_LOSS_DAMAGED);
}

void gw_deliver_windows(struct gw_deliver *d, struct gw_windows *rows)
{
	struct windows *w = &d->windows;

	w->fetching = false;
	if (!rows || w->stale || !d->connected) {
		w->may_have = w->stale; /* after an error the next commit tries again */
		w->stale = false;
		gw_windows_free(rows);
		return;
	}
	drop_fetched(w);
	w->fetched = rows;
	w->at = 0;
	w->next_id = rows->next_id;
	w->may_have = !rows->end;
	give_up_damaged(d);
}

static void takes_off(struct gw_deliver *d, const struct gw_window_row *row)
{
	struct windows *w = &d->windows;

	if (w->nflight == w->flight_room) {
		w->flight_room = w->flight_room ? w->flight_room * 2 : 64;
		w->flight = realloc(w->flight, w->flight_room * sizeof(*w->flight));
		assert(w->flight);
	}
	w->flight[w->nflight] = (struct flying){ .row = *row };
	w->flight[w->nflight++].row.window = NULL;
	d->in_use++;
}

static bool is_wanted(const struct gw_deliver *d, const struct gw_window_row *row)
{
	return row->window && is_thinned(d, row->device, row->from) && !d->devices[row->device].parked &&
	       !is_in_flight(d, row->id);
}

/* Numbers in windows that might be sent now: neither on their way nor parked. */
static uint64_t waiting(const struct gw_deliver *d)
{
	uint64_t n = d->windows.thinned;

	for (size_t i = 0; d->parked && i < d->ndevices; i++)
		if (d->devices[i].parked)
			n -= d->devices[i].thinned.total;
	for (size_t i = 0; i < d->windows.nflight; i++)
		if (!d->devices[d->windows.flight[i].row.device].parked)
			n -= numbers(&d->windows.flight[i].row);
	return n;
}

bool gw_window_pump(struct gw_deliver *d)
{
	struct windows *w = &d->windows;

	while (w->fetched && w->at < w->fetched->n) {
		const struct gw_window_row *row = &w->fetched->rows[w->at];

		if (is_wanted(d, row)) {
			if (!gw_deliver_has_share(d) || !gw_deliver_may_send_one(d) ||
			    d->o.ops->window(d->o.arg, row) == 0)
				return false;
			takes_off(d, row);
			gw_deliver_sent_one(d);
		}
		w->at++;
	}
	drop_fetched(w);
	if (w->may_have && !w->fetching && waiting(d) > 0) {
		w->fetching = true;
		w->stale = false;
		d->o.ops->fetch_windows(d->o.arg, w->next_id, FETCH_BYTES);
	}
	return !w->fetching; /* readings that follow are younger */
}

uint64_t gw_window_open_from(const struct gw_deliver *d, uint16_t device)
{
	return device < d->ndevices ? gw_ranges_first(&d->devices[device].thinned) : 0;
}

const struct gw_ranges *gw_deliver_thinned_of(const struct gw_deliver *d, uint16_t device)
{
	return device < d->ndevices ? &d->devices[device].thinned : NULL;
}
