/*
 * What real equipment does, against the whole plugin: the runtime with a fake core on
 * one side, a device that misbehaves on the other.  Settings are given as a user gives
 * them.  Standard error is a pipe, as some of it only shows in the log.
 */
#include "tests/base/fake_core.h"

#include <netinet/in.h>

#include "base/log.h"
#include "plugins/modbus/news.h"
#include "plugins/modbus/source.h"
#include "tests/modbus/bus.h"
#include "tests/modbus/scripted_server.h"

enum { MS = 1000, SECOND = 1000 * MS, HEARD = 4096 };

struct plant {
	struct fake_core core;
	struct server *server; /* or */
	struct bus *bus;
	int64_t asked_us[16]; /* when requests came in on the bus */
};

static struct plant *current; /* for scripts of the bus */

/* The source with these keys and devices, started. */
static void begin(struct plant *p, const char *connection, const char *keys)
{
	char yaml[4096];

	snprintf(yaml, sizeof(yaml), "plugin: modbus\nconnection: %s\n%s", connection, keys);
	if (fake_core_configure(&p->core, "pump-house", yaml))
		fail_msg("%s", p->core.problems[0]);
	fake_core_start(&p->core, gw_now_us());
}

static void open_tcp(struct plant *p, script_fn *script, const char *keys)
{
	char connection[64];

	*p = (struct plant){ 0 };
	fake_core_source(&p->core, &mb_source);
	p->server = server_new(p->core.loop, 0, script);
	snprintf(connection, sizeof(connection), "tcp://127.0.0.1:%u", p->server->port);
	begin(p, connection, keys);
}

static void open_bus(struct plant *p, bus_fn *script, const char *keys)
{
	char connection[80];

	*p = (struct plant){ 0 };
	current = p;
	fake_core_source(&p->core, &mb_source);
	p->bus = bus_new(p->core.loop, script);
	snprintf(connection, sizeof(connection), "rtu:%s", p->bus->path);
	begin(p, connection, keys);
}

static void close_plant(struct plant *p)
{
	if (p->server)
		server_free(p->server);
	fake_core_say(&p->core, GW_MSG_STOP);
	assert_int_equal(fake_core_exit_code(&p->core), 0);
	if (p->bus)
		bus_free(p->bus);
	fake_core_close(&p->core);
}

static struct gw_value value(const struct gw_reading *r, unsigned point)
{
	for (unsigned i = 0; i < r->count; i++)
		if (gw_tag_index(gw_reading_ctags(r)[i]) == point)
			return gw_reading_value(r, i);
	fail_msg("point %u is not in the reading", point);
	return (struct gw_value){ 0 };
}

static const char *reason(const struct gw_reading *r, unsigned point)
{
	return gw_reason_name(value(r, point).reason);
}

static void right(struct server *s, const uint8_t *request, unsigned seen)
{
	(void)seen;
	server_right(s, request);
}

/* ---- the log ---- */

static int ear[2], real_stderr;

static void listen_to_the_log(void)
{
	unsetenv("GATEWAYD_LINK");
	unsetenv("JOURNAL_STREAM");
	gw_log_open("modbus", GW_DEBUG);
	real_stderr = dup(STDERR_FILENO);
	assert_int_equal(pipe2(ear, O_NONBLOCK), 0);
	assert_true(dup2(ear[1], STDERR_FILENO) >= 0);
}

static const char *heard(void)
{
	static char text[HEARD];
	ssize_t n = read(ear[0], text, sizeof(text) - 1);

	text[n > 0 ? n : 0] = '\0';
	dup2(real_stderr, STDERR_FILENO);
	close(real_stderr);
	close(ear[0]);
	close(ear[1]);
	return text;
}

/* ---- how much in one request ---- */

static void a_line_that_carries_little_limits_its_devices(void **state)
{
	struct plant p;
	const struct gw_reading *r;

	(void)state;
	open_tcp(&p, right, "interval: 1h\nmax_registers: 2\ndevices: {d: {unit_id: 1, max_registers: 60, points: {\n"
		 "  a: {address: 0}, b: {address: 1}, c: {address: 2}, d: {address: 3}, e: {address: 4}}}}\n");
	r = fake_core_reading(&p.core);
	assert_int_equal(value(r, 4).u, 4);
	assert_int_equal(p.server->requests, 3);
	close_plant(&p);
}

/* ---- gaps and refusals ---- */

