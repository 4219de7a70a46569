/*
 * fuzz_modbus.c - bytes from a device through the frame parser and the decoder.
 *
 * The input is a request (transaction, unit, function, address, count: 8 bytes),
 * then the form of a value (3 bytes), then what the device sent.  The stream is
 * taken frame by frame as a line does, and every value of a good answer is
 * decoded from a copy of exact size, so that a step over its end is seen.  Then
 * the same bytes come over a serial line, in pieces.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "plugins/modbus/decode.h"
#include "plugins/modbus/encode.h"
#include "plugins/modbus/frame.h"
#include "plugins/modbus/rtu.h"

enum { SETUP = 11 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void demand(bool holds)
{
	if (!holds)
		abort();
}

static struct mb_query query_of(const uint8_t *p)
{
	unsigned function = p[3] % 4 + 1U, count = (unsigned)(p[6] << 8 | p[7]);

	return (struct mb_query){ .transaction = (uint16_t)(p[0] << 8 | p[1]),
				  .unit = p[2],
				  .function = (uint8_t)function,
				  .address = (uint16_t)(p[4] << 8 | p[5]),
				  .count = (uint16_t)(count % (function < 3 ? 2000 : 125) + 1) };
}

static struct mb_form form_of(const uint8_t *p, const struct mb_query *q)
{
	struct mb_form f = { .type = (enum mb_type)(p[0] % (MB_STRING + 1)),
			     .single = q->function < 3,
			     .word_little = p[0] & 0x40,
			     .byte_little = p[0] & 0x80,
			     .registers = (uint16_t)(p[1] % q->count + 1),
			     .characters = (enum mb_characters)(p[2] % 3) };
	unsigned bits = mb_type_integer_bits(f.type);

	if (bits && p[2] & 0x80) {
		f.start = (uint8_t)(p[1] % bits);
		f.length = (uint8_t)(p[2] % (bits - f.start) + 1);
		f.flag = f.length == 1;
	}
	if (bits == 32 && p[2] & 0x40)
		f.apart = (uint16_t)(p[1] % 100 + 1);
	return f;
}

/* A whole number goes back into the registers it came from. */
static void encode(const struct mb_form *f, const struct gw_value *v, const uint8_t *from)
{
	uint8_t out[2 * MB_WRITE_REGISTERS_MAX];
	struct gw_err err;

	if (f->length || f->apart) /* nobody writes those */
		return;
	demand(mb_encode(f, v, out, &err) == 0);
	demand(memcmp(out, from, 2 * (size_t)mb_form_width(f)) == 0);
}

static void decode_all(const struct mb_form *f, const struct mb_query *q, const uint8_t *data)
{
	size_t size = mb_answer_size(q);
	uint8_t *copy = malloc(size);
	char text[2 * MB_REGISTERS_MAX];

	demand(copy);
	memcpy(copy, data, size);
	for (unsigned i = 0; i + mb_form_width(f) <= q->count; i++) {
		struct gw_value v = mb_decode(f, copy, i, text);

		demand(v.kind == mb_form_kind(f) || (v.kind == GW_NONE && mb_type_is_bcd(f->type)));
		if (v.kind == GW_I64 || v.kind == GW_U64)
			encode(f, &v, copy + 2 * (size_t)i);
		demand(v.kind != GW_TEXT || v.length == (f->characters == MB_BOTH ? 2U : 1U) * f->registers);
	}
	free(copy);
}

/* One frame; returns the bytes it takes, 0 at the end. */
static size_t take(const uint8_t *bytes, size_t n, const struct mb_query *q, const struct mb_form *f)
{
	struct mb_frame idle = mb_frame_parse(bytes, n, NULL), frame = mb_frame_parse(bytes, n, q);

	demand(idle.verdict == MB_PARTIAL || idle.verdict == MB_OTHER || idle.verdict == MB_WRONG);
	demand(frame.size <= n && frame.size <= MB_FRAME_MAX);
	if (frame.verdict == MB_PARTIAL || frame.verdict == MB_WRONG)
		return 0;
	demand(frame.size == idle.size && frame.size >= 9);
	if (frame.verdict == MB_DATA) {
		demand(frame.data >= bytes && frame.data + mb_answer_size(q) <= bytes + frame.size);
		decode_all(f, q, frame.data);
	}
	demand(frame.verdict != MB_EXCEPTION || frame.exception <= MB_EXCEPTION_MAX);
	return frame.size;
}

/* One frame of a serial line; returns the bytes it takes, 0 when more are needed. */
static size_t take_rtu(struct mb_rtu *r, const uint8_t *bytes, size_t n, const struct mb_query *q,
		       const struct mb_form *f)
{
	struct mb_frame frame = mb_rtu_parse(r, bytes, n, q);

	demand(frame.verdict != MB_WRONG && frame.size <= n);
	demand(frame.verdict != MB_PARTIAL || (!frame.size && n <= MB_RTU_MAX));
	if (frame.verdict == MB_DATA) {
		demand(frame.data >= bytes && frame.data + mb_answer_size(q) + 2 <= bytes + frame.size);
		decode_all(f, q, frame.data);
	}
	demand(frame.verdict == MB_PARTIAL || frame.size > 0);
	return frame.size;
}

/* The line keeps what may become a frame and adds what comes, at most a chunk a time. */
static void listen_rtu(const uint8_t *data, size_t size, const struct mb_query *q, const struct mb_form *f)
{
	struct mb_rtu r = { 0 };
	uint8_t buf[1024];
	size_t fill = 0, used;

	for (size_t n; size > 0; data += n, size -= n) {
		n = 1 + data[0] * 2U;
		n = n < size ? n : size;
		memcpy(buf + fill, data, n);
		fill += n;
		while (fill && (used = take_rtu(&r, buf, fill, q, f))) {
			fill -= used;
			memmove(buf, buf + used, fill);
		}
		mb_rtu_parse(&r, buf, fill, NULL);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct mb_query q;
	struct mb_form f;
	size_t used;

	if (size < SETUP)
		return 0;
	q = query_of(data);
	f = form_of(data + 8, &q);
	listen_rtu(data + SETUP, size - SETUP, &q, &f);
	for (data += SETUP, size -= SETUP; size > 0; data += used, size -= used) {
		used = take(data, size, &q, &f);
		if (!used)
			break;
	}
	return 0;
}
