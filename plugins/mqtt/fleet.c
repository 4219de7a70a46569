/* fleet.c - the gateway and its devices, and what changed of them; see fleet.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "document.h"
#include "fleet_private.h"
#include "topic.h"

/* ---- making ---- */

static const char *kept(struct gw_arena *a, const char *s)
{
	return gw_arena_strdup(a, s ? s : "");
}

static void copy_gateway(struct mqtt_fleet *f, const struct gw_gateway_info *g)
{
	const char **texts[] = { &f->g.id,	&f->g.title,  &f->g.province, &f->g.site,
				 &f->g.version, &f->g.config, &f->g.boot,     &f->g.buffer };

	f->g = *g;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		*texts[i] = kept(f->arena, *texts[i]);
}

static struct mqtt_names names_of(const struct mqtt_fleet *f, const char *device,
				  const char *domain)
{
	return (struct mqtt_names){ .root = f->keys->root,
				    .gateway = f->g.id,
				    .province = f->g.province,
				    .site = f->g.site,
				    .domain = domain,
				    .device = device };
}

static char *join(struct gw_arena *a, const char *prefix, const char *last)
{
	size_t n = strlen(prefix) + strlen(last) + 2;
	char *s = gw_arena_alloc(a, n);

	snprintf(s, n, "%s/%s", prefix, last);
	return s;
}

/* With the longest device name, so that no topic can turn out too long later. */
static int check_topics(const struct mqtt_fleet *f, struct gw_err *err)
{
	static const char longest[] =
		"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
	const struct mqtt_names n = names_of(f, longest, NULL);
	char topic[MQTT_TOPIC_MAX];

	return mqtt_topic_device(f->keys->topic, &n, topic, err);
}

int mqtt_fleet_new(struct mqtt_fleet **out, struct gw_arena *a, const struct mqtt_keys *k,
		   const struct gw_gateway_info *g, struct gw_err *err)
{
	struct mqtt_fleet *f = gw_arena_alloc(a, sizeof(*f));

	f->arena = a;
	f->keys = k;
	copy_gateway(f, g);
	if (check_topics(f, err))
		return -1;
	char *gateway = join(a, k->root, f->g.id);
	f->status_topic = join(a, gateway, "status");
	f->directory_topic = join(a, gateway, "directory");
	f->health_topic = join(a, gateway, "health");
	f->command_topic = join(a, gateway, "command");
	f->reply_topic = join(a, gateway, "reply");
	f->clock_topic = join(a, gateway, "clock");
	*out = f;
	return 0;
}

void mqtt_fleet_free(struct mqtt_fleet *f)
{
	if (!f)
		return;
	mqtt_text_free(&f->health);
	mqtt_text_free(&f->text);
	free(f->list);
	free(f->devices);
	f->list = NULL;
	f->devices = NULL;
	f->room = 0;
}

const struct gw_gateway_info *mqtt_fleet_gateway(const struct mqtt_fleet *f)
{
	return &f->g;
}

const char *mqtt_fleet_status_topic(const struct mqtt_fleet *f)
{
	return f->status_topic;
}

const char *mqtt_fleet_command_topic(const struct mqtt_fleet *f)
{
	return f->command_topic;
}

const char *mqtt_fleet_reply_topic(const struct mqtt_fleet *f)
{
	return f->reply_topic;
}

int mqtt_fleet_find(const struct mqtt_fleet *f, const char *device)
{
	for (size_t i = 0; i < f->room; i++)
		if (f->devices[i].current && strcmp(f->devices[i].current->name, device) == 0)
			return (int)i;
	return -1;
}

const char *mqtt_fleet_clock_topic(const struct mqtt_fleet *f)
{
	return f->clock_topic;
}

void mqtt_fleet_will(const struct mqtt_fleet *f, uint64_t session, struct mqtt_text *out)
{
	mqtt_doc_status(out, &f->g, &(struct mqtt_status){ .session = session });
}

/* ---- changes ---- */

static struct device *device_at(struct mqtt_fleet *f, unsigned number)
{
	size_t room = f->room ? f->room : 16;

	while (room <= number)
		room *= 2;
	if (room > f->room) {
		f->devices = mqtt_grow(f->devices, room * sizeof(*f->devices));
		memset(f->devices + f->room, 0, (room - f->room) * sizeof(*f->devices));
		f->list = mqtt_grow(f->list, room * sizeof(*f->list));
		f->room = room;
	}
	return &f->devices[number];
}

static void leave(struct mqtt_fleet *f, const char *prefix)
{
	struct leaver *l = f->leavers;

	while (l && strcmp(l->prefix, prefix) != 0)
		l = l->next;
	if (!l) {
		l = gw_arena_alloc(f->arena, sizeof(*l));
		l->prefix = prefix;
		l->next = f->leavers;
		f->leavers = l;
	}
	l->marks = DIRECTORY | STATE | PROGRESS;
}

static void come_back(struct mqtt_fleet *f, const char *prefix)
{
	struct leaver **at = &f->leavers;

	while (*at && strcmp((*at)->prefix, prefix) != 0)
		at = &(*at)->next;
	if (*at)
		*at = (*at)->next;
}

