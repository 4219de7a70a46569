/*
 * novalue.h - `no_value`: the raw values by which a device says that it has none.
 *
 * Each becomes the bits that lie in the registers: written with 0x it is those bits, else a
 * number of the point's type (a float's number, the digits of a BCD).  Pure.
 */
#ifndef MODBUS_NOVALUE_H
#define MODBUS_NOVALUE_H

#include "plugins/modbus/decode.h"

enum { MB_NO_VALUES_MAX = 16 };

/* One of them for the form; -1 with *err: what is wrong and what is allowed. */
int mb_no_value(const struct mb_form *f, const char *text, uint64_t *pattern, struct gw_err *err);

#endif
