/*
 * program.c - main() of every plugin: started by the core with GATEWAYD_LINK in
 * its environment, or by a person.
 */
#include "base/plugin_private.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "base/log.h"
#include "base/runtime.h"

/* The descriptor that GATEWAYD_LINK names, made ready. */
static int open_link(const char *text, int *fd, struct gw_err *err)
{
	int64_t number;
	int type = 0;
	socklen_t size = sizeof(type);

	if (gw_parse_int(text, 3, 1023, &number, err) < 0)
		return gw_err_ctx(err, "GATEWAYD_LINK");
	*fd = (int)number;
	if (getsockopt(*fd, SOL_SOCKET, SO_TYPE, &type, &size) < 0)
		return gw_err_sys(err, errno, "GATEWAYD_LINK: descriptor %d", *fd);
	if (type != SOCK_SEQPACKET)
		return gw_err_set(err, GW_EINPUT,
				  "GATEWAYD_LINK: descriptor %d is no SOCK_SEQPACKET socket", *fd);
	if (fcntl(*fd, F_SETFL, O_NONBLOCK) < 0 || fcntl(*fd, F_SETFD, FD_CLOEXEC) < 0)
		return gw_err_sys(err, errno, "GATEWAYD_LINK: descriptor %d", *fd);
	return 0;
}

static void on_term(void *plugin, int signo)
{
	(void)signo;
	gw_plugin_terminate(plugin);
}

/* A terminal's Ctrl-C reaches the whole group, but it is the core that ends us, in order. */
static void ignore_signals(void)
{
	signal(SIGINT, SIG_IGN);
	signal(SIGPIPE, SIG_IGN);
}

static int run(const struct gw_program *program, struct gw_loop *loop, int fd, struct gw_err *err)
{
	struct gw_plugin *p = program->open(loop, fd, program->def, err);
	struct gw_watch *term = p ? gw_on_signal(loop, SIGTERM, on_term, p, err) : NULL;
	int code = 1, result = term ? 0 : -1;

	while (result == 0 && !gw_plugin_ended(p, &code))
		result = gw_loop_turn(loop, -1, err);
	gw_watch_stop(term);
	gw_plugin_free(p);
	return result < 0 ? -1 : code;
}

static int by_core(const struct gw_program *program, const char *link)
{
	struct gw_loop *loop = NULL;
	struct gw_err err;
	int fd = -1, code = -1;

	gw_log_open(program->name, GW_INFO);
	ignore_signals();
	if (open_link(link, &fd, &err) == 0 && gw_loop_new(&loop, &err) == 0)
		code = run(program, loop, fd, &err);
	if (code < 0)
		gw_log_err(GW_ERROR, &err);
	gw_loop_free(loop);
	return code < 0 ? 1 : code;
}

int gw_program_main(const struct gw_program *program, int argc, char *argv[])
{
	const char *link = getenv("GATEWAYD_LINK");

	return link ? by_core(program, link) : gw_program_by_hand(program, argc, argv);
}
