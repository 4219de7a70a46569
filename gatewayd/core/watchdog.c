/*
 * watchdog.c - what must go on, and the watchdog of the service manager: fed while all of it does.
 *
 * The loop itself feeds it (sd-event); here that is switched off while a duty (duty.h) is stuck.
 * Devices that are silent, brokers that are away and disks that are full or fail are no duties: each
 * is answered by somebody in time, with an error.
 */
#include "core/daemon.h"

#include <inttypes.h>
#include <stdio.h>
#include <systemd/sd-daemon.h>
#include <systemd/sd-event.h>

#include "base/log.h"
#include "base/text.h"

enum {
	PATIENCE_FEEDS = 20, /* of the watchdog's time: 10 minutes with the unit's 30 s */
	NO_WATCHDOG_S = 30,
};

void gw_watchdog_begin(struct gw_daemon *d)
{
	struct gw_watchdog *w = &d->watchdog;
	uint64_t us = 0;

	w->wanted = sd_watchdog_enabled(0, &us) > 0;
	if (!w->wanted)
		us = NO_WATCHDOG_S * 1000000ULL;
	w->patience_us = (int64_t)us * PATIENCE_FEEDS;
	w->fed = w->wanted;
	sd_event_set_watchdog(gw_loop_sd(d->loop), w->wanted);
}

/* ---- what is watched ---- */

struct watched {
	struct gw_duty *duty;
	const char *kind, *name; /* "sink", "goc"; name "": there is one only */
	const char *has_not;     /* what is missing, as a person says it */
	const char *what;        /* waits */
	uint64_t waiting;
	struct gw_duty_look look;
};

static void say(const struct gw_watchdog *dog, const struct watched *w)
{
	char time[32], who[100], left[64] = "";

	snprintf(who, sizeof(who), "%s%s%s%s", w->kind, *w->name ? " '" : "", w->name, *w->name ? "'" : "");
	if (w->duty->state == GW_DUTY_FINE) {
		gw_log(GW_INFO, "%s: goes on", who);
		return;
	}
	gw_show_duration(time, sizeof(time), w->duty->idle_us / 1000);
	if (w->waiting)
		snprintf(left, sizeof(left), " (%s waiting: %" PRIu64 ")", w->what, w->waiting);
	if (w->duty->state == GW_DUTY_WAITS)
		gw_log(GW_WARNING, "%s: %s for %s%s: %s", who, w->has_not, time, left, w->duty->reason);
	else
		gw_log(GW_ERROR, "%s: %s for %s%s: %s", who, w->has_not, time, left,
		       dog->wanted ? "the watchdog is not fed until it goes on" : "there is no watchdog to see to it");
}

static void watch(struct gw_daemon *d, const struct watched *w)
{
	if (gw_duty_look(w->duty, &w->look, d->now_us, d->watchdog.patience_us))
		say(&d->watchdog, w);
	d->watchdog.stuck |= w->duty->state == GW_DUTY_STUCK;
}

static void watch_store(struct gw_daemon *d, const struct gw_store_pulse *p)
{
	watch(d, &(struct watched){ .duty = &d->watchdog.store, .kind = "buffer", .name = "",
				    .has_not = "its thread has done nothing", .what = "requests",
				    .waiting = p->waiting,
				    .look = { .done = p->done, .work = p->waiting > 0, .reason = p->reason } });
}

/* With nothing at the store's thread a commit that is due has to end, or to begin. */
static void watch_commits(struct gw_daemon *d, const struct gw_store_pulse *p)
{
	bool its_time = !d->commit_armed || d->now_us >= d->commit_due_us;

	watch(d, &(struct watched){ .duty = &d->watchdog.commits, .kind = "buffer", .name = "",
				    .has_not = "no commit has ended", .what = "readings",
				    .waiting = d->npending,
				    .look = { .done = d->commits_ended,
					      .work = d->npending > 0 && its_time && !p->waiting } });
}

/* One that runs answers its heartbeat, or is ended. */
static void watch_talk(struct gw_daemon *d, const char *kind, const struct gw_instance *i,
		       const struct gw_child *child, struct gw_duty *duty)
{
	const struct gw_child_status *c = gw_child_status(child);

	watch(d, &(struct watched){ .duty = duty, .kind = kind, .name = i->name,
				    .has_not = "its process runs and nothing was heard of it",
				    .look = { .done = c->heard, .work = c->life == GW_LIFE_RUNNING } });
}

static const char *sink_reason(const struct gw_sink *s, const struct gw_deliver_stats *stats)
{
	if (stats->full)
		return "what it was sent before is not acknowledged";
	return s->undecided ? "the time of the readings is being decided" : NULL;
}

/* What lies in the buffer for it must leave, unless the buffer itself does not work. */
static void watch_delivery(struct gw_daemon *d, struct gw_sink *s)
{
	struct gw_deliver_stats stats = gw_deliver_stats(s->deliver);
	bool buffer_works = !s->asked && !d->commit_running && !*d->store_error;

	watch(d, &(struct watched){ .duty = &s->delivery, .kind = "sink", .name = s->instance.name,
				    .has_not = "it was sent nothing", .what = "readings",
				    .waiting = stats.backlog,
				    .look = { .done = stats.moves, .work = stats.can_send && buffer_works,
					      .reason = sink_reason(s, &stats) } });
}

void gw_watchdog_second(struct gw_daemon *d)
{
	struct gw_watchdog *w = &d->watchdog;
	struct gw_store_pulse store = gw_store_pulse(d->store);

	w->stuck = false;
	watch_store(d, &store);
	watch_commits(d, &store);
	for (size_t i = 0; i < d->nsources; i++)
		watch_talk(d, "source", &d->sources[i]->instance, d->sources[i]->child, &d->sources[i]->talk);
	for (size_t i = 0; i < d->nsinks; i++) {
		watch_talk(d, "sink", &d->sinks[i]->instance, d->sinks[i]->child, &d->sinks[i]->talk);
		watch_delivery(d, d->sinks[i]);
	}
	if (!w->wanted || w->fed == !w->stuck)
		return;
	w->fed = !w->stuck;
	sd_event_set_watchdog(gw_loop_sd(d->loop), w->fed);
}
