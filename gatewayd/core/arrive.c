/*
 * arrive.c - a reading arrives: it gets its number and its place in the ring, where room is made for it,
 * or is lost for want of it.
 */
#include "core/timekeeper.h"

#include <string.h>

/* ---- room in a full ring ---- */

/* Of all that note_all() would append. */
static uint64_t notes_size(const struct gw_daemon *d)
{
	uint64_t n = d->ndevices + d->nchanged_losses + 2; /* the end of the log may be skipped */

	for (size_t i = 0; i < d->nsinks; i++)
		n += gw_deliver_told_notes(d->sinks[i]->deliver);
	return n * GW_RING_NOTE;
}

static uint64_t kept_for_notes(const struct gw_daemon *d)
{
	uint64_t notes = notes_size(d), most = gw_ring_size(d->ring) / 4;

	return notes < most ? notes : most;
}

/* And a note of what each device loses when there is no more. */
void gw_arrive_keep_room(struct gw_daemon *d)
{
	gw_ring_reserve(d->ring, kept_for_notes(d) + d->ndevices * GW_RING_NOTE);
}

/* So that no number is given twice after a kill. */
static void note_numbers(struct gw_daemon *d)
{
	for (size_t i = 0; i < d->ndevices; i++) {
		const struct gw_device *dev = d->devices[i];

		if (dev && dev->dropped_to >= dev->stored_next)
			gw_ring_append_ack(d->ring, &(struct gw_ring_ack){ .device = (uint16_t)i,
									   .from = dev->stored_next,
									   .to = dev->dropped_to });
	}
}

static void note_losses(struct gw_daemon *d)
{
	for (size_t i = 0; i < d->nchanged_losses; i++) {
		const struct gw_loss_row *row = &d->changed_losses[i];

		gw_ring_append_ack(d->ring, &(struct gw_ring_ack){ .sink = row->sink, .device = row->device,
								   .lost = (uint8_t)(row->cause + 1),
								   .unsure = !row->exact, .from = row->from,
								   .to = row->to });
	}
}

static void note_told(void *arg, uint16_t device, const struct gw_ranges *told)
{
	struct gw_sink *s = arg;

	for (uint32_t i = 0; i < told->n; i++)
		gw_ring_append_told(s->daemon->ring,
				    &(struct gw_ring_ack){ .sink = s->number, .device = device,
							   .from = told->r[i].from, .to = told->r[i].to });
}

/* What the ring knows beside readings, and no commit. */
static void note_all(struct gw_daemon *d)
{
	note_numbers(d);
	note_losses(d);
	for (size_t i = 0; i < d->nsinks; i++)
		if (!d->sinks[i]->removed)
			gw_deliver_told_open(d->sinks[i]->deliver, note_told, d->sinks[i]);
}

/*
 * The first n readings, which every sink has taken, leave the ring before any commit knows of them.
 * With them goes what lies between; what must survive a kill is appended again before.
 */
static void let_go(struct gw_daemon *d, size_t n, size_t size)
{
	uint64_t to = n < d->npending ? d->pending[n].position : gw_ring_head(d->ring);
	uint64_t tail = gw_ring_tail(d->ring), notes = notes_size(d);

	gw_ring_reserve(d->ring, 0);
	if (n == 0 || tail < d->inherited || to - tail < notes + size || gw_ring_room(d->ring) < notes)
		return;
	for (size_t i = 0; i < n; i++)
		d->devices[d->pending[i].r->device]->dropped_to = d->pending[i].r->seq;
	note_all(d);
	memmove(d->pending, d->pending + n, (d->npending - n) * sizeof(*d->pending));
	d->npending -= n;
	gw_commit_release(d, to);
}

static bool is_taken(const struct gw_daemon *d, const struct gw_reading *r)
{
	return gw_commit_device(d, r->device) && !gw_commit_any_due(d, r);
}

bool gw_arrive_make_room(struct gw_daemon *d, size_t size)
{
	size_t n = 0;

	while (n < d->npending && is_taken(d, d->pending[n].r))
		n++;
	if (!d->commit_running) /* else the tail is in the hands of the store */
		let_go(d, n, size);
	gw_arrive_keep_room(d);
	gw_commit_soon(d);
	return gw_ring_room(d->ring) >= size + 64;
}

/* ---- numbers ---- */

static void reserved(void *arg, const struct gw_err *err)
{
	struct gw_device *dev = arg;

	dev->reserving = false;
	if (dev->dropped_off) {
		gw_device_free(dev);
		return;
	}
	if (err)
		gw_log(GW_WARNING, "numbers for '%s': %s", dev->name, err->msg);
	else
		dev->reserved = dev->asked;
}

/* At least half a reservation is in hand: a disk may be away for so long.  Three quarters are asked for,
 * because the store then has a whole one. */
