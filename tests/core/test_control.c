/* The control socket with a real socket and loop; requests as pure bytes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "core/control.h"

/* ---- requests ---- */

static const char *refusal(const char *line, size_t n)
{
	static struct gw_request_line r;

	if (gw_request_parse(&r, line, n) == 0 && gw_request_lookup(&r) >= 0)
		snprintf(r.refusal, sizeof(r.refusal), "fine");
	gw_request_free(&r);
	return r.refusal;
}

static void requests_are_refused_in_words(void **state)
{
	static const struct {
		const char *line, *text;
	} cases[] = {
		{ "{\"command\":\"status\"}", "fine" },
		{ "{\"command\":\"points\",\"args\":[\"meter-1\"]}", "fine" },
		{ "{\"command\":\"replay\",\"args\":[\"a\",\"1\",\"2\"]}", "fine" },
		{ "{\"command\":\"replay\",\"args\":[\"a\",\"1\"]}",
		  "replay takes 3 or 4 arguments: DEVICE FROM TO [SINK]" },
		{ "{\"command\":\"read\",\"args\":[\"a\"]}", "read takes 2 arguments: DEVICE POINT" },
		{ "{\"command\":\"restart\"}", "restart takes 1 argument: SOURCE" },
		{ "{\"command\":\"watch\",\"args\":[\"a\",\"b\"]}", "watch takes 0 or 1 argument: [DEVICE]" },
		{ "{\"command\":\"status\",\"args\":[\"a\"]}", "status takes no arguments" },
		{ "{\"command\":\"losses\",\"args\":[\"a\"]}", "losses takes no arguments" },
		{ "{\"command\":\"statuss\"}", "there is no command 'statuss'; did you mean 'status'?" },
		{ "{\"command\":\"\"}", "there is no command ''" },
		{ "{}", GW_REQUEST_FORM },
		{ "[]", GW_REQUEST_FORM },
		{ "{\"command\":1}", GW_REQUEST_FORM },
		{ "{\"command\":\"a\\u0001\"}", GW_REQUEST_FORM },
		{ "{\"command\":\"status\",\"args\":5}", GW_REQUEST_FORM },
		{ "{\"command\":\"status\",\"args\":[1]}", GW_REQUEST_FORM },
		{ "{\"command\":\"status\",\"command\":\"sinks\"}",
		  "not JSON: duplicate object key near '\"command\"'" },
		{ "status", "not JSON: '[' or '{' expected near 'status'" },
		{ "{\"command\":\"x\",\"args\":[\"\",\"\",\"\",\"\",\"\",\"\",\"\",\"\",\"\",\"\",\"\",\"\",\"\","
		  "\"\",\"\",\"\",\"\"]}",
		  "a request has at most 16 arguments" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_string_equal(refusal(cases[i].line, strlen(cases[i].line)), cases[i].text);
}

static void deep_nesting_is_harmless(void **state)
{
	enum { DEPTH = 60000 };
	char *line = malloc(DEPTH);

	(void)state;
	memset(line, '[', DEPTH);
	assert_string_equal(refusal(line, DEPTH), "not JSON: maximum parsing depth reached near '['");
	free(line);
}

/* ---- the socket ---- */

static struct gw_daemon *d;
static char folder[] = "/tmp/test_control.XXXXXX", path[64];

static int begin(void **state)
{
	struct gw_err err = { 0 };

	(void)state;
	d = calloc(1, sizeof(*d));
	snprintf(path, sizeof(path), "%s/c.sock", folder);
	d->core.control.socket = path;
	assert_int_equal(gw_loop_new(&d->loop, &err), 0);
	if (gw_control_open(d, &err) != 0)
		fail_msg("%s", err.msg);
	return 0;
}

static int end(void **state)
{
	(void)state;
	gw_control_close(d);
	assert_int_equal(access(path, F_OK), -1);
	gw_loop_free(d->loop);
	free(d);
	return 0;
}

static void turn(int n)
{
	struct gw_err err;

	while (n-- > 0)
		assert_int_equal(gw_loop_turn(d->loop, 0, &err), 0);
}

static int client(void)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(sa.sun_path, sizeof(sa.sun_path), "%s", path);
	assert_int_equal(connect(fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
	return fd;
}

static void say(int fd, const char *text)
{
	assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

/* What comes until `lines` lines or the end. */
static const char *hear(int fd, int lines)
{
	static char buf[4096];
	size_t n = 0;

	for (int tries = 0; tries < 2000 && lines > 0; tries++) {
		ssize_t got;

		turn(1);
		got = recv(fd, buf + n, sizeof(buf) - 1 - n, MSG_DONTWAIT);
		if (got == 0 || (got < 0 && errno != EAGAIN))
			break;
		for (ssize_t i = 0; i < got; i++)
			lines -= buf[n + (size_t)i] == '\n';
		n += got > 0 ? (size_t)got : 0;
	}
	buf[n] = '\0';
	return buf;
}

#define VERSION_LINE "{\"ok\":true,\"data\":{\"version\":\"" GW_VERSION "\"}}\n"

static void two_requests_in_one_packet_and_half_a_request(void **state)
{
	int fd = client();

	(void)state;
	say(fd, "{\"command\":\"version\"}\n{\"command\":\"version\"}\n{\"comm");
	assert_string_equal(hear(fd, 2), VERSION_LINE VERSION_LINE);
	say(fd, "and\":\"version\"}\n");
	assert_string_equal(hear(fd, 1), VERSION_LINE);
	close(fd);
	turn(3);
}

static void a_wrong_request_is_answered_and_the_talk_goes_on(void **state)
{
	int fd = client();

	(void)state;
	say(fd, "nonsense\n{\"command\":\"points\",\"args\":[\"meter\"]}\n{\"command\":\"version\"}\n");
	assert_string_equal(hear(fd, 3),
			    "{\"ok\":false,\"code\":2,\"error\":\"not JSON: '[' or '{' expected near 'nonsense'\"}\n"
			    "{\"ok\":false,\"code\":1,\"error\":\"there is no device 'meter'\"}\n" VERSION_LINE);
	close(fd);
	turn(3);
}

static void a_name_that_was_cut_is_still_text(void **state)
{
	char line[300] = "{\"command\":\"points\",\"args\":[\"a";
	int fd = client();

	(void)state;
	for (int i = 0; i < 60; i++)
		strcat(line, "é");
	strcat(line, "\"]}\n");
	say(fd, line);
	assert_non_null(strstr(hear(fd, 1), "there is no device 'aéé"));
	close(fd);
	turn(3);
}

static void a_request_that_is_too_long_ends_the_talk(void **state)
{
	static char big[70000];
	int fd = client();

	(void)state;
	memset(big, 'x', sizeof(big));
	assert_true(send(fd, big, sizeof(big), MSG_NOSIGNAL) > 0);
	assert_string_equal(hear(fd, 2),
			    "{\"ok\":false,\"code\":2,\"error\":\"a request has at most 65536 bytes\"}\n");
	close(fd);
	turn(3);
	assert_null(d->control->clients[0]);
}

static void more_clients_than_there_is_room_for_see_the_end(void **state)
{
	int fds[40];

	(void)state;
	for (int i = 0; i < 40; i++) {
		fds[i] = client();
		turn(2);
	}
	say(fds[0], "{\"command\":\"version\"}\n");
	assert_string_equal(hear(fds[0], 1), VERSION_LINE);
	assert_string_equal(hear(fds[39], 1), "");
	for (int i = 0; i < 40; i++)
		close(fds[i]);
	turn(80);
	fds[0] = client();
	say(fds[0], "{\"command\":\"version\"}\n");
	assert_string_equal(hear(fds[0], 1), VERSION_LINE);
	close(fds[0]);
}

static void one_who_does_not_read_is_dropped(void **state)
{
	int fd = client();

	(void)state;
	say(fd, "{\"command\":\"watch\"}\n");
	turn(4);
	assert_int_equal(d->control->watchers, 1);
	for (int i = 0; i < 200 && d->control->watchers && !d->control->clients[0]->dead; i++) {
		json_t *doc = json_object();
		char *text = malloc(100001);

		memset(text, 'x', 100000);
		text[100000] = '\0';
		json_object_set_new(doc, "x", json_string(text));
		free(text);
		gw_client_event(d->control->clients[0], doc);
		assert_true(d->control->clients[0]->out_capacity <= 2 * GW_CLIENT_OUT_MAX);
	}
	turn(5);
	assert_int_equal(d->control->watchers, 0);
	close(fd);
}

static void a_slow_watcher_s_queue_does_not_grow_with_what_it_has_read(void **state)
{
	int fd = client();
	size_t most = 0;

	(void)state;
	say(fd, "{\"command\":\"watch\"}\n");
	turn(4);
	for (int i = 0; i < 4000; i++) { /* always behind by a few hundred KiB, 40 MB in all */
		char text[10001], sink[10000];

		memset(text, 'x', 10000);
		text[10000] = '\0';
		gw_client_event(d->control->clients[0], json_pack("{s:s}", "x", text));
		if (i > 80)
			for (size_t n = 0; n < 10010;) {
				ssize_t got = recv(fd, sink, sizeof(sink), MSG_DONTWAIT);

				n += got > 0 ? (size_t)got : 10010;
				turn(1);
			}
		if (most < d->control->clients[0]->out_capacity)
			most = d->control->clients[0]->out_capacity;
	}
	assert_true(most <= 4 * 1024 * 1024);
	close(fd);
	turn(5);
}

static void a_second_daemon_is_refused_and_a_dead_one_s_file_is_taken_over(void **state)
{
	struct gw_daemon other = { .loop = d->loop, .core.control.socket = path };
	struct gw_err err = { 0 };
	char text[200];

	(void)state;
	assert_int_equal(gw_control_open(&other, &err), -1);
	snprintf(text, sizeof(text), "control socket %s is in use by another process", path);
	assert_string_equal(err.msg, text);
	turn(3);
}

static int group_begin(void **state)
{
	(void)state;
	return mkdtemp(folder) ? 0 : -1;
}

static int group_end(void **state)
{
	(void)state;
	return rmdir(folder);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(requests_are_refused_in_words),
		cmocka_unit_test(deep_nesting_is_harmless),
		TEST(two_requests_in_one_packet_and_half_a_request),
		TEST(a_wrong_request_is_answered_and_the_talk_goes_on),
		TEST(a_name_that_was_cut_is_still_text),
		TEST(a_request_that_is_too_long_ends_the_talk),
		TEST(more_clients_than_there_is_room_for_see_the_end),
		TEST(one_who_does_not_read_is_dropped),
		TEST(a_slow_watcher_s_queue_does_not_grow_with_what_it_has_read),
		TEST(a_second_daemon_is_refused_and_a_dead_one_s_file_is_taken_over),
	};

	return cmocka_run_group_tests(tests, group_begin, group_end);
}
