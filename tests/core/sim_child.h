/*
 * sim_child.h - plugin processes without processes: core/child.h carried out by the schedule.  A
 * source declares the devices that the configuration has for it; what is sent to a sink lies on
 * its link until the schedule lets the sink read it.
 */
#ifndef GW_TESTS_SIM_CHILD_H
#define GW_TESTS_SIM_CHILD_H

#include "core/child.h"
#include "sim_disk.h"
#include "sim_ledger.h"

enum { SIM_LINK = 64 }; /* packets that a link holds */

struct sim_packet {
	struct sim_packet *next;
	size_t size;
	_Alignas(8) unsigned char bytes[];
};

struct sim_flight { /* what the core waits for a word about */
	uint8_t what; /* enum gw_ack_what */
	uint16_t device;
	uint64_t id;
};

struct gw_child {
	struct gw_child_options o;
	struct gw_child_status status;
	struct gw_child *next;
	bool linked, go, ready, full;
	unsigned failures;
	int64_t at_us; /* when something happens by itself; -1: never */
	/* a source */
	bool has[SIM_DEVICES]; /* as configured when it was made */
	unsigned points;
	/* a sink */
	unsigned sink;
	struct sim_packet *first, **last;
	size_t packets;
	bool connected, between; /* it says so; and the core has not heard it yet */
	uint64_t session;
	int device_of[64]; /* index by number; -1: not told */
	struct gw_ack owed[16384];
	size_t nowed;
	struct sim_flight flight[16384]; /* sent since the core knows of this connection */
	size_t nflight;
};

static struct gw_child *sim_children;

static struct sim_configured {
	bool device[SIM_DEVICES]; /* d0 and d1 are of source a, d2 of source b */
	unsigned points;
	unsigned version; /* of titles and of the sinks */
	const char *max_size, *history, *when_full;
	int sync_ms;
	unsigned too_large; /* for a sink is one reading of so many; 0: none */
} configured;

/* ---- link ---- */

static void sim_link_close(struct gw_child *c)
{
	struct sim_packet *p;

	while ((p = c->first)) {
		c->first = p->next;
		free(p);
	}
	c->last = &c->first;
	c->packets = c->nowed = c->nflight = 0;
	c->linked = c->ready = c->full = c->connected = false;
}

/* NULL: what is sent now nobody hears. */
static unsigned char *sim_packet(struct gw_child *c, size_t size)
{
	struct sim_packet *p;

	if (disk.sends && !sim.killed && --disk.sends == 0)
		sim_end_now();
	if (sim.killed || !c->linked || !c->o.instance->sink)
		return NULL;
	p = malloc(sizeof(*p) + size);
	if (!p)
		abort();
	p->next = NULL;
	p->size = size;
	*c->last = p;
	c->last = &p->next;
	c->packets++;
	return p->bytes;
}

void gw_child_send(struct gw_child *c, const struct gw_message *m)
{
	static _Alignas(8) unsigned char buf[GW_MESSAGE_MAX];
	size_t n = gw_message_encode(m, buf);
	unsigned char *to = n ? sim_packet(c, n) : NULL;

	if (to)
		memcpy(to, buf, n);
}

static void sim_takes_off(struct gw_child *c, uint8_t what, uint16_t device, uint64_t id)
{
	if (c->nflight == sizeof(c->flight) / sizeof(c->flight[0]))
		sim_fail("sink %u is sent more than its window", c->sink);
	c->flight[c->nflight++] = (struct sim_flight){ what, device, id };
}

static bool sim_has_room(struct gw_child *c)
{
	if (c->linked && c->packets < SIM_LINK)
		return true;
	c->full = c->linked;
	return false;
}

int gw_child_offer(struct gw_child *c, const struct gw_message *m)
{
	if (!sim_has_room(c))
		return 0;
	if (m->type == GW_MSG_WINDOW)
		sim_takes_off(c, GW_ACK_WINDOW, 0, m->window.id);
	gw_child_send(c, m);
	return 1;
}

