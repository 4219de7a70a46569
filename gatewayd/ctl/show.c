/*
 * show.c - the daemon's answers as text: lists are tables of columns, single
 * things are labelled lines made from templates.
 *
 * Everything is data: a column or a line names what it takes from the document and
 * in which form.  What the document lacks is shown as "-", or the line is left out.
 */
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "ctl/ctl.h"
#include "ctl/document.h"
#include "ctl/screen.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* ---- lists ---- */

struct field {
	struct column column;
	const char *path;
	enum form form;
};

#define LEFT(title, path, form) { { title, false, false }, path, form }
#define RIGHT(title, path, form) { { title, true, false }, path, form }
#define WORD(title, path) { { title, false, true }, path, FORM_PLAIN }

static const struct field source_fields[] = {
	LEFT("SOURCE", "name", FORM_PLAIN),     LEFT("PLUGIN", "plugin", FORM_PLAIN),
	WORD("STATE", "state"),                 RIGHT("SINCE", "since", FORM_SINCE),
	RIGHT("PID", "pid", FORM_PLAIN),        RIGHT("RESTARTS", "restarts", FORM_PLAIN),
	RIGHT("LOAD", "load", FORM_SHARE),      LEFT("REASON", "reason", FORM_PLAIN),
};
static const struct field sink_fields[] = {
	LEFT("SINK", "name", FORM_PLAIN),       LEFT("PLUGIN", "plugin", FORM_PLAIN),
	WORD("STATE", "state"),                 RIGHT("BACKLOG", "backlog", FORM_PLAIN),
	RIGHT("OLDEST", "oldest_ts", FORM_SINCE), RIGHT("IN FLIGHT", "in_flight", FORM_PLAIN),
	RIGHT("WINDOW", "window", FORM_PLAIN),  RIGHT("REFUSED", "refused", FORM_PLAIN),
	LEFT("BROKER", "broker", FORM_PLAIN),   LEFT("REASON", "reason", FORM_PLAIN),
};
static const struct field device_fields[] = {
	LEFT("DEVICE", "name", FORM_PLAIN),     LEFT("SOURCE", "source", FORM_PLAIN),
	WORD("STATE", "state"),                 RIGHT("SINCE", "since", FORM_SINCE),
	RIGHT("LAST", "last_ts", FORM_SINCE),   RIGHT("REQUESTS", "requests", FORM_PLAIN),
	RIGHT("OVERRUNS", "overruns", FORM_PLAIN), LEFT("REASON", "reason", FORM_PLAIN),
};
static const struct field point_fields[] = {
	LEFT("DEVICE", "device", FORM_PLAIN),   LEFT("POINT", "point", FORM_PLAIN),
	RIGHT("VALUE", "value", FORM_PLAIN),    LEFT("UNIT", "symbol", FORM_PLAIN),
	WORD("QUALITY", "quality"),             RIGHT("AGE", "age_ms", FORM_AGE),
};
static const struct field loss_fields[] = {
	LEFT("DEVICE", "device", FORM_PLAIN),   LEFT("SINK", "sink", FORM_PLAIN),
	RIGHT("FROM", "from", FORM_PLAIN),      RIGHT("TO", "to", FORM_PLAIN),
	RIGHT("COUNT", "count", FORM_PLAIN),    LEFT("CAUSE", "cause", FORM_PLAIN),
	RIGHT("OLDEST", "ts_from", FORM_SINCE), RIGHT("NEWEST", "ts_to", FORM_SINCE),
	LEFT("EXACT", "exact", FORM_PLAIN),     LEFT("STATE", "state", FORM_PLAIN),
};

enum { FIELDS_MAX = 16 };

/* An empty text is shown as "-" too, so that a cell is never overlooked; only
 * the unit of a number that has none stays empty. */
static const char *cell_text(char *buf, size_t size, const json_t *row, const struct field *f)
{
	document_text(buf, size, document_get(row, f->path), f->form);
	if (!strcmp(f->path, "symbol"))
		return strcmp(buf, "-") ? buf : "";
	return *buf ? buf : "-";
}

static void show_list(const struct ctl *c, const json_t *list, const struct field *fields, size_t n,
		     const char *nothing)
{
	struct column columns[FIELDS_MAX];
	struct grid *g;
	char buf[512];
	size_t i;
	json_t *row;

	if (!json_array_size(list)) {
		puts(nothing);
		return;
	}
	for (size_t k = 0; k < n; k++)
		columns[k] = fields[k].column;
	g = grid_new(columns, n);
	json_array_foreach(list, i, row)
		for (size_t k = 0; k < n; k++)
			grid_add(g, cell_text(buf, sizeof(buf), row, &fields[k]));
	grid_print(g, c->colour);
}

