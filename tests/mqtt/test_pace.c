/* test_pace.c - backlog over a line that is simulated: its rate, its delay, and what they do to a
 * live reading. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "plugins/mqtt/pace.h"

enum { FLIGHT_MAX = 4096 };
#define MS INT64_C(1000)
#define S (1000 * MS)

/* Messages go out one after the other at `rate`; each is acknowledged `delay` after its last byte. */
struct line {
	double rate; /* bytes/s */
	int64_t delay_us, free_at_us, now_us;
	struct {
		size_t size, flight;
		int64_t sent_us, acked_us;
	} sent[FLIGHT_MAX];
	size_t n, flight, delivered;
	struct mqtt_pace pace;
};

static void send(struct line *l, size_t size)
{
	int64_t begins = l->free_at_us > l->now_us ? l->free_at_us : l->now_us;

	assert_true(l->n < FLIGHT_MAX);
	l->free_at_us = begins + (int64_t)((double)size * 1e6 / l->rate);
	l->flight += size;
	l->sent[l->n].size = size;
	l->sent[l->n].flight = l->flight;
	l->sent[l->n].sent_us = l->now_us;
	l->sent[l->n++].acked_us = l->free_at_us + l->delay_us;
}

static void acknowledge(struct line *l)
{
	size_t k = 0;

	while (k < l->n && l->sent[k].acked_us <= l->now_us) {
		l->flight -= l->sent[k].size;
		l->delivered += l->sent[k].size;
		mqtt_pace_acked(&l->pace, l->sent[k].flight, l->sent[k].sent_us, l->sent[k].acked_us);
		k++;
	}
	for (size_t i = k; i < l->n; i++)
		l->sent[i - k] = l->sent[i];
	l->n -= k;
}

/* Backlog in messages of `most` bytes, or in pieces. */
static void fill(struct line *l, size_t most)
{
	for (;;) {
		size_t piece = mqtt_pace_piece(&l->pace), size = most < piece ? most : piece;

		if (l->flight + size > l->pace.allowance || l->n == FLIGHT_MAX)
			return;
		send(l, size);
	}
}

static void run(struct line *l, int64_t for_us, size_t most)
{
	int64_t end = l->now_us + for_us;

	for (; l->now_us < end; l->now_us += MS) {
		acknowledge(l);
		fill(l, most);
	}
}

/* How long a live reading would wait behind what is in flight. */
static int64_t wait_us(const struct line *l)
{
	return l->free_at_us > l->now_us ? l->free_at_us - l->now_us : 0;
}

static void live_waits_a_tenth_of_a_second_and_the_line_is_full(void **state)
{
	static const struct {
		double rate;
		int64_t delay_us;
	} lines[] = { { 4e3, 300 * MS }, { 16e3, 600 * MS }, { 16e3, 5 * MS }, { 125e3, 40 * MS },
		      { 125e3, 700 * MS }, { 1.25e6, 20 * MS }, { 30e6, 1 * MS } };

	(void)state;
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		struct line *l = calloc(1, sizeof(*l));
		size_t before;
		int64_t most_us = 0;

		l->rate = lines[i].rate;
		l->delay_us = lines[i].delay_us;
		mqtt_pace_begin(&l->pace);
		send(l, 300); /* status and the first live readings */
		run(l, 30 * S, 27000);
		before = l->delivered;
		for (int k = 0; k < 300; k++) {
			run(l, 100 * MS, 27000);
			if (wait_us(l) > most_us)
				most_us = wait_us(l);
		}
		print_message("%8.0f bytes/s, %3lld ms: %3.0f %% used, a live reading waits %lld ms at most\n", l->rate,
			      (long long)(l->delay_us / MS), 100 * (double)(l->delivered - before) / l->rate / 30,
			      (long long)(most_us / MS));
		assert_true((double)(l->delivered - before) > 0.8 * l->rate * 30);
		assert_true(most_us <= 200 * MS + (int64_t)(MQTT_PACE_LEAST * 1e6 / l->rate));
		free(l);
	}
}

