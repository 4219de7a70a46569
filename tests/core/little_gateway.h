/*
 * little_gateway.h - a gateway without processes: the real store, ring, commit, recovery and
 * delivery; devices that are a call, and sinks that are an array of what the centre has received.
 * The centre outlives the gateway, so the books can be compared after any fault:
 * each number received or declared lost, once.
 */
#ifndef GW_TESTS_LITTLE_GATEWAY_H
#define GW_TESTS_LITTLE_GATEWAY_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "core/apply.h"
#include "core/recover.h"
#include "core/timekeeper.h"
#include "some_reading.h"

enum { LITTLE_DEVICES = 3, LITTLE_SINKS = 2, LITTLE_POINTS = 60 };

/* What the far end of a sink knows of a device. */
struct centre {
	struct gw_ranges received, lost, lost_exact;
	bool overlap;  /* two loss ranges overlapped */
	bool reused;   /* a number came with two contents */
	uint32_t *crc; /* of what was received, by seq - first */
	size_t ncrc;
	uint64_t first; /* first_seq as told */
};

struct little {
	struct gw_daemon d;
	struct gw_source source;
	struct gw_sink sink[LITTLE_SINKS], *sinks[LITTLE_SINKS];
	struct gw_device *device[LITTLE_DEVICES];
	struct gw_registration reg[LITTLE_DEVICES];
	struct gw_sink_registration sink_reg[LITTLE_SINKS];
	struct gw_apply apply;
	struct gw_source *source_list;
	char aside[512];
	struct centre (*centre)[LITTLE_DEVICES]; /* by sink */
	bool refuse[LITTLE_SINKS];               /* takes nothing */
	struct gw_ack acks[4096];                /* that it owes */
	uint16_t ack_sink[4096];
	size_t nacks;
	bool answered, failed;
	struct gw_err err;
	void (*note)(void *arg, unsigned sink, uint16_t device, uint64_t seq); /* received; may be NULL */
	void *note_arg;
};

/* daemon.c is not here */
void gw_daemon_gone(struct gw_daemon *d)
{
	(void)d;
}

void gw_recovered(struct gw_apply *a, const struct gw_err *err)
{
	struct little *l = (struct little *)(void *)a->d; /* its first member */

	l->failed = err != NULL;
	if (err)
		l->err = *err;
	l->answered = true;
}

/* ---- the centre ---- */

static inline bool centre_knows(struct centre *c, const struct gw_reading *r)
{
	size_t at = (size_t)(r->seq - c->first);

	c->crc = gw_grow(c->crc, &c->ncrc, at + 1, sizeof(*c->crc));
	if (c->crc[at] && c->crc[at] != r->crc)
		c->reused = true;
	c->crc[at] = r->crc;
	return gw_ranges_add(&c->received, r->seq, r->seq) == 0;
}

static inline void owe(struct little *l, unsigned sink, const struct gw_ack *ack)
{
	assert_true(l->nacks < 4096);
	l->ack_sink[l->nacks] = (uint16_t)sink;
	l->acks[l->nacks++] = *ack;
}

static inline int little_take(struct little *l, unsigned sink, const struct gw_reading *const *r, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct gw_ack ack = { .what = GW_ACK_READINGS, .result = GW_ACK_DONE, .device = r[i]->device,
				      .from = r[i]->seq, .to = r[i]->seq, .credit = i == 0 };

		if (r[i]->device < 1 || r[i]->device > LITTLE_DEVICES)
			fail_msg("device %u", r[i]->device);
		centre_knows(&l->centre[sink][r[i]->device - 1], r[i]);
		if (l->note)
			l->note(l->note_arg, sink, r[i]->device, r[i]->seq);
		owe(l, sink, &ack);
	}
	return 1;
}

static inline unsigned index_of(struct gw_sink *s)
{
	struct little *l = (struct little *)(void *)s->daemon;

	return (unsigned)(s - l->sink);
}

static inline int little_live(void *arg, const struct gw_reading *r)
{
	struct gw_sink *s = arg;

	return little_take((struct little *)(void *)s->daemon, index_of(s), &r, 1);
}

static inline int little_replay(void *arg, const struct gw_reading *const *r, size_t n)
{
	struct gw_sink *s = arg;

	return little_take((struct little *)(void *)s->daemon, index_of(s), r, n);
}

static inline int little_loss(void *arg, const struct gw_loss_row *row)
{
	struct gw_sink *s = arg;
	struct little *l = (struct little *)(void *)s->daemon;
	struct centre *c = &l->centre[index_of(s)][row->device - 1];
	struct gw_ack ack = { .what = GW_ACK_LOSS, .result = GW_ACK_DONE, .device = row->device,
			      .from = row->id, .credit = 1 };
	uint64_t n = row->to - row->from + 1, fresh = gw_ranges_add(&c->lost, row->from, row->to);

	if (fresh != 0 && fresh != n) /* 0: the same record once more */
		c->overlap = true;
	if (row->exact)
		gw_ranges_add(&c->lost_exact, row->from, row->to);
	owe(l, index_of(s), &ack);
	return 1;
}

static inline void little_rows(void *arg, struct gw_rows *rows, const struct gw_err *err)
{
	struct gw_sink *s = arg;

	(void)err;
	s->asked--;
	gw_deliver_rows(s->deliver, rows);
}

static inline void little_fetch(void *arg, uint64_t from_id, size_t max_rows, size_t max_bytes)
{
	struct gw_sink *s = arg;

	s->asked++;
	gw_store_fetch(s->daemon->store, s->number, from_id, max_rows, max_bytes, little_rows, s);
}

