/*
 * Units behind a connection: many requests at once where the device can, one at a time where it
 * cannot, and nobody is reported who is not there.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "plugins/modbus/rtu.h"
#include "plugins/modbus/scan.h"
#include "tests/modbus/beside.h"
#include "tests/modbus/scripted_server.h"

enum { MS = 1000, NOBODY = 11 };

static bool is_there(unsigned unit)
{
	return unit == 3 || unit == 77 || unit == 247;
}

/* Units that answer with data, units that refuse, all others are the gateway's business. */
static void behind_a_gateway(struct server *s, const uint8_t *request)
{
	if (request[6] == 77)
		server_exception(s, request, 2);
	else if (is_there(request[6]))
		server_right(s, request);
	else
		server_exception(s, request, request[6] % 2 ? 10 : NOBODY);
}

static void gateway(struct server *s, const uint8_t *request, unsigned seen)
{
	(void)seen;
	behind_a_gateway(s, request);
}

/* Silent on those that are not there, but takes many at once. */
static void device_that_is_silent(struct server *s, const uint8_t *request, unsigned seen)
{
	(void)seen;
	if (is_there(request[6]))
		behind_a_gateway(s, request);
}

/* Looks at the first request of a packet only. */
static void one_at_a_time(struct server *s, const uint8_t *request, unsigned seen)
{
	(void)seen;
	s->fill = 0;
	behind_a_gateway(s, request);
}

/* Takes the connection down when it is asked for a unit it does not know. */
static void hangs_up_on_strangers(struct server *s, const uint8_t *request, unsigned seen)
{
	(void)seen;
	if (is_there(request[6]))
		behind_a_gateway(s, request);
	else
		server_close(s, false);
}

/* Takes many at once, but the question for one unit takes the connection down. */
static void hangs_up_on_one(struct server *s, const uint8_t *request, unsigned seen)
{
	if (request[6] == 240)
		server_close(s, false);
	else
		device_that_is_silent(s, request, seen);
}

/* Who is not there is told at once, who is there answers behind those asked later. */
static void overtakes(struct server *s, const uint8_t *request, unsigned seen)
{
	uint8_t frame[SERVER_FRAME];

	(void)seen;
	if (request[6] != 77 || s->later_size)
		behind_a_gateway(s, request);
	else
		server_later(s, 20 * MS, 0, frame, server_answer(frame, request));
}

/* Answers are not Modbus, or bear the number of another request. */
static void garbage(struct server *s, const uint8_t *request, unsigned seen)
{
	const uint8_t bytes[] = "HTTP/1.1 400 Bad Request\r\n\r\n";

	(void)seen;
	(void)request;
	server_send(s, bytes, sizeof(bytes) - 1);
}

static void numbers_of_its_own(struct server *s, const uint8_t *request, unsigned seen)
{
	uint8_t other[SERVER_REQUEST];

	(void)seen;
	memcpy(other, request, sizeof(other));
	other[0] ^= 0x80;
	server_right(s, other);
}

static void says_nothing(struct server *s, const uint8_t *request, unsigned seen)
{
	(void)s;
	(void)request;
	(void)seen;
}

static void scan(const char *scheme, script_fn *script, int64_t wait_us, struct mb_scan *found, unsigned *requests)
{
	struct mb_scan_options o = { .function = 3, .wait_us = wait_us };
	struct beside beside;
	struct server *server;
	struct mb_url url;
	struct gw_err err;
	char text[64];

	beside_new(&beside);
	server = server_new(beside.loop, 0, script);
	snprintf(text, sizeof(text), "%s://127.0.0.1:%u", scheme, server->port);
	beside_run(&beside);
	assert_int_equal(mb_url_parse(text, &url, &err), 0);
	*found = (struct mb_scan){ .count = 0 };
	assert_int_equal(mb_scan_run(found, &url, &o, &err), 0);
	beside_stop(&beside);
	*requests = server->requests;
	server_free(server);
	beside_free(&beside);
}

static void expect_three(const struct mb_scan *found)
{
	assert_int_equal(found->count, 3);
	assert_int_equal(found->found[0].unit, 3);
	assert_string_equal(found->found[0].what, "0x0000");
	assert_int_equal(found->found[1].unit, 77);
	assert_string_equal(found->found[1].what, "exception 2");
	assert_int_equal(found->found[2].unit, 247);
}

static void units_are_found_in_devices_of_every_manner(void **state)
{
	static const struct {
		script_fn *script;
		int64_t wait_us;
	} cases[] = {
		{ gateway, 500 * MS },
		{ one_at_a_time, 500 * MS },
		{ hangs_up_on_strangers, 500 * MS },
		{ hangs_up_on_one, 250 * MS },
	};
	struct mb_scan found;
	unsigned requests;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		scan("tcp", cases[i].script, cases[i].wait_us, &found, &requests);
		expect_three(&found);
		/* each unit once, a few again after the trial with many at once */
		assert_in_range(requests, 248, 248 + 3 + 5 + 248);
	}
}

