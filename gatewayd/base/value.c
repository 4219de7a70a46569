/*
 * value.c - scalars of a configuration (value.h, gatewayd/config.h).
 *
 * A value is never guessed: the key's type decides, and each way of being wrong
 * has a text that says what is right.  Nothing here depends on the locale.
 */
#include "base/value.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"

enum { SHOWN = 96 }; /* bytes of a value in a message */

int gw_wrong_value(struct gw_err *err, const char *text, const char *fmt, ...)
{
	char what[sizeof(err->msg)], shown[SHOWN];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(what, sizeof(what), fmt, ap);
	va_end(ap);
	return gw_err_set(err, GW_EINPUT, "'%s' %s",
			  gw_escape(shown, sizeof(shown), text, strlen(text)), what);
}

/* ---- integers, and numbers with a unit ---- */

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static int digit_of(char c)
{
	if (is_digit(c))
		return c - '0';
	c = (char)(c | 0x20);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : 16;
}

/* Digits of `base` from *at on, added below zero (so that the least integer
 * fits); false when it is too large.  *at ends behind the digits in any case. */
static bool digits(const char **at, int base, int64_t *out)
{
	bool fits = true;
	int64_t v = 0;

	for (; digit_of(**at) < base; (*at)++)
		fits = fits && !__builtin_mul_overflow(v, base, &v) &&
		       !__builtin_sub_overflow(v, digit_of(**at), &v);
	*out = v;
	return fits;
}

/* Does a number of several digits begin with 0? */
static bool leading_zero(const char *digits_text)
{
	return digits_text[0] == '0' && is_digit(digits_text[1]);
}

static int refuse_leading_zero(const char *text, const char *from, struct gw_err *err)
{
	const char *rest = from + strspn(from, "0");
	int n = (int)strspn(rest, "0123456789");

	if (n == 0 || n > 18)
		return gw_wrong_value(err, text, "begins with 0: write it without");
	return gw_wrong_value(err, text,
			      "begins with 0: write %.*s for decimal or 0x%.*s for hexadecimal", n,
			      rest, n, rest);
}

/* Sign and digits; 0, 1 when it is no integer at all, 2 too large, 3 leading
 * zero.  *end is behind it. */
enum read_result { READ_OK, READ_NONE, READ_LARGE, READ_ZERO };

static enum read_result read_integer(const char *text, bool hex, int64_t *out, const char **end)
{
	bool minus = text[0] == '-';
	const char *at = text + minus, *first;
	bool is_hex = hex && at[0] == '0' && (at[1] | 0x20) == 'x';
	int64_t v;
	bool fits;

	if (leading_zero(at))
		return READ_ZERO;
	at += is_hex ? 2 : 0;
	first = at;
	fits = digits(&at, is_hex ? 16 : 10, &v);
	*end = at;
	if (at == first)
		return READ_NONE;
	if (!minus && __builtin_sub_overflow(0, v, &v))
		fits = false;
	*out = v;
	return fits ? READ_OK : READ_LARGE;
}

static int outside(const char *text, const char *low, const char *high, struct gw_err *err)
{
	return gw_wrong_value(err, text, "is outside %s to %s", low, high);
}

int gw_parse_int(const char *text, int64_t min, int64_t max, int64_t *out, struct gw_err *err)
{
	const char *end = text;
	char low[24], high[24];
	int64_t v = 0;
	enum read_result r = read_integer(text, true, &v, &end);

	if (r == READ_ZERO)
		return refuse_leading_zero(text, text + (text[0] == '-'), err);
	if (r == READ_NONE || *end)
		return gw_wrong_value(err, text, "is not a whole number");
	if (r == READ_LARGE || v < min || v > max) {
		snprintf(low, sizeof(low), "%" PRId64, min);
		snprintf(high, sizeof(high), "%" PRId64, max);
		return outside(text, low, high, err);
	}
	*out = v;
	return 0;
}

struct unit {
	const char *name;
	int64_t size;
};

/* A number with a unit: what it is called and which units there are, smallest first. */
struct measure {
	const char *what, *list, *example;
	struct unit units[5];
	size_t count;
};

