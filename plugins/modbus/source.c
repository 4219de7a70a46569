/*
 * The Modbus source: configuration to lines, units and plans; cycles to jobs;
 * answers to values.  Decides nothing about time: the runtime says when a cycle
 * is due, the line when a request ends.
 */
#include "plugins/modbus/source.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "plugins/modbus/connect.h"
#include "plugins/modbus/factor.h"
#include "plugins/modbus/learn.h"
#include "plugins/modbus/point.h"
#include "plugins/modbus/single.h"
#include "plugins/modbus/tool.h"

enum { SAVE_US = 60 * 1000000, FIRST_SAVE_US = 5 * 1000000 };

/* The plan for the points of one mask. */
struct kept_plan {
	uint32_t mask;
	unsigned generation; /* of what was learned */
	struct mb_plan *plan;
	struct kept_plan *next;
};

struct device {
	struct mb_job job; /* first: callbacks get it */
	struct source *source;
	unsigned number;
	struct mb_connection *connection;
	struct mb_manner manner;
	struct mb_limits limits;
	struct mb_rules rules;
	struct mb_learner *learner;
	unsigned remembered; /* generation of what was learned that the core keeps */
	struct mb_form *forms;
	struct mb_derive *derive; /* counters and scaled values; NULL: it has none */
	struct mb_span *spans;
	uint8_t *write_functions; /* 0: not writable */
	const int64_t *interval_ms; /* of each point */
	unsigned npoints;
	int64_t turnaround_us;
	struct kept_plan *plans;
	const struct mb_plan *plan; /* of the open cycle */
	struct gw_cycle *cycle;     /* NULL: none is open */
	bool heard;                 /* the device answered in this cycle */
	uint8_t silence;            /* else why not */
	uint64_t asked;             /* requests for questions */
};

struct source {
	struct gw_plugin *plugin;
	struct mb_connections connections;
	int64_t probe_period_us;
	struct device *devices;
	size_t ndevices;
	struct gw_watch *minute; /* to put totals */
	bool stopping;
};

/* ---- answers ---- */

static void put(void *cycle, unsigned point, const struct gw_value *v)
{
	struct gw_cycle *c = cycle;

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
		gw_cycle_fail(c, point, v->reason);
		break;
	case GW_ENUM:
	case GW_KINDS:
		abort(); /* decode.h gives none of them */
	}
}

/* Now, or when the cycle ends. */
static void give(struct device *d, unsigned point, struct gw_value *v)
{
	if (!d->derive || !mb_derive_take(d->derive, point, v))
		put(d->cycle, point, v);
}

static void answered(struct mb_job *job, unsigned request, unsigned reason, const uint8_t *data)
{
	struct device *d = (struct device *)job;
	const struct mb_request *r = &d->plan->requests[request];
	char text[2 * MB_REGISTERS_MAX];

	if (d->source->stopping)
		return;
	mb_learner_result(d->learner, d->plan, request, reason);
	if (gw_reason_is_silence(reason))
		d->silence = (uint8_t)reason;
	else
		d->heard = true;
	if (data)
		gw_cycle_answered(d->cycle);
	for (unsigned i = r->first; i < r->first + (unsigned)r->places; i++) {
		const struct mb_place *at = &d->plan->places[i];
		struct gw_value v = { .kind = GW_NONE, .reason = (enum gw_reason)reason };

		if (data)
			v = mb_decode(&d->forms[at->point], data, at->offset, text);
		else if (mb_learner_has(d->learner, at->point))
			continue;
		give(d, at->point, &v);
	}
}

static void count(struct device *d)
{
	struct source *s = d->source;

	gw_source_requests(s->plugin, d->number, d->job.sent + d->asked);
	gw_source_load(s->plugin, d->number, mb_line_load(d->connection->line));
}

/* What was learned of a device belongs to its place, not to its name. */
static const char *memory_key(const struct device *d, char *buf, size_t size)
{
	uint64_t hash = UINT64_C(0xcbf29ce484222325);

	for (const char *p = d->connection->url.text; *p; p++)
		hash = (hash ^ (unsigned char)*p) * UINT64_C(0x100000001b3);
	snprintf(buf, size, "map.%016llx.%u", (unsigned long long)hash, d->manner.unit);
	return buf;
}

