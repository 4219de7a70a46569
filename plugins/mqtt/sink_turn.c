/*
 * sink_turn.c - what is due after each turn: the watchdog that Paho lacks (acknowledgements that
 * never come), a false status, the counts, and the order of things at connect and at the end.
 */
#include <stdio.h>

#include "base/text.h"
#include "sink_private.h"

enum {
	SECOND_US = 1000000,
	BACKLOG_US = 3500000,	 /* at the end, for backlog that waits here */
	GOODBYE_US = 4500000,	 /* for what is in flight then */
	END_US = 4900000,	 /* then without Paho's consent */
	END_AWAY_US = SECOND_US, /* the same when there is no connection */
};

static void watch_silence(struct sink *s, int64_t now)
{
	int64_t since = mqtt_publisher_silent_since_us(s->publisher);
	char text[32], why[80];

	if (!s->up || since == INT64_MAX || now - since < s->keys->ack_timeout_ms * 1000)
		return;
	snprintf(why, sizeof(why), "the broker acknowledged nothing for %s",
		 gw_show_duration(text, sizeof(text), s->keys->ack_timeout_ms));
	mqtt_session_drop(s->session, why);
}

static void answer_false_status(struct sink *s, int64_t now)
{
	if (now < s->answer_at_us)
		return;
	gw_log(GW_WARNING, "%s said offline while this gateway is connected: put right",
	       mqtt_fleet_status_topic(s->fleet));
	s->answer_at_us = INT64_MAX;
	s->answered_us = now;
	mqtt_fleet_answer(s->fleet);
	mqtt_publisher_wake(s->publisher);
}

/* Status and directories are on their way: from here on readings may follow. */
static void announce(struct sink *s)
{
	if (!s->up || s->announced || s->stopping || !mqtt_publisher_documents_sent(s->publisher))
		return;
	s->announced = true;
	mqtt_session_listen(s->session);
	mqtt_sink_tell_state(s, GW_FAR_CONNECTED, s->window, "");
}

static void leave_backlog(struct sink *s, int64_t now)
{
	if (now < s->leave_at_us)
		return;
	s->leave_at_us = INT64_MAX;
	mqtt_publisher_drop_backlog(s->publisher);
}

static void say_goodbye(struct sink *s, int64_t now)
{
	if (!s->stopping || s->finished || s->goodbye_at_us == INT64_MAX)
		return;
	if (s->up && !mqtt_publisher_idle(s->publisher) && now < s->goodbye_at_us)
		return;
	s->goodbye_at_us = INT64_MAX;
	mqtt_session_stop(s->session, mqtt_publisher_documents_sent(s->publisher));
}

static void tell_counts(struct sink *s)
{
	unsigned in_flight = mqtt_publisher_in_flight(s->publisher);
	uint64_t count = mqtt_publisher_refused(s->publisher);

	if (in_flight == s->told_in_flight && count == s->told_refused)
		return;
	s->told_in_flight = in_flight;
	s->told_refused = count;
	gw_sink_counts(s->plugin, in_flight, count);
}

static void release(struct sink *s)
{
	gw_watch_stop(s->timer);
	gw_watch_stop(s->after);
	if (mqtt_session_is_quiet(
		    s->session)) /* else its thread still needs it, and the process ends */
		mqtt_session_free(s->session);
	mqtt_publisher_free(s->publisher);
	mqtt_fleet_free(s->fleet);
	mqtt_commands_free(s->commands);
	mqtt_refusals_free(&s->refusals);
}

static int64_t earlier(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

static int64_t next_us(const struct sink *s)
{
	int64_t since = mqtt_publisher_silent_since_us(s->publisher),
		at = mqtt_publisher_next_us(s->publisher);

	if (since != INT64_MAX)
		at = earlier(at, since + s->keys->ack_timeout_ms * 1000);
	at = earlier(earlier(at, s->answer_at_us), s->leave_at_us);
	return earlier(earlier(at, s->goodbye_at_us), s->end_at_us);
}

static void set_timer(struct sink *s)
{
	int64_t next = next_us(s);

	if (next == INT64_MAX)
		gw_timer_off(s->timer);
	else
		gw_timer_at(s->timer, next);
}

void mqtt_sink_after_turn(void *arg)
{
	struct sink *s = arg;
	int64_t now = gw_now_us();

	watch_silence(s, now);
	answer_false_status(s, now);
	leave_backlog(s, now);
	mqtt_publisher_pump(s->publisher, now);
	announce(s);
	tell_counts(s);
	say_goodbye(s, now);
	if (s->finished || now >= s->end_at_us) {
		gw_sink_stopped(s->plugin);
		release(s);
		return;
	}
	set_timer(s);
}

void mqtt_sink_begin_goodbye(struct sink *s, int64_t now)
{
	s->leave_at_us = now + BACKLOG_US;
	s->goodbye_at_us = now + GOODBYE_US;
	s->end_at_us = now + (s->up ? END_US : END_AWAY_US);
}
