/*
 * little_gateway.h - a gateway without processes: the real store, ring, commit, recovery and
 * delivery; devices that are a call, and sinks that are an array of what the centre has received.
 * The centre outlives the gateway, so the books can be compared after any fault:
 * each number received or declared lost, once.
 */
#ifndef GW_TESTS_LITTLE_GATEWAY_H
#define GW_TESTS_LITTLE_GATEWAY_H

#include <unistd.h>

#include "little_sinks.h"

/* daemon.c is not here */
void gw_daemon_gone(struct gw_daemon *d)
{
	(void)d;
}

void gw_recovered(struct gw_apply *a, const struct gw_err *err)
{
	struct little *l = (struct little *)(void *)a->d; /* its first member */

	if (l->dies)
		_exit(0);
	l->failed = err != NULL;
	if (err)
		l->err = *err;
	l->answered = true;
}

/* ---- its life ---- */

static inline void little_turn(struct little *l)
{
	struct gw_err err;

	if (gw_loop_turn(l->d.loop, 1, &err) < 0)
		fail_msg("%s", err.msg);
}

static inline void little_registered(void *arg, const struct gw_err *err)
{
	struct little *l = arg;

	l->failed = err != NULL;
	if (err)
		l->err = *err;
	l->answered = true;
}

static inline void little_wait(struct little *l)
{
	while (!l->answered)
		little_turn(l);
	l->answered = false;
	if (l->failed)
		fail_msg("%s", l->err.msg);
}

/* A layout as far as the store looks into it: the device's name, and some text. */
static inline size_t layout_of(unsigned char body[512], const char *name, const char *text)
{
	struct gw_message m = { .type = GW_MSG_LAYOUT, .layout = { .name = gw_str(name), .title = gw_str(text) } };
	uint32_t n = (uint32_t)gw_message_encode(&m, body + sizeof(n));

	assert_true(n > 0);
	memcpy(body, &n, sizeof(n));
	return sizeof(n) + n;
}

static inline void register_all(struct little *l, const char *layout)
{
	unsigned char body[LITTLE_DEVICES][512];
	static const char *const names[LITTLE_DEVICES] = { "pump", "meter", "gate" };
	static const char *const sinks[LITTLE_SINKS] = { "near", "far" };

	for (unsigned i = 0; i < LITTLE_DEVICES; i++)
		l->reg[i] = (struct gw_registration){ .name = names[i], .layout = body[i], .rate = LITTLE_RATE,
						      .layout_size = layout_of(body[i], names[i], layout) };
	for (unsigned i = 0; i < LITTLE_SINKS; i++)
		l->sink_reg[i] = (struct gw_sink_registration){ .name = sinks[i] };
	gw_store_register(l->d.store, l->reg, LITTLE_DEVICES, l->sink_reg, LITTLE_SINKS, little_registered, l);
	little_wait(l);
}

static inline void make_devices(struct little *l)
{
	l->d.devices = gw_grow(NULL, &l->d.ndevices, LITTLE_DEVICES + 1, sizeof(struct gw_device *));
	l->source.devices = l->device;
	l->source.ndevices = LITTLE_DEVICES;
	for (unsigned i = 0; i < LITTLE_DEVICES; i++) {
		const struct gw_registration *r = &l->reg[i];

		l->device[i] = calloc(1, sizeof(struct gw_device));
		if (!l->device[i])
			abort();
		*l->device[i] = (struct gw_device){ .name = r->name, .number = r->device, .first_seq = r->first_seq,
						    .next_seq = r->next_seq, .stored_next = r->next_seq,
						    .reserved = r->reserved, .layout = r->layout_number };
		l->d.devices[r->device] = l->device[i];
	}
}

