/*
 * evict: a real store, the real commit and the real books, no processes: days of outage in a
 * buffer of a few MiB.  The far ends keep ledgers: what became of each number.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "core/clock.h"
#include "core/fold.h"
#include "core/timekeeper.h"
#include "one_store.h"

#define START INT64_C(1763760000000) /* a whole ten minutes */

enum { DEVICES = 2, SINKS = 2, POINTS = 100, MOST = 60000, PENDING_ACKS = 4000 };
enum fate { NOTHING, RECEIVED, THINNED, LOST };

struct far { /* a sink and its far end */
	struct gw_sink sink;
	unsigned char fate[DEVICES][MOST]; /* by number - first */
	struct gw_ack acks[PENDING_ACKS];
	size_t nacks;
	uint64_t windows, ten_minutes, window_readings, marked, came_and_perhaps_lost;
	int64_t window_ts[DEVICES][MOST]; /* of the window that begins there, as it came first */
	bool present, silent;             /* silent: acknowledges nothing */
};

static struct gw_daemon d;
static struct far far[SINKS];
static struct gw_sink *sinks[SINKS];
static uint16_t device[DEVICES];
static uint64_t first[DEVICES], made[DEVICES]; /* numbers made: first.. first + made - 1 */
static int64_t step_ms;
static int when_full;
static uint64_t max_size;
static bool untrusted;  /* the clock says 1970 */
static uint8_t lost_by;   /* of losses that may come */
static uint64_t known_ends, unknown_ends; /* of losses that came */

enum { OFFSET_PAST_START_MS = 7 }; /* of the true time from what mono and START give; no whole minute */

/* ---- the ledgers ---- */

static unsigned index_of(uint16_t number)
{
	return number == device[0] ? 0 : 1;
}

static void note(struct far *f, uint16_t number, uint64_t from, uint64_t to, enum fate fate)
{
	unsigned i = index_of(number);

	assert_int_equal(number, device[i]);
	assert_true(from >= first[i] && to < first[i] + made[i]);
	for (uint64_t n = from - first[i]; n <= to - first[i]; n++) {
		if (f->fate[i][n] && f->fate[i][n] != fate)
			fail_msg("number %llu is %d and %d", (unsigned long long)n, f->fate[i][n], fate);
		f->fate[i][n] = (unsigned char)fate;
	}
}

static uint64_t count(const struct far *f, enum fate fate)
{
	uint64_t n = 0;

	for (unsigned i = 0; i < DEVICES; i++)
		for (uint64_t k = 0; k < made[i]; k++)
			n += f->fate[i][k] == fate;
	return n;
}

static void ack(struct far *f, enum gw_ack_what what, uint16_t number, uint64_t from, uint64_t to)
{
	assert_true(f->nacks < PENDING_ACKS);
	f->acks[f->nacks++] = (struct gw_ack){ .device = number, .what = (uint8_t)what, .result = GW_ACK_DONE,
					       .credit = 1, .from = from, .to = to };
}

static int on_replay(void *arg, const struct gw_reading *const *r, size_t n)
{
	struct far *f = arg;

	for (size_t i = 0; i < n; i++) {
		note(f, r[i]->device, r[i]->seq, r[i]->seq, RECEIVED);
		ack(f, GW_ACK_READINGS, r[i]->device, r[i]->seq, r[i]->seq);
		f->acks[f->nacks - 1].credit = i + 1 == n;
	}
	return 1;
}

static int on_live(void *arg, const struct gw_reading *r)
{
	return on_replay(arg, &r, 1);
}

static int64_t mono_of(uint16_t number, uint64_t seq)
{
	return (int64_t)(seq - first[index_of(number)]) * step_ms;
}

static int64_t true_ms(uint16_t number, uint64_t seq)
{
	return START + mono_of(number, seq) + (gw_clock_kept(d.clock) ? OFFSET_PAST_START_MS : 0);
}

