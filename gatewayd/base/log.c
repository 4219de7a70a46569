/*
 * log.c - one line out: to the journal with fields, to the core as "<N>text",
 * or to standard error for a person.
 *
 * A line is one write(2), so lines of several processes do not mix.  Text from
 * outside is escaped here and nowhere else.  One thread: the loop's.
 */
#include "base/log.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <systemd/sd-journal.h>
#include <unistd.h>

#include "base/log_limit.h"
#include "base/text.h"
#include "gatewayd/loop.h"

enum {
	TEXT_BYTES = 1024,
	LINE_BYTES = TEXT_BYTES * 2, /* escaped, with a name before and a count behind it */
};

#define JOURNAL_SOCKET "/run/systemd/journal/socket"

/* The log of the process: like standard error, there is one. */
static struct {
	const char *identifier;
	enum gw_level level;
	void (*put)(enum gw_level level, const char *source, const char *text);
	struct log_sites sites;
} the_log = { .level = GW_INFO };

/* ---- limits ---- */

bool gw_log_passes(struct gw_log_limit *limit, unsigned lines, int64_t now_us, unsigned *held)
{
	*held = 0;
	if (limit->lines == 0 || now_us - limit->since_us >= LOG_WINDOW_US) {
		*held = limit->held;
		*limit = (struct gw_log_limit){ .since_us = now_us };
	}
	if (limit->lines >= lines) {
		limit->held++;
		return false;
	}
	limit->lines++;
	return true;
}

struct gw_log_limit *gw_log_site(struct log_sites *sites, const void *key)
{
	size_t i = (uintptr_t)key * UINT64_C(0x9e3779b97f4a7c15) >> 58;

	if (sites->at[i].key != key) {
		sites->at[i].key = key;
		sites->at[i].limit = (struct gw_log_limit){ 0 };
	}
	return &sites->at[i].limit;
}

/* ---- ways out ---- */

static const char *level_word(enum gw_level level)
{
	switch (level) {
	case GW_ERROR:
		return "error";
	case GW_WARNING:
		return "warning";
	case GW_INFO:
		return "info";
	case GW_DEBUG:
	default:
		return "debug";
	}
}

/* Nobody is left to be told when standard error is gone. */
static void write_line(const char *line)
{
	ssize_t n = write(STDERR_FILENO, line, strlen(line));

	(void)n;
}

static void put_plain(enum gw_level level, const char *source, const char *text)
{
	char line[LINE_BYTES + 64];

	snprintf(line, sizeof(line), "%s: %s%s%s\n", level_word(level), source ? source : "",
		 source ? ": " : "", text);
	write_line(line);
}

/* sd-daemon(3): the core, or the journal, reads the level from it. */
static void put_marked(enum gw_level level, const char *source, const char *text)
{
	char line[LINE_BYTES + 64];

	snprintf(line, sizeof(line), "<%d>%s%s%s\n", (int)level, source ? source : "",
		 source ? ": " : "", text);
	write_line(line);
}

static struct iovec journal_field(char *buf, size_t size, const char *name, const char *before,
				  const char *text)
{
	int n = snprintf(buf, size, "%s=%s%s%s", name, before ? before : "", before ? ": " : "",
			 text);

	return (struct iovec){ buf, (size_t)n < size ? (size_t)n : size - 1 };
}

static void put_journal(enum gw_level level, const char *source, const char *text)
{
	char message[LINE_BYTES + 64], priority[16], identifier[96], from[128], digit[2] = "0";
	struct iovec fields[4];
	int n = 3;

	digit[0] = (char)('0' + (int)level);
	fields[0] = journal_field(message, sizeof(message), "MESSAGE", source, text);
	fields[1] = journal_field(priority, sizeof(priority), "PRIORITY", NULL, digit);
	fields[2] = journal_field(identifier, sizeof(identifier), "SYSLOG_IDENTIFIER", NULL,
				  the_log.identifier ? the_log.identifier : "gatewayd");
	if (source)
		fields[n++] = journal_field(from, sizeof(from), "GATEWAYD_SOURCE", NULL, source);
	if (sd_journal_sendv(fields, n) < 0)
		put_marked(level, source, text);
}

