/*
 * setpoint.c - see setpoint.h.  Everything is whole numbers over a common power of ten.
 */
#include "core/setpoint.h"

#include <errno.h>
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/number.h"
#include "base/value.h"
#include "core/normalise_number.h"

enum { WORDS = 80 };

struct order {
	const struct gw_normaliser *n;
	unsigned point;
	const struct gw_point_spec *spec;
	const char *text;
	struct gw_err *err;
};

/* ---- values as words ---- */

static size_t put_number(char *digits, const struct gw_value *v)
{
	if (v->kind == GW_I64)
		return gw_put_i64(digits, v->i);
	if (v->kind == GW_U64)
		return gw_put_u64(digits, v->u);
	if (v->kind == GW_F32)
		return gw_put_f32(digits, (float)v->f);
	return gw_put_f64(digits, v->f);
}

const char *gw_value_words(const struct gw_normaliser *n, unsigned point, const struct gw_value *v, char *buf,
			   size_t size)
{
	char digits[GW_NUMBER_MAX];

	if (v->kind == GW_NONE)
		snprintf(buf, size, "no value");
	else if (v->kind == GW_BOOL)
		snprintf(buf, size, "%s", v->b ? "true" : "false");
	else if (v->kind == GW_TEXT)
		snprintf(buf, size, "%.*s", (int)v->length, v->text);
	else if (v->kind == GW_ENUM)
		snprintf(buf, size, "%s", gw_normaliser_label(n, point, v->label));
	else
		snprintf(buf, size, "%.*s", (int)put_number(digits, v), digits);
	return buf;
}

static struct gw_value raw_whole(const struct order *o, gw_i128 raw)
{
	struct gw_value v = { .kind = o->spec->kind };

	v.u = (uint64_t)raw;
	if (v.kind == GW_BOOL)
		v.b = raw != 0;
	return v;
}

/* What would be published of a raw value. */
static const char *shown(const struct order *o, gw_i128 raw, char *buf)
{
	struct gw_value v = raw_whole(o, raw);

	gw_normalise_one(o->n, o->point, &v);
	return gw_value_words(o->n, o->point, &v, buf, WORDS);
}

/* ---- decimals over one power of ten ---- */

static gw_i128 power(int places)
{
	gw_i128 p = 1;

	while (places-- > 0)
		p *= 10;
	return p;
}

/* A number as mantissa * 10^-places; the mantissa may have 64 bits and a sign. */
struct wide {
	gw_i128 mantissa;
	int places;
};

static struct wide wide(struct gw_decimal d)
{
	return (struct wide){ d.mantissa, d.places };
}

/* False: more digits than 128 bits hold. */
static bool over(struct wide w, int places, uint64_t times, gw_i128 *out)
{
	return !__builtin_mul_overflow(w.mantissa, power(places - w.places), out) &&
	       !__builtin_mul_overflow(*out, (gw_i128)times, out);
}

static int parse(const struct order *o, struct wide *out)
{
	struct gw_decimal d;
	size_t digits = strspn(o->text, "0123456789");

	if (gw_parse_decimal(o->text, &d, o->err) == 0) {
		*out = wide(d);
		return 0;
	}
	errno = 0;
	if (digits < 19 || digits > 20 || o->text[digits] || o->text[0] == '0')
		return -1;
	*out = (struct wide){ strtoull(o->text, NULL, 10), 0 };
	return errno ? -1 : 0;
}

/* ---- limits ---- */

static uint64_t divisor_of(const struct order *o)
{
	return o->spec->divisor ? o->spec->divisor : 1;
}

static int refuse_limit(const struct order *o, const char *side, struct gw_decimal limit)
{
	struct gw_value v = { .kind = GW_F64, .f = gw_decimal_round_over(limit, divisor_of(o), GW_DOUBLE) };
	char words[WORDS];

	return gw_err_set(o->err, GW_EINPUT, "%s is %s, %s", o->text, side,
			  gw_value_words(o->n, o->point, &v, words, sizeof(words)));
}

/* -1: below the limit, 1: above. */
static int compare(const struct order *o, struct wide value, struct gw_decimal limit)
{
	int places = value.places > limit.places ? value.places : limit.places;
	gw_i128 a, b;

	if (!over(value, places, divisor_of(o), &a) || !over(wide(limit), places, 1, &b))
		return value.mantissa < 0 ? -1 : 1; /* far beyond anything */
	return (a > b) - (a < b);
}

static int check_limits(const struct order *o, struct wide value)
{
	if (o->spec->has_min && compare(o, value, o->spec->min) < 0)
		return refuse_limit(o, "below min", o->spec->min);
	if (o->spec->has_max && compare(o, value, o->spec->max) > 0)
		return refuse_limit(o, "above max", o->spec->max);
	return 0;
}

/* ---- integers ---- */

/* As the plugin said; one that said nonsense gets the widest. */
static unsigned bits_of(const struct gw_point_spec *s)
{
	if (s->kind == GW_BOOL)
		return 1;
	return s->bits > 1 && s->bits < 64 ? s->bits : 64;
}

static gw_i128 least(const struct gw_point_spec *s)
{
	return s->kind == GW_I64 ? -((gw_i128)1 << (bits_of(s) - 1)) : 0;
}

static gw_i128 most(const struct gw_point_spec *s)
{
	return ((gw_i128)1 << (bits_of(s) - (s->kind == GW_I64))) - 1;
}

static int refuse_range(const struct order *o)
{
	char low[WORDS], high[WORDS];
	bool falls = o->spec->scale.mantissa < 0;

	shown(o, falls ? most(o->spec) : least(o->spec), low);
	shown(o, falls ? least(o->spec) : most(o->spec), high);
	return gw_err_set(o->err, GW_EINPUT, "%s is more than the device can hold: %s to %s", o->text, low, high);
}

