/*
 * normalise_point.c - the rules of one point (see normalise_point.h).
 *
 * Integers are compared with limits and deadbands as integers and decimals, so
 * that 230.1 to 230.2 is a change of 0.1 and not of 0.0999...; floats can only be
 * compared as what they are, with one unit in the last place of grace.
 */
#include "core/normalise_point.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static double as_double(uint64_t slot)
{
	double d;

	memcpy(&d, &slot, sizeof(d));
	return d;
}

static uint64_t as_slot(double d)
{
	uint64_t slot;

	memcpy(&slot, &d, sizeof(slot));
	return slot;
}

static enum gw_precision precision_of(const struct gw_point_rules *p)
{
	return (enum gw_precision)p->precision;
}

static bool is_float(unsigned kind)
{
	return kind == GW_F32 || kind == GW_F64;
}

static enum gw_rule rule_for(const struct gw_point_spec *spec, const struct gw_line *line)
{
	if (spec->kind == GW_TEXT)
		return GW_RULE_TEXT;
	if (spec->labels)
		return GW_RULE_LABEL;
	if (is_float(spec->kind))
		return GW_RULE_FLOAT;
	if (spec->kind == GW_BOOL && line->identity)
		return GW_RULE_BOOL;
	return line->whole ? GW_RULE_WHOLE : GW_RULE_FIXED;
}

static int copy_labels(struct gw_point_rules *p, const struct gw_point_spec *spec)
{
	if (p->rule != GW_RULE_LABEL)
		return 0;
	p->labels = calloc(spec->nlabels + 1, sizeof(*p->labels));
	if (!p->labels)
		return -1;
	for (; p->nlabels < spec->nlabels; p->nlabels++) {
		const struct gw_label *from = &spec->labels[p->nlabels];
		char *text = strdup(from->text);

		if (!text)
			return -1;
		p->labels[p->nlabels] = (struct gw_label){ from->raw, text };
	}
	return 0;
}

static void set_limits(struct gw_point_rules *p, const struct gw_point_spec *spec)
{
	bool exact = p->rule == GW_RULE_WHOLE || p->rule == GW_RULE_FIXED;

	p->has_min = spec->has_min;
	p->has_max = spec->has_max;
	p->has_deadband = spec->has_deadband;
	p->steps = 1;
	if (p->has_min) {
		p->min = gw_decimal_round_over(spec->min, p->line.divisor, precision_of(p));
		p->whole_min = gw_decimal_ceil(spec->min);
	}
	if (p->has_max) {
		p->max = gw_decimal_round_over(spec->max, p->line.divisor, precision_of(p));
		p->whole_max = gw_decimal_floor(spec->max);
	}
	if (p->has_deadband) {
		p->deadband = gw_decimal_round_over(spec->deadband, p->line.divisor, GW_DOUBLE);
		if (exact)
			p->steps = gw_decimal_steps(spec->deadband, spec->scale);
	}
}

int gw_point_rules_make(struct gw_point_rules *p, const struct gw_point_spec *spec)
{
	bool known = spec->kind >= GW_BOOL && spec->kind <= GW_TEXT;

	*p = (struct gw_point_rules){
		.kind = (uint8_t)(known ? spec->kind : GW_NONE),
		.precision = spec->kind == GW_F32 ? GW_SINGLE : GW_DOUBLE,
		.line = gw_line_make_over(spec->scale, spec->offset, spec->divisor ? spec->divisor : 1),
	};
	p->rule = (uint8_t)rule_for(spec, &p->line);
	set_limits(p, spec);
	return copy_labels(p, spec);
}

void gw_point_rules_free(struct gw_point_rules *p)
{
	for (unsigned i = 0; i < p->nlabels; i++)
		free((char *)(uintptr_t)p->labels[i].text);
	free(p->labels);
}

static void no_value(struct gw_cell *c, enum gw_reason why)
{
	*c = (struct gw_cell){ .slot = 0, .kind = GW_NONE, .reason = (uint8_t)why };
}

static void outside(struct gw_cell *c, bool is)
{
	if (is && c->reason == GW_GOOD)
		c->reason = GW_OUT_OF_RANGE;
}

static void give_double(const struct gw_point_rules *p, struct gw_cell *c, double d)
{
	c->slot = as_slot(d);
	c->kind = p->rule == GW_RULE_FLOAT ? p->kind : GW_F64;
	outside(c, (p->has_min && d < p->min) || (p->has_max && d > p->max));
}

