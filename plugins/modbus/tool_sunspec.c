/*
 * sunspec - the models of a device as a table and as a configuration.  Reads only.
 */
#include <stdio.h>
#include <stdlib.h>

#include "gatewayd/reading.h"
#include "plugins/modbus/sunspec.h"
#include "plugins/modbus/tool.h"

struct options {
	struct mb_common common;
	bool yaml, table;
};

#define AT(member) offsetof(struct options, member)
static const struct mb_option options[] = {
	{ "config-only", MB_O_FLAG, AT(yaml), 0, 0, NULL, "write the configuration only" },
	{ "table-only", MB_O_FLAG, AT(table), 0, 0, NULL, "write the table only" },
};

static const struct mb_tool_spec spec = {
	.name = "sunspec", .arguments = "URL",
	.text = "Walks the SunSpec models of a device (addresses 40000, 0, 50000), shows their values and\n"
		"writes a configuration to be put under a source with `plugin: modbus`.  What the device\n"
		"marks as not implemented is left out.  Reads only.",
	.options = options, .count = sizeof(options) / sizeof(options[0]), .least = 1, .most = 1,
};

struct device {
	struct mb_client *client;
	const struct options *o;
	struct mb_sunspec_chain chain;
	uint8_t *data[MB_SUNSPEC_MODELS_MAX];
};

static void read_models(struct device *d)
{
	for (unsigned i = 0; i < d->chain.count; i++) {
		const struct mb_sunspec_found *m = &d->chain.models[i];
		uint8_t *data = mb_sunspec_find(m->id) ? calloc(m->length + 2U, 2) : NULL;

		if (!data || mb_sunspec_read(d->client, (uint8_t)d->o->common.unit_id, m, data)) {
			d->data[i] = data;
			continue;
		}
		free(data);
		mb_tool_fail(&spec, "model %u at address %u cannot be read; it is left out", m->id, m->address);
	}
}

/* "DCV[2]", "Pt_V[1.3]": which block, which point. */
static void write_name(const struct mb_sunspec_value *v, char *out, size_t size)
{
	if (v->point)
		snprintf(out, size, "%s[%u.%u]", v->field->name, v->block + 1, v->point);
	else if (v->field->where == MB_S_BLOCK)
		snprintf(out, size, "%s[%u]", v->field->name, v->block + 1);
	else
		snprintf(out, size, "%s", v->field->name);
}

static void print_field(const struct mb_sunspec_value *v, const uint8_t *data)
{
	char text[160], name[64];

	if (v->field->type == MB_S_SCALE || !mb_sunspec_has(v, data))
		return;
	write_name(v, name, sizeof(name));
	printf("  %7u  %-16s  %s%s%s\n", v->at->address + mb_sunspec_offset(v, data), name,
	       mb_sunspec_text(v, data, text, sizeof(text)), v->field->unit[0] ? " " : "", v->field->unit);
}

static void print_model(const struct mb_sunspec_found *at, const uint8_t *data)
{
	struct mb_sunspec_value v = { .model = mb_sunspec_find(at->id), .at = at };

	printf("model %u, %s: address %u, %u registers\n", at->id, v.model ? v.model->title : "unknown here",
	       at->address, at->length);
	while (v.model && data && mb_sunspec_next(&v, data))
		print_field(&v, data);
}

static void print_all(const struct device *d, const char *url)
{
	struct mb_sunspec_output out = { stdout, url, (unsigned)d->o->common.unit_id, &d->chain, d->data };

	for (unsigned i = 0; i < d->chain.count && !d->o->yaml; i++)
		print_model(&d->chain.models[i], d->data[i]);
	if (d->o->table)
		return;
	if (!d->o->yaml)
		printf("\n# ---- for the configuration: sources.NAME ----\n");
	printf("plugin: modbus\n");
	if (mb_client_url(d->client)->scheme == MB_RTU)
		printf("serial: {baud: %lld, parity: %s, stop_bits: %lld}\n", (long long)d->o->common.baud,
		       (const char *const[]){ "none", "even", "odd" }[d->o->common.parity],
		       (long long)d->o->common.stop_bits);
	printf("devices:\n");
	mb_sunspec_write_yaml(&out);
}

static int run(struct device *d, const char *url)
{
	unsigned reason = mb_sunspec_walk(d->client, (uint8_t)d->o->common.unit_id, &d->chain);
	char words[128];

	if (reason)
		return mb_tool_fail(&spec, "%s", mb_reason_words(reason, &d->o->common, words, sizeof(words)));
	if (!d->chain.found)
		return mb_tool_fail(&spec, "no SunSpec here: no marker at address 40000, 0 or 50000 of unit %lld",
				    (long long)d->o->common.unit_id);
	read_models(d);
	print_all(d, url);
	if (!d->chain.whole)
		mb_tool_fail(&spec, "%s; what was read before is shown", d->chain.trouble);
	return d->chain.count ? 0 : 1;
}

int mb_tool_sunspec(int argc, char *argv[])
{
	struct options o = { .common = mb_common_default };
	struct device d = { .o = &o };
	const char *url;
	int code = mb_tool_parse(&spec, argc, argv, &o, &url);

	if (code < 0)
		code = mb_tool_connect(&spec, &o.common, url, &d.client);
	else
		return code;
	if (code)
		return code;
	code = run(&d, mb_client_url(d.client)->text);
	for (unsigned i = 0; i < d.chain.count; i++)
		free(d.data[i]);
	mb_client_close(d.client);
	return code;
}
