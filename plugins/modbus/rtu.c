/*
 * The body of an RTU frame is that of a TCP frame from the unit on, so building
 * and judging are frame.h's: a header is put before it.
 */
#include "plugins/modbus/rtu.h"

#include <modbus/modbus.h>
#include <string.h>

enum {
	HEADER = 6, /* of a TCP frame, before the unit */
	CRC = 2,
	REQUEST = 8, /* size of a reading request, and of a write's confirmation */
	REFUSAL = 5, /* size of an exception */
	SHORTEST = 4,
	EXCEPTION_FLAG = 0x80,
};

uint16_t mb_crc16(const uint8_t *bytes, size_t n)
{
	static const uint16_t nibble[16] = { 0x0000, 0xcc01, 0xd801, 0x1400, 0xf001, 0x3c00,
					     0x2800, 0xe401, 0xa001, 0x6c00, 0x7800, 0xb401,
					     0x5000, 0x9c01, 0x8801, 0x4400 };
	uint16_t crc = 0xffff;

	while (n--) {
		crc ^= *bytes++;
		crc = (uint16_t)(crc >> 4 ^ nibble[crc & 15]);
		crc = (uint16_t)(crc >> 4 ^ nibble[crc & 15]);
	}
	return crc;
}

size_t mb_rtu_build(uint8_t *out, const struct mb_query *q)
{
	uint8_t frame[MB_FRAME_MAX];
	size_t n = mb_frame_build(frame, q) - HEADER;
	uint16_t crc = mb_crc16(frame + HEADER, n);

	memcpy(out, frame + HEADER, n);
	out[n] = (uint8_t)crc;
	out[n + 1] = (uint8_t)(crc >> 8);
	return n + CRC;
}

void mb_rtu_begin(struct mb_rtu *r)
{
	r->echoed = r->contested = r->noise = r->garbled = false;
	r->foreign = 0;
}

bool mb_rtu_is_noise(const uint8_t *bytes, size_t n)
{
	while (n--)
		if (*bytes++)
			return true;
	return false;
}

/* ---- shapes ---- */

static bool reads(uint8_t function)
{
	return function >= MODBUS_FC_READ_COILS && function <= MODBUS_FC_READ_INPUT_REGISTERS;
}

static bool writes_many(uint8_t function)
{
	return function == MODBUS_FC_WRITE_MULTIPLE_COILS || function == MODBUS_FC_WRITE_MULTIPLE_REGISTERS;
}

static bool is_frame(const uint8_t *p, size_t n, size_t size)
{
	return size >= SHORTEST && size <= n && size <= MB_RTU_MAX &&
	       mb_crc16(p, size - CRC) == (p[size - 2] | p[size - 1] << 8);
}

/* Size of the whole frame at p, or 0.  What frames of unknown functions are long nobody
 * knows: for them all that is there is tried. */
static size_t whole(const uint8_t *p, size_t n)
{
	size_t sizes[3] = { 0 };

	if (n < SHORTEST || p[0] > MB_UNIT_MAX)
		return 0;
	if (p[1] & EXCEPTION_FLAG) {
		sizes[0] = REFUSAL;
	} else {
		sizes[0] = REQUEST;
		sizes[1] = REFUSAL + (size_t)p[2];
		sizes[2] = n;
	}
	if (writes_many(p[1]))
		sizes[1] = n > 6 ? 9 + (size_t)p[6] : 0;
	if (reads(p[1]))
		sizes[2] = 0;
	for (size_t i = 0; i < 3; i++)
		if (is_frame(p, n, sizes[i]))
			return sizes[i];
	return 0;
}

/* Size of the answer we wait for when p begins like one, else 0. */
static size_t promised(const uint8_t *p, size_t n, const struct mb_query *q)
{
	if (p[0] != q->unit)
		return 0;
	if (n > 1 && p[1] == (q->function | EXCEPTION_FLAG))
		return REFUSAL;
	if (n > 1 && p[1] != q->function)
		return 0;
	if (!reads(q->function))
		return n > 2 && !writes_many(q->function) && q->function > MODBUS_FC_WRITE_SINGLE_REGISTER
		       ? REFUSAL + (size_t)p[2] : REQUEST;
	if (n > 2 && p[2] != mb_answer_size(q))
		return 0;
	return REFUSAL + mb_answer_size(q);
}

