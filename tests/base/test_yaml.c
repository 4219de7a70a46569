/*
 * test_yaml.c - files as trees: places, limits, includes, merging, and that no
 * input makes reading slow.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/yaml.h"
#include "tests/base/collect.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

struct fixture {
	struct gw_arena *arena;
	struct lines lines;
	struct gw_problems to;
	char folder[64];
};

static int begin(void **state)
{
	static struct fixture f;

	f = (struct fixture){ .arena = gw_arena_new(), .folder = "/tmp/gw-yaml-XXXXXX" };
	f.to = (struct gw_problems){ .fn = collect, .arg = &f.lines };
	*state = &f;
	return mkdtemp(f.folder) ? chdir(f.folder) : -1;
}

static int end(void **state)
{
	struct fixture *f = *state;
	char command[100];

	gw_arena_free(f->arena);
	snprintf(command, sizeof(command), "rm -rf %s", f->folder);
	return chdir("/") == 0 ? system(command) : -1;
}

static struct gw_node *parse_n(struct fixture *f, const char *text, size_t n)
{
	return gw_yaml_parse(f->arena, "gw.yaml", text, n, &f->to);
}

static struct gw_node *parse(struct fixture *f, const char *text)
{
	return parse_n(f, text, strlen(text));
}

/* A tree in one line: {a:1, b:[x, null]} */
static void show(const struct gw_node *n, char *out, size_t size)
{
	const char *open = n->kind == GW_NODE_MAP ? "{" : "[";

	if (n->kind == GW_NODE_SCALAR || n->kind == GW_NODE_NULL) {
		snprintf(out, size, "%s", n->kind == GW_NODE_NULL ? "null" : n->text);
		return;
	}
	snprintf(out, size, "%s", open);
	for (const struct gw_node *c = n->first; c; c = c->next) {
		size_t at = strlen(out);

		snprintf(out + at, size - at, "%s%s%s", c == n->first ? "" : ", ", c->name ? c->name : "",
			 c->name ? ":" : "");
		at = strlen(out);
		show(c, out + at, size - at);
	}
	snprintf(out + strlen(out), size - strlen(out), "%s", *open == '{' ? "}" : "]");
}

static void assert_tree(const struct gw_node *n, const char *want)
{
	char got[2000] = "";

	assert_non_null(n);
	show(n, got, sizeof(got));
	assert_string_equal(got, want);
}