static void a_line_that_becomes_thin_is_noticed(void **state)
{
	struct line *l = calloc(1, sizeof(*l));

	(void)state;
	l->rate = 10e6;
	l->delay_us = 30 * MS;
	mqtt_pace_begin(&l->pace);
	send(l, 300);
	run(l, 5 * S, 27000);
	assert_true(l->pace.allowance > 1024 * 1024);
	l->rate = 100e3;
	run(l, 120 * S, 27000);
	assert_true(wait_us(l) <= 200 * MS);
	free(l);
}

static void a_way_that_becomes_longer_is_measured_anew(void **state)
{
	struct line *l = calloc(1, sizeof(*l));
	size_t before;

	(void)state;
	l->rate = 500e3;
	l->delay_us = 30 * MS;
	mqtt_pace_begin(&l->pace);
	send(l, 300);
	run(l, 10 * S, 27000);
	l->delay_us = 400 * MS;
	run(l, 90 * S, 27000);
	before = l->delivered;
	run(l, 30 * S, 27000);
	assert_true((double)(l->delivered - before) > 0.8 * l->rate * 30);
	assert_true(wait_us(l) <= 200 * MS);
	free(l);
}

/* Its own backlog must not pass for the delay of the line. */
static void an_hour_of_backlog_makes_nothing_later(void **state)
{
	struct line *l = calloc(1, sizeof(*l));

	(void)state;
	l->rate = 50e3;
	l->delay_us = 80 * MS;
	mqtt_pace_begin(&l->pace);
	send(l, 300);
	run(l, 3600 * S, 27000);
	assert_in_range(l->pace.least_us, 80 * MS, 140 * MS);
	assert_true((double)l->delivered > 0.9 * l->rate * 3600);
	for (int k = 0; k < 1000; k++) {
		run(l, 100 * MS, 27000);
		assert_true(wait_us(l) <= 200 * MS);
	}
	free(l);
}

static void one_late_acknowledgement_halves_it_once(void **state)
{
	struct mqtt_pace p;

	(void)state;
	mqtt_pace_begin(&p);
	mqtt_pace_acked(&p, 2000, 0, 10 * MS);
	assert_int_equal(p.allowance, 11 * 2000);
	mqtt_pace_acked(&p, 20000, 1 * S, 11 * S);
	assert_int_equal(p.allowance, 10000);
	mqtt_pace_acked(&p, 20000, 1 * S, 11 * S); /* of the same flight */
	assert_int_equal(p.allowance, 10000);
	mqtt_pace_acked(&p, 20000, 11 * S, 21 * S);
	assert_int_equal(p.allowance, 5000);
}

static void it_never_falls_below_two_kib_nor_grows_without_end(void **state)
{
	struct mqtt_pace p;

	(void)state;
	mqtt_pace_begin(&p);
	mqtt_pace_acked(&p, 1, 0, 1);
	for (int64_t i = 1; i < 40; i++)
		mqtt_pace_acked(&p, 20000, i * S, (i + 1) * S);
	assert_int_equal(p.allowance, MQTT_PACE_LEAST);
	mqtt_pace_acked(&p, SIZE_MAX / 2, 50 * S, 50 * S);
	assert_int_equal(p.allowance, MQTT_PACE_MOST);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(live_waits_a_tenth_of_a_second_and_the_line_is_full),
		cmocka_unit_test(a_line_that_becomes_thin_is_noticed),
		cmocka_unit_test(a_way_that_becomes_longer_is_measured_anew),
		cmocka_unit_test(an_hour_of_backlog_makes_nothing_later),
		cmocka_unit_test(one_late_acknowledgement_halves_it_once),
		cmocka_unit_test(it_never_falls_below_two_kib_nor_grows_without_end),
	};

	return cmocka_run_group_tests_name("pace", tests, NULL, NULL);
}
