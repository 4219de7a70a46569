/*
 * power_cut.h - a little gateway whose files are recorded while it works, and one that starts on them
 * as a power cut has left them: what it must have kept, and what its books must say.
 */
#ifndef GW_TESTS_POWER_CUT_H
#define GW_TESTS_POWER_CUT_H

#include <sys/timex.h>

#include "disk_cut.h"
#include "little_gateway.h"

enum { TOLD = 20000, MARKS = 20000, TICKS = 200000, RINGS = 64, PATIENCE_US = 20 * 1000000 };
enum { SYNC_MS = 8, RING_SIZE = 1 << 20 };

static char folder[64], path[96], ring[96]; /* in memory: there are many syncs */
static struct gw_err err;

/* ---- a recording ---- */

struct told { /* to the centre of a sink */
	size_t at;
	unsigned sink, device; /* from 0 */
	enum { A_READING, A_LOSS, A_WINDOW } what;
	uint32_t crc;
	uint64_t seq, to; /* to: of a window */
	struct gw_loss_row row;
};

struct mark { /* from here on */
	size_t at;
	int64_t ms;
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
	size_t *tick; /* what had happened when each ms of the recording began */
	int64_t now_ms;
	struct ring_copy { /* the ring's file at some times: on a real disk it would be there after a cut */
		size_t at;
		unsigned char *bytes;
	} ring[RINGS];
	size_t nrings;
};

static uint64_t from[LITTLE_DEVICES]; /* the process began with these numbers */
static struct story *now; /* what is being recorded; NULL: nothing */

static bool vouches; /* the kernel, for the clock */

int adjtimex(struct timex *t) /* in place of the C library's */
{
	*t = (struct timex){ .status = vouches ? 0 : STA_UNSYNC };
	return vouches ? TIME_OK : TIME_ERROR;
}

static void note_window(unsigned sink, const struct gw_window *w)
{
	assert_true(now->ntold < TOLD);
	now->told[now->ntold++] = (struct told){ .at = disk_now(), .sink = sink, .device = w->device - 1u,
						 .what = A_WINDOW, .seq = w->from, .to = w->to, .crc = w->crc };
}

