/*
 * frame.h - Modbus TCP frames (Modbus Messaging on TCP/IP Implementation Guide
 * V1.0b, 3.1.3): requests that read (1 to 4) and write (5, 6, 15, 16).  Pure: bytes in, verdict out; no
 * allocation, nothing remembered.  libmodbus checks neither unit, protocol nor
 * length of an answer and blocks while it reads, so the checks are here.
 * mb_frame_parse() takes foreign bytes and is the fuzz target.
 */
#ifndef MODBUS_FRAME_H
#define MODBUS_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Codes above 11 are the makers' own; 128 is some inverters' "not permitted". */
enum { MB_FRAME_MAX = 260, MB_QUERY_SIZE = 12, MB_EXCEPTION_MAX = 128 };

/* One request as it was sent. */
struct mb_query {
	uint16_t transaction;
	uint8_t unit, function;
	uint16_t address, count; /* registers or bits; of 5 and 6 the value itself */
	const uint8_t *data;     /* of 15 and 16: the values as they travel */
	uint8_t size;
};

/* Writes at most MB_FRAME_MAX bytes and returns their number: MB_QUERY_SIZE, but for 15 and 16. */
size_t mb_frame_build(uint8_t *out, const struct mb_query *q);

/* Bytes of data a good answer holds; of a write its confirmation: address, and count or value.  The
 * value of 5 and 6 may be another than was sent: that is for the writer to look at. */
size_t mb_answer_size(const struct mb_query *q);

enum mb_verdict {
	MB_PARTIAL,   /* what is there may become a frame */
	MB_DATA,      /* the answer */
	MB_EXCEPTION, /* the device refused */
	MB_OTHER,     /* a whole frame of another transaction: skip it */
	MB_WRONG,     /* no frame, or ours with a wrong unit, function or length: resynchronise */
};

struct mb_frame {
	enum mb_verdict verdict;
	size_t size; /* DATA, EXCEPTION, OTHER: bytes of the frame */
	const uint8_t *data; /* DATA: mb_answer_size() bytes inside the input */
	uint16_t transaction;
	uint8_t exception; /* EXCEPTION: 0 to MB_EXCEPTION_MAX */
	bool fits; /* OTHER: the answer to q but for its transaction; on a serial line see rtu.h */
	bool own;  /* OTHER: our request, coming back on a serial line */
	bool asks; /* OTHER: a request of another master on a serial line */
	uint8_t unit; /* of a frame of a serial line */
};

/* The first frame in `n` bytes; q NULL: nothing is being waited for. */
struct mb_frame mb_frame_parse(const uint8_t *bytes, size_t n, const struct mb_query *q);

/* An exception code as a reason of reading.h. */
unsigned mb_exception_reason(unsigned code);
int mb_reason_exception(unsigned reason); /* and back; -1: it is none */

#endif
