/*
 * scan - which devices are there: unit identifiers of a TCP connection; on a serial
 * port also speed and parity.  Reads one register at a time, writes nothing.
 */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "plugins/modbus/scan.h"
#include "plugins/modbus/tool.h"

/* Nobody has so many devices on a line: a device answers for all. */
enum { MANY = 200 };

struct options {
	struct mb_common common;
	struct mb_scan_options scan;
};

#define AT(member) offsetof(struct options, member)
static const struct mb_option options[] = {
	{ "function", MB_O_INT, AT(scan.function), 3, 4, NULL,
	  "3 reads a holding register, 4 an input register; default 3" },
	{ "address", MB_O_INT, AT(scan.address), 0, 65535, NULL, "which register; default 0" },
	{ "all", MB_O_FLAG, AT(scan.all), 0, 0, NULL,
	  "rtu: look at the other settings too when somebody was found (about 3 minutes)" },
};

static const struct mb_tool_spec spec = {
	.name = "scan", .arguments = "URL",
	.text = "Finds the unit identifiers that answer; on a serial port (rtu:/dev/...) also its speed and\n"
		"parity, whatever they are.  The first minute holds all units at 4800 to 115200 baud and units\n"
		"1 to 10 at 2400 and 1200; when nobody answers it goes on with the others by itself, to the\n"
		"end after 3 minutes.  rtu+tcp:// looks for units only.  Reads one register, writes nothing; no\n"
		"other master may be active on the line.  Without URL the serial ports of this machine are\n"
		"listed.",
	.options = options, .count = sizeof(options) / sizeof(options[0]), .least = 0, .most = 1,
};

static int list_ports(void)
{
	static const char folder[] = "/dev/serial/by-id";
	struct dirent **found = NULL;
	int n = scandir(folder, &found, NULL, alphasort), ports = 0;

	for (int i = 0; i < n; i++) {
		if (found[i]->d_name[0] != '.') {
			printf("rtu:%s/%s\n", folder, found[i]->d_name);
			ports++;
		}
		free(found[i]);
	}
	free(found);
	if (ports)
		return 0;
	printf("No serial adapter is plugged in (%s is empty); ports on the board are /dev/ttyS* or /dev/ttyAMA*.\n",
	       folder);
	return 1;
}

/* ---- what the scan says ---- */

static void progress(void *arg, const char *text, unsigned percent)
{
	(void)arg;
	if (isatty(STDERR_FILENO))
		fprintf(stderr, "\r\033[K%3u %%  %s", percent, text);
}

static void done_with_progress(void)
{
	if (isatty(STDERR_FILENO))
		fprintf(stderr, "\r\033[K");
}

static const char *const parities[] = { "none", "even", "odd" };

static void print_units(const struct mb_scan *s, unsigned setting)
{
	unsigned n = 0;

	for (unsigned i = 0; i < s->count; i++)
		n += s->found[i].setting == setting;
	if (n >= MANY) {
		printf("All %u unit identifiers answer: a device without a bus behind it; use 1 or 255.\n", n);
		return;
	}
	printf("UNIT  ANSWER\n");
	for (unsigned i = 0; i < s->count; i++)
		if (s->found[i].setting == setting)
			printf("%4u  %s\n", s->found[i].unit, s->found[i].what);
}

static void print_setting(const struct mb_scan *s, unsigned setting, const struct mb_url *url)
{
	static const char letters[] = { 'N', 'E', 'O' };
	const struct mb_serial *l = &s->settings[setting];

	printf("%s%u baud, parity %s (8%c%u)\n", setting ? "\n" : "", l->baud, parities[l->parity],
	       letters[l->parity], l->stop_bits);
	print_units(s, setting);
	printf("\nfor the configuration:\n  connection: %s\n  serial: {baud: %u, parity: %s, stop_bits: %u}\n",
	       url->text, l->baud, parities[l->parity], l->stop_bits);
}

/* What was heard besides answers, or why there is none. */
static int complain(const struct mb_scan *s, bool serial)
{
	const struct mb_scan_heard *m = &s->master, *g = &s->garbled;

	if (m->serial.baud)
		return mb_tool_fail(&spec, "another master is active on this line at %u baud, parity %s, and asks unit %u: "
				     "stop it and scan again", m->serial.baud, parities[m->serial.parity], m->unit);
	if (s->count)
		return 0;
	if (s->restless)
		return mb_tool_fail(&spec, "the line is never silent: another master, interference, or missing bias and "
				     "termination");
	if (g->serial.baud)
		return mb_tool_fail(&spec, "something answers at %u baud, parity %s when unit %u is asked, but not in "
				     "Modbus: two devices with one unit identifier, another master, A and B swapped, or "
				     "missing termination", g->serial.baud, parities[g->serial.parity], g->unit);
	if (s->noise)
		return mb_tool_fail(&spec, "something answers, but not in Modbus: another master on the line, A and B "
				     "swapped, or missing termination");
	return mb_tool_fail(&spec, "nobody answers: power, wiring (A and B), the address of the device%s",
			    serial ? "; --timeout 500ms waits longer" : "");
}

static int report(const struct mb_scan *s, const struct mb_url *url)
{
	bool serial = url->scheme == MB_RTU;

	done_with_progress();
	if (!serial && s->count)
		print_units(s, 0);
	for (unsigned i = 0; i < s->nsettings; i++)
		print_setting(s, i, url);
	return complain(s, serial);
}

int mb_tool_scan(int argc, char *argv[])
{
	struct options o = { .common = mb_common_default, .scan = { .function = 3 } };
	struct mb_scan scan = { .progress = progress };
	struct mb_url url;
	struct gw_err err;
	const char *text;
	int code;

	o.common.timeout_ms = 0;
	code = mb_tool_parse(&spec, argc, argv, &o, &text);
	if (code >= 0)
		return code;
	if (!text)
		return list_ports();
	code = mb_tool_url(&spec, &o.common, text, &url);
	if (code)
		return code;
	o.scan.wait_us = o.common.timeout_ms * 1000;
	o.scan.stop_bits = url.serial.stop_bits;
	if (mb_scan_run(&scan, &url, &o.scan, &err)) {
		done_with_progress();
		return mb_tool_fail(&spec, "%s", err.msg);
	}
	return report(&scan, &url);
}
