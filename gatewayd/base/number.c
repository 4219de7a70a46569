/*
 * number.c - numbers as text, shortest form that reads back.
 *
 * A float is m * 2^e, and the decimals that read back to it lie in an interval
 * of half a step to each side.  Fractions and whole numbers of everyday size
 * are settled exactly in 128-bit integers: the smallest number of places for
 * which an integer lies in the interval times 10^places.  No floating-point
 * operation takes part, so nothing is rounded twice.  What is very large or very
 * small goes through the C library, which is right but ten times slower.
 */
#include "base/number.h"

#include <assert.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PLACES_MAX = 19 }; /* 10^19 fits into 64 bits */

/* mantissa * 2^exponent, as it lies in memory; never zero. */
struct binary {
	uint64_t mantissa;
	int exponent;
	bool even;   /* the ends of the interval read back too */
	bool narrow; /* a power of two: half as far down as up */
	bool normal;
};

/* digits * 10^exponent */
struct decimal {
	uint64_t digits;
	int exponent;
};

/* ---- whole numbers ---- */

static const char pairs[] = "00010203040506070809101112131415161718192021222324"
			    "25262728293031323334353637383940414243444546474849"
			    "50515253545556575859606162636465666768697071727374"
			    "75767778798081828384858687888990919293949596979899";

size_t gw_put_u64(char *out, uint64_t v)
{
	char buf[20], *at = buf + sizeof(buf);
	size_t n;

	for (; v >= 100; v /= 100)
		memcpy(at -= 2, pairs + v % 100 * 2, 2);
	if (v >= 10)
		memcpy(at -= 2, pairs + v * 2, 2);
	else
		*--at = (char)('0' + v);
	n = (size_t)(buf + sizeof(buf) - at);
	memcpy(out, at, n);
	return n;
}

size_t gw_put_i64(char *out, int64_t v)
{
	if (v >= 0)
		return gw_put_u64(out, (uint64_t)v);
	*out = '-';
	return 1 + gw_put_u64(out + 1, 0 - (uint64_t)v);
}

/* ---- exact: fractions ---- */

struct wide {
	uint64_t hi, lo;
};

static struct wide times10(struct wide w)
{
	struct wide by8 = { w.hi << 3 | w.lo >> 61, w.lo << 3 };
	struct wide by2 = { w.hi << 1 | w.lo >> 63, w.lo << 1 };
	struct wide sum = { by8.hi + by2.hi, by8.lo + by2.lo };

	sum.hi += sum.lo < by8.lo;
	return sum;
}

/* w / 2^shift, which the caller knows to fit; 0 < shift < 128 */
static uint64_t whole_part(struct wide w, int shift)
{
	return shift < 64 ? w.hi << (64 - shift) | w.lo >> shift : w.hi >> (shift - 64);
}

/* w % 2^shift */
static struct wide fraction(struct wide w, int shift)
{
	if (shift < 64)
		return (struct wide){ 0, w.lo & ((UINT64_C(1) << shift) - 1) };
	return (struct wide){ w.hi & ((UINT64_C(1) << (shift - 64)) - 1), w.lo };
}

/* 2^shift - w */
static struct wide missing(struct wide w, int shift)
{
	struct wide one = { shift < 64 ? 0 : UINT64_C(1) << (shift - 64),
			    shift < 64 ? UINT64_C(1) << shift : 0 };

	return (struct wide){ one.hi - w.hi - (one.lo < w.lo), one.lo - w.lo };
}

static bool reaches(struct wide distance, uint64_t half, bool even)
{
	return distance.hi == 0 && (distance.lo < half || (even && distance.lo == half));
}

/* Which of two neighbours is nearer; of two as near the even one, as printf does. */
static bool upper_is_nearer(struct wide below, struct wide above, uint64_t lower)
{
	if (above.hi != below.hi)
		return above.hi < below.hi;
	return above.lo != below.lo ? above.lo < below.lo : lower & 1;
}

