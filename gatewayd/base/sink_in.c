/*
 * sink_in.c - what the core tells a sink: layouts, readings and news, checked and handed on.
 *
 * The core is trusted to be right about readings, but a block that does not fit its
 * layout would be an access out of bounds in the sink, so each is checked.
 */
#include "base/sink_private.h"

#include <stdlib.h>

#include "base/text.h"

enum { REPLAY_MAX = 100 }; /* readings of one message */

/* ---- gateway and layouts ---- */

static const char *copy(struct gw_plugin *p, struct gw_str text)
{
	return gw_arena_text(p->arena, text.s, text.n);
}

static void know_boot(struct gw_plugin *p, uint32_t number, struct gw_str id)
{
	struct sink *s = p->side;

	if (gw_sink_boot(p, number))
		return;
	s->boots = realloc(s->boots, (s->nboots + 1) * sizeof(*s->boots));
	if (!s->boots)
		abort();
	s->boots[s->nboots++] = (struct boot){ number, copy(p, id) };
}

const char *gw_sink_boot(struct gw_plugin *p, uint32_t number)
{
	const struct sink *s = p->side;

	for (size_t i = 0; i < s->nboots; i++)
		if (s->boots[i].number == number)
			return s->boots[i].id;
	return NULL;
}

/* The plugin starts when it knows every device there is. */
static int start_when_complete(struct gw_plugin *p)
{
	struct sink *s = p->side;
	struct gw_err err;

	if (s->started || !s->has_gateway || s->current < s->gateway.devices)
		return 0;
	s->started = true;
	if (s->def->start && s->def->start(s->self, p->loop, &s->gateway, &err) < 0) {
		s->started = false;
		gw_plugin_fail(p, &err);
	}
	return 0;
}

static int on_gateway(struct gw_plugin *p, const struct gw_message *m, struct gw_err *err)
{
	struct sink *s = p->side;
	const struct gw_msg_gateway *g = &m->gateway;

	(void)err;
	s->gateway = (struct gw_gateway_info){
		.id = copy(p, g->id),
		.title = copy(p, g->title),
		.province = copy(p, g->province),
		.site = copy(p, g->site),
		.version = copy(p, g->version),
		.config = copy(p, g->config),
		.boot = copy(p, g->boot),
		.buffer = copy(p, g->buffer),
		.located = g->located,
		.lat = g->lat,
		.lon = g->lon,
		.session = g->session,
		.devices = g->devices,
		.boot_number = g->boot_number,
	};
	s->has_gateway = true;
	know_boot(p, g->boot_number, g->boot);
	if (s->started && s->def->gateway)
		s->def->gateway(s->self, &s->gateway);
	return start_when_complete(p);
}

static int layout_done(struct gw_plugin *p, struct gw_layout *l)
{
	struct sink *s = p->side;

	s->current += l->current;
	if (s->def->layout)
		s->def->layout(s->self, l);
	return start_when_complete(p);
}

static int on_boot(struct gw_plugin *p, const struct gw_message *m, struct gw_err *err)
{
	(void)err;
	know_boot(p, m->boot.number, m->boot.id);
	return 0;
}

static int on_layout(struct gw_plugin *p, const struct gw_message *m, struct gw_err *err)
{
	struct sink *s = p->side;
	struct gw_layout *l;
	int done = gw_layouts_begin(s->layouts, &m->layout, &l, err);

	return done < 1 ? done : layout_done(p, l);
}

static int on_layout_point(struct gw_plugin *p, const struct gw_message *m, struct gw_err *err)
{
	struct sink *s = p->side;
	struct gw_layout *l;
	int done = gw_layouts_point(s->layouts, &m->layout_point, &l, err);

	return done < 1 ? done : layout_done(p, l);
}

/* ---- readings ---- */

/* Labels are looked up by the sink, so they have to be there. */
static const char *check_labels(const struct gw_layout *l, const struct gw_reading *r)
{
	const uint32_t *tags = gw_reading_ctags(r);
	const uint64_t *slots = gw_reading_cslots(r);

	for (unsigned i = 0; i < r->count; i++)
		if (gw_tag_kind(tags[i]) == GW_ENUM &&
		    slots[i] >= l->points[gw_tag_index(tags[i])].nlabels)
			return "a label that its layout does not have";
	return NULL;
}

static const struct gw_layout *layout_of(const struct sink *s, const struct gw_reading *r,
					 size_t left, struct gw_err *err)
{
	const struct gw_layout *l;
	const char *wrong;

	if (left < sizeof(*r) || r->size < sizeof(*r) || r->size > left) {
		gw_err_set(err, GW_EPROTO, "a reading is cut off");
		return NULL;
	}
	l = gw_layouts_find(s->layouts, r->layout);
	if (!l || l->device != r->device) {
		gw_err_set(err, GW_EPROTO,
			   "a reading of device %u names layout %u, which was not given for it",
			   r->device, r->layout);
		return NULL;
	}
	wrong = gw_reading_check(r, r->size, l->npoints);
	if (!wrong)
		wrong = check_labels(l, r);
	if (!wrong)
		return l;
	gw_err_set(err, GW_EPROTO, "a reading of %s: %s", l->name, wrong);
	return NULL;
}

