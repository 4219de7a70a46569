/*
 * bus.h - a serial line with devices inside a test: a pseudo-terminal on the
 * test's own loop, with the time every character takes at 9600 baud.
 *
 * The line under test opens the far end.  A request is handed to a function of
 * the test when its last character would have been sent; what that says goes out
 * character by character.  Register n of unit u holds 1000 * u + n.
 */
#ifndef BUS_H
#define BUS_H

#include <fcntl.h>
#include <pty.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "gatewayd/loop.h"
#include "plugins/modbus/rtu.h"

enum { BUS_REQUEST = 8, BUS_CHARACTER_US = 1042, BUS_OUT = 2048 };

struct bus;
/* One request: `seen` counts them from 0; it ended at at_us. */
typedef void bus_fn(struct bus *b, const uint8_t *request, unsigned seen, int64_t at_us);

struct bus {
	struct gw_loop *loop;
	bus_fn *script;
	int fd, far; /* far is kept open, so that nothing hangs up while the line opens and closes */
	char path[64];
	struct gw_watch *on_fd, *timer;
	uint8_t in[1024];
	size_t fill;
	struct {
		int64_t at_us;
		uint8_t byte;
	} out[BUS_OUT];
	size_t nout, said;
	unsigned requests, asked[256]; /* all, and of each unit */
};

/* ---- what scripts do ---- */

/* Say bytes from at_us on, each_us apart; returns when the last one is out. */
static inline int64_t bus_say(struct bus *b, int64_t at_us, int64_t each_us, const uint8_t *bytes, size_t n)
{
	for (size_t i = 0; i < n && b->nout < BUS_OUT; i++) {
		b->out[b->nout].at_us = at_us += each_us;
		b->out[b->nout++].byte = bytes[i];
	}
	gw_timer_at(b->timer, b->out[b->said].at_us);
	return at_us;
}

static inline size_t bus_seal(uint8_t *frame, size_t n)
{
	uint16_t crc = mb_crc16(frame, n);

	frame[n] = (uint8_t)crc;
	frame[n + 1] = (uint8_t)(crc >> 8);
	return n + 2;
}

/* The right answer; returns its size. */
static inline size_t bus_answer(uint8_t *out, const uint8_t *request)
{
	unsigned address = (unsigned)(request[2] << 8 | request[3]), count = request[5];

	out[0] = request[0];
	out[1] = request[1];
	out[2] = (uint8_t)(2 * count);
	for (unsigned i = 0; i < count; i++) {
		unsigned v = 1000U * request[0] + address + i;

		out[3 + 2 * i] = (uint8_t)(v >> 8);
		out[4 + 2 * i] = (uint8_t)v;
	}
	return bus_seal(out, 3 + 2 * (size_t)count);
}

static inline void bus_right(struct bus *b, const uint8_t *request, unsigned seen, int64_t at_us)
{
	uint8_t frame[MB_RTU_MAX];

	(void)seen;
	bus_say(b, at_us + 4000, BUS_CHARACTER_US, frame, bus_answer(frame, request));
}

/* ---- the bus ---- */

static inline void bus_on_timer(void *arg)
{
	struct bus *b = arg;
	int64_t now_us = gw_now_us();

	while (b->said < b->nout && b->out[b->said].at_us <= now_us)
		if (write(b->fd, &b->out[b->said++].byte, 1) != 1)
			abort();
	if (b->said < b->nout)
		gw_timer_at(b->timer, b->out[b->said].at_us);
	else
		b->said = b->nout = 0;
}

static inline void bus_on_bytes(void *arg, unsigned ready)
{
	struct bus *b = arg;
	ssize_t n = read(b->fd, b->in + b->fill, sizeof(b->in) - b->fill);
	uint8_t request[BUS_REQUEST];

	(void)ready;
	b->fill += n > 0 ? (size_t)n : 0;
	while (b->fill >= BUS_REQUEST) {
		memcpy(request, b->in, sizeof(request));
		b->fill -= sizeof(request);
		memmove(b->in, b->in + sizeof(request), b->fill);
		b->asked[request[0]]++;
		b->script(b, request, b->requests++, gw_now_us() + BUS_REQUEST * BUS_CHARACTER_US);
	}
}

static inline struct bus *bus_new(struct gw_loop *loop, bus_fn *script)
{
	struct bus *b = calloc(1, sizeof(*b));
	struct termios raw;
	struct gw_err err;

	if (!b || openpty(&b->fd, &b->far, b->path, NULL, NULL))
		abort();
	b->loop = loop;
	b->script = script;
	tcgetattr(b->far, &raw);
	cfmakeraw(&raw);
	tcsetattr(b->far, TCSANOW, &raw);
	fcntl(b->fd, F_SETFL, O_NONBLOCK);
	b->on_fd = gw_on_fd(loop, b->fd, GW_READ, bus_on_bytes, b, &err);
	b->timer = gw_on_timer(loop, bus_on_timer, b, &err);
	return b;
}

/* The adapter is pulled out. */
static inline void bus_unplug(struct bus *b)
{
	gw_watch_stop(b->on_fd);
	b->on_fd = NULL;
	gw_timer_off(b->timer);
	close(b->far);
	close(b->fd);
	b->fd = b->far = -1;
}

static inline void bus_free(struct bus *b)
{
	if (b->fd >= 0)
		bus_unplug(b);
	gw_watch_stop(b->timer);
	free(b);
}

#endif