/* 1970 is no time for a loss: the true one or none. */
static void check_loss_times(const struct gw_loss_row *row)
{
	if (row->ts_from_ms)
		assert_int_equal(row->ts_from_ms, true_ms(row->device, row->from));
	if (row->ts_to_ms)
		assert_int_equal(row->ts_to_ms, true_ms(row->device, row->to));
	known_ends += row->ts_to_ms != 0;
	unknown_ends += row->ts_to_ms == 0;
}

/* Some of the range may have come. */
static void note_perhaps_lost(struct far *f, const struct gw_loss_row *row)
{
	unsigned i = index_of(row->device);

	for (uint64_t seq = row->from; seq <= row->to; seq++)
		if (f->fate[i][seq - first[i]] == NOTHING)
			note(f, row->device, seq, seq, LOST);
		else
			f->came_and_perhaps_lost++;
}

static int on_loss(void *arg, const struct gw_loss_row *row)
{
	assert_int_equal(row->cause, lost_by);
	assert_int_equal(row->readings, row->to - row->from + 1);
	check_loss_times(row);
	if (row->exact)
		note(arg, row->device, row->from, row->to, LOST);
	else
		note_perhaps_lost(arg, row);
	ack(arg, GW_ACK_LOSS, 0, row->id, row->id);
	return 1;
}

/* Its slot is one of the clock by which it was folded; whatever it says first it says for ever. */
static void check_window_times(struct far *f, const struct gw_window *folded, const struct gw_window *w)
{
	unsigned i = index_of(w->device);
	int64_t *before = &f->window_ts[i][w->from - first[i]];
	int64_t ahead_ms = w->flags ? 0 : START + (folded->flags ? OFFSET_PAST_START_MS : 0);

	assert_int_equal(folded->ts_from_ms / w->window_ms, folded->ts_to_ms / w->window_ms);
	assert_int_equal(w->crc, gw_window_crc(w));
	assert_int_equal(w->mono_from_ms, mono_of(w->device, w->from));
	assert_int_equal(w->ts_from_ms, w->mono_from_ms + ahead_ms);
	assert_int_equal(w->ts_to_ms, w->mono_to_ms + ahead_ms);
	assert_true(*before == 0 || *before == w->ts_from_ms + 1);
	*before = w->ts_from_ms + 1;
	f->marked += w->flags == GW_READING_UNSYNCED;
}

/* What the plant made is known by its number: min and max follow. */
static int on_window(void *arg, const struct gw_window_row *row)
{
	struct far *f = arg;
	const struct gw_window *w = gw_timekeeper_send_window(&f->sink, row->window);
	const struct gw_window_point *p = gw_window_points(w);

	note(f, w->device, w->from, w->to, THINNED);
	assert_int_equal(w->points, POINTS);
	assert_int_equal(w->qualities, 0);
	check_window_times(f, row->window, w);
	for (unsigned i = 0; i < POINTS; i++) {
		double mean = (double)(w->from * 1000 + i) / 2 + (double)((w->to - (w->to > w->from)) * 1000 + i) / 2;

		assert_int_equal(p[i].n, w->to - w->from + 1);
		assert_int_equal(p[i].min, w->from * 1000 + i);
		assert_int_equal(p[i].max, w->to * 1000 + i);
		assert_int_equal(p[i].last, w->to * 1000 + i);
		assert_true(gw_window_mean(w, &p[i]) - mean < 20 && mean - gw_window_mean(w, &p[i]) < 20);
	}
	f->windows++;
	f->window_readings += w->readings;
	f->ten_minutes += w->window_ms == GW_TEN_MINUTES_MS;
	ack(f, GW_ACK_WINDOW, w->device, row->id, row->id);
	return 1;
}

/* ---- the rest of what a sink does ---- */

static void got_rows(void *arg, struct gw_rows *rows, const struct gw_err *err)
{
	assert_null(err);
	gw_deliver_rows(((struct far *)arg)->sink.deliver, rows);
	gw_sink_pump(&((struct far *)arg)->sink);
}

static void fetch(void *arg, uint64_t from_id, size_t max_rows, size_t max_bytes)
{
	gw_store_fetch(s.st, ((struct far *)arg)->sink.number, from_id, max_rows, max_bytes, got_rows, arg);
}

