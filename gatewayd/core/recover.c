/*
 * recover.c - see recover.h.
 *
 * After a kill the ring is there: its readings are due again or were acknowledged on it, and
 * numbers go on behind the last of them.  After a power cut it is not: what may have been
 * numbered beyond the last commit is declared lost, and numbers go on above the reservation.
 */
#include "core/recover.h"

#include "core/again.h"
#include "core/timekeeper.h"

#include <stdlib.h>
#include <string.h>

/* ---- from the store ---- */

static struct gw_sink *sink_numbered(struct gw_daemon *d, uint16_t number)
{
	for (size_t i = 0; i < d->nsinks; i++)
		if (d->sinks[i]->number == number)
			return d->sinks[i];
	return NULL;
}

static void on_boot(void *arg, uint32_t number, const char *id)
{
	struct gw_daemon *d = ((struct gw_apply *)arg)->d;
	struct gw_boot *b;

	d->boots = gw_grow(d->boots, &d->boots_capacity, d->nboots + 1, sizeof(*d->boots));
	b = &d->boots[d->nboots++];
	b->number = number;
	snprintf(b->id, sizeof(b->id), "%s", id);
}

static void on_device(void *arg, uint16_t device, const char *name, uint64_t first_seq, uint64_t next_seq,
		      uint64_t bound)
{
	struct gw_apply *a = arg;

	(void)name;
	a->first_seqs = gw_grow(a->first_seqs, &a->nfirst_seqs, device + 1u, sizeof(*a->first_seqs));
	a->next_seqs = gw_grow(a->next_seqs, &a->nnext_seqs, device + 1u, sizeof(*a->next_seqs));
	a->first_seqs[device] = first_seq;
	a->next_seqs[device] = next_seq;
	a->bounds = gw_grow(a->bounds, &a->nbounds, device + 1u, sizeof(*a->bounds));
	a->bounds[device] = bound;
}

/* Of readings made under names that are no longer configured. */
static void on_layout(void *arg, uint32_t layout, uint16_t device, const void *body, size_t size)
{
	struct gw_apply *a = arg;
	struct gw_daemon *d = a->d;
	struct gw_known_layout *l;

	d->layouts = gw_grow(d->layouts, &d->nlayouts, layout + 1, sizeof(*d->layouts));
	l = &d->layouts[layout];
	if (l->body.bytes)
		return;
	l->body.bytes = malloc(size ? size : 1);
	if (!l->body.bytes)
		return;
	memcpy(l->body.bytes, body, size);
	l->body.size = size;
	l->device = device;
	l->first_seq = device < a->nfirst_seqs ? a->first_seqs[device] : 0;
}

static void on_due(void *arg, uint16_t sink, uint16_t device, const struct gw_ranges *ranges)
{
	struct gw_apply *a = arg;
	struct gw_sink *s = sink_numbered(a->d, sink);

	if (s)
		gw_deliver_restore(s->deliver, device, ranges);
}

static void on_thinned(void *arg, uint16_t sink, uint16_t device, const struct gw_ranges *ranges)
{
	struct gw_apply *a = arg;
	struct gw_sink *s = sink_numbered(a->d, sink);

	if (s)
		gw_deliver_restore_thinned(s->deliver, device, ranges);
}

static void on_loss(void *arg, const struct gw_loss_row *row)
{
	struct gw_apply *a = arg;
	struct gw_sink *s = sink_numbered(a->d, row->sink);

	if (row->id >= a->d->next_loss_id)
		a->d->next_loss_id = row->id + 1;
	if (s && row->state < 2)
		gw_deliver_restore_loss(s->deliver, row);
}

static void on_state(void *arg, const struct gw_state_row *row)
{
	struct gw_apply *a = arg;

	gw_memory_restore(a->d->memory, row);
}

/* ---- from the ring ---- */

static struct gw_device *configured(struct gw_apply *a, uint16_t number)
{
	for (size_t i = 0; i < a->nsources; i++)
		for (size_t k = 0; k < a->sources[i]->ndevices; k++)
			if (a->sources[i]->devices[k]->number == number)
				return a->sources[i]->devices[k];
	return NULL;
}

static struct gw_from_ring *from_ring(struct gw_apply *a, uint16_t device)
{
	a->on_ring = gw_grow(a->on_ring, &a->non_ring, device + 1u, sizeof(*a->on_ring));
	return &a->on_ring[device];
}

static void note_known(struct gw_apply *a, uint16_t device, uint64_t from, uint64_t to)
{
	struct gw_from_ring *on = from_ring(a, device);

	gw_ranges_add(&on->known, from, to);
	if (on->next <= to)
		on->next = to + 1;
}

