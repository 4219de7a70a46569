/*
 * daemon.c - the life of the daemon: start in order, reload, stop in reverse.  See daemon.h.
 */
#include "core/apply.h"
#include "core/control.h"

#include <assert.h>
#include <malloc.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "base/log.h"
#include "core/recover.h"
#include "core/timekeeper.h"
#include "core/write.h"

enum {
	STOP_DEADLINE_S = 25,
	PROGRESS_EVERY_S = 10,
	HEALTH_EVERY_S = 60,
};

/* ---- the beat ---- */

static void send_health(struct gw_daemon *d)
{
	json_t *doc = gw_view_health(d);
	char *text = gw_view_text(doc);

	for (size_t i = 0; text && i < d->nsinks; i++)
		gw_sink_tell_health(d->sinks[i], text, strlen(text));
	free(text);
	json_decref(doc);
}

static void notify_status(struct gw_daemon *d)
{
	int online = 0, all = 0;
	uint64_t backlog = 0;

	for (size_t i = 0; i < d->ndevices; i++)
		if (d->devices[i]) {
			all++;
			online += d->devices[i]->state == GW_STATE_ONLINE;
		}
	for (size_t i = 0; i < d->nsinks; i++)
		backlog += gw_deliver_stats(d->sinks[i]->deliver).backlog;
	sd_notifyf(0, "STATUS=%d of %d devices online, %llu readings waiting", online, all,
		   (unsigned long long)backlog);
}

static void on_second(void *arg)
{
	struct gw_daemon *d = arg;

	gw_timer_at(d->second, gw_now_us() + 1000000);
	d->seconds++;
	gw_timekeeper_second(d);
	gw_control_second(d);
	gw_write_second(d);
	if (d->phase != GW_PHASE_RUNNING)
		return;
	gw_watchdog_second(d);
	if (d->seconds % PROGRESS_EVERY_S == 0) {
		gw_outlook_note(d);
		notify_status(d);
		for (size_t i = 0; i < d->nsinks; i++) {
			gw_sink_tell_progress(d->sinks[i]);
			gw_sink_look_for_oldest(d->sinks[i]);
		}
	}
	if (d->seconds % HEALTH_EVERY_S == 0)
		send_health(d);
}

/* ---- the end ---- */

static void fail(struct gw_daemon *d, const struct gw_err *err)
{
	gw_log_err(GW_ERROR, err);
	d->exit_code = GW_EXIT_OTHER;
	gw_loop_quit(d->loop);
}

static bool all_down(struct gw_child *child)
{
	return !child || gw_child_status(child)->life == GW_LIFE_DOWN;
}

/* A disk that was ill is tried once more, and a full one again when the oldest have made room: what was
 * acknowledged meanwhile may be noted nowhere. */
static bool is_hopeless(const struct gw_daemon *d)
{
	uint64_t tries = d->commits_ended - d->commits_before_last;

	return *d->store_error && (tries > 1 || (tries == 1 && !d->evicting));
}

/* Sources first; then sinks say goodbye while the rest is committed; then the store. */
static void go_on_stopping(struct gw_daemon *d)
{
	for (size_t i = 0; i < d->nsources; i++)
		if (!all_down(d->sources[i]->child))
			return;
	if (!d->sinks_told) {
		d->sinks_told = true;
		for (size_t i = 0; i < d->nsinks; i++)
			gw_sink_tell_progress(d->sinks[i]);
		for (size_t i = 0; i < d->nsinks; i++) {
			gw_sink_pump(d->sinks[i]); /* the last readings go before the goodbye */
			gw_child_stop(d->sinks[i]->child);
		}
	}
	for (size_t i = 0; i < d->nsinks; i++)
		if (!all_down(d->sinks[i]->child))
			return;
	if (!d->last_commit_asked) {
		d->last_commit_asked = true;
		d->commits_before_last = d->commits_ended;
		gw_commit_now(d);
	}
	if (gw_commit_idle(d) || is_hopeless(d))
		gw_loop_quit(d->loop);
}

void gw_daemon_gone(struct gw_daemon *d)
{
	if (d->phase == GW_PHASE_STOPPING)
		go_on_stopping(d);
	else if (d->phase == GW_PHASE_RUNNING)
		d->swept = false; /* at the end of the turn: the caller is one of those that go */
}

static void on_stop_deadline(void *arg)
{
	struct gw_daemon *d = arg;

	gw_log(GW_WARNING, "not everything stopped in time");
	gw_loop_quit(d->loop);
}

