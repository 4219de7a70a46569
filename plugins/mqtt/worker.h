/*
 * worker.h - one thread for what may block: opening and destroying a connection.
 *
 * Paho looks up host names and shakes hands with its mutex held, so calls that
 * open or destroy a handle can wait for half a minute.  They run here, one after
 * the other, and tell the loop through events.
 */
#ifndef MQTT_WORKER_H
#define MQTT_WORKER_H

#include "gatewayd/error.h"

struct mqtt_worker;

int mqtt_worker_new(struct mqtt_worker **out, struct gw_err *err);
void mqtt_worker_do(struct mqtt_worker *w, void (*run)(void *arg), void *arg);
/* Waits until all that was asked for is done; NULL is allowed. */
void mqtt_worker_free(struct mqtt_worker *w);

#endif