static int deliver(struct gw_plugin *p, struct gw_str block, bool live, struct gw_err *err)
{
	struct sink *s = p->side;
	const struct gw_reading *readings[REPLAY_MAX];
	const struct gw_layout *layouts[REPLAY_MAX];
	size_t n = 0, most = live ? 1 : REPLAY_MAX;

	if (!s->started)
		return gw_err_set(err, GW_EPROTO,
				  "readings came before the layouts of all devices");
	for (size_t at = 0; at < block.n; at += readings[n++]->size) {
		if (n == most)
			return gw_err_set(err, GW_EPROTO, "more than %zu readings in one message",
					  most);
		readings[n] = (const struct gw_reading *)(const void *)(block.s + at);
		layouts[n] = layout_of(s, readings[n], block.n - at, err);
		if (!layouts[n])
			return -1;
		if (readings[n]->device != readings[0]->device)
			return gw_err_set(err, GW_EPROTO, "readings of two devices in one message");
	}
	if (n == 0)
		return gw_err_set(err, GW_EPROTO, "a message without a reading");
	s->def->readings(s->self, live, layouts, readings, n);
	return 0;
}

static int on_live(struct gw_plugin *p, const struct gw_message *m, struct gw_err *err)
{
	return deliver(p, m->live.block, true, err);
}

static int on_replay(struct gw_plugin *p, const struct gw_message *m, struct gw_err *err)
{
	return deliver(p, m->replay.block, false, err);
}

/* ---- news of devices ---- */

static const struct gw_layout *known_device(struct gw_plugin *p, unsigned device,
					    struct gw_err *err)
{
	const struct gw_layout *l = gw_layouts_of(((struct sink *)p->side)->layouts, device);

	if (!l)
		gw_err_set(err, GW_EPROTO, "news of device %u came before its layout", device);
	return l;
}

static int on_device_state(struct gw_plugin *p, const struct gw_message *m, struct gw_err *err)
{
	struct sink *s = p->side;
	const struct gw_msg_device_state *d = &m->device_state;
	const struct gw_layout *l = known_device(p, d->device, err);
	char reason[256];

	if (!l)
		return -1;
	if (d->state > GW_STATE_OFFLINE)
		return gw_err_set(err, GW_EPROTO, "device %s is in the unknown state %u", l->name,
				  d->state);
	gw_escape(reason, sizeof(reason), d->reason.n ? d->reason.s : "", d->reason.n);
	if (s->def->device_state)
		s->def->device_state(s->self, l, (enum gw_device_state)d->state, d->ts_ms, reason);
	return 0;
}

static int on_device_gone(struct gw_plugin *p, const struct gw_message *m, struct gw_err *err)
{
	struct sink *s = p->side;
	const char *name = copy(p, m->device_gone.name);

	(void)err;
	gw_layouts_gone(s->layouts, name);
	if (s->def->device_gone)
		s->def->device_gone(s->self, name);
	return 0;
}

static int on_loss(struct gw_plugin *p, const struct gw_message *m, struct gw_err *err)
{
	struct sink *s = p->side;
	const struct gw_msg_loss *lost = &m->loss;
	const struct gw_layout *l = known_device(p, lost->device, err);

	if (!l)
		return -1;
	if (lost->cause >= GW_LOSS_CAUSES)
		return gw_err_set(err, GW_EPROTO, "a loss has the unknown cause %u", lost->cause);
	if (!s->def->loss) {
		gw_sink_ack_loss(p, lost->id, GW_DONE, 1);
		return 0;
	}
	s->def->loss(s->self, l,
		     &(struct gw_loss){ .id = lost->id,
					.from = lost->from,
					.to = lost->to,
					.readings = lost->readings,
					.cause = gw_loss_cause_name(lost->cause),
					.exact = lost->exact,
					.ts_from_ms = lost->ts_from_ms,
					.ts_to_ms = lost->ts_to_ms });
	return 0;
}

static const char *check_window_labels(const struct gw_layout *l, const struct gw_window *w)
{
	const struct gw_window_point *p = gw_window_points(w);

	for (unsigned i = 0; i < w->points; i++)
		if (p[i].last_kind == GW_ENUM && p[i].last >= l->points[p[i].index].nlabels)
			return "a label that its layout does not have";
	return NULL;
}

