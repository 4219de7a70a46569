/*
 * test_error.c - the error value: context, place, cuts.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <errno.h>
#include <string.h>
#include <cmocka.h>

#include "base/text.h"
#include "gatewayd/error.h"

static void an_error_carries_its_context_in_front(void **state)
{
	struct gw_err err;

	(void)state;
	assert_int_equal(gw_err_set(&err, GW_ENOENT, "no device '%s'", "pump"), -1);
	assert_int_equal(gw_err_ctx(&err, "write %d", 7), -1);
	assert_string_equal(err.msg, "write 7: no device 'pump'");
	assert_int_equal(err.code, GW_ENOENT);
	assert_int_equal(err.sys, 0);
}

static void a_refusal_of_the_system_says_why(void **state)
{
	struct gw_err err;

	(void)state;
	assert_int_equal(gw_err_sys(&err, ENOSPC, "writing %s", "buffer.db"), -1);
	assert_string_equal(err.msg, "writing buffer.db: No space left on device");
	assert_int_equal(err.code, GW_EIO);
	assert_int_equal(err.sys, ENOSPC);
	gw_err_ctx(&err, "start");
	assert_int_equal(err.sys, ENOSPC);
}

static void a_place_is_shown_as_compilers_do(void **state)
{
	struct gw_err err;
	char buf[600];

	(void)state;
	gw_err_set(&err, GW_EINPUT, "keepalive: '30' needs a unit");
	assert_string_equal(gw_err_str(&err, buf, sizeof(buf)), "keepalive: '30' needs a unit");
	err.at = (struct gw_place){ "gw.yaml", 14, 13 };
	assert_string_equal(gw_err_str(&err, buf, sizeof(buf)),
			    "gw.yaml:14:13: keepalive: '30' needs a unit");
	err.at.line = 0;
	assert_string_equal(gw_err_str(&err, buf, sizeof(buf)), "gw.yaml: keepalive: '30' needs a unit");
	assert_string_equal(gw_err_str(&err, buf, 8), "gw.yaml");
}

static void a_long_text_is_cut_between_characters(void **state)
{
	struct gw_err err;
	char text[3 * 400 + 2];

	(void)state;
	for (size_t shift = 0; shift < 3; shift++) {
		memset(text, 'x', sizeof(text));
		for (size_t i = 0; i < 400; i++)
			memcpy(text + shift + 3 * i, "ơ\xe1\xba", 2), text[shift + 3 * i + 2] = 'y';
		text[shift + 1198] = '\0';
		gw_err_set(&err, GW_EINPUT, "%s", text);
		assert_in_range(strlen(err.msg), sizeof(err.msg) - 4, sizeof(err.msg) - 1);
		assert_string_equal(err.msg + strlen(err.msg) - 3, "...");
		assert_true(gw_utf8_ok(err.msg, strlen(err.msg)));
	}
}

static void context_never_grows_beyond_the_message(void **state)
{
	struct gw_err err;

	(void)state;
	gw_err_set(&err, GW_EIO, "cause");
	for (int i = 0; i < 100; i++)
		gw_err_ctx(&err, "layer %d of many", i);
	assert_int_equal(strlen(err.msg), sizeof(err.msg) - 1);
	assert_memory_equal(err.msg, "layer 99 of many: layer 98 of many: ", 36);
	assert_string_equal(err.msg + sizeof(err.msg) - 4, "...");
}

static void a_message_stays_one_line(void **state)
{
	struct gw_err err;

	(void)state;
	gw_err_set(&err, GW_EPROTO, "a\nb\tc%c", 0x1b);
	assert_string_equal(err.msg, "a b c ");
}

static void an_error_may_be_made_of_its_own_text(void **state)
{
	struct gw_err err;

	(void)state;
	gw_err_set(&err, GW_EIO, "timeout");
	gw_err_set(&err, GW_EPROTO, "plugin: %s", err.msg);
	assert_string_equal(err.msg, "plugin: timeout");
	gw_err_sys(&err, EPIPE, "%s", err.msg);
	assert_string_equal(err.msg, "plugin: timeout: Broken pipe");
	gw_err_ctx(&err, "again %s", err.msg);
	assert_string_equal(err.msg, "again plugin: timeout: Broken pipe: plugin: timeout: Broken pipe");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_error_carries_its_context_in_front),
		cmocka_unit_test(a_refusal_of_the_system_says_why),
		cmocka_unit_test(a_place_is_shown_as_compilers_do),
		cmocka_unit_test(a_long_text_is_cut_between_characters),
		cmocka_unit_test(context_never_grows_beyond_the_message),
		cmocka_unit_test(a_message_stays_one_line),
		cmocka_unit_test(an_error_may_be_made_of_its_own_text),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
