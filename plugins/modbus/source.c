/*
 * The Modbus source: configuration to lines, units and plans; cycles to jobs;
 * answers to values.  Decides nothing about time: the runtime says when a cycle
 * is due, the line when a request ends.
 */
#include "plugins/modbus/source.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "plugins/modbus/line.h"
#include "plugins/modbus/point.h"

/* The plan for the points of one mask. */
struct kept_plan {
	uint32_t mask;
	const struct mb_plan *plan;
	struct kept_plan *next;
};

struct connection {
	struct mb_url url;
	int64_t timeout_us, delay_us; /* the longest of its devices */
	struct mb_line *line;
};

struct device {
	struct mb_job job; /* first: callbacks get it */
	struct source *source;
	unsigned number;
	size_t connection;
	struct mb_manner manner;
	struct mb_limits limits;
	struct mb_form *forms;
	struct mb_span *spans;
	struct kept_plan *plans;
	const struct mb_plan *plan; /* of the open cycle */
	struct gw_cycle *cycle;     /* NULL: none is open */
	uint64_t asked;             /* requests for questions */
};

struct source {
	struct gw_plugin *plugin;
	struct connection *connections;
	size_t nconnections;
	struct device *devices;
	size_t ndevices;
	bool stopping;
};

/* A question of somebody who waits for one point. */
struct asking {
	struct mb_job job; /* first */
	struct device *device;
	unsigned point;
	struct mb_request request;
	struct gw_question *question;
};

/* ---- answers ---- */

static void put(struct gw_cycle *c, unsigned point, const struct gw_value *v)
{
	switch (v->kind) {
	case GW_BOOL:
		gw_cycle_bool(c, point, v->b);
		break;
	case GW_I64:
		gw_cycle_i64(c, point, v->i);
		break;
	case GW_U64:
		gw_cycle_u64(c, point, v->u);
		break;
	case GW_F32:
		gw_cycle_f32(c, point, (float)v->f);
		break;
	case GW_F64:
		gw_cycle_f64(c, point, v->f);
		break;
	case GW_TEXT:
		gw_cycle_text(c, point, v->text, v->length);
		break;
	case GW_NONE:
	case GW_ENUM:
	case GW_KINDS:
		abort(); /* decode.h gives none of them */
	}
}

static void answered(struct mb_job *job, unsigned request, unsigned reason, const uint8_t *data)
{
	struct device *d = (struct device *)job;
	const struct mb_request *r = &d->plan->requests[request];
	char text[2 * MB_REGISTERS_MAX];

	if (d->source->stopping)
		return;
	if (data)
		gw_cycle_answered(d->cycle);
	for (unsigned i = r->first; i < r->first + (unsigned)r->places; i++) {
		const struct mb_place *at = &d->plan->places[i];
		struct gw_value v;

		if (!data) {
			gw_cycle_fail(d->cycle, at->point, reason);
			continue;
		}
		v = mb_decode(&d->forms[at->point], data, at->offset, text);
		put(d->cycle, at->point, &v);
	}
}

static void count(struct device *d)
{
	struct source *s = d->source;

	gw_source_requests(s->plugin, d->number, d->job.sent + d->asked);
	gw_source_load(s->plugin, d->number, mb_line_load(s->connections[d->connection].line));
}

static void cycle_done(struct mb_job *job)
{
	struct device *d = (struct device *)job;
	struct gw_cycle *cycle = d->cycle;

	/* A cycle that our own end cut off would only accuse the device. */
	if (d->source->stopping)
		return;
	count(d);
	d->cycle = NULL;
	gw_cycle_close(cycle, GW_TIMEOUT);
}

/* ---- cycles ---- */

