/*
 * main.c - writes the documents that are made from the tables of the programs.
 *
 *	document NAME        to standard output
 *
 * tests/document/write puts them where they belong; `make generated-check` fails
 * when one in the tree differs.
 */
#include <stdio.h>
#include <string.h>

#include "base/configdoc.h"
#include "base/link.h"
#include "manual.h"
#include "tables.h"

static const char sample_intro[] =
	"# The configuration of gatewayd, with every key there is.  Made by `make generated`.\n"
	"#\n"
	"# Keys behind a # have the value shown there, or none at all; take the # away to\n"
	"# change one, and that of the section it stands in.  The others are needed.\n"
	"#\n"
	"#	gatewayd -c THIS-FILE --check     says what is wrong, touches no device\n"
	"#	gatewayctl reload                 checks it, then applies it\n"
	"\n";

static const char reference_intro[] =
	"# Configuration\n"
	"\n"
	"Every key of `/etc/gatewayd/gatewayd.yaml`, with those of the plugins `mqtt` (in a\n"
	"sink) and `modbus` (in a source and below). Made from the tables of the programs by\n"
	"`make generated`; do not edit. A commented file to start from is `conf/gatewayd.yaml`;\n"
	"a larger one that runs is `conf/demo.yaml`. Keys of other plugins:\n"
	"`gatewayctl plugin NAME --help`.\n"
	"\n"
	"- Durations need a unit: `500ms`, `1s`, `5m`, `2h`, `30d`. Sizes too: `64KiB`, `1GiB`.\n"
	"- Names have letters, digits, `-` and `_`, begin with a letter or digit, and have at\n"
	"  most 64 characters.\n"
	"- Unknown and repeated keys, wrong types, empty values and values out of range are\n"
	"  errors; so are anchors, aliases and tags. One scalar is a list of one. Quotes never\n"
	"  matter.\n"
	"- Relative paths are relative to the file that holds them.\n"
	"- *reload* says whether a running daemon takes a changed value (`gatewayctl reload`).\n"
	"  A reload that changes what needs a restart is refused as a whole. A changed source\n"
	"  or sink is started again; what did not change keeps running.\n"
	"\n";

static void write_sample(FILE *out, struct gw_arena *a)
{
	fputs(sample_intro, out);
	gw_sample_write(out, document_sample_tables(a), 0);
}

static void write_reference(FILE *out, struct gw_arena *a)
{
	fputs(reference_intro, out);
	gw_reference_write(out, document_tables(a), "");
}

static void write_schema(FILE *out, struct gw_arena *a)
{
	gw_schema_write(out, document_tables(a),
			"Configuration of gatewayd with the plugins modbus and mqtt");
}

static void write_protocol(FILE *out, struct gw_arena *a)
{
	(void)a;
	gw_messages_document(out);
}

static void write_manual(FILE *out, struct gw_arena *a)
{
	document_manual(out, document_tables(a));
}

static const struct document {
	const char *name;
	void (*write)(FILE *out, struct gw_arena *a);
} documents[] = {
	{ "sample", write_sample },
	{ "reference", write_reference },
	{ "schema", write_schema },
	{ "protocol", write_protocol },
	{ "manual", write_manual },
};

static const struct document *find(const char *name)
{
	for (size_t i = 0; i < sizeof(documents) / sizeof(documents[0]); i++)
		if (strcmp(documents[i].name, name) == 0)
			return &documents[i];
	return NULL;
}

int main(int argc, char *argv[])
{
	const struct document *d = argc == 2 ? find(argv[1]) : NULL;
	struct gw_arena *a;

	if (!d) {
		fputs("usage: document sample|reference|schema|protocol|manual\n", stderr);
		return 2;
	}
	a = gw_arena_new();
	d->write(stdout, a);
	gw_arena_free(a);
	return fflush(stdout) || ferror(stdout) ? 1 : 0;
}
