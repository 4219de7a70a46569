#include "plugins/modbus/url.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FORM "tcp://HOST or tcp://HOST:PORT, for example tcp://192.0.2.10:502"

static int refuse(struct gw_err *err, const char *text)
{
	return gw_err_set(err, GW_EINPUT, "\"%s\" is not a connection; allowed: " FORM, text);
}

static int check_scheme(const char *text, struct gw_err *err)
{
	static const char *const serial[] = { "rtu:", "rtu+tcp:" };

	for (size_t i = 0; i < sizeof(serial) / sizeof(serial[0]); i++)
		if (!strncmp(text, serial[i], strlen(serial[i])))
			return gw_err_set(err, GW_EINPUT,
					  "\"%s\": Modbus RTU is not supported yet; allowed: " FORM, text);
	return strncmp(text, "tcp://", 6) ? refuse(err, text) : 0;
}

/* The end of the host that starts at *host; brackets are taken off. */
static const char *host_end(const char **host, const char **rest)
{
	const char *end;

	if (**host != '[') {
		end = *host + strcspn(*host, ":/");
		*rest = end;
		return end;
	}
	end = strchr(++*host, ']');
	*rest = end ? end + 1 : "";
	return end;
}

static int copy_host(struct mb_url *out, const char *host, const char *end)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyz"
				      "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_:%";
	size_t n = end ? (size_t)(end - host) : 0;

	if (!n || n >= sizeof(out->host) || strspn(host, allowed) < n)
		return -1;
	memcpy(out->host, host, n);
	out->host[n] = '\0';
	return 0;
}

static int copy_port(struct mb_url *out, const char *rest)
{
	unsigned long port = 502;
	size_t digits;

	if (*rest == ':') {
		digits = strspn(++rest, "0123456789");
		if (!digits || digits > 5 || rest[digits])
			return -1;
		port = strtoul(rest, NULL, 10);
	} else if (*rest) {
		return -1;
	}
	if (port < 1 || port > 65535)
		return -1;
	snprintf(out->port, sizeof(out->port), "%u", (unsigned)port & 0xffff);
	return 0;
}

int mb_url_parse(const char *text, struct mb_url *out, struct gw_err *err)
{
	const char *host, *end, *rest;

	if (check_scheme(text, err))
		return -1;
	host = text + 6;
	end = host_end(&host, &rest);
	if (copy_host(out, host, end) || copy_port(out, rest))
		return refuse(err, text);
	snprintf(out->text, sizeof(out->text), strchr(out->host, ':') ? "tcp://[%s]:%s" : "tcp://%s:%s",
		 out->host, out->port);
	return 0;
}
