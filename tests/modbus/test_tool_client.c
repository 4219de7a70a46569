/*
 * The blocking client of the tools, against a device in another thread: each answer has its
 * reason and its deadline, and none is taken for the next.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "gatewayd/reading.h"
#include "plugins/modbus/tool_client.h"
#include "tests/modbus/beside.h"
#include "tests/modbus/bus.h"
#include "tests/modbus/scripted_server.h"

enum { MS = 1000, TIMEOUT_US = 250 * MS, PLENTY_US = 3000 * MS };

struct stage {
	struct beside beside;
	struct server *server;
	struct bus *bus;
	struct mb_client *client;
};

static void open_client(struct stage *s, const char *text)
{
	struct mb_url url;
	struct gw_err err;

	beside_run(&s->beside);
	assert_int_equal(mb_url_parse(text, &url, &err), 0);
	assert_int_equal(mb_client_open(&s->client, &url, TIMEOUT_US, &err), 0);
}

static void open_tcp(struct stage *s, script_fn *script)
{
	char text[64];

	*s = (struct stage){ .server = NULL };
	beside_new(&s->beside);
	s->server = server_new(s->beside.loop, 0, script);
	snprintf(text, sizeof(text), "tcp://127.0.0.1:%u", s->server->port);
	open_client(s, text);
}

static void open_bus(struct stage *s, bus_fn *script)
{
	char text[80];

	*s = (struct stage){ .server = NULL };
	beside_new(&s->beside);
	s->bus = bus_new(s->beside.loop, script);
	snprintf(text, sizeof(text), "rtu:%s", s->bus->path);
	open_client(s, text);
}

/* The device stands still from now on and may be looked at. */
static void stop(struct stage *s)
{
	mb_client_close(s->client);
	beside_stop(&s->beside);
}

static void close_stage(struct stage *s)
{
	server_free(s->server);
	if (s->bus)
		bus_free(s->bus);
	beside_free(&s->beside);
}

static unsigned read_at(struct stage *s, unsigned address, unsigned *value)
{
	struct mb_query q = { .unit = 1, .function = 3, .address = (uint16_t)address, .count = 2 };
	uint8_t data[4] = { 0 };
	unsigned reason = mb_client_read(s->client, &q, data);

	*value = (unsigned)(data[0] << 8 | data[1]);
	return reason;
}

static void expect(struct stage *s, unsigned address, unsigned reason)
{
	int64_t begun_us = gw_now_us();
	unsigned value;

	assert_string_equal(gw_reason_name(read_at(s, address, &value)), gw_reason_name(reason));
	assert_int_equal(value, reason ? 0 : address);
	assert_true(gw_now_us() - begun_us < PLENTY_US);
}

/* ---- TCP ---- */

/* Wrong is what is asked at address 7; all else is answered. */
enum { WRONG = 7 };

static bool is_right(struct server *s, const uint8_t *request)
{
	if (request[9] != WRONG)
		server_right(s, request);
	return request[9] != WRONG;
}

static void refuse(struct server *s, const uint8_t *request, unsigned seen)
{
	(void)seen;
	if (!is_right(s, request))
		server_exception(s, request, 2);
}

static void say_nothing(struct server *s, const uint8_t *request, unsigned seen)
{
	(void)seen;
	is_right(s, request);
}

static void answer_late(struct server *s, const uint8_t *request, unsigned seen)
{
	uint8_t frame[SERVER_FRAME];

	(void)seen;
	if (!is_right(s, request))
		server_later(s, TIMEOUT_US + 30 * MS, 0, frame, server_answer(frame, request));
}

static void dribble(struct server *s, const uint8_t *request, unsigned seen)
{
	uint8_t frame[SERVER_FRAME];

	(void)seen;
	if (!is_right(s, request))
		server_later(s, 0, TIMEOUT_US / 3, frame, server_answer(frame, request));
}

static void hang_up(struct server *s, const uint8_t *request, unsigned seen)
{
	(void)seen;
	if (!is_right(s, request))
		server_close(s, false);
}

static void send_spoilt(struct server *s, const uint8_t *request, unsigned at, uint8_t with)
{
	uint8_t frame[SERVER_FRAME];
	size_t n = server_answer(frame, request);

	frame[at] = with;
	server_send(s, frame, n);
}

static void answer_for_another_unit(struct server *s, const uint8_t *request, unsigned seen)
{
	(void)seen;
	if (!is_right(s, request))
		send_spoilt(s, request, 6, 9);
}

static void answer_another_protocol(struct server *s, const uint8_t *request, unsigned seen)
{
	(void)seen;
	if (!is_right(s, request))
		send_spoilt(s, request, 2, 1);
}

static void flood(struct server *s, const uint8_t *request, unsigned seen)
{
	static const uint8_t garbage[5000] = { 0x55 };

	(void)seen;
	if (!is_right(s, request))
		server_send(s, garbage, sizeof(garbage));
}