/*
 * A number below 2^53 with a fraction: b->exponent < 0.  With `places` places
 * one unit of the mantissa weighs 10^places, the interval reaches half of that.
 */
static bool shortest_fraction(const struct binary *b, struct decimal *out)
{
	int shift = -b->exponent;
	struct wide scaled = { 0, b->mantissa }, below, above;
	uint64_t half = 5;

	if (shift >= 128)
		return false;
	*out = (struct decimal){ whole_part(scaled, shift), 0 };
	below = fraction(scaled, shift);
	if (below.hi == 0 && below.lo == 0)
		return true;
	for (int places = 1; places <= PLACES_MAX; places++, half *= 10) {
		uint64_t whole;
		bool down, up;

		scaled = times10(scaled);
		whole = whole_part(scaled, shift);
		below = fraction(scaled, shift);
		above = missing(below, shift);
		down = reaches(below, b->narrow ? half / 2 : half, b->even);
		up = reaches(above, half, b->even);
		if (!down && !up)
			continue;
		up = up && (!down || upper_is_nearer(below, above, whole));
		*out = (struct decimal){ whole + up, -places };
		return true;
	}
	return false;
}

/* ---- exact: whole numbers of a float ---- */

/* Zeros at the end are free as long as the number stays in the interval. */
static bool shortest_whole(const struct binary *b, struct decimal *out)
{
	uint64_t v, half, unit = 10;

	if (b->exponent > 63 || b->mantissa >> (63 - b->exponent))
		return false;
	v = b->mantissa << b->exponent;
	half = b->exponent ? UINT64_C(1) << (b->exponent - 1) : 0;
	*out = (struct decimal){ v, 0 };
	for (; unit < v && half; unit *= 10) {
		struct wide below = { 0, v % unit }, above = { 0, unit - below.lo };
		bool down = reaches(below, b->narrow ? half / 2 : half, b->even);
		bool up = reaches(above, half, b->even);

		if (!down && !up)
			break;
		up = up && (!down || upper_is_nearer(below, above, v / unit));
		out->digits = up ? v + above.lo : v - below.lo;
	}
	return true;
}

/* ---- through the C library ---- */

/* How a type is read back and how many digits it takes for sure. */
struct width {
	bool (*same)(const char *text, double value);
	int sure, most; /* FLT_DIG and FLT_DECIMAL_DIG, or those of double */
};

static bool same_f64(const char *text, double value)
{
	return strtod(text, NULL) == value;
}

static bool same_f32(const char *text, double value)
{
	return (double)strtof(text, NULL) == value;
}

static const struct width width_f64 = { same_f64, 15, 17 };
static const struct width width_f32 = { same_f32, 6, 9 };

static struct decimal nearest_decimal(double value, int digits)
{
	char text[48], *end;
	struct decimal d;

	/* "d.ddde-dd": the point is overwritten by the digit before it */
	snprintf(text, sizeof(text), "%.*e", digits - 1, value);
	if (digits > 1)
		text[1] = text[0];
	d.digits = strtoull(text + (digits > 1), &end, 10);
	d.exponent = (int)strtol(end + 1, NULL, 10) - (digits - 1);
	return d;
}

static bool reads_back(struct decimal d, double value, const struct width *w)
{
	char text[48];

	snprintf(text, sizeof(text), "%" PRIu64 "e%d", d.digits, d.exponent);
	return w->same(text, value);
}

/*
 * A decimal of `sure` digits that reads back is unique among normal numbers, so
 * a shorter one is this one with zeros at its end.  Below a power of two the
 * interval is narrow: there the nearest decimal may fail and the next above fit.
 */
static struct decimal shortest_by_trial(const struct binary *b, double value, const struct width *w)
{
	struct decimal d = { 0, 0 };
	bool found = false;

	for (int digits = b->normal ? w->sure : 1; !found && digits <= w->most; digits++) {
		d = nearest_decimal(value, digits);
		found = reads_back(d, value, w);
		if (!found && b->narrow) {
			d.digits++;
			found = reads_back(d, value, w);
		}
	}
	assert(found);
	while (d.digits % 10 == 0) {
		d.digits /= 10;
		d.exponent++;
	}
	return d;
}

