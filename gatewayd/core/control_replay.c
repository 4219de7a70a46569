/*
 * control_replay.c - `gatewayctl replay DEVICE FROM TO [SINK]`: FROM and TO are two numbers of
 * readings, answered at once, or two moments, for which the store is walked.
 */
#include "core/again.h"
#include "core/control.h"
#include "core/moment.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define FORM "FROM and TO are two sequence numbers or two times like 2026-11-22T10:00:00+07:00, FROM not above TO"

static bool whole_number(const char *text, uint64_t *out)
{
	char *end;

	errno = 0;
	*out = strtoull(text, &end, 10);
	return *text >= '0' && *text <= '9' && *end == '\0' && errno == 0;
}

static bool concerns(const struct gw_sink *s, const char *name)
{
	return !name || strcmp(name, s->instance.name) == 0;
}

static void by_number(struct gw_client *c, const struct gw_device *dev, uint64_t from, uint64_t to, const char *sink)
{
	struct gw_daemon *d = c->control->daemon;
	uint64_t n = 0;

	if (from < dev->first_seq)
		from = dev->first_seq;
	if (to >= dev->next_seq)
		to = dev->next_seq - 1;
	for (size_t i = 0; i < d->nsinks; i++) {
		if (!concerns(d->sinks[i], sink))
			continue;
		if (from <= to)
			n += gw_deliver_again(d->sinks[i]->deliver, dev->number, from, to);
		gw_sink_pump(d->sinks[i]);
	}
	gw_commit_later(d); /* the store gives them out once it knows that they are due */
	gw_client_answer(c, json_pack("{s:I}", "accepted", (json_int_t)n));
}

struct waiting { /* for the walk; the client may leave meanwhile */
	struct gw_client *client;
};

static void found(void *arg, const struct gw_again_end *end)
{
	struct waiting *w = arg;

	if (w->client)
		w->client->listing = NULL;
	if (w->client && end->wrong)
		gw_client_refuse(w->client, 1, "%s", end->wrong);
	else if (w->client)
		gw_client_answer(w->client, json_pack("{s:I}", "accepted", (json_int_t)end->readings));
	free(w);
}

static void by_time(struct gw_client *c, struct gw_again_order *o)
{
	struct waiting *w = calloc(1, sizeof(*w));
	struct gw_err err;

	assert(w);
	o->by_time = true;
	o->done = found;
	o->arg = w;
	if (gw_again_begin(c->control->daemon, o, &err) != 0) {
		free(w);
		gw_client_refuse(c, 1, "%s", err.msg);
		return;
	}
	w->client = c;
	c->listing = &w->client;
	c->busy = true;
}

void gw_control_replay(struct gw_client *c, const char *const *args, size_t nargs)
{
	struct gw_daemon *d = c->control->daemon;
	struct gw_again_order o = { .device = gw_device_named(d, args[0]) };
	const char *sink = nargs == 4 ? args[3] : NULL;
	uint64_t from, to;
	bool known = !sink;

	for (size_t i = 0; i < d->nsinks; i++)
		if (sink && concerns(d->sinks[i], sink)) {
			known = true;
			o.sink = d->sinks[i]->number;
		}
	if (!o.device)
		gw_client_refuse_device(c, args[0]);
	else if (!known)
		gw_client_refuse(c, 1, "there is no sink '%.64s'", sink);
	else if (whole_number(args[1], &from) && whole_number(args[2], &to) && from <= to)
		by_number(c, o.device, from, to, sink);
	else if (gw_moment_parse(args[1], &o.from) && gw_moment_parse(args[2], &o.to) && o.from <= o.to)
		by_time(c, &o);
	else
		gw_client_refuse(c, 2, FORM);
}
