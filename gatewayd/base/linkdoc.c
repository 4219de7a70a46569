/*
 * linkdoc.c - the messages of the link as people read them: one line of trace
 * text, and the table in docs/plugin-protocol.md.
 */
#include "base/link_shape.h"

#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

#include "base/text.h"

/* ---- trace ---- */

struct line {
	char *buf;
	size_t size, used;
};

__attribute__((format(printf, 2, 3))) static void add(struct line *l, const char *fmt, ...)
{
	va_list ap;
	int n;

	if (l->used >= l->size)
		return;
	va_start(ap, fmt);
	n = vsnprintf(l->buf + l->used, l->size - l->used, fmt, ap);
	va_end(ap);
	l->used += n > 0 ? (size_t)n : 0;
}

static void add_text(struct line *l, const char *member)
{
	struct gw_str text;
	char shown[256];

	memcpy(&text, member, sizeof(text));
	add(l, "\"%s\"", gw_escape(shown, sizeof(shown), text.s ? text.s : "", text.n));
}

static void add_rest(struct line *l, const char *member)
{
	struct gw_str rest;

	memcpy(&rest, member, sizeof(rest));
	add(l, "%u bytes", rest.n);
}

#define NUMBER(kind, fmt)                                            \
	static void add_##kind(struct line *l, const char *member)   \
	{                                                            \
		GW_CTYPE_##kind v;                                   \
		memcpy(&v, member, sizeof(v));                       \
		add(l, "%" fmt, v);                                  \
	}
NUMBER(u8, PRIu8)
NUMBER(u16, PRIu16)
NUMBER(u32, PRIu32)
NUMBER(u64, PRIu64)
NUMBER(i64, PRId64)
NUMBER(f64, ".17g")

static void (*const add_value[FIELD_TYPES])(struct line *l, const char *member) = {
	[FIELD_u8] = add_u8,   [FIELD_u16] = add_u16, [FIELD_u32] = add_u32,
	[FIELD_u64] = add_u64, [FIELD_i64] = add_i64, [FIELD_f64] = add_f64,
	[FIELD_str] = add_text, [FIELD_rest] = add_rest,
};

const char *gw_message_trace(const struct gw_message *m, char *buf, size_t size)
{
	const struct shape *shape = gw_message_shape(m->type);
	struct line line = { buf, size, 0 };

	if (!shape) {
		snprintf(buf, size, "message type %u", (unsigned)m->type);
		return buf;
	}
	add(&line, "%s{", shape->name);
	for (const struct field *f = shape->fields; f->type != FIELD_end; f++) {
		add(&line, "%s%s=", f == shape->fields ? "" : " ", f->name);
		add_value[f->type](&line, gw_message_body(m) + f->offset);
	}
	add(&line, "}");
	return buf;
}

/* ---- documentation ---- */

static const char intro[] =
	"# The plugin link, version %d\n"
	"\n"
	"Generated from `gatewayd/base/messages.h`; do not edit.\n"
	"\n"
	"A plugin is a program that speaks these messages on the descriptor named by the\n"
	"environment variable `GATEWAYD_LINK` (3): an AF_UNIX SOCK_SEQPACKET socket, one message\n"
	"a packet, at most %d bytes. End of file means end. All numbers are little-endian and\n"
	"packed without gaps.\n"
	"\n"
	"| offset | bytes | what it is |\n"
	"|---|---|---|\n"
	"| 0 | 2 | type of the message, the number below |\n"
	"| 2 | 2 | zero |\n"
	"| 4 | 4 | bytes of the whole message |\n"
	"| 8 | | the fields, in the order below |\n"
	"\n"
	"`u8` to `u64` are unsigned, `i64` is signed (two's complement), `f64` is IEEE 754 binary64.\n"
	"`str` is a `u16` length and so many bytes of UTF-8 without NUL. `rest` is all that remains.\n"
	"A message that breaks any of this ends the link. So does one that its sender may not send.\n"
	"\n"
	"## The talk\n"
	"\n"
	"1. plugin: `hello`\n"
	"2. core: `welcome`, or it closes when there is no common version\n"
	"3. plugin: `key` for each of its configuration keys, then `described`\n"
	"4. core: `file` and `node` for its part of the configuration, then `configured`\n"
	"5. plugin: `problem` for each mistake; a source `device` and `point` for what it has; `ready`\n"
	"6. core: `start` (a check of the configuration closes here)\n"
	"7. readings, acknowledgements and the rest, until the core sends `stop` and the plugin closes\n"
	"\n"
	"The readings of `reading`, `live` and `replay` are laid out in `gatewayd/reading.h`.\n"
	"\n"
	"## The messages\n";

static const char *const type_name[FIELD_TYPES] = {
	[FIELD_u8] = "u8",   [FIELD_u16] = "u16", [FIELD_u32] = "u32", [FIELD_u64] = "u64",
	[FIELD_i64] = "i64", [FIELD_f64] = "f64", [FIELD_str] = "str", [FIELD_rest] = "rest",
};

/* A table cell ends at a bar, so bars of the text are written as an entity. */
static void put_cell(FILE *out, const char *text)
{
	for (; *text; text++)
		if (*text == '|')
			fputs("&#124;", out);
		else
			fputc(*text, out);
}

static void document_message(FILE *out, unsigned type, const struct shape *shape)
{
	fprintf(out, "\n### %s (%u, %s)\n\n%s\n", shape->name, type,
		shape->sender == FROM_PLUGIN ? "plugin to core" : "core to plugin", shape->help);
	if (shape->fields[0].type != FIELD_end)
		fputs("\n| field | type | what it is |\n|---|---|---|\n", out);
	for (const struct field *f = shape->fields; f->type != FIELD_end; f++) {
		fprintf(out, "| %s | %s | ", f->name, type_name[f->type]);
		put_cell(out, f->help);
		fputs(" |\n", out);
	}
}

void gw_messages_document(FILE *out)
{
	fprintf(out, intro, GW_LINK_VERSION, GW_MESSAGE_MAX);
	for (unsigned type = 0; type < GW_MSG_TYPES; type++) {
		const struct shape *shape = gw_message_shape(type);

		if (shape)
			document_message(out, type, shape);
	}
}
