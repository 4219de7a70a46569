/*
 * test_pace.c - the publisher over a line that is simulated: its rate, its delay, how that moves and
 * how the broker acknowledges; what they do to a live reading and to the backlog behind it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "one_device.h"
#include "plugins/mqtt/pace.h"
#include "plugins/mqtt/publish.h"

enum { FLIGHT_MAX = 1024, GROUP = 100 };
#define MS INT64_C(1000)
#define S (1000 * MS)

struct line { /* what the way to the broker is like */
	const char *name;
	double rate; /* bytes/s */
	int64_t delay_us, jitter_us, moves_us, batch_us;
	unsigned window;
	double least_used; /* share of the rate that backlog reaches, */
	int64_t live_ms;   /* and how long a live reading waits at most, once it is known */
};

struct fixture {
	struct one_device device;
	struct mqtt_publisher *p;
	struct maker maker;
	alignas(8) char blocks[GROUP][512];
	struct line line;
	int64_t now, free_at_us, last_ack_us, next_live_us, live_asked_us, worst_us, moved_us, move_at_us;
	struct {
		int token;
		size_t size;
		int64_t at_us;
	} flight[FLIGHT_MAX];
	size_t n, delivered;
	int token;
	unsigned in_use, dice;
};

/* ---- the line ---- */

static int64_t throw(struct fixture *f, int64_t below)
{
	f->dice = f->dice * 1664525U + 1013904223U;
	return below ? (int64_t)(f->dice >> 8) % below : 0;
}

static int64_t delay_now(struct fixture *f)
{
	if (f->line.jitter_us && f->now >= f->move_at_us) {
		f->moved_us = throw(f, f->line.jitter_us);
		f->move_at_us = f->now + f->line.moves_us;
	}
	return f->line.delay_us + f->moved_us;
}

static enum mqtt_send over_the_line(void *arg, const struct mqtt_document *d, int *token)
{
	struct fixture *f = arg;
	int64_t at;

	assert_true(f->n < f->line.window);
	if (f->free_at_us < f->now)
		f->free_at_us = f->now;
	f->free_at_us += (int64_t)((double)d->size * 1e6 / f->line.rate);
	at = f->free_at_us + delay_now(f);
	if (f->line.batch_us)
		at = (at / f->line.batch_us + 1) * f->line.batch_us;
	if (at < f->last_ack_us)
		at = f->last_ack_us;
	f->last_ack_us = at;
	*token = f->flight[f->n].token = ++f->token;
	f->flight[f->n].size = d->size;
	f->flight[f->n++].at_us = at;
	if (strcmp(d->topic, "r/gw/m/data") == 0 && f->free_at_us - f->live_asked_us > f->worst_us)
		f->worst_us = f->free_at_us - f->live_asked_us;
	return MQTT_SENT;
}

static void acknowledge(struct fixture *f)
{
	size_t k = 0;

	for (; k < f->n && f->flight[k].at_us <= f->now; k++) {
		f->delivered += f->flight[k].size;
		mqtt_publisher_acked(f->p, f->flight[k].token, 0, f->now);
	}
	memmove(f->flight, f->flight + k, (f->n - k) * sizeof(*f->flight));
	f->n -= k;
}

/* ---- the core ---- */

static void on_ack(void *arg, unsigned device, uint64_t from, uint64_t to, enum gw_outcome o, unsigned credit)
{
	(void)device, (void)from, (void)to, (void)o;
	((struct fixture *)arg)->in_use -= credit;
}

static bool no_document(void *arg, struct mqtt_document *d)
{
	(void)arg, (void)d;
	return false;
}

static const struct mqtt_publisher_ops ops = { .send = over_the_line, .document = no_document, .ack = on_ack };

static void give(struct fixture *f, bool live, size_t count)
{
	const struct gw_reading *readings[GROUP];

	for (size_t i = 0; i < count; i++)
		readings[i] = (const void *)f->blocks[i];
	f->in_use++;
	one_device_give(&f->device, f->p, live, readings, count);
}

