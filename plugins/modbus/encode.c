#include "plugins/modbus/encode.h"

#include <string.h>

static void put_register(const struct mb_form *f, uint8_t *p, unsigned v)
{
	p[f->byte_little] = (uint8_t)(v >> 8);
	p[!f->byte_little] = (uint8_t)v;
}

static void put_registers(const struct mb_form *f, uint8_t *out, uint64_t pattern)
{
	unsigned n = mb_form_width(f);

	for (unsigned i = 0; i < n; i++, pattern >>= 16)
		put_register(f, out + 2 * (f->word_little ? i : n - 1 - i), (unsigned)(pattern & 0xffff));
}

static bool fits(const struct mb_form *f, const struct gw_value *v)
{
	unsigned bits = mb_type_integer_bits(f->type);

	if (bits == 64)
		return v->kind == (mb_type_is_signed(f->type) ? GW_I64 : GW_U64);
	if (mb_type_is_signed(f->type))
		return v->kind == GW_I64 && v->i >= -(INT64_C(1) << (bits - 1)) && v->i < INT64_C(1) << (bits - 1);
	return v->kind == GW_U64 && v->u >> bits == 0;
}

static bool pattern_of(const struct mb_form *f, const struct gw_value *v, uint64_t *pattern)
{
	float single;
	uint32_t bits;

	*pattern = v->u;
	switch (f->type) {
	case MB_BOOL:
		*pattern = v->kind == GW_BOOL && v->b;
		return v->kind == GW_BOOL;
	case MB_F32:
		single = (float)v->f;
		memcpy(&bits, &single, sizeof(bits));
		*pattern = bits;
		return v->kind == GW_F32;
	case MB_F64:
		return v->kind == GW_F64;
	case MB_BCD16:
	case MB_BCD32:
		return v->kind == GW_U64 && mb_to_bcd(v->u, pattern) && (f->type == MB_BCD32 || *pattern <= 0xffff);
	case MB_U16:
	case MB_I16:
	case MB_U32:
	case MB_I32:
	case MB_U64:
	case MB_I64:
		return fits(f, v);
	case MB_STRING:
		break;
	}
	return false;
}

/* The next character; what is left of the registers becomes NUL. */
static unsigned next_of(const struct gw_value *v, size_t *at)
{
	return *at < v->length ? (uint8_t)v->text[(*at)++] : 0;
}

static int put_text(const struct mb_form *f, const struct gw_value *v, uint8_t *out, struct gw_err *err)
{
	unsigned n = f->registers, most = f->characters == MB_BOTH ? 2 * n : n;
	size_t at = 0;

	if (v->kind != GW_TEXT || v->length > most)
		return gw_err_set(err, GW_EINPUT, "the text has %zu bytes, %u registers hold %u", v->length, n, most);
	for (unsigned i = 0; i < n; i++) {
		unsigned high = f->characters == MB_LOW ? 0 : next_of(v, &at);
		unsigned low = f->characters == MB_HIGH ? 0 : next_of(v, &at);

		put_register(f, out + 2 * (f->word_little ? n - 1 - i : i), high << 8 | low);
	}
	return 0;
}

int mb_encode(const struct mb_form *f, const struct gw_value *v, uint8_t *out, struct gw_err *err)
{
	uint64_t pattern;

	if (f->type == MB_STRING)
		return put_text(f, v, out, err);
	if (!pattern_of(f, v, &pattern))
		return gw_err_set(err, GW_EINPUT, "the value does not fit a %s", mb_type_names[f->type]);
	if (f->single)
		out[0] = (uint8_t)pattern;
	else
		put_registers(f, out, pattern);
	return 0;
}
