/*
 * A serial line whose settings nobody knows: the steps of scan_order.h, until somebody
 * answers; then the units of that setting that have not been asked yet.
 */
#include <stdio.h>
#include <string.h>

#include "plugins/modbus/scan_order.h"
#include "plugins/modbus/scan_sweep.h"

enum {
	WAIT_US = 200000,
	LISTEN_US = 1200000, /* a master asks something within this time */
	PARITIES = 3,
};

struct hunt {
	struct mb_scan *s;
	const struct mb_scan_wire *wire;
	const struct mb_scan_options *o;
	const char *name;
	int64_t wait_us, begun_us, todo_us; /* todo: what the steps before the end cost */
	struct mb_sweep sweep;              /* of the setting being tried */
	bool overheard;                     /* every setting has been listened to */
	unsigned steps, given_up;
	char doing[48];
	bool asked[MB_SCAN_SETTINGS_MAX][MB_UNIT_MAX + 1];
	bool hinted[MB_SCAN_SETTINGS_MAX / PARITIES]; /* at this speed */
};

static bool next_step(const struct hunt *h, unsigned i, struct mb_scan_step *t)
{
	bool any = mb_scan_step(i, t);

	if (any && h->o->stop_bits)
		t->serial.stop_bits = h->o->stop_bits;
	return any;
}

/* ---- what it is doing ---- */

static void show(void *arg)
{
	struct hunt *h = arg;
	int64_t spent_us = h->wire->now_us(h->wire->arg) - h->begun_us;
	char text[64];

	if (!h->s->progress)
		return;
	snprintf(text, sizeof(text), "%s, %u found", h->doing, h->s->count);
	h->s->progress(h->s->arg, text, (unsigned)(spent_us < h->todo_us ? spent_us * 100 / h->todo_us : 99));
}

static int64_t all_steps_us(const struct hunt *h)
{
	struct mb_scan_step t;
	int64_t us = 0;

	for (unsigned i = 0; next_step(h, i, &t); i++)
		us += mb_scan_step_us(&t, h->wait_us);
	return us;
}

/* ---- one setting ---- */

static int settle(struct hunt *h, const struct mb_serial *serial)
{
	struct mb_scan *s = h->s;

	for (unsigned i = 0; i < s->nsettings; i++)
		if (mb_serial_same(&s->settings[i], serial))
			return (int)i;
	s->settings[s->nsettings] = *serial;
	return (int)s->nsettings++;
}

/* Ask again, alone: only who answers this too is there. */
static int confirm(struct hunt *h, unsigned unit)
{
	struct mb_frame f;
	int there = mb_sweep_confirm(&h->sweep, unit, &f);

	if (there > 0)
		mb_scan_found(h->s, (unsigned)settle(h, &h->sweep.serial), unit, &f);
	return there;
}

static void note_strangers(struct hunt *h, const struct mb_scan_step *t)
{
	if (h->sweep.garbled && !h->s->garbled.serial.baud)
		h->s->garbled = (struct mb_scan_heard){ t->serial, h->sweep.garbled };
	if (mb_sweep_has_master(&h->sweep))
		h->s->master = (struct mb_scan_heard){ t->serial, h->sweep.stranger };
}

static int ask(struct hunt *h, const struct mb_scan_step *t, const uint8_t *units, unsigned n)
{
	int there = 0;

	if (mb_sweep_units(&h->sweep, units, n))
		return -1;
	for (unsigned u = 1; u <= MB_UNIT_MAX && there >= 0; u++)
		there = h->sweep.answered[u] ? confirm(h, u) : 0;
	for (unsigned i = 0; i < n; i++)
		h->asked[t->setting][units[i]] = true;
	note_strangers(h, t);
	return there < 0 ? -1 : 0;
}

static int open_line(struct hunt *h, const struct mb_scan_step *t, struct gw_err *err)
{
	static const char letters[] = { 'N', 'E', 'O' };

	h->sweep = (struct mb_sweep){ .wire = h->wire, .o = h->o, .serial = t->serial, .wait_us = h->wait_us,
				      .progress = show, .arg = h };
	snprintf(h->doing, sizeof(h->doing), "%u baud, parity %c, units %u to %u", t->serial.baud,
		 letters[t->serial.parity], t->from, t->to);
	show(h);
	return h->wire->open(h->wire->arg, &t->serial, err);
}

/* The units of a step that have not been asked at this setting yet. */
static int try_step(struct hunt *h, const struct mb_scan_step *t, struct gw_err *err)
{
	uint8_t units[MB_UNIT_MAX];
	unsigned n = 0;
	int code;

	for (unsigned u = t->from; u <= t->to; u++)
		if (!h->asked[t->setting][u])
			units[n++] = (uint8_t)u;
	if (!n)
		return 0;
	if (open_line(h, t, err))
		return -1;
	code = ask(h, t, units, n);
	h->wire->close(h->wire->arg);
	return code ? gw_err_set(err, GW_EIO, "%s: the port does not work any more", h->name) : 0;
}