static void got_windows(void *arg, struct gw_windows *windows, const struct gw_err *err)
{
	assert_null(err);
	gw_deliver_windows(((struct far *)arg)->sink.deliver, windows);
	gw_sink_pump(&((struct far *)arg)->sink);
}

static void fetch_windows(void *arg, uint64_t from_id, size_t max_bytes)
{
	struct gw_windows_query q = { .sink = ((struct far *)arg)->sink.number, .from_id = from_id,
				      .max_bytes = max_bytes };

	gw_store_windows(s.st, &q, got_windows, arg);
}

static void on_settled(void *arg, uint16_t number, uint64_t from, uint64_t to, const struct gw_giveup *lost)
{
	(void)arg, (void)number, (void)from, (void)to, (void)lost;
	gw_commit_later(&d);
}

static void on_loss_changed(void *arg, const struct gw_loss_row *row)
{
	(void)arg;
	gw_commit_loss(&d, row);
}

static void on_window_gone(void *arg, uint64_t id)
{
	(void)arg;
	gw_evict_window_gone(&d, id);
}

static int on_correction(void *arg, uint64_t id)
{
	ack(arg, GW_ACK_CORRECTION, 0, id, id);
	return 1;
}

static void on_corrected(void *arg, uint64_t id)
{
	(void)arg, (void)id;
}

static uint64_t on_loss_id(void *arg)
{
	(void)arg;
	return d.next_loss_id++;
}

static const struct gw_reading *no_newest(void *arg, uint16_t number)
{
	(void)arg, (void)number;
	return NULL;
}

static const struct gw_deliver_ops ops = {
	.live = on_live, .replay = on_replay, .loss = on_loss, .window = on_window, .fetch = fetch,
	.fetch_windows = fetch_windows, .window_gone = on_window_gone, .settled = on_settled,
	.loss_changed = on_loss_changed, .loss_id = on_loss_id, .newest = no_newest,
	.correction = on_correction, .corrected = on_corrected,
};

static void answer(struct far *f)
{
	for (size_t i = 0; i < f->nacks && !f->silent; i++)
		gw_deliver_ack(f->sink.deliver, &f->acks[i]);
	f->nacks = 0;
	gw_sink_pump(&f->sink);
}

static void turn(void)
{
	struct gw_err err;

	if (gw_loop_turn(s.loop, 1000, &err) < 0)
		fail_msg("%s", err.msg);
	for (unsigned i = 0; i < SINKS; i++)
		answer(&far[i]);
}

/* ---- a daemon that is only a buffer ---- */

static void on_due(void *arg, uint16_t sink, uint16_t number, const struct gw_ranges *ranges)
{
	(void)arg;
	gw_deliver_restore(far[sink - 1].sink.deliver, number, ranges);
}

static void on_thinned(void *arg, uint16_t sink, uint16_t number, const struct gw_ranges *ranges)
{
	(void)arg;
	gw_deliver_restore_thinned(far[sink - 1].sink.deliver, number, ranges);
}

static void on_stored_loss(void *arg, const struct gw_loss_row *row)
{
	(void)arg;
	if (row->state < 2)
		gw_deliver_restore_loss(far[row->sink - 1].sink.deliver, row);
	if (row->id >= d.next_loss_id)
		d.next_loss_id = row->id + 1;
}

static void register_all(void)
{
	struct gw_registration r[DEVICES] = { { .name = "meter", .layout = "l", .layout_size = 1, .rate = MOST },
					      { .name = "pump", .layout = "l", .layout_size = 1, .rate = MOST } };
	struct gw_sink_registration k[SINKS] = { { .name = "here" }, { .name = "away" } };

	assert_int_equal(shop_register(&s, r, DEVICES, k, SINKS), 0);
	for (unsigned i = 0; i < DEVICES; i++) {
		device[i] = r[i].device;
		first[i] = r[i].first_seq;
	}
	for (unsigned i = 0; i < SINKS; i++)
		assert_int_equal(k[i].sink, i + 1);
}

