/*
 * memory.c - see memory.h.  Two sorted arrays: owners by name, an owner's things by key.
 */
#include "core/memory.h"

#include <stdlib.h>
#include <string.h>

#include "gatewayd/plugin.h"

struct thing {
	char *key;
	void *value; /* NULL: forgotten, until a commit has said so */
	size_t size;
	bool changed, gathered;
};

struct owner {
	char *name;
	struct thing *things;
	size_t n, bytes;
};

struct gw_memory {
	struct owner *owners;
	size_t n;
};

static void *must(void *p)
{
	if (!p)
		abort();
	return p;
}

struct gw_memory *gw_memory_new(void)
{
	return must(calloc(1, sizeof(struct gw_memory)));
}

void gw_memory_free(struct gw_memory *m)
{
	if (!m)
		return;
	for (size_t i = 0; i < m->n; i++) {
		for (size_t k = 0; k < m->owners[i].n; k++) {
			free(m->owners[i].things[k].key);
			free(m->owners[i].things[k].value);
		}
		free(m->owners[i].things);
		free(m->owners[i].name);
	}
	free(m->owners);
	free(m);
}

/* ---- places ---- */

/* Index of the first item whose text (its first member) is not below `text`. */
static size_t place(const void *items, size_t n, size_t size, const char *text)
{
	size_t low = 0;

	while (low < n) {
		size_t middle = low + (n - low) / 2;
		const char *const *name = (const void *)((const char *)items + middle * size);

		if (strcmp(*name, text) < 0)
			low = middle + 1;
		else
			n = middle;
	}
	return low;
}

static struct owner *owner_of(const struct gw_memory *m, const char *name)
{
	size_t at = place(m->owners, m->n, sizeof(*m->owners), name);

	return at < m->n && strcmp(m->owners[at].name, name) == 0 ? &m->owners[at] : NULL;
}

static struct owner *owner_made(struct gw_memory *m, const char *name)
{
	size_t at = place(m->owners, m->n, sizeof(*m->owners), name);

	if (at < m->n && strcmp(m->owners[at].name, name) == 0)
		return &m->owners[at];
	m->owners = must(realloc(m->owners, (m->n + 1) * sizeof(*m->owners)));
	memmove(m->owners + at + 1, m->owners + at, (m->n++ - at) * sizeof(*m->owners));
	m->owners[at] = (struct owner){ .name = must(strdup(name)) };
	return &m->owners[at];
}

static struct thing *thing_of(const struct owner *o, const char *key)
{
	size_t at = place(o->things, o->n, sizeof(*o->things), key);

	return at < o->n && strcmp(o->things[at].key, key) == 0 ? &o->things[at] : NULL;
}

static struct thing *thing_made(struct owner *o, const char *key)
{
	size_t at = place(o->things, o->n, sizeof(*o->things), key);

	if (at < o->n && strcmp(o->things[at].key, key) == 0)
		return &o->things[at];
	o->things = must(realloc(o->things, (o->n + 1) * sizeof(*o->things)));
	memmove(o->things + at + 1, o->things + at, (o->n++ - at) * sizeof(*o->things));
	o->things[at] = (struct thing){ .key = must(strdup(key)) };
	return &o->things[at];
}

/* ---- putting ---- */

static size_t cost(const char *key, size_t size)
{
	return GW_MEMORY_THING + strlen(key) + size;
}

static void set(struct owner *o, struct thing *t, const struct gw_state_row *row)
{
	o->bytes -= t->value ? cost(t->key, t->size) : 0;
	free(t->value);
	t->value = NULL;
	t->size = row->size;
	if (!row->size)
		return;
	t->value = must(malloc(row->size));
	memcpy(t->value, row->value, row->size);
	o->bytes += cost(t->key, t->size);
}

void gw_memory_restore(struct gw_memory *m, const struct gw_state_row *row)
{
	struct owner *o = owner_made(m, row->owner);

	if (row->size)
		set(o, thing_made(o, row->key), row);
}

