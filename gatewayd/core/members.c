/*
 * members.c - sources and sinks of a running gateway: made of what a plan found, freed.
 */
#include "core/apply.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- copies that outlive the plan ---- */

static const char *own(const char *text)
{
	return text ? strdup(text) : NULL;
}

static void instance_copy(struct gw_instance *to, const struct gw_instance *from)
{
	*to = *from;
	to->name = own(from->name);
	to->plugin = own(from->plugin);
	to->program = own(from->program);
	to->node = NULL;
	memset(&to->source, 0, sizeof(to->source));
	to->stream = dup(from->stream);
	to->nfiles = 0;
}

void gw_instance_free(struct gw_instance *i)
{
	free((char *)i->name);
	free((char *)i->plugin);
	free((char *)i->program);
	if (i->stream >= 0)
		close(i->stream);
}

bool gw_instance_same(const struct gw_instance *a, const struct gw_instance *b)
{
	return a->sink == b->sink && strcmp(a->name, b->name) == 0 && strcmp(a->plugin, b->plugin) == 0 &&
	       strcmp(a->program, b->program) == 0 && a->hash == b->hash && a->stream_size == b->stream_size &&
	       a->replay_rate == b->replay_rate;
}

/* ---- what is new ---- */

struct gw_source *gw_source_new(struct gw_daemon *d, struct gw_candidate *c)
{
	struct gw_source *s = calloc(1, sizeof(*s));

	assert(s);
	s->daemon = d;
	instance_copy(&s->instance, c->instance);
	s->devices = c->built;
	s->ndevices = c->ndevices;
	c->built = NULL;
	s->child = c->child;
	c->child = NULL;
	gw_child_adopt(s->child, &s->instance, &gw_source_ops, s);
	return s;
}

struct gw_sink *gw_sink_new(struct gw_daemon *d, struct gw_candidate *c)
{
	struct gw_sink *s = calloc(1, sizeof(*s));

	assert(s);
	s->daemon = d;
	instance_copy(&s->instance, c->instance);
	s->child = c->child;
	c->child = NULL;
	s->state = GW_FAR_WAITING;
	s->since_us = gw_now_us();
	gw_child_adopt(s->child, &s->instance, &gw_sink_ops, s);
	return s;
}

struct gw_source *gw_source_named(const struct gw_daemon *d, const char *name)
{
	for (size_t i = 0; i < d->nsources; i++)
		if (strcmp(d->sources[i]->instance.name, name) == 0)
			return d->sources[i];
	return NULL;
}

struct gw_sink *gw_sink_named(const struct gw_daemon *d, const char *name)
{
	for (size_t i = 0; i < d->nsinks; i++)
		if (strcmp(d->sinks[i]->instance.name, name) == 0)
			return d->sinks[i];
	return NULL;
}

void gw_source_free(struct gw_source *s)
{
	if (!s)
		return;
	gw_child_free(s->child);
	for (size_t i = 0; i < s->ndevices; i++)
		if (!gw_device_installed(s->daemon, s->devices[i]))
			gw_device_drop(s->devices[i]);
	free(s->devices);
	gw_arena_free(s->redeclared_arena);
	gw_instance_free(&s->instance);
	free(s);
}

void gw_sink_free(struct gw_sink *s)
{
	if (!s)
		return;
	gw_child_free(s->child);
	gw_deliver_free(s->deliver);
	gw_watch_stop(s->timer);
	free(s->told);
	free(s->progress);
	gw_instance_free(&s->instance);
	free(s);
}