static void remember(struct device *d)
{
	const struct mb_learned *learned = mb_learner_learned(d->learner);
	uint8_t bytes[MB_LEARNED_BYTES];
	char key[64];

	if (d->remembered == learned->generation)
		return;
	d->remembered = learned->generation;
	gw_log(GW_INFO, "device %u of %s: %u stretches that cannot be read are known", d->manner.unit,
	       d->connection->url.text, learned->count);
	gw_state_put(d->source->plugin, memory_key(d, key, sizeof(key)), bytes,
		     learned->count ? mb_learned_encode(learned, bytes) : 0);
}

/* Before start(): which device it was is told by the key. */
static void recall(void *self, const char *key, const void *value, size_t size)
{
	struct source *s = self;
	char own[64];

	for (struct device *d = s->devices; d < s->devices + s->ndevices; d++) {
		struct mb_learned *learned = mb_learner_learned(d->learner);

		if (d->derive && mb_derive_remember(d->derive, key, value, size))
			return;
		if (strcmp(memory_key(d, own, sizeof(own)), key))
			continue;
		if (mb_learned_decode(learned, value, size, gw_now_us()))
			gw_log(GW_WARNING, "what was learned of unit %u of %s is not readable: learned anew",
			       d->manner.unit, d->connection->url.text);
		d->remembered = learned->generation;
	}
}

static void submit(struct device *d, const struct mb_plan *plan)
{
	d->plan = plan;
	d->job.requests = plan->requests;
	d->job.count = plan->nrequests;
	d->job.start %= plan->nrequests;
	mb_line_submit(d->connection->line, &d->job);
}

/* Known holes say nothing of a device that is not there now. */
static void fail_all(const struct device *d)
{
	size_t n;
	const uint16_t *due = gw_cycle_due(d->cycle, &n);

	for (size_t i = 0; i < n; i++)
		gw_cycle_fail(d->cycle, due[i], d->silence);
}

static void cycle_done(struct mb_job *job)
{
	struct device *d = (struct device *)job;
	struct gw_cycle *cycle = d->cycle;
	const struct mb_plan *more;

	/* A cycle that our own end cut off would only accuse the device. */
	if (d->source->stopping)
		return;
	more = mb_learner_next(d->learner, gw_now_us());
	if (more) {
		submit(d, more);
		return;
	}
	remember(d);
	count(d);
	if (d->derive)
		mb_derive_end(d->derive, put, cycle);
	if (!d->heard)
		fail_all(d);
	d->cycle = NULL;
	gw_cycle_close(cycle, GW_TIMEOUT);
}

/* ---- cycles ---- */

static struct kept_plan *kept_for(struct device *d, uint32_t mask, unsigned n)
{
	struct gw_arena *arena = gw_plugin_arena(d->source->plugin);
	struct kept_plan *k = d->plans;

	while (k && k->mask != mask)
		k = k->next;
	if (k)
		return k;
	k = gw_arena_alloc(arena, sizeof(*k));
	/* Out of date: it is filled below. */
	*k = (struct kept_plan){ mask, mb_learner_learned(d->learner)->generation - 1,
				 mb_plan_new(arena, n), d->plans };
	d->plans = k;
	return k;
}

static const struct mb_plan *plan_for(struct device *d, uint32_t mask, const uint16_t *due, unsigned n)
{
	const struct mb_plan *careful = mb_learner_careful(d->learner);
	unsigned generation = mb_learner_learned(d->learner)->generation;
	struct kept_plan *k;

	if (careful) {
		d->job.start = 0;
		return careful;
	}
	k = kept_for(d, mask, n);
	if (k->generation != generation)
		mb_plan_fill(k->plan, &(struct mb_wish){ d->spans, due, n, &d->limits, &d->rules });
	k->generation = generation;
	return k->plan;
}

