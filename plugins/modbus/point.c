#include "plugins/modbus/point.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct reading {
	const struct mb_point_keys *keys;
	const struct gw_node *node;
	const char *path;
	struct mb_point *out;
	const struct mb_limits *limits;
	struct gw_problems *to;
};

static bool given(const struct reading *r, const char *key)
{
	return mb_given(r->node, key);
}

/* At the value of `key`; at the point's name when the key is not there. */
__attribute__((format(printf, 3, 4)))
static void problem(const struct reading *r, const char *key, const char *fmt, ...)
{
	const struct gw_node *n = key ? gw_node_get(r->node, key) : NULL;
	char path[256], text[256];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	snprintf(path, sizeof(path), key ? "%s.%s" : "%s", r->path, key);
	gw_problem(r->to, n ? &n->place : &r->node->name_place, path, "%s", text);
}

/* ---- where ---- */

static const struct {
	char digit;
	enum mb_table table;
} references[] = {
	{ '0', MB_COIL }, { '1', MB_DISCRETE }, { '3', MB_INPUT }, { '4', MB_HOLDING },
};

static bool parse_reference(const char *s, struct mb_span *out)
{
	size_t n = strlen(s);
	unsigned long number;

	if ((n != 5 && n != 6) || strspn(s, "0123456789") != n)
		return false;
	number = strtoul(s + 1, NULL, 10);
	if (number < 1 || number > 65536)
		return false;
	out->address = (uint16_t)(number - 1);
	for (size_t i = 0; i < sizeof(references) / sizeof(references[0]); i++) {
		if (references[i].digit != s[0])
			continue;
		out->table = references[i].table;
		return true;
	}
	return false;
}

static void read_reference(const struct reading *r)
{
	struct mb_span *span = &r->out->span;

	if (!parse_reference(r->keys->reference, span))
		problem(r, "reference",
			"\"%s\" is not a reference; allowed: 5 or 6 digits, the first one "
			"0, 1, 3 or 4, counted from 1, for example 40001 or 400001",
			r->keys->reference);
	else if (given(r, "table") && r->keys->table != (int)span->table)
		problem(r, "table", "%s contradicts reference %s, which is in the table %s; leave `table` out",
			mb_table_names[r->keys->table], r->keys->reference, mb_table_names[span->table]);
}

static void read_place(const struct reading *r)
{
	bool address = given(r, "address"), reference = given(r, "reference");

	r->out->span.table = (enum mb_table)r->keys->table;
	r->out->span.address = (uint16_t)r->keys->address;
	if (address && reference)
		problem(r, "reference", "`address` is given too; one of them is enough");
	else if (reference)
		read_reference(r);
	else if (!address)
		problem(r, NULL,
			"needs `address` (0 to 65535, counted from 0) or `reference` (for example 40001)");
}

/* ---- what ---- */

static enum mb_type default_type(const struct reading *r)
{
	return r->out->form.single || given(r, "bit") ? MB_BOOL : MB_U16;
}

static void read_type(const struct reading *r)
{
	struct mb_form *f = &r->out->form;

	f->single = r->out->span.table == MB_COIL || r->out->span.table == MB_DISCRETE;
	f->word_little = r->keys->word_order == MB_LITTLE;
	f->byte_little = r->keys->byte_order == MB_LITTLE;
	f->type = given(r, "type") ? (enum mb_type)r->keys->type : default_type(r);
	if (!f->single || f->type == MB_BOOL)
		return;
	problem(r, "type", "%s in the table %s, where everything is a bool", mb_type_names[f->type],
		mb_table_names[r->out->span.table]);
	f->type = MB_BOOL;
}

static void read_length(const struct reading *r)
{
	struct mb_form *f = &r->out->form;
	bool length = given(r, "length");

	f->registers = (uint16_t)r->keys->length;
	if (f->type == MB_STRING && !length) {
		problem(r, NULL, "a string needs `length` (registers, 1 to %u)", r->limits->max_registers);
		f->registers = 1;
	}
	if (f->type != MB_STRING && length)
		problem(r, "length", "only a string has a length; a %s takes %u register%s",
			mb_type_names[f->type], mb_form_width(f), mb_form_width(f) == 1 ? "" : "s");
}

static void take_bits(const struct reading *r, const char *key, int64_t start, int64_t length)
{
	struct mb_form *f = &r->out->form;
	unsigned width = mb_type_integer_bits(f->type);

	if (f->single)
		problem(r, key, "the table %s holds single bits", mb_table_names[r->out->span.table]);
	else if (!width)
		problem(r, key, "a %s has no bits to take out; allowed: u16 i16 u32 i32 u64 i64",
			mb_type_names[f->type]);
	else if (start + length > width)
		problem(r, key, "bit %lld is beyond the type; a %s has bits 0 to %u",
			(long long)(start + length - 1), mb_type_names[f->type], width - 1);
	else {
		f->start = (uint8_t)start;
		f->length = (uint8_t)length;
	}
}

static void read_bits(const struct reading *r)
{
	bool bit = given(r, "bit"), bits = given(r, "bits");

	if (bit && bits)
		problem(r, "bits", "`bit` is given too; one of them is enough");
	else if (bit)
		take_bits(r, "bit", r->keys->bit, 1);
	else if (bits)
		take_bits(r, "bits", r->keys->bits.start, r->keys->bits.length);
	r->out->form.flag = bit;
}

static void check_extent(const struct reading *r)
{
	struct mb_span *span = &r->out->span;
	const char *key = given(r, "address") ? "address" : "reference";
	unsigned width = mb_form_width(&r->out->form);

	if (span->address + width > 65536)
		problem(r, key, "the value ends at address %u; the last one is 65535",
			span->address + width - 1);
	if (!r->out->form.single && width > r->limits->max_registers)
		problem(r, r->out->form.type == MB_STRING ? "length" : "type",
			"takes %u registers, but the device gives at most %u (max_registers)", width,
			r->limits->max_registers);
	span->width = (uint16_t)width;
}

void mb_point_read(const struct mb_point_keys *keys, const struct gw_node *node, const char *path,
		   const struct mb_limits *limits, struct mb_point *out, struct gw_problems *to)
{
	static void (*const steps[])(const struct reading *) = {
		read_place, read_type, read_length, read_bits, check_extent,
	};
	struct reading r = { keys, node, path, out, limits, to };
	unsigned before = to->count;

	*out = (struct mb_point){ 0 };
	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++)
		steps[i](&r);
	if (to->count != before)
		*out = (struct mb_point){ .span = { MB_HOLDING, 0, 1 }, .form = { .type = MB_U16 } };
}
