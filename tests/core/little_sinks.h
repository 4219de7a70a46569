/*
 * little_sinks.h - the sinks of little_gateway.h: what the core wants of a sink, done by a centre that
 * takes all and owes the acknowledgements.
 */
#ifndef GW_TESTS_LITTLE_SINKS_H
#define GW_TESTS_LITTLE_SINKS_H

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
#include "centre.h"
#include "some_reading.h"

enum { LITTLE_DEVICES = 3, LITTLE_SINKS = 2, LITTLE_POINTS = 60, LITTLE_RATE = 60 };

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
	bool stamps; /* the clock counts: readings come in and go out with the time that it gives */
	bool dies;   /* killed when it has recovered, before the first commit */
	bool answered, failed;
	struct gw_err err;
	/* The centre of the sink was told a reading, or a loss; a window; NULL: nobody listens. */
	void (*note)(unsigned sink, const struct gw_reading *r, const struct gw_loss_row *loss);
	void (*note_window)(unsigned sink, const struct gw_window *w);
	size_t corrections; /* told */
};

static inline void owe(struct little *l, unsigned sink, const struct gw_ack *ack)
{
	assert_true(l->nacks < 4096);
	l->ack_sink[l->nacks] = (uint16_t)sink;
	l->acks[l->nacks++] = *ack;
}

/* Which of its devices; their numbers differ once a buffer was lost. */
static inline unsigned device_index(const struct little *l, uint16_t number)
{
	unsigned k = 0;

	while (k < LITTLE_DEVICES && l->reg[k].device != number)
		k++;
	if (k == LITTLE_DEVICES)
		fail_msg("device %u", number);
	return k;
}

static inline int little_take(struct little *l, unsigned sink, const struct gw_reading *const *r, size_t n)
{
	const struct gw_reading *out[GW_REPLAY_MAX];

	if (l->stamps && !gw_timekeeper_send(&l->sink[sink], r, n, out))
		return 0;
	if (l->stamps)
		r = out;
	for (size_t i = 0; i < n; i++) {
		struct gw_ack ack = { .what = GW_ACK_READINGS, .result = GW_ACK_DONE, .device = r[i]->device,
				      .from = r[i]->seq, .to = r[i]->seq, .credit = i == 0 };

		centre_reading(&l->centre[sink][device_index(l, r[i]->device)], r[i]->seq, r[i]->crc);
		if (l->note)
			l->note(sink, r[i], NULL);
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

	return little_take((struct little *)(void *)s->daemon, index_of(s), &r, 1) ? 1 : -1;
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
	struct gw_ack ack = { .what = GW_ACK_LOSS, .result = GW_ACK_DONE, .device = row->device,
			      .from = row->id, .credit = 1 };

	centre_loss(&l->centre[index_of(s)][device_index(l, row->device)], row);
	if (l->note)
		l->note(index_of(s), NULL, row);
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

static inline void little_settled(void *arg, uint16_t device, uint64_t from, uint64_t to,
				  const struct gw_giveup *lost)
{
	gw_outlet_ops.settled(arg, device, from, to, lost);
}

static inline void little_loss_changed(void *arg, const struct gw_loss_row *row)
{
	gw_outlet_ops.loss_changed(arg, row);
}

static inline uint64_t little_loss_id(void *arg)
{
	return gw_outlet_ops.loss_id(arg);
}

static inline int little_window(void *arg, const struct gw_window_row *row)
{
	struct gw_sink *s = arg;
	struct little *l = (struct little *)(void *)s->daemon;
	const struct gw_window *w = l->stamps ? gw_timekeeper_send_window(s, row->window) : row->window;
	struct gw_ack ack = { .what = GW_ACK_WINDOW, .result = GW_ACK_DONE, .device = row->device,
			      .from = row->id, .credit = 1 };

	if (!w)
		return 0;
	centre_window(&l->centre[index_of(s)][device_index(l, w->device)], w->from, w->to, w->crc);
	if (l->note_window)
		l->note_window(index_of(s), w);
	owe(l, index_of(s), &ack);
	return 1;
}

static inline void little_got_windows(void *arg, struct gw_windows *windows, const struct gw_err *err)
{
	struct gw_sink *s = arg;

	(void)err;
	s->asked--;
	gw_deliver_windows(s->deliver, windows);
}

static inline void little_fetch_windows(void *arg, uint64_t from_id, size_t max_bytes)
{
	struct gw_sink *s = arg;

	s->asked++;
	gw_store_windows(s->daemon->store,
			 &(struct gw_windows_query){ .sink = s->number, .from_id = from_id,
						     .max_bytes = max_bytes }, little_got_windows, s);
}

static inline void little_window_gone(void *arg, uint64_t id)
{
	gw_outlet_ops.window_gone(arg, id);
}

static inline int little_correction(void *arg, uint64_t id)
{
	struct gw_sink *s = arg;
	struct little *l = (struct little *)(void *)s->daemon;
	struct gw_ack ack = { .what = GW_ACK_CORRECTION, .result = GW_ACK_DONE, .from = id, .credit = 1 };

	if (!gw_clock_correction(l->d.clock, id))
		return -1;
	l->corrections++;
	owe(l, index_of(s), &ack);
	return 1;
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

#endif