static int on_window(struct gw_plugin *p, const struct gw_message *m, struct gw_err *err)
{
	struct sink *s = p->side;
	const struct gw_window *w = (const struct gw_window *)(const void *)m->window.block.s;
	const struct gw_layout *l;
	const char *wrong;

	if (!s->started || m->window.block.n < sizeof(*w))
		return gw_err_set(err, GW_EPROTO, "a window is cut off or came too early");
	l = gw_layouts_find(s->layouts, w->layout);
	if (!l || l->device != w->device)
		return gw_err_set(err, GW_EPROTO,
				  "a window of device %u names layout %u, which was not given for it",
				  w->device, w->layout);
	wrong = gw_window_check(w, m->window.block.n, l->npoints);
	if (!wrong)
		wrong = check_window_labels(l, w);
	if (wrong)
		return gw_err_set(err, GW_EPROTO, "a window of %s: %s", l->name, wrong);
	if (s->def->window)
		s->def->window(s->self, l, m->window.id, w);
	else
		gw_sink_ack_window(p, m->window.id, GW_DONE, 1);
	return 0;
}

static int on_correction(struct gw_plugin *p, const struct gw_message *m, struct gw_err *err)
{
	struct sink *s = p->side;
	const struct gw_msg_correction *c = &m->correction;
	char boot[64];

	if (!s->started)
		return gw_err_set(err, GW_EPROTO, "a correction came before the layouts of all devices");
	if (!s->def->correction) {
		gw_sink_ack_correction(p, c->id, GW_DONE, 1);
		return 0;
	}
	gw_escape(boot, sizeof(boot), c->boot.n ? c->boot.s : "", c->boot.n);
	s->def->correction(s->self, &(struct gw_correction_news){ .id = c->id,
								  .boot = boot,
								  .from_ms = c->from_ms,
								  .to_ms = c->to_ms,
								  .offset_ms = c->offset_ms });
	return 0;
}

static int on_progress(struct gw_plugin *p, const struct gw_message *m, struct gw_err *err)
{
	struct sink *s = p->side;
	const struct gw_layout *l = known_device(p, m->progress.device, err);

	if (!l)
		return -1;
	if (s->def->progress)
		s->def->progress(s->self, l,
				 &(struct gw_progress){ .first_seq = m->progress.first_seq,
							.complete_to = m->progress.complete_to,
							.last = m->progress.last,
							.ts_ms = m->progress.ts_ms });
	return 0;
}

static int on_health(struct gw_plugin *p, const struct gw_message *m, struct gw_err *err)
{
	struct sink *s = p->side;

	(void)err;
	if (s->def->health)
		s->def->health(s->self, m->health.json.s, m->health.json.n);
	return 0;
}

static int on_again_done(struct gw_plugin *p, const struct gw_message *m, struct gw_err *err)
{
	struct sink *s = p->side;
	const struct gw_msg_again_done *a = &m->again_done;
	char reason[256];

	(void)err;
	gw_escape(reason, sizeof(reason), a->reason.n ? a->reason.s : "", a->reason.n);
	if (s->def->again)
		s->def->again(s->self, &(struct gw_again){ .number = a->number,
							   .reason = reason,
							   .readings = a->readings,
							   .from = a->from,
							   .to = a->to });
	return 0;
}

static int on_session(struct gw_plugin *p, const struct gw_message *m, struct gw_err *err)
{
	struct sink *s = p->side;

	(void)err;
	if (s->far.state == GW_FAR_CONNECTED && s->far.session == m->session.session)
		s->between = false;
	return 0;
}

static bool is_delivery(enum gw_message_type type)
{
	return type == GW_MSG_LIVE || type == GW_MSG_REPLAY || type == GW_MSG_LOSS || type == GW_MSG_WINDOW ||
	       type == GW_MSG_CORRECTION;
}

/* It lay on the link when the connection ended that it was meant for.  The core sends it again in
 * the next: its acknowledgement, and the room in the window, would count for nothing. */
static bool is_of_another_session(const struct sink *s)
{
	return s->said && (s->between || s->far.state != GW_FAR_CONNECTED);
}

int gw_sink_message(struct gw_plugin *p, const struct gw_message *m, struct gw_err *err)
{
	static int (*const handlers[GW_MSG_TYPES])(struct gw_plugin *, const struct gw_message *,
						   struct gw_err *) = {
		[GW_MSG_GATEWAY] = on_gateway,
		[GW_MSG_LAYOUT] = on_layout,
		[GW_MSG_LAYOUT_POINT] = on_layout_point,
		[GW_MSG_DEVICE_STATE] = on_device_state,
		[GW_MSG_DEVICE_GONE] = on_device_gone,
		[GW_MSG_LIVE] = on_live,
		[GW_MSG_REPLAY] = on_replay,
		[GW_MSG_LOSS] = on_loss,
		[GW_MSG_WINDOW] = on_window,
		[GW_MSG_BOOT] = on_boot,
		[GW_MSG_CORRECTION] = on_correction,
		[GW_MSG_PROGRESS] = on_progress,
		[GW_MSG_HEALTH] = on_health,
		[GW_MSG_AGAIN_DONE] = on_again_done,
		[GW_MSG_SESSION] = on_session,
	};

	if (is_delivery(m->type) && is_of_another_session(p->side))
		return 0;
	if (handlers[m->type])
		return handlers[m->type](p, m, err);
	return gw_err_set(err, GW_EPROTO, "%s is for a source", gw_message_name(m->type));
}
