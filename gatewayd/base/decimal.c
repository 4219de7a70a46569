/*
 * decimal.c - decimal numbers of a configuration, exactly and as double.
 *
 * The grammar is that of JSON, whatever the locale of the process.
 */
#include <locale.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/value.h"

/* The grammar of JSON: -?digits(.digits)?([eE][+-]?digits)?; parts of it in *d. */
struct decimal_text {
	const char *whole, *fraction, *exponent; /* first digit; the last two may be NULL */
	int nwhole, nfraction;
	bool minus, minus_exponent;
};

static int count_digits(const char *s)
{
	return (int)strspn(s, "0123456789");
}

static bool split_decimal(const char *text, struct decimal_text *d)
{
	const char *at = text + (text[0] == '-');

	*d = (struct decimal_text){ .minus = text[0] == '-', .whole = at };
	d->nwhole = count_digits(at);
	at += d->nwhole;
	if (d->nwhole && *at == '.') {
		d->fraction = ++at;
		d->nfraction = count_digits(at);
		at += d->nfraction;
	}
	if (d->nwhole && (*at | 0x20) == 'e') {
		d->minus_exponent = *++at == '-';
		at += *at == '-' || *at == '+';
		d->exponent = at;
		at += count_digits(at);
	}
	return d->nwhole && !*at && (!d->fraction || d->nfraction) &&
	       (!d->exponent || count_digits(d->exponent));
}

static int check_decimal(const char *text, struct decimal_text *d, struct gw_err *err)
{
	if (!split_decimal(text, d))
		return gw_wrong_value(err, text, "is not a number, for example 0.1");
	if (d->whole[0] == '0' && d->nwhole > 1)
		return gw_wrong_value(err, text, "begins with 0: write it without");
	return 0;
}

/* Exponent of ten, kept small enough to add to; anything beyond 999 is as good as 999. */
static int exponent_of(const struct decimal_text *d)
{
	int e = 0;

	for (const char *c = d->exponent; c && *c; c++)
		e = e > 99 ? 999 : e * 10 + (*c - '0');
	return d->minus_exponent ? -e : e;
}

/* Append the digits to the mantissa, below zero; false when it overflows. */
static bool gather(int64_t *mantissa, const char *s, int n)
{
	for (int i = 0; i < n; i++)
		if (__builtin_mul_overflow(*mantissa, 10, mantissa) ||
		    __builtin_sub_overflow(*mantissa, s[i] - '0', mantissa))
			return false;
	return true;
}

/* Without zeros at the end of the fraction: 1.50 has one place. */
static int significant(const struct decimal_text *d)
{
	int n = d->nfraction;

	while (n && d->fraction[n - 1] == '0')
		n--;
	return n;
}

int gw_parse_decimal(const char *text, struct gw_decimal *out, struct gw_err *err)
{
	struct decimal_text d;
	int64_t m = 0;
	int fraction, places;

	if (check_decimal(text, &d, err) != 0)
		return -1;
	fraction = significant(&d);
	places = fraction - exponent_of(&d);
	if (!gather(&m, d.whole, d.nwhole) || (fraction && !gather(&m, d.fraction, fraction)))
		return gw_wrong_value(err, text, "has too many digits: 18 are kept");
	for (; m && places > 0 && m % 10 == 0; places--)
		m /= 10;
	for (; m && places < 0; places++)
		if (__builtin_mul_overflow(m, 10, &m))
			return gw_wrong_value(err, text, "is too large: 18 digits are kept");
	if (m == 0)
		places = 0;
	if (places > 18)
		return gw_wrong_value(err, text, "is too fine: 18 decimal places are kept");
	if (!d.minus && __builtin_sub_overflow(0, m, &m))
		return gw_wrong_value(err, text, "has too many digits: 18 are kept");
	*out = (struct gw_decimal){ m, places };
	return 0;
}

/* strtod() of the C locale: a plugin may have set another. */
static double to_double(const char *text)
{
	locale_t c = newlocale(LC_NUMERIC_MASK, "C", (locale_t)0);
	double v = c ? strtod_l(text, NULL, c) : NAN;

	if (c)
		freelocale(c);
	return v;
}

int gw_parse_number(const char *text, double *out, struct gw_err *err)
{
	struct decimal_text d;
	double v;

	if (check_decimal(text, &d, err) != 0)
		return -1;
	v = to_double(text);
	if (!isfinite(v))
		return gw_wrong_value(err, text, "is too large");
	*out = v;
	return 0;
}
