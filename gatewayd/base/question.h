/*
 * question.h - ASK and ANSWER, between source.c and question.c.
 */
#ifndef GW_BASE_QUESTION_H
#define GW_BASE_QUESTION_H

#include "base/plugin_private.h"

enum { GW_QUESTIONS_MAX = 64 }; /* unanswered at one time */

struct gw_questions;

struct gw_questions *gw_questions_new(void);	 /* aborts when memory is out */
void gw_questions_free(struct gw_questions *qs); /* NULL is allowed */
/* NULL: too many are open. */
struct gw_question *gw_question_open(struct gw_questions *qs, struct gw_plugin *p, uint32_t number);
void gw_question_refuse(struct gw_plugin *p, uint32_t number); /* answers not_available */

#endif
