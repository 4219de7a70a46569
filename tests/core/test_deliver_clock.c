/* test_deliver_clock.c - corrections to one sink, and what it was told without a trusted time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "core/deliver.h"

enum { FORGOTTEN = 3 };

static struct gw_deliver *d;
static bool full; /* the link */
static char log_text[1024];

static void put(const char *what, uint64_t id)
{
	size_t n = strlen(log_text);

	snprintf(log_text + n, sizeof(log_text) - n, "%s %llu; ", what, (unsigned long long)id);
}

static void expect(const char *text)
{
	assert_string_equal(log_text, text);
	log_text[0] = '\0';
}

static int on_correction(void *arg, uint64_t id)
{
	(void)arg;
	if (id == FORGOTTEN)
		return -1;
	if (!full)
		put("correction", id);
	return !full;
}

static void on_corrected(void *arg, uint64_t id)
{
	(void)arg;
	put("corrected", id);
}

static void on_fetch(void *arg, uint64_t from_id, size_t max_rows, size_t max_bytes)
{
	(void)arg, (void)from_id, (void)max_rows, (void)max_bytes;
}

void gw_rows_free(struct gw_rows *rows)
{
	(void)rows;
}

static const struct gw_deliver_ops ops = { .correction = on_correction, .corrected = on_corrected, .fetch = on_fetch };

static int begin(void **state)
{
	(void)state;
	d = gw_deliver_new(&(struct gw_deliver_options){ .sink = 1, .ops = &ops });
	full = false;
	log_text[0] = '\0';
	return 0;
}

static int end(void **state)
{
	(void)state;
	gw_deliver_free(d);
	return 0;
}

static void ack(uint64_t id, enum gw_ack_result result)
{
	gw_deliver_ack(d, &(struct gw_ack){ .what = GW_ACK_CORRECTION, .result = (uint8_t)result, .credit = 1,
					    .from = id, .to = id });
}

static void corrections_go_one_after_the_other_and_each_is_acknowledged_once(void **state)
{
	(void)state;
	gw_deliver_corrected(d, 0);
	gw_deliver_corrections(d, 4);
	gw_deliver_pump(d, 0);
	expect(""); /* nobody is there */
	gw_deliver_connected(d, 10, 0);
	gw_deliver_pump(d, 0);
	gw_deliver_pump(d, 0);
	expect("correction 1; ");
	ack(2, GW_ACK_DONE); /* a lie */
	expect("");
	ack(1, GW_ACK_DONE);
	ack(1, GW_ACK_DONE);
	expect("corrected 1; ");
	gw_deliver_pump(d, 0);
	ack(2, GW_ACK_DONE);
	expect("correction 2; corrected 2; ");
	gw_deliver_pump(d, 0); /* the third is forgotten */
	ack(4, GW_ACK_DONE);
	gw_deliver_pump(d, 0);
	expect("correction 4; corrected 4; ");
	assert_int_equal(gw_deliver_stats(d).in_use, 0);
}

static void a_correction_is_sent_again_until_it_is_acknowledged(void **state)
{
	(void)state;
	gw_deliver_corrections(d, 1);
	full = true;
	gw_deliver_connected(d, 10, 0);
	gw_deliver_pump(d, 0);
	full = false;
	expect("");
	gw_deliver_pump(d, 0);
	gw_deliver_disconnected(d);
	ack(1, GW_ACK_DONE); /* of the session before */
	gw_deliver_connected(d, 10, 0);
	gw_deliver_pump(d, 0);
	ack(1, GW_ACK_AGAIN);
	gw_deliver_pump(d, 0);
	expect("correction 1; correction 1; correction 1; ");
	ack(1, GW_ACK_REFUSED);
	gw_deliver_pump(d, 0);
	expect("");
	gw_deliver_disconnected(d);
	gw_deliver_connected(d, 10, 0);
	gw_deliver_pump(d, 0);
	ack(1, GW_ACK_DONE);
	expect("correction 1; corrected 1; ");
}

static void a_sink_gets_only_the_corrections_that_it_does_not_have(void **state)
{
	(void)state;
	gw_deliver_corrected(d, 6);
	gw_deliver_corrections(d, 7);
	gw_deliver_connected(d, 10, 0);
	gw_deliver_pump(d, 0);
	expect("correction 7; ");
}

static void see_told(void *arg, uint16_t device, const struct gw_ranges *told)
{
	(void)arg;
	put("device", device);
	put("ranges", told->n);
	put("numbers", told->total);
}

static void what_a_sink_was_told_is_handed_in_when_it_changed(void **state)
{
	(void)state;
	gw_deliver_told(d, 5, 10, 10);
	gw_deliver_told(d, 5, 11, 12);
	gw_deliver_told(d, 5, 11, 11);
	assert_true(gw_deliver_was_told(d, 5, 12));
	assert_false(gw_deliver_was_told(d, 5, 13));
	assert_false(gw_deliver_was_told(d, 4, 12));
	assert_false(gw_deliver_was_told(d, 40000, 12));
	gw_deliver_told_changed(d, see_told, NULL);
	expect("device 5; ranges 1; numbers 3; ");
	gw_deliver_told(d, 5, 12, 12); /* known */
	gw_deliver_told_changed(d, see_told, NULL);
	expect("");
	gw_deliver_disconnected(d); /* changes nothing of it */
	assert_true(gw_deliver_was_told(d, 5, 12));
}

static void many_scattered_numbers_stay_small_and_none_is_forgotten(void **state)
{
	(void)state;
	for (uint64_t seq = 1; seq <= 100000; seq += 2)
		gw_deliver_told(d, 1, seq, seq);
	for (uint64_t seq = 1; seq <= 100000; seq += 2)
		assert_true(gw_deliver_was_told(d, 1, seq));
	assert_false(gw_deliver_was_told(d, 1, 99998)); /* the newest are exact */
	gw_deliver_told_changed(d, see_told, NULL);
	assert_non_null(strstr(log_text, "ranges 200; ")); /* 3200 bytes: a value of `state` */
}

/* As the timekeeper does it. */
static void send_marked(uint64_t seq)
{
	gw_deliver_told(d, 1, gw_deliver_told_from(d, 1, seq), seq);
}

static void what_waits_between_scattered_numbers_is_told_with_them_and_never_what_went_with_its_true_time(void **state)
{
	(void)state;
	for (uint64_t time = 0; time < 4; time++) {
		for (uint64_t seq = 1; seq <= 1000; seq += 2)
			send_marked(time * 10000 + seq);
		gw_deliver_trusted(d); /* the others, and those up to the next time, go with their true one */
		for (uint64_t earlier = 0; earlier <= time; earlier++) {
			assert_true(gw_deliver_was_told(d, 1, earlier * 10000 + 999));
			assert_false(gw_deliver_was_told(d, 1, earlier * 10000 + 2));
			assert_false(gw_deliver_was_told(d, 1, earlier * 10000 + 1500));
		}
	}
	assert_true(gw_deliver_was_told(d, 1, 998)); /* while it waited */
}

#define T(f) cmocka_unit_test_setup_teardown(f, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(corrections_go_one_after_the_other_and_each_is_acknowledged_once),
		T(a_correction_is_sent_again_until_it_is_acknowledged),
		T(a_sink_gets_only_the_corrections_that_it_does_not_have),
		T(what_a_sink_was_told_is_handed_in_when_it_changed),
		T(many_scattered_numbers_stay_small_and_none_is_forgotten),
		T(what_waits_between_scattered_numbers_is_told_with_them_and_never_what_went_with_its_true_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