static void cycle(void *self, struct gw_cycle *c)
{
	struct source *s = self;
	struct device *d = &s->devices[gw_cycle_device(c)];
	const struct mb_plan *plan;
	const uint16_t *due;
	size_t n;

	d->cycle = c;
	d->heard = false;
	if (d->derive)
		mb_derive_begin(d->derive);
	due = gw_cycle_due(c, &n);
	mb_learner_begin(d->learner, due, (unsigned)n);
	plan = plan_for(d, gw_cycle_mask(c), due, (unsigned)n);
	for (unsigned i = 0; i < plan->nskips; i++) {
		struct gw_value v = { .kind = GW_NONE, .reason = (enum gw_reason)plan->skips[i].reason };

		give(d, plan->skips[i].point, &v);
	}
	submit(d, plan);
}

/* ---- one point at a time ---- */

static struct mb_target target_of(struct device *d, unsigned point)
{
	return (struct mb_target){ .line = d->connection->line, .manner = &d->manner, .forms = d->forms,
				   .spans = d->spans, .point = point, .requests = &d->asked,
				   .stopping = &d->source->stopping };
}

static void ask(void *self, unsigned device, unsigned point, struct gw_question *q)
{
	struct device *d = &((struct source *)self)->devices[device];
	struct mb_target t = target_of(d, point);

	mb_ask(&t, d->derive, q);
}

static void write_point(void *self, unsigned device, unsigned point, const struct gw_value *v,
			struct gw_write *w)
{
	struct device *d = &((struct source *)self)->devices[device];
	struct mb_target t = target_of(d, point);

	if (d->write_functions[point])
		mb_write(&t, d->write_functions[point], v, w);
	else
		gw_write_done(w, GW_WRITE_REFUSED, "the point is not writable", NULL);
}

/* ---- configuration ---- */

static void read_points(struct device *d, const struct gw_device_config *c)
{
	struct mb_point *points = calloc(c->npoints + 1, sizeof(*points));
	struct gw_plugin *plugin = d->source->plugin;
	struct gw_arena *arena = gw_plugin_arena(plugin);
	int64_t *interval_ms = gw_arena_alloc(arena, (c->npoints + 1) * sizeof(*interval_ms));

	if (!points)
		abort();
	d->forms = gw_arena_alloc(arena, (c->npoints + 1) * sizeof(*d->forms));
	d->write_functions = gw_arena_alloc(arena, c->npoints + 1);
	d->spans = gw_arena_alloc(arena, (c->npoints + 1) * sizeof(*d->spans));
	for (unsigned i = 0; i < c->npoints; i++) {
		const struct gw_point_config *pc = &c->points[i];
		struct mb_point *p = &points[i];
		char path[256];

		snprintf(path, sizeof(path), "devices.%s.points.%s", c->name, pc->name);
		mb_point_read(pc->own, pc->node, path, &d->limits, p, gw_plugin_problems(plugin));
		d->forms[i] = mb_point_form(p, arena);
		d->spans[i] = p->span;
		interval_ms[i] = pc->interval_ms;
		gw_source_point(plugin, d->number, i, pc->name, mb_point_kind(p), mb_point_bits(p),
				p->write_function != 0, NULL, pc->interval_ms);
		d->write_functions[i] = p->write_function;
	}
	d->interval_ms = interval_ms;
	d->npoints = (unsigned)c->npoints;
	d->learner = mb_learner_new(arena, d->spans, d->npoints, &d->limits, &d->rules);
	d->derive = mb_derive_of(arena, c, points, gw_plugin_problems(plugin));
	free(points);
}

static void configure_device(struct device *d, const struct gw_source_config *source,
			     const struct gw_device_config *c)
{
	const struct mb_device_keys *k = c->own;

	d->manner = (struct mb_manner){ .unit = (uint8_t)k->unit_id,
					.close_after = k->close_after_cycle,
					.retries = (unsigned)k->retries,
					.timeout_us = k->timeout_ms * 1000,
					.pause_us = k->pause_ms * 1000,
					.unit_pause_us = k->unit_pause_ms * 1000,
					.reconnect_after = (unsigned)k->reconnect_after };
	d->turnaround_us = k->turnaround_ms * 1000;
	d->limits = (struct mb_limits){ (unsigned)k->max_registers, (unsigned)k->max_bits,
					(unsigned)k->max_gap };
	d->rules = (struct mb_rules){ .barriers = k->barriers.items, .nbarriers = k->barriers.count,
				      .exact = k->exact };
	d->job = (struct mb_job){ .manner = &d->manner, .answer = answered, .done = cycle_done };
	d->connection = mb_connect_device(&d->source->connections, source, c,
					  gw_plugin_problems(d->source->plugin));
	read_points(d, c);
}

