/*
 * probe - registers in every type and order, for when the manual is missing or
 * wrong.  Reads only.
 */
#include <ctype.h>
#include <math.h>
#include <modbus/modbus.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gatewayd/reading.h"
#include "plugins/modbus/plan.h"
#include "plugins/modbus/readings.h"
#include "plugins/modbus/rtu.h"
#include "plugins/modbus/tool.h"

struct options {
	struct mb_common common;
	int table;
	int64_t address, count;
	const char *expect;
};

#define AT(member) offsetof(struct options, member)
static const struct mb_option options[] = {
	{ "table", MB_O_CHOICE, AT(table), 0, 0, mb_table_names, "default holding" },
	{ "address", MB_O_INT, AT(address), 0, 65535, NULL, "first register or bit, from 0; default 0" },
	{ "count", MB_O_INT, AT(count), 1, 2000, NULL, "registers (1 to 125) or bits; default 4" },
	{ "expect", MB_O_TEXT, AT(expect), 0, 0, NULL,
	  "what the device's display shows: which reading is it?" },
};

static const struct mb_tool_spec spec = {
	.name = "probe", .arguments = "URL",
	.text = "Reads registers and shows the raw words and every 16, 32 and 64 bit reading of them in\n"
		"all word and byte orders.  With --expect the readings that give that value are ranked,\n"
		"with the usual scales, and the lines for the configuration are written.",
	.options = options, .count = sizeof(options) / sizeof(options[0]), .least = 1, .most = 1,
};

/* ---- tables ---- */

static unsigned word(const uint8_t *data, unsigned i)
{
	return (unsigned)(data[2 * i] << 8 | data[2 * i + 1]);
}

static void print_words(const struct options *o, const uint8_t *data)
{
	printf("ADDRESS  HEX     DECIMAL  TEXT\n");
	for (unsigned i = 0; i < o->count; i++) {
		char a = (char)data[2 * i], b = (char)data[2 * i + 1];

		printf("%7u  0x%04x  %7u  %c%c\n", (unsigned)o->address + i, word(data, i), word(data, i),
		       isprint((unsigned char)a) ? a : '.', isprint((unsigned char)b) ? b : '.');
	}
}

static void print_orders(const struct options *o, const uint8_t *data, unsigned at, unsigned width)
{
	static const char *const names[] = { "big", "little" };
	char buf[MB_NUMBER_MAX];

	for (unsigned order = 0; order < (width == 1 ? 2 : 4); order++) {
		struct mb_way w = { .offset = at, .width = width,
				    .word_little = width > 1 && order & 1,
				    .byte_little = width > 1 ? order >> 1 : order };

		printf("%7u  %-6s  %-6s", (unsigned)o->address + at, width > 1 ? names[w.word_little] : "-",
		       names[w.byte_little]);
		for (const char *const *t = mb_way_types(width); *t; t++) {
			w.type = *t;
			printf("  %*s", width == 1 ? 6 : width == 2 ? 13 : 24, mb_way_text(&w, data, buf));
		}
		putchar('\n');
	}
}

static void print_readings(const struct options *o, const uint8_t *data, unsigned width)
{
	if (o->count < width)
		return;
	printf("\nADDRESS  WORDS   BYTES ");
	for (const char *const *t = mb_way_types(width); *t; t++)
		printf("  %*s", width == 1 ? 6 : width == 2 ? 13 : 24, *t);
	putchar('\n');
	for (unsigned at = 0; at + width <= o->count; at++)
		print_orders(o, data, at, width);
}

static void print_bits(const struct options *o, const uint8_t *data)
{
	printf("ADDRESS  BITS\n");
	for (unsigned i = 0; i < o->count; i++) {
		if (i % 10 == 0)
			printf("%7u  ", (unsigned)o->address + i);
		printf("%d%s", data[i / 8] >> i % 8 & 1, i % 10 == 9 || i + 1 == o->count ? "\n" : " ");
	}
}

/* ---- what was expected ---- */

static void print_point(const struct options *o, const struct mb_match *m)
{
	printf("value: {address: %u", (unsigned)o->address + m->way.offset);
	if (o->table == MB_INPUT)
		printf(", table: input");
	if (strcmp(m->way.type, "u16"))
		printf(", type: %s", m->way.type);
	if (m->way.word_little)
		printf(", word_order: little");
	if (m->way.byte_little)
		printf(", byte_order: little");
	if (m->scale)
		printf(", scale: %s", mb_scales[m->scale]);
	printf("}\n");
}

static int print_ranking(const struct options *o, const uint8_t *data)
{
	static const char *const close[] = { "yes", "within 1 %", "within 5 %" };
	struct mb_match found[10];
	unsigned n = mb_ways_rank(data, (unsigned)o->count, o->expect, found, 10);

	if (!n) {
		printf("\nNo reading is within 5 %% of %s: another address, another --table, or read more\n"
		       "registers (--count).\n", o->expect);
		return 1;
	}
	printf("\n%s IS  VALUE           FOR THE CONFIGURATION\n", o->expect);
	for (unsigned i = 0; i < n; i++) {
		printf("%-*s  %-14.7g  ", (int)strlen(o->expect) + 3, close[found[i].rank], found[i].value);
		print_point(o, &found[i]);
	}
	return 0;
}

