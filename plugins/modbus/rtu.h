/*
 * rtu.h - frames of a serial line (Modbus over Serial Line V1.02, 2.5.1) out of
 * whatever is heard between a request and its deadline: our own request coming
 * back, zero bytes of an unbiased bus, half frames, frames of other units and
 * masters.  Pure: bytes in, verdict out.
 *
 * A frame is known by its length, its CRC and the request, not by silence: USB
 * adapters and converters put gaps into frames.  An answer is taken only when
 * nothing else can have been answered: after a foreign request to the same unit
 * with the same function the next answer is nobody's.
 *
 * mb_rtu_parse() takes foreign bytes and is a fuzz target.
 */
#ifndef MB_RTU_H
#define MB_RTU_H

#include "plugins/modbus/frame.h"

enum { MB_RTU_MAX = 256, MB_UNIT_MAX = 247 };

enum mb_echo { MB_ECHO_UNKNOWN, MB_ECHO_ON, MB_ECHO_OFF };

/* What an RTU line has learned, and what was heard since the last request. */
struct mb_rtu {
	enum mb_echo echo; /* does the line give our requests back? */
	uint64_t zeros;    /* frames with zero bytes before them: the bus lacks its bias */

	bool echoed;    /* our request came back */
	bool contested; /* another master asked the same unit */
	bool noise;     /* bytes that belong to no frame */
	bool garbled;   /* all of an answer, with a wrong CRC */
	uint8_t foreign; /* unit another master asked last, 0: none */
};

uint16_t mb_crc16(const uint8_t *bytes, size_t n);

/* Writes at most MB_RTU_MAX bytes and returns their number. */
size_t mb_rtu_build(uint8_t *out, const struct mb_query *q);

void mb_rtu_begin(struct mb_rtu *r); /* a request goes out */

/*
 * The first frame in `n` bytes, with what lies before it; q NULL: nothing is
 * being waited for.  Never MB_WRONG; MB_OTHER with `fits`: an answer of the wrong
 * unit, function or length, or one that may be another master's.
 */
struct mb_frame mb_rtu_parse(struct mb_rtu *r, const uint8_t *bytes, size_t n,
			     const struct mb_query *q);

/* Do `n` bytes that became no frame say that something was garbled? */
bool mb_rtu_is_noise(const uint8_t *bytes, size_t n);

#endif