static inline void make_sinks(struct little *l)
{
	l->d.sinks = l->sinks;
	for (unsigned i = 0; i < LITTLE_SINKS; i++) {
		l->sinks[i] = &l->sink[i];
		l->sink[i] = (struct gw_sink){ .daemon = &l->d, .number = l->sink_reg[i].sink };
		l->sink[i].deliver = gw_deliver_new(&(struct gw_deliver_options){
			.sink = l->sink[i].number, .ops = &little_ops, .arg = &l->sink[i] });
		for (unsigned k = 0; k < LITTLE_DEVICES; k++)
			gw_deliver_device(l->sink[i].deliver, l->reg[k].device, INT64_MAX / 4);
		l->d.nsinks++;
	}
}

static inline void recover(struct little *l)
{
	l->source_list = &l->source;
	l->apply = (struct gw_apply){ .d = &l->d, .sources = &l->source_list, .nsources = 1, .devices = l->reg,
				      .ndevices = LITTLE_DEVICES };
	gw_recover(&l->apply);
	little_wait(l);
	free(l->apply.first_seqs);
	free(l->apply.next_seqs);
	free(l->apply.bounds);
	for (size_t i = 0; i < l->apply.non_ring; i++)
		gw_ranges_free(&l->apply.on_ring[i].known);
	free(l->apply.on_ring);
	gw_repair_recovered(&l->d);
	l->d.nboots = 0; /* or sinks would be told of them on a link */
	l->d.phase = GW_PHASE_RUNNING;
	gw_commit_now(&l->d);
}

struct little_options {
	const char *path, *ring, *boot, *layout;
	uint64_t max_size, ring_size; /* 0: 1 MiB */
	int64_t idle_ms;
	bool dies, thins, stamps;
};

/* NULL with *err: the store could not be opened. */
static inline struct little *little_start(const struct little_options *o, struct centre centre[][LITTLE_DEVICES],
					  struct gw_err *err)
{
	struct little *l = calloc(1, sizeof(*l));
	struct gw_store_options store = { .path = o->path, .max_size = o->max_size, .boot = o->boot,
					  .build_ms = 1, .idle_ms = o->idle_ms, .event = gw_repair_event };
	struct gw_ring_options ring = { .path = o->ring, .size = o->ring_size ? o->ring_size : 1 << 20, .boot = o->boot };
	const char *why;

	if (!l)
		abort();
	l->centre = centre;
	l->dies = o->dies;
	l->d.memory = gw_memory_new();
	l->stamps = o->stamps;
	l->d.core.buffer.sync_ms = 5;
	l->d.core.buffer.max_size = (int64_t)o->max_size;
	l->d.core.buffer.when_full = o->thins ? GW_THIN : GW_DROP_OLDEST;
	store.event_arg = &l->d;
	ring.buffer = l->d.info.buffer;
	if (gw_loop_new(&l->d.loop, err) < 0 ||
	    !(l->d.commit_timer = gw_on_timer(l->d.loop, gw_commit_on_timer, &l->d, err)) ||
	    gw_store_open(&l->d.store, &store, l->d.loop, &l->d.info, l->aside, err) < 0 ||
	    gw_ring_open(&l->d.ring, &ring, &l->d.ring_found, &why, err) < 0)
		fail_msg("%s", err->msg);
	l->d.salvaging = l->d.info.salvaging;
	l->d.salvage_exact = !l->d.info.due_assumed;
	gw_timekeeper_begin(&l->d);
	register_all(l, o->layout ? o->layout : "layout");
	make_devices(l);
	make_sinks(l);
	for (unsigned i = 0; i < LITTLE_SINKS; i++)
		for (unsigned k = 0; k < LITTLE_DEVICES; k++)
			if (!centre[i][k].first)
				centre[i][k].first = l->reg[k].first_seq;
	recover(l);
	return l;
}

