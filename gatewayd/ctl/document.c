/*
 * document.c - JSON as text (see document.h).
 */
#include "ctl/document.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/number.h"
#include "base/text.h"
#include "gatewayd/loop.h"

static void write_real(FILE *out, double d)
{
	char digits[GW_NUMBER_MAX];

	fwrite(digits, 1, gw_put_f64(digits, d), out);
}

static void write_text(FILE *out, const json_t *j)
{
	char *quoted = json_dumps(j, JSON_ENCODE_ANY);

	if (quoted)
		fputs(quoted, out);
	free(quoted);
}

static void write_list(FILE *out, const json_t *j)
{
	size_t i;
	json_t *v;

	fputc('[', out);
	json_array_foreach(j, i, v) {
		fputs(i ? "," : "", out);
		document_write(out, v);
	}
	fputc(']', out);
}

static void write_object(FILE *out, const json_t *j)
{
	const char *comma = "", *name;
	json_t *v;

	fputc('{', out);
	json_object_foreach((json_t *)(uintptr_t)j, name, v) {
		json_t *key = json_string(name);

		fputs(comma, out);
		write_text(out, key);
		json_decref(key);
		fputc(':', out);
		document_write(out, v);
		comma = ",";
	}
	fputc('}', out);
}

void document_write(FILE *out, const json_t *j)
{
	if (json_is_object(j))
		write_object(out, j);
	else if (json_is_array(j))
		write_list(out, j);
	else if (json_is_real(j))
		write_real(out, json_real_value(j));
	else
		write_text(out, j);
}

const json_t *document_get(const json_t *object, const char *path)
{
	const char *dot = strchr(path, '.');
	const json_t *v;
	char name[64];

	if (!dot) {
		v = json_object_get(object, path);
		return json_is_null(v) ? NULL : v;
	}
	snprintf(name, sizeof(name), "%.*s", (int)(dot - path), path);
	return document_get(json_object_get(object, name), dot + 1);
}

static double clamped(double d)
{
	return fmin(fmax(d, 0), 9e15);
}

static void show_number(char *buf, size_t size, double d, enum form form)
{
	static const double to_ms[] = { [FORM_AGE] = 1, [FORM_SINCE] = -1, [FORM_SECONDS] = 1000 };

	if (form == FORM_SIZE)
		gw_show_size(buf, size, (uint64_t)clamped(d));
	else if (form == FORM_SHARE)
		snprintf(buf, size, "%.0f%%", d * 100);
	else
		gw_show_duration(buf, size, (int64_t)clamped(d * to_ms[form] +
							     (form == FORM_SINCE ? (double)gw_wall_ms() : 0)));
}

static void show_list(char *buf, size_t size, const json_t *list)
{
	size_t i, n = 0;
	json_t *v;

	snprintf(buf, size, "%s", json_array_size(list) ? "" : "-");
	json_array_foreach(list, i, v) {
		if (n + 4 >= size)
			return;
		n += (size_t)snprintf(buf + n, size - n, "%s", i ? ", " : "");
		document_text(buf + n, size - n, v, FORM_PLAIN);
		n += strlen(buf + n);
	}
}

static void show_plain(char *buf, size_t size, const json_t *v)
{
	if (json_is_string(v)) {
		gw_escape(buf, size, json_string_value(v), json_string_length(v));
	} else if (json_is_integer(v)) {
		snprintf(buf, size, "%" PRId64, (int64_t)json_integer_value(v));
	} else if (json_is_real(v)) {
		char digits[GW_NUMBER_MAX];
		size_t n = gw_put_f64(digits, json_real_value(v));

		snprintf(buf, size, "%.*s", (int)n, digits);
	} else if (json_is_array(v)) {
		show_list(buf, size, v);
	} else {
		snprintf(buf, size, "%s", json_is_true(v) ? "true" : json_is_false(v) ? "false" : "-");
	}
}

const char *document_text(char *buf, size_t size, const json_t *value, enum form form)
{
	if (form == FORM_PLAIN || !json_is_number(value))
		show_plain(buf, size, value);
	else
		show_number(buf, size, json_number_value(value), form);
	return buf;
}
