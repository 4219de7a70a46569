/*
 * A serial line with real character times: each fault of the bus has its own
 * reason within one cycle, none gives a wrong value, and the line recovers.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include <grp.h>
#include <pwd.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "base/log.h"
#include "plugins/modbus/wire.h"
#include "tests/modbus/bus.h"
#include "tests/modbus/told.h"

enum { TIMEOUT_US = 80 * MS };

struct plant {
	struct gw_loop *loop;
	struct bus *bus;
	struct mb_line *line;
};

static struct told *job_for(struct told *t, uint8_t unit, unsigned n, unsigned first)
{
	return told_job(t, &(struct mb_manner){ .unit = unit, .timeout_us = TIMEOUT_US }, n, first);
}

static void submit(struct plant *p, struct told *t)
{
	told_submit(p->line, t);
}

static void expect(struct plant *p, struct told *t, const char *reason)
{
	told_run(p->loop, p->line, t);
	told_all(t, reason);
	for (unsigned i = 0; i < t->job.count; i++)
		if (t->reasons[i] == GW_GOOD)
			assert_int_equal(t->value[i], 1000U * t->manner.unit + t->requests[i].address);
}

static struct mb_line *line_to(struct plant *p, const char *path)
{
	char text[80];

	snprintf(text, sizeof(text), "rtu:%s", path);
	return told_line(p->loop, text, 0);
}

static void open_plant(struct plant *p, bus_fn *script)
{
	struct gw_err err;

	assert_int_equal(gw_loop_new(&p->loop, &err), 0);
	p->bus = bus_new(p->loop, script);
	p->line = line_to(p, p->bus->path);
	mb_line_start(p->line);
}

static void close_plant(struct plant *p)
{
	mb_line_stop(p->line, GW_PLUGIN);
	mb_line_free(p->line);
	bus_free(p->bus);
	gw_loop_free(p->loop);
}

/* ---- faults: what the bus says to a request ---- */

static void silent(struct bus *b, const uint8_t *request, unsigned seen, int64_t at_us)
{
	(void)b;
	(void)request;
	(void)seen;
	(void)at_us;
}

static void spoil(struct bus *b, const uint8_t *request, int64_t at_us, size_t at, uint8_t with, bool seal)
{
	uint8_t frame[MB_RTU_MAX];
	size_t n = bus_answer(frame, request);

	frame[at < n ? at : n - 1] ^= with;
	if (seal)
		n = bus_seal(frame, n - 2);
	bus_say(b, at_us + 4000, BUS_CHARACTER_US, frame, n);
}

static void bad_crc(struct bus *b, const uint8_t *request, unsigned seen, int64_t at_us)
{
	(void)seen;
	spoil(b, request, at_us, 5, 0x10, false);
}

static void other_unit(struct bus *b, const uint8_t *request, unsigned seen, int64_t at_us)
{
	(void)seen;
	spoil(b, request, at_us, 0, 0x40, true);
}

static void other_function(struct bus *b, const uint8_t *request, unsigned seen, int64_t at_us)
{
	(void)seen;
	spoil(b, request, at_us, 1, 0x07, true);
}

static void more_than_asked(struct bus *b, const uint8_t *request, unsigned seen, int64_t at_us)
{
	uint8_t frame[MB_RTU_MAX], asked[BUS_REQUEST];

	(void)seen;
	memcpy(asked, request, sizeof(asked));
	asked[5]++;
	bus_say(b, at_us + 4000, BUS_CHARACTER_US, frame, bus_answer(frame, asked));
}

static void cut_short(struct bus *b, const uint8_t *request, unsigned seen, int64_t at_us)
{
	uint8_t frame[MB_RTU_MAX];

	(void)seen;
	bus_say(b, at_us + 4000, BUS_CHARACTER_US, frame, bus_answer(frame, request) - 3);
}

