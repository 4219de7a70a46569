#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gatewayd/reading.h"
#include "plugins/modbus/frame.h"
#include "plugins/modbus/tool.h"

const struct gw_tool mb_tools[] = {
	{ "probe URL [--unit-id N] [--table T] [--address A] [--count C] [--expect VALUE]",
	  "Reads registers and shows them in every type and order.", mb_tool_probe },
	{ "scan URL", "Finds devices: unit identifiers, and the settings of a serial line.",
	  mb_tool_scan },
	{ "identify URL [--unit-id N]", "Asks a device what it is.", mb_tool_identify },
	{ "sunspec URL [--unit-id N]",
	  "Walks the SunSpec models of a device and writes a configuration for it.", mb_tool_sunspec },
	{ "record URL FILE", "Stands between a master and a device and writes what they say.",
	  mb_tool_record },
	{ "replay FILE", "Serves the answers of a recording again.", mb_tool_replay },
	{ NULL, NULL, NULL },
};

static const char *const parities[] = { "none", "even", "odd", NULL };
#define AT(member) offsetof(struct mb_common, member)
static const struct mb_option common[] = {
	{ "unit-id", MB_O_INT, AT(unit_id), 0, 255, NULL, "unit identifier of the device, default 1" },
	{ "timeout", MB_O_DURATION, AT(timeout_ms), 1, 300000, NULL,
	  "total deadline of one answer, default 1s" },
	{ "baud", MB_O_INT, AT(baud), 110, 4000000, NULL, "speed of a serial line, default 9600" },
	{ "parity", MB_O_CHOICE, AT(parity), 0, 0, parities, "parity of a serial line, default none" },
	{ "data-bits", MB_O_INT, AT(data_bits), 7, 8, NULL, "of a serial line, default 8" },
	{ "stop-bits", MB_O_INT, AT(stop_bits), 1, 2, NULL, "of a serial line, default 1" },
};
enum { COMMON = sizeof(common) / sizeof(common[0]) };

const struct mb_common mb_common_default = { .unit_id = 1, .timeout_ms = 1000, .baud = 9600,
					     .data_bits = 8, .stop_bits = 1 };

/* ---- help and complaints ---- */

__attribute__((format(printf, 2, 0)))
static void say(const struct mb_tool_spec *spec, const char *fmt, va_list ap)
{
	fprintf(stderr, "modbus %s: ", spec->name);
	vfprintf(stderr, fmt, ap);
	fputc('\n', stderr);
}

int mb_tool_fail(const struct mb_tool_spec *spec, const char *fmt, ...)
{
	va_list ap;

	fflush(stdout);
	va_start(ap, fmt);
	say(spec, fmt, ap);
	va_end(ap);
	return 1;
}

__attribute__((format(printf, 2, 3)))
static int misused(const struct mb_tool_spec *spec, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say(spec, fmt, ap);
	va_end(ap);
	fprintf(stderr, "try: modbus %s --help\n", spec->name);
	return 2;
}

static void print_option(const struct mb_option *o)
{
	static const char *const values[] = { "", " N", " TIME", NULL, " VALUE", " VALUE" };
	char left[64];
	int n = snprintf(left, sizeof(left), "--%s%s", o->name, values[o->type] ? values[o->type] : "");

	for (unsigned i = 0; !values[o->type] && o->choices[i]; i++)
		n += snprintf(left + n, sizeof(left) - (size_t)n, "%c%s", i ? '|' : ' ', o->choices[i]);
	printf("  %-34s %s\n", left, o->help);
}

static void print_help(const struct mb_tool_spec *spec)
{
	printf("Usage: modbus %s %s [OPTION]...\n\n%s\n", spec->name, spec->arguments, spec->text);
	if (spec->count)
		printf("\nOptions:\n");
	for (unsigned i = 0; i < spec->count; i++)
		print_option(&spec->options[i]);
	if (spec->listens)
		return;
	printf("\nConnection: tcp://HOST[:PORT], rtu:/dev/PORT or rtu+tcp://HOST[:PORT]\n");
	for (unsigned i = 0; i < COMMON; i++)
		print_option(&common[i]);
}

