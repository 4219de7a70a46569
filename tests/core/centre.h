/*
 * centre.h - what the far end of a sink knows of a device, and whether its books close: each
 * number received or declared lost.  It outlives the gateway.
 */
#ifndef GW_TESTS_CENTRE_H
#define GW_TESTS_CENTRE_H

#include <stdlib.h>
#include <string.h>

#include "core/apply.h"

struct centre {
	struct gw_ranges received, lost, lost_exact;
	struct gw_ranges lost_by_fault; /* of these: damaged, or in a power cut */
	struct gw_ranges thinned;       /* came in windows */
	bool overlap;                   /* two loss ranges overlapped */
	bool rewritten;                 /* two windows did, or came once with these and once with those values */
	struct centre_window { uint64_t from, to; uint32_t crc; } *window;
	size_t nwindows, window_room;
	bool reused;                    /* a number came with two contents */
	uint32_t *crc;                  /* of what was received, by seq - first */
	size_t ncrc;
	uint64_t first; /* first_seq as told; 0: nothing was told yet */
};

static inline void centre_reading(struct centre *c, uint64_t seq, uint32_t crc)
{
	size_t at = (size_t)(seq - c->first);

	if (seq < c->first) { /* numbering begins below what it has been: nothing holds any more */
		c->reused = true;
		return;
	}
	c->crc = gw_grow(c->crc, &c->ncrc, at + 1, sizeof(*c->crc));
	if (c->crc[at] && c->crc[at] != crc)
		c->reused = true;
	c->crc[at] = crc;
	gw_ranges_add(&c->received, seq, seq);
}

static inline void centre_window(struct centre *c, uint64_t from, uint64_t to, uint32_t crc)
{
	for (size_t i = 0; i < c->nwindows; i++) {
		const struct centre_window *w = &c->window[i];

		if (w->from == from && w->to == to && w->crc == crc)
			return;
		if (w->from <= to && w->to >= from)
			c->rewritten = true;
	}
	c->window = gw_grow(c->window, &c->window_room, c->nwindows + 1, sizeof(*c->window));
	c->window[c->nwindows++] = (struct centre_window){ from, to, crc };
	gw_ranges_add(&c->thinned, from, to);
}

static inline void centre_loss(struct centre *c, const struct gw_loss_row *row)
{
	uint64_t n = row->to - row->from + 1, fresh = gw_ranges_add(&c->lost, row->from, row->to);

	if (fresh != 0 && fresh != n) /* 0: the same record once more */
		c->overlap = true;
	if (row->exact)
		gw_ranges_add(&c->lost_exact, row->from, row->to);
	if (row->cause == GW_LOSS_DAMAGED || row->cause == GW_LOSS_POWER_CUT)
		gw_ranges_add(&c->lost_by_fault, row->from, row->to);
}

static inline void centre_forget(struct centre *c)
{
	gw_ranges_free(&c->received);
	gw_ranges_free(&c->lost);
	gw_ranges_free(&c->lost_exact);
	gw_ranges_free(&c->lost_by_fault);
	gw_ranges_free(&c->thinned);
	free(c->window);
	free(c->crc);
	memset(c, 0, sizeof(*c));
}

/* Numbers that are in both. */
static inline uint64_t centre_common(const struct gw_ranges *a, const struct gw_ranges *b)
{
	struct gw_ranges both = { 0 };
	uint64_t n;

	gw_ranges_copy(&both, a);
	gw_ranges_keep_common(&both, b);
	n = both.total;
	gw_ranges_free(&both);
	return n;
}

/* All numbers from the first to below `next`; NULL: the books close, else what is wrong. */
static inline const char *centre_books(const struct centre *c, uint64_t next)
{
	struct gw_ranges all = { 0 };
	bool closed;

	gw_ranges_copy(&all, &c->lost);
	gw_ranges_add_all(&all, &c->thinned);
	gw_ranges_add_all(&all, &c->received);
	closed = all.total == next - c->first &&
		 (all.total == 0 || (all.r[0].from == c->first && all.r[all.n - 1].to == next - 1));
	gw_ranges_free(&all);
	if (c->overlap)
		return "ranges of losses overlap";
	if (c->reused)
		return "a number came with two contents";
	if (c->rewritten)
		return "a window came with two contents";
	if (centre_common(&c->lost_exact, &c->received) || centre_common(&c->lost_exact, &c->thinned))
		return "numbers were received that an exact range declares lost";
	return closed ? NULL : "received and lost are not what was produced";
}

#endif