static void dribble(struct bus *b, const uint8_t *request, unsigned seen, int64_t at_us)
{
	uint8_t frame[MB_RTU_MAX];

	(void)seen;
	bus_say(b, at_us, 6 * MS, frame, bus_answer(frame, request));
}

static void dribble_for_long(struct bus *b, const uint8_t *request, unsigned seen, int64_t at_us)
{
	uint8_t frame[MB_RTU_MAX];

	(void)seen;
	bus_say(b, at_us, 15 * MS, frame, bus_answer(frame, request));
}

static void echo(struct bus *b, const uint8_t *request, unsigned seen, int64_t at_us)
{
	bus_say(b, at_us - BUS_REQUEST * BUS_CHARACTER_US, BUS_CHARACTER_US, request, BUS_REQUEST);
	bus_right(b, request, seen, at_us);
}

static void echo_only(struct bus *b, const uint8_t *request, unsigned seen, int64_t at_us)
{
	(void)seen;
	bus_say(b, at_us - BUS_REQUEST * BUS_CHARACTER_US, BUS_CHARACTER_US, request, BUS_REQUEST);
}

static void leading_zero(struct bus *b, const uint8_t *request, unsigned seen, int64_t at_us)
{
	bus_say(b, at_us, BUS_CHARACTER_US, (const uint8_t[]){ 0 }, 1);
	bus_right(b, request, seen, at_us);
}

static void leading_noise(struct bus *b, const uint8_t *request, unsigned seen, int64_t at_us)
{
	bus_say(b, at_us, BUS_CHARACTER_US, (const uint8_t[]){ request[0], 3, 4, 0xff }, 4);
	bus_right(b, request, seen, at_us);
}

static void noise(struct bus *b, const uint8_t *request, unsigned seen, int64_t at_us)
{
	(void)request;
	(void)seen;
	bus_say(b, at_us, BUS_CHARACTER_US, (const uint8_t[]){ 0xff, 0x81, 0x3c, 7, 7, 7, 9 }, 7);
}

static void refuse(struct bus *b, const uint8_t *request, unsigned seen, int64_t at_us)
{
	uint8_t frame[5] = { request[0], request[1] | 0x80, 2 };

	(void)seen;
	bus_say(b, at_us + 4000, BUS_CHARACTER_US, frame, bus_seal(frame, 3));
}

/* Another master asks `unit` for two registers at 40 and is answered. */
static int64_t second_master(struct bus *b, uint8_t unit, uint8_t function, int64_t at_us)
{
	uint8_t asked[BUS_REQUEST] = { unit, function, 0, 40, 0, 2 }, frame[MB_RTU_MAX];

	bus_seal(asked, 6);
	at_us = bus_say(b, at_us, BUS_CHARACTER_US, asked, BUS_REQUEST);
	return bus_say(b, at_us + 4000, BUS_CHARACTER_US, frame, bus_answer(frame, asked));
}

static void master_asks_another(struct bus *b, const uint8_t *request, unsigned seen, int64_t at_us)
{
	bus_right(b, request, seen, second_master(b, 9, 3, at_us));
}

static void master_asks_the_same(struct bus *b, const uint8_t *request, unsigned seen, int64_t at_us)
{
	(void)seen;
	second_master(b, request[0], 3, at_us);
}

static void master_asks_another_only(struct bus *b, const uint8_t *request, unsigned seen, int64_t at_us)
{
	(void)request;
	(void)seen;
	second_master(b, 9, 3, at_us);
}

