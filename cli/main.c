/* SPDX-License-Identifier: Apache-2.0 */
/* The command: finds the verb, parses its line, runs it, and gives its exit code. */
#include "ctx.h"
#include "help.h"
#include "out.h"
#include "verb.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/*
 * A standard descriptor that is closed would become that of a file or of the
 * connection. In its place comes one on which the wrong direction fails.
 */
static void hold_standard_fds(void)
{
	static const int modes[] = {O_WRONLY, O_RDONLY, O_RDONLY};
	int fd;

	for (fd = 0; fd < 3; fd++) {
		if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", modes[fd]) != fd) {
			_exit(EXIT_FAILED);
		}
	}
}

/* The state of reading a command line from left to right. */
struct line {
	struct ctx *ctx;
	const char *noun;
	bool ended; /* "--" was seen */
	bool help;
};

static int take_option(struct line *line, int argc, char **argv, int *i)
{
	const struct opt *tables[3] = {verb_opts_common};
	char fault[OPT_FAULT_SIZE];

	if (line->ctx->verb != NULL && line->ctx->verb->opts != NULL) {
		tables[0] = line->ctx->verb->opts;
		tables[1] = verb_opts_common;
	}
	if (opt_take(&line->ctx->args, argc, argv, i, tables, fault) != 0) {
		return fail_usage(line->ctx, "%s", fault);
	}
	return 0;
}

/* The noun, the verb, or an argument of the verb, whichever is next. */
static int take_word(struct line *line, const char *word)
{
	struct ctx *ctx = line->ctx;

	if (line->noun == NULL) {
		if (verb_first(word) == NULL) {
			return fail_usage(ctx, "there is no \"%s\"", word);
		}
		line->noun = word;
		ctx->verb = verb_find(word, NULL);
		return 0;
	}
	if (ctx->verb == NULL) {
		ctx->verb = verb_find(line->noun, word);
		if (ctx->verb == NULL) {
			return fail_usage(
				ctx, "%s: there is no \"%s\"", line->noun, word);
		}
		return 0;
	}
	ctx->args.words[ctx->args.words_count++] = word;
	return 0;
}

static int read_line(struct line *line, int argc, char **argv)
{
	int i = 1;
	int rv = 0;

	while (rv == 0 && i < argc && !line->help) {
		if (!line->ended && strcmp(argv[i], "--") == 0) {
			line->ended = true;
			i++;
		} else if (!line->ended && line->noun == NULL &&
			   strcmp(argv[i], "--version") == 0) {
			rv = take_word(line, "version");
			i++;
		} else if (!line->ended && argv[i][0] == '-' && argv[i][1] != '\0') {
			rv = take_option(line, argc, argv, &i);
			line->help = opt_flag(&line->ctx->args, "help");
		} else {
			rv = take_word(line, argv[i++]);
		}
	}
	return rv;
}

static void print_help(const struct line *line, FILE *to)
{
	if (line->ctx->verb != NULL) {
		help_verb(to, line->ctx->verb);
	} else if (line->noun != NULL) {
		help_noun(to, line->noun);
	} else {
		help_all(to);
	}
}

/* What can be said of the line only when all of it was read. */
static int check_line(const struct ctx *ctx)
{
	const struct verb *verb = ctx->verb;
	size_t i;

	for (i = 0; i < ctx->args.given_count; i++) {
		if (!verb_takes(verb, ctx->args.given[i].opt)) {
			return fail_usage(ctx, "--%s means nothing here",
				ctx->args.given[i].opt->name);
		}
	}
	if (ctx->args.words_count < verb->words_min) {
		return fail_usage(ctx, "needs %s", verb->words);
	}
	if (ctx->args.words_count > verb->words_max) {
		return fail_usage(ctx, "one argument too many: \"%s\"",
			ctx->args.words[verb->words_max]);
	}
	return 0;
}

/* With -o json the faults of the line itself are JSON, too, wherever it stands. */
static bool wants_json(int argc, char **argv)
{
	int i;

	for (i = 1; i < argc && strcmp(argv[i], "--") != 0; i++) {
		if (strcmp(argv[i], "-ojson") == 0 ||
			strcmp(argv[i], "--output=json") == 0) {
			return true;
		}
		if (i + 1 < argc && strcmp(argv[i + 1], "json") == 0 &&
			(strcmp(argv[i], "-o") == 0 ||
				strcmp(argv[i], "--output") == 0)) {
			return true;
		}
	}
	return false;
}

static int run(struct ctx *ctx, int argc, char **argv)
{
	struct line line = {.ctx = ctx};
	int rv;

	rv = read_line(&line, argc, argv);
	if (rv != 0) {
		return rv;
	}
	if (line.help) {
		print_help(&line, stdout);
		return EXIT_OK;
	}
	if (ctx->verb == NULL) {
		print_help(&line, stderr);
		return EXIT_USAGE;
	}
	rv = check_line(ctx);
	if (rv == 0) {
		rv = ctx_settle(ctx);
	}
	return rv != 0 ? rv : ctx->verb->run(ctx);
}

int version(struct ctx *ctx)
{
	if (ctx->json) {
		return out_json(ctx, json_pack("{s:s}", "version", blx_version()));
	}
	printf("blixard %s\n", blx_version());
	return EXIT_OK;
}

int main(int argc, char **argv)
{
	struct ctx ctx = {.json = wants_json(argc, argv)};
	int rv;

	hold_standard_fds();
	(void)signal(
		SIGPIPE, SIG_IGN); /* a reader that went away is a failure to write */
	if (opt_args_init(&ctx.args, argc) != 0) {
		return fail_with(&ctx, BLX_ENOMEM, "read the command line");
	}
	rv = out_finish(&ctx, run(&ctx, argc, argv));
	ctx_finish(&ctx);
	return rv;
}
