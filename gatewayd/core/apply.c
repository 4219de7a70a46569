/*
 * apply.c - from a plan to a running gateway, at start and at a reload: mark and sweep.  What did
 * not change keeps running and loses nothing; what changed is stopped first and its
 * successor takes over numbers and backlog.
 */
#include "core/apply.h"

#include "core/timekeeper.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- mark ---- */

/* A process that ended while it waited for its turn is started again by this. */
static void go(struct gw_child *child, const struct gw_daemon *d)
{
	gw_child_go(child, d->epoch_us);
	gw_child_start(child);
}

static void mark(struct gw_apply *a, struct gw_candidate *c)
{
	struct gw_daemon *d = a->d;
	struct gw_sink *sink = c->instance->sink ? gw_sink_named(d, c->instance->name) : NULL;
	struct gw_source *source = c->instance->sink ? NULL : gw_source_named(d, c->instance->name);

	c->changed = false;
	a->staying += sink || source; /* of that name, changed or not */
	if (sink && gw_instance_same(&sink->instance, c->instance)) {
		sink->stays = true;
		return;
	}
	if (source && gw_instance_same(&source->instance, c->instance)) {
		source->stays = true;
		return;
	}
	c->changed = true;
	if (c->instance->sink)
		a->sinks[a->nsinks++] = gw_sink_new(d, c);
	else
		a->sources[a->nsources++] = gw_source_new(d, c);
}

/* ---- registration ---- */

static void fill_registration(struct gw_apply *a)
{
	size_t n = 0;

	for (size_t i = 0; i < a->nsources; i++)
		n += a->sources[i]->ndevices;
	a->devices = calloc(n + 1, sizeof(*a->devices));
	a->sink_regs = calloc(a->nsinks + a->d->nsinks + 1, sizeof(*a->sink_regs));
	assert(a->devices && a->sink_regs);
	for (size_t i = 0; i < a->nsources; i++)
		for (size_t k = 0; k < a->sources[i]->ndevices; k++) {
			const struct gw_device *dev = a->sources[i]->devices[k];

			a->devices[a->ndevices++] = (struct gw_registration){
				.name = dev->name, .layout = dev->body.bytes, .layout_size = dev->body.size,
				.rate = gw_device_rate(dev) };
		}
	for (size_t i = 0; i < a->nsinks; i++)
		a->sink_regs[a->nsink_regs++].name = a->sinks[i]->instance.name;
	for (size_t i = 0; i < a->d->nsinks; i++) /* the whole list: who is missing is forgotten */
		if (a->d->sinks[i]->stays)
			a->sink_regs[a->nsink_regs++].name = a->d->sinks[i]->instance.name;
}

static void keep_layout(struct gw_daemon *d, struct gw_device *dev)
{
	struct gw_known_layout *l;

	d->layouts = gw_grow(d->layouts, &d->nlayouts, dev->layout + 1, sizeof(*d->layouts));
	for (size_t i = 0; i < d->nlayouts; i++)
		if (d->layouts[i].device == dev->number)
			d->layouts[i].current = false;
	l = &d->layouts[dev->layout];
	free(l->body.bytes);
	*l = (struct gw_known_layout){ .device = dev->number, .first_seq = dev->first_seq,
				       .from_seq = dev->from_seq, .body = dev->body, .current = true };
	dev->body = (struct gw_layout_body){ 0 };
}

static void take_registration(struct gw_apply *a)
{
	size_t n = 0;

	for (size_t i = 0; i < a->nsources; i++)
		for (size_t k = 0; k < a->sources[i]->ndevices; k++, n++) {
			struct gw_device *dev = a->sources[i]->devices[k];
			const struct gw_registration *r = &a->devices[n];

			dev->number = r->device;
			dev->layout = r->layout_number;
			dev->first_seq = r->first_seq;
			dev->from_seq = r->from_seq;
			dev->next_seq = dev->stored_next = r->next_seq;
			dev->reserved = r->reserved;
		}
	for (size_t i = 0; i < a->nsinks; i++) {
		a->sinks[i]->number = a->sink_regs[i].sink;
		a->sinks[i]->session = a->sink_regs[i].session;
	}
}