/* Coils come shifted whenever they are not asked for from 0 on. */
static void shifts_coils(struct server *s, const uint8_t *request, unsigned seen)
{
	uint8_t wrong[SERVER_REQUEST];

	(void)seen;
	memcpy(wrong, request, sizeof(wrong));
	if (request[7] <= 2 && (request[8] || request[9]))
		wrong[9]++;
	server_right(s, wrong);
}

static void coils_are_read_from_zero_when_asked(void **state)
{
	struct gw_message ask = { .type = GW_MSG_ASK, .ask = { .number = 1, .point = 1 } };
	struct plant p;
	const struct gw_reading *r;

	(void)state;
	open_tcp(&p, shifts_coils, "interval: 1h\ndevices: {d: {unit_id: 1, coils_from_zero: true, points: {\n"
		 "  even: {address: 10, table: coil}, odd: {address: 13, table: coil},\n"
		 "  input: {address: 7, table: discrete}, word: {address: 9}}}}\n");
	r = fake_core_reading(&p.core);
	assert_false(value(r, 0).b);
	assert_true(value(r, 1).b);
	assert_true(value(r, 2).b);
	assert_int_equal(value(r, 3).u, 9);
	assert_int_equal(p.server->requests, 3);
	fake_core_send(&p.core, &ask);
	assert_int_equal(fake_core_take(&p.core, GW_MSG_ANSWER)->answer.slot, 1);
	close_plant(&p);
}

static void confirms_writes(struct server *s, const uint8_t *request, unsigned seen)
{
	if (request[7] != 5) {
		shifts_coils(s, request, seen);
		return;
	}
	memcpy(s->kept, request, SERVER_REQUEST);
	server_send(s, request, SERVER_REQUEST);
}

/* Odd coils are set. */
static void such_a_coil_is_written_where_it_is(void **state)
{
	struct gw_message write = { .type = GW_MSG_WRITE,
				    .write = { .number = 1, .kind = GW_BOOL, .slot = 1 } };
	struct plant p;

	(void)state;
	open_tcp(&p, confirms_writes, "interval: 1h\ndevices: {d: {unit_id: 1, coils_from_zero: true, points: {\n"
		 "  valve: {address: 13, table: coil, writable: true}}}}\n");
	fake_core_reading(&p.core);
	fake_core_send(&p.core, &write);
	assert_int_equal(fake_core_take(&p.core, GW_MSG_WRITTEN)->written.result, GW_WRITE_DONE);
	assert_int_equal(p.server->kept[9], 13);
	close_plant(&p);
}

/* Always registers 100 to 103, whatever was asked. */
static void same_block(struct server *s, const uint8_t *request, unsigned seen)
{
	uint8_t fixed[SERVER_REQUEST];

	(void)seen;
	memcpy(fixed, request, sizeof(fixed));
	fixed[8] = 0;
	fixed[9] = 100;
	fixed[10] = 0;
	fixed[11] = 4;
	server_right(s, fixed);
}

static void a_device_with_one_fixed_block_is_read_by_a_request_of_its_length(void **state)
{
	struct plant p;
	const struct gw_reading *r;

	(void)state;
	open_tcp(&p, same_block, "interval: 1h\nretries: 0\ndevices: {d: {unit_id: 1, max_gap: 2, points: {\n"
		 "  ph: {address: 0}, last: {address: 3}}}}\n");
	r = fake_core_reading(&p.core);
	assert_int_equal(value(r, 0).u, 100);
	assert_int_equal(value(r, 1).u, 103);
	close_plant(&p);
	open_tcp(&p, same_block, "interval: 1h\nretries: 0\ndevices: {d: {unit_id: 1, points: {ph: {address: 0}}}}\n");
	assert_string_equal(reason(fake_core_reading(&p.core), 0), "protocol");
	close_plant(&p);
}

static void not_permitted(struct server *s, const uint8_t *request, unsigned seen)
{
	(void)seen;
	if (request[9] == 9)
		server_exception(s, request, 0x80);
	else
		server_right(s, request);
}

static void a_register_that_wants_a_login_says_so_and_costs_no_connection(void **state)
{
	struct plant p;
	const struct gw_reading *r;

	(void)state;
	open_tcp(&p, not_permitted, "interval: 1h\ndevices: {d: {unit_id: 1, points: {\n"
		 "  free: {address: 0}, locked: {address: 9}, after: {address: 20}}}}\n");
	r = fake_core_reading(&p.core);
	assert_int_equal(value(r, 0).u, 0);
	assert_string_equal(reason(r, 1), "exception_128");
	assert_int_equal(value(r, 2).u, 20);
	assert_int_equal(p.server->accepted, 1);
	assert_int_equal(p.server->requests, 3);
	close_plant(&p);
}

