/*
 * watch.c - readings as they come in, a line or a few for each.
 *
 * The daemon sends one data message of the contract after the other, with the device's
 * name.  People see what differs from the last message of that device; --json
 * passes each message on.
 */
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "ctl/ask.h"
#include "ctl/document.h"
#include "ctl/screen.h"

enum { LINE_WIDTH = 100, INDENT = 16 };

/* A line that goes on below, indented, when it is full. */
struct writer {
	size_t column;
	bool colour;
};

static void put_word(struct writer *w, const char *name, const char *value, bool bad)
{
	size_t width = screen_width(name) + 1 + screen_width(value);

	if (w->column > INDENT && w->column + 2 + width > LINE_WIDTH) {
		printf("\n%*s", INDENT, "");
		w->column = INDENT;
	}
	printf("  %s=", name);
	if (bad)
		screen_word(value, w->colour);
	else
		fputs(value, stdout);
	w->column += 2 + width;
}

static void put_time(struct writer *w, const json_t *event)
{
	int64_t ts_ms = json_integer_value(json_object_get(event, "ts"));
	time_t seconds = (time_t)(ts_ms / 1000);
	struct tm at;
	char text[32] = "";
	char device[128];

	if (localtime_r(&seconds, &at))
		strftime(text, sizeof(text), "%H:%M:%S", &at);
	document_text(device, sizeof(device), document_get(event, "device"), FORM_PLAIN);
	printf("%s.%03d  %s", text, (int)(ts_ms % 1000 < 0 ? 0 : ts_ms % 1000), device);
	w->column = 14 + screen_width(device);
}

/* Words of one member (values, quality) that differ from `last`; returns how many. */
static unsigned put_changes(struct writer *w, const json_t *now, const json_t *last, bool bad)
{
	const char *name;
	json_t *v;
	unsigned n = 0;

	json_object_foreach((json_t *)(uintptr_t)now, name, v) {
		char text[256], point[128];
		json_t *key;

		if (json_equal(v, json_object_get(last, name)))
			continue;
		key = json_string(name);
		put_word(w, document_text(point, sizeof(point), key, FORM_PLAIN),
			 document_text(text, sizeof(text), v, FORM_PLAIN), bad);
		json_decref(key);
		n++;
	}
	return n;
}

/* What is now good again needs its value shown, also when that is the old one. */
static void forget_bad(json_t *last, const json_t *event)
{
	json_t *values = json_object_get(last, "values");
	const char *name;
	json_t *v;

	json_object_foreach(json_object_get(event, "quality"), name, v)
		if (!json_object_get(json_object_get(event, "values"), name))
			json_object_del(values, name);
}

static void remember(json_t *last, const json_t *event)
{
	json_t *bad = json_object_get(event, "quality");

	json_object_update(json_object_get(last, "values"), json_object_get(event, "values"));
	forget_bad(last, event);
	json_object_set_new(last, "quality", bad ? json_deep_copy(bad) : json_object());
}

static json_t *last_of(json_t *devices, const char *device)
{
	json_t *last = json_object_get(devices, device);

	if (last)
		return last;
	last = json_pack("{s:{}, s:{}}", "values", "quality");
	json_object_set_new(devices, device, last);
	return last;
}

static void show_event(const struct ctl *c, json_t *devices, const json_t *event)
{
	const char *device = json_string_value(json_object_get(event, "device"));
	json_t *last = last_of(devices, device ? device : "-");
	struct writer w = { .colour = c->colour };
	unsigned n;

	put_time(&w, event);
	n = put_changes(&w, json_object_get(event, "values"), json_object_get(last, "values"), false);
	n += put_changes(&w, json_object_get(event, "quality"), json_object_get(last, "quality"), true);
	puts(n ? "" : "  unchanged");
	remember(last, event);
}

/* One line of the daemon; false: it was the last, *code says how it ended. */
static bool take_line(const struct ctl *c, const struct ctl_command *self, json_t *devices, const json_t *line,
		      int *code)
{
	const json_t *event = json_object_get(line, "event");

	if (!json_is_object(event)) {
		*code = ask_finish(c, self, line);
		return false;
	}
	if (c->json) {
		document_write(stdout, event);
		putchar('\n');
	} else {
		show_event(c, devices, event);
	}
	return fflush(stdout) == 0;
}

int ctl_watch(const struct ctl *c, const struct ctl_command *self)
{
	json_t *devices = json_object();
	struct client client;
	struct gw_err err;
	int code = ask_begin(&client, c, self);
	bool more = code == CTL_DONE;

	while (more) {
		json_t *line;

		if (client_receive(&client, self->timeout_ms, &line, &err) != 0) {
			code = ask_no_daemon(c, &err);
			break;
		}
		more = take_line(c, self, devices, line, &code);
		json_decref(line);
	}
	json_decref(devices);
	client_close(&client);
	return code;
}