static void sim_check_live(const struct gw_child *c, const struct gw_reading *r, bool live)
{
	int device = r->device < 64 ? c->device_of[r->device] : -1;
	struct sim_told *t;

	for (unsigned i = 0; i < SIM_DEVICES && device < 0; i++)
		if (gw_device_named(sim.d, sim_device_name(i)) &&
		    gw_device_named(sim.d, sim_device_name(i))->number == r->device)
			device = (int)i;
	if (device < 0)
		return; /* of one that was taken out: never live */
	t = &ledger.device[device].told[c->sink];
	if (live && r->seq <= t->live)
		sim_fail("sink %u: d%d %" PRIu64 " is sent as live after %" PRIu64, c->sink, device, r->seq, t->live);
	if (live && sim.mono_us / 1000 - r->mono_ms > 5000)
		sim_fail("sink %u: d%d %" PRIu64 " is sent as live when it is old", c->sink, device, r->seq);
	if (r->seq > t->live)
		t->live = r->seq;
}

int gw_child_sendv(struct gw_child *c, enum gw_message_type type, const struct gw_reading *const *r, size_t n)
{
	struct { uint16_t type, zero; uint32_t size; } head = { (uint16_t)type, 0, 8 };
	unsigned char *to;

	if (!sim_has_room(c))
		return 0;
	for (size_t i = 0; i < n; i++) {
		if (!sim.killed)
			sim_check_live(c, r[i], type == GW_MSG_LIVE);
		head.size += r[i]->size;
		sim_takes_off(c, GW_ACK_READINGS, r[i]->device, r[i]->seq);
	}
	to = sim_packet(c, head.size);
	if (!to)
		return 1;
	memcpy(to, &head, sizeof(head));
	to += sizeof(head);
	for (size_t i = 0; i < n; i++) {
		memcpy(to, r[i], r[i]->size);
		to += r[i]->size;
	}
	return 1;
}

/* ---- life: core/supervise.h ---- */

static void sim_life(struct gw_child *c, enum gw_life_event event);

static void sim_act(struct gw_child *c, enum gw_life_act a)
{
	switch (a) {
	case GW_ACT_NONE:
		return;
	case GW_ACT_SPAWN:
		if (c->linked) {
			sim_link_close(c);
			c->o.ops->down(c->o.arg, "restarted");
		}
		c->linked = true;
		for (size_t i = 0; i < 64; i++)
			c->device_of[i] = -1;
		c->at_us = sim.mono_us + sim_below(20000);
		return;
	case GW_ACT_RUN:
		c->at_us = -1;
		if (c->o.ops->starting)
			c->o.ops->starting(c->o.arg);
		if (c->o.ops->running)
			c->o.ops->running(c->o.arg);
		return;
	case GW_ACT_STOP:
	case GW_ACT_TERM:
	case GW_ACT_KILL:
		c->at_us = sim.mono_us + sim_below(50000);
		return;
	case GW_ACT_BACKOFF:
		sim_link_close(c);
		c->at_us = sim.mono_us + sim_below(2000000);
		c->o.ops->down(c->o.arg, "ended");
		return;
	case GW_ACT_FORGET:
		c->at_us = -1;
		sim_link_close(c);
		if (c->o.ops->stopped)
			c->o.ops->stopped(c->o.arg);
		return;
	}
}

static void sim_life(struct gw_child *c, enum gw_life_event event)
{
	struct gw_life_step next = gw_life_next(c->status.life, event, 1);

	c->status.life = next.next;
	c->status.since_us = sim.mono_us;
	sim_act(c, next.act);
}

static void sim_say(struct gw_child *c, const struct gw_message *m)
{
	struct gw_err err;

	if (c->o.ops->message(c->o.arg, m, &err) < 0)
		sim_fail("'%s' is refused: %s", gw_message_name(m->type), err.msg);
}

static void sim_declare_device(struct gw_child *c, unsigned device, uint16_t number)
{
	struct gw_message m = { .type = GW_MSG_DEVICE };
	char name[16];
	struct gw_err err;

	m.device.device = number;
	m.device.name = gw_str(sim_device_name(device));
	if (c->o.ops->declares(c->o.arg, &m, &err) < 0)
		sim_fail("%s", err.msg);
	for (unsigned i = 0; i < c->points; i++) {
		m = (struct gw_message){ .type = GW_MSG_POINT };
		snprintf(name, sizeof(name), "p%u", i);
		m.point.device = number;
		m.point.point = (uint16_t)i;
		m.point.name = gw_str(name);
		m.point.kind = GW_U64;
		m.point.bits = 64;
		m.point.interval_ms = 1000;
		if (c->o.ops->declares(c->o.arg, &m, &err) < 0)
			sim_fail("%s", err.msg);
	}
}