/* ---- timing ---- */

static void right_and_when(struct bus *b, const uint8_t *request, unsigned seen, int64_t at_us)
{
	uint8_t frame[MB_RTU_MAX];

	if (seen < 16)
		current->asked_us[seen] = gw_now_us();
	bus_say(b, at_us + 4000, BUS_CHARACTER_US, frame, bus_answer(frame, request));
}

/* Request, turnaround and answer of one register take 19.6 ms. */
static void a_guard_is_kept_whoever_was_asked_before(void **state)
{
	struct plant p;
	unsigned order[3];

	(void)state;
	open_bus(&p, right_and_when, "interval: 1h\ndevices:\n"
		 "  a: {unit_id: 1, points: {x: {address: 0}, y: {address: 9}}}\n"
		 "  b: {unit_id: 2, guard: 80ms, points: {x: {address: 0}}}\n");
	for (int i = 0; i < 2; i++)
		order[i] = fake_core_reading(&p.core)->device;
	assert_int_equal(p.bus->requests, 3);
	assert_true(p.asked_us[1] - p.asked_us[0] >= 90 * MS);
	assert_int_equal(order[0], 1);
	close_plant(&p);
}

/* Silent on the first request. */
static void second_time(struct bus *b, const uint8_t *request, unsigned seen, int64_t at_us)
{
	if (seen)
		right_and_when(b, request, seen, at_us);
	else
		current->asked_us[0] = gw_now_us();
}

static void a_further_attempt_waits_for_the_pause(void **state)
{
	struct plant p;

	(void)state;
	open_bus(&p, second_time, "interval: 1h\ntimeout: 100ms\nretries: 5\npause: 80ms\n"
		 "devices: {d: {unit_id: 1, points: {x: {address: 0}}}}\n");
	assert_int_equal(value(fake_core_reading(&p.core), 0).u, 1000);
	assert_int_equal(p.bus->requests, 2);
	assert_true(p.asked_us[1] - p.asked_us[0] >= 150 * MS);
	close_plant(&p);
}

/* ---- TCP ---- */

static unsigned early;
static int64_t last_us;

/* Answers after 10 ms; a request before that is noticed. */
static void slow(struct server *s, const uint8_t *request, unsigned seen)
{
	uint8_t frame[SERVER_FRAME];

	early += seen && gw_now_us() - last_us < 10 * MS;
	last_us = gw_now_us();
	server_later(s, 10 * MS, 0, frame, server_answer(frame, request));
}

static void devices_with_one_address_share_a_connection_and_never_ask_at_once(void **state)
{
	struct plant p = { 0 };
	char keys[512], connection[64];

	(void)state;
	early = 0;
	fake_core_source(&p.core, &mb_source);
	p.server = server_new(p.core.loop, 0, slow);
	snprintf(connection, sizeof(connection), "tcp://127.0.0.1:%u", p.server->port);
	snprintf(keys, sizeof(keys), "interval: 100ms\ndevices:\n"
		 "  a: {unit_id: 1, points: {x: {address: 0}, y: {address: 9}}}\n"
		 "  b: {unit_id: 2, connection: \"tcp://127.0.0.1:%u\", points: {x: {address: 0}}}\n"
		 "  c: {unit_id: 3, points: {x: {address: 0}, y: {address: 9}}}\n", p.server->port);
	begin(&p, connection, keys);
	for (int i = 0; i < 6; i++)
		assert_int_equal(value(fake_core_reading(&p.core), 0).u, 0);
	assert_int_equal(p.server->accepted, 1);
	assert_true(p.server->requests >= 10);
	assert_int_equal(early, 0);
	close_plant(&p);
}

static uint8_t turns[3];

static void note_turn(struct server *s, const uint8_t *request, unsigned seen)
{
	if (seen < 3)
		turns[seen] = request[6];
	server_right(s, request);
}

static void nor_does_a_guard_lose_the_turn(void **state)
{
	struct plant p;

	(void)state;
	open_tcp(&p, note_turn, "interval: 1h\ndevices:\n"
		 "  a: {unit_id: 1, points: {x: {address: 0}, y: {address: 9}}}\n"
		 "  b: {unit_id: 2, guard: 60ms, points: {x: {address: 0}}}\n");
	for (int i = 0; i < 2; i++)
		fake_core_reading(&p.core);
	assert_memory_equal(turns, "\1\2\1", 3);
	close_plant(&p);
}

