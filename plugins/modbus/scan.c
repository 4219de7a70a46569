#include "plugins/modbus/scan.h"

#include <stdio.h>
#include <string.h>

#include "gatewayd/loop.h"

/* ---- what was found ---- */

void mb_scan_found(struct mb_scan *s, unsigned setting, unsigned unit, const struct mb_frame *f)
{
	unsigned at = s->count;

	for (unsigned i = 0; i < s->count; i++)
		if (s->found[i].unit == unit && s->found[i].setting == setting)
			return;
	if (s->count == MB_SCAN_UNITS_MAX)
		return;
	while (at && (s->found[at - 1].setting > setting ||
		      (s->found[at - 1].setting == setting && s->found[at - 1].unit > unit))) {
		s->found[at] = s->found[at - 1];
		at--;
	}
	s->found[at].setting = (uint8_t)setting;
	s->found[at].unit = (uint8_t)unit;
	if (f->verdict == MB_DATA)
		snprintf(s->found[at].what, sizeof(s->found[at].what), "0x%02x%02x", f->data[0], f->data[1]);
	else
		snprintf(s->found[at].what, sizeof(s->found[at].what), "exception %u", f->exception);
	s->count++;
}

struct mb_query mb_scan_query(const struct mb_scan_options *o, unsigned unit)
{
	return (struct mb_query){ .unit = (uint8_t)unit, .function = (uint8_t)o->function,
				  .address = (uint16_t)o->address, .count = 1 };
}

/* ---- a serial port ---- */

enum { OPEN_US = 1000000 };

struct port {
	struct mb_url url;
	struct mb_client *client; /* NULL: closed */
};

static int port_open(void *arg, const struct mb_serial *serial, struct gw_err *err)
{
	struct port *p = arg;

	p->url.serial = *serial;
	return mb_client_open(&p->client, &p->url, OPEN_US, err);
}

static void port_close(void *arg)
{
	struct port *p = arg;

	mb_client_close(p->client);
	p->client = NULL;
}

static int port_send(void *arg, const uint8_t *bytes, size_t n)
{
	return mb_client_send(((struct port *)arg)->client, bytes, n);
}

static int port_listen(void *arg, uint8_t *buf, size_t size, int64_t until_us)
{
	return mb_client_listen(((struct port *)arg)->client, buf, size, until_us);
}

static void port_flush(void *arg)
{
	mb_client_flush(((struct port *)arg)->client);
}

static int64_t port_now_us(void *arg)
{
	(void)arg;
	return gw_now_us();
}

int mb_scan_run(struct mb_scan *s, const struct mb_url *url, const struct mb_scan_options *o,
		struct gw_err *err)
{
	struct port p = { .url = *url };
	struct mb_scan_wire wire = { &p, port_open, port_close, port_send, port_listen, port_flush, port_now_us };

	if (url->scheme != MB_RTU)
		return mb_scan_network(s, url, o, err);
	return mb_scan_serial(s, &wire, url->text, o, err);
}
