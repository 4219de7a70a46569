/*
 * control.h - between control.c (socket, clients), control_commands.c (what can be asked),
 * control_losses.c and control_replay.c (answers that take more).
 *
 * A client asks with one line {"command": TEXT, "args": [TEXT, ...]} and gets lines: for `watch`
 * {"event": {...}} again and again, else one {"ok": true, "data": ...} or
 * {"ok": false, "code": EXIT_CODE, "error": TEXT}.
 */
#ifndef GW_CORE_CONTROL_H
#define GW_CORE_CONTROL_H

#include "core/control_request.h"
#include "core/views.h"

enum {
	GW_CLIENTS_MAX = 32,
	GW_QUESTIONS_MAX = 64,
	GW_CLIENT_IN_MAX = 64 * 1024,
	GW_CLIENT_OUT_MAX = 16 * 1024 * 1024,
};

struct gw_client {
	struct gw_control *control;
	struct gw_watch *watch;
	int fd;
	bool busy, dead, watching;
	struct gw_client **listing; /* who answers it later holds it there; NULL: nobody */
	char *device; /* the only one it watches; NULL: all */
	char *out;
	size_t out_at, out_size, out_capacity;
	size_t in_size;
	char in[GW_CLIENT_IN_MAX];
};

struct gw_question_open {
	struct gw_client *client; /* NULL: free */
	uint32_t number;
	const struct gw_source *source;
	char device[65];
	unsigned point;
	int64_t deadline_us;
};

struct gw_control {
	struct gw_daemon *daemon;
	struct gw_watch *watch;
	int fd;
	int spare; /* given up for a moment when there are no descriptors left; -1: it could not be had */
	unsigned watchers;
	uint32_t next_number;
	struct gw_client *clients[GW_CLIENTS_MAX];
	struct gw_question_open questions[GW_QUESTIONS_MAX];
	struct gw_client *reloading, *verifying;
};

/* Each request is answered once, now or later; `data` is taken over, NULL is {}. */
void gw_client_answer(struct gw_client *c, json_t *data);
void gw_client_event(struct gw_client *c, json_t *event);
void gw_client_refuse(struct gw_client *c, int code, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

void gw_client_refuse_device(struct gw_client *c, const char *name); /* there is none of that name */
void gw_control_losses(struct gw_client *c);
void gw_control_replay(struct gw_client *c, const char *const *args, size_t nargs);
void gw_control_command(struct gw_client *c, struct gw_request_line *r);
bool gw_control_has(const struct gw_control *k, const struct gw_client *c); /* is it still there? */

#endif