/* ---- sweep ---- */

static void live_in_all_sinks(struct gw_daemon *d, const struct gw_device *dev)
{
	for (size_t i = 0; i < d->nsinks; i++)
		gw_deliver_device(d->sinks[i]->deliver, dev->number, gw_device_live_us(dev));
}

/* The device takes its number; a predecessor of that name hands over what it has counted. */
static void install(struct gw_daemon *d, struct gw_device *dev)
{
	uint64_t absent = gw_commit_absent_next(d, dev->number);
	struct gw_device *old;

	d->devices = gw_grow(d->devices, &d->ndevices, dev->number + 1u, sizeof(*d->devices));
	old = d->devices[dev->number];
	if (old) {
		dev->next_seq = old->next_seq;
		if (dev->reserved < old->reserved)
			dev->reserved = old->reserved;
		dev->stored_next = old->stored_next;
		dev->dropped_to = old->dropped_to;
		dev->lost_from = old->lost_from;
		dev->lost_to = old->lost_to;
		dev->lost_note = old->lost_note;
		dev->unnumbered = old->unnumbered;
		dev->out_of_numbers = old->out_of_numbers;
		dev->next_changed = true;
		if (dev->layout != old->layout)
			dev->from_seq = dev->next_seq;
	} else if (absent > dev->next_seq) { /* it was registered before the store knew them all */
		if (dev->from_seq == dev->next_seq)
			dev->from_seq = absent;
		dev->next_seq = absent;
		dev->next_changed = true;
	}
	d->devices[dev->number] = dev;
	gw_device_drop(old);
	keep_layout(d, dev);
	live_in_all_sinks(d, dev);
}

static void announce(struct gw_daemon *d, const struct gw_device *dev)
{
	for (size_t i = 0; i < d->nsinks; i++) {
		gw_sink_tell_layout(d->sinks[i], dev->layout);
		gw_sink_tell_state(d->sinks[i], dev);
	}
}

static void enter_source(struct gw_daemon *d, struct gw_source *s)
{
	d->sources[d->nsources++] = s;
	for (size_t i = 0; i < s->ndevices; i++)
		install(d, s->devices[i]);
	if (d->phase == GW_PHASE_RUNNING)
		for (size_t i = 0; i < s->ndevices; i++)
			announce(d, s->devices[i]);
	go(s->child, d);
}

static bool has_device(const struct gw_source *s, const char *name)
{
	for (size_t i = 0; i < s->ndevices; i++)
		if (strcmp(s->devices[i]->name, name) == 0)
			return true;
	return false;
}

/* Two processes never read one device, and its numbers have one giver. */
static bool must_wait(const struct gw_daemon *d, const struct gw_source *s)
{
	for (size_t i = 0; i < d->nsources; i++) {
		const struct gw_source *old = d->sources[i];

		if (!old->leaving)
			continue;
		if (strcmp(old->instance.name, s->instance.name) == 0)
			return true;
		for (size_t k = 0; k < s->ndevices; k++)
			if (has_device(old, s->devices[k]->name))
				return true;
	}
	return false;
}

static bool has_heir(const struct gw_daemon *d, const char *device)
{
	for (size_t i = 0; i < d->nentering; i++)
		if (has_device(d->entering[i], device))
			return true;
	return false;
}

/* Devices that the source had and nobody has any more; the others wait for their heir. */
static void forget_devices(struct gw_daemon *d, struct gw_source *s)
{
	for (size_t i = 0; i < s->ndevices; i++) {
		struct gw_device *dev = s->devices[i];

		if (!gw_device_installed(d, dev) || has_heir(d, dev->name))
			continue;
		for (size_t k = 0; k < d->nsinks; k++)
			gw_sink_tell_gone(d->sinks[k], dev->name);
		d->layouts[dev->layout].current = false;
		d->devices[dev->number] = NULL; /* gw_source_free() drops it */
		gw_commit_absent(d, dev->number, dev->next_seq);
	}
}

