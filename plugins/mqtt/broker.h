/*
 * broker.h - the address of a broker as the operator writes it.
 *
 * mqtt://host[:port], mqtts://, ws:// and wss:// with a path.  No user name and
 * no password in an address: they would show up in logs.
 */
#ifndef MQTT_BROKER_H
#define MQTT_BROKER_H

#include <stdbool.h>

#include "gatewayd/config.h"
#include "gatewayd/error.h"

struct mqtt_broker {
	const char *shown; /* as configured; borrowed */
	char uri[320];	   /* as Paho wants it */
	char host[256];	   /* without the brackets of IPv6 */
	char port[6];
	bool tls;
};

int mqtt_broker_parse(struct mqtt_broker *b, const char *text, struct gw_err *err);
/* All of a list of texts, in its order; freed by the caller.  NULL: one is wrong. */
struct mqtt_broker *mqtt_brokers_parse(const struct gw_list *texts, struct gw_err *err);

#endif