/* A gateway with a number of its own for each answer. */
static void own_transactions(struct server *s, const uint8_t *request, unsigned seen)
{
	uint8_t frame[SERVER_FRAME];
	size_t n = server_answer(frame, request);

	frame[0] = 0xaa;
	frame[1] = (uint8_t)seen;
	server_send(s, frame, n);
}

static void a_foreign_transaction_is_taken_only_when_allowed(void **state)
{
	static const char devices[] = "timeout: 100ms\nretries: 0\ninterval: 100ms\nany_transaction: %s\n"
				      "devices: {d: {unit_id: 1, points: {x: {address: 7}}}}\n";
	struct plant p;
	char keys[256];

	(void)state;
	snprintf(keys, sizeof(keys), devices, "false");
	open_tcp(&p, own_transactions, keys);
	assert_string_equal(reason(fake_core_reading(&p.core), 0), "protocol");
	close_plant(&p);
	snprintf(keys, sizeof(keys), devices, "true");
	open_tcp(&p, own_transactions, keys);
	for (int i = 0; i < 3; i++)
		assert_int_equal(value(fake_core_reading(&p.core), 0).u, 7);
	assert_int_equal(p.server->accepted, 1);
	close_plant(&p);
}

/* The first answer comes after its deadline, when the second request is under way. */
static void own_and_late(struct server *s, const uint8_t *request, unsigned seen)
{
	uint8_t frame[SERVER_FRAME];
	size_t n = server_answer(frame, request);

	frame[0] = 0xaa;
	if (seen == 0)
		server_later(s, 120 * MS, 0, frame, n);
	else
		server_send(s, frame, n);
}

static void nor_does_a_late_one_become_the_value_of_the_next_request(void **state)
{
	struct plant p;
	const struct gw_reading *r;

	(void)state;
	open_tcp(&p, own_and_late, "timeout: 100ms\nretries: 0\ninterval: 300ms\nany_transaction: true\n"
		 "devices: {d: {unit_id: 1, points: {x: {address: 7}, y: {address: 70}}}}\n");
	r = fake_core_reading(&p.core);
	assert_string_equal(reason(r, 0), "timeout");
	for (int i = 0; i < 2; i++) {
		r = fake_core_reading(&p.core);
		assert_int_equal(value(r, 0).u, 7);
		assert_int_equal(value(r, 1).u, 70);
	}
	assert_int_equal(p.server->accepted, 2);
	close_plant(&p);
}

/* Until it is connected anew a gateway says that its device is silent. */
static void stuck_gateway(struct server *s, const uint8_t *request, unsigned seen)
{
	(void)seen;
	if (s->accepted == 1)
		server_exception(s, request, 11);
	else
		server_right(s, request);
}

static void a_gateway_that_hangs_in_exception_11_is_connected_anew(void **state)
{
	struct plant p;
	const struct gw_reading *r;

	(void)state;
	open_tcp(&p, stuck_gateway, "interval: 50ms\nreconnect_after: 3\n"
		 "devices: {d: {unit_id: 1, points: {x: {address: 7}}}}\n");
	for (int i = 0; i < 3; i++)
		assert_string_equal(reason(fake_core_reading(&p.core), 0), "exception_11");
	r = fake_core_reading(&p.core);
	assert_int_equal(value(r, 0).u, 7);
	assert_int_equal(p.server->accepted, 2);
	close_plant(&p);
}

/* ---- what the log says ---- */

static void connections_that_are_taken_away_are_told_once_an_hour(void **state)
{
	struct mb_news n = { 0 };
	int64_t now_us = 1000 * SECOND;

	(void)state;
	listen_to_the_log();
	/* ten a minute and no more: a device that closes what is idle */
	for (int i = 0; i < 50; i++)
		mb_news_lost(&n, "tcp://h:502", "idle", now_us += 6 * SECOND);
	for (int i = 0; i < 50; i++)
		mb_news_lost(&n, "tcp://h:502", "closed by the other side", now_us += SECOND);
	mb_news_lost(&n, "tcp://h:502", "again", now_us += (int64_t)3600 * SECOND);
	for (int i = 0; i < 10; i++)
		mb_news_lost(&n, "tcp://h:502", "again", now_us);
	assert_string_equal(heard(),
		"warning: tcp://h:502: lost more than 10 connections in a minute (closed by the other side): "
		"another master may be taking them, or the device closes what is idle; see close_after_cycle\n"
		"warning: tcp://h:502: lost more than 10 connections in a minute (again): another master may be "
		"taking them, or the device closes what is idle; see close_after_cycle\n");
}

static void slam(struct server *s, const uint8_t *request, unsigned seen)
{
	(void)request;
	(void)seen;
	server_close(s, false);
}