static void leave_source(struct gw_daemon *d, size_t at)
{
	struct gw_source *s = d->sources[at];

	d->sources[at] = d->sources[--d->nsources];
	forget_devices(d, s);
	gw_source_free(s);
}

static void enter_sources(struct gw_daemon *d)
{
	size_t waiting = 0;

	for (size_t i = 0; i < d->nentering; i++)
		if (must_wait(d, d->entering[i]))
			d->entering[waiting++] = d->entering[i];
		else
			enter_source(d, d->entering[i]);
	d->nentering = waiting;
}

static void leave_sink(struct gw_daemon *d, size_t at)
{
	struct gw_sink *s = d->sinks[at], *next = s->successor;

	if (!next) {
		gw_sink_free(s);
		d->sinks[at] = d->sinks[--d->nsinks];
		return;
	}
	gw_child_free(s->child); /* books and backlog stay, process and settings change */
	s->child = next->child;
	next->child = NULL;
	gw_instance_free(&s->instance);
	s->instance = next->instance;
	gw_child_adopt(s->child, &s->instance, &gw_sink_ops, s);
	s->leaving = false;
	s->stays = true;
	s->successor = NULL;
	free(next);
	go(s->child, d);
}

/* The store may owe it rows. */
static bool may_leave(const struct gw_sink *s)
{
	return s->leaving && (s->successor || s->asked == 0) &&
	       gw_child_status(s->child)->life == GW_LIFE_DOWN;
}

void gw_apply_stopped(struct gw_daemon *d)
{
	for (size_t i = d->nsources; i-- > 0;)
		if (d->sources[i]->leaving && gw_child_status(d->sources[i]->child)->life == GW_LIFE_DOWN)
			leave_source(d, i);
	enter_sources(d);
	for (size_t i = d->nsinks; i-- > 0;)
		if (may_leave(d->sinks[i]))
			leave_sink(d, i);
}

bool gw_apply_settled(const struct gw_daemon *d)
{
	bool leaving = d->nentering > 0;

	for (size_t i = 0; i < d->nsources; i++)
		leaving |= d->sources[i]->leaving;
	for (size_t i = 0; i < d->nsinks; i++)
		leaving |= d->sinks[i]->leaving;
	return !leaving;
}

static void add_sink(struct gw_daemon *d, struct gw_sink *s)
{
	s->deliver = gw_deliver_new(&(struct gw_deliver_options){
		.sink = s->number, .replay_rate = s->instance.replay_rate < 0 ? 1000 : s->instance.replay_rate,
		.ops = &gw_outlet_ops, .arg = s });
	for (size_t i = 0; i < d->ndevices; i++)
		if (d->devices[i])
			gw_deliver_device(s->deliver, d->devices[i]->number, gw_device_live_us(d->devices[i]));
	d->sinks[d->nsinks++] = s;
	if (d->phase == GW_PHASE_RUNNING) /* else the disk is asked first what it has */
		gw_timekeeper_new_sink(d, s);
}

void gw_apply_sinks(struct gw_apply *a)
{
	struct gw_daemon *d = a->d;

	for (size_t i = 0; i < a->nsinks; i++) {
		struct gw_sink *old = gw_sink_named(d, a->sinks[i]->instance.name);

		if (old)
			old->successor = a->sinks[i];
		else
			add_sink(d, a->sinks[i]);
		a->sinks[i]->stays = true;
	}
}

static void stop_those_that_leave(struct gw_daemon *d)
{
	for (size_t i = 0; i < d->nsources; i++)
		if (d->sources[i]->leaving)
			gw_child_stop(d->sources[i]->child);
	for (size_t i = 0; i < d->nsinks; i++)
		if (d->sinks[i]->leaving)
			gw_child_stop(d->sinks[i]->child);
}

