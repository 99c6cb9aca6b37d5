/* SPDX-License-Identifier: Apache-2.0 */
#include "store/pattern.h"

#include <string.h>

#define ESCAPE 1

/* A run of a key or pattern. */
struct run {
	const uint8_t *at;
	const uint8_t *end;
};

static bool is_star(const struct run *run, uint8_t kind)
{
	return run->end - run->at >= 2 && run->at[0] == ESCAPE && run->at[1] == kind;
}

int blx__pattern_parse(
	const char *text, size_t len, struct blx__pattern *ret_pattern, blx_error *error)
{
	struct run run;
	int rv = blx__path_parse_pattern(
		text, len, ret_pattern->key, &ret_pattern->key_len, error);

	if (rv != 0) {
		return rv;
	}
	run = (struct run){ret_pattern->key, ret_pattern->key + ret_pattern->key_len};
	while (run.at < run.end && !is_star(&run, BLX__KEY_ANY_BYTES) &&
		!is_star(&run, BLX__KEY_ANY_DEPTH)) {
		run.at += *run.at == ESCAPE ? 2 : 1;
	}
	ret_pattern->fixed_len = (size_t)(run.at - ret_pattern->key);
	return 0;
}

static struct run component_of(const struct run *run)
{
	const uint8_t *end = run->at < run->end ? memchr(run->at, BLX__KEY_SEPARATOR,
							  (size_t)(run->end - run->at))
						: NULL;

	return (struct run){run->at, end != NULL ? end : run->end};
}

/* Behind the component and its separator. False: it was the last. */
static bool step_over(struct run *run, const struct run *component)
{
	bool more = component->end < run->end;

	run->at = more ? component->end + 1 : run->end;
	return more;
}

/* One component against one that may have stars. The last star takes in what is left
 * over: if that fails nothing that an earlier one takes in can help. */
static bool component_matches(struct run pattern, struct run key)
{
	struct run star_pattern = {NULL, NULL};
	struct run star_key = {NULL, NULL};

	while (key.at < key.end) {
		if (is_star(&pattern, BLX__KEY_ANY_BYTES)) {
			pattern.at += 2;
			star_pattern = pattern;
			star_key = key;
		} else if (pattern.at < pattern.end && *pattern.at == *key.at) {
			pattern.at++;
			key.at++;
		} else if (star_pattern.at != NULL) {
			/* Over a whole byte of the component: an escaped one is two. */
			star_key.at += *star_key.at == ESCAPE ? 2 : 1;
			pattern = star_pattern;
			key = star_key;
		} else {
			return false;
		}
	}
	while (is_star(&pattern, BLX__KEY_ANY_BYTES)) {
		pattern.at += 2;
	}
	return pattern.at == pattern.end;
}

/* The same one level up: "**" takes in what is left over. */
bool blx__pattern_matches(
	const struct blx__pattern *pattern, const uint8_t *key, size_t key_len)
{
	struct run left = {pattern->key, pattern->key + pattern->key_len};
	struct run todo = {key, key + key_len};
	struct run star_left = {NULL, NULL};
	struct run star_todo = {NULL, NULL};
	bool has_left = pattern->key_len > 0;
	bool has_todo = key_len > 0;
	bool star_has_left = false;
	bool star_has_todo = false;

	while (has_todo) {
		struct run part = component_of(&left);
		struct run name = component_of(&todo);

		if (has_left && is_star(&part, BLX__KEY_ANY_DEPTH)) {
			has_left = step_over(&left, &part);
			star_left = left;
			star_has_left = has_left;
			star_todo = todo;
			star_has_todo = true;
		} else if (has_left && component_matches(part, name)) {
			has_left = step_over(&left, &part);
			has_todo = step_over(&todo, &name);
		} else if (star_has_todo) {
			name = component_of(&star_todo);
			star_has_todo = step_over(&star_todo, &name);
			left = star_left;
			has_left = star_has_left;
			todo = star_todo;
			has_todo = star_has_todo;
		} else {
			return false;
		}
	}
	while (has_left) {
		struct run part = component_of(&left);

		if (!is_star(&part, BLX__KEY_ANY_DEPTH)) {
			return false;
		}
		has_left = step_over(&left, &part);
	}
	return true;
}