static void open_all(void)
{
	struct gw_ring_options ring = { .size = 4 << 20, .boot = "boot-1", .buffer = "b" };
	char path[128];
	const char *why;
	bool found;

	s.opts.max_size = max_size;
	s.opts.event = gw_repair_event;
	s.opts.event_arg = &d;
	shop_open(&s);
	d = (struct gw_daemon){ .loop = s.loop, .store = s.st, .phase = GW_PHASE_STARTING, .sinks = sinks,
				.nsinks = SINKS, .next_loss_id = 1 };
	d.core.buffer.max_size = (int64_t)max_size;
	d.core.buffer.when_full = when_full;
	d.core.buffer.sync_ms = 1;
	d.memory = gw_memory_new();
	d.clock = gw_clock_new(1);
	snprintf(path, sizeof(path), "%s/ring", s.folder);
	ring.path = path;
	assert_int_equal(gw_ring_open(&d.ring, &ring, &found, &why, &s.err), 0);
	d.commit_timer = gw_on_timer(s.loop, gw_commit_on_timer, &d, &s.err);
	for (unsigned i = 0; i < SINKS; i++) {
		sinks[i] = &far[i].sink;
		far[i].nacks = 0;
		far[i].sink = (struct gw_sink){ .daemon = &d, .number = (uint16_t)(i + 1) };
		far[i].sink.deliver = gw_deliver_new(&(struct gw_deliver_options){
			.sink = (uint16_t)(i + 1), .ops = &ops, .arg = &far[i] });
	}
	register_all();
	gw_store_visit(s.st, &(struct gw_store_visitor){ .arg = &s, .due = on_due, .thinned = on_thinned,
							 .loss = on_stored_loss, .done = shop_done });
	shop_wait(&s);
	for (unsigned i = 0; i < SINKS; i++)
		if (far[i].present)
			gw_deliver_connected(far[i].sink.deliver, 20, gw_now_us());
}

static void close_all(void)
{
	d.closing = true;
	shop_close(&s);
	for (unsigned i = 0; i < SINKS; i++) {
		gw_deliver_free(far[i].sink.deliver);
		gw_watch_stop(far[i].sink.timer);
	}
	gw_watch_stop(d.commit_timer);
	gw_ring_close(d.ring, true);
	gw_memory_free(d.memory);
	gw_clock_free(d.clock);
	gw_evict_free(&d);
	free(d.pending);
	free(d.changed_losses);
}

/* On a busy machine a commit may bring 2 MiB, and be written twice: the WAL is larger by so much. */
enum { A_COMMIT = 4 << 20 };

static off_t size_on_disk(void)
{
	return shop_size(&s, "") + shop_size(&s, "-wal") + shop_size(&s, ".reserve");
}

static void begin_world(int64_t every_ms)
{
	memset(far, 0, sizeof(far));
	memset(made, 0, sizeof(made));
	step_ms = every_ms;
	untrusted = false;
	lost_by = GW_LOSS_BUFFER_FULL;
	known_ends = unknown_ends = 0;
	far[0].present = true;
	open_all();
}

static void hand_in(unsigned i, uint64_t seq)
{
	int64_t mono_ms = mono_of(device[i], seq), ts_ms = untrusted ? mono_ms : true_ms(device[i], seq);
	struct gw_reading *r = some_reading(device[i], seq, ts_ms, POINTS);
	const struct gw_reading *kept;
	uint64_t at;

	r->mono_ms = mono_ms;
	r->flags = untrusted ? GW_READING_UNSYNCED : 0;
	if (untrusted)
		gw_clock_made(d.clock, mono_ms);
	r->crc = gw_reading_crc(r);
	while ((kept = gw_ring_append(d.ring, r, &at)) == NULL) {
		gw_arrive_make_room(&d, r->size);
		turn();
	}
	free(r);
	gw_commit_reading(&d, kept, at);
	for (unsigned k = 0; k < SINKS; k++)
		gw_deliver_reading(far[k].sink.deliver, kept, at);
}

/* Who is there is never far behind, so that nothing of its own is thinned. */
static void keep_up(void)
{
	do
		turn();
	while (gw_deliver_stats(far[0].sink.deliver).backlog > 300);
}