void gw_apply_go(struct gw_apply *a)
{
	struct gw_daemon *d = a->d;
	struct gw_child **starts = calloc(a->nsinks + 1, sizeof(struct gw_child *));

	assert(starts);
	for (size_t i = 0; i < d->nsources; i++)
		d->sources[i]->leaving = !d->sources[i]->stays;
	for (size_t i = 0; i < d->nsinks; i++)
		d->sinks[i]->leaving = !d->sinks[i]->stays;
	d->entering = gw_grow(d->entering, &d->entering_capacity, d->nentering + a->nsources,
			      sizeof(*d->entering));
	for (size_t i = 0; i < a->nsources; i++)
		d->entering[d->nentering++] = a->sources[i];
	stop_those_that_leave(d);
	for (size_t i = 0; i < a->nsinks; i++) /* before the next line puts successors in their place */
		starts[i] = a->sinks[i]->deliver ? a->sinks[i]->child : NULL;
	gw_apply_stopped(d);
	for (size_t i = 0; i < a->nsinks; i++) /* after it, when devices can be introduced */
		if (starts[i])
			go(starts[i], d);
	a->nsinks = a->nsources = 0; /* they are the daemon's now */
	free(starts);
}

/* ---- the whole ---- */

void gw_apply_end(struct gw_apply *a)
{
	struct gw_daemon *d = a->d;

	d->apply = NULL;
	for (size_t i = 0; i < a->nsources; i++) /* it came to nothing */
		gw_source_free(a->sources[i]);
	for (size_t i = 0; i < a->nsinks; i++)
		if (!a->sinks[i]->deliver)
			gw_sink_free(a->sinks[i]);
	for (size_t i = 0; a->nsinks && i < d->nsinks; i++)
		d->sinks[i]->successor = NULL;
	gw_plan_free(d->plan);
	d->plan = NULL;
	free(a->first_seqs);
	free(a->next_seqs);
	free(a->bounds);
	for (size_t i = 0; i < a->non_ring; i++)
		gw_ranges_free(&a->on_ring[i].known);
	free(a->on_ring);
	free(a->devices);
	free(a->sink_regs);
	free(a->sources);
	free(a->sinks);
	free(a);
}

/* The store drops those that are not in its list: their books must not come back. */
static void mark_removed(struct gw_apply *a, bool removed)
{
	for (size_t i = 0; i < a->d->nsinks; i++) {
		struct gw_sink *s = a->d->sinks[i];
		bool listed = s->stays;

		for (size_t k = 0; k < a->nsinks; k++)
			listed |= strcmp(a->sinks[k]->instance.name, s->instance.name) == 0;
		s->removed = removed && !listed;
		if (!removed && !listed)
			gw_deliver_mark_all(s->deliver);
	}
}

static void registered(void *arg, const struct gw_err *err)
{
	struct gw_apply *a = arg;

	if (err)
		mark_removed(a, false);
	else
		take_registration(a);
	a->then(a, err);
}

void gw_apply_plan(struct gw_daemon *d, struct gw_plan *p, gw_apply_fn *then)
{
	struct gw_apply *a = calloc(1, sizeof(*a));

	assert(a);
	d->apply = a;
	a->d = d;
	a->then = then;
	a->sources = calloc(p->ncandidates + 1, sizeof(*a->sources));
	a->sinks = calloc(p->ncandidates + 1, sizeof(*a->sinks));
	d->sources = gw_grow(d->sources, &d->sources_capacity, d->nsources + p->ncandidates + 1,
			     sizeof(*d->sources));
	d->sinks = gw_grow(d->sinks, &d->sinks_capacity, d->nsinks + p->ncandidates + 1, sizeof(*d->sinks));
	assert(a->sources && a->sinks);
	for (size_t i = 0; i < d->nsources; i++)
		d->sources[i]->stays = false;
	for (size_t i = 0; i < d->nsinks; i++)
		d->sinks[i]->stays = false;
	for (size_t i = 0; i < p->ncandidates; i++)
		mark(a, &p->candidates[i]);
	p->removed = d->nsources + d->nsinks - a->staying;
	mark_removed(a, true);
	fill_registration(a);
	gw_store_register(d->store, a->devices, a->ndevices, a->sink_regs, a->nsink_regs, registered, a);
}
