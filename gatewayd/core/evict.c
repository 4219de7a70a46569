/*
 * evict.c - what gives way when the buffer is full although all history is gone: the oldest
 * readings that a sink waits for are given up, or (buffer.when_full: thin) become windows of a
 * minute; when few readings are left the windows become windows of ten minutes, and when those do
 * not fit either the oldest windows are given up.
 *
 * Each step takes a slice and ends with a commit, in which the smaller due sets and the windows
 * or losses reach the disk together.  Before it nothing has changed there: a kill in between
 * leaves the readings as they were.
 */
#include "core/timekeeper.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/clock.h"
#include "core/fold.h"

enum {
	MIB = 1024 * 1024,
	GIVE_UP_BYTES_MAX = 256 * MIB, /* a slice at first; doubled while that is not enough */
	OLD_WINDOWS = MIB / 2,         /* of windows at first */
	DEVICES = 65536,
};

static void ends(struct gw_daemon *d, bool changed)
{
	d->evicting = false;
	if (changed)
		gw_commit_now(d);
	else /* all of it is on its way, or it is the disk that is full */
		gw_commit_in(d, GW_COMMIT_RETRY_US);
}

static size_t grown(size_t *bytes, size_t first)
{
	*bytes = *bytes ? *bytes * 2 : first;
	if (*bytes > GIVE_UP_BYTES_MAX)
		*bytes = GIVE_UP_BYTES_MAX;
	return *bytes;
}

/* ---- giving up readings ---- */

struct span {
	uint64_t from, to;
	int64_t ts_from_ms, ts_to_ms;
};

static uint64_t give_up_span(struct gw_daemon *d, uint16_t device, const struct span *s, enum gw_loss_cause cause)
{
	uint64_t n = 0;

	for (size_t i = 0; i < d->nsinks; i++)
		n += gw_deliver_give_up(d->sinks[i]->deliver,
					&(struct gw_giveup){ .device = device, .from = s->from,
							     .to = s->to, .cause = cause,
							     .exact = true, .ts_from_ms = s->ts_from_ms,
							     .ts_to_ms = s->ts_to_ms });
	return n;
}

static uint64_t give_up_rows(struct gw_daemon *d, const struct gw_rows *rows)
{
	struct span *spans = calloc(DEVICES, sizeof(*spans));
	uint64_t n = 0;

	assert(spans);
	for (size_t i = 0; i < rows->n; i++) {
		const struct gw_reading *r = rows->readings[i];
		struct span *s = &spans[r->device];

		if (s->to && r->seq != s->to + 1) {
			n += give_up_span(d, r->device, s, GW_LOSS_BUFFER_FULL);
			s->to = 0;
		}
		if (!s->to)
			*s = (struct span){ .from = r->seq, .ts_from_ms = gw_timekeeper_known_ms(d, r) };
		s->to = r->seq;
		s->ts_to_ms = gw_timekeeper_known_ms(d, r);
	}
	for (unsigned device = 0; device < DEVICES; device++)
		if (spans[device].to)
			n += give_up_span(d, (uint16_t)device, &spans[device], GW_LOSS_BUFFER_FULL);
	free(spans);
	return n;
}

static void got_oldest(void *arg, struct gw_rows *rows, const struct gw_err *err)
{
	struct gw_daemon *d = arg;
	uint64_t given = err || !rows ? 0 : give_up_rows(d, rows);

	if (rows)
		gw_rows_free(rows);
	if (given)
		gw_log(GW_WARNING, "the buffer is full: the oldest %llu readings are given up",
		       (unsigned long long)given);
	ends(d, given > 0);
}

/* ---- thinning ---- */

struct open_window { /* of one device */
	struct gw_fold *fold;
	uint64_t first_id;
};

static void keep_window(struct gw_daemon *d, struct gw_sink *s, uint64_t first_id, const struct gw_window *w)
{
	if (!w)
		return;
	d->windows = gw_grow(d->windows, &d->windows_capacity, d->nwindows + 1, sizeof(*d->windows));
	d->windows[d->nwindows++] = (struct gw_window_piece){ s->number, first_id, w };
	gw_deliver_thin(s->deliver, w->device, w->from, w->to);
}

/* Where it has become known since; in the scratch, until the next call. */
static const struct gw_reading *with_true_time(struct gw_daemon *d, const struct gw_reading *r)
{
	struct gw_reading *copy = (struct gw_reading *)(void *)d->scratch;
	int64_t ts_ms;

	if (!(r->flags & GW_READING_UNSYNCED) || !gw_clock_true_ts(d->clock, r->boot, r->mono_ms, &ts_ms))
		return r;
	memcpy(copy, r, r->size);
	copy->ts_ms = ts_ms;
	copy->flags &= (uint16_t)~GW_READING_UNSYNCED;
	return copy;
}