/* ---- the page ---- */

/* One digit, the rest behind a point, and the power of ten of the first digit. */
static size_t put_scientific(char *out, const char *digits, size_t n, int power)
{
	size_t used = 1;

	out[0] = digits[0];
	if (n > 1) {
		out[used++] = '.';
		memcpy(out + used, digits + 1, n - 1);
		used += n - 1;
	}
	out[used++] = 'e';
	return used + gw_put_i64(out + used, power);
}

static size_t put_plain(char *out, const char *digits, size_t n, int point)
{
	size_t before = point > 0 ? (size_t)point : 0, zeros = point < 0 ? (size_t)-point : 0;

	if (before >= n) {
		memcpy(out, digits, n);
		memset(out + n, '0', before - n);
		return before;
	}
	if (before == 0) {
		memcpy(out, "0.", 2);
		memset(out + 2, '0', zeros);
		memcpy(out + 2 + zeros, digits, n);
		return 2 + zeros + n;
	}
	memcpy(out, digits, before);
	out[before] = '.';
	memcpy(out + before + 1, digits + before, n - before);
	return n + 1;
}

static size_t put_decimal(char *out, const struct decimal *d)
{
	char digits[20];
	size_t n = gw_put_u64(digits, d->digits);
	int point = (int)n + d->exponent; /* digits before the point */
	bool small = point < -6, large = point > 21 && !(point == 22 && d->digits == 1);

	return small || large ? put_scientific(out, digits, n, point - 1) :
				put_plain(out, digits, n, point);
}

static size_t put_binary(char *out, const struct binary *b, double value, const struct width *w)
{
	struct decimal d;

	if (!(b->exponent < 0 ? shortest_fraction(b, &d) : shortest_whole(b, &d)))
		d = shortest_by_trial(b, value, w);
	return put_decimal(out, &d);
}

/* fraction_bits and bias (of the mantissa as an integer) are the format's, IEEE 754 clause 3.4 */
static struct binary binary_of(uint64_t fraction_part, unsigned exponent, int fraction_bits, int bias)
{
	bool normal = exponent != 0;
	uint64_t hidden = normal ? UINT64_C(1) << fraction_bits : 0;

	return (struct binary){
		.mantissa = fraction_part | hidden,
		.exponent = (normal ? (int)exponent : 1) - bias,
		.even = (fraction_part & 1) == 0,
		.narrow = fraction_part == 0 && exponent > 1,
		.normal = normal,
	};
}

static size_t put_zero(char *out, bool negative)
{
	memcpy(out, "-0.0", 4);
	if (!negative)
		out[0] = '0';
	return negative ? 4 : 1;
}

size_t gw_put_f64(char *out, double d)
{
	struct binary b;
	uint64_t bits;
	bool negative;

	memcpy(&bits, &d, sizeof(bits));
	negative = bits >> 63;
	bits &= UINT64_MAX >> 1;
	assert(bits < UINT64_C(0x7ff) << 52);
	if (bits == 0)
		return put_zero(out, negative);
	b = binary_of(bits & ((UINT64_C(1) << 52) - 1), (unsigned)(bits >> 52), 52, 1075);
	*out = '-';
	return negative + put_binary(out + negative, &b, negative ? -d : d, &width_f64);
}

size_t gw_put_f32(char *out, float f)
{
	struct binary b;
	uint32_t bits;
	bool negative;

	memcpy(&bits, &f, sizeof(bits));
	negative = bits >> 31;
	bits &= UINT32_MAX >> 1;
	assert(bits < UINT32_C(0xff) << 23);
	if (bits == 0)
		return put_zero(out, negative);
	b = binary_of(bits & ((UINT32_C(1) << 23) - 1), bits >> 23, 23, 150);
	*out = '-';
	return negative + put_binary(out + negative, &b, (double)(negative ? -f : f), &width_f32);
}
