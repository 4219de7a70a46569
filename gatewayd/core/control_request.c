/*
 * control_request.c - the bytes of one line of the control socket as a command and its
 * arguments.  Foreign bytes: everything is capped and checked here, nothing is carried out.
 */
#include "core/control_request.h"

#include <string.h>

#include "base/text.h"

static int refuse(struct gw_request_line *r, const char *before, const char *text)
{
	size_t n = (size_t)snprintf(r->refusal, sizeof(r->refusal), "%s", before);

	gw_escape(r->refusal + n, sizeof(r->refusal) - n, text, strlen(text));
	return -1;
}

/* Without control characters: what is refused is shown to people. */
static const char *word(const json_t *v)
{
	return json_is_string(v) && gw_text_clean(json_string_value(v), json_string_length(v))
		       ? json_string_value(v)
		       : NULL;
}

static int take_args(struct gw_request_line *r, const json_t *list)
{
	size_t n = json_array_size(list);

	if (list && !json_is_array(list))
		return refuse(r, "", GW_REQUEST_FORM);
	if (n > GW_ARGS_MAX)
		return refuse(r, "", "a request has at most 16 arguments");
	for (size_t i = 0; i < n; i++) {
		r->args[i] = word(json_array_get(list, i));
		if (!r->args[i])
			return refuse(r, "", GW_REQUEST_FORM);
	}
	r->nargs = n;
	return 0;
}

int gw_request_parse(struct gw_request_line *r, const char *line, size_t size)
{
	json_error_t bad;

	*r = (struct gw_request_line){ .doc = json_loadb(line, size, JSON_REJECT_DUPLICATES, &bad) };
	if (!r->doc)
		return refuse(r, "not JSON: ", bad.text);
	r->command = word(json_object_get(r->doc, "command"));
	if (!r->command)
		return refuse(r, "", GW_REQUEST_FORM);
	return take_args(r, json_object_get(r->doc, "args"));
}

void gw_request_free(struct gw_request_line *r)
{
	json_decref(r->doc);
	r->doc = NULL;
}
