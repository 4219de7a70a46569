/*
 * sim_plan.h - the configuration, and what happens next: drawn from the seed.
 */
#ifndef GW_TESTS_SIM_PLAN_H
#define GW_TESTS_SIM_PLAN_H

#include <signal.h>

#include "sim_loop.h"
#include "sim_sink.h"

enum sim_fault {
	SIM_KILLS = 1, SIM_POWER = 2, SIM_IO = 4, SIM_FULL_DISK = 8, SIM_CLOCK = 16, SIM_SINKS_FAIL = 32,
	SIM_SOURCES_FAIL = 64, SIM_RELOADS = 128, SIM_REPLAYS = 256, SIM_STOPS = 512, SIM_GRUMPY = 1024,
	SIM_ALL = 2047,
};

/* A story that is told and not drawn. */
enum sim_what {
	SIM_END, SIM_READ /* so many of a device */, SIM_STORE /* so many turns */, SIM_PASS /* ms */,
	SIM_SYNC /* ms, from the next reload on */, SIM_CONNECT /* a sink, anew */,
	SIM_DISCONNECT, SIM_SINK_TAKES /* what is on its link, at once */, SIM_SINK_WORKS, SIM_PRESENT /* devices, as bits: a reload */,
	SIM_SYNCS_FAIL /* so many */, SIM_DISK_FULL, SIM_DISK_ROOM, SIM_KILL, SIM_POWER_CUT, SIM_WORKS_AGAIN,
	SIM_CAME_ONCE /* whatever came */,
};
struct sim_order {
	enum sim_what what;
	unsigned n, device;
};

static struct sim_plan {
	unsigned faults;      /* enum sim_fault */
	const struct sim_order *orders; /* in the place of chance; NULL: chance */
	unsigned steps, life; /* left; of this life */
	bool calm;            /* all faults have ended: everything drains */
	/* weather: of a while */
	unsigned weather, reading, store, sink, ack, slow;
	bool in_order;
} plan;

/* ---- configuration ---- */

static void sim_configure(void)
{
	char text[2000], devices[200] = "";
	const struct sim_configured *c = &configured;

	snprintf(devices, sizeof(devices), "sources:\n  a:\n    plugin: sim\n    devices:\n%s%s%s%s",
		 c->device[0] ? "      d0: {points: {}}\n" : "", c->device[1] ? "      d1: {points: {}}\n" : "",
		 c->device[2] ? "  b:\n    plugin: sim\n    devices:\n      d2: {points: {}}\n" : "", "");
	snprintf(text, sizeof(text),
		 "gateway: {id: g, title: \"%u\"}\nplugins: {path: %s/plugins}\ncontrol: {socket: %s/s}\n"
		 "buffer: {path: %s/b.db, max_size: %s, history: %s, when_full: %s, sync: %dms, "
		 "ring: {path: %s, size: 1MiB}}\n"
		 "sinks:\n  near: {plugin: sim, replay_rate: 0}\n  far: {plugin: sim, replay_rate: %u}\n%s",
		 c->version, disk.base, disk.base, disk.data, c->max_size, c->history, c->when_full, c->sync_ms, disk.ring,
		 c->version % 2 ? 2000 : 0, devices);
	sim_write_file(disk.config, text, 0600);
}

/* ---- sources ---- */

static void sim_source_reads(unsigned device)
{
	static _Alignas(8) unsigned char memory[64 + GW_POINTS_MAX * 12];
	static uint64_t content;
	struct gw_child *c = sim_running(false, device);
	struct gw_message m = { .type = GW_MSG_READING };
	struct gw_reading *r = (struct gw_reading *)(void *)memory;
	struct gw_source *s;
	struct gw_device *dev;
	uint64_t before, next;
	uint16_t index = 0;

	if (!c)
		return;
	s = c->o.arg;
	for (unsigned i = 0; i < device; i++)
		index = (uint16_t)(index + c->has[i]);
	dev = s->devices[index];
	if (!gw_device_installed(sim.d, dev))
		return;
	if (!ledger.device[device].first)
		sim_first(device, dev->first_seq);
	r = some_reading_into(memory, index, 0, 0, c->points);
	gw_reading_slots(r)[0] = ++content;
	r->seq = 0;
	r->mono_ms = sim.mono_us / 1000 - sim_below(20);
	before = dev->next_seq;
	m.reading.block = (struct gw_str){ (const char *)memory, r->size };
	sim.reads = dev;
	sim_say(c, &m);
	sim.reads = NULL;
	ledger.device[device].produced += !sim.killed;
	next = sim.killed ? sim.next_at_end : dev->next_seq;
	if (next != before && next > (sim.killed ? sim.reserved_at_end : dev->reserved))
		sim_made_loose(device, next - 1);
	else if (next != before) /* the last; those before it found no number when they came */
		sim_made(device, next - 1, content, r->mono_ms + sim.offset_us[sim.boot] / 1000);
}