void ctl_show_sources(const struct ctl *c, const json_t *data)
{
	show_list(c, data, source_fields, COUNT(source_fields), "no sources");
}

void ctl_show_sinks(const struct ctl *c, const json_t *data)
{
	show_list(c, data, sink_fields, COUNT(sink_fields), "no sinks");
}

void ctl_show_devices(const struct ctl *c, const json_t *data)
{
	show_list(c, data, device_fields, COUNT(device_fields), "no devices");
}

void ctl_show_points(const struct ctl *c, const json_t *data)
{
	show_list(c, data, point_fields, COUNT(point_fields), "no points");
}

void ctl_show_losses(const struct ctl *c, const json_t *data)
{
	show_list(c, data, loss_fields, COUNT(loss_fields), "nothing was lost");
}

/* ---- lines ---- */

/* "{buffer.bytes:size} of ..." with the document's values; false and empty: the first one is absent. */
static bool expand(char *out, size_t size, const char *pattern, const json_t *data)
{
	static const char *const forms[] = { "", "age", "since", "seconds", "size", "share" };
	size_t n = 0, named = 0;

	while (*pattern && n + 1 < size) {
		char path[64], form[16] = "";
		enum form as = FORM_PLAIN;
		const json_t *v;

		if (sscanf(pattern, "{%63[a-z_.]:%15[a-z]}", path, form) < 1) {
			out[n++] = *pattern++;
			continue;
		}
		for (size_t i = 0; i < COUNT(forms); i++)
			as = strcmp(forms[i], form) ? as : (enum form)i;
		v = document_get(data, path);
		if (!v && !named++) {
			*out = '\0';
			return false;
		}
		named++;
		document_text(out + n, size - n, v, as);
		n += strlen(out + n);
		pattern = strchr(pattern, '}') + 1;
	}
	out[n] = '\0';
	return n > 0;
}

struct line {
	const char *label, *pattern;
};

static void show_lines(const json_t *data, const struct line *lines, size_t n)
{
	char text[1024];

	for (size_t i = 0; i < n; i++)
		if (expand(text, sizeof(text), lines[i].pattern, data))
			printf("%-9s %s\n", lines[i].label, text);
}

void ctl_show_status(const struct ctl *c, const json_t *data)
{
	static const struct line lines[] = {
		{ "gateway", "{gateway}" },
		{ "version", "{version}" },
		{ "state", "{state}" },
		{ "uptime", "{uptime_s:seconds}" },
		{ "config", "{config}" },
		{ "clock", "{clock}" },
		{ "", "{clock_note}" },
		{ "buffer", "{buffer.readings} readings, {buffer.bytes:size} of {buffer.max_size:size}" },
		{ "oldest", "{buffer.oldest_ts:since}" },
		{ "outage", "room for {buffer.horizon_s:seconds}" },
		{ "devices", "{devices.online} online, {devices.offline} offline, {devices.unknown} unknown" },
	};

	show_lines(data, lines, COUNT(lines));
	puts("");
	ctl_show_sources(c, document_get(data, "sources"));
	puts("");
	ctl_show_sinks(c, document_get(data, "sinks"));
}

static bool is_sound(const json_t *data)
{
	const json_t *integrity = document_get(data, "integrity");

	return json_is_true(integrity) ||
	       (json_is_string(integrity) && !strcmp(json_string_value(integrity), "ok"));
}

int ctl_judge_buffer(const json_t *data)
{
	bool whole = !json_integer_value(document_get(data, "damaged")) &&
		     !json_integer_value(document_get(data, "damaged_windows")) && is_sound(data);

	return !document_get(data, "integrity") || whole ? CTL_DONE : CTL_REFUSED;
}

static void show_verified(const json_t *data)
{
	char counts[256], windows[256] = "", words[512];

	expand(counts, sizeof(counts), "{readings} readings checked, {damaged} damaged", data);
	if (json_integer_value(document_get(data, "windows")))
		expand(windows, sizeof(windows), "; {windows} windows checked, {damaged_windows} damaged", data);
	document_text(words, sizeof(words), document_get(data, "integrity"), FORM_PLAIN);
	printf("%s%s; database %s\n", counts, windows, is_sound(data) ? "ok" : words);
}

void ctl_show_buffer(const struct ctl *c, const json_t *data)
{
	static const struct line lines[] = {
		{ "file", "{path}" },
		{ "readings", "{readings}" },
		{ "size", "{bytes:size} of {max_size:size}" },
		{ "free", "{free:size}" },
		{ "thinned", "{thinned} readings in windows" },
		{ "damaged", "{damaged} readings since the start" },
		{ "oldest", "{oldest_ts:since}" },
		{ "outage", "room for {horizon_s:seconds}" },
		{ "history", "{history_ms:age}" },
		{ "sync", "{sync_ms:age}, the last commit took {last_commit_ms:age}" },
		{ "written", "{disk_written_mib} MiB to disk, {written_day_mib} MiB in the last 24 hours" },
		{ "ring", "{ring.used:size} of {ring.size:size} in {ring.path}" },
		{ "error", "{error}" },
	};

	(void)c;
	if (document_get(data, "integrity"))
		show_verified(data);
	else
		show_lines(data, lines, COUNT(lines));
}

