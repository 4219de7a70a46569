#include "plugins/modbus/novalue.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static unsigned width_of(const struct mb_form *f)
{
	return f->length ? f->length : mb_form_bits(f);
}

static uint64_t most(unsigned bits)
{
	return bits < 64 ? (UINT64_C(1) << bits) - 1 : UINT64_MAX;
}

static int hex(const struct mb_form *f, const char *text, uint64_t *pattern, struct gw_err *err)
{
	size_t digits = strlen(text + 2);

	if (digits == 0 || digits > 16 || strspn(text + 2, "0123456789abcdefABCDEF") != digits)
		return gw_err_set(err, GW_EINPUT, "'%s' is not a hexadecimal number of up to 64 bits", text);
	*pattern = strtoull(text + 2, NULL, 16);
	if (*pattern > most(width_of(f)))
		return gw_err_set(err, GW_EINPUT, "'%s' has more than the value's %u bits", text, width_of(f));
	return 0;
}

static int number(const struct mb_form *f, const char *text, uint64_t *pattern, struct gw_err *err)
{
	unsigned bits = width_of(f);
	double d;
	float single;
	char *end;

	errno = 0;
	d = strtod(text, &end);
	if (!*text || strspn(text, "0123456789+-.eE") != strlen(text) || *end || !isfinite(d))
		return gw_err_set(err, GW_EINPUT, "'%s' is not a number, nor bits such as 0x7FC00000", text);
	single = (float)d;
	if (f->type == MB_F64)
		memcpy(pattern, &d, sizeof(d));
	else
		*pattern = 0;
	if (bits == 32)
		memcpy(pattern, &single, sizeof(single));
	return 0;
}

static int whole(const struct mb_form *f, const char *text, uint64_t *pattern, struct gw_err *err)
{
	bool is_signed = mb_type_is_signed(f->type), minus = *text == '-';
	const char *digits = text + minus;
	unsigned bits = width_of(f);
	uint64_t high = most(bits - is_signed), v;
	char *end;

	errno = 0;
	v = strtoull(digits, &end, 10);
	if (*digits < '0' || *digits > '9' || *end || (*digits == '0' && digits[1]))
		return gw_err_set(err, GW_EINPUT, "'%s' is not a whole number, decimal or with 0x", text);
	if (mb_type_is_bcd(f->type))
		high = bits == 16 ? 9999 : 99999999;
	if (errno || v > high + (minus && is_signed) || (minus && v && !is_signed))
		return gw_err_set(err, GW_EINPUT, "'%s' is beyond the type; a %s%s reaches from %s%llu to %llu", text,
				  f->length ? "field of a " : "", mb_type_names[f->type], is_signed ? "-" : "",
				  (unsigned long long)(is_signed ? high + 1 : 0), (unsigned long long)high);
	if (mb_type_is_bcd(f->type))
		mb_to_bcd(v, pattern);
	else
		*pattern = (minus ? -v : v) & most(bits);
	return 0;
}

static int one(const struct mb_form *f, const char *text, uint64_t *rank, struct gw_err *err)
{
	uint64_t pattern = 0;
	int rc;

	if (text[0] == '0' && (text[1] == 'x' || text[1] == 'X'))
		rc = hex(f, text, &pattern, err);
	else if (f->type == MB_F32 || f->type == MB_F64)
		rc = number(f, text, &pattern, err);
	else
		rc = whole(f, text, &pattern, err);
	*rank = mb_form_rank(f, pattern);
	return rc;
}

int mb_no_value(const struct mb_form *f, const char *text, struct mb_none *out, struct gw_err *err)
{
	const char *dots = strstr(text, "..");
	char from[64];

	if (!dots) {
		if (one(f, text, &out->from, err))
			return -1;
		out->to = out->from;
		return 0;
	}
	snprintf(from, sizeof(from), "%.*s", (int)(dots - text), text);
	if (one(f, from, &out->from, err) || one(f, dots + 2, &out->to, err))
		return -1;
	if (out->from > out->to)
		return gw_err_set(err, GW_EINPUT, "'%s' ends before it begins", text);
	return 0;
}
