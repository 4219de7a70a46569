/*
 * deliver_send.c - what goes next: live readings in line, losses, then backlog
 * in groups of one device.  See deliver.h.
 */
#include "core/deliver_private.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum {
	GROUP_BYTES = 60 * 1024,  /* one link message with some room */
	FETCH_ROWS = 2000,
	FETCH_BYTES = 1024 * 1024,
	TOKEN_BURST_MS = 250,
	DRY_US = 5 * 1000 * 1000,
};
#define NO_ROW UINT32_MAX

/* ---- live ---- */

void gw_deliver_enqueue(struct gw_deliver *d, const struct gw_reading *r, uint64_t position)
{
	if (d->fifo_n == d->fifo_capacity) {
		struct waiting *w = malloc(d->fifo_capacity * 2 * sizeof(*w));

		assert(w);
		for (size_t i = 0; i < d->fifo_n; i++)
			w[i] = d->fifo[(d->fifo_at + i) % d->fifo_capacity];
		free(d->fifo);
		d->fifo = w;
		d->fifo_at = 0;
		d->fifo_capacity *= 2;
	}
	d->fifo[(d->fifo_at + d->fifo_n++) % d->fifo_capacity] =
		(struct waiting){ .r = r, .position = position, .seq = r->seq, .device = r->device };
}

static void fifo_pop(struct gw_deliver *d)
{
	d->fifo_at = (d->fifo_at + 1) % d->fifo_capacity;
	d->fifo_n--;
}

void gw_deliver_released(struct gw_deliver *d, uint64_t position)
{
	while (d->fifo_n && d->fifo[d->fifo_at].position < position)
		fifo_pop(d);
}

static bool is_live(const struct outgoing *o, const struct gw_reading *r, int64_t now_us)
{
	return r->seq > o->last_sent && r->mono_ms >= (now_us - o->live_us) / 1000;
}

static void sent(struct gw_deliver *d, struct outgoing *o, uint64_t seq)
{
	d->moves++;
	d->flight_total += gw_ranges_add(&o->flight, seq, seq);
	if (seq > o->last_sent)
		o->last_sent = seq;
}

/* As ops->live; 0 also: no credit. */
static int send_live(struct gw_deliver *d, struct outgoing *o, const struct gw_reading *r)
{
	int rc = d->in_use < d->window ? d->o.ops->live(d->o.arg, r) : 0;

	if (rc > 0) {
		d->in_use++;
		sent(d, o, r->seq);
	}
	return rc;
}

/* The same; too old for a live one it goes as a replay. */
static int send_newest(struct gw_deliver *d, struct outgoing *o, const struct gw_reading *r, int64_t now_us)
{
	if (is_live(o, r, now_us))
		return send_live(d, o, r);
	if (d->in_use >= d->window || d->o.ops->replay(d->o.arg, &r, 1) == 0)
		return 0;
	d->in_use++;
	sent(d, o, r->seq);
	return 1;
}

/*
 * What each device shows now, before anything else.  With more devices than credits the others wait
 * for acknowledgements, and then it is the newest of that moment.
 */
static bool pump_first(struct gw_deliver *d, int64_t now_us)
{
	for (; d->first_at < d->ndevices; d->first_at++) {
		struct outgoing *o = &d->devices[d->first_at];
		const struct gw_reading *r =
			o->first && !o->parked ? d->o.ops->newest(d->o.arg, (uint16_t)d->first_at) : NULL;

		if (r && gw_ranges_has(&o->due, r->seq) && !gw_ranges_has(&o->flight, r->seq) &&
		    send_newest(d, o, r, now_us) == 0)
			return false;
		o->first = false;
	}
	return true;
}

static bool pump_live(struct gw_deliver *d, int64_t now_us)
{
	while (d->fifo_n) {
		const struct waiting *w = &d->fifo[d->fifo_at];
		struct outgoing *o = &d->devices[w->device];

		if (!o->parked && gw_ranges_has(&o->due, w->seq) && is_live(o, w->r, now_us) &&
		    send_live(d, o, w->r) == 0)
			return false;
		fifo_pop(d);
	}
	return true;
}

