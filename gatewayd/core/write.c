/*
 * write.c - see write.h.
 */
#include "core/write.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "core/setpoint.h"

enum { WORDS = 120 };

struct underway {
	bool open;
	uint32_t number;
	const struct gw_source *source;
	const struct gw_device *asked; /* as it was then: a reload may have put another in its place */
	char device[65], point[65], value[WORDS], old_words[WORDS], who[96];
	struct gw_value old; /* without its text */
	int64_t deadline_us;
	void (*done)(void *arg, const struct gw_write_end *end);
	void *arg;
};

struct gw_writes {
	uint32_t last;
	struct underway all[GW_WRITES_MAX];
};

/* ---- names ---- */

static int no_such(struct gw_err *err, const char *name, const char *what, const char *of, const char *const *names)
{
	const char *near = gw_nearest(name, names);

	return gw_err_set(err, GW_ENOENT, "%s%s '%.64s'%s%s%s", what, of, name, near ? "; did you mean '" : "",
			  near ? near : "", near ? "'?" : "");
}

static struct gw_device *find_device(struct gw_daemon *d, const char *name, struct gw_err *err)
{
	struct gw_device *dev = gw_device_named(d, name);
	const char **names;
	size_t n = 0;

	if (dev)
		return dev;
	names = calloc(d->ndevices + 1, sizeof(char *));
	assert(names);
	for (size_t i = 0; i < d->ndevices; i++)
		if (d->devices[i])
			names[n++] = d->devices[i]->name;
	no_such(err, name, "there is no device", "", names);
	free(names);
	return NULL;
}

static int find_point(const struct gw_device *dev, const char *name, unsigned *point, struct gw_err *err)
{
	const char **names;
	char of[100];

	for (*point = 0; *point < dev->npoints; (*point)++)
		if (strcmp(dev->points[*point].name, name) == 0)
			return 0;
	names = calloc(dev->npoints + 1, sizeof(char *));
	assert(names);
	for (unsigned i = 0; i < dev->npoints; i++)
		names[i] = dev->points[i].name;
	snprintf(of, sizeof(of), " '%s' has no point", dev->name);
	no_such(err, name, "device", of, names);
	free(names);
	return -1;
}

bool gw_device_place(const struct gw_daemon *d, const struct gw_device *dev, struct gw_source **s,
		     uint16_t *number)
{
	for (size_t i = 0; i < d->nsources; i++)
		for (size_t n = 0; n < d->sources[i]->ndevices; n++)
			if (d->sources[i]->devices[n] == dev) {
				*s = d->sources[i];
				*number = (uint16_t)n;
				return true;
			}
	return false;
}

/* ---- the line in the log ---- */

static void audit(const struct underway *u, enum gw_write_result result, const char *reason, const char *now)
{
	static const char *const names[] = { "done", "failed", "refused" };
	bool done = result == GW_WRITE_DONE;

	gw_log_always(done ? GW_INFO : GW_WARNING, "write by %s: %s/%s = %s, was %s: %s%s%s%s%s", u->who, u->device,
	       u->point, u->value, u->old_words, names[result], *reason ? ": " : "", reason,
	       *now ? ", read back " : "", now);
}

/* ---- the end of a write ---- */

static void finish(struct gw_daemon *d, struct underway *u, enum gw_write_result result, const char *reason,
		   struct gw_value *v)
{
	struct gw_device *dev = gw_device_named(d, u->device);
	struct gw_write_end end = { .result = result, .reason = reason, .value = v, .old = &u->old };
	struct gw_err err;
	char now[WORDS] = "";

	u->open = false;
	if (dev && find_point(dev, u->point, &end.point, &err) == 0) {
		end.dev = dev;
		if (dev != u->asked)
			u->old = (struct gw_value){ .kind = GW_NONE }; /* its labels may be others */
		if (v->kind != GW_NONE) {
			gw_normalise_one(dev->normaliser, end.point, v);
			gw_value_words(dev->normaliser, end.point, v, now, sizeof(now));
		}
	}
	audit(u, result, reason, now);
	if (u->done)
		u->done(u->arg, &end);
}

static void fail(struct gw_daemon *d, struct underway *u, const char *reason)
{
	struct gw_value none = { .kind = GW_NONE };

	finish(d, u, GW_WRITE_FAILED, reason, &none);
}

void gw_write_answer(struct gw_daemon *d, const struct gw_source *s, const struct gw_msg_written *m)
{
	struct gw_value v = { .kind = (enum gw_kind)(m->kind < GW_ENUM ? m->kind : GW_NONE),
			      .text = m->text.s, .length = m->text.n };
	char reason[256];

	v.u = m->slot; /* the union's widest member */
	snprintf(reason, sizeof(reason), "%.*s", (int)m->reason.n, m->reason.n ? m->reason.s : "");
	for (size_t i = 0; d->writes && i < GW_WRITES_MAX; i++) {
		struct underway *u = &d->writes->all[i];

		if (!u->open || u->number != m->number || u->source != s)
			continue;
		finish(d, u, m->result > GW_WRITE_REFUSED ? GW_WRITE_FAILED : (enum gw_write_result)m->result,
		       reason, &v);
		return;
	}
}

void gw_write_source_down(struct gw_daemon *d, const struct gw_source *s)
{
	for (size_t i = 0; d->writes && i < GW_WRITES_MAX; i++)
		if (d->writes->all[i].open && d->writes->all[i].source == s)
			fail(d, &d->writes->all[i], "the source's process ended before it answered");
}