static void make(unsigned n)
{
	for (unsigned k = 0; k < n; k++)
		for (unsigned i = 0; i < DEVICES; i++) {
			assert_true(made[i] < MOST);
			hand_in(i, first[i] + made[i]++);
			if (made[i] % 50 == 0)
				keep_up();
		}
}

static void settle(void)
{
	gw_commit_now(&d);
	for (int i = 0; i < 3 || !gw_commit_idle(&d) || d.evicting || gw_deliver_stats(far[0].sink.deliver).backlog; i++)
		turn();
}

/* The sink that is away has acknowledged nothing. */
static bool is_stored(unsigned i, uint64_t seq)
{
	return gw_deliver_is_due(far[1].sink.deliver, device[i], seq) ||
	       gw_ranges_has(gw_deliver_thinned_of(far[1].sink.deliver, device[i]), seq);
}

/* As after a kill: what was not committed lies in the ring and is handed in again, and so are
 * acknowledgements. */
static void kill_and_restart(void)
{
	uint64_t seqs[MOST / 10][2];
	size_t n = d.npending;

	assert_true(n < MOST / 10);
	for (size_t i = 0; i < n; i++) {
		seqs[i][0] = index_of(d.pending[i].r->device);
		seqs[i][1] = d.pending[i].r->seq;
	}
	close_all();
	open_all();
	for (size_t i = 0; i < n; i++)
		if (!is_stored((unsigned)seqs[i][0], seqs[i][1]))
			hand_in((unsigned)seqs[i][0], seqs[i][1]);
	for (unsigned i = 0; i < DEVICES; i++)
		for (uint64_t k = 0; k < made[i]; k++)
			if (far[0].fate[i][k] == RECEIVED)
				gw_deliver_settle(far[0].sink.deliver, device[i], first[i] + k, first[i] + k);
}

static void come_back(struct far *f)
{
	struct gw_deliver_stats st;

	f->present = true;
	gw_deliver_connected(f->sink.deliver, 20, gw_now_us());
	gw_sink_pump(&f->sink);
	do {
		turn();
		gw_commit_later(&d);
		st = gw_deliver_stats(f->sink.deliver);
	} while (st.backlog || st.in_flight || st.thinned || st.losses);
	settle();
}

static void assert_closed(const struct far *f)
{
	uint64_t all = made[0] + made[1];

	assert_int_equal(count(f, NOTHING), 0);
	assert_int_equal(count(f, RECEIVED) + count(f, THINNED) + count(f, LOST), all);
	for (unsigned i = 0; i < DEVICES; i++)
		assert_int_equal(gw_deliver_open_from(f->sink.deliver, device[i]), 0);
}

/* Rows of a query at the file itself. */
static long long rows_of(const char *query)
{
	char command[300];
	long long n = -1;
	FILE *f;

	snprintf(command, sizeof(command), "sqlite3 -readonly %s '%s'", s.path, query);
	f = popen(command, "r");
	assert_non_null(f);
	assert_int_equal(fscanf(f, "%lld", &n), 1);
	pclose(f);
	return n;
}

/* ---- situations ---- */

static void three_times_the_buffer_leave_a_window_for_each_minute(void **state)
{
	(void)state;
	begin_world(1000);
	make(6000); /* 100 minutes, 15 MB for 5 MiB */
	settle();
	assert_int_equal(count(&far[0], RECEIVED), 12000); /* who was there got all of them */
	assert_int_equal(gw_deliver_stats(far[0].sink.deliver).thinned, 0);
	assert_true(gw_deliver_stats(far[1].sink.deliver).thinned > 6000);
	assert_true(gw_deliver_open_from(far[1].sink.deliver, device[0]) == first[0]);
	assert_true(size_on_disk() <= (8 << 20) + A_COMMIT);
	come_back(&far[1]);
	assert_closed(&far[1]);
	assert_int_equal(count(&far[1], LOST), 0);
	assert_int_equal(far[1].ten_minutes, 0);
	/* a window for each minute of each device; the last of each may be cut by what stayed */
	assert_int_equal(far[1].windows, (count(&far[1], THINNED) + 118) / 60);
	assert_int_equal(rows_of("SELECT count(*) FROM window"), 0);
	close_all();
}

