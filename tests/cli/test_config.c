/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "support/test.h"

#include <blixard/blixard.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A file of settings that goes with the test. */
static char path[256];

static void write_file(const char *text, size_t len)
{
	const char *tmp = getenv("TMPDIR");
	FILE *file;
	int fd;

	(void)snprintf(
		path, sizeof path, "%s/blx-config-XXXXXX", tmp != NULL ? tmp : "/tmp");
	fd = mkstemp(path);
	cr_assert(fd >= 0);
	file = fdopen(fd, "w");
	cr_assert_not_null(file);
	cr_assert_eq(fwrite(text, 1, len, file), len);
	cr_assert_eq(fclose(file), 0);
}

static void clean(void)
{
	static const char *const names[] = {"CONFIG", "DATA_DIR", "SOCKET", "LISTEN",
		"ELECTION_TIMEOUT_MS", "HEARTBEAT_MS", "SNAPSHOT_BYTES",
		"SNAPSHOT_ENTRIES", "SEGMENT_BYTES", "INSECURE_TRANSPORT", "LOG_LEVEL"};
	size_t i;

	for (i = 0; i < sizeof names / sizeof names[0]; i++) {
		char name[64];

		(void)snprintf(name, sizeof name, "BLIXARD_%s", names[i]);
		(void)unsetenv(name);
	}
	if (path[0] != '\0') {
		(void)unlink(path);
	}
	path[0] = '\0';
}

/* Loads with the file given as --config, and one option more, which may be NULL. */
static int load(const char *file, const struct opt *opt, const char *value,
	struct config *config, char *fault)
{
	static const struct opt opt_config = {"config", 0, "FILE", ""};
	struct opt_args args;
	int rv;

	cr_assert_eq(opt_args_init(&args, 2), 0);
	if (file != NULL) {
		args.given[args.given_count++] = (struct opt_given){&opt_config, file};
	}
	if (opt != NULL) {
		args.given[args.given_count++] = (struct opt_given){opt, value};
	}
	rv = config_load(&args, config, fault);
	opt_args_finish(&args);
	return rv;
}

static int load_text(const char *text, struct config *config, char *fault)
{
	write_file(text, strlen(text));
	return load(path, NULL, NULL, config, fault);
}

Test(config, nothing_given_is_the_documented_defaults, .init = clean, .fini = clean)
{
	char fault[CONFIG_FAULT_SIZE];
	struct config config;

	cr_assert_eq(load(NULL, NULL, NULL, &config, fault), 0);

	cr_assert_str_eq(config.data_dir, "/var/lib/blixard");
	cr_assert_str_eq(config.socket, "/run/blixard/blixard.sock");
	cr_assert_null(config.listen);
	cr_assert_eq(config.election_timeout_ms, 0);
	cr_assert_not(config.insecure_transport);
	cr_assert_not(config.lease_reads);
	cr_assert_not(config.services);
	cr_assert_eq(config.log_level, BLX_LOG_INFO);
	config_finish(&config);
}

Test(config, every_key_of_a_file_is_taken, .init = clean, .fini = clean)
{
	char fault[CONFIG_FAULT_SIZE];
	struct config config;

	cr_assert_eq(
		load_text("# a member\n\n  data-dir = /d/with space  \r\nsocket=none\n"
			  "listen = [::]:7400\nelection-timeout-ms = 200\nheartbeat-ms = "
			  "20\n"
			  "snapshot-bytes = 1\nsnapshot-entries = 2\nsegment-bytes = 3\n"
			  "insecure-transport = yes\nlease-reads = yes\nservices = yes\n"
			  "log-level = debug",
			&config, fault),
		0, "%s", fault);

	cr_assert_str_eq(config.data_dir, "/d/with space");
	cr_assert_null(config.socket);
	cr_assert_str_eq(config.listen, "[::]:7400");
	cr_assert_eq(config.election_timeout_ms, 200);
	cr_assert_eq(config.heartbeat_ms, 20);
	cr_assert_eq(config.snapshot_bytes, 1);
	cr_assert_eq(config.snapshot_entries, 2);
	cr_assert_eq(config.segment_bytes, 3);
	cr_assert(config.insecure_transport);
	cr_assert(config.lease_reads);
	cr_assert(config.services);
	cr_assert_eq(config.log_level, BLX_LOG_DEBUG);
	config_finish(&config);
}

