/* session.c - see session.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "attempts.h"
#include "backoff.h"
#include "broker.h"
#include "jobs.h"
#include "link.h"
#include "reason.h"
#include "session.h"
#include "worker.h"

enum {
	PASSWORD_MAX = 1024,
	GIVE_UP_US = 30 * 1000000, /* Paho should have answered long before */
	NOT_SENT_US = 1000000,
	REST_US = 3000, /* between two looks at what Paho's threads said */
	REASON_TEXT_MAX = 400,
};

enum phase { IDLE, CONNECTING, UP, WAITING, STOPPING };

struct mqtt_session {
	struct mqtt_session_options o;
	const struct mqtt_session_ops *ops;
	void *arg;
	struct mqtt_broker *brokers;
	struct mqtt_attempts *attempts;
	size_t nbrokers, at;
	struct mqtt_events *events;
	struct mqtt_worker *worker;
	struct gw_watch *events_watch, *timer, *rest;
	struct mqtt_link *link; /* NULL: none */
	enum phase phase;
	uint32_t epoch;
	uint64_t number;
	struct mqtt_backoff backoff;
	unsigned closing; /* events that the worker still owes */
	bool fell_back;	  /* protocol auto: 5 was refused, now 3.1.1 */
	int64_t keepalive_s, up_since_us;
	char reason[REASON_TEXT_MAX];
};

static void begin(struct mqtt_session *s);

static bool speaks_v5(const struct mqtt_session *s)
{
	return s->o.keys->protocol != MQTT_PROTOCOL_311 && !s->fell_back;
}

static void close_link(struct mqtt_session *s, enum mqtt_goodbye how, bool diagnose)
{
	const struct mqtt_keys *k = s->o.keys;

	if (!s->link)
		return;
	const struct mqtt_broker *b = &s->brokers[s->at];
	mqtt_job_close(s->worker, &(struct mqtt_closing){ .link = s->link,
							  .how = how,
							  .events = s->events,
							  .epoch = s->epoch,
							  .diagnose = diagnose,
							  .far = { b->host, b->port, b->tls, k->ca,
								   k->cert, k->key } });
	s->link = NULL;
	s->closing += diagnose ? 2 : 1;
}

/* ---- connecting ---- */

static void set_reason(struct mqtt_session *s, size_t broker, const char *text)
{
	snprintf(s->reason, sizeof(s->reason), "%s", text);
	if (mqtt_attempts_is_news(s->attempts, broker, text))
		gw_log(GW_WARNING, "%s: %s", s->brokers[broker].shown, text);
}

static void wait_before_next(struct mqtt_session *s, bool at_once)
{
	uint32_t random = 0;
	int64_t ms = 0;

	if (getrandom(&random, sizeof(random), GRND_NONBLOCK) < 0)
		random = (uint32_t)gw_now_us();
	if (!at_once)
		ms = mqtt_backoff_next_ms(&s->backoff, random);
	s->phase = WAITING;
	gw_timer_at(s->timer, gw_now_us() + ms * 1000);
	s->ops->state(s->arg, GW_FAR_WAITING, s->reason);
}

/* This broker did not work out: the next one at once, after the last one a pause. */
static void next_broker(struct mqtt_session *s)
{
	s->fell_back = false;
	s->at = (s->at + 1) % s->nbrokers;
	wait_before_next(s, s->at != 0);
}

static int read_password(struct mqtt_session *s, char *out, size_t size, int *n)
{
	struct gw_err err;

	*n = 0;
	if (!s->o.keys->password_file)
		return 0;
	*n = mqtt_password_read(s->o.keys->password_file, out, size, &err);
	if (*n < 0)
		set_reason(s, s->at, err.msg);
	return *n < 0 ? -1 : 0;
}

/* Paho notices a dead link up to 3.2 s after twice its keepalive: 2.5 times what was configured is
 * the promise, so a short one is given to it as a second less. */
static int64_t given_keepalive_s(const struct mqtt_session *s)
{
	return s->keepalive_s > 2 && s->keepalive_s < 7 ? s->keepalive_s - 1 : s->keepalive_s;
}

