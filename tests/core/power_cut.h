/*
 * power_cut.h - a little gateway whose files are recorded while it works, and one that starts on them
 * as a power cut has left them: what it must have kept, and what its books must say.
 */
#ifndef GW_TESTS_POWER_CUT_H
#define GW_TESTS_POWER_CUT_H

#include "disk_cut.h"
#include "little_gateway.h"

enum { TOLD = 20000, MARKS = 20000, PATIENCE_US = 20 * 1000000 };

static char folder[64], path[96], ring[96]; /* in memory: there are many syncs */
static struct gw_err err;

/* ---- a recording ---- */

struct told { /* to the centre of a sink */
	size_t at;
	unsigned sink, device; /* from 0 */
	bool loss;
	uint32_t crc;
	uint64_t seq;
	struct gw_loss_row row;
};

struct mark { /* from here on */
	size_t at;
	struct { /* numbers of this process below `committed` are kept, those below `next` were given */
		uint64_t first, from, committed, next;
	} device[LITTLE_DEVICES];
};

struct story {
	struct disk_log *log;
	const struct story *before; /* the cut that it goes on from; NULL: none */
	size_t before_at;
	bool harmed;                          /* in between: of what was there only `kept` can be saved */
	struct gw_ranges kept[LITTLE_DEVICES];
	struct told *told;
	size_t ntold;
	struct mark *mark;
	size_t nmarks;
};

static uint64_t from[LITTLE_DEVICES]; /* the process began with these numbers */
static struct story *now; /* what is being recorded; NULL: nothing */

static void note(unsigned sink, const struct gw_reading *r, const struct gw_loss_row *loss)
{
	struct told t = { .at = disk_now(), .sink = sink, .loss = loss != NULL };

	t.device = (r ? r->device : loss->device) - 1u;
	if (loss)
		t.row = *loss;
	else
		t.seq = r->seq, t.crc = r->crc;
	assert_true(now->ntold < TOLD);
	now->told[now->ntold++] = t;
}

static void mark(struct little *l)
{
	struct mark m = { .at = disk_now() };

	if (!now)
		return;
	for (unsigned k = 0; k < LITTLE_DEVICES; k++) {
		m.device[k].first = l->reg[k].first_seq;
		m.device[k].from = from[k];
		m.device[k].committed = l->device[k]->stored_next;
		m.device[k].next = l->device[k]->next_seq;
	}
	assert_true(now->nmarks < MARKS);
	if (now->nmarks == 0 || memcmp(now->mark[now->nmarks - 1].device, m.device, sizeof(m.device)) != 0)
		now->mark[now->nmarks++] = m;
}

static struct story *story_begin(const struct story *before, size_t before_at)
{
	struct story *s = calloc(1, sizeof(*s));

	assert_non_null(s);
	s->before = before;
	s->before_at = before_at;
	s->told = calloc(TOLD, sizeof(*s->told));
	s->mark = calloc(MARKS, sizeof(*s->mark));
	assert_true(s->told && s->mark);
	s->log = disk_record(folder);
	now = s;
	return s;
}

static void story_end(void)
{
	disk_stop();
	now = NULL;
}

static void story_forget(struct story *s)
{
	disk_forget(s->log);
	for (unsigned k = 0; k < LITTLE_DEVICES; k++)
		gw_ranges_free(&s->kept[k]);
	free(s->told);
	free(s->mark);
	free(s);
}

/* What the centre knew at the cut, and what the gateway had been told to be kept. */
static void remember(const struct story *s, size_t at, struct centre centre[][LITTLE_DEVICES],
		     struct gw_ranges kept[LITTLE_DEVICES])
{
	if (s->before)
		remember(s->before, s->before_at, centre, kept);
	for (unsigned k = 0; k < LITTLE_DEVICES && s->harmed; k++)
		gw_ranges_copy(&kept[k], &s->kept[k]);
	for (size_t i = 0; i < s->nmarks && s->mark[i].at <= at; i++)
		for (unsigned k = 0; k < LITTLE_DEVICES; k++) {
			const struct mark *m = &s->mark[i];

			if (m->device[k].committed > m->device[k].from)
				gw_ranges_add(&kept[k], m->device[k].from, m->device[k].committed - 1);
			for (unsigned j = 0; j < LITTLE_SINKS && m->device[k].next > m->device[k].first; j++)
				centre[j][k].first = m->device[k].first;
		}
	for (size_t i = 0; i < s->ntold && s->told[i].at <= at; i++) {
		const struct told *t = &s->told[i];

		if (t->loss)
			centre_loss(&centre[t->sink][t->device], &t->row);
		else
			centre_reading(&centre[t->sink][t->device], t->seq, t->crc);
	}
}

/* ---- a gateway on it ---- */

static struct centre centre[LITTLE_SINKS][LITTLE_DEVICES];

