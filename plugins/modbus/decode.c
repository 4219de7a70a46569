/*
 * libmodbus converts the 32-bit floats.  Its macros for 32-bit and 64-bit
 * integers shift into the sign bit of an int, which C leaves undefined, and it
 * has none for doubles: those are put together here.
 */
#include "plugins/modbus/decode.h"

#include <modbus/modbus.h>
#include <string.h>

static const struct {
	enum gw_kind kind;
	uint8_t registers, integer_bits;
	bool is_signed;
} types[] = {
	[MB_BOOL] = { GW_BOOL, 1, 16, false },  [MB_U16] = { GW_U64, 1, 16, false },
	[MB_I16] = { GW_I64, 1, 16, true },     [MB_U32] = { GW_U64, 2, 32, false },
	[MB_I32] = { GW_I64, 2, 32, true },     [MB_U64] = { GW_U64, 4, 64, false },
	[MB_I64] = { GW_I64, 4, 64, true },     [MB_F32] = { GW_F32, 2, 0, true },
	[MB_F64] = { GW_F64, 4, 0, true },      [MB_BCD16] = { GW_U64, 1, 0, false },
	[MB_BCD32] = { GW_U64, 2, 0, false },   [MB_STRING] = { GW_TEXT, 0, 0, false },
};

unsigned mb_form_width(const struct mb_form *f)
{
	if (f->single)
		return 1;
	if (f->apart)
		return f->apart + 1U;
	return f->type == MB_STRING ? f->registers : types[f->type].registers;
}

enum gw_kind mb_form_kind(const struct mb_form *f)
{
	return f->single || f->flag ? GW_BOOL : types[f->type].kind;
}

unsigned mb_form_bits(const struct mb_form *f)
{
	if (mb_form_kind(f) == GW_BOOL)
		return 1;
	return f->type == MB_STRING ? 16 : types[f->type].registers * 16U;
}

uint64_t mb_form_rank(const struct mb_form *f, uint64_t pattern)
{
	unsigned bits = f->length ? f->length : types[f->type].registers * 16U;
	uint64_t sign;

	if (!types[f->type].is_signed)
		return pattern;
	sign = UINT64_C(1) << ((bits - 1) & 63);
	if (!types[f->type].integer_bits && pattern & sign) /* a float: sign and magnitude */
		return ~pattern & (sign - 1);
	return pattern ^ sign;
}

unsigned mb_type_integer_bits(enum mb_type type)
{
	return types[type].integer_bits;
}

bool mb_type_is_signed(enum mb_type type)
{
	return types[type].is_signed;
}

bool mb_type_is_bcd(enum mb_type type)
{
	return type == MB_BCD16 || type == MB_BCD32;
}

bool mb_from_bcd(uint64_t pattern, uint64_t *v)
{
	*v = 0;
	for (int shift = 28; shift >= 0; shift -= 4) {
		unsigned digit = pattern >> shift & 15;

		if (digit > 9)
			return false;
		*v = *v * 10 + digit;
	}
	return pattern >> 32 == 0;
}

bool mb_to_bcd(uint64_t v, uint64_t *pattern)
{
	*pattern = 0;
	for (unsigned shift = 0; shift < 32; shift += 4, v /= 10)
		*pattern |= v % 10 << shift;
	return v == 0;
}

static uint16_t reg(const struct mb_form *f, const uint8_t *p)
{
	unsigned high = p[f->byte_little], low = p[!f->byte_little];

	return (uint16_t)(high << 8 | low);
}

/* All registers of the value as one number, most significant first. */
static uint64_t join(const struct mb_form *f, const uint8_t *p, unsigned n)
{
	uint64_t v = 0;

	for (unsigned i = 0; i < n; i++) {
		unsigned at = f->word_little ? n - 1 - i : i;

		v = v << 16 | reg(f, p + 2 * (at && f->apart ? f->apart : at));
	}
	return v;
}