/* A live reading each 200 ms, backlog without end. */
static void core(struct fixture *f, bool backlog)
{
	if (f->now >= f->next_live_us && f->in_use < f->line.window) {
		f->live_asked_us = f->next_live_us;
		f->next_live_us += 200 * MS;
		give(f, true, 1);
	}
	while (backlog && f->in_use < f->line.window - f->line.window / 4)
		give(f, false, GROUP);
}

/* ---- a run ---- */

static void run(struct fixture *f, int64_t for_us, bool backlog)
{
	int64_t end = f->now + for_us;

	f->delivered = 0;
	f->worst_us = 0;
	for (; f->now < end; f->now += MS) {
		acknowledge(f);
		core(f, backlog);
		mqtt_publisher_pump(f->p, f->now);
	}
}

static void begin(struct fixture *f, const struct line *l)
{
	f->line = *l;
	f->free_at_us = f->last_ack_us = f->move_at_us = f->moved_us = 0;
	f->n = f->in_use = 0;
	f->next_live_us = f->now;
	mqtt_publisher_open(f->p, &(struct mqtt_limits){ l->window, 1000000 }, f->now);
}

static double used(const struct fixture *f, int64_t for_us)
{
	return (double)f->delivered * 1e6 / (double)for_us / f->line.rate;
}

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	char text[221];

	one_device_make(&f->device);
	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	for (uint64_t i = 0; i < GROUP; i++) {
		maker_text(&f->maker, 0, text);
		const struct gw_reading *r = maker_done(&f->maker, 1000 + i, 5);
		memcpy(f->blocks[i], r, r->size);
	}
	f->now = 1 * S;
	f->p = mqtt_publisher_new(&ops, f);
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	mqtt_publisher_free(f->p);
	one_device_free(&f->device);
	free(f);
	return 0;
}

static void assert_used(const struct fixture *f, int64_t for_us)
{
	print_message("%-24s %3.0f %% used, a live reading waits %4lld ms at most\n", f->line.name,
		      100 * used(f, for_us), (long long)(f->worst_us / MS));
	assert_true(used(f, for_us) >= f->line.least_used);
	assert_true(f->worst_us <= f->line.live_ms * MS);
}

static void backlog_fills_the_line_and_live_goes_before_it(void **state)
{
	static const struct line lines[] = {
		{ "GPRS", 5e3, 600 * MS, 0, 0, 0, 50, 0.95, 1500 },
		{ "EDGE", 20e3, 400 * MS, 0, 0, 0, 50, 0.95, 1200 },
		{ "ISDN", 16e3, 20 * MS, 0, 0, 0, 50, 0.95, 1200 },
		{ "3G", 125e3, 150 * MS, 0, 0, 0, 50, 0.95, 1000 },
		{ "satellite", 125e3, 700 * MS, 0, 0, 0, 50, 0.9, 1500 },
		{ "satellite, two hops", 125e3, 1500 * MS, 0, 0, 0, 50, 0.9, 2500 },
		{ "LTE", 1e6, 40 * MS, 0, 0, 0, 50, 0.95, 1000 },
		{ "window 20", 1e6, 100 * MS, 0, 0, 0, 20, 0.95, 1000 },
		{ "window 10", 1e6, 200 * MS, 0, 0, 0, 10, 0.75, 1000 },
		{ "window 4", 100e3, 300 * MS, 0, 0, 0, 4, 0.5, 1000 },
		{ "window 2", 20e3, 40 * MS, 0, 0, 0, 2, 0.7, 3000 }, /* the core's calls take it whole */
		{ "delay moves each 0.1 s", 300e3, 60 * MS, 300 * MS, 100 * MS, 0, 50, 0.9, 1500 },
		{ "delay moves each second", 300e3, 60 * MS, 300 * MS, 1 * S, 0, 50, 0.9, 1500 },
		{ "acknowledged in batches", 300e3, 5 * MS, 0, 0, 250 * MS, 50, 0.9, 1500 },
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		begin(f, &lines[i]);
		run(f, 10 * S, false);
		run(f, 40 * S, true);
		run(f, 40 * S, true);
		assert_used(f, 40 * S);
	}
}

