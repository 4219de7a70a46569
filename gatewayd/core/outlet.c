/*
 * outlet.c - sinks: deliveries to them and their acknowledgements.  What goes when is deliver.h's
 * affair; what they must know besides (layouts, states) is outlet_tell.c's.
 */
#include "core/again.h"
#include "core/timekeeper.h"

#include <stdlib.h>
#include <string.h>

/* ---- deliver's hands ---- */

static bool knows(struct gw_sink *s, uint32_t layout)
{
	return layout < s->told_n && s->told[layout];
}

static int send_live(void *arg, const struct gw_reading *r)
{
	struct gw_sink *s = arg;

	if (!knows(s, r->layout))
		gw_sink_tell_layout(s, r->layout);
	if (!gw_timekeeper_send(s, &r, 1, &r))
		return -1;
	return gw_child_sendv(s->child, GW_MSG_LIVE, &r, 1);
}

static int send_replay(void *arg, const struct gw_reading *const *r, size_t n)
{
	struct gw_sink *s = arg;
	const struct gw_reading *out[GW_REPLAY_MAX];

	for (size_t i = 0; i < n; i++)
		if (!knows(s, r[i]->layout))
			gw_sink_tell_layout(s, r[i]->layout);
	s->undecided = !gw_timekeeper_send(s, r, n, out);
	if (s->undecided)
		return 0;
	return gw_child_sendv(s->child, GW_MSG_REPLAY, out, n);
}

static int send_loss(void *arg, const struct gw_loss_row *row)
{
	struct gw_sink *s = arg;
	struct gw_message m = { .type = GW_MSG_LOSS };

	gw_sink_tell_device(s, row->device);
	m.loss.id = row->id;
	m.loss.device = row->device;
	m.loss.from = row->from;
	m.loss.to = row->to;
	m.loss.readings = row->readings;
	m.loss.cause = row->cause;
	m.loss.exact = row->exact;
	m.loss.ts_from_ms = row->ts_from_ms;
	m.loss.ts_to_ms = row->ts_to_ms;
	gw_child_send(s->child, &m);
	return 1;
}

static int send_window(void *arg, const struct gw_window_row *row)
{
	struct gw_sink *s = arg;
	const struct gw_window *w = gw_timekeeper_send_window(s, row->window);
	struct gw_message m = { .type = GW_MSG_WINDOW };

	s->undecided = !w;
	if (!w)
		return 0;
	if (!knows(s, w->layout))
		gw_sink_tell_layout(s, w->layout);
	m.window.id = row->id;
	m.window.block = (struct gw_str){ (const char *)w, w->size };
	return gw_child_offer(s->child, &m);
}

static void got_windows(void *arg, struct gw_windows *windows, const struct gw_err *err)
{
	struct gw_sink *s = arg;

	s->asked--;
	if (err)
		gw_log(GW_WARNING, "windows of sink '%s': %s", s->instance.name, err->msg);
	gw_deliver_windows(s->deliver, windows);
	gw_sink_pump(s);
	gw_daemon_gone(s->daemon);
}

static void fetch_windows(void *arg, uint64_t from_id, size_t max_bytes)
{
	struct gw_sink *s = arg;

	s->asked++;
	gw_store_windows(s->daemon->store,
			 &(struct gw_windows_query){ .sink = s->number, .from_id = from_id,
						     .max_bytes = max_bytes }, got_windows, s);
}

static void window_gone(void *arg, uint64_t id)
{
	gw_evict_window_gone(((struct gw_sink *)arg)->daemon, id);
}

static int send_correction(void *arg, uint64_t id)
{
	return gw_timekeeper_correction(arg, id);
}

static void corrected(void *arg, uint64_t id)
{
	gw_timekeeper_corrected(arg, id);
}

static void got_rows(void *arg, struct gw_rows *rows, const struct gw_err *err)
{
	struct gw_sink *s = arg;

	s->asked--;
	if (err)
		gw_log(GW_WARNING, "backlog of sink '%s': %s", s->instance.name, err->msg);
	gw_deliver_rows(s->deliver, rows);
	gw_sink_pump(s);
	gw_daemon_gone(s->daemon); /* one that leaves may have waited for this */
}

