/*
 * problem.c - reporting problems of a configuration (gatewayd/config.h, problem.h).
 *
 * The number shown is capped: a file of another kind by mistake has as many
 * problems as lines, and nobody reads the two hundredth.  Path and text are escaped
 * here, so that every receiver gets clean UTF-8.
 */
#include "base/problem.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"

void gw_problem(struct gw_problems *to, const struct gw_place *at, const char *path,
		const char *fmt, ...)
{
	static const struct gw_place nowhere;
	char text[1024], clean_text[1024], clean_path[512];
	va_list ap;

	if (++to->count > GW_PROBLEMS_SHOWN || !to->fn)
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	gw_escape(clean_text, sizeof(clean_text), text, strlen(text));
	gw_escape(clean_path, sizeof(clean_path), path ? path : "", path ? strlen(path) : 0);
	to->fn(to->arg, at ? at : &nowhere, clean_path, clean_text);
	if (to->count == GW_PROBLEMS_SHOWN)
		to->fn(to->arg, at ? at : &nowhere, "", "too many problems: the rest is not shown");
}

void gw_warning(struct gw_problems *to, const struct gw_place *at, const char *path,
		const char *fmt, ...)
{
	static const struct gw_place nowhere;
	char text[1024], clean_text[1024], clean_path[512];
	va_list ap;

	if (!to->warn)
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	gw_escape(clean_text, sizeof(clean_text), text, strlen(text));
	gw_escape(clean_path, sizeof(clean_path), path ? path : "", path ? strlen(path) : 0);
	to->warn(to->arg, at ? at : &nowhere, clean_path, clean_text);
}

const char *gw_problem_line(char *buf, size_t size, const struct gw_place *at, const char *path,
			    const char *text)
{
	char place[512] = "", clean[1024];

	if (at && at->file) {
		gw_escape(place, sizeof(place) - 32, at->file, strlen(at->file));
		if (at->line)
			snprintf(place + strlen(place), 32, ":%u:%u", at->line, at->column);
	}
	snprintf(buf, size, "%s%s%s%s%s", place, *place ? ": " : "", path, *path ? ": " : "",
		 gw_escape(clean, sizeof(clean), text, strlen(text)));
	return buf;
}

void gw_problem_print(void *file, const struct gw_place *at, const char *path, const char *text)
{
	char line[GW_PROBLEM_LINE];

	fprintf(file, "%s\n", gw_problem_line(line, sizeof(line), at, path, text));
}

void gw_problem_keep(void *err, const struct gw_place *at, const char *path, const char *text)
{
	struct gw_err *e = err;
	char line[GW_PROBLEM_LINE];

	if (e->code)
		return;
	gw_err_set(e, GW_EINPUT, "%s", gw_problem_line(line, sizeof(line), NULL, path, text));
	e->at = *at;
}