static void fold_row(struct gw_daemon *d, struct gw_sink *s, struct open_window *o, uint64_t id,
		     const struct gw_reading *r)
{
	if (!o->fold)
		o->fold = gw_fold_new(GW_MINUTE_MS);
	if (!o->first_id)
		o->first_id = id;
	if (gw_fold_add(o->fold, r))
		return;
	keep_window(d, s, o->first_id, gw_fold_take(o->fold));
	o->first_id = id;
	gw_fold_add(o->fold, r);
}

static uint64_t thin_for(struct gw_daemon *d, struct gw_sink *s, const struct gw_rows *rows,
			 struct open_window *open)
{
	uint64_t n = 0;

	for (size_t i = 0; i < rows->n; i++) {
		const struct gw_reading *r = rows->readings[i];

		if (!gw_deliver_may_thin(s->deliver, r->device, r->seq))
			continue;
		fold_row(d, s, &open[r->device], rows->ids[i], with_true_time(d, r));
		n++;
	}
	for (unsigned device = 0; device < DEVICES; device++)
		if (open[device].fold) {
			keep_window(d, s, open[device].first_id, gw_fold_take(open[device].fold));
			open[device].first_id = 0;
		}
	return n;
}

static uint64_t give_up_damaged(struct gw_daemon *d, const struct gw_rows *rows)
{
	uint64_t n = 0;

	for (size_t i = 0; i < rows->damaged; i++) {
		const struct gw_damaged_row *row = &rows->damaged_rows[i];

		n += give_up_span(d, row->device, &(struct span){ .from = row->seq, .to = row->seq },
				  GW_LOSS_DAMAGED);
	}
	return n;
}

static uint64_t thin_rows(struct gw_daemon *d, const struct gw_rows *rows)
{
	struct open_window *open = calloc(DEVICES, sizeof(*open));
	uint64_t n = give_up_damaged(d, rows);

	assert(open);
	for (size_t i = 0; i < d->nsinks; i++)
		if (!d->sinks[i]->removed)
			n += thin_for(d, d->sinks[i], rows, open);
	for (unsigned device = 0; device < DEVICES; device++)
		gw_fold_free(open[device].fold);
	free(open);
	if (n && !d->thinning)
		gw_log(GW_WARNING, "the buffer is full: the oldest readings are thinned to windows of a minute");
	d->thinning |= n > 0;
	return n;
}

/* ---- when few readings are left: windows give way, the rest of the readings at last ---- */

static void thin_rest(struct gw_daemon *d)
{
	uint64_t n = thin_rows(d, d->last_rows);

	gw_rows_free(d->last_rows);
	d->last_rows = NULL;
	ends(d, n > 0);
}

static void changed_windows(struct gw_daemon *d)
{
	gw_rows_free(d->last_rows);
	d->last_rows = NULL;
	ends(d, true);
}

static void got_old_windows(void *arg, struct gw_windows *windows, const struct gw_err *err)
{
	struct gw_daemon *d = arg;
	uint64_t given = 0;

	for (size_t i = 0; !err && i < windows->n; i++)
		for (size_t k = 0; k < d->nsinks; k++)
			given += gw_deliver_give_up_window(d->sinks[k]->deliver, &windows->rows[i],
							   GW_LOSS_BUFFER_FULL);
	gw_windows_free(windows);
	if (given == 0) {
		thin_rest(d);
		return;
	}
	d->windows_given_up = true;
	gw_log(GW_WARNING, "the buffer is full of windows: the oldest, of %llu readings, are given up",
	       (unsigned long long)given);
	changed_windows(d);
}

static void ask_for_old_windows(struct gw_daemon *d)
{
	gw_store_windows(d->store, &(struct gw_windows_query){ .max_bytes = grown(&d->give_up_windows_bytes, OLD_WINDOWS) },
			 got_old_windows, d);
}

static void joined(void *arg, uint64_t fewer, const struct gw_err *err)
{
	struct gw_daemon *d = arg;

	(void)err; /* then the oldest go */
	if (!fewer) {
		ask_for_old_windows(d);
		return;
	}
	if (!d->joining)
		gw_log(GW_WARNING, "the buffer is full of windows: the oldest become windows of ten minutes");
	d->joining = true;
	changed_windows(d);
}

/* Room for a commit, and not more than the loop folds in a few hundredths of a second. */
static size_t slice(const struct gw_daemon *d)
{
	size_t bytes = (size_t)d->core.buffer.max_size / 8;

	if (bytes < 2 * MIB)
		return 2 * MIB;
	return bytes < 4 * MIB ? bytes : 4 * MIB;
}

