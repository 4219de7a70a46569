/*
 * sim_line.h - a serial line inside a test, in simulated time: devices at settings of
 * their own, noise, an adapter that echoes or hands bytes over late, another master.
 *
 * What makes it a line: everybody's characters take their time, and those that overlap
 * are spoilt for all.  A device takes a request that came whole, at its speed and parity, with
 * 3.5 characters of silence before it.  Who listens at other settings hears other bytes.
 */
#ifndef SIM_LINE_H
#define SIM_LINE_H

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "plugins/modbus/rtu.h"
#include "plugins/modbus/scan.h"

enum { SIM_DEVICES = 250, SIM_BYTES = 4096, SIM_REQUEST = 8, SIM_OPEN_US = 5000 };

struct sim_device {
	struct mb_serial serial;
	unsigned unit;
	int64_t latency_us;
	bool refuses;     /* exception 2 */
	bool lenient;     /* takes requests of any parity */
	unsigned answers; /* it has given */
};

struct sim {
	uint64_t seed;
	int64_t now_us;
	struct mb_serial at; /* setting of the port */
	bool open, lost;
	struct sim_device devices[SIM_DEVICES];
	unsigned ndevices;

	bool echoes;
	int64_t latch_us;     /* the adapter hands bytes over at multiples of this; 0: at once */
	int64_t noise_us;     /* a stray byte about so often; 0: none */
	int64_t next_noise_us;
	/* another master asks a device of its own that often */
	int64_t master_us, next_master_us;
	struct sim_device slave;
	/* what looks like his answer is on the line once, the next time it is opened at his setting;
	 * unit 0: nobody's */
	struct sim_device ghost;

	struct {
		int64_t from_us, to_us; /* on the line */
		uint8_t byte;
		bool ours;
	} bytes[SIM_BYTES]; /* ascending by to_us */
	unsigned nbytes;
	int64_t busy_until_us;     /* the end of our last request */
	unsigned requests, writes; /* writes: requests that are not reads */
	unsigned opened;
};

static inline uint64_t sim_random(struct sim *s)
{
	s->seed ^= s->seed << 13;
	s->seed ^= s->seed >> 7;
	s->seed ^= s->seed << 17;
	return s->seed;
}

static inline unsigned sim_below(struct sim *s, unsigned n)
{
	return (unsigned)(sim_random(s) >> 33) % n;
}

/* ---- bytes on the line ---- */

static inline void sim_spoil(struct sim *s, unsigned i)
{
	s->bytes[i].byte ^= (uint8_t)(1 + sim_below(s, 255));
}

/* Puts a byte on the line; true: it met another. */
static inline bool sim_put(struct sim *s, int64_t from_us, int64_t to_us, uint8_t byte, bool ours)
{
	unsigned at = s->nbytes;
	bool met = false;

	if (s->nbytes == SIM_BYTES)
		abort();
	for (unsigned i = 0; i < s->nbytes; i++)
		if (s->bytes[i].from_us < to_us && from_us < s->bytes[i].to_us && s->bytes[i].ours != ours) {
			sim_spoil(s, i);
			met = true;
		}
	while (at && s->bytes[at - 1].to_us > to_us) {
		s->bytes[at] = s->bytes[at - 1];
		at--;
	}
	s->bytes[at].from_us = from_us;
	s->bytes[at].to_us = to_us;
	s->bytes[at].byte = byte;
	s->bytes[at].ours = ours;
	s->nbytes++;
	if (met)
		sim_spoil(s, at);
	return met;
}

/* Somebody else speaks; at another setting than ours other bytes are heard. */
static inline void sim_say(struct sim *s, const struct mb_serial *serial, int64_t from_us, const uint8_t *bytes,
			   size_t n)
{
	bool same = mb_serial_same(serial, &s->at);
	int64_t end_us = from_us + mb_serial_bytes_us(serial, n), each_us;
	size_t count = n;

	if (!same && serial->baud != s->at.baud)
		count = (size_t)((end_us - from_us) / mb_serial_bytes_us(&s->at, 1)) + 1;
	each_us = (end_us - from_us) / (int64_t)count;
	for (size_t i = 0; i < count; i++)
		sim_put(s, from_us + (int64_t)i * each_us, from_us + (int64_t)(i + 1) * each_us,
			same ? bytes[i] : (uint8_t)sim_random(s), false);
}