static void ring_reading(struct gw_apply *a, const struct gw_reading *r, uint64_t position)
{
	struct gw_daemon *d = a->d;
	struct gw_device *dev = configured(a, r->device);

	if (r->device < a->nnext_seqs && r->seq < a->next_seqs[r->device])
		return; /* committed before the kill */
	if (dev && r->seq >= dev->next_seq) {
		dev->next_seq = r->seq + 1;
		dev->next_changed = true;
	}
	gw_timekeeper_found(d, r);
	for (size_t i = 0; i < d->nsinks; i++) /* first: a commit takes what is due */
		gw_deliver_due(d->sinks[i]->deliver, r->device, r->seq, r->seq);
	gw_commit_reading(d, r, position);
	note_known(a, r->device, r->seq, r->seq);
	a->from_ring++;
}

/* Numbers that the store does not know are not due for it; a record of their loss no commit may have. */
static void ring_loss(struct gw_apply *a, struct gw_sink *s, const struct gw_ring_ack *ack)
{
	enum gw_loss_cause cause = (enum gw_loss_cause)(ack->lost - 1);
	uint64_t next = ack->device < a->nnext_seqs ? a->next_seqs[ack->device] : 0;
	struct gw_giveup g = { .device = ack->device, .from = ack->from, .to = ack->to, .cause = cause,
			       .exact = !ack->unsure && cause != GW_LOSS_POWER_CUT && cause != GW_LOSS_DAMAGED };

	if (ack->to >= next)
		gw_deliver_due_undeclared(s->deliver, ack->device, ack->from > next ? ack->from : next, ack->to);
	gw_deliver_give_up(s->deliver, &g);
}

static void ring_settled(struct gw_apply *a, struct gw_sink *s, const struct gw_ring_ack *ack)
{
	if (ack->lost && ack->lost <= GW_LOSS_CAUSES)
		ring_loss(a, s, ack);
	else
		gw_deliver_settle(s->deliver, ack->device, ack->from, ack->to);
}

static void ring_ack(struct gw_apply *a, const struct gw_ring_ack *ack, uint64_t position)
{
	struct gw_device *dev = configured(a, ack->device);
	struct gw_sink *s = sink_numbered(a->d, ack->sink);

	if (dev && ack->to >= dev->next_seq) { /* its reading has left the ring; the number was given */
		dev->next_seq = ack->to + 1;
		dev->next_changed = true;
	}
	if (dev && ack->sink == 0 && ack->lost == GW_LOSS_OVERLOAD + 1) { /* it grows on: a full ring stays full */
		dev->lost_from = ack->from;
		dev->lost_to = ack->to;
		dev->lost_note = position;
	}
	note_known(a, ack->device, ack->from, ack->to);
	for (size_t i = 0; i < a->d->nsinks && ack->sink == 0; i++)
		ring_settled(a, a->d->sinks[i], ack);
	if (s)
		ring_settled(a, s, ack);
}

static void ring_told(struct gw_apply *a, const struct gw_ring_ack *told)
{
	struct gw_sink *s = sink_numbered(a->d, told->sink);

	if (s)
		gw_deliver_told(s->deliver, told->device, told->from, told->to);
}

static void walk_ring(struct gw_apply *a)
{
	struct gw_daemon *d = a->d;
	uint64_t at = gw_ring_tail(d->ring), position = at, end = gw_ring_head(d->ring);
	const struct gw_reading *r;
	struct gw_ring_ack ack;
	enum gw_ring_kind kind;
	bool damaged = false;

	while (position < end && gw_ring_next(d->ring, &at, &kind, &r, &ack, &damaged)) {
		if (kind == GW_RING_READING)
			ring_reading(a, r, position);
		else if (kind == GW_RING_ACK)
			ring_ack(a, &ack, at - GW_RING_NOTE);
		else if (kind == GW_RING_TOLD)
			ring_told(a, &ack);
		position = at;
	}
	d->inherited = end;
	a->ring_damaged = damaged;
	if (damaged)
		gw_log(GW_ERROR, "the ring was damaged: what lay behind is lost");
	if (a->from_ring)
		gw_log(GW_INFO, "%zu readings of the former process were recovered from memory", a->from_ring);
}

/* What is known to have been given of a device. */
static uint64_t known_next(const struct gw_apply *a, uint16_t number)
{
	uint64_t on_ring = number < a->non_ring ? a->on_ring[number].next : 0;

	return on_ring > a->next_seqs[number] ? on_ring : a->next_seqs[number];
}

/* What may have been given, of a device that is not configured now: as .seq says, and the sinks. */
static uint64_t absent_end(struct gw_apply *a, uint16_t number)
{
	uint64_t end = a->bounds[number];

	for (size_t i = 0; i < a->d->nsinks; i++) {
		const struct gw_ranges *due = gw_deliver_due_of(a->d->sinks[i]->deliver, number);

		if (due && due->n && due->r[due->n - 1].to >= end)
			end = due->r[due->n - 1].to + 1;
	}
	return end > known_next(a, number) && !configured(a, number) ? end : 0;
}

/* Is it not known what the former process did last?  An orderly stop has left no gap. */
static bool is_lost(struct gw_apply *a)
{
	size_t gaps = 0;

	if (a->d->ring_found && gw_ring_is_whole(a->d->ring) && !a->ring_damaged)
		return false;
	for (size_t i = 0; i < a->ndevices; i++)
		gaps += a->devices[i].gap_from != 0;
	for (size_t i = 0; i < a->nnext_seqs; i++)
		gaps += absent_end(a, (uint16_t)i) != 0;
	return gaps > 0;
}

