/*
 * deliver.c - see deliver.h.  This file keeps the books (what is due, what is on its
 * way), deliver_loss.c those of what was given up; deliver_send.c chooses what goes next.
 */
#include "core/deliver_private.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum { RATE_MAX = 100 * 1000 * 1000 }; /* above it a cap is none */

static void *grown(void *old, size_t have, size_t want, size_t size)
{
	char *p = realloc(old, want * size);

	assert(p);
	memset(p + have * size, 0, (want - have) * size);
	return p;
}

struct gw_deliver *gw_deliver_new(const struct gw_deliver_options *o)
{
	struct gw_deliver *d = grown(NULL, 0, 1, sizeof(*d));

	d->o = *o;
	if (d->o.replay_rate > RATE_MAX)
		d->o.replay_rate = 0;
	d->end_id = GW_END_UNKNOWN;
	d->fifo_capacity = 256;
	d->fifo = grown(NULL, 0, d->fifo_capacity, sizeof(*d->fifo));
	return d;
}

void gw_deliver_free(struct gw_deliver *d)
{
	if (!d)
		return;
	gw_deliver_disconnected(d);
	for (size_t i = 0; i < d->ndevices; i++) {
		gw_ranges_free(&d->devices[i].due);
		gw_ranges_free(&d->devices[i].flight);
		gw_ranges_free(&d->devices[i].again);
		gw_ranges_free(&d->devices[i].thinned);
		gw_ranges_free(&d->devices[i].unsure);
		gw_ranges_free(&d->devices[i].told);
		gw_ranges_free(&d->devices[i].told_open);
		gw_ranges_free(&d->devices[i].told_committing);
		gw_ranges_free(&d->devices[i].doubt);
	}
	free(d->devices);
	gw_window_free(d);
	free(d->losses);
	free(d->fifo);
	free(d);
}

struct outgoing *gw_deliver_slot(struct gw_deliver *d, uint16_t device)
{
	if (device >= d->ndevices) {
		size_t want = (size_t)device + 16;

		d->devices = grown(d->devices, d->ndevices, want, sizeof(*d->devices));
		d->ndevices = want;
	}
	return &d->devices[device];
}

void gw_deliver_device(struct gw_deliver *d, uint16_t device, int64_t live_us)
{
	gw_deliver_slot(d, device)->live_us = live_us;
}

/* ---- books ---- */

static void due_add(struct gw_deliver *d, struct outgoing *o, uint64_t from, uint64_t to)
{
	uint64_t n = gw_ranges_add(&o->due, from, to);

	d->due_total += n;
	if (o->parked)
		d->parked_due += n;
	o->changed = o->used = true;
}

uint64_t gw_due_remove(struct gw_deliver *d, struct outgoing *o, uint64_t from, uint64_t to)
{
	uint64_t n = gw_ranges_remove(&o->due, from, to);

	d->due_total -= n;
	if (o->parked)
		d->parked_due -= n;
	o->changed |= n > 0;
	return n;
}

/* It came, or it is declared. */
static uint64_t due_ends(struct gw_deliver *d, struct outgoing *o, uint64_t from, uint64_t to)
{
	gw_ranges_remove(&o->unsure, from, to);
	return gw_due_remove(d, o, from, to);
}

static void park(struct gw_deliver *d, struct outgoing *o, bool parked)
{
	if (o->parked == parked)
		return;
	o->parked = parked;
	d->parked += parked ? 1 : -1u;
	if (parked)
		d->parked_due += o->due.total;
	else
		d->parked_due -= o->due.total;
}

void gw_deliver_restore(struct gw_deliver *d, uint16_t device, const struct gw_ranges *due)
{
	struct outgoing *o = gw_deliver_slot(d, device);

	for (uint32_t i = 0; i < due->n; i++) {
		due_add(d, o, due->r[i].from, due->r[i].to);
		gw_doubt_add(d, o, due->r[i].from, due->r[i].to);
	}
	o->changed = false;
}

