/*
 * plan.c - see plan.h.
 */
#include "core/plan.h"
#include "core/device.h"
#include "core/promise.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"

/* ---- what a source declares ---- */

static char *text(struct gw_arena *a, struct gw_str s)
{
	char *p = gw_arena_alloc(a, (size_t)s.n + 1);

	if (s.n)
		memcpy(p, s.s, s.n);
	return p;
}

static void *room(struct gw_arena *a, void *items, size_t n, size_t *capacity, size_t size)
{
	void *more;

	if (n < *capacity)
		return items;
	*capacity = *capacity ? *capacity * 2 : 16;
	more = gw_arena_alloc(a, *capacity * size);
	if (n)
		memcpy(more, items, n * size);
	return more;
}

static int declare_device(struct gw_arena *a, struct gw_candidate *c, const struct gw_msg_device *m,
			  struct gw_err *err)
{
	if (c->ndevices == GW_SOURCE_DEVICES_MAX)
		return gw_err_set(err, GW_EPROTO, "declared more than %d devices", GW_SOURCE_DEVICES_MAX);
	if (m->device != c->ndevices)
		return gw_err_set(err, GW_EPROTO, "declared device %u after %zu devices", m->device,
				  c->ndevices);
	c->devices = room(a, c->devices, c->ndevices, &c->capacity, sizeof(*c->devices));
	c->devices[c->ndevices] = (struct gw_declared_device){ .name = text(a, m->name) };
	if (!gw_name_ok(c->devices[c->ndevices].name))
		return gw_err_set(err, GW_EPROTO, "declared a device with a bad name");
	c->ndevices++;
	return 0;
}

static int declare_point(struct gw_arena *a, struct gw_candidate *c, const struct gw_msg_point *m,
			 struct gw_err *err)
{
	struct gw_declared_device *d;

	if (m->device >= c->ndevices)
		return gw_err_set(err, GW_EPROTO, "declared a point of an unknown device");
	d = &c->devices[m->device];
	if (d->npoints == GW_POINTS_MAX)
		return gw_err_set(err, GW_EPROTO, "declared more than %d points of %s", GW_POINTS_MAX, d->name);
	if (c->npoints == GW_SOURCE_POINTS_MAX)
		return gw_err_set(err, GW_EPROTO, "declared more than %d points", GW_SOURCE_POINTS_MAX);
	if (m->point != d->npoints)
		return gw_err_set(err, GW_EPROTO, "declared point %u of %s after %zu points", m->point,
				  d->name, d->npoints);
	if (m->kind == GW_NONE || m->kind >= GW_ENUM || m->interval_ms <= 0)
		return gw_err_set(err, GW_EPROTO, "declared a point of %s with a bad kind or interval", d->name);
	d->points = room(a, d->points, d->npoints, &d->capacity, sizeof(*d->points));
	d->points[d->npoints] = (struct gw_declared_point){
		.name = text(a, m->name), .unit = m->unit.n ? text(a, m->unit) : NULL,
		.kind = (enum gw_kind)m->kind, .bits = m->bits, .writable = m->writable,
		.interval_ms = m->interval_ms,
	};
	if (!gw_name_ok(d->points[d->npoints].name))
		return gw_err_set(err, GW_EPROTO, "declared a point of %s with a bad name", d->name);
	d->npoints++;
	c->npoints++;
	return 0;
}

int gw_declare(struct gw_arena *a, struct gw_candidate *c, const struct gw_message *m, struct gw_err *err)
{
	if (m->type == GW_MSG_DEVICE)
		return declare_device(a, c, &m->device, err);
	return declare_point(a, c, &m->point, err);
}

/* ---- the answers of the processes ---- */

/* What the devices bring, and whether buffer and disk are up to it. */
static void weigh(struct gw_plan *p)
{
	struct gw_stream *streams;
	struct gw_disk disk;
	struct gw_err err;
	size_t n = 0;

	for (size_t i = 0; i < p->ncandidates; i++)
		n += p->candidates[i].ndevices;
	streams = calloc(n + 1, sizeof(*streams));
	assert(streams);
	n = 0;
	for (size_t i = 0; i < p->ncandidates; i++)
		for (size_t k = 0; k < p->candidates[i].ndevices; k++)
			streams[n++] = gw_device_stream(p->candidates[i].built[k]);
	p->load = gw_load_of(streams, n);
	free(streams);
	if (gw_disk_look(p->settings->core.buffer.path, &disk, &err) == 0)
		gw_promise_check(p->settings, &p->load, &disk);
	else
		gw_problem(&p->settings->problems, gw_settings_buffer_place(p->settings, "path"), "buffer.path",
			   "%s", err.msg);
}

