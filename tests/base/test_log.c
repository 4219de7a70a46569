/*
 * test_log.c - what reaches standard error, and what is held back.  Standard
 * error is a pipe while a line is written.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "base/log_limit.h"

struct ear {
	int pipe[2], stderr_copy;
	char heard[8192];
};

static int open_ear(void **state)
{
	struct ear *e = calloc(1, sizeof(*e));

	*state = e;
	unsetenv("GATEWAYD_LINK");
	unsetenv("JOURNAL_STREAM");
	e->stderr_copy = dup(STDERR_FILENO);
	return pipe2(e->pipe, O_NONBLOCK) < 0 || dup2(e->pipe[1], STDERR_FILENO) < 0 ? -1 : 0;
}

static int close_ear(void **state)
{
	struct ear *e = *state;

	dup2(e->stderr_copy, STDERR_FILENO);
	close(e->stderr_copy);
	close(e->pipe[0]);
	close(e->pipe[1]);
	unsetenv("GATEWAYD_LINK");
	unsetenv("JOURNAL_STREAM");
	free(e);
	return 0;
}

/* All that was written since the last call. */
static const char *heard(struct ear *e)
{
	ssize_t n = read(e->pipe[0], e->heard, sizeof(e->heard) - 1);

	e->heard[n > 0 ? n : 0] = '\0';
	return e->heard;
}

static void a_plain_line_has_its_level_in_words(void **state)
{
	struct ear *e = *state;

	gw_log_open("gatewayd", GW_DEBUG);
	gw_log(GW_ERROR, "one %d", 1);
	gw_log(GW_WARNING, "two");
	gw_log(GW_INFO, "three");
	gw_log(GW_DEBUG, "four");
	assert_string_equal(heard(e), "error: one 1\nwarning: two\ninfo: three\ndebug: four\n");
}

static void lines_above_the_level_are_not_written(void **state)
{
	struct ear *e = *state;

	gw_log_open("gatewayd", GW_WARNING);
	gw_log(GW_INFO, "quiet");
	gw_log(GW_WARNING, "loud");
	assert_string_equal(heard(e), "warning: loud\n");
}

static void a_plugin_marks_the_level_for_the_core(void **state)
{
	struct ear *e = *state;

	setenv("GATEWAYD_LINK", "3", 1);
	gw_log_open("modbus", GW_INFO);
	gw_log(GW_WARNING, "line %s", "busy");
	assert_string_equal(heard(e), "<4>line busy\n");
}

static void text_from_outside_cannot_break_the_line(void **state)
{
	struct ear *e = *state;

	gw_log_open("gatewayd", GW_INFO);
	gw_log(GW_INFO, "device said %s", "a\nerror: b\x1b[2J\xff");
	assert_string_equal(heard(e), "info: device said a\\x0aerror: b\\x1b[2J\\xff\n");
}

static void a_long_line_is_cut(void **state)
{
	struct ear *e = *state;
	char text[5000];
	size_t n;

	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	gw_log_open("gatewayd", GW_INFO);
	gw_log(GW_INFO, "%s", text);
	n = strlen(heard(e));
	assert_int_equal(n, 6 + 1023 + 1);
	assert_string_equal(e->heard + n - 4, "...\n");
}

static void a_call_site_is_held_back_after_ten_lines(void **state)
{
	struct ear *e = *state;
	char want[256] = "";

	gw_log_open("gatewayd", GW_INFO);
	for (int i = 0; i < 25; i++)
		gw_log(GW_INFO, "again %d", i);
	gw_log(GW_INFO, "another site");
	for (int i = 0; i < 10; i++)
		sprintf(want + strlen(want), "info: again %d\n", i);
	strcat(want, "info: another site\n");
	assert_string_equal(heard(e), want);
}

static void an_error_value_is_logged_with_its_place(void **state)
{
	struct ear *e = *state;
	struct gw_err err = { .at = { "gatewayd.yaml", 3, 5 }, .msg = "no such thing" };

	gw_log_open("gatewayd", GW_INFO);
	gw_log_err(GW_ERROR, &err);
	gw_log_err(GW_DEBUG, &err);
	assert_string_equal(heard(e), "error: gatewayd.yaml:3:5: no such thing\n");
}

static void child(const char *line, struct gw_log_limit *limit, int64_t now_us)
{
	gw_log_child("pump-house", line, strlen(line), limit, now_us);
}

