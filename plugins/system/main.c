/* system - this machine as a device, from /sys and /proc: the example of docs/plugin-guide.md */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "gatewayd/plugin.h"

static const struct value {
	const char *name, *unit, *file, *before; /* the number stands behind this word */
	double divisor;				 /* one division rounds once: 45123 gives 45.123 */
} values[] = {
	{ "cpu_temperature", "Cel", "/sys/class/thermal/thermal_zone0/temp", "", 1000 },
	{ "load", "1", "/proc/loadavg", "", 1 },
	{ "uptime", "s", "/proc/uptime", "", 1 },
	{ "free_memory", "By", "/proc/meminfo", "MemAvailable:", 1 / 1024.0 },
};
enum { VALUES = sizeof(values) / sizeof(values[0]) };

static double read_value(const struct value *v) /* NaN: this machine does not have it */
{
	FILE *f = fopen(v->file, "re");
	double number = (double)NAN;
	char line[256];

	while (f && isnan(number) && fgets(line, sizeof(line), f))
		if (strncmp(line, v->before, strlen(v->before)) == 0)
			number = strtod(line + strlen(v->before), NULL) / v->divisor;
	if (f)
		fclose(f);
	return number;
}

static int configure(struct gw_plugin *p, const struct gw_source_config *config, void **self,
		     struct gw_err *err)
{
	(void)self, (void)err; /* nothing to keep, and nothing that can go wrong */
	for (unsigned d = 0; d < config->ndevices; d++)
		for (unsigned i = 0; i < VALUES; i++)
			gw_source_point(p, d, i, values[i].name, GW_F64, 64, false, values[i].unit,
					config->devices[d].interval_ms);
	return 0;
}

static void cycle(void *self, struct gw_cycle *c)
{
	(void)self; /* all points have one interval, so all are due */
	for (unsigned i = 0; i < VALUES; i++)
		gw_cycle_f64(c, i, read_value(&values[i]));
	gw_cycle_close(c, GW_NOT_AVAILABLE);
}

int main(int argc, char *argv[])
{
	static const struct gw_source_plugin plugin = {
		"system", GW_VERSION, "Temperature, load, uptime and free memory of this machine.",
		.configure = configure, .cycle = cycle
	};
	return gw_source_main(&plugin, argc, argv);
}