void gw_write_second(struct gw_daemon *d)
{
	int64_t now_us = gw_now_us();

	for (size_t i = 0; d->writes && i < GW_WRITES_MAX; i++)
		if (d->writes->all[i].open && now_us > d->writes->all[i].deadline_us)
			fail(d, &d->writes->all[i], "no answer in time: it may have been written or not");
}

void gw_write_end_all(struct gw_daemon *d)
{
	for (size_t i = 0; d->writes && i < GW_WRITES_MAX; i++)
		if (d->writes->all[i].open)
			fail(d, &d->writes->all[i], "gatewayd stopped before the answer came");
	free(d->writes);
	d->writes = NULL;
}

void gw_write_forget(struct gw_daemon *d, const void *arg)
{
	for (size_t i = 0; d->writes && i < GW_WRITES_MAX; i++)
		if (d->writes->all[i].open && d->writes->all[i].arg == arg)
			d->writes->all[i].done = NULL;
}

/* ---- the beginning ---- */

static struct underway *room(struct gw_daemon *d, struct gw_err *err)
{
	if (!d->writes)
		d->writes = calloc(1, sizeof(*d->writes));
	assert(d->writes);
	for (size_t i = 0; i < GW_WRITES_MAX; i++)
		if (!d->writes->all[i].open)
			return &d->writes->all[i];
	gw_err_set(err, GW_EFULL, "too many writes are under way");
	return NULL;
}

static void note(struct underway *u, const struct gw_write_order *o, const struct gw_device *dev, unsigned point)
{
	int64_t mono_ms;

	*u = (struct underway){ .done = o->done, .arg = o->arg, .asked = dev };
	snprintf(u->device, sizeof(u->device), "%.64s", dev->name);
	snprintf(u->point, sizeof(u->point), "%.64s", o->point);
	snprintf(u->value, sizeof(u->value), "%.100s", o->value);
	snprintf(u->who, sizeof(u->who), "%.90s", o->who);
	snprintf(u->old_words, sizeof(u->old_words), "unknown");
	if (!gw_normaliser_latest(dev->normaliser, point, &u->old, &mono_ms) || u->old.kind == GW_NONE)
		u->old = (struct gw_value){ .kind = GW_NONE };
	else
		gw_value_words(dev->normaliser, point, &u->old, u->old_words, sizeof(u->old_words));
	if (u->old.kind == GW_TEXT)
		u->old = (struct gw_value){ .kind = GW_NONE }; /* its text is not ours to keep */
}

/* May it be written, and what is to be sent? */
static int check(const struct gw_device *dev, unsigned point, const char *value, struct gw_value *raw,
		 struct gw_err *err)
{
	if (!dev->points[point].writable)
		return gw_err_set(err, GW_EINPUT, "%s/%s is not writable", dev->name, dev->points[point].name);
	if (gw_setpoint(dev->normaliser, point, &dev->specs[point], value, raw, err) != 0)
		return gw_err_ctx(err, "%s/%s", dev->name, dev->points[point].name);
	return 0;
}

static int ready(struct gw_daemon *d, const struct gw_device *dev, struct gw_source **s, uint16_t *number,
		 struct gw_err *err)
{
	if (!gw_device_place(d, dev, s, number))
		return gw_err_set(err, GW_ENOENT, "no source has device '%s' now", dev->name);
	if (gw_child_status((*s)->child)->life != GW_LIFE_RUNNING)
		return gw_err_set(err, GW_EFULL, "source '%s' is not running (%s)", (*s)->instance.name,
				  gw_life_name(gw_child_status((*s)->child)->life));
	return 0;
}

static void send_write(struct underway *u, struct gw_source *s, uint16_t device, unsigned point,
		       const struct gw_value *raw)
{
	struct gw_message m = { .type = GW_MSG_WRITE };

	m.write.number = u->number;
	m.write.device = device;
	m.write.point = (uint16_t)point;
	m.write.kind = (uint8_t)raw->kind;
	if (raw->kind == GW_TEXT)
		m.write.text = (struct gw_str){ raw->text, (uint32_t)raw->length };
	else
		m.write.slot = raw->kind == GW_BOOL ? raw->b : raw->u;
	gw_child_send(s->child, &m);
}

int gw_write_begin(struct gw_daemon *d, const struct gw_write_order *o, struct gw_err *err)
{
	struct gw_device *dev = find_device(d, o->device, err);
	struct underway *u = dev ? room(d, err) : NULL;
	struct gw_source *s = NULL;
	struct gw_value raw = { .kind = GW_NONE };
	uint16_t number = 0;
	unsigned point;

	if (!u || find_point(dev, o->point, &point, err) != 0)
		return -1;
	note(u, o, dev, point);
	if (check(dev, point, o->value, &raw, err) != 0 || ready(d, dev, &s, &number, err) != 0) {
		audit(u, GW_WRITE_REFUSED, err->msg, "");
		return -1;
	}
	assert(s); /* ready() */
	u->open = true;
	u->number = ++d->writes->last;
	u->source = s;
	u->deadline_us = gw_now_us() + GW_WRITE_DEADLINE_S * 1000000LL;
	send_write(u, s, number, point, &raw);
	return 0;
}
