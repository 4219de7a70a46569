/*
 * sim_ledger.h - the judge: what was produced, and what each subscriber has heard of it.  Knows
 * nothing of how the core works; each promise is one check here.
 */
#ifndef GW_TESTS_SIM_LEDGER_H
#define GW_TESTS_SIM_LEDGER_H

#include "gatewayd/window.h"
#include "sim.h"

/* CLOSED: the core has its acknowledgement, and has not forgotten it in a power cut. */
enum { SIM_CAME = 1, SIM_LOST = 2, SIM_THINNED = 4, SIM_ASKED = 8 /* for again */, SIM_CLOSED = 16 };

struct sim_made { /* by the source, under this number */
	uint64_t content; /* 0: none was made */
	int64_t utc_ms;
};

struct sim_heard {
	uint8_t what;
	uint8_t unsynced;
	uint64_t content, record; /* id of the loss or window */
	int64_t ts_ms;
};

struct sim_told { /* one device at one subscriber */
	struct sim_heard *heard; /* by number - first */
	size_t room;
	uint64_t closed; /* below it everything was heard of */
	uint64_t live;   /* the highest number that was ever handed to the sink */
};

struct sim_device {
	uint64_t first, next; /* numbers: the first ever, and behind the last */
	uint64_t loose_from;  /* from here to next are lost and not reserved; or 0 */
	uint64_t produced;    /* readings that the core took, with a number or without; each has one at last */
	struct sim_made *made;
	size_t room;
	struct sim_told told[SIM_SINKS];
};

struct sim_record { /* a loss or a window: never changes */
	uint64_t id, from, to, extra;
	unsigned sink, device;
	bool window, exact;
};

static struct sim_ledger {
	struct sim_device device[SIM_DEVICES];
	struct sim_record *record;
	size_t records, record_room;
	bool no_loss; /* nothing that happens here may cost a reading */
	uint64_t came, lost, thinned, again;
} ledger;

static const char *sim_device_name(unsigned device)
{
	static const char *const names[SIM_DEVICES] = { "d0", "d1", "d2" };

	return names[device];
}

static void *sim_room(void *items, size_t *room, size_t want, size_t size)
{
	return gw_grow(items, room, want, size);
}

/* ---- what is made ---- */

static void sim_first(unsigned device, uint64_t first)
{
	struct sim_device *d = &ledger.device[device];

	if (d->first && d->first != first)
		sim_fail("the first number of d%u was %" PRIu64 ", it is %" PRIu64 " now", device, d->first, first);
	if (d->first)
		return;
	d->first = d->next = first;
	for (unsigned i = 0; i < SIM_SINKS; i++)
		d->told[i].closed = first;
}

static void sim_made(unsigned device, uint64_t seq, uint64_t content, int64_t utc_ms)
{
	struct sim_device *d = &ledger.device[device];
	size_t at = (size_t)(seq - d->first);

	if (seq < d->next)
		sim_fail("d%u: number %" PRIu64 " is given a second time", device, seq);
	d->made = sim_room(d->made, &d->room, at + 1, sizeof(*d->made));
	d->made[at] = (struct sim_made){ content, utc_ms };
	d->loose_from = 0;
	d->next = seq + 1;
}

/* ---- what is heard ---- */

/* Lost for want of reserved numbers; after a power cut they may be given again if nobody has heard of them. */
static void sim_made_loose(unsigned device, uint64_t seq)
{
	struct sim_device *d = &ledger.device[device];

	if (!d->loose_from)
		d->loose_from = seq;
	d->next = seq + 1;
}

static void sim_forget_loose(void)
{
	for (unsigned i = 0; i < SIM_DEVICES; i++) {
		struct sim_device *d = &ledger.device[i];
		uint64_t end = d->loose_from;

		for (unsigned k = 0; k < SIM_SINKS && end; k++)
			for (uint64_t seq = end; seq < d->next && seq - d->first < d->told[k].room; seq++)
				if (d->told[k].heard[seq - d->first].what & ~SIM_ASKED)
					end = seq + 1;
		d->next = end ? end : d->next;
		d->loose_from = 0;
		if (d->produced > d->next - d->first)
			d->produced = d->next - d->first;
	}
}

