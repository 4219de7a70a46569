/* fleet_documents.c - the texts of what waits to be published, the most needed first; see fleet.h. */
#include <stdio.h>

#include "document.h"
#include "fleet_private.h"

/* A document that each device has, under its prefix. */
struct kind {
	unsigned mark;
	const char *last; /* level of its topic */
	void (*write)(struct mqtt_text *t, const struct device *d);
};

static void write_directory(struct mqtt_text *t, const struct device *d)
{
	mqtt_doc_device(t, d->current);
}

static void write_state(struct mqtt_text *t, const struct device *d)
{
	mqtt_doc_state(t, d->state, d->since_ms, d->reason);
}

static void write_progress(struct mqtt_text *t, const struct device *d)
{
	mqtt_doc_progress(t, &d->progress);
}

enum { OF_DIRECTORY, OF_STATE, OF_PROGRESS, KINDS };

static const struct kind kinds[KINDS] = {
	[OF_DIRECTORY] = { DIRECTORY, "directory", write_directory },
	[OF_STATE] = { STATE, "status", write_state },
	[OF_PROGRESS] = { PROGRESS, "progress", write_progress },
};

static bool give(struct mqtt_fleet *f, struct mqtt_document *d, const char *topic, unsigned *marks,
		 unsigned mark)
{
	*d = (struct mqtt_document){ topic, f->text.s, f->text.n, mark != HEALTH };
	f->given_marks = marks;
	f->given = mark;
	return true;
}

/* Under a device's prefix; an empty text empties the topic. */
static bool give_kind(struct mqtt_fleet *f, struct mqtt_document *d, const char *prefix, unsigned *marks,
		      const struct kind *k)
{
	snprintf(f->topic, sizeof(f->topic), "%s/%s", prefix, k->last);
	return give(f, d, f->topic, marks, k->mark);
}

static bool next_status(struct mqtt_fleet *f, struct mqtt_document *d, int64_t now_ms)
{
	if (!(f->marks & STATUS))
		return false;
	mqtt_doc_status(&f->text, &f->g,
			&(struct mqtt_status){ .online = !f->stopping,
					       .stopped = f->stopping,
					       .session = f->session,
					       .ts_ms = now_ms });
	return give(f, d, f->status_topic, &f->marks, STATUS);
}

static bool next_gateway(struct mqtt_fleet *f, struct mqtt_document *d)
{
	size_t n = 0;

	if (!(f->marks & DIRECTORY))
		return false;
	for (size_t i = 0; i < f->room; i++)
		if (f->devices[i].current)
			f->list[n++] = (struct mqtt_named_topic){
				f->devices[i].current->name,
				mqtt_layout(f->devices[i].current)->prefix
			};
	mqtt_doc_gateway(&f->text, &f->g, f->list, n);
	return give(f, d, f->directory_topic, &f->marks, DIRECTORY);
}

static bool next_of_devices(struct mqtt_fleet *f, struct mqtt_document *d, const struct kind *k)
{
	for (size_t i = 0; i < f->room; i++) {
		struct device *dev = &f->devices[i];

		if (!dev->current || !(dev->marks & k->mark))
			continue;
		k->write(&f->text, dev);
		return give_kind(f, d, mqtt_layout(dev->current)->prefix, &dev->marks, k);
	}
	return false;
}

static bool next_emptied(struct mqtt_fleet *f, struct mqtt_document *d)
{
	for (struct leaver *l = f->leavers; l; l = l->next)
		for (size_t i = 0; i < KINDS; i++)
			if (l->marks & kinds[i].mark)
				return give_kind(f, d, l->prefix, &l->marks, &kinds[i]);
	return false;
}

static bool next_health(struct mqtt_fleet *f, struct mqtt_document *d)
{
	if (!(f->marks & HEALTH))
		return false;
	mqtt_text_put(&f->text, f->health.s, f->health.n);
	return give(f, d, f->health_topic, &f->marks, HEALTH);
}

bool mqtt_fleet_document(struct mqtt_fleet *f, int64_t now_ms, struct mqtt_document *d)
{
	f->text.n = 0;
	return next_status(f, d, now_ms) || next_gateway(f, d) ||
	       next_of_devices(f, d, &kinds[OF_DIRECTORY]) || next_of_devices(f, d, &kinds[OF_STATE]) ||
	       next_emptied(f, d) || next_of_devices(f, d, &kinds[OF_PROGRESS]) || next_health(f, d);
}

void mqtt_fleet_sent(struct mqtt_fleet *f)
{
	*f->given_marks &= ~f->given;
}
