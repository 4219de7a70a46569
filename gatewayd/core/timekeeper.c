/* timekeeper.c - see timekeeper.h. */
#include "core/timekeeper.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/timex.h>
#include <time.h>

#include "base/text.h"

enum {
	SECOND_US = 1000000,
	MOMENT_US = 200,     /* two clocks read within so much were read at one moment */
	STIRRED_US = 20000,  /* a change of the offset after which the kernel is asked at once */
	KEY_MAX = 40,
};

struct stretch_row { /* in the table `state` */
	uint32_t boot, zero;
	int64_t from_ms, sent_ms;
};
_Static_assert(sizeof(struct gw_correction) == 48, "kept on disk as it is");
_Static_assert(sizeof(struct stretch_row) == 24, "kept on disk as it is");

/* ---- the two clocks ---- */

static bool kernel_vouches(void)
{
	struct timex t = { 0 };
	int state = adjtimex(&t); /* fails where it is forbidden: then nobody vouches for the clock */

	return state >= 0 && state != TIME_ERROR && !(t.status & STA_UNSYNC);
}

struct moment {
	int64_t mono_us, wall_us;
};

static struct moment now(void)
{
	struct moment m;
	struct timespec wall;
	int64_t after;

	for (unsigned tries = 0; tries < 5; tries++) { /* interrupted between them: again */
		m.mono_us = gw_now_us();
		clock_gettime(CLOCK_REALTIME, &wall);
		after = gw_now_us();
		if (after - m.mono_us <= MOMENT_US)
			break;
	}
	m.mono_us += (after - m.mono_us) / 2;
	m.wall_us = wall.tv_sec * INT64_C(1000000) + wall.tv_nsec / 1000;
	return m;
}

/* Asked before and after: a step between the two must not pass for the truth. */
static bool ask(struct moment *m)
{
	bool before = kernel_vouches();

	*m = now();
	return kernel_vouches() && before;
}

/* ---- keeping ---- */

static void put(struct gw_daemon *d, const char *owner, const char *key, const void *value, size_t size)
{
	struct gw_state_row row = { owner, key, value, size };
	struct gw_err err;

	if (gw_memory_put(d->memory, &row, &err) != 0)
		gw_log(GW_WARNING, "clock: %s", err.msg);
}

static const char *correction_key(char key[KEY_MAX], uint64_t id)
{
	snprintf(key, KEY_MAX, "correction/%010" PRIu64, id);
	return key;
}

static void put_done(struct gw_daemon *d, uint16_t sink, uint64_t id)
{
	char key[KEY_MAX];

	snprintf(key, sizeof(key), "done/%u", sink);
	put(d, "clock", key, &id, sizeof(id));
	gw_commit_later(d);
}

static void put_correction(struct gw_daemon *d, const struct gw_correction *k, uint64_t forgotten)
{
	char key[KEY_MAX];

	put(d, "clock", correction_key(key, k->id), k, sizeof(*k));
	put(d, "clock", "stretch", NULL, 0);
	if (forgotten)
		put(d, "clock", correction_key(key, forgotten), NULL, 0);
	if (d->phase == GW_PHASE_STARTING) /* the first commit is for what is being recovered */
		gw_commit_later(d);
	else
		gw_commit_now(d);
}

/* ---- news ---- */

static void log_step(int64_t stepped_ms)
{
	char text[32];

	gw_log(GW_WARNING, "the clock was set %s by %s; polling and numbers go on as before",
	       stepped_ms > 0 ? "forward" : "back",
	       gw_show_duration(text, sizeof(text), stepped_ms > 0 ? stepped_ms : -stepped_ms));
}

/* Retained: a state "since 1970" would stay until the device's state changes. */
static void retell_states(struct gw_daemon *d)
{
	for (size_t i = 0; i < d->ndevices; i++) {
		struct gw_device *dev = d->devices[i];

		if (!dev || !dev->since_unsynced)
			continue;
		dev->since_unsynced = false;
		dev->since_ms = gw_clock_ts_ms(d->clock, dev->since_mono_ms);
		for (size_t k = 0; k < d->nsinks; k++)
			gw_sink_tell_state(d->sinks[k], dev);
	}
	for (size_t k = 0; k < d->nsinks; k++)
		gw_sink_tell_gateway(d->sinks[k]);
}

