/*
 * outlook.c - see outlook.h.
 */
#include "core/outlook.h"

#include <stdio.h>

#include "base/text.h"
#include "core/daemon.h"

/* What tmpfs takes (the ring) is not in it: proc(5), write_bytes. */
static uint64_t written(void)
{
	unsigned long long bytes = 0;
	char line[128];
	FILE *f = fopen("/proc/self/io", "re");

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "write_bytes: %llu", &bytes) == 1)
			break;
	if (f)
		fclose(f);
	return bytes;
}

/* What must stay for the sink that is furthest behind; history gives way. */
static uint64_t backlog_bytes(const struct gw_daemon *d)
{
	const struct gw_commit_result *c = &d->last_commit;
	uint64_t most = 0;

	for (size_t i = 0; i < d->nsinks; i++) {
		uint64_t n = gw_deliver_stats(d->sinks[i]->deliver).backlog;

		if (n > most)
			most = n;
	}
	return c->readings ? (uint64_t)((double)c->bytes / (double)c->readings * (double)most) : 0;
}

static bool any_away(const struct gw_daemon *d)
{
	for (size_t i = 0; i < d->nsinks; i++)
		if (d->sinks[i]->state != GW_FAR_CONNECTED)
			return true;
	return false;
}

static uint64_t room_left(const struct gw_daemon *d, uint64_t backlog)
{
	uint64_t room = gw_room_for_readings((uint64_t)d->core.buffer.max_size);
	uint64_t free = d->last_commit.disk_free;

	if (free < room && d->last_commit.bytes + free < room)
		room = d->last_commit.bytes + free;
	return room > backlog ? room - backlog : 0;
}

static void compare_with_budget(struct gw_daemon *d)
{
	struct gw_outlook *o = &d->outlook;
	uint64_t budget = (uint64_t)d->core.buffer.write_budget;
	char day[32], allowed[32];

	if (budget && o->written_day > budget && !o->over_budget)
		gw_log(GW_WARNING, "buffer: %s were written to the disk in the last 24 hours, write_budget is %s",
		       gw_show_size(day, sizeof(day), o->written_day),
		       gw_show_size(allowed, sizeof(allowed), budget));
	o->over_budget = budget && (o->written_day > budget || (o->over_budget && o->written_day > budget / 10 * 9));
}

void gw_outlook_note(struct gw_daemon *d)
{
	struct gw_outlook *o = &d->outlook;
	uint64_t backlog = backlog_bytes(d), room = room_left(d, backlog);
	double pace = gw_filling_note(&o->filling, d->now_us, backlog);

	o->horizon_s = gw_horizon_s(room, &o->load);
	o->exhausted_in_s = pace > 0 ? (int64_t)((double)room / pace) : 0;
	if (any_away(d) && o->exhausted_in_s == 0)
		o->exhausted_in_s = o->horizon_s;
	o->written = written();
	o->written_day = gw_meter_day(&o->meter, d->now_us, o->written);
	compare_with_budget(d);
}