static void a_device_that_serves_another_master_is_named_as_such(void **state)
{
	struct plant p;
	char want[200];

	(void)state;
	listen_to_the_log();
	open_tcp(&p, slam, "interval: 1h\nretries: 0\ndevices: {d: {unit_id: 1, points: {x: {address: 7}}}}\n");
	assert_string_equal(reason(fake_core_reading(&p.core), 0), "no_connection");
	/* It was opened again at once; the next attempt comes after a rest. */
	for (unsigned times = 2; times <= 3; times++) {
		while (p.server->accepted < times)
			fake_core_turn(&p.core);
		server_close(p.server, false);
	}
	snprintf(want, sizeof(want), "warning: tcp://127.0.0.1:%u: not connected: closed by the other side before "
		 "it answered: is it connected to another master?\n", p.server->port);
	close_plant(&p);
	assert_non_null(strstr(heard(), want));
}

static void a_port_that_is_closed_is_named_as_such(void **state)
{
	struct plant p = { 0 };
	char want[240], connection[64];
	unsigned port = 0;
	int fd = server_listen(&port);

	(void)state;
	close(fd);
	listen_to_the_log();
	fake_core_source(&p.core, &mb_source);
	snprintf(connection, sizeof(connection), "tcp://127.0.0.1:%u", port);
	begin(&p, connection, "interval: 1h\ndevices: {d: {unit_id: 1, points: {x: {address: 7}}}}\n");
	assert_string_equal(reason(fake_core_reading(&p.core), 0), "no_connection");
	close_plant(&p);
	snprintf(want, sizeof(want), "warning: tcp://127.0.0.1:%u: not connected: Connection refused: the host is "
		 "there, but its port %u is closed: is Modbus switched on, and no other master connected?\n",
		 port, port);
	assert_string_equal(heard(), want);
}

/* Another master asks unit 9 between our requests. */
static void with_another_master(struct bus *b, const uint8_t *request, unsigned seen, int64_t at_us)
{
	uint8_t asked[BUS_REQUEST] = { 9, 3, 0, 40, 0, 2 }, frame[MB_RTU_MAX];

	(void)seen;
	at_us = bus_say(b, at_us + 4000, BUS_CHARACTER_US, frame, bus_answer(frame, request));
	bus_seal(asked, 6);
	bus_say(b, at_us + 30 * MS, 0, asked, BUS_REQUEST);
}

static void another_master_on_a_serial_line_is_named_once(void **state)
{
	struct plant p;
	const char *said;
	char want[400];

	(void)state;
	listen_to_the_log();
	open_bus(&p, with_another_master, "interval: 150ms\ndevices: {d: {unit_id: 1, points: {x: {address: 0}}}}\n");
	for (int i = 0; i < 4; i++)
		assert_int_equal(value(fake_core_reading(&p.core), 0).u, 1000);
	snprintf(want, sizeof(want), "warning: rtu:%s: another master asks unit 9 on this line: a serial line "
		 "bears only one, answers get lost or mixed up\n", p.bus->path);
	close_plant(&p);
	said = strstr(heard(), "warning: ");
	assert_non_null(said);
	assert_string_equal(said, want);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_line_that_carries_little_limits_its_devices),
		cmocka_unit_test(coils_are_read_from_zero_when_asked),
		cmocka_unit_test(such_a_coil_is_written_where_it_is),
		cmocka_unit_test(a_device_with_one_fixed_block_is_read_by_a_request_of_its_length),
		cmocka_unit_test(a_register_that_wants_a_login_says_so_and_costs_no_connection),
		cmocka_unit_test(a_guard_is_kept_whoever_was_asked_before),
		cmocka_unit_test(nor_does_a_guard_lose_the_turn),
		cmocka_unit_test(a_further_attempt_waits_for_the_pause),
		cmocka_unit_test(devices_with_one_address_share_a_connection_and_never_ask_at_once),
		cmocka_unit_test(a_foreign_transaction_is_taken_only_when_allowed),
		cmocka_unit_test(nor_does_a_late_one_become_the_value_of_the_next_request),
		cmocka_unit_test(a_gateway_that_hangs_in_exception_11_is_connected_anew),
		cmocka_unit_test(connections_that_are_taken_away_are_told_once_an_hour),
		cmocka_unit_test(a_device_that_serves_another_master_is_named_as_such),
		cmocka_unit_test(a_port_that_is_closed_is_named_as_such),
		cmocka_unit_test(another_master_on_a_serial_line_is_named_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
