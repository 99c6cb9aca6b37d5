/* SPDX-License-Identifier: Apache-2.0 */
#include "help.h"

#include "ctx.h"

#include <stdlib.h>
#include <string.h>

#define COLUMN 38

static const char exit_codes[] = "Exit codes: 0 done; 1 failed; 2 wrong usage; 3 no "
				 "quorum; 4 not found; 5 conflict or\n"
				 "there already; 6 timeout, or a write that may have "
				 "been applied; 7 not allowed.\n";

static void print_row(FILE *to, const char *left, const char *right)
{
	if (strlen(left) > COLUMN - 3) {
		fprintf(to, "  %s\n  %*s%s\n", left, COLUMN - 2, "", right);
	} else {
		fprintf(to, "  %-*s%s\n", COLUMN - 2, left, right);
	}
}

static void print_verb(FILE *to, const struct verb *verb)
{
	char left[128];

	(void)snprintf(left, sizeof left, "%s%s%s %s", verb->noun,
		verb->name != NULL ? " " : "", verb->name != NULL ? verb->name : "",
		verb->words);
	print_row(to, left, verb->summary);
}

static void print_opt(FILE *to, const struct opt *opt)
{
	char left[128];
	char letter[8] = "";

	if (opt->letter != 0) {
		(void)snprintf(letter, sizeof letter, "-%c, ", opt->letter);
	}
	(void)snprintf(left, sizeof left, "%s--%s%s%s", letter, opt->name,
		opt->arg != NULL ? " " : "", opt->arg != NULL ? opt->arg : "");
	print_row(to, left, opt->help);
}

void help_all(FILE *to)
{
	const struct verb *verb;
	const struct opt *opt;

	fprintf(to, "usage: blixard NOUN VERB [ARGUMENT ...] [OPTION ...]\n"
		    "A member of a cluster that agrees on paths and values, and how to "
		    "talk to one.\n\n");
	for (verb = verbs; verb->noun != NULL; verb++) {
		print_verb(to, verb);
	}
	fprintf(to, "\nOptions, before or after the arguments; -- ends them:\n");
	for (opt = verb_opts_common; opt->name != NULL; opt++) {
		print_opt(to, opt);
	}
	fprintf(to, "\n%s", exit_codes);
}

void help_noun(FILE *to, const char *noun)
{
	const struct verb *verb;

	fprintf(to, "usage: blixard %s VERB [ARGUMENT ...] [OPTION ...]\n\n", noun);
	for (verb = verbs; verb->noun != NULL; verb++) {
		if (strcmp(verb->noun, noun) == 0) {
			print_verb(to, verb);
		}
	}
}

void help_verb(FILE *to, const struct verb *verb)
{
	const struct opt *opt;

	fprintf(to, "usage: blixard %s%s%s%s%s [OPTION ...]\n%s.\n", verb->noun,
		verb->name != NULL ? " " : "", verb->name != NULL ? verb->name : "",
		verb->words[0] != '\0' ? " " : "", verb->words, verb->summary);
	if (verb->notes != NULL) {
		fprintf(to, "%s", verb->notes);
	}
	fprintf(to, "\n");
	for (opt = verb->opts; opt != NULL && opt->name != NULL; opt++) {
		print_opt(to, opt);
	}
	for (opt = verb_opts_common; opt->name != NULL; opt++) {
		if (verb_takes(verb, opt) &&
			opt_find(verb->opts, opt->name, strlen(opt->name)) == NULL) {
			print_opt(to, opt);
		}
	}
}
