/* SPDX-License-Identifier: Apache-2.0 */
#include "opt.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DURATION_MAX_MS (24u * 60 * 60 * 1000)

int opt_args_init(struct opt_args *args, int argc)
{
	size_t room = argc > 0 ? (size_t)argc : 1;

	*args = (struct opt_args){0};
	args->given = calloc(room, sizeof *args->given);
	args->words = calloc(room, sizeof *args->words);
	if (args->given == NULL || args->words == NULL) {
		opt_args_finish(args);
		return -1;
	}
	return 0;
}

void opt_args_finish(struct opt_args *args)
{
	free(args->given);
	free(args->words);
	*args = (struct opt_args){0};
}

const struct opt *opt_find(const struct opt *table, const char *name, size_t len)
{
	for (; table != NULL && table->name != NULL; table++) {
		if (strlen(table->name) == len && memcmp(table->name, name, len) == 0) {
			return table;
		}
	}
	return NULL;
}

const struct opt *opt_find_letter(const struct opt *table, char letter)
{
	for (; table != NULL && table->name != NULL; table++) {
		if (letter != 0 && table->letter == letter) {
			return table;
		}
	}
	return NULL;
}

static const struct opt *find_long(
	const struct opt *const *tables, const char *name, size_t len)
{
	const struct opt *opt = NULL;

	for (; opt == NULL && *tables != NULL; tables++) {
		opt = opt_find(*tables, name, len);
	}
	return opt;
}

static const struct opt *find_short(const struct opt *const *tables, char letter)
{
	const struct opt *opt = NULL;

	for (; opt == NULL && *tables != NULL; tables++) {
		opt = opt_find_letter(*tables, letter);
	}
	return opt;
}

static void keep(struct opt_args *args, const struct opt *opt, const char *value)
{
	args->given[args->given_count++] = (struct opt_given){opt, value};
}

static int take_long(struct opt_args *args, int argc, char **argv, int *i,
	const struct opt *const *tables, char fault[OPT_FAULT_SIZE])
{
	const char *name = argv[*i] + 2;
	const char *equals = strchr(name, '=');
	size_t len = equals != NULL ? (size_t)(equals - name) : strlen(name);
	const struct opt *opt = find_long(tables, name, len);
	const char *value = equals != NULL ? equals + 1 : NULL;

	if (opt == NULL) {
		(void)snprintf(
			fault, OPT_FAULT_SIZE, "unknown option --%.*s", (int)len, name);
		return -1;
	}
	if (opt->arg == NULL && value != NULL) {
		(void)snprintf(fault, OPT_FAULT_SIZE, "--%s takes no value", opt->name);
		return -1;
	}
	if (opt->arg != NULL && value == NULL) {
		if (*i + 1 >= argc) {
			(void)snprintf(fault, OPT_FAULT_SIZE, "--%s needs %s", opt->name,
				opt->arg);
			return -1;
		}
		value = argv[++*i];
	}
	keep(args, opt, value);
	(*i)++;
	return 0;
}

/* One letter, its value in the same word (-ojson) or in the next. Flags are not bundled.
 */
static int take_short(struct opt_args *args, int argc, char **argv, int *i,
	const struct opt *const *tables, char fault[OPT_FAULT_SIZE])
{
	const char *word = argv[*i];
	const struct opt *opt = find_short(tables, word[1]);
	const char *value = NULL;

	if (opt == NULL || (opt->arg == NULL && word[2] != '\0')) {
		(void)snprintf(fault, OPT_FAULT_SIZE,
			"unknown option %s (an argument that begins with - goes behind "
			"--)",
			word);
		return -1;
	}
	if (opt->arg != NULL) {
		value = word[2] != '\0' ? word + 2 : NULL;
		if (value == NULL && *i + 1 >= argc) {
			(void)snprintf(fault, OPT_FAULT_SIZE, "-%c needs %s", opt->letter,
				opt->arg);
			return -1;
		}
		if (value == NULL) {
			value = argv[++*i];
		}
	}
	keep(args, opt, value);
	(*i)++;
	return 0;
}

int opt_take(struct opt_args *args, int argc, char **argv, int *i,
	const struct opt *const *tables, char fault[OPT_FAULT_SIZE])
{
	assert(argv[*i][0] == '-' && argv[*i][1] != '\0');
	if (argv[*i][1] == '-') {
		return take_long(args, argc, argv, i, tables, fault);
	}
	return take_short(args, argc, argv, i, tables, fault);
}

static const struct opt_given *find_given(const struct opt_args *args, const char *name)
{
	size_t i = args->given_count;

	while (i-- > 0) {
		if (strcmp(args->given[i].opt->name, name) == 0) {
			return &args->given[i];
		}
	}
	return NULL;
}

const char *opt_text(const struct opt_args *args, const char *name)
{
	const struct opt_given *given = find_given(args, name);

	return given != NULL ? given->value : NULL;
}

bool opt_flag(const struct opt_args *args, const char *name)
{
	return find_given(args, name) != NULL;
}

bool opt_parse_number(const char *text, uint64_t min, uint64_t max, uint64_t *ret_number)
{
	unsigned long long number;
	char *end;

	if (text[0] < '0' || text[0] > '9') {
		return false; /* strtoull() takes spaces and signs */
	}
	errno = 0;
	number = strtoull(text, &end, 10);
	if (errno != 0 || *end != '\0' || number < min || number > max) {
		return false;
	}
	*ret_number = number;
	return true;
}

bool opt_parse_duration(const char *text, uint32_t *ret_ms)
{
	static const struct {
		const char *unit;
		uint32_t ms;
	} units[] = {{"", 1}, {"ms", 1}, {"s", 1000}, {"m", 60000}};
	size_t digits = strspn(text, "0123456789");
	char number_text[12];
	uint64_t number;
	size_t i;

	if (digits == 0 || digits >= sizeof number_text) {
		return false;
	}
	memcpy(number_text, text, digits);
	number_text[digits] = '\0';
	for (i = 0; i < sizeof units / sizeof units[0]; i++) {
		if (strcmp(text + digits, units[i].unit) == 0) {
			if (!opt_parse_number(number_text, 1,
				    DURATION_MAX_MS / units[i].ms, &number)) {
				return false;
			}
			*ret_ms = (uint32_t)number * units[i].ms;
			return true;
		}
	}
	return false;
}

bool opt_parse_names(
	const char *text, char *names, size_t size, size_t max, size_t *ret_count)
{
	*ret_count = 0;
	while (*text != '\0') {
		size_t len = strcspn(text, ",");

		if (len == 0 || len >= size || *ret_count == max) {
			return false;
		}
		memset(names + *ret_count * size, 0, size);
		memcpy(names + (*ret_count)++ * size, text, len);
		text += len + (text[len] == ',');
	}
	return true;
}

int opt_number(const struct opt_args *args, const char *name, uint64_t min, uint64_t max,
	uint64_t *ret_number, char fault[OPT_FAULT_SIZE])
{
	const char *text = opt_text(args, name);

	if (text == NULL) {
		return 0;
	}
	if (!opt_parse_number(text, min, max, ret_number)) {
		(void)snprintf(fault, OPT_FAULT_SIZE,
			"--%s \"%s\": must be a number from %" PRIu64 " to %" PRIu64,
			name, text, min, max);
		return -1;
	}
	return 0;
}
