/*
 * main.c - gatewayd: arguments, then daemon.c.
 */
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/daemon.h"

static const char usage[] =
	"usage: gatewayd [-c FILE] [--check] [--version] [--help]\n"
	"\n"
	"Collects from field devices through plugins, buffers on disk, publishes.\n"
	"\n"
	"  -c, --config FILE  configuration (default /etc/gatewayd/gatewayd.yaml)\n"
	"      --check        check it with every plugin it names, touch no device; 0: good, 1: not\n"
	"      --version      print the version\n"
	"  -h, --help         print this\n"
	"\n"
	"Ends with 0 after SIGTERM or SIGINT, 1 on a bad configuration, 2 on wrong usage, 3 on\n"
	"anything else.  SIGHUP reloads.  gatewayctl shows what it does.\n";

/*
 * A descriptor below 3 that came closed would be the next file opened: a log line could end up in the
 * database, and plugins are given 2 and 3 by number.
 */
static int fill_standard_descriptors(void)
{
	int fd;

	do
		fd = open("/dev/null", O_RDWR);
	while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd > STDERR_FILENO)
		close(fd);
	return fd < 0 ? -1 : 0;
}

int main(int argc, char *argv[])
{
	enum { CHECK = 256, VERSION };
	static const struct option options[] = {
		{ "config", required_argument, NULL, 'c' }, { "check", no_argument, NULL, CHECK },
		{ "version", no_argument, NULL, VERSION },  { "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	const char *file = "/etc/gatewayd/gatewayd.yaml";
	bool check = false;

	if (fill_standard_descriptors() != 0)
		return GW_EXIT_OTHER;
	for (int o; (o = getopt_long(argc, argv, "c:h", options, NULL)) != -1;) {
		switch (o) {
		case 'c':
			file = optarg;
			break;
		case CHECK:
			check = true;
			break;
		case VERSION:
			puts("gatewayd " GW_VERSION);
			return GW_EXIT_OK;
		case 'h':
			fputs(usage, stdout);
			return GW_EXIT_OK;
		default:
			fputs(usage, stderr);
			return GW_EXIT_USAGE;
		}
	}
	if (optind < argc) {
		fprintf(stderr, "gatewayd: '%s' is not an option\n%s", argv[optind], usage);
		return GW_EXIT_USAGE;
	}
	return check ? gw_daemon_check(file) : gw_daemon_run(file);
}
