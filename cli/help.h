/* SPDX-License-Identifier: Apache-2.0 */
/* Help at every level, made from the table of verbs. */
#ifndef BLX_CLI_HELP_H
#define BLX_CLI_HELP_H

#include "verb.h"

#include <stdio.h>

void help_all(FILE *to);
/* The verbs of one noun. */
void help_noun(FILE *to, const char *noun);
void help_verb(FILE *to, const struct verb *verb);

#endif
