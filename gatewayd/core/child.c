/*
 * child.c - see child.h.  The process and its states; the talk is in child_link.c.
 */
#include "core/child_private.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
	START_DEADLINE_S = 30,
	STOP_DEADLINE_S = 7, /* a sink may take 5 s to say goodbye */
	TERM_DEADLINE_S = 2,
};

static void step(struct gw_child *c, enum gw_life_event event);

static void set_reason(struct gw_child *c, const char *text)
{
	snprintf(c->status.reason, sizeof(c->status.reason), "%.*s",
		 (int)sizeof(c->status.reason) - 1, text);
}

/* ---- the process ---- */

/* Only what a plugin may need; the rest of our environment is ours. */
static char **environment(void)
{
	static const char *const pass[] = {
		"PATH", "LANG", "LC_ALL", "TZ", "CREDENTIALS_DIRECTORY", "SSL_CERT_FILE", "SSL_CERT_DIR",
		"ASAN_OPTIONS", "UBSAN_OPTIONS", "LSAN_OPTIONS",
	};
	const size_t n = sizeof(pass) / sizeof(pass[0]);
	char **env = calloc(n + 2, sizeof(*env));
	size_t k = 0;

	assert(env);
	env[k++] = strdup("GATEWAYD_LINK=3");
	for (size_t i = 0; i < n; i++) {
		const char *v = getenv(pass[i]);

		if (v && asprintf(&env[k], "%s=%s", pass[i], v) > 0)
			k++;
	}
	env[k] = NULL;
	return env;
}

static void free_environment(char **env)
{
	for (size_t i = 0; env[i]; i++)
		free(env[i]);
	free(env);
}

static void write_small(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0)
		return;
	if (write(fd, text, strlen(text)) < 0)
		_exit(127);
	close(fd);
}

/* In the new process, async-signal-safe calls only. */
static void __attribute__((noreturn))
become(const char *program, const char *name, int link, int log, char **env, pid_t parent)
{
	char *argv[] = { (char *)name, NULL };
	struct rlimit none = { 0, 0 };
	sigset_t all;
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	setpgid(0, 0);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent) /* it had ended before the line above */
		_exit(127);
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	setrlimit(RLIMIT_CORE, &none);
	write_small("/proc/self/oom_score_adj", "900");
	if (null < 0 || dup2(null, 0) < 0 || dup2(null, 1) < 0 || dup2(log, 2) < 0)
		_exit(127);
	if (link == 3)
		fcntl(3, F_SETFD, 0);
	else if (dup2(link, 3) < 0)
		_exit(127);
	close_range(4, ~0U, 0);
	sigfillset(&all);
	for (int s = 1; s < NSIG; s++)
		signal(s, SIG_DFL);
	sigprocmask(SIG_UNBLOCK, &all, NULL);
	execve(program, argv, env);
	static const char text[] = "<3>cannot be executed\n";
	if (write(2, text, sizeof(text) - 1) < 0)
		_exit(126);
	_exit(127);
}

static void on_exit_of_child(void *arg, pid_t pid, int status)
{
	struct gw_child *c = arg;
	char text[100];

	gw_watch_stop(c->child_watch);
	c->child_watch = NULL;
	kill(-pid, SIGKILL); /* what it started and left behind; it is not reaped yet, so the group is its own */
	if (WIFSIGNALED(status))
		snprintf(text, sizeof(text), "killed by signal %d (%s)", WTERMSIG(status),
			 strsignal(WTERMSIG(status)));
	else
		snprintf(text, sizeof(text), "ended with exit code %d", WEXITSTATUS(status));
	if (!*c->status.reason || c->hung_up)
		set_reason(c, text); /* how it ended says more than that its link closed */
	c->status.pid = 0;
	gw_child_link_drain(c); /* last words */
	step(c, GW_EV_EXIT);
}

