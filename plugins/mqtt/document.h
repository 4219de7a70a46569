/*
 * document.h - the documents of the contract other than readings: status,
 * directories, loss, correction, progress.  Pure: each is appended to `t` as one JSON object.
 */
#ifndef MQTT_DOCUMENT_H
#define MQTT_DOCUMENT_H

#include "build.h"
#include "gatewayd/plugin.h"

struct mqtt_status {
	bool online;
	bool stopped; /* offline in good order */
	uint64_t session;
	int64_t ts_ms; /* 0: left out (a will does not know when it will be true) */
};

struct mqtt_named_topic {
	const char *name, *topic;
};

void mqtt_doc_status(struct mqtt_text *t, const struct gw_gateway_info *g,
		     const struct mqtt_status *s);
void mqtt_doc_gateway(struct mqtt_text *t, const struct gw_gateway_info *g,
		      const struct mqtt_named_topic *devices, size_t count);
void mqtt_doc_device(struct mqtt_text *t, const struct gw_layout *l);
void mqtt_doc_state(struct mqtt_text *t, enum gw_device_state state, int64_t ts_ms,
		    const char *reason);
void mqtt_doc_loss(struct mqtt_text *t, const struct gw_loss *l);
void mqtt_doc_correction(struct mqtt_text *t, const struct gw_correction_news *c);
void mqtt_doc_progress(struct mqtt_text *t, const struct gw_progress *p);

#endif