/* Without a whole ring: numbers that may have been given and are gone. */
static void close_gap(struct gw_apply *a, struct gw_device *dev, const struct gw_registration *r)
{
	struct gw_daemon *d = a->d;

	if (!r->gap_from)
		return;
	dev->next_changed = true; /* committed once, so that an orderly stop leaves no gap behind */
	if (!a->lost || dev->next_seq > r->gap_to)
		return;
	gw_log(GW_WARNING, "device '%s': up to %llu numbers may have been lost %s", dev->name,
	       (unsigned long long)(r->gap_to - dev->next_seq + 1),
	       a->ring_damaged ? "with the ring" : "in a power cut");
	gw_arrive_declare(d, &(struct gw_giveup){
		.device = dev->number, .from = dev->next_seq, .to = r->gap_to,
		.cause = a->ring_damaged ? GW_LOSS_DAMAGED : GW_LOSS_POWER_CUT, .exact = false });
	dev->next_seq = dev->stored_next = r->gap_to + 1;
}

/*
 * Numbers behind the store's last commit that are not on the ring although later ones are: they
 * were committed, and the database that said so has lost it.
 */
static void close_hole(struct gw_apply *a, uint16_t number)
{
	struct gw_daemon *d = a->d;
	struct gw_from_ring *on = &a->on_ring[number];
	struct gw_ranges hole = { 0 };

	if (number >= a->nnext_seqs || on->next <= a->next_seqs[number])
		return;
	gw_ranges_add(&hole, a->next_seqs[number], on->next - 1);
	for (uint32_t i = 0; i < on->known.n; i++)
		gw_ranges_remove(&hole, on->known.r[i].from, on->known.r[i].to);
	for (uint32_t i = 0; i < hole.n; i++)
		gw_arrive_declare(d, &(struct gw_giveup){
			.device = number, .from = hole.r[i].from, .to = hole.r[i].to,
			.cause = GW_LOSS_DAMAGED, .exact = false });
	if (hole.total)
		gw_log(GW_ERROR, "%llu committed readings of device %u are not in the buffer any more",
		       (unsigned long long)hole.total, number);
	gw_ranges_free(&hole);
}

/* Numbers of a device that is not configured now: they must not be given again when it comes back. */
static void keep_next(struct gw_apply *a, uint16_t number, uint64_t next)
{
	struct gw_daemon *d = a->d;

	if (configured(a, number) || number >= a->nnext_seqs || next <= a->next_seqs[number])
		return;
	gw_commit_absent(d, number, next);
}

/*
 * The gap of a device that is not configured now.  It is closed here and not when it comes back: then
 * nobody knows any more how the process before this one ended.
 */
static void close_absent(struct gw_apply *a, uint16_t number)
{
	uint64_t end = absent_end(a, number), next = known_next(a, number);

	if (!end)
		return;
	if (a->lost) {
		gw_arrive_declare(a->d, &(struct gw_giveup){
			.device = number, .from = next, .to = end - 1,
			.cause = a->ring_damaged ? GW_LOSS_DAMAGED : GW_LOSS_POWER_CUT, .exact = false });
		next = end;
	}
	gw_commit_absent(a->d, number, next);
}

void gw_recover_gaps(struct gw_apply *a)
{
	size_t n = 0;

	for (size_t i = 0; i < a->nsources; i++)
		for (size_t k = 0; k < a->sources[i]->ndevices; k++, n++)
			close_gap(a, a->sources[i]->devices[k], &a->devices[n]);
}

static void visited(void *arg, const struct gw_err *err)
{
	struct gw_apply *a = arg;

	if (err) {
		gw_recovered(a, err);
		return;
	}
	gw_timekeeper_restore(a->d);
	gw_again_restore(a->d);
	if (a->d->ring_found)
		walk_ring(a);
	a->lost = is_lost(a);
	if (!a->lost) /* else with the commit of what follows now */
		gw_ring_set_whole(a->d->ring);
	gw_timekeeper_recovered(a->d, a->lost);
	for (size_t i = 0; i < a->non_ring; i++) {
		close_hole(a, (uint16_t)i);
		keep_next(a, (uint16_t)i, a->on_ring[i].next);
	}
	for (size_t i = 0; i < a->nnext_seqs; i++)
		close_absent(a, (uint16_t)i);
	gw_recover_gaps(a);
	gw_recovered(a, NULL);
}

void gw_recover(struct gw_apply *a)
{
	a->d->next_loss_id = 1;
	gw_store_visit(a->d->store, &(struct gw_store_visitor){
					    .arg = a, .boot = on_boot, .device = on_device, .layout = on_layout,
					    .due = on_due, .loss = on_loss, .thinned = on_thinned,
					    .state = on_state, .done = visited });
}
