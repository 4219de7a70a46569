/*
 * promise.c - see promise.h.
 */
#include "core/promise.h"

#include <stdio.h>

#include "base/text.h"

enum { TEXT = 32, A_DAY_S = 86400 };

static void problem(struct gw_settings *s, const char *key, const char *text)
{
	char path[64];

	snprintf(path, sizeof(path), "buffer.%s", key);
	gw_problem(&s->problems, gw_settings_buffer_place(s, key), path, "%s", text);
}

/* ---- keep ---- */

static double bytes_of(const struct gw_settings *s, const struct gw_load *l)
{
	return l->bytes * (double)s->core.buffer.keep_ms / 1000 / A_DAY_S;
}

static void keep_within_max_size(struct gw_settings *s, const struct gw_load *l)
{
	const struct gw_buffer_settings *b = &s->core.buffer;
	int64_t have_s = gw_horizon_s(gw_room_for_readings((uint64_t)b->max_size), l);
	char want[TEXT], have[TEXT], size[TEXT], enough[TEXT], text[512];

	if (have_s == 0 || have_s >= b->keep_ms / 1000)
		return;
	snprintf(text, sizeof(text),
		 "an outage of %s does not fit: with this poll plan max_size %s holds about %s; it takes %s",
		 gw_show_duration(want, sizeof(want), b->keep_ms),
		 gw_show_size(size, sizeof(size), (uint64_t)b->max_size),
		 gw_show_duration(have, sizeof(have), have_s * 1000),
		 gw_show_size(enough, sizeof(enough), gw_size_with_room((uint64_t)bytes_of(s, l))));
	problem(s, "keep", text);
}

static void keep_on_disk(struct gw_settings *s, const struct gw_load *l, const struct gw_disk *d)
{
	uint64_t needed = gw_size_with_room((uint64_t)bytes_of(s, l));
	char want[TEXT], size[TEXT], have[TEXT], present[TEXT], text[768];

	if (l->bytes <= 0 || needed <= d->free + d->present)
		return;
	snprintf(text, sizeof(text),
		 "an outage of %s does not fit: it takes %s, but the disk of %s has %s free, and the buffer %s of it already",
		 gw_show_duration(want, sizeof(want), s->core.buffer.keep_ms),
		 gw_show_size(size, sizeof(size), needed), d->folder,
		 gw_show_size(have, sizeof(have), d->free), gw_show_size(present, sizeof(present), d->present));
	problem(s, "keep", text);
}

static void sync_within_keep(struct gw_settings *s)
{
	const struct gw_buffer_settings *b = &s->core.buffer;
	char sync[TEXT], keep[TEXT], text[256];

	if (b->sync_ms <= b->keep_ms)
		return;
	snprintf(text, sizeof(text),
		 "%s is longer than keep (%s): a power cut would take more than the outage that must not",
		 gw_show_duration(sync, sizeof(sync), b->sync_ms),
		 gw_show_duration(keep, sizeof(keep), b->keep_ms));
	problem(s, "sync", text);
}

/* ---- the disk ---- */

static void max_size_on_disk(struct gw_settings *s, const struct gw_disk *d)
{
	char size[TEXT], whole[TEXT], text[512];

	if ((uint64_t)s->core.buffer.max_size <= d->size)
		return;
	snprintf(text, sizeof(text), "%s is more than the whole file system of %s has (%s)",
		 gw_show_size(size, sizeof(size), (uint64_t)s->core.buffer.max_size), d->folder,
		 gw_show_size(whole, sizeof(whole), d->size));
	problem(s, "max_size", text);
}

static void not_in_memory(struct gw_settings *s, const struct gw_disk *d)
{
	if (d->memory)
		gw_warning(&s->problems, gw_settings_buffer_place(s, "path"), "buffer.path",
			   "%s lies in memory: a power cut or a restart of the machine takes all that was not sent yet",
			   d->folder);
}

/* ---- the flash ---- */

static struct gw_wear wear(const struct gw_settings *s, const struct gw_load *l)
{
	return gw_wear_of(l, s->core.buffer.sync_ms, s->core.buffer.history_ms > 0);
}

static void within_budget(struct gw_settings *s, const struct gw_load *l)
{
	const struct gw_buffer_settings *b = &s->core.buffer;
	uint64_t written = (uint64_t)wear(s, l).connected;
	char budget[TEXT], want[TEXT], sync[TEXT], text[512];

	if (b->write_budget == 0 || written <= (uint64_t)b->write_budget)
		return;
	snprintf(text, sizeof(text),
		 "with sync %s about %s a day are written, %s are allowed: a longer sync, history 0s or a slower poll need less",
		 gw_show_duration(sync, sizeof(sync), b->sync_ms), gw_show_size(want, sizeof(want), written),
		 gw_show_size(budget, sizeof(budget), (uint64_t)b->write_budget));
	problem(s, "write_budget", text);
}

void gw_promise_check(struct gw_settings *s, const struct gw_load *l, const struct gw_disk *d)
{
	if (s->core.buffer.keep_ms) {
		keep_within_max_size(s, l);
		keep_on_disk(s, l, d);
		sync_within_keep(s);
	}
	max_size_on_disk(s, d);
	not_in_memory(s, d);
	within_budget(s, l);
}

const char *gw_promise_line(char *buf, size_t size, const struct gw_settings *s, const struct gw_load *l)
{
	int64_t horizon_s = gw_horizon_s(gw_room_for_readings((uint64_t)s->core.buffer.max_size), l);
	char outage[TEXT], written[TEXT];

	if (horizon_s == 0)
		snprintf(buf, size, "%s: OK", s->file);
	else
		snprintf(buf, size, "%s: OK, the buffer holds an outage of about %s and writes about %s a day",
			 s->file, gw_show_duration(outage, sizeof(outage), horizon_s * 1000),
			 gw_show_size(written, sizeof(written), (uint64_t)wear(s, l).connected));
	return buf;
}
