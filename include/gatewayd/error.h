/*
 * error.h - the one error value of the project.
 *
 * A function that can fail takes `struct gw_err *err` as its last argument and
 * returns 0, or -1 after filling *err; on 0 it leaves *err alone.  The layer
 * that meets the cause calls gw_err_set(); a caller that knows what was being
 * attempted adds it with gw_err_ctx().  Only the top (main, a control command,
 * the supervisor) logs, so a failure is written once.  Nothing here allocates.
 */
#ifndef GATEWAYD_ERROR_H
#define GATEWAYD_ERROR_H

#include <stddef.h>
#include <stdint.h>

enum gw_code {
	GW_EINPUT = 1, /* the user's file or command is wrong: say where */
	GW_ENOENT,     /* a named thing does not exist */
	GW_EFULL,      /* a configured limit was reached; retry later */
	GW_EIO,        /* the system refused; .sys holds errno */
	GW_EPROTO,     /* a peer broke the protocol; drop that peer, not us */
	GW_EBUG,       /* our own invariant is broken */
};

/* A place in a configuration file, as people count: from 1.  0: unknown. */
struct gw_place {
	const char *file; /* borrowed; NULL when there is no place */
	uint32_t line, column;
};

struct gw_err {
	enum gw_code code;
	int sys; /* errno, or 0 */
	struct gw_place at;
	char msg[512]; /* one line, no newline; cut with "..." */
};

/* Both return -1, so that a failing function ends in `return gw_err_set(...)`. */
int gw_err_set(struct gw_err *err, enum gw_code code, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
int gw_err_sys(struct gw_err *err, int sys, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* Put "<context>: " before the message.  Returns -1. */
int gw_err_ctx(struct gw_err *err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* "gatewayd.yaml:14:13: sinks.goc.keepalive: ..." into buf; always ends in NUL. */
const char *gw_err_str(const struct gw_err *err, char *buf, size_t size);

#endif