static void forget_centre(void)
{
	for (unsigned i = 0; i < LITTLE_SINKS; i++)
		for (unsigned k = 0; k < LITTLE_DEVICES; k++)
			centre_forget(&centre[i][k]);
}

static struct little *start(const char *boot, const char *layout)
{
	struct little *l = little_start(&(struct little_options){ .path = path, .ring = ring, .boot = boot,
								   .layout = layout, .max_size = 1 << 20 },
					centre, &err);

	l->note = now ? note : NULL;
	for (unsigned k = 0; k < LITTLE_DEVICES; k++)
		from[k] = l->device[k]->next_seq;
	mark(l);
	return l;
}

static void go(struct little *l)
{
	little_go(l);
	mark(l);
}

static void produce(struct little *l, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		little_reading(l, 1 + i % LITTLE_DEVICES);
		mark(l);
		if (i % 4 == 3)
			go(l);
	}
}

static void settle(struct little *l)
{
	int64_t end = gw_now_us() + PATIENCE_US;

	for (unsigned i = 0; i < LITTLE_SINKS; i++)
		little_connect(l, i);
	while ((!little_settled_all(l) || l->d.salvaging) && gw_now_us() < end)
		go(l);
}

static void stop(struct little *l)
{
	int64_t end = gw_now_us() + PATIENCE_US;

	while (!gw_commit_idle(&l->d) && gw_now_us() < end) {
		gw_commit_now(&l->d);
		go(l);
	}
	little_stop(l);
}

/* ---- what a cut may not do ---- */

struct cut {
	const char *what;
	size_t at;
	enum disk_mode mode;
	uint64_t seed;
};

static struct gw_verify verified;

static void on_verified(void *arg, const struct gw_verify *v, const struct gw_err *e)
{
	struct little *l = arg;

	verified = *v;
	l->failed = e != NULL;
	if (e)
		l->err = *e;
	l->answered = true;
}

/* What is wrong; NULL: nothing. */
static const char *books(struct little *l, const struct gw_ranges *kept)
{
	const char *wrong = NULL;

	for (unsigned i = 0; i < LITTLE_SINKS && !wrong; i++)
		for (unsigned k = 0; k < LITTLE_DEVICES && !wrong; k++) {
			if (centre_common(&kept[k], &centre[i][k].lost_by_fault))
				wrong = "what was committed is declared lost";
			else if (centre[i][k].lost_by_fault.total > 3 * gw_reservation(LITTLE_RATE)) /* two cuts, harm */
				wrong = "more is declared lost than two cuts can cost";
			else
				wrong = centre_books(&centre[i][k], l->device[k]->next_seq);
		}
	return wrong;
}

static bool is_whole(struct little *l)
{
	gw_store_verify(l->d.store, on_verified, l);
	while (!l->answered)
		go(l);
	l->answered = false;
	return !l->failed && verified.integrity_ok && !verified.damaged;
}

/* Damage that nothing met yet is found by looking for it. */
static void settle_whole(struct little *l)
{
	settle(l);
	if (!is_whole(l))
		settle(l);
}

static const char *live_on(struct little *l, const struct gw_ranges *kept)
{
	const char *wrong;

	settle_whole(l);
	if (!little_settled_all(l))
		return "it does not come to an end";
	produce(l, LITTLE_DEVICES);
	settle(l);
	wrong = little_settled_all(l) ? books(l, kept) : "it does not go on";
	if (wrong)
		return wrong;
	return is_whole(l) ? NULL : "the database is damaged";
}

static const char *survive(const struct story *s, const struct cut *c)
{
	struct gw_ranges kept[LITTLE_DEVICES] = { 0 };
	struct little *l;
	const char *wrong;

	forget_centre();
	remember(s, c->at, centre, kept);
	unlink(ring);
	l = start("boot after the cut", "layout");
	wrong = live_on(l, kept);
	stop(l);
	for (unsigned k = 0; k < LITTLE_DEVICES; k++)
		gw_ranges_free(&kept[k]);
	return wrong;
}

static void assert_survives(const struct story *s, const struct disk *disk, const struct cut *c)
{
	const char *wrong;

	disk_lay_out(disk, c->mode, c->seed);
	wrong = survive(s, c);
	if (wrong)
		fail_msg("%s, cut behind call %zu of %zu, %s, seed %llu: %s", c->what, c->at, s->log->n,
			 c->mode == DISK_STRICT ? "unsynced all gone" : "unsynced at random",
			 (unsigned long long)c->seed, wrong);
}

/* At n + 1 points from one call to another, evenly. */
static void cut_between(const struct story *s, const char *what, size_t begin, size_t end, size_t n)
{
	struct disk *disk = disk_new(s->log);

	for (size_t i = 0; i <= n; i++) {
		struct cut c = { what, begin + (end - begin) * i / n, i % 2 ? DISK_STRICT : DISK_RANDOM, i };

		disk_advance(disk, c.at);
		assert_survives(s, disk, &c);
	}
	disk_free(disk);
}

#endif
