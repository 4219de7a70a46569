/* events.c - see events.h. */
#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "build.h"
#include "events.h"

struct list {
	struct mqtt_event *items;
	size_t count, room;
};

struct mqtt_events {
	pthread_mutex_t lock;
	int fd;
	struct list in, out; /* threads fill `in`, the loop reads `out` */
	unsigned foreign[MQTT_E_CLOSED + 1]; /* of `in`, by kind: what came from strangers */
};

int mqtt_events_new(struct mqtt_events **out, struct gw_err *err)
{
	int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	struct mqtt_events *q;

	if (fd < 0)
		return gw_err_sys(err, errno, "eventfd");
	q = mqtt_grow(NULL, sizeof(*q));
	*q = (struct mqtt_events){ .fd = fd };
	pthread_mutex_init(&q->lock, NULL);
	*out = q;
	return 0;
}

static void empty(struct list *l)
{
	for (size_t i = 0; i < l->count; i++)
		free(l->items[i].text);
	l->count = 0;
}

void mqtt_events_free(struct mqtt_events *q)
{
	if (!q)
		return;
	empty(&q->in);
	empty(&q->out);
	free(q->in.items);
	free(q->out.items);
	pthread_mutex_destroy(&q->lock);
	close(q->fd);
	free(q);
}

int mqtt_events_fd(const struct mqtt_events *q)
{
	return q->fd;
}

static char *copy(const char *text, size_t *size)
{
	char *s;

	if (!text)
		return NULL;
	if (*size > MQTT_EVENT_TEXT_MAX)
		*size = MQTT_EVENT_TEXT_MAX;
	s = mqtt_grow(NULL, *size + 1);
	memcpy(s, text, *size);
	s[*size] = '\0';
	return s;
}

static bool is_foreign(const struct mqtt_event *e)
{
	return e->kind == MQTT_E_ARRIVED || e->kind == MQTT_E_COMMAND;
}

/* Returns whether the loop has to be told; else it knows already.  With the lock. */
static bool append(struct mqtt_events *q, struct mqtt_event *e)
{
	if (is_foreign(e) && q->foreign[e->kind]++ >= MQTT_EVENTS_FOREIGN_MAX) {
		free(e->text);
		return false;
	}
	if (q->in.count == q->in.room) {
		q->in.room = q->in.room ? q->in.room * 2 : 64;
		q->in.items = mqtt_grow(q->in.items, q->in.room * sizeof(*q->in.items));
	}
	q->in.items[q->in.count++] = *e;
	return q->in.count == 1;
}

void mqtt_events_push(struct mqtt_events *q, const struct mqtt_event *e, const char *text,
		      size_t size)
{
	struct mqtt_event mine = *e;
	const uint64_t one = 1;
	bool first;

	mine.text = copy(text, &size);
	if (text)
		mine.size = size;
	pthread_mutex_lock(&q->lock);
	first = append(q, &mine);
	pthread_mutex_unlock(&q->lock);
	while (first && write(q->fd, &one, sizeof(one)) < 0 && errno == EINTR)
		;
}

const struct mqtt_event *mqtt_events_take(struct mqtt_events *q, size_t *count)
{
	uint64_t ignored;
	struct list spare;

	while (read(q->fd, &ignored, sizeof(ignored)) < 0 && errno == EINTR)
		;
	empty(&q->out);
	pthread_mutex_lock(&q->lock);
	spare = q->out;
	q->out = q->in;
	q->in = spare;
	memset(q->foreign, 0, sizeof(q->foreign));
	pthread_mutex_unlock(&q->lock);
	*count = q->out.count;
	return q->out.items;
}