static void each_fault_of_the_bus_has_its_reason_and_the_line_recovers(void **state)
{
	static const struct {
		const char *name, *reason;
		bus_fn *script;
	} cases[] = {
		{ "right", "good", bus_right },
		{ "silence", "timeout", silent },
		{ "CRC", "crc", bad_crc },
		{ "truncated", "crc", cut_short },
		{ "dribbled", "good", dribble },
		{ "dribbled for too long", "crc", dribble_for_long },
		{ "echo", "good", echo },
		{ "echo only", "timeout", echo_only },
		{ "leading zero byte", "good", leading_zero },
		{ "noise before the answer", "good", leading_noise },
		{ "noise", "crc", noise },
		{ "wrong unit", "protocol", other_unit },
		{ "wrong function", "protocol", other_function },
		{ "wrong length", "protocol", more_than_asked },
		{ "exception", "exception_2", refuse },
		{ "two masters, another unit", "good", master_asks_another },
		{ "two masters, the same unit", "protocol", master_asks_the_same },
		{ "two masters, another unit, then silence", "timeout", master_asks_another_only },
	};

	(void)state;
	for (size_t i = 0; i < 2 * (sizeof(cases) / sizeof(cases[0])); i++) {
		unsigned retries = i % 2; /* another attempt with the same end has the same reason */
		struct plant p;
		struct told t;

		open_plant(&p, cases[i / 2].script);
		job_for(&t, 1, 1, 0)->manner.retries = retries;
		told_run(p.loop, p.line, &t);
		if (strcmp(gw_reason_name(t.reasons[0]), cases[i / 2].reason) != 0)
			fail_msg("%s, %u retries: %s, not %s", cases[i / 2].name, retries,
				 gw_reason_name(t.reasons[0]), cases[i / 2].reason);
		assert_true(t.took_us - t.late_us < (1 + retries) * TIMEOUT_US + 40 * MS);
		assert_int_equal(t.value[0], t.reasons[0] == GW_GOOD ? 1000 : 0);
		p.bus->script = bus_right;
		expect(&p, job_for(&t, 1, 3, 100), "good");
		assert_int_equal(mb_line_counts(p.line).opens, 1);
		close_plant(&p);
	}
}

/* What is written to the log meanwhile. */
struct ear {
	int pipe[2], stderr_copy;
	char heard[4096];
};

static void open_ear(struct ear *e)
{
	unsetenv("JOURNAL_STREAM");
	gw_log_open("modbus", GW_WARNING);
	e->stderr_copy = dup(STDERR_FILENO);
	assert_int_equal(pipe2(e->pipe, O_NONBLOCK), 0);
	assert_true(dup2(e->pipe[1], STDERR_FILENO) >= 0);
}

static const char *close_ear(struct ear *e)
{
	ssize_t n = read(e->pipe[0], e->heard, sizeof(e->heard) - 1);

	e->heard[n > 0 ? n : 0] = '\0';
	dup2(e->stderr_copy, STDERR_FILENO);
	close(e->stderr_copy);
	close(e->pipe[0]);
	close(e->pipe[1]);
	return e->heard;
}

static void a_bus_without_bias_is_told_once(void **state)
{
	struct plant p;
	struct told t;
	struct ear e;
	char want[160];

	(void)state;
	open_ear(&e);
	open_plant(&p, leading_zero);
	for (unsigned i = 0; i < 5; i++)
		expect(&p, job_for(&t, 1, 4, 0), "good");
	snprintf(want, sizeof(want), "warning: rtu:%s: zero bytes before answers: the bus seems to lack its bias "
		 "resistors\n", p.bus->path);
	assert_string_equal(close_ear(&e), want);
	close_plant(&p);
}

/* A sensor that reports by itself: its frame comes while nobody asks, and again before the answer. */
static void bytes_nobody_asked_for_are_passed_by(void **state)
{
	static const uint8_t asked[BUS_REQUEST] = { 9, 3, 0, 40, 0, 2 };
	uint8_t frame[MB_RTU_MAX];
	struct plant p;
	struct told t;
	int64_t quiet_us;
	size_t n = bus_answer(frame, asked);

	(void)state;
	open_plant(&p, bus_right);
	expect(&p, job_for(&t, 1, 1, 0), "good");
	quiet_us = bus_say(p.bus, gw_now_us(), BUS_CHARACTER_US, frame, n) + 10 * MS;
	while (gw_now_us() < quiet_us)
		told_turn(p.loop);
	expect(&p, job_for(&t, 1, 2, 100), "good");
	/* in the middle of it a request becomes due */
	bus_say(p.bus, gw_now_us(), BUS_CHARACTER_US, frame, n);
	UNTIL(&p, p.bus->said);
	expect(&p, job_for(&t, 1, 2, 300), "good");
	assert_int_equal(mb_line_counts(p.line).opens, 1);
	close_plant(&p);
}