/* The answer to another request first. */
static void answer_after_a_stray(struct server *s, const uint8_t *request, unsigned seen)
{
	uint8_t other[SERVER_REQUEST];

	(void)seen;
	memcpy(other, request, sizeof(other));
	other[0] ^= 0x80;
	other[9] = 99;
	server_right(s, other);
	server_right(s, request);
}

static void each_fault_has_its_reason_and_the_next_request_its_answer(void **state)
{
	static const struct {
		script_fn *script;
		unsigned reason;
		bool reconnects; /* nothing late can come on a new connection */
	} cases[] = {
		{ refuse, GW_EXCEPTION_0 | 2, false },
		{ say_nothing, GW_TIMEOUT, true },
		{ answer_late, GW_TIMEOUT, true },
		{ dribble, GW_TIMEOUT, true },
		{ hang_up, GW_NO_CONNECTION, true },
		{ answer_for_another_unit, GW_PROTOCOL, true },
		{ answer_another_protocol, GW_PROTOCOL, true },
		{ flood, GW_PROTOCOL, true },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct stage s;

		open_tcp(&s, cases[i].script);
		expect(&s, 1, GW_GOOD);
		expect(&s, WRONG, cases[i].reason);
		expect(&s, 2, GW_GOOD);
		expect(&s, 3, GW_GOOD);
		stop(&s);
		assert_int_equal(s.server->requests, 4);
		assert_int_equal(s.server->accepted, cases[i].reconnects ? 2 : 1);
		close_stage(&s);
	}
}

static void stray_frames_are_passed_over(void **state)
{
	struct stage s;

	(void)state;
	open_tcp(&s, answer_after_a_stray);
	expect(&s, 1, GW_GOOD);
	expect(&s, 2, GW_GOOD);
	stop(&s);
	assert_int_equal(s.server->accepted, 1);
	close_stage(&s);
}

static void a_closed_port_is_told_when_it_is_opened(void **state)
{
	struct mb_client *c;
	struct mb_url url;
	struct gw_err err;
	unsigned port = 0;
	char text[64];

	(void)state;
	close(server_listen(&port));
	snprintf(text, sizeof(text), "tcp://127.0.0.1:%u", port);
	assert_int_equal(mb_url_parse(text, &url, &err), 0);
	assert_int_equal(mb_client_open(&c, &url, TIMEOUT_US, &err), -1);
	assert_int_equal(strncmp(err.msg, text, strlen(text)), 0);
	assert_non_null(strstr(err.msg, ": Connection refused"));
	mb_client_close(NULL);
}

static void a_device_that_is_gone_stays_gone_until_it_is_back(void **state)
{
	struct stage s;
	unsigned port, value;

	(void)state;
	open_tcp(&s, say_nothing);
	port = s.server->port;
	expect(&s, 1, GW_GOOD);
	beside_stop(&s.beside);
	server_free(s.server);
	expect(&s, 1, GW_NO_CONNECTION);
	expect(&s, 1, GW_NO_CONNECTION);
	assert_false(mb_client_is_open(s.client));
	beside_free(&s.beside);
	beside_new(&s.beside);
	s.server = server_new(s.beside.loop, port, say_nothing);
	beside_run(&s.beside);
	assert_int_equal(read_at(&s, 5, &value), GW_GOOD);
	assert_int_equal(value, 5);
	stop(&s);
	close_stage(&s);
}

/* ---- other functions ---- */

static const uint8_t *pdu; /* what the device answers, without unit, behind answers to others */
static size_t pdu_size;

static void answer_pdu(struct server *s, const uint8_t *request, unsigned seen)
{
	uint8_t frame[SERVER_FRAME] = { request[0], request[1], 0, 0, 0, (uint8_t)(pdu_size + 1), request[6] };

	const uint8_t other_transaction[] = { request[0], request[1] ^ 1, 0, 0, 0, 4, request[6], 17, 1, 9 };
	const uint8_t other_unit[] = { request[0], request[1], 0, 0, 0, 4, 99, 17, 1, 9 };

	(void)seen;
	server_send(s, other_transaction, sizeof(other_transaction));
	server_send(s, other_unit, sizeof(other_unit));
	memcpy(frame + 7, pdu, pdu_size);
	server_send(s, frame, 7 + pdu_size);
}

static void any_function_may_be_asked(void **state)
{
	static const struct {
		uint8_t pdu[12];
		size_t size;
		unsigned reason;
	} cases[] = {
		{ { 17, 3, 0x41, 0x42, 0xff }, 5, GW_GOOD },
		{ { 17 | 0x80, 1 }, 2, GW_EXCEPTION_0 | 1 },
		{ { 3, 2, 0, 0 }, 4, GW_PROTOCOL },
		{ { 17 }, 1, GW_PROTOCOL },
		{ { 17 | 0x80, 0x81 }, 2, GW_PROTOCOL },
	};
	const uint8_t ask[] = { 17 };

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint8_t answer[MB_PDU_MAX];
		struct stage s;
		size_t n = 0;

		pdu = cases[i].pdu;
		pdu_size = cases[i].size;
		open_tcp(&s, answer_pdu);
		assert_int_equal(mb_client_ask(s.client, 1, ask, sizeof(ask), answer, &n), cases[i].reason);
		if (!cases[i].reason) {
			assert_int_equal(n, pdu_size);
			assert_memory_equal(answer, pdu, n);
		}
		stop(&s);
		close_stage(&s);
	}
}

