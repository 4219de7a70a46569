/*
 * deliver_clock.c - what one sink was told while the clock was not trusted, and the corrections
 * it gets for that, one after the other.
 */
#include "core/deliver_private.h"

enum { TOLD_RANGES_MAX = 200 };

/* ---- readings that went out without a trusted time ---- */

static void note(struct gw_deliver *d, struct gw_ranges *notes, uint64_t from, uint64_t to)
{
	d->told_notes -= notes->n;
	gw_ranges_add(notes, from, to);
	d->told_notes += notes->n;
}

static void move(struct gw_deliver *d, struct gw_ranges *notes, struct gw_ranges *to)
{
	d->told_notes -= notes->n;
	if (to) {
		d->told_notes -= to->n;
		gw_ranges_add_all(to, notes);
		d->told_notes += to->n;
	}
	gw_ranges_free(notes);
}

void gw_deliver_told(struct gw_deliver *d, uint16_t device, uint64_t from, uint64_t to)
{
	struct outgoing *o = gw_deliver_slot(d, device);

	if (gw_ranges_add(&o->told, from, to) == 0)
		return;
	note(d, &o->told_open, from, to);
	/* The oldest: most likely they left the store long ago, and are not sent again. */
	if (o->told.n > TOLD_RANGES_MAX)
		gw_ranges_add(&o->told, o->told.r[0].to + 1, o->told.r[1].from - 1);
	o->told_changed = true;
}

static uint32_t ranges_since(const struct gw_ranges *told, uint64_t since)
{
	uint32_t n = 0;

	while (n < told->n && told->r[told->n - 1 - n].from >= since)
		n++;
	return n;
}

/* Half of the ranges that are left at most, so that some are left for the next time without trust. */
uint64_t gw_deliver_told_from(struct gw_deliver *d, uint16_t device, uint64_t seq)
{
	struct outgoing *o = gw_deliver_slot(d, device);
	const struct gw_ranges *told = &o->told;
	uint32_t now;

	if (told->n && told->r[told->n - 1].to >= seq)
		return seq;
	if (!o->told_since)
		o->told_since = seq;
	now = ranges_since(told, o->told_since);
	if (now == 0 || now <= (TOLD_RANGES_MAX - (told->n - now)) / 2)
		return seq;
	return told->r[told->n - 1].to + 1;
}

void gw_deliver_trusted(struct gw_deliver *d)
{
	for (size_t i = 0; i < d->ndevices; i++)
		d->devices[i].told_since = 0;
}

void gw_deliver_restore_told(struct gw_deliver *d, uint16_t device, const struct gw_ranges *told)
{
	gw_ranges_copy(&gw_deliver_slot(d, device)->told, told);
}

bool gw_deliver_was_told(const struct gw_deliver *d, uint16_t device, uint64_t seq)
{
	return device < d->ndevices && gw_ranges_has(&d->devices[device].told, seq);
}

void gw_deliver_told_changed(struct gw_deliver *d,
			     void (*fn)(void *arg, uint16_t device, const struct gw_ranges *told), void *arg)
{
	for (size_t i = 0; i < d->ndevices; i++) {
		struct outgoing *o = &d->devices[i];

		if (o->told_changed)
			fn(arg, (uint16_t)i, &o->told);
		o->told_changed = false;
		move(d, &o->told_open, &o->told_committing);
	}
}

void gw_deliver_told_committed(struct gw_deliver *d, bool done)
{
	for (size_t i = 0; i < d->ndevices; i++)
		move(d, &d->devices[i].told_committing, done ? NULL : &d->devices[i].told_open);
}

void gw_deliver_told_open(const struct gw_deliver *d,
			  void (*fn)(void *arg, uint16_t device, const struct gw_ranges *told), void *arg)
{
	for (size_t i = 0; i < d->ndevices; i++)
		if (d->devices[i].told_open.n)
			fn(arg, (uint16_t)i, &d->devices[i].told_open);
}

size_t gw_deliver_told_notes(const struct gw_deliver *d)
{
	return d->told_notes;
}

/* ---- corrections ---- */

void gw_deliver_corrected(struct gw_deliver *d, uint64_t done)
{
	d->corrections_done = done;
}

void gw_deliver_corrections(struct gw_deliver *d, uint64_t upto)
{
	d->corrections_upto = upto;
}

bool gw_correction_pump(struct gw_deliver *d)
{
	while (d->corrections_done < d->corrections_upto && !d->correction_in_flight && !d->correction_refused) {
		int rc;

		if (!gw_deliver_has_share(d))
			return false;
		rc = d->o.ops->correction(d->o.arg, d->corrections_done + 1);
		if (rc == 0)
			return false;
		if (rc < 0) {
			d->corrections_done++;
			continue;
		}
		d->correction_in_flight = true;
		d->in_use++;
	}
	return true;
}

void gw_correction_ack(struct gw_deliver *d, const struct gw_ack *ack)
{
	if (!d->correction_in_flight || ack->from != d->corrections_done + 1)
		return;
	d->correction_in_flight = false;
	if (ack->result == GW_ACK_DONE) {
		d->corrections_done++;
		d->o.ops->corrected(d->o.arg, d->corrections_done);
	} else {
		d->correction_refused = ack->result != GW_ACK_AGAIN;
	}
}

void gw_correction_disconnected(struct gw_deliver *d)
{
	d->correction_in_flight = d->correction_refused = false;
}
