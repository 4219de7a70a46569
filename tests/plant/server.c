/*
 * server.c - listeners, connections and frames.
 *
 * All frames that one read brings are answered with one write, which is what
 * lets one core serve several hundred thousand requests a second.  Answers that a fault
 * delays wait in one list ordered by time and die with their connection.
 */
#include "server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "pdu.h"

enum { HEADER = 7, FRAME_MAX = HEADER + PDU_MAX, IN_SIZE = 4096, OUT_SIZE = 32 * 1024, UNITS = 256 };

struct watch {
	int fd;
	void (*fn)(void *arg);
	void *arg;
};

struct port {
	struct server *server;
	struct watch watch;
	uint16_t number;
	struct device *units[UNITS];
	struct connection *connections;
	struct port *next;
};

struct connection {
	struct port *port;
	struct watch watch;
	struct connection *previous, *next;
	size_t filled;
	uint8_t in[IN_SIZE];
};

struct delayed {
	struct delayed *next;
	struct connection *to;
	int64_t due_us;
	unsigned step_ms; /* 0: all at once; else one byte each */
	size_t at, size;
	uint8_t bytes[FRAME_MAX];
};

struct server {
	int epoll;
	bool quit;
	struct plant_clock clock;
	struct port *ports;
	struct delayed *delayed; /* the earliest first */
	struct watch extra[2];
	size_t out_filled;
	uint8_t out[OUT_SIZE]; /* answers to what one read brought */
};

int64_t monotonic_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static void *zeroed(size_t size)
{
	void *p = calloc(1, size);

	if (!p) {
		fputs("plant: out of memory\n", stderr);
		abort();
	}
	return p;
}

static void watch_begin(struct server *s, struct watch *w)
{
	struct epoll_event e = { .events = EPOLLIN, .data.ptr = w };

	epoll_ctl(s->epoll, EPOLL_CTL_ADD, w->fd, &e);
}

static void forget_delayed(struct server *s, const struct connection *c)
{
	struct delayed **at = &s->delayed;

	while (*at) {
		struct delayed *d = *at;

		if (d->to == c) {
			*at = d->next;
			free(d);
		} else {
			at = &d->next;
		}
	}
}

static void drop(struct connection *c)
{
	struct port *p = c->port;

	forget_delayed(p->server, c);
	close(c->watch.fd);
	if (c->next)
		c->next->previous = c->previous;
	if (c->previous)
		c->previous->next = c->next;
	else
		p->connections = c->next;
	free(c);
}

static bool deliver(struct connection *c, const uint8_t *bytes, size_t size)
{
	/* A client that lets 32 KiB of answers pile up has stopped reading: drop it. */
	return size == 0 || send(c->watch.fd, bytes, size, MSG_NOSIGNAL | MSG_DONTWAIT) == (ssize_t)size;
}

static void delay(struct connection *c, const uint8_t *frame, size_t size, unsigned ms, unsigned step_ms)
{
	struct server *s = c->port->server;
	struct delayed *d = zeroed(sizeof(*d)), **at = &s->delayed;

	d->to = c;
	d->due_us = monotonic_us() + ms * 1000;
	d->step_ms = step_ms;
	d->size = size;
	memcpy(d->bytes, frame, size);
	while (*at && (*at)->due_us <= d->due_us)
		at = &(*at)->next;
	d->next = *at;
	*at = d;
}

/* Sends what is due; a dribbled frame goes back in line for its next byte. */
static void deliver_due(struct server *s)
{
	int64_t now = monotonic_us();

	while (s->delayed && s->delayed->due_us <= now) {
		struct delayed *d = s->delayed;
		struct connection *c = d->to;
		size_t n = d->step_ms ? 1 : d->size - d->at;
		bool ok = deliver(c, d->bytes + d->at, n);

		s->delayed = d->next;
		if (ok && d->at + n < d->size)
			delay(c, d->bytes + d->at + n, d->size - d->at - n, d->step_ms, d->step_ms);
		free(d);
		if (!ok)
			drop(c);
	}
}

