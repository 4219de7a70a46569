/*
 * commit.c - the group commit: what lies in the ring goes to the store each `sync` or 1,000
 * readings; what is committed leaves the ring.  What happens when the store is full is evict.c's.
 */
#include "core/again.h"
#include "core/timekeeper.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
	COMMIT_READINGS = 1000,
	COMMIT_BYTES = 2 * 1024 * 1024, /* what the WAL has room for */
};

void *gw_grow(void *items, size_t *have, size_t want, size_t size)
{
	char *p = items;
	size_t n = *have ? *have : 16;

	if (want <= *have)
		return items;
	while (n < want)
		n *= 2;
	p = realloc(p, n * size);
	assert(p);
	memset(p + *have * size, 0, (n - *have) * size);
	*have = n;
	return p;
}

void gw_commit_in(struct gw_daemon *d, int64_t us)
{
	d->commit_armed = true;
	d->commit_due_us = gw_now_us() + us;
	gw_timer_at(d->commit_timer, d->commit_due_us);
}

void gw_commit_later(struct gw_daemon *d)
{
	if (!d->commit_armed)
		gw_commit_in(d, d->core.buffer.sync_ms * 1000);
}

void gw_commit_reading(struct gw_daemon *d, const struct gw_reading *r, uint64_t position)
{
	d->pending = gw_grow(d->pending, &d->pending_capacity, d->npending + 1, sizeof(*d->pending));
	d->pending[d->npending++] = (struct gw_pending){ r, position };
	gw_commit_later(d);
	if (d->npending - d->committing >= COMMIT_READINGS)
		gw_commit_in(d, 0); /* not now: a walk of the ring has not come to its acknowledgement yet */
}

void gw_commit_loss(struct gw_daemon *d, const struct gw_loss_row *row)
{
	for (size_t i = 0; i < d->nchanged_losses; i++)
		if (d->changed_losses[i].id == row->id) {
			d->changed_losses[i] = *row; /* its commit is armed */
			return;
		}
	d->changed_losses = gw_grow(d->changed_losses, &d->changed_losses_capacity,
				    d->nchanged_losses + 1, sizeof(*d->changed_losses));
	d->changed_losses[d->nchanged_losses++] = *row;
	gw_commit_later(d);
}

bool gw_commit_idle(const struct gw_daemon *d)
{
	return !d->commit_running && !d->commit_again && d->npending == 0 && d->nwindows == 0 &&
	       d->nwindows_gone == 0 && !gw_memory_changed(d->memory);
}

struct gw_device *gw_commit_device(const struct gw_daemon *d, uint16_t number)
{
	return number < d->ndevices ? d->devices[number] : NULL;
}

void gw_commit_absent(struct gw_daemon *d, uint16_t device, uint64_t next)
{
	size_t i = 0;

	while (i < d->nabsent && d->absent[i].device != device)
		i++;
	if (i == d->nabsent) {
		d->absent = gw_grow(d->absent, &d->absent_capacity, d->nabsent + 1, sizeof(*d->absent));
		d->absent[d->nabsent++] = (struct gw_next_row){ .device = device };
	}
	if (d->absent[i].next_seq < next)
		d->absent[i].next_seq = next;
	gw_commit_later(d);
}

uint64_t gw_commit_absent_next(const struct gw_daemon *d, uint16_t device)
{
	for (size_t i = 0; i < d->nabsent; i++)
		if (d->absent[i].device == device)
			return d->absent[i].next_seq;
	return 0;
}

bool gw_commit_any_due(const struct gw_daemon *d, const struct gw_reading *r)
{
	for (size_t i = 0; i < d->nsinks; i++)
		if (!d->sinks[i]->removed && gw_deliver_is_due(d->sinks[i]->deliver, r->device, r->seq))
			return true;
	return false;
}

void gw_commit_release(struct gw_daemon *d, uint64_t limit)
{
	uint64_t to = d->npending ? d->pending[0].position : limit;

	if (to > limit)
		to = limit;
	gw_ring_release(d->ring, to);
	for (size_t i = 0; i < d->nsinks; i++)
		gw_deliver_released(d->sinks[i]->deliver, to);
}

/* ---- what goes into one commit ---- */

struct batch {
	struct gw_daemon *d;
	struct gw_commit c;
	const struct gw_reading **readings;
	struct gw_due_row *due;
	size_t due_capacity;
	uint16_t sink;
	struct gw_next_row *next;
	struct gw_loss_row *losses;
	uint64_t *held; /* by device: its numbers from here on are not told of in this commit; or 0 */
	size_t nheld;
};

