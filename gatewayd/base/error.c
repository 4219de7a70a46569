#include "gatewayd/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static void clip(char *buf, size_t size, int need)
{
	if (need >= 0 && (size_t)need >= size)
		memcpy(buf + size - 4, "...", 4);
}

__attribute__((format(printf, 4, 0)))
static void fill(struct gw_err *err, enum gw_code code, int sys, const char *fmt, va_list ap)
{
	*err = (struct gw_err){ .code = code, .sys = sys };
	clip(err->msg, sizeof(err->msg), vsnprintf(err->msg, sizeof(err->msg), fmt, ap));
}

int gw_err_set(struct gw_err *err, enum gw_code code, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	fill(err, code, 0, fmt, ap);
	va_end(ap);
	return -1;
}

int gw_err_sys(struct gw_err *err, int sys, const char *fmt, ...)
{
	va_list ap;
	size_t n;

	va_start(ap, fmt);
	fill(err, GW_EIO, sys, fmt, ap);
	va_end(ap);
	n = strlen(err->msg);
	clip(err->msg, sizeof(err->msg),
	     (int)n + snprintf(err->msg + n, sizeof(err->msg) - n, ": %s", strerror(sys)));
	return -1;
}

int gw_err_ctx(struct gw_err *err, const char *fmt, ...)
{
	char old[sizeof(err->msg)];
	va_list ap;
	size_t n;

	memcpy(old, err->msg, sizeof(old));
	va_start(ap, fmt);
	vsnprintf(err->msg, sizeof(err->msg), fmt, ap);
	va_end(ap);
	n = strlen(err->msg);
	clip(err->msg, sizeof(err->msg),
	     (int)n + snprintf(err->msg + n, sizeof(err->msg) - n, ": %s", old));
	return -1;
}

const char *gw_err_str(const struct gw_err *err, char *buf, size_t size)
{
	if (err->at.file && err->at.line)
		snprintf(buf, size, "%s:%u:%u: %s", err->at.file, err->at.line, err->at.column, err->msg);
	else
		snprintf(buf, size, "%s", err->msg);
	return buf;
}
