/*
 * repair.c - what the daemon does about damage to the buffer.  The store goes on by itself
 * (store.h, "what happens by itself"); here what is missing then becomes loss records.
 */
#include "core/daemon.h"

static void doubt(struct gw_daemon *d, struct gw_sink *s)
{
	gw_deliver_mark_all(s->deliver); /* its books go into the new one with the next commit */
	gw_deliver_doubt(s->deliver);
	for (size_t i = 0; i < d->npending; i++)
		gw_deliver_trust(s->deliver, d->pending[i].r->device, d->pending[i].r->seq);
}

static void prove(struct gw_daemon *d)
{
	for (size_t i = 0; i < d->nsinks; i++)
		gw_deliver_prove(d->sinks[i]->deliver, d->salvage_exact);
}

void gw_repair_old_removed(unsigned n)
{
	if (n)
		gw_log(GW_WARNING, "%u older damaged buffer%s removed: two are kept", n, n == 1 ? " was" : "s were");
}

static void put_aside(struct gw_daemon *d, const struct gw_store_event *e)
{
	static const char *const whats[] = { [GW_STORE_DAMAGED] = "is damaged",
					     [GW_STORE_REMOVED] = "was removed or replaced under way",
					     [GW_STORE_MIXED] = "has a WAL that is not its own" };
	const char *what = whats[e->why];

	if (*e->aside)
		gw_log(GW_ERROR, "the buffer %s: what lay there is %s now, a new one was begun", what, e->aside);
	else
		gw_log(GW_ERROR, "the buffer %s: a new one was begun", what);
	gw_repair_old_removed(e->old_removed);
	d->salvaging = true;
	for (size_t i = 0; i < d->nsinks; i++)
		doubt(d, d->sinks[i]);
	gw_commit_later(d);
}

static void salvaged(struct gw_daemon *d, const struct gw_store_event *e)
{
	gw_log(GW_WARNING, "%llu readings of the damaged buffer could be saved%s",
	       (unsigned long long)e->rows, e->full ? "; there is no room for more" : "");
	d->salvaging = false;
	d->salvage_exact = e->exact;
	if (d->phase != GW_PHASE_STARTING)
		prove(d);
}

static void damaged_rows(struct gw_daemon *d, const struct gw_store_event *e)
{
	gw_log(GW_ERROR, "%zu reading%s in the buffer %s damaged", e->n, e->n == 1 ? "" : "s",
	       e->n == 1 ? "is" : "are");
	d->damaged += e->n;
	for (size_t i = 0; i < e->n; i++)
		for (size_t k = 0; k < d->nsinks; k++)
			gw_deliver_give_up(d->sinks[k]->deliver,
					   &(struct gw_giveup){ .device = e->row[i].device,
								.from = e->row[i].seq, .to = e->row[i].seq,
								.cause = GW_LOSS_DAMAGED, .exact = true });
}

static uint64_t give_up_window(struct gw_daemon *d, const struct gw_window_row *row)
{
	bool flies = false;
	uint64_t n = 0;

	for (size_t i = 0; i < d->nsinks; i++) {
		flies |= gw_deliver_window_flies(d->sinks[i]->deliver, row);
		n += gw_deliver_give_up_window(d->sinks[i]->deliver, row, GW_LOSS_DAMAGED);
	}
	if (n == 0 && !flies) /* of no sink, or of numbers that are settled */
		gw_evict_window_gone(d, row->id);
	return n;
}

static void damaged_windows(struct gw_daemon *d, const struct gw_store_event *e)
{
	uint64_t n = 0;

	if (d->phase == GW_PHASE_STARTING) /* not all is restored; told again in the next walk */
		return;
	for (size_t i = 0; i < e->n; i++)
		n += give_up_window(d, &e->window[i]);
	gw_log(GW_ERROR, "%zu window%s of thinned readings in the buffer %s damaged: %llu reading%s lost", e->n,
	       e->n == 1 ? "" : "s", e->n == 1 ? "is" : "are", (unsigned long long)n,
	       n == 1 ? " is" : "s are");
	d->damaged += n;
}

void gw_repair_event(void *arg, const struct gw_store_event *e)
{
	static void (*const on[])(struct gw_daemon *d, const struct gw_store_event *e) = {
		[GW_STORE_PUT_ASIDE] = put_aside, [GW_STORE_SALVAGED] = salvaged,
		[GW_STORE_DAMAGED_ROWS] = damaged_rows, [GW_STORE_DAMAGED_WINDOWS] = damaged_windows,
	};
	struct gw_daemon *d = arg;

	if (!d->closing)
		on[e->kind](d, e);
}

void gw_repair_recovered(struct gw_daemon *d)
{
	if (!d->salvaging)
		prove(d);
}
