/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who a member is: what its data directory says, once and for all. The file
 * <data>/member.json is written when the directory is made and never changed.
 * Blocking calls, made before the loop runs.
 */
#ifndef BLX_NODE_IDENTITY_H
#define BLX_NODE_IDENTITY_H

#include "base/error.h"
#include "sys/files.h"

#include <stdbool.h>
#include <stdint.h>

/* A name is in addresses, file names and tables: short, and without surprises. */
#define BLX__NAME_LEN_MAX    63
#define BLX__ADDRESS_LEN_MAX 255
#define BLX__CLUSTER_ID_LEN  16
#define BLX__CLUSTER_ID_TEXT (2 * BLX__CLUSTER_ID_LEN + 1)

struct blx__identity {
	uint8_t cluster_id[BLX__CLUSTER_ID_LEN];
	uint64_t id;       /* of the member in the raft configuration */
	uint64_t instance; /* random, of this directory: tells a wiped member from itself */
	char cluster[BLX__NAME_LEN_MAX + 1];
	char name[BLX__NAME_LEN_MAX + 1];
	char address[BLX__ADDRESS_LEN_MAX + 1];
};

bool blx__name_valid(const char *name);

/* "HOST:PORT" with a port of 1 to 65535. */
bool blx__address_valid(const char *address);

/* Is it a loopback address: 127.0.0.0/8, [::1] or localhost? */
bool blx__address_is_loopback(const char *address);

/* A server's address in the raft configuration is "NAME@HOST:PORT": the
 * configuration is the whole of the membership. Buffers as in struct blx__identity. */
int blx__server_address_split(const char *server, char *ret_name, char *ret_address);
int blx__server_address_join(const char *name, const char *address, char *ret_server,
	size_t size);
#define BLX__SERVER_ADDRESS_SIZE (BLX__NAME_LEN_MAX + BLX__ADDRESS_LEN_MAX + 2)

void blx__cluster_id_text(const uint8_t id[BLX__CLUSTER_ID_LEN],
	char ret_text[BLX__CLUSTER_ID_TEXT]);
bool blx__cluster_id_parse(const char *text, uint8_t ret_id[BLX__CLUSTER_ID_LEN]);

/* BLX_ENOENT: the directory holds no member. */
int blx__identity_read(const struct blx__files *files, const char *dir,
	struct blx__identity *ret_identity, blx_error *error);

/* Durable when it returns. BLX_EINUSE: there is one already. */
int blx__identity_write(const struct blx__files *files, const char *dir,
	const struct blx__identity *identity, blx_error *error);

/* Takes the directory for this process; the file is kept open as long as it is held. */
int blx__identity_lock(const struct blx__files *files, const char *dir,
	struct blx__file **ret_lock, blx_error *error);

#endif
