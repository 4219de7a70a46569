/*
 * ask.h - question and answer, shared by the commands that the daemon answers.
 * Each returns an exit code; what went wrong has been said.
 */
#ifndef GW_CTL_ASK_H
#define GW_CTL_ASK_H

#include "ctl/client.h"
#include "ctl/ctl.h"

/* Connect and send the command; client_close() is due in any case. */
int ask_begin(struct client *client, const struct ctl *c, const struct ctl_command *self);
/* The final line: show its data or its error. */
int ask_finish(const struct ctl *c, const struct ctl_command *self, const json_t *answer);
int ask_no_daemon(const struct ctl *c, const struct gw_err *err);

#endif