Test(config, an_option_counts_before_the_environment_and_that_before_the_file,
	.init = clean, .fini = clean)
{
	static const char text[] =
		"data-dir = /file\nlisten = file:1\nheartbeat-ms = 30\n";
	static const struct opt data_dir = {"data-dir", 0, "DIR", ""};
	char fault[CONFIG_FAULT_SIZE];
	struct config config;

	write_file(text, sizeof text - 1);
	cr_assert_eq(setenv("BLIXARD_DATA_DIR", "/environment", 1), 0);
	cr_assert_eq(setenv("BLIXARD_LISTEN", "environment:1", 1), 0);

	cr_assert_eq(load(path, &data_dir, "/option", &config, fault), 0, "%s", fault);

	cr_assert_str_eq(config.data_dir, "/option");
	cr_assert_str_eq(config.listen, "environment:1");
	cr_assert_eq(config.heartbeat_ms, 30);
	config_finish(&config);
}

Test(config,
	the_file_may_be_named_by_the_environment_and_an_empty_variable_counts_as_none,
	.init = clean, .fini = clean)
{
	char fault[CONFIG_FAULT_SIZE];
	struct config config;

	write_file("listen = file:1\n", 16);
	cr_assert_eq(setenv("BLIXARD_CONFIG", path, 1), 0);
	cr_assert_eq(setenv("BLIXARD_LISTEN", "", 1), 0);

	cr_assert_eq(load(NULL, NULL, NULL, &config, fault), 0, "%s", fault);

	cr_assert_str_eq(config.listen, "file:1");
	config_finish(&config);
}

Test(config, a_bad_line_is_told_by_file_and_line, .init = clean, .fini = clean)
{
	static const struct {
		const char *text;
		const char *fault;
	} cases[] = {
		{"\nlisten\n", ":2: no \"key = value\": \"listen\""},
		{"colour = red\n", ":1: unknown key \"colour\""},
		{"config = other\n", ":1: unknown key \"config\""},
		{" = x\n", ":1: unknown key \"\""},
		{"listen = a:1\n\nlisten = b:1\n", ":3: set before"},
		{"data-dir =\n", ":1: data-dir: \"\": must be not empty"},
		{"election-timeout-ms = 19\n", "must be a number from 20 to 60000"},
		{"election-timeout-ms = 60001\n", "must be a number from 20 to 60000"},
		{"heartbeat-ms = 10ms\n", ":1: heartbeat-ms: \"10ms\""},
		{"segment-bytes = 0\n", "must be a number, at least 1"},
		{"insecure-transport = maybe\n", "must be yes or no"},
		{"log-level = loud\n", "must be error, warn, info or debug"},
	};
	size_t i;

	for (i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		char fault[CONFIG_FAULT_SIZE] = "";
		struct config config;

		cr_assert_eq(load_text(cases[i].text, &config, fault), -1, "%s",
			cases[i].text);
		cr_assert_not_null(
			strstr(fault, cases[i].fault), "%s: %s", cases[i].text, fault);
		cr_assert_not_null(strstr(fault, path), "%s", fault);
		clean();
	}
}

Test(config, a_nul_byte_in_a_file_hides_nothing, .init = clean, .fini = clean)
{
	static const char text[] = "listen = a:1\0 hidden\n";
	char fault[CONFIG_FAULT_SIZE] = "";
	struct config config;

	write_file(text, sizeof text - 1);

	cr_assert_eq(load(path, NULL, NULL, &config, fault), -1);
	cr_assert_not_null(strstr(fault, ":1: a NUL byte"), "%s", fault);
}

Test(config, a_bad_variable_and_a_bad_option_are_told_by_name, .init = clean,
	.fini = clean)
{
	static const struct opt level = {"log-level", 0, "LEVEL", ""};
	char fault[CONFIG_FAULT_SIZE] = "";
	struct config config;

	cr_assert_eq(load(NULL, &level, "loud", &config, fault), -1);
	cr_assert_not_null(strstr(fault, "--log-level: \"loud\""), "%s", fault);

	cr_assert_eq(setenv("BLIXARD_HEARTBEAT_MS", "x", 1), 0);
	cr_assert_eq(load(NULL, NULL, NULL, &config, fault), -1);
	cr_assert_not_null(strstr(fault, "BLIXARD_HEARTBEAT_MS: \"x\""), "%s", fault);
}

Test(config, a_file_that_is_not_there_or_cannot_be_read_is_a_fault, .init = clean,
	.fini = clean)
{
	char fault[CONFIG_FAULT_SIZE] = "";
	struct config config;

	cr_assert_eq(load("/nonexistent/blixard.conf", NULL, NULL, &config, fault), -1);
	cr_assert_not_null(strstr(fault, "open /nonexistent/blixard.conf: No such file"),
		"%s", fault);
	cr_assert_eq(load("/", NULL, NULL, &config, fault), -1);
	cr_assert_not_null(strstr(fault, "read /: Is a directory"), "%s", fault);
}
