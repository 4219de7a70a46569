/*
 * record.h - recordings of a line: a text file, one frame a line.
 *
 *	gatewayd-modbus-recording 1 tcp
 *	# anything behind # is a comment
 *	0 > 000100000006010300000002
 *	12345 < 000100000007010304436619 9a
 *
 * Microseconds since the beginning, growing; > from the master, < from the device;
 * the bytes in hexadecimal, blanks between them do not matter.  The first line names the
 * framing: tcp (Modbus TCP) or rtu (frames of a serial line, with their checksum).
 * mb_record_read() takes foreign bytes and is a fuzz target.
 */
#ifndef MODBUS_RECORD_H
#define MODBUS_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "gatewayd/error.h"

enum { MB_RECORD_FRAME_MAX = 260, MB_RECORD_FRAMES_MAX = 200000 };

struct mb_record {
	int64_t at_us;
	bool answer;
	uint16_t size;
	uint32_t bytes; /* where in mb_recording.bytes */
};

struct mb_recording {
	bool rtu;
	struct mb_record *frames;
	size_t count;
	uint8_t *bytes;
	size_t nbytes;
};

/* The text of a whole file; GW_EINPUT names the line that is wrong. */
int mb_record_read(struct mb_recording *out, const char *text, size_t n, struct gw_err *err);
void mb_record_free(struct mb_recording *r);

void mb_record_begin(FILE *out, bool rtu, const char *connection);
void mb_record_write(FILE *out, int64_t at_us, bool answer, const uint8_t *bytes, size_t n);

/*
 * Cut a stream into frames: bytes of the first whole frame in `n` bytes, 0: none yet.  tcp: by the
 * length in the header, an absurd one is a frame of all there is; rtu: by the checksum.
 */
size_t mb_record_frame(bool rtu, const uint8_t *bytes, size_t n);

/* The answer to a request: that of the first recorded exchange after *at with the same request
 * (tcp: but for its transaction), and from the beginning again; NULL: never heard.  *at moves
 * on; *delay_us: how long the device took. */
const struct mb_record *mb_record_answer(const struct mb_recording *r, const uint8_t *request, size_t n,
					 size_t *at, int64_t *delay_us);

#endif