static const struct measure duration = {
	"duration",
	"ms, s, m, h or d",
	"s",
	{ { "ms", 1 }, { "s", 1000 }, { "m", 60000 }, { "h", 3600000 }, { "d", 86400000 } },
	5
};
static const struct measure size_measure = {
	"size",
	"B, KiB, MiB or GiB",
	"MiB",
	{ { "B", 1 }, { "KiB", 1 << 10 }, { "MiB", 1 << 20 }, { "GiB", 1 << 30 } },
	4
};

static const struct measure *measure_of(const struct gw_key *k)
{
	return k->type == GW_T_DURATION ? &duration : k->type == GW_T_SIZE ? &size_measure : NULL;
}

static const struct unit *unit_named(const struct measure *m, const char *name)
{
	for (size_t i = 0; i < m->count; i++)
		if (strcmp(m->units[i].name, name) == 0)
			return &m->units[i];
	return NULL;
}

bool gw_value_limited(const struct gw_key *key)
{
	return key->min != 0 || key->max != 0;
}

static bool inside(const struct gw_key *k, int64_t v)
{
	return !gw_value_limited(k) || (v >= k->min && v <= k->max);
}

static int outside_key(const struct gw_key *k, const char *text, struct gw_err *err)
{
	char low[32], high[32];

	if (!gw_value_limited(k))
		return gw_wrong_value(err, text, "is too large");
	if (k->max == INT64_MAX)
		return gw_wrong_value(err, text, "is below %s",
				      gw_value_show(k, k->min, low, sizeof(low)));
	return outside(text, gw_value_show(k, k->min, low, sizeof(low)),
		       gw_value_show(k, k->max, high, sizeof(high)), err);
}

static int parse_measure(const struct gw_key *k, const char *text, union gw_scalar *out,
			 struct gw_err *err)
{
	const struct measure *m = measure_of(k);
	const struct unit *unit;
	const char *end = text;
	int64_t v = 0;
	enum read_result r = read_integer(text, false, &v, &end);

	if (r == READ_ZERO)
		return gw_wrong_value(err, text, "begins with 0: write it without");
	if (r == READ_NONE || *end == '.')
		return gw_wrong_value(err, text,
				      "is not a %s: a whole number and %s, for example 30%s",
				      m->what, m->list, m->example);
	if (!*end)
		return gw_wrong_value(err, text, "needs a unit: %s, for example %.*s%s", m->list,
				      (int)(end - text), text, m->example);
	unit = unit_named(m, end);
	if (!unit)
		return gw_wrong_value(err, text, "has no known unit: %s, for example 30%s", m->list,
				      m->example);
	if (r == READ_LARGE || __builtin_mul_overflow(v, unit->size, &v) || !inside(k, v))
		return outside_key(k, text, err);
	out->integer = v;
	return 0;
}

const char *gw_value_show(const struct gw_key *key, int64_t limit, char *buf, size_t size)
{
	const struct measure *m = measure_of(key);
	size_t i = m ? m->count - 1 : 0;

	if (!m) {
		snprintf(buf, size, "%" PRId64, limit);
		return buf;
	}
	while (i && (limit == 0 || limit % m->units[i].size != 0))
		i--;
	if (limit == 0 && key->type == GW_T_DURATION)
		i = 1; /* 0s */
	snprintf(buf, size, "%" PRId64 "%s", limit / m->units[i].size, m->units[i].name);
	return buf;
}

static int parse_integer(const struct gw_key *k, const char *text, union gw_scalar *out,
			 struct gw_err *err)
{
	bool limited = gw_value_limited(k);

	return gw_parse_int(text, limited ? k->min : INT64_MIN, limited ? k->max : INT64_MAX,
			    &out->integer, err);
}

/* ---- decimals and numbers ---- */

static bool decimal_inside(const struct gw_key *k, const struct gw_decimal *d)
{
	int64_t unit = 1, whole, rest;

	for (int i = 0; i < d->places; i++)
		unit *= 10;
	whole = d->mantissa / unit;
	rest = d->mantissa % unit;
	return !gw_value_limited(k) || ((whole > k->min || (whole == k->min && rest >= 0)) &&
					(whole < k->max || (whole == k->max && rest <= 0)));
}

