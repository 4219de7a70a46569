#include "plugins/modbus/frame.h"

#include <assert.h>
#include <modbus/modbus.h>
#include <string.h>

#include "gatewayd/reading.h"

enum {
	HEADER = 6,      /* transaction, protocol, length: what the length does not count */
	LENGTH_MIN = 3,  /* unit, function and one byte */
	LENGTH_MAX = 1 + MODBUS_MAX_PDU_LENGTH,
	EXCEPTION_LENGTH = 3,
	CONFIRMATION = 4,
	EXCEPTION_FLAG = 0x80,
};

static uint16_t get16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static void put16(uint8_t *p, uint16_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static bool writes_many(const struct mb_query *q)
{
	return q->function == MODBUS_FC_WRITE_MULTIPLE_COILS ||
	       q->function == MODBUS_FC_WRITE_MULTIPLE_REGISTERS;
}

static bool writes(const struct mb_query *q)
{
	return writes_many(q) || q->function == MODBUS_FC_WRITE_SINGLE_COIL ||
	       q->function == MODBUS_FC_WRITE_SINGLE_REGISTER;
}

size_t mb_frame_build(uint8_t *out, const struct mb_query *q)
{
	size_t n = MB_QUERY_SIZE;

	put16(out, q->transaction);
	put16(out + 2, 0);
	out[6] = q->unit;
	out[7] = q->function;
	put16(out + 8, q->address);
	put16(out + 10, q->count);
	if (writes_many(q)) {
		assert(q->size <= MB_FRAME_MAX - MB_QUERY_SIZE - 1);
		out[n++] = q->size;
		memcpy(out + n, q->data, q->size);
		n += q->size;
	}
	put16(out + 4, (uint16_t)(n - HEADER));
	return n;
}

size_t mb_answer_size(const struct mb_query *q)
{
	if (writes(q))
		return CONFIRMATION;
	if (q->function == MODBUS_FC_READ_COILS || q->function == MODBUS_FC_READ_DISCRETE_INPUTS)
		return ((size_t)q->count + 7) / 8;
	return (size_t)q->count * 2;
}

/* A confirmation repeats the address and the count of the request. */
static bool confirms(const uint8_t *p, size_t length, const struct mb_query *q, struct mb_frame *f)
{
	f->data = p + 2;
	return length == 2 + CONFIRMATION && get16(p + 2) == q->address &&
	       (!writes_many(q) || get16(p + 4) == q->count);
}

/* Unit, function, length and byte count against the request; `length` bytes are at p. */
static enum mb_verdict judge(const uint8_t *p, size_t length, const struct mb_query *q,
			     struct mb_frame *f)
{
	if (p[0] != q->unit)
		return MB_WRONG;
	if (p[1] == (q->function | EXCEPTION_FLAG)) {
		f->exception = p[2];
		return length == EXCEPTION_LENGTH && p[2] <= MB_EXCEPTION_MAX ? MB_EXCEPTION : MB_WRONG;
	}
	if (writes(q) && p[1] == q->function)
		return confirms(p, length, q, f) ? MB_DATA : MB_WRONG;
	if (p[1] != q->function || p[2] != mb_answer_size(q) || length != 3U + p[2])
		return MB_WRONG;
	f->data = p + 3;
	return MB_DATA;
}

struct mb_frame mb_frame_parse(const uint8_t *bytes, size_t n, const struct mb_query *q)
{
	struct mb_frame f = { .verdict = MB_PARTIAL };
	size_t length;
	bool ours;

	if (n < HEADER)
		return f;
	length = get16(bytes + 4);
	if (get16(bytes + 2) != 0 || length < LENGTH_MIN || length > LENGTH_MAX) {
		f.verdict = MB_WRONG;
		return f;
	}
	if (n < HEADER + length)
		return f;
	f.transaction = get16(bytes);
	f.size = HEADER + length;
	ours = q && f.transaction == q->transaction;
	f.verdict = q ? judge(bytes + HEADER, length, q, &f) : MB_OTHER;
	if (!ours) {
		f.fits = f.verdict == MB_DATA || f.verdict == MB_EXCEPTION;
		f.verdict = MB_OTHER;
	}
	return f;
}

unsigned mb_exception_reason(unsigned code)
{
	return code < MB_EXCEPTION_MAX ? GW_EXCEPTION_0 | code : GW_EXCEPTION_128;
}

int mb_reason_exception(unsigned reason)
{
	if (reason == GW_EXCEPTION_128)
		return MB_EXCEPTION_MAX;
	return reason & GW_EXCEPTION_0 ? (int)(reason & ~(unsigned)GW_EXCEPTION_0) : -1;
}
