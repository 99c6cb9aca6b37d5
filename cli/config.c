/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "ctx.h"

#include <blixard/blixard.h>
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define VARIABLE_SIZE 64
#define ORIGIN_SIZE   320

enum setting_kind {
	SETTING_TEXT,
	SETTING_SOCKET, /* text, where "none" means none */
	SETTING_NUMBER,
	SETTING_YESNO,
	SETTING_LEVEL
};

struct setting {
	const char *name;
	enum setting_kind kind;
	size_t offset; /* in struct config */
	uint64_t min;
	uint64_t max;
};

#define AT(field) offsetof(struct config, field)

static const struct setting settings[] = {
	{"data-dir", SETTING_TEXT, AT(data_dir), 0, 0},
	{"socket", SETTING_SOCKET, AT(socket), 0, 0},
	{"listen", SETTING_TEXT, AT(listen), 0, 0},
	{"election-timeout-ms", SETTING_NUMBER, AT(election_timeout_ms), 20, 60000},
	{"heartbeat-ms", SETTING_NUMBER, AT(heartbeat_ms), 1, 60000},
	{"snapshot-bytes", SETTING_NUMBER, AT(snapshot_bytes), 1, UINT64_MAX},
	{"snapshot-entries", SETTING_NUMBER, AT(snapshot_entries), 1, UINT64_MAX},
	{"segment-bytes", SETTING_NUMBER, AT(segment_bytes), 1, UINT64_MAX},
	{"insecure-transport", SETTING_YESNO, AT(insecure_transport), 0, 0},
	{"lease-reads", SETTING_YESNO, AT(lease_reads), 0, 0},
	{"services", SETTING_YESNO, AT(services), 0, 0},
	{"run-dir", SETTING_TEXT, AT(run_dir), 0, 0},
	{"unit-dir", SETTING_TEXT, AT(unit_dir), 0, 0},
	{"allow-units", SETTING_TEXT, AT(allow_units), 0, 0},
	{"manager", SETTING_TEXT, AT(manager), 0, 0},
	{"bus", SETTING_TEXT, AT(bus), 0, 0},
	{"guard", SETTING_TEXT, AT(guard), 0, 0},
	{"log-level", SETTING_LEVEL, AT(log_level), 0, 0},
};

#define SETTINGS (sizeof settings / sizeof settings[0])

static const char *const levels[] = {"error", "warn", "info", "debug"};

/* Where a value stands: "FILE:LINE: key", "BLIXARD_KEY", "--key". */
struct origin {
	char text[ORIGIN_SIZE];
	char *fault;
};

static int bad(const struct origin *origin, const char *value, const char *must)
{
	(void)snprintf(origin->fault, CONFIG_FAULT_SIZE, "%s: \"%.80s\": must be %s",
		origin->text, value, must);
	return -1;
}

/* ---- one value -------------------------------------------------------------------- */

static int set_text(char **field, const char *value, const struct origin *origin)
{
	char *copy = strdup(value);

	if (copy == NULL) {
		return bad(origin, value, "kept, and there is no memory");
	}
	free(*field);
	*field = copy;
	return 0;
}

static int set_socket(char **field, const char *value, const struct origin *origin)
{
	if (value[0] == '\0' || strcmp(value, "none") == 0) {
		free(*field);
		*field = NULL;
		return 0;
	}
	return set_text(field, value, origin);
}

static int set_number(const struct setting *setting, uint64_t *field, const char *value,
	const struct origin *origin)
{
	char must[96] = "a number, at least 1";

	if (opt_parse_number(value, setting->min, setting->max, field)) {
		return 0;
	}
	if (setting->max != UINT64_MAX) {
		(void)snprintf(must, sizeof must, "a number from %" PRIu64 " to %" PRIu64,
			setting->min, setting->max);
	}
	return bad(origin, value, must);
}

static int set_yesno(bool *field, const char *value, const struct origin *origin)
{
	static const char *const words[][3] = {
		{"no", "false", "0"}, {"yes", "true", "1"}};
	size_t i;

	for (i = 0; i < 6; i++) {
		if (strcmp(value, words[i / 3][i % 3]) == 0) {
			*field = i / 3 == 1;
			return 0;
		}
	}
	return bad(origin, value, "yes or no");
}

static int set_level(int *field, const char *value, const struct origin *origin)
{
	int i;

	for (i = 0; i <= BLX_LOG_DEBUG; i++) {
		if (strcmp(value, levels[i]) == 0) {
			*field = i;
			return 0;
		}
	}
	return bad(origin, value, "error, warn, info or debug");
}

static int set(struct config *config, const struct setting *setting, const char *value,
	const struct origin *origin)
{
	void *field = (char *)config + setting->offset;

	switch (setting->kind) {
	case SETTING_TEXT:
		return value[0] != '\0' ? set_text(field, value, origin)
					: bad(origin, value, "not empty");
	case SETTING_SOCKET:
		return set_socket(field, value, origin);
	case SETTING_NUMBER:
		return set_number(setting, field, value, origin);
	case SETTING_YESNO:
		return set_yesno(field, value, origin);
	default:
		return set_level(field, value, origin);
	}
}

/* ---- the file ---------------------------------------------------------------------- */

static char *trim(char *text)
{
	size_t len;

	while (isspace((unsigned char)*text)) {
		text++;
	}
	len = strlen(text);
	while (len > 0 && isspace((unsigned char)text[len - 1])) {
		text[--len] = '\0';
	}
	return text;
}