static inline size_t sim_seal(uint8_t *frame, size_t n)
{
	uint16_t crc = mb_crc16(frame, n);

	frame[n] = (uint8_t)crc;
	frame[n + 1] = (uint8_t)(crc >> 8);
	return n + 2;
}

static inline void sim_answer(struct sim *s, struct sim_device *d, const uint8_t *request, int64_t at_us)
{
	uint8_t data[] = { (uint8_t)d->unit, request[1], 2, 0x12, (uint8_t)d->unit, 0, 0 };
	uint8_t refusal[] = { (uint8_t)d->unit, request[1] | 0x80, 2, 0, 0 };

	d->answers++;
	if (d->refuses)
		sim_say(s, &d->serial, at_us + d->latency_us, refusal, sim_seal(refusal, 3));
	else
		sim_say(s, &d->serial, at_us + d->latency_us, data, sim_seal(data, 5));
}

static inline bool sim_hears(const struct sim *s, const struct sim_device *d)
{
	return d->serial.baud == s->at.baud && (d->lenient || d->serial.parity == s->at.parity);
}

/* ---- what happens by itself ---- */

static inline void sim_master_asks(struct sim *s)
{
	uint8_t frame[SIM_REQUEST] = { (uint8_t)s->slave.unit, 3, 0, 0x10, 0, 1 };
	int64_t end_us;

	sim_say(s, &s->slave.serial, s->next_master_us, frame, sim_seal(frame, 6));
	end_us = s->next_master_us + mb_serial_bytes_us(&s->slave.serial, SIM_REQUEST);
	sim_answer(s, &s->slave, frame, end_us);
	s->next_master_us += s->master_us;
}

static inline void sim_hiss(struct sim *s)
{
	sim_put(s, s->next_noise_us, s->next_noise_us + mb_serial_bytes_us(&s->at, 1), (uint8_t)sim_random(s),
		false);
	s->next_noise_us += 1 + (int64_t)sim_below(s, (unsigned)(2 * s->noise_us));
}

/* One thing that begins before that time; false: none does. */
static inline bool sim_happen(struct sim *s, int64_t until_us)
{
	bool asks = s->master_us && s->next_master_us < until_us;
	bool hisses = s->noise_us && s->next_noise_us < until_us;

	if (asks)
		sim_master_asks(s);
	else if (hisses)
		sim_hiss(s);
	return asks || hisses;
}

/* Nobody waits for what is past. */
static inline void sim_forget(struct sim *s, unsigned n)
{
	s->nbytes -= n;
	memmove(s->bytes, s->bytes + n, s->nbytes * sizeof(s->bytes[0]));
}

/* ---- the wire ---- */

static inline int sim_open(void *arg, const struct mb_serial *serial, struct gw_err *err)
{
	struct sim *s = arg;

	if (s->lost)
		return gw_err_set(err, GW_EIO, "no such port");
	s->open = true;
	s->opened++;
	s->at = *serial;
	s->nbytes = 0;
	s->now_us += SIM_OPEN_US;
	/* Who has spoken meanwhile was not heard. */
	while (s->master_us && s->next_master_us < s->now_us)
		s->next_master_us += s->master_us;
	while (s->noise_us && s->next_noise_us < s->now_us)
		s->next_noise_us += s->noise_us;
	if (s->ghost.unit && mb_serial_same(&s->ghost.serial, serial)) {
		sim_answer(s, &s->ghost, (const uint8_t[]){ 0, 3 }, s->now_us);
		s->ghost.unit = 0;
	}
	return 0;
}

static inline void sim_close(void *arg)
{
	((struct sim *)arg)->open = false;
}

