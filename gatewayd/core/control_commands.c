/*
 * control_commands.c - what can be asked on the control socket: a table.
 */
#include "core/control.h"
#include "core/write.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

typedef void command_fn(struct gw_client *c, const char *const *args, size_t nargs);

static struct gw_daemon *daemon_of(struct gw_client *c)
{
	return c->control->daemon;
}

bool gw_control_has(const struct gw_control *k, const struct gw_client *c)
{
	for (size_t i = 0; k && c && i < GW_CLIENTS_MAX; i++)
		if (k->clients[i] == c)
			return true;
	return false;
}

/* ---- names, with the nearest when there is none ---- */

void gw_client_refuse_device(struct gw_client *c, const char *name)
{
	struct gw_daemon *d = daemon_of(c);
	const char **names = calloc(d->ndevices + 1, sizeof(char *)), *near;
	size_t n = 0;

	for (size_t i = 0; names && i < d->ndevices; i++)
		if (d->devices[i])
			names[n++] = d->devices[i]->name;
	near = names ? gw_nearest(name, names) : NULL;
	gw_client_refuse(c, 1, "there is no device '%.64s'%s%s%s", name, near ? "; did you mean '" : "",
			 near ? near : "", near ? "'?" : "");
	free(names);
}

static void refuse_point(struct gw_client *c, const struct gw_device *dev, const char *name)
{
	const char **names = calloc(dev->npoints + 1, sizeof(char *)), *near;

	for (size_t i = 0; names && i < dev->npoints; i++)
		names[i] = dev->points[i].name;
	near = names ? gw_nearest(name, names) : NULL;
	gw_client_refuse(c, 1, "device '%s' has no point '%.64s'%s%s%s", dev->name, name,
			 near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
	free(names);
}

/* ---- looks ---- */

static void status(struct gw_client *c, const char *const *args, size_t nargs)
{
	(void)args, (void)nargs;
	gw_client_answer(c, gw_view_status(daemon_of(c)));
}

static void sources(struct gw_client *c, const char *const *args, size_t nargs)
{
	(void)args, (void)nargs;
	gw_client_answer(c, gw_view_sources(daemon_of(c)));
}

static void sinks(struct gw_client *c, const char *const *args, size_t nargs)
{
	(void)args, (void)nargs;
	gw_client_answer(c, gw_view_sinks(daemon_of(c)));
}

static void devices(struct gw_client *c, const char *const *args, size_t nargs)
{
	(void)args, (void)nargs;
	gw_client_answer(c, gw_view_devices(daemon_of(c)));
}

static void points(struct gw_client *c, const char *const *args, size_t nargs)
{
	struct gw_device *dev = nargs ? gw_device_named(daemon_of(c), args[0]) : NULL;

	if (nargs && !dev)
		gw_client_refuse_device(c, args[0]);
	else
		gw_client_answer(c, gw_view_points(daemon_of(c), dev));
}

static void version(struct gw_client *c, const char *const *args, size_t nargs)
{
	(void)args, (void)nargs;
	gw_client_answer(c, json_pack("{s:s}", "version", GW_VERSION));
}

static void watch(struct gw_client *c, const char *const *args, size_t nargs)
{
	if (nargs && !gw_device_named(daemon_of(c), args[0])) {
		gw_client_refuse_device(c, args[0]);
		return;
	}
	c->control->watchers += !c->watching;
	c->watching = true;
	free(c->device);
	c->device = nargs ? strdup(args[0]) : NULL;
}

/* ---- buffer ---- */

static void verified(void *arg, const struct gw_verify *v, const struct gw_err *err)
{
	struct gw_daemon *d = arg;
	struct gw_client *c;

	if (!d->control || !gw_control_has(d->control, d->control->verifying))
		return;
	c = d->control->verifying;
	d->control->verifying = NULL;
	if (err)
		gw_client_refuse(c, 1, "%s", err->msg);
	else
		gw_client_answer(c, json_pack("{s:I, s:I, s:I, s:I, s:s}", "readings", (json_int_t)v->readings,
					      "damaged", (json_int_t)v->damaged, "windows",
					      (json_int_t)v->windows, "damaged_windows",
					      (json_int_t)v->damaged_windows, "integrity",
					      v->integrity_ok ? "ok" : v->text));
}

static void buffer(struct gw_client *c, const char *const *args, size_t nargs)
{
	if (nargs == 0) {
		gw_client_answer(c, gw_view_buffer(daemon_of(c)));
	} else if (strcmp(args[0], "--verify") != 0) {
		gw_client_refuse(c, 2, "buffer takes --verify or nothing");
	} else if (gw_control_has(c->control, c->control->verifying)) {
		gw_client_refuse(c, 1, "the buffer is being verified already");
	} else {
		c->busy = true;
		c->control->verifying = c;
		gw_store_verify(daemon_of(c)->store, verified, daemon_of(c));
	}
}

static void losses(struct gw_client *c, const char *const *args, size_t nargs)
{
	(void)args, (void)nargs;
	gw_control_losses(c);
}

/* ---- read ---- */

static void ask(struct gw_client *c, const struct gw_device *dev, unsigned point)
{
	struct gw_control *k = c->control;
	struct gw_message m = { .type = GW_MSG_ASK };
	struct gw_source *s;
	size_t i = 0;

	while (i < GW_QUESTIONS_MAX && k->questions[i].client)
		i++;
	if (i == GW_QUESTIONS_MAX || !gw_device_place(k->daemon, dev, &s, &m.ask.device)) {
		gw_client_refuse(c, 1, "too many questions are open");
		return;
	}
	if (gw_child_status(s->child)->life != GW_LIFE_RUNNING) {
		gw_client_refuse(c, 1, "source '%s' is not running (%s)", s->instance.name,
				 gw_life_name(gw_child_status(s->child)->life));
		return;
	}
	k->questions[i] = (struct gw_question_open){ .client = c, .number = ++k->next_number, .source = s,
						     .point = point,
						     .deadline_us = gw_now_us() + 30000000 };
	snprintf(k->questions[i].device, sizeof(k->questions[i].device), "%s", dev->name);
	c->busy = true;
	m.ask.number = k->next_number;
	m.ask.point = (uint16_t)point;
	gw_child_send(s->child, &m);
}

static void read_point(struct gw_client *c, const char *const *args, size_t nargs)
{
	struct gw_device *dev = gw_device_named(daemon_of(c), args[0]);

	(void)nargs;
	if (!dev) {
		gw_client_refuse_device(c, args[0]);
		return;
	}
	for (unsigned i = 0; i < dev->npoints; i++)
		if (strcmp(dev->points[i].name, args[1]) == 0) {
			ask(c, dev, i);
			return;
		}
	refuse_point(c, dev, args[1]);
}

static void answer_value(struct gw_client *c, const struct gw_device *dev, unsigned point,
			 const struct gw_msg_answer *a)
{
	const struct gw_point *p = &dev->points[point];
	struct gw_value v = { .kind = (enum gw_kind)a->kind, .reason = (enum gw_reason)a->reason,
			      .text = a->text.s, .length = a->text.n };

	v.u = a->slot; /* the union's widest member */
	gw_normalise_one(dev->normaliser, point, &v);
	gw_client_answer(c, json_pack("{s:s, s:s, s:o, s:s, s:s, s:s}", "device", dev->name, "point", p->name,
				      "value", gw_view_value(dev, point, &v), "unit", p->unit, "symbol",
				      p->symbol, "quality", gw_reason_name(v.reason)));
}

void gw_control_answer(struct gw_daemon *d, struct gw_source *s, const struct gw_msg_answer *a)
{
	for (size_t i = 0; d->control && i < GW_QUESTIONS_MAX; i++) {
		struct gw_question_open *q = &d->control->questions[i];
		const struct gw_device *dev;

		if (!q->client || q->number != a->number || q->source != s)
			continue;
		dev = gw_device_named(d, q->device);
		if (dev && q->point < dev->npoints && a->kind < GW_ENUM)
			answer_value(q->client, dev, q->point, a);
		else
			gw_client_refuse(q->client, 1, "the device was taken out meanwhile");
		q->client = NULL;
		return;
	}
}

/* ---- write ---- */

static void wrote(void *arg, const struct gw_write_end *end)
{
	static const char *const results[] = { "done", "failed", "refused" };
	struct gw_client *c = arg;

	if (!end->dev) {
		gw_client_refuse(c, 1, "the device was taken out meanwhile");
		return;
	}
	gw_client_answer(c, json_pack("{s:s, s:s, s:s, s:s, s:o, s:o, s:s, s:s}", "device", end->dev->name, "point",
				      end->dev->points[end->point].name, "result", results[end->result], "reason",
				      end->reason, "value", gw_view_value(end->dev, end->point, end->value), "old",
				      gw_view_value(end->dev, end->point, end->old), "unit",
				      end->dev->points[end->point].unit, "symbol",
				      end->dev->points[end->point].symbol));
}

static void write_point(struct gw_client *c, const char *const *args, size_t nargs)
{
	struct ucred peer = { .uid = (uid_t)-1 };
	socklen_t size = sizeof(peer);
	struct gw_err err;
	char who[64];

	(void)nargs;
	if (getsockopt(c->fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0)
		peer.uid = (uid_t)-1;
	snprintf(who, sizeof(who), "uid %u (process %d)", (unsigned)peer.uid, (int)peer.pid);
	c->busy = true;
	if (gw_write_begin(daemon_of(c),
			   &(struct gw_write_order){ .device = args[0], .point = args[1], .value = args[2],
						     .who = who, .done = wrote, .arg = c }, &err) != 0)
		gw_client_refuse(c, 1, "%s", err.msg);
}

/* ---- changes ---- */

static void restart(struct gw_client *c, const char *const *args, size_t nargs)
{
	struct gw_daemon *d = daemon_of(c);
	struct gw_child *child = NULL;

	(void)nargs;
	for (size_t i = 0; i < d->nsources; i++)
		if (strcmp(d->sources[i]->instance.name, args[0]) == 0)
			child = d->sources[i]->child;
	for (size_t i = 0; i < d->nsinks; i++)
		if (strcmp(d->sinks[i]->instance.name, args[0]) == 0)
			child = d->sinks[i]->child;
	if (!child) {
		gw_client_refuse(c, 1, "there is no source or sink '%.64s'", args[0]);
		return;
	}
	gw_child_restart(child);
	gw_client_answer(c, NULL);
}

static void add_line(void *arg, const char *line)
{
	json_array_append_new(arg, json_string(line));
}

static json_t *changed_names(const struct gw_plan *p, bool sinks)
{
	json_t *names = json_array();

	for (size_t i = 0; i < p->ncandidates; i++)
		if (p->candidates[i].changed && p->candidates[i].instance->sink == sinks)
			json_array_append_new(names, json_string(p->candidates[i].instance->name));
	return names;
}

static void reloaded(void *arg, const struct gw_plan *p)
{
	struct gw_daemon *d = arg;
	struct gw_client *c = d->control ? d->control->reloading : NULL;
	json_t *problems = json_array();

	if (p->settings->problems.count) /* else there are only warnings */
		gw_settings_each(p->settings, add_line, problems);
	if (!gw_control_has(d->control, c)) {
		json_decref(problems);
		return;
	}
	d->control->reloading = NULL;
	gw_client_answer(c, json_pack("{s:o, s:{s:o, s:o, s:I}}", "problems", problems, "changed", "sources",
				      changed_names(p, false), "sinks", changed_names(p, true), "removed",
				      (json_int_t)p->removed));
}

static void reload(struct gw_client *c, const char *const *args, size_t nargs)
{
	struct gw_daemon *d = daemon_of(c);

	(void)args, (void)nargs;
	if (d->plan) {
		gw_client_refuse(c, 1, "a reload is under way");
		return;
	}
	c->busy = true;
	c->control->reloading = c;
	gw_daemon_reload(d, reloaded, d);
}

/* ---- the table ---- */

static const struct {
	const char *name;
	size_t least, most; /* arguments */
	const char *form;   /* what they are */
	command_fn *run;
} commands[] = {
	{ "status", 0, 0, "", status },
	{ "sources", 0, 0, "", sources },
	{ "sinks", 0, 0, "", sinks },
	{ "devices", 0, 0, "", devices },
	{ "points", 0, 1, "[DEVICE]", points },
	{ "watch", 0, 1, "[DEVICE]", watch },
	{ "read", 2, 2, "DEVICE POINT", read_point },
	{ "write", 3, 3, "DEVICE POINT VALUE", write_point },
	{ "buffer", 0, 1, "[--verify]", buffer },
	{ "losses", 0, 0, "", losses },
	{ "replay", 3, 4, "DEVICE FROM TO [SINK]", gw_control_replay },
	{ "restart", 1, 1, "SOURCE", restart },
	{ "reload", 0, 0, "", reload },
	{ "version", 0, 0, "", version },
};

enum { COMMANDS = sizeof(commands) / sizeof(commands[0]) };

/* "replay takes 3 or 4 arguments: DEVICE FROM TO [SINK]" */
static int wrong_count(struct gw_request_line *r, size_t i)
{
	size_t least = commands[i].least, most = commands[i].most;
	char number[32];

	if (most == 0)
		snprintf(number, sizeof(number), "no");
	else if (least == most)
		snprintf(number, sizeof(number), "%zu", most);
	else
		snprintf(number, sizeof(number), "%zu or %zu", least, most);
	snprintf(r->refusal, sizeof(r->refusal), "%s takes %s argument%s%s%s", commands[i].name, number,
		 most == 1 ? "" : "s", most ? ": " : "", commands[i].form);
	return -1;
}

int gw_request_lookup(struct gw_request_line *r)
{
	const char *names[COMMANDS + 1] = { NULL }, *near;

	for (size_t i = 0; i < COMMANDS; i++) {
		names[i] = commands[i].name;
		if (strcmp(names[i], r->command) == 0)
			return r->nargs < commands[i].least || r->nargs > commands[i].most ? wrong_count(r, i)
											  : (int)i;
	}
	near = gw_nearest(r->command, names);
	snprintf(r->refusal, sizeof(r->refusal), "there is no command '%.64s'%s%s%s", r->command,
		 near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
	return -1;
}

void gw_control_command(struct gw_client *c, struct gw_request_line *r)
{
	int i = gw_request_lookup(r);

	if (i < 0)
		gw_client_refuse(c, 2, "%s", r->refusal);
	else
		commands[i].run(c, r->args, r->nargs);
}
