/*
 * normalise_number.c - exact decimal lines (see normalise_number.h).
 *
 * The exact result is N / (5^P * 2^P * divisor) with a whole N: raw * scale and offset
 * over the common power of ten P.  5^18 is below 2^42, so short divisions of
 * N, their remainders kept as a sticky bit, give all that rounding needs.  Nothing
 * here looks at the rounding mode or uses long double.
 */
#include "core/normalise_number.h"

#include <assert.h>
#include <float.h>
#include <math.h>
#include <string.h>

enum {
	PLACES_MAX = 18,
	/* raw 64 bits, mantissa 63, 10^18 60, binary exponent up to 1074, sum 1 */
	LIMBS = 20,
	ROUNDING_BITS = 174, /* 42 of the power of five, 64 of the divisor, 64 of the quotient, rest spare */
};

static const int64_t powers[PLACES_MAX + 1] = {
	1, 10, 100, 1000, 10000, 100000, 1000000, 10000000, 100000000, 1000000000, 10000000000,
	100000000000, 1000000000000, 10000000000000, 100000000000000, 1000000000000000,
	10000000000000000, 100000000000000000, 1000000000000000000,
};

/* A whole number, least limb first; limbs from n on are not defined. */
struct big {
	unsigned n;
	uint64_t limb[LIMBS];
};

static void big_set(struct big *b, uint64_t v)
{
	b->n = v ? 1 : 0;
	b->limb[0] = v;
}

static void big_push(struct big *b, uint64_t limb)
{
	if (!limb)
		return;
	assert(b->n < LIMBS);
	b->limb[b->n++] = limb;
}

static void big_trim(struct big *b)
{
	while (b->n && !b->limb[b->n - 1])
		b->n--;
}

static void big_multiply(struct big *b, uint64_t by)
{
	gw_u128 carry = 0;

	for (unsigned i = 0; i < b->n; i++) {
		carry += (gw_u128)b->limb[i] * by;
		b->limb[i] = (uint64_t)carry;
		carry >>= 64;
	}
	big_push(b, (uint64_t)carry);
	big_trim(b);
}

static void big_shift(struct big *b, unsigned bits)
{
	unsigned limbs = bits / 64, rest = bits % 64;
	uint64_t high;

	if (!b->n || !bits)
		return;
	assert(b->n + limbs <= LIMBS);
	memmove(b->limb + limbs, b->limb, b->n * sizeof(b->limb[0]));
	memset(b->limb, 0, limbs * sizeof(b->limb[0]));
	b->n += limbs;
	if (!rest)
		return;
	high = b->limb[b->n - 1] >> (64 - rest);
	for (unsigned i = b->n - 1; i > 0; i--)
		b->limb[i] = b->limb[i] << rest | b->limb[i - 1] >> (64 - rest);
	b->limb[0] <<= rest;
	big_push(b, high);
}

static int big_compare(const struct big *a, const struct big *b)
{
	if (a->n != b->n)
		return a->n < b->n ? -1 : 1;
	for (unsigned i = a->n; i-- > 0;)
		if (a->limb[i] != b->limb[i])
			return a->limb[i] < b->limb[i] ? -1 : 1;
	return 0;
}

static void big_add(struct big *a, const struct big *b)
{
	gw_u128 carry = 0;

	while (a->n < b->n)
		a->limb[a->n++] = 0;
	for (unsigned i = 0; i < a->n; i++) {
		carry += (gw_u128)a->limb[i] + (i < b->n ? b->limb[i] : 0);
		a->limb[i] = (uint64_t)carry;
		carry >>= 64;
	}
	big_push(a, (uint64_t)carry);
}

/* to = a - b; a is not below b; `to` may be either. */
static void big_subtract(struct big *to, const struct big *a, const struct big *b)
{
	unsigned less = b->n;
	uint64_t borrow = 0;

	to->n = a->n;
	for (unsigned i = 0; i < to->n; i++) {
		gw_u128 take = (gw_u128)(i < less ? b->limb[i] : 0) + borrow;

		borrow = a->limb[i] < take;
		to->limb[i] = (uint64_t)(a->limb[i] - take);
	}
	big_trim(to);
}

static uint64_t big_divide(struct big *b, uint64_t by)
{
	gw_u128 rest = 0;

	for (unsigned i = b->n; i-- > 0;) {
		rest = rest << 64 | b->limb[i];
		b->limb[i] = (uint64_t)(rest / by);
		rest %= by;
	}
	big_trim(b);
	return (uint64_t)rest;
}

static unsigned bits_of(const struct big *b)
{
	return b->n ? b->n * 64 - (unsigned)__builtin_clzll(b->limb[b->n - 1]) : 0;
}