static inline void little_settled(void *arg, uint16_t device, uint64_t from, uint64_t to, int cause)
{
	gw_outlet_ops.settled(arg, device, from, to, cause);
}

static inline void little_loss_changed(void *arg, const struct gw_loss_row *row)
{
	gw_outlet_ops.loss_changed(arg, row);
}

static inline uint64_t little_loss_id(void *arg)
{
	return gw_outlet_ops.loss_id(arg);
}

/* It never thins. */
static inline int little_window(void *arg, const struct gw_window_row *row)
{
	return gw_outlet_ops.window(arg, row);
}

static inline void little_fetch_windows(void *arg, uint64_t from_id, size_t max_bytes)
{
	gw_outlet_ops.fetch_windows(arg, from_id, max_bytes);
}

static inline void little_window_gone(void *arg, uint64_t id)
{
	gw_outlet_ops.window_gone(arg, id);
}

/* Its clock never becomes trusted under way. */
static inline int little_correction(void *arg, uint64_t id)
{
	(void)arg;
	(void)id;
	return -1;
}

static inline void little_corrected(void *arg, uint64_t id)
{
	gw_outlet_ops.corrected(arg, id);
}

/* None is kept: the ring and the store have them all. */
static inline const struct gw_reading *little_newest(void *arg, uint16_t device)
{
	(void)arg;
	(void)device;
	return NULL;
}

static const struct gw_deliver_ops little_ops = {
	.newest = little_newest, .window = little_window, .fetch_windows = little_fetch_windows,
	.window_gone = little_window_gone, .correction = little_correction, .corrected = little_corrected,
	.live = little_live, .replay = little_replay, .loss = little_loss, .fetch = little_fetch,
	.settled = little_settled, .loss_changed = little_loss_changed, .loss_id = little_loss_id,
};

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

static inline void register_all(struct little *l, const char *layout)
{
	static const char *const names[LITTLE_DEVICES] = { "pump", "meter", "gate" };
	static const char *const sinks[LITTLE_SINKS] = { "near", "far" };

	for (unsigned i = 0; i < LITTLE_DEVICES; i++)
		l->reg[i] = (struct gw_registration){ .name = names[i], .layout = layout,
						      .layout_size = strlen(layout), .rate = 60 };
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
	for (size_t i = 0; i < l->apply.non_ring; i++)
		gw_ranges_free(&l->apply.on_ring[i].known);
	free(l->apply.on_ring);
	gw_repair_recovered(&l->d);
	l->d.phase = GW_PHASE_RUNNING;
	gw_commit_now(&l->d);
}

struct little_options {
	const char *path, *ring, *boot, *layout;
	uint64_t max_size;
	int64_t idle_ms;
};

/* NULL with *err: the store could not be opened. */
static inline struct little *little_start(const struct little_options *o, struct centre centre[][LITTLE_DEVICES],
					  struct gw_err *err)
{
	struct little *l = calloc(1, sizeof(*l));
	struct gw_store_options store = { .path = o->path, .max_size = o->max_size, .boot = o->boot,
					  .build_ms = 1, .idle_ms = o->idle_ms, .event = gw_repair_event };
	struct gw_ring_options ring = { .path = o->ring, .size = 1 << 20, .boot = o->boot };
	const char *why;

	if (!l)
		abort();
	l->centre = centre;
	l->d.memory = gw_memory_new();
	l->d.core.buffer.sync_ms = 5;
	l->d.salvage_exact = true;
	store.event_arg = &l->d;
	ring.buffer = l->d.info.buffer;
	if (gw_loop_new(&l->d.loop, err) < 0 ||
	    !(l->d.commit_timer = gw_on_timer(l->d.loop, gw_commit_on_timer, &l->d, err)) ||
	    gw_store_open(&l->d.store, &store, l->d.loop, &l->d.info, l->aside, err) < 0 ||
	    gw_ring_open(&l->d.ring, &ring, &l->d.ring_found, &why, err) < 0)
		fail_msg("%s", err->msg);
	l->d.salvaging = l->d.info.salvaging;
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

	for (int i = 0; i < 1000 && !gw_commit_idle(&l->d); i++) {
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
	if (dev->next_seq < dev->reserved)
		return true;
	gw_store_reserve(l->d.store, dev->number, dev->reserved + 100, little_registered, l);
	little_wait(l);
	dev->reserved += 100;
	return true;
}

/* A reading of device 1.. as intake.c makes one; contents that never repeat.  Returns its number. */
static inline uint64_t little_reading(struct little *l, unsigned device)
{
	static uint64_t contents;
	_Alignas(8) static unsigned char memory[64 + LITTLE_POINTS * 12];
	struct gw_device *dev = l->device[device - 1];
	struct gw_reading *r = some_reading_into(memory, dev->number, ++contents, gw_now_us() / 1000, LITTLE_POINTS);
	const struct gw_reading *kept;
	uint64_t position;

	number_is_there(l, dev);
	r->layout = dev->layout;
	r->mono_ms = gw_now_us() / 1000;
	r->seq = dev->next_seq++;
	r->crc = gw_reading_crc(r);
	dev->next_changed = true;
	while ((kept = gw_ring_append(l->d.ring, r, &position)) == NULL) {
		gw_commit_now(&l->d);
		little_turn(l);
	}
	gw_commit_reading(&l->d, kept, position);
	for (unsigned i = 0; i < LITTLE_SINKS; i++)
		gw_deliver_reading(l->sink[i].deliver, kept, position);
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
