#include "plugins/modbus/tool_client.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gatewayd/loop.h"
#include "gatewayd/reading.h"
#include "plugins/modbus/rtu.h"
#include "plugins/modbus/wire.h"

enum { HEADER = 6, CRC = 2, BUFFER = 2048, EXCEPTION_FLAG = 0x80 };

struct mb_client {
	struct gw_loop *loop;
	struct mb_url url;
	const struct mb_wire_ops *ops;
	struct mb_wire *wire;
	int64_t timeout_us, free_us; /* free_us: when a serial line has been silent for long enough */
	bool open, settled; /* settled: the attempt to open has an outcome */
	uint16_t transaction;
	struct mb_rtu rtu;
	char why[sizeof(((struct gw_err *)0)->msg)];
	size_t fill;
	uint8_t buf[BUFFER];
};

/* ---- the wire's events ---- */

static void on_up(void *arg)
{
	struct mb_client *c = arg;

	c->open = c->settled = true;
}

static void on_down(void *arg, const char *why)
{
	struct mb_client *c = arg;

	snprintf(c->why, sizeof(c->why), "%s", why);
	c->open = false;
	c->settled = true;
}

static void on_bytes(void *arg, const uint8_t *bytes, size_t n)
{
	struct mb_client *c = arg;

	/* More than that is nobody's answer: the newest is what counts. */
	if (n > sizeof(c->buf) - c->fill)
		c->fill = 0;
	n = n > sizeof(c->buf) ? sizeof(c->buf) : n;
	memcpy(c->buf + c->fill, bytes, n);
	c->fill += n;
}

static const struct mb_wire_events events = { on_up, on_down, on_bytes };

/* One turn of the loop; false: the time is up. */
static bool turn(struct mb_client *c, int64_t until_us)
{
	int64_t now_us = gw_now_us();
	struct gw_err err;

	if (now_us >= until_us)
		return false;
	return gw_loop_turn(c->loop, until_us - now_us, &err) >= 0;
}

/* ---- open and close ---- */

static bool is_rtu(const struct mb_client *c)
{
	return c->url.scheme != MB_TCP;
}

int mb_client_reopen(struct mb_client *c, struct gw_err *err)
{
	int64_t until_us = gw_now_us() + c->timeout_us + 1000 * 1000;

	c->ops->close(c->wire);
	c->open = c->settled = false;
	c->fill = 0;
	c->rtu = (struct mb_rtu){ 0 };
	snprintf(c->why, sizeof(c->why), "no answer");
	c->ops->open(c->wire, c->timeout_us);
	while (!c->settled && turn(c, until_us))
		;
	if (c->open)
		return 0;
	c->ops->close(c->wire);
	return gw_err_set(err, GW_EIO, "%s: %s", c->url.text, c->why);
}

int mb_client_open(struct mb_client **out, const struct mb_url *url, int64_t timeout_us,
		   struct gw_err *err)
{
	struct mb_client *c = calloc(1, sizeof(*c));

	if (!c)
		return gw_err_sys(err, ENOMEM, "%s", url->text);
	c->url = *url;
	c->ops = url->scheme == MB_RTU ? &mb_port : &mb_tcp;
	c->timeout_us = timeout_us;
	c->transaction = (uint16_t)gw_now_us();
	if (gw_loop_new(&c->loop, err) == 0)
		c->wire = c->ops->make(c->loop, &c->url, &events, c, err);
	if (!c->wire || mb_client_reopen(c, err)) {
		mb_client_close(c);
		return -1;
	}
	*out = c;
	return 0;
}

void mb_client_close(struct mb_client *c)
{
	if (!c)
		return;
	if (c->wire)
		c->ops->free(c->wire);
	gw_loop_free(c->loop);
	free(c);
}

bool mb_client_is_open(const struct mb_client *c)
{
	return c->open;
}

const struct mb_url *mb_client_url(const struct mb_client *c)
{
	return &c->url;
}

/* ---- bytes ---- */

static void lose(struct mb_client *c)
{
	c->ops->close(c->wire);
	c->open = false;
}

