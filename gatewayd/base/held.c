/* held.c - see held.h. */
#include "base/held.h"

#include <stdlib.h>
#include <string.h>

struct slot {
	struct gw_reading *reading;
	size_t capacity;
	bool holds;
};

struct gw_held {
	size_t devices, holding;
	struct slot slots[];
};

struct gw_held *gw_held_new(size_t devices)
{
	struct gw_held *h = calloc(1, sizeof(*h) + devices * sizeof(h->slots[0]));

	if (!h)
		abort();
	h->devices = devices;
	return h;
}

void gw_held_free(struct gw_held *h)
{
	for (size_t i = 0; h && i < h->devices; i++)
		free(h->slots[i].reading);
	free(h);
}

bool gw_held_any(const struct gw_held *h)
{
	return h && h->holding > 0;
}

static bool hold(struct gw_held *h, struct slot *s, const struct gw_reading *r)
{
	bool dropped = s->holds;

	if (s->capacity < r->size) {
		s->reading = realloc(s->reading, r->size);
		s->capacity = r->size;
	}
	if (!s->reading)
		abort();
	memcpy(s->reading, r, r->size);
	h->holding += !dropped;
	s->holds = true;
	return !dropped;
}

bool gw_held_send(struct gw_held *h, struct gw_outbox *o, size_t device, const struct gw_reading *r)
{
	gw_held_flush(h, o);
	if (!gw_held_any(h) && gw_outbox_try(o, GW_MSG_READING, r, r->size))
		return true;
	return hold(h, &h->slots[device], r);
}

void gw_held_flush(struct gw_held *h, struct gw_outbox *o)
{
	for (size_t i = 0; gw_held_any(h) && i < h->devices; i++) {
		struct slot *s = &h->slots[i];

		if (!s->holds)
			continue;
		if (!gw_outbox_try(o, GW_MSG_READING, s->reading, s->reading->size))
			return;
		s->holds = false;
		h->holding--;
	}
}