static void put(const char *name, const char *text)
{
	FILE *f = fopen(name, "w");

	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static void a_file_becomes_a_tree_with_places(void **state)
{
	struct gw_node *root = parse(*state, "# first\na: 1\nbơm: {c: 'null', d: null}\nlist:\n  - x\n  - [y, \"z\"]\n");
	const struct gw_node *c = gw_node_get(gw_node_get(root, "bơm"), "c");

	assert_tree(root, "{a:1, bơm:{c:null, d:null}, list:[x, [y, z]]}");
	assert_int_equal(c->kind, GW_NODE_SCALAR);
	assert_string_equal(c->text, "null");
	assert_int_equal(gw_node_get(gw_node_get(root, "bơm"), "d")->kind, GW_NODE_NULL);
	assert_string_equal(c->place.file, "gw.yaml");
	assert_int_equal(c->place.line, 3);
	assert_int_equal(c->place.column, 10);
	assert_int_equal(c->name_place.line, 3);
	assert_int_equal(c->name_place.column, 7);
	assert_null(gw_node_get(root, "e"));
	assert_null(gw_node_get(c, "e"));
	assert_null(gw_node_get(NULL, "e"));
}

static void what_editors_and_other_systems_write_is_understood(void **state)
{
	assert_tree(parse(*state, "\xef\xbb\xbf" "a: 1\r\nb:\r\n  - c\r\n"), "{a:1, b:[c]}");
	assert_tree(parse(*state, "---\na: 1\n...\n"), "{a:1}");
	assert_tree(parse(*state, "{\"a\":[1,2,{\"b\":\"\"}]}"), "{a:[1, 2, {b:}]}");
	assert_tree(parse(*state, "a: |-\n  x\nb: >-\n  y\n  z\n"), "{a:x, b:y z}");
	assert_tree(parse(*state, "a: 'x\n\n  %y'\n"), "{a:x\n%y}");
	assert_int_equal(((struct fixture *)*state)->lines.count, 0);
}

static const struct {
	const char *text;
	const char *want[LINES_MAX];
} wrong[] = {
	/* malformed */
	{ "a:\n\tb: 1\n", { "gw.yaml:2:1: a tab cannot indent: use blanks" } },
	{ "a:\n  - b\n\t- c\n", { "gw.yaml:3:1: a tab cannot indent: use blanks" } },
	{ "a: |\n\tx\n", { "gw.yaml:2:1: a tab cannot indent: use blanks" } },
	{ "a: \"x\n\n", { "gw.yaml:1:4: the quote that begins here is never closed" } },
	{ "a: 'x", { "gw.yaml:1:4: the quote that begins here is never closed" } },
	{ "a: [1, 2\nb: 1\n", { "gw.yaml:1:4: the list that begins here is not closed, or a ',' is missing in it" } },
	{ "a: {b: 1\n", { "gw.yaml:1:4: the map that begins here is not closed, or a ',' is missing in it" } },
	{ "a: b: c\n",
	  { "gw.yaml:1:5: ':' cannot stand here: put a value with ': ' in it in quotes, or correct the indentation" } },
	{ "a: 1\n b: 2\n",
	  { "gw.yaml:2:3: ':' cannot stand here: put a value with ': ' in it in quotes, or correct the indentation" } },
	{ "a:\n  b: 1\n c: 2\n",
	  { "gw.yaml:3:2: does not fit the lines above: check the indentation and the quotes" } },
	{ "a: 'it's'\n", { "gw.yaml:1:8: does not fit the lines above: check the indentation and the quotes" } },
	{ "- a\nb: 1\n", { "gw.yaml:2:1: does not fit the list above: check the indentation" } },
	{ "a: - b\n", { "gw.yaml:1:4: a list item begins on a line of its own" } },
	{ "a: 1\nb\nc: 2\n", { "gw.yaml:2:1: ':' is missing after this key" } },
	{ "a: @x\n", { "gw.yaml:1:4: a value that begins with '@' needs quotes" } },
	{ "a: %x\n", { "gw.yaml:1:4: a value that begins with '%' needs quotes" } },
	{ "a: *.yaml\n", { "gw.yaml:1:4: a value that begins with '*' needs quotes" } },
	{ "a: & b\n", { "gw.yaml:1:4: a value that begins with '&' needs quotes" } },
	{ "a: !<b\n", { "gw.yaml:1:4: a value that begins with '!' needs quotes" } },
	{ "a: \"\\q\"\n", { "gw.yaml:1:5: unknown escape: write \\\\ for a backslash, or use single quotes" } },
	{ "a: ]\n", { "gw.yaml:1:4: a value is missing here" } },
	{ "a: >x\n", { "gw.yaml:1:5: did not find expected comment or line break, while scanning a block scalar" } },

	/* bytes */
	{ "a: 1\nb: \xff\n", { "gw.yaml:2:4: is not valid UTF-8 from here on" } },
	{ "\xff\xfe" "a", { "gw.yaml:1:1: is not valid UTF-8 from here on" } },
	{ "ơ: \x07\n", { "gw.yaml:1:4: holds a control character" } },
	{ "a: 1\r\nb: \x7f\r\n", { "gw.yaml:2:4: holds a control character" } },
	{ "a: \xef\xbb\xbf" "b\n", { "gw.yaml:1:4: holds a code that is no character" } },
	{ "a: \"\\0\"\n", { "gw.yaml:1:4: a: holds a NUL character" } },
	{ "\"a\\0b\": 1\n", { "gw.yaml:1:1: the key holds a NUL character" } },

	/* what YAML offers and a configuration does not */
	{ "a: &x 1\nb: *x\n",
	  { "gw.yaml:1:4: a: anchors ('&x') are not supported",
	    "gw.yaml:2:4: b: aliases ('*x') are not supported; a text that begins with * needs quotes" } },
	{ "a: &a [*a]\n",
	  { "gw.yaml:1:4: a: anchors ('&a') are not supported",
	    "gw.yaml:1:8: a: aliases ('*a') are not supported; a text that begins with * needs quotes" } },
	{ "*a : 1\n", { "gw.yaml:1:1: aliases ('*a') are not supported; a text that begins with * needs quotes" } },
	{ "a: !!str 1\nb: !x {}\n",
	  { "gw.yaml:1:4: a: tags ('tag:yaml.org,2002:str') are not supported",
	    "gw.yaml:2:4: b: tags ('!x') are not supported" } },
	{ "a: {<<: {b: 1}, c: 2}\n", { "gw.yaml:1:5: a: merge keys ('<<') are not supported" } },
	{ "a: 1\n---\nb: 2\n", { "gw.yaml:2:1: a second document begins here: a file is one document" } },
	{ "a: 1\n...\nb: 2\n", { "gw.yaml:3:1: a second document begins here: a file is one document" } },
	{ "%YAML 1.1\n---\na: 1\n", { "gw.yaml:1:1: directives (lines that begin with %) are not supported" } },
	{ "? [a]\n: 1\n", { "gw.yaml:1:3: a key is one text, not a list" } },
	{ "a: {{b: c}: d}\n", { "gw.yaml:1:5: a: a key is one text, not a map" } },
	{ "{: 1}\n", { "gw.yaml:1:2: a value or a closing bracket is missing here" } },
	{ "'': 1\n", { "gw.yaml:1:1: the key is empty" } },

	/* values */
	{ "a:\nb: 1\n", { "gw.yaml:1:3: a: has no value: write one, take the key out, or write null" } },
	{ "a:\n  b: ~\n", { "gw.yaml:2:6: a.b: '~' is not a value: write null" } },
	{ "a: [b, ]\nc: [~]\nd:\n  -\n",
	  { "gw.yaml:2:5: c: '~' is not a value: write null",
	    "gw.yaml:4:4: d: has no value: write one, take the key out, or write null" } },
	{ "a: 1\nb: {c: 2, c: 3}\na: 4\na: 5\n",
	  { "gw.yaml:2:11: b.c: is set twice, first at line 2",
	    "gw.yaml:3:1: a: is set twice, first at line 1", "gw.yaml:4:1: a: is set twice, first at line 1" } },
	{ "", { "gw.yaml: holds nothing, or only comments" } },
	{ "# nothing\n", { "gw.yaml: holds nothing, or only comments" } },

	/* depth */
	{ "[[[[[[[[[[[[[[[[x]]]]]]]]]]]]]]]]", { NULL } },
	{ "[[[[[[[[[[[[[[[[[x]]]]]]]]]]]]]]]]]", { "gw.yaml:1:17: is nested deeper than 16 levels" } },
	{ "a: {b: [[[[[[[[[[[[[[[x]]]]]]]]]]]]]]]}", { "gw.yaml:1:22: a.b: is nested deeper than 16 levels" } },
};

static void each_mistake_has_its_line(void **state)
{
	struct fixture *f = *state;

	for (size_t i = 0; i < COUNT(wrong); i++) {
		f->lines.count = 0;
		parse(f, wrong[i].text);
		assert_lines(&f->lines, wrong[i].want);
	}
}

static void a_nul_byte_is_no_text_file(void **state)
{
	struct fixture *f = *state;
	static const char *const want[LINES_MAX] = { "gw.yaml:2:2: holds a NUL byte: this is no text file" };

	assert_null(parse_n(f, "a: 1\nb\0c\n", 9));
	assert_lines(&f->lines, want);
}

static void a_tree_is_kept_when_only_values_are_wrong(void **state)
{
	assert_tree(parse(*state, "a: ~\nb: *x\nc: 1\n<<: 2\nc: 3\n"), "{a:null, b:null, c:1}");
	assert_null(parse(*state, "a: 1\nb: [\n"));
}

static void a_scalar_is_at_most_16_kib(void **state)
{
	struct fixture *f = *state;
	static const char *const want[LINES_MAX] = { "gw.yaml:1:4: a: is longer than 16 KiB",
						     "gw.yaml:1:3: the key is longer than 16 KiB" };
	size_t n = GW_SCALAR_MAX + 1;
	char *text = malloc(n + 20);

	memcpy(text, "a: ", 3);
	memset(text + 3, 'x', n);
	assert_non_null(parse_n(f, text, n + 2));
	assert_int_equal(f->lines.count, 0);
	parse_n(f, text, n + 3);
	memset(text, 'x', 3);
	memcpy(text, "? ", 2);
	memcpy(text + n + 3, "\n: y\n", 5);
	parse_n(f, text, n + 8);
	free(text);
	assert_lines(&f->lines, want);
}

/* CPU seconds for `start` and then `piece` again and again, up to the size limit. */
static double seconds_for(struct fixture *f, const char *start, const char *piece)
{
	struct gw_arena *a = gw_arena_new();
	size_t n = strlen(piece), at = strlen(start);
	char *text = malloc(GW_FILE_MAX + 1);
	struct timespec before, after;

	memcpy(text, start, at);
	for (; at + n <= GW_FILE_MAX; at += n)
		memcpy(text + at, piece, n);
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &before);
	gw_yaml_parse(a, "gw.yaml", text, at, &f->to);
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &after);
	gw_arena_free(a);
	free(text);
	return (double)(after.tv_sec - before.tv_sec) +
	       (double)(after.tv_nsec - before.tv_nsec) * 1e-9;
}