/* killed: without the orderly end; the ring stays. */
static inline void little_stop(struct little *l)
{
	struct gw_err err;

	l->d.last_commit_asked = true;
	for (int i = 0; i < 1000 && (i == 0 || !gw_commit_idle(&l->d)); i++) {
		gw_commit_now(&l->d);
		gw_loop_turn(l->d.loop, 1, &err);
	}
	l->d.closing = true;
	gw_store_close(l->d.store);
	for (unsigned i = 0; i < LITTLE_SINKS; i++) {
		gw_deliver_free(l->sink[i].deliver);
		gw_watch_stop(l->sink[i].timer);
	}
	gw_ring_close(l->d.ring, true);
	gw_evict_free(&l->d);
	for (unsigned i = 0; i < LITTLE_DEVICES; i++)
		free(l->device[i]);
	for (size_t i = 0; i < l->d.nlayouts; i++)
		free(l->d.layouts[i].body.bytes);
	free(l->d.layouts);
	free(l->d.devices);
	free(l->d.pending);
	free(l->d.changed_losses);
	free(l->d.absent);
	free(l->d.boots);
	gw_clock_free(l->d.clock);
	gw_memory_free(l->d.memory);
	gw_loop_free(l->d.loop);
	free(l);
}

static inline void little_connect(struct little *l, unsigned sink)
{
	gw_deliver_connected(l->sink[sink].deliver, 50, gw_now_us());
}

/* ---- readings ---- */

static inline bool number_is_there(struct little *l, struct gw_device *dev)
{
	uint64_t batch = gw_reservation(LITTLE_RATE);

	if (dev->reserved >= dev->next_seq + batch / 2)
		return true;
	dev->asked = dev->next_seq + batch / 4 * 3;
	gw_store_reserve(l->d.store, dev->number, dev->asked, little_registered, l);
	little_wait(l);
	dev->reserved = dev->asked;
	return true;
}

/* As intake.c makes one; contents that never repeat.  Valid until the next one. */
static inline struct gw_reading *little_new_reading(struct little *l, unsigned device, unsigned points)
{
	static uint64_t contents;
	_Alignas(8) static unsigned char memory[GW_READING_MAX];
	struct gw_device *dev = l->device[device - 1];
	int64_t now_ms = gw_now_us() / 1000;
	struct gw_reading *r = some_reading_into(memory, dev->number, ++contents, now_ms, points);

	number_is_there(l, dev);
	r->mono_ms = now_ms;
	if (l->stamps)
		gw_timekeeper_stamp(&l->d, r);
	return r;
}

/* A reading of device 1..; waits for room.  Returns its number. */
static inline uint64_t little_reading(struct little *l, unsigned device)
{
	struct gw_reading *r = little_new_reading(l, device, LITTLE_POINTS);

	while (gw_ring_room(l->d.ring) < 2 * (r->size + 64)) {
		gw_commit_now(&l->d);
		little_turn(l);
	}
	assert_true(gw_arrive(&l->d, l->device[device - 1], r));
	return r->seq;
}

/* What the sinks owe is said; then the loop turns once. */
static inline void little_go(struct little *l)
{
	for (size_t i = 0; i < l->nacks; i++)
		if (!l->refuse[l->ack_sink[i]])
			gw_deliver_ack(l->sink[l->ack_sink[i]].deliver, &l->acks[i]);
	l->nacks = 0;
	for (unsigned i = 0; i < LITTLE_SINKS; i++)
		gw_sink_pump(&l->sink[i]);
	little_turn(l);
}

static inline bool little_settled_all(const struct little *l)
{
	for (unsigned i = 0; i < LITTLE_SINKS; i++)
		for (unsigned k = 0; k < LITTLE_DEVICES; k++)
			if (gw_deliver_open_from(l->sink[i].deliver, l->reg[k].device))
				return false;
	return l->d.npending == 0;
}

/* Until all that is due is acknowledged or lost and said; false: it does not come to an end. */
static inline bool little_settle(struct little *l, int64_t within_us)
{
	int64_t end = gw_now_us() + within_us;

	for (unsigned i = 0; i < LITTLE_SINKS; i++)
		little_connect(l, i);
	while (!little_settled_all(l) || l->d.salvaging) {
		little_go(l);
		if (gw_now_us() > end)
			return false;
	}
	return true;
}

#endif