static int spawn(struct gw_child *c, struct gw_err *err)
{
	int link[2] = { -1, -1 }, log[2] = { -1, -1 };
	char **env = environment();
	pid_t pid = -1, self = getpid();

	if (gw_link_pair(link, err) != 0)
		goto out;
	if (pipe2(log, O_CLOEXEC) != 0) {
		gw_err_sys(err, errno, "a pipe for the log of %s", c->o.instance->name);
		goto out;
	}
	pid = fork();
	if (pid == 0)
		become(c->o.instance->program, c->o.instance->plugin, link[1], log[1], env, self);
	if (pid < 0) {
		gw_err_sys(err, errno, "a process for %s", c->o.instance->name);
		goto out;
	}
	setpgid(pid, pid); /* both sides, so that neither races */
	c->child_watch = gw_on_child(c->o.loop, pid, on_exit_of_child, c, err);
	if (!c->child_watch) {
		kill(-pid, SIGKILL);
		waitpid(pid, NULL, 0);
		pid = -1;
		goto out;
	}
	c->status.pid = pid;
	gw_child_link_open(c, link[0], log[0]);
	link[0] = log[0] = -1;
out:
	for (int i = 0; i < 2; i++) {
		if (link[i] >= 0)
			close(link[i]);
		if (log[i] >= 0)
			close(log[i]);
	}
	free_environment(env);
	return pid > 0 ? 0 : -1;
}

static void signal_group(struct gw_child *c, int signo)
{
	if (c->status.pid > 0 && kill(-c->status.pid, signo) != 0)
		kill(c->status.pid, signo);
}

/* ---- states ---- */

static void arm(struct gw_child *c, int64_t us)
{
	gw_timer_at(c->timer, gw_now_us() + us / c->o.hurry);
}

static uint32_t random32(void)
{
	uint32_t r = 0;

	if (getrandom(&r, sizeof(r), GRND_NONBLOCK) != sizeof(r))
		r = (uint32_t)gw_now_us();
	return r;
}

static void back_off(struct gw_child *c)
{
	char reason[sizeof(c->status.reason)];

	memcpy(reason, c->status.reason, sizeof(reason));
	gw_child_link_close(c);
	c->status.restarts++;
	arm(c, gw_backoff_us(c->failures, random32()));
	gw_log(GW_WARNING, "%s '%s': %s; it will be started again", gw_child_kind(c),
	       c->o.instance->name, reason);
	c->o.ops->down(c->o.arg, reason);
}

static void act(struct gw_child *c, enum gw_life_act a)
{
	struct gw_message m = { .type = GW_MSG_STOP };
	struct gw_err err;

	switch (a) {
	case GW_ACT_NONE:
		return;
	case GW_ACT_SPAWN:
		if (c->link >= 0) { /* told to stop and to start again: nobody has heard of its end */
			gw_child_link_close(c);
			c->status.restarts++;
			c->o.ops->down(c->o.arg, c->status.reason);
		}
		c->status.reason[0] = '\0';
		arm(c, START_DEADLINE_S * 1000000LL);
		if (spawn(c, &err) != 0) {
			set_reason(c, err.msg);
			step(c, GW_EV_EXIT);
		}
		return;
	case GW_ACT_RUN:
		gw_timer_off(c->timer);
		gw_child_heartbeat(c, true);
		c->running_since_us = gw_now_us();
		if (c->o.ops->starting)
			c->o.ops->starting(c->o.arg);
		m.type = GW_MSG_START;
		m.start.epoch_us = c->epoch_us;
		gw_child_send(c, &m);
		if (c->o.ops->running)
			c->o.ops->running(c->o.arg);
		return;
	case GW_ACT_STOP:
		gw_child_send(c, &m);
		arm(c, STOP_DEADLINE_S * 1000000LL);
		return;
	case GW_ACT_TERM:
		signal_group(c, SIGCONT); /* a stopped process cannot end */
		signal_group(c, SIGTERM);
		gw_child_heartbeat(c, false);
		arm(c, TERM_DEADLINE_S * 1000000LL);
		return;
	case GW_ACT_KILL:
		signal_group(c, SIGKILL);
		return;
	case GW_ACT_BACKOFF:
		back_off(c);
		return;
	case GW_ACT_FORGET:
		gw_timer_off(c->timer);
		gw_child_link_close(c);
		if (c->o.ops->stopped)
			c->o.ops->stopped(c->o.arg);
		return;
	}
}