/* libyaml alone takes 38 s for 100,000 of the first. */
static void a_file_that_only_goes_deeper_is_refused_at_once(void **state)
{
	static const char *const pieces[] = { "[", "{", "- ", "? ", "{a: ", "[a: ", "{a: {a: ", "- - ? ",
					      "[[],", "{? a: b, ", "[?", "? - [", "a: [", "\"a\": {" };

	for (size_t i = 0; i < COUNT(pieces); i++) {
		double s = seconds_for(*state, "", pieces[i]);

		if (s > 0.2)
			fail_msg("%.2f s for '%s'", s, pieces[i]);
	}
}

static void no_file_of_1_mib_takes_long(void **state)
{
	static const char *const pieces[] = {
		"!", "&a ", "*a ", "!!a ", "%TAG !a! b\n", "%a\n", "\"", "'", "\\", "a", "a ", "a\n", "a:\n ",
		"a: b\n", ": ", ":", "? a\n", "#\n", "\n", " ", "\t", "- \n", "-\n", "|\n", ">\n ", "a: |\n ",
		"a,", "]", "}", "---\n", "...\n", "--- a\n", "\"\\x61\"", "'a' ", "a: &b !c d\n", "[]", "{}",
		"{a},", "ơ", "\xe2\x80\xa8", " - a\n", "a: {b\n", "\r", "?\n", "!<a> ", "''", "\"\\\n", "`",
	};

	for (size_t i = 0; i < 2 * COUNT(pieces); i++) {
		double s = seconds_for(*state, i % 2 ? "a: [b, \n" : "", pieces[i / 2]);

		if (s > 3)
			fail_msg("%.1f s for '%s'", s, pieces[i / 2]);
	}
}

