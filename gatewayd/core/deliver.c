/*
 * deliver.c - see deliver.h.  Split in two: this file keeps the books (what is
 * due, what is on its way, losses); deliver_send.c chooses what goes next.
 */
#include "core/deliver_private.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

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
	}
	free(d->devices);
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
	o->changed = true;
}

static uint64_t due_remove(struct gw_deliver *d, struct outgoing *o, uint64_t from, uint64_t to)
{
	uint64_t n = gw_ranges_remove(&o->due, from, to);

	d->due_total -= n;
	if (o->parked)
		d->parked_due -= n;
	o->changed |= n > 0;
	return n;
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

	for (uint32_t i = 0; i < due->n; i++)
		due_add(d, o, due->r[i].from, due->r[i].to);
	o->changed = false;
}

void gw_deliver_due(struct gw_deliver *d, uint16_t device, uint64_t from, uint64_t to)
{
	due_add(d, gw_deliver_slot(d, device), from, to);
}

void gw_deliver_settle(struct gw_deliver *d, uint16_t device, uint64_t from, uint64_t to)
{
	due_remove(d, gw_deliver_slot(d, device), from, to);
}

void gw_deliver_reading(struct gw_deliver *d, const struct gw_reading *r, uint64_t position,
			int64_t now_us)
{
	struct outgoing *o = gw_deliver_slot(d, r->device);

	due_add(d, o, r->seq, r->seq);
	if (d->connected && !o->parked)
		gw_deliver_enqueue(d, r, position, now_us);
}

bool gw_deliver_is_due(const struct gw_deliver *d, uint16_t device, uint64_t seq)
{
	return device < d->ndevices && gw_ranges_has(&d->devices[device].due, seq);
}

const struct gw_ranges *gw_deliver_due_of(const struct gw_deliver *d, uint16_t device)
{
	return device < d->ndevices ? &d->devices[device].due : NULL;
}

void gw_deliver_changed(struct gw_deliver *d,
			void (*fn)(void *arg, uint16_t device, const struct gw_ranges *due), void *arg)
{
	for (size_t i = 0; i < d->ndevices; i++)
		if (d->devices[i].changed) {
			d->devices[i].changed = false;
			fn(arg, (uint16_t)i, &d->devices[i].due);
		}
}

void gw_deliver_mark_all(struct gw_deliver *d)
{
	for (size_t i = 0; i < d->ndevices; i++)
		d->devices[i].changed |= d->devices[i].live_us > 0 || d->devices[i].due.n > 0;
	for (size_t i = 0; i < d->nlosses; i++)
		d->o.ops->loss_changed(d->o.arg, &d->losses[i].row);
}

uint64_t gw_deliver_again(struct gw_deliver *d, uint16_t device, uint64_t from, uint64_t to)
{
	struct outgoing *o = gw_deliver_slot(d, device);
	uint64_t before = o->due.total;

	due_add(d, o, from, to);
	d->low_id = 0;
	gw_deliver_rewind(d);
	return o->due.total - before;
}

/* ---- losses ---- */

void gw_deliver_restore_loss(struct gw_deliver *d, const struct gw_loss_row *row)
{
	if (d->nlosses == d->losses_capacity) {
		size_t want = d->losses_capacity ? d->losses_capacity * 2 : 16;

		d->losses = grown(d->losses, d->losses_capacity, want, sizeof(*d->losses));
		d->losses_capacity = want;
	}
	d->losses[d->nlosses++] = (struct outgoing_loss){ .row = *row };
}

/* An unsent record that the new range continues: a year of overflow stays one record. */
static struct outgoing_loss *loss_before(struct gw_deliver *d, const struct gw_giveup *g, uint64_t from)
{
	for (size_t i = d->nlosses; i-- > 0;) {
		struct outgoing_loss *l = &d->losses[i];

		if (l->row.device == g->device && l->row.state == 0 && l->row.cause == g->cause &&
		    l->row.exact == g->exact && l->row.to + 1 == from)
			return l;
	}
	return NULL;
}

