/*
 * core.h - the core's side of a sink, for tests: it stands in for the plugin
 * runtime, gives layouts and readings, and remembers what the sink says.
 * One a test process at a time.
 */
#ifndef MQTT_TEST_CORE_H
#define MQTT_TEST_CORE_H

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "maker.h"
#include "plugins/mqtt/keys.h"
#include "plugins/mqtt/sink.h"

enum { CORE_ACKS = 4096 };

struct gw_plugin {
	struct gw_arena *arena;
	struct gw_loop *loop;
	struct gw_watch *kick; /* calls below come from no turn of the loop: make one */
	struct gw_problems problems;
	struct mqtt_keys keys;
	const char *brokers[2];
	struct gw_gateway_info gateway;
	void *self;
	enum gw_link_state state;
	unsigned window, connections, waits, in_flight_most;
	uint64_t session, refused;
	char reason[512], reasons[4096]; /* the last, and all of them */
	struct {
		unsigned device, credit;
		uint64_t from, to;
		enum gw_outcome outcome;
	} acks[CORE_ACKS];
	size_t nacks;
	unsigned credits;
	uint64_t lost_id, corrected_id;
	uint32_t asked_number; /* the last of `asks` */
	struct gw_again_span asked;
	char put_key[128], put_value[1024]; /* the last of `puts` */
	unsigned asks, puts;
	bool stopped;
	struct maker maker;
};

struct gw_problems *gw_plugin_problems(struct gw_plugin *p)
{
	return &p->problems;
}

struct gw_arena *gw_plugin_arena(struct gw_plugin *p)
{
	return p->arena;
}

struct gw_loop *gw_plugin_loop(struct gw_plugin *p)
{
	return p->loop;
}

void gw_sink_ack(struct gw_plugin *p, unsigned device, uint64_t from, uint64_t to,
		 enum gw_outcome o, unsigned credit)
{
	if (p->nacks == CORE_ACKS)
		abort();
	p->acks[p->nacks].device = device;
	p->acks[p->nacks].from = from;
	p->acks[p->nacks].to = to;
	p->acks[p->nacks].outcome = o;
	p->acks[p->nacks++].credit = credit;
	p->credits += credit;
}

void gw_sink_ack_window(struct gw_plugin *p, uint64_t id, enum gw_outcome o, unsigned credit)
{
	gw_sink_ack_loss(p, id, o, credit);
}

void gw_sink_ack_correction(struct gw_plugin *p, uint64_t id, enum gw_outcome o, unsigned credit)
{
	p->corrected_id = o == GW_DONE ? id : 0;
	p->credits += credit;
}

const char *gw_sink_boot(struct gw_plugin *p, uint32_t number)
{
	return number == p->gateway.boot_number ? p->gateway.boot : NULL;
}

void gw_sink_ack_loss(struct gw_plugin *p, uint64_t id, enum gw_outcome o, unsigned credit)
{
	p->lost_id = o == GW_DONE ? id : 0;
	p->credits += credit;
}

void gw_sink_state(struct gw_plugin *p, enum gw_link_state state, unsigned window, uint64_t session,
		   const char *broker, const char *reason)
{
	(void)broker;
	p->state = state;
	p->window = window;
	p->session = session;
	p->connections += state == GW_FAR_CONNECTED;
	p->waits += state == GW_FAR_WAITING;
	snprintf(p->reason, sizeof(p->reason), "%s", reason);
	if (*reason && strlen(p->reasons) + strlen(reason) + 2 < sizeof(p->reasons))
		strcat(strcat(p->reasons, reason), "\n");
}

void gw_sink_counts(struct gw_plugin *p, unsigned in_flight, uint64_t refused)
{
	p->refused = refused;
	if (in_flight > p->in_flight_most)
		p->in_flight_most = in_flight;
}

void gw_sink_again(struct gw_plugin *p, uint32_t number, const struct gw_again_span *span)
{
	p->asked_number = number;
	p->asked = *span;
	p->asks++;
}

void gw_state_put(struct gw_plugin *p, const char *key, const void *value, size_t size)
{
	snprintf(p->put_key, sizeof(p->put_key), "%s", key);
	snprintf(p->put_value, sizeof(p->put_value), "%.*s", (int)size,
		 size ? (const char *)value : "");
	p->puts++;
}

