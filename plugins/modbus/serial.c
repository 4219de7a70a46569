/*
 * Times of a serial line are rounded up: a silence that is a little too short
 * loses the next request, one that is a little too long costs nothing.
 */
#include "plugins/modbus/serial.h"

enum { SECOND_US = 1000000, FAST_BAUD = 19200, FAST_GAP_US = 1750 };

const struct mb_serial mb_serial_default = { .baud = 9600, .data_bits = 8, .stop_bits = 1 };

/* Those libmodbus sets; it takes 9600 for any other without a word. */
const unsigned mb_bauds[] = { 110,    300,    600,    1200,   2400,    4800,    9600,    19200,
			      38400,  57600,  115200, 230400, 460800,  500000,  576000,  921600,
			      1000000, 1152000, 1500000, 2000000, 2500000, 3000000, 3500000,
			      4000000, 0 };

bool mb_baud_ok(int64_t baud)
{
	for (const unsigned *b = mb_bauds; *b; b++)
		if (*b == baud)
			return true;
	return false;
}

unsigned mb_serial_bits(const struct mb_serial *s)
{
	return 1 + s->data_bits + (s->parity != MB_PARITY_NONE) + s->stop_bits;
}

static int64_t bits_us(const struct mb_serial *s, int64_t bits)
{
	return (bits * SECOND_US + s->baud - 1) / s->baud;
}

int64_t mb_serial_bytes_us(const struct mb_serial *s, size_t n)
{
	return bits_us(s, (int64_t)n * mb_serial_bits(s));
}

int64_t mb_serial_gap_us(const struct mb_serial *s)
{
	if (s->baud > FAST_BAUD)
		return FAST_GAP_US;
	return bits_us(s, (7 * (int64_t)mb_serial_bits(s) + 1) / 2);
}

bool mb_serial_same(const struct mb_serial *a, const struct mb_serial *b)
{
	return a->baud == b->baud && a->data_bits == b->data_bits && a->stop_bits == b->stop_bits &&
	       a->parity == b->parity && a->rs485.enabled == b->rs485.enabled &&
	       a->rs485.rts_low_on_send == b->rs485.rts_low_on_send &&
	       a->rs485.before_ms == b->rs485.before_ms && a->rs485.after_ms == b->rs485.after_ms;
}