/* The end of what is on the line before from_us. */
static inline int64_t sim_last_us(const struct sim *s, int64_t from_us)
{
	int64_t last_us = s->busy_until_us;

	for (unsigned i = 0; i < s->nbytes; i++)
		if (s->bytes[i].from_us < from_us && s->bytes[i].to_us > last_us)
			last_us = s->bytes[i].to_us;
	return last_us;
}

static inline int sim_send(void *arg, const uint8_t *bytes, size_t n)
{
	struct sim *s = arg;
	int64_t from_us = s->now_us, end_us = from_us + mb_serial_bytes_us(&s->at, n);
	bool met = false, silent;

	if (s->lost || !s->open)
		return -1;
	s->requests++;
	s->writes += n != SIM_REQUEST || bytes[1] < 1 || bytes[1] > 4;
	while (sim_happen(s, end_us))
		;
	silent = from_us - sim_last_us(s, from_us) >= mb_serial_gap_us(&s->at);
	for (size_t i = 0; i < n; i++)
		met |= sim_put(s, from_us + mb_serial_bytes_us(&s->at, i),
			       from_us + mb_serial_bytes_us(&s->at, i + 1), bytes[i], true);
	s->busy_until_us = end_us;
	for (unsigned i = 0; i < s->ndevices && silent && !met; i++)
		if (s->devices[i].unit == bytes[0] && sim_hears(s, &s->devices[i]))
			sim_answer(s, &s->devices[i], bytes, end_us);
	return 0;
}

static inline int64_t sim_seen_us(const struct sim *s, unsigned i)
{
	int64_t at_us = s->bytes[i].to_us;

	return s->latch_us ? (at_us + s->latch_us - 1) / s->latch_us * s->latch_us : at_us;
}

/* The first byte that the port will hand over; our own come back from an adapter that echoes only. */
static inline int64_t sim_next_us(const struct sim *s)
{
	for (unsigned i = 0; i < s->nbytes; i++)
		if (!s->bytes[i].ours || s->echoes)
			return sim_seen_us(s, i);
	return INT64_MAX;
}

static inline int sim_listen(void *arg, uint8_t *buf, size_t size, int64_t until_us)
{
	struct sim *s = arg;
	unsigned used = 0;
	size_t n = 0;

	if (s->lost)
		return -1;
	while (sim_happen(s, sim_next_us(s) < until_us ? sim_next_us(s) : until_us))
		;
	if (sim_next_us(s) <= until_us && sim_next_us(s) > s->now_us)
		s->now_us = sim_next_us(s);
	for (; used < s->nbytes && n < size && sim_seen_us(s, used) <= s->now_us; used++)
		if (!s->bytes[used].ours || s->echoes)
			buf[n++] = s->bytes[used].byte;
	sim_forget(s, used);
	if (!n && s->now_us < until_us)
		s->now_us = until_us;
	return (int)n;
}

static inline void sim_flush(void *arg)
{
	struct sim *s = arg;
	unsigned used = 0;

	while (used < s->nbytes && sim_seen_us(s, used) <= s->now_us)
		used++;
	sim_forget(s, used);
}

static inline int64_t sim_now_us(void *arg)
{
	return ((struct sim *)arg)->now_us;
}

static inline void sim_begin(struct sim *s, uint64_t seed)
{
	*s = (struct sim){ .seed = seed * 0x9e3779b97f4a7c15 + 1, .now_us = 1000000 };
	for (int i = 0; i < 8; i++)
		sim_random(s);
}

static inline struct sim_device *sim_add(struct sim *s, unsigned baud, enum mb_parity parity, unsigned unit,
					 int64_t latency_us)
{
	struct sim_device *d = &s->devices[s->ndevices++];

	*d = (struct sim_device){ .serial = mb_serial_default, .unit = unit, .latency_us = latency_us };
	d->serial.baud = baud;
	d->serial.parity = parity;
	return d;
}

static inline struct mb_scan_wire sim_wire(struct sim *s)
{
	return (struct mb_scan_wire){ s, sim_open, sim_close, sim_send, sim_listen, sim_flush, sim_now_us };
}

#endif
