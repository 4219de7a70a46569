/* Scanning a serial line, in simulated time (sim_line.h). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "plugins/modbus/scan_order.h"
#include "tests/modbus/sim_line.h"

enum { MINUTE_US = 60000000, SECOND_US = 1000000 };

static const unsigned bauds[] = { 1200, 2400, 4800, 9600, 19200, 38400, 57600, 115200 };
enum { BAUDS = sizeof(bauds) / sizeof(bauds[0]), PARITIES = 3 };

/* Scans; returns the time it took. */
static int64_t scan(struct sim *s, struct mb_scan *found, const struct mb_scan_options *o)
{
	const struct mb_scan_options usual = { .function = 3 };
	struct mb_scan_wire wire = sim_wire(s);
	int64_t begun_us = s->now_us;
	struct gw_err err;

	*found = (struct mb_scan){ .count = 0 };
	assert_int_equal(mb_scan_serial(found, &wire, "the port", o ? o : &usual, &err), 0);
	assert_int_equal(s->writes, 0);
	assert_false(s->open);
	return s->now_us - begun_us;
}

/* Found are these units, at the setting of the first device. */
static void expect(const struct sim *s, const struct mb_scan *found, const unsigned *units, unsigned n)
{
	assert_int_equal(found->count, n);
	assert_int_equal(found->nsettings, n ? 1 : 0);
	for (unsigned i = 0; i < n; i++)
		assert_int_equal(found->found[i].unit, units[i]);
	if (n)
		assert_true(mb_serial_same(&found->settings[0], &s->devices[0].serial));
}

static void expect_all(const struct sim *s, const struct mb_scan *found)
{
	unsigned units[SIM_DEVICES];

	for (unsigned i = 0; i < s->ndevices; i++)
		units[i] = s->devices[i].unit;
	expect(s, found, units, s->ndevices);
}

/* ---- the order ---- */

static void every_unit_at_every_setting_is_in_the_order_once(void **state)
{
	static uint8_t seen[MB_SCAN_SETTINGS_MAX][MB_UNIT_MAX + 1];
	struct mb_scan_step t;
	unsigned steps = 0;

	(void)state;
	for (; mb_scan_step(steps, &t); steps++)
		for (unsigned u = t.from; u <= t.to; u++)
			seen[t.setting][u]++;
	assert_true(steps > MB_SCAN_SETTINGS_MAX);
	for (unsigned i = 0; i < MB_SCAN_SETTINGS_MAX; i++)
		for (unsigned u = 1; u <= MB_UNIT_MAX; u++)
			assert_int_equal(seen[i][u], 1);
}

static bool is_of_the_minute(const struct mb_scan_step *t)
{
	return t->serial.baud >= 4800 || t->to <= 10;
}

static void the_steps_of_the_first_minute_take_a_minute(void **state)
{
	struct mb_scan_step t;
	int64_t us = 0, all_us = 0;
	bool more = true;

	(void)state;
	for (unsigned i = 0; mb_scan_step(i, &t); i++) {
		all_us += mb_scan_step_us(&t, 200000);
		/* What belongs to it comes before what does not. */
		assert_true(more || !is_of_the_minute(&t));
		more &= is_of_the_minute(&t);
		us += more ? mb_scan_step_us(&t, 200000) : 0;
	}
	assert_in_range(us, 55 * SECOND_US, 60 * SECOND_US);
	assert_in_range(all_us, 160 * SECOND_US, 170 * SECOND_US);
}

/* ---- random settings ---- */

static bool is_promised_within_a_minute(unsigned baud, unsigned unit)
{
	return baud >= 4800 || unit <= 10;
}

