#include "plugins/modbus/scan.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "gatewayd/loop.h"
#include "gatewayd/reading.h"
#include "plugins/modbus/rtu.h"
#include "plugins/modbus/scan_private.h"

enum {
	SETTINGS_PARITIES = 3,
	FEW = 10,        /* units tried at every setting first: what devices come with */
	SLOW_BAUD = 4800, /* below it all 247 units take too long */
	WAIT_US = 200000,
	REST_US = 3000, /* least silence between frames: adapters merge what is closer */
};

/* In the order of likelihood. */
static const unsigned bauds[] = { 9600, 19200, 115200, 38400, 57600, 4800, 2400, 1200 };
static const enum mb_parity parities[] = { MB_PARITY_NONE, MB_PARITY_EVEN, MB_PARITY_ODD };
enum { BAUDS = sizeof(bauds) / sizeof(bauds[0]) };

struct hunt {
	struct mb_scan *s;
	const struct mb_scan_options *o;
	struct mb_client *c;
	struct mb_url url; /* with the setting being tried */
	int64_t wait_us;
	unsigned done, todo; /* for the progress */
	char doing[48];
};

/* ---- units ---- */

static bool is_found(const struct mb_scan *s, unsigned unit)
{
	for (unsigned i = 0; i < s->count; i++)
		if (s->found[i].unit == unit)
			return true;
	return false;
}

void mb_scan_found(struct mb_scan *s, unsigned unit, const struct mb_frame *f)
{
	unsigned at = s->count;

	if (is_found(s, unit) || s->count == MB_SCAN_UNITS_MAX)
		return;
	while (at && s->found[at - 1].unit > unit) {
		s->found[at] = s->found[at - 1];
		at--;
	}
	s->found[at].unit = (uint8_t)unit;
	if (f->verdict == MB_DATA)
		snprintf(s->found[at].what, sizeof(s->found[at].what), "0x%02x%02x", f->data[0], f->data[1]);
	else
		snprintf(s->found[at].what, sizeof(s->found[at].what), "exception %u", f->exception);
	s->count++;
}

struct mb_query mb_scan_query(const struct mb_scan_options *o, unsigned unit)
{
	return (struct mb_query){ .unit = (uint8_t)unit, .function = (uint8_t)o->function,
				  .address = (uint16_t)o->address, .count = 1 };
}

static void show(struct hunt *h)
{
	char text[64];

	if (!h->s->progress)
		return;
	snprintf(text, sizeof(text), "%s, %u found", h->doing, h->s->count);
	h->s->progress(h->s->arg, text, h->todo ? h->done * 100 / h->todo : 0);
}

/* ---- one burst on a serial line ---- */

static int64_t rest_us(const struct hunt *h)
{
	int64_t gap_us = mb_serial_gap_us(&h->url.serial);

	return gap_us > REST_US ? gap_us : REST_US;
}

/* Everything until the line is silent again. */
static size_t hear_out(struct hunt *h, uint8_t *buf, size_t fill, size_t size)
{
	int64_t quiet_us = 30000 + mb_serial_bytes_us(&h->url.serial, 5);
	int n = 1;

	while (n > 0 && fill < size) {
		n = mb_client_listen(h->c, buf + fill, size - fill, gw_now_us() + quiet_us);
		fill += n > 0 ? (size_t)n : 0;
	}
	return fill;
}

/* Answers among the bytes; true: at least one, of a unit that was asked. */
static bool recognise(struct hunt *h, const uint8_t *buf, size_t n, const uint8_t *units, unsigned count)
{
	bool any = false;

	for (unsigned i = 0; i < count; i++) {
		struct mb_query q = mb_scan_query(h->o, units[i]);
		struct mb_rtu rtu = { 0 };
		struct mb_frame f = mb_rtu_parse(&rtu, buf, n, &q);
		size_t at = 0;

		while (f.verdict == MB_OTHER) {
			at += f.size;
			f = mb_rtu_parse(&rtu, buf + at, n - at, &q);
		}
		if (f.verdict != MB_DATA && f.verdict != MB_EXCEPTION)
			continue;
		mb_scan_found(h->s, units[i], &f);
		any = true;
	}
	return any;
}

/* Is all that was heard what we sent?  Adapters that hear themselves give it back. */
static bool is_echo(const uint8_t *heard, size_t n, const uint8_t *sent, size_t m)
{
	return n <= m && memcmp(heard, sent, n) == 0;
}

struct burst {
	const uint8_t *units;
	unsigned count, asked; /* how many were asked before bytes came */
	uint8_t heard[1024];
	size_t fill;
};

