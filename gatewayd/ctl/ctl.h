/*
 * ctl.h - gatewayctl: what its parts share.
 *
 * One command is one entry of a table (commands.c): name, arguments, help, how
 * long to wait, how to show and to judge the answer.  Help, manual page and completion are
 * made from that table.  A part prints what it has to say and returns the
 * exit code of the program.
 */
#ifndef GW_CTL_CTL_H
#define GW_CTL_CTL_H

#include <jansson.h>
#include <stdbool.h>

enum ctl_exit {
	CTL_DONE = 0,
	CTL_REFUSED = 1, /* or failed */
	CTL_USAGE = 2,
	CTL_NO_DAEMON = 3,
};

#define CTL_SOCKET "/run/gatewayd/control.sock"

struct ctl {
	const char *socket;
	bool json;   /* print documents, not text */
	bool colour; /* a person's terminal that wants it */
	char **args; /* of the command, NULL-terminated */
	int nargs;
};

struct ctl_command {
	const char *name;
	const char *arguments; /* "DEVICE POINT", "[DEVICE]"; "" when none */
	int min, max;          /* how many arguments */
	const char *help;      /* one sentence */
	const char *more;      /* more sentences, or NULL */
	int timeout_ms;        /* for the daemon's answer; -1: as long as it takes */
	int (*run)(const struct ctl *c, const struct ctl_command *self);
	void (*show)(const struct ctl *c, const json_t *data); /* the answer as text; NULL: there is none */
	int (*judge)(const json_t *data); /* the answer's exit code; NULL: done */
};

extern const struct ctl_command ctl_commands[]; /* ends with name NULL */
const struct ctl_command *ctl_find(const char *name); /* or NULL */

/* "gatewayctl: TEXT" to standard error; returns `code`. */
int ctl_fail(enum ctl_exit code, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* The runs of the table. */
int ctl_ask(const struct ctl *c, const struct ctl_command *self);
int ctl_watch(const struct ctl *c, const struct ctl_command *self);
int ctl_version(const struct ctl *c, const struct ctl_command *self);
int ctl_help(const struct ctl *c, const struct ctl_command *self);
int ctl_plugin(const struct ctl *c, const struct ctl_command *self);

/* The shows of the table. */
void ctl_show_status(const struct ctl *c, const json_t *data);
void ctl_show_sources(const struct ctl *c, const json_t *data);
void ctl_show_sinks(const struct ctl *c, const json_t *data);
void ctl_show_devices(const struct ctl *c, const json_t *data);
void ctl_show_points(const struct ctl *c, const json_t *data);
void ctl_show_buffer(const struct ctl *c, const json_t *data);
void ctl_show_losses(const struct ctl *c, const json_t *data);
void ctl_show_read(const struct ctl *c, const json_t *data);
void ctl_show_write(const struct ctl *c, const json_t *data);
void ctl_show_replay(const struct ctl *c, const json_t *data);
void ctl_show_restart(const struct ctl *c, const json_t *data);
void ctl_show_reload(const struct ctl *c, const json_t *data);
void ctl_show_version(const struct ctl *c, const json_t *data);

/* The judges of the table: does what was answered count as done? */
int ctl_judge_read(const json_t *data);
int ctl_judge_write(const json_t *data);
int ctl_judge_buffer(const json_t *data);
int ctl_judge_reload(const json_t *data);

#endif
