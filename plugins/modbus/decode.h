/*
 * decode.h - the bytes of an answer to a raw value.  Pure, no allocation.
 * Scale, offset and enumeration are the core's.  `word_order` is the order of a
 * value's registers, `byte_order` that of the two bytes in a register.
 */
#ifndef MODBUS_DECODE_H
#define MODBUS_DECODE_H

#include <stdbool.h>
#include <stdint.h>

#include "gatewayd/reading.h"
#include "plugins/modbus/keys.h"

enum { MB_REGISTERS_MAX = 125 };

/* Values from one to another, as mb_form_rank() has them. */
struct mb_none {
	uint64_t from, to;
};

/* How a value lies in its table. */
struct mb_form {
	enum mb_type type; /* of the whole, before bits are taken out */
	bool single;       /* in a table of bits: coil or discrete input */
	bool word_little, byte_little;
	uint8_t start, length; /* bits to take out; length 0: all of it */
	bool flag;             /* those bits as a bool */
	uint16_t registers;    /* MB_STRING: its length */
	uint16_t apart; /* registers from the first half of a 32-bit value to the other; 0: neighbours */
	enum mb_characters characters; /* MB_STRING: where they are in a register */
	const struct mb_none *none;    /* values that mean "no value" (novalue.h) */
	uint8_t nnone;
	uint16_t lead; /* bits of its span before it, when the span has to begin at address 0 */
};

/* Registers (or, when single, bits) the value takes. */
unsigned mb_form_width(const struct mb_form *f);
/* The bits of a value as a number that grows with it: what is negative comes first. */
uint64_t mb_form_rank(const struct mb_form *f, uint64_t pattern);
/* What it becomes, and how many bits wide: 1, 16, 32, 64; a text 16. */
enum gw_kind mb_form_kind(const struct mb_form *f);
unsigned mb_form_bits(const struct mb_form *f);

/* Bits an integer type has, from which bits can be taken; 0 for the others. */
unsigned mb_type_integer_bits(enum mb_type type);
bool mb_type_is_signed(enum mb_type type);
bool mb_type_is_bcd(enum mb_type type);
/* A number as BCD digits; false: a digit above 9, or more than 8 of them. */
bool mb_from_bcd(uint64_t pattern, uint64_t *v);
bool mb_to_bcd(uint64_t v, uint64_t *pattern);

/*
 * The value at register (or bit) `offset` of the answer `data`, which is long
 * enough: frame.h and plan.h saw to that.  A float may be NaN or infinite.  A value
 * of f->none, and BCD with a digit above 9, is GW_NONE with GW_NOT_AVAILABLE.
 * Text is written to `text`, 2 * MB_REGISTERS_MAX bytes of the caller's.
 */
struct gw_value mb_decode(const struct mb_form *f, const uint8_t *data, unsigned offset,
			  char *text);

#endif