static void answers_may_overtake_each_other(void **state)
{
	struct mb_scan found;
	unsigned requests;

	(void)state;
	scan("tcp", overtakes, 500 * MS, &found, &requests);
	assert_int_equal(found.count, 3);
	assert_int_equal(found.found[1].unit, 77);
	assert_string_equal(found.found[1].what, "0x0000");
}

static void silent_units_are_waited_for_together(void **state)
{
	int64_t took_us = INT64_MAX;

	(void)state;
	/* one after the other they take 25 s; a machine that stands still for half a second makes the
	 * scan believe that the device can answer one only */
	for (unsigned i = 0; i < 3 && took_us > 10000 * (int64_t)MS; i++) {
		int64_t begun_us = gw_now_us();
		struct mb_scan found;
		unsigned requests;

		scan("tcp", device_that_is_silent, 100 * MS, &found, &requests);
		took_us = gw_now_us() - begun_us;
		expect_three(&found);
	}
	assert_true(took_us < 10000 * (int64_t)MS);
}

static void what_is_not_an_answer_is_no_unit(void **state)
{
	static script_fn *const scripts[] = { garbage, numbers_of_its_own, says_nothing };
	struct mb_scan found;
	unsigned requests;

	(void)state;
	for (size_t i = 0; i < sizeof(scripts) / sizeof(scripts[0]); i++) {
		scan("tcp", scripts[i], 2 * MS, &found, &requests);
		assert_int_equal(found.count, 0);
	}
}

/* ---- RTU over TCP ---- */

/* Those that are there, noise of unit 5, silence of 6, and of all others that there is no path. */
static size_t converted(uint8_t *out, uint8_t unit)
{
	const uint8_t data[] = { unit, 3, 2, 0, unit }, refusal[] = { unit, 0x83, NOBODY };
	bool answers = is_there(unit) || unit == 5;
	size_t n = answers ? sizeof(data) : sizeof(refusal);
	uint16_t crc;

	memcpy(out, answers ? data : refusal, n);
	crc = mb_crc16(out, n);
	out[n] = (uint8_t)(crc ^ (unit == 5));
	out[n + 1] = (uint8_t)(crc >> 8);
	return unit == 6 ? 0 : n + 2;
}

static void converter(void *arg, unsigned ready)
{
	struct mb_query q = { .function = 3, .count = 1 };
	uint8_t frame[8], own[MB_RTU_MAX], answer[16];
	struct server *s = arg;

	(void)ready;
	if (recv(s->fd, frame, sizeof(frame), 0) != sizeof(frame)) {
		server_close(s, false);
		return;
	}
	q.unit = frame[0];
	/* whole requests only, with the right checksum */
	s->requests += mb_rtu_build(own, &q) == sizeof(frame) && !memcmp(own, frame, sizeof(frame));
	server_send(s, answer, converted(answer, q.unit));
}

static void on_converter(void *arg, unsigned ready)
{
	struct server *s = arg;
	struct gw_err err;

	server_on_connection(arg, ready);
	gw_watch_stop(s->on_fd);
	s->on_fd = gw_on_fd(s->loop, s->fd, GW_READ, converter, s, &err);
}

static void units_behind_a_converter_are_asked_one_after_the_other(void **state)
{
	struct mb_scan_options o = { .function = 3, .wait_us = 300 * MS };
	struct mb_scan found = { .count = 0 };
	struct beside beside;
	struct server *server;
	struct mb_url url;
	struct gw_err err;
	char text[64];

	(void)state;
	beside_new(&beside);
	server = server_new(beside.loop, 0, says_nothing);
	gw_watch_stop(server->on_listener);
	server->on_listener = gw_on_fd(beside.loop, server->listener, GW_READ, on_converter, server, &err);
	snprintf(text, sizeof(text), "rtu+tcp://127.0.0.1:%u", server->port);
	assert_int_equal(mb_url_parse(text, &url, &err), 0);
	beside_run(&beside);
	assert_int_equal(mb_scan_run(&found, &url, &o, &err), 0);
	beside_stop(&beside);
	assert_int_equal(server->requests, 247);
	server_free(server);
	beside_free(&beside);
	assert_int_equal(found.count, 3);
	assert_string_equal(found.found[1].what, "0x004d");
	assert_true(found.noise);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(units_are_found_in_devices_of_every_manner),
		cmocka_unit_test(answers_may_overtake_each_other),
		cmocka_unit_test(silent_units_are_waited_for_together),
		cmocka_unit_test(what_is_not_an_answer_is_no_unit),
		cmocka_unit_test(units_behind_a_converter_are_asked_one_after_the_other),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