static void check_budget(struct source *s, const struct mb_connection *line)
{
	struct mb_demand *demands = gw_arena_alloc(gw_plugin_arena(s->plugin),
						   (s->ndevices + 1) * sizeof(*demands));
	unsigned n = 0;

	for (struct device *d = s->devices; d < s->devices + s->ndevices; d++)
		if (d->connection == line)
			demands[n++] = (struct mb_demand){ .spans = d->spans,
							   .interval_ms = d->interval_ms,
							   .npoints = d->npoints,
							   .limits = &d->limits,
							   .rules = &d->rules,
							   .turnaround_us = d->turnaround_us,
							   .pause_us = d->manner.pause_us,
							   .unit_pause_us = d->manner.unit_pause_us };
	mb_connect_budget(line, demands, n, gw_plugin_problems(s->plugin));
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
	s->connections.items = gw_arena_alloc(arena,
					      (c->ndevices + 1) * sizeof(*s->connections.items));
	s->probe_period_us = ((const struct mb_source_keys *)c->own)->probe_period_ms * 1000;
	mb_connect_source(c, gw_plugin_problems(p));
	for (size_t i = 0; i < c->ndevices; i++) {
		s->devices[i].source = s;
		s->devices[i].number = (unsigned)i;
		configure_device(&s->devices[i], c, &c->devices[i]);
	}
	for (size_t i = 0; i < s->connections.count; i++)
		check_budget(s, &s->connections.items[i]);
	*self = s;
	return 0;
}

/* ---- memory ---- */

static void put_state(void *plugin, const char *key, const void *value, size_t size)
{
	gw_state_put(plugin, key, value, size);
}

static void save(struct source *s)
{
	for (size_t i = 0; i < s->ndevices; i++)
		if (s->devices[i].derive)
			mb_derive_save(s->devices[i].derive, put_state, s->plugin);
}

static void on_minute(void *arg)
{
	struct source *s = arg;

	save(s);
	gw_timer_at(s->minute, gw_now_us() + SAVE_US);
}

/* ---- life ---- */

static int start(void *self, struct gw_loop *loop, struct gw_err *err)
{
	struct source *s = self;

	s->minute = gw_on_timer(loop, on_minute, s, err);
	if (!s->minute)
		return -1;
	gw_timer_at(s->minute, gw_now_us() + FIRST_SAVE_US);
	for (size_t i = 0; i < s->connections.count; i++) {
		struct mb_connection *c = &s->connections.items[i];
		struct mb_line_options o = { .loop = loop, .url = &c->url,
					     .connect_timeout_us = c->timeout_us,
					     .connect_delay_us = c->delay_us,
					     .probe_period_us = s->probe_period_us };

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
	save(s);
	gw_watch_stop(s->minute);
	s->minute = NULL;
	for (size_t i = 0; i < s->connections.count; i++) {
		struct mb_connection *c = &s->connections.items[i];

		if (c->line)
			mb_line_stop(c->line, GW_PLUGIN);
		mb_line_free(c->line);
		c->line = NULL;
	}
	for (size_t i = 0; i < s->ndevices; i++)
		mb_learner_free(s->devices[i].learner);
}

const struct gw_source_plugin mb_source = {
	.name = "modbus",
	.version = GW_VERSION,
	.help = "Reads devices that speak Modbus: TCP, serial lines (RTU), RTU over TCP.",
	.source = &mb_source_table,
	.device = &mb_device_table,
	.point = &mb_point_table,
	.tools = mb_tools,
	.configure = configure,
	.start = start,
	.cycle = cycle,
	.ask = ask,
	.write = write_point,
	.state = recall,
	.stop = stop,
};
