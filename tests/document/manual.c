/*
 * manual.c - the manual page of the daemon: its arguments, signals and exit codes, and
 * each key of the configuration from the tables.
 */
#include "manual.h"

#include "base/value.h"

static const char head[] =
	".SH NAME\n"
	"gatewayd \\- collect from field devices, buffer on disk, publish\n"
	".SH SYNOPSIS\n"
	".B gatewayd\n"
	"[\\-c \\fIFILE\\fR] [\\-\\-check] [\\-\\-version] [\\-\\-help]\n"
	".SH DESCRIPTION\n"
	"Runs in the foreground: a plugin process for each source and sink, and one buffer\n"
	"between them.  Logs to standard error, or to the journal under systemd.\n"
	".BR gatewayctl (1)\n"
	"shows what it does.\n"
	".SH OPTIONS\n"
	".TP\n"
	"\\fB\\-c\\fR, \\fB\\-\\-config\\fR \\fIFILE\\fR\n"
	"The configuration, /etc/gatewayd/gatewayd.yaml by default.\n"
	".TP\n"
	"\\fB\\-\\-check\\fR\n"
	"Check the configuration with every plugin it names and touch no device.  Prints each\n"
	"problem on a line FILE:LINE:COL: key.path: text, or that all is well.\n"
	".TP\n"
	"\\fB\\-\\-version\\fR\n"
	"Print the version.\n"
	".TP\n"
	"\\fB\\-h\\fR, \\fB\\-\\-help\\fR\n"
	"Print a summary.\n"
	".SH SIGNALS\n"
	".TP\n"
	"SIGTERM, SIGINT\n"
	"Stop in order: sources finish their cycle, sinks say goodbye, the buffer is committed.\n"
	".TP\n"
	"SIGHUP\n"
	"Check the configuration and apply it; with anything wrong in it nothing changes.\n"
	".SH EXIT STATUS\n"
	".TP\n.B 0\nStopped in order, or the checked file is good.\n"
	".TP\n.B 1\nThe configuration is wrong.\n"
	".TP\n.B 2\nWrong usage.\n"
	".TP\n.B 3\nAnything else that ended it.\n"
	".SH CONFIGURATION\n"
	"With the keys of the plugins mqtt (sinks) and modbus (sources, devices, points).\n";

static const char tail[] =
	".SH FILES\n"
	".TP\n.I /etc/gatewayd/gatewayd.yaml\nThe configuration.\n"
	".TP\n.I /var/lib/gatewayd/buffer.db\n"
	"The buffer; buffer.db.seq beside it holds the numbers given.\n"
	".TP\n.I /run/gatewayd/control.sock\nThe control socket.\n"
	".SH SEE ALSO\n"
	".BR gatewayctl (1)\n";

/* Text of a line of its own: what roff would take for a request or an escape is made plain. */
static void put_text(FILE *out, const char *text)
{
	if (*text == '.' || *text == '\'')
		fputs("\\&", out);
	for (; *text; text++) {
		if (*text == '\\')
			fputs("\\e", out);
		else if (*text == '-')
			fputs("\\-", out);
		else
			fputc(*text, out);
	}
}

static void put_key(FILE *out, const struct gw_key *k)
{
	char form[512];

	fputs(".TP\n\\fB", out);
	put_text(out, k->name);
	fputs("\\fR (", out);
	put_text(out, k->flags & GW_LIST ? "list: " : "");
	put_text(out, gw_value_describe(k, form, sizeof(form)));
	if (k->flags & GW_REQUIRED)
		fputs("; required", out);
	if (k->fallback) {
		fputs("; default ", out);
		put_text(out, k->fallback);
	}
	fputs(")\n", out);
	put_text(out, k->help ? k->help : "");
	fputc('\n', out);
}

static void put_keys(FILE *out, const struct gw_table *table, const char *path)
{
	char below[512];

	fputs(".SS \"", out);
	put_text(out, *path ? path : "top of the file");
	fputs("\"\n", out);
	for (const struct gw_table *t = table; t; t = t->also)
		for (size_t i = 0; i < t->count; i++)
			put_key(out, &t->keys[i]);
	for (const struct gw_table *t = table; t; t = t->also)
		for (size_t i = 0; i < t->count; i++) {
			const struct gw_key *k = &t->keys[i];

			if (k->type != GW_T_SECTION && k->type != GW_T_MAP)
				continue;
			snprintf(below, sizeof(below), "%s%s%s%s", path, *path ? "." : "", k->name,
				 k->type == GW_T_MAP ? ".NAME" : "");
			put_keys(out, k->table, below);
		}
}

void document_manual(FILE *out, const struct gw_table *table)
{
	fputs(".TH GATEWAYD 8 \"\" \"gatewayd " GW_VERSION "\" \"System Administration\"\n", out);
	fputs(head, out);
	put_keys(out, table, "");
	fputs(tail, out);
}
