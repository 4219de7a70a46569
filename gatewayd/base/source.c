/*
 * source.c - the role of a source: ticks to cycles, cycles to READING messages,
 * questions to answers; see gatewayd/plugin.h.
 *
 * A reading never blocks: when the link is full it is held back (held.h).
 */
#include "base/plugin_private.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cycle.h"
#include "base/held.h"
#include "base/question.h"
#include "base/runtime.h"
#include "base/schedule.h"
#include "base/source_config.h"
#include "base/writing.h"

enum {
	STOP_US = 2000000, /* for open cycles */
};

struct counts {
	uint64_t requests, overruns, dropped;
	uint32_t load_permille;
};

struct device {
	struct gw_cycle *cycle;
	const char *name;
	const struct gw_node *node;
	bool crowded; /* too many intervals: reported */
	struct counts now, sent;
};

struct source {
	const struct gw_source_plugin *def;
	struct gw_describe_section sections[3];
	struct gw_source_config config;
	void *self;
	bool started;
	struct device *devices;
	size_t ndevices;
	struct gw_held *held;
	struct gw_schedule *schedule;
	struct gw_watch *tick;
	void *scratch; /* of all cycles */
	struct gw_questions *questions;
	struct gw_writing *writing;
};

/* ---- readings out ---- */

static void on_closed(void *arg, unsigned device, const struct gw_reading *r)
{
	struct gw_plugin *p = arg;
	struct source *s = p->side;
	struct device *d = &s->devices[device];

	gw_schedule_finished(s->schedule, device);
	d->now.dropped += !gw_held_send(s->held, p->outbox, device, r);
}

/* ---- ticks ---- */

static void arm(struct source *s)
{
	int64_t next_us = gw_schedule_next_us(s->schedule);

	if (next_us != INT64_MAX)
		gw_timer_at(s->tick, next_us);
}

static void on_tick(void *arg)
{
	struct gw_plugin *p = arg;
	struct source *s = p->side;
	int64_t now_us = gw_now_us();
	struct gw_due due;

	while (gw_schedule_due(s->schedule, now_us, &due)) {
		struct gw_cycle *cycle = s->devices[due.device].cycle;

		gw_cycle_open(cycle, due.mask, due.due_us);
		s->def->cycle(s->self, cycle);
	}
	arm(s);
}

/* ---- configuration ---- */

static void declare_devices(struct gw_plugin *p)
{
	struct source *s = p->side;

	s->ndevices = s->config.ndevices;
	s->devices = calloc(s->ndevices + 1, sizeof(s->devices[0]));
	s->scratch = malloc(GW_READING_MAX);
	if (!s->devices || !s->scratch)
		abort();
	s->schedule = gw_schedule_new(s->ndevices);
	s->held = gw_held_new(s->ndevices);
	for (size_t i = 0; i < s->ndevices; i++) {
		struct gw_message m = { .type = GW_MSG_DEVICE };

		s->devices[i].name = s->config.devices[i].name;
		s->devices[i].node = s->config.devices[i].node;
		s->devices[i].cycle = gw_cycle_new((unsigned)i, s->scratch, on_closed, p);
		m.device.device = (uint16_t)i;
		m.device.name = gw_str(s->devices[i].name);
		gw_plugin_send(p, &m);
	}
}

static void configure(struct gw_plugin *p, const struct gw_node *root)
{
	struct source *s = p->side;
	struct gw_err err = { 0 };

	if (!gw_source_config(p->nodes, p->arena, s->def, p->own_name, root, &s->config, &p->problems))
		return;
	if (s->config.ndevices > UINT16_MAX) {
		gw_problem(&p->problems, &root->place, "devices", "a source has at most %d devices",
			   UINT16_MAX);
		return;
	}
	declare_devices(p);
	if (s->def->configure(p, &s->config, &s->self, &err) < 0)
		gw_problem(&p->problems, err.at.file ? &err.at : &root->place, "", "%s", err.msg);
}

/* The group of a point's interval; a device with too many intervals is reported once. */
static unsigned group_of(struct gw_plugin *p, unsigned device, int64_t interval_ms)
{
	struct source *s = p->side;
	struct device *d = &s->devices[device];
	int group = gw_schedule_group(s->schedule, device, interval_ms * 1000);
	char path[128];

	if (group >= 0)
		return (unsigned)group;
	snprintf(path, sizeof(path), "devices.%s", d->name);
	if (!d->crowded)
		gw_problem(&p->problems, &d->node->name_place, path,
			   "its points have more than %d different intervals", GW_GROUPS_MAX);
	d->crowded = true;
	return 0;
}