/* The line is another one under way, and that is learned within 80 s. */
static void assert_used_after(struct fixture *f, const struct line *before, double rate, int64_t delay_us)
{
	begin(f, before);
	run(f, 20 * S, true);
	f->line.rate = rate;
	f->line.delay_us = delay_us;
	run(f, 80 * S, true);
	run(f, 40 * S, true);
	assert_used(f, 40 * S);
}

static void a_line_that_becomes_thin_is_noticed(void **state)
{
	const struct line fast = { "1 MB/s, then 50 kB/s", 1e6, 30 * MS, 0, 0, 0, 50, 0.95, 1000 };

	assert_used_after(*state, &fast, 50e3, 30 * MS);
}

static void a_way_that_becomes_longer_is_measured_anew(void **state)
{
	const struct line near = { "20 ms, then 900 ms", 200e3, 20 * MS, 0, 0, 0, 50, 0.9, 1500 };

	assert_used_after(*state, &near, 200e3, 900 * MS);
}

/* Its own backlog must not pass for the delay of the line. */
static void an_hour_of_backlog_makes_nothing_later(void **state)
{
	struct fixture *f = *state;

	begin(f, &(struct line){ "an hour", 20e3, 80 * MS, 0, 0, 0, 50, 0.95, 1200 });
	run(f, 10 * S, true);
	run(f, 3600 * S, true);
	assert_used(f, 3600 * S);
}

static void a_hiccup_costs_a_few_seconds(void **state)
{
	static const unsigned windows[] = { 4, 8, 10, 20, 50 };
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof(windows) / sizeof(windows[0]); i++) {
		begin(f, &(struct line){ "a hiccup", 100e3, 300 * MS, 0, 0, 0, windows[i], 0.5, 1500 });
		run(f, 10 * S, false);
		f->last_ack_us = f->now + 3 * S; /* of a live reading alone */
		run(f, 10 * S, false);
		run(f, 20 * S, true);
		f->last_ack_us = f->free_at_us = f->now + 3 * S;
		run(f, 10 * S, true);
		run(f, 20 * S, true);
		assert_used(f, 20 * S);
	}
}

static void one_late_acknowledgement_halves_it_once(void **state)
{
	struct mqtt_pace p;

	(void)state;
	mqtt_pace_begin(&p);
	assert_int_equal(p.allowance, MQTT_PACE_FIRST);
	mqtt_pace_acked(&p, 10000, 0, 10 * MS);
	assert_int_equal(p.allowance, 20000); /* more than twice was not tried */
	mqtt_pace_acked(&p, 20000, 1 * S, 11 * S);
	assert_int_equal(p.allowance, 10000);
	mqtt_pace_acked(&p, 20000, 1 * S, 11 * S); /* of the same flight */
	assert_int_equal(p.allowance, 10000);
	mqtt_pace_acked(&p, 250, 11 * S, 21 * S);
	assert_int_equal(p.allowance, 5000);
}

static void it_stays_between_4_kib_and_64_mib(void **state)
{
	struct mqtt_pace p;

	(void)state;
	mqtt_pace_begin(&p);
	mqtt_pace_acked(&p, 1, 0, 1);
	for (int64_t i = 1; i < 40; i++)
		mqtt_pace_acked(&p, 5000, i * S, (i + 1) * S);
	assert_int_equal(p.allowance, MQTT_PACE_LEAST);
	mqtt_pace_acked(&p, SIZE_MAX / 4, 50 * S, 50 * S);
	assert_int_equal(p.allowance, MQTT_PACE_MOST);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
		T(backlog_fills_the_line_and_live_goes_before_it),
		T(a_line_that_becomes_thin_is_noticed),
		T(a_way_that_becomes_longer_is_measured_anew),
		T(an_hour_of_backlog_makes_nothing_later),
		T(a_hiccup_costs_a_few_seconds),
		cmocka_unit_test(one_late_acknowledgement_halves_it_once),
		cmocka_unit_test(it_stays_between_4_kib_and_64_mib),
	};

	return cmocka_run_group_tests_name("mqtt pace", tests, NULL, NULL);
}
