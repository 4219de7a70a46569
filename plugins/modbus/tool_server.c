#include "plugins/modbus/tool_server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

struct mb_server {
	struct gw_loop *loop;
	int listener, fd; /* fd: the newest master, -1: none */
	unsigned port;
	struct gw_watch *on_listener, *on_fd, *on_signals[2];
	void (*on_bytes)(void *arg, const uint8_t *bytes, size_t n);
	void *arg;
};

void mb_server_hang_up(struct mb_server *s)
{
	gw_watch_stop(s->on_fd);
	s->on_fd = NULL;
	if (s->fd >= 0)
		close(s->fd);
	s->fd = -1;
}

void mb_server_send(struct mb_server *s, const uint8_t *bytes, size_t n)
{
	if (s->fd >= 0 && send(s->fd, bytes, n, MSG_NOSIGNAL | MSG_DONTWAIT) != (ssize_t)n)
		mb_server_hang_up(s);
}

static void readable(void *arg, unsigned ready)
{
	struct mb_server *s = arg;
	uint8_t buf[512];
	ssize_t n = recv(s->fd, buf, sizeof(buf), MSG_DONTWAIT);

	(void)ready;
	if (n > 0)
		s->on_bytes(s->arg, buf, (size_t)n);
	else if (n == 0 || (errno != EAGAIN && errno != EINTR))
		mb_server_hang_up(s);
}

static void acceptable(void *arg, unsigned ready)
{
	struct mb_server *s = arg;
	int fd = accept4(s->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	struct gw_err err;

	(void)ready;
	if (fd < 0)
		return;
	mb_server_hang_up(s);
	s->fd = fd;
	s->on_fd = gw_on_fd(s->loop, fd, GW_READ, readable, s, &err);
	if (!s->on_fd)
		mb_server_hang_up(s);
	s->on_bytes(s->arg, NULL, 0);
}

static void end(void *arg, int signo)
{
	struct mb_server *s = arg;

	(void)signo;
	gw_loop_quit(s->loop);
}

static int listen_on(struct mb_server *s, unsigned port, struct gw_err *err)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port),
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t size = sizeof(at);
	int one = 1;

	s->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (s->listener < 0 || setsockopt(s->listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) ||
	    bind(s->listener, (struct sockaddr *)&at, size) || listen(s->listener, 4) ||
	    getsockname(s->listener, (struct sockaddr *)&at, &size))
		return gw_err_sys(err, errno, "cannot listen on port %u of loopback", port);
	s->port = ntohs(at.sin_port);
	return 0;
}

int mb_server_new(struct mb_server **out, struct gw_loop *loop, unsigned port,
		  void (*on_bytes)(void *arg, const uint8_t *bytes, size_t n), void *arg,
		  struct gw_err *err)
{
	struct mb_server *s = calloc(1, sizeof(*s));

	if (!s)
		return gw_err_sys(err, ENOMEM, "cannot listen");
	*s = (struct mb_server){ .loop = loop, .listener = -1, .fd = -1, .on_bytes = on_bytes, .arg = arg };
	if (listen_on(s, port, err))
		goto fail;
	s->on_listener = gw_on_fd(loop, s->listener, GW_READ, acceptable, s, err);
	s->on_signals[0] = gw_on_signal(loop, SIGINT, end, s, err);
	s->on_signals[1] = gw_on_signal(loop, SIGTERM, end, s, err);
	if (!s->on_listener || !s->on_signals[0] || !s->on_signals[1])
		goto fail;
	*out = s;
	return 0;
fail:
	mb_server_free(s);
	return -1;
}

void mb_server_free(struct mb_server *s)
{
	if (!s)
		return;
	mb_server_hang_up(s);
	gw_watch_stop(s->on_listener);
	gw_watch_stop(s->on_signals[0]);
	gw_watch_stop(s->on_signals[1]);
	if (s->listener >= 0)
		close(s->listener);
	free(s);
}

unsigned mb_server_port(const struct mb_server *s)
{
	return s->port;
}