static bool too_many_points(struct gw_plugin *p, const struct device *d, unsigned point)
{
	char path[128];

	snprintf(path, sizeof(path), "devices.%s", d->name);
	if (point == GW_POINTS_MAX)
		gw_problem(&p->problems, &d->node->name_place, path, "has more than %d points",
			   GW_POINTS_MAX);
	return point >= GW_POINTS_MAX;
}

void gw_source_point(struct gw_plugin *p, unsigned device, unsigned point, const char *name,
		     enum gw_kind kind, unsigned bits, bool writable, const char *unit,
		     int64_t interval_ms)
{
	struct source *s = p->side;
	struct gw_message m = { .type = GW_MSG_POINT };

	assert(p->stage == GW_STAGE_CONFIGURING && device < s->ndevices && gw_name_ok(name));
	assert(kind > GW_NONE && kind < GW_ENUM && interval_ms > 0);
	if (too_many_points(p, &s->devices[device], point))
		return;
	assert(point == gw_cycle_points(s->devices[device].cycle));
	gw_cycle_add_point(s->devices[device].cycle, kind, group_of(p, device, interval_ms));
	m.point = (struct gw_msg_point){
		.device = (uint16_t)device,
		.point = (uint16_t)point,
		.name = gw_str(name),
		.kind = (uint8_t)kind,
		.bits = (uint8_t)bits,
		.writable = writable,
		.unit = gw_str(unit),
		.interval_ms = interval_ms,
	};
	gw_plugin_send(p, &m);
}

/* ---- questions ---- */

static bool is_known(const struct source *s, unsigned device, unsigned point)
{
	return device < s->ndevices && point < gw_cycle_points(s->devices[device].cycle);
}

static int asked(struct gw_plugin *p, const struct gw_msg_ask *m)
{
	struct source *s = p->side;
	struct gw_question *q =
		is_known(s, m->device, m->point) && s->def->ask ? gw_question_open(s->questions, p, m->number) : NULL;

	if (q)
		s->def->ask(s->self, m->device, m->point, q);
	else
		gw_question_refuse(p, m->number);
	return 0;
}

static int write_asked(struct gw_plugin *p, const struct gw_msg_write *m)
{
	struct source *s = p->side;
	struct gw_write *w = NULL;
	struct gw_value v = gw_write_value(m);

	if (!is_known(s, m->device, m->point) || !s->def->write || m->kind == GW_NONE || m->kind >= GW_ENUM) {
		gw_write_refuse(p, m->number, "the plugin cannot write this");
		return 0;
	}
	w = gw_write_open(s->writing, p, m->number);
	if (w)
		s->def->write(s->self, m->device, m->point, &v, w);
	else
		gw_write_refuse(p, m->number, "too many writes are under way");
	return 0;
}

static int message(struct gw_plugin *p, const struct gw_message *m, struct gw_err *err)
{
	if (m->type == GW_MSG_ASK)
		return asked(p, &m->ask);
	if (m->type == GW_MSG_WRITE)
		return write_asked(p, &m->write);
	return gw_err_set(err, GW_EPROTO, "%s is for a sink", gw_message_name(m->type));
}

/* ---- counts ---- */

void gw_source_requests(struct gw_plugin *p, unsigned device, uint64_t requests)
{
	struct source *s = p->side;

	assert(device < s->ndevices);
	s->devices[device].now.requests = requests;
}

void gw_source_load(struct gw_plugin *p, unsigned device, unsigned permille)
{
	struct source *s = p->side;

	assert(device < s->ndevices);
	s->devices[device].now.load_permille = permille;
}

static bool same_counts(const struct counts *a, const struct counts *b)
{
	return a->requests == b->requests && a->overruns == b->overruns &&
	       a->dropped == b->dropped && a->load_permille == b->load_permille;
}

/* Counts only grow, so those that find the link full go with the next. */
static void second(struct gw_plugin *p)
{
	struct source *s = p->side;

	for (size_t i = 0; i < s->ndevices && gw_outbox_empty(p->outbox); i++) {
		struct device *d = &s->devices[i];
		struct gw_message m = { .type = GW_MSG_COUNTERS };

		d->now.overruns = gw_schedule_overruns(s->schedule, i);
		if (same_counts(&d->now, &d->sent))
			continue;
		m.counters = (struct gw_msg_counters){
			.device = (uint16_t)i,
			.requests = d->now.requests,
			.overruns = d->now.overruns,
			.dropped = d->now.dropped,
			.load_permille = d->now.load_permille,
		};
		gw_plugin_send(p, &m);
		d->sent = d->now;
	}
}

