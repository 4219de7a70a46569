/*
 * diagnose.h - why a broker cannot be reached, in plain words.
 *
 * Paho says "TCP/TLS connect failure" for everything from a typo in the host
 * name to an expired certificate.  This tries once more by hand, without MQTT,
 * and says which step failed.  Blocks (some 10 s at most, plus the resolver):
 * for the worker only.
 */
#ifndef MQTT_DIAGNOSE_H
#define MQTT_DIAGNOSE_H

#include <stdbool.h>
#include <stddef.h>

struct mqtt_far_end {
	const char *host, *port;
	bool tls;
	const char *ca, *cert, *key; /* NULL: system store, none, none */
};

/* A text in buf, or an empty one when host, TCP and TLS are all in order. */
void mqtt_diagnose(const struct mqtt_far_end *f, char *buf, size_t size);

#endif