static void loss_add(struct gw_deliver *d, const struct gw_giveup *g, const struct gw_range *r)
{
	struct outgoing_loss *l = loss_before(d, g, r->from);
	uint64_t n = r->to - r->from + 1;

	if (l) {
		l->row.to = r->to;
		l->row.readings += n;
		l->row.ts_to_ms = g->ts_to_ms;
	} else {
		struct gw_loss_row row = {
			.id = d->o.ops->loss_id(d->o.arg), .sink = d->o.sink, .device = g->device,
			.cause = (uint8_t)g->cause, .exact = g->exact, .from = r->from, .to = r->to,
			.readings = n, .ts_from_ms = g->ts_from_ms, .ts_to_ms = g->ts_to_ms,
		};

		gw_deliver_restore_loss(d, &row);
		l = &d->losses[d->nlosses - 1];
	}
	d->o.ops->loss_changed(d->o.arg, &l->row);
}

uint64_t gw_deliver_give_up(struct gw_deliver *d, const struct gw_giveup *g)
{
	struct outgoing *o = gw_deliver_slot(d, g->device);
	uint64_t at = g->from, given = 0;
	struct gw_range r, f;

	while (at <= g->to && gw_ranges_overlap(&o->due, at, g->to, &r)) {
		if (gw_ranges_overlap(&o->flight, r.from, r.to, &f)) {
			if (f.from == r.from) { /* on its way: let the far end decide */
				at = f.to + 1;
				continue;
			}
			r.to = f.from - 1;
		}
		given += due_remove(d, o, r.from, r.to);
		loss_add(d, g, &r);
		d->o.ops->settled(d->o.arg, g->device, r.from, r.to, (int)g->cause);
		at = r.to + 1;
	}
	return given;
}

/* ---- acknowledgements ---- */

static void flight_remove(struct gw_deliver *d, struct outgoing *o, uint64_t from, uint64_t to)
{
	d->flight_total -= gw_ranges_remove(&o->flight, from, to);
}

static void ack_loss(struct gw_deliver *d, const struct gw_ack *ack)
{
	for (size_t i = 0; i < d->nlosses; i++) {
		struct outgoing_loss *l = &d->losses[i];

		if (l->row.id != ack->from)
			continue;
		l->in_flight = false;
		if (ack->result != GW_ACK_DONE) {
			l->row.state = 1;
			return;
		}
		l->row.state = 2;
		d->o.ops->loss_changed(d->o.arg, &l->row);
		memmove(l, l + 1, (d->nlosses - i - 1) * sizeof(*l));
		d->nlosses--;
		return;
	}
}

static void ack_readings(struct gw_deliver *d, const struct gw_ack *ack)
{
	struct outgoing *o = &d->devices[ack->device];

	flight_remove(d, o, ack->from, ack->to);
	switch ((enum gw_ack_result)ack->result) {
	case GW_ACK_DONE:
		if (due_remove(d, o, ack->from, ack->to))
			d->o.ops->settled(d->o.arg, ack->device, ack->from, ack->to, -1);
		break;
	case GW_ACK_REFUSED:
		park(d, o, true);
		break;
	case GW_ACK_TOO_LARGE:
		gw_deliver_give_up(d, &(struct gw_giveup){ .device = ack->device, .from = ack->from,
							   .to = ack->to, .cause = GW_LOSS_TOO_LARGE,
							   .exact = true });
		break;
	case GW_ACK_AGAIN:
		gw_deliver_rewind(d);
		break;
	}
}

void gw_deliver_ack(struct gw_deliver *d, const struct gw_ack *ack, int64_t now_us)
{
	(void)now_us;
	if (!d->connected)
		return; /* late word of a session that is over */
	d->in_use -= ack->credit < d->in_use ? ack->credit : d->in_use;
	if (ack->what == GW_ACK_LOSS)
		ack_loss(d, ack);
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
		gw_ranges_free(&d->devices[i].flight);
		park(d, &d->devices[i], false);
	}
	for (size_t i = 0; i < d->nlosses; i++)
		d->losses[i].in_flight = false;
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
		.losses = d->nlosses,
	};
}