static void add_due(void *arg, uint16_t device, const struct gw_ranges *due)
{
	struct batch *b = arg;

	b->due = gw_grow(b->due, &b->due_capacity, b->c.ndue + 1, sizeof(*b->due));
	b->due[b->c.ndue++] = (struct gw_due_row){ .sink = b->sink, .device = device, .ranges = due };
}

static void gather_readings(struct batch *b)
{
	struct gw_daemon *d = b->d;
	size_t bytes = 0, most = d->commit_bytes ? d->commit_bytes : COMMIT_BYTES;

	b->readings = calloc(d->npending + 1, sizeof(const struct gw_reading *));
	assert(b->readings);
	d->committing = 0;
	while (d->committing < d->npending && bytes < most) {
		const struct gw_reading *r = d->pending[d->committing++].r;

		bytes += r->size;
		if (d->core.buffer.history_ms > 0 || gw_commit_any_due(d, r))
			b->readings[b->c.nreadings++] = r;
	}
	d->commit_cut = d->committing < d->npending;
}

static void gather_next(struct batch *b)
{
	struct gw_daemon *d = b->d;

	b->next = calloc(d->ndevices + d->nabsent + 1, sizeof(*b->next));
	assert(b->next);
	for (size_t i = 0; i < d->nabsent; i++)
		if (!gw_commit_device(d, d->absent[i].device))
			b->next[b->c.nnext++] = d->absent[i];
	for (size_t i = 0; i < d->ndevices; i++) {
		struct gw_device *dev = d->devices[i];

		if (!dev || !dev->next_changed)
			continue;
		dev->next_changed = false;
		b->next[b->c.nnext++] = (struct gw_next_row){ dev->number, dev->next_seq };
	}
}

static uint64_t held_from(const struct batch *b, uint16_t device)
{
	return device < b->nheld ? b->held[device] : 0;
}

static void hold(struct batch *b, uint16_t device, uint64_t from)
{
	b->held = gw_grow(b->held, &b->nheld, device + 1u, sizeof(*b->held));
	if (!b->held[device] || from < b->held[device])
		b->held[device] = from;
}

/*
 * next_seq says which numbers need not be looked for on the ring after a kill, nor declared after a
 * power cut: it must not run ahead of the readings in this commit when the batch was cut, nor of what
 * is reserved.
 */
static void find_held(struct batch *b)
{
	struct gw_daemon *d = b->d;

	d->commit_held = false;
	for (size_t i = d->committing; i < d->npending; i++)
		hold(b, d->pending[i].r->device, d->pending[i].r->seq);
	for (size_t i = 0; i < d->ndevices; i++)
		if (d->devices[i] && d->devices[i]->next_seq > d->devices[i]->reserved) {
			hold(b, (uint16_t)i, d->devices[i]->reserved);
			gw_arrive_reserve(d, d->devices[i]);
			d->commit_held = true;
		}
}

static void hold_back_next(struct batch *b)
{
	for (size_t n = 0; n < b->c.nnext; n++) {
		struct gw_next_row *row = &b->next[n];
		struct gw_device *dev = gw_commit_device(b->d, row->device);
		uint64_t from = held_from(b, row->device);

		if (!from || row->next_seq <= from)
			continue;
		row->next_seq = from;
		if (dev) /* the others are in each commit */
			dev->next_changed = true;
	}
}

/* No record tells of numbers above the next_seq that is with it. */
static void gather_losses(struct batch *b)
{
	struct gw_daemon *d = b->d;
	size_t left = 0;

	b->losses = calloc(d->nchanged_losses + 1, sizeof(*b->losses));
	assert(b->losses);
	for (size_t i = 0; i < d->nchanged_losses; i++) {
		const struct gw_loss_row *row = &d->changed_losses[i];
		uint64_t from = held_from(b, row->device);

		if (from && row->to >= from)
			d->changed_losses[left++] = *row;
		else
			b->losses[b->c.nlosses++] = *row;
	}
	d->nchanged_losses = left;
	for (size_t device = 0; device < b->nheld; device++)
		for (size_t i = 0; b->held[device] && i < d->nsinks; i++)
			gw_deliver_hold_losses(d->sinks[i]->deliver, (uint16_t)device, b->held[device]);
}

/* ---- the commit ---- */

static void complain(struct gw_daemon *d, const struct gw_err *err)
{
	if (strcmp(d->store_error, err->msg) != 0)
		gw_log(GW_ERROR, "buffer: %s; readings stay in memory meanwhile", err->msg);
	snprintf(d->store_error, sizeof(d->store_error), "%.250s", err->msg);
}