static void make_topics(struct mqtt_fleet *f, const struct gw_layout *l, struct mqtt_layout *own)
{
	struct mqtt_names n = names_of(f, l->name, l->domain);
	char topic[MQTT_TOPIC_MAX];
	struct gw_err err;

	if (mqtt_topic_device(f->keys->topic, &n, topic, &err)) {
		/* too long a domain; without it it fits: see check_topics() */
		n.domain = NULL;
		mqtt_topic_device(f->keys->topic, &n, topic, &err);
	}
	own->prefix = gw_arena_strdup(f->arena, topic);
	own->topics = (struct mqtt_device_topics){ join(f->arena, topic, "data"),
						   join(f->arena, topic, "replay"),
						   join(f->arena, topic, "loss"),
						   join(f->arena, topic, "window") };
}

/* The device's topics are others now: the old ones are emptied, the new ones written. */
static void move(struct mqtt_fleet *f, struct device *d, const char *from)
{
	leave(f, from);
	d->marks |= (d->state_known ? STATE : 0) | (d->progress_known ? PROGRESS : 0);
}

static void move_all(struct mqtt_fleet *f)
{
	for (size_t i = 0; i < f->room; i++) {
		struct device *d = &f->devices[i];
		struct mqtt_layout *own = d->current ? d->current->own : NULL;
		const char *old = own ? own->prefix : NULL;

		if (own)
			make_topics(f, d->current, own);
		if (!own || strcmp(old, own->prefix) == 0)
			continue;
		come_back(f, own->prefix);
		move(f, d, old);
		d->marks |= DIRECTORY;
	}
}

void mqtt_fleet_changed(struct mqtt_fleet *f, const struct gw_gateway_info *g)
{
	const struct gw_gateway_info before = f->g;
	struct gw_err err;

	copy_gateway(f, g);
	if (check_topics(f, &err)) {
		gw_log(GW_ERROR, "topics stay as they were: %s", err.msg);
		f->g.province = before.province;
		f->g.site = before.site;
	}
	f->marks |= STATUS | DIRECTORY;
	if (strcmp(before.province, f->g.province) != 0 || strcmp(before.site, f->g.site) != 0)
		move_all(f);
}

void mqtt_fleet_layout(struct mqtt_fleet *f, struct gw_layout *l)
{
	struct mqtt_layout *own = gw_arena_alloc(f->arena, sizeof(*own));
	struct device *d = device_at(f, l->device);

	make_topics(f, l, own);
	mqtt_json_prepare(f->arena, l, &own->json);
	l->own = own;
	if (!l->current)
		return;
	come_back(f, own->prefix);
	if (d->current && strcmp(mqtt_layout(d->current)->prefix, own->prefix) != 0)
		move(f, d, mqtt_layout(d->current)->prefix);
	d->current = l;
	d->marks |= DIRECTORY;
	f->marks |= DIRECTORY;
}

void mqtt_fleet_state(struct mqtt_fleet *f, unsigned device, enum gw_device_state state,
		      int64_t ts_ms, const char *reason)
{
	struct device *d = device_at(f, device);

	d->state = state;
	d->since_ms = ts_ms;
	d->state_known = true;
	snprintf(d->reason, sizeof(d->reason), "%s", reason ? reason : "");
	d->marks |= STATE;
}

void mqtt_fleet_gone(struct mqtt_fleet *f, const char *name)
{
	for (size_t i = 0; i < f->room; i++) {
		struct device *d = &f->devices[i];

		if (!d->current || strcmp(d->current->name, name) != 0)
			continue;
		leave(f, mqtt_layout(d->current)->prefix);
		*d = (struct device){ 0 };
		f->marks |= DIRECTORY;
	}
}

void mqtt_fleet_progress(struct mqtt_fleet *f, unsigned device, const struct gw_progress *p)
{
	struct device *d = device_at(f, device);

	d->progress = *p;
	d->progress_known = true;
	d->marks |= PROGRESS;
}

void mqtt_fleet_health(struct mqtt_fleet *f, const char *json, size_t size)
{
	f->health.n = 0;
	mqtt_text_put(&f->health, json, size);
	f->marks |= HEALTH;
}

void mqtt_fleet_connected(struct mqtt_fleet *f, uint64_t session)
{
	f->session = session;
	f->marks = STATUS | DIRECTORY;
	for (size_t i = 0; i < f->room; i++) {
		struct device *d = &f->devices[i];

		d->marks = DIRECTORY | (d->state_known ? STATE : 0) |
			   (d->progress_known ? PROGRESS : 0);
	}
	for (struct leaver *l = f->leavers; l; l = l->next)
		l->marks = DIRECTORY | STATE | PROGRESS;
}

void mqtt_fleet_answer(struct mqtt_fleet *f)
{
	f->marks |= STATUS;
}

void mqtt_fleet_stopping(struct mqtt_fleet *f)
{
	f->stopping = true;
	f->marks = STATUS;
	for (size_t i = 0; i < f->room; i++)
		f->devices[i].marks = 0;
	for (struct leaver *l = f->leavers; l; l = l->next)
		l->marks = 0;
}