static void harm_windows(const char *how)
{
	char command[400];

	snprintf(command, sizeof(command), "sqlite3 %s 'PRAGMA busy_timeout=5000; UPDATE window SET %s' > /dev/null",
		 s.path, how);
	assert_int_equal(system(command), 0);
}

/* Found by whoever looks, before they are needed; the first by a number in its row that is wrong. */
static void damaged_windows_are_found_and_lost_and_nothing_else_is(void **state)
{
	uint64_t thinned, windows;

	(void)state;
	begin_world(1000);
	make(3600);
	settle();
	d.phase = GW_PHASE_RUNNING;
	thinned = gw_deliver_stats(far[1].sink.deliver).thinned;
	harm_windows("body = zeroblob(50) WHERE id IN (SELECT id FROM window ORDER BY id LIMIT 3 OFFSET 20)");
	harm_windows("from_seq = from_seq + 7 WHERE id = (SELECT min(id) FROM window)");
	windows = (uint64_t)rows_of("SELECT count(*) FROM window");
	assert_true(windows > 30);
	shop_verify(&s);
	assert_int_equal(s.verify.windows, windows);
	assert_int_equal(s.verify.damaged_windows, 4);
	assert_true(s.verify.integrity_ok);
	settle();
	assert_int_equal(d.damaged, 4 * 60);
	assert_int_equal(gw_deliver_stats(far[1].sink.deliver).thinned, thinned - 4 * 60);
	shop_verify(&s);
	assert_int_equal(s.verify.damaged_windows, 0);
	lost_by = GW_LOSS_DAMAGED;
	come_back(&far[1]);
	assert_closed(&far[1]);
	assert_int_equal(count(&far[1], LOST), 4 * 60);
	close_all();
}

static void kills_in_the_middle_of_thinning_lose_and_double_nothing(void **state)
{
	(void)state;
	begin_world(1000);
	srand(7);
	for (unsigned i = 0; i < 14; i++) {
		make(300 + (unsigned)rand() % 80);
		for (int k = rand() % 6; k > 0; k--)
			turn();
		kill_and_restart();
	}
	settle();
	assert_true(gw_deliver_stats(far[1].sink.deliver).thinned > 1000);
	come_back(&far[1]);
	assert_closed(&far[1]);
	assert_int_equal(count(&far[1], LOST), 0);
	assert_int_equal(count(&far[0], THINNED), 0);
	close_all();
}

static void minutes_become_ten_minutes_and_at_last_the_oldest_are_losses(void **state)
{
	uint64_t edge = 0;

	(void)state;
	begin_world(30000); /* two readings a minute */
	do { /* how many it takes depends on how the commits fall; make() says when that is never */
		make(500);
		settle();
	} while (rows_of("SELECT count(*) FROM window WHERE window_ms = 600000") == 0);
	assert_int_equal(rows_of("SELECT count(*) FROM loss"), 0);
	while (gw_deliver_stats(far[1].sink.deliver).losses == 0) /* make() says when that is never */
		make(250);
	make(500);
	settle();
	kill_and_restart();
	assert_true(shop_size(&s, "") + shop_size(&s, "-wal") + shop_size(&s, ".reserve") <= 8 << 20);
	come_back(&far[1]);
	assert_closed(&far[1]);
	assert_true(count(&far[1], LOST) > 0 && count(&far[1], THINNED) > 0 && count(&far[1], RECEIVED) > 0);
	assert_true(far[1].ten_minutes > 50);
	while (far[1].fate[0][edge] == LOST) /* the oldest are lost, then come windows, then readings */
		edge++;
	assert_int_equal(unknown_ends, 0);
	assert_int_equal(far[1].fate[0][edge], THINNED);
	for (; edge < made[0] && far[1].fate[0][edge] == THINNED; edge++)
		;
	for (; edge < made[0]; edge++)
		assert_int_equal(far[1].fate[0][edge], RECEIVED);
	close_all();
}