static struct mqtt_link *make_link(struct mqtt_session *s, const char *password,
				   size_t password_size)
{
	const struct mqtt_broker *b = &s->brokers[s->at];
	const struct mqtt_keys *k = s->o.keys;
	struct mqtt_text will = { 0 };
	struct mqtt_link *l;

	s->ops->will(s->arg, s->number, &will);
	l = mqtt_link_new(&(struct mqtt_link_options){ .events = s->events,
						       .epoch = s->epoch,
						       .uri = b->uri,
						       .client_id = s->o.client_id,
						       .username = k->username,
						       .password = password_size ? password : NULL,
						       .password_size = password_size,
						       .v5 = speaks_v5(s),
						       .tls = b->tls,
						       .ca = k->ca,
						       .cert = k->cert,
						       .key = k->key,
						       .keepalive_s = (int)given_keepalive_s(s),
						       .window = (unsigned)k->window,
						       .status_topic = s->o.status_topic,
						       .command_topic = s->o.command_topic,
						       .will = will.s,
						       .will_size = will.n });
	mqtt_text_free(&will);
	return l;
}

static void begin(struct mqtt_session *s)
{
	char password[PASSWORD_MAX];
	int n;

	if (read_password(s, password, sizeof(password), &n)) {
		next_broker(s);
		return;
	}
	mqtt_attempts_begin(s->attempts, s->at, ++s->epoch);
	s->number++;
	s->link = make_link(s, password, (size_t)n);
	explicit_bzero(password, sizeof(password));
	s->phase = CONNECTING;
	gw_timer_at(s->timer, gw_now_us() + GIVE_UP_US);
	s->ops->state(s->arg, GW_FAR_CONNECTING, s->reason);
	mqtt_job_open(s->worker, s->link);
}

static void on_timer(void *arg)
{
	struct mqtt_session *s = arg;

	if (s->phase == WAITING) {
		begin(s);
	} else if (s->phase == CONNECTING) {
		set_reason(s, s->at, "no answer to the connection within 30s");
		close_link(s, MQTT_BYE_NONE, false);
		next_broker(s);
	} else if (s->phase == UP) {
		mqtt_session_drop(s, "a message could not be sent");
	}
}

/* ---- losing ---- */

static void lose(struct mqtt_session *s, const char *why, unsigned reason, enum mqtt_goodbye how)
{
	s->ops->down(s->arg, reason);
	set_reason(s, s->at, why);
	close_link(s, how, false);
	mqtt_backoff_lost(&s->backoff, (gw_now_us() - s->up_since_us) / 1000, reason == MQTT_R_TAKEN_OVER);
	s->fell_back = false;
	s->at = 0;
	wait_before_next(s, false);
}

/* MQTT 3.1.1 knows no "disconnect and publish my will": say it ourselves. */
static void speak_will(struct mqtt_session *s)
{
	struct mqtt_text will = { 0 };
	int token;

	s->ops->will(s->arg, s->number, &will);
	mqtt_link_send(s->link, &(struct mqtt_document){ s->o.status_topic, will.s, will.n, true },
		       &token);
	mqtt_text_free(&will);
}

static enum mqtt_goodbye let_will_speak(struct mqtt_session *s)
{
	if (!speaks_v5(s))
		speak_will(s);
	return MQTT_BYE_WITH_WILL;
}

void mqtt_session_drop(struct mqtt_session *s, const char *why)
{
	if (s->phase == UP)
		lose(s, why, 0, let_will_speak(s));
}

/* ---- events ---- */

/* Paho 1.3.12 ignores the broker's keep-alive: come again with that one. */
static bool keepalive_is_too_long(struct mqtt_session *s, const struct mqtt_event *e)
{
	if (!e->keepalive_s || e->keepalive_s >= s->keepalive_s)
		return false;
	s->keepalive_s = e->keepalive_s;
	close_link(s, MQTT_BYE_NORMAL, false);
	begin(s);
	return true;
}