void gw_sink_stopped(struct gw_plugin *p)
{
	p->stopped = true;
}

static void core_problem(void *arg, const struct gw_place *at, const char *path, const char *text)
{
	(void)arg;
	(void)at;
	fprintf(stderr, "%s: %s\n", path, text);
	abort();
}

static void core_nothing(void *arg)
{
	(void)arg;
}

/* keys may be changed before core_start() */
static inline struct gw_plugin *core_new(const char *broker)
{
	struct gw_plugin *p = calloc(1, sizeof(*p));
	struct gw_err err;

	p->arena = gw_arena_new();
	p->problems.fn = core_problem;
	p->brokers[0] = broker;
	p->keys = (struct mqtt_keys){ .broker = { p->brokers, 1 },
				      .root = "goc",
				      .topic = "{root}/{gateway}/{device}",
				      .keepalive_ms = 10000,
				      .ack_timeout_ms = 20000,
				      .window = 50 };
	p->gateway = (struct gw_gateway_info){ .id = "gw-1",
					       .title = "",
					       .province = "79",
					       .site = "",
					       .version = "1",
					       .config = "c",
					       .boot = "boot-1",
					       .buffer = "f",
					       .session = 6,
					       .boot_number = 3 };
	if (gw_loop_new(&p->loop, &err) || !(p->kick = gw_on_timer(p->loop, core_nothing, p, &err)))
		abort();
	return p;
}

static inline void core_start(struct gw_plugin *p, struct gw_layout *const *layouts, unsigned count)
{
	const struct gw_sink_config config = { "goc", NULL, &p->keys };
	struct gw_err err;

	p->gateway.devices = count;
	if (mqtt_sink.configure(p, &config, &p->self, &err))
		abort();
	for (unsigned i = 0; i < count; i++)
		mqtt_sink.layout(p->self, layouts[i]);
	if (mqtt_sink.start(p->self, p->loop, &p->gateway, &err)) {
		fprintf(stderr, "start: %s\n", err.msg);
		abort();
	}
}

static inline void core_turn(struct gw_plugin *p, int64_t wait_us)
{
	struct gw_err err;

	gw_timer_at(p->kick, gw_now_us() + 5000);
	if (gw_loop_turn(p->loop, wait_us, &err) < 0)
		abort();
}

/* Turns the loop until `condition` holds; false after twenty seconds. */
#define core_until(p, condition)                                                                   \
	__extension__({                                                                            \
		int64_t end_ = gw_now_us() + 20000000;                                             \
		while (!(condition) && gw_now_us() < end_)                                         \
			core_turn((p), 20000);                                                     \
		(condition);                                                                       \
	})

static inline void core_free(struct gw_plugin *p)
{
	if (!p->stopped) {
		mqtt_sink.stop(p->self);
		if (!core_until(p, p->stopped))
			abort();
	}
	gw_loop_free(p->loop);
	gw_arena_free(p->arena);
	free(p);
}

static inline void core_live(struct gw_plugin *p, const struct gw_layout *l, uint64_t seq,
			     double value)
{
	const struct gw_reading *r;

	maker_f64(&p->maker, 0, GW_F64, GW_GOOD, value);
	r = maker_done(&p->maker, seq, 1763760000000 + (int64_t)seq);
	mqtt_sink.readings(p->self, true, &l, &r, 1);
}

/* Up to 100 readings, seq from, from + step, ... */
static inline void core_replay(struct gw_plugin *p, const struct gw_layout *l, uint64_t from,
			       unsigned step, unsigned count)
{
	static alignas(8) char blocks[100][128];
	const struct gw_reading *readings[100];
	const struct gw_layout *layouts[100];

	for (unsigned i = 0; i < count; i++) {
		maker_f64(&p->maker, 0, GW_F64, GW_GOOD, i);
		struct gw_reading *r = maker_done(&p->maker, from + (uint64_t)i * step, 5);
		memcpy(blocks[i], r, r->size);
		readings[i] = (void *)blocks[i];
		layouts[i] = l;
	}
	mqtt_sink.readings(p->self, false, layouts, readings, count);
}

#endif