void gw_deliver_due(struct gw_deliver *d, uint16_t device, uint64_t from, uint64_t to)
{
	struct outgoing *o = gw_deliver_slot(d, device);

	due_add(d, o, from, to);
	gw_ranges_remove(&o->doubt, from, to);
}

void gw_deliver_began(struct gw_deliver *d)
{
	for (size_t i = 0; i < d->ndevices; i++) {
		gw_ranges_add_all(&d->devices[i].unsure, &d->devices[i].due);
		gw_ranges_add_all(&d->devices[i].unsure, &d->devices[i].thinned);
	}
}

void gw_deliver_settle(struct gw_deliver *d, uint16_t device, uint64_t from, uint64_t to)
{
	due_ends(d, gw_deliver_slot(d, device), from, to);
}

void gw_deliver_reading(struct gw_deliver *d, const struct gw_reading *r, uint64_t position)
{
	struct outgoing *o = gw_deliver_slot(d, r->device);

	due_add(d, o, r->seq, r->seq);
	if (d->connected && !o->parked)
		gw_deliver_enqueue(d, r, position);
}

bool gw_deliver_is_due(const struct gw_deliver *d, uint16_t device, uint64_t seq)
{
	return device < d->ndevices && gw_ranges_has(&d->devices[device].due, seq);
}

const struct gw_ranges *gw_deliver_due_of(const struct gw_deliver *d, uint16_t device)
{
	return device < d->ndevices ? &d->devices[device].due : NULL;
}

uint64_t gw_deliver_open_from(const struct gw_deliver *d, uint16_t device)
{
	const struct gw_ranges *due = gw_deliver_due_of(d, device);
	uint64_t first = due ? gw_ranges_first(due) : 0;
	uint64_t others[] = { gw_loss_open_from(d, device), gw_window_open_from(d, device) };

	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		if (others[i] && (!first || others[i] < first))
			first = others[i];
	return first;
}

void gw_deliver_changed(struct gw_deliver *d,
			void (*fn)(void *arg, uint16_t device, const struct gw_ranges *due), void *arg)
{
	gw_loss_commit_begins(d);
	if (d->again && d->again_keeping == NOT_KEPT)
		d->again_keeping = IN_A_COMMIT;
	for (size_t i = 0; i < d->ndevices; i++)
		if (d->devices[i].changed) {
			d->devices[i].changed = false;
			fn(arg, (uint16_t)i, &d->devices[i].due);
		}
}

void gw_deliver_mark_all(struct gw_deliver *d)
{
	for (size_t i = 0; i < d->ndevices; i++)
		d->devices[i].changed |= d->devices[i].used;
	if (d->again_keeping == IN_A_COMMIT)
		d->again_keeping = NOT_KEPT;
	gw_loss_commit_failed(d);
}

uint64_t gw_deliver_again(struct gw_deliver *d, uint16_t device, uint64_t from, uint64_t to)
{
	struct outgoing *o = gw_deliver_slot(d, device);
	struct gw_ranges fresh = { 0 };
	uint64_t before = o->due.total;

	gw_ranges_add(&fresh, from, to);
	gw_ranges_remove_all(&fresh, &o->due);
	gw_ranges_remove_all(&fresh, &o->thinned); /* not sent as readings any more */
	gw_loss_remove_declared(d, device, &fresh);
	gw_ranges_add_all(&o->again, &fresh);
	for (uint32_t i = 0; i < fresh.n; i++)
		due_add(d, o, fresh.r[i].from, fresh.r[i].to);
	gw_ranges_free(&fresh);
	o->again_changed = true;
	d->again = true;
	d->again_keeping = NOT_KEPT; /* the store finds them once it knows that they are due */
	d->low_id = 0;
	return o->due.total - before;
}