static struct sim_heard *sim_heard_of(unsigned sink, unsigned device, uint64_t seq)
{
	struct sim_device *d = &ledger.device[device];
	struct sim_told *t = &d->told[sink];
	size_t at = (size_t)(seq - d->first);

	if (seq < d->first || at > 10000000)
		sim_fail("sink %u: d%u has no number %" PRIu64, sink, device, seq);
	t->heard = sim_room(t->heard, &t->room, at + 1, sizeof(*t->heard));
	return &t->heard[at];
}

static void sim_close(unsigned sink, unsigned device)
{
	struct sim_told *t = &ledger.device[device].told[sink];
	size_t at = (size_t)(t->closed - ledger.device[device].first);

	while (at < t->room && t->heard[at].what & (SIM_CAME | SIM_LOST | SIM_THINNED))
		at++;
	t->closed = ledger.device[device].first + at;
}

static void sim_hear_reading(unsigned sink, unsigned device, const struct gw_reading *r)
{
	struct sim_heard *h = sim_heard_of(sink, device, r->seq);
	struct sim_device *d = &ledger.device[device];
	size_t at = (size_t)(r->seq - d->first);
	uint64_t content = gw_reading_cslots(r)[0];
	bool unsynced = r->flags & GW_READING_UNSYNCED;

	if (at >= d->room || d->made[at].content != content)
		sim_fail("sink %u: d%u %" PRIu64 " comes with content %" PRIu64 " and was made with %" PRIu64, sink,
			 device, r->seq, content, at < d->room ? d->made[at].content : 0);
	if (h->what & SIM_CAME && (h->content != content || h->ts_ms != r->ts_ms || h->unsynced != unsynced))
		sim_fail("sink %u: d%u %" PRIu64 " comes again, with another time: %" PRId64 "%s, it was %" PRId64 "%s",
			 sink, device, r->seq, r->ts_ms, unsynced ? " unsynced" : "", h->ts_ms,
			 h->unsynced ? " unsynced" : "");
	if (h->what & (SIM_LOST | SIM_THINNED) && !(h->what & (SIM_CAME | SIM_ASKED)))
		sim_fail("sink %u: d%u %" PRIu64 " comes and was %s before", sink, device, r->seq,
			 h->what & SIM_LOST ? "declared lost" : "in a window");
	if (!unsynced && llabs(r->ts_ms - d->made[at].utc_ms) > 5)
		sim_fail("sink %u: d%u %" PRIu64 " is of %" PRId64 ", and says %" PRId64, sink, device, r->seq,
			 d->made[at].utc_ms, r->ts_ms);
	ledger.came += !(h->what & SIM_CAME);
	ledger.again += (h->what & SIM_CAME) != 0;
	h->what |= SIM_CAME;
	h->content = content;
	h->ts_ms = r->ts_ms;
	h->unsynced = unsynced;
	sim_close(sink, device);
}

/* true: it was heard before, and is the same. */
static bool sim_same_record(const struct sim_record *n)
{
	for (size_t i = 0; i < ledger.records; i++) {
		const struct sim_record *r = &ledger.record[i];

		if (r->sink != n->sink || r->device != n->device || r->window != n->window || r->id != n->id)
			continue;
		if (r->from != n->from || r->to != n->to || r->extra != n->extra)
			sim_fail("sink %u: d%u %s %" PRIu64 " was %" PRIu64 "..%" PRIu64 " and is %" PRIu64 "..%" PRIu64,
				 n->sink, n->device, n->window ? "window" : "loss", n->id, r->from, r->to, n->from,
				 n->to);
		return true;
	}
	return false;
}

