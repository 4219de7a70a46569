/*
 * screen.c - columns and colours (see screen.h).
 */
#include "ctl/screen.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct span {
	uint32_t from, to;
	unsigned width;
};

/* Combining marks and joiners; East Asian wide and emoji blocks. */
static const struct span spans[] = {
	{ 0x0300, 0x036f, 0 },   { 0x1100, 0x115f, 2 },   { 0x1ab0, 0x1aff, 0 },   { 0x1dc0, 0x1dff, 0 },
	{ 0x200b, 0x200f, 0 },   { 0x20d0, 0x20ff, 0 },   { 0x2e80, 0x303e, 2 },   { 0x3041, 0x33ff, 2 },
	{ 0x3400, 0x4dbf, 2 },   { 0x4e00, 0xa4cf, 2 },   { 0xac00, 0xd7a3, 2 },   { 0xf900, 0xfaff, 2 },
	{ 0xfe00, 0xfe0f, 0 },   { 0xfe20, 0xfe2f, 0 },   { 0xfe30, 0xfe4f, 2 },   { 0xfeff, 0xfeff, 0 },
	{ 0xff00, 0xff60, 2 },   { 0xffe0, 0xffe6, 2 },   { 0x1f300, 0x1f64f, 2 }, { 0x1f900, 0x1f9ff, 2 },
	{ 0x20000, 0x3fffd, 2 },
};

static unsigned width_of(uint32_t c)
{
	for (size_t i = 0; i < sizeof(spans) / sizeof(spans[0]); i++)
		if (c >= spans[i].from && c <= spans[i].to)
			return spans[i].width;
	return 1;
}

/* The text is valid UTF-8: it went through gw_escape() or is our own. */
static uint32_t next_character(const unsigned char **at)
{
	uint32_t c = *(*at)++;

	if (c >= 0xc0)
		c &= c >= 0xf0 ? 0x07 : c >= 0xe0 ? 0x0f : 0x1f;
	while ((**at & 0xc0) == 0x80)
		c = c << 6 | (*(*at)++ & 0x3f);
	return c;
}

size_t screen_width(const char *utf8)
{
	const unsigned char *at = (const unsigned char *)utf8;
	size_t width = 0;

	while (*at)
		width += width_of(next_character(&at));
	return width;
}

static const char *colour_of(const char *word)
{
	static const struct { const char *word, *colour; } colours[] = {
		{ "running", "\033[32m" },   { "online", "\033[32m" },     { "connected", "\033[32m" },
		{ "synced", "\033[32m" },    { "good", "" },               { "-", "" },
		{ "failed", "\033[31m" },    { "offline", "\033[31m" },
	};

	for (size_t i = 0; i < sizeof(colours) / sizeof(colours[0]); i++)
		if (!strcmp(colours[i].word, word))
			return colours[i].colour;
	return "\033[33m"; /* on the way somewhere, or not good */
}

void screen_word(const char *word, bool colour)
{
	const char *start = colour ? colour_of(word) : "";

	printf("%s%s%s", start, word, *start ? "\033[0m" : "");
}

struct grid {
	const struct column *columns;
	size_t ncolumns, ncells, room;
	char **cells;
};

static void *or_die(void *p)
{
	if (!p) {
		fputs("gatewayctl: out of memory\n", stderr);
		exit(1);
	}
	return p;
}

struct grid *grid_new(const struct column *columns, size_t n)
{
	struct grid *g = or_die(calloc(1, sizeof(*g)));

	g->columns = columns;
	g->ncolumns = n;
	return g;
}

void grid_add(struct grid *g, const char *cell)
{
	if (g->ncells == g->room) {
		g->room = g->room ? g->room * 2 : 256;
		g->cells = or_die(realloc(g->cells, g->room * sizeof(*g->cells)));
	}
	g->cells[g->ncells++] = or_die(strdup(cell));
}

static void pad(size_t n)
{
	printf("%*s", (int)n, "");
}

static void print_cell(const struct column *c, const char *text, size_t width, bool last, bool colour)
{
	size_t space = width - screen_width(text);

	if (c->right)
		pad(space);
	if (c->word)
		screen_word(text, colour);
	else
		fputs(text, stdout);
	if (!c->right && !last)
		pad(space);
	fputs(last ? "\n" : "  ", stdout);
}

static void print_titles(const struct grid *g, const size_t *widths, bool colour)
{
	fputs(colour ? "\033[1m" : "", stdout);
	for (size_t k = 0; k < g->ncolumns; k++) {
		struct column plain = { .right = g->columns[k].right };

		print_cell(&plain, g->columns[k].title, widths[k], k + 1 == g->ncolumns, false);
	}
	fputs(colour ? "\033[0m" : "", stdout);
}

static void grid_free(struct grid *g)
{
	for (size_t i = 0; i < g->ncells; i++)
		free(g->cells[i]);
	free(g->cells);
	free(g);
}

void grid_print(struct grid *g, bool colour)
{
	size_t *widths = or_die(calloc(g->ncolumns, sizeof(*widths)));

	for (size_t k = 0; k < g->ncolumns; k++)
		widths[k] = screen_width(g->columns[k].title);
	for (size_t i = 0; i < g->ncells; i++) {
		size_t width = screen_width(g->cells[i]), k = i % g->ncolumns;

		widths[k] = width > widths[k] ? width : widths[k];
	}
	print_titles(g, widths, colour);
	for (size_t i = 0; i < g->ncells; i++) {
		size_t k = i % g->ncolumns;

		print_cell(&g->columns[k], g->cells[i], widths[k], k + 1 == g->ncolumns, colour);
	}
	free(widths);
	grid_free(g);
}