/* ---- what happens ---- */

static void sim_weather(void)
{
	static const unsigned often[] = { 0, 1, 2, 5, 20 };

	plan.weather = 20 + sim_below(150);
	plan.reading = often[sim_below(5)];
	plan.store = sim_one_in(5) ? 0 : 1 + sim_below(20);
	plan.sink = sim_one_in(5) ? 0 : 1 + sim_below(10);
	plan.ack = sim_one_in(6) ? 0 : 1 + sim_below(10);
	plan.slow = 1 + sim_below(300);
	plan.in_order = sim_one_in(2);
	sim_note("weather: readings %u, store %u, sinks %u, acks %u, steps of %u ms", plan.reading, plan.store,
		 plan.sink, plan.ack, plan.slow);
}

static void sim_clear_weather(void)
{
	plan.weather = 1000;
	plan.reading = 0;
	plan.store = plan.sink = plan.ack = 10;
	plan.slow = 200;
	plan.in_order = true;
}

static bool sim_may(enum sim_fault f, unsigned one_in)
{
	return !plan.calm && plan.faults & f && sim_one_in(one_in);
}

static void sim_disk_trouble(void)
{
	if (sim_may(SIM_IO, 60)) {
		atomic_store(sim_one_in(2) ? &hook_fail_syncs : &hook_fail_writes, 1 + (int)sim_below(5));
		sim_note("the disk fails");
	}
	if (disk.log && sim_may(SIM_IO, 150)) {
		disk_syncs_fail(true); /* of .seq too */
		sim_note("no sync succeeds");
	}
	if (sim_one_in(60))
		disk_syncs_fail(false);
	if (sim_may(SIM_FULL_DISK, 150) && atomic_load(&hook_room) < 0) {
		atomic_store(&hook_room, sim_below(200000));
		sim_note("the disk is full");
	}
	if (atomic_load(&hook_room) >= 0 && sim_one_in(60)) {
		atomic_store(&hook_room, -1);
		sim_note("the disk has room");
	}
}

static void sim_clock_trouble(void)
{
	if (!sim_may(SIM_CLOCK, 60))
		return;
	sim.vouched = sim_one_in(2);
	if (!sim.vouched)
		sim.clock_error_us = (int64_t)sim_below(2000000000) * 1000 - INT64_C(1000000000000);
	sim_note("the clock is %s", sim.vouched ? "trusted" : "not trusted");
}

static void sim_reload(void)
{
	bool *d;

	if (!sim_may(SIM_RELOADS, 120))
		return;
	d = &configured.device[sim_below(SIM_DEVICES)];
	if (sim_one_in(2))
		*d = !*d;
	configured.device[0] |= !configured.device[1];
	configured.version += sim_one_in(2);
	configured.history = sim_one_in(2) ? "0s" : "7d";
	sim_configure();
	sim_note("reload: %s%s%s, version %u, history %s", configured.device[0] ? "d0 " : "",
		 configured.device[1] ? "d1 " : "", configured.device[2] ? "d2" : "", configured.version,
		 configured.history);
	sim_signal(SIGHUP);
}

static void sim_processes_trouble(void)
{
	struct gw_child *c;

	if (sim_may(SIM_SINKS_FAIL, 120) && (c = sim_running(true, sim_below(SIM_SINKS))))
		sim_process_dies(c);
	if (sim_may(SIM_SOURCES_FAIL, 150) && (c = sim_running(false, sim_below(SIM_DEVICES))))
		sim_process_dies(c);
}

static void sim_sink_turn(struct gw_child *c)
{
	unsigned grumpy = plan.faults & SIM_GRUMPY && !plan.calm ? 20 : 0;

	if (!c->connected && (plan.calm || sim_one_in(40)))
		sim_sink_is(c, true);
	else if (c->connected && sim_may(SIM_SINKS_FAIL, 60))
		sim_sink_is(c, false);
	for (unsigned i = plan.sink ? sim_below(plan.sink) + 1 : 0; i > 0; i--)
		sim_sink_reads(c, grumpy);
	if (plan.ack && c->connected)
		sim_sink_acks(c, 1 + sim_below(plan.ack), plan.in_order);
	sim_sink_has_room(c);
	if (c->connected && sim_may(SIM_REPLAYS, 100))
		sim_sink_asks(c);
}

/* ---- checked at each step ---- */

