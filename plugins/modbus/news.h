/*
 * news.h - what the log hears of a line: changes once, and signs of another master,
 * which no single reading shows.  The time is a parameter; each warning of the latter
 * kind comes at most once an hour.
 */
#ifndef MODBUS_NEWS_H
#define MODBUS_NEWS_H

#include <stdbool.h>
#include <stdint.h>

enum {
	MB_LOSSES = 10,	    /* connections that worked and were lost ... */
	MB_LOSSES_S = 60,   /* ... within so long: somebody takes them */
	MB_WARN_EVERY_S = 3600,
};

enum mb_told { MB_TOLD_NOTHING, MB_TOLD_UP, MB_TOLD_DOWN };

struct mb_news { /* zeroed: nothing was told */
	enum mb_told told;
	char why[256]; /* of MB_TOLD_DOWN */
	int64_t lost_us[MB_LOSSES];
	unsigned losses;
	int64_t losses_told_us, master_told_us; /* 0: never */
};

/* `line`: its URL. */
void mb_news_up(struct mb_news *n, const char *line);
/* It cannot be opened, or (open) was closed before a single answer. */
void mb_news_down(struct mb_news *n, const char *line, const char *why, bool open);
/* A connection that worked was lost. */
void mb_news_lost(struct mb_news *n, const char *line, const char *why, int64_t now_us);
/* Somebody else asked a unit of a serial line. */
void mb_news_master(struct mb_news *n, const char *line, unsigned unit, int64_t now_us);

#endif
