/* build.c - see build.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/number.h"
#include "build.h"

void *mqtt_grow(void *old, size_t size)
{
	void *p = realloc(old, size ? size : 1);

	if (!p) {
		fputs("<3>out of memory\n", stderr);
		abort();
	}
	return p;
}

char *mqtt_text_room(struct mqtt_text *t, size_t more)
{
	if (t->size - t->n < more) {
		t->size = (t->n + more) * 3 / 2 + 64;
		t->s = mqtt_grow(t->s, t->size);
	}
	return t->s + t->n;
}

void mqtt_text_put(struct mqtt_text *t, const void *s, size_t n)
{
	if (!n)
		return;
	memcpy(mqtt_text_room(t, n), s, n);
	t->n += n;
}

void mqtt_text_add(struct mqtt_text *t, const char *s)
{
	mqtt_text_put(t, s, strlen(s));
}

void mqtt_text_u64(struct mqtt_text *t, uint64_t v)
{
	t->n += gw_put_u64(mqtt_text_room(t, GW_NUMBER_MAX), v);
}

void mqtt_text_i64(struct mqtt_text *t, int64_t v)
{
	t->n += gw_put_i64(mqtt_text_room(t, GW_NUMBER_MAX), v);
}

void mqtt_text_f64(struct mqtt_text *t, double v)
{
	t->n += gw_put_f64(mqtt_text_room(t, GW_NUMBER_MAX), v);
}

void mqtt_text_quoted(struct mqtt_text *t, const char *s)
{
	size_t n = strlen(s);

	t->n += mqtt_quote(mqtt_text_room(t, 6 * n + 2), s, n);
}

void mqtt_text_free(struct mqtt_text *t)
{
	free(t->s);
	*t = (struct mqtt_text){ 0 };
}

static size_t escape(char *out, unsigned char c)
{
	static const char hex[] = "0123456789abcdef";

	out[0] = '\\';
	if (c == '"' || c == '\\') {
		out[1] = (char)c;
		return 2;
	}
	memcpy(out + 1, "u00", 3);
	out[4] = hex[c >> 4];
	out[5] = hex[c & 15];
	return 6;
}

size_t mqtt_quote(char *out, const char *s, size_t n)
{
	char *o = out;

	*o++ = '"';
	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)s[i];

		if (c >= 0x20 && c != '"' && c != '\\')
			*o++ = (char)c;
		else
			o += escape(o, c);
	}
	*o++ = '"';
	return (size_t)(o - out);
}

void mqtt_text_member(struct mqtt_text *t, const char *name)
{
	if (t->s[t->n - 1] != '{')
		mqtt_text_add(t, ",");
	mqtt_text_quoted(t, name);
	mqtt_text_add(t, ":");
}

void mqtt_text_member_u64(struct mqtt_text *t, const char *name, uint64_t v)
{
	mqtt_text_member(t, name);
	mqtt_text_u64(t, v);
}

void mqtt_text_member_i64(struct mqtt_text *t, const char *name, int64_t v)
{
	mqtt_text_member(t, name);
	mqtt_text_i64(t, v);
}
