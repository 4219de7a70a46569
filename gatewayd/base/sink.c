/*
 * sink.c - the role of a sink: its configuration, start and end.  What comes in is in
 * sink_in.c, what goes out in sink_out.c.  See gatewayd/plugin.h.
 */
#include "base/sink_private.h"

#include <stdlib.h>

#include "base/keys.h"
#include "base/runtime.h"

enum { STOP_US = 5000000 }; /* for goodbye to the far end */

static void configure(struct gw_plugin *p, const struct gw_node *root)
{
	struct sink *s = p->side;
	struct gw_table table = s->def->sink ? *s->def->sink : gw_sink_table;
	struct gw_err err = { 0 };

	table.also = s->def->sink ? &gw_sink_table : NULL;
	s->config = (struct gw_sink_config){ .name = p->own_name,
					     .node = root,
					     .own = gw_arena_alloc(p->arena, table.size + 1) };
	if (gw_config_load(p->arena, &table, root, "", s->config.own, &p->problems) > 0)
		return;
	if (s->def->configure(p, &s->config, &s->self, &err) < 0)
		gw_problem(&p->problems, err.at.file ? &err.at : &root->place, "", "%s", err.msg);
}

static void remember(struct gw_plugin *p, const char *key, const void *value, size_t size)
{
	struct sink *s = p->side;

	if (s->def->state)
		s->def->state(s->self, key, value, size);
}

static int start(struct gw_plugin *p, int64_t epoch_us, struct gw_err *err)
{
	(void)p;
	(void)epoch_us;
	(void)err;
	return 0; /* GATEWAY and the layouts come first */
}

static void turn(struct gw_plugin *p)
{
	if (gw_outbox_empty(p->outbox))
		gw_sink_send_acks(p);
}

static bool waits(struct gw_plugin *p)
{
	return ((struct sink *)p->side)->acks.count > 0;
}

static void stop(struct gw_plugin *p)
{
	struct sink *s = p->side;

	if (s->started && s->def->stop)
		s->def->stop(s->self);
	else
		gw_plugin_finish(p);
}

void gw_sink_stopped(struct gw_plugin *p)
{
	if (p->stage == GW_STAGE_STOPPING)
		gw_plugin_finish(p);
}

static void overdue(struct gw_plugin *p)
{
	gw_log(GW_WARNING, "the far end did not take leave in %d s", STOP_US / 1000000);
	gw_plugin_finish(p);
}

/* Nobody is left to deliver for: the far end sees the connection close, which is the truth. */
static void drop(struct gw_plugin *p)
{
	(void)p;
}

static void release(struct gw_plugin *p)
{
	struct sink *s = p->side;

	gw_layouts_free(s->layouts);
	free(s->boots);
	gw_acks_free(&s->acks);
	free(s);
}

static const struct gw_role sink_role = {
	.number = 1,
	.configure = configure,
	.state = remember,
	.start = start,
	.message = gw_sink_message,
	.turn = turn,
	.waits = waits,
	.second = gw_sink_second,
	.stop = stop,
	.stop_us = STOP_US,
	.overdue = overdue,
	.drop = drop,
	.release = release,
};

struct gw_plugin *gw_plugin_open_sink(const struct gw_sink_plugin *def, struct gw_loop *loop,
				      int fd, struct gw_err *err)
{
	struct sink *s = calloc(1, sizeof(*s));
	struct gw_plugin *p;

	if (!s)
		abort();
	s->def = def;
	s->section = (struct gw_describe_section){ "sink", def->sink };
	p = gw_plugin_new(&sink_role, s, loop, fd);
	s->layouts = gw_layouts_new(p->arena);
	p->name = def->name;
	p->version = def->version;
	p->sections = &s->section;
	p->nsections = 1;
	if (gw_plugin_begin(p, err) == 0)
		return p;
	gw_plugin_free(p);
	return NULL;
}

static struct gw_plugin *open_on(struct gw_loop *loop, int fd, const void *def, struct gw_err *err)
{
	return gw_plugin_open_sink(def, loop, fd, err);
}

int gw_sink_main(const struct gw_sink_plugin *def, int argc, char *argv[])
{
	struct gw_describe_section section = { "sink", def->sink };

	return gw_program_main(&(struct gw_program){ .name = def->name,
						     .version = def->version,
						     .help = def->help,
						     .tools = def->tools,
						     .sections = &section,
						     .nsections = 1,
						     .open = open_on,
						     .def = def },
			       argc, argv);
}
