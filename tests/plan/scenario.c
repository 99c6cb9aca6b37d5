/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs a scenario of the deciders, a file in plain words:
 *
 *	given node NAME [cpu N] [memory N] [zone Z] [label K=V] [has CAPABILITY]
 *		[taint T] [draining] [failed] [degraded]
 *	given NAME on NODE [cpu N] [memory N] [group G] [a constraint, as below ...]
 *	when NAME [cpu N] [memory N] [group G] [strategy S] [on A,B] [not-on A,B]
 *		[needs A,B] [label K=V,W] [not-label K=V] [apart-from A] [together-with A]
 *		[max-per-node G=N] [spread L=N] [tolerate T] is placed
 *	then it goes to NODE
 *	then it goes nowhere
 *	when node A,B is gone
 *	then NAME moves to NODE
 *	then NAME moves nowhere: NODE REASON
 *	then NODE says: REASON
 *	forget everything
 *
 * Lines that begin with # and empty ones are passed over.
 */
#include <blixard/placement.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WORDS_MAX 64
#define LINE_SIZE 1024

struct scenario {
	const char *path;
	unsigned line;
	blx_place_model *model; /* owned */
	blx_place_plan *plan;   /* owned; NULL: nothing was placed */
	blx_place_moves *moves; /* owned; NULL: no node is gone */
	unsigned checks;
};

static blx_node_info info;
static blx_constraint constraints[BLX_CONSTRAINTS_MAX];

__attribute__((noreturn)) static void fail(
	const struct scenario *scenario, const char *what, const char *detail)
{
	fprintf(stderr, "%s:%u: %s%s\n", scenario->path, scenario->line, what, detail);
	exit(1);
}

/* What was decided borrows from the model. */
static void clear(struct scenario *scenario)
{
	blx_place_plan_free(scenario->plan);
	blx_place_moves_free(scenario->moves);
	scenario->plan = NULL;
	scenario->moves = NULL;
}

static void forget(struct scenario *scenario)
{
	clear(scenario);
	blx_place_model_destroy(scenario->model);
	if (blx_place_model_create(&scenario->model) != 0) {
		fail(scenario, "out of memory", "");
	}
}

static const char *next_of(const struct scenario *scenario, char **words, size_t *i)
{
	if (words[*i + 1] == NULL) {
		fail(scenario, "something is missing behind ", words[*i]);
	}
	return words[++*i];
}

/* "K=V" into two. */
static void pair(const struct scenario *scenario, const char *text, char *key, const char **value)
{
	const char *equals = strchr(text, '=');

	if (equals == NULL || (size_t)(equals - text) >= BLX_NAME_MAX) {
		fail(scenario, "no K=V: ", text);
	}
	memcpy(key, text, (size_t)(equals - text));
	key[equals - text] = '\0';
	*value = equals + 1;
}

static void values(const struct scenario *scenario, const char *text, blx_constraint *constraint)
{
	while (*text != '\0') {
		size_t len = strcspn(text, ",");

		if (constraint->values_count == BLX_VALUES_MAX || len >= BLX_NAME_MAX) {
			fail(scenario, "too many values: ", text);
		}
		memcpy(constraint->values[constraint->values_count++], text, len);
		text += len + (text[len] == ',');
	}
}

/* ---- constraints ------------------------------------------------------------------ */

static const struct {
	const char *word;
	int kind;
	char form; /* v: values, k: key and values, n: key and number */
} kinds[] = {{"on", BLX_ON_NODE, 'v'}, {"not-on", BLX_NOT_ON_NODE, 'v'},
	{"needs", BLX_NEEDS, 'v'}, {"label", BLX_LABEL_IN, 'k'},
	{"not-label", BLX_LABEL_NOT_IN, 'k'}, {"apart-from", BLX_APART_FROM, 'v'},
	{"together-with", BLX_TOGETHER_WITH, 'v'}, {"max-per-node", BLX_MAX_PER_NODE, 'n'},
	{"spread", BLX_SPREAD, 'n'}, {"tolerate", BLX_TOLERATE, 'v'}};

static void constraint_add(
	const struct scenario *scenario, char **words, size_t *i, size_t *count)
{
	blx_constraint *constraint = &constraints[(*count)++];
	const char *word = words[*i];
	const char *value = next_of(scenario, words, i);
	size_t k;

	for (k = 0; k < sizeof kinds / sizeof kinds[0]; k++) {
		if (strcmp(kinds[k].word, word) != 0) {
			continue;
		}
		*constraint = (blx_constraint){.kind = kinds[k].kind};
		if (kinds[k].form != 'v') {
			pair(scenario, value, constraint->key, &value);
		}
		if (kinds[k].form == 'n') {
			constraint->limit = atoll(value);
		} else {
			values(scenario, value, constraint);
		}
		return;
	}
	fail(scenario, "not understood: ", word);
}

/* ---- given ----------------------------------------------------------------------- */