/* From `hello` to `ready`. */
static void sim_gets_ready(struct gw_child *c)
{
	struct gw_described *keys = gw_described_new();
	struct gw_msg_key rate = { .section = gw_str("sink"), .name = gw_str("replay_rate"), .kind = GW_T_INT,
				   .max = 1000000 };
	uint16_t n = 0;
	struct gw_err err;
	bool on, same;

	if (gw_described_key(keys, &rate, &err) < 0)
		sim_fail("%s", err.msg);
	on = !c->o.ops->described || c->o.ops->described(c->o.arg, keys);
	gw_described_free(keys);
	if (!on)
		return;
	for (unsigned i = 0; i < SIM_DEVICES && !c->o.instance->sink; i++)
		if (c->has[i])
			sim_declare_device(c, i, n++);
	same = c->o.ops->ready ? c->o.ops->ready(c->o.arg, 0) : true;
	c->ready = true;
	if (!same)
		sim_life(c, GW_EV_FAULT);
	else if (c->go)
		sim_life(c, GW_EV_READY);
}

/* What happens by itself, to one of them. */
static void sim_child_turn(void)
{
	for (struct gw_child *c = sim_children; c; c = c->next) {
		if (c->at_us < 0 || c->at_us > sim.mono_us)
			continue;
		c->at_us = -1;
		if (c->status.life == GW_LIFE_STARTING)
			sim_gets_ready(c);
		else if (c->status.life == GW_LIFE_BACKOFF || c->status.life == GW_LIFE_FAILED)
			sim_life(c, GW_EV_TIMER);
		else
			sim_life(c, GW_EV_EXIT);
		return; /* it may be gone */
	}
}

void gw_child_go(struct gw_child *c, int64_t epoch_us)
{
	(void)epoch_us;
	c->go = true;
	if (c->ready)
		sim_life(c, GW_EV_READY);
}

void gw_child_start(struct gw_child *c)
{
	sim_life(c, GW_EV_START);
}

void gw_child_stop(struct gw_child *c)
{
	sim_life(c, GW_EV_STOP);
}

void gw_child_restart(struct gw_child *c)
{
	sim_life(c, GW_EV_RESTART);
}

void gw_child_adopt(struct gw_child *c, struct gw_instance *instance, const struct gw_child_ops *ops, void *arg)
{
	c->o.instance = instance;
	c->o.ops = ops;
	c->o.arg = arg;
}

const struct gw_child_status *gw_child_status(const struct gw_child *c)
{
	return &c->status;
}

struct gw_child *gw_child_new(const struct gw_child_options *o)
{
	struct gw_child *c = calloc(1, sizeof(*c));

	if (!c)
		abort();
	c->o = *o;
	c->status.life = GW_LIFE_DOWN;
	c->at_us = -1;
	c->last = &c->first;
	c->sink = strcmp(o->instance->name, "far") == 0;
	c->points = configured.points;
	for (unsigned i = 0; i < SIM_DEVICES; i++)
		c->has[i] = configured.device[i] && (strcmp(o->instance->name, "b") == 0) == (i == 2);
	c->next = sim_children;
	sim_children = c;
	return c;
}

void gw_child_free(struct gw_child *c)
{
	struct gw_child **link = &sim_children;

	if (!c)
		return;
	while (*link != c)
		link = &(*link)->next;
	*link = c->next;
	sim_link_close(c);
	free(c);
}

/* A running source that has the device, or the sink; NULL: not now. */
static struct gw_child *sim_running(bool sink, unsigned which)
{
	for (struct gw_child *c = sim_children; c; c = c->next)
		if (c->status.life == GW_LIFE_RUNNING && c->o.instance->sink == sink &&
		    (sink ? c->sink == which : c->has[which]))
			return c;
	return NULL;
}

#endif