void gw_daemon_stop(struct gw_daemon *d, int exit_code)
{
	struct gw_err err;
	struct gw_watch *deadline;

	if (d->phase == GW_PHASE_STOPPING)
		return;
	d->exit_code = exit_code;
	if (d->phase == GW_PHASE_STARTING) { /* nothing was begun */
		gw_loop_quit(d->loop);
		return;
	}
	gw_log(GW_INFO, "stopping");
	sd_notify(0, "STOPPING=1");
	d->phase = GW_PHASE_STOPPING;
	deadline = gw_on_timer(d->loop, on_stop_deadline, d, &err);
	if (deadline)
		gw_timer_at(deadline, gw_now_us() + STOP_DEADLINE_S * 1000000LL);
	for (size_t i = 0; i < d->nsources; i++)
		gw_child_stop(d->sources[i]->child);
	for (size_t i = 0; i < d->nentering; i++)
		gw_child_stop(d->entering[i]->child);
	go_on_stopping(d);
}

static void on_signal(void *arg, int signo)
{
	struct gw_daemon *d = arg;

	if (signo == SIGHUP)
		gw_daemon_reload(d, NULL, NULL);
	else
		gw_daemon_stop(d, GW_EXIT_OK);
}

/* ---- the start ---- */

/* Of settings without a problem: what they still hold are warnings. */
void gw_daemon_keep_settings(struct gw_daemon *d, const struct gw_settings *s)
{
	struct gw_core_settings *c = &d->core;
	struct gw_arena *a = gw_arena_new();
	const char **texts[] = { &c->gateway.id,  &c->gateway.title, &c->gateway.province, &c->gateway.site,
				 &c->buffer.path, &c->buffer.ring.path, &c->control.socket };

	*c = s->core;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		*texts[i] = *texts[i] ? gw_arena_strdup(a, *texts[i]) : NULL;
	c->plugins.path = NULL;
	c->profiles.path = (struct gw_list){ 0 };
	gw_arena_free(d->arena);
	d->arena = a;
	gw_settings_log(s);
	d->located = s->located;
	d->config_hash = s->hash;
}

static void started(struct gw_apply *a, const struct gw_err *err)
{
	struct gw_daemon *d = a->d;

	if (d->closing)
		return;
	if (err) {
		fail(d, err);
		return;
	}
	gw_apply_sinks(a);
	gw_recover(a);
}

void gw_recovered(struct gw_apply *a, const struct gw_err *err)
{
	struct gw_daemon *d = a->d;

	if (d->closing)
		return;
	if (err) {
		fail(d, err);
		return;
	}
	d->now_us = gw_now_us();
	gw_outlook_note(d);
	for (size_t i = 0; i < d->nsinks; i++)
		gw_deliver_began(d->sinks[i]->deliver);
	gw_apply_go(a);
	gw_apply_end(a);
	gw_repair_recovered(d);
	d->phase = GW_PHASE_RUNNING;
	gw_commit_now(d);
	sd_notify(0, "READY=1");
	gw_log(GW_INFO, "gatewayd %s is running as '%s': %zu source%s, %zu sink%s", GW_VERSION,
	       d->core.gateway.id, d->nsources, d->nsources == 1 ? "" : "s", d->nsinks,
	       d->nsinks == 1 ? "" : "s");
	malloc_trim(0);
}

static int open_all(struct gw_daemon *d, struct gw_err *err)
{
	struct gw_store_options store = { .path = d->core.buffer.path,
					  .max_size = (uint64_t)d->core.buffer.max_size,
					  .history_ms = d->core.buffer.history_ms, .boot = d->boot,
					  .build_ms = GW_BUILD_MS, .event = gw_repair_event,
					  .event_arg = d };
	struct gw_ring_options ring = { .path = d->core.buffer.ring.path,
					.size = (uint64_t)d->core.buffer.ring.size, .boot = d->boot,
					.buffer = d->info.buffer };
	char aside[512] = "";
	const char *why = NULL;

	if (gw_store_open(&d->store, &store, d->loop, &d->info, aside, err) != 0)
		return gw_err_ctx(err, "buffer");
	d->last_commit = (struct gw_commit_result){ .readings = d->info.readings, .bytes = d->info.bytes,
						    .oldest_ts_ms = d->info.oldest_ts_ms,
						    .disk_free = UINT64_MAX };
	if (*aside && d->info.mixed)
		gw_log(GW_ERROR, "the WAL beside the buffer is of another buffer or of another time: "
		       "both lie in %s now, a new buffer was begun", aside);
	else if (*aside)
		gw_log(GW_ERROR, "the buffer was damaged: it lies in %s now, a new one was begun", aside);
	gw_timekeeper_begin(d);
	d->salvaging = d->info.salvaging;
	d->salvage_exact = !d->info.due_assumed;
	gw_repair_old_removed(d->info.old_removed);
	if (gw_ring_open(&d->ring, &ring, &d->ring_found, &why, err) != 0)
		return gw_err_ctx(err, "buffer.ring");
	if (why)
		gw_log(GW_INFO, "the ring was made anew: %s", why);
	return gw_control_open(d, err);
}

