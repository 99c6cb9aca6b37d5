/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The configuration of "node run": from a file of "key = value" lines, over
 * that the environment, over that the options of the command line, all of the
 * same names. A value is checked where it was read, so that the fault names
 * the line, the variable or the option.
 */
#ifndef BLX_CLI_CONFIG_H
#define BLX_CLI_CONFIG_H

#include "opt.h"

#include <stdbool.h>
#include <stdint.h>

#define CONFIG_FAULT_SIZE 512

struct config {
	char *data_dir; /* the text fields are owned; NULL: not set */
	char *socket;   /* NULL: none */
	char *listen;
	uint64_t election_timeout_ms; /* 0 in a number: the library's default */
	uint64_t heartbeat_ms;
	uint64_t snapshot_bytes;
	uint64_t snapshot_entries;
	uint64_t segment_bytes;
	bool insecure_transport;
	bool lease_reads;
	bool services;
	char *run_dir; /* these: NULL: the library's */
	char *unit_dir;
	char *allow_units;
	char *manager;
	char *bus;
	char *guard;
	int log_level; /* enum blx_log_level */
};

/* 0; -1 and a fault, and then there is nothing to finish. */
int config_load(const struct opt_args *args, struct config *ret_config,
	char fault[CONFIG_FAULT_SIZE]);
void config_finish(struct config *config);

#endif