static bool is_failure(const struct gw_child *c, enum gw_life_event event)
{
	return event == GW_EV_EXIT && c->status.life != GW_LIFE_STOPPING &&
	       c->status.life != GW_LIFE_RESTARTING;
}

static void step(struct gw_child *c, enum gw_life_event event)
{
	struct gw_life_step next;

	if (is_failure(c, event)) {
		if (c->running_since_us && gw_now_us() - c->running_since_us > GW_FORGIVE_S * 1000000LL)
			c->failures = 0;
		c->running_since_us = 0;
		c->failures++;
	}
	next = gw_life_next(c->status.life, event, c->failures);
	if (next.next != c->status.life)
		c->status.since_us = gw_now_us();
	c->status.life = next.next;
	act(c, next.act);
}

void gw_child_fault(struct gw_child *c, const char *why)
{
	if (!*c->status.reason)
		set_reason(c, why);
	step(c, GW_EV_FAULT);
}

static void on_timer(void *arg)
{
	struct gw_child *c = arg;

	if (c->status.life == GW_LIFE_STARTING && !*c->status.reason)
		set_reason(c, "was not ready in time");
	step(c, GW_EV_TIMER);
}

void gw_child_is_ready(struct gw_child *c, unsigned problems)
{
	bool same = c->o.ops->ready ? c->o.ops->ready(c->o.arg, problems) : problems == 0;

	c->ready = true;
	if (!same)
		gw_child_fault(c, "declares something else than before: reload the configuration");
	else if (c->go)
		step(c, GW_EV_READY);
}

void gw_child_go(struct gw_child *c, int64_t epoch_us)
{
	c->go = true;
	c->epoch_us = epoch_us;
	if (c->ready)
		step(c, GW_EV_READY);
}

void gw_child_start(struct gw_child *c)
{
	step(c, GW_EV_START);
}

void gw_child_stop(struct gw_child *c)
{
	step(c, GW_EV_STOP);
}

void gw_child_restart(struct gw_child *c)
{
	c->failures = 0;
	set_reason(c, "restarted by hand");
	step(c, GW_EV_RESTART);
}

void gw_child_adopt(struct gw_child *c, struct gw_instance *instance, const struct gw_child_ops *ops,
		    void *arg)
{
	c->o.instance = instance;
	c->o.ops = ops;
	c->o.arg = arg;
}

const struct gw_child_status *gw_child_status(const struct gw_child *c)
{
	return &c->status;
}

struct gw_child *gw_child_new(const struct gw_child_options *o)
{
	struct gw_child *c = calloc(1, sizeof(*c));
	struct gw_err err;

	assert(c);
	c->o = *o;
	c->o.gateway = strdup(o->gateway ? o->gateway : ""); /* the plan that holds it goes */
	if (c->o.hurry == 0)
		c->o.hurry = 1;
	c->link = c->log = -1;
	c->status.life = GW_LIFE_DOWN;
	c->status.since_us = gw_now_us();
	c->timer = gw_on_timer(o->loop, on_timer, c, &err);
	c->heartbeat = gw_on_timer(o->loop, gw_child_on_heartbeat, c, &err);
	assert(c->timer && c->heartbeat);
	return c;
}

void gw_child_free(struct gw_child *c)
{
	if (!c)
		return;
	gw_child_link_close(c);
	gw_watch_stop(c->child_watch);
	if (c->status.pid > 0) {
		signal_group(c, SIGKILL);
		waitpid(c->status.pid, NULL, 0);
	}
	gw_watch_stop(c->timer);
	gw_watch_stop(c->heartbeat);
	free(c->queue);
	free((char *)c->o.gateway);
	free(c);
}