/* The highest 64 bits, highest bit set; *sticky: something lies below.  *exponent grows by what was cut. */
static uint64_t big_top(const struct big *b, int *exponent, bool *sticky)
{
	assert(b->n > 0);
	unsigned last = b->n - 1, shift = (unsigned)__builtin_clzll(b->limb[last]);
	uint64_t top = b->limb[last] << shift;
	uint64_t below = last && shift ? b->limb[last - 1] << shift : last ? b->limb[last - 1] : 0;

	if (last && shift)
		top |= b->limb[last - 1] >> (64 - shift);
	*sticky |= below != 0;
	for (unsigned i = 0; i + 1 < last; i++)
		*sticky |= b->limb[i] != 0;
	*exponent += (int)(last * 64) - (int)shift;
	return top;
}

/* top * 2^exponent (and a little more, if sticky), to nearest, ties to even. */
static double round_to(uint64_t top, bool sticky, int exponent, enum gw_precision precision)
{
	static const struct { int bits, lowest; double max; } forms[] = {
		[GW_SINGLE] = { FLT_MANT_DIG, FLT_MIN_EXP - FLT_MANT_DIG, (double)FLT_MAX },
		[GW_DOUBLE] = { DBL_MANT_DIG, DBL_MIN_EXP - DBL_MANT_DIG, DBL_MAX },
	};
	int drop = 64 - forms[precision].bits;
	gw_u128 half, rest;
	uint64_t kept;
	double d;

	if (exponent + drop < forms[precision].lowest)
		drop = forms[precision].lowest - exponent;
	if (drop > 64)
		return 0;
	kept = (uint64_t)((gw_u128)top >> drop);
	half = (gw_u128)1 << (drop - 1);
	rest = (gw_u128)top & (2 * half - 1);
	if (rest > half || (rest == half && (sticky || (kept & 1))))
		kept++;
	d = ldexp((double)kept, exponent + drop);
	return d > forms[precision].max ? (double)INFINITY : d;
}

static uint64_t magnitude_of(int64_t v)
{
	return v < 0 ? -(uint64_t)v : (uint64_t)v;
}

static uint64_t power_of_five(int n)
{
	return (uint64_t)(powers[n] >> n);
}

/* a += b, both with a sign. */
static void add_signed(struct big *a, bool *a_negative, const struct big *b, bool b_negative)
{
	if (*a_negative == b_negative) {
		big_add(a, b);
	} else if (big_compare(a, b) >= 0) {
		big_subtract(a, a, b);
	} else {
		big_subtract(a, b, a);
		*a_negative = b_negative;
	}
}

/* (-1)^negative * mantissa * 2^exponent through the line. */
static double exact(const struct gw_line *l, bool negative, uint64_t mantissa, int exponent,
		    enum gw_precision precision)
{
	int places = l->scale.places > l->offset.places ? l->scale.places : l->offset.places;
	struct big sum, offset;
	uint64_t top;
	bool sticky;
	double d;

	big_set(&sum, mantissa);
	big_multiply(&sum, magnitude_of(l->scale.mantissa));
	big_multiply(&sum, (uint64_t)powers[places - l->scale.places]);
	big_set(&offset, magnitude_of(l->offset.mantissa));
	big_multiply(&offset, (uint64_t)powers[places - l->offset.places]);
	big_shift(exponent < 0 ? &offset : &sum, (unsigned)(exponent < 0 ? -exponent : exponent));
	exponent = exponent < 0 ? exponent : 0;

	negative ^= l->scale.mantissa < 0;
	add_signed(&sum, &negative, &offset, l->offset.mantissa < 0);
	if (!sum.n)
		return 0;
	if (bits_of(&sum) < ROUNDING_BITS) {
		unsigned shift = ROUNDING_BITS - bits_of(&sum);

		big_shift(&sum, shift);
		exponent -= (int)shift;
	}
	sticky = big_divide(&sum, power_of_five(places)) != 0;
	sticky |= l->divisor > 1 && big_divide(&sum, l->divisor) != 0;
	exponent -= places;
	top = big_top(&sum, &exponent, &sticky);
	d = round_to(top, sticky, exponent, precision);
	return negative ? -d : d;
}

static struct gw_decimal reduced(struct gw_decimal d)
{
	assert(d.places >= 0 && d.places <= PLACES_MAX);
	while (d.places && d.mantissa % 10 == 0) {
		d.mantissa /= 10;
		d.places--;
	}
	return d;
}

struct gw_line gw_line_make_over(struct gw_decimal scale, struct gw_decimal offset, uint64_t divisor)
{
	struct gw_line l = { .scale = reduced(scale), .offset = reduced(offset), .divisor = divisor };
	int places = l.scale.places > l.offset.places ? l.scale.places : l.offset.places;
	gw_u128 odd = (gw_u128)power_of_five(places) * divisor; /* a power of two more stays exact */

