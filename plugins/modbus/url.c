#include "plugins/modbus/url.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FORM "tcp://HOST[:PORT], rtu:/dev/PORT or rtu+tcp://HOST[:PORT], for example tcp://192.0.2.10:502"

static const struct {
	const char *prefix;
	enum mb_scheme scheme;
} schemes[] = { { "tcp://", MB_TCP }, { "rtu+tcp://", MB_RTU_TCP }, { "rtu:", MB_RTU } };

static int refuse(struct gw_err *err, const char *text)
{
	return gw_err_set(err, GW_EINPUT, "\"%s\" is not a connection; allowed: " FORM, text);
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

static int copy_path(struct mb_url *out, const char *path)
{
	size_t n = strlen(path);

	if (*path != '/' || n < 2 || n >= sizeof(out->host) || path[n - 1] == '/')
		return -1;
	memcpy(out->host, path, n + 1);
	out->port[0] = '\0';
	snprintf(out->text, sizeof(out->text), "rtu:%s", path);
	return 0;
}

static int copy_address(struct mb_url *out, const char *prefix, const char *host)
{
	const char *rest, *end = host_end(&host, &rest);

	if (copy_host(out, host, end) || copy_port(out, rest))
		return -1;
	snprintf(out->text, sizeof(out->text), strchr(out->host, ':') ? "%s[%s]:%s" : "%s%s:%s", prefix,
		 out->host, out->port);
	return 0;
}

int mb_url_parse(const char *text, struct mb_url *out, struct gw_err *err)
{
	size_t i = 0, n = sizeof(schemes) / sizeof(schemes[0]);
	const char *rest;
	int bad;

	while (i < n && strncmp(text, schemes[i].prefix, strlen(schemes[i].prefix)))
		i++;
	if (i == n)
		return refuse(err, text);
	rest = text + strlen(schemes[i].prefix);
	out->scheme = schemes[i].scheme;
	out->serial = mb_serial_default;
	bad = out->scheme == MB_RTU ? copy_path(out, rest) : copy_address(out, schemes[i].prefix, rest);
	return bad ? refuse(err, text) : 0;
}
