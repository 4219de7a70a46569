/*
 * scripted_server.h - a Modbus TCP server inside a test, on the test's own loop.
 *
 * It takes requests on a port of loopback and hands each to a function of the
 * test, which may send anything, late, in pieces, or nothing.  Register n of
 * every unit holds n; coil n is set when n is odd.
 */
#ifndef SCRIPTED_SERVER_H
#define SCRIPTED_SERVER_H

#include <arpa/inet.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "gatewayd/loop.h"

enum { SERVER_REQUEST = 12, SERVER_FRAME = 260 };

struct server;
/* One request: `seen` counts them from 0. */
typedef void script_fn(struct server *s, const uint8_t *request, unsigned seen);

struct server {
	struct gw_loop *loop;
	script_fn *script;
	int listener, fd; /* fd: the newest connection, -1 when none */
	unsigned port, requests, accepted;
	struct gw_watch *on_listener, *on_fd, *timer;
	uint8_t in[1024], later[1024];
	size_t fill, later_size;
	int64_t each_us; /* between the bytes of `later`; 0: all at once */
	uint8_t kept[SERVER_REQUEST]; /* a request for the script to remember */
};

/* ---- what scripts do ---- */

static inline void server_close(struct server *s, bool reset)
{
	struct linger linger = { .l_onoff = 1 };

	gw_watch_stop(s->on_fd);
	s->on_fd = NULL;
	if (s->fd >= 0 && reset)
		setsockopt(s->fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
	if (s->fd >= 0)
		close(s->fd);
	s->fd = -1;
	s->fill = s->later_size = 0;
}

static inline void server_send(struct server *s, const uint8_t *bytes, size_t n)
{
	if (s->fd >= 0 && send(s->fd, bytes, n, MSG_NOSIGNAL) < 0)
		server_close(s, false);
}

/* The right answer; returns its size. */
static inline size_t server_answer(uint8_t *out, const uint8_t *request)
{
	unsigned address = (unsigned)(request[8] << 8 | request[9]);
	unsigned count = (unsigned)(request[10] << 8 | request[11]);
	unsigned data = request[7] < 3 ? (count + 7) / 8 : count * 2;

	memset(out, 0, SERVER_FRAME);
	memcpy(out, request, 4);
	out[5] = (uint8_t)(3 + data);
	out[6] = request[6];
	out[7] = request[7];
	out[8] = (uint8_t)data;
	for (unsigned i = 0; i < count; i++) {
		unsigned n = address + i;

		if (request[7] < 3) {
			out[9 + i / 8] |= (uint8_t)((n & 1) << i % 8);
			continue;
		}
		out[9 + 2 * i] = (uint8_t)(n >> 8);
		out[10 + 2 * i] = (uint8_t)n;
	}
	return 9 + data;
}

static inline void server_right(struct server *s, const uint8_t *request)
{
	uint8_t frame[SERVER_FRAME];

	server_send(s, frame, server_answer(frame, request));
}

static inline void server_exception(struct server *s, const uint8_t *request, uint8_t code)
{
	uint8_t frame[9];

	memcpy(frame, request, 8);
	frame[5] = 3;
	frame[7] |= 0x80;
	frame[8] = code;
	server_send(s, frame, sizeof(frame));
}

/* Send after `delay_us`; with each_us one byte at a time. */
static inline void server_later(struct server *s, int64_t delay_us, int64_t each_us,
				const uint8_t *bytes, size_t n)
{
	memcpy(s->later, bytes, n);
	s->later_size = n;
	s->each_us = each_us;
	gw_timer_at(s->timer, gw_now_us() + delay_us);
}

/* ---- the server ---- */

static inline void server_on_timer(void *arg)
{
	struct server *s = arg;
	size_t n = s->each_us && s->later_size ? 1 : s->later_size;

	server_send(s, s->later, n);
	if (s->later_size <= n)
		return;
	s->later_size -= n;
	memmove(s->later, s->later + n, s->later_size);
	gw_timer_at(s->timer, gw_now_us() + s->each_us);
}

static inline void server_on_bytes(void *arg, unsigned ready)
{
	struct server *s = arg;
	ssize_t n = recv(s->fd, s->in + s->fill, sizeof(s->in) - s->fill, 0);
	uint8_t request[SERVER_FRAME];

	(void)ready;
	if (n <= 0) {
		server_close(s, false);
		return;
	}
	s->fill += (size_t)n;
	while (s->fill >= 6 && s->fill >= 6U + s->in[5]) {
		size_t size = 6U + s->in[5]; /* a request is below 260 bytes */

		memcpy(request, s->in, size);
		s->fill -= size;
		memmove(s->in, s->in + size, s->fill);
		s->script(s, request, s->requests++);
	}
}

static inline void server_on_connection(void *arg, unsigned ready)
{
	struct server *s = arg;
	struct gw_err err;

	(void)ready;
	server_close(s, false);
	s->fd = accept4(s->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	s->accepted++;
	s->on_fd = gw_on_fd(s->loop, s->fd, GW_READ, server_on_bytes, s, &err);
}

/* A listening socket on loopback; *port 0: any, and it is filled in. */
static inline int server_listen(unsigned *port)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons((uint16_t)*port),
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t size = sizeof(at);
	int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(fd, (struct sockaddr *)&at, size) || listen(fd, 8) ||
	    getsockname(fd, (struct sockaddr *)&at, &size))
		abort();
	*port = ntohs(at.sin_port);
	return fd;
}

static inline struct server *server_new(struct gw_loop *loop, unsigned port, script_fn *script)
{
	struct server *s = calloc(1, sizeof(*s));
	struct gw_err err;

	if (!s)
		abort();
	*s = (struct server){ .loop = loop, .script = script, .fd = -1, .port = port };
	s->listener = server_listen(&s->port);
	s->on_listener = gw_on_fd(loop, s->listener, GW_READ, server_on_connection, s, &err);
	s->timer = gw_on_timer(loop, server_on_timer, s, &err);
	return s;
}

static inline void server_free(struct server *s)
{
	if (!s)
		return;
	server_close(s, false);
	gw_watch_stop(s->on_listener);
	gw_watch_stop(s->timer);
	close(s->listener);
	free(s);
}

#endif
