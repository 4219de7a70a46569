/* jobs.c - see jobs.h. */
#include <stdlib.h>
#include <string.h>

#include "build.h"
#include "jobs.h"

static void open_link(void *arg)
{
	mqtt_link_open(arg);
}

void mqtt_job_open(struct mqtt_worker *w, struct mqtt_link *l)
{
	mqtt_worker_do(w, open_link, l);
}

static void diagnose(const struct mqtt_closing *c)
{
	const struct mqtt_event e = { .kind = MQTT_E_DIAGNOSED, .epoch = c->epoch };
	char why[400];

	mqtt_diagnose(&c->far, why, sizeof(why));
	mqtt_events_push(c->events, &e, why, strlen(why));
}

static void close_link(void *arg)
{
	struct mqtt_closing *c = arg;

	mqtt_link_close(c->link, c->how);
	if (c->diagnose)
		diagnose(c);
	free(c);
}

void mqtt_job_close(struct mqtt_worker *w, const struct mqtt_closing *c)
{
	struct mqtt_closing *mine = mqtt_grow(NULL, sizeof(*mine));

	*mine = *c;
	mqtt_worker_do(w, close_link, mine);
}
