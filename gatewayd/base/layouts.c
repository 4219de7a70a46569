/*
 * layouts.c - layouts by number (sorted: numbers mostly grow) and by device; see
 * layouts.h.
 */
#include "base/layouts.h"

#include <stdlib.h>
#include <string.h>

struct gw_layouts {
	struct gw_arena *arena;
	struct gw_layout **all; /* by number */
	size_t count, capacity;
	struct gw_layout **of; /* by device */
	size_t ndevices;
	struct gw_layout *open; /* its points are coming */
	unsigned points;	/* of it, so far */
};

static void *grow(void *old, size_t count, size_t size)
{
	void *p = reallocarray(old, count, size);

	if (!p)
		abort();
	return p;
}

struct gw_layouts *gw_layouts_new(struct gw_arena *arena)
{
	struct gw_layouts *ls = grow(NULL, 1, sizeof(*ls));

	*ls = (struct gw_layouts){ .arena = arena };
	return ls;
}

void gw_layouts_free(struct gw_layouts *ls)
{
	if (!ls)
		return;
	free(ls->all);
	free(ls->of);
	free(ls);
}

static char *copy(struct gw_layouts *ls, struct gw_str text)
{
	return gw_arena_text(ls->arena, text.s, text.n);
}

/* ---- by number and by device ---- */

/* Where the number is, or would be. */
static size_t position(const struct gw_layouts *ls, uint32_t number)
{
	size_t from = 0, to = ls->count;

	while (from < to) {
		size_t middle = from + (to - from) / 2;

		if (ls->all[middle]->number < number)
			from = middle + 1;
		else
			to = middle;
	}
	return from;
}

const struct gw_layout *gw_layouts_find(const struct gw_layouts *ls, uint32_t number)
{
	size_t at = position(ls, number);

	return at < ls->count && ls->all[at]->number == number ? ls->all[at] : NULL;
}

/* A number that is given again (a device that came back) takes the new layout. */
static void insert(struct gw_layouts *ls, struct gw_layout *l)
{
	size_t at = position(ls, l->number);

	if (at < ls->count && ls->all[at]->number == l->number) {
		ls->all[at] = l;
		return;
	}
	if (ls->count == ls->capacity) {
		ls->capacity = ls->capacity ? ls->capacity * 2 : 64;
		ls->all = grow(ls->all, ls->capacity, sizeof(ls->all[0]));
	}
	memmove(&ls->all[at + 1], &ls->all[at], (ls->count - at) * sizeof(ls->all[0]));
	ls->all[at] = l;
	ls->count++;
}

const struct gw_layout *gw_layouts_of(const struct gw_layouts *ls, unsigned device)
{
	return device < ls->ndevices ? ls->of[device] : NULL;
}

static void set_of(struct gw_layouts *ls, struct gw_layout *l)
{
	size_t n = (size_t)l->device + 1;

	if (n > ls->ndevices) {
		ls->of = grow(ls->of, n, sizeof(ls->of[0]));
		memset(ls->of + ls->ndevices, 0, (n - ls->ndevices) * sizeof(ls->of[0]));
		ls->ndevices = n;
	}
	struct gw_layout **of = &ls->of[l->device];

	if (*of && (*of)->current && !l->current)
		return;
	if (*of)
		(*of)->current = false;
	*of = l;
}

void gw_layouts_gone(struct gw_layouts *ls, const char *device_name)
{
	for (size_t i = 0; i < ls->ndevices; i++)
		if (ls->of[i] && strcmp(ls->of[i]->name, device_name) == 0)
			ls->of[i]->current = false;
}

/* ---- from messages ---- */

static int complete(struct gw_layouts *ls, struct gw_layout **done)
{
	struct gw_layout *l = ls->open;

	if (ls->points < l->npoints)
		return 0;
	insert(ls, l);
	set_of(ls, l);
	ls->open = NULL;
	*done = l;
	return 1;
}

int gw_layouts_begin(struct gw_layouts *ls, const struct gw_msg_layout *m, struct gw_layout **done,
		     struct gw_err *err)
{
	struct gw_layout *l;

	if (ls->open)
		return gw_err_set(err, GW_EPROTO, "layout %u began before layout %u was complete",
				  m->layout, ls->open->number);
	if (m->points > GW_POINTS_MAX)
		return gw_err_set(err, GW_EPROTO, "layout %u has %u points, more than %d",
				  m->layout, m->points, GW_POINTS_MAX);
	l = gw_arena_alloc(ls->arena, sizeof(*l));
	*l = (struct gw_layout){
		.number = m->layout,
		.device = m->device,
		.current = m->current,
		.name = copy(ls, m->name),
		.title = copy(ls, m->title),
		.profile = copy(ls, m->profile),
		.domain = copy(ls, m->domain),
		.first_seq = m->first_seq,
		.from_seq = m->from_seq,
		.npoints = m->points,
		.points = gw_arena_alloc(ls->arena, ((size_t)m->points + 1) * sizeof(l->points[0])),
	};
	ls->open = l;
	ls->points = 0;
	return complete(ls, done);
}

/* "off\nmanual\nauto" to three labels; none when the text is empty. */
static void split_labels(struct gw_layouts *ls, struct gw_str text, struct gw_layout_point *p)
{
	char *at = copy(ls, text);
	unsigned n = text.n > 0;

	for (const char *c = at; *c; c++)
		n += *c == '\n';
	if (n == 0)
		return;
	p->labels = gw_arena_alloc(ls->arena, n * sizeof(p->labels[0]));
	while (at)
		p->labels[p->nlabels++] = strsep(&at, "\n");
}

int gw_layouts_point(struct gw_layouts *ls, const struct gw_msg_layout_point *m,
		     struct gw_layout **done, struct gw_err *err)
{
	struct gw_layout *l = ls->open;

	if (!l || m->layout != l->number || m->point != ls->points)
		return gw_err_set(err, GW_EPROTO, "point %u of layout %u came out of turn",
				  m->point, m->layout);
	if (m->type > GW_TYPE_TEXT)
		return gw_err_set(err, GW_EPROTO, "point %u of layout %u has the unknown type %u",
				  m->point, m->layout, m->type);
	l->points[ls->points] = (struct gw_layout_point){
		.name = copy(ls, m->name),
		.unit = copy(ls, m->unit),
		.symbol = copy(ls, m->symbol),
		.quantity = copy(ls, m->quantity),
		.type = (enum gw_point_type)m->type,
		.interval_ms = m->interval_ms,
		.max_silence_ms = m->max_silence_ms,
		.writable = m->writable,
		.has_min = m->limits & 1,
		.has_max = m->limits & 2,
		.has_deadband = m->limits & 4,
		.min = m->min,
		.max = m->max,
		.deadband = m->deadband,
	};
	split_labels(ls, m->labels, &l->points[ls->points++]);
	return complete(ls, done);
}
