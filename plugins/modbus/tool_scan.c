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
	  "all units also at 1200 and 2400 baud (about 3 minutes), and wait longer" },
};

static const struct mb_tool_spec spec = {
	.name = "scan", .arguments = "URL",
	.text = "Finds the unit identifiers that answer; on a serial port (rtu:/dev/...) also its speed and\n"
		"parity, in less than a minute: all units at 4800 baud and above, the usual ones below.\n"
		"rtu+tcp:// looks for units only.  Reads one register, writes nothing; no other master may\n"
		"be active on the line.  Without URL the serial ports of this machine are listed.",
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

static void print_units(const struct mb_scan *s)
{
	if (s->count >= 200) {
		printf("All %u unit identifiers answer: a device without a bus behind it; use 1 or 255.\n", s->count);
		return;
	}
	printf("UNIT  ANSWER\n");
	for (unsigned i = 0; i < s->count; i++)
		printf("%4u  %s\n", s->found[i].unit, s->found[i].what);
}

static int report(const struct mb_scan *s, const struct mb_url *url)
{
	static const char letters[] = { 'N', 'E', 'O' };
	static const char *const parities[] = { "none", "even", "odd" };

	done_with_progress();
	if (!s->count) {
		if (s->noise)
			return mb_tool_fail(&spec, "something answers%s, but not in Modbus: another master on the line, "
				     "A and B swapped, or missing termination", s->noise_at);
		return mb_tool_fail(&spec, "nobody answers: power, wiring (A and B), the address of the device%s",
				    url->scheme == MB_RTU ? "; --all looks at slow lines too; --timeout 500ms waits longer"
							   : "");
	}
	if (url->scheme == MB_RTU)
		printf("%u baud, parity %s (8%c%u)\n", s->serial.baud, parities[s->serial.parity],
		       letters[s->serial.parity], s->serial.stop_bits);
	print_units(s);
	if (url->scheme == MB_RTU)
		printf("\nfor the configuration:\n  connection: %s\n  serial: {baud: %u, parity: %s, stop_bits: %u}\n",
		       url->text, s->serial.baud, parities[s->serial.parity], s->serial.stop_bits);
	return 0;
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
	if (mb_scan_run(&scan, &url, &o.scan, &err)) {
		done_with_progress();
		return mb_tool_fail(&spec, "%s", err.msg);
	}
	return report(&scan, &url);
}
