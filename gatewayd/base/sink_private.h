/*
 * sink_private.h - between sink.c, sink_in.c and sink_out.c.
 */
#ifndef GW_BASE_SINK_PRIVATE_H
#define GW_BASE_SINK_PRIVATE_H

#include "base/acks.h"
#include "base/layouts.h"
#include "base/plugin_private.h"

struct far_end { /* as told with SINK_STATE */
	enum gw_link_state state;
	unsigned window;
	uint64_t session;
	char broker[256], reason[512];
};

struct counts {
	unsigned in_flight;
	uint64_t refused;
};

struct sink {
	const struct gw_sink_plugin *def;
	struct gw_describe_section section;
	struct gw_sink_config config;
	void *self;
	struct gw_gateway_info gateway;
	bool has_gateway, started;
	unsigned current; /* present layouts that came so far */
	struct gw_layouts *layouts;
	struct boot { /* of the gateway's machine */
		uint32_t number;
		const char *id;
	} *boots;
	size_t nboots;
	struct gw_acks acks;
	struct far_end far;
	bool said; /* far was told once */
	bool between; /* it said that it is connected, and the core has not heard it yet */
	struct counts now, sent;
};

/* sink_in.c: a message after START; -1: the core broke the protocol. */
int gw_sink_message(struct gw_plugin *p, const struct gw_message *m, struct gw_err *err);

/* sink_out.c */
void gw_sink_send_acks(struct gw_plugin *p); /* those gathered so far */
void gw_sink_second(struct gw_plugin *p);    /* counts, when they changed */

#endif
