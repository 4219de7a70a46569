/*
 * sim_sink.h - what a sink's process and the far end do: read the link, publish, lose the connection,
 * acknowledge late, in any order, in parts, or refuse.
 */
#ifndef GW_TESTS_SIM_SINK_H
#define GW_TESTS_SIM_SINK_H

#include "sim_child.h"

/* What the far end thinks of the next message. */
static enum gw_ack_result sim_verdict(unsigned grumpy)
{
	if (!sim_one_in(grumpy))
		return GW_ACK_DONE;
	return sim_one_in(4) ? GW_ACK_REFUSED : GW_ACK_AGAIN;
}

/* Of the reading, and not of the moment: of two copies that are on their way, both are or none. */
static bool sim_is_too_large(unsigned sink, const struct gw_reading *r)
{
	uint64_t x = (gw_reading_cslots(r)[0] + sink + sim.seed) * UINT64_C(0x9e3779b97f4a7c15);

	return configured.too_large && (x >> 32) % configured.too_large == 0;
}

static void sim_owe(struct gw_child *c, const struct gw_ack *ack)
{
	if (c->nowed == sizeof(c->owed) / sizeof(c->owed[0]))
		sim_fail("sink %u is sent more than its window", c->sink);
	c->owed[c->nowed++] = *ack;
}

static unsigned sim_device_of(const struct gw_child *c, uint16_t number)
{
	if (number >= 64 || c->device_of[number] < 0)
		sim_fail("sink %u was not told of device %u", c->sink, number);
	return (unsigned)c->device_of[number];
}

static void sim_publish_readings(struct gw_child *c, const struct sim_packet *p, enum gw_ack_result verdict)
{
	bool heard = verdict == GW_ACK_DONE || (verdict == GW_ACK_AGAIN && sim_one_in(2));

	for (size_t at = 8; at < p->size;) {
		const struct gw_reading *r = (const void *)(p->bytes + at);
		bool too_large = sim_is_too_large(c->sink, r);
		struct gw_ack ack = { .what = GW_ACK_READINGS, .device = r->device, .from = r->seq, .to = r->seq,
				      .result = (uint8_t)(too_large ? GW_ACK_TOO_LARGE : verdict),
				      .credit = at == 8 };

		if (heard && !too_large)
			sim_hear_reading(c->sink, sim_device_of(c, r->device), r);
		sim_owe(c, &ack);
		at += r->size;
	}
}

static void sim_owe_record(struct gw_child *c, uint8_t what, uint16_t device, uint64_t id, enum gw_ack_result verdict)
{
	sim_owe(c, &(struct gw_ack){ .what = what, .result = (uint8_t)verdict, .device = device, .from = id, .to = id,
				      .credit = 1 });
}

static void sim_take_layout(struct gw_child *c, const struct gw_msg_layout *m)
{
	for (unsigned i = 0; i < SIM_DEVICES; i++) {
		const char *name = sim_device_name(i);

		if (m->name.n != strlen(name) || memcmp(m->name.s, name, m->name.n) != 0 || m->device >= 64)
			continue;
		c->device_of[m->device] = (int)i;
		if (m->first_seq)
			sim_first(i, m->first_seq);
	}
}

static void sim_hear_correction(unsigned sink, const struct gw_msg_correction *m)
{
	char text[16] = "";
	unsigned boot;

	snprintf(text, sizeof(text), "%.*s", (int)m->boot.n, m->boot.s);
	boot = sscanf(text, "boot-%u", &boot) == 1 ? boot : 0;
	if (boot == 0 || boot >= SIM_BOOTS || llabs(m->offset_ms - sim.offset_us[boot] / 1000) > 5)
		sim_fail("sink %u hears a correction of %.*s by %" PRId64 " ms", sink, (int)m->boot.n, m->boot.s,
			 m->offset_ms);
}

static bool sim_is_in_session(const struct gw_child *c)
{
	return c->connected && !c->between;
}

static void sim_publish_message(struct gw_child *c, const struct sim_packet *p, enum gw_ack_result verdict)
{
	struct gw_message m;
	struct gw_err err;
	bool heard = verdict == GW_ACK_DONE;

	if (gw_message_decode(p->bytes, p->size, FROM_CORE, &m, &err) < 0)
		sim_fail("%s", err.msg);
	switch ((unsigned)m.type) {
	case GW_MSG_LAYOUT:
		sim_take_layout(c, &m.layout);
		break;
	case GW_MSG_SESSION:
		c->between &= m.session.session != c->session;
		break;
	case GW_MSG_LOSS:
		if (!sim_is_in_session(c))
			break;
		verdict = heard ? GW_ACK_DONE : GW_ACK_AGAIN;
		if (heard)
			sim_hear_loss(c->sink, sim_device_of(c, m.loss.device), &m.loss);
		sim_owe_record(c, GW_ACK_LOSS, m.loss.device, m.loss.id, verdict);
		break;
	case GW_MSG_WINDOW: {
		const struct gw_window *w = (const void *)m.window.block.s;
		static _Alignas(8) unsigned char aligned[GW_MESSAGE_MAX];

		if (!sim_is_in_session(c))
			break;
		memcpy(aligned, m.window.block.s, m.window.block.n);
		w = (const void *)aligned;
		if (heard)
			sim_hear_window(c->sink, sim_device_of(c, w->device), m.window.id, w);
		sim_owe_record(c, GW_ACK_WINDOW, w->device, m.window.id, verdict);
		break;
	}
	case GW_MSG_CORRECTION:
		if (!sim_is_in_session(c))
			break;
		if (heard)
			sim_hear_correction(c->sink, &m.correction);
		sim_owe_record(c, GW_ACK_CORRECTION, 0, m.correction.id, heard ? GW_ACK_DONE : GW_ACK_AGAIN);
		break;
	case GW_MSG_PROGRESS:
		if (c->connected)
			sim_hear_progress(c->sink, sim_device_of(c, m.progress.device), &m.progress);
		break;
	default:
		break;
	}
}

