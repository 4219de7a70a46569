/*
 * intake.c - readings from sources: checked, normalised in place, numbered, laid into the ring,
 * handed to every sink.  This is the path of a reading: nothing here allocates or blocks.
 */
#include "core/timekeeper.h"
#include "core/write.h"

#include <inttypes.h>
#include <string.h>

/* ---- device state ---- */

bool gw_device_installed(const struct gw_daemon *d, const struct gw_device *dev)
{
	return dev->number < d->ndevices && d->devices[dev->number] == dev;
}

void gw_device_state_is(struct gw_daemon *d, struct gw_device *dev, enum gw_device_state state,
			const char *reason, int64_t ts_ms)
{
	if (dev->state == state && strcmp(dev->reason, reason) == 0)
		return;
	if (dev->state != state && (state == GW_STATE_OFFLINE || dev->state == GW_STATE_OFFLINE))
		gw_log(GW_INFO, "device '%s' is %s%s%s", dev->name,
		       state == GW_STATE_OFFLINE ? "offline: " : "online", "",
		       state == GW_STATE_OFFLINE ? reason : "");
	dev->state = state;
	dev->since_ms = ts_ms;
	dev->since_mono_ms = gw_now_us() / 1000 - (gw_wall_ms() - ts_ms);
	dev->since_unsynced = !gw_timekeeper_trusts(d);
	snprintf(dev->reason, sizeof(dev->reason), "%s", reason);
	for (size_t i = 0; i < d->nsinks && gw_device_installed(d, dev); i++)
		gw_sink_tell_state(d->sinks[i], dev);
}

static void follow_state(struct gw_daemon *d, struct gw_device *dev, int64_t ts_ms)
{
	unsigned reason = GW_GOOD;
	enum gw_device_state state = gw_normaliser_state(dev->normaliser, &reason);

	if (state != dev->state || state == GW_STATE_OFFLINE)
		gw_device_state_is(d, dev, state, state == GW_STATE_OFFLINE ? gw_reason_name(reason) : "",
				   ts_ms);
}

/* ---- numbers ---- */

/* There is one for the reading, and for those that found none. */
static bool number_ready(struct gw_daemon *d, struct gw_device *dev)
{
	gw_arrive_reserve(d, dev);
	return dev->next_seq + dev->unnumbered.n < dev->reserved;
}

/* false: they cannot be declared yet, and the next reading waits behind them. */
static bool declare_unnumbered(struct gw_daemon *d, struct gw_device *dev)
{
	if (dev->unnumbered.n == 0)
		return true;
	if (!gw_arrive_lost(d, dev, dev->unnumbered.n, dev->unnumbered.ts_from_ms, dev->unnumbered.ts_to_ms))
		return false;
	memset(&dev->unnumbered, 0, sizeof(dev->unnumbered));
	return true;
}

/* A loss needs no number that is reserved: no commit tells of one that is not, so nobody hears of it.  In the
 * ring it outlives a kill. */
static void lost_without_number(struct gw_daemon *d, struct gw_device *dev, const struct gw_reading *r)
{
	int64_t ts_ms = gw_timekeeper_known_ms(d, r);

	if (dev->next_seq >= dev->reserved && dev->out_of_numbers++ == 0)
		gw_log(GW_WARNING, "no numbers left for '%s', the disk does not answer: readings are being lost",
		       dev->name);
	if (!declare_unnumbered(d, dev) || !gw_arrive_lost(d, dev, 1, ts_ms, ts_ms))
		gw_arrive_unnumbered(dev, ts_ms);
	dev->full = true;
}

static bool has_number(struct gw_daemon *d, struct gw_device *dev)
{
	if (!number_ready(d, dev) || !declare_unnumbered(d, dev))
		return false;
	if (dev->out_of_numbers)
		gw_log(GW_WARNING, "'%s' has numbers again: %" PRIu64 " readings were lost", dev->name,
		       dev->out_of_numbers);
	dev->out_of_numbers = 0;
	return true;
}

/* ---- the reading ---- */

static void publish(struct gw_daemon *d, struct gw_device *dev, struct gw_reading *r)
{
	if (!gw_arrive(d, dev, r)) {
		gw_log(GW_WARNING, "the disk is too slow and the ring is full: readings are being lost");
		dev->full = true;
		return;
	}
	gw_device_keep_newest(dev, r);
	gw_control_reading(d, dev, r);
}

static int on_reading(struct gw_source *s, struct gw_str block, struct gw_err *err)
{
	struct gw_daemon *d = s->daemon;
	struct gw_reading *r = (struct gw_reading *)d->scratch;
	struct gw_device *dev;
	const char *bad;

	if (block.n < sizeof(*r))
		return gw_err_set(err, GW_EPROTO, "a reading of %u bytes", block.n);
	memcpy(r, block.s, block.n);
	if (r->device >= s->ndevices)
		return gw_err_set(err, GW_EPROTO, "a reading of an unknown device");
	dev = s->devices[r->device];
	bad = gw_reading_check(r, block.n, dev->npoints);
	if (!bad && (r->mono_ms < 0 || r->mono_ms > gw_now_us() / 1000))
		bad = "its time is not possible";
	if (bad)
		return gw_err_set(err, GW_EPROTO, "a reading of '%s': %s", dev->name, bad);
	gw_timekeeper_stamp(d, r);
	dev->last_ts_ms = r->ts_ms;
	dev->last_mono_ms = r->mono_ms;
	switch (gw_normalise(dev->normaliser, r, dev->full)) {
	case GW_LIES:
		return gw_err_set(err, GW_EPROTO, "a reading of '%s' has another kind of value than declared",
				  dev->name);
	case GW_NOTHING:
		break;
	case GW_SAY:
		if (!has_number(d, dev)) {
			lost_without_number(d, dev, r);
			break;
		}
		dev->full = false;
		publish(d, dev, r);
		break;
	}
	follow_state(d, dev, r->ts_ms);
	return 0;
}

