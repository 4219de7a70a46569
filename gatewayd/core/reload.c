/*
 * reload.c - another configuration while running: refused whole with every reason, or applied
 * once what the reload before takes out has gone.
 */
#include "core/apply.h"

#include <malloc.h>
#include <string.h>
#include <systemd/sd-daemon.h>

#include "base/log.h"
#include "base/problem.h"
#include "core/recover.h"

static void refuse_change(struct gw_settings *s, const char *path, const char *now, const char *then)
{
	if (strcmp(now ? now : "", then ? then : "") != 0)
		gw_problem(&s->problems, NULL, path, "cannot change while running ('%s' now): restart needed",
			   now ? now : "");
}

static void refuse_what_needs_a_restart(struct gw_daemon *d, struct gw_settings *s)
{
	refuse_change(s, "gateway.id", d->core.gateway.id, s->core.gateway.id);
	refuse_change(s, "buffer.path", d->core.buffer.path, s->core.buffer.path);
	refuse_change(s, "buffer.ring.path", d->core.buffer.ring.path, s->core.buffer.ring.path);
	refuse_change(s, "control.socket", d->core.control.socket, s->core.control.socket);
	if (d->core.buffer.ring.size != s->core.buffer.ring.size)
		gw_problem(&s->problems, NULL, "buffer.ring.size", "cannot change while running: restart needed");
}

static void tell_reload(struct gw_daemon *d, const struct gw_plan *p)
{
	if (d->reload_answer)
		d->reload_answer(d->reload_arg, p);
	d->reload_answer = NULL;
	sd_notify(0, "READY=1");
}

static void reload_registered(struct gw_apply *a, const struct gw_err *err)
{
	struct gw_daemon *d = a->d;

	if (d->phase != GW_PHASE_RUNNING) {
		gw_apply_end(a);
		return;
	}
	if (err) {
		gw_log(GW_ERROR, "reload: %s; nothing was changed", err->msg);
		gw_problem(&d->plan->settings->problems, NULL, "buffer", "%s", err->msg);
	} else {
		gw_daemon_keep_settings(d, d->plan->settings);
		d->outlook.load = d->plan->load;
		gw_store_configure(d->store, (uint64_t)d->core.buffer.max_size, d->core.buffer.history_ms);
		gw_apply_sinks(a);
		gw_recover_gaps(a);
		gw_log(GW_INFO, "reloaded: %zu source%s and %zu sink%s new or changed", a->nsources,
		       a->nsources == 1 ? "" : "s", a->nsinks, a->nsinks == 1 ? "" : "s");
		for (size_t i = 0; i < d->nsinks; i++)
			gw_sink_tell_gateway(d->sinks[i]);
		gw_apply_go(a);
	}
	tell_reload(d, d->plan);
	gw_apply_end(a);
	malloc_trim(0);
}

static void replanned(void *arg, struct gw_plan *p)
{
	struct gw_daemon *d = arg;

	if (p->settings->problems.count == 0)
		refuse_what_needs_a_restart(d, p->settings);
	if (p->settings->problems.count == 0) {
		d->plan_waits = true; /* for the end of the turn, and of the reload before */
		return;
	}
	gw_log(GW_ERROR, "reload: %u problem%s in the configuration; nothing was changed",
	       p->settings->problems.count, p->settings->problems.count == 1 ? "" : "s");
	gw_settings_log(p->settings);
	tell_reload(d, p);
	d->stale_plan = p; /* we are inside one of its children */
	d->plan = NULL;
}

void gw_daemon_reload(struct gw_daemon *d, void (*answer)(void *arg, const struct gw_plan *p), void *arg)
{
	if (d->plan || d->stale_plan || d->phase != GW_PHASE_RUNNING) {
		d->reload_again = true; /* the file may have changed since it was read */
		return;
	}
	d->reload_again = false;
	sd_notify(0, "RELOADING=1");
	d->reload_answer = answer;
	d->reload_arg = arg;
	d->plan = gw_plan_new(&(struct gw_plan_options){ .loop = d->loop, .receiver = d->receiver,
							 .file = d->file, .done = replanned, .arg = d });
	gw_plan_begin(d->plan);
}

void gw_reload_turn(struct gw_daemon *d)
{
	if (d->plan_waits && d->phase == GW_PHASE_RUNNING && gw_apply_settled(d)) {
		d->plan_waits = false;
		gw_apply_plan(d, d->plan, reload_registered);
	}
	if (d->reload_again && !d->plan && d->phase == GW_PHASE_RUNNING)
		gw_daemon_reload(d, NULL, NULL);
	if (d->stale_plan) {
		gw_plan_free(d->stale_plan);
		d->stale_plan = NULL;
	}
}