static bool is_negative(const struct gw_point_rules *p, uint64_t slot)
{
	return p->kind == GW_I64 && (int64_t)slot < 0;
}

static void to_fixed(const struct gw_point_rules *p, struct gw_cell *c)
{
	bool negative = is_negative(p, c->slot);

	give_double(p, c, gw_line_integer(&p->line, negative, negative ? -c->slot : c->slot));
}

static void to_whole(const struct gw_point_rules *p, struct gw_cell *c)
{
	gw_i128 raw = p->kind == GW_I64 ? (gw_i128)(int64_t)c->slot : (gw_i128)c->slot, v;

	if (!gw_line_whole(&p->line, raw, &v) || v < INT64_MIN || v > UINT64_MAX) {
		no_value(c, GW_OVERFLOW);
		return;
	}
	c->slot = (uint64_t)v;
	if (v < 0 || (p->kind == GW_I64 && v <= INT64_MAX))
		c->kind = GW_I64;
	else
		c->kind = GW_U64;
	outside(c, (p->has_min && v < p->whole_min) || (p->has_max && v > p->whole_max));
}

static void to_float(const struct gw_point_rules *p, struct gw_cell *c)
{
	double d = as_double(c->slot);

	if (!isfinite(d)) {
		no_value(c, GW_NOT_AVAILABLE);
		return;
	}
	d = gw_line_float(&p->line, d, precision_of(p));
	if (isfinite(d))
		give_double(p, c, d);
	else
		no_value(c, GW_OVERFLOW);
}

/* The raw value as a label's; false: no label can have it. */
static bool label_key(const struct gw_point_rules *p, uint64_t slot, int64_t *key)
{
	if (is_float(p->kind)) {
		double d = as_double(slot);

		if (!(d >= -0x1p63 && d < 0x1p63) || d != floor(d))
			return false;
		*key = (int64_t)d;
		return true;
	}
	*key = (int64_t)slot;
	return p->kind == GW_I64 || slot <= INT64_MAX;
}

static void to_label(const struct gw_point_rules *p, struct gw_cell *c)
{
	unsigned low = 0, high = p->nlabels;
	int64_t key;

	if (!label_key(p, c->slot, &key)) {
		no_value(c, GW_NOT_IN_ENUM);
		return;
	}
	while (low < high) {
		unsigned middle = (low + high) / 2;

		if (p->labels[middle].raw < key)
			low = middle + 1;
		else
			high = middle;
	}
	if (low == p->nlabels || p->labels[low].raw != key) {
		no_value(c, GW_NOT_IN_ENUM);
		return;
	}
	c->slot = low;
	c->kind = GW_ENUM;
}

static void to_bool(const struct gw_point_rules *p, struct gw_cell *c)
{
	(void)p;
	c->slot = c->slot != 0;
}

static void to_text(const struct gw_point_rules *p, struct gw_cell *c)
{
	(void)p;
	(void)c;
}

void gw_point_convert(const struct gw_point_rules *p, struct gw_cell *c)
{
	static void (*const rules[])(const struct gw_point_rules *, struct gw_cell *) = {
		[GW_RULE_BOOL] = to_bool,   [GW_RULE_WHOLE] = to_whole, [GW_RULE_FIXED] = to_fixed,
		[GW_RULE_FLOAT] = to_float, [GW_RULE_LABEL] = to_label, [GW_RULE_TEXT] = to_text,
	};

	if (c->reason == GW_GOOD || c->reason == GW_OUT_OF_RANGE)
		rules[p->rule](p, c);
	else
		no_value(c, (enum gw_reason)c->reason);
}

uint64_t gw_point_basis(const struct gw_point_rules *p, uint64_t raw, uint64_t published)
{
	return p->rule == GW_RULE_WHOLE || p->rule == GW_RULE_FIXED ? raw : published;
}

static bool float_moved(const struct gw_point_rules *p, double sent, double now)
{
	double grace = fmax(fabs(sent), fabs(now)) *
		       (p->precision == GW_SINGLE ? (double)FLT_EPSILON : DBL_EPSILON);

	return now != sent && fabs(now - sent) + grace >= p->deadband;
}

bool gw_point_moved(const struct gw_point_rules *p, uint64_t sent, uint64_t now)
{
	bool up = p->kind == GW_I64 ? (int64_t)now > (int64_t)sent : now > sent;

	if (p->rule == GW_RULE_FLOAT)
		return float_moved(p, as_double(sent), as_double(now));
	return now != sent && (up ? now - sent : sent - now) >= p->steps;
}