/* Ask each unit in turn until somebody is heard; then listen until it is silent. */
static bool fire(struct hunt *h, struct burst *b)
{
	uint8_t frame[MB_RTU_MAX], sent[2048];
	size_t nsent = 0;
	int n = 0;

	b->fill = 0;
	mb_client_flush(h->c);
	for (b->asked = 0; b->asked < b->count; b->asked++) {
		struct mb_query q = mb_scan_query(h->o, b->units[b->asked]);
		size_t size = mb_rtu_build(frame, &q);
		bool last = b->asked + 1 == b->count;
		int64_t until_us = gw_now_us() + mb_serial_bytes_us(&h->url.serial, size) +
				   (last ? h->wait_us : rest_us(h));

		if (mb_client_send(h->c, frame, size))
			return false;
		if (nsent + size <= sizeof(sent))
			memcpy(sent + nsent, frame, size);
		nsent += size;
		do {
			n = mb_client_listen(h->c, b->heard + b->fill, sizeof(b->heard) - b->fill, until_us);
			b->fill += n > 0 ? (size_t)n : 0;
		} while (n > 0 && is_echo(b->heard, b->fill, sent, nsent) && b->fill < sizeof(b->heard));
		if (b->fill && !is_echo(b->heard, b->fill, sent, nsent))
			break;
		if (n < 0)
			return false;
		b->fill = 0;
		nsent = 0;
	}
	b->asked += b->asked < b->count;
	if (b->fill)
		b->fill = hear_out(h, b->heard, b->fill, sizeof(b->heard));
	return true;
}

/* Who of these is there?  false: the port is gone. */
static bool ask_units(struct hunt *h, const uint8_t *units, unsigned count)
{
	while (count) {
		struct burst b = { .units = units, .count = count };
		bool understood;

		if (!fire(h, &b))
			return false;
		if (!b.fill)
			break;
		understood = recognise(h, b.heard, b.fill, units, b.asked);
		if (!understood && b.asked == 1) {
			h->s->noise = true;
			snprintf(h->s->noise_at, sizeof(h->s->noise_at), " at %u baud", h->url.serial.baud);
		} else if (!understood) {
			/* Answers and questions met: half of them at a time, then they do not. */
			if (!ask_units(h, units, b.asked / 2) ||
			    !ask_units(h, units + b.asked / 2, b.asked - b.asked / 2))
				return false;
		}
		units += b.asked;
		count -= b.asked;
		h->done += b.asked;
		show(h);
	}
	h->done += count;
	return true;
}

/* ---- settings ---- */

struct setting {
	unsigned baud;
	enum mb_parity parity;
};

static int try_setting(struct hunt *h, const struct setting *t, unsigned from, unsigned to,
		       struct gw_err *err)
{
	uint8_t units[MB_UNIT_MAX];
	unsigned n = 0;
	bool open;

	h->url.serial.baud = t->baud;
	h->url.serial.parity = t->parity;
	for (unsigned u = from; u <= to; u++)
		if (!is_found(h->s, u))
			units[n++] = (uint8_t)u;
	if (mb_client_open(&h->c, &h->url, 1000000, err))
		return -1;
	snprintf(h->doing, sizeof(h->doing), "%u baud, parity %c, units %u to %u", t->baud,
		 "NEO"[t->parity], from, to);
	show(h);
	open = ask_units(h, units, n);
	mb_client_close(h->c);
	h->s->serial = h->url.serial;
	return open ? 0 : gw_err_set(err, GW_EIO, "%s: the port does not work any more", h->url.text);
}

static struct setting setting(unsigned i)
{
	return (struct setting){ bauds[i / SETTINGS_PARITIES], parities[i % SETTINGS_PARITIES] };
}

/* The usual units at every setting, then the others where there is time. */
static int hunt_settings(struct hunt *h, struct setting *found, struct gw_err *err)
{
	for (unsigned round = 0; round < 2; round++)
		for (unsigned i = 0; i < BAUDS * SETTINGS_PARITIES && !h->s->count; i++) {
			struct setting t = setting(i);

			if (round && t.baud < SLOW_BAUD && !h->o->all)
				continue;
			*found = t;
			if (try_setting(h, &t, round ? FEW + 1 : 1, round ? MB_UNIT_MAX : FEW, err))
				return -1;
		}
	return 0;
}

static int scan_port(struct mb_scan *s, const struct mb_url *url, const struct mb_scan_options *o,
		     struct gw_err *err)
{
	struct hunt h = { .s = s, .o = o, .url = *url, .wait_us = o->wait_us ? o->wait_us : WAIT_US,
			  .todo = BAUDS * SETTINGS_PARITIES * FEW + 18 * (MB_UNIT_MAX - FEW) };
	struct setting found;
	unsigned before;

	if (o->all)
		h.wait_us *= 2;
	if (hunt_settings(&h, &found, err))
		return -1;
	/* Its neighbours; again as long as that finds more, since answers may have been missed. */
	for (before = 0; s->count > before;) {
		before = s->count;
		h.done = 0;
		h.todo = MB_UNIT_MAX;
		h.url = *url;
		if (try_setting(&h, &found, 1, MB_UNIT_MAX, err))
			return -1;
	}
	return 0;
}

int mb_scan_run(struct mb_scan *s, const struct mb_url *url, const struct mb_scan_options *o,
		struct gw_err *err)
{
	return url->scheme == MB_RTU ? scan_port(s, url, o, err) : mb_scan_network(s, url, o, err);
}