static void queue(struct server *s, const uint8_t *frame, size_t size)
{
	memcpy(s->out + s->out_filled, frame, size);
	s->out_filled += size;
}

/* Carries the answer out as the fault wants it; false: the connection is to be closed. */
static bool send_as(struct connection *c, struct device *d, uint8_t *frame, size_t size)
{
	switch (d->fault.kind) {
	case FAULT_SLOW:
		delay(c, frame, size, d->fault.parameter, 0);
		return true;
	case FAULT_LATE:
		if (d->turn++ % 2 == 0)
			delay(c, frame, size, d->fault.parameter, 0);
		else
			queue(c->port->server, frame, size);
		return true;
	case FAULT_DRIBBLE:
		delay(c, frame, size, d->fault.parameter, d->fault.parameter);
		return true;
	case FAULT_GARBAGE:
		for (size_t i = 0; i < size; i++)
			frame[i] = (uint8_t)(0xa5 ^ (d->turn++ * 167u >> 3));
		break;
	case FAULT_WRONG_UNIT:
		frame[6]++;
		break;
	case FAULT_WRONG_TID:
		frame[1]++;
		break;
	case FAULT_NONE:
	case FAULT_SILENT:
	case FAULT_REFUSE:
	case FAULT_EXCEPTION:
	case FAULT_CLOSE:
	case FAULTS:
		break;
	}
	queue(c->port->server, frame, size);
	return true;
}

static double plant_time(const struct server *s, int64_t now_us)
{
	return s->clock.day_s + (double)(now_us - s->clock.started_us) / 1e6 * s->clock.speed;
}

static size_t answer(struct server *s, struct device *d, const uint8_t *pdu, size_t size, uint8_t *out)
{
	int64_t now = monotonic_us();

	if (d->fault.kind == FAULT_EXCEPTION)
		return pdu_exception(pdu[0], d->fault.parameter, out);
	return pdu_answer(d, pdu, size, out, plant_time(s, now), now);
}

/* One whole frame; false: the connection is to be closed. */
static bool take(struct connection *c, const uint8_t *frame, size_t size)
{
	struct device *d = c->port->units[frame[6]];
	uint8_t out[FRAME_MAX];
	size_t n;

	memcpy(out, frame, HEADER);
	if (d) {
		d->counts.requests++;
		if (d->fault.kind == FAULT_SILENT)
			return true;
		if (d->fault.kind == FAULT_CLOSE)
			return false;
		n = answer(c->port->server, d, frame + HEADER, size - HEADER, out + HEADER);
		d->counts.answers++;
		d->counts.exceptions += out[HEADER] >> 7;
	} else {
		n = pdu_exception(frame[HEADER], TARGET_SILENT, out + HEADER);
	}
	out[4] = (uint8_t)((n + 1) >> 8);
	out[5] = (uint8_t)(n + 1);
	if (d)
		return send_as(c, d, out, HEADER + n);
	queue(c->port->server, out, HEADER + n);
	return true;
}

/* Size of the frame that begins at `p`; 0: more bytes are needed; -1: no Modbus. */
static int frame_size(const uint8_t *p, size_t n)
{
	int length;

	if (n < 6)
		return 0;
	length = p[4] << 8 | p[5];
	if (p[2] || p[3] || length < 2 || length > PDU_MAX + 1)
		return -1;
	return (size_t)length + 6 <= n ? length + 6 : 0;
}

static bool take_all(struct connection *c)
{
	struct server *s = c->port->server;
	size_t at = 0;
	int n;

	while ((n = frame_size(c->in + at, c->filled - at)) > 0) {
		if (!take(c, c->in + at, (size_t)n))
			return false;
		at += (size_t)n;
		if (s->out_filled + FRAME_MAX > OUT_SIZE) {
			if (!deliver(c, s->out, s->out_filled))
				return false;
			s->out_filled = 0;
		}
	}
	memmove(c->in, c->in + at, c->filled - at);
	c->filled -= at;
	return n == 0;
}

