/* reason.c - see reason.h. */
#include <stdio.h>

#include "reason.h"

static const struct {
	unsigned code;
	const char *text;
} reasons[] = {
	{ 0x01, "protocol version not supported" },
	{ 0x02, "client identifier refused" },
	{ 0x03, "broker unavailable" },
	{ 0x04, "bad user name or password" },
	{ 0x05, "not authorised" },
	{ 0x80, "unspecified error" },
	{ 0x81, "malformed packet" },
	{ 0x82, "protocol error" },
	{ 0x83, "error of this broker's own" },
	{ 0x84, "protocol version not supported" },
	{ 0x85, "client identifier refused" },
	{ 0x86, "bad user name or password" },
	{ 0x87, "not authorised" },
	{ 0x88, "broker unavailable" },
	{ 0x89, "broker busy" },
	{ 0x8a, "banned" },
	{ 0x8b, "broker is shutting down" },
	{ 0x8c, "bad authentication method" },
	{ 0x8d, "keep-alive timeout" },
	{ 0x8e, "session taken over" },
	{ 0x90, "topic name invalid" },
	{ 0x91, "packet identifier in use" },
	{ 0x93, "Receive Maximum exceeded" },
	{ 0x95, "packet too large" },
	{ 0x96, "message rate too high" },
	{ 0x97, "quota exceeded" },
	{ 0x98, "administrative action" },
	{ 0x99, "payload format invalid" },
	{ 0x9a, "retained messages not supported" },
	{ 0x9b, "QoS not supported" },
	{ 0x9c, "use another broker" },
	{ 0x9d, "broker moved" },
	{ 0x9f, "connection rate exceeded" },
};

const char *mqtt_reason(unsigned code)
{
	for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++)
		if (reasons[i].code == code)
			return reasons[i].text;
	return "unknown reason";
}

const char *mqtt_why_refused(char *out, size_t size, unsigned code)
{
	snprintf(out, size, "the broker refused the connection: %s (0x%02x)", mqtt_reason(code), code);
	return out;
}

const char *mqtt_why_lost(char *out, size_t size, unsigned code, const char *client_id)
{
	if (code == MQTT_R_TAKEN_OVER)
		snprintf(out, size, "session taken over (0x8e): another client uses the client_id '%s'",
			 client_id);
	else if (code)
		snprintf(out, size, "the broker closed the connection: %s (0x%02x)", mqtt_reason(code), code);
	else
		snprintf(out, size, "connection lost");
	return out;
}
