/*
 * schedule.c - ticks of groups of points; see schedule.h.
 *
 * Each group knows its next tick, each device the least of those.  A tick that
 * is taken or skipped moves its group to the first multiple after now, and marks it
 * pending until a cycle takes it.
 */
#include "base/schedule.h"

#include <assert.h>
#include <stdlib.h>

enum { FIRST_GRID_US = 1000000 }; /* the first cycle waits no longer than this */

struct group {
	int64_t interval_us, next_us;
};

struct device {
	struct group *groups;
	unsigned ngroups;
	uint32_t pending; /* due and not taken yet */
	bool busy;
	int64_t next_us; /* least of its groups; INT64_MAX without groups */
	uint64_t overruns;
};

struct gw_schedule {
	struct device *devices;
	size_t ndevices;
	size_t cursor; /* where gw_schedule_due() goes on: all before have been looked at */
	size_t busy;
	int64_t epoch_us;
};

static void *grow(void *old, size_t count, size_t size)
{
	void *p = reallocarray(old, count, size);

	if (!p)
		abort();
	return p;
}

struct gw_schedule *gw_schedule_new(size_t devices)
{
	struct gw_schedule *s = grow(NULL, 1, sizeof(*s));

	*s = (struct gw_schedule){ .devices = grow(NULL, devices + 1, sizeof(s->devices[0])),
				   .ndevices = devices };
	for (size_t i = 0; i < devices; i++)
		s->devices[i] = (struct device){ .next_us = INT64_MAX };
	return s;
}

void gw_schedule_free(struct gw_schedule *s)
{
	if (!s)
		return;
	for (size_t i = 0; i < s->ndevices; i++)
		free(s->devices[i].groups);
	free(s->devices);
	free(s);
}

int gw_schedule_group(struct gw_schedule *s, size_t device, int64_t interval_us)
{
	assert(device < s->ndevices && interval_us > 0);
	struct device *d = &s->devices[device];

	for (unsigned g = 0; g < d->ngroups; g++)
		if (d->groups[g].interval_us == interval_us)
			return (int)g;
	if (d->ngroups == GW_GROUPS_MAX)
		return -1;
	d->groups = grow(d->groups, d->ngroups + 1, sizeof(d->groups[0]));
	d->groups[d->ngroups] = (struct group){ .interval_us = interval_us };
	return (int)d->ngroups++;
}

/* The first tick of a grid at or after now. */
static int64_t first_tick(int64_t epoch_us, int64_t now_us, int64_t interval_us)
{
	if (now_us <= epoch_us)
		return epoch_us;
	return epoch_us + (now_us - epoch_us + interval_us - 1) / interval_us * interval_us;
}

void gw_schedule_start(struct gw_schedule *s, int64_t epoch_us, int64_t now_us)
{
	s->epoch_us = epoch_us;
	s->cursor = 0;
	for (size_t i = 0; i < s->ndevices; i++) {
		struct device *d = &s->devices[i];
		int64_t grid_us = FIRST_GRID_US;

		for (unsigned g = 0; g < d->ngroups; g++)
			if (d->groups[g].interval_us < grid_us)
				grid_us = d->groups[g].interval_us;
		for (unsigned g = 0; g < d->ngroups; g++)
			d->groups[g].next_us = first_tick(epoch_us, now_us, grid_us);
		if (d->ngroups > 0)
			d->next_us = d->groups[0].next_us;
	}
}

/* Marks what is due, moves those groups on.  Returns how many ticks have passed: of the group
 * with the most of them, so that no tick is counted twice. */
static int64_t pass_ticks(struct device *d, int64_t epoch_us, int64_t now_us, int64_t *latest_us)
{
	int64_t passed = 0;

	*latest_us = INT64_MIN;
	d->next_us = INT64_MAX;
	for (unsigned g = 0; g < d->ngroups; g++) {
		struct group *group = &d->groups[g];

		if (group->next_us <= now_us) {
			int64_t n = (now_us - epoch_us) / group->interval_us;
			int64_t tick_us = epoch_us + n * group->interval_us;
			int64_t since = (now_us - group->next_us) / group->interval_us + 1;

			/* The first tick need not be one of this group's own. */
			if (tick_us < group->next_us)
				tick_us = group->next_us;
			*latest_us = tick_us > *latest_us ? tick_us : *latest_us;
			passed = since > passed ? since : passed;
			group->next_us = epoch_us + (n + 1) * group->interval_us;
			d->pending |= UINT32_C(1) << g;
		}
		d->next_us = group->next_us < d->next_us ? group->next_us : d->next_us;
	}
	return passed;
}

bool gw_schedule_due(struct gw_schedule *s, int64_t now_us, struct gw_due *out)
{
	for (; s->cursor < s->ndevices; s->cursor++) {
		struct device *d = &s->devices[s->cursor];
		int64_t due_us;

		if (d->next_us > now_us)
			continue;
		int64_t passed = pass_ticks(d, s->epoch_us, now_us, &due_us);

		d->overruns += (uint64_t)(d->busy ? passed : passed - 1);
		if (d->busy)
			continue;
		*out = (struct gw_due){ .device = s->cursor++,
					.mask = d->pending,
					.due_us = due_us };
		d->pending = 0;
		d->busy = true;
		s->busy++;
		return true;
	}
	s->cursor = 0;
	return false;
}

void gw_schedule_finished(struct gw_schedule *s, size_t device)
{
	assert(device < s->ndevices && s->devices[device].busy);
	s->devices[device].busy = false;
	s->busy--;
}

int64_t gw_schedule_next_us(const struct gw_schedule *s)
{
	int64_t next_us = INT64_MAX;

	for (size_t i = 0; i < s->ndevices; i++)
		if (s->devices[i].next_us < next_us)
			next_us = s->devices[i].next_us;
	return next_us;
}

uint64_t gw_schedule_overruns(const struct gw_schedule *s, size_t device)
{
	return s->devices[device].overruns;
}

size_t gw_schedule_busy(const struct gw_schedule *s)
{
	return s->busy;
}