void ctl_show_read(const struct ctl *c, const json_t *data)
{
	char text[1024], quality[64];
	bool valued = document_get(data, "value") != NULL, good;

	document_text(quality, sizeof(quality), document_get(data, "quality"), FORM_PLAIN);
	good = !strcmp(quality, "good") || !strcmp(quality, "-");
	expand(text, sizeof(text), valued ? "{device} {point}: {value}" : "{device} {point}: no value", data);
	fputs(text, stdout);
	if (valued && *document_text(text, sizeof(text), document_get(data, "symbol"), FORM_PLAIN) &&
	    strcmp(text, "-"))
		printf(" %s", text);
	if (!good) {
		fputs(" (", stdout);
		screen_word(quality, c->colour);
		fputs(")", stdout);
	}
	puts("");
}

int ctl_judge_read(const json_t *data)
{
	return document_get(data, "value") ? CTL_DONE : CTL_REFUSED;
}

/* "pump-1 setpoint: 42.5 Hz (was 40): done", or why not and what was read back. */
void ctl_show_write(const struct ctl *c, const json_t *data)
{
	char text[1024];
	bool done = ctl_judge_write(data) == CTL_DONE;

	expand(text, sizeof(text), "{device} {point}: ", data);
	fputs(text, stdout);
	if (document_get(data, "value"))
		expand(text, sizeof(text), done ? "{value}" : "read back {value}", data);
	else
		snprintf(text, sizeof(text), "%s", c->args[2]);
	fputs(text, stdout);
	if (document_get(data, "value") && *document_text(text, sizeof(text), document_get(data, "symbol"), FORM_PLAIN) &&
	    strcmp(text, "-") != 0)
		printf(" %s", text);
	if (document_get(data, "old"))
		printf(" (was %s)", document_text(text, sizeof(text), document_get(data, "old"), FORM_PLAIN));
	fputs(": ", stdout);
	screen_word(document_text(text, sizeof(text), document_get(data, "result"), FORM_PLAIN), c->colour);
	if (!done)
		printf(": %s", document_text(text, sizeof(text), document_get(data, "reason"), FORM_PLAIN));
	puts("");
}

int ctl_judge_write(const json_t *data)
{
	const json_t *result = document_get(data, "result");

	return json_is_string(result) && strcmp(json_string_value(result), "done") == 0 ? CTL_DONE : CTL_REFUSED;
}

void ctl_show_replay(const struct ctl *c, const json_t *data)
{
	char text[64];

	(void)data;
	printf("%s: %s readings will be sent again\n", c->args[0],
	       document_text(text, sizeof(text), document_get(data, "accepted"), FORM_PLAIN));
}

void ctl_show_restart(const struct ctl *c, const json_t *data)
{
	(void)data;
	printf("%s: restarting\n", c->args[0]);
}

static void show_problems(const json_t *problems)
{
	char text[2048];
	size_t i;
	json_t *p;

	json_array_foreach(problems, i, p)
		puts(document_text(text, sizeof(text), p, FORM_PLAIN));
}

int ctl_judge_reload(const json_t *data)
{
	return json_array_size(document_get(data, "problems")) ? CTL_REFUSED : CTL_DONE;
}

void ctl_show_reload(const struct ctl *c, const json_t *data)
{
	const json_t *problems = document_get(data, "problems"), *changed = document_get(data, "changed");
	bool any = false;
	const char *name;
	json_t *v;

	(void)c;
	if (json_array_size(problems)) {
		show_problems(problems);
		return;
	}
	json_object_foreach((json_t *)(uintptr_t)changed, name, v) {
		char text[2048];
		bool empty = json_is_array(v) ? !json_array_size(v) : json_is_integer(v) && !json_integer_value(v);

		if (empty || json_is_null(v) || json_is_false(v))
			continue;
		printf("%-9s %s\n", name, document_text(text, sizeof(text), v, FORM_PLAIN));
		any = true;
	}
	if (!any)
		puts("nothing changed");
}

void ctl_show_version(const struct ctl *c, const json_t *data)
{
	char text[128];

	(void)c;
	printf("gatewayctl %s\ngatewayd %s\n", GW_VERSION,
	       document_text(text, sizeof(text), document_get(data, "version"), FORM_PLAIN));
}