static void failed(struct gw_daemon *d, const struct gw_err *err)
{
	if (!gw_evict_expected(d, err))
		complain(d, err);
	d->committing = 0;
	gw_memory_committed(d->memory, false);
	gw_timekeeper_committed(d, false);
	for (size_t i = 0; i < d->nsinks; i++)
		gw_deliver_mark_all(d->sinks[i]->deliver);
	for (size_t i = 0; i < d->ndevices; i++)
		if (d->devices[i])
			d->devices[i]->next_changed = true;
	/* A disk that others filled may get room again: until then the ring holds. */
	if (err->code == GW_EFULL &&
	    (err->sys != ENOSPC || gw_ring_room(d->ring) < gw_ring_size(d->ring) / 4))
		gw_evict(d);
	else
		gw_commit_in(d, GW_COMMIT_RETRY_US);
}

static void succeeded(struct gw_daemon *d, const struct gw_commit_result *r)
{
	if (*d->store_error)
		gw_log(GW_INFO, "buffer: works again");
	d->store_error[0] = '\0';
	gw_memory_committed(d->memory, true);
	gw_timekeeper_committed(d, true);
	gw_ring_set_whole(d->ring);
	d->last_commit = *r;
	d->last_commit.err = NULL;
	for (size_t i = 0; i < d->committing; i++) {
		struct gw_device *dev = gw_commit_device(d, d->pending[i].r->device);

		if (dev && d->pending[i].r->seq >= dev->stored_next)
			dev->stored_next = d->pending[i].r->seq + 1;
	}
	for (size_t i = 0; i < d->ndevices; i++)
		if (d->devices[i] && d->devices[i]->dropped_to >= d->devices[i]->stored_next)
			d->devices[i]->stored_next = d->devices[i]->dropped_to + 1;
	if (d->committing)
		memmove(d->pending, d->pending + d->committing,
			(d->npending - d->committing) * sizeof(*d->pending));
	d->npending -= d->committing;
	d->committing = 0;
	gw_evict_committed(d);
	gw_arrive_keep_notes(d, &d->commit_head);
	gw_commit_release(d, d->commit_head);
	for (size_t i = 0; i < d->nsinks; i++)
		gw_deliver_committed(d->sinks[i]->deliver, r->last_id ? r->last_id + 1 : 0);
	if (d->npending >= COMMIT_READINGS || d->commit_cut || d->commit_again)
		gw_commit_now(d);
	else if (d->npending || d->nchanged_losses || d->nwindows_gone || gw_memory_changed(d->memory))
		gw_commit_later(d);
}

static void committed(void *arg, const struct gw_commit_result *r)
{
	struct gw_daemon *d = arg;

	d->commit_running = false;
	d->commits_ended++;
	if (r->err)
		failed(d, r->err);
	else
		succeeded(d, r);
	for (size_t i = 0; i < d->nsinks; i++)
		gw_sink_pump(d->sinks[i]);
	gw_daemon_gone(d);
}

void gw_commit_now(struct gw_daemon *d)
{
	struct batch b = { .d = d };
	struct gw_state_row *states;

	d->commit_armed = false;
	d->commit_again = d->commit_running || d->evicting;
	if (d->commit_again || !d->store || d->closing)
		return;
	d->commit_head = gw_ring_head(d->ring);
	gather_readings(&b);
	find_held(&b);
	for (size_t i = 0; i < d->nsinks; i++) {
		if (d->sinks[i]->removed)
			continue;
		b.sink = d->sinks[i]->number;
		gw_deliver_changed(d->sinks[i]->deliver, add_due, &b);
	}
	gather_next(&b);
	hold_back_next(&b);
	gw_timekeeper_commit_begins(d);
	gw_again_commit_begins(d);
	states = gw_memory_gather(d->memory, &b.c.nstates);
	b.c.states = states;
	b.c.readings = b.readings;
	b.c.due = b.due;
	b.c.next = b.next;
	gw_evict_gather(d, &b.c);
	gather_losses(&b);
	b.c.losses = b.losses;
	b.c.last = d->last_commit_asked && !d->commit_cut && !d->commit_held;
	d->commit_running = true;
	gw_store_commit(d->store, &b.c, committed, d);
	free(b.losses);
	free(b.held);
	free(states);
	free(b.readings);
	free(b.due);
	free(b.next);
}

void gw_commit_soon(struct gw_daemon *d)
{
	if (!*d->store_error)
		gw_commit_now(d);
	else
		gw_commit_later(d);
}

void gw_commit_on_timer(void *arg)
{
	gw_commit_now(arg);
}