static void a_broken_answer_is_known_before_the_deadline_and_asked_again(void **state)
{
	struct plant p;
	struct told t;

	(void)state;
	open_plant(&p, bad_crc);
	job_for(&t, 1, 1, 0)->manner.timeout_us = 10 * TOLD_DEADLINE_US;
	expect(&p, &t, "crc");
	assert_int_equal(mb_line_counts(p.line).wrong, 1);
	close_plant(&p);
}

/* The first request is answered after its deadline, all others at once. */
static void late_once(struct bus *b, const uint8_t *request, unsigned seen, int64_t at_us)
{
	bus_right(b, request, seen, seen ? at_us : at_us + TIMEOUT_US + 20 * MS);
}

static void a_late_answer_is_never_the_value_of_another_address(void **state)
{
	struct plant p;
	struct told late, next;

	(void)state;
	open_plant(&p, late_once);
	expect(&p, job_for(&late, 1, 1, 0), "timeout");
	expect(&p, job_for(&next, 1, 3, 500), "good");
	close_plant(&p);
}

/* Two answers come for the retry: the late one and its own. */
static void a_late_answer_to_a_retry_never_shifts_what_follows(void **state)
{
	struct plant p;
	struct told t;

	(void)state;
	open_plant(&p, late_once);
	job_for(&t, 1, 4, 0)->manner.retries = 1;
	expect(&p, &t, "good");
	assert_int_equal(t.job.sent, 5);
	close_plant(&p);
}

/* Unit 1 is late by as much as its neighbour needs to be asked. */
static void a_late_answer_is_no_fault_of_the_neighbour(void **state)
{
	struct plant p;
	struct told late, neighbour;

	(void)state;
	open_plant(&p, late_once);
	submit(&p, job_for(&late, 1, 1, 0));
	submit(&p, job_for(&neighbour, 2, 1, 0));
	UNTIL(&p, late.done && neighbour.done);
	assert_string_equal(gw_reason_name(late.reasons[0]), "timeout");
	assert_int_equal(late.value[0], 0);
	expect(&p, &neighbour, "good");
	close_plant(&p);
}

static void two_is_dead(struct bus *b, const uint8_t *request, unsigned seen, int64_t at_us)
{
	if (request[0] != 2)
		bus_right(b, request, seen, at_us);
}

static void a_dead_unit_is_passed_by_and_its_neighbours_go_on(void **state)
{
	struct plant p;
	struct told one, two;

	(void)state;
	open_plant(&p, two_is_dead);
	for (int i = 0; i < 30; i++) {
		submit(&p, job_for(&two, 2, 1, 0));
		submit(&p, job_for(&one, 1, 1, 0));
		UNTIL(&p, one.done && two.done);
		assert_string_equal(gw_reason_name(two.reasons[0]), "timeout");
		assert_string_equal(gw_reason_name(one.reasons[0]), "good");
	}
	/* 30 cycles of 35 ms and two timeouts: a probe after 160 ms, the next after 25 x 80 ms; on a busy
	 * machine there is time for some more (test_units has the exact times) */
	assert_int_equal(p.bus->asked[1], 30);
	assert_in_range(p.bus->asked[2], 2, 10);
	close_plant(&p);
}