/* ---- start and end ---- */

static void remember(struct gw_plugin *p, const char *key, const void *value, size_t size)
{
	struct source *s = p->side;

	if (s->def->state)
		s->def->state(s->self, key, value, size);
}

static int start(struct gw_plugin *p, int64_t epoch_us, struct gw_err *err)
{
	struct source *s = p->side;

	s->tick = gw_on_timer(p->loop, on_tick, p, err);
	if (!s->tick || (s->def->start && s->def->start(s->self, p->loop, err) < 0))
		return -1;
	s->started = true;
	gw_schedule_start(s->schedule, epoch_us, gw_now_us());
	arm(s);
	return 0;
}

static void release_devices(struct gw_plugin *p)
{
	struct source *s = p->side;

	if (s->tick)
		gw_timer_off(s->tick);
	if (s->started && s->def->stop)
		s->def->stop(s->self);
	s->started = false;
}

static void release_and_finish(struct gw_plugin *p)
{
	release_devices(p);
	gw_plugin_finish(p);
}

static void stop(struct gw_plugin *p)
{
	struct source *s = p->side;

	gw_timer_off(s->tick);
	if (gw_schedule_busy(s->schedule) == 0)
		release_and_finish(p);
}

static void turn(struct gw_plugin *p)
{
	struct source *s = p->side;

	if (p->stage == GW_STAGE_STOPPING && gw_schedule_busy(s->schedule) == 0)
		release_and_finish(p);
	gw_held_flush(s->held, p->outbox);
}

static bool waits(struct gw_plugin *p)
{
	return gw_held_any(((struct source *)p->side)->held);
}

static void release(struct gw_plugin *p)
{
	struct source *s = p->side;

	for (size_t i = 0; i < s->ndevices; i++)
		gw_cycle_free(s->devices[i].cycle);
	gw_held_free(s->held);
	gw_watch_stop(s->tick);
	gw_schedule_free(s->schedule);
	free(s->devices);
	free(s->scratch);
	gw_questions_free(s->questions);
	gw_writing_free(s->writing);
	free(s);
}

static const struct gw_role source_role = {
	.number = 0,
	.configure = configure,
	.state = remember,
	.start = start,
	.message = message,
	.turn = turn,
	.waits = waits,
	.second = second,
	.stop = stop,
	.stop_us = STOP_US,
	.overdue = release_and_finish,
	.drop = release_devices,
	.release = release,
};

static void sections_of(const struct gw_source_plugin *def, struct gw_describe_section sections[3])
{
	sections[0] = (struct gw_describe_section){ "source", def->source };
	sections[1] = (struct gw_describe_section){ "device", def->device };
	sections[2] = (struct gw_describe_section){ "point", def->point };
}

struct gw_plugin *gw_plugin_open_source(const struct gw_source_plugin *def, struct gw_loop *loop,
					int fd, struct gw_err *err)
{
	struct source *s = calloc(1, sizeof(*s));
	struct gw_plugin *p;

	if (!s)
		abort();
	s->def = def;
	s->questions = gw_questions_new();
	s->writing = gw_writing_new();
	sections_of(def, s->sections);
	p = gw_plugin_new(&source_role, s, loop, fd);
	p->name = def->name;
	p->version = def->version;
	p->sections = s->sections;
	p->nsections = sizeof(s->sections) / sizeof(s->sections[0]);
	if (gw_plugin_begin(p, err) == 0)
		return p;
	gw_plugin_free(p);
	return NULL;
}

static struct gw_plugin *open_on(struct gw_loop *loop, int fd, const void *def, struct gw_err *err)
{
	return gw_plugin_open_source(def, loop, fd, err);
}

int gw_source_main(const struct gw_source_plugin *def, int argc, char *argv[])
{
	struct gw_describe_section sections[3];

	sections_of(def, sections);
	return gw_program_main(&(struct gw_program){ .name = def->name,
						     .version = def->version,
						     .help = def->help,
						     .tools = def->tools,
						     .sections = sections,
						     .nsections = 3,
						     .open = open_on,
						     .def = def },
			       argc, argv);
}