static void connected(struct mqtt_session *s, const struct mqtt_event *e)
{
	struct mqtt_limits l = { .window = (unsigned)s->o.keys->window, .packet_max = e->size };

	if (s->phase != CONNECTING || keepalive_is_too_long(s, e))
		return;
	if (e->reason < l.window)
		l.window = e->reason;
	s->phase = UP;
	s->up_since_us = gw_now_us();
	s->reason[0] = '\0';
	mqtt_attempts_forget(s->attempts);
	gw_timer_off(s->timer);
	gw_log(GW_INFO, "connected to %s (MQTT %s, window %u)", s->brokers[s->at].shown,
	       speaks_v5(s) ? "5" : "3.1.1", l.window);
	s->ops->up(s->arg, &l);
}

static void refused(struct mqtt_session *s, const struct mqtt_event *e)
{
	bool version = e->reason == MQTT_R_VERSION || e->reason == MQTT_R_OLD_VERSION;
	char why[REASON_TEXT_MAX];

	if (s->phase != CONNECTING)
		return;
	close_link(s, MQTT_BYE_NONE, !e->reason);
	if (version && s->o.keys->protocol == MQTT_PROTOCOL_AUTO && !s->fell_back) {
		s->fell_back = true;
		begin(s);
		return;
	}
	if (e->reason)
		set_reason(s, s->at, mqtt_why_refused(why, sizeof(why), e->reason));
	next_broker(s);
}

/* Comes after refused(), perhaps when the next broker is being tried already. */
static void diagnosed(struct mqtt_session *s, const struct mqtt_event *e)
{
	if (s->phase != WAITING && s->phase != CONNECTING)
		return;
	set_reason(s, mqtt_attempts_broker(s->attempts, e->epoch, s->at),
		   e->size ? e->text : "the broker closed the connection without an MQTT answer");
	s->ops->state(s->arg, s->phase == WAITING ? GW_FAR_WAITING : GW_FAR_CONNECTING, s->reason);
}

static void lost(struct mqtt_session *s, const struct mqtt_event *e)
{
	char why[REASON_TEXT_MAX];

	if (s->phase == UP)
		lose(s, mqtt_why_lost(why, sizeof(why), e->reason, s->o.client_id), e->reason, MQTT_BYE_NONE);
}

static void acked(struct mqtt_session *s, const struct mqtt_event *e)
{
	if (s->phase == UP)
		s->ops->acked(s->arg, e->token, e->reason);
}

/* Usually Paho says next that the connection is lost, and why: wait for that. */
static void not_sent(struct mqtt_session *s, const struct mqtt_event *e)
{
	(void)e;
	if (s->phase == UP)
		gw_timer_at(s->timer, gw_now_us() + NOT_SENT_US);
}

static void subscribed(struct mqtt_session *s, const struct mqtt_event *e)
{
	bool commands = e->token == 1;

	if (s->phase != UP || e->reason < 0x80)
		return;
	gw_log(GW_WARNING, "the broker refused the subscription to %s: %s (0x%02x); %s",
	       commands ? s->o.command_topic : s->o.status_topic, mqtt_reason(e->reason), e->reason,
	       commands ? "no command will arrive" : "a false status there will not be noticed");
}

static void arrived(struct mqtt_session *s, const struct mqtt_event *e)
{
	if (s->phase == UP)
		s->ops->status_seen(s->arg, e->text, e->size);
}

static void command(struct mqtt_session *s, const struct mqtt_event *e)
{
	if (s->phase == UP)
		s->ops->command(s->arg, e->text, e->size, (size_t)e->token, e->reason == 1);
}

static void (*const handlers[])(struct mqtt_session *s, const struct mqtt_event *e) = {
	[MQTT_E_CONNECTED] = connected, [MQTT_E_REFUSED] = refused,
	[MQTT_E_LOST] = lost,		[MQTT_E_ACKED] = acked,
	[MQTT_E_NOT_SENT] = not_sent,	[MQTT_E_SUBSCRIBED] = subscribed,
	[MQTT_E_ARRIVED] = arrived,	[MQTT_E_DIAGNOSED] = diagnosed,
	[MQTT_E_COMMAND] = command,	[MQTT_E_CLOSED] = NULL, /* counted */
};

/* What came before a connection was given up is no news of the present one. */
static bool is_stale(const struct mqtt_session *s, const struct mqtt_event *e)
{
	return e->kind != MQTT_E_DIAGNOSED && e->epoch != s->epoch;
}

static void on_rested(void *arg)
{
	struct mqtt_session *s = arg;

	gw_fd_interest(s->events_watch, GW_READ);
}