static void given_node(struct scenario *scenario, char **words)
{
	const char *value;
	size_t i;

	memset(&info, 0, sizeof info);
	for (i = 3; words[i] != NULL; i++) {
		const char *word = words[i];

		if (strcmp(word, "cpu") == 0) {
			info.cpu = atoll(next_of(scenario, words, &i));
		} else if (strcmp(word, "memory") == 0) {
			info.memory = atoll(next_of(scenario, words, &i));
		} else if (strcmp(word, "zone") == 0) {
			(void)snprintf(info.zone, BLX_NAME_MAX, "%s", next_of(scenario, words, &i));
		} else if (strcmp(word, "label") == 0) {
			blx_label *label = &info.labels[info.labels_count++];

			pair(scenario, next_of(scenario, words, &i), label->key, &value);
			(void)snprintf(label->value, BLX_NAME_MAX, "%s", value);
		} else if (strcmp(word, "has") == 0) {
			(void)snprintf(info.capabilities[info.capabilities_count++], BLX_NAME_MAX,
				"%s", next_of(scenario, words, &i));
		} else if (strcmp(word, "taint") == 0) {
			(void)snprintf(info.taints[info.taints_count++], BLX_NAME_MAX, "%s",
				next_of(scenario, words, &i));
		} else if (strcmp(word, "draining") == 0) {
			info.draining = 1;
		} else if (strcmp(word, "failed") == 0) {
			info.health = BLX_HEALTH_FAILED;
			info.status = BLX_NODE_FAILED;
		} else if (strcmp(word, "degraded") == 0) {
			info.health = BLX_HEALTH_DEGRADED;
		} else {
			fail(scenario, "not understood: ", word);
		}
	}
	if (blx_place_model_add_node(scenario->model, words[2], &info) != 0) {
		fail(scenario, "no node: ", words[2]);
	}
}

static void given_use(struct scenario *scenario, char **words)
{
	blx_place_use use = {
		.size = sizeof use, .name = words[1], .constraints = constraints};
	size_t i;

	for (i = 4; words[i] != NULL; i++) {
		if (strcmp(words[i], "cpu") == 0) {
			use.cpu = atoll(next_of(scenario, words, &i));
		} else if (strcmp(words[i], "memory") == 0) {
			use.memory = atoll(next_of(scenario, words, &i));
		} else if (strcmp(words[i], "group") == 0) {
			use.group = next_of(scenario, words, &i);
		} else {
			constraint_add(scenario, words, &i, &use.constraints_count);
		}
	}
	if (blx_place_model_add_use(scenario->model, words[3], &use) != 0) {
		fail(scenario, "there is no node ", words[3]);
	}
}

static void given(struct scenario *scenario, char **words, size_t count)
{
	if (count >= 3 && strcmp(words[1], "node") == 0) {
		given_node(scenario, words);
	} else if (count >= 4 && strcmp(words[2], "on") == 0) {
		given_use(scenario, words);
	} else {
		fail(scenario, "not understood: ", words[1]);
	}
}

/* ---- when ------------------------------------------------------------------------- */

static int strategy_of(const struct scenario *scenario, const char *text)
{
	static const char *const names[] = {"least-allocated", "bin-pack", "first-fit"};
	int i;

	for (i = 0; i < 3; i++) {
		if (strcmp(names[i], text) == 0) {
			return i;
		}
	}
	fail(scenario, "no strategy: ", text);
}

static void when_placed(struct scenario *scenario, char **words, size_t count)
{
	blx_place_request request = BLX_PLACE_REQUEST_INIT;
	blx_error error = BLX_ERROR_INIT;
	size_t i;
	int rv;

	if (count < 4 || strcmp(words[count - 2], "is") != 0 ||
		strcmp(words[count - 1], "placed") != 0) {
		fail(scenario, "not understood: ", words[1]);
	}
	words[count - 2] = NULL;
	request.name = words[1];
	request.constraints = constraints;
	for (i = 2; words[i] != NULL; i++) {
		if (strcmp(words[i], "cpu") == 0) {
			request.cpu = atoll(next_of(scenario, words, &i));
		} else if (strcmp(words[i], "memory") == 0) {
			request.memory = atoll(next_of(scenario, words, &i));
		} else if (strcmp(words[i], "group") == 0) {
			request.group = next_of(scenario, words, &i);
		} else if (strcmp(words[i], "strategy") == 0) {
			request.strategy = strategy_of(scenario, next_of(scenario, words, &i));
		} else {
			constraint_add(scenario, words, &i, &request.constraints_count);
		}
	}
	clear(scenario);
	rv = blx_place(scenario->model, &request, &scenario->plan, &error);
	if (rv != 0 && rv != BLX_ENOPLACE) {
		fail(scenario, "it was refused: ", error.message);
	}
}

/* "node A,B is gone". */
static void when_gone(struct scenario *scenario, char **words)
{
	const char *nodes[WORDS_MAX];
	blx_error error = BLX_ERROR_INIT;
	size_t count = 0;
	char *rest = words[2];

	while (count < WORDS_MAX && (nodes[count] = strtok_r(rest, ",", &rest)) != NULL) {
		count++;
	}
	clear(scenario);
	if (blx_place_what_if(scenario->model, nodes, count, BLX_PLACE_LEAST_ALLOCATED,
		    &scenario->moves, &error) != 0) {
		fail(scenario, "it was refused: ", error.message);
	}
}