static void note(unsigned sink, const struct gw_reading *r, const struct gw_loss_row *loss)
{
	struct told t = { .at = disk_now(), .sink = sink, .what = loss ? A_LOSS : A_READING };

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
	m.ms = now->now_ms;
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

/* A ms of the recording passes. */
static void tick(void)
{
	if (!now)
		return;
	assert_true(now->now_ms + 1 < TICKS);
	now->tick[++now->now_ms] = disk_now();
}

/* The ms in which so much had happened. */
static int64_t ms_at(const struct story *s, size_t at)
{
	int64_t ms = s->now_ms;

	while (ms > 0 && s->tick[ms] > at)
		ms--;
	return ms;
}

static void keep_ring(struct little *l)
{
	struct ring_copy *c;
	int fd;

	if (!now || now->nrings == RINGS || !l->d.ring)
		return;
	c = &now->ring[now->nrings++];
	c->at = disk_now();
	c->bytes = malloc(RING_SIZE);
	fd = open(ring, O_RDONLY | O_CLOEXEC);
	assert_true(c->bytes && pread(fd, c->bytes, RING_SIZE, 0) == RING_SIZE);
	close(fd);
}

/* The file of the ring as it was last; it is of a boot that is over. */
static void lay_out_ring(const struct story *s, size_t at)
{
	const struct ring_copy *c = NULL;
	int fd;

	unlink(ring);
	for (size_t i = 0; i < s->nrings && s->ring[i].at <= at; i++)
		c = &s->ring[i];
	if (!c)
		return;
	fd = open(ring, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	assert_int_equal(pwrite(fd, c->bytes, RING_SIZE, 0), RING_SIZE);
	close(fd);
}

static struct story *story_begin(const struct story *before, size_t before_at)
{
	struct story *s = calloc(1, sizeof(*s));

	assert_non_null(s);
	s->before = before;
	s->before_at = before_at;
	s->told = calloc(TOLD, sizeof(*s->told));
	s->mark = calloc(MARKS, sizeof(*s->mark));
	s->tick = calloc(TICKS, sizeof(*s->tick));
	assert_true(s->told && s->mark && s->tick);
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
	for (size_t i = 0; i < s->nrings; i++)
		free(s->ring[i].bytes);
	free(s->tick);
	free(s->told);
	free(s->mark);
	free(s);
}

/* What was read more than `sync` before the cut. */
static void remember_old(const struct story *s, size_t at, struct gw_ranges kept[LITTLE_DEVICES])
{
	int64_t cut_ms = ms_at(s, at);

	for (size_t i = 0; i < s->nmarks && s->mark[i].ms + SYNC_MS < cut_ms; i++)
		for (unsigned k = 0; k < LITTLE_DEVICES; k++)
			if (s->mark[i].device[k].next > s->mark[i].device[k].from)
				gw_ranges_add(&kept[k], s->mark[i].device[k].from, s->mark[i].device[k].next - 1);
}

/* What the centre knew at the cut, and what the gateway must have kept. */
static void remember(const struct story *s, size_t at, struct centre centre[][LITTLE_DEVICES],
		     struct gw_ranges kept[LITTLE_DEVICES])
{
	if (s->before)
		remember(s->before, s->before_at, centre, kept);
	for (unsigned k = 0; k < LITTLE_DEVICES && s->harmed; k++)
		gw_ranges_copy(&kept[k], &s->kept[k]);
	remember_old(s, at, kept);
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

		if (t->what == A_LOSS)
			centre_loss(&centre[t->sink][t->device], &t->row);
		else if (t->what == A_WINDOW)
			centre_window(&centre[t->sink][t->device], t->seq, t->to, t->crc);
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

static bool thins;       /* when the buffer is full */
static int64_t armed_ms; /* a commit is to be made so long since */

static struct little *start(const char *boot, const char *layout)
{
	struct little *l = little_start(&(struct little_options){ .path = path, .ring = ring, .boot = boot,
								   .layout = layout, .max_size = 1 << 20,
								   .stamps = true, .thins = thins },
					centre, &err);

	l->note = now ? note : NULL;
	l->note_window = now ? note_window : NULL;
	l->d.core.buffer.sync_ms = 3600 * 1000; /* the recording has a time of its own */
	armed_ms = 0;
	for (unsigned k = 0; k < LITTLE_DEVICES; k++)
		from[k] = l->device[k]->next_seq;
	mark(l);
	return l;
}

/* A ms passes.  A commit is made when it is due, and takes none, nor does room for it. */
static void pass(struct little *l)
{
	mark(l);
	tick();
	armed_ms = l->d.commit_armed ? armed_ms + 1 : 0;
	if (armed_ms < (now ? SYNC_MS : 1)) /* nobody watches: then no time is lost */
		return;
	gw_commit_on_timer(&l->d);
	while (l->d.commit_running || l->d.evicting) {
		little_turn(l);
		mark(l);
	}
	armed_ms = l->d.commit_armed;
}

static void go(struct little *l)
{
	little_go(l);
	pass(l);
}

static void produce(struct little *l, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		little_reading(l, 1 + i % LITTLE_DEVICES);
		pass(l);
		if (i % 4 == 3)
			go(l);
		if (i % 100 == 50)
			keep_ring(l);
	}
}

static void set_clock(struct little *l)
{
	vouches = true;
	gw_timekeeper_second(&l->d);
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
				wrong = "what was committed, or read more than `sync` before, is declared lost";
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
	lay_out_ring(s, c->at);
	vouches = true;
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
			 c->mode == DISK_STRICT ? "unsynced all gone" :
			 c->mode == DISK_LUCKY	? "unsynced all there" :
						  "unsynced at random",
			 (unsigned long long)c->seed, wrong);
}

/* At n + 1 points from one call to another, evenly. */
static void cut_between(const struct story *s, const char *what, size_t begin, size_t end, size_t n)
{
	static const enum disk_mode modes[] = { DISK_RANDOM, DISK_STRICT, DISK_LUCKY };
	struct disk *disk = disk_new(s->log);

	for (size_t i = 0; i <= n; i++) {
		struct cut c = { what, begin + (end - begin) * i / n, modes[i % 3], i };

		disk_advance(disk, c.at);
		assert_survives(s, disk, &c);
	}
	disk_free(disk);
}

#endif