/* The store shows what was due at the last commit that succeeded: some may be in windows since. */
static size_t bytes_left(const struct gw_daemon *d, const struct gw_rows *rows)
{
	size_t bytes = 0;

	for (size_t i = 0; i < rows->n; i++)
		for (size_t k = 0; k < d->nsinks; k++)
			if (gw_deliver_may_thin(d->sinks[k]->deliver, rows->readings[i]->device,
						rows->readings[i]->seq)) {
				bytes += rows->readings[i]->size;
				break;
			}
	return bytes;
}

/* It is known there already, one way or the other, and would be in a window besides. */
static uint64_t drop_asked(struct gw_daemon *d, const struct gw_rows *rows)
{
	uint64_t n = 0;

	for (size_t i = 0; i < rows->n; i++)
		for (size_t k = 0; k < d->nsinks; k++)
			n += gw_deliver_drop_asked(d->sinks[k]->deliver, rows->readings[i]->device,
						   rows->readings[i]->seq, rows->readings[i]->seq);
	return n;
}

static void got_to_thin(void *arg, struct gw_rows *rows, const struct gw_err *err)
{
	struct gw_daemon *d = arg;
	uint64_t n;

	if (err || !rows) {
		ends(d, false);
		return;
	}
	if (drop_asked(d, rows)) {
		gw_rows_free(rows);
		ends(d, true);
		return;
	}
	if (rows->end && bytes_left(d, rows) < slice(d)) {
		d->last_rows = rows;
		if (d->windows_given_up) /* they are in the store still, and must not become part of others */
			ask_for_old_windows(d);
		else
			gw_store_join_windows(d->store, slice(d), joined, d);
		return;
	}
	n = thin_rows(d, rows);
	gw_rows_free(rows);
	ends(d, n > 0);
}

bool gw_evict_expected(const struct gw_daemon *d, const struct gw_err *err)
{
	return err->code == GW_EFULL && err->sys != ENOSPC && d->core.buffer.when_full == GW_THIN;
}

void gw_evict(struct gw_daemon *d)
{
	if (d->evicting)
		return;
	d->evicting = true;
	if (d->core.buffer.when_full == GW_THIN)
		gw_store_oldest(d->store, grown(&d->give_up_bytes, slice(d)), false, got_to_thin, d);
	else
		gw_store_oldest(d->store, grown(&d->give_up_bytes, slice(d)), true, got_oldest, d);
}

/* ---- what commits carry of it ---- */

void gw_evict_window_gone(struct gw_daemon *d, uint64_t id)
{
	d->windows_gone = gw_grow(d->windows_gone, &d->windows_gone_capacity, d->nwindows_gone + 1,
				  sizeof(*d->windows_gone));
	d->windows_gone[d->nwindows_gone++] = id;
	gw_commit_later(d);
}

void gw_evict_gather(struct gw_daemon *d, struct gw_commit *c)
{
	c->windows = d->windows;
	c->nwindows = d->windows_committing = d->nwindows;
	c->windows_gone = d->windows_gone;
	c->nwindows_gone = d->windows_gone_committing = d->nwindows_gone;
}

static bool any_thinned(const struct gw_daemon *d)
{
	for (size_t i = 0; i < d->nsinks; i++)
		if (!d->sinks[i]->removed && gw_deliver_stats(d->sinks[i]->deliver).thinned)
			return true;
	return false;
}

static void free_windows(struct gw_daemon *d, size_t n)
{
	for (size_t i = 0; i < n; i++)
		free((void *)(uintptr_t)d->windows[i].window);
	if (n)
		memmove(d->windows, d->windows + n, (d->nwindows - n) * sizeof(*d->windows));
	d->nwindows -= n;
}

void gw_evict_committed(struct gw_daemon *d)
{
	size_t gone = d->windows_gone_committing;

	free_windows(d, d->windows_committing);
	if (gone)
		memmove(d->windows_gone, d->windows_gone + gone,
			(d->nwindows_gone - gone) * sizeof(*d->windows_gone));
	d->nwindows_gone -= gone;
	d->windows_committing = d->windows_gone_committing = d->give_up_bytes = d->give_up_windows_bytes = 0;
	d->windows_given_up = false;
	if (!d->thinning || any_thinned(d))
		return;
	gw_log(GW_INFO, "no sink waits for windows of thinned readings any more");
	d->thinning = d->joining = false;
}

void gw_evict_free(struct gw_daemon *d)
{
	free_windows(d, d->nwindows);
	free(d->windows);
	free(d->windows_gone);
	if (d->last_rows)
		gw_rows_free(d->last_rows);
}
