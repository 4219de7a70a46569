/*
 * maker.h - layouts and readings for tests, built point by point.
 */
#ifndef MQTT_TEST_MAKER_H
#define MQTT_TEST_MAKER_H

#include <stdalign.h>
#include <stdio.h>
#include <string.h>

#include "gatewayd/plugin.h"

enum { MAKER_POINTS = 1000, MAKER_TEXT = 60000 };

struct maker {
	uint32_t tags[MAKER_POINTS];
	uint64_t slots[MAKER_POINTS];
	unsigned count;
	char text[MAKER_TEXT];
	size_t text_size;
	alignas(8) char block[128 * 1024];
};

static inline void maker_put(struct maker *m, unsigned index, enum gw_kind kind, unsigned reason,
			     uint64_t slot)
{
	m->tags[m->count] = gw_tag(index, kind, reason);
	m->slots[m->count++] = slot;
}

static inline void maker_f64(struct maker *m, unsigned index, enum gw_kind kind, unsigned reason,
			     double v)
{
	uint64_t slot;

	memcpy(&slot, &v, sizeof(slot));
	maker_put(m, index, kind, reason, slot);
}

static inline void maker_text(struct maker *m, unsigned index, const char *s)
{
	size_t n = strlen(s);

	memcpy(m->text + m->text_size, s, n);
	maker_put(m, index, GW_TEXT, GW_GOOD, (uint64_t)m->text_size << 16 | n);
	m->text_size += n;
}

/* The reading; what was put is used up.  Valid until the next of this maker. */
static inline struct gw_reading *maker_done(struct maker *m, uint64_t seq, int64_t ts_ms)
{
	struct gw_reading *r = (void *)m->block;
	size_t text = (m->text_size + 7) & ~(size_t)7;

	*r = (struct gw_reading){ .count = (uint16_t)m->count,
				  .seq = seq,
				  .ts_ms = ts_ms,
				  .text_size = (uint16_t)m->text_size };
	memcpy(gw_reading_tags(r), m->tags, m->count * sizeof(m->tags[0]));
	memcpy(gw_reading_slots(r), m->slots, m->count * sizeof(m->slots[0]));
	memset(gw_reading_text(r), 0, text);
	memcpy(gw_reading_text(r), m->text, m->text_size);
	r->size = (uint32_t)((size_t)(gw_reading_text(r) - m->block) + text);
	m->count = 0;
	m->text_size = 0;
	return r;
}

/* A layout of `names` (NULL-terminated); numbers without unit. */
static inline struct gw_layout *maker_layout(struct gw_arena *a, unsigned device, const char *name,
					     const char *const *names)
{
	struct gw_layout *l = gw_arena_alloc(a, sizeof(*l));

	*l = (struct gw_layout){ .device = device,
				 .current = true,
				 .name = name,
				 .title = "",
				 .profile = "",
				 .domain = "",
				 .first_seq = 1,
				 .from_seq = 1 };
	while (names[l->npoints])
		l->npoints++;
	l->points = gw_arena_alloc(a, (l->npoints + 1) * sizeof(*l->points));
	for (unsigned i = 0; i < l->npoints; i++)
		l->points[i] = (struct gw_layout_point){ .name = names[i],
							 .unit = "",
							 .symbol = "",
							 .quantity = "",
							 .type = GW_TYPE_NUMBER,
							 .interval_ms = 1000 };
	return l;
}

#endif
