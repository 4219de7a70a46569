/*
 * arena.c - memory that lives and dies together.
 *
 * Blocks are taken from the front of a chunk, aligned to 16; texts are packed
 * from its end, since a configuration is mostly short words.  What does not fit
 * into a fresh chunk gets a chunk of its own.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gatewayd/config.h"

enum { CHUNK_MIN = 2 * 1024, CHUNK_MAX = 64 * 1024, ALIGN = 16 };

struct chunk {
	struct chunk *next;
	size_t front, back; /* free bytes of data are [front, back) */
	_Alignas(ALIGN) char data[];
};

struct gw_arena {
	struct chunk *chunks; /* the first is the one in use */
	size_t next;          /* size of the next chunk: doubles, so that small arenas stay small */
};

static void *must(void *p)
{
	if (!p) {
		fputs("out of memory\n", stderr);
		abort();
	}
	return p;
}

struct gw_arena *gw_arena_new(void)
{
	struct gw_arena *a = must(calloc(1, sizeof(*a)));

	a->next = CHUNK_MIN;
	return a;
}

void gw_arena_free(struct gw_arena *a)
{
	struct chunk *next;

	for (struct chunk *c = a ? a->chunks : NULL; c; c = next) {
		next = c->next;
		free(c);
	}
	free(a);
}

static struct chunk *new_chunk(size_t size)
{
	struct chunk *c = must(size < SIZE_MAX / 2 ? calloc(1, sizeof(*c) + size) : NULL);

	c->back = size;
	return c;
}

/* A chunk with `size` free bytes, size being a multiple of ALIGN or a text's. */
static struct chunk *room(struct gw_arena *a, size_t size)
{
	struct chunk *c = a->chunks;

	if (c && c->back - c->front >= size)
		return c;
	if (c && size > a->next / 4) { /* large: behind the one in use, which has room left */
		struct chunk *own = new_chunk(size);

		own->next = c->next;
		c->next = own;
		return own;
	}
	c = new_chunk(size > a->next ? size : a->next);
	if (a->next < CHUNK_MAX)
		a->next *= 2;
	c->next = a->chunks;
	a->chunks = c;
	return c;
}

void *gw_arena_alloc(struct gw_arena *a, size_t size)
{
	size_t whole = (size + ALIGN - 1) & ~(size_t)(ALIGN - 1);
	struct chunk *c = room(a, whole < size ? SIZE_MAX : whole);
	void *p = c->data + c->front;

	c->front += whole;
	return p;
}

char *gw_arena_text(struct gw_arena *a, const char *text, size_t n)
{
	struct chunk *c = room(a, n < SIZE_MAX ? n + 1 : n);
	char *copy;

	c->back -= n + 1;
	copy = c->data + c->back;
	if (n)
		memcpy(copy, text, n);
	copy[n] = '\0';
	return copy;
}

char *gw_arena_strdup(struct gw_arena *a, const char *text)
{
	return gw_arena_text(a, text, strlen(text));
}
