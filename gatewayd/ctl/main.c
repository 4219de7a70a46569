/*
 * main.c - gatewayctl: options, and the command from the table.
 *
 * Options may stand before or after the command; all that follows `plugin NAME`
 * belongs to the plugin.
 */
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ctl/ctl.h"
#include "gatewayd/config.h"

int ctl_fail(enum ctl_exit code, const char *fmt, ...)
{
	va_list ap;

	fputs("gatewayctl: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	return (int)code;
}

struct options {
	struct ctl ctl;
	const char *name; /* of the command */
	bool help, version;
};

static bool is(const char *arg, const char *brief, const char *full)
{
	return (brief && !strcmp(arg, brief)) || !strcmp(arg, full);
}

/* Takes an option at args[0]; returns how many words it was, 0: none, -1: bad. */
static int take_option(struct options *o, char **args)
{
	if (is(args[0], NULL, "--json"))
		return o->ctl.json = true, 1;
	if (is(args[0], "-h", "--help"))
		return o->help = true, 1;
	if (is(args[0], NULL, "--version"))
		return o->version = true, 1;
	if (!strncmp(args[0], "--socket=", 9))
		return o->ctl.socket = args[0] + 9, 1;
	if (!is(args[0], "-s", "--socket"))
		return 0;
	if (!args[1])
		return ctl_fail(CTL_USAGE, "%s needs the path of the control socket", args[0]), -1;
	o->ctl.socket = args[1];
	return 2;
}

static bool knows_word(const char *command, const char *word)
{
	const struct ctl_command *c = command ? ctl_find(command) : NULL;
	bool number = word[1] >= '0' && word[1] <= '9'; /* a value below zero */
	bool made = !strcmp(word, "--man") || !strcmp(word, "--completion");

	return c && (number || strstr(c->arguments, word) || (made && c->run == ctl_help));
}

/* Words that are no options move to the front of argv: command, then arguments. */
static int parse(struct options *o, int argc, char *argv[])
{
	bool raw = false;

	o->ctl.args = argv;
	for (int i = 0; i < argc;) {
		int n = raw ? 0 : take_option(o, argv + i);

		if (n < 0)
			return -1;
		i += n;
		if (n)
			continue;
		if (!raw && !strcmp(argv[i], "--")) {
			raw = true;
		} else if (!raw && argv[i][0] == '-' && argv[i][1] && !knows_word(o->name, argv[i])) {
			ctl_fail(CTL_USAGE, "no option \"%s\"; try: gatewayctl help", argv[i]);
			return -1;
		} else if (!o->name) {
			o->name = argv[i];
			raw = !strcmp(o->name, "plugin");
		} else {
			argv[o->ctl.nargs++] = argv[i];
		}
		i++;
	}
	argv[o->ctl.nargs] = NULL;
	return 0;
}

static int unknown_command(const char *name)
{
	const char *names[64] = { 0 };
	const char *near;

	for (size_t i = 0; ctl_commands[i].name; i++)
		names[i] = ctl_commands[i].name;
	near = gw_nearest(name, names);
	if (near)
		return ctl_fail(CTL_USAGE, "no command \"%s\"; did you mean \"%s\"? try: gatewayctl help", name, near);
	return ctl_fail(CTL_USAGE, "no command \"%s\"; try: gatewayctl help", name);
}

static int wrong_arguments(const struct ctl_command *c, int given)
{
	const char *space = *c->arguments ? " " : "";

	return ctl_fail(CTL_USAGE, "%s: %s; usage: gatewayctl %s%s%s", c->name,
			given < c->min ? "arguments are missing" : "too many arguments", c->name, space, c->arguments);
}

static int run(struct options *o)
{
	const struct ctl_command *c;

	if (o->version)
		return printf("gatewayctl %s\n", GW_VERSION) < 0;
	if (!o->name && !o->help)
		return ctl_fail(CTL_USAGE, "no command; try: gatewayctl help");
	c = ctl_find(o->name ? o->name : "help");
	if (!c)
		return unknown_command(o->name);
	if (o->help) {
		o->ctl.args = (char *[]){ (char *)(uintptr_t)c->name, NULL };
		o->ctl.nargs = o->name ? 1 : 0;
		return ctl_help(&o->ctl, c);
	}
	if (o->ctl.nargs < c->min || o->ctl.nargs > c->max)
		return wrong_arguments(c, o->ctl.nargs);
	return c->run(&o->ctl, c);
}

static bool wants_colour(void)
{
	const char *never = getenv("NO_COLOR"), *term = getenv("TERM");

	return isatty(STDOUT_FILENO) && !(never && *never) && term && strcmp(term, "dumb");
}

int main(int argc, char *argv[])
{
	struct options o = { .ctl = { .socket = CTL_SOCKET, .colour = wants_colour() } };
	int code = argc > 0 && parse(&o, argc - 1, argv + 1) != 0 ? CTL_USAGE : run(&o);

	if (fflush(stdout) != 0 || ferror(stdout))
		return ctl_fail(CTL_REFUSED, "standard output cannot be written");
	return code;
}
