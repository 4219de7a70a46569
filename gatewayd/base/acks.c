/*
 * acks.c - acknowledgements gathered into ranges; see acks.h.
 */
#include "base/acks.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static void *grow(void *old, size_t count, size_t size)
{
	void *p = reallocarray(old, count, size);

	if (!p)
		abort();
	return p;
}

static bool merge(struct gw_ack *into, const struct gw_ack *ack)
{
	if (into->what != GW_ACK_READINGS || ack->what != GW_ACK_READINGS ||
	    into->result != ack->result)
		return false;
	if (ack->from == into->to + 1)
		into->to = ack->to;
	else if (into->from == ack->to + 1)
		into->from = ack->from;
	else
		return false;
	into->credit += ack->credit;
	return true;
}

static uint32_t *last_of(struct gw_acks *a, unsigned device)
{
	size_t n = (size_t)device + 1;

	if (n > a->ndevices) {
		a->last = grow(a->last, n, sizeof(a->last[0]));
		memset(a->last + a->ndevices, 0, (n - a->ndevices) * sizeof(a->last[0]));
		a->ndevices = n;
	}
	return &a->last[device];
}

void gw_acks_add(struct gw_acks *a, const struct gw_ack *ack)
{
	uint32_t *last = last_of(a, ack->device);

	if (*last > 0 && merge(&a->entries[*last - 1], ack))
		return;
	if (a->count == a->capacity) {
		a->capacity = a->capacity ? a->capacity * 2 : 64;
		a->entries = grow(a->entries, a->capacity, sizeof(a->entries[0]));
	}
	a->entries[a->count++] = *ack;
	*last = (uint32_t)a->count;
}

void gw_acks_clear(struct gw_acks *a)
{
	for (size_t i = 0; i < a->count; i++)
		a->last[a->entries[i].device] = 0;
	a->count = 0;
}

void gw_acks_free(struct gw_acks *a)
{
	free(a->entries);
	free(a->last);
	*a = (struct gw_acks){ 0 };
}

const char *gw_loss_cause_name(unsigned cause)
{
	static const char *const names[] = { "buffer_full", "expired", "damaged",  "power_cut",
					     "overload",    "refused", "too_large" };

	_Static_assert(sizeof(names) / sizeof(names[0]) == GW_LOSS_CAUSES, "one word for each cause");
	return cause < GW_LOSS_CAUSES ? names[cause] : "unknown";
}