void gw_arrive_reserve(struct gw_daemon *d, struct gw_device *dev)
{
	uint64_t batch = gw_reservation(gw_device_rate(dev)), next = dev->next_seq + dev->unnumbered.n;

	if (dev->reserving || dev->reserved >= next + batch / 2)
		return;
	dev->reserving = true;
	dev->asked = next + batch / 4 * 3;
	gw_store_reserve(d->store, dev->number, dev->asked, reserved, dev);
}

/* ---- a new reading ---- */

/* For all sinks. */
static bool append_note(struct gw_daemon *d, struct gw_device *dev, uint64_t from, uint64_t to)
{
	struct gw_ring_ack lost = { .device = dev->number, .lost = GW_LOSS_OVERLOAD + 1, .from = from, .to = to };
	bool noted;

	gw_ring_reserve(d->ring, 0);
	noted = gw_ring_append_note(d->ring, &lost, &dev->lost_note);
	gw_arrive_keep_room(d);
	return noted;
}

/* A commit that runs does not know of what is added: the note stays when it has ended. */
static void grow_note(struct gw_daemon *d, const struct gw_device *dev, uint64_t to)
{
	gw_ring_grow_note(d->ring, dev->lost_note, to);
	if (d->commit_running && d->commit_head > dev->lost_note)
		d->commit_head = dev->lost_note;
}

/*
 * One note for each device, that grows: however long the disk is away, and however often the process is
 * killed meanwhile, a kill makes no number that was lost one that was never given.
 */
static bool note_lost(struct gw_daemon *d, struct gw_device *dev, uint64_t from, uint64_t to)
{
	if (dev->lost_to && dev->lost_to + 1 == from && dev->lost_note >= gw_ring_tail(d->ring))
		grow_note(d, dev, to);
	else if (append_note(d, dev, from, to))
		dev->lost_from = from;
	else
		return false;
	dev->lost_to = to;
	return true;
}

/* Its last numbers are lost, noted, and not reserved yet. */
static bool needs_note(const struct gw_daemon *d, const struct gw_device *dev)
{
	return dev && dev->next_seq > dev->reserved && dev->lost_to + 1 == dev->next_seq &&
	       dev->lost_note >= gw_ring_tail(d->ring);
}

void gw_arrive_keep_notes(struct gw_daemon *d, uint64_t *head)
{
	for (size_t i = 0; i < d->ndevices; i++) {
		struct gw_device *dev = d->devices[i];

		if (needs_note(d, dev) && dev->lost_note < *head &&
		    !append_note(d, dev, dev->lost_from, dev->lost_to))
			*head = dev->lost_note;
	}
}

void gw_arrive_declare(struct gw_daemon *d, const struct gw_giveup *g)
{
	for (size_t i = 0; i < d->nsinks; i++) {
		gw_deliver_due(d->sinks[i]->deliver, g->device, g->from, g->to);
		gw_deliver_give_up(d->sinks[i]->deliver, g);
	}
}

bool gw_arrive_lost(struct gw_daemon *d, struct gw_device *dev, uint64_t n, int64_t ts_from_ms, int64_t ts_to_ms)
{
	struct gw_giveup g = { .device = dev->number, .from = dev->next_seq, .to = dev->next_seq + n - 1,
			       .cause = GW_LOSS_OVERLOAD, .exact = true, .ts_from_ms = ts_from_ms,
			       .ts_to_ms = ts_to_ms };

	if (!note_lost(d, dev, g.from, g.to))
		return false;
	dev->next_seq += n;
	dev->next_changed = true;
	gw_arrive_declare(d, &g);
	return true;
}

void gw_arrive_unnumbered(struct gw_device *dev, int64_t ts_ms)
{
	dev->unnumbered.n++;
	if (dev->unnumbered.ts_from_ms == 0)
		dev->unnumbered.ts_from_ms = ts_ms;
	dev->unnumbered.ts_to_ms = ts_ms;
}

bool gw_arrive(struct gw_daemon *d, struct gw_device *dev, struct gw_reading *r)
{
	const struct gw_reading *kept;
	uint64_t position;

	r->device = dev->number;
	r->layout = dev->layout;
	r->boot = d->info.boot;
	r->seq = dev->next_seq;
	r->crc = gw_reading_crc(r);
	gw_arrive_keep_room(d);
	kept = gw_ring_append(d->ring, r, &position);
	if (!kept && gw_arrive_make_room(d, r->size))
		kept = gw_ring_append(d->ring, r, &position);
	if (!kept) {
		int64_t ts_ms = gw_timekeeper_known_ms(d, r);

		if (!gw_arrive_lost(d, dev, 1, ts_ms, ts_ms))
			gw_arrive_unnumbered(dev, ts_ms);
		return false;
	}
	dev->next_seq++; /* not before: it must not be noted as given while it lies nowhere */
	dev->next_changed = true;
	for (size_t i = 0; i < d->nsinks; i++) /* first: a commit takes what is due */
		gw_deliver_reading(d->sinks[i]->deliver, kept, position);
	gw_commit_reading(d, kept, position);
	return true;
}