static void random_settings_are_found_in_the_time_promised(void **state)
{
	enum { SEEDS = 400 };
	int64_t worst_us[2] = { 0 }, sum_us = 0;
	unsigned within = 0;

	(void)state;
	for (uint64_t seed = 1; seed <= SEEDS; seed++) {
		struct mb_scan found;
		struct sim s;
		struct sim_device *d;
		int64_t us;
		bool soon;

		sim_begin(&s, seed);
		d = sim_add(&s, bauds[sim_below(&s, BAUDS)], (enum mb_parity)sim_below(&s, PARITIES),
			    1 + sim_below(&s, MB_UNIT_MAX), 1000 + sim_below(&s, 99000));
		d->serial.stop_bits = 1;
		d->refuses = sim_below(&s, 4) == 0;
		us = scan(&s, &found, NULL);
		expect_all(&s, &found);
		assert_string_equal(found.found[0].what + (d->refuses ? 0 : 6), d->refuses ? "exception 2" : "");
		soon = is_promised_within_a_minute(d->serial.baud, d->unit);
		worst_us[!soon] = us > worst_us[!soon] ? us : worst_us[!soon];
		within += us <= MINUTE_US;
		sum_us += us;
	}
	print_message("%u of %d within a minute, %.1f s on average; worst %.1f s, of the others %.1f s\n", within,
		      SEEDS, (double)sum_us / SEEDS / 1e6, (double)worst_us[0] / 1e6, (double)worst_us[1] / 1e6);
	assert_true(worst_us[0] <= MINUTE_US);
	assert_true(worst_us[1] <= 180 * (int64_t)SECOND_US);
	assert_true(within * 100 >= 75 * SEEDS);
}

/* ---- a line that is not well ---- */

struct plight {
	bool echoes;
	int64_t latch_us, noise_us;
};

/* A few devices at one setting; returns how many scans missed one. */
static unsigned scan_many(const struct plight *p, unsigned seeds, int64_t *worst_us)
{
	unsigned missed = 0;

	*worst_us = 0;
	for (uint64_t seed = 1; seed <= seeds; seed++) {
		struct mb_scan found;
		struct sim s;
		unsigned baud, unit = 0, n;
		enum mb_parity parity;
		int64_t us;

		sim_begin(&s, seed + 5000);
		s.echoes = p->echoes;
		s.latch_us = p->latch_us;
		s.noise_us = p->noise_us;
		baud = bauds[2 + sim_below(&s, BAUDS - 2)];
		parity = (enum mb_parity)sim_below(&s, PARITIES);
		n = 1 + sim_below(&s, 6);
		for (unsigned i = 0; i < n; i++)
			sim_add(&s, baud, parity, unit += 1 + sim_below(&s, i % 2 ? 3 : 60), 500 + sim_below(&s, 80000));
		us = scan(&s, &found, NULL);
		*worst_us = us > *worst_us ? us : *worst_us;
		/* Missing one may be the line's fault; one that is not there never is. */
		for (unsigned i = 0; i < found.count; i++) {
			bool there = false;

			for (unsigned k = 0; k < n; k++)
				there |= s.devices[k].unit == found.found[i].unit;
			assert_true(there);
		}
		missed += found.count != n;
	}
	return missed;
}

static void devices_are_found_through_any_adapter(void **state)
{
	static const struct plight plights[] = { { .echoes = false }, { .echoes = true }, { .latch_us = 16000 },
						 { .echoes = true, .latch_us = 16000 } };
	int64_t worst_us;

	(void)state;
	for (size_t i = 0; i < sizeof(plights) / sizeof(plights[0]); i++) {
		unsigned missed = scan_many(&plights[i], 30, &worst_us);

		print_message("echo %d, latch %d: %u of 30 miss a unit, worst %.1f s\n", plights[i].echoes,
			      (int)plights[i].latch_us, missed, (double)worst_us / 1e6);
		assert_int_equal(missed, 0);
	}
}

static void noise_makes_no_devices_and_hides_few(void **state)
{
	static const struct {
		int64_t noise_us;
		bool echoes;
		unsigned missed, worst_s;
	} cases[] = { { 5000000, false, 2, 75 }, { 1000000, false, 3, 80 }, { 1000000, true, 3, 130 },
		      { 200000, false, 6, 400 } };
	int64_t worst_us;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct plight p = { .noise_us = cases[i].noise_us, .echoes = cases[i].echoes };
		unsigned missed = scan_many(&p, 40, &worst_us);

		print_message("a stray byte each %.1f s: %u of 40 miss a unit, worst %.1f s\n",
			      (double)p.noise_us / 1e6, missed, (double)worst_us / 1e6);
		assert_true(missed <= cases[i].missed);
		assert_true(worst_us < cases[i].worst_s * (int64_t)SECOND_US);
	}
}

static void an_answer_that_comes_once_is_nobody(void **state)
{
	struct mb_scan found;
	struct sim s;

	(void)state;
	sim_begin(&s, 8);
	s.ghost = (struct sim_device){ .serial = mb_serial_default, .unit = 3, .latency_us = 70000 };
	s.ghost.serial.baud = 19200;
	scan(&s, &found, NULL);
	assert_int_equal(s.ghost.answers, 1);
	expect(&s, &found, NULL, 0);
}