static void a_line_of_a_child_has_its_name_and_its_own_level(void **state)
{
	struct ear *e = *state;
	struct gw_log_limit limit = { 0 };

	gw_log_open("gatewayd", GW_INFO);
	child("<3>broken\n", &limit, 0);
	child("<0>very broken", &limit, 0);
	child("<4>odd\r\n", &limit, 0);
	child("<5>notable", &limit, 0);
	child("<7>detail", &limit, 0);
	child("no mark\tat all", &limit, 0);
	child("<8>no level", &limit, 0);
	child("<3", &limit, 0);
	child("", &limit, 0);
	assert_string_equal(heard(e), "error: pump-house: broken\n"
				      "error: pump-house: very broken\n"
				      "warning: pump-house: odd\n"
				      "info: pump-house: notable\n"
				      "info: pump-house: no mark\\x09at all\n"
				      "info: pump-house: <8>no level\n"
				      "info: pump-house: <3\n"
				      "info: pump-house: \n");
}

static void a_talkative_child_is_held_back_and_the_count_is_told(void **state)
{
	struct ear *e = *state;
	struct gw_log_limit limit = { 0 };
	unsigned lines = 0;

	gw_log_open("gatewayd", GW_INFO);
	for (int i = 0; i < 130; i++)
		child("x", &limit, 5);
	for (const char *s = heard(e); *s; s++)
		lines += *s == '\n';
	assert_int_equal(lines, 100);
	child("x", &limit, 5 + LOG_WINDOW_US - 1);
	assert_string_equal(heard(e), "");
	child("x", &limit, 5 + LOG_WINDOW_US);
	assert_string_equal(heard(e), "info: pump-house: x (31 like it held back)\n");
	child("x", &limit, 6 + LOG_WINDOW_US);
	assert_string_equal(heard(e), "info: pump-house: x\n");
}

/* Where no journal can be reached the line is not lost. */
static void a_journal_out_of_reach_gets_the_line_by_standard_error(void **state)
{
	struct ear *e = *state;
	char stream[64];
	struct stat st;

	assert_int_equal(fstat(STDERR_FILENO, &st), 0);
	snprintf(stream, sizeof(stream), "%llu:%llu", (unsigned long long)st.st_dev,
		 (unsigned long long)st.st_ino);
	setenv("JOURNAL_STREAM", stream, 1);
	gw_log_open("gatewayd", GW_INFO);
	gw_log(GW_WARNING, "to the journal");
	if (access("/run/systemd/journal/socket", F_OK) < 0)
		assert_string_equal(heard(e), "<4>to the journal\n");
	else
		assert_string_equal(heard(e), "");
}

static void a_journal_stream_of_another_file_is_none(void **state)
{
	static const char *const around[][3] = {
		{ "", ":", "9" }, { "9", ":", "" }, { "", "", "" }, { "none", ":", "" },
	};
	struct ear *e = *state;
	char stream[64];
	struct stat st;

	assert_int_equal(fstat(STDERR_FILENO, &st), 0);
	for (size_t i = 0; i < sizeof(around) / sizeof(around[0]); i++) {
		snprintf(stream, sizeof(stream), "%s%llu%s%llu%s", around[i][0],
			 (unsigned long long)st.st_dev, around[i][1], (unsigned long long)st.st_ino,
			 around[i][2]);
		setenv("JOURNAL_STREAM", stream, 1);
		gw_log_open("gatewayd", GW_INFO);
		gw_log(GW_INFO, "plain");
		assert_string_equal(heard(e), "info: plain\n");
	}
}

static void sites_that_collide_hold_nothing_back_wrongly(void **state)
{
	struct log_sites *sites = calloc(1, sizeof(*sites));
	unsigned held;

	(void)state;
	assert_non_null(sites);
	for (uintptr_t key = 1; key < 1000; key++)
		assert_true(gw_log_passes(gw_log_site(sites, (const void *)key), 1, 0, &held));
	assert_false(gw_log_passes(gw_log_site(sites, (const void *)(uintptr_t)999), 1, 0, &held));
	free(sites);
}

#define WITH_EAR(test) cmocka_unit_test_setup_teardown(test, open_ear, close_ear)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_EAR(a_plain_line_has_its_level_in_words),
		WITH_EAR(lines_above_the_level_are_not_written),
		WITH_EAR(a_plugin_marks_the_level_for_the_core),
		WITH_EAR(text_from_outside_cannot_break_the_line),
		WITH_EAR(a_long_line_is_cut),
		WITH_EAR(a_call_site_is_held_back_after_ten_lines),
		WITH_EAR(an_error_value_is_logged_with_its_place),
		WITH_EAR(a_line_of_a_child_has_its_name_and_its_own_level),
		WITH_EAR(a_talkative_child_is_held_back_and_the_count_is_told),
		WITH_EAR(a_journal_out_of_reach_gets_the_line_by_standard_error),
		WITH_EAR(a_journal_stream_of_another_file_is_none),
		cmocka_unit_test(sites_that_collide_hold_nothing_back_wrongly),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