static void the_unit_pause_is_kept_when_the_unit_changes(void **state)
{
	struct plant p;
	struct told one, two;

	(void)state;
	open_plant(&p, bus_right);
	expect(&p, job_for(&one, 1, 1, 0), "good");
	job_for(&two, 2, 2, 0)->manner.unit_pause_us = 150 * MS;
	expect(&p, &two, "good");
	/* from a moment before the line fell silent, so that a busy machine cannot make it too short */
	assert_true(two.began_us + two.took_us - one.began_us >= 150 * MS);
	close_plant(&p);
}

/* ---- the parser alone ---- */

static void noise_without_end_leaves_room_for_an_answer(void **state)
{
	static const struct mb_query q = { .transaction = 1, .unit = 7, .function = 3, .count = 2 };
	static const uint8_t begins[] = { 7, 3, 4 };
	struct mb_rtu r = { 0 };
	uint8_t bytes[700];
	struct mb_frame f;

	(void)state;
	memset(bytes, 0xff, sizeof(bytes));
	memcpy(bytes + sizeof(bytes) - sizeof(begins), begins, sizeof(begins));
	f = mb_rtu_parse(&r, bytes, sizeof(bytes), &q);
	assert_int_equal(f.verdict, MB_OTHER);
	assert_int_equal(f.size, sizeof(bytes) - MB_RTU_MAX);
	f = mb_rtu_parse(&r, bytes + f.size, MB_RTU_MAX, &q);
	assert_int_equal(f.verdict, MB_PARTIAL);
	assert_true(r.noise);
}

static void a_request_is_that_of_the_standard(void **state)
{
	static const struct mb_query q = { .transaction = 9, .unit = 0x11, .function = 3, .address = 0x6b,
					   .count = 3 };
	/* read 40108 to 40110 of unit 17, the usual example, with its CRC */
	static const uint8_t want[] = { 0x11, 3, 0, 0x6b, 0, 3, 0x76, 0x87 };
	uint8_t frame[MB_RTU_MAX];

	(void)state;
	assert_int_equal(mb_rtu_build(frame, &q), sizeof(want));
	assert_memory_equal(frame, want, sizeof(want));
}

/* ---- ports ---- */

struct port_told {
	unsigned ups, downs;
	char why[256];
};

static void port_up(void *arg)
{
	((struct port_told *)arg)->ups++;
}

static void port_down(void *arg, const char *why)
{
	struct port_told *t = arg;

	t->downs++;
	snprintf(t->why, sizeof(t->why), "%s", why);
}

static void port_bytes(void *arg, const uint8_t *bytes, size_t n)
{
	(void)arg;
	(void)bytes;
	(void)n;
}

/* What opening the port leads to: NULL when it opens, else why not. */
static const char *outcome_with(const struct mb_serial *serial, const char *path, struct port_told *t)
{
	static const struct mb_wire_events events = { port_up, port_down, port_bytes };
	struct plant p = { 0 };
	struct mb_url url = { .scheme = MB_RTU, .serial = *serial };
	struct mb_wire *w;
	struct gw_err err;

	*t = (struct port_told){ 0 };
	snprintf(url.host, sizeof(url.host), "%s", path);
	assert_int_equal(gw_loop_new(&p.loop, &err), 0);
	w = mb_port.make(p.loop, &url, &events, t, &err);
	assert_non_null(w);
	mb_port.open(w, 100 * MS);
	assert_int_equal(t->ups + t->downs, 0);
	UNTIL(&p, t->ups + t->downs);
	mb_port.free(w);
	gw_loop_free(p.loop);
	return t->downs ? t->why : NULL;
}

static const char *outcome(const char *path, struct port_told *t)
{
	return outcome_with(&mb_serial_default, path, t);
}