static void readable(void *arg)
{
	struct connection *c = arg;
	struct server *s = c->port->server;
	ssize_t n = recv(c->watch.fd, c->in + c->filled, IN_SIZE - c->filled, MSG_DONTWAIT);
	bool ok;

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	s->out_filled = 0;
	if (n > 0)
		c->filled += (size_t)n;
	ok = n > 0 && take_all(c);
	/* Answers made before a frame that ends the connection still go out. */
	if (!deliver(c, s->out, s->out_filled) || !ok)
		drop(c);
}

static void acceptable(void *arg)
{
	struct port *p = arg;
	int one = 1, fd = accept4(p->watch.fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	struct connection *c;

	if (fd < 0)
		return;
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	c = zeroed(sizeof(*c));
	c->port = p;
	c->watch = (struct watch){ fd, readable, c };
	c->next = p->connections;
	if (c->next)
		c->next->previous = c;
	p->connections = c;
	watch_begin(p->server, &c->watch);
}

static bool port_open(struct port *p)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons(p->number),
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t size = sizeof(at);
	int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return false;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(fd, (struct sockaddr *)&at, size) || listen(fd, 64) ||
	    getsockname(fd, (struct sockaddr *)&at, &size)) {
		close(fd);
		return false;
	}
	p->number = ntohs(at.sin_port);
	p->watch = (struct watch){ fd, acceptable, p };
	watch_begin(p->server, &p->watch);
	return true;
}

static void port_shut(struct port *p)
{
	if (p->watch.fd >= 0)
		close(p->watch.fd);
	p->watch.fd = -1;
	while (p->connections)
		drop(p->connections);
}

struct port *server_listen(struct server *s, uint16_t number, const char **why)
{
	struct port *p = zeroed(sizeof(*p));

	p->server = s;
	p->number = number;
	p->watch.fd = -1;
	if (!port_open(p)) {
		*why = strerror(errno);
		free(p);
		return NULL;
	}
	p->next = s->ports;
	s->ports = p;
	return p;
}

void port_serve(struct port *p, struct device *d)
{
	p->units[d->unit] = d;
}

uint16_t port_number(const struct port *p)
{
	return p->number;
}

bool port_fault(struct port *p, struct device *d, struct fault f)
{
	d->fault = f;
	d->turn = 0;
	if (f.kind == FAULT_REFUSE) {
		port_shut(p);
		return true;
	}
	return p->watch.fd >= 0 || port_open(p);
}

struct server *server_new(const struct plant_clock *clock)
{
	struct server *s = zeroed(sizeof(*s));

	s->clock = *clock;
	s->epoll = epoll_create1(EPOLL_CLOEXEC);
	s->extra[0].fd = s->extra[1].fd = -1;
	return s;
}

void server_free(struct server *s)
{
	while (s->ports) {
		struct port *p = s->ports;

		s->ports = p->next;
		port_shut(p);
		free(p);
	}
	close(s->epoll);
	free(s);
}

void server_watch(struct server *s, int fd, void (*fn)(void *arg), void *arg)
{
	struct watch *w = &s->extra[s->extra[0].fd >= 0];

	*w = (struct watch){ fd, fn, arg };
	watch_begin(s, w);
}

void server_unwatch(struct server *s, int fd)
{
	epoll_ctl(s->epoll, EPOLL_CTL_DEL, fd, NULL);
}

void server_quit(struct server *s)
{
	s->quit = true;
}

static int wait_ms(const struct server *s)
{
	int64_t left;

	if (!s->delayed)
		return -1;
	left = (s->delayed->due_us - monotonic_us() + 999) / 1000;
	return left > 0 ? (int)left : 0;
}

void server_run(struct server *s)
{
	struct epoll_event events[64];

	/* One event a callback: a callback may drop connections that later events of a
	 * batch would name, so only a control command (the first watch) may do that, and
	 * it ends the batch. */
	while (!s->quit) {
		int n = epoll_wait(s->epoll, events, 64, wait_ms(s));

		for (int i = 0; i < n && !s->quit; i++) {
			struct watch *w = events[i].data.ptr;

			w->fn(w->arg);
			if (w == &s->extra[0] || w == &s->extra[1])
				break;
		}
		deliver_due(s);
	}
}