static void files_over_1_mib_are_refused(void **state)
{
	struct fixture *f = *state;
	static const char *const want[LINES_MAX] = { "gw.yaml: is larger than 1 MiB",
						     "big.yaml: is larger than 1 MiB" };
	FILE *out = fopen("big.yaml", "w");
	char *text = calloc(1, GW_FILE_MAX + 1);

	assert_non_null(out);
	memset(text, '\n', GW_FILE_MAX + 1);
	fwrite(text, 1, GW_FILE_MAX + 1, out);
	fclose(out);
	assert_null(parse_n(f, text, GW_FILE_MAX + 1));
	free(text);
	assert_null(gw_yaml_read(f->arena, "big.yaml", &f->to));
	assert_lines(&f->lines, want);
}

static void only_regular_files_are_read_and_nothing_blocks(void **state)
{
	struct fixture *f = *state;
	static const char *const want[LINES_MAX] = {
		"none.yaml: cannot be opened: No such file or directory",
		"folder.yaml: is not a regular file",
		"fifo.yaml: is not a regular file",
		"/dev/zero: is not a regular file",
		"loop.yaml: cannot be opened: Too many levels of symbolic links",
	};

	mkdir("folder.yaml", 0700);
	mkfifo("fifo.yaml", 0600);
	assert_int_equal(symlink("loop.yaml", "loop.yaml"), 0);
	assert_null(gw_yaml_read(f->arena, "none.yaml", &f->to));
	assert_null(gw_yaml_read(f->arena, "folder.yaml", &f->to));
	assert_null(gw_yaml_read(f->arena, "fifo.yaml", &f->to));
	assert_null(gw_yaml_read(f->arena, "/dev/zero", &f->to));
	assert_null(gw_yaml_read_all(f->arena, "loop.yaml", &f->to));
	assert_lines(&f->lines, want);
}

