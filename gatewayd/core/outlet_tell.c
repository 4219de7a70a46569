/*
 * outlet_tell.c - what a sink is told beside readings: layouts (before the first reading of each),
 * the gateway, states of devices, progress, health.
 */
#include "core/daemon.h"

#include <string.h>

#include "base/log.h"

/* ---- layouts ---- */

static void send_stored(struct gw_sink *s, uint32_t number, const struct gw_known_layout *l,
			const unsigned char *bytes, uint32_t size)
{
	struct gw_message m;
	struct gw_err err;

	if (gw_message_decode(bytes, size, FROM_CORE, &m, &err) != 0) {
		gw_log(GW_ERROR, "layout %u in the buffer is damaged: %s", number, err.msg);
		return;
	}
	if (m.type == GW_MSG_LAYOUT) {
		m.layout.layout = number;
		m.layout.device = l->device;
		m.layout.current = l->current;
		m.layout.first_seq = l->first_seq;
		m.layout.from_seq = l->from_seq;
	} else if (m.type == GW_MSG_LAYOUT_POINT) {
		m.layout_point.layout = number;
	}
	gw_child_send(s->child, &m);
}

void gw_sink_tell_layout(struct gw_sink *s, uint32_t number)
{
	struct gw_daemon *d = s->daemon;
	const struct gw_known_layout *l;
	uint32_t size;

	if (number >= d->nlayouts || !d->layouts[number].body.bytes)
		return;
	l = &d->layouts[number];
	s->told = gw_grow(s->told, &s->told_n, number + 1, sizeof(*s->told));
	s->told[number] = 1;
	for (size_t at = 0; at + 4 <= l->body.size; at += 4 + size) {
		memcpy(&size, l->body.bytes + at, 4);
		if (size > l->body.size - at - 4)
			return;
		send_stored(s, number, l, l->body.bytes + at + 4, size);
	}
}

/* The last one it had, when the device was taken out and this process has heard of none. */
void gw_sink_tell_device(struct gw_sink *s, uint16_t device)
{
	const struct gw_daemon *d = s->daemon;
	uint32_t newest = 0;

	for (uint32_t i = 0; i < d->nlayouts; i++) {
		if (d->layouts[i].device != device || !d->layouts[i].body.bytes)
			continue;
		if (i < s->told_n && s->told[i])
			return;
		newest = i;
	}
	if (newest)
		gw_sink_tell_layout(s, newest);
}

/* ---- what it is told ---- */

static bool talking(const struct gw_sink *s)
{
	return s->child && gw_child_status(s->child)->life == GW_LIFE_RUNNING;
}

void gw_sink_tell_state(struct gw_sink *s, const struct gw_device *dev)
{
	struct gw_message m = { .type = GW_MSG_DEVICE_STATE };

	if (!talking(s))
		return;
	m.device_state.device = dev->number;
	m.device_state.state = (uint8_t)dev->state;
	m.device_state.ts_ms = dev->since_ms;
	m.device_state.reason = gw_str(dev->reason);
	gw_child_send(s->child, &m);
}

void gw_sink_tell_gone(struct gw_sink *s, const char *device)
{
	struct gw_message m = { .type = GW_MSG_DEVICE_GONE };

	m.device_gone.name = gw_str(device);
	if (talking(s))
		gw_child_send(s->child, &m);
}

void gw_sink_tell_health(struct gw_sink *s, const char *json, size_t size)
{
	struct gw_message m = { .type = GW_MSG_HEALTH };

	m.health.json = (struct gw_str){ json, (uint32_t)size };
	if (talking(s) && s->state == GW_FAR_CONNECTED)
		gw_child_send(s->child, &m);
}

static void tell_progress(struct gw_sink *s, const struct gw_device *dev)
{
	/* A power cut gives others to what is lost under numbers that are not reserved. */
	uint64_t next = dev->next_seq < dev->reserved ? dev->next_seq : dev->reserved;
	uint64_t open = gw_deliver_open_from(s->deliver, dev->number);
	uint64_t complete = (open && open < next ? open : next) - 1;
	struct gw_message m = { .type = GW_MSG_PROGRESS };

	if (dev->next_seq == dev->first_seq) /* nothing yet */
		return;
	s->progress = gw_grow(s->progress, &s->progress_n, dev->number + 1u, sizeof(*s->progress));
	if (s->progress[dev->number] == complete)
		return;
	s->progress[dev->number] = complete;
	m.progress.device = dev->number;
	m.progress.first_seq = dev->first_seq;
	m.progress.complete_to = complete;
	m.progress.last = next - 1;
	m.progress.ts_ms = gw_wall_ms();
	gw_child_send(s->child, &m);
}

void gw_sink_tell_progress(struct gw_sink *s)
{
	if (!talking(s) || s->state != GW_FAR_CONNECTED)
		return;
	for (size_t i = 0; i < s->daemon->ndevices; i++)
		if (s->daemon->devices[i])
			tell_progress(s, s->daemon->devices[i]);
}

static void tell_gateway(struct gw_sink *s)
{
	const struct gw_daemon *d = s->daemon;
	const struct gw_gateway_settings *g = &d->core.gateway;
	struct gw_message m = { .type = GW_MSG_GATEWAY };
	char hash[12];

	snprintf(hash, sizeof(hash), "%08x", d->config_hash);
	m.gateway.id = gw_str(g->id);
	m.gateway.title = gw_str(g->title);
	m.gateway.province = gw_str(g->province);
	m.gateway.site = gw_str(g->site);
	m.gateway.located = d->located;
	m.gateway.lat = g->location.lat;
	m.gateway.lon = g->location.lon;
	m.gateway.version = gw_str(GW_VERSION);
	m.gateway.config = gw_str(hash);
	m.gateway.boot = gw_str(d->boot);
	m.gateway.buffer = gw_str(d->info.buffer);
	m.gateway.session = s->session;
	m.gateway.boot_number = d->info.boot;
	for (size_t i = 0; i < d->ndevices; i++)
		m.gateway.devices = (uint16_t)(m.gateway.devices + (d->devices[i] != NULL));
	gw_child_send(s->child, &m);
}

void gw_sink_tell_gateway(struct gw_sink *s)
{
	if (talking(s))
		tell_gateway(s);
}

void gw_sink_introduce(struct gw_sink *s)
{
	struct gw_daemon *d = s->daemon;

	tell_gateway(s);
	s->boot_told = 0;
	if (s->told)
		memset(s->told, 0, s->told_n);
	if (s->progress)
		memset(s->progress, 0, s->progress_n * sizeof(*s->progress));
	for (size_t i = 0; i < d->ndevices; i++)
		if (d->devices[i])
			gw_sink_tell_layout(s, d->devices[i]->layout);
	for (size_t i = 0; i < d->ndevices; i++)
		if (d->devices[i])
			gw_sink_tell_state(s, d->devices[i]);
}
