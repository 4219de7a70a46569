/*
 * deliver_loss.c - loss records of one sink: they grow while they were never sent, are
 * kept on disk before they are sent, so that a kill cannot change one that somebody has
 * seen, and are forgotten when their acknowledgement is kept.
 */
#include "core/deliver_private.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum { UNSENT, SENT, ACKNOWLEDGED }; /* gw_loss_row.state */

void gw_deliver_restore_loss(struct gw_deliver *d, const struct gw_loss_row *row)
{
	if (d->nlosses == d->losses_capacity) {
		d->losses_capacity = d->losses_capacity ? d->losses_capacity * 2 : 16;
		d->losses = realloc(d->losses, d->losses_capacity * sizeof(*d->losses));
		assert(d->losses);
	}
	d->losses[d->nlosses++] = (struct outgoing_loss){ .row = *row, .keeping = KEPT };
}

/* No commit has it as one that is sent, and without that nobody has seen it. */
static bool may_change(const struct outgoing_loss *l)
{
	return l->row.state == UNSENT || (l->row.state == SENT && l->keeping == NOT_KEPT);
}

/* A record that the new range continues: a year of overflow stays one record. */
static struct outgoing_loss *loss_before(struct gw_deliver *d, const struct gw_giveup *g, uint64_t from)
{
	for (size_t i = d->nlosses; i-- > 0;) {
		struct outgoing_loss *l = &d->losses[i];

		if (l->row.device == g->device && may_change(l) && l->row.cause == g->cause &&
		    l->row.exact == g->exact && l->row.to + 1 == from)
			return l;
	}
	return NULL;
}

void gw_loss_add(struct gw_deliver *d, const struct gw_giveup *g, const struct gw_range *r)
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

void gw_loss_remove_declared(const struct gw_deliver *d, uint16_t device, struct gw_ranges *set)
{
	for (size_t i = 0; i < d->nlosses; i++)
		if (d->losses[i].row.device == device)
			gw_ranges_remove(set, d->losses[i].row.from, d->losses[i].row.to);
}

void gw_deliver_due_undeclared(struct gw_deliver *d, uint16_t device, uint64_t from, uint64_t to)
{
	struct gw_ranges rest = { 0 };

	gw_ranges_add(&rest, from, to);
	gw_loss_remove_declared(d, device, &rest);
	for (uint32_t i = 0; i < rest.n; i++)
		gw_deliver_due(d, device, rest.r[i].from, rest.r[i].to);
	gw_ranges_free(&rest);
}

static void state_is(struct gw_deliver *d, struct outgoing_loss *l, uint8_t state)
{
	l->row.state = state;
	l->keeping = NOT_KEPT;
	d->o.ops->loss_changed(d->o.arg, &l->row);
}

void gw_loss_ack(struct gw_deliver *d, const struct gw_ack *ack)
{
	for (size_t i = 0; i < d->nlosses; i++) {
		struct outgoing_loss *l = &d->losses[i];

		if (l->row.id != ack->from || !l->in_flight)
			continue;
		l->in_flight = false;
		if (ack->result == GW_ACK_DONE)
			state_is(d, l, ACKNOWLEDGED);
		else
			l->refused = ack->result != GW_ACK_AGAIN;
		return;
	}
}

void gw_loss_disconnected(struct gw_deliver *d)
{
	for (size_t i = 0; i < d->nlosses; i++)
		d->losses[i].in_flight = d->losses[i].refused = false;
}

/* ---- on the way to the disk ---- */

void gw_loss_commit_begins(struct gw_deliver *d)
{
	for (size_t i = 0; i < d->nlosses; i++)
		if (d->losses[i].keeping == NOT_KEPT)
			d->losses[i].keeping = IN_A_COMMIT;
}

void gw_deliver_hold_losses(struct gw_deliver *d, uint16_t device, uint64_t from)
{
	for (size_t i = 0; i < d->nlosses; i++) {
		struct outgoing_loss *l = &d->losses[i];

		if (l->row.device == device && l->row.to >= from && l->keeping == IN_A_COMMIT)
			l->keeping = NOT_KEPT;
	}
}

void gw_loss_commit_failed(struct gw_deliver *d)
{
	for (size_t i = 0; i < d->nlosses; i++) {
		if (d->losses[i].keeping == IN_A_COMMIT)
			d->losses[i].keeping = NOT_KEPT;
		d->o.ops->loss_changed(d->o.arg, &d->losses[i].row);
	}
}

void gw_loss_committed(struct gw_deliver *d)
{
	size_t n = 0;

	for (size_t i = 0; i < d->nlosses; i++) {
		struct outgoing_loss *l = &d->losses[i];

		if (l->keeping == IN_A_COMMIT)
			l->keeping = KEPT;
		if (l->row.state != ACKNOWLEDGED || l->keeping != KEPT)
			d->losses[n++] = *l;
	}
	d->nlosses = n;
}

bool gw_loss_pump(struct gw_deliver *d)
{
	for (size_t i = 0; i < d->nlosses; i++) {
		struct outgoing_loss *l = &d->losses[i];

		if (l->row.state == UNSENT) /* from now on it never changes */
			state_is(d, l, SENT);
		if (l->row.state != SENT || l->keeping != KEPT || l->in_flight || l->refused)
			continue;
		if (!gw_deliver_has_share(d) || d->o.ops->loss(d->o.arg, &l->row) == 0)
			return false;
		l->in_flight = true;
		d->in_use++;
	}
	return true;
}

uint64_t gw_loss_open(const struct gw_deliver *d)
{
	uint64_t n = 0;

	for (size_t i = 0; i < d->nlosses; i++)
		n += d->losses[i].row.state != ACKNOWLEDGED;
	return n;
}

uint64_t gw_loss_open_from(const struct gw_deliver *d, uint16_t device)
{
	uint64_t from = 0;

	for (size_t i = 0; i < d->nlosses; i++) {
		const struct gw_loss_row *row = &d->losses[i].row;

		if (row->device == device && row->state != ACKNOWLEDGED && (!from || row->from < from))
			from = row->from;
	}
	return from;
}
