#include "plugins/modbus/point.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "plugins/modbus/encode.h"

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
	f->characters = (enum mb_characters)r->keys->characters;
	if (f->type == MB_STRING && !length) {
		problem(r, NULL, "a string needs `length` (registers, 1 to %u)", r->limits->max_registers);
		f->registers = 1;
	}
	if (f->type != MB_STRING && given(r, "characters"))
		problem(r, "characters", "only a string has characters");
	if (f->type != MB_STRING && length)
		problem(r, "length", "only a string has a length; a %s takes %u register%s",
			mb_type_names[f->type], mb_form_width(f), mb_form_width(f) == 1 ? "" : "s");
}

/* Halves that are no neighbours: all from the one to the other is read, so they are of one moment. */
static void read_halves(const struct reading *r)
{
	struct mb_form *f = &r->out->form;
	struct mb_span *span = &r->out->span;
	int64_t low = r->keys->address, high = r->keys->high_address;

	if (!given(r, "high_address"))
		return;
	if (f->type != MB_U32 && f->type != MB_I32) {
		problem(r, "high_address", "splits numbers of 32 bits; allowed types: u32 i32");
		return;
	}
	if (given(r, "word_order"))
		problem(r, "word_order", "follows from `high_address`; leave it out");
	else if (!given(r, "address") || high == low)
		problem(r, "high_address", "goes with another `address`, that of the lower 16 bits");
	f->word_little = high > low;
	f->apart = (uint16_t)(high > low ? high - low : low - high);
	span->address = (uint16_t)(high > low ? low : high);
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

/* ---- special values, counters, values in two places ---- */

static void add_no_value(const struct reading *r, const struct gw_node *n)
{
	struct gw_err err;
	char path[256];

	snprintf(path, sizeof(path), "%s.no_value", r->path);
	if (n->kind != GW_NODE_SCALAR)
		gw_problem(r->to, &n->place, path, "takes raw values, for example [0x7FFF]");
	else if (r->out->nnone == MB_NO_VALUES_MAX)
		gw_problem(r->to, &n->place, path, "has more than %d values", MB_NO_VALUES_MAX);
	else if (mb_no_value(&r->out->form, n->text, &r->out->none[r->out->nnone], &err))
		gw_problem(r->to, &n->place, path, "%s", err.msg);
	else
		r->out->nnone++;
}

static void read_no_value(const struct reading *r)
{
	const struct gw_node *n = gw_node_get(r->node, "no_value");
	enum mb_type type = r->out->form.type;

	if (!given(r, "no_value"))
		return;
	if (r->out->form.flag || type == MB_BOOL || type == MB_STRING)
		problem(r, "no_value", "a %s has no raw value to spare", r->out->form.flag ? "bit" : mb_type_names[type]);
	else if (n->kind != GW_NODE_LIST)
		add_no_value(r, n);
	else
		for (const struct gw_node *c = n->first; c; c = c->next)
			add_no_value(r, c);
}

static bool is_plain_integer(const struct reading *r)
{
	const struct mb_form *f = &r->out->form;

	return f->type != MB_BOOL && mb_type_integer_bits(f->type) && !f->flag;
}

static void read_counter(const struct reading *r)
{
	static const uint8_t bits[] = { 16, 32, 64 };
	const struct mb_form *f = &r->out->form;
	unsigned n = bits[r->keys->counter.bits];

	if (!given(r, "counter"))
		return;
	if (!is_plain_integer(r) || mb_type_is_signed(f->type) || f->length)
		problem(r, "counter", "counts in whole numbers without a sign; allowed types: u16 u32 u64");
	else if (n > mb_type_integer_bits(f->type))
		problem(r, "counter", "begins again at %u bits, but a %s has %u", n, mb_type_names[f->type],
			mb_type_integer_bits(f->type));
	else
		r->out->counter_bits = n;
}

static const struct {
	const char *key, *of_a_counter;
} joins[] = {
	[MB_POWER] = { "scale_from", "a counter's total cannot follow a factor that may change; use `scale`" },
	[MB_DECIMALS] = { "decimals_from", "a counter's total cannot follow decimals that may change; use `scale`" },
};
enum { JOINS = sizeof(joins) / sizeof(joins[0]) };

const char *mb_joined_key(enum mb_joined how)
{
	return joins[how].key;
}

static const char *other_of(const struct mb_point_keys *k, enum mb_joined how)
{
	return how == MB_POWER ? k->scale_from : k->decimals_from;
}

static void join_with(const struct reading *r, enum mb_joined how)
{
	const char *key = joins[how].key;

	if (r->out->joined)
		problem(r, key, "`%s` is given too; one of them is enough", joins[r->out->joined].key);
	else if (given(r, "counter"))
		problem(r, key, "%s", joins[how].of_a_counter);
	else if (!is_plain_integer(r))
		problem(r, key, "scales whole numbers; allowed types: u16 i16 u32 i32 u64 i64");
	r->out->joined = how;
	r->out->other = other_of(r->keys, how);
}

static void read_joined(const struct reading *r)
{
	for (enum mb_joined how = MB_POWER; how < (enum mb_joined)JOINS; how++)
		if (given(r, joins[how].key))
			join_with(r, how);
}

/* ---- writing ---- */

static bool is_writable(const struct reading *r)
{
	const struct gw_node *n = gw_node_get(r->node, "writable");

	return n && n->kind == GW_NODE_SCALAR && strcmp(n->text, "true") == 0;
}

/* Why it cannot be written, or NULL. */
static const char *unwritable(const struct reading *r)
{
	const struct mb_point *p = r->out;

	if (p->span.table == MB_INPUT || p->span.table == MB_DISCRETE)
		return "the device lets nobody write there; only coils and holding registers can be written";
	if (p->form.length)
		return "writing some bits would overwrite the others of the register; write the whole register";
	if (p->counter_bits)
		return "a counter's total cannot be written";
	if (p->joined == MB_POWER)
		return "a value with `scale_from` cannot be written, as its factor may change; use `scale`";
	if (p->joined == MB_DECIMALS)
		return "a value with `decimals_from` cannot be written, as they may change; use `scale`";
	if (p->form.apart)
		return "a value in two places cannot be written, as that takes two requests";
	return NULL;
}

static uint8_t usual_function(const struct mb_point *p)
{
	if (p->form.single)
		return 5;
	return mb_form_width(&p->form) == 1 ? 6 : 16;
}

static void take_function(const struct reading *r, int64_t function)
{
	bool single = r->out->form.single;
	unsigned width = mb_form_width(&r->out->form);

	if (single && function != 5 && function != 15)
		problem(r, "write_function", "a coil is written with 5 or 15");
	else if (!single && function != 6 && function != 16)
		problem(r, "write_function", "registers are written with 6 or 16");
	else if (width > MB_WRITE_REGISTERS_MAX)
		problem(r, "length", "takes %u registers; at most %d can be written at once", width,
			MB_WRITE_REGISTERS_MAX);
	else if (function == 6 && width != 1)
		problem(r, "write_function", "6 writes one register, this value takes %u; use 16", width);
	else
		r->out->write_function = (uint8_t)function;
}

static void read_writable(const struct reading *r)
{
	const char *why = unwritable(r);

	if (!is_writable(r) && given(r, "write_function"))
		problem(r, "write_function", "has a meaning only with `writable: true`");
	if (!is_writable(r))
		return;
	if (why)
		problem(r, "writable", "%s", why);
	else
		take_function(r, given(r, "write_function") ? r->keys->write_function : usual_function(r->out));
}

struct mb_form mb_point_form(const struct mb_point *p, struct gw_arena *arena)
{
	struct mb_form f = p->form;
	struct mb_none *none;

	if (!p->nnone)
		return f;
	none = gw_arena_alloc(arena, p->nnone * sizeof(*none));
	memcpy(none, p->none, p->nnone * sizeof(*none));
	f.none = none;
	f.nnone = (uint8_t)p->nnone;
	return f;
}

enum gw_kind mb_point_kind(const struct mb_point *p)
{
	return p->joined ? GW_F64 : mb_form_kind(&p->form);
}

unsigned mb_point_bits(const struct mb_point *p)
{
	return p->joined || p->counter_bits ? 64 : mb_form_bits(&p->form);
}

/* What makes it as wide as it is. */
static const char *wide_key(const struct mb_form *f)
{
	return f->type == MB_STRING ? "length" : f->apart ? "high_address" : "type";
}

/* The span is then what has to be asked for, and the value lies at its end. */
static void begin_at_zero(const struct reading *r, const char *key)
{
	struct mb_span *span = &r->out->span;

	if (span->address >= r->limits->max_bits)
		problem(r, key, "needs %u bits from address 0 on (coils_from_zero), but at most %u are given at "
			"once (max_bits)", span->address + 1U, r->limits->max_bits);
	r->out->form.lead = span->address;
	span->width = (uint16_t)(span->address + 1);
	span->address = 0;
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
		problem(r, wide_key(&r->out->form),
			"takes %u registers, but the device gives at most %u (max_registers)", width,
			r->limits->max_registers);
	span->width = (uint16_t)width;
	if (r->out->form.single && r->limits->bits_from_zero)
		begin_at_zero(r, key);
}

void mb_point_read(const struct mb_point_keys *keys, const struct gw_node *node, const char *path,
		   const struct mb_limits *limits, struct mb_point *out, struct gw_problems *to)
{
	static void (*const steps[])(const struct reading *) = {
		read_place, read_type, read_length, read_halves, read_bits, check_extent, read_no_value,
		read_counter, read_joined, read_writable,
	};
	struct reading r = { keys, node, path, out, limits, to };
	unsigned before = to->count;

	*out = (struct mb_point){ 0 };
	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++)
		steps[i](&r);
	if (to->count != before)
		*out = (struct mb_point){ .span = { MB_HOLDING, 0, 1 }, .form = { .type = MB_U16 } };
}
