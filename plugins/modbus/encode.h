/*
 * encode.h - a raw value to the bytes that are written: decode.h backwards.  Pure.
 */
#ifndef MODBUS_ENCODE_H
#define MODBUS_ENCODE_H

#include "plugins/modbus/decode.h"

enum { MB_WRITE_REGISTERS_MAX = 123 }; /* of one request (Modbus Application Protocol 6.12) */

/*
 * The registers as they travel, 2 * mb_form_width() bytes of at most 2 * MB_WRITE_REGISTERS_MAX; of a
 * coil one byte, 0 or 1.  0, or -1 with *err: the value does not fit the type.
 */
int mb_encode(const struct mb_form *f, const struct gw_value *v, uint8_t *out, struct gw_err *err);

#endif
