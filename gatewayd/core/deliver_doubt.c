/*
 * deliver_doubt.c - numbers that are due and have no row: without a reading they would be waited
 * for as long as the gateway lives, and the books of their device would never close.  See deliver.h.
 */
#include "core/deliver_private.h"

void gw_doubt_add(struct gw_deliver *d, struct outgoing *o, uint64_t from, uint64_t to)
{
	gw_ranges_add(&o->doubt, from, to);
	d->doubting = true;
}

static void doubt_all_of(struct gw_deliver *d, struct outgoing *o)
{
	for (uint32_t i = 0; i < o->due.n; i++)
		gw_doubt_add(d, o, o->due.r[i].from, o->due.r[i].to);
	gw_ranges_remove_all(&o->doubt, &o->again); /* may be gone for good reasons */
}

void gw_deliver_doubt(struct gw_deliver *d)
{
	d->proving = false;
	for (size_t i = 0; i < d->ndevices; i++)
		doubt_all_of(d, &d->devices[i]);
}

void gw_deliver_trust(struct gw_deliver *d, uint16_t device, uint64_t seq)
{
	gw_ranges_remove(&gw_deliver_slot(d, device)->doubt, seq, seq);
}

void gw_deliver_prove(struct gw_deliver *d, bool exact)
{
	if (!d->doubting)
		return;
	d->proving = true;
	d->doubt_exact = exact;
	d->proven_id = d->low_id = 0;
	d->end_id = GW_END_UNKNOWN; /* rows have come that no commit told of */
	gw_deliver_rewind(d);
}

/* ---- the walk ---- */

static void note_seen(struct gw_deliver *d, const struct gw_rows *rows)
{
	for (size_t i = 0; i < rows->n; i++) {
		const struct gw_reading *r = rows->readings[i];

		if (r->device < d->ndevices)
			gw_ranges_remove(&d->devices[r->device].doubt, r->seq, r->seq);
	}
}

/* Whatever is due still; what is on its way has been seen. */
static void give_up(struct gw_deliver *d, uint16_t device, struct gw_ranges *missing)
{
	for (uint32_t i = 0; i < missing->n; i++)
		gw_deliver_give_up(d, &(struct gw_giveup){ .device = device, .from = missing->r[i].from,
							   .to = missing->r[i].to, .cause = GW_LOSS_DAMAGED,
							   .exact = d->doubt_exact });
	gw_ranges_free(missing);
}

void gw_doubt_rows(struct gw_deliver *d, const struct gw_rows *rows)
{
	if (!d->doubting)
		return;
	note_seen(d, rows);
	if (!d->proving || d->asked_id > d->proven_id)
		return;
	if (rows->next_id > d->proven_id)
		d->proven_id = rows->next_id;
	if (!rows->end)
		return;
	d->doubting = d->proving = false;
	for (size_t i = 0; i < d->ndevices; i++)
		give_up(d, (uint16_t)i, &d->devices[i].doubt);
}
