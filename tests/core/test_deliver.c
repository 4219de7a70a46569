/* deliver: scripted situations with a store of an array, then days of a random life. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "core/deliver.h"
#include "core/duty.h"
#include "some_reading.h"

#define S 1000000LL

enum { ROWS = 300000, SENT = 4000, LOSSES = 64, NEWEST = 16 };

struct row {
	uint16_t device;
	uint64_t seq;
	bool committed, damaged, purged;
};

struct packet { /* what lies on the link, not acknowledged */
	uint16_t device;
	char kind; /* l live, r replay, x loss */
	uint64_t seq[100];
	size_t n;
};

/* The world of one sink. */
struct world {
	struct gw_deliver *d;
	int64_t now_us;
	struct row *rows; /* by id - 1; also "the ring" for those not committed */
	size_t nrows, committed;
	struct packet *sent;
	size_t nsent;
	bool full; /* the link */
	bool fetching;
	uint64_t fetch_from;
	struct gw_loss_row losses[LOSSES]; /* as kept */
	bool kept[LOSSES]; /* by a commit, as one that is sent */
	size_t nlosses, losses_sent;
	uint64_t next_loss;
	char log[16384];
	bool quiet;
	const struct gw_reading *newest[NEWEST]; /* by device: what goes first after a connection */
	struct gw_reading *ring[64]; /* live ones, borrowed by deliver while they wait */
};

static struct world *w;