static void sim_hear_record(const struct sim_record *n)
{
	uint8_t bit = n->window ? SIM_THINNED : SIM_LOST;

	if (sim_same_record(n))
		return;
	ledger.record = sim_room(ledger.record, &ledger.record_room, ledger.records + 1, sizeof(*ledger.record));
	ledger.record[ledger.records++] = *n;
	for (uint64_t seq = n->from; seq <= n->to; seq++) {
		struct sim_heard *h = sim_heard_of(n->sink, n->device, seq);

		if (h->what & SIM_LOST || (h->what & SIM_THINNED && (n->window || h->what & SIM_CLOSED)))
			sim_fail("sink %u: d%u %" PRIu64 " is %s and was %s", n->sink, n->device, seq,
				 n->window ? "in a window" : "declared lost",
				 h->what & SIM_LOST ? "declared lost" : "in a window");
		if (h->what & SIM_CLOSED && n->exact && !(h->what & SIM_ASKED))
			sim_fail("sink %u: d%u %" PRIu64 " is %s, and was acknowledged", n->sink, n->device, seq,
				 n->window ? "in a window" : "declared lost");
		if (!n->window && n->exact && h->what & (SIM_CAME | SIM_THINNED))
			sim_fail("sink %u: d%u %" PRIu64 " is declared lost for sure, and came%s", n->sink, n->device, seq,
				 h->what & SIM_CAME ? "" : " in a window");
		h->what |= bit;
	}
	*(n->window ? &ledger.thinned : &ledger.lost) += n->to - n->from + 1;
	sim_close(n->sink, n->device);
}

/* The core, which waits for it, hears that a reading, or what is in a window, was taken. */
static void sim_acknowledged(unsigned sink, unsigned device, const struct gw_ack *ack)
{
	uint64_t from = ack->from, to = ack->to;

	if (ack->result != GW_ACK_DONE)
		return;
	for (size_t i = 0; i < ledger.records && ack->what == GW_ACK_WINDOW; i++) {
		const struct sim_record *r = &ledger.record[i];

		if (r->window && r->sink == sink && r->device == device && r->id == ack->from) {
			from = r->from;
			to = r->to;
		}
	}
	for (uint64_t seq = from; seq <= to; seq++)
		sim_heard_of(sink, device, seq)->what |= SIM_CLOSED;
}

/* The ring is gone, or had no room: acknowledgements may be forgotten. */
static void sim_forget_closed(void)
{
	for (unsigned i = 0; i < SIM_DEVICES; i++)
		for (unsigned k = 0; k < SIM_SINKS; k++)
			for (size_t at = 0; at < ledger.device[i].told[k].room; at++)
				ledger.device[i].told[k].heard[at].what &= (uint8_t)~SIM_CLOSED;
}

static void sim_hear_loss(unsigned sink, unsigned device, const struct gw_msg_loss *m)
{
	sim_note("sink %u hears: d%u lost %" PRIu64 "..%" PRIu64 " %s", sink, device, m->from, m->to,
		 gw_loss_cause_name(m->cause));
	if (ledger.no_loss && m->cause != GW_LOSS_TOO_LARGE)
		sim_fail("sink %u: d%u %" PRIu64 "..%" PRIu64 " is declared lost (%s), and nothing happened that may cost "
			 "a reading", sink, device, m->from, m->to, gw_loss_cause_name(m->cause));
	sim_hear_record(&(struct sim_record){ .id = m->id, .from = m->from, .to = m->to, .sink = sink,
					       .device = device, .exact = m->exact,
					       .extra = m->readings * 32 + m->cause * 2u + m->exact });
}

static void sim_hear_window(unsigned sink, unsigned device, uint64_t id, const struct gw_window *w)
{
	sim_note("sink %u hears: d%u window %" PRIu64 "..%" PRIu64, sink, device, w->from, w->to);
	sim_hear_record(&(struct sim_record){ .id = id, .from = w->from, .to = w->to, .sink = sink,
					       .device = device, .window = true, .exact = true, .extra = w->crc });
}

static void sim_hear_progress(unsigned sink, unsigned device, const struct gw_msg_progress *m)
{
	const struct sim_told *t = &ledger.device[device].told[sink];

	sim_first(device, m->first_seq);
	if (m->complete_to > m->last || m->complete_to >= t->closed)
		sim_fail("sink %u: progress closes d%u up to %" PRIu64 " of %" PRIu64 ", and %" PRIu64 " neither came nor was "
			 "declared lost", sink, device, m->complete_to, m->last, t->closed);
}

#endif