static void a_file_may_be_a_link(void **state)
{
	struct fixture *f = *state;

	put("real.yaml", "a: 1\n");
	assert_int_equal(symlink("real.yaml", "gw.yaml"), 0);
	assert_tree(gw_yaml_read(f->arena, "gw.yaml", &f->to), "{a:1}");
}

static void included_maps_merge_deeply(void **state)
{
	struct fixture *f = *state;
	struct gw_node *root;

	mkdir("devices.d", 0700);
	put("gw.yaml", "include: [devices.d/*.yaml, more.yaml]\ns: {p: {x: 1}}\n");
	put("devices.d/b.yaml", "s: {q: {x: 3}}\nt: [1]\n");
	put("devices.d/a.yaml", "s: {p: {y: 2}}\n");
	put("devices.d/c.yml", "ignored: 1\n");
	put("more.yaml", "u: 1\n");
	root = gw_yaml_read_all(f->arena, "gw.yaml", &f->to);
	assert_int_equal(f->lines.count, 0);
	assert_tree(root, "{s:{p:{x:1, y:2}, q:{x:3}}, t:[1], u:1}");
	assert_string_equal(gw_node_get(gw_node_get(gw_node_get(root, "s"), "q"), "x")->place.file,
			    "devices.d/b.yaml");
}

static void includes_are_relative_to_the_file_whatever_its_folder_is_called(void **state)
{
	struct fixture *f = *state;
	char path[200];

	mkdir("[a]*?\\", 0700);
	put("[a]*?\\/gw.yaml", "include: [x*.yaml, plain.yaml]\n");
	put("[a]*?\\/x1.yaml", "a: 1\n");
	put("[a]*?\\/plain.yaml", "b: 2\n");
	assert_tree(gw_yaml_read_all(f->arena, "[a]*?\\/gw.yaml", &f->to), "{a:1, b:2}");
	snprintf(path, sizeof(path), "%s/[a]*?\\/gw.yaml", f->folder);
	assert_tree(gw_yaml_read_all(f->arena, path, &f->to), "{a:1, b:2}");
	assert_int_equal(f->lines.count, 0);
}

static void the_same_scalar_or_list_in_two_files_names_both_places(void **state)
{
	struct fixture *f = *state;
	static const char *const want[LINES_MAX] = {
		"b.yaml:1:5: s.x: is set twice, first at gw.yaml:2",
		"b.yaml:2:1: t: is set twice, first at gw.yaml:3",
		"b.yaml:3:1: u: is set twice, first at gw.yaml:4",
	};

	put("gw.yaml", "include: b.yaml\ns: {x: 1}\nt: [1]\nu: {}\n");
	put("b.yaml", "s: {x: 1}\nt: [1]\nu: 1\n");
	assert_tree(gw_yaml_read_all(f->arena, "gw.yaml", &f->to), "{s:{x:1}, t:[1], u:{}}");
	assert_lines(&f->lines, want);
}

static void an_include_that_cannot_be_carried_out_is_a_problem(void **state)
{
	struct fixture *f = *state;
	static const char *const want[LINES_MAX] = {
		"gw.yaml:2:5: include: 'none.yaml': No such file or directory",
		"gw.yaml:4:5: include: takes names of files and patterns",
		"gw.yaml:5:5: include: takes names of files and patterns",
		"gw.yaml:6:5: include: 'gw.yaml' is included twice",
		"inner.yaml:1:1: include: an included file includes nothing",
		"gw.yaml:8:5: include: 'inner.yaml' is included twice",
		"list.yaml:1:1: a configuration is a map of keys",
	};

	put("gw.yaml", "include:\n  - none.yaml\n  - none.d/*.yaml\n  - [a]\n  - ''\n  - gw.yaml\n"
		       "  - inner.yaml\n  - inner.yaml\n  - list.yaml\na: 1\n");
	put("inner.yaml", "include: gw.yaml\nb: 2\n");
	put("list.yaml", "- a\n");
	assert_tree(gw_yaml_read_all(f->arena, "gw.yaml", &f->to), "{a:1, b:2}");
	assert_lines(&f->lines, want);
}

