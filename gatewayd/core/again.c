/* again.c - see again.h. */
#include "core/again.h"

#include "core/timekeeper.h"

#include <assert.h>
#include <stdlib.h>

enum { SLICE_ROWS = 2000, SLICE_BYTES = 1024 * 1024 };

struct walk {
	struct gw_daemon *d;
	struct gw_again_order o;
	uint16_t device;
	struct gw_ranges found;
};

/* ---- the walk ---- */

static void take(struct walk *w, const struct gw_reading *r)
{
	int64_t at = w->o.by_time ? gw_timekeeper_ts_ms(w->d, r) : (int64_t)r->seq;

	if (r->device == w->device && at >= w->o.from && at <= w->o.to)
		gw_ranges_add(&w->found, r->seq, r->seq);
}

static void make_due(const struct walk *w, struct gw_sink *s)
{
	for (uint32_t i = 0; i < w->found.n; i++)
		gw_deliver_again(s->deliver, w->device, w->found.r[i].from, w->found.r[i].to);
	gw_sink_pump(s);
	gw_commit_later(s->daemon); /* the store gives them out once it knows that they are due */
}

static void finish(struct walk *w, const char *wrong)
{
	struct gw_daemon *d = w->d;
	struct gw_again_end end = { .wrong = wrong, .sink = w->o.sink, .number = w->o.number };

	d->walks--;
	if (!wrong && w->found.n) {
		end.readings = w->found.total;
		end.first = w->found.r[0].from;
		end.last = w->found.r[w->found.n - 1].to;
	}
	w->o.done(w->o.arg, &end); /* who asks knows it before the first reading comes */
	for (size_t i = 0; !wrong && i < d->nsinks; i++)
		if (!w->o.sink || d->sinks[i]->number == w->o.sink)
			make_due(w, d->sinks[i]);
	gw_ranges_free(&w->found);
	free(w);
}

static void on_rows(void *arg, struct gw_rows *rows, const struct gw_err *err)
{
	struct walk *w = arg;
	bool end = !rows || rows->end;
	uint64_t next = rows ? rows->next_id : 0;

	for (size_t i = 0; rows && i < rows->n; i++)
		take(w, rows->readings[i]);
	if (rows)
		gw_rows_free(rows);
	if (err || w->d->closing)
		finish(w, err ? err->msg : "gatewayd is stopping");
	else if (end)
		finish(w, NULL);
	else
		gw_store_fetch(w->d->store, 0, next, SLICE_ROWS, SLICE_BYTES, on_rows, w);
}

int gw_again_begin(struct gw_daemon *d, const struct gw_again_order *o, struct gw_err *err)
{
	struct walk *w;

	if (o->from > o->to)
		return gw_err_set(err, GW_EINPUT, "`from` is behind `to`");
	if (d->walks >= GW_WALKS_MAX)
		return gw_err_set(err, GW_EFULL, "%d replays are being looked for already", GW_WALKS_MAX);
	w = calloc(1, sizeof(*w));
	assert(w);
	w->d = d;
	w->o = *o;
	w->device = o->device->number;
	d->walks++;
	for (size_t i = 0; i < d->npending; i++)
		take(w, d->pending[i].r);
	gw_store_fetch(d->store, 0, 0, SLICE_ROWS, SLICE_BYTES, on_rows, w);
	return 0;
}

/* ---- kept ---- */

enum { OWNER_MAX = 24, KEPT_RANGES_MAX = 200 }; /* of what is beyond, a kill makes losses when it is gone */

static const char *again_owner(char owner[OWNER_MAX], const struct gw_sink *s)
{
	snprintf(owner, OWNER_MAX, "again/%u", s->number);
	return owner;
}

static void keep_again(void *arg, uint16_t device, const struct gw_ranges *again)
{
	struct gw_sink *s = arg;
	char owner[OWNER_MAX], key[OWNER_MAX];
	uint32_t n = again->n < KEPT_RANGES_MAX ? again->n : KEPT_RANGES_MAX;
	struct gw_state_row row = { again_owner(owner, s), key, again->r, n * sizeof(*again->r) };
	struct gw_err err;

	snprintf(key, sizeof(key), "%u", device);
	if (gw_memory_put(s->daemon->memory, &row, &err) != 0)
		gw_log(GW_WARNING, "replay: %s", err.msg);
}

void gw_again_commit_begins(struct gw_daemon *d)
{
	for (size_t i = 0; i < d->nsinks; i++)
		if (!d->sinks[i]->removed)
			gw_deliver_again_changed(d->sinks[i]->deliver, keep_again, d->sinks[i]);
}

static void restore_again(void *arg, const struct gw_state_row *row)
{
	struct gw_sink *s = arg;
	unsigned long device = strtoul(row->key, NULL, 10);
	struct gw_ranges again = { 0 };

	if (device <= UINT16_MAX && gw_ranges_decode(&again, row->value, row->size))
		gw_deliver_restore_again(s->deliver, (uint16_t)device, &again);
	gw_ranges_free(&again);
}

void gw_again_restore(struct gw_daemon *d)
{
	char owner[OWNER_MAX];

	for (size_t i = 0; i < d->nsinks; i++)
		gw_memory_each(d->memory, again_owner(owner, d->sinks[i]), restore_again, d->sinks[i]);
}

/* ---- for sinks ---- */

static void tell(struct gw_sink *s, const struct gw_again_end *end)
{
	struct gw_message m = { .type = GW_MSG_AGAIN_DONE };

	m.again_done.number = end->number;
	m.again_done.reason = gw_str(end->wrong);
	m.again_done.readings = end->readings;
	m.again_done.from = end->first;
	m.again_done.to = end->last;
	if (gw_child_status(s->child)->life == GW_LIFE_RUNNING)
		gw_child_send(s->child, &m);
}

/* The sink may have left, or have another process now: a number it does not know it ignores. */
static void on_done(void *arg, const struct gw_again_end *end)
{
	struct gw_daemon *d = arg;

	for (size_t i = 0; i < d->nsinks; i++)
		if (d->sinks[i]->number == end->sink && d->sinks[i]->child)
			tell(d->sinks[i], end);
}

static int begin_asked(struct gw_sink *s, const struct gw_msg_again *m, struct gw_err *err)
{
	struct gw_daemon *d = s->daemon;

	if (m->device >= d->ndevices || !d->devices[m->device])
		return gw_err_set(err, GW_ENOENT, "that device was taken out");
	return gw_again_begin(d, &(struct gw_again_order){ .device = d->devices[m->device], .sink = s->number,
							   .by_time = m->by_time, .from = m->from, .to = m->to,
							   .number = m->number, .done = on_done, .arg = d }, err);
}

void gw_again_asked(struct gw_sink *s, const struct gw_msg_again *m)
{
	struct gw_err err;

	if (begin_asked(s, m, &err) != 0)
		tell(s, &(struct gw_again_end){ .wrong = err.msg, .number = m->number });
}
