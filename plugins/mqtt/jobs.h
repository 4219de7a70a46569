/*
 * jobs.h - what the session asks of the worker: opening and closing a connection,
 * and finding out why one could not be opened.
 */
#ifndef MQTT_JOBS_H
#define MQTT_JOBS_H

#include "diagnose.h"
#include "link.h"
#include "worker.h"

struct mqtt_closing {
	struct mqtt_link *link; /* gone after it */
	enum mqtt_goodbye how;
	struct mqtt_events *events;
	uint32_t epoch;
	bool diagnose;		 /* then MQTT_E_DIAGNOSED follows MQTT_E_CLOSED */
	struct mqtt_far_end far; /* texts live as long as the worker */
};

void mqtt_job_open(struct mqtt_worker *w, struct mqtt_link *l);
void mqtt_job_close(struct mqtt_worker *w, const struct mqtt_closing *c);

#endif