static void a_window_that_was_sent_and_never_acknowledged_is_not_said_to_be_lost_for_sure(void **state)
{
	uint64_t sent;

	(void)state;
	begin_world(30000);
	while (gw_deliver_stats(far[1].sink.deliver).thinned == 0) /* make() says when that is never */
		make(250);
	settle();
	far[1].silent = true;
	gw_deliver_connected(far[1].sink.deliver, 20, gw_now_us());
	while (far[1].windows < 10)
		turn();
	sent = count(&far[1], THINNED);
	gw_deliver_disconnected(far[1].sink.deliver);
	far[1].silent = false;
	while (gw_deliver_stats(far[1].sink.deliver).losses == 0)
		make(250);
	settle();
	come_back(&far[1]);
	assert_closed(&far[1]);
	assert_int_equal(far[1].came_and_perhaps_lost, sent);
	assert_true(count(&far[1], LOST) > 0);
	close_all();
}

static void what_is_asked_for_again_does_not_bring_back_what_lies_in_a_window(void **state)
{
	(void)state;
	begin_world(1000);
	make(4000);
	settle();
	assert_true(gw_deliver_stats(far[1].sink.deliver).thinned > 2000);
	gw_deliver_again(far[1].sink.deliver, device[0], first[0], first[0] + made[0] - 1);
	for (uint64_t n = 0; n < made[0]; n++)
		assert_false(gw_deliver_is_due(far[1].sink.deliver, device[0], first[0] + n) &&
			     gw_ranges_has(gw_deliver_thinned_of(far[1].sink.deliver, device[0]), first[0] + n));
	come_back(&far[1]);
	assert_closed(&far[1]);
	close_all();
}

/* It came before: in a window it would be counted twice. */
static void what_is_asked_for_again_is_not_thinned(void **state)
{
	enum { EARLY = 600 };

	(void)state;
	begin_world(1000);
	gw_store_configure(s.st, max_size, INT64_C(7) * 86400 * 1000);
	d.core.buffer.history_ms = INT64_C(7) * 86400 * 1000;
	gw_deliver_connected(far[1].sink.deliver, 20, gw_now_us());
	make(EARLY);
	while (gw_deliver_open_from(far[1].sink.deliver, device[0]) || gw_deliver_open_from(far[1].sink.deliver, device[1]))
		turn();
	assert_int_equal(count(&far[1], RECEIVED), 2 * EARLY);
	gw_deliver_disconnected(far[1].sink.deliver);
	gw_deliver_again(far[1].sink.deliver, device[0], first[0], first[0] + EARLY - 1);
	make(4000);
	settle();
	assert_true(gw_deliver_stats(far[1].sink.deliver).thinned > 2000);
	come_back(&far[1]); /* its ledger takes no number twice */
	assert_closed(&far[1]);
	assert_int_equal(count(&far[1], LOST), 0);
	close_all();
}

/* Readings each so many milliseconds for 30 days that nobody takes; then the sink comes back. */
static void thirty_days(int mode, int64_t every_ms)
{
	when_full = mode;
	max_size = 16 << 20; /* the smallest that the configuration allows */
	begin_world(every_ms);
	make((unsigned)(INT64_C(30) * 86400 * 1000 / every_ms));
	settle();
	assert_int_equal(count(&far[0], RECEIVED), made[0] + made[1]); /* who was there got all of them */
	assert_true(size_on_disk() <= (off_t)max_size + A_COMMIT);
	kill_and_restart();
	come_back(&far[1]);
	assert_closed(&far[1]);
}

static void thirty_days_that_fit_come_whole(void **state)
{
	(void)state;
	thirty_days(GW_DROP_OLDEST, 3600 * 1000);
	assert_int_equal(count(&far[1], RECEIVED), 2 * 30 * 24);
	close_all();
}

static void thirty_days_that_do_not_fit_lose_the_oldest_and_nothing_else(void **state)
{
	uint64_t edge = 0;

	(void)state;
	thirty_days(GW_DROP_OLDEST, 300 * 1000);
	assert_int_equal(made[0], 8640);
	assert_int_equal(count(&far[1], THINNED), 0);
	assert_true(count(&far[1], RECEIVED) > 6000);
	while (far[1].fate[0][edge] == LOST)
		edge++;
	assert_true(edge > 1000);
	for (; edge < made[0]; edge++)
		assert_int_equal(far[1].fate[0][edge], RECEIVED);
	close_all();
}

