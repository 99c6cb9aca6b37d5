/* SPDX-License-Identifier: Apache-2.0 */
/* A completion script for bash: the words of the table of verbs, by noun and verb. */
#include "ctx.h"
#include "verb.h"

#include <stdio.h>
#include <string.h>

static bool first_of_noun(const struct verb *verb)
{
	return verb_first(verb->noun) == verb;
}

static void print_nouns(void)
{
	const struct verb *verb;

	for (verb = verbs; verb->noun != NULL; verb++) {
		if (first_of_noun(verb)) {
			printf("%s ", verb->noun);
		}
	}
}

static void print_names(const char *noun)
{
	const struct verb *verb;

	for (verb = verbs; verb->noun != NULL; verb++) {
		if (strcmp(verb->noun, noun) == 0 && verb->name != NULL) {
			printf("%s ", verb->name);
		}
	}
}

static void print_opts(const struct verb *verb)
{
	const struct opt *opt;

	for (opt = verb->opts; opt != NULL && opt->name != NULL; opt++) {
		printf("--%s ", opt->name);
	}
	for (opt = verb_opts_common; opt->name != NULL; opt++) {
		if (verb_takes(verb, opt) &&
			opt_find(verb->opts, opt->name, strlen(opt->name)) == NULL) {
			printf("--%s ", opt->name);
		}
	}
}

int completion_bash(struct ctx *ctx)
{
	const struct verb *verb;

	printf("# bash completion for blixard; source it, or install it as "
	       "completions/blixard\n"
	       "_blixard()\n{\n"
	       "\tlocal cur=${COMP_WORDS[COMP_CWORD]} words\n"
	       "\tcase \"$COMP_CWORD,${COMP_WORDS[1]-},${COMP_WORDS[2]-}\" in\n"
	       "\t1,*) words='");
	print_nouns();
	printf("' ;;\n");
	for (verb = verbs; verb->noun != NULL; verb++) {
		if (first_of_noun(verb) && verb->name != NULL) {
			printf("\t2,%s,*) words='", verb->noun);
			print_names(verb->noun);
			printf("' ;;\n");
		}
		printf("\t*,%s,%s) words='", verb->noun,
			verb->name != NULL ? verb->name : "*");
		print_opts(verb);
		printf("' ;;\n");
	}
	printf("\t*) words='' ;;\n\tesac\n"
	       "\tcase $cur in\n"
	       "\t-* | '') COMPREPLY=($(compgen -W \"$words\" -- \"$cur\")) ;;\n"
	       "\t*) COMPREPLY=($(compgen -W \"$words\" -f -- \"$cur\")) ;;\n"
	       "\tesac\n}\ncomplete -F _blixard blixard\n");
	return EXIT_OK;
}
