/*
 * wire.h - a way to carry bytes to devices and back: what a line needs from
 * TCP and from a serial port.
 *
 * A wire is closed, opening or open.  It never blocks.  Its events come from
 * the loop, never from inside a call; after mb_wire_ops.close none comes until
 * the next open.  An event may call any function of the wire but `free`.
 */
#ifndef MODBUS_WIRE_H
#define MODBUS_WIRE_H

#include <stddef.h>
#include <stdint.h>

#include "gatewayd/error.h"
#include "gatewayd/loop.h"
#include "plugins/modbus/url.h"

struct mb_wire;

struct mb_wire_events {
	void (*up)(void *arg);
	/* Opening failed, or the open wire was lost.  It is closed now. */
	void (*down)(void *arg, const char *why);
	void (*bytes)(void *arg, const uint8_t *bytes, size_t n);
};

struct mb_wire_ops {
	struct mb_wire *(*make)(struct gw_loop *loop, const struct mb_url *url,
				const struct mb_wire_events *events, void *arg, struct gw_err *err);
	/* Begin to open; up or down follows, at the latest after timeout_us. */
	void (*open)(struct mb_wire *w, int64_t timeout_us);
	/* All or nothing: -1 when the wire cannot take n bytes now; close it then. */
	int (*send)(struct mb_wire *w, const uint8_t *bytes, size_t n);
	/* Drop what was received and not reported yet: it came before the next request. */
	void (*flush)(struct mb_wire *w);
	void (*close)(struct mb_wire *w);
	void (*free)(struct mb_wire *w); /* NULL is allowed */
};

extern const struct mb_wire_ops mb_tcp;  /* tcp.c: a connection, for tcp:// and rtu+tcp:// */
extern const struct mb_wire_ops mb_port; /* port.c: a serial port, for rtu: */

#endif