/* systemd names the socket it gave us as "device:inode". */
static bool stderr_is_journal(void)
{
	const char *stream = getenv("JOURNAL_STREAM");
	unsigned long long device, inode;
	struct stat st;

	return stream && sscanf(stream, "%llu:%llu", &device, &inode) == 2 &&
	       fstat(STDERR_FILENO, &st) == 0 && st.st_dev == device && st.st_ino == inode;
}

void gw_log_open(const char *identifier, enum gw_level level)
{
	the_log.identifier = identifier;
	the_log.level = level;
	the_log.put = put_plain;
	if (getenv("GATEWAYD_LINK"))
		the_log.put = put_marked;
	else if (stderr_is_journal()) /* sd_journal_sendv() is silent about a missing socket */
		the_log.put = access(JOURNAL_SOCKET, W_OK) == 0 ? put_journal : put_marked;
}

/* ---- lines ---- */

static void put(enum gw_level level, const char *source, const char *text, size_t n, unsigned held)
{
	char line[LINE_BYTES];
	size_t used;

	gw_escape(line, sizeof(line) - 64, text, n);
	used = strlen(line);
	if (held)
		snprintf(line + used, sizeof(line) - used, " (%u like it held back)", held);
	(the_log.put ? the_log.put : put_plain)(level, source, line);
}

static void put_limited(enum gw_level level, const void *site, const char *text)
{
	struct gw_log_limit *limit = gw_log_site(&the_log.sites, site);
	unsigned held;

	if (gw_log_passes(limit, LOG_SITE_LINES, gw_now_us(), &held))
		put(level, NULL, text, strlen(text), held);
}

void gw_log(enum gw_level level, const char *fmt, ...)
{
	char text[TEXT_BYTES];
	va_list ap;
	int n;

	if (level > the_log.level)
		return;
	va_start(ap, fmt);
	n = vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (n >= (int)sizeof(text))
		memcpy(text + sizeof(text) - 4, "...", 4);
	put_limited(level, fmt, text);
}

void gw_log_always(enum gw_level level, const char *fmt, ...)
{
	char text[TEXT_BYTES];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (n >= (int)sizeof(text))
		memcpy(text + sizeof(text) - 4, "...", 4);
	put(level, NULL, text, strlen(text), 0);
}

/* All errors share one format, so here the caller is the site. */
void gw_log_err(enum gw_level level, const struct gw_err *err)
{
	char text[TEXT_BYTES];

	if (level <= the_log.level)
		put_limited(level, __builtin_return_address(0),
			    gw_err_str(err, text, sizeof(text)));
}

/* ---- lines of children ---- */

/* syslog's eight levels as our four. */
static const enum gw_level level_of[8] = {
	GW_ERROR, GW_ERROR, GW_ERROR, GW_ERROR, GW_WARNING, GW_INFO, GW_INFO, GW_DEBUG,
};

static enum gw_level take_level(const char **line, size_t *n)
{
	const char *s = *line;

	if (*n < 3 || s[0] != '<' || s[1] < '0' || s[1] > '7' || s[2] != '>')
		return GW_INFO;
	*line += 3;
	*n -= 3;
	return level_of[s[1] - '0'];
}

void gw_log_child(const char *source, const char *line, size_t n, struct gw_log_limit *limit,
		  int64_t now_us)
{
	enum gw_level level = take_level(&line, &n);
	unsigned held;

	while (n && (line[n - 1] == '\n' || line[n - 1] == '\r'))
		n--;
	if (level <= the_log.level && gw_log_passes(limit, LOG_CHILD_LINES, now_us, &held))
		put(level, source, line, n, held);
}