/* ---- a serial line ---- */

static int64_t answered_us, rested_us; /* the end of the last answer; silence before the request */

static void answer_and_measure(struct bus *b, const uint8_t *request, unsigned seen, int64_t at_us)
{
	uint8_t frame[MB_RTU_MAX];

	if (seen)
		rested_us = at_us - BUS_REQUEST * BUS_CHARACTER_US - answered_us;
	answered_us = bus_say(b, at_us + 2000, BUS_CHARACTER_US, frame, bus_answer(frame, request));
}

static unsigned read_bus(struct stage *s, unsigned *value)
{
	return read_at(s, 100, value);
}

static void requests_on_a_line_keep_their_distance(void **state)
{
	struct stage s;
	unsigned value;

	(void)state;
	open_bus(&s, answer_and_measure);
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(read_bus(&s, &value), GW_GOOD);
		assert_int_equal(value, 1100);
	}
	stop(&s);
	assert_int_equal(s.bus->requests, 3);
	assert_true(rested_us >= 7 * BUS_CHARACTER_US / 2);
	close_stage(&s);
}

static void garble(struct bus *b, const uint8_t *request, unsigned seen, int64_t at_us)
{
	uint8_t frame[MB_RTU_MAX];
	size_t n = bus_answer(frame, request);

	frame[4] ^= seen ? 0 : 0x10;
	bus_say(b, at_us + 2000, BUS_CHARACTER_US, frame, n);
}

static void a_garbled_answer_has_its_reason_and_the_next_is_whole(void **state)
{
	struct stage s;
	unsigned value;

	(void)state;
	open_bus(&s, garble);
	assert_int_equal(read_bus(&s, &value), GW_CRC);
	assert_int_equal(read_bus(&s, &value), GW_GOOD);
	stop(&s);
	close_stage(&s);
}

/* Whatever is asked: `before` at once, as an echo, then `said`. */
static uint8_t before[16], said[64];
static size_t before_size, said_size;

static void say_it(struct bus *b, const uint8_t *request, unsigned seen, int64_t at_us)
{
	(void)request;
	(void)seen;
	bus_say(b, at_us, BUS_CHARACTER_US, before, before_size);
	bus_say(b, at_us + 20000, BUS_CHARACTER_US, said, said_size);
}

static size_t identification(uint8_t *out, uint8_t objects, uint8_t length)
{
	const uint8_t body[] = { 1, 43, 14, 1, 1, 0, 0, objects, 0, length, 'A', 'B', 'C' };

	memcpy(out, body, sizeof(body));
	return bus_seal(out, sizeof(body));
}

static void an_identification_is_found_behind_echo_and_zeros_and_its_lengths_are_not_believed(void **state)
{
	static const struct {
		uint8_t objects, length;
		unsigned reason;
	} cases[] = { { 1, 3, GW_GOOD }, { 1, 200, GW_TIMEOUT }, { 9, 3, GW_TIMEOUT }, { 0, 0, GW_TIMEOUT } };
	/* 8 bytes with unit and checksum, as the bus expects them */
	const uint8_t ask[] = { 43, 14, 1, 0, 0 };

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint8_t answer[MB_PDU_MAX];
		struct stage s;
		size_t n = 0;

		said_size = identification(said, cases[i].objects, cases[i].length);
		before[0] = 1;
		memcpy(before + 1, ask, sizeof(ask));
		before_size = bus_seal(before, 1 + sizeof(ask)) + 2; /* and two zeros */
		open_bus(&s, say_it);
		assert_int_equal(mb_client_ask(s.client, 1, ask, sizeof(ask), answer, &n), cases[i].reason);
		if (!cases[i].reason) {
			assert_int_equal(n, said_size - 3);
			assert_memory_equal(answer, said + 1, n);
		}
		stop(&s);
		close_stage(&s);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_fault_has_its_reason_and_the_next_request_its_answer),
		cmocka_unit_test(stray_frames_are_passed_over),
		cmocka_unit_test(a_closed_port_is_told_when_it_is_opened),
		cmocka_unit_test(a_device_that_is_gone_stays_gone_until_it_is_back),
		cmocka_unit_test(any_function_may_be_asked),
		cmocka_unit_test(requests_on_a_line_keep_their_distance),
		cmocka_unit_test(a_garbled_answer_has_its_reason_and_the_next_is_whole),
		cmocka_unit_test(
			an_identification_is_found_behind_echo_and_zeros_and_its_lengths_are_not_believed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
