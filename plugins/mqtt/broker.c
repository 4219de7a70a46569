/* broker.c - see broker.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "broker.h"
#include "build.h"

static const struct scheme {
	const char *name, *paho, *port;
	bool tls, path;
} schemes[] = {
	{ "mqtt://", "tcp://", "1883", false, false },
	{ "mqtts://", "ssl://", "8883", true, false },
	{ "ws://", "ws://", "80", false, true },
	{ "wss://", "wss://", "443", true, true },
};

static const struct scheme *scheme_of(const char *text)
{
	for (size_t i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++)
		if (!strncmp(text, schemes[i].name, strlen(schemes[i].name)))
			return &schemes[i];
	return NULL;
}

/* Copies the host; returns what follows it, or NULL. */
static const char *take_host(struct mqtt_broker *b, const char *at)
{
	bool bracket = *at == '[';
	size_t n = strcspn(at += bracket, bracket ? "]/" : ":/");

	if (!n || n >= sizeof(b->host) || (bracket && at[n] != ']'))
		return NULL;
	if (strspn(at,
		   bracket ? "0123456789abcdefABCDEF:.%"
			   : "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_") <
	    n)
		return NULL;
	memcpy(b->host, at, n);
	b->host[n] = '\0';
	return at + n + bracket;
}

static const char *take_port(struct mqtt_broker *b, const char *at, const char *fallback)
{
	size_t n;

	if (*at != ':') {
		snprintf(b->port, sizeof(b->port), "%s", fallback);
		return at;
	}
	n = strspn(++at, "0123456789");
	if (!n || n > 5 || atol(at) < 1 || atol(at) > 65535)
		return NULL;
	snprintf(b->port, sizeof(b->port), "%ld", atol(at));
	return at + n;
}

int mqtt_broker_parse(struct mqtt_broker *b, const char *text, struct gw_err *err)
{
	const struct scheme *s = scheme_of(text);
	const char *at;

	*b = (struct mqtt_broker){ .shown = text };
	if (!s)
		return gw_err_set(err, GW_EINPUT,
				  "'%s' is not a broker; allowed are mqtt://HOST[:PORT], mqtts://, "
				  "ws:// and wss://",
				  text);
	b->tls = s->tls;
	if (strchr(text, '@'))
		return gw_err_set(
			err, GW_EINPUT,
			"a broker address has no user in it; use `username` and `password_file`");
	at = take_host(b, text + strlen(s->name));
	if (!at)
		return gw_err_set(err, GW_EINPUT, "'%s' has no usable host name or address", text);
	at = take_port(b, at, s->port);
	if (!at)
		return gw_err_set(err, GW_EINPUT, "'%s': a port is a number from 1 to 65535", text);
	if (*at && (*at != '/' || !s->path || strlen(at) > 32))
		return gw_err_set(err, GW_EINPUT, "'%s': '%s' behind the host is not understood",
				  text, at);
	bool v6 = strchr(b->host, ':') != NULL;
	int n = snprintf(b->uri, sizeof(b->uri), "%s%s%s%s:%s%s", s->paho, v6 ? "[" : "", b->host,
			 v6 ? "]" : "", b->port, at);
	return n < (int)sizeof(b->uri) ? 0 : gw_err_set(err, GW_EINPUT, "'%s' is too long", text);
}

struct mqtt_broker *mqtt_brokers_parse(const struct gw_list *texts, struct gw_err *err)
{
	struct mqtt_broker *all = mqtt_grow(NULL, texts->count * sizeof(*all));
	const char *const *text = texts->items;

	for (size_t i = 0; i < texts->count; i++) {
		if (mqtt_broker_parse(&all[i], text[i], err) == 0)
			continue;
		gw_err_ctx(err, "broker");
		free(all);
		return NULL;
	}
	return all;
}