static void drop_what_lies_still(struct gw_deliver *d, struct outgoing *o, uint64_t from, uint64_t to)
{
	struct gw_range r, f;

	for (; gw_ranges_overlap(&o->due, from, to, &r); from = r.to + 1) {
		if (!gw_ranges_overlap(&o->flight, r.from, r.to, &f)) {
			due_ends(d, o, r.from, r.to);
		} else if (f.from > r.from) {
			due_ends(d, o, r.from, f.from - 1);
			r.to = f.to;
		} else {
			r.to = f.to;
		}
	}
}

/* What is on its way still was asked for until its acknowledgement: without one it must not become a loss. */
static void keep_what_is_due(struct outgoing *o)
{
	uint64_t before = o->again.total;

	gw_ranges_keep_common(&o->again, &o->due);
	o->again_changed |= o->again.total != before;
}

/* A whole walk did not find them: they left the store, and had been settled before. */
void gw_deliver_again_ends(struct gw_deliver *d)
{
	if (!d->again)
		return;
	d->again = false;
	for (size_t i = 0; i < d->ndevices; i++) {
		struct outgoing *o = &d->devices[i];

		for (uint32_t k = 0; k < o->again.n; k++)
			drop_what_lies_still(d, o, o->again.r[k].from, o->again.r[k].to);
		keep_what_is_due(o);
		d->again |= o->again.n > 0; /* without an acknowledgement a walk has to find them once more */
	}
}

void gw_deliver_again_changed(struct gw_deliver *d,
			      void (*fn)(void *arg, uint16_t device, const struct gw_ranges *again), void *arg)
{
	for (size_t i = 0; i < d->ndevices; i++)
		if (d->devices[i].again_changed) {
			d->devices[i].again_changed = false;
			fn(arg, (uint16_t)i, &d->devices[i].again);
		}
}

void gw_deliver_restore_again(struct gw_deliver *d, uint16_t device, const struct gw_ranges *again)
{
	struct outgoing *o = gw_deliver_slot(d, device);

	gw_ranges_add_all(&o->again, again);
	gw_ranges_remove_all(&o->doubt, again);
	d->again = true;
	d->again_keeping = KEPT;
	d->low_id = 0;
	gw_deliver_rewind(d);
}

/* ---- given up ---- */

uint64_t gw_deliver_drop_asked(struct gw_deliver *d, uint16_t device, uint64_t from, uint64_t to)
{
	struct outgoing *o = gw_deliver_slot(d, device);
	uint64_t before = o->due.total;
	struct gw_range r;

	for (; gw_ranges_overlap(&o->again, from, to, &r); from = r.to + 1)
		drop_what_lies_still(d, o, r.from, r.to);
	return before - o->due.total;
}

/* What can be said of the first numbers of *r, which is shortened to those that have all been sent, or
 * none. */
static struct gw_giveup said_of(const struct outgoing *o, const struct gw_giveup *g, struct gw_range *r)
{
	struct gw_giveup sure = *g;
	struct gw_range unsure;

	if (!gw_ranges_overlap(&o->unsure, r->from, r->to, &unsure))
		return sure;
	if (unsure.from > r->from) {
		r->to = unsure.from - 1;
		return sure;
	}
	r->to = unsure.to;
	sure.exact = false;
	return sure;
}

uint64_t gw_deliver_give_up(struct gw_deliver *d, const struct gw_giveup *g)
{
	struct outgoing *o = gw_deliver_slot(d, g->device);
	uint64_t at = g->from, given = gw_deliver_drop_asked(d, g->device, g->from, g->to);
	struct gw_range r, f;
	struct gw_giveup sure;

	while (at <= g->to && gw_ranges_overlap(&o->due, at, g->to, &r)) {
		if (gw_ranges_overlap(&o->flight, r.from, r.to, &f)) {
			if (f.from == r.from) { /* on its way: let the far end decide */
				at = f.to + 1;
				continue;
			}
			r.to = f.from - 1;
		}
		sure = said_of(o, g, &r);
		given += due_ends(d, o, r.from, r.to);
		gw_loss_add(d, &sure, &r);
		d->o.ops->settled(d->o.arg, g->device, r.from, r.to, &sure);
		at = r.to + 1;
	}
	return given;
}