static void put(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
static void put(const char *fmt, ...)
{
	size_t n = strlen(w->log);
	va_list ap;

	if (w->quiet)
		return;
	va_start(ap, fmt);
	vsnprintf(w->log + n, sizeof(w->log) - n, fmt, ap);
	va_end(ap);
}

/* What happened since the last look. */
static void expect(const char *text)
{
	assert_string_equal(w->log, text);
	w->log[0] = '\0';
}

/* ---- ops ---- */

static int on_live(void *arg, const struct gw_reading *r)
{
	(void)arg;
	if (w->full)
		return 0;
	assert_true(w->nsent < SENT);
	w->sent[w->nsent++] = (struct packet){ r->device, 'l', { r->seq }, 1 };
	put("live %u/%llu\n", r->device, (unsigned long long)r->seq);
	return 1;
}

static int on_replay(void *arg, const struct gw_reading *const *r, size_t n)
{
	struct packet p = { r[0]->device, 'r', { 0 }, n };

	(void)arg;
	if (w->full)
		return 0;
	assert_in_range(n, 1, 100);
	for (size_t i = 0; i < n; i++) {
		assert_int_equal(r[i]->device, p.device);
		assert_true(i == 0 || r[i]->seq > p.seq[i - 1]);
		p.seq[i] = r[i]->seq;
	}
	assert_true(w->nsent < SENT);
	w->sent[w->nsent++] = p;
	put("replay %u/%llu-%llu (%zu)\n", p.device, (unsigned long long)p.seq[0],
	    (unsigned long long)p.seq[n - 1], n);
	return 1;
}

static int on_loss(void *arg, const struct gw_loss_row *row)
{
	(void)arg;
	if (w->full)
		return 0;
	w->sent[w->nsent++] = (struct packet){ row->device, 'x', { row->id }, 1 };
	w->losses_sent++;
	put("loss %u/%llu-%llu (%llu) cause %u\n", row->device, (unsigned long long)row->from,
	    (unsigned long long)row->to, (unsigned long long)row->readings, row->cause);
	return 1;
}

static void on_fetch(void *arg, uint64_t from_id, size_t max_rows, size_t max_bytes)
{
	(void)arg;
	assert_false(w->fetching);
	assert_int_equal(max_rows, 2000);
	assert_true(max_bytes >= 1 << 20);
	w->fetching = true;
	w->fetch_from = from_id;
}

static void on_settled(void *arg, uint16_t device, uint64_t from, uint64_t to, const struct gw_giveup *lost)
{
	(void)arg;
	put("settled %u/%llu-%llu %d%s\n", device, (unsigned long long)from, (unsigned long long)to,
	    lost ? (int)lost->cause : -1, lost && !lost->exact ? " perhaps" : "");
}

static void on_loss_changed(void *arg, const struct gw_loss_row *row)
{
	(void)arg;
	for (size_t i = 0; i < w->nlosses; i++)
		if (w->losses[i].id == row->id) {
			if (w->kept[i]) { /* somebody may have seen it */
				assert_int_equal(w->losses[i].from, row->from);
				assert_int_equal(w->losses[i].to, row->to);
			}
			w->losses[i] = *row;
			return;
		}
	assert_true(w->nlosses < LOSSES);
	w->losses[w->nlosses++] = *row;
}

static uint64_t on_loss_id(void *arg)
{
	(void)arg;
	return ++w->next_loss;
}

static const struct gw_reading *on_newest(void *arg, uint16_t device)
{
	(void)arg;
	return device < NEWEST ? w->newest[device] : NULL;
}

static const struct gw_deliver_ops ops = {
	.live = on_live, .replay = on_replay, .loss = on_loss, .fetch = on_fetch, .settled = on_settled,
	.loss_changed = on_loss_changed, .loss_id = on_loss_id, .newest = on_newest,
};

/* ---- the store's part ---- */

struct answer {
	struct gw_rows rows;
	uint64_t ids[2000];
	const struct gw_reading *readings[2000];
	struct gw_reading bodies[2000];
	struct gw_damaged_row bad[2000];
};

void gw_rows_free(struct gw_rows *rows)
{
	free(rows);
}

static void give(struct answer *a, uint64_t id, const struct row *r)
{
	if (r->damaged) {
		a->bad[a->rows.damaged++] = (struct gw_damaged_row){ id, r->seq, r->device };
		return;
	}
	a->ids[a->rows.n] = id;
	a->bodies[a->rows.n] = (struct gw_reading){ .size = sizeof(struct gw_reading), .device = r->device,
						    .seq = r->seq };
	a->readings[a->rows.n] = &a->bodies[a->rows.n];
	a->rows.n++;
}

static void answer_fetch(void)
{
	struct answer *a = calloc(1, sizeof(*a));
	uint64_t id = w->fetch_from ? w->fetch_from : 1;

	if (!w->fetching) {
		free(a);
		return;
	}
	w->fetching = false;
	for (; id <= w->committed && a->rows.n + a->rows.damaged < 2000; id++)
		if (!w->rows[id - 1].purged &&
		    gw_deliver_is_due(w->d, w->rows[id - 1].device, w->rows[id - 1].seq))
			give(a, id, &w->rows[id - 1]);
	a->rows.ids = a->ids;
	a->rows.readings = a->readings;
	a->rows.damaged_rows = a->bad;
	a->rows.end = id > w->committed;
	a->rows.next_id = w->committed ? id : w->fetch_from;
	gw_deliver_rows(w->d, &a->rows);
}

static void ignore_due(void *arg, uint16_t device, const struct gw_ranges *due)
{
	(void)arg, (void)device, (void)due;
}

static void commit(void)
{
	gw_deliver_changed(w->d, ignore_due, NULL);
	w->committed = w->nrows;
	for (size_t i = 0; i < w->nlosses; i++)
		w->kept[i] = w->losses[i].state > 0;
	gw_deliver_committed(w->d, w->nrows + 1);
}

static int64_t pump(void)
{
	int64_t again = gw_deliver_pump(w->d, w->now_us);

	while (w->fetching) {
		answer_fetch();
		again = gw_deliver_pump(w->d, w->now_us);
	}
	return again;
}

/* A reading made now; "the ring" holds 64. */
static struct gw_reading *make(uint16_t device, uint64_t seq)
{
	struct gw_reading *r = some_reading(device, seq, w->now_us / 1000, 0);

	r->mono_ms = w->now_us / 1000;
	if (w->ring[w->nrows % 64]) { /* the ring is full: its tail moves */
		gw_deliver_released(w->d, w->nrows - 62);
		for (size_t i = 0; i < NEWEST; i++)
			if (w->newest[i] == w->ring[w->nrows % 64])
				w->newest[i] = NULL;
		free(w->ring[w->nrows % 64]);
	}
	w->ring[w->nrows % 64] = r;
	assert_true(w->nrows < ROWS);
	w->rows[w->nrows++] = (struct row){ .device = device, .seq = seq };
	gw_deliver_reading(w->d, r, w->nrows);
	return r;
}

static void connect_with(unsigned window, const struct gw_reading *newest)
{
	if (newest)
		w->newest[newest->device] = newest;
	gw_deliver_connected(w->d, window, w->now_us);
}

static void ack_as(uint16_t device, uint64_t from, uint64_t to, enum gw_ack_result result)
{
	gw_deliver_ack(w->d, &(struct gw_ack){ .device = device, .result = (uint8_t)result, .credit = 1,
					       .from = from, .to = to });
}

static void ack(uint16_t device, uint64_t from, uint64_t to)
{
	ack_as(device, from, to, GW_ACK_DONE);
}

static struct gw_deliver *deliver_of(struct world *of, int64_t rate)
{
	struct gw_deliver *d = gw_deliver_new(
		&(struct gw_deliver_options){ .sink = 7, .replay_rate = rate, .ops = &ops, .arg = of });

	gw_deliver_device(d, 1, 5 * S);
	gw_deliver_device(d, 2, 5 * S);
	return d;
}

static int begin(void **state)
{
	(void)state;
	w = calloc(1, sizeof(*w));
	w->rows = calloc(ROWS, sizeof(*w->rows));
	w->sent = calloc(SENT, sizeof(*w->sent));
	w->now_us = 1000 * S;
	w->d = deliver_of(w, 0);
	return 0;
}

static int end(void **state)
{
	(void)state;
	gw_deliver_free(w->d);
	for (size_t i = 0; i < 64; i++)
		free(w->ring[i]);
	free(w->rows);
	free(w->sent);
	free(w);
	return 0;
}

/* ---- live ---- */

static void a_new_reading_goes_out_live_at_once(void **state)
{
	(void)state;
	connect_with(10, NULL);
	make(1, 5);
	assert_int_equal(pump(), -1);
	expect("live 1/5\n");
	assert_int_equal(gw_deliver_stats(w->d).in_flight, 1);
	assert_int_equal(gw_deliver_stats(w->d).backlog, 0);
	ack(1, 5, 5);
	expect("settled 1/5-5 -1\n");
	assert_int_equal(gw_deliver_stats(w->d).in_flight, 0);
	assert_false(gw_deliver_is_due(w->d, 1, 5));
}

static void the_window_is_never_exceeded_and_live_waits_in_line(void **state)
{
	(void)state;
	connect_with(2, NULL);
	for (uint64_t seq = 1; seq <= 4; seq++)
		make(1, seq);
	pump();
	expect("live 1/1\nlive 1/2\n");
	assert_int_equal(gw_deliver_stats(w->d).in_use, 2);
	ack(1, 1, 1);
	pump();
	expect("settled 1/1-1 -1\nlive 1/3\n");
	ack(1, 2, 3); /* one entry, one credit */
	pump();
	expect("settled 1/2-3 -1\nlive 1/4\n");
	assert_int_equal(gw_deliver_stats(w->d).in_use, 2);
}

static void live_waits_when_the_link_is_full(void **state)
{
	(void)state;
	connect_with(5, NULL);
	w->full = true;
	make(1, 1);
	pump();
	expect("");
	assert_int_equal(gw_deliver_stats(w->d).in_use, 0);
	w->full = false;
	pump();
	expect("live 1/1\n");
}

static void what_waited_too_long_becomes_backlog(void **state)
{
	(void)state;
	connect_with(1, NULL);
	make(1, 1);
	make(1, 2);
	pump();
	expect("live 1/1\n");
	w->now_us += 6 * S;
	commit();
	ack(1, 1, 1);
	pump();
	expect("settled 1/1-1 -1\nreplay 1/2-2 (1)\n");
}

static void what_was_passed_by_is_found_although_commits_go_on(void **state)
{
	(void)state;
	connect_with(2, NULL);
	make(1, 1);
	make(2, 1);
	pump();
	expect("live 1/1\nlive 2/1\n");
	make(1, 2); /* no credit: in line */
	commit();
	ack_as(2, 1, 1, GW_ACK_DONE);
	w->log[0] = '\0';
	make(1, 3);
	w->full = true;
	for (int second = 0; second < 20; second++) { /* others go on, their walk passes row 3 by */
		w->now_us += S;
		make(2, (uint64_t)second + 2);
		commit();
		pump();
	}
	w->full = false;
	ack(1, 1, 1);
	w->log[0] = '\0';
	for (int second = 0; second < 20; second++) {
		make(2, (uint64_t)second + 22);
		w->now_us += S;
		commit();
		pump();
		for (size_t i = 0; i < w->nsent; i++)
			ack(w->sent[i].device, w->sent[i].seq[0], w->sent[i].seq[w->sent[i].n - 1]);
		w->nsent = 0;
	}
	assert_false(gw_deliver_is_due(w->d, 1, 2));
	assert_false(gw_deliver_is_due(w->d, 1, 3));
	assert_int_equal(gw_deliver_stats(w->d).backlog, 0);
}

static void a_walk_that_reached_its_end_begins_anew(void **state)
{
	(void)state;
	connect_with(4, NULL);
	w->full = true;
	make(1, 1);
	commit();
	make(1, 2);
	commit(); /* the skip to the last commit passes row 1 by */
	pump();
	w->now_us += 10 * S; /* both are too old for live */
	w->full = false;
	for (int second = 0; second < 8; second++) {
		uint64_t seq = (uint64_t)second + 1;

		w->now_us += S;
		make(2, seq);
		commit();
		pump();
		ack(2, seq, seq);
	}
	ack(1, 1, 2);
	assert_false(gw_deliver_is_due(w->d, 1, 1));
	assert_false(gw_deliver_is_due(w->d, 1, 2));
}

static void the_ring_s_release_takes_what_waits_out_of_line(void **state)
{
	(void)state;
	connect_with(1, NULL);
	make(1, 1);
	make(1, 2);
	make(1, 3);
	pump();
	commit();
	gw_deliver_released(w->d, 3); /* positions 1 and 2 are gone */
	ack(1, 1, 1);
	w->log[0] = '\0';
	pump();
	expect("live 1/3\n");
	ack(1, 3, 3);
	w->log[0] = '\0';
	w->now_us += 6 * S;
	pump();
	expect("replay 1/2-2 (1)\n");
}

/* ---- connect and disconnect ---- */

static void after_a_reconnect_the_newest_goes_first_then_the_backlog_by_device(void **state)
{
	(void)state;
	for (uint64_t seq = 1; seq <= 150; seq++) {
		w->newest[1] = make(1, seq);
		w->newest[2] = make(2, seq + 1000);
	}
	commit();
	w->now_us += S;
	connect_with(50, NULL);
	pump();
	expect("live 1/150\nlive 2/1150\nreplay 1/1-100 (100)\nreplay 2/1001-1100 (100)\n"
	       "replay 1/101-149 (49)\nreplay 2/1101-1149 (49)\n");
}

static void with_more_devices_than_credits_the_newest_of_all_still_go_first(void **state)
{
	(void)state;
	for (uint64_t seq = 1; seq <= 20; seq++)
		for (uint16_t device = 1; device <= 5; device++) {
			gw_deliver_device(w->d, device, 5 * S);
			w->newest[device] = make(device, seq);
		}
	commit();
	connect_with(2, NULL);
	pump();
	expect("live 1/20\nlive 2/20\n");
	make(1, 21); /* behind the newest of those that showed nothing yet */
	w->newest[4] = make(4, 21);
	ack(1, 20, 20);
	ack(2, 20, 20);
	pump();
	expect("settled 1/20-20 -1\nsettled 2/20-20 -1\nlive 3/20\nlive 4/21\n");
	ack(3, 20, 20);
	ack(4, 21, 21);
	pump();
	expect("settled 3/20-20 -1\nsettled 4/21-21 -1\nlive 5/20\nlive 1/21\n");
	ack(5, 20, 20);
	ack(1, 21, 21);
	pump();
	expect("settled 5/20-20 -1\nsettled 1/21-21 -1\nreplay 1/1-19 (19)\nreplay 2/1-19 (19)\n");
}

static void an_old_newest_reading_goes_as_replay(void **state)
{
	struct gw_reading *newest = make(1, 9);

	(void)state;
	commit();
	w->now_us += 6 * S;
	connect_with(50, newest);
	expect("replay 1/9-9 (1)\n");
	pump();
	expect("");
}

static void a_disconnect_returns_everything_and_a_second_attempt_is_never_live(void **state)
{
	struct gw_reading *r;

	(void)state;
	connect_with(10, NULL);
	r = make(1, 1);
	pump();
	expect("live 1/1\n");
	gw_deliver_disconnected(w->d);
	assert_int_equal(gw_deliver_stats(w->d).in_flight, 0);
	assert_int_equal(gw_deliver_stats(w->d).in_use, 0);
	assert_int_equal(gw_deliver_stats(w->d).backlog, 1);
	ack(1, 1, 1); /* late word of the session before */
	expect("");
	assert_true(gw_deliver_is_due(w->d, 1, 1));
	connect_with(10, r);
	expect("replay 1/1-1 (1)\n");
}

/* What the watchdog looks at. */
static void a_backlog_that_could_go_and_does_not_is_told_from_one_that_cannot(void **state)
{
	uint64_t moves;

	(void)state;
	make(1, 1);
	make(1, 2);
	commit();
	assert_false(gw_deliver_stats(w->d).can_send); /* not connected */
	connect_with(4, NULL);
	w->full = true;
	pump();
	moves = gw_deliver_stats(w->d).moves;
	for (int second = 0; second < 60; second++) {
		w->now_us += S;
		pump();
		assert_true(gw_deliver_stats(w->d).can_send);
		assert_false(gw_deliver_stats(w->d).full);
		assert_int_equal(gw_deliver_stats(w->d).moves, moves);
	}
	w->full = false;
	pump();
	expect("replay 1/1-2 (2)\n");
	assert_false(gw_deliver_stats(w->d).can_send); /* all of it is on its way */
	assert_true(gw_deliver_stats(w->d).moves > moves);
	moves = gw_deliver_stats(w->d).moves;
	ack(1, 1, 2);
	assert_true(gw_deliver_stats(w->d).moves > moves);
	make(1, 3);
	assert_false(gw_deliver_stats(w->d).can_send); /* it waits in line for a moment */
}

static void a_backlog_that_the_store_does_not_have_is_asked_for_again_and_again(void **state)
{
	struct gw_duty duty = { 0 };

	(void)state;
	make(1, 1);
	gw_deliver_due(w->d, 2, 1, 1); /* no row of it */
	commit();
	connect_with(4, NULL);
	for (int second = 0; second < 60; second++) {
		struct gw_deliver_stats s = gw_deliver_stats(w->d);

		assert_true(s.can_send);
		gw_duty_look(&duty, &(struct gw_duty_look){ .done = s.moves, .work = true }, w->now_us, 10 * S);
		assert_int_equal(duty.state, GW_DUTY_FINE);
		w->now_us += S;
		pump();
	}
}

static void replay_takes_at_most_three_quarters_of_the_window(void **state)
{
	(void)state;
	for (uint64_t seq = 1; seq <= 1000; seq++)
		make(1, seq);
	commit();
	w->quiet = true;
	connect_with(8, NULL);
	pump();
	assert_int_equal(w->nsent, 6);
	w->quiet = false;
	make(2, 1);
	make(2, 2);
	pump();
	expect("live 2/1\nlive 2/2\n");
	assert_int_equal(gw_deliver_stats(w->d).in_use, 8);
}

static void the_replay_rate_is_a_cap(void **state)
{
	size_t sent = 0;

	(void)state;
	gw_deliver_free(w->d);
	w->d = deliver_of(w, 100);
	for (uint64_t seq = 1; seq <= 5000; seq++)
		make(1, seq);
	commit();
	w->quiet = true;
	connect_with(50, NULL);
	for (int64_t us = 0; us < 10 * S; us += 700) { /* a busy loop pumps often */
		pump();
		for (size_t i = 0; i < w->nsent; i++) {
			sent += w->sent[i].n;
			ack(1, w->sent[i].seq[0], w->sent[i].seq[w->sent[i].n - 1]);
		}
		w->nsent = 0;
		w->now_us += 700;
	}
	assert_in_range(sent, 950, 1050);
}

static void a_rate_of_one_a_second_moves_although_the_loop_is_busy(void **state)
{
	(void)state;
	gw_deliver_free(w->d);
	w->d = deliver_of(w, 1);
	for (uint64_t seq = 1; seq <= 50; seq++)
		make(1, seq);
	commit();
	w->quiet = true;
	connect_with(50, NULL);
	for (int64_t us = 0; us < 10 * S; us += 300) {
		pump();
		w->now_us += 300;
	}
	assert_in_range(w->nsent, 9, 11);
}

/* ---- acknowledgements ---- */

static void a_refusal_parks_that_device_until_the_next_connection(void **state)
{
	(void)state;
	connect_with(10, NULL);
	make(1, 1);
	make(2, 1);
	pump();
	ack_as(1, 1, 1, GW_ACK_REFUSED);
	w->log[0] = '\0';
	make(1, 2);
	make(2, 2);
	commit();
	w->now_us += 6 * S;
	pump();
	expect("replay 2/2-2 (1)\n");
	assert_int_equal(gw_deliver_stats(w->d).parked, 1);
	gw_deliver_disconnected(w->d);
	assert_int_equal(gw_deliver_stats(w->d).parked, 0);
	connect_with(10, NULL);
	pump();
	expect("replay 1/1-2 (2)\nreplay 2/1-2 (2)\n");
}

static void what_is_too_large_becomes_a_loss(void **state)
{
	(void)state;
	connect_with(10, NULL);
	make(1, 1);
	pump();
	w->log[0] = '\0';
	ack_as(1, 1, 1, GW_ACK_TOO_LARGE);
	expect("settled 1/1-1 6\n");
	pump();
	expect(""); /* kept first */
	commit();
	pump();
	expect("loss 1/1-1 (1) cause 6\n");
}

static void what_was_not_sent_is_fetched_again(void **state)
{
	(void)state;
	connect_with(10, NULL);
	make(1, 1);
	make(1, 2);
	pump();
	commit();
	w->log[0] = '\0';
	ack_as(1, 1, 1, GW_ACK_AGAIN);
	pump();
	expect("replay 1/1-1 (1)\n");
}

static void words_about_what_was_never_sent_count_for_nothing(void **state)
{
	(void)state;
	gw_deliver_due(w->d, 1, 1, 100);
	connect_with(10, NULL);
	ack(1, 1, 50);
	ack(1, 0, 0);
	ack(1, 9, 3);
	ack(1, 0, UINT64_MAX);
	ack(40000, 1, 5);
	ack_as(1, 1, 100, GW_ACK_REFUSED);
	ack_as(1, 1, 100, GW_ACK_TOO_LARGE);
	gw_deliver_ack(w->d, &(struct gw_ack){ .what = GW_ACK_LOSS, .from = 1, .credit = 4000000000u });
	expect("");
	assert_int_equal(gw_deliver_due_of(w->d, 1)->total, 100);
	assert_int_equal(gw_deliver_stats(w->d).parked, 0);
	assert_int_equal(gw_deliver_stats(w->d).in_use, 0);
}

static void a_range_acknowledges_only_what_was_in_it(void **state)
{
	(void)state;
	for (uint64_t seq = 1; seq <= 5; seq++)
		make(1, seq);
	w->rows[2].damaged = true;
	commit();
	connect_with(10, NULL);
	pump();
	expect("settled 1/3-3 2\nreplay 1/1-5 (4)\n");
	ack(1, 1, 5);
	expect("settled 1/1-2 -1\nsettled 1/4-5 -1\n");
	commit();
	pump();
	expect("loss 1/3-3 (1) cause 2\n");
}

/* ---- losses ---- */

static uint64_t give_up(uint16_t device, uint64_t from, uint64_t to)
{
	return gw_deliver_give_up(w->d, &(struct gw_giveup){ .device = device, .from = from, .to = to,
							     .cause = GW_LOSS_BUFFER_FULL, .exact = true });
}

static void losses_grow_while_unsent_and_never_afterwards(void **state)
{
	(void)state;
	gw_deliver_due(w->d, 1, 1, 100);
	assert_int_equal(give_up(1, 1, 10), 10);
	assert_int_equal(give_up(1, 11, 20), 10);
	assert_int_equal(gw_deliver_stats(w->d).losses, 1);
	connect_with(10, NULL);
	pump();
	assert_int_equal(give_up(1, 21, 30), 10); /* no commit has it yet */
	assert_int_equal(gw_deliver_stats(w->d).losses, 1);
	commit(); /* frozen */
	assert_int_equal(give_up(1, 31, 40), 10);
	assert_int_equal(gw_deliver_stats(w->d).losses, 2);
	w->log[0] = '\0';
	pump();
	expect("loss 1/1-30 (30) cause 0\n");
	commit();
	pump();
	expect("loss 1/31-40 (10) cause 0\n");
	pump();
	expect("");
	for (size_t i = 0; i < 2; i++)
		gw_deliver_ack(w->d, &(struct gw_ack){ .what = GW_ACK_LOSS, .from = i + 1, .to = i + 1,
						       .credit = 1 });
	assert_int_equal(gw_deliver_stats(w->d).losses, 0);
	assert_int_equal(w->losses[0].state, 2);
	commit();
	gw_deliver_disconnected(w->d);
	connect_with(10, NULL);
	w->log[0] = '\0';
	pump();
	expect("");
}

static void a_loss_is_sent_only_when_a_commit_has_kept_it(void **state)
{
	(void)state;
	gw_deliver_due(w->d, 1, 1, 100);
	connect_with(10, NULL);
	give_up(1, 1, 10);
	w->log[0] = '\0';
	pump();
	gw_deliver_changed(w->d, ignore_due, NULL);
	w->losses[0].state = 77;
	gw_deliver_mark_all(w->d); /* it failed */
	assert_int_equal(w->losses[0].state, 1); /* handed in again */
	gw_deliver_committed(w->d, 0); /* of another commit */
	pump();
	expect("");
	commit();
	pump();
	expect("loss 1/1-10 (10) cause 0\n");
}

static void a_refused_loss_waits_for_the_next_connection(void **state)
{
	struct gw_ack no = { .what = GW_ACK_LOSS, .result = GW_ACK_REFUSED, .from = 1, .to = 1, .credit = 1 };

	(void)state;
	gw_deliver_restore_loss(w->d, &(struct gw_loss_row){ .id = 1, .device = 1, .from = 3, .to = 4,
							     .readings = 2, .state = 1 });
	connect_with(10, NULL);
	pump();
	expect("loss 1/3-4 (2) cause 0\n");
	gw_deliver_ack(w->d, &no);
	pump();
	expect("");
	gw_deliver_disconnected(w->d);
	connect_with(10, NULL);
	pump();
	expect("loss 1/3-4 (2) cause 0\n");
}

static void books_stay_open_until_a_loss_is_acknowledged(void **state)
{
	struct gw_ack yes = { .what = GW_ACK_LOSS, .from = 1, .to = 1, .credit = 1 };

	(void)state;
	assert_int_equal(gw_deliver_open_from(w->d, 1), 0);
	gw_deliver_due(w->d, 1, 1, 100);
	assert_int_equal(gw_deliver_open_from(w->d, 1), 1);
	give_up(1, 1, 10);
	assert_int_equal(gw_deliver_open_from(w->d, 1), 1);
	assert_int_equal(gw_deliver_open_from(w->d, 2), 0);
	connect_with(10, NULL);
	pump();
	commit();
	pump();
	assert_int_equal(gw_deliver_open_from(w->d, 1), 1);
	gw_deliver_ack(w->d, &yes);
	assert_int_equal(gw_deliver_open_from(w->d, 1), 11);
}

static void giving_up_never_touches_what_is_in_flight(void **state)
{
	(void)state;
	connect_with(10, NULL);
	make(1, 5);
	pump();
	gw_deliver_due(w->d, 1, 1, 10);
	w->log[0] = '\0';
	assert_int_equal(give_up(1, 1, 10), 9);
	expect("settled 1/1-4 0\nsettled 1/6-10 0\n");
	assert_true(gw_deliver_is_due(w->d, 1, 5));
	assert_int_equal(gw_deliver_stats(w->d).losses, 2);
}

/* ---- replay by hand ---- */

static void five_are_received(void)
{
	connect_with(10, NULL);
	for (uint64_t seq = 1; seq <= 5; seq++)
		make(1, seq);
	pump();
	ack(1, 1, 5);
	commit();
}

static void what_is_asked_for_again_goes_once_more(void **state)
{
	(void)state;
	five_are_received();
	w->log[0] = '\0';
	assert_int_equal(gw_deliver_again(w->d, 1, 2, 4), 3);
	pump();
	commit();
	pump();
	expect("replay 1/2-4 (3)\n");
}

static void what_is_asked_for_and_left_the_store_is_not_waited_for(void **state)
{
	(void)state;
	five_are_received();
	w->rows[0].purged = w->rows[1].purged = true;
	w->log[0] = '\0';
	assert_int_equal(gw_deliver_again(w->d, 1, 1, 4), 4);
	commit();
	pump();
	expect("replay 1/3-4 (2)\n");
	assert_int_equal(gw_deliver_stats(w->d).backlog, 0);
	ack(1, 3, 4);
	assert_int_equal(gw_deliver_due_of(w->d, 1)->total, 0);
}

/* It was waited for in a circle, for ever. */
static void what_is_asked_for_and_left_the_store_ends_before_what_is_due(void **state)
{
	(void)state;
	gw_deliver_due(w->d, 1, 5, 6); /* due, and not in the store yet */
	connect_with(10, NULL);
	gw_deliver_again(w->d, 1, 2, 4);
	commit();
	pump();
	assert_int_equal(gw_deliver_due_of(w->d, 1)->total, 2);
	assert_true(gw_deliver_is_due(w->d, 1, 5));
}

static void what_is_asked_for_of_an_empty_store_ends(void **state)
{
	(void)state;
	connect_with(10, NULL);
	gw_deliver_again(w->d, 1, 2, 4);
	pump(); /* no commit knows of it: the store cannot have it yet */
	assert_int_equal(gw_deliver_due_of(w->d, 1)->total, 3);
	gw_deliver_changed(w->d, ignore_due, NULL);
	gw_deliver_committed(w->d, 0);
	pump();
	assert_int_equal(gw_deliver_due_of(w->d, 1)->total, 0);
}

static void what_a_former_process_was_asked_for_and_is_gone_is_no_loss(void **state)
{
	struct gw_ranges due = { 0 }, again = { 0 };

	(void)state;
	gw_ranges_add(&due, 1, 4);
	gw_ranges_add(&again, 2, 3);
	gw_deliver_restore(w->d, 1, &due);
	gw_deliver_restore_again(w->d, 1, &again);
	gw_deliver_prove(w->d, true);
	connect_with(10, NULL);
	commit();
	pump();
	pump();
	assert_int_equal(gw_deliver_stats(w->d).losses, 2); /* 1 and 4 */
	assert_int_equal(gw_deliver_due_of(w->d, 1)->total, 0);
	gw_ranges_free(&due);
	gw_ranges_free(&again);
}

static void ranges_kept(void *arg, uint16_t device, const struct gw_ranges *again)
{
	(void)device;
	*(uint64_t *)arg = again->total;
}

static void what_was_asked_for_and_never_acknowledged_is_no_loss_when_it_is_given_up(void **state)
{
	uint64_t kept = 0;

	(void)state;
	five_are_received();
	gw_deliver_again(w->d, 1, 2, 4);
	commit();
	pump(); /* to the end of what the store has */
	pump();
	ack(1, 2, 2);
	gw_deliver_again_changed(w->d, ranges_kept, &kept);
	assert_int_equal(kept, 2);
	gw_deliver_disconnected(w->d);
	assert_int_equal(give_up(1, 2, 4), 2);
	assert_int_equal(gw_deliver_due_of(w->d, 1)->total, 0);
	assert_int_equal(gw_deliver_stats(w->d).losses, 0);
}

static void what_was_asked_for_and_left_the_store_on_its_way_ends_after_a_disconnect(void **state)
{
	(void)state;
	five_are_received();
	gw_deliver_again(w->d, 1, 2, 3);
	commit();
	pump();
	pump();
	w->rows[1].purged = w->rows[2].purged = true;
	gw_deliver_disconnected(w->d);
	connect_with(10, NULL);
	gw_deliver_due(w->d, 1, 6, 6); /* not in the store yet */
	for (int i = 0; i < 3; i++) {
		w->now_us += 6 * S;
		pump();
	}
	assert_int_equal(gw_deliver_due_of(w->d, 1)->total, 1);
}

static void what_was_asked_for_and_is_given_up_is_no_loss_again(void **state)
{
	(void)state;
	connect_with(10, NULL);
	for (uint64_t seq = 1; seq <= 3; seq++)
		make(1, seq);
	pump();
	ack(1, 1, 3);
	gw_deliver_disconnected(w->d);
	make(1, 4);
	assert_int_equal(gw_deliver_again(w->d, 1, 2, 3), 2);
	assert_int_equal(give_up(1, 1, 4), 3);
	assert_int_equal(gw_deliver_due_of(w->d, 1)->total, 0);
	assert_int_equal(gw_deliver_stats(w->d).losses, 1);
	assert_int_equal(w->losses[0].from, 4);
}

/* Its row may be there still; the far end hears, or heard, that it does not come. */
static void what_is_declared_lost_does_not_come_because_somebody_asks(void **state)
{
	(void)state;
	for (uint64_t seq = 1; seq <= 4; seq++)
		make(1, seq);
	assert_int_equal(give_up(1, 2, 3), 2);
	assert_int_equal(gw_deliver_again(w->d, 1, 1, 4), 0);
	assert_int_equal(gw_deliver_due_of(w->d, 1)->total, 2);
}

static void what_was_sent_and_never_acknowledged_is_not_said_to_be_lost_for_sure(void **state)
{
	(void)state;
	connect_with(10, NULL);
	for (uint64_t seq = 1; seq <= 3; seq++)
		make(1, seq);
	pump();
	ack(1, 1, 1);
	gw_deliver_disconnected(w->d);
	make(1, 4);
	make(1, 5);
	assert_int_equal(give_up(1, 1, 5), 4);
	assert_int_equal(gw_deliver_stats(w->d).losses, 2);
	assert_int_equal(w->losses[0].from, 2);
	assert_int_equal(w->losses[0].to, 3);
	assert_false(w->losses[0].exact);
	assert_int_equal(w->losses[1].from, 4);
	assert_true(w->losses[1].exact);
	connect_with(10, NULL);
	make(1, 8);
	make(1, 9);
	pump();
	gw_deliver_disconnected(w->d);
	connect_with(10, NULL);
	commit();
	pump();
	gw_deliver_ack(w->d, &(struct gw_ack){ .device = 1, .result = GW_ACK_TOO_LARGE, .from = 8, .to = 8,
					       .credit = 1 });
	assert_false(w->losses[2].exact); /* a copy that was smaller may have passed */
	gw_deliver_disconnected(w->d);
	gw_deliver_due(w->d, 1, 6, 7); /* of a former process */
	gw_deliver_began(w->d);
	assert_int_equal(give_up(1, 6, 7), 2);
	assert_false(w->losses[3].exact);
}

static void a_backlog_in_the_asked_range_is_never_forgotten(void **state)
{
	(void)state;
	gw_deliver_due(w->d, 1, 3, 4); /* due, and not in the store yet */
	connect_with(10, NULL);
	gw_deliver_again(w->d, 1, 1, 6);
	commit();
	pump();
	assert_int_equal(gw_deliver_due_of(w->d, 1)->total, 2);
	assert_true(gw_deliver_is_due(w->d, 1, 3));
}

/* ---- the rest ---- */

static void count(void *arg, uint16_t device, const struct gw_ranges *due)
{
	(void)device, (void)due;
	++*(int *)arg;
}

static void a_failed_commit_hands_all_books_in_again(void **state)
{
	int n = 0;

	(void)state;
	gw_deliver_due(w->d, 9, 1, 1); /* a device that is no longer configured */
	gw_deliver_settle(w->d, 9, 1, 1);
	gw_deliver_changed(w->d, count, &n);
	assert_int_equal(n, 1);
	gw_deliver_changed(w->d, count, &n);
	assert_int_equal(n, 1);
	gw_deliver_mark_all(w->d);
	gw_deliver_changed(w->d, count, &n);
	assert_int_equal(n, 2);
}

static void two_sinks_are_independent(void **state)
{
	struct gw_deliver *other = deliver_of(w, 0);
	struct gw_reading *r;

	(void)state;
	gw_deliver_connected(other, 4, w->now_us);
	r = make(1, 1);
	gw_deliver_reading(other, r, 1);
	gw_deliver_pump(w->d, w->now_us);
	expect("");
	gw_deliver_pump(other, w->now_us);
	expect("live 1/1\n");
	gw_deliver_ack(other, &(struct gw_ack){ .device = 1, .credit = 1, .from = 1, .to = 1 });
	assert_false(gw_deliver_is_due(other, 1, 1));
	assert_true(gw_deliver_is_due(w->d, 1, 1));
	gw_deliver_free(other);
}

static void an_answer_after_a_disconnect_is_thrown_away(void **state)
{
	(void)state;
	make(1, 1);
	commit();
	connect_with(10, NULL);
	gw_deliver_pump(w->d, w->now_us);
	assert_true(w->fetching);
	gw_deliver_disconnected(w->d);
	connect_with(10, NULL);
	answer_fetch(); /* of the session before: stale, asked for again */
	pump();
	expect("replay 1/1-1 (1)\n");
	gw_deliver_disconnected(w->d);
	connect_with(10, NULL);
	gw_deliver_pump(w->d, w->now_us);
	w->fetching = false;
	gw_deliver_rows(w->d, NULL); /* failed */
	w->log[0] = '\0';
	pump();
	expect("replay 1/1-1 (1)\n");
}

static void three_days_of_outage_drain(void **state)
{
	enum { READINGS = 259200 }; /* one a second */
	size_t left = READINGS;

	(void)state;
	w->quiet = true;
	for (uint64_t i = 0; i < READINGS; i++) {
		w->rows[w->nrows++] = (struct row){ .device = (uint16_t)(1 + i % 2), .seq = 1 + i / 2 };
		gw_deliver_due(w->d, (uint16_t)(1 + i % 2), 1 + i / 2, 1 + i / 2);
	}
	commit();
	connect_with(50, NULL);
	while (left) {
		pump();
		assert_true(w->nsent > 0);
		for (size_t i = 0; i < w->nsent; i++) {
			left -= w->sent[i].n;
			ack(w->sent[i].device, w->sent[i].seq[0], w->sent[i].seq[w->sent[i].n - 1]);
		}
		w->nsent = 0;
	}
	assert_int_equal(gw_deliver_stats(w->d).backlog, 0);
	assert_int_equal(gw_deliver_due_of(w->d, 1)->total + gw_deliver_due_of(w->d, 2)->total, 0);
}

/* ---- days of a random life ---- */

enum { DEVICES = 6, PER_DEVICE = 45000 };

struct life {
	uint8_t taken[DEVICES][PER_DEVICE], lost[DEVICES][PER_DEVICE];
	uint64_t next[DEVICES], backlog_at[DEVICES];
	uint8_t tried[DEVICES][PER_DEVICE];
	uint64_t again, bound; /* duplicates, and what was in flight at disconnects */
	size_t from; /* first packet that was not looked at */
	struct gw_duty duty;
	uint64_t random;
};

static unsigned chance(struct life *l, unsigned of)
{
	l->random = l->random * 6364136223846793005u + 1442695040888963407u;
	return (unsigned)(l->random >> 33) % of;
}

static void far_end_sees(struct life *l, const struct packet *p)
{
	for (size_t i = 0; i < p->n && p->kind != 'x'; i++) {
		uint8_t *tried = &l->tried[p->device][p->seq[i]];

		if (*tried && p->kind == 'l')
			fail_msg("a second attempt of %u/%llu was live", p->device, (unsigned long long)p->seq[i]);
		*tried = 1;
	}
}

/* The oldest packet is answered, in one of many ways. */
static void far_end_answers(struct life *l, bool calm)
{
	struct packet p = w->sent[0];
	struct gw_ack a = { .device = p.device, .credit = 1, .from = p.seq[0], .to = p.seq[p.n - 1] };

	memmove(w->sent, w->sent + 1, --w->nsent * sizeof(p));
	l->from = w->nsent;
	if (p.kind == 'x')
		a.what = GW_ACK_LOSS;
	else if (!calm && chance(l, 50) == 0)
		a.result = GW_ACK_AGAIN;
	else if (!calm && chance(l, 2000) == 0)
		a.result = GW_ACK_REFUSED;
	for (size_t i = 0; i < p.n && a.result == GW_ACK_DONE && p.kind != 'x'; i++) {
		l->again += l->taken[p.device][p.seq[i]] > 0;
		l->taken[p.device][p.seq[i]] = 1;
	}
	gw_deliver_ack(w->d, &a);
}

static void cut(struct life *l)
{
	for (size_t i = 0; i < w->nsent; i++) {
		struct packet *p = &w->sent[i];

		if (p->kind != 'x')
			l->bound += p->n;
		for (size_t k = 0; k < p->n && p->kind != 'x' && chance(l, 2); k++)
			l->taken[p->device][p->seq[k]] = 1; /* arrived; its acknowledgement did not */
	}
	w->nsent = l->from = 0;
	gw_deliver_disconnected(w->d);
}

static void look_at_new(struct life *l)
{
	for (; l->from < w->nsent; l->from++)
		far_end_sees(l, &w->sent[l->from]);
	assert_true(gw_deliver_stats(w->d).in_use <= gw_deliver_stats(w->d).window);
	assert_int_equal(gw_deliver_stats(w->d).in_use, w->nsent);
}

/* Nothing in such a life lasts so long that the watchdog would take it for a fault. */
static void look_as_the_watchdog_does(struct life *l)
{
	struct gw_deliver_stats s = gw_deliver_stats(w->d);

	gw_duty_look(&l->duty, &(struct gw_duty_look){ .done = s.moves, .work = s.can_send,
						       .reason = s.full ? "full" : NULL }, w->now_us, 30 * S);
	assert_int_not_equal(l->duty.state, GW_DUTY_STUCK);
}

static void live_a_second(struct life *l, bool calm)
{
	bool connected = gw_deliver_stats(w->d).connected;

	w->now_us += S;
	for (uint16_t dev = 0; dev < DEVICES; dev++)
		if (chance(l, 3) == 0 && l->next[dev] < PER_DEVICE && w->nrows < ROWS)
			w->newest[dev] = make(dev, l->next[dev]++);
	if (!connected && (calm || chance(l, 600) == 0))
		connect_with(1 + chance(l, 40), NULL);
	else if (connected && !calm && chance(l, 300) == 0)
		cut(l);
	w->full = !calm && chance(l, 20) == 0;
	if (chance(l, 3) == 0)
		commit();
	else if (chance(l, 20) == 0)
		gw_deliver_mark_all(w->d);
	pump();
	look_at_new(l);
	for (unsigned n = chance(l, calm ? 60 : 20); n && w->nsent; n--)
		far_end_answers(l, calm);
	pump();
	look_at_new(l);
	look_as_the_watchdog_does(l);
	if (!calm && chance(l, 5000) == 0) {
		uint16_t dev = (uint16_t)chance(l, DEVICES);

		give_up(dev, 1, 1 + chance(l, (unsigned)l->next[dev]));
	}
}

static void mark_lost(struct life *l)
{
	for (size_t i = 0; i < w->nlosses; i++) {
		assert_int_equal(w->losses[i].state, 2);
		for (uint64_t seq = w->losses[i].from; seq <= w->losses[i].to; seq++)
			l->lost[w->losses[i].device][seq]++;
	}
}

static void every_reading_of_two_days_is_taken_or_lost_once(void **state)
{
	struct life *l = calloc(1, sizeof(*l));

	(void)state;
	w->quiet = true;
	for (uint16_t dev = 0; dev < DEVICES; dev++) {
		gw_deliver_device(w->d, dev, 5 * S);
		l->next[dev] = 1;
	}
	l->random = 20251122;
	for (int second = 0; second < 100000; second++)
		live_a_second(l, false);
	cut(l); /* devices that were parked go on */
	for (int second = 0; second < 4000; second++)
		live_a_second(l, true);
	for (int turn = 0; turn < 30; turn++) { /* nothing new */
		w->now_us += S;
		commit();
		pump();
		look_at_new(l);
		while (w->nsent)
			far_end_answers(l, true);
	}
	assert_int_equal(gw_deliver_stats(w->d).backlog, 0);
	assert_int_equal(gw_deliver_stats(w->d).losses, 0);
	mark_lost(l);
	for (uint16_t dev = 0; dev < DEVICES; dev++) {
		assert_int_equal(gw_deliver_due_of(w->d, dev)->total, 0);
		for (uint64_t seq = 1; seq < l->next[dev]; seq++) {
			assert_in_range(l->lost[dev][seq], 0, 1);
			if (l->taken[dev][seq] + l->lost[dev][seq] == 0)
				fail_msg("%u/%llu is nowhere", dev, (unsigned long long)seq);
		}
	}
	assert_true(l->again <= l->bound);
	free(l);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
	const struct CMUnitTest tests[] = {
		TEST(a_new_reading_goes_out_live_at_once),
		TEST(the_window_is_never_exceeded_and_live_waits_in_line),
		TEST(live_waits_when_the_link_is_full),
		TEST(what_waited_too_long_becomes_backlog),
		TEST(what_was_passed_by_is_found_although_commits_go_on),
		TEST(a_walk_that_reached_its_end_begins_anew),
		TEST(the_ring_s_release_takes_what_waits_out_of_line),
		TEST(after_a_reconnect_the_newest_goes_first_then_the_backlog_by_device),
		TEST(with_more_devices_than_credits_the_newest_of_all_still_go_first),
		TEST(an_old_newest_reading_goes_as_replay),
		TEST(a_disconnect_returns_everything_and_a_second_attempt_is_never_live),
		TEST(a_backlog_that_could_go_and_does_not_is_told_from_one_that_cannot),
		TEST(a_backlog_that_the_store_does_not_have_is_asked_for_again_and_again),
		TEST(replay_takes_at_most_three_quarters_of_the_window),
		TEST(the_replay_rate_is_a_cap),
		TEST(a_rate_of_one_a_second_moves_although_the_loop_is_busy),
		TEST(a_refusal_parks_that_device_until_the_next_connection),
		TEST(what_is_too_large_becomes_a_loss),
		TEST(what_was_not_sent_is_fetched_again),
		TEST(words_about_what_was_never_sent_count_for_nothing),
		TEST(a_range_acknowledges_only_what_was_in_it),
		TEST(losses_grow_while_unsent_and_never_afterwards),
		TEST(a_loss_is_sent_only_when_a_commit_has_kept_it),
		TEST(a_refused_loss_waits_for_the_next_connection),
		TEST(books_stay_open_until_a_loss_is_acknowledged),
		TEST(giving_up_never_touches_what_is_in_flight),
		TEST(what_is_asked_for_again_goes_once_more),
		TEST(what_is_asked_for_and_left_the_store_is_not_waited_for),
		TEST(what_is_asked_for_and_left_the_store_ends_before_what_is_due),
		TEST(what_is_asked_for_of_an_empty_store_ends),
		TEST(what_a_former_process_was_asked_for_and_is_gone_is_no_loss),
		TEST(what_was_asked_for_and_is_given_up_is_no_loss_again),
		TEST(what_is_declared_lost_does_not_come_because_somebody_asks),
		TEST(what_was_asked_for_and_left_the_store_on_its_way_ends_after_a_disconnect),
		TEST(what_was_asked_for_and_never_acknowledged_is_no_loss_when_it_is_given_up),
		TEST(what_was_sent_and_never_acknowledged_is_not_said_to_be_lost_for_sure),
		TEST(a_backlog_in_the_asked_range_is_never_forgotten),
		TEST(a_failed_commit_hands_all_books_in_again),
		TEST(two_sinks_are_independent),
		TEST(an_answer_after_a_disconnect_is_thrown_away),
		TEST(three_days_of_outage_drain),
		TEST(every_reading_of_two_days_is_taken_or_lost_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
