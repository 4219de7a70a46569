/* child: a real process, this program itself, that behaves as its name says. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include <dirent.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/child.h"

/* ---- the plugin ---- */

static void tell(const struct gw_message *m)
{
	struct gw_err err;

	if (gw_link_send(3, m, &err) != 1)
		_exit(9);
}

static void hello(unsigned version, unsigned role)
{
	struct gw_message m = { .type = GW_MSG_HELLO };

	m.hello.oldest = m.hello.newest = (uint16_t)version;
	m.hello.role = (uint8_t)role;
	tell(&m);
}

static void described(void)
{
	hello(GW_LINK_VERSION, 0);
	tell(&(struct gw_message){ .type = GW_MSG_DESCRIBED });
}

static void ready(void)
{
	tell(&(struct gw_message){ .type = GW_MSG_READY });
}

static void declare(void)
{
	struct gw_message m = { .type = GW_MSG_DEVICE };

	m.device.name = gw_str("d");
	tell(&m);
}

static void wait_for_start(void)
{
	static uint16_t packet[GW_MESSAGE_MAX / 2];

	struct pollfd link = { 3, POLLIN, 0 };

	while (poll(&link, 1, -1) == 1 && recv(3, packet, sizeof(packet), 0) > 0)
		if (packet[0] == GW_MSG_START)
			return;
	_exit(9);
}

/* "fds=0123 group=1 nnp=1" as the text of its first reading's stand-in: a PROBLEM. */
static void report(void)
{
	struct gw_message m = { .type = GW_MSG_PROBLEM };
	char text[200] = "fds=";
	DIR *d = opendir("/proc/self/fd");

	for (struct dirent *e; (e = readdir(d)) != NULL;)
		if (e->d_name[0] != '.' && atoi(e->d_name) != dirfd(d))
			strcat(text, e->d_name);
	closedir(d);
	snprintf(text + strlen(text), 60, " group=%d nnp=%d", getpgrp() == getpid(),
		 prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0));
	m.problem.text = gw_str(text);
	tell(&m);
}

static int act_as(const char *name)
{
	static char junk[4096];

	memset(junk, 'x', sizeof(junk));
	if (strcmp(name, "gone") == 0)
		return 7;
	if (strcmp(name, "version") == 0)
		hello(99, 0);
	else if (strcmp(name, "role") == 0)
		hello(GW_LINK_VERSION, 1);
	else if (strcmp(name, "garbage") == 0)
		send(3, junk, sizeof(junk), 0);
	else {
		described();
		if (strcmp(name, "report") == 0)
			report();
		if (strcmp(name, "declares") == 0)
			declare();
		ready();
		if (strcmp(name, "counts") == 0)
			tell(&(struct gw_message){ .type = GW_MSG_COUNTERS });
		wait_for_start();
		if (strcmp(name, "late") == 0)
			declare();
	}
	for (int i = 0; i < 25600 && strcmp(name, "flood") == 0; i++) /* 100 MiB; some of it in lines */
		if (junk[7] = i < 12800 ? 'x' : '\n', write(2, junk, sizeof(junk)) < 0)
			return 1;
	for (;;)
		pause();
}

/* ---- its owner ---- */

static struct gw_loop *loop;
static struct gw_receiver *receiver;
static struct gw_instance instance;
static struct gw_child *child;
static char last[200], reason[200];
static int downs, runs, stops;
static bool go = true; /* it is started once it is ready */

static bool on_described(void *arg, const struct gw_described *keys)
{
	(void)arg, (void)keys;
	return true;
}

static void on_problem(void *arg, const struct gw_msg_problem *p)
{
	(void)arg;
	snprintf(last, sizeof(last), "%.*s", (int)p->text.n, p->text.s);
}

static int on_message(void *arg, const struct gw_message *m, struct gw_err *err)
{
	(void)arg, (void)m, (void)err;
	return 0;
}

static void on_running(void *arg)
{
	(void)arg;
	runs++;
}

static void on_down(void *arg, const char *why)
{
	(void)arg;
	downs++;
	snprintf(reason, sizeof(reason), "%s", why);
}

static void on_stopped(void *arg)
{
	(void)arg;
	stops++;
}

static const struct gw_child_ops ops = {
	.described = on_described, .problem = on_problem, .running = on_running, .message = on_message,
	.down = on_down, .stopped = on_stopped,
};

static void start(const char *plugin, int64_t hurry)
{
	struct gw_err err;

	downs = runs = stops = 0;
	last[0] = reason[0] = '\0';
	assert_int_equal(gw_loop_new(&loop, &err), 0);
	receiver = gw_receiver_new();
	instance = (struct gw_instance){ .name = "a", .plugin = plugin, .program = "/proc/self/exe", .stream = -1 };
	child = gw_child_new(&(struct gw_child_options){ .loop = loop, .receiver = receiver, .instance = &instance,
							 .gateway = "g", .ops = &ops, .hurry = hurry });
	gw_child_start(child);
	if (go)
		gw_child_go(child, 1);
}

static void finish(void)
{
	gw_child_free(child);
	gw_receiver_free(receiver);
	gw_loop_free(loop);
}

/* Turns the loop until *count reaches n, for 10 s at most. */
static void until(const int *count, int n)
{
	int64_t end = gw_now_us() + 10000000;
	struct gw_err err;

	while (*count < n && gw_now_us() < end)
		assert_int_equal(gw_loop_turn(loop, 20000, &err), 0);
	assert_true(*count >= n);
}