static int on_counters(struct gw_source *s, const struct gw_msg_counters *c, struct gw_err *err)
{
	struct gw_device *dev;

	if (c->device >= s->ndevices)
		return gw_err_set(err, GW_EPROTO, "counters of an unknown device");
	dev = s->devices[c->device];
	dev->requests = c->requests;
	dev->overruns = c->overruns;
	dev->dropped = c->dropped;
	dev->load_permille = c->load_permille;
	return 0;
}

/* ---- its process ---- */

static int redeclare(void *arg, const struct gw_message *m, struct gw_err *err)
{
	struct gw_source *s = arg;

	if (!s->redeclared_arena) {
		s->redeclared_arena = gw_arena_new();
		s->redeclared = (struct gw_candidate){ 0 };
	}
	return gw_declare(s->redeclared_arena, &s->redeclared, m, err);
}

static int on_message(void *arg, const struct gw_message *m, struct gw_err *err)
{
	struct gw_source *s = arg;

	switch ((unsigned)m->type) {
	case GW_MSG_READING:
		return on_reading(s, m->reading.block, err);
	case GW_MSG_COUNTERS:
		return on_counters(s, &m->counters, err);
	case GW_MSG_ANSWER:
		gw_control_answer(s->daemon, s, &m->answer);
		return 0;
	case GW_MSG_WRITTEN:
		gw_write_answer(s->daemon, s, &m->written);
		return 0;
	case GW_MSG_STATE_PUT:
		gw_state_keep(s->daemon, &s->instance, &m->state_put);
		return 0;
	default:
		return gw_err_set(err, GW_EPROTO, "a source does not say '%s'", gw_message_name(m->type));
	}
}

/* A process that was started again must be what it was. */
static bool same_again(const struct gw_source *s)
{
	if (s->redeclared.ndevices != s->ndevices)
		return false;
	for (size_t i = 0; i < s->ndevices; i++)
		if (s->redeclared.devices[i].npoints != s->devices[i]->npoints ||
		    strcmp(s->redeclared.devices[i].name, s->devices[i]->name) != 0)
			return false;
	return true;
}

static bool on_ready(void *arg, unsigned problems)
{
	struct gw_source *s = arg;
	bool same = problems == 0 && same_again(s);

	gw_arena_free(s->redeclared_arena);
	s->redeclared_arena = NULL;
	return same;
}

static void on_starting(void *arg)
{
	struct gw_source *s = arg;

	gw_state_send(s->daemon, &s->instance, s->child);
}

static void on_running(void *arg)
{
	struct gw_source *s = arg;

	gw_log(GW_INFO, "source '%s' is running: plugin %s, %zu device%s, process %d", s->instance.name,
	       s->instance.plugin, s->ndevices, s->ndevices == 1 ? "" : "s",
	       (int)gw_child_status(s->child)->pid);
	for (size_t i = 0; i < s->ndevices; i++) {
		s->devices[i]->full = true;
		if (s->devices[i]->state == GW_STATE_UNKNOWN)
			gw_device_state_is(s->daemon, s->devices[i], GW_STATE_UNKNOWN, "starting",
					   gw_wall_ms());
	}
}

static void devices_unknown(struct gw_source *s)
{
	for (size_t i = 0; i < s->ndevices; i++) {
		gw_normaliser_lost(s->devices[i]->normaliser);
		gw_device_state_is(s->daemon, s->devices[i], GW_STATE_UNKNOWN, "plugin", gw_wall_ms());
	}
}

static void on_down(void *arg, const char *reason)
{
	struct gw_source *s = arg;

	(void)reason; /* the child has logged it */
	gw_arena_free(s->redeclared_arena);
	s->redeclared_arena = NULL;
	gw_write_source_down(s->daemon, s);
	devices_unknown(s);
}

static void on_stopped(void *arg)
{
	struct gw_source *s = arg;

	gw_daemon_gone(s->daemon);
}

const struct gw_child_ops gw_source_ops = {
	.declares = redeclare, .ready = on_ready, .starting = on_starting, .running = on_running,
	.message = on_message, .down = on_down, .stopped = on_stopped,
};

struct gw_device *gw_device_named(const struct gw_daemon *d, const char *name)
{
	for (size_t i = 0; i < d->ndevices; i++)
		if (d->devices[i] && strcmp(d->devices[i]->name, name) == 0)
			return d->devices[i];
	return NULL;
}