static void a_pattern_may_match_the_file_itself_and_files_already_read(void **state)
{
	struct fixture *f = *state;

	put("gw.yaml", "include: [b.yaml, '*.yaml']\na: 1\n");
	put("b.yaml", "b: 2\n");
	put("c.yaml", "c: 3\n");
	assert_tree(gw_yaml_read_all(f->arena, "gw.yaml", &f->to), "{a:1, b:2, c:3}");
	assert_int_equal(f->lines.count, 0);
}

static void a_broken_included_file_is_shown_with_its_own_place(void **state)
{
	struct fixture *f = *state;
	static const char *const want[LINES_MAX] = {
		"d/a.yaml:2:1: a value or a closing bracket is missing here",
		"d/b.yaml: holds nothing, or only comments",
		"d/dir.yaml/: is not a regular file",
		"gw.yaml:1:10: include: 'd/gone.yaml': No such file or directory",
	};

	mkdir("d", 0700);
	mkdir("d/dir.yaml", 0700);
	put("gw.yaml", "include: d/*.yaml\na: 1\n");
	put("d/a.yaml", "b: [\n");
	put("d/b.yaml", "");
	assert_int_equal(symlink("nowhere", "d/gone.yaml"), 0);
	assert_tree(gw_yaml_read_all(f->arena, "gw.yaml", &f->to), "{a:1}");
	assert_lines(&f->lines, want);
}

static void a_device_overrides_extends_and_removes_from_its_profile(void **state)
{
	struct fixture *f = *state;
	struct gw_node *profile = parse(f, "points: {a: {scale: 1, unit: V}, b: {scale: 2}, c: [1, 2]}\nx: 1\n");
	struct gw_node *device = parse(f, "points: {a: {scale: 3}, b: null, c: [9], d: {e: 1}, gone: null}\n");
	struct gw_node *both = gw_node_merge(f->arena, profile, device);

	assert_tree(both, "{points:{a:{scale:3, unit:V}, c:[9], d:{e:1}, gone:null}, x:1}");
	assert_tree(profile, "{points:{a:{scale:1, unit:V}, b:{scale:2}, c:[1, 2]}, x:1}");
	assert_tree(gw_node_merge(f->arena, NULL, device->first), "{a:{scale:3}, b:null, c:[9], d:{e:1}, gone:null}");
	assert_tree(gw_node_merge(f->arena, profile, NULL), "{points:{a:{scale:1, unit:V}, b:{scale:2}, c:[1, 2]}, x:1}");
	assert_null(gw_node_merge(f->arena, NULL, NULL));
}

static void an_arena_gives_zeroed_aligned_memory_of_any_size(void **state)
{
	struct gw_arena *a = gw_arena_new();
	size_t sizes[] = { 1, 16, 17, 70000, 3, 20000, 0, 65536, 100, 5 };

	(void)state;
	for (size_t i = 0; i < COUNT(sizes); i++) {
		unsigned char *p = gw_arena_alloc(a, sizes[i]);

		assert_int_equal((uintptr_t)p % 16, 0);
		for (size_t j = 0; j < sizes[i]; j++)
			assert_int_equal(p[j], 0);
		memset(p, 0xff, sizes[i]);
		assert_string_equal(gw_arena_strdup(a, "some text"), "some text");
	}
	gw_arena_free(a);
	gw_arena_free(NULL);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, begin, end)
	const struct CMUnitTest tests[] = {
		T(a_file_becomes_a_tree_with_places),
		T(what_editors_and_other_systems_write_is_understood),
		T(each_mistake_has_its_line),
		T(a_nul_byte_is_no_text_file),
		T(a_tree_is_kept_when_only_values_are_wrong),
		T(a_scalar_is_at_most_16_kib),
		T(a_file_that_only_goes_deeper_is_refused_at_once),
		T(no_file_of_1_mib_takes_long),
		T(files_over_1_mib_are_refused),
		T(only_regular_files_are_read_and_nothing_blocks),
		T(a_file_may_be_a_link),
		T(included_maps_merge_deeply),
		T(includes_are_relative_to_the_file_whatever_its_folder_is_called),
		T(the_same_scalar_or_list_in_two_files_names_both_places),
		T(an_include_that_cannot_be_carried_out_is_a_problem),
		T(a_pattern_may_match_the_file_itself_and_files_already_read),
		T(a_broken_included_file_is_shown_with_its_own_place),
		T(a_device_overrides_extends_and_removes_from_its_profile),
		T(an_arena_gives_zeroed_aligned_memory_of_any_size),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