static void on_events(void *arg, unsigned ready)
{
	struct mqtt_session *s = arg;
	size_t count;
	const struct mqtt_event *e = mqtt_events_take(s->events, &count);

	(void)ready;
	/* acknowledgements come in a row: what follows within REST_US is one turn of work */
	gw_fd_interest(s->events_watch, 0);
	gw_timer_at(s->rest, gw_now_us() + REST_US);
	for (size_t i = 0; i < count; i++) {
		s->closing -= e[i].kind == MQTT_E_CLOSED || e[i].kind == MQTT_E_DIAGNOSED;
		if (handlers[e[i].kind] && !is_stale(s, &e[i]))
			handlers[e[i].kind](s, &e[i]);
	}
	if (s->phase == STOPPING && mqtt_session_is_quiet(s))
		s->ops->closed(s->arg);
}

/* ---- life ---- */

int mqtt_session_new(struct mqtt_session **out, const struct mqtt_session_options *o,
		     const struct mqtt_session_ops *ops, void *arg, struct gw_err *err)
{
	struct mqtt_session *s = mqtt_grow(NULL, sizeof(*s));

	*s = (struct mqtt_session){ .o = *o,
				    .ops = ops,
				    .arg = arg,
				    .number = o->number,
				    .keepalive_s = o->keys->keepalive_ms / 1000 };
	/* Paho 1.3.12 would go through them */
	unsetenv("http_proxy");
	unsetenv("https_proxy");
	s->nbrokers = o->keys->broker.count;
	s->attempts = mqtt_attempts_new(s->nbrokers);
	s->brokers = mqtt_brokers_parse(&o->keys->broker, err);
	if (!s->brokers || mqtt_events_new(&s->events, err) ||
	    mqtt_worker_new(&s->worker, err))
		goto fail;
	s->events_watch = gw_on_fd(o->loop, mqtt_events_fd(s->events), GW_READ, on_events, s, err);
	s->timer = s->events_watch ? gw_on_timer(o->loop, on_timer, s, err) : NULL;
	s->rest = s->timer ? gw_on_timer(o->loop, on_rested, s, err) : NULL;
	if (!s->rest)
		goto fail;
	*out = s;
	return 0;
fail:
	mqtt_session_free(s);
	return -1;
}

void mqtt_session_free(struct mqtt_session *s)
{
	if (!s)
		return;
	gw_watch_stop(s->timer);
	gw_watch_stop(s->rest);
	gw_watch_stop(s->events_watch);
	close_link(s, MQTT_BYE_NONE, false);
	mqtt_worker_free(s->worker);
	mqtt_events_free(s->events);
	free(s->brokers);
	mqtt_attempts_free(s->attempts);
	free(s);
}

void mqtt_session_connect(struct mqtt_session *s)
{
	if (s->phase == IDLE)
		begin(s);
}

enum mqtt_send mqtt_session_send(struct mqtt_session *s, const struct mqtt_document *d, int *token)
{
	return s->phase == UP ? mqtt_link_send(s->link, d, token) : MQTT_SEND_BROKEN;
}

void mqtt_session_listen(struct mqtt_session *s)
{
	if (s->phase == UP && mqtt_link_subscribe(s->link))
		gw_log(GW_WARNING,
		       "cannot subscribe to %s: a false status there will not be noticed%s",
		       s->o.status_topic, s->o.command_topic ? ", no command will arrive" : "");
}

void mqtt_session_stop(struct mqtt_session *s, bool said)
{
	enum mqtt_goodbye how = MQTT_BYE_NONE;

	if (s->phase == UP)
		how = said ? MQTT_BYE_NORMAL : let_will_speak(s);
	s->phase = STOPPING;
	gw_timer_off(s->timer);
	close_link(s, how, false);
	if (mqtt_session_is_quiet(s))
		s->ops->closed(s->arg);
}

bool mqtt_session_is_quiet(const struct mqtt_session *s)
{
	return !s->link && !s->closing;
}

uint64_t mqtt_session_number(const struct mqtt_session *s)
{
	return s->number;
}

const char *mqtt_session_broker(const struct mqtt_session *s)
{
	return s->brokers[s->at].shown;
}
