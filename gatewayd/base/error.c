/*
 * error.c - the error value (gatewayd/error.h).
 *
 * Texts are built in a local buffer first, so that an argument may be the old
 * message of the same error.  A message is one line of valid length: control
 * characters become blanks and a cut never splits a UTF-8 character.
 */
#include "gatewayd/error.h"

#include <stdio.h>
#include <string.h>
#include <stdarg.h>

/* `need` is what snprintf wanted to write into buf of `size` bytes. */
static void tidy(char *buf, size_t size, size_t need)
{
	size_t cut = size - 4;

	if (need >= size) {
		while (cut && ((unsigned char)buf[cut] & 0xc0) == 0x80)
			cut--;
		memcpy(buf + cut, "...", 4);
	}
	for (char *c = buf; *c; c++)
		if ((unsigned char)*c < 0x20 || *c == 0x7f)
			*c = ' ';
}

__attribute__((format(printf, 3, 0))) static size_t put(char *buf, size_t size, const char *fmt,
							va_list ap)
{
	int need = vsnprintf(buf, size, fmt, ap);

	return need < 0 ? 0 : (size_t)need;
}

/* "<a>: <b>" */
static void join(struct gw_err *err, const char *a, const char *b)
{
	size_t na = strlen(a), nb = strlen(b), size = sizeof(err->msg);

	snprintf(err->msg, size, "%s: %s", a, b);
	tidy(err->msg, size, na + 2 + nb);
}

int gw_err_set(struct gw_err *err, enum gw_code code, const char *fmt, ...)
{
	char msg[sizeof(err->msg)];
	va_list ap;

	va_start(ap, fmt);
	tidy(msg, sizeof(msg), put(msg, sizeof(msg), fmt, ap));
	va_end(ap);
	*err = (struct gw_err){ .code = code };
	memcpy(err->msg, msg, sizeof(msg));
	return -1;
}

int gw_err_sys(struct gw_err *err, int sys, const char *fmt, ...)
{
	char msg[sizeof(err->msg)];
	va_list ap;

	va_start(ap, fmt);
	put(msg, sizeof(msg), fmt, ap);
	va_end(ap);
	*err = (struct gw_err){ .code = GW_EIO, .sys = sys };
	join(err, msg, strerror(sys));
	return -1;
}

int gw_err_ctx(struct gw_err *err, const char *fmt, ...)
{
	char old[sizeof(err->msg)], context[sizeof(err->msg)];
	va_list ap;

	memcpy(old, err->msg, sizeof(old));
	va_start(ap, fmt);
	put(context, sizeof(context), fmt, ap);
	va_end(ap);
	join(err, context, old);
	return -1;
}

const char *gw_err_str(const struct gw_err *err, char *buf, size_t size)
{
	const struct gw_place *at = &err->at;

	if (at->file && at->line)
		snprintf(buf, size, "%s:%u:%u: %s", at->file, at->line, at->column, err->msg);
	else if (at->file)
		snprintf(buf, size, "%s: %s", at->file, err->msg);
	else
		snprintf(buf, size, "%s", err->msg);
	return buf;
}
