#include "plugins/modbus/scan_order.h"

#include "plugins/modbus/rtu.h"

enum { PARITIES = 3, REQUEST = 8, REST_US = 3000, JITTER_US = 1000 };

/* All three parities of a line of this table, then the next. */
static const struct {
	unsigned baud, from, to;
} order[] = {
	/* what devices come with, and what costs next to nothing */
	{ 9600, 1, 10 },
	{ 19200, 1, 10 },
	{ 115200, 1, MB_UNIT_MAX },
	{ 38400, 1, MB_UNIT_MAX },
	{ 57600, 1, MB_UNIT_MAX },
	{ 4800, 1, 10 },
	{ 2400, 1, 10 },
	{ 1200, 1, 10 },
	/* the rest of a minute */
	{ 19200, 11, MB_UNIT_MAX },
	{ 9600, 11, MB_UNIT_MAX },
	{ 4800, 11, MB_UNIT_MAX },
	/* and what is left */
	{ 2400, 11, MB_UNIT_MAX },
	{ 1200, 11, MB_UNIT_MAX },
};
enum { LINES = sizeof(order) / sizeof(order[0]) };

/* The number of the first line with this speed. */
static unsigned first_with(unsigned baud)
{
	unsigned i = 0;

	while (order[i].baud != baud)
		i++;
	return i;
}

bool mb_scan_step(unsigned i, struct mb_scan_step *out)
{
	static const enum mb_parity parities[PARITIES] = { MB_PARITY_NONE, MB_PARITY_EVEN, MB_PARITY_ODD };
	unsigned line = i / PARITIES, parity = i % PARITIES;

	if (line >= LINES)
		return false;
	*out = (struct mb_scan_step){ .serial = mb_serial_default, .from = order[line].from, .to = order[line].to };
	out->serial.baud = order[line].baud;
	out->serial.parity = parities[parity];
	out->setting = first_with(out->serial.baud) * PARITIES + parity;
	return true;
}

int64_t mb_scan_rest_us(const struct mb_serial *s)
{
	int64_t gap_us = mb_serial_gap_us(s) + JITTER_US;

	return gap_us > REST_US ? gap_us : REST_US;
}

int64_t mb_scan_step_us(const struct mb_scan_step *t, int64_t wait_us)
{
	int64_t each_us = mb_serial_bytes_us(&t->serial, REQUEST) + mb_scan_rest_us(&t->serial);

	return (t->to - t->from + 1) * each_us + wait_us;
}