static int check(const struct gw_memory *m, const struct gw_state_row *row, struct gw_err *err)
{
	const struct owner *o = owner_of(m, row->owner);
	const struct thing *t = o ? thing_of(o, row->key) : NULL;
	size_t bytes = (o ? o->bytes : 0) - (t && t->value ? cost(t->key, t->size) : 0);

	if (!*row->key || strlen(row->key) > GW_STATE_KEY_MAX || row->size > GW_STATE_VALUE_MAX)
		return gw_err_set(err, GW_EINPUT,
				  "state '%.64s' of %zu bytes is not kept: a key has 1 to %d bytes, a value at most %d",
				  row->key, row->size, GW_STATE_KEY_MAX, GW_STATE_VALUE_MAX);
	if (row->size && bytes + cost(row->key, row->size) > GW_MEMORY_MAX)
		return gw_err_set(err, GW_EFULL, "state '%s' of %zu bytes is not kept: it would be more than %d KiB",
				  row->key, row->size, GW_MEMORY_MAX / 1024);
	return 0;
}

int gw_memory_put(struct gw_memory *m, const struct gw_state_row *row, struct gw_err *err)
{
	struct owner *o;
	struct thing *t;

	if (check(m, row, err) != 0)
		return -1;
	o = owner_made(m, row->owner);
	t = thing_of(o, row->key);
	if (!t && !row->size)
		return 0;
	if (t && t->size == row->size && (!row->size || memcmp(t->value, row->value, row->size) == 0))
		return 0;
	t = thing_made(o, row->key);
	set(o, t, row);
	t->changed = true;
	return 0;
}

/* ---- reading ---- */

static struct gw_state_row row_of(const struct owner *o, const struct thing *t)
{
	return (struct gw_state_row){ o->name, t->key, t->value, t->size };
}

void gw_memory_each(const struct gw_memory *m, const char *owner,
		    void (*fn)(void *arg, const struct gw_state_row *row), void *arg)
{
	const struct owner *o = owner_of(m, owner);

	for (size_t i = 0; o && i < o->n; i++) {
		struct gw_state_row row = row_of(o, &o->things[i]);

		if (row.size)
			fn(arg, &row);
	}
}

/* ---- commits ---- */

static size_t count_changes(const struct gw_memory *m)
{
	size_t n = 0;

	for (size_t i = 0; i < m->n; i++)
		for (size_t k = 0; k < m->owners[i].n; k++)
			n += m->owners[i].things[k].changed;
	return n;
}

bool gw_memory_changed(const struct gw_memory *m)
{
	return count_changes(m) > 0;
}

struct gw_state_row *gw_memory_gather(struct gw_memory *m, size_t *n)
{
	struct gw_state_row *rows = must(calloc(count_changes(m) + 1, sizeof(*rows)));

	*n = 0;
	for (size_t i = 0; i < m->n; i++)
		for (size_t k = 0; k < m->owners[i].n; k++) {
			struct thing *t = &m->owners[i].things[k];

			t->gathered = t->changed;
			t->changed = false;
			if (t->gathered)
				rows[(*n)++] = row_of(&m->owners[i], t);
		}
	return rows;
}

static void drop_forgotten(struct owner *o)
{
	size_t n = 0;

	for (size_t k = 0; k < o->n; k++) {
		struct thing *t = &o->things[k];

		if (t->value || t->changed)
			o->things[n++] = *t;
		else
			free(t->key);
	}
	o->n = n;
}

void gw_memory_committed(struct gw_memory *m, bool done)
{
	for (size_t i = 0; i < m->n; i++) {
		for (size_t k = 0; k < m->owners[i].n; k++) {
			struct thing *t = &m->owners[i].things[k];

			t->changed |= t->gathered && !done;
			t->gathered = false;
		}
		drop_forgotten(&m->owners[i]);
	}
}
