#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "plugins/modbus/record.h"

#define TCP "gatewayd-modbus-recording 1 tcp\n"
#define RTU "gatewayd-modbus-recording 1 rtu\n"

static void what_is_written_is_read_again(void **state)
{
	static const uint8_t ask[] = { 0, 1, 0, 0, 0, 6, 1, 3, 0, 0, 0, 1 };
	static const uint8_t say[] = { 0, 1, 0, 0, 0, 5, 1, 3, 2, 0x12, 0x34 };
	struct mb_recording r;
	struct gw_err err;
	char *text;
	size_t n;
	FILE *f = open_memstream(&text, &n);

	(void)state;
	mb_record_begin(f, false, "tcp://127.0.0.1:502");
	mb_record_write(f, 0, false, ask, sizeof(ask));
	mb_record_write(f, 12345, true, say, sizeof(say));
	fclose(f);
	assert_string_equal(text, TCP "# tcp://127.0.0.1:502\n0 > 000100000006010300000001\n"
				      "12345 < 0001000000050103021234\n");
	assert_int_equal(mb_record_read(&r, text, n, &err), 0);
	assert_int_equal(r.count, 2);
	assert_false(r.rtu);
	assert_int_equal(r.frames[1].at_us, 12345);
	assert_true(r.frames[1].answer);
	assert_memory_equal(r.bytes + r.frames[1].bytes, say, sizeof(say));
	mb_record_free(&r);
	free(text);
}

static void a_file_that_is_no_recording_is_refused_with_its_line(void **state)
{
	static const struct {
		const char *text, *want;
	} cases[] = {
		{ "", "line 0: not a recording; it begins with \"gatewayd-modbus-recording 1 tcp\" or \"... rtu\"" },
		{ "hello\n", "line 1: not a recording; it begins with \"gatewayd-modbus-recording 1 tcp\" or \"... rtu\"" },
		{ TCP "x\n", "line 2: not a frame; a frame is MICROSECONDS, > or <, and its bytes" },
		{ TCP "5 = 00\n", "line 2: not a frame; a frame is MICROSECONDS, > or <, and its bytes" },
		{ TCP "9999999999999999 > 00\n", "line 2: not a frame; a frame is MICROSECONDS, > or <, and its bytes" },
		{ TCP "5 > 00\n4 < 00\n", "line 3: the time runs backwards" },
		{ TCP "5 > 0\n", "line 2: the bytes are not 1 to 260 pairs of hexadecimal digits" },
		{ TCP "5 > 0g\n", "line 2: the bytes are not 1 to 260 pairs of hexadecimal digits" },
		{ TCP "5 >\n", "line 2: not a frame; a frame is MICROSECONDS, > or <, and its bytes" },
		{ TCP "5 > # nothing\n", "line 2: the bytes are not 1 to 260 pairs of hexadecimal digits" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct mb_recording r;
		struct gw_err err;

		assert_int_equal(mb_record_read(&r, cases[i].text, strlen(cases[i].text), &err), -1);
		assert_string_equal(err.msg, cases[i].want);
		assert_null(r.frames);
	}
}

static void comments_blanks_and_windows_line_ends_are_fine(void **state)
{
	static const char text[] = "gatewayd-modbus-recording 1 rtu\r\n\r\n# note\r\n5 > 01 03 # ask\r\n7 < FFab";
	struct mb_recording r;
	struct gw_err err;

	(void)state;
	assert_int_equal(mb_record_read(&r, text, strlen(text), &err), 0);
	assert_true(r.rtu);
	assert_int_equal(r.count, 2);
	assert_int_equal(r.frames[0].size, 2);
	assert_int_equal(r.bytes[r.frames[1].bytes], 0xff);
	mb_record_free(&r);
}

static void a_request_gets_its_recorded_answers_in_turn(void **state)
{
	static const char text[] = TCP "0 > 000100000006010300000001\n100 < 0001000000050103020001\n"
				       "200 > 000200000006010300010001\n"
				       "300 > 000300000006010300000001\n450 < 0003000000050103020002\n";
	static const uint8_t ask[] = { 9, 9, 0, 0, 0, 6, 1, 3, 0, 0, 0, 1 };
	static const uint8_t silent[] = { 9, 9, 0, 0, 0, 6, 1, 3, 0, 1, 0, 1 };
	const struct mb_record *a;
	struct mb_recording r;
	struct gw_err err;
	int64_t delay_us;
	size_t at = 0;

	(void)state;
	assert_int_equal(mb_record_read(&r, text, strlen(text), &err), 0);
	for (unsigned k = 0; k < 4; k++) {
		a = mb_record_answer(&r, ask, sizeof(ask), &at, &delay_us);
		assert_non_null(a);
		assert_int_equal(r.bytes[a->bytes + 10], 1 + k % 2);
		assert_int_equal(delay_us, k % 2 ? 150 : 100);
	}
	assert_null(mb_record_answer(&r, silent, sizeof(silent), &at, &delay_us));
	mb_record_free(&r);
}

static void a_stream_is_cut_into_frames(void **state)
{
	static const uint8_t tcp[] = { 0, 1, 0, 0, 0, 2, 1, 3, 0 };
	static const uint8_t rtu[] = { 1, 3, 0, 0, 0, 1, 0x84, 0x0a, 1 };

	(void)state;
	for (size_t n = 0; n < 8; n++) {
		assert_int_equal(mb_record_frame(false, tcp, n), 0);
		assert_int_equal(mb_record_frame(true, rtu, n), 0);
	}
	assert_int_equal(mb_record_frame(false, tcp, 9), 8);
	assert_int_equal(mb_record_frame(true, rtu, 9), 8);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_written_is_read_again),
		cmocka_unit_test(a_file_that_is_no_recording_is_refused_with_its_line),
		cmocka_unit_test(comments_blanks_and_windows_line_ends_are_fine),
		cmocka_unit_test(a_request_gets_its_recorded_answers_in_turn),
		cmocka_unit_test(a_stream_is_cut_into_frames),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
