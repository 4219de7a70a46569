/*
 * identify - what a device says it is: device identification (function 43/14, Modbus
 * Application Protocol V1.1b3, 6.21), report server id (function 17, 6.13), and the
 * marker of SunSpec.  Reads only.
 */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "gatewayd/reading.h"
#include "plugins/modbus/sunspec.h"
#include "plugins/modbus/tool.h"

enum { MEI = 43, MEI_READ = 14, REPORT_SERVER_ID = 17, ROUNDS_MAX = 20 };

struct options {
	struct mb_common common;
};

static const struct mb_tool_spec spec = {
	.name = "identify", .arguments = "URL",
	.text = "Asks a device what it is: device identification (function 43/14), report server id\n"
		"(function 17), and whether it speaks SunSpec.  Reads only.",
	.least = 1, .most = 1,
};

static const char *const objects[] = { "vendor",       "product code", "revision",   "vendor URL",
				       "product name", "model name",   "application" };

static void print_text(const char *name, const uint8_t *text, size_t n)
{
	printf("  %-14s ", name);
	for (size_t i = 0; i < n; i++)
		if (text[i] < 0x80 && isprint(text[i]))
			putchar(text[i]);
		else if (text[i])
			printf("\\x%02x", text[i]);
	putchar('\n');
}

/* The objects of one answer; returns the next object to ask for, -1: that was all. */
static int print_objects(const uint8_t *pdu, size_t n)
{
	size_t at = 7;

	if (n < 7 || pdu[1] != MEI_READ)
		return -1;
	for (unsigned i = 0; i < pdu[6] && at + 2 <= n && at + 2 + pdu[at + 1] <= n; i++) {
		unsigned id = pdu[at];
		char name[20];

		snprintf(name, sizeof(name), "object 0x%02x", id);
		print_text(id < sizeof(objects) / sizeof(objects[0]) ? objects[id] : name, pdu + at + 2,
			   pdu[at + 1]);
		at += 2 + (size_t)pdu[at + 1];
	}
	return pdu[4] == 0xff ? pdu[5] : -1;
}

static unsigned device_identification(struct mb_client *c, const struct options *o)
{
	uint8_t ask[] = { MEI, MEI_READ, 1, 0 }, answer[MB_PDU_MAX];
	unsigned reason = GW_GOOD;
	int next = 0;
	size_t n;

	/* Regular identification (2) holds the basic one (1); small devices know only that. */
	for (ask[2] = 2; ask[2] >= 1; ask[2]--) {
		reason = mb_client_ask(c, (uint8_t)o->common.unit_id, ask, sizeof(ask), answer, &n);
		if (!reason || gw_reason_is_silence(reason))
			break;
	}
	if (reason)
		return reason;
	printf("device identification (function 43/14)\n");
	for (unsigned i = 0; i < ROUNDS_MAX; i++) {
		int last = next;

		next = print_objects(answer, n);
		if (next <= last)
			break;
		ask[3] = (uint8_t)next;
		if (mb_client_ask(c, (uint8_t)o->common.unit_id, ask, sizeof(ask), answer, &n))
			break;
	}
	return GW_GOOD;
}

static unsigned server_id(struct mb_client *c, const struct options *o)
{
	const uint8_t ask[] = { REPORT_SERVER_ID };
	uint8_t answer[MB_PDU_MAX];
	unsigned reason;
	size_t n;

	reason = mb_client_ask(c, (uint8_t)o->common.unit_id, ask, sizeof(ask), answer, &n);
	if (!reason && (n < 2 || answer[1] != n - 2))
		reason = GW_PROTOCOL;
	if (reason)
		return reason;
	printf("server id (function 17)\n");
	print_text("bytes", answer + 2, n - 2);
	return GW_GOOD;
}

static unsigned sunspec(struct mb_client *c, const struct options *o)
{
	struct mb_sunspec_chain chain;
	unsigned reason = mb_sunspec_walk(c, (uint8_t)o->common.unit_id, &chain);

	if (reason || !chain.found)
		return reason ? reason : GW_NOT_AVAILABLE;
	printf("SunSpec at address %u, models", chain.base);
	for (unsigned i = 0; i < chain.count; i++)
		printf("%s %u", i ? "," : "", chain.models[i].id);
	printf("\n");
	return GW_GOOD;
}

int mb_tool_identify(int argc, char *argv[])
{
	static const struct {
		const char *name;
		unsigned (*run)(struct mb_client *c, const struct options *o);
	} ways[] = { { "function 43/14", device_identification },
		     { "function 17", server_id },
		     { "SunSpec", sunspec } };
	struct options o = { .common = mb_common_default };
	bool known = false, answered = false;
	struct mb_client *c;
	const char *url;
	char words[128];
	int code = mb_tool_parse(&spec, argc, argv, &o, &url);

	if (code < 0)
		code = mb_tool_connect(&spec, &o.common, url, &c);
	else
		return code;
	if (code)
		return code;
	for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
		unsigned reason = ways[i].run(c, &o);

		known |= reason == GW_GOOD;
		answered |= !gw_reason_is_silence(reason) || reason == GW_PROTOCOL;
		if (reason == GW_NOT_AVAILABLE)
			printf("%s: no\n", ways[i].name);
		else if (reason)
			printf("%s: %s\n", ways[i].name,
			       mb_reason_words(reason, &o.common, words, sizeof(words)));
	}
	mb_client_close(c);
	if (!answered)
		return mb_tool_fail(&spec, "the device does not answer: is --unit-id right? `modbus scan` looks for it");
	return known ? 0 : mb_tool_fail(&spec, "the device answers, but does not say what it is");
}