/* All the others; and once more where something stood in the way. */
static int complete(struct hunt *h, const struct mb_scan_step *t, struct gw_err *err)
{
	struct mb_scan_step all = *t;
	bool disturbed = h->sweep.disturbed;

	all.from = 1;
	all.to = MB_UNIT_MAX;
	if (try_step(h, &all, err))
		return -1;
	if (!disturbed && !h->sweep.disturbed)
		return 0;
	for (unsigned u = 1; u <= MB_UNIT_MAX; u++)
		h->asked[t->setting][u] = false;
	for (unsigned i = 0; i < h->s->count; i++)
		if (mb_serial_same(&h->s->settings[h->s->found[i].setting], &t->serial))
			h->asked[t->setting][h->s->found[i].unit] = true;
	return try_step(h, &all, err);
}

/* ---- hints ---- */

/* Some devices do not look at the parity bit of a request.  Such an answer is garbled here, but
 * at this speed and another parity it may be whole. */
static int follow_hint(struct hunt *h, const struct mb_scan_step *t, unsigned unit, struct mb_scan_step *where,
		       struct gw_err *err)
{
	unsigned base = t->setting / PARITIES * PARITIES;
	int there = 0;

	for (unsigned p = 0; p < PARITIES && !there; p++) {
		*where = *t;
		where->setting = base + p;
		where->serial.parity = (enum mb_parity)p;
		if (where->setting == t->setting)
			continue;
		if (open_line(h, where, err))
			return -1;
		there = confirm(h, unit);
		h->wire->close(h->wire->arg);
	}
	if (there < 0)
		return gw_err_set(err, GW_EIO, "%s: the port does not work any more", h->name);
	return 0;
}

static bool has_hint(struct hunt *h, const struct mb_scan_step *t)
{
	bool *hinted = &h->hinted[t->setting / PARITIES];
	bool hint = h->sweep.garbled && !h->sweep.spoken && !h->s->master.serial.baud && !*hinted;

	*hinted |= hint;
	return hint;
}

static int take_step(struct hunt *h, const struct mb_scan_step *t, struct gw_err *err)
{
	unsigned before = h->s->count;
	struct mb_scan_step where = *t;

	if (try_step(h, t, err))
		return -1;
	h->steps++;
	h->given_up += h->sweep.given_up;
	if (h->s->count == before && has_hint(h, t) && follow_hint(h, t, h->sweep.garbled, &where, err))
		return -1;
	return h->s->count > before ? complete(h, &where, err) : 0;
}

/* ---- listening ---- */

/* One setting, without a word. */
static int overhear(struct hunt *h, const struct mb_scan_step *t, struct gw_err *err)
{
	int code;

	if (open_line(h, t, err))
		return -1;
	snprintf(h->doing, sizeof(h->doing), "%u baud, listening", t->serial.baud);
	code = mb_sweep_listen(&h->sweep, LISTEN_US);
	h->wire->close(h->wire->arg);
	note_strangers(h, t);
	return code ? gw_err_set(err, GW_EIO, "%s: the port does not work any more", h->name) : 0;
}

/* Somebody speaks: at which setting is it Modbus?  Nothing is asked meanwhile, for the line is in
 * use. */
static int overhear_all(struct hunt *h, struct gw_err *err)
{
	struct mb_scan_step t;

	h->overheard = true;
	for (unsigned i = 0; i < MB_SCAN_SETTINGS_MAX && next_step(h, i, &t) && !h->s->master.serial.baud; i++)
		if (overhear(h, &t, err))
			return -1;
	return 0;
}

static int listen_first(struct hunt *h, struct gw_err *err)
{
	struct mb_scan_step t;

	next_step(h, 0, &t);
	if (overhear(h, &t, err))
		return -1;
	return h->sweep.spoken && !h->s->master.serial.baud ? overhear_all(h, err) : 0;
}

/* Most of the settings could not be searched; a master would have been heard. */
static bool is_restless(const struct hunt *h)
{
	return h->steps >= MB_SCAN_SETTINGS_MAX && h->given_up * 2 > h->steps;
}

static int step_and_listen(struct hunt *h, const struct mb_scan_step *t, struct gw_err *err)
{
	bool spoken;

	if (take_step(h, t, err))
		return -1;
	h->s->restless = is_restless(h);
	spoken = h->sweep.spoken && !h->overheard && !h->s->master.serial.baud && !h->s->count;
	return spoken ? overhear_all(h, err) : 0;
}

int mb_scan_serial(struct mb_scan *s, const struct mb_scan_wire *wire, const char *name,
		   const struct mb_scan_options *o, struct gw_err *err)
{
	struct hunt h = { .s = s, .wire = wire, .o = o, .name = name, .wait_us = o->wait_us ? o->wait_us : WAIT_US,
			  .begun_us = wire->now_us(wire->arg) };
	struct mb_scan_step t;

	h.todo_us = LISTEN_US + all_steps_us(&h);
	if (listen_first(&h, err))
		return -1;
	for (unsigned i = 0; next_step(&h, i, &t) && !s->master.serial.baud && !s->restless; i++) {
		if (step_and_listen(&h, &t, err))
			return -1;
		if (s->count && !o->all)
			break;
	}
	return 0;
}