/* ---- what a whole frame is ---- */

static struct mb_frame judge(const uint8_t *p, size_t size, const struct mb_query *q)
{
	uint8_t frame[HEADER + MB_RTU_MAX] = { (uint8_t)(q->transaction >> 8), (uint8_t)q->transaction };
	size_t body = size - CRC;
	struct mb_frame f;

	frame[4] = (uint8_t)(body >> 8);
	frame[5] = (uint8_t)body;
	memcpy(frame + HEADER, p, body);
	f = mb_frame_parse(frame, HEADER + body, q);
	if (f.data)
		f.data = p + (f.data - frame - HEADER);
	return f;
}

static bool is_answer(const struct mb_frame *f)
{
	return f->verdict == MB_DATA || f->verdict == MB_EXCEPTION;
}

/* A confirmation of a single write looks like the request; a few reads of 17 to 24 coils may. */
static bool is_echo(struct mb_rtu *r, const uint8_t *p, size_t size, const struct mb_query *q,
		    bool answers)
{
	uint8_t own[MB_RTU_MAX];
	bool same = size == mb_rtu_build(own, q) && memcmp(p, own, size) == 0;

	if (!same || r->echoed)
		return false;
	if (!answers || r->echo == MB_ECHO_ON)
		return true;
	return r->echo == MB_ECHO_UNKNOWN && reads(q->function);
}

/* A request that reads, and no answer of the same length. */
static bool is_question(const uint8_t *p, size_t size)
{
	return size == REQUEST && reads(p[1]) && p[2] != REQUEST - REFUSAL;
}

/* Not the answer.  Could it have been one, and does it put the answer in doubt? */
static void weigh(struct mb_rtu *r, const uint8_t *p, size_t size, const struct mb_query *q,
		  struct mb_frame *f)
{
	struct mb_query asked = *q;
	struct mb_frame as_asked;

	f->verdict = MB_OTHER;
	if (is_question(p, size)) {
		f->asks = true;
		r->foreign = p[0];
		r->contested |= p[0] == q->unit && p[1] == q->function;
		return;
	}
	asked.unit = p[0];
	as_asked = judge(p, size, &asked);
	f->fits = p[0] == q->unit || (is_answer(&as_asked) && p[0] != r->foreign);
}

static void classify(struct mb_rtu *r, const uint8_t *p, size_t size, const struct mb_query *q,
		     struct mb_frame *f)
{
	*f = judge(p, size, q);
	f->unit = p[0];
	if (is_echo(r, p, size, q, is_answer(f))) {
		f->verdict = MB_OTHER;
		f->own = r->echoed = true;
		r->echo = MB_ECHO_ON;
	} else if (!is_answer(f)) {
		weigh(r, p, size, q, f);
	} else if (r->contested) {
		f->verdict = MB_OTHER;
		f->fits = true;
	} else if (reads(q->function) && !r->echoed) {
		r->echo = MB_ECHO_OFF;
	}
}

static void pass_by(struct mb_rtu *r, const uint8_t *bytes, size_t n)
{
	if (!n)
		return;
	if (mb_rtu_is_noise(bytes, n))
		r->noise = true;
	else
		r->zeros++;
}

struct mb_frame mb_rtu_parse(struct mb_rtu *r, const uint8_t *bytes, size_t n,
			     const struct mb_query *q)
{
	struct mb_frame f = { .verdict = MB_PARTIAL };
	size_t at, size, want;

	r->garbled = false;
	for (at = 0; at < n; at++) {
		size = whole(bytes + at, n - at);
		if (size) {
			pass_by(r, bytes, at);
			f = (struct mb_frame){ .verdict = MB_OTHER, .unit = bytes[at],
					       .asks = is_question(bytes + at, size) };
			if (q)
				classify(r, bytes + at, size, q, &f);
			f.size = at + size;
			return f;
		}
		want = q ? promised(bytes + at, n - at, q) : 0;
		if (want > n - at)
			break;
		r->garbled |= want > 0;
	}
	/* A frame is never longer, so what lies before is the beginning of none. */
	if (n > MB_RTU_MAX) {
		f.verdict = MB_OTHER;
		f.size = n - MB_RTU_MAX;
		r->noise = true;
	}
	return f;
}