static int parse_decimal(const struct gw_key *k, const char *text, union gw_scalar *out,
			 struct gw_err *err)
{
	if (gw_parse_decimal(text, &out->decimal, err) != 0)
		return -1;
	return decimal_inside(k, &out->decimal) ? 0 : outside_key(k, text, err);
}

static int parse_number(const struct gw_key *k, const char *text, union gw_scalar *out,
			struct gw_err *err)
{
	double v;

	if (gw_parse_number(text, &v, err) != 0)
		return -1;
	if (gw_value_limited(k) && (v < (double)k->min || v > (double)k->max))
		return outside_key(k, text, err);
	out->number = v;
	return 0;
}

/* ---- words ---- */

static int parse_bool(const struct gw_key *k, const char *text, union gw_scalar *out,
		      struct gw_err *err)
{
	(void)k;
	out->flag = strcmp(text, "true") == 0;
	if (out->flag || strcmp(text, "false") == 0)
		return 0;
	return gw_wrong_value(err, text, "is not true or false");
}

static int parse_choice(const struct gw_key *k, const char *text, union gw_scalar *out,
			struct gw_err *err)
{
	char words[320];

	for (int i = 0; k->choices[i]; i++)
		if (strcmp(text, k->choices[i]) == 0) {
			out->choice = i;
			return 0;
		}
	return gw_wrong_value(err, text, "is not one of %s",
			      gw_join_words(words, sizeof(words), k->choices));
}

static int parse_text(const struct gw_key *k, const char *text, union gw_scalar *out,
		      struct gw_err *err)
{
	int64_t n = (int64_t)strlen(text);

	if (!gw_text_clean(text, (size_t)n))
		return gw_wrong_value(err, text, "holds a control character");
	if (n == 0 && (k->min > 0 || (k->flags & GW_PATH)))
		return gw_err_set(err, GW_EINPUT, "is empty");
	if (n < k->min)
		return gw_wrong_value(err, text,
				      "is too short: %" PRId64 " of at least %" PRId64 " bytes", n,
				      k->min);
	if (n > gw_value_longest(k))
		return gw_wrong_value(err, text,
				      "is too long: %" PRId64 " of at most %" PRId64 " bytes", n,
				      gw_value_longest(k));
	out->text = text;
	return 0;
}

static int parse_name(const struct gw_key *k, const char *text, union gw_scalar *out,
		      struct gw_err *err)
{
	(void)k;
	out->text = text;
	if (gw_name_ok(text))
		return 0;
	return gw_wrong_value(err, text,
			      "is not a name: letters, digits, - and _, at most 64, "
			      "a letter or digit first");
}

/* ---- by type ---- */

static const struct {
	int (*parse)(const struct gw_key *k, const char *text, union gw_scalar *out,
		     struct gw_err *err);
	size_t size;
} types[] = {
	[GW_T_BOOL] = { parse_bool, sizeof(bool) },
	[GW_T_INT] = { parse_integer, sizeof(int64_t) },
	[GW_T_DURATION] = { parse_measure, sizeof(int64_t) },
	[GW_T_SIZE] = { parse_measure, sizeof(int64_t) },
	[GW_T_DECIMAL] = { parse_decimal, sizeof(struct gw_decimal) },
	[GW_T_NUMBER] = { parse_number, sizeof(double) },
	[GW_T_TEXT] = { parse_text, sizeof(const char *) },
	[GW_T_NAME] = { parse_name, sizeof(const char *) },
	[GW_T_CHOICE] = { parse_choice, sizeof(int) },
	[GW_T_MAP] = { NULL, sizeof(struct gw_list) },
	[GW_T_NODE] = { NULL, sizeof(const struct gw_node *) },
};

int gw_value_parse(const struct gw_key *key, const char *text, union gw_scalar *out,
		   struct gw_err *err)
{
	char form[256];

	if (types[key->type].parse(key, text, out, err) == 0)
		return 0;
	if (key->flags & GW_SECRET)
		return gw_err_set(err, GW_EINPUT, "the value (not shown) is no %s",
				  gw_value_describe(key, form, sizeof(form)));
	return -1;
}

size_t gw_value_size(const struct gw_key *key)
{
	return key->type == GW_T_SECTION ? key->table->size : types[key->type].size;
}