static void build(struct gw_plan *p)
{
	for (size_t i = 0; i < p->ncandidates; i++) {
		struct gw_candidate *c = &p->candidates[i];

		c->built = calloc(c->ndevices + 1, sizeof(struct gw_device *));
		assert(c->built);
		for (size_t n = 0; n < c->ndevices; n++)
			c->built[n] = gw_device_new(&c->instance->source, c->instance->name, &c->devices[n]);
	}
	weigh(p);
}

static void told(struct gw_plan *p)
{
	if (p->waiting || p->told)
		return;
	p->told = true;
	gw_settings_check_all(p->settings);
	if (p->settings->problems.count == 0)
		build(p);
	p->done(p->arg, p);
}

static void answered(struct gw_candidate *c)
{
	if (c->answered)
		return;
	c->answered = true;
	c->plan->waiting--;
	told(c->plan);
}

static bool on_described(void *arg, const struct gw_described *keys)
{
	struct gw_candidate *c = arg;

	if (gw_settings_check(c->plan->settings, c->instance, keys) == 0)
		return true;
	answered(c);
	return false;
}

static void on_problem(void *arg, const struct gw_msg_problem *p)
{
	struct gw_candidate *c = arg;

	gw_settings_problem(c->plan->settings, c->instance, p);
}

static int on_declares(void *arg, const struct gw_message *m, struct gw_err *err)
{
	struct gw_candidate *c = arg;

	if (c->instance->sink)
		return gw_err_set(err, GW_EPROTO, "a sink does not say '%s'", gw_message_name(m->type));
	return gw_declare(c->plan->settings->arena, c, m, err);
}

static bool on_ready(void *arg, unsigned problems)
{
	struct gw_candidate *c = arg;
	struct gw_settings *s = c->plan->settings;

	if (problems && s->problems.count == 0)
		gw_problem(&s->problems, &c->instance->node->place, c->instance->name,
			   "plugin '%s' refuses its configuration and does not say why", c->instance->plugin);
	answered(c);
	return true;
}

static void on_down(void *arg, const char *reason)
{
	struct gw_candidate *c = arg;
	char path[100];

	gw_child_stop(c->child);
	if (c->answered)
		return;
	snprintf(path, sizeof(path), "%s.%s", c->instance->sink ? "sinks" : "sources", c->instance->name);
	gw_problem(&c->plan->settings->problems, &gw_node_get(c->instance->node, "plugin")->place, path,
		   "plugin '%s' does not start: %s", c->instance->plugin, reason);
	answered(c);
}

/* It goes on under other ops, those of its source or sink. */
static const struct gw_child_ops ops = {
	.described = on_described, .problem = on_problem, .declares = on_declares, .ready = on_ready,
	.down = on_down,
};

/* ---- */

struct gw_plan *gw_plan_new(const struct gw_plan_options *o)
{
	struct gw_plan *p = calloc(1, sizeof(*p));

	assert(p);
	p->settings = gw_settings_read(o->file);
	p->loop = o->loop;
	p->done = o->done;
	p->arg = o->arg;
	p->ncandidates = p->settings->ninstances;
	p->candidates = calloc(p->ncandidates + 1, sizeof(*p->candidates));
	assert(p->candidates);
	for (size_t i = 0; i < p->ncandidates; i++) {
		struct gw_candidate *c = &p->candidates[i];

		*c = (struct gw_candidate){ .instance = &p->settings->instances[i], .plan = p };
		if (!c->instance->program) { /* said already */
			c->answered = true;
			continue;
		}
		p->waiting++;
		c->child = gw_child_new(&(struct gw_child_options){
			.loop = o->loop, .receiver = o->receiver, .instance = c->instance,
			.gateway = p->settings->core.gateway.id, .ops = &ops, .arg = c });
	}
	return p;
}

void gw_plan_begin(struct gw_plan *p)
{
	for (size_t i = 0; i < p->ncandidates; i++)
		if (p->candidates[i].child)
			gw_child_start(p->candidates[i].child);
	told(p);
}

void gw_plan_free(struct gw_plan *p)
{
	if (!p)
		return;
	for (size_t i = 0; i < p->ncandidates; i++) {
		struct gw_candidate *c = &p->candidates[i];

		gw_child_free(c->child);
		for (size_t n = 0; c->built && n < c->ndevices; n++)
			gw_device_free(c->built[n]);
		free(c->built);
	}
	free(p->candidates);
	gw_settings_free(p->settings);
	free(p);
}