int mb_client_send(struct mb_client *c, const uint8_t *bytes, size_t n)
{
	if (c->open && c->ops->send(c->wire, bytes, n) == 0)
		return 0;
	lose(c);
	return -1;
}

int mb_client_listen(struct mb_client *c, uint8_t *buf, size_t size, int64_t until_us)
{
	size_t n;

	while (c->open && !c->fill && turn(c, until_us))
		;
	if (!c->fill)
		return c->open ? 0 : -1;
	n = c->fill < size ? c->fill : size;
	memcpy(buf, c->buf, n);
	c->fill -= n;
	memmove(c->buf, c->buf + n, c->fill);
	return (int)n;
}

void mb_client_flush(struct mb_client *c)
{
	if (c->open)
		c->ops->flush(c->wire);
	c->fill = 0;
}

/* ---- one request, one answer ---- */

/* What the bytes so far say; `judge` looks at them and takes off what it has judged. */
struct asking {
	struct mb_query query; /* reading */
	uint8_t unit, function;
	uint8_t *answer;
	size_t *size;
	bool (*judge)(struct mb_client *c, struct asking *a, unsigned *reason);
	bool misfit;
};

static void drop(struct mb_client *c, size_t n)
{
	c->fill -= n;
	memmove(c->buf, c->buf + n, c->fill);
}

static int prepare(struct mb_client *c)
{
	struct gw_err err;

	if (!c->open && mb_client_reopen(c, &err))
		return -1;
	while (is_rtu(c) && turn(c, c->free_us))
		;
	mb_client_flush(c);
	mb_rtu_begin(&c->rtu);
	return 0;
}

static unsigned silence(const struct mb_client *c, const struct asking *a)
{
	if (is_rtu(c) && c->rtu.garbled)
		return GW_CRC;
	return a->misfit ? GW_PROTOCOL : GW_TIMEOUT;
}

static unsigned exchange(struct mb_client *c, const uint8_t *frame, size_t n, struct asking *a)
{
	int64_t on_wire_us = is_rtu(c) ? mb_serial_bytes_us(&c->url.serial, n + MB_RTU_MAX) : 0;
	int64_t until_us = gw_now_us() + c->timeout_us + on_wire_us;
	unsigned reason = GW_TIMEOUT;

	if (mb_client_send(c, frame, n))
		return GW_NO_CONNECTION;
	for (;;) {
		size_t before;

		if (c->fill && a->judge(c, a, &reason))
			break;
		before = c->fill;
		while (c->open && c->fill == before && turn(c, until_us))
			;
		if (c->fill != before)
			continue;
		reason = c->open ? silence(c, a) : GW_NO_CONNECTION;
		/* A late answer must not meet the next request. */
		if (!is_rtu(c))
			lose(c);
		break;
	}
	c->free_us = gw_now_us() + mb_serial_gap_us(&c->url.serial);
	return reason;
}

static bool judge_read(struct mb_client *c, struct asking *a, unsigned *reason)
{
	struct mb_frame f = is_rtu(c) ? mb_rtu_parse(&c->rtu, c->buf, c->fill, &a->query)
				      : mb_frame_parse(c->buf, c->fill, &a->query);

	if (f.verdict == MB_PARTIAL)
		return false;
	if (f.verdict == MB_OTHER) {
		a->misfit |= f.fits;
		drop(c, f.size);
		return c->fill && judge_read(c, a, reason);
	}
	*reason = GW_PROTOCOL;
	if (f.verdict == MB_EXCEPTION)
		*reason = mb_exception_reason(f.exception);
	if (f.verdict == MB_WRONG)
		lose(c);
	if (f.verdict != MB_DATA)
		return true;
	*reason = GW_GOOD;
	memcpy(a->answer, f.data, mb_answer_size(&a->query));
	return true;
}

unsigned mb_client_read(struct mb_client *c, const struct mb_query *q, uint8_t *data)
{
	struct asking a = { .query = *q, .answer = data, .judge = judge_read };
	uint8_t frame[MB_FRAME_MAX];
	size_t n;

	if (prepare(c))
		return GW_NO_CONNECTION;
	a.query.transaction = ++c->transaction;
	n = is_rtu(c) ? mb_rtu_build(frame, &a.query) : mb_frame_build(frame, &a.query);
	return exchange(c, frame, n, &a);
}

