/*
 * problem.h - the line a person reads for one problem of a configuration.
 *
 * gw_problem() (gatewayd/config.h) hands place, path and text to its owner;
 * these turn them into the contract's form.
 */
#ifndef GW_BASE_PROBLEM_H
#define GW_BASE_PROBLEM_H

#include "gatewayd/config.h"

/* After so many problems gw_problem() reports one last line and only counts on. */
enum { GW_PROBLEMS_SHOWN = 200, GW_PROBLEM_LINE = 2048 };

/*
 * "FILE:LINE:COL: key.path: text", without what is unknown or empty; the name of
 * the file and the text are escaped.  Cut to size (GW_PROBLEM_LINE holds any); returns buf.
 */
const char *gw_problem_line(char *buf, size_t size, const struct gw_place *at, const char *path,
			    const char *text);

/* For struct gw_problems.fn: one line to the FILE * that `file` is. */
void gw_problem_print(void *file, const struct gw_place *at, const char *path, const char *text);

/* For struct gw_problems.fn: takes the text into the struct gw_err that `err` is,
 * the first one only; its code must be 0 at first. */
void gw_problem_keep(void *err, const struct gw_place *at, const char *path, const char *text);

#endif