/* ---- values ---- */

static bool parse_int(const char *text, const struct mb_option *o, int64_t *out)
{
	bool hex = strncmp(text, "0x", 2) == 0;
	char *end;
	long long v;

	if ((text[0] < '0' || text[0] > '9') || strlen(text) > 18)
		return false;
	v = strtoll(text, &end, hex ? 16 : 10);
	*out = v;
	return !*end && v >= o->min && v <= o->max;
}

static bool parse_duration(const char *text, const struct mb_option *o, int64_t *out)
{
	static const struct {
		const char *name;
		int64_t ms;
	} units[] = { { "ms", 1 }, { "s", 1000 }, { "m", 60000 }, { "h", 3600000 } };
	size_t digits = strspn(text, "0123456789");
	int64_t n = strtoll(text, NULL, 10);

	for (size_t i = 0; digits && digits < 10 && i < sizeof(units) / sizeof(units[0]); i++)
		if (!strcmp(text + digits, units[i].name)) {
			*out = n * units[i].ms;
			return *out >= o->min && *out <= o->max;
		}
	return false;
}

static int complain(const struct mb_tool_spec *spec, const struct mb_option *o, const char *text)
{
	char list[256] = "";
	size_t n = 0;

	if (o->type == MB_O_DURATION)
		return misused(spec, "--%s: '%s' is not a duration; for example 500ms or 2s", o->name, text);
	if (o->type == MB_O_INT)
		return misused(spec, "--%s: '%s' is not a number from %lld to %lld", o->name, text,
			       (long long)o->min, (long long)o->max);
	if (o->type == MB_O_LIST)
		return misused(spec, "--%s: at most %d of them", o->name, MB_TEXTS_MAX);
	for (unsigned i = 0; o->choices[i]; i++)
		n += (size_t)snprintf(list + n, sizeof(list) - n, " %s", o->choices[i]);
	return misused(spec, "--%s: '%s' is not one of%s", o->name, text, list);
}

static bool put_choice(const struct mb_option *o, const char *text, int *out)
{
	for (int i = 0; o->choices[i]; i++)
		if (!strcmp(o->choices[i], text)) {
			*out = i;
			return true;
		}
	return false;
}

static bool put_value(const struct mb_option *o, const char *text, void *at)
{
	struct mb_texts *list = at;

	switch (o->type) {
	case MB_O_FLAG:
		*(bool *)at = true;
		return true;
	case MB_O_INT:
		return parse_int(text, o, at);
	case MB_O_DURATION:
		return parse_duration(text, o, at);
	case MB_O_CHOICE:
		return put_choice(o, text, at);
	case MB_O_TEXT:
		*(const char **)at = text;
		return true;
	case MB_O_LIST:
		if (list->count == MB_TEXTS_MAX)
			return false;
		list->text[list->count++] = text;
		return true;
	}
	return false;
}

static const struct mb_option *find(const struct mb_tool_spec *spec, const char *word, size_t n)
{
	for (unsigned i = 0; i < spec->count; i++)
		if (strlen(spec->options[i].name) == n && !strncmp(spec->options[i].name, word, n))
			return &spec->options[i];
	for (unsigned i = 0; i < COMMON && !spec->listens; i++)
		if (strlen(common[i].name) == n && !strncmp(common[i].name, word, n))
			return &common[i];
	return NULL;
}

/* argv[*i] is "--name", "--name VALUE" or "--name=VALUE". */
static int take_option(const struct mb_tool_spec *spec, char *argv[], int *i, void *out)
{
	const char *word = argv[*i] + 2, *value = strchr(word, '=');
	size_t n = value ? (size_t)(value - word) : strlen(word);
	const struct mb_option *o = find(spec, word, n);

	if (!o)
		return misused(spec, "there is no option '%s'", argv[*i]);
	if (o->type == MB_O_FLAG && value)
		return misused(spec, "--%s takes no value", o->name);
	value = value ? value + 1 : NULL;
	if (o->type != MB_O_FLAG && !value)
		value = argv[++*i];
	if (o->type != MB_O_FLAG && !value)
		return misused(spec, "--%s needs a value", o->name);
	return put_value(o, value, (char *)out + o->offset) ? -1 : complain(spec, o, value);
}

