/*
 * url.h - the `connection` of a device: tcp://HOST, tcp://HOST:PORT, with an
 * IPv6 address in brackets.  Pure; nothing is looked up.  The forms of serial
 * lines are known by name and refused.
 */
#ifndef MODBUS_URL_H
#define MODBUS_URL_H

#include "gatewayd/error.h"

enum { MB_HOST_MAX = 254 };

struct mb_url {
	char host[MB_HOST_MAX]; /* name or numeric address, without brackets */
	char port[6];
	char text[MB_HOST_MAX + 20]; /* in full, the same for all spellings: names a line */
};

/* GW_EINPUT when the text is no connection this version can make. */
int mb_url_parse(const char *text, struct mb_url *out, struct gw_err *err);

#endif
