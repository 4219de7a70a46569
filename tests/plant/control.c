/*
 * control.c - what can be asked of a running plant, and its report.
 */
#include "plant.h"

#include <inttypes.h>
#include <string.h>

static struct place *find(struct plant *p, const char *name)
{
	for (unsigned i = 0; i < p->count; i++)
		if (!strcmp(p->places[i].device->name, name))
			return &p->places[i];
	return NULL;
}

const char *plant_fault(struct plant *p, const char *name, const char *fault)
{
	struct place *at = find(p, name);
	struct fault f;
	const char *why;

	if (!at)
		return "there is no device of that name";
	why = fault_parse(fault, &f);
	if (why)
		return why;
	return port_fault(at->port, at->device, f) ? NULL : "the port cannot be opened again";
}

static void times_write(const struct counts *c, FILE *out)
{
	uint64_t first = c->polls > TIMES_KEPT ? c->polls - TIMES_KEPT : 0;

	fputs(",\"times_us\":[", out);
	for (uint64_t i = first; i < c->polls; i++)
		fprintf(out, "%s%" PRId64, i > first ? "," : "", c->times_us[i % TIMES_KEPT]);
	fputc(']', out);
}

void report_write(const struct plant *p, FILE *out)
{
	fputs("{\"devices\":{", out);
	for (unsigned i = 0; i < p->count; i++) {
		const struct device *d = p->places[i].device;
		const struct counts *c = &d->counts;

		fprintf(out, "%s\"%s\":{\"requests\":%" PRIu64 ",\"answers\":%" PRIu64, i ? "," : "", d->name,
			c->requests, c->answers);
		fprintf(out, ",\"exceptions\":%" PRIu64 ",\"polls\":%" PRIu64, c->exceptions, c->polls);
		if (c->times_us)
			times_write(c, out);
		fputc('}', out);
	}
	fputs("}}\n", out);
}

static void answer(FILE *out, const char *why)
{
	fprintf(out, why ? "error: %s\n" : "ok\n", why);
}

void plant_command(struct plant *p, const char *line, FILE *out)
{
	char verb[16] = "", name[40] = "", fault[40] = "";
	int n = sscanf(line, "%15s %39s %39s", verb, name, fault);

	if (!strcmp(verb, "fault") && n == 3)
		answer(out, plant_fault(p, name, fault));
	else if (!strcmp(verb, "clear") && n == 2)
		answer(out, plant_fault(p, name, "none"));
	else if (!strcmp(verb, "report") && n == 1)
		report_write(p, out);
	else if (!strcmp(verb, "quit") && n == 1)
		server_quit(p->server);
	else
		answer(out, "commands: fault NAME KIND, clear NAME, report, quit");
	fflush(out);
}
