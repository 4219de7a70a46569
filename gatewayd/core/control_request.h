/*
 * control_request.h - one line of the control socket: {"command": TEXT, "args": [TEXT, ...]}.
 * Pure; the command table is looked up here too, nothing is carried out.
 */
#ifndef GW_CORE_CONTROL_REQUEST_H
#define GW_CORE_CONTROL_REQUEST_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

enum { GW_ARGS_MAX = 16 };
#define GW_REQUEST_FORM "a request is {\"command\": TEXT, \"args\": [TEXT, ...]}"

struct gw_request_line {
	json_t *doc; /* owns the texts */
	const char *command;
	const char *args[GW_ARGS_MAX];
	size_t nargs;
	char refusal[240];
};

/* 0, or -1 with r->refusal.  gw_request_free() in either case. */
int gw_request_parse(struct gw_request_line *r, const char *line, size_t size);
void gw_request_free(struct gw_request_line *r);

/* Index of the command in the table of control_commands.c when it takes so many arguments;
 * -1 with r->refusal. */
int gw_request_lookup(struct gw_request_line *r);

#endif
