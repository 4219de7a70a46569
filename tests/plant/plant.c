/*
 * plant.c - simulated Modbus TCP devices for the demo, the tests and the bench:
 * start, the control channel on standard input, and the end.
 */
#include "plant.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#include "curve.h"

static double day_now(int start_minute)
{
	const int hanoi_s = 7 * 3600; /* UTC+7 without summer time */
	const time_t epoch = 1735689600; /* 2025-01-01, so that counters look grown */
	double t = (double)(time(NULL) + hanoi_s - epoch);

	return start_minute < 0 ? t : t - (double)((long)t % DAY_S) + start_minute * 60;
}

static bool place(struct plant *p, struct device *d, const struct options *o)
{
	const char *why;
	uint16_t number = o->port_base ? (uint16_t)(o->port_base + p->count) : 0;
	struct port *at = server_listen(p->server, number, &why);

	if (!at) {
		fprintf(stderr, "plant: port %u of %s: %s\n", number, d->name, why);
		device_free(d);
		return false;
	}
	port_serve(at, d);
	if (o->times)
		device_keep_times(d);
	p->places[p->count++] = (struct place){ d, at };
	return true;
}

static bool one_device(struct plant *p, const char *spec, const struct options *o)
{
	char name[32], kind[16];
	unsigned unit = 1;
	int n = sscanf(spec, "%31[A-Za-z0-9_-]=%15[a-z]:%u", name, kind, &unit);
	const struct model *m = n >= 2 ? model_find(kind) : NULL;

	if (!m || unit > 255) {
		fprintf(stderr, "plant: %s: write NAME=KIND[:UNIT], KIND one of crossing, meter, "
				"inverter, pump, field\n", spec);
		return false;
	}
	return place(p, device_new(m, name, (uint8_t)unit), o);
}

static bool demo_devices(struct plant *p, const struct options *o)
{
	char copy[4096], *at = copy, *spec;

	snprintf(copy, sizeof(copy), "%s", o->devices);
	while ((spec = strsep(&at, ",")))
		if (p->count == DEVICES_MAX || !one_device(p, spec, o))
			return false;
	return true;
}

/* On ports of their own all are unit 1; on the shared port they are told apart. */
static bool bench_devices(struct plant *p, const struct options *o)
{
	for (unsigned i = 1; i <= o->bench; i++) {
		char name[32];
		uint8_t unit = o->shared ? (uint8_t)i : 1;

		snprintf(name, sizeof(name), "bench-%u", i);
		if (!place(p, device_new_bench(name, unit, (uint16_t)o->registers), o))
			return false;
	}
	return true;
}

static bool shared_port(struct plant *p, const struct options *o)
{
	const char *why;

	p->shared = server_listen(p->server, o->port_base ? (uint16_t)(o->port_base + p->count) : 0, &why);
	if (!p->shared) {
		fprintf(stderr, "plant: the shared port: %s\n", why);
		return false;
	}
	for (unsigned i = 0; i < p->count; i++)
		port_serve(p->shared, p->places[i].device);
	return true;
}

static bool first_faults(struct plant *p, const struct options *o)
{
	for (unsigned i = 0; i < o->nfaults; i++) {
		char name[40] = "", fault[40] = "";
		const char *why = "write NAME=KIND";

		if (sscanf(o->faults[i], "%39[^=]=%39s", name, fault) == 2)
			why = plant_fault(p, name, fault);
		if (why) {
			fprintf(stderr, "plant: --fault %s: %s\n", o->faults[i], why);
			return false;
		}
	}
	return true;
}

static void list(const struct plant *p, FILE *out)
{
	for (unsigned i = 0; i < p->count; i++) {
		const struct place *at = &p->places[i];

		fprintf(out, "%s 127.0.0.1:%u unit %u\n", at->device->name, port_number(at->port),
			at->device->unit);
	}
	if (p->shared)
		fprintf(out, "shared 127.0.0.1:%u unit 1-%u\n", port_number(p->shared), p->count);
}

static bool announce(const struct plant *p, const struct options *o)
{
	list(p, stdout);
	if (o->port_file) {
		FILE *f = fopen(o->port_file, "we");

		if (!f) {
			fprintf(stderr, "plant: %s: %s\n", o->port_file, strerror(errno));
			return false;
		}
		list(p, f);
		fclose(f);
	}
	puts("ready");
	return fflush(stdout) == 0;
}

static void commands(void *arg)
{
	struct plant *p = arg;
	ssize_t n = read(STDIN_FILENO, p->line + p->line_filled, sizeof(p->line) - 1 - p->line_filled);
	char *end;

	if (n <= 0) {
		server_unwatch(p->server, STDIN_FILENO);
		return;
	}
	p->line_filled += (size_t)n;
	p->line[p->line_filled] = '\0';
	while ((end = strchr(p->line, '\n'))) {
		*end = '\0';
		plant_command(p, p->line, stdout);
		p->line_filled -= (size_t)(end + 1 - p->line);
		memmove(p->line, end + 1, p->line_filled + 1);
	}
	if (p->line_filled == sizeof(p->line) - 1)
		p->line_filled = 0; /* no command is so long */
}

static void ended(void *arg)
{
	server_quit(((struct plant *)arg)->server);
}

static int signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigprocmask(SIG_BLOCK, &set, NULL);
	return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

static void many_descriptors(void)
{
	struct rlimit r;

	if (getrlimit(RLIMIT_NOFILE, &r))
		return;
	r.rlim_cur = r.rlim_max;
	setrlimit(RLIMIT_NOFILE, &r);
}

static bool report(const struct plant *p, const char *path)
{
	FILE *f = fopen(path, "we");

	if (!f) {
		fprintf(stderr, "plant: %s: %s\n", path, strerror(errno));
		return false;
	}
	report_write(p, f);
	return fclose(f) == 0;
}

static bool build(struct plant *p, const struct options *o)
{
	if (!(o->bench ? bench_devices(p, o) : demo_devices(p, o)))
		return false;
	return (!o->shared || shared_port(p, o)) && first_faults(p, o) && announce(p, o);
}

static void release(struct plant *p)
{
	server_free(p->server);
	for (unsigned i = 0; i < p->count; i++)
		device_free(p->places[i].device);
	free(p);
}

static int run(const struct options *o)
{
	struct plant_clock clock = { day_now(o->start_minute), o->speed, monotonic_us() };
	struct plant *p = calloc(1, sizeof(*p));
	bool ok;
	int fd = signals();

	if (!p)
		return 1;
	many_descriptors();
	p->server = server_new(&clock);
	ok = build(p, o);
	if (ok) {
		server_watch(p->server, fd, ended, p);
		server_watch(p->server, STDIN_FILENO, commands, p);
		server_run(p->server);
		ok = !o->report || report(p, o->report);
	}
	release(p);
	close(fd);
	return ok ? 0 : 1;
}

int main(int argc, char *argv[])
{
	struct options o;
	int code;

	return options_parse(&o, argc, argv, &code) ? run(&o) : code;
}
