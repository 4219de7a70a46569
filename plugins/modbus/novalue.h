/*
 * novalue.h - `no_value`: the raw values by which a device says that it has none.
 *
 * Written with 0x it is the bits that lie in the registers, else a number of the point's type (a
 * float's number, the digits of a BCD); "A..B" is all from A to B in the order of the type.  Pure.
 */
#ifndef MODBUS_NOVALUE_H
#define MODBUS_NOVALUE_H

#include "plugins/modbus/decode.h"

enum { MB_NO_VALUES_MAX = 16 };

/* One of them for the form; -1 with *err: what is wrong and what is allowed. */
int mb_no_value(const struct mb_form *f, const char *text, struct mb_none *out, struct gw_err *err);

#endif
