/*
 * serial.h - how a serial line is set, and what that means in time.  Pure.
 * Modbus over Serial Line V1.02: a character is start bit, data, parity and stop
 * bits (2.5.1); frames are set apart by 3.5 characters of silence, above 19200
 * baud by 1.75 ms (2.5.1.1).
 */
#ifndef MODBUS_SERIAL_H
#define MODBUS_SERIAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum mb_parity { MB_PARITY_NONE, MB_PARITY_EVEN, MB_PARITY_ODD }; /* order of the key's choices */

/* The kernel's RS-485 mode of a port that drives its transceiver with RTS. */
struct mb_rs485 {
	bool enabled, rts_low_on_send;
	unsigned before_ms, after_ms; /* RTS is held so long before and after sending */
};

struct mb_serial {
	unsigned baud, data_bits, stop_bits;
	enum mb_parity parity;
	struct mb_rs485 rs485;
};

extern const struct mb_serial mb_serial_default; /* 9600 8N1 */

/* Speeds a port may be set to, ascending, 0 at the end. */
extern const unsigned mb_bauds[];
bool mb_baud_ok(int64_t baud);

unsigned mb_serial_bits(const struct mb_serial *s);                /* of a character */
int64_t mb_serial_bytes_us(const struct mb_serial *s, size_t n);   /* rounded up */
int64_t mb_serial_gap_us(const struct mb_serial *s);               /* silence between frames */
bool mb_serial_same(const struct mb_serial *a, const struct mb_serial *b);

#endif