static void got_oldest(void *arg, struct gw_rows *rows, const struct gw_err *err)
{
	struct gw_sink *s = arg;

	(void)err;
	s->asked--;
	s->looking = false;
	gw_daemon_gone(s->daemon);
	if (!rows)
		return;
	if (rows->n)
		s->oldest_ts_ms = gw_timekeeper_ts_ms(s->daemon, rows->readings[0]);
	gw_rows_free(rows);
}

void gw_sink_look_for_oldest(struct gw_sink *s)
{
	if (gw_deliver_stats(s->deliver).backlog == 0)
		s->oldest_ts_ms = 0;
	else if (!s->looking) {
		s->asked++;
		s->looking = true;
		gw_store_fetch(s->daemon->store, s->number, 0, 1, 1, got_oldest, s);
	}
}

static void fetch(void *arg, uint64_t from_id, size_t max_rows, size_t max_bytes)
{
	struct gw_sink *s = arg;

	s->asked++;
	gw_store_fetch(s->daemon->store, s->number, from_id, max_rows, max_bytes, got_rows, s);
}

/* So that a kill does not repeat what was acknowledged. */
static void settled(void *arg, uint16_t device, uint64_t from, uint64_t to, const struct gw_giveup *lost)
{
	struct gw_sink *s = arg;
	struct gw_ring_ack ack = { .sink = s->number, .device = device, .from = from, .to = to };

	if (lost) {
		ack.lost = (uint8_t)(lost->cause + 1);
		ack.unsure = !lost->exact;
	}
	if ((lost && lost->cause == GW_LOSS_OVERLOAD) /* noted for all sinks when it happened */ ||
	    gw_ring_append_ack(s->daemon->ring, &ack))
		gw_commit_later(s->daemon);
	else
		gw_commit_soon(s->daemon);
}

static void loss_changed(void *arg, const struct gw_loss_row *row)
{
	struct gw_sink *s = arg;

	gw_commit_loss(s->daemon, row);
}

static uint64_t loss_id(void *arg)
{
	struct gw_sink *s = arg;

	return s->daemon->next_loss_id++;
}

static const struct gw_reading *newest(void *arg, uint16_t device)
{
	const struct gw_daemon *d = ((struct gw_sink *)arg)->daemon;

	return device < d->ndevices && d->devices[device] ? d->devices[device]->newest : NULL;
}

const struct gw_deliver_ops gw_outlet_ops = {
	.live = send_live, .replay = send_replay, .loss = send_loss, .window = send_window, .fetch = fetch,
	.fetch_windows = fetch_windows, .window_gone = window_gone, .settled = settled,
	.loss_changed = loss_changed, .loss_id = loss_id, .newest = newest,
	.correction = send_correction, .corrected = corrected,
};

static void on_pump_timer(void *arg)
{
	gw_sink_pump(arg);
}

void gw_sink_pump(struct gw_sink *s)
{
	int64_t now_us = gw_now_us();
	int64_t again = s->daemon->closing ? -1 : gw_deliver_pump(s->deliver, now_us);
	struct gw_err err;

	if (again < 0)
		return;
	if (!s->timer)
		s->timer = gw_on_timer(s->daemon->loop, on_pump_timer, s, &err);
	if (s->timer)
		gw_timer_at(s->timer, now_us + again);
}

/* ---- what it says ---- */

static int on_acks(struct gw_sink *s, struct gw_str block, struct gw_err *err)
{
	struct gw_ack ack;

	if (block.n % sizeof(ack))
		return gw_err_set(err, GW_EPROTO, "acknowledgements of %u bytes", block.n);
	for (uint32_t at = 0; at < block.n; at += sizeof(ack)) {
		memcpy(&ack, block.s + at, sizeof(ack));
		if (ack.result > GW_ACK_AGAIN || ack.what > GW_ACK_CORRECTION)
			return gw_err_set(err, GW_EPROTO, "an acknowledgement of an unknown kind");
		gw_deliver_ack(s->deliver, &ack);
	}
	return 0;
}

