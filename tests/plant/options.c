/*
 * options.c - the command line of the plant.
 */
#include "plant.h"

#include <getopt.h>
#include <stdlib.h>

static const char help[] =
	"usage: plant [OPTION]...\n"
	"Simulated Modbus TCP devices on 127.0.0.1.  Prints a line `NAME HOST:PORT unit N` for each\n"
	"device, then `ready`; ends at SIGTERM, SIGINT or `quit` on standard input.\n"
	"\n"
	"  --port-base N      ports from N upward, one for each device; without it free ones\n"
	"  --port-file FILE   writes the list of devices to FILE too\n"
	"  --devices SPEC     NAME=KIND[:UNIT],... of crossing, meter, inverter, pump, field\n"
	"  --speed X          the day of the plant runs X times as fast\n"
	"  --start HH:MM      it begins at that time of day, not at the present one\n"
	"  --bench N          N devices bench-1 to bench-N with a verifiable pattern instead\n"
	"  --registers M      each has M registers, default 100\n"
	"  --shared           and all are units of one more port, too (N up to 247)\n"
	"  --times            keeps when the latest 4096 polls of each device were asked for\n"
	"  --report FILE      writes the counts of each device as JSON at the end\n"
	"  --fault NAME=KIND  silent refuse slow:MS exception:N wrong-unit wrong-tid late:MS\n"
	"                     dribble:MS garbage close; may be repeated\n"
	"\n"
	"Standard input takes `fault NAME KIND`, `clear NAME`, `report` and `quit`, one a line; each is\n"
	"answered with one line.\n";

static bool number(const char *text, unsigned min, unsigned max, unsigned *out)
{
	char *end;
	unsigned long v = strtoul(text, &end, 10);

	if (*text < '0' || *text > '9' || *end || v < min || v > max)
		return false;
	*out = (unsigned)v;
	return true;
}

static bool time_of_day(const char *text, int *minute)
{
	unsigned h, m;
	char rest;

	if (sscanf(text, "%2u:%2u%c", &h, &m, &rest) != 2 || h > 23 || m > 59)
		return false;
	*minute = (int)(h * 60 + m);
	return true;
}

static bool factor(const char *text, double *out)
{
	char *end;

	*out = strtod(text, &end);
	return *text && !*end && *out >= 0 && *out <= 100000;
}

static const struct option names[] = {
	{ "port-base", required_argument, NULL, 'p' }, { "port-file", required_argument, NULL, 'P' },
	{ "devices", required_argument, NULL, 'd' },   { "speed", required_argument, NULL, 's' },
	{ "start", required_argument, NULL, 't' },     { "bench", required_argument, NULL, 'b' },
	{ "registers", required_argument, NULL, 'r' }, { "shared", no_argument, NULL, 'S' },
	{ "times", no_argument, NULL, 'T' },           { "report", required_argument, NULL, 'R' },
	{ "fault", required_argument, NULL, 'f' },     { "help", no_argument, NULL, 'h' },
	{ NULL, 0, NULL, 0 },
};

/* One option; false: its value is not allowed. */
static bool take(struct options *o, int key, const char *value)
{
	unsigned v = 0;
	bool ok = true;

	switch (key) {
	case 'p': ok = number(value, 1, 65535, &v); o->port_base = (uint16_t)v; break;
	case 'P': o->port_file = value; break;
	case 'd': o->devices = value; break;
	case 's': ok = factor(value, &o->speed); break;
	case 't': ok = time_of_day(value, &o->start_minute); break;
	case 'b': ok = number(value, 1, DEVICES_MAX, &o->bench); break;
	case 'r': ok = number(value, 2, 65535, &o->registers); break;
	case 'S': o->shared = true; break;
	case 'T': o->times = true; break;
	case 'R': o->report = value; break;
	default:
		ok = key == 'f' && o->nfaults < FAULTS_MAX;
		if (ok)
			o->faults[o->nfaults++] = value;
		break;
	}
	return ok;
}

static bool wrong(const char *what)
{
	fprintf(stderr, "plant: %s\nplant: try `plant --help`\n", what);
	return false;
}

static bool together(const struct options *o)
{
	if (o->shared && (o->bench == 0 || o->bench > 247))
		return wrong("--shared needs --bench N with N from 1 to 247");
	if (o->port_base && o->port_base + o->bench + 8 > 65535)
		return wrong("--port-base is too high for so many devices");
	return true;
}

bool options_parse(struct options *o, int argc, char *argv[], int *exit_code)
{
	int key;

	*o = (struct options){ .devices = "crossing-1=crossing,meter-1=meter,inverter-1=inverter:3,"
					  "pump-1=pump,field-1=field",
			       .registers = 100, .speed = 1, .start_minute = -1 };
	*exit_code = 2;
	while ((key = getopt_long(argc, argv, "h", names, NULL)) != -1) {
		if (key == 'h') {
			fputs(help, stdout);
			*exit_code = 0;
			return false;
		}
		if (key == '?')
			return wrong("unknown option or missing value");
		if (!take(o, key, optarg))
			return wrong("the value of an option is not allowed");
	}
	return optind == argc ? together(o) : wrong("takes options only");
}
