/*
 * The Modbus source: its devices and lines from start to stop.  What a device does
 * is device.h's, when a request ends the line's.
 */
#include "plugins/modbus/source.h"

#include "plugins/modbus/device.h"
#include "plugins/modbus/tool.h"

enum { SAVE_US = 60 * 1000000, FIRST_SAVE_US = 5 * 1000000 };

struct source {
	struct mb_host host;
	struct mb_connections connections;
	int64_t probe_period_us;
	struct mb_device **devices;
	size_t ndevices;
	struct gw_watch *minute; /* to put totals */
};

/* ---- configuration ---- */

static void check_budget(struct source *s, const struct mb_connection *line)
{
	struct mb_demand *demands = gw_arena_alloc(gw_plugin_arena(s->host.plugin),
						   (s->ndevices + 1) * sizeof(*demands));
	unsigned n = 0;

	for (size_t i = 0; i < s->ndevices; i++)
		if (mb_device_connection(s->devices[i]) == line)
			demands[n++] = mb_device_demand(s->devices[i]);
	mb_connect_budget(line, demands, n, gw_plugin_problems(s->host.plugin));
}

static int configure(struct gw_plugin *p, const struct gw_source_config *c, void **self,
		     struct gw_err *err)
{
	struct gw_arena *arena = gw_plugin_arena(p);
	struct source *s = gw_arena_alloc(arena, sizeof(*s));

	(void)err;
	s->host = (struct mb_host){ .plugin = p, .connections = &s->connections };
	s->ndevices = c->ndevices;
	s->devices = gw_arena_alloc(arena, (c->ndevices + 1) * sizeof(struct mb_device *));
	s->connections.items = gw_arena_alloc(arena,
					      (c->ndevices + 1) * sizeof(*s->connections.items));
	s->probe_period_us = ((const struct mb_source_keys *)c->own)->probe_period_ms * 1000;
	mb_connect_source(c, gw_plugin_problems(p));
	for (unsigned i = 0; i < c->ndevices; i++)
		s->devices[i] = mb_device_new(&s->host, i, c, &c->devices[i]);
	for (size_t i = 0; i < s->connections.count; i++)
		check_budget(s, &s->connections.items[i]);
	*self = s;
	return 0;
}

/* ---- at work ---- */

static void cycle(void *self, struct gw_cycle *c)
{
	mb_device_cycle(((struct source *)self)->devices[gw_cycle_device(c)], c);
}

static void ask(void *self, unsigned device, unsigned point, struct gw_question *q)
{
	mb_device_ask(((struct source *)self)->devices[device], point, q);
}

static void write_point(void *self, unsigned device, unsigned point, const struct gw_value *v,
			struct gw_write *w)
{
	mb_device_write(((struct source *)self)->devices[device], point, v, w);
}

/* ---- memory ---- */

/* Before start(): which device it was is told by the key. */
static void recall(void *self, const char *key, const void *value, size_t size)
{
	struct source *s = self;

	for (size_t i = 0; i < s->ndevices; i++)
		if (mb_device_recall(s->devices[i], key, value, size))
			return;
}

static void save(struct source *s)
{
	for (size_t i = 0; i < s->ndevices; i++)
		mb_device_save(s->devices[i]);
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

	s->host.stopping = true;
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
		mb_device_free(s->devices[i]);
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
