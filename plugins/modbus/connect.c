#include "plugins/modbus/connect.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { PATH = 160 };

static const struct gw_place *place_of(const struct gw_node *map, const char *key)
{
	return mb_given(map, key) ? &gw_node_get(map, key)->place : &map->name_place;
}

/* ---- a serial line ---- */

static void check_baud(const struct gw_node *map, const char *path, const struct mb_serial_keys *k,
		       struct gw_problems *to)
{
	const struct gw_node *serial = gw_node_get(map, "serial");

	if (mb_given(map, "serial") && !mb_baud_ok(k->baud))
		gw_problem(to, place_of(serial, "baud"), path,
			   "%" PRId64 " is no speed of a serial port; usual are 1200, 2400, 4800, 9600, "
			   "19200, 38400, 57600, 115200", k->baud);
}

static struct mb_serial settings(const struct mb_device_keys *k, bool rs485)
{
	return (struct mb_serial){
		.baud = (unsigned)k->serial.baud,
		.parity = (enum mb_parity)k->serial.parity,
		.data_bits = (unsigned)k->serial.data_bits,
		.stop_bits = (unsigned)k->serial.stop_bits,
		.rs485 = { .enabled = rs485,
			   .rts_low_on_send = rs485 && k->rs485.rts_on_send == MB_RTS_LOW,
			   .before_ms = rs485 ? (unsigned)k->rs485.delay_before_ms : 0,
			   .after_ms = rs485 ? (unsigned)k->rs485.delay_after_ms : 0 },
	};
}

static void check_unit(const struct gw_device_config *d, const struct mb_url *url, struct gw_problems *to)
{
	const struct mb_device_keys *k = d->own;
	char path[PATH];

	if (url->scheme == MB_TCP || (k->unit_id >= 1 && k->unit_id <= 247))
		return;
	snprintf(path, sizeof(path), "devices.%s.unit_id", d->name);
	gw_problem(to, place_of(d->node, "unit_id"), path,
		   k->unit_id ? "%" PRId64 " is not allowed on a serial line; allowed: 1 to 247"
			      : "%" PRId64 " is all units of a serial line at once; allowed: 1 to 247",
		   k->unit_id);
}

/* ---- which line ---- */

static struct mb_connection *find(struct mb_connections *all, const struct mb_url *url)
{
	for (size_t i = 0; i < all->count; i++)
		if (strcmp(all->items[i].url.text, url->text) == 0)
			return &all->items[i];
	return NULL;
}

static void join(struct mb_connection *line, const struct mb_url *url, const struct gw_device_config *d,
		 struct gw_problems *to)
{
	char path[PATH];

	if (url->scheme == MB_TCP || mb_serial_same(&line->url.serial, &url->serial))
		return;
	snprintf(path, sizeof(path), "devices.%s.serial", d->name);
	gw_problem(to, place_of(d->node, "serial"), path,
		   "%s is set differently for device %s; devices on one line share serial and rs485",
		   url->text, line->first);
}

static int read_url(const struct gw_device_config *d, struct mb_url *url, struct gw_problems *to)
{
	const struct mb_device_keys *k = d->own;
	char path[PATH];
	struct gw_err err;

	snprintf(path, sizeof(path), "devices.%s.connection", d->name);
	if (!k->connection) {
		gw_problem(to, &d->node->name_place, path,
			   "is required, here or in the source; for example tcp://192.0.2.10:502");
		return -1;
	}
	if (!mb_url_parse(k->connection, url, &err))
		return 0;
	/* One of the source is reported there, once, not in each device. */
	if (mb_given(d->node, "connection"))
		gw_problem(to, &gw_node_get(d->node, "connection")->place, path, "%s", err.msg);
	return -1;
}

static int64_t longest(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

struct mb_connection *mb_connect_device(struct mb_connections *all, const struct gw_source_config *c,
					const struct gw_device_config *d, struct gw_problems *to)
{
	const struct mb_device_keys *k = d->own;
	struct mb_connection *line;
	char path[PATH];
	struct mb_url url;

	snprintf(path, sizeof(path), "devices.%s.serial.baud", d->name);
	check_baud(d->node, path, &k->serial, to);
	if (read_url(d, &url, to))
		return NULL;
	url.serial = settings(k, mb_given(d->node, "rs485") || mb_given(c->node, "rs485"));
	check_unit(d, &url, to);
	line = find(all, &url);
	if (line) {
		join(line, &url, d, to);
	} else {
		line = &all->items[all->count++];
		*line = (struct mb_connection){ .url = url, .first = d->name };
		line->node = gw_node_get(mb_given(d->node, "connection") ? d->node : c->node, "connection");
	}
	line->timed |= url.scheme == MB_RTU || (url.scheme == MB_RTU_TCP && (mb_given(d->node, "serial") ||
									     mb_given(c->node, "serial")));
	line->timeout_us = longest(line->timeout_us, k->timeout_ms * 1000);
	line->delay_us = longest(line->delay_us, k->connect_delay_ms * 1000);
	return line;
}

void mb_connect_source(const struct gw_source_config *c, struct gw_problems *to)
{
	const struct mb_source_keys *k = c->own;
	struct mb_url url;
	struct gw_err err;

	check_baud(c->node, "serial.baud", &k->serial, to);
	if (k->connection && mb_url_parse(k->connection, &url, &err))
		gw_problem(to, &gw_node_get(c->node, "connection")->place, "connection", "%s", err.msg);
}

/* ---- its time ---- */

void mb_connect_timeout(const struct mb_connection *line, const struct gw_device_config *c,
			const struct mb_demand *demand, struct gw_problems *to)
{
	int64_t timeout_us = ((const struct mb_device_keys *)c->own)->timeout_ms * 1000, longest_us;
	char path[PATH];

	if (!line || !line->timed || !mb_baud_ok(line->url.serial.baud))
		return;
	longest_us = mb_budget_longest_us(&line->url.serial, demand);
	if (longest_us <= timeout_us)
		return;
	snprintf(path, sizeof(path), "devices.%s.timeout", c->name);
	gw_problem(to, place_of(c->node, "timeout"), path,
		   "%.3g s is too short: the longest answer takes %.3g s at %u baud; raise it or lower max_registers",
		   (double)timeout_us / 1e6, (double)longest_us / 1e6, line->url.serial.baud);
}

void mb_connect_budget(const struct mb_connection *line, const struct mb_demand *demands, unsigned n,
		       struct gw_problems *to)
{
	struct mb_budget b;
	char text[200];

	if (!line->timed || !mb_baud_ok(line->url.serial.baud))
		return;
	b = mb_budget_make(&line->url.serial, demands, n);
	if (b.permille <= MB_BUDGET_WARNING)
		return;
	snprintf(text, sizeof(text), "needs %.3g s of every %.3g s (%lld %%)", (double)b.need_us / 1e6,
		 (double)b.interval_us / 1e6, (long long)(b.permille + 5) / 10);
	if (b.permille > MB_BUDGET_MOST)
		gw_problem(to, &line->node->place, "connection",
			   "line %s %s: poll more rarely, read fewer points or raise the baud rate",
			   line->url.text, text);
	else
		gw_warning(to, &line->node->place, "connection",
			   "line %s %s: little is left for retries and silent devices", line->url.text, text);
}