	assert(divisor);
	l.whole = places == 0 && divisor == 1;
	l.identity = l.whole && l.scale.mantissa == 1 && l.offset.mantissa == 0;
	l.ten = (double)powers[places] * (double)divisor;
	l.quick = odd <= (uint64_t)1 << DBL_MANT_DIG && !__builtin_mul_overflow(l.scale.mantissa, powers[places - l.scale.places], &l.a) &&
		  !__builtin_mul_overflow(l.offset.mantissa, powers[places - l.offset.places], &l.b);
	return l;
}

struct gw_line gw_line_make(struct gw_decimal scale, struct gw_decimal offset)
{
	return gw_line_make_over(scale, offset, 1);
}

double gw_line_integer(const struct gw_line *l, bool negative, uint64_t magnitude)
{
	const int64_t limit = (int64_t)1 << 53;
	int64_t n;

	/* Both sides of the division are exact doubles, so it rounds once. */
	if (l->quick && magnitude <= (uint64_t)limit &&
	    !__builtin_mul_overflow(negative ? -(int64_t)magnitude : (int64_t)magnitude, l->a, &n) &&
	    !__builtin_add_overflow(n, l->b, &n) && n <= limit && n >= -limit)
		return (double)n / l->ten;
	return exact(l, negative, magnitude, 0, GW_DOUBLE);
}

/*
 * A float32 times a 29-bit number is an exact double, and its quotient, rounded to
 * double, rounds on to the right float32 unless it is the very middle of two.
 */
static bool quick_single(const struct gw_line *l, double raw, double *out)
{
	const int64_t limit = (int64_t)1 << (DBL_MANT_DIG - FLT_MANT_DIG);
	const uint64_t below = ((uint64_t)1 << (DBL_MANT_DIG - FLT_MANT_DIG)) - 1;
	double d = raw * (double)l->a / l->ten;
	uint64_t pattern;

	memcpy(&pattern, &d, sizeof(pattern));
	if (l->b || l->a > limit || l->a < -limit || (pattern & below) == (below + 1) / 2)
		return false;
	*out = (double)(float)d;
	return fabs(d) >= (double)FLT_MIN && fabs(*out) <= (double)FLT_MAX;
}

/* One operation rounds once. */
static bool quick_double(const struct gw_line *l, double raw, double *out)
{
	const int64_t limit = (int64_t)1 << DBL_MANT_DIG;

	if (l->b || l->a > limit || l->a < -limit || !(l->whole || l->a == 1))
		return false;
	*out = l->whole ? raw * (double)l->a : raw / l->ten;
	return true;
}

double gw_line_float(const struct gw_line *l, double raw, enum gw_precision precision)
{
	int exponent;
	uint64_t mantissa;
	double d;

	if (l->identity)
		return raw;
	if (l->quick && (precision == GW_SINGLE ? quick_single : quick_double)(l, raw, &d))
		return d;
	mantissa = (uint64_t)ldexp(frexp(fabs(raw), &exponent), DBL_MANT_DIG);
	if (!mantissa && !l->offset.mantissa)
		return signbit(raw) != (l->scale.mantissa < 0) ? -0.0 : 0.0;
	exponent -= DBL_MANT_DIG;
	if (mantissa) {
		exponent += __builtin_ctzll(mantissa);
		mantissa >>= __builtin_ctzll(mantissa);
	}
	return exact(l, signbit(raw) != 0, mantissa, exponent, precision);
}

bool gw_line_whole(const struct gw_line *l, gw_i128 raw, gw_i128 *out)
{
	return !__builtin_mul_overflow(raw, (gw_i128)l->scale.mantissa, out) &&
	       !__builtin_add_overflow(*out, (gw_i128)l->offset.mantissa, out);
}

double gw_decimal_round_over(struct gw_decimal d, uint64_t divisor, enum gw_precision precision)
{
	struct gw_line l = gw_line_make_over((struct gw_decimal){ 1, 0 }, d, divisor);

	return exact(&l, false, 0, 0, precision);
}

double gw_decimal_round(struct gw_decimal d, enum gw_precision precision)
{
	return gw_decimal_round_over(d, 1, precision);
}

gw_i128 gw_decimal_floor(struct gw_decimal d)
{
	int64_t power = powers[d.places];

	return (gw_i128)(d.mantissa / power) - (d.mantissa % power < 0);
}

gw_i128 gw_decimal_ceil(struct gw_decimal d)
{
	int64_t power = powers[d.places];

	return (gw_i128)(d.mantissa / power) + (d.mantissa % power > 0);
}

uint64_t gw_decimal_steps(struct gw_decimal span, struct gw_decimal step)
{
	int places = span.places > step.places ? span.places : step.places;
	gw_u128 far = (gw_u128)magnitude_of(span.mantissa) * (uint64_t)powers[places - span.places];
	gw_u128 one = (gw_u128)magnitude_of(step.mantissa) * (uint64_t)powers[places - step.places];
	gw_u128 n;

	if (!one)
		return UINT64_MAX;
	n = far / one + (far % one != 0);
	return n < UINT64_MAX ? (uint64_t)n : UINT64_MAX;
}
