/*
 * yaml_check.h - what stands before and behind libyaml: a look at the bytes
 * before it sees them, and its syntax errors in words that help.
 */
#ifndef GW_BASE_YAML_CHECK_H
#define GW_BASE_YAML_CHECK_H

#include <stdbool.h>
#include <yaml.h>

#include "gatewayd/config.h"

/* Size, UTF-8, control characters and directives; false after a problem. */
bool gw_yaml_precheck(const char *file, const char *text, size_t size, struct gw_problems *to);

/* Report the error at which `parser` stopped while reading the text. */
void gw_yaml_syntax_problem(const yaml_parser_t *parser, const char *file, const char *text,
			    size_t size, struct gw_problems *to);

#endif
