/* clock.c - see clock.h. */
#include "core/clock.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

struct gw_clock {
	uint32_t boot;
	bool looked, trusted;
	int64_t offset_us; /* UTC less time since boot, as last seen */
	int64_t stretch_ms; /* -1: none is open */
	int64_t sent_ms;    /* of that stretch */

	struct gw_correction *corrections; /* by id, without a gap */
	size_t n;
	uint64_t last_id;
	uint64_t committing, kept; /* up to which id */
};

struct gw_clock *gw_clock_new(uint32_t boot)
{
	struct gw_clock *c = calloc(1, sizeof(*c));

	assert(c);
	c->corrections = calloc(GW_CORRECTIONS_MAX, sizeof(*c->corrections));
	assert(c->corrections);
	c->boot = boot;
	c->stretch_ms = -1;
	return c;
}

void gw_clock_free(struct gw_clock *c)
{
	if (!c)
		return;
	free(c->corrections);
	free(c);
}

/* Returns the id of the one that had to go; 0: none. */
static uint64_t add(struct gw_clock *c, const struct gw_correction *k)
{
	uint64_t gone = 0;

	if (c->n == GW_CORRECTIONS_MAX) {
		gone = c->corrections[0].id;
		memmove(c->corrections, c->corrections + 1, --c->n * sizeof(*c->corrections));
	}
	c->corrections[c->n++] = *k;
	c->last_id = k->id;
	return gone;
}

void gw_clock_restore(struct gw_clock *c, const struct gw_correction *k)
{
	if (k->id <= c->last_id)
		return;
	if (k->id != c->last_id + 1)
		c->n = 0; /* a hole: those before it are of no use to who counts */
	add(c, k);
	c->kept = c->committing = k->id;
}

void gw_clock_restore_stretch(struct gw_clock *c, uint32_t boot, int64_t from_ms, int64_t sent_ms)
{
	if (boot != c->boot)
		return;
	c->stretch_ms = from_ms;
	c->sent_ms = sent_ms;
}

/* Stretches do not overlap: what one correction gave its time keeps it. */
static int64_t behind_last(const struct gw_clock *c)
{
	const struct gw_correction *last = c->n ? &c->corrections[c->n - 1] : NULL;

	return last && last->boot == c->boot ? last->to_ms + 1 : 0;
}

void gw_clock_lost(struct gw_clock *c, int64_t mono_ms)
{
	if (behind_last(c) > mono_ms)
		return;
	c->stretch_ms = behind_last(c);
	c->sent_ms = mono_ms;
}

/* ---- looking ---- */

static int64_t rounded_ms(int64_t us)
{
	return us >= 0 ? (us + 500) / 1000 : -((500 - us) / 1000);
}

static void end_stretch(struct gw_clock *c, int64_t mono_ms, struct gw_clock_news *news)
{
	struct gw_correction k = { .id = c->last_id + 1, .boot = c->boot, .from_ms = c->stretch_ms,
				   .to_ms = mono_ms, .offset_ms = rounded_ms(c->offset_us),
				   .sent_ms = c->sent_ms };

	news->forgotten = add(c, &k);
	news->correction = &c->corrections[c->n - 1];
	c->stretch_ms = -1;
	c->sent_ms = 0;
}

struct gw_clock_news gw_clock_look(struct gw_clock *c, bool vouched, int64_t mono_us, int64_t wall_us)
{
	struct gw_clock_news news = { .trusted = vouched && !c->trusted, .lost = !vouched && c->trusted };
	int64_t offset_us = wall_us - mono_us, change_ms = rounded_ms(offset_us - c->offset_us);

	if (c->looked && (change_ms >= GW_CLOCK_STEP_MS || change_ms <= -GW_CLOCK_STEP_MS))
		news.stepped_ms = change_ms;
	c->looked = true;
	c->trusted = vouched;
	c->offset_us = offset_us;
	if (vouched && c->stretch_ms >= 0)
		end_stretch(c, mono_us / 1000, &news);
	return news;
}

bool gw_clock_trusted(const struct gw_clock *c)
{
	return c->trusted;
}

int64_t gw_clock_ts_ms(const struct gw_clock *c, int64_t mono_ms)
{
	int64_t ts_ms = mono_ms + rounded_ms(c->offset_us);

	return ts_ms > 0 ? ts_ms : 0;
}

bool gw_clock_made(struct gw_clock *c, int64_t mono_ms)
{
	int64_t from_ms = mono_ms < behind_last(c) ? behind_last(c) : mono_ms;

	if (c->stretch_ms >= 0 && c->stretch_ms <= from_ms)
		return false;
	c->stretch_ms = from_ms;
	return true;
}

int64_t gw_clock_stretch_ms(const struct gw_clock *c)
{
	return c->stretch_ms;
}

int64_t gw_clock_sent_ms(const struct gw_clock *c)
{
	return c->sent_ms;
}

/* ---- corrections ---- */

/* NULL: none. */
static const struct gw_correction *covering(const struct gw_clock *c, uint32_t boot, int64_t mono_ms)
{
	for (size_t i = c->n; i-- > 0;) {
		const struct gw_correction *k = &c->corrections[i];

		if (k->boot == boot && mono_ms >= k->from_ms && mono_ms <= k->to_ms)
			return k;
	}
	return NULL;
}

bool gw_clock_true_ts(const struct gw_clock *c, uint32_t boot, int64_t mono_ms, int64_t *ts_ms)
{
	const struct gw_correction *k = covering(c, boot, mono_ms);

	if (!k || k->id > c->kept)
		return false;
	*ts_ms = mono_ms + k->offset_ms;
	return true;
}

bool gw_clock_new_ts(const struct gw_clock *c, uint32_t boot, int64_t mono_ms, int64_t *ts_ms)
{
	const struct gw_correction *k = covering(c, boot, mono_ms);

	return k && mono_ms > k->sent_ms && gw_clock_true_ts(c, boot, mono_ms, ts_ms);
}

bool gw_clock_deciding(const struct gw_clock *c, uint32_t boot, int64_t mono_ms)
{
	const struct gw_correction *k = covering(c, boot, mono_ms);

	return k && k->id > c->kept && k->id <= c->committing && mono_ms > k->sent_ms;
}

void gw_clock_commit_begins(struct gw_clock *c)
{
	c->committing = c->last_id;
}

void gw_clock_committed(struct gw_clock *c, bool done)
{
	if (done) /* else it may be on the disk all the same, and nothing is decided before one succeeds */
		c->kept = c->committing;
}

uint64_t gw_clock_kept(const struct gw_clock *c)
{
	return c->kept;
}

const struct gw_correction *gw_clock_correction(const struct gw_clock *c, uint64_t id)
{
	uint64_t first = c->n ? c->corrections[0].id : 0;

	return c->n && id >= first && id <= c->last_id ? &c->corrections[id - first] : NULL;
}
