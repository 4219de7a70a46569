/*
 * One TCP connection as a wire.  Opening: look the name up (each time: a modem's
 * peer moves), then try its addresses in turn, each with an equal share of the
 * time that is left.  A lookup that outlives its deadline is kept and its answer
 * used by the next open, so that slow name servers do not pile up threads.
 */
#include "plugins/modbus/wire.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "plugins/modbus/resolve.h"

enum { CHUNK = 512 };

enum state { CLOSED, RESOLVING, CONNECTING, OPEN };

struct mb_wire {
	struct gw_loop *loop;
	struct mb_url url;
	const struct mb_wire_events *events;
	void *arg;
	enum state state;
	int fd;
	struct gw_watch *on_fd, *on_name, *timer;
	struct mb_resolve *question;
	struct addrinfo *found, *next; /* all addresses, and the next to try */
	int64_t give_up_us;
	char why[sizeof(((struct gw_err *)0)->msg)]; /* of the last address that failed */
};

static void try_next(struct mb_wire *w);

static void close_socket(struct mb_wire *w)
{
	gw_watch_stop(w->on_fd);
	w->on_fd = NULL;
	if (w->fd >= 0)
		close(w->fd);
	w->fd = -1;
}

static void tcp_close(struct mb_wire *w)
{
	close_socket(w);
	gw_timer_off(w->timer);
	if (w->found)
		freeaddrinfo(w->found);
	w->found = w->next = NULL;
	w->state = CLOSED;
}

static void give_up(struct mb_wire *w, const char *why)
{
	tcp_close(w);
	w->events->down(w->arg, why);
}

static void note(struct mb_wire *w, int error)
{
	if (error == ECONNREFUSED)
		snprintf(w->why, sizeof(w->why), "Connection refused: the host is there, but its port %s is "
			 "closed: is Modbus switched on, and no other master connected?", w->url.port);
	else
		snprintf(w->why, sizeof(w->why), "%s", strerror(error));
}

/* ---- open ---- */

static void receive(struct mb_wire *w)
{
	uint8_t buf[CHUNK];
	ssize_t n;

	do {
		n = recv(w->fd, buf, sizeof(buf), 0);
		if (n > 0)
			w->events->bytes(w->arg, buf, (size_t)n);
	} while (n == CHUNK && w->state == OPEN);
	if (n > 0 || (n < 0 && (errno == EAGAIN || errno == EINTR)))
		return;
	if (n < 0)
		note(w, errno);
	give_up(w, n ? w->why : "closed by the other side");
}

static void connected(struct mb_wire *w)
{
	w->state = OPEN;
	gw_timer_off(w->timer);
	freeaddrinfo(w->found);
	w->found = w->next = NULL;
	gw_fd_interest(w->on_fd, GW_READ);
	w->events->up(w->arg);
}

static void on_socket(void *arg, unsigned ready)
{
	struct mb_wire *w = arg;
	socklen_t size = sizeof(int);
	int error = 0;

	(void)ready;
	if (w->state == OPEN) {
		receive(w);
		return;
	}
	if (getsockopt(w->fd, SOL_SOCKET, SO_ERROR, &error, &size))
		error = errno;
	if (!error) {
		connected(w);
		return;
	}
	note(w, error);
	try_next(w);
}

/* ---- opening ---- */

static int64_t share_us(const struct mb_wire *w, int64_t now_us)
{
	int64_t left = 0;

	for (const struct addrinfo *a = w->next; a; a = a->ai_next)
		left++;
	return (w->give_up_us - now_us) / left;
}

