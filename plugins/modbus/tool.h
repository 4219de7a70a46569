/*
 * tool.h - what the tools of the Modbus plugin share: options from a table, and
 * how a connection is made from them.  Every tool exits 0 (done), 1 (the device or
 * the line did not do it) or 2 (wrong usage).
 */
#ifndef MODBUS_TOOL_H
#define MODBUS_TOOL_H

#include "gatewayd/plugin.h"
#include "plugins/modbus/tool_client.h"

extern const struct gw_tool mb_tools[]; /* ends with usage NULL */

/* First member of every tool's options. */
struct mb_common {
	int64_t unit_id, timeout_ms, baud, data_bits, stop_bits;
	int parity;
};

enum mb_option_type {
	MB_O_FLAG,     /* bool; no value */
	MB_O_INT,      /* int64_t, min to max */
	MB_O_DURATION, /* int64_t, milliseconds, min to max */
	MB_O_CHOICE,   /* int, index into choices */
	MB_O_TEXT,     /* const char * */
	MB_O_LIST,     /* struct mb_texts: may be repeated */
};

enum { MB_TEXTS_MAX = 16 };
struct mb_texts {
	const char *text[MB_TEXTS_MAX];
	unsigned count;
};

struct mb_option {
	const char *name; /* without the dashes */
	enum mb_option_type type;
	size_t offset;
	int64_t min, max;
	const char *const *choices;
	const char *help; /* with the default, if there is one */
};

struct mb_tool_spec {
	const char *name, *arguments; /* "URL FILE" */
	const char *text;             /* what it does, for --help */
	const struct mb_option *options;
	unsigned count, least, most; /* options; arguments */
	bool listens;                /* no connection of its own: the common options are not offered */
};

/*
 * Fills `out` (which holds the defaults, struct mb_common first unless it listens) and
 * args[most], NULL where none is given.  -1: go on; else the exit code: help was printed, or
 * what is wrong.
 */
int mb_tool_parse(const struct mb_tool_spec *spec, int argc, char *argv[], void *out,
		  const char **args);
extern const struct mb_common mb_common_default;

/* "modbus TOOL: what is wrong" on standard error; returns 1. */
int mb_tool_fail(const struct mb_tool_spec *spec, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
/* URL and common options to a connection; 0 or the exit code, after saying why. */
int mb_tool_connect(const struct mb_tool_spec *spec, const struct mb_common *o, const char *url,
		    struct mb_client **out);
/* The same without opening. */
int mb_tool_url(const struct mb_tool_spec *spec, const struct mb_common *o, const char *url,
		struct mb_url *out);
/* A reason in words: "no answer within 1s", "exception 2: illegal data address". */
const char *mb_reason_words(unsigned reason, const struct mb_common *o, char *buf, size_t size);

int mb_tool_probe(int argc, char *argv[]);
int mb_tool_scan(int argc, char *argv[]);
int mb_tool_identify(int argc, char *argv[]);
int mb_tool_sunspec(int argc, char *argv[]);
int mb_tool_record(int argc, char *argv[]);
int mb_tool_replay(int argc, char *argv[]);

#endif
