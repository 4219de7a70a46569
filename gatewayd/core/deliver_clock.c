/*
 * deliver_clock.c - what one sink was told while the clock was not trusted, and the corrections
 * it gets for that, one after the other.
 */
#include "core/deliver_private.h"

enum { TOLD_RANGES_MAX = 200 };

/* ---- readings that went out without a trusted time ---- */

void gw_deliver_told(struct gw_deliver *d, uint16_t device, uint64_t from, uint64_t to)
{
	struct outgoing *o = gw_deliver_slot(d, device);

	if (gw_ranges_add(&o->told, from, to) == 0)
		return;
	/* One number too many keeps its mark and a correction; one too few would come with two times. */
	if (o->told.n > TOLD_RANGES_MAX)
		gw_ranges_add(&o->told, o->told.r[0].to + 1, o->told.r[1].from - 1);
	o->told_changed = true;
}

bool gw_deliver_was_told(const struct gw_deliver *d, uint16_t device, uint64_t seq)
{
	return device < d->ndevices && gw_ranges_has(&d->devices[device].told, seq);
}

void gw_deliver_told_changed(struct gw_deliver *d,
			     void (*fn)(void *arg, uint16_t device, const struct gw_ranges *told), void *arg)
{
	for (size_t i = 0; i < d->ndevices; i++)
		if (d->devices[i].told_changed) {
			d->devices[i].told_changed = false;
			fn(arg, (uint16_t)i, &d->devices[i].told);
		}
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
