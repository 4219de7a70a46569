/* manual.h - the manual page gatewayd(8). */
#ifndef DOCUMENT_MANUAL_H
#define DOCUMENT_MANUAL_H

#include <stdio.h>

#include "gatewayd/config.h"

/* roff; `table`: the whole configuration, whose keys are listed. */
void document_manual(FILE *out, const struct gw_table *table);

#endif