void gw_deliver_connected(struct gw_deliver *d, unsigned window, int64_t now_us)
{
	if (d->connected)
		gw_deliver_disconnected(d);
	d->connected = true;
	d->window = window;
	d->tokens_at_us = now_us;
	d->tokens_milli = 0;
	for (size_t i = 0; i < d->ndevices; i++)
		d->devices[i].first = true;
	d->first_at = 0;
	pump_first(d, now_us);
}

/* ---- backlog ---- */

void gw_deliver_drop_rows(struct gw_deliver *d)
{
	if (d->rows)
		gw_rows_free(d->rows);
	free(d->chain);
	free(d->handled);
	d->rows = NULL;
	d->chain = NULL;
	d->handled = NULL;
}

void gw_deliver_rewind(struct gw_deliver *d)
{
	d->next_id = d->low_id;
	d->stale = d->fetching;
}

static bool has_backlog(const struct gw_deliver *d)
{
	return d->due_total - d->parked_due > d->flight_total + d->fifo_n;
}

bool gw_deliver_can_send(const struct gw_deliver *d)
{
	return d->connected && has_backlog(d) && (d->rows || d->low_id < d->end_id);
}

void gw_deliver_committed(struct gw_deliver *d, uint64_t next_id)
{
	gw_loss_committed(d);
	gw_window_committed(d);
	if (next_id)
		d->end_id = next_id;
	if (d->again && d->again_keeping == IN_A_COMMIT) {
		d->again_keeping = KEPT;
		d->end_id = GW_END_UNKNOWN; /* an empty store, too, has to say that it has none of it */
		gw_deliver_rewind(d);
	}
	if (d->fetching || d->rows || d->end_id == GW_END_UNKNOWN)
		return;
	if (d->due_total == 0) {
		gw_deliver_again_ends(d);
		d->low_id = d->next_id = d->end_id;
	} else if (!has_backlog(d) && d->next_id < d->before_id) {
		d->next_id = d->before_id; /* all of it is on its way */
	}
	d->before_id = d->end_id;
}

static bool wanted(const struct gw_deliver *d, const struct gw_reading *r)
{
	const struct outgoing *o = r->device < d->ndevices ? &d->devices[r->device] : NULL;

	return o && !o->parked && gw_ranges_has(&o->due, r->seq) && !gw_ranges_has(&o->flight, r->seq);
}

/* Link the rows of each device in their order. */
static void chain_rows(struct gw_deliver *d)
{
	uint32_t n = (uint32_t)d->rows->n;
	uint32_t *last = malloc((d->ndevices + 1) * sizeof(*last));

	d->chain = malloc((n + 1) * sizeof(*d->chain));
	d->handled = calloc(n + 1, sizeof(*d->handled));
	assert(last && d->chain && d->handled);
	memset(last, 0xff, (d->ndevices + 1) * sizeof(*last));
	for (uint32_t i = 0; i < n; i++) {
		uint16_t device = d->rows->readings[i]->device;

		d->chain[i] = NO_ROW;
		if (device >= d->ndevices)
			continue;
		if (last[device] != NO_ROW)
			d->chain[last[device]] = i;
		last[device] = i;
	}
	d->first = 0;
	free(last);
}

void gw_deliver_rows(struct gw_deliver *d, struct gw_rows *rows)
{
	d->moves++;
	d->fetching = false;
	if (!rows || d->stale || !d->connected) {
		d->stale = false;
		if (rows)
			gw_rows_free(rows);
		return;
	}
	gw_deliver_drop_rows(d);
	gw_doubt_rows(d, rows);
	d->rows = rows;
	d->next_id = rows->next_id;
	if (rows->end)
		d->end_id = rows->next_id;
	chain_rows(d);
	for (size_t i = 0; i < rows->damaged; i++)
		gw_deliver_give_up(d, &(struct gw_giveup){
					      .device = rows->damaged_rows[i].device,
					      .from = rows->damaged_rows[i].seq,
					      .to = rows->damaged_rows[i].seq,
					      .cause = GW_LOSS_DAMAGED, .exact = true });
}

static void fill_tokens(struct gw_deliver *d, int64_t now_us)
{
	int64_t rate = d->o.replay_rate, most = rate * TOKEN_BURST_MS;
	int64_t passed_us = now_us - d->tokens_at_us;

	if (most < 1000)
		most = 1000;
	if (passed_us > 1000000) {
		d->tokens_at_us = now_us;
		d->tokens_milli = most;
		return;
	}
	d->tokens_milli += rate * passed_us / 1000;
	d->tokens_at_us += rate * passed_us / 1000 * 1000 / rate; /* what was too short counts next time */
	if (d->tokens_milli > most)
		d->tokens_milli = most;
}

