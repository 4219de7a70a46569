/*
 * tools.c - a plugin run by hand: it explains itself, and runs its tools.
 */
#include "base/plugin_private.h"

#include <stdio.h>
#include <string.h>

#include "base/log.h"

static const char *type_text(const struct gw_key *key, char *buf, size_t size)
{
	static const char *const names[] = {
		[GW_T_BOOL] = "true or false",	[GW_T_INT] = "integer",
		[GW_T_DURATION] = "duration",	[GW_T_SIZE] = "size",
		[GW_T_DECIMAL] = "decimal",	[GW_T_NUMBER] = "number",
		[GW_T_TEXT] = "text",		[GW_T_NAME] = "name",
		[GW_T_CHOICE] = NULL,		[GW_T_SECTION] = "section",
		[GW_T_MAP] = "map of sections", [GW_T_NODE] = "see the manual",
	};

	return key->type == GW_T_CHOICE ? gw_choices_text(key, buf, size) : names[key->type];
}

struct listing {
	FILE *out;
	const char *section; /* whose heading was printed last */
};

static void print_key(void *arg, const char *section, const struct gw_key *key)
{
	struct listing *l = arg;
	char choices[1024];

	if (!l->section || strcmp(l->section, section) != 0)
		fprintf(l->out, "\nKeys of a %s:\n", section);
	l->section = section;
	fprintf(l->out, "  %-18s %s%s", key->name, key->flags & GW_LIST ? "list of " : "",
		type_text(key, choices, sizeof(choices)));
	if (key->flags & GW_REQUIRED)
		fprintf(l->out, ", required");
	else if (key->fallback)
		fprintf(l->out, ", default %s", key->fallback);
	fprintf(l->out, "\n  %-18s %s\n", "", key->help);
}

static int name_length(const struct gw_tool *tool)
{
	return (int)strcspn(tool->usage, " ");
}

static void print_usage(const struct gw_program *program, FILE *out)
{
	fprintf(out, "Usage:\n  %s --help | --version\n", program->name);
	for (const struct gw_tool *t = program->tools; t && t->usage; t++)
		fprintf(out, "  %s %s\n      %s\n", program->name, t->usage, t->help);
}

static void print_help(const struct gw_program *program)
{
	struct listing listing = { .out = stdout };

	printf("%s %s - %s\n\n", program->name, program->version, program->help);
	printf("A plugin of gatewayd: the daemon starts it where the configuration says\n"
	       "`plugin: %s`.  By hand it only runs its tools.\n\n",
	       program->name);
	print_usage(program, stdout);
	gw_describe(program->sections, program->nsections, print_key, &listing);
}

static const struct gw_tool *find_tool(const struct gw_program *program, const char *name)
{
	for (const struct gw_tool *t = program->tools; t && t->usage; t++)
		if (strlen(name) == (size_t)name_length(t) &&
		    strncmp(name, t->usage, strlen(name)) == 0)
			return t;
	return NULL;
}

int gw_program_by_hand(const struct gw_program *program, int argc, char *argv[])
{
	const char *word = argc > 1 ? argv[1] : "";
	const struct gw_tool *tool = find_tool(program, word);

	gw_log_open(program->name, GW_INFO);
	if (tool)
		return tool->run(argc - 1, argv + 1);
	if (strcmp(word, "--help") == 0 && argc == 2) {
		print_help(program);
		return 0;
	}
	if (strcmp(word, "--version") == 0 && argc == 2) {
		printf("%s %s\n", program->name, program->version);
		return 0;
	}
	if (argc > 1)
		fprintf(stderr, "%s: there is no tool '%s'\n", program->name, word);
	print_usage(program, stderr);
	return 2;
}
