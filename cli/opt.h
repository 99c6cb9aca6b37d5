/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Options of the command line: a verb lists those it takes, and what was given
 * is looked up by name. Nothing here prints; a fault is told as one line.
 */
#ifndef BLX_CLI_OPT_H
#define BLX_CLI_OPT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define OPT_FAULT_SIZE 320

struct opt {
	const char *name; /* without the dashes; NULL ends a table */
	char letter;      /* 0: none */
	const char *arg;  /* what its argument is called; NULL: it takes none */
	const char *help;
};

struct opt_given {
	const struct opt *opt;
	const char *value; /* NULL for a flag; borrowed from argv */
};

/* What a command line held; the arrays are owned, the text is argv's. */
struct opt_args {
	struct opt_given *given;
	size_t given_count;
	const char **words; /* what is not an option */
	size_t words_count;
};

/* Room for argc of each. -1: no memory. */
int opt_args_init(struct opt_args *args, int argc);
void opt_args_finish(struct opt_args *args);

/* The option of this name, or of this letter, in a table (NULL: an empty one). */
const struct opt *opt_find(const struct opt *table, const char *name, size_t len);
const struct opt *opt_find_letter(const struct opt *table, char letter);

/*
 * Takes the option at argv[*i], which begins with '-', looking into the tables
 * in turn, and moves *i behind it and its argument. -1 and a fault otherwise.
 */
int opt_take(struct opt_args *args, int argc, char **argv, int *i,
	const struct opt *const *tables, char fault[OPT_FAULT_SIZE]);

/* The last value given; NULL when it was not. */
const char *opt_text(const struct opt_args *args, const char *name);
bool opt_flag(const struct opt_args *args, const char *name);

/* Whole text as a decimal number from min to max. */
bool opt_parse_number(const char *text, uint64_t min, uint64_t max, uint64_t *ret_number);
/* "5s", "500ms", "2m", or milliseconds; 1 ms to a day. */
bool opt_parse_duration(const char *text, uint32_t *ret_ms);

/* "a,b,c" into names, each of size bytes with its end, at most max of them. False: one is empty
 * or too long, or there are more. */
bool opt_parse_names(
	const char *text, char *names, size_t size, size_t max, size_t *ret_count);

/* Leaves *ret_number alone when the option was not given. -1 and a fault: no number. */
int opt_number(const struct opt_args *args, const char *name, uint64_t min, uint64_t max,
	uint64_t *ret_number, char fault[OPT_FAULT_SIZE]);

#endif
