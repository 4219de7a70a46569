/*
 * url.h - the `connection` of a device: tcp://HOST[:PORT], rtu:/dev/PORT or
 * rtu+tcp://HOST[:PORT], with an IPv6 address in brackets.  Pure; nothing is
 * looked up or opened.  The settings of a serial line travel along.
 */
#ifndef MODBUS_URL_H
#define MODBUS_URL_H

#include "gatewayd/error.h"
#include "plugins/modbus/serial.h"

enum { MB_HOST_MAX = 254 };

enum mb_scheme {
	MB_TCP,     /* tcp://: Modbus TCP */
	MB_RTU,     /* rtu:/dev/...: a serial port of this machine */
	MB_RTU_TCP, /* rtu+tcp://: frames of a serial line, through a converter */
};

struct mb_url {
	enum mb_scheme scheme;
	char host[MB_HOST_MAX]; /* name or numeric address, without brackets; rtu: the port's path */
	char port[6];           /* rtu: empty */
	char text[MB_HOST_MAX + 20]; /* in full, the same for all spellings: names a line */
	struct mb_serial serial;     /* the default; its owner fills in what is configured */
};

/* GW_EINPUT when the text is no connection. */
int mb_url_parse(const char *text, struct mb_url *out, struct gw_err *err);

#endif
