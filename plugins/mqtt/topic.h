/*
 * topic.h - the topics of a gateway and its devices (contract, section 4).
 *
 * Pure functions.  A template is written by the operator, the values come from
 * the configuration; whatever a broker could misread (wildcards, empty levels,
 * dots and blanks, which RabbitMQ and NATS rewrite or refuse) does not pass.
 */
#ifndef MQTT_TOPIC_H
#define MQTT_TOPIC_H

#include <stddef.h>

#include "gatewayd/error.h"

enum { MQTT_TOPIC_MAX = 1024 };

/* What the placeholders {root} {gateway} {province} {site} {domain} {device} stand
 * for.  `root` may have levels; the others become one level each, in which
 * characters that topics cannot carry are replaced by "_". */
struct mqtt_names {
	const char *root, *gateway, *province, *site, *domain, *device;
};

int mqtt_root_check(const char *root, struct gw_err *err);
int mqtt_template_check(const char *text, struct gw_err *err);

/*
 * The topic of a device, without a slash behind, into out (MQTT_TOPIC_MAX bytes).
 * An empty domain becomes "other"; any other name that the template uses and that
 * is not set is an error.
 */
int mqtt_topic_device(const char *text, const struct mqtt_names *names, char *out,
		      struct gw_err *err);

#endif
