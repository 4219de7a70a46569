/*
 * help.c - help, manual page and bash completion, all from the table of commands.
 */
#include <stdio.h>
#include <string.h>

#include "ctl/ctl.h"

static const struct option_text {
	const char *option, *argument, *help;
} options[] = {
	{ "-s", "SOCKET", "Control socket of the daemon (" CTL_SOCKET ")." },
	{ "--json", "", "Print one JSON document; watch: one a line." },
	{ "-h, --help", "", "Explain a command, or all." },
	{ "--version", "", "Print the version of gatewayctl." },
};
static const char *const exits[] = {
	"0  done",
	"1  refused or failed",
	"2  wrong usage",
	"3  no daemon answers",
};
#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static void print_usage(const struct ctl_command *c, const char *before)
{
	printf("%s%s%s%s", before, c->name, *c->arguments ? " " : "", c->arguments);
}

static int explain_all(void)
{
	puts("usage: gatewayctl [-s SOCKET] [--json] COMMAND [ARG...]\n");
	for (const struct ctl_command *c = ctl_commands; c->name; c++) {
		int used = (int)(strlen(c->name) + (*c->arguments ? 1 : 0) + strlen(c->arguments));

		print_usage(c, "  ");
		printf("%*s%s\n", 32 - used, "", c->help);
	}
	puts("");
	for (size_t i = 0; i < COUNT(options); i++) {
		int used = (int)(strlen(options[i].option) + 1 + strlen(options[i].argument));

		printf("  %s %s%*s%s\n", options[i].option, options[i].argument, 32 - used, "", options[i].help);
	}
	puts("\nExit code:");
	for (size_t i = 0; i < COUNT(exits); i++)
		printf("  %s\n", exits[i]);
	return CTL_DONE;
}

static int explain_one(const char *name)
{
	const struct ctl_command *c = ctl_find(name);

	if (!c)
		return ctl_fail(CTL_USAGE, "help: no command \"%s\"; try: gatewayctl help", name);
	print_usage(c, "usage: gatewayctl ");
	printf("\n\n%s\n", c->help);
	if (c->more)
		puts(c->more);
	return CTL_DONE;
}

/* ---- manual page: roff, where - and \ need care ---- */

static void roff(const char *text)
{
	for (; *text; text++) {
		if (*text == '-' || *text == '\\')
			putchar('\\');
		fputs(*text == '\\' ? "e" : (const char[]){ *text, '\0' }, stdout);
	}
}

static void roff_command(const struct ctl_command *c)
{
	fputs(".TP\n.B ", stdout);
	roff(c->name);
	if (*c->arguments) {
		fputs(" \\fR", stdout);
		roff(c->arguments);
	}
	putchar('\n');
	roff(c->help);
	putchar('\n');
	if (c->more) {
		roff(c->more);
		putchar('\n');
	}
}

static int print_man(void)
{
	printf(".TH GATEWAYCTL 1 \"\" \"gatewayd %s\" \"User Commands\"\n", GW_VERSION);
	fputs(".SH NAME\ngatewayctl \\- look at and steer the gateway daemon\n"
	      ".SH SYNOPSIS\n.B gatewayctl\n[\\-s \\fISOCKET\\fR] [\\-\\-json] \\fICOMMAND\\fR [\\fIARG\\fR...]\n"
	      ".SH DESCRIPTION\nTalks to a running\n.BR gatewayd (8)\nover its control socket, which the group gatewayd"
	      " may use.\n.SH COMMANDS\n", stdout);
	for (const struct ctl_command *c = ctl_commands; c->name; c++)
		roff_command(c);
	fputs(".SH OPTIONS\n", stdout);
	for (size_t i = 0; i < COUNT(options); i++) {
		fputs(".TP\n.B ", stdout);
		roff(options[i].option);
		printf(" \\fI%s\\fR\n", options[i].argument);
		roff(options[i].help);
		putchar('\n');
	}
	fputs(".SH EXIT STATUS\n", stdout);
	for (size_t i = 0; i < COUNT(exits); i++)
		printf(".TP\n.B %c\n%s.\n", exits[i][0], exits[i] + 3);
	fputs(".SH ENVIRONMENT\n.TP\n.B NO_COLOR\nWhen set and not empty, no colours are used on a terminal.\n"
	      ".SH SEE ALSO\n.BR gatewayd (8)\n", stdout);
	return CTL_DONE;
}

/* ---- completion: the first argument of a command tells what it is ---- */

static void complete_from(const char *argument, const char *words)
{
	const char *bar = "";

	fputs("\t", stdout);
	for (const struct ctl_command *c = ctl_commands; c->name; c++) {
		const char *a = c->arguments + (c->arguments[0] == '[');

		if (strncmp(a, argument, strlen(argument)) != 0)
			continue;
		printf("%s%s", bar, c->name);
		bar = "|";
	}
	printf(")\n\t\twords=%s\n\t\t;;\n", words);
}

static int print_completion(void)
{
	fputs("# bash completion for gatewayctl, made by: gatewayctl help --completion\n"
	      "_gatewayctl()\n{\n\tlocal words= word=${COMP_WORDS[COMP_CWORD]}\n"
	      "\tcase ${COMP_WORDS[COMP_CWORD-1]} in\n\tgatewayctl|--json)\n\t\twords='--json -s", stdout);
	for (const struct ctl_command *c = ctl_commands; c->name; c++)
		printf(" %s", c->name);
	fputs("'\n\t\t;;\n", stdout);
	complete_from("DEVICE", "$(gatewayctl devices 2>/dev/null | awk 'NR > 1 { print $1 }')");
	complete_from("SOURCE", "$(gatewayctl sources 2>/dev/null | awk 'NR > 1 { print $1 }')");
	complete_from("COMMAND", "$(gatewayctl help | awk '/^  [a-z]/ { print $1 }')");
	complete_from("--", "--verify");
	fputs("\t-s)\n\t\tCOMPREPLY=($(compgen -f -- \"$word\"))\n\t\treturn\n\t\t;;\n"
	      "\tesac\n\tCOMPREPLY=($(compgen -W \"$words\" -- \"$word\"))\n}\n"
	      "complete -F _gatewayctl gatewayctl\n", stdout);
	return CTL_DONE;
}

int ctl_help(const struct ctl *c, const struct ctl_command *self)
{
	(void)self;
	if (!c->nargs)
		return explain_all();
	if (!strcmp(c->args[0], "--man"))
		return print_man();
	if (!strcmp(c->args[0], "--completion"))
		return print_completion();
	return explain_one(c->args[0]);
}