static void take(struct gw_daemon *d, const struct gw_clock_news *news)
{
	if (news->stepped_ms)
		log_step(news->stepped_ms);
	if (news->lost)
		gw_log(GW_WARNING, "the clock is not synchronised any more: readings are marked until it is");
	if (news->correction)
		put_correction(d, news->correction, news->forgotten);
	if (!news->trusted || d->phase == GW_PHASE_STARTING)
		return;
	gw_log(GW_INFO, "the clock is synchronised: readings that were not sent yet get their true time");
	for (size_t i = 0; i < d->nsinks; i++)
		gw_deliver_trusted(d->sinks[i]->deliver);
	retell_states(d);
}

static void look(struct gw_daemon *d, bool asks)
{
	struct moment m = now();
	int64_t stirred = m.wall_us - m.mono_us - d->clock_offset_us;
	struct gw_clock_news news;

	if (asks || m.mono_us - d->clock_asked_us >= SECOND_US || stirred > STIRRED_US || stirred < -STIRRED_US) {
		d->clock_vouched = ask(&m);
		d->clock_asked_us = m.mono_us;
	}
	d->clock_offset_us = m.wall_us - m.mono_us;
	news = gw_clock_look(d->clock, d->clock_vouched, m.mono_us, m.wall_us);
	take(d, &news);
}

void gw_timekeeper_begin(struct gw_daemon *d)
{
	d->clock = gw_clock_new(d->info.boot);
	look(d, true);
}

void gw_timekeeper_second(struct gw_daemon *d)
{
	if (d->clock)
		look(d, true);
}

bool gw_timekeeper_trusts(const struct gw_daemon *d)
{
	return d->clock && gw_clock_trusted(d->clock);
}

/* ---- from the disk ---- */

static void restore_row(void *arg, const struct gw_state_row *row)
{
	struct gw_daemon *d = arg;
	struct gw_correction k;
	struct stretch_row s;

	if (strncmp(row->key, "correction/", 11) == 0 && row->size == sizeof(k)) {
		memcpy(&k, row->value, sizeof(k));
		gw_clock_restore(d->clock, &k);
	} else if (strcmp(row->key, "stretch") == 0 && row->size == sizeof(s)) {
		memcpy(&s, row->value, sizeof(s));
		gw_clock_restore_stretch(d->clock, s.boot, s.from_ms, s.sent_ms);
	}
}

struct sink_found {
	struct gw_sink *sink;
	char done_key[KEY_MAX];
	bool done;
};

static void restore_done(void *arg, const struct gw_state_row *row)
{
	struct sink_found *f = arg;
	uint64_t id;

	if (strcmp(row->key, f->done_key) != 0 || row->size != sizeof(id))
		return;
	memcpy(&id, row->value, sizeof(id));
	gw_deliver_corrected(f->sink->deliver, id);
	f->done = true;
}

static void restore_told(void *arg, const struct gw_state_row *row)
{
	struct gw_sink *s = arg;
	unsigned long device = strtoul(row->key, NULL, 10);
	struct gw_ranges told = { 0 };

	if (device <= UINT16_MAX && gw_ranges_decode(&told, row->value, row->size))
		gw_deliver_restore_told(s->deliver, (uint16_t)device, &told);
	gw_ranges_free(&told);
}

static const char *told_owner(char owner[KEY_MAX], const struct gw_sink *s)
{
	snprintf(owner, KEY_MAX, "told/%u", s->number);
	return owner;
}

void gw_timekeeper_new_sink(struct gw_daemon *d, struct gw_sink *s)
{
	uint64_t kept = gw_clock_kept(d->clock);

	gw_deliver_corrected(s->deliver, kept);
	gw_deliver_corrections(s->deliver, kept);
	put_done(d, s->number, kept);
}

static void restore_sink(struct gw_daemon *d, struct gw_sink *s)
{
	struct sink_found f = { .sink = s };
	char owner[KEY_MAX];

	snprintf(f.done_key, sizeof(f.done_key), "done/%u", s->number);
	gw_memory_each(d->memory, "clock", restore_done, &f);
	gw_memory_each(d->memory, told_owner(owner, s), restore_told, s);
	if (f.done)
		gw_deliver_corrections(s->deliver, gw_clock_kept(d->clock));
	else
		gw_timekeeper_new_sink(d, s);
}