static void heavy_noise_alone_is_nobody(void **state)
{
	static const int64_t each_us[] = { 1000000, 100000, 20000, 3000 };

	(void)state;
	for (uint64_t seed = 1; seed <= 3; seed++)
		for (size_t i = 0; i < sizeof(each_us) / sizeof(each_us[0]); i++) {
			struct mb_scan found;
			struct sim s;

			sim_begin(&s, seed);
			s.noise_us = each_us[i];
			assert_true(scan(&s, &found, NULL) < 1000 * (int64_t)SECOND_US);
			expect(&s, &found, NULL, 0);
			assert_int_equal(found.master.serial.baud, 0);
		}
}

static void another_master_is_named_and_makes_no_devices(void **state)
{
	int64_t worst_us = 0;

	(void)state;
	for (uint64_t seed = 1; seed <= 100; seed++) {
		struct mb_scan found;
		struct sim s;
		int64_t us;

		sim_begin(&s, seed);
		s.master_us = 60000 + sim_below(&s, 900000);
		s.slave = (struct sim_device){ .serial = mb_serial_default, .unit = 1 + sim_below(&s, MB_UNIT_MAX),
					       .latency_us = 5000 };
		s.slave.serial.baud = bauds[sim_below(&s, BAUDS)];
		s.slave.serial.parity = (enum mb_parity)sim_below(&s, PARITIES);
		if (s.slave.serial.baud <= 2400)
			s.master_us += 300000;
		us = scan(&s, &found, NULL);
		worst_us = us > worst_us ? us : worst_us;
		assert_true(mb_serial_same(&found.master.serial, &s.slave.serial));
		assert_int_equal(found.master.unit, s.slave.unit);
		assert_int_equal(found.count, 0);
	}
	print_message("another master: known after %.1f s at the latest\n", (double)worst_us / 1e6);
	assert_true(worst_us < MINUTE_US);
}

static void what_was_found_before_the_other_master_spoke_is_kept(void **state)
{
	const struct mb_scan_options all = { .function = 3, .all = true };
	struct mb_scan found;
	struct sim s;

	(void)state;
	sim_begin(&s, 7);
	sim_add(&s, 9600, MB_PARITY_NONE, 4, 8000);
	s.slave = (struct sim_device){ .serial = mb_serial_default, .unit = 9, .latency_us = 5000 };
	s.slave.serial.baud = 19200;
	s.master_us = 700000;
	s.next_master_us = 20 * (int64_t)SECOND_US;
	scan(&s, &found, &all);
	expect_all(&s, &found);
	assert_int_equal(found.master.serial.baud, 19200);
	assert_int_equal(found.master.unit, 9);
}

/* ---- devices ---- */

static void a_full_line_is_found_whole(void **state)
{
	static const int64_t latencies_us[] = { 500, 12000, 45000, 120000 };
	struct mb_scan found;

	(void)state;
	for (size_t i = 0; i < sizeof(latencies_us) / sizeof(latencies_us[0]); i++) {
		struct sim s;
		int64_t us;

		sim_begin(&s, i + 1);
		for (unsigned u = 1; u <= 32; u++)
			sim_add(&s, 19200, MB_PARITY_EVEN, u, latencies_us[i] + sim_below(&s, 3000));
		us = scan(&s, &found, NULL);
		expect_all(&s, &found);
		print_message("32 devices with %.1f ms: %.1f s\n", (double)latencies_us[i] / 1e3, (double)us / 1e6);
		assert_true(us < MINUTE_US);
	}
}

static void a_device_that_answers_for_every_unit_is_found_with_all(void **state)
{
	struct mb_scan found;
	struct sim s;

	(void)state;
	sim_begin(&s, 1);
	for (unsigned u = 1; u <= MB_UNIT_MAX; u++)
		sim_add(&s, 9600, MB_PARITY_NONE, u, 3000);
	assert_true(scan(&s, &found, NULL) < MINUTE_US);
	expect_all(&s, &found);
}

