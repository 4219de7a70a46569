/*
 * yaml_check.c - checks of the bytes of a YAML file, and syntax errors in words.
 *
 * libyaml works on anything, but some inputs cost it seconds (thousands of
 * %TAG directives) and some of its texts name its own rules instead of the
 * mistake.  Lines are counted as editors do: LF, CR LF and CR.
 */
#include "base/yaml_check.h"

#include <stdio.h>
#include <string.h>

#include "base/utf8.h"
#include "base/yaml.h"

struct cursor {
	const char *text;
	size_t size, at;
	uint32_t line, column;
};

/* Step over one character of `size` bytes and code `c`. */
static void advance(struct cursor *k, size_t size, uint32_t c)
{
	bool cr_lf = c == '\r' && k->at + 1 < k->size && k->text[k->at + 1] == '\n';

	k->at += size;
	k->column++;
	if (c == '\n' || (c == '\r' && !cr_lf)) {
		k->line++;
		k->column = 1;
	}
}

/* What makes the character unfit for a configuration, or NULL. */
static const char *unfit(const struct cursor *k, uint32_t c)
{
	if (c == 0)
		return "holds a NUL byte: this is no text file";
	if ((c < 0x20 && c != '\t' && c != '\n' && c != '\r') || (c >= 0x7f && c < 0xa0))
		return "holds a control character";
	if (c == 0xfffe || c == 0xffff || (c == 0xfeff && k->at != 0))
		return "holds a code that is no character";
	if (c == '%' && k->column == 1)
		return "directives (lines that begin with %) are not supported";
	return NULL;
}

bool gw_yaml_precheck(const char *file, const char *text, size_t size, struct gw_problems *to)
{
	struct cursor k = { .text = text, .size = size, .line = 1, .column = 1 };

	if (size > GW_FILE_MAX) {
		gw_problem(to, &(struct gw_place){ .file = file }, NULL, "is larger than 1 MiB");
		return false;
	}
	while (k.at < size) {
		uint32_t c = 0;
		size_t n = gw_utf8_next(text + k.at, size - k.at, &c);
		const char *why = n ? unfit(&k, c) : "is not valid UTF-8 from here on";

		if (why) {
			gw_problem(to, &(struct gw_place){ file, k.line, k.column }, NULL, "%s",
				   why);
			return false;
		}
		advance(&k, n, c);
	}
	return true;
}

static char byte_at(const char *text, size_t size, const yaml_mark_t *mark)
{
	struct cursor k = { .text = text, .size = size, .line = 1, .column = 1 };
	uint32_t c = 0;

	while (k.at < size && (k.line < mark->line + 1 || k.column < mark->column + 1)) {
		size_t n = gw_utf8_next(text + k.at, size - k.at, &c);

		advance(&k, n ? n : 1, c);
	}
	return k.at < size ? text[k.at] : '\0';
}

static const char tab_text[] = "a tab cannot indent: use blanks";

/* What libyaml says, and what the user should read; the first that fits counts. */
static const struct {
	const char *problem; /* NULL: any */
	const char *context; /* NULL: any */
	bool at_context;     /* the mistake is where libyaml's context begins */
	const char *text;
} texts[] = {
	{ "found unexpected end of stream", "while scanning a quoted scalar", true,
	  "the quote that begins here is never closed" },
	{ "did not find expected ',' or ']'", NULL, true,
	  "the list that begins here is not closed, or a ',' is missing in it" },
	{ "did not find expected ',' or '}'", NULL, true,
	  "the map that begins here is not closed, or a ',' is missing in it" },
	{ "mapping values are not allowed in this context", NULL, false,
	  "':' cannot stand here: put a value with ': ' in it in quotes, or correct the "
	  "indentation" },
	{ "did not find expected key", NULL, false,
	  "does not fit the lines above: check the indentation and the quotes" },
	{ "did not find expected '-' indicator", NULL, false,
	  "does not fit the list above: check the indentation" },
	{ "block sequence entries are not allowed in this context", NULL, false,
	  "a list item begins on a line of its own" },
	{ "could not find expected ':'", NULL, true, "':' is missing after this key" },
	{ "found unknown escape character", NULL, false,
	  "unknown escape: write \\\\ for a backslash, or use single quotes" },
	{ "found invalid Unicode character escape code", NULL, false,
	  "this escape is no character: write the character itself" },
	{ "found a tab character where an indentation space is expected", NULL, false, tab_text },
	{ "found a tab character that violates indentation", NULL, false, tab_text },
	{ "did not find expected node content", "while parsing a flow node", false,
	  "a value or a closing bracket is missing here" },
	{ "did not find expected node content", NULL, false, "a value is missing here" },
	{ "did not find expected <document start>", NULL, false,
	  "a second document begins here: a file is one document" },
	{ NULL, "while scanning an alias", true, "a value that begins with '*' needs quotes" },
	{ NULL, "while scanning an anchor", true, "a value that begins with '&' needs quotes" },
	{ NULL, "while scanning a tag", true, "a value that begins with '!' needs quotes" },
	{ "found undefined tag handle", NULL, false, "a value that begins with '!' needs quotes" },
};

static bool fits(size_t i, const yaml_parser_t *parser)
{
	const char *context = parser->context ? parser->context : "";

	return (!texts[i].problem || strcmp(texts[i].problem, parser->problem) == 0) &&
	       (!texts[i].context || strcmp(texts[i].context, context) == 0);
}

/* A character that begins no value: tab, @, ` or %. */
static void bad_start(struct gw_problems *to, const struct gw_place *at, char c)
{
	if (c == '\t')
		gw_problem(to, at, NULL, "%s", tab_text);
	else
		gw_problem(to, at, NULL, "a value that begins with '%c' needs quotes", c);
}

void gw_yaml_syntax_problem(const yaml_parser_t *parser, const char *file, const char *text,
			    size_t size, struct gw_problems *to)
{
	const yaml_mark_t *mark = &parser->problem_mark;
	struct gw_place at = { file, (uint32_t)mark->line + 1, (uint32_t)mark->column + 1 };
	size_t i = 0;

	if (parser->error == YAML_MEMORY_ERROR || !parser->problem) {
		gw_problem(to, &(struct gw_place){ .file = file }, NULL, "out of memory");
		return;
	}
	if (strcmp(parser->problem, "found character that cannot start any token") == 0) {
		bad_start(to, &at, byte_at(text, size, mark));
		return;
	}
	while (i < sizeof(texts) / sizeof(texts[0]) && !fits(i, parser))
		i++;
	if (i == sizeof(texts) / sizeof(texts[0])) {
		gw_problem(to, &at, NULL, "%s%s%s", parser->problem, parser->context ? ", " : "",
			   parser->context ? parser->context : "");
		return;
	}
	if (texts[i].at_context) {
		at.line = (uint32_t)parser->context_mark.line + 1;
		at.column = (uint32_t)parser->context_mark.column + 1;
	}
	gw_problem(to, &at, NULL, "%s", texts[i].text);
}