static void print_error(void *arg, const char *line)
{
	(void)arg;
	fprintf(stderr, "%s\n", line);
}

static void planned(void *arg, struct gw_plan *p)
{
	struct gw_daemon *d = arg;
	struct gw_err err;

	if (p->settings->problems.count) {
		gw_settings_each(p->settings, print_error, NULL);
		d->exit_code = GW_EXIT_CONFIG;
		gw_loop_quit(d->loop);
		return;
	}
	gw_daemon_keep_settings(d, p->settings);
	d->outlook.load = p->load;
	if (open_all(d, &err) != 0)
		fail(d, &err);
	else
		gw_apply_plan(d, p, started);
}

static void on_turn(void *arg)
{
	struct gw_daemon *d = arg;

	d->now_us = gw_now_us();
	for (size_t i = 0; i < d->nsinks; i++)
		gw_sink_pump(d->sinks[i]);
	if (!d->swept && d->phase == GW_PHASE_RUNNING) {
		d->swept = true;
		gw_apply_stopped(d);
	}
	gw_reload_turn(d);
}

/* ---- run ---- */

static void read_boot(char *boot, size_t size)
{
	FILE *f = fopen("/proc/sys/kernel/random/boot_id", "re");

	if (!f || !fgets(boot, (int)size, f))
		snprintf(boot, size, "unknown");
	boot[strcspn(boot, "\n")] = '\0';
	if (f)
		fclose(f);
}

static int begin(struct gw_daemon *d, struct gw_err *err)
{
	static const int signals[] = { SIGTERM, SIGINT, SIGHUP };

	if (gw_loop_new(&d->loop, err) != 0)
		return -1;
	d->receiver = gw_receiver_new();
	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
		if (!gw_on_signal(d->loop, signals[i], on_signal, d, err))
			return -1;
	d->commit_timer = gw_on_timer(d->loop, gw_commit_on_timer, d, err);
	d->second = gw_on_timer(d->loop, on_second, d, err);
	d->turn = gw_after_turn(d->loop, on_turn, d, err);
	if (!d->commit_timer || !d->second || !d->turn)
		return -1;
	gw_watchdog_begin(d);
	d->started_us = d->epoch_us = d->now_us = gw_now_us();
	read_boot(d->boot, sizeof(d->boot));
	gw_timer_at(d->second, d->started_us + 1000000);
	return 0;
}

static void end(struct gw_daemon *d)
{
	bool clean = d->phase == GW_PHASE_STOPPING && gw_commit_idle(d) && !d->commit_held;

	gw_write_end_all(d);
	gw_control_close(d);
	d->closing = true;
	gw_store_close(d->store); /* its last answers need all the rest */
	d->store = NULL;
	if (d->apply)
		gw_apply_end(d->apply);
	gw_plan_free(d->plan);
	gw_plan_free(d->stale_plan);
	for (size_t i = 0; i < d->nsources; i++)
		gw_source_free(d->sources[i]);
	for (size_t i = 0; i < d->nentering; i++)
		gw_source_free(d->entering[i]);
	for (size_t i = 0; i < d->nsinks; i++)
		gw_sink_free(d->sinks[i]);
	for (size_t i = 0; i < d->ndevices; i++)
		gw_device_free(d->devices[i]);
	gw_ring_close(d->ring, clean);
	for (size_t i = 0; i < d->nlayouts; i++)
		free(d->layouts[i].body.bytes);
	free(d->layouts);
	free(d->devices);
	free(d->sources);
	free(d->entering);
	free(d->sinks);
	gw_evict_free(d);
	free(d->pending);
	free(d->changed_losses);
	free(d->boots);
	gw_clock_free(d->clock);
	free(d->absent);
	gw_memory_free(d->memory);
	gw_receiver_free(d->receiver);
	gw_loop_free(d->loop);
	gw_arena_free(d->arena);
}

int gw_daemon_run(const char *file)
{
	struct gw_daemon *d = calloc(1, sizeof(*d));
	struct gw_err err;
	int code;

	assert(d);
	d->file = file;
	d->swept = true;
	d->memory = gw_memory_new();
	d->exit_code = GW_EXIT_OTHER;
	gw_log_open("gatewayd", GW_INFO);
	if (begin(d, &err) != 0) {
		gw_log_err(GW_ERROR, &err);
		goto out;
	}
	d->plan = gw_plan_new(&(struct gw_plan_options){ .loop = d->loop, .receiver = d->receiver,
							 .file = file, .done = planned, .arg = d });
	gw_plan_begin(d->plan);
	if (gw_loop_run(d->loop, &err) != 0)
		fail(d, &err);
out:
	code = d->exit_code;
	end(d);
	free(d);
	return code;
}