static void when(struct scenario *scenario, char **words, size_t count)
{
	if (count == 5 && strcmp(words[1], "node") == 0 && strcmp(words[4], "gone") == 0) {
		when_gone(scenario, words);
	} else {
		when_placed(scenario, words, count);
	}
}

/* ---- then -------------------------------------------------------------------------- */

static void then_says(struct scenario *scenario, const char *node, const char *reason)
{
	blx_place_verdict verdict = {.size = sizeof verdict};
	char text[BLX_PLACE_REASON_SIZE];
	size_t i;
	size_t k;

	for (i = 0; blx_place_plan_at(scenario->plan, i, &verdict) == 0; i++) {
		for (k = 0; strcmp(verdict.node, node) == 0 && k < verdict.reasons; k++) {
			(void)blx_place_plan_reason(scenario->plan, i, k, text);
			if (strcmp(text, reason) == 0) {
				return;
			}
		}
	}
	fail(scenario, "it does not say: ", reason);
}

static void then_moves(const struct scenario *scenario, const char *line, char **words)
{
	blx_place_move move = {.size = sizeof move};
	const char *reason = strstr(line, "nowhere: ");
	char why[LINE_SIZE];
	size_t i;

	for (i = 0; blx_place_moves_at(scenario->moves, i, &move) == 0; i++) {
		if (strcmp(move.name, words[1]) != 0) {
			continue;
		}
		(void)snprintf(why, sizeof why, "%s %s", move.nearest, move.why);
		if (reason != NULL && (move.to != NULL || strcmp(reason + 9, why) != 0)) {
			fail(scenario, "it moves, or the reason is another: ", why);
		}
		if (reason == NULL && (move.to == NULL || strcmp(move.to, words[4]) != 0)) {
			fail(scenario, "it moves to ", move.to != NULL ? move.to : why);
		}
		return;
	}
	fail(scenario, "it was not there: ", words[1]);
}

static void then(struct scenario *scenario, const char *line, char **words, size_t count)
{
	const char *node;

	scenario->checks++;
	if (scenario->moves != NULL && count >= 5 && strcmp(words[2], "moves") == 0) {
		then_moves(scenario, line, words);
		return;
	}
	if (scenario->plan == NULL) {
		fail(scenario, "nothing was placed", "");
	}
	node = blx_place_plan_node(scenario->plan);
	if (count == 5 && strcmp(words[1], "it") == 0 && strcmp(words[3], "to") == 0) {
		if (node == NULL || strcmp(node, words[4]) != 0) {
			fail(scenario, "it goes to ", node != NULL ? node : "none");
		}
	} else if (count == 4 && strcmp(words[3], "nowhere") == 0) {
		if (node != NULL) {
			fail(scenario, "it goes to ", node);
		}
	} else if (count > 3 && strcmp(words[2], "says:") == 0) {
		then_says(scenario, words[1], strstr(line, "says: ") + 6);
	} else {
		fail(scenario, "not understood: ", words[1]);
	}
}

static void run_line(struct scenario *scenario, const char *line)
{
	char copy[LINE_SIZE];
	char *words[WORDS_MAX + 1] = {NULL};
	size_t count = 0;
	char *rest = copy;

	(void)snprintf(copy, sizeof copy, "%s", line);
	while (count < WORDS_MAX && (words[count] = strtok_r(rest, " ", &rest)) != NULL) {
		count++;
	}
	if (count == 0 || words[0][0] == '#') {
		return;
	}
	if (count > 1 && strcmp(words[0], "given") == 0) {
		given(scenario, words, count);
	} else if (count > 1 && strcmp(words[0], "when") == 0) {
		when(scenario, words, count);
	} else if (count > 1 && strcmp(words[0], "then") == 0) {
		then(scenario, line, words, count);
	} else if (strcmp(line, "forget everything") == 0) {
		forget(scenario);
	} else {
		fail(scenario, "not understood: ", line);
	}
}

int main(int argc, char **argv)
{
	struct scenario scenario = {0};
	char line[LINE_SIZE];
	FILE *file;

	if (argc != 2 || (file = fopen(argv[1], "r")) == NULL) {
		fprintf(stderr, "usage: %s FILE.scn\n", argv[0]);
		return 2;
	}
	scenario.path = argv[1];
	forget(&scenario);
	while (fgets(line, sizeof line, file) != NULL) {
		scenario.line++;
		line[strcspn(line, "\n")] = '\0';
		run_line(&scenario, line);
	}
	(void)fclose(file);
	if (scenario.checks == 0) {
		fail(&scenario, "nothing is checked", "");
	}
	clear(&scenario);
	blx_place_model_destroy(scenario.model);
	printf("%u checks\n", scenario.checks);
	return 0;
}