static void a_plugin_that_lies_is_dropped_with_the_reason(void **state)
{
	static const struct {
		const char *plugin, *reason;
	} cases[] = {
		{ "version", "broke the link protocol: speaks link versions 99 to 99, this gatewayd speaks 1" },
		{ "role", "broke the link protocol: plugin 'role' is a sink, it is configured as a source" },
		{ "gone", "ended with exit code 7" },
		{ "declares", "broke the link protocol: a source does not say 'device'" },
		{ "late", "broke the link protocol: said 'device' after it was started" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		start(cases[i].plugin, 50);
		until(&downs, 1);
		assert_string_equal(reason, cases[i].reason);
		assert_int_equal(gw_child_status(child)->life, GW_LIFE_BACKOFF);
		finish();
	}
	start("garbage", 50);
	until(&downs, 1);
	assert_ptr_equal(strstr(reason, "broke the link protocol: "), reason);
	finish();
}

static void one_that_ends_at_once_is_tried_ever_more_rarely(void **state)
{
	int64_t begun = gw_now_us();

	(void)state;
	start("gone", 100); /* 5 to 10, 10 to 20, 20 to 40, 40 to 80 ms, then 300 to 600 */
	until(&downs, 5);
	assert_true(gw_now_us() - begun >= 75000);
	assert_int_equal(gw_child_status(child)->life, GW_LIFE_FAILED);
	assert_int_equal(gw_child_status(child)->restarts, 5);
	finish();
}

static void a_stopped_process_misses_its_heartbeat_and_is_started_again(void **state)
{
	pid_t before;

	(void)state;
	start("quiet", 100); /* it never answers a ping, as if it were stopped */
	until(&runs, 1);
	before = gw_child_status(child)->pid;
	kill(before, SIGSTOP);
	until(&runs, 2);
	assert_string_equal(reason, "does not answer its heartbeat");
	assert_int_not_equal(gw_child_status(child)->pid, before);
	finish();
}

static void a_restart_by_hand_tells_its_owner_and_leaves_no_descriptor(void **state)
{
	int fds[2] = { 0 };

	(void)state;
	start("quiet", 20);
	until(&runs, 1);
	for (int i = 0; i < 2; i++) {
		DIR *d = opendir("/proc/self/fd");

		while (readdir(d))
			fds[i]++;
		closedir(d);
		gw_child_restart(child); /* it does not stop by itself: killed at the deadline */
		until(&runs, 2 + i);
		assert_int_equal(downs, 1 + i);
	}
	assert_int_equal(fds[0], fds[1]);
	finish();
}

/* It is checked, and waits: nobody has said START. */
static void what_comes_before_the_start_is_a_lie(void **state)
{
	(void)state;
	go = false;
	start("counts", 50);
	go = true;
	until(&downs, 1);
	assert_string_equal(reason, "broke the link protocol: said 'counters' before it was started");
	finish();
}

static int reported(void)
{
	return *last != '\0';
}

static void a_plugin_inherits_nothing(void **state)
{
	struct gw_err err;

	(void)state;
	start("report", 1);
	for (int i = 0; i < 200 && !reported(); i++)
		assert_int_equal(gw_loop_turn(loop, 20000, &err), 0);
	assert_true(strstr(last, " group=1 nnp=1") != NULL);
	assert_int_equal(strspn(last + 4, "0123"), 4);
	finish();
}

static void a_flood_of_log_is_bounded_and_does_not_stall_the_loop(void **state)
{
	int64_t longest = 0, end = gw_now_us() + 3000000;
	struct gw_err err;

	(void)state;
	start("flood", 1);
	until(&runs, 1);
	while (gw_now_us() < end && gw_child_status(child)->life == GW_LIFE_RUNNING) {
		int64_t at = gw_now_us();

		assert_int_equal(gw_loop_turn(loop, 1000, &err), 0);
		if (gw_now_us() - at > longest)
			longest = gw_now_us() - at;
		if (gw_now_us() - at >= 1000 && gw_now_us() > end - 2000000)
			break; /* nothing more to read */
	}
	assert_true(longest < 500000);
	finish();
}

/* What it does not read lies in memory, up to a bound; nobody waits for it. */
static void a_plugin_that_does_not_read_is_ended_when_too_much_waits(void **state)
{
	static char value[4096];
	struct gw_message m = { .type = GW_MSG_STATE };
	int64_t begun = gw_now_us();
	size_t sent = 0;

	(void)state;
	start("quiet", 1); /* its heartbeat has 10 s */
	until(&runs, 1);
	m.state.key = gw_str("k");
	m.state.value = (struct gw_str){ value, sizeof(value) };
	while (*reason == '\0' && !gw_child_status(child)->reason[0] && sent < 200u << 20) {
		gw_child_send(child, &m);
		sent += sizeof(value);
	}
	assert_true(sent > 60u << 20 && sent < 80u << 20);
	assert_true(gw_now_us() - begun < 5000000);
	assert_string_equal(gw_child_status(child)->reason, "does not read its link");
	until(&downs, 1);
	assert_string_equal(reason, "does not read its link");
	finish();
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_plugin_that_lies_is_dropped_with_the_reason),
		cmocka_unit_test(one_that_ends_at_once_is_tried_ever_more_rarely),
		cmocka_unit_test(a_stopped_process_misses_its_heartbeat_and_is_started_again),
		cmocka_unit_test(a_restart_by_hand_tells_its_owner_and_leaves_no_descriptor),
		cmocka_unit_test(what_comes_before_the_start_is_a_lie),
		cmocka_unit_test(a_plugin_inherits_nothing),
		cmocka_unit_test(a_flood_of_log_is_bounded_and_does_not_stall_the_loop),
		cmocka_unit_test(a_plugin_that_does_not_read_is_ended_when_too_much_waits),
	};

	(void)argc;
	if (getenv("GATEWAYD_LINK"))
		return act_as(argv[0]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