/* The file being read, and which settings it has set. */
struct reading {
	struct config *config;
	const char *path;
	unsigned line;
	bool seen[SETTINGS];
	char *fault;
};

static int bad_line(const struct reading *reading, const char *what, const char *text)
{
	(void)snprintf(reading->fault, CONFIG_FAULT_SIZE, "%.200s:%u: %s \"%.80s\"",
		reading->path, reading->line, what, text);
	return -1;
}

static int take_line(struct reading *reading, char *line)
{
	struct origin origin = {.fault = reading->fault};
	char *key = trim(line);
	char *equals = strchr(key, '=');
	size_t i;

	if (key[0] == '\0' || key[0] == '#') {
		return 0;
	}
	if (equals == NULL) {
		return bad_line(reading, "no \"key = value\":", key);
	}
	*equals = '\0';
	key = trim(key);
	for (i = 0; i < SETTINGS && strcmp(settings[i].name, key) != 0; i++) {
	}
	if (i == SETTINGS) {
		return bad_line(reading, "unknown key", key);
	}
	if (reading->seen[i]) {
		return bad_line(reading, "set before in this file:", key);
	}
	reading->seen[i] = true;
	(void)snprintf(origin.text, sizeof origin.text, "%.200s:%u: %s", reading->path,
		reading->line, key);
	return set(reading->config, &settings[i], trim(equals + 1), &origin);
}

static int read_lines(struct reading *reading, FILE *file)
{
	char *line = NULL;
	size_t size = 0;
	ssize_t len;
	int rv = 0;

	while (rv == 0 && (len = getline(&line, &size, file)) >= 0) {
		reading->line++;
		rv = strlen(line) == (size_t)len
			     ? take_line(reading, line)
			     : bad_line(reading, "a NUL byte behind", line);
	}
	free(line);
	if (rv == 0 && ferror(file)) {
		(void)snprintf(reading->fault, CONFIG_FAULT_SIZE, "read %.200s: %s",
			reading->path, strerror(errno));
		return -1;
	}
	return rv;
}

static int apply_file(struct config *config, const char *path, char *fault)
{
	struct reading reading = {.config = config, .path = path, .fault = fault};
	FILE *file = fopen(path, "re");
	int rv;

	if (file == NULL) {
		(void)snprintf(fault, CONFIG_FAULT_SIZE, "open %.200s: %s", path,
			strerror(errno));
		return -1;
	}
	rv = read_lines(&reading, file);
	(void)fclose(file);
	return rv;
}

/* ---- the environment and the options --------------------------------------------------
 */

/* "data-dir" is BLIXARD_DATA_DIR. An empty variable counts as none. */
static const char *variable(const char *name, char text[VARIABLE_SIZE])
{
	const char *value;
	size_t i;

	(void)snprintf(text, VARIABLE_SIZE, "BLIXARD_%s", name);
	for (i = 0; text[i] != '\0'; i++) {
		text[i] = text[i] == '-' ? '_' : (char)toupper((unsigned char)text[i]);
	}
	value = getenv(text);
	return value != NULL && value[0] != '\0' ? value : NULL;
}

static int apply_environment(struct config *config, char *fault)
{
	struct origin origin = {.fault = fault};
	int rv = 0;
	size_t i;

	for (i = 0; rv == 0 && i < SETTINGS; i++) {
		const char *value = variable(settings[i].name, origin.text);

		if (value != NULL) {
			rv = set(config, &settings[i], value, &origin);
		}
	}
	return rv;
}

static int apply_options(struct config *config, const struct opt_args *args, char *fault)
{
	struct origin origin = {.fault = fault};
	int rv = 0;
	size_t i;

	for (i = 0; rv == 0 && i < SETTINGS; i++) {
		if (opt_flag(args, settings[i].name)) {
			const char *value = opt_text(args, settings[i].name);

			(void)snprintf(origin.text, sizeof origin.text, "--%s",
				settings[i].name);
			rv = set(config, &settings[i], value != NULL ? value : "yes",
				&origin);
		}
	}
	return rv;
}

static int apply_all(struct config *config, const struct opt_args *args, char *fault)
{
	struct origin origin = {.text = "default", .fault = fault};
	char name[VARIABLE_SIZE];
	const char *path = opt_text(args, "config");

	if (set_text(&config->data_dir, CTX_DATA_DIR, &origin) != 0 ||
		set_text(&config->socket, CTX_SOCKET, &origin) != 0) {
		return -1;
	}
	if (path == NULL) {
		path = variable("config", name);
	}
	if (path != NULL && apply_file(config, path, fault) != 0) {
		return -1;
	}
	if (apply_environment(config, fault) != 0) {
		return -1;
	}
	return apply_options(config, args, fault);
}

int config_load(const struct opt_args *args, struct config *ret_config,
	char fault[CONFIG_FAULT_SIZE])
{
	struct config config = {.log_level = BLX_LOG_INFO};

	if (apply_all(&config, args, fault) != 0) {
		config_finish(&config);
		return -1;
	}
	*ret_config = config;
	return 0;
}

void config_finish(struct config *config)
{
	free(config->data_dir);
	free(config->socket);
	free(config->listen);
	free(config->run_dir);
	free(config->unit_dir);
	free(config->allow_units);
	free(config->manager);
	free(config->bus);
	free(config->guard);
	*config = (struct config){0};
}