/* ---- other functions ---- */

static bool take_pdu(struct asking *a, const uint8_t *pdu, size_t n, unsigned *reason)
{
	if (n == 2 && pdu[0] == (a->function | EXCEPTION_FLAG) && pdu[1] < 0x80)
		*reason = GW_EXCEPTION_0 | pdu[1];
	else if (pdu[0] != a->function || n < 2)
		*reason = GW_PROTOCOL;
	else
		*reason = GW_GOOD;
	memcpy(a->answer, pdu, n);
	*a->size = n;
	return true;
}

static bool judge_tcp(struct mb_client *c, struct asking *a, unsigned *reason)
{
	struct mb_frame f = mb_frame_parse(c->buf, c->fill, NULL);

	if (f.verdict == MB_PARTIAL)
		return false;
	*reason = GW_PROTOCOL;
	if (f.verdict == MB_WRONG) {
		lose(c);
		return true;
	}
	if (f.transaction == c->transaction && c->buf[HEADER] == a->unit)
		return take_pdu(a, c->buf + HEADER + 1, f.size - HEADER - 1, reason);
	a->misfit = true;
	drop(c, f.size);
	return c->fill && judge_tcp(c, a, reason);
}

/* Size of the whole answer to function 43/14 at p, 0: not all of it is there. */
static size_t identification_size(const uint8_t *p, size_t n)
{
	size_t size = 8;

	for (unsigned i = 0; n > 7 && i < p[7]; i++) {
		if (n < size + 2)
			return 0;
		size += 2 + (size_t)p[size + 1];
	}
	return n > 7 ? size + CRC : 0;
}

static size_t serial_size(const struct asking *a, const uint8_t *p, size_t n)
{
	if (n < 5)
		return 0;
	if (p[1] & EXCEPTION_FLAG)
		return 5;
	return a->function == 43 ? identification_size(p, n) : (size_t)p[2] + 5;
}

/* A frame may begin anywhere: an echo or zeros can lie before it. */
static bool judge_serial(struct mb_client *c, struct asking *a, unsigned *reason)
{
	for (size_t at = 0; at + 5 <= c->fill; at++) {
		const uint8_t *p = c->buf + at;
		size_t size;

		if (p[0] != a->unit || (p[1] & ~EXCEPTION_FLAG) != a->function)
			continue;
		size = serial_size(a, p, c->fill - at);
		if (size < 5 || size > MB_RTU_MAX || size > c->fill - at ||
		    mb_crc16(p, size - CRC) != (p[size - 2] | p[size - 1] << 8))
			continue;
		return take_pdu(a, p + 1, size - 1 - CRC, reason);
	}
	return false;
}

static size_t build(struct mb_client *c, uint8_t *out, uint8_t unit, const uint8_t *pdu, size_t n)
{
	uint8_t *body = is_rtu(c) ? out : out + HEADER;
	uint16_t crc, transaction = ++c->transaction;
	uint8_t header[HEADER] = { (uint8_t)(transaction >> 8), (uint8_t)transaction, 0, 0,
				   (uint8_t)((n + 1) >> 8), (uint8_t)(n + 1) };

	body[0] = unit;
	memcpy(body + 1, pdu, n);
	if (!is_rtu(c)) {
		memcpy(out, header, HEADER);
		return HEADER + 1 + n;
	}
	crc = mb_crc16(out, n + 1);
	out[n + 1] = (uint8_t)crc;
	out[n + 2] = (uint8_t)(crc >> 8);
	return n + 3;
}

unsigned mb_client_ask(struct mb_client *c, uint8_t unit, const uint8_t *pdu, size_t n,
		       uint8_t *answer, size_t *size)
{
	struct asking a = { .unit = unit, .function = pdu[0], .answer = answer, .size = size,
			    .judge = is_rtu(c) ? judge_serial : judge_tcp };
	uint8_t frame[MB_FRAME_MAX];

	assert(n >= 1 && n <= MB_PDU_MAX);
	if (prepare(c))
		return GW_NO_CONNECTION;
	return exchange(c, frame, build(c, frame, unit, pdu, n), &a);
}