static void a_port_that_cannot_be_opened_says_what_to_do(void **state)
{
	struct port_told t;
	int fd, far;
	char path[64];

	(void)state;
	assert_string_equal(outcome("/dev/no-such-port", &t),
			    "no such port: is the adapter plugged in? /dev/serial/by-id lists those that are");
	assert_string_equal(outcome("/dev/null", &t), "is not a serial port");
	assert_int_equal(openpty(&fd, &far, path, NULL, NULL), 0);
	assert_null(outcome(path, &t));
	assert_int_equal(flock(far, LOCK_EX), 0);
	assert_string_equal(outcome(path, &t), "the port is busy: another program uses it");
	close(far);
	close(fd);
}

/* As most USB adapters: the kernel cannot switch their transceiver. */
static void a_port_without_rs485_mode_says_to_leave_it_out(void **state)
{
	struct mb_serial switched = mb_serial_default;
	struct port_told t;
	int fd, far;
	char path[64];

	(void)state;
	switched.rs485.enabled = true;
	assert_int_equal(openpty(&fd, &far, path, NULL, NULL), 0);
	assert_string_equal(outcome_with(&switched, path, &t),
			    "the port has no RS-485 mode of its own (Inappropriate ioctl for device): an adapter that "
			    "switches by itself needs no 'rs485'");
	close(far);
	close(fd);
}

/* Only root can become somebody else. */
static void a_port_that_is_not_permitted_names_the_group(void **state)
{
	struct group *dialout = getgrnam("dialout");
	struct passwd *nobody = getpwnam("nobody");
	struct port_told t;
	const char *why;
	int fd, far;
	char path[64];

	(void)state;
	if (geteuid() != 0 || !dialout || !nobody)
		skip();
	assert_int_equal(openpty(&fd, &far, path, NULL, NULL), 0);
	assert_int_equal(chown(path, 0, dialout->gr_gid) | chmod(path, 0660), 0);
	assert_int_equal(seteuid(nobody->pw_uid), 0);
	why = outcome(path, &t);
	assert_int_equal(seteuid(0), 0);
	assert_string_equal(why, "permission denied: the user nobody must be in the group dialout");
	close(far);
	close(fd);
}

static void a_port_that_is_unplugged_is_no_connection_and_no_busy_loop(void **state)
{
	struct plant p;
	struct told t;
	unsigned turns = 0;
	int64_t until_us;

	(void)state;
	open_plant(&p, silent);
	submit(&p, job_for(&t, 1, 2, 0));
	UNTIL(&p, p.bus->requests == 1);
	bus_unplug(p.bus);
	UNTIL(&p, t.done);
	assert_string_equal(gw_reason_name(t.reasons[1]), "no_connection");
	for (until_us = gw_now_us() + 300 * MS; gw_now_us() < until_us; turns++)
		told_turn(p.loop);
	assert_true(turns < 100);
	expect(&p, &t, "no_connection");
	close_plant(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_fault_of_the_bus_has_its_reason_and_the_line_recovers),
		cmocka_unit_test(a_bus_without_bias_is_told_once),
		cmocka_unit_test(bytes_nobody_asked_for_are_passed_by),
		cmocka_unit_test(a_broken_answer_is_known_before_the_deadline_and_asked_again),
		cmocka_unit_test(a_late_answer_is_never_the_value_of_another_address),
		cmocka_unit_test(a_late_answer_to_a_retry_never_shifts_what_follows),
		cmocka_unit_test(a_late_answer_is_no_fault_of_the_neighbour),
		cmocka_unit_test(a_dead_unit_is_passed_by_and_its_neighbours_go_on),
		cmocka_unit_test(the_unit_pause_is_kept_when_the_unit_changes),
		cmocka_unit_test(noise_without_end_leaves_room_for_an_answer),
		cmocka_unit_test(a_request_is_that_of_the_standard),
		cmocka_unit_test(a_port_that_cannot_be_opened_says_what_to_do),
		cmocka_unit_test(a_port_without_rs485_mode_says_to_leave_it_out),
		cmocka_unit_test(a_port_that_is_not_permitted_names_the_group),
		cmocka_unit_test(a_port_that_is_unplugged_is_no_connection_and_no_busy_loop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