static const struct mb_plan *plan_for(struct device *d, const struct gw_cycle *c)
{
	struct gw_arena *arena = gw_plugin_arena(d->source->plugin);
	uint32_t mask = gw_cycle_mask(c);
	struct kept_plan *k = d->plans;
	const uint16_t *due;
	size_t n;

	while (k && k->mask != mask)
		k = k->next;
	if (k)
		return k->plan;
	due = gw_cycle_due(c, &n);
	k = gw_arena_alloc(arena, sizeof(*k));
	*k = (struct kept_plan){ mask, mb_plan_make(arena, d->spans, due, (unsigned)n, &d->limits),
				 d->plans };
	d->plans = k;
	return k->plan;
}

static void cycle(void *self, struct gw_cycle *c)
{
	struct source *s = self;
	struct device *d = &s->devices[gw_cycle_device(c)];

	d->cycle = c;
	d->plan = plan_for(d, c);
	d->job.requests = d->plan->requests;
	d->job.count = d->plan->nrequests;
	d->job.start %= d->plan->nrequests;
	mb_line_submit(s->connections[d->connection].line, &d->job);
}

/* ---- questions ---- */

static void ask_answered(struct mb_job *job, unsigned request, unsigned reason, const uint8_t *data)
{
	struct asking *a = (struct asking *)job;
	struct gw_value v = { .kind = GW_NONE, .reason = (enum gw_reason)reason };
	char text[2 * MB_REGISTERS_MAX];

	(void)request;
	if (data)
		v = mb_decode(&a->device->forms[a->point], data, 0, text);
	gw_answer_value(a->question, &v);
}

static void ask_done(struct mb_job *job)
{
	struct asking *a = (struct asking *)job;

	a->device->asked += job->sent;
	free(a);
}

static void ask(void *self, unsigned device, unsigned point, struct gw_question *q)
{
	struct source *s = self;
	struct device *d = &s->devices[device];
	struct asking *a = calloc(1, sizeof(*a));
	struct gw_value none = { .kind = GW_NONE, .reason = GW_PLUGIN };

	if (!a) {
		gw_answer_value(q, &none);
		return;
	}
	*a = (struct asking){
		.job = { .manner = &d->manner, .requests = &a->request, .count = 1,
			 .answer = ask_answered, .done = ask_done },
		.device = d, .point = point, .question = q,
		.request = mb_plan_single(&d->spans[point]),
	};
	mb_line_submit_first(s->connections[d->connection].line, &a->job);
}

/* ---- configuration ---- */

static size_t find_connection(struct source *s, const struct mb_url *url)
{
	size_t i = 0;

	while (i < s->nconnections && strcmp(s->connections[i].url.text, url->text))
		i++;
	if (i == s->nconnections)
		s->connections[s->nconnections++].url = *url;
	return i;
}

/* A bad connection of the source is reported there, once, not in each device. */
static void check_source(struct source *s, const struct gw_source_config *c)
{
	const struct mb_source_keys *k = c->own;
	struct mb_url url;
	struct gw_err err;

	if (k->connection && mb_url_parse(k->connection, &url, &err))
		gw_problem(gw_plugin_problems(s->plugin), &gw_node_get(c->node, "connection")->place,
			   "connection", "%s", err.msg);
}

static void connect_device(struct device *d, const struct gw_device_config *c)
{
	const struct mb_device_keys *k = c->own;
	struct gw_problems *to = gw_plugin_problems(d->source->plugin);
	struct connection *line;
	char path[128];
	struct mb_url url;
	struct gw_err err;

	snprintf(path, sizeof(path), "devices.%s.connection", c->name);
	if (!k->connection) {
		gw_problem(to, &c->node->name_place, path,
			   "is required, here or in the source; for example tcp://192.0.2.10:502");
		return;
	}
	if (mb_url_parse(k->connection, &url, &err)) {
		if (mb_given(c->node, "connection"))
			gw_problem(to, &gw_node_get(c->node, "connection")->place, path, "%s", err.msg);
		return;
	}
	d->connection = find_connection(d->source, &url);
	line = &d->source->connections[d->connection];
	if (line->timeout_us < k->timeout_ms * 1000)
		line->timeout_us = k->timeout_ms * 1000;
	if (line->delay_us < k->connect_delay_ms * 1000)
		line->delay_us = k->connect_delay_ms * 1000;
}

