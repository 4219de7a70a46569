/*
 * commands.c - the commands of gatewayctl: the only place where one is known.
 */
#include "ctl/ctl.h"

#include <string.h>

enum { SOON_MS = 10000, DEVICE_MS = 60000, CHECK_MS = 120000, FOR_EVER = -1 };

const struct ctl_command ctl_commands[] = {
	{ "status", "", 0, 0, "Show the gateway, its buffer, sources and sinks at a glance.", NULL, SOON_MS, ctl_ask,
	  ctl_show_status, NULL },
	{ "sources", "", 0, 0, "List the source plugins and how they are.",
	  "LOAD is the share of time that the source's busiest line is in use.", SOON_MS, ctl_ask, ctl_show_sources, NULL },
	{ "sinks", "", 0, 0, "List the sinks: connection, backlog and what is in flight.", NULL, SOON_MS, ctl_ask,
	  ctl_show_sinks, NULL },
	{ "devices", "", 0, 0, "List the devices: online or not, since when and why.", NULL, SOON_MS, ctl_ask,
	  ctl_show_devices, NULL },
	{ "points", "[DEVICE]", 0, 1, "List the latest value of each point, of one device or of all.",
	  "Values are those last seen, also the ones that a deadband kept from being published.", SOON_MS, ctl_ask,
	  ctl_show_points, NULL },
	{ "watch", "[DEVICE]", 0, 1, "Show readings as they come in, until interrupted.",
	  "A line shows the values that differ from the line before.", FOR_EVER, ctl_watch, NULL, NULL },
	{ "read", "DEVICE POINT", 2, 2, "Ask the device for one value now; nothing is published.",
	  "Exits 1 when the device gives no value.", DEVICE_MS, ctl_ask, ctl_show_read, ctl_judge_read },
	{ "write", "DEVICE POINT VALUE", 3, 3, "Write one value to the device and read it back.",
	  "VALUE is in the unit that is published; an enumeration takes its labels, a bool true or false. The point must be "
	  "writable and the value between its min and max. Exits 1 when the device did not confirm it; nothing is repeated.",
	  DEVICE_MS, ctl_ask, ctl_show_write, ctl_judge_write },
	{ "buffer", "[--verify]", 0, 1, "Show the buffer on disk.",
	  "With --verify every stored reading and window is read and checked, which may take minutes.", FOR_EVER, ctl_ask,
	  ctl_show_buffer, ctl_judge_buffer },
	{ "losses", "", 0, 0, "List the readings that had to be given up, by device and sink.",
	  "FROM and TO are numbers of readings (seq), both included.  A record is unsent while it may grow, sent when it "
	  "is on its way, then acknowledged.  Thinned readings (buffer.when_full: thin) stand here while their windows "
	  "wait.", DEVICE_MS, ctl_ask, ctl_show_losses, NULL },
	{ "replay", "DEVICE FROM TO [SINK]", 3, 4, "Send the stored readings FROM to TO of a device again.",
	  "FROM and TO are two numbers of readings (seq) or two times, both included: 2026-11-22T10:00:00+07:00, "
	  "2026-11-22T03:00Z, or '2026-11-22 10:00' in the gateway's local time.  Without SINK to every sink.",
	  CHECK_MS, ctl_ask,
	  ctl_show_replay, NULL },
	{ "restart", "SOURCE", 1, 1, "Stop a source's process and start it again.", NULL, SOON_MS, ctl_ask,
	  ctl_show_restart, NULL },
	{ "reload", "", 0, 0, "Check the configuration, then apply it.",
	  "With anything wrong in it nothing changes; each problem is printed and the exit code is 1.", CHECK_MS,
	  ctl_ask, ctl_show_reload, ctl_judge_reload },
	{ "plugin", "NAME [ARG...]", 1, 1 << 20, "Run a plugin by hand, with or without a daemon.",
	  "`gatewayctl plugin NAME --help` tells what it can do: gatewayctl plugin modbus probe tcp://192.0.2.10",
	  0, ctl_plugin, NULL, NULL },
	{ "help", "[COMMAND]", 0, 1, "Explain the commands, or one of them.", NULL, 0, ctl_help, NULL, NULL },
	{ "version", "", 0, 0, "Show the versions of gatewayctl and of the running daemon.", NULL, SOON_MS,
	  ctl_version, ctl_show_version, NULL },
	{ 0 },
};

const struct ctl_command *ctl_find(const char *name)
{
	for (const struct ctl_command *c = ctl_commands; c->name; c++)
		if (!strcmp(c->name, name))
			return c;
	return NULL;
}
