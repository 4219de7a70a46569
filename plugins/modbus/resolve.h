/*
 * resolve.h - a host name to addresses without holding up the loop.
 *
 * getaddrinfo() blocks for as long as the name servers like, so a short-lived
 * thread does it and says so on a descriptor.  The thread touches nothing but
 * its own question; an abandoned one frees it when it comes back.
 */
#ifndef MODBUS_RESOLVE_H
#define MODBUS_RESOLVE_H

#include <netdb.h>

#include "gatewayd/error.h"

struct mb_resolve;

/* Begin; GW_EIO when no thread or descriptor can be had. */
struct mb_resolve *mb_resolve_begin(const char *host, const char *port, struct gw_err *err);
/* Becomes readable when the answer is there; owned by the question. */
int mb_resolve_fd(const struct mb_resolve *r);
/* After that, once: the addresses, the caller's to freeaddrinfo(), or NULL with *err.
 * Ends the question. */
struct addrinfo *mb_resolve_end(struct mb_resolve *r, struct gw_err *err);
/* Give up waiting; NULL is allowed. */
void mb_resolve_abandon(struct mb_resolve *r);

/* Addresses of a numeric host at once, without a thread; NULL: it is a name. */
struct addrinfo *mb_resolve_numeric(const char *host, const char *port);

#endif