/* ---- the tool ---- */

static int check(const struct options *o)
{
	bool bits = o->table == MB_COIL || o->table == MB_DISCRETE;
	char *end = NULL;

	if (!bits && o->count > 125)
		mb_tool_fail(&spec, "--count: at most 125 registers fit in one answer");
	else if (o->address + o->count > 65536)
		mb_tool_fail(&spec, "--count: the last address is 65535");
	else if (o->expect && bits)
		mb_tool_fail(&spec, "--expect: a table of bits holds no numbers");
	else if (o->expect && (!isfinite(strtod(o->expect, &end)) || *end || end == o->expect))
		mb_tool_fail(&spec, "--expect: '%s' is not a number", o->expect);
	else
		return 0;
	return 2;
}

static int show(const struct options *o, const uint8_t *data)
{
	if (o->table == MB_COIL || o->table == MB_DISCRETE) {
		print_bits(o, data);
		return 0;
	}
	print_words(o, data);
	for (unsigned width = 1; width <= 4; width *= 2)
		print_readings(o, data, width);
	return o->expect ? print_ranking(o, data) : 0;
}

/* ---- when it does not answer ---- */

/* A manual may mean the other table of the same width. */
static void try_other_table(const struct options *o, struct mb_client *c, struct mb_query q)
{
	static const enum mb_table others[] = { MB_DISCRETE, MB_COIL, MB_HOLDING, MB_INPUT };
	uint8_t data[2 * MB_REGISTERS_MAX + 8];

	q.function = mb_read_function(others[o->table]);
	if (mb_client_read(c, &q, data) == GW_GOOD)
		mb_tool_fail(&spec, "the table %s has it: --table %s", mb_table_names[others[o->table]],
			     mb_table_names[others[o->table]]);
}

/* A converter is set to Modbus TCP or to passing frames on, and silent on the other. */
static void try_other_framing(const struct options *o, const struct mb_url *url, const struct mb_query *q)
{
	static const char *const names[] = { [MB_TCP] = "tcp", [MB_RTU_TCP] = "rtu+tcp" };
	uint8_t data[2 * MB_REGISTERS_MAX + 8];
	struct mb_url other = *url;
	struct mb_client *c;
	struct gw_err err;
	unsigned reason;

	if (url->scheme == MB_RTU || (url->scheme == MB_TCP && q->unit > MB_UNIT_MAX))
		return;
	other.scheme = url->scheme == MB_TCP ? MB_RTU_TCP : MB_TCP;
	if (mb_client_open(&c, &other, o->common.timeout_ms * 1000, &err))
		return;
	reason = mb_client_read(c, q, data);
	mb_client_close(c);
	if (reason == GW_GOOD || mb_reason_exception(reason) >= 0)
		mb_tool_fail(&spec, "it answers another framing: write %s:// in place of %s://",
			     names[other.scheme], names[url->scheme]);
}

/* Says why, and what answers instead.  Closes the client. */
static int explain(const struct options *o, struct mb_client *c, const struct mb_query *q, unsigned reason)
{
	struct mb_url url = *mb_client_url(c);
	int exception = mb_reason_exception(reason);
	char words[128];

	mb_tool_fail(&spec, "%s", mb_reason_words(reason, &o->common, words, sizeof(words)));
	if (exception >= MODBUS_EXCEPTION_ILLEGAL_FUNCTION && exception <= MODBUS_EXCEPTION_ILLEGAL_DATA_ADDRESS)
		try_other_table(o, c, *q);
	mb_client_close(c);
	if (exception < 0)
		try_other_framing(o, &url, q);
	return 1;
}

int mb_tool_probe(int argc, char *argv[])
{
	struct options o = { .common = mb_common_default, .table = MB_HOLDING, .count = 4 };
	uint8_t data[2 * MB_REGISTERS_MAX + 8];
	struct mb_client *c;
	const char *url;
	struct mb_query q;
	unsigned reason;
	int code = mb_tool_parse(&spec, argc, argv, &o, &url);

	if (code < 0)
		code = check(&o);
	else
		return code;
	if (!code)
		code = mb_tool_connect(&spec, &o.common, url, &c);
	if (code)
		return code;
	q = (struct mb_query){ .unit = (uint8_t)o.common.unit_id,
			       .function = mb_read_function((enum mb_table)o.table),
			       .address = (uint16_t)o.address, .count = (uint16_t)o.count };
	reason = mb_client_read(c, &q, data);
	if (reason)
		return explain(&o, c, &q, reason);
	mb_client_close(c);
	return show(&o, data);
}