int mb_tool_parse(const struct mb_tool_spec *spec, int argc, char *argv[], void *out,
		  const char **args)
{
	unsigned n = 0;
	int code;

	for (unsigned i = 0; i < spec->most; i++)
		args[i] = NULL;
	for (int i = 1; i < argc; i++) {
		if (!strcmp(argv[i], "--help") || !strcmp(argv[i], "-h")) {
			print_help(spec);
			return 0;
		}
		if (strncmp(argv[i], "--", 2)) {
			if (n == spec->most)
				return misused(spec, "'%s' is one argument too many", argv[i]);
			args[n++] = argv[i];
			continue;
		}
		code = take_option(spec, argv, &i, out);
		if (code >= 0)
			return code;
	}
	if (n < spec->least)
		return misused(spec, "needs %s", spec->arguments);
	return -1;
}

/* ---- connections ---- */

int mb_tool_url(const struct mb_tool_spec *spec, const struct mb_common *o, const char *url,
		struct mb_url *out)
{
	struct gw_err err;

	if (mb_url_parse(url, out, &err))
		return misused(spec, "%s", err.msg);
	if (!mb_baud_ok(o->baud))
		return misused(spec, "--baud: no port can be set to %lld; usual are 9600, 19200, 115200",
			       (long long)o->baud);
	out->serial.baud = (unsigned)o->baud;
	out->serial.data_bits = (unsigned)o->data_bits;
	out->serial.stop_bits = (unsigned)o->stop_bits;
	out->serial.parity = (enum mb_parity)o->parity;
	if (out->scheme != MB_TCP && o->unit_id > 247)
		return misused(spec, "--unit-id: on a serial line it is 0 to 247");
	return 0;
}

int mb_tool_connect(const struct mb_tool_spec *spec, const struct mb_common *o, const char *url,
		    struct mb_client **out)
{
	struct mb_url parsed;
	struct gw_err err;
	int code = mb_tool_url(spec, o, url, &parsed);

	if (code)
		return code;
	if (mb_client_open(out, &parsed, o->timeout_ms * 1000, &err))
		return mb_tool_fail(spec, "%s", err.msg);
	return 0;
}

/* ---- words ---- */

static const char *const exceptions[MB_EXCEPTION_MAX + 1] = {
	[1] = "illegal function: the device does not know it",
	[2] = "illegal data address: the device has nothing there",
	[3] = "illegal data value: often too many registers at once",
	[4] = "the device has failed inside",
	[5] = "acknowledged, but not done yet",
	[6] = "the device is busy",
	[8] = "memory parity error",
	[10] = "the gateway has no path to the device",
	[11] = "the device behind the gateway does not answer",
	[128] = "not permitted: some devices want a login for this register",
};

const char *mb_reason_words(unsigned reason, const struct mb_common *o, char *buf, size_t size)
{
	int code = mb_reason_exception(reason);
	long long ms = o->timeout_ms;

	if (code >= 0 && exceptions[code])
		snprintf(buf, size, "exception %d, %s", code, exceptions[code]);
	else if (code >= 0)
		snprintf(buf, size, "exception %d", code);
	else if (reason == GW_TIMEOUT)
		snprintf(buf, size, "no answer from unit %lld within %lld%s", (long long)o->unit_id,
			 ms % 1000 ? ms : ms / 1000, ms % 1000 ? "ms" : "s");
	else if (reason == GW_CRC)
		snprintf(buf, size, "an answer with a wrong checksum: speed, parity, wiring or termination");
	else if (reason == GW_PROTOCOL)
		snprintf(buf, size, "an answer that does not belong to the question");
	else
		snprintf(buf, size, "the connection was lost");
	return buf;
}