static int64_t sign_extend(uint64_t v, unsigned bits)
{
	uint64_t top = UINT64_C(1) << (bits - 1);

	return (int64_t)((v ^ top) - top);
}

/* What is compared with f->none: the registers, or the bits that are taken out of them. */
static uint64_t pattern(const struct mb_form *f, const uint8_t *p)
{
	uint64_t v = join(f, p, types[f->type].registers) >> f->start;

	return f->length && f->length < 64 ? v & ((UINT64_C(1) << f->length) - 1) : v;
}

static struct gw_value integer(const struct mb_form *f, const uint8_t *p)
{
	uint64_t v = pattern(f, p);
	unsigned bits = f->length ? f->length : types[f->type].integer_bits;

	if (mb_form_kind(f) == GW_BOOL)
		return (struct gw_value){ .kind = GW_BOOL, .b = v != 0 };
	if (types[f->type].is_signed)
		return (struct gw_value){ .kind = GW_I64, .i = sign_extend(v, bits) };
	return (struct gw_value){ .kind = GW_U64, .u = v };
}

static struct gw_value float32(const struct mb_form *f, const uint8_t *p)
{
	static float (*const get[2][2])(const uint16_t *) = {
		/* word order: big, little; byte order: big, little */
		{ modbus_get_float_abcd, modbus_get_float_badc },
		{ modbus_get_float_cdab, modbus_get_float_dcba },
	};
	uint16_t r[2] = { (uint16_t)(p[0] << 8 | p[1]), (uint16_t)(p[2] << 8 | p[3]) };

	return (struct gw_value){ .kind = GW_F32, .f = get[f->word_little][f->byte_little](r) };
}

static struct gw_value float64(const struct mb_form *f, const uint8_t *p)
{
	struct gw_value v = { .kind = GW_F64 };
	uint64_t bits = join(f, p, 4);

	memcpy(&v.f, &bits, sizeof(v.f));
	return v;
}

static struct gw_value not_available(void)
{
	return (struct gw_value){ .kind = GW_NONE, .reason = GW_NOT_AVAILABLE };
}

static struct gw_value bcd(const struct mb_form *f, const uint8_t *p)
{
	struct gw_value v = { .kind = GW_U64 };

	return mb_from_bcd(pattern(f, p), &v.u) ? v : not_available();
}

static bool means_none(const struct mb_form *f, const uint8_t *p)
{
	uint64_t rank = f->nnone ? mb_form_rank(f, pattern(f, p)) : 0;

	for (unsigned i = 0; i < f->nnone; i++)
		if (f->none[i].from <= rank && rank <= f->none[i].to)
			return true;
	return false;
}

static struct gw_value string(const struct mb_form *f, const uint8_t *p, char *text)
{
	unsigned n = f->registers;
	size_t length = 0;

	for (unsigned i = 0; i < n; i++) {
		uint16_t r = reg(f, p + 2 * (f->word_little ? n - 1 - i : i));

		if (f->characters != MB_LOW)
			text[length++] = (char)(r >> 8);
		if (f->characters != MB_HIGH)
			text[length++] = (char)(r & 0xff);
	}
	return (struct gw_value){ .kind = GW_TEXT, .text = text, .length = length };
}

struct gw_value mb_decode(const struct mb_form *f, const uint8_t *data, unsigned offset,
			  char *text)
{
	const uint8_t *p = data + 2 * (size_t)offset;

	unsigned bit = offset + f->lead;

	if (f->single)
		return (struct gw_value){ .kind = GW_BOOL, .b = data[bit / 8] >> bit % 8 & 1 };
	if (means_none(f, p))
		return not_available();
	if (f->type == MB_F32)
		return float32(f, p);
	if (f->type == MB_F64)
		return float64(f, p);
	if (f->type == MB_STRING)
		return string(f, p, text);
	if (mb_type_is_bcd(f->type))
		return bcd(f, p);
	return integer(f, p);
}