static void connected(struct gw_sink *s)
{
	struct gw_daemon *d = s->daemon;
	struct gw_message m = { .type = GW_MSG_SESSION, .session = { .session = s->session } };

	gw_child_send(s->child, &m); /* before what is for it */

	gw_log(GW_INFO, "sink '%s' is connected to %s", s->instance.name, s->broker);
	for (size_t i = 0; i < d->ndevices; i++)
		if (d->devices[i])
			d->devices[i]->full = true;
	gw_deliver_connected(s->deliver, s->window ? s->window : 1, gw_now_us());
	gw_sink_pump(s);
}

static void copy(char *to, size_t size, struct gw_str from)
{
	snprintf(to, size, "%.*s", (int)from.n, from.n ? from.s : "");
}

static int on_state(struct gw_sink *s, const struct gw_msg_sink_state *m, struct gw_err *err)
{
	bool changed = m->state != s->state || m->session != s->session;

	if (m->state > GW_FAR_WAITING)
		return gw_err_set(err, GW_EPROTO, "an unknown state (%u)", m->state);
	if (changed)
		s->since_us = gw_now_us();
	if (m->session != s->session)
		gw_store_session(s->daemon->store, s->number, m->session);
	s->window = m->window;
	s->in_flight = m->in_flight;
	s->refused = m->refused;
	s->session = m->session;
	copy(s->broker, sizeof(s->broker), m->broker);
	copy(s->reason, sizeof(s->reason), m->reason);
	if (!changed)
		return 0;
	if (s->state == GW_FAR_CONNECTED) {
		gw_deliver_disconnected(s->deliver);
		if (m->state != GW_FAR_CONNECTED)
			gw_log(GW_WARNING, "sink '%s' lost its connection: %s", s->instance.name, s->reason);
	}
	s->state = m->state;
	if (s->state == GW_FAR_CONNECTED)
		connected(s);
	return 0;
}

static int on_message(void *arg, const struct gw_message *m, struct gw_err *err)
{
	struct gw_sink *s = arg;

	switch ((unsigned)m->type) {
	case GW_MSG_ACKS:
		return on_acks(s, m->acks.block, err);
	case GW_MSG_AGAIN:
		gw_again_asked(s, &m->again);
		return 0;
	case GW_MSG_STATE_PUT:
		gw_state_keep(s->daemon, &s->instance, &m->state_put);
		return 0;
	case GW_MSG_SINK_STATE:
		return on_state(s, &m->sink_state, err);
	default:
		return gw_err_set(err, GW_EPROTO, "a sink does not say '%s'", gw_message_name(m->type));
	}
}

/* ---- its process ---- */

static void on_starting(void *arg)
{
	struct gw_sink *s = arg;

	gw_state_send(s->daemon, &s->instance, s->child);
}

static void on_running(void *arg)
{
	struct gw_sink *s = arg;

	gw_log(GW_INFO, "sink '%s' is running: plugin %s, process %d", s->instance.name, s->instance.plugin,
	       (int)gw_child_status(s->child)->pid);
	gw_sink_introduce(s);
}

static void on_drained(void *arg)
{
	gw_sink_pump(arg);
}

static void on_down(void *arg, const char *reason)
{
	struct gw_sink *s = arg;

	if (s->deliver) /* else its predecessor has the books still */
		gw_deliver_disconnected(s->deliver);
	s->state = GW_FAR_WAITING;
	s->in_flight = 0;
	s->since_us = gw_now_us();
	snprintf(s->reason, sizeof(s->reason), "%.150s", reason);
}

static void on_stopped(void *arg)
{
	struct gw_sink *s = arg;

	on_down(s, "stopped");
	gw_daemon_gone(s->daemon);
}

const struct gw_child_ops gw_sink_ops = {
	.starting = on_starting, .running = on_running, .message = on_message, .drained = on_drained,
	.down = on_down, .stopped = on_stopped,
};