void gw_timekeeper_restore(struct gw_daemon *d)
{
	gw_memory_each(d->memory, "clock", restore_row, d);
	for (size_t i = 0; i < d->nsinks; i++)
		restore_sink(d, d->sinks[i]);
}

/* Kept in the next commit: with the first reading of the stretch, or with the first of a start. */
static void put_stretch(struct gw_daemon *d)
{
	struct stretch_row s = { .boot = d->info.boot, .from_ms = gw_clock_stretch_ms(d->clock),
				 .sent_ms = gw_clock_sent_ms(d->clock) };

	put(d, "clock", "stretch", &s, sizeof(s));
}

void gw_timekeeper_recovered(struct gw_daemon *d, bool lost)
{
	if (lost && d->info.boot_again) {
		gw_clock_lost(d->clock, gw_now_us() / 1000);
		put_stretch(d);
	}
	look(d, true); /* not before: what the ring brings back belongs to the stretch that may end now */
	if (!gw_clock_trusted(d->clock))
		gw_log(GW_WARNING, "the clock is not synchronised: readings are delivered, and marked until it is");
}

/* ---- readings in ---- */

static void made_without_trust(struct gw_daemon *d, int64_t mono_ms)
{
	if (gw_clock_made(d->clock, mono_ms))
		put_stretch(d);
}

void gw_timekeeper_stamp(struct gw_daemon *d, struct gw_reading *r)
{
	look(d, false);
	r->ts_ms = gw_clock_ts_ms(d->clock, r->mono_ms);
	r->flags = gw_clock_trusted(d->clock) ? 0 : GW_READING_UNSYNCED;
	if (r->flags)
		made_without_trust(d, r->mono_ms);
}

void gw_timekeeper_found(struct gw_daemon *d, const struct gw_reading *r)
{
	int64_t ts_ms;

	if (r->flags & GW_READING_UNSYNCED && r->boot == d->info.boot &&
	    !gw_clock_true_ts(d->clock, r->boot, r->mono_ms, &ts_ms))
		made_without_trust(d, r->mono_ms);
}

int64_t gw_timekeeper_ts_ms(const struct gw_daemon *d, const struct gw_reading *r)
{
	int64_t ts_ms = r->ts_ms;

	if (r->flags & GW_READING_UNSYNCED)
		gw_clock_true_ts(d->clock, r->boot, r->mono_ms, &ts_ms);
	return ts_ms;
}

int64_t gw_timekeeper_known_ms(const struct gw_daemon *d, const struct gw_reading *r)
{
	int64_t ts_ms = 0;

	if (!(r->flags & GW_READING_UNSYNCED))
		return r->ts_ms;
	gw_clock_true_ts(d->clock, r->boot, r->mono_ms, &ts_ms);
	return ts_ms;
}

/* ---- corrections and commits ---- */

void gw_timekeeper_corrected(struct gw_sink *s, uint64_t id)
{
	put_done(s->daemon, s->number, id);
}

static void keep_told(void *arg, uint16_t device, const struct gw_ranges *told)
{
	struct gw_sink *s = arg;
	char owner[KEY_MAX], key[KEY_MAX];

	snprintf(key, sizeof(key), "%u", device);
	put(s->daemon, told_owner(owner, s), key, told->r, told->n * sizeof(*told->r));
}

void gw_timekeeper_commit_begins(struct gw_daemon *d)
{
	for (size_t i = 0; i < d->nsinks; i++)
		if (!d->sinks[i]->removed)
			gw_deliver_told_changed(d->sinks[i]->deliver, keep_told, d->sinks[i]);
	gw_clock_commit_begins(d->clock);
}

void gw_timekeeper_committed(struct gw_daemon *d, bool done)
{
	gw_clock_committed(d->clock, done);
	for (size_t i = 0; i < d->nsinks; i++)
		gw_deliver_told_committed(d->sinks[i]->deliver, done);
	for (size_t i = 0; done && i < d->nsinks; i++)
		gw_deliver_corrections(d->sinks[i]->deliver, gw_clock_kept(d->clock));
}
