/*
 * test_guide.c - the program in docs/plugin-guide.md is what the guide says it is: a
 * source that speaks the protocol without our runtime.
 */
#include "tests/base/fake_core.h"

#include <fcntl.h>
#include <sys/wait.h>

static char *read_guide(void)
{
	FILE *f = fopen("docs/plugin-guide.md", "re");
	char *text = calloc(1, 128 * 1024);

	assert_non_null(f);
	assert_non_null(text);
	assert_true(fread(text, 1, 128 * 1024 - 1, f) > 0);
	fclose(f);
	return text;
}

/* The code between ```python and ```; cuts the text there. */
static const char *find_program(char *guide)
{
	char *from = strstr(guide, "```python\n"), *to;

	assert_non_null(from);
	from += strlen("```python\n");
	to = strstr(from, "\n```");
	assert_non_null(to);
	*to = '\0';
	return from;
}

static pid_t run_python(struct fake_core *c, const char *program)
{
	pid_t pid = fork();
	char number[16];

	assert_true(pid >= 0);
	if (pid > 0)
		return pid;
	snprintf(number, sizeof(number), "%d", c->fds[0]);
	setenv("GATEWAYD_LINK", number, 1);
	fcntl(c->fds[0], F_SETFD, 0);
	execlp("python3", "python3", "-c", program, (char *)NULL);
	_exit(127);
}

static void the_python_source_speaks_the_protocol(void **state)
{
	struct fake_core c;
	char *guide = read_guide();
	const struct gw_reading *r;
	const struct gw_message *m;
	struct gw_message ping = { .type = GW_MSG_PING, .ping = { .number = 7 } };
	int status;
	pid_t pid;

	(void)state;
	fake_core_open(&c);
	pid = run_python(&c, find_program(guide));
	assert_int_equal(fake_core_configure(
				 &c, "games",
				 "plugin: dice\ninterval: 1s\ndevices:\n  table: {title: Bàn}\n"),
			 0);
	m = fake_core_take(&c, GW_MSG_DEVICE);
	assert_int_equal(m->device.name.n, strlen("table"));
	assert_memory_equal(m->device.name.s, "table", strlen("table"));
	assert_int_equal(fake_core_take(&c, GW_MSG_POINT)->point.interval_ms, 1000);
	fake_core_start(&c, gw_now_us());
	for (int i = 0; i < 2; i++) {
		r = fake_core_reading(&c);
		assert_int_equal(r->count, 1);
		assert_in_range(gw_reading_value(r, 0).i, 1, 6);
	}
	fake_core_send(&c, &ping);
	assert_int_equal(fake_core_take(&c, GW_MSG_PONG)->pong.number, 7);
	fake_core_say(&c, GW_MSG_STOP);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	fake_core_close(&c);
	free(guide);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_python_source_speaks_the_protocol),
	};

	return cmocka_run_group_tests_name("guide", tests, NULL, NULL);
}
