/*
 * ask.c - commands that the daemon answers: one question, one document.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "ctl/ask.h"
#include "ctl/document.h"

int ask_no_daemon(const struct ctl *c, const struct gw_err *err)
{
	const char *hint = "is gatewayd running? try: systemctl status gatewayd, or another socket: gatewayctl -s SOCKET";

	if (err->sys == EACCES || err->sys == EPERM)
		hint = "only the group gatewayd may use it; try: sudo gatewayctl, or add yourself to the group";
	return ctl_fail(CTL_NO_DAEMON, "no daemon answers on %s: %s\n%s", c->socket, err->msg, hint);
}

int ask_begin(struct client *client, const struct ctl *c, const struct ctl_command *self)
{
	struct gw_err err;

	if (client_open(client, c->socket, &err) != 0)
		return ask_no_daemon(c, &err);
	if (client_send(client, self->name, c->args, &err) != 0)
		return err.code == GW_EINPUT ? ctl_fail(CTL_USAGE, "%s: %s", self->name, err.msg)
					     : ask_no_daemon(c, &err);
	return CTL_DONE;
}

/* The daemon said no: its words, and its exit code if it is one. */
static int refused(const struct ctl *c, const struct ctl_command *self, const json_t *answer)
{
	const json_t *text = json_object_get(answer, "error"), *data = json_object_get(answer, "data");
	json_int_t code = json_integer_value(json_object_get(answer, "code"));
	char words[4096] = "refused";

	if (json_is_string(text))
		gw_escape(words, sizeof(words), json_string_value(text), json_string_length(text));
	if (json_is_object(data) && self->show && !c->json)
		self->show(c, data); /* what stood in the way */
	return ctl_fail(code == CTL_USAGE ? CTL_USAGE : CTL_REFUSED, "%s: %s", self->name, words);
}

static void print_document(const json_t *data)
{
	document_write(stdout, data);
	putchar('\n');
}

int ask_finish(const struct ctl *c, const struct ctl_command *self, const json_t *answer)
{
	const json_t *ok = json_object_get(answer, "ok"), *data = json_object_get(answer, "data");

	struct gw_err err;

	if (!json_is_boolean(ok)) {
		gw_err_set(&err, GW_EPROTO, CLIENT_STRANGER);
		return ask_no_daemon(c, &err);
	}
	if (!json_is_true(ok))
		return refused(c, self, answer);
	if (self->show && c->json)
		print_document(data);
	else if (self->show)
		self->show(c, data);
	return self->judge ? self->judge(data) : CTL_DONE;
}

int ctl_ask(const struct ctl *c, const struct ctl_command *self)
{
	json_t *answer = NULL;
	struct client client;
	struct gw_err err;
	int code = ask_begin(&client, c, self);

	if (code == CTL_DONE) {
		if (client_receive(&client, self->timeout_ms, &answer, &err) == 0)
			code = ask_finish(c, self, answer);
		else
			code = ask_no_daemon(c, &err);
	}
	json_decref(answer);
	client_close(&client);
	return code;
}

int ctl_version(const struct ctl *c, const struct ctl_command *self)
{
	int code = ctl_ask(c, self);

	if (code == CTL_NO_DAEMON && !c->json)
		printf("gatewayctl %s\n", GW_VERSION);
	return code;
}