/* ---- acknowledgements ---- */

static void flight_remove(struct gw_deliver *d, struct outgoing *o, uint64_t from, uint64_t to)
{
	d->flight_total -= gw_ranges_remove(&o->flight, from, to);
}

/* A range that was on its way; a sink's word about anything else counts for nothing. */
static void ack_range(struct gw_deliver *d, struct outgoing *o, const struct gw_ack *ack,
		      const struct gw_range *r)
{
	flight_remove(d, o, r->from, r->to);
	switch ((enum gw_ack_result)ack->result) {
	case GW_ACK_DONE:
		due_ends(d, o, r->from, r->to);
		o->again_changed |= gw_ranges_remove(&o->again, r->from, r->to) > 0;
		d->o.ops->settled(d->o.arg, ack->device, r->from, r->to, NULL);
		break;
	case GW_ACK_REFUSED:
		park(d, o, true);
		break;
	case GW_ACK_TOO_LARGE:
		gw_deliver_give_up(d, &(struct gw_giveup){ .device = ack->device, .from = r->from,
							   .to = r->to, .cause = GW_LOSS_TOO_LARGE,
							   .exact = true });
		break;
	case GW_ACK_AGAIN:
		gw_ranges_add(&o->unsure, r->from, r->to);
		gw_deliver_rewind(d);
		break;
	}
}

static void ack_readings(struct gw_deliver *d, const struct gw_ack *ack)
{
	struct outgoing *o = &d->devices[ack->device];
	struct gw_range r;

	for (uint64_t at = ack->from; gw_ranges_overlap(&o->flight, at, ack->to, &r); at = r.to + 1) {
		ack_range(d, o, ack, &r);
		if (r.to == ack->to)
			return;
	}
}

void gw_deliver_ack(struct gw_deliver *d, const struct gw_ack *ack)
{
	if (!d->connected)
		return; /* late word of a session that is over */
	d->moves++;
	d->in_use -= ack->credit < d->in_use ? ack->credit : d->in_use;
	if (ack->what == GW_ACK_LOSS)
		gw_loss_ack(d, ack);
	else if (ack->what == GW_ACK_WINDOW)
		gw_window_ack(d, ack);
	else if (ack->what == GW_ACK_CORRECTION)
		gw_correction_ack(d, ack);
	else if (ack->device < d->ndevices && ack->from <= ack->to)
		ack_readings(d, ack);
}

void gw_deliver_disconnected(struct gw_deliver *d)
{
	d->connected = false;
	d->in_use = 0;
	d->flight_total = 0;
	d->fifo_n = 0;
	for (size_t i = 0; i < d->ndevices; i++) {
		gw_ranges_add_all(&d->devices[i].unsure, &d->devices[i].flight);
		gw_ranges_free(&d->devices[i].flight);
		park(d, &d->devices[i], false);
	}
	gw_loss_disconnected(d);
	gw_window_disconnected(d);
	gw_correction_disconnected(d);
	gw_deliver_drop_rows(d);
	gw_deliver_rewind(d);
}

struct gw_deliver_stats gw_deliver_stats(const struct gw_deliver *d)
{
	return (struct gw_deliver_stats){
		.connected = d->connected,
		.backlog = d->due_total - d->flight_total,
		.in_flight = d->flight_total,
		.window = d->window,
		.in_use = d->in_use,
		.parked = d->parked,
		.losses = gw_loss_open(d),
		.thinned = d->windows.thinned,
		.can_send = gw_deliver_can_send(d),
		.full = !gw_deliver_has_share(d),
		.moves = d->moves,
	};
}