static void a_device_that_answers_in_another_parity_is_found_by_its_garbled_answer(void **state)
{
	struct mb_scan found;
	struct sim s;

	(void)state;
	sim_begin(&s, 3);
	sim_add(&s, 4800, MB_PARITY_ODD, 240, 20000)->lenient = true;
	/* its own parity would have its turn after 58 s */
	assert_true(scan(&s, &found, NULL) < 56 * (int64_t)SECOND_US);
	expect_all(&s, &found);
	assert_int_equal(found.garbled.unit, 240);
	assert_int_equal(found.garbled.serial.parity, MB_PARITY_NONE);
}

static void two_devices_with_one_unit_are_no_device_but_are_told(void **state)
{
	struct mb_scan found;
	struct sim s;

	(void)state;
	sim_begin(&s, 4);
	sim_add(&s, 9600, MB_PARITY_NONE, 5, 10000);
	sim_add(&s, 9600, MB_PARITY_NONE, 5, 11000);
	/* both speak at once: what is heard is what neither says */
	s.devices[1].serial.stop_bits = 2;
	scan(&s, &found, NULL);
	assert_int_equal(found.count, 0);
	assert_int_equal(found.garbled.serial.baud, 9600);
	assert_int_equal(found.garbled.unit, 5);
}

static void all_settings_are_searched_when_asked_to(void **state)
{
	const struct mb_scan_options all = { .function = 3, .all = true };
	struct mb_scan found;
	struct sim s;

	(void)state;
	sim_begin(&s, 5);
	sim_add(&s, 9600, MB_PARITY_NONE, 1, 10000);
	sim_add(&s, 19200, MB_PARITY_EVEN, 1, 10000);
	sim_add(&s, 1200, MB_PARITY_ODD, 200, 10000);
	scan(&s, &found, NULL);
	assert_int_equal(found.count, 1);
	scan(&s, &found, &all);
	assert_int_equal(found.count, 3);
	assert_int_equal(found.nsettings, 3);
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(found.found[i].unit, s.devices[i].unit);
		assert_true(mb_serial_same(&found.settings[found.found[i].setting], &s.devices[i].serial));
	}
}

/* Beyond the time for an answer: later units are being asked when it comes. */
static void a_slow_device_is_found_by_its_late_answer_or_with_more_time(void **state)
{
	const struct mb_scan_options patient = { .function = 4, .wait_us = 900000 };
	struct mb_scan found;
	struct sim s;

	(void)state;
	sim_begin(&s, 6);
	sim_add(&s, 9600, MB_PARITY_EVEN, 9, 800000);
	scan(&s, &found, NULL);
	assert_int_equal(found.count, 0);
	scan(&s, &found, &patient);
	expect_all(&s, &found);
}

static void a_port_that_is_gone_is_told(void **state)
{
	const struct mb_scan_options usual = { .function = 3 };
	struct mb_scan found = { .count = 0 };
	struct mb_scan_wire wire;
	struct sim s;
	struct gw_err err;

	(void)state;
	sim_begin(&s, 6);
	wire = sim_wire(&s);
	s.lost = true;
	assert_int_equal(mb_scan_serial(&found, &wire, "rtu:/dev/ttyX", &usual, &err), -1);
	assert_string_equal(err.msg, "no such port");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_unit_at_every_setting_is_in_the_order_once),
		cmocka_unit_test(the_steps_of_the_first_minute_take_a_minute),
		cmocka_unit_test(random_settings_are_found_in_the_time_promised),
		cmocka_unit_test(devices_are_found_through_any_adapter),
		cmocka_unit_test(noise_makes_no_devices_and_hides_few),
		cmocka_unit_test(an_answer_that_comes_once_is_nobody),
		cmocka_unit_test(heavy_noise_alone_is_nobody),
		cmocka_unit_test(another_master_is_named_and_makes_no_devices),
		cmocka_unit_test(what_was_found_before_the_other_master_spoke_is_kept),
		cmocka_unit_test(a_full_line_is_found_whole),
		cmocka_unit_test(a_device_that_answers_for_every_unit_is_found_with_all),
		cmocka_unit_test(a_device_that_answers_in_another_parity_is_found_by_its_garbled_answer),
		cmocka_unit_test(two_devices_with_one_unit_are_no_device_but_are_told),
		cmocka_unit_test(all_settings_are_searched_when_asked_to),
		cmocka_unit_test(a_slow_device_is_found_by_its_late_answer_or_with_more_time),
		cmocka_unit_test(a_port_that_is_gone_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