/* One group: rows of the device of row `i`, at most `most` readings. */
static size_t gather(struct gw_deliver *d, uint32_t i, size_t most, const struct gw_reading **group,
		     uint32_t *rows)
{
	size_t n = 0, bytes = 0;

	for (; i != NO_ROW && n < most; i = d->chain[i]) {
		const struct gw_reading *r = d->rows->readings[i];

		if (d->handled[i])
			continue;
		if (!wanted(d, r)) {
			d->handled[i] = true;
			continue;
		}
		if (bytes + r->size > GROUP_BYTES && n)
			break;
		bytes += r->size;
		rows[n] = i;
		group[n++] = r;
	}
	return n;
}

static size_t most_now(const struct gw_deliver *d)
{
	size_t most = GW_REPLAY_MAX;

	if (d->o.replay_rate > 0 && d->tokens_milli / 1000 < GW_REPLAY_MAX)
		most = (size_t)(d->tokens_milli / 1000);
	return most;
}

bool gw_deliver_has_share(const struct gw_deliver *d)
{
	unsigned share = d->window - d->window / 4;

	return d->in_use < (share ? share : 1);
}

bool gw_deliver_may_send_one(const struct gw_deliver *d)
{
	return most_now(d) > 0;
}

void gw_deliver_sent_one(struct gw_deliver *d)
{
	if (d->o.replay_rate > 0)
		d->tokens_milli -= 1000;
}

/* false: stop for now (credit, rate or the link) */
static bool pump_rows(struct gw_deliver *d)
{
	const struct gw_reading *group[GW_REPLAY_MAX];
	uint32_t rows[GW_REPLAY_MAX];

	while (d->first < d->rows->n) {
		size_t most = most_now(d), n;

		if (!gw_deliver_has_share(d) || most == 0)
			return false;
		n = gather(d, d->first, most, group, rows);
		if (n && d->o.ops->replay(d->o.arg, group, n) == 0)
			return false;
		d->in_use += n > 0;
		if (d->o.replay_rate > 0)
			d->tokens_milli -= (int64_t)n * 1000;
		for (size_t i = 0; i < n; i++) {
			d->handled[rows[i]] = true;
			sent(d, &d->devices[group[i]->device], group[i]->seq);
		}
		while (d->first < d->rows->n && d->handled[d->first])
			d->first++;
	}
	return true;
}

/*
 * The walk is at its end and yet something is due: usually the next commit brings
 * it.  What waited in line while its row was passed by is found by walking again.
 */
static bool walk_again(struct gw_deliver *d, int64_t now_us)
{
	if (d->next_id < d->end_id)
		return true;
	if (now_us - d->walked_us < DRY_US || d->low_id >= d->end_id)
		return false;
	d->walked_us = now_us;
	d->next_id = d->low_id;
	return true;
}

static void ask_for_rows(struct gw_deliver *d, int64_t now_us)
{
	if (d->fetching || !has_backlog(d) || !walk_again(d, now_us))
		return;
	d->fetching = true;
	d->stale = false;
	d->asked_id = d->next_id;
	d->o.ops->fetch(d->o.arg, d->next_id, FETCH_ROWS, FETCH_BYTES);
}

int64_t gw_deliver_pump(struct gw_deliver *d, int64_t now_us)
{
	if (!d->connected)
		return -1;
	if (d->o.replay_rate > 0)
		fill_tokens(d, now_us);
	if (!pump_first(d, now_us) || !pump_live(d, now_us) || !gw_loss_pump(d) || !gw_correction_pump(d))
		return -1;
	if (!gw_window_pump(d))
		return d->o.replay_rate > 0 && most_now(d) == 0 ? 20000 : -1;
	if (d->rows) {
		if (!pump_rows(d))
			return d->o.replay_rate > 0 && most_now(d) == 0 ? 20000 : -1;
		if (d->again && d->again_keeping == KEPT && d->rows->end && d->next_id == d->rows->next_id)
			gw_deliver_again_ends(d);
		gw_deliver_drop_rows(d);
	}
	ask_for_rows(d, now_us);
	return has_backlog(d) ? 1000000 : -1;
}