/* 0: the connection is on its way. */
static int begin(struct mb_wire *w, const struct addrinfo *a)
{
	struct gw_err err;
	int one = 1;

	w->fd = socket(a->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_TCP);
	if (w->fd < 0)
		return errno;
	setsockopt(w->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	setsockopt(w->fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof(one));
	if (connect(w->fd, a->ai_addr, a->ai_addrlen) && errno != EINPROGRESS)
		return errno;
	w->on_fd = gw_on_fd(w->loop, w->fd, GW_WRITE, on_socket, w, &err);
	return w->on_fd ? 0 : ENOMEM;
}

static void try_next(struct mb_wire *w)
{
	int64_t now_us = gw_now_us();

	w->state = CONNECTING;
	while (w->next) {
		int64_t until_us = now_us + share_us(w, now_us);
		struct addrinfo *a = w->next;
		int error;

		close_socket(w);
		w->next = a->ai_next;
		error = begin(w, a);
		if (!error) {
			gw_timer_at(w->timer, until_us);
			return;
		}
		note(w, error);
	}
	close_socket(w);
	/* From the loop: a refusal inside open() must not come back before it returned. */
	gw_timer_at(w->timer, 0);
}

static void on_time(void *arg)
{
	struct mb_wire *w = arg;

	if (w->state == RESOLVING) {
		give_up(w, "the name server does not answer");
		return;
	}
	if (w->fd >= 0)
		note(w, ETIMEDOUT);
	if (w->next)
		try_next(w);
	else
		give_up(w, w->why);
}

static void on_name(void *arg, unsigned ready)
{
	struct mb_wire *w = arg;
	struct gw_err err;
	struct addrinfo *found;

	(void)ready;
	gw_watch_stop(w->on_name);
	w->on_name = NULL;
	found = mb_resolve_end(w->question, &err);
	w->question = NULL;
	if (w->state != RESOLVING) {
		if (found)
			freeaddrinfo(found);
		return;
	}
	if (!found) {
		give_up(w, err.msg);
		return;
	}
	w->found = w->next = found;
	try_next(w);
}

static int ask_for_name(struct mb_wire *w, struct gw_err *err)
{
	w->question = mb_resolve_begin(w->url.host, w->url.port, err);
	if (!w->question)
		return -1;
	w->on_name = gw_on_fd(w->loop, mb_resolve_fd(w->question), GW_READ, on_name, w, err);
	if (w->on_name)
		return 0;
	mb_resolve_abandon(w->question);
	w->question = NULL;
	return -1;
}

static void tcp_open(struct mb_wire *w, int64_t timeout_us)
{
	struct gw_err err;

	tcp_close(w);
	w->why[0] = '\0';
	w->give_up_us = gw_now_us() + timeout_us;
	w->found = w->next = mb_resolve_numeric(w->url.host, w->url.port);
	if (w->found) {
		try_next(w);
		return;
	}
	w->state = RESOLVING;
	if (w->question || !ask_for_name(w, &err)) {
		gw_timer_at(w->timer, w->give_up_us);
		return;
	}
	w->state = CONNECTING;
	snprintf(w->why, sizeof(w->why), "%s", err.msg);
	gw_timer_at(w->timer, 0);
}

static int tcp_send(struct mb_wire *w, const uint8_t *bytes, size_t n)
{
	return send(w->fd, bytes, n, MSG_NOSIGNAL) == (ssize_t)n ? 0 : -1;
}

static void tcp_flush(struct mb_wire *w)
{
	uint8_t buf[CHUNK];

	while (recv(w->fd, buf, sizeof(buf), MSG_DONTWAIT) == CHUNK)
		;
}

static void tcp_free(struct mb_wire *w)
{
	if (!w)
		return;
	if (w->timer)
		tcp_close(w);
	gw_watch_stop(w->on_name);
	gw_watch_stop(w->timer);
	mb_resolve_abandon(w->question);
	free(w);
}

static struct mb_wire *tcp_make(struct gw_loop *loop, const struct mb_url *url,
				const struct mb_wire_events *events, void *arg, struct gw_err *err)
{
	struct mb_wire *w = calloc(1, sizeof(*w));

	if (!w) {
		gw_err_sys(err, ENOMEM, "cannot make a connection to %s", url->text);
		return NULL;
	}
	*w = (struct mb_wire){ .loop = loop, .url = *url, .events = events, .arg = arg, .fd = -1 };
	w->timer = gw_on_timer(loop, on_time, w, err);
	if (!w->timer) {
		free(w);
		return NULL;
	}
	return w;
}

const struct mb_wire_ops mb_tcp = {
	.make = tcp_make,
	.open = tcp_open,
	.send = tcp_send,
	.flush = tcp_flush,
	.close = tcp_close,
	.free = tcp_free,
};