/* What progress would say now, were it asked. */
static void sim_check_closed(const struct gw_sink *s, unsigned sink)
{
	for (unsigned i = 0; i < SIM_DEVICES; i++) {
		const struct gw_device *dev = gw_device_named(sim.d, sim_device_name(i));
		uint64_t open;

		if (!dev || dev->next_seq == dev->first_seq || !ledger.device[i].first)
			continue;
		open = gw_deliver_open_from(s->deliver, dev->number);
		if ((open ? open : dev->next_seq) > ledger.device[i].told[sink].closed)
			sim_fail("sink %u: the books of d%u are closed below %" PRIu64 ", and %" PRIu64
				 " neither came nor was declared lost", sink, i, open ? open : dev->next_seq,
				 ledger.device[i].told[sink].closed);
	}
}

static void sim_check(void)
{
	if (sim.killed || sim.d->phase != GW_PHASE_RUNNING)
		return;
	if (sim.d->info.mixed)
		sim_fail("its own WAL was taken for another one");
	for (size_t i = 0; i < sim.d->nsinks; i++)
		if (sim.d->sinks[i]->deliver)
			sim_check_closed(sim.d->sinks[i], strcmp(sim.d->sinks[i]->instance.name, "far") == 0);
}

/* ---- the end ---- */

static void sim_end_of_life(void)
{
	if (plan.calm || plan.life-- > 0 || sim.killed || disk.ops || disk.sends)
		return;
	if (!disk.power && plan.faults & SIM_STOPS && sim_one_in(3)) {
		sim_note("stop");
		plan.life = 200;
		sim_signal(SIGTERM);
	} else if (disk.power || plan.faults & SIM_KILLS) {
		unsigned how = sim_below(3);

		if (how == 0)
			sim_end_now();
		else
			*(how == 1 ? &disk.ops : &disk.sends) = 1 + sim_below(how == 1 ? 60 : 20);
	}
	plan.life += 100 + sim_below(400);
}

static bool sim_is_drained(void)
{
	const struct gw_daemon *d = sim.d;

	if (d->phase != GW_PHASE_RUNNING || !gw_commit_idle(d) || !gw_apply_settled(d) || d->plan || d->ndevices == 0)
		return false;
	for (size_t i = 0; i < d->nsinks; i++)
		for (uint16_t k = 0; k < d->ndevices; k++)
			if (gw_deliver_open_from(d->sinks[i]->deliver, k))
				return false;
	return true;
}

static void sim_calm_down(void)
{
	if (plan.calm || plan.steps > 0)
		return;
	sim_note("all faults end");
	plan.calm = true;
	plan.steps = 60000; /* until it must be drained */
	disk.ops = disk.sends = 0;
	sim.vouched = true;
	sim_disk_heals();
	for (unsigned i = 0; i < SIM_DEVICES; i++)
		configured.device[i] = true;
	sim_configure();
	sim_signal(SIGHUP);
	sim_clear_weather();
	for (unsigned i = 0; i < SIM_SINKS; i++) {
		struct gw_child *c = sim_running(true, i);

		if (c && c->connected) /* what it refused is tried again by its next session only */
			sim_sink_is(c, false);
	}
}

static bool sim_drained; /* and the gateway is told to stop */

static void sim_never_drains(void)
{
	const struct gw_daemon *d = sim.d;

	sim_note("phase %d, commits %s, reload %s, %s", (int)d->phase, gw_commit_idle(d) ? "done" : "not done",
		 gw_apply_settled(d) ? "settled" : "not settled", d->plan ? "a plan" : "no plan");
	sim_note("%zu pending, committing %zu, %s%s%sarmed %d, room in the ring %" PRIu64 ", store: %s", d->npending,
		 d->committing, d->commit_running ? "running, " : "", d->evicting ? "evicting, " : "",
		 d->salvaging ? "salvaging, " : "", d->commit_armed, gw_ring_room(d->ring), d->store_error);
	for (size_t i = 0; i < d->nsinks; i++)
		for (uint16_t k = 1; k <= SIM_DEVICES && k < d->ndevices; k++)
			sim_note("sink %zu: device %u (next %" PRIu64 ") open from %" PRIu64 ", %s", i, k,
				 d->devices[k] ? d->devices[k]->next_seq : 0,
				 gw_deliver_open_from(d->sinks[i]->deliver, k),
				 gw_deliver_stats(d->sinks[i]->deliver).connected ? "connected" : "not connected");
	sim_fail("it does not drain");
}

static void sim_calm_step(void)
{
	if (sim_drained || !plan.calm)
		return;
	if (plan.steps == 0)
		sim_never_drains();
	if (sim_is_drained()) {
		sim_drained = true;
		sim_signal(SIGTERM);
	}
}

