/*
 * timekeeper_out.c - see timekeeper.h: with what times readings and windows leave, and corrections
 * of those that left without.
 */
#include "core/timekeeper.h"

#include <assert.h>
#include <string.h>

/* ---- what the sink is told ahead ---- */

static const char *boot_id(const struct gw_daemon *d, uint32_t number)
{
	for (size_t i = 0; i < d->nboots; i++)
		if (d->boots[i].number == number)
			return d->boots[i].id;
	return NULL;
}

static void tell_boot(struct gw_sink *s, uint32_t number)
{
	const char *id = boot_id(s->daemon, number);
	struct gw_message m = { .type = GW_MSG_BOOT };

	if (number == s->boot_told || number == s->daemon->info.boot || !id)
		return; /* GATEWAY names the present one */
	s->boot_told = number;
	m.boot.number = number;
	m.boot.id = gw_str(id);
	gw_child_send(s->child, &m);
}

/* Ahead of sending; false: there is no room for it, and a commit will make some. */
static bool note_told(struct gw_sink *s, uint16_t device, uint64_t from, uint64_t to)
{
	struct gw_ring_ack told = { .sink = s->number, .device = device, .to = to,
				    .from = gw_deliver_told_from(s->deliver, device, from) };

	gw_arrive_keep_room(s->daemon);
	if (!gw_ring_append_told(s->daemon->ring, &told)) {
		gw_commit_soon(s->daemon);
		return false;
	}
	gw_deliver_told(s->deliver, device, told.from, to);
	gw_commit_later(s->daemon);
	return true;
}

/* ---- readings ---- */

static bool leaves_marked(struct gw_sink *s, const struct gw_reading *r)
{
	if (!gw_deliver_was_told(s->deliver, r->device, r->seq) && !note_told(s, r->device, r->seq, r->seq))
		return false;
	tell_boot(s, r->boot);
	return true;
}

/* Sent now with its old time, a power cut could leave the correction and lose that it was sent. */
static bool is_decided(const struct gw_sink *s, const struct gw_reading *r)
{
	return !(r->flags & GW_READING_UNSYNCED) || gw_deliver_was_told(s->deliver, r->device, r->seq) ||
	       !gw_clock_deciding(s->daemon->clock, r->boot, r->mono_ms);
}

bool gw_timekeeper_send(struct gw_sink *s, const struct gw_reading *const *r, size_t n,
			const struct gw_reading **out)
{
	struct gw_daemon *d = s->daemon;
	size_t used = 0;
	int64_t ts_ms;

	for (size_t i = 0; i < n; i++)
		if (!is_decided(s, r[i]))
			return false;
	for (size_t i = 0; i < n; i++) {
		struct gw_reading *copy = (struct gw_reading *)(void *)(d->stamped + used);

		out[i] = r[i];
		if (!(r[i]->flags & GW_READING_UNSYNCED))
			continue;
		if (gw_deliver_was_told(s->deliver, r[i]->device, r[i]->seq) ||
		    !gw_clock_new_ts(d->clock, r[i]->boot, r[i]->mono_ms, &ts_ms)) {
			if (!leaves_marked(s, r[i]))
				return false;
			continue;
		}
		assert(r[i]->size <= sizeof(d->stamped) - used);
		memcpy(copy, r[i], r[i]->size);
		copy->ts_ms = ts_ms;
		copy->flags &= (uint16_t)~GW_READING_UNSYNCED;
		copy->crc = gw_reading_crc(copy);
		used += copy->size;
		out[i] = copy;
	}
	return true;
}

/* ---- windows ---- */

/* Every sending of a window follows what the first one did: its numbers went then or they did not. */
const struct gw_window *gw_timekeeper_send_window(struct gw_sink *s, const struct gw_window *w)
{
	struct gw_daemon *d = s->daemon;
	struct gw_window *copy = (struct gw_window *)(void *)d->stamped;
	bool told = gw_deliver_was_told(s->deliver, w->device, w->to);
	int64_t from_ms, to_ms;

	if (!(w->flags & GW_READING_UNSYNCED))
		return w;
	if (!told && (gw_clock_deciding(d->clock, w->boot, w->mono_from_ms) ||
		      gw_clock_deciding(d->clock, w->boot, w->mono_to_ms)))
		return NULL;
	if (told || !gw_clock_new_ts(d->clock, w->boot, w->mono_from_ms, &from_ms) ||
	    !gw_clock_new_ts(d->clock, w->boot, w->mono_to_ms, &to_ms)) {
		if (!told && !note_told(s, w->device, w->from, w->to))
			return NULL;
		tell_boot(s, w->boot);
		return w;
	}
	assert(w->size <= sizeof(d->stamped));
	memcpy(copy, w, w->size);
	copy->ts_from_ms = from_ms;
	copy->ts_to_ms = to_ms;
	copy->flags = 0;
	copy->crc = gw_window_crc(copy);
	return copy;
}

/* ---- corrections ---- */

int gw_timekeeper_correction(struct gw_sink *s, uint64_t id)
{
	const struct gw_correction *k = gw_clock_correction(s->daemon->clock, id);
	const char *boot = k ? boot_id(s->daemon, k->boot) : NULL;
	struct gw_message m = { .type = GW_MSG_CORRECTION };

	if (!k)
		return -1;
	m.correction.id = k->id;
	m.correction.boot = gw_str(boot ? boot : "");
	m.correction.from_ms = k->from_ms;
	m.correction.to_ms = k->to_ms;
	m.correction.offset_ms = k->offset_ms;
	gw_child_send(s->child, &m);
	return 1;
}
