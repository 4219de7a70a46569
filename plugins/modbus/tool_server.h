/*
 * tool_server.h - one master at a time on a port of loopback, for `record` and
 * `replay`.  On the caller's loop; ends with SIGINT or SIGTERM.
 */
#ifndef MODBUS_TOOL_SERVER_H
#define MODBUS_TOOL_SERVER_H

#include <stddef.h>
#include <stdint.h>

#include "gatewayd/error.h"
#include "gatewayd/loop.h"

struct mb_server;

/* port 0: a free one.  on_bytes(arg, NULL, 0): a new master. */
int mb_server_new(struct mb_server **out, struct gw_loop *loop, unsigned port,
		  void (*on_bytes)(void *arg, const uint8_t *bytes, size_t n), void *arg,
		  struct gw_err *err);
void mb_server_free(struct mb_server *s); /* NULL is allowed */
unsigned mb_server_port(const struct mb_server *s);
void mb_server_send(struct mb_server *s, const uint8_t *bytes, size_t n); /* drops a master that does not read */
void mb_server_hang_up(struct mb_server *s);

#endif