static int refuse_step(const struct order *o, gw_i128 below, gw_i128 above)
{
	bool falls = o->spec->scale.mantissa < 0;
	char low[WORDS], high[WORDS];

	if (below < least(o->spec) || above > most(o->spec))
		return refuse_range(o);
	shown(o, falls ? above : below, low);
	shown(o, falls ? below : above, high);
	return gw_err_set(o->err, GW_EINPUT, "%s lies between two steps of the device: the nearest are %s and %s",
			  o->text, low, high);
}

/* value * divisor - offset and scale, over the same power of ten. */
static bool line_backwards(const struct order *o, struct wide value, gw_i128 *numerator, gw_i128 *denominator)
{
	const struct gw_point_spec *s = o->spec;
	int places = value.places;
	gw_i128 offset;

	places = s->offset.places > places ? s->offset.places : places;
	places = s->scale.places > places ? s->scale.places : places;
	return over(value, places, divisor_of(o), numerator) && over(wide(s->offset), places, 1, &offset) &&
	       over(wide(s->scale), places, 1, denominator) &&
	       !__builtin_sub_overflow(*numerator, offset, numerator);
}

static int to_whole(const struct order *o, struct gw_value *raw)
{
	gw_i128 n, d, quotient, rest;
	struct wide value;

	if (parse(o, &value) != 0 || check_limits(o, value) != 0)
		return -1;
	if (!line_backwards(o, value, &n, &d))
		return refuse_range(o);
	quotient = n / d;
	rest = n % d;
	if (rest != 0) {
		bool down = (rest < 0) != (d < 0); /* C cuts towards zero */

		return refuse_step(o, quotient - down, quotient - down + 1);
	}
	if (quotient < least(o->spec) || quotient > most(o->spec))
		return refuse_range(o);
	*raw = raw_whole(o, quotient);
	return 0;
}

/* ---- floats ---- */

static bool is_plain(const struct gw_point_spec *s, uint64_t divisor)
{
	return s->scale.mantissa == 1 && s->scale.places == 0 && s->offset.mantissa == 0 && divisor == 1;
}

static int to_float(const struct order *o, struct gw_value *raw)
{
	const struct gw_point_spec *s = o->spec;
	double v, ten = pow(10, s->scale.places), low, high;

	if (gw_parse_number(o->text, &v, o->err) != 0)
		return -1;
	low = gw_decimal_round_over(s->min, divisor_of(o), GW_DOUBLE);
	high = gw_decimal_round_over(s->max, divisor_of(o), GW_DOUBLE);
	if (s->has_min && v < low)
		return refuse_limit(o, "below min", s->min);
	if (s->has_max && v > high)
		return refuse_limit(o, "above max", s->max);
	if (!is_plain(s, divisor_of(o)))
		v = (v * (double)divisor_of(o) - gw_decimal_round(s->offset, GW_DOUBLE)) * ten /
		    (double)s->scale.mantissa;
	if (!isfinite(v) || (s->kind == GW_F32 && fabs(v) > (double)FLT_MAX))
		return gw_err_set(o->err, GW_EINPUT, "%s is more than the device can hold", o->text);
	*raw = (struct gw_value){ .kind = s->kind, .f = s->kind == GW_F32 ? (double)(float)v : v };
	return 0;
}

/* ---- words ---- */

static int to_label(const struct order *o, struct gw_value *raw)
{
	const struct gw_point_spec *s = o->spec;
	char words[256] = "";
	size_t n = 0;

	for (unsigned i = 0; i < s->nlabels; i++) {
		int64_t key = s->labels[i].raw;

		if (n < sizeof(words))
			n += (size_t)snprintf(words + n, sizeof(words) - n, "%s%s", i ? ", " : "", s->labels[i].text);
		if (strcmp(s->labels[i].text, o->text) != 0)
			continue;
		*raw = raw_whole(o, key);
		if (s->kind == GW_F32 || s->kind == GW_F64)
			raw->f = (double)key;
		else if (key < least(s) || key > most(s))
			return gw_err_set(o->err, GW_EINPUT, "the device cannot hold %lld, the raw value of '%s'",
					  (long long)key, o->text);
		return 0;
	}
	return gw_err_set(o->err, GW_EINPUT, "'%.64s' is no value of it; allowed: %s", o->text, words);
}

static int to_bool(const struct order *o, struct gw_value *raw)
{
	static const struct {
		const char *word;
		bool value;
	} words[] = { { "true", true }, { "false", false }, { "1", true }, { "0", false } };

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (strcmp(words[i].word, o->text) == 0) {
			*raw = (struct gw_value){ .kind = GW_BOOL, .b = words[i].value };
			return 0;
		}
	return gw_err_set(o->err, GW_EINPUT, "'%.64s' is no bool; allowed: true, false", o->text);
}

static int to_text(const struct order *o, struct gw_value *raw)
{
	*raw = (struct gw_value){ .kind = GW_TEXT, .text = o->text, .length = strlen(o->text) };
	return 0;
}

int gw_setpoint(const struct gw_normaliser *n, unsigned point, const struct gw_point_spec *spec,
		const char *text, struct gw_value *raw, struct gw_err *err)
{
	struct order o = { n, point, spec, text, err };

	if (spec->kind == GW_TEXT)
		return to_text(&o, raw);
	if (spec->labels)
		return to_label(&o, raw);
	if (spec->kind == GW_F32 || spec->kind == GW_F64)
		return to_float(&o, raw);
	if (spec->kind == GW_BOOL && is_plain(spec, spec->divisor ? spec->divisor : 1))
		return to_bool(&o, raw);
	return to_whole(&o, raw);
}