static void thirty_days_that_do_not_fit_become_windows(void **state)
{
	(void)state;
	thirty_days(GW_THIN, 400 * 1000);
	assert_true(count(&far[1], THINNED) * 2 > made[0] + made[1] && count(&far[1], RECEIVED) > 300);
	assert_true(count(&far[1], LOST) * 3 < made[0] + made[1]);
	close_all();
}

/* A time server answers; what is known is kept with the next commit. */
static void synchronise(void)
{
	int64_t mono_us = mono_of(device[0], first[0] + made[0]) * 1000;

	gw_clock_look(d.clock, true, mono_us, (START + OFFSET_PAST_START_MS) * 1000 + mono_us);
	settle();
	assert_int_equal(gw_clock_kept(d.clock), 1);
	untrusted = false;
}

static void windows_of_untrusted_times_go_with_them_or_with_the_true_ones_and_never_with_both(void **state)
{
	struct far *f = &far[1];
	uint64_t marked;

	(void)state;
	begin_world(1000);
	untrusted = true;
	make(3000);
	settle();
	f->present = f->silent = true;
	gw_deliver_connected(f->sink.deliver, 20, gw_now_us());
	gw_sink_pump(&f->sink);
	while (f->windows < 5)
		turn();
	marked = f->marked;
	assert_int_equal(f->windows, marked); /* nobody knew better, and nobody has acknowledged them */
	gw_deliver_disconnected(f->sink.deliver);
	f->nacks = 0;
	f->silent = false;
	synchronise();
	come_back(f);
	assert_closed(f);
	assert_int_equal(f->marked, 2 * marked); /* those again, as they were */
	assert_true(f->windows > 2 * marked + 20);
	close_all();
}

static void losses_say_no_time_rather_than_one_that_nobody_trusts(void **state)
{
	(void)state;
	when_full = GW_DROP_OLDEST;
	begin_world(1000);
	untrusted = true;
	make(2500);
	settle();
	come_back(&far[1]);
	assert_true(count(&far[1], LOST) > 100);
	assert_int_equal(known_ends, 0);
	gw_deliver_disconnected(far[1].sink.deliver);
	make(1500);
	synchronise();
	make(1500); /* what gives way now has its true time */
	settle();
	come_back(&far[1]);
	assert_closed(&far[1]);
	assert_true(known_ends > 0);
	close_all();
}

/* In memory: thousands of synced commits are not what this is about. */
static int begin_in_memory(void **state)
{
	when_full = GW_THIN;
	max_size = 8 << 20;
	begin(state);
	rmdir(s.folder);
	snprintf(s.folder, sizeof(s.folder), "/dev/shm/test_evict.XXXXXX");
	if (!mkdtemp(s.folder))
		abort();
	snprintf(s.path, sizeof(s.path), "%s/b.db", s.folder);
	return 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin_in_memory, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(three_times_the_buffer_leave_a_window_for_each_minute),
		TEST(damaged_windows_are_found_and_lost_and_nothing_else_is),
		TEST(kills_in_the_middle_of_thinning_lose_and_double_nothing),
		TEST(minutes_become_ten_minutes_and_at_last_the_oldest_are_losses),
		TEST(a_window_that_was_sent_and_never_acknowledged_is_not_said_to_be_lost_for_sure),
		TEST(what_is_asked_for_again_does_not_bring_back_what_lies_in_a_window),
		TEST(what_is_asked_for_again_is_not_thinned),
		TEST(thirty_days_that_fit_come_whole),
		TEST(thirty_days_that_do_not_fit_lose_the_oldest_and_nothing_else),
		TEST(thirty_days_that_do_not_fit_become_windows),
		TEST(windows_of_untrusted_times_go_with_them_or_with_the_true_ones_and_never_with_both),
		TEST(losses_say_no_time_rather_than_one_that_nobody_trusts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
