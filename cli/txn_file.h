/* SPDX-License-Identifier: Apache-2.0 */
/* The text form of a transaction, a guard or an operation a line; see "kv txn --help". */
#ifndef BLX_CLI_TXN_FILE_H
#define BLX_CLI_TXN_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TXN_FAULT_SIZE 200

enum txn_kind {
	TXN_IF_ABSENT,
	TXN_IF_EXISTS,
	TXN_IF_VALUE,
	TXN_IF_REVISION,
	TXN_IF_VERSION,
	TXN_IF_FIELDS,
	TXN_IF_CHILDREN,
	TXN_IF_FEWER,
	TXN_IF_MORE,
	TXN_ALL,
	TXN_ANY,
	TXN_NONE,
	TXN_END,
	TXN_PUT,
	TXN_PUT_WHILE, /* the lines of_while that follow it are its conditions */
	TXN_RM,
	TXN_RM_TREE,
	TXN_GET,
	TXN_ELSE
};

struct txn_line {
	enum txn_kind kind;
	char *path;  /* owned; NULL where the kind has none */
	char *value; /* owned; NULL where the kind has none */
	size_t value_len;
	uint64_t revision;
	bool of_while; /* a condition, or the end of them */
};

struct txn_file {
	struct txn_line *lines; /* owned */
	size_t count;
	size_t room;
	unsigned while_depth; /* groups that are open in conditions, these among them; 0: none */
};

/* 0; -1 and a fault that begins with the number of the line; ret_file is then empty. */
int txn_file_parse(const char *text, size_t len, struct txn_file *ret_file,
	char fault[TXN_FAULT_SIZE]);
void txn_file_finish(struct txn_file *file);

/* The word that begins a line of this kind. */
const char *txn_kind_name(enum txn_kind kind);

#endif
