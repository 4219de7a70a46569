/*
 * screen.h - text that stands in columns on a terminal.
 *
 * Widths are counted in columns, not bytes: Vietnamese is the same width whether its
 * marks are part of a letter or follow it, and wide characters take two.  Locale
 * and wcwidth() play no part, so output is the same on every machine.
 */
#ifndef GW_CTL_SCREEN_H
#define GW_CTL_SCREEN_H

#include <stdbool.h>
#include <stddef.h>

size_t screen_width(const char *utf8);

/* Writes a word that tells a state or a quality, in its colour when `colour`. */
void screen_word(const char *word, bool colour);

/* A table whose columns are as wide as they need to be. */
struct grid;
struct column {
	const char *title;
	bool right;  /* numbers stand right */
	bool word;   /* coloured by what it says */
};
struct grid *grid_new(const struct column *columns, size_t n);
void grid_add(struct grid *g, const char *cell); /* row by row; copied */
/* Prints what was added, with titles, and frees. */
void grid_print(struct grid *g, bool colour);

#endif
