/*
 * sink_out.c - what a sink tells the core: acknowledgements, gathered over a turn,
 * and the state of the far end, at once.
 */
#include "base/sink_private.h"

#include <assert.h>
#include <string.h>

#include "base/text.h"

enum { ACKS_MAX = (GW_MESSAGE_MAX - 8) / (int)sizeof(struct gw_ack) };

_Static_assert((int)GW_DONE == GW_ACK_DONE && (int)GW_REFUSED == GW_ACK_REFUSED &&
		       (int)GW_TOO_LARGE == GW_ACK_TOO_LARGE && (int)GW_AGAIN == GW_ACK_AGAIN,
	       "outcomes travel as they are");

void gw_sink_send_acks(struct gw_plugin *p)
{
	struct sink *s = p->side;

	for (size_t from = 0; from < s->acks.count; from += ACKS_MAX) {
		size_t n = s->acks.count - from < ACKS_MAX ? s->acks.count - from : ACKS_MAX;
		struct gw_message m = { .type = GW_MSG_ACKS };

		m.acks.block.s = (const char *)&s->acks.entries[from];
		m.acks.block.n = (uint32_t)(n * sizeof(s->acks.entries[0]));
		gw_plugin_send(p, &m);
	}
	gw_acks_clear(&s->acks);
}

static void send_state(struct gw_plugin *p)
{
	struct sink *s = p->side;
	struct gw_message m = { .type = GW_MSG_SINK_STATE };

	m.sink_state = (struct gw_msg_sink_state){
		.state = (uint8_t)s->far.state,
		.window = (uint16_t)s->far.window,
		.in_flight =
			(uint16_t)(s->now.in_flight < UINT16_MAX ? s->now.in_flight : UINT16_MAX),
		.refused = s->now.refused,
		.session = s->far.session,
		.broker = gw_str(s->far.broker),
		.reason = gw_str(s->far.reason),
	};
	gw_plugin_send(p, &m);
	s->sent = s->now;
}

void gw_sink_ack(struct gw_plugin *p, unsigned device, uint64_t from, uint64_t to,
		 enum gw_outcome o, unsigned credit)
{
	struct sink *s = p->side;

	assert(device <= UINT16_MAX && from <= to);
	gw_acks_add(&s->acks, &(struct gw_ack){ .device = (uint16_t)device,
						.what = GW_ACK_READINGS,
						.result = (uint8_t)o,
						.credit = credit,
						.from = from,
						.to = to });
}

static void ack_id(struct gw_plugin *p, enum gw_ack_what what, uint64_t id, enum gw_outcome o,
		   unsigned credit)
{
	struct sink *s = p->side;

	gw_acks_add(&s->acks, &(struct gw_ack){ .what = (uint8_t)what,
						.result = (uint8_t)o,
						.credit = credit,
						.from = id,
						.to = id });
}

void gw_sink_ack_loss(struct gw_plugin *p, uint64_t id, enum gw_outcome o, unsigned credit)
{
	ack_id(p, GW_ACK_LOSS, id, o, credit);
}

void gw_sink_ack_window(struct gw_plugin *p, uint64_t id, enum gw_outcome o, unsigned credit)
{
	ack_id(p, GW_ACK_WINDOW, id, o, credit);
}

void gw_sink_ack_correction(struct gw_plugin *p, uint64_t id, enum gw_outcome o, unsigned credit)
{
	ack_id(p, GW_ACK_CORRECTION, id, o, credit);
}

static bool same_far(const struct far_end *a, const struct far_end *b)
{
	return a->state == b->state && a->window == b->window && a->session == b->session &&
	       strcmp(a->broker, b->broker) == 0 && strcmp(a->reason, b->reason) == 0;
}

static void set_text(char *to, size_t size, const char *text)
{
	gw_escape(to, size, text ? text : "", text ? strlen(text) : 0);
}

/* Never gathered: the order of acknowledgements and lost connections has a meaning. */
void gw_sink_state(struct gw_plugin *p, enum gw_link_state state, unsigned window, uint64_t session,
		   const char *broker, const char *reason)
{
	struct sink *s = p->side;
	struct far_end far = { .state = state, .window = window, .session = session };

	assert(window <= UINT16_MAX);
	set_text(far.broker, sizeof(far.broker), broker);
	set_text(far.reason, sizeof(far.reason), reason);
	if (s->said && same_far(&far, &s->far))
		return;
	s->between = far.state == GW_FAR_CONNECTED &&
		     (s->between || s->far.state != far.state || s->far.session != far.session);
	s->far = far;
	s->said = true;
	gw_sink_send_acks(p);
	send_state(p);
}

void gw_sink_counts(struct gw_plugin *p, unsigned in_flight, uint64_t refused)
{
	struct sink *s = p->side;

	s->now = (struct counts){ in_flight, refused };
}

void gw_sink_second(struct gw_plugin *p)
{
	struct sink *s = p->side;
	bool changed = s->now.in_flight != s->sent.in_flight || s->now.refused != s->sent.refused;

	if (s->said && changed && gw_outbox_empty(p->outbox))
		send_state(p);
}

void gw_sink_again(struct gw_plugin *p, uint32_t number, const struct gw_again_span *span)
{
	struct gw_message m = { .type = GW_MSG_AGAIN };

	assert(span->device <= UINT16_MAX);
	m.again = (struct gw_msg_again){ .number = number,
					 .device = (uint16_t)span->device,
					 .by_time = span->by_time,
					 .from = span->from,
					 .to = span->to };
	gw_plugin_send(p, &m);
}
