/*
 * control_losses.c - `gatewayctl losses`: the loss records of all sinks, those that were
 * acknowledged too.  The store shows what it has; what changed since its last commit lies
 * over that.
 */
#include "core/control.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

struct listing {
	struct gw_daemon *d;
	struct gw_client *client; /* NULL: it is gone */
	char **names;             /* of devices, by number; also of those taken out */
	size_t names_n;
	struct gw_loss_row *rows;
	size_t n, capacity;
	struct gw_loss_row *thinned; /* ranges of numbers in windows */
	size_t nthinned, thinned_capacity;
};

static void on_device(void *arg, uint16_t device, const char *name, uint64_t first_seq, uint64_t next_seq,
		      uint64_t bound)
{
	struct listing *l = arg;

	(void)first_seq, (void)next_seq, (void)bound;
	l->names = gw_grow(l->names, &l->names_n, device + 1u, sizeof(*l->names));
	free(l->names[device]);
	l->names[device] = strdup(name);
}

static void on_loss(void *arg, const struct gw_loss_row *row)
{
	struct listing *l = arg;

	for (size_t i = l->n; i-- > 0 && l->rows[i].id >= row->id;)
		if (l->rows[i].id == row->id) {
			l->rows[i] = *row;
			return;
		}
	l->rows = gw_grow(l->rows, &l->capacity, l->n + 1, sizeof(*l->rows));
	l->rows[l->n++] = *row;
}

/* What lies in windows is no loss: one line for each range, so that nobody looks for it elsewhere. */
static void on_thinned(void *arg, uint16_t sink, uint16_t device, const struct gw_ranges *ranges)
{
	struct listing *l = arg;

	for (uint32_t i = 0; i < ranges->n; i++) {
		l->thinned = gw_grow(l->thinned, &l->thinned_capacity, l->nthinned + 1, sizeof(*l->thinned));
		l->thinned[l->nthinned++] = (struct gw_loss_row){
			.sink = sink, .device = device, .exact = true, .from = ranges->r[i].from,
			.to = ranges->r[i].to, .readings = ranges->r[i].to - ranges->r[i].from + 1 };
	}
}

static const char *device_name(const struct listing *l, uint16_t number)
{
	const char *name = number < l->names_n ? l->names[number] : NULL;

	return name ? name : "";
}

static const char *sink_name(const struct gw_daemon *d, uint16_t number)
{
	for (size_t i = 0; i < d->nsinks; i++)
		if (d->sinks[i]->number == number && !d->sinks[i]->removed)
			return d->sinks[i]->instance.name;
	return NULL;
}

static json_t *document(struct listing *l)
{
	json_t *list = json_array();

	for (size_t i = 0; i < l->n; i++) {
		const char *sink = sink_name(l->d, l->rows[i].sink);

		if (sink)
			json_array_append_new(list, gw_view_loss(sink, device_name(l, l->rows[i].device),
								 &l->rows[i]));
	}
	for (size_t i = 0; i < l->nthinned; i++) {
		const char *sink = sink_name(l->d, l->thinned[i].sink);

		if (sink)
			json_array_append_new(list, gw_view_thinned(sink, device_name(l, l->thinned[i].device),
								    &l->thinned[i]));
	}
	return list;
}

static void listed(void *arg, const struct gw_err *err)
{
	struct listing *l = arg;

	for (size_t i = 0; i < l->d->nchanged_losses; i++)
		on_loss(l, &l->d->changed_losses[i]);
	if (l->client)
		l->client->listing = NULL;
	if (l->client && err)
		gw_client_refuse(l->client, 1, "%s", err->msg);
	else if (l->client)
		gw_client_answer(l->client, document(l));
	for (size_t i = 0; i < l->names_n; i++)
		free(l->names[i]);
	free(l->names);
	free(l->rows);
	free(l->thinned);
	free(l);
}

void gw_control_losses(struct gw_client *c)
{
	struct listing *l = calloc(1, sizeof(*l));

	assert(l);
	l->d = c->control->daemon;
	l->client = c;
	c->listing = &l->client;
	c->busy = true;
	gw_store_visit(l->d->store, &(struct gw_store_visitor){ .arg = l, .device = on_device,
								.loss = on_loss, .thinned = on_thinned,
								.done = listed });
}
