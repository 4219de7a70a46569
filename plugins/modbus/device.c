/*
 * One device: its keys to a plan, a cycle to a job, answers to values.
 */
#include "plugins/modbus/device.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "plugins/modbus/factor.h"
#include "plugins/modbus/learn.h"
#include "plugins/modbus/point.h"
#include "plugins/modbus/single.h"

/* The plan for the points of one mask. */
struct kept_plan {
	uint32_t mask;
	unsigned generation; /* of what was learned */
	struct mb_plan *plan;
	struct kept_plan *next;
};

struct mb_device {
	struct mb_job job; /* first: callbacks get it */
	const struct mb_host *host;
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
	int64_t turnaround_us, min_interval_ms;
	struct kept_plan *plans;
	const struct mb_plan *plan; /* of the open cycle */
	struct gw_cycle *cycle;     /* NULL: none is open */
	bool heard;                 /* the device answered in this cycle */
	uint8_t silence;            /* else why not */
	uint64_t asked;             /* requests for questions */
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
static void give(struct mb_device *d, unsigned point, struct gw_value *v)
{
	if (!d->derive || !mb_derive_take(d->derive, point, v))
		put(d->cycle, point, v);
}

static void answered(struct mb_job *job, unsigned request, unsigned reason, const uint8_t *data)
{
	struct mb_device *d = (struct mb_device *)job;
	const struct mb_request *r = &d->plan->requests[request];
	char text[2 * MB_REGISTERS_MAX];

	if (d->host->stopping)
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

static void count(struct mb_device *d)
{
	struct gw_plugin *plugin = d->host->plugin;

	gw_source_requests(plugin, d->number, d->job.sent + d->asked);
	gw_source_load(plugin, d->number, mb_line_load(d->connection->line));
}

/* ---- memory ---- */

/* What was learned of a device belongs to its place, not to its name. */
static const char *memory_key(const struct mb_device *d, char *buf, size_t size)
{
	uint64_t hash = UINT64_C(0xcbf29ce484222325);

	for (const char *p = d->connection->url.text; *p; p++)
		hash = (hash ^ (unsigned char)*p) * UINT64_C(0x100000001b3);
	snprintf(buf, size, "map.%016llx.%u", (unsigned long long)hash, d->manner.unit);
	return buf;
}

static void remember(struct mb_device *d)
{
	const struct mb_learned *learned = mb_learner_learned(d->learner);
	uint8_t bytes[MB_LEARNED_BYTES];
	char key[64];

	if (d->remembered == learned->generation)
		return;
	d->remembered = learned->generation;
	gw_log(GW_INFO, "device %u of %s: %u stretches that cannot be read are known", d->manner.unit,
	       d->connection->url.text, learned->count);
	gw_state_put(d->host->plugin, memory_key(d, key, sizeof(key)), bytes,
		     learned->count ? mb_learned_encode(learned, bytes) : 0);
}

bool mb_device_recall(struct mb_device *d, const char *key, const void *value, size_t size)
{
	struct mb_learned *learned = mb_learner_learned(d->learner);
	char own[64];

	if (d->derive && mb_derive_remember(d->derive, key, value, size))
		return true;
	/* A map is that of all devices with this place. */
	if (strcmp(memory_key(d, own, sizeof(own)), key))
		return false;
	if (mb_learned_decode(learned, value, size, gw_now_us()))
		gw_log(GW_WARNING, "what was learned of unit %u of %s is not readable: learned anew",
		       d->manner.unit, d->connection->url.text);
	d->remembered = learned->generation;
	return false;
}

static void put_state(void *plugin, const char *key, const void *value, size_t size)
{
	gw_state_put(plugin, key, value, size);
}

void mb_device_save(struct mb_device *d)
{
	if (d->derive)
		mb_derive_save(d->derive, put_state, d->host->plugin);
}

/* ---- cycles ---- */

static void submit(struct mb_device *d, const struct mb_plan *plan)
{
	d->plan = plan;
	d->job.requests = plan->requests;
	d->job.count = plan->nrequests;
	d->job.start %= plan->nrequests;
	mb_line_submit(d->connection->line, &d->job);
}

/* Known holes say nothing of a device that is not there now. */
static void fail_all(const struct mb_device *d)
{
	size_t n;
	const uint16_t *due = gw_cycle_due(d->cycle, &n);

	for (size_t i = 0; i < n; i++)
		gw_cycle_fail(d->cycle, due[i], d->silence);
}

static void cycle_done(struct mb_job *job)
{
	struct mb_device *d = (struct mb_device *)job;
	struct gw_cycle *cycle = d->cycle;
	const struct mb_plan *more;

	/* A cycle that our own end cut off would only accuse the device. */
	if (d->host->stopping)
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

static struct kept_plan *kept_for(struct mb_device *d, uint32_t mask, unsigned n)
{
	struct gw_arena *arena = gw_plugin_arena(d->host->plugin);
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

static const struct mb_plan *plan_for(struct mb_device *d, uint32_t mask, const uint16_t *due, unsigned n)
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

void mb_device_cycle(struct mb_device *d, struct gw_cycle *c)
{
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

static struct mb_target target_of(struct mb_device *d, unsigned point)
{
	return (struct mb_target){ .line = d->connection->line, .manner = &d->manner, .forms = d->forms,
				   .spans = d->spans, .point = point, .requests = &d->asked,
				   .stopping = &d->host->stopping };
}

void mb_device_ask(struct mb_device *d, unsigned point, struct gw_question *q)
{
	struct mb_target t = target_of(d, point);

	mb_ask(&t, d->derive, q);
}

void mb_device_write(struct mb_device *d, unsigned point, const struct gw_value *v, struct gw_write *w)
{
	struct mb_target t = target_of(d, point);

	if (d->write_functions[point])
		mb_write(&t, d->write_functions[point], v, w);
	else
		gw_write_done(w, GW_WRITE_REFUSED, "the point is not writable", NULL);
}

/* ---- configuration ---- */

/* Is a point asked more often than the device bears?  `at`: its map or the device's. */
static void check_interval(const struct mb_device *d, const struct gw_node *at, const char *path,
			   int64_t interval_ms)
{
	const struct gw_node *interval = gw_node_get(at, "interval");
	char key[300];

	if (interval_ms >= d->min_interval_ms)
		return;
	snprintf(key, sizeof(key), "%s.interval", path);
	gw_problem(gw_plugin_problems(d->host->plugin), interval ? &interval->place : &at->name_place, key,
		   "%.10g s is more often than the device bears; min_interval is %.10g s",
		   (double)interval_ms / 1000, (double)d->min_interval_ms / 1000);
}

/* A word order of the device holds for numbers that say nothing of their own. */
static void inherit_order(struct mb_point *p, const struct mb_device_keys *k, const struct gw_node *point)
{
	if (p->form.type != MB_STRING && !p->form.apart && !mb_given(point, "word_order"))
		p->form.word_little = k->word_order == MB_LITTLE;
}

static void read_points(struct mb_device *d, const struct gw_device_config *c)
{
	struct mb_point *points = calloc(c->npoints + 1, sizeof(*points));
	struct gw_plugin *plugin = d->host->plugin;
	struct gw_arena *arena = gw_plugin_arena(plugin);
	int64_t *interval_ms = gw_arena_alloc(arena, (c->npoints + 1) * sizeof(*interval_ms));
	bool inherits = false;
	char path[256];

	if (!points)
		abort();
	d->forms = gw_arena_alloc(arena, (c->npoints + 1) * sizeof(*d->forms));
	d->write_functions = gw_arena_alloc(arena, c->npoints + 1);
	d->spans = gw_arena_alloc(arena, (c->npoints + 1) * sizeof(*d->spans));
	for (unsigned i = 0; i < c->npoints; i++) {
		const struct gw_point_config *pc = &c->points[i];
		struct mb_point *p = &points[i];

		snprintf(path, sizeof(path), "devices.%s.points.%s", c->name, pc->name);
		mb_point_read(pc->own, pc->node, path, &d->limits, p, gw_plugin_problems(plugin));
		inherit_order(p, c->own, pc->node);
		d->forms[i] = mb_point_form(p, arena);
		d->spans[i] = p->span;
		interval_ms[i] = pc->interval_ms;
		if (mb_given(pc->node, "interval"))
			check_interval(d, pc->node, path, pc->interval_ms);
		else
			inherits = true;
		gw_source_point(plugin, d->number, i, pc->name, mb_point_kind(p), mb_point_bits(p),
				p->write_function != 0, NULL, pc->interval_ms);
		d->write_functions[i] = p->write_function;
	}
	snprintf(path, sizeof(path), "devices.%s", c->name);
	if (inherits)
		check_interval(d, c->node, path, c->interval_ms);
	d->interval_ms = interval_ms;
	d->npoints = (unsigned)c->npoints;
	d->learner = mb_learner_new(arena, d->spans, d->npoints, &d->limits, &d->rules);
	d->derive = mb_derive_of(arena, c, points, gw_plugin_problems(plugin));
	free(points);
}

static unsigned stricter(int64_t a, int64_t b)
{
	return (unsigned)(a < b ? a : b);
}

static void read_keys(struct mb_device *d, const struct mb_device_keys *k,
		      const struct mb_source_keys *line)
{
	d->manner = (struct mb_manner){ .unit = (uint8_t)k->unit_id,
					.close_after = k->close_after_cycle,
					.retries = (unsigned)k->retries,
					.timeout_us = k->timeout_ms * 1000,
					.pause_us = k->pause_ms * 1000,
					.guard_us = k->guard_ms * 1000,
					.unit_pause_us = k->unit_pause_ms * 1000,
					.reconnect_after = (unsigned)k->reconnect_after,
					.any_transaction = k->any_transaction };
	d->turnaround_us = k->turnaround_ms * 1000;
	d->min_interval_ms = k->min_interval_ms;
	d->limits = (struct mb_limits){ stricter(k->max_registers, line->max_registers),
					stricter(k->max_bits, line->max_bits), (unsigned)k->max_gap,
					k->coils_from_zero };
	d->rules = (struct mb_rules){ .barriers = k->barriers.items, .nbarriers = k->barriers.count,
				      .exact = k->exact };
}

struct mb_demand mb_device_demand(const struct mb_device *d)
{
	return (struct mb_demand){ .spans = d->spans,
				   .interval_ms = d->interval_ms,
				   .npoints = d->npoints,
				   .limits = &d->limits,
				   .rules = &d->rules,
				   .turnaround_us = d->turnaround_us,
				   .pause_us = d->manner.pause_us,
				   .guard_us = d->manner.guard_us,
				   .unit_pause_us = d->manner.unit_pause_us };
}

struct mb_device *mb_device_new(const struct mb_host *host, unsigned number,
				const struct gw_source_config *source, const struct gw_device_config *c)
{
	struct mb_device *d = gw_arena_alloc(gw_plugin_arena(host->plugin), sizeof(*d));
	struct mb_demand demand;

	d->host = host;
	d->number = number;
	d->job = (struct mb_job){ .manner = &d->manner, .answer = answered, .done = cycle_done };
	read_keys(d, c->own, source->own);
	d->connection = mb_connect_device(host->connections, source, c,
					  gw_plugin_problems(host->plugin));
	read_points(d, c);
	demand = mb_device_demand(d);
	mb_connect_timeout(d->connection, c, &demand, gw_plugin_problems(host->plugin));
	return d;
}

const struct mb_connection *mb_device_connection(const struct mb_device *d)
{
	return d->connection;
}

void mb_device_free(struct mb_device *d)
{
	mb_learner_free(d->learner);
}