/* One packet off the link. */
static void sim_sink_reads(struct gw_child *c, unsigned grumpy)
{
	struct sim_packet *p = c->first;
	uint16_t type;

	if (!p)
		return;
	memcpy(&type, p->bytes, sizeof(type));
	c->first = p->next;
	if (!c->first)
		c->last = &c->first;
	c->packets--;
	if (type != GW_MSG_LIVE && type != GW_MSG_REPLAY)
		sim_publish_message(c, p, sim_verdict(grumpy));
	else if (sim_is_in_session(c))
		sim_publish_readings(c, p, sim_verdict(grumpy));
	free(p);
}

static void sim_sink_has_room(struct gw_child *c)
{
	if (!c->full || c->packets > SIM_LINK / 2)
		return;
	c->full = false;
	if (c->o.ops->drained)
		c->o.ops->drained(c->o.arg);
}

/* The core waits for it: it is of this session. */
static void sim_lands(struct gw_child *c, const struct gw_ack *ack)
{
	size_t i = 0;

	while (i < c->nflight && (c->flight[i].what != ack->what || c->flight[i].id != ack->from ||
				  (ack->what == GW_ACK_READINGS && c->flight[i].device != ack->device)))
		i++;
	if (i == c->nflight)
		sim_fail("sink %u acknowledges %" PRIu64 ", which was not sent to it in this session", c->sink, ack->from);
	c->flight[i] = c->flight[--c->nflight];
}

/* Some of what it owes, in any order. */
static void sim_sink_acks(struct gw_child *c, size_t most, bool in_order)
{
	struct gw_message m = { .type = GW_MSG_ACKS };
	struct gw_ack acks[64];
	uint32_t n = 0;

	while (n < 64 && n < most && c->nowed) {
		size_t i = in_order ? 0 : sim_below((unsigned)c->nowed);

		acks[n++] = c->owed[i];
		if (in_order)
			memmove(c->owed, c->owed + 1, (c->nowed - 1) * sizeof(c->owed[0]));
		else
			c->owed[i] = c->owed[c->nowed - 1];
		c->nowed--;
	}
	if (!n)
		return;
	for (uint32_t i = 0; i < n; i++)
		if (acks[i].what == GW_ACK_READINGS || acks[i].what == GW_ACK_WINDOW) {
			sim_lands(c, &acks[i]);
			sim_acknowledged(c->sink, sim_device_of(c, acks[i].device), &acks[i]);
		}
	m.acks.block = (struct gw_str){ (const char *)acks, n * (uint32_t)sizeof(acks[0]) };
	sim_say(c, &m);
}

static void sim_sink_is(struct gw_child *c, bool connected)
{
	static uint64_t session;
	struct gw_message m = { .type = GW_MSG_SINK_STATE };

	c->connected = c->between = connected;
	c->nowed = c->nflight = 0;
	m.sink_state.state = connected ? 1 : 2;
	m.sink_state.window = (uint16_t)(1 + sim_below(30));
	m.sink_state.session = connected ? ++session : session;
	c->session = session;
	sim_note("sink %u %s, window %u", c->sink, connected ? "connects" : "disconnects", m.sink_state.window);
	sim_say(c, &m);
}

/* It asks for something once more. */
static void sim_sink_asks(struct gw_child *c)
{
	struct gw_message m = { .type = GW_MSG_AGAIN };
	unsigned device = sim_below(SIM_DEVICES);
	const struct sim_device *d = &ledger.device[device];
	const struct gw_device *dev = gw_device_named(sim.d, sim_device_name(device));
	uint64_t span = d->next - d->first;

	if (!dev || !span)
		return;
	m.again.device = dev->number;
	m.again.from = (int64_t)(d->next - 1 - sim_random() % (span < 200 ? span : 200));
	m.again.to = m.again.from + sim_below(100);
	for (int64_t seq = m.again.from; seq <= m.again.to && seq < (int64_t)d->next; seq++)
		sim_heard_of(c->sink, device, (uint64_t)seq)->what |= SIM_ASKED;
	sim_note("sink %u asks for d%u %" PRId64 "..%" PRId64, c->sink, device, m.again.from, m.again.to);
	sim_say(c, &m);
}

static void sim_process_dies(struct gw_child *c)
{
	sim_note("process of '%s' dies", c->o.instance->name);
	for (unsigned i = sim_below(20); i > 0 && c->o.instance->sink; i--)
		sim_sink_reads(c, 0); /* some of it goes out still */
	sim_life(c, GW_EV_FAULT);
	c->at_us = sim.mono_us;
}

#endif