/* Until nothing happens any more. */
static void sim_settles(unsigned turns)
{
	for (unsigned i = 0; i < turns; i++) {
		sim_pass(20000);
		sim_child_turn();
		sim_store_turn();
		sim_turn(sim.loop);
	}
}

static void sim_present(unsigned devices)
{
	for (unsigned i = 0; i < SIM_DEVICES; i++)
		configured.device[i] = devices >> i & 1;
	sim_configure();
	sim_signal(SIGHUP);
	sim_settles(100);
}

static void sim_sink_works(unsigned sink)
{
	struct gw_child *c = sim_running(true, sink);

	for (unsigned i = 0; c && i < 200; i++) {
		sim_sink_reads(c, 0);
		sim_sink_acks(c, 10, true);
		sim_sink_has_room(c);
		sim_settles(1);
	}
}

static void sim_sink_takes(struct gw_child *c)
{
	while (c->first)
		sim_sink_reads(c, 0);
	while (c->nowed)
		sim_sink_acks(c, c->nowed, true);
	sim_sink_has_room(c);
}

static void sim_obey(const struct sim_order *o)
{
	switch (o->what) {
	case SIM_END:
		return;
	case SIM_READ:
		for (unsigned i = 0; i < o->n; i++)
			sim_source_reads(o->device);
		return;
	case SIM_STORE:
		sim_settles(o->n);
		return;
	case SIM_PASS:
		sim_pass((int64_t)o->n * 1000);
		return;
	case SIM_SYNC:
		configured.sync_ms = (int)o->n;
		return;
	case SIM_DISCONNECT:
		sim_sink_is(sim_running(true, o->n), false);
		return;
	case SIM_SINK_TAKES:
		sim_sink_takes(sim_running(true, o->n));
		return;
	case SIM_CONNECT:
		sim_sink_is(sim_running(true, o->n), true);
		return;
	case SIM_SINK_WORKS:
		sim_sink_works(o->n);
		return;
	case SIM_PRESENT:
		sim_present(o->n);
		return;
	case SIM_SYNCS_FAIL:
		atomic_store(&hook_fail_syncs, (int)o->n);
		return;
	case SIM_DISK_FULL:
		atomic_store(&hook_room, 0);
		return;
	case SIM_DISK_ROOM:
		atomic_store(&hook_room, -1);
		return;
	case SIM_KILL:
	case SIM_POWER_CUT:
		disk.power = o->what == SIM_POWER_CUT;
		sim_end_now();
		return;
	case SIM_WORKS_AGAIN:
		if (*sim.d->store_error)
			sim_fail("the buffer does not work: %s", sim.d->store_error);
		return;
	case SIM_CAME_ONCE:
		if (ledger.came == 0 || ledger.again)
			sim_fail("%" PRIu64 " came, %" PRIu64 " times again", ledger.came, ledger.again);
		return;
	}
}

static void sim_next_order(void)
{
	if (sim.d->phase != GW_PHASE_RUNNING || !sim_running(false, 0)) {
		sim_settles(1);
		return;
	}
	sim_note("order %d, %u", (int)plan.orders->what, plan.orders->n);
	sim_obey(plan.orders++);
	if (!sim.killed)
		sim_turn(sim.loop);
	sim_check();
}

static void sim_step(void)
{
	sim.steps++;
	if (plan.orders && plan.orders->what != SIM_END) {
		sim_next_order();
		return;
	}
	if (plan.steps)
		plan.steps--;
	sim_calm_down();
	if (!plan.calm && plan.weather-- == 0)
		sim_weather();
	sim_pass((int64_t)sim_below(plan.slow * 1000));
	if (!plan.calm && sim_one_in(300))
		sim_pass((int64_t)sim_below(20000000));
	sim_clock_trouble();
	sim_disk_trouble();
	sim_child_turn();
	for (unsigned i = plan.reading ? sim_below(plan.reading + 1) : 0; i > 0 && !sim.killed; i--)
		sim_source_reads(sim_below(SIM_DEVICES));
	for (unsigned i = plan.store ? sim_below(plan.store + 1) : 0; i > 0 && !sim.killed; i--)
		sim_store_turn();
	if (!sim.killed)
		sim_processes_trouble();
	for (unsigned i = 0; i < SIM_SINKS && !sim.killed; i++) {
		struct gw_child *c = sim_running(true, i);

		if (c)
			sim_sink_turn(c);
	}
	if (!sim.killed && sim.d->phase == GW_PHASE_RUNNING) {
		sim_reload();
		sim_end_of_life();
	}
	if (!sim.killed)
		sim_turn(sim.loop);
	sim_check();
	sim_calm_step();
}

#endif