static void read_points(struct device *d, const struct gw_device_config *c)
{
	struct gw_plugin *plugin = d->source->plugin;
	struct gw_arena *arena = gw_plugin_arena(plugin);

	d->forms = gw_arena_alloc(arena, (c->npoints + 1) * sizeof(*d->forms));
	d->spans = gw_arena_alloc(arena, (c->npoints + 1) * sizeof(*d->spans));
	for (unsigned i = 0; i < c->npoints; i++) {
		const struct gw_point_config *pc = &c->points[i];
		struct mb_point p;
		char path[256];

		snprintf(path, sizeof(path), "devices.%s.points.%s", c->name, pc->name);
		mb_point_read(pc->own, pc->node, path, &d->limits, &p, gw_plugin_problems(plugin));
		d->forms[i] = p.form;
		d->spans[i] = p.span;
		gw_source_point(plugin, d->number, i, pc->name, mb_form_kind(&p.form),
				mb_form_bits(&p.form), false, NULL, pc->interval_ms);
	}
}

static void configure_device(struct device *d, const struct gw_device_config *c)
{
	const struct mb_device_keys *k = c->own;

	d->manner = (struct mb_manner){ .unit = (uint8_t)k->unit_id,
					.close_after = k->close_after_cycle,
					.retries = (unsigned)k->retries,
					.timeout_us = k->timeout_ms * 1000,
					.pause_us = k->pause_ms * 1000 };
	d->limits = (struct mb_limits){ (unsigned)k->max_registers, (unsigned)k->max_bits,
					(unsigned)k->max_gap };
	d->job = (struct mb_job){ .manner = &d->manner, .answer = answered, .done = cycle_done };
	connect_device(d, c);
	read_points(d, c);
}

static int configure(struct gw_plugin *p, const struct gw_source_config *c, void **self,
		     struct gw_err *err)
{
	struct gw_arena *arena = gw_plugin_arena(p);
	struct source *s = gw_arena_alloc(arena, sizeof(*s));

	(void)err;
	s->plugin = p;
	s->ndevices = c->ndevices;
	s->devices = gw_arena_alloc(arena, (c->ndevices + 1) * sizeof(*s->devices));
	s->connections = gw_arena_alloc(arena, (c->ndevices + 1) * sizeof(*s->connections));
	check_source(s, c);
	for (size_t i = 0; i < c->ndevices; i++) {
		s->devices[i].source = s;
		s->devices[i].number = (unsigned)i;
		configure_device(&s->devices[i], &c->devices[i]);
	}
	*self = s;
	return 0;
}

/* ---- life ---- */

static int start(void *self, struct gw_loop *loop, struct gw_err *err)
{
	struct source *s = self;

	for (size_t i = 0; i < s->nconnections; i++) {
		struct connection *c = &s->connections[i];
		struct mb_line_options o = { .loop = loop, .url = &c->url,
					     .connect_timeout_us = c->timeout_us,
					     .connect_delay_us = c->delay_us };

		if (mb_line_new(&c->line, &o, err))
			return -1;
		mb_line_start(c->line);
	}
	return 0;
}

static void stop(void *self)
{
	struct source *s = self;

	s->stopping = true;
	for (size_t i = 0; i < s->nconnections; i++) {
		if (s->connections[i].line)
			mb_line_stop(s->connections[i].line, GW_PLUGIN);
		mb_line_free(s->connections[i].line);
		s->connections[i].line = NULL;
	}
}

const struct gw_source_plugin mb_source = {
	.name = "modbus",
	.version = GW_VERSION,
	.help = "Reads devices that speak Modbus TCP.",
	.source = &mb_source_table,
	.device = &mb_device_table,
	.point = &mb_point_table,
	.configure = configure,
	.start = start,
	.cycle = cycle,
	.ask = ask,
	.stop = stop,
};
