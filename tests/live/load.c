/* SPDX-License-Identifier: Apache-2.0 */
#include "load.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void path_of(const struct load_writer *writer, unsigned key, char *ret_path, size_t size)
{
	(void)snprintf(ret_path, size, "/load/%u/%u", writer->number, key);
}

static blx_client *connect_to(struct load *load, unsigned member)
{
	blx_client *client = live_open(load->live, member, 200);

	return client;
}

/* One write of one key. */
static void write_one(struct load_writer *writer, blx_client *client, unsigned k)
{
	struct load *load = writer->load;
	struct load_key *key = &writer->keys[k];
	blx_write_opts opts = BLX_WRITE_OPTS_INIT;
	blx_error error = BLX_ERROR_INIT;
	uint64_t number = key->next++;
	char path[64];
	char value[64];
	int rv;

	path_of(writer, k, path, sizeof path);
	(void)snprintf(value, sizeof value, "%u-%" PRIu64, writer->number, number);
	opts.timeout_ms = load->timeout_ms;
	rv = blx_put(client, path, value, strlen(value), &opts, NULL, &error);
	if (rv == 0) {
		key->acked = number;
		key->first_open = number + 1;
		(void)atomic_fetch_add(&load->acked, 1);
	} else if (error.outcome == BLX_NOT_APPLIED && key->first_open == number) {
		key->first_open = number + 1; /* certainly not there, and nothing else open */
		(void)atomic_fetch_add(&load->refused, 1);
	} else {
		(void)atomic_fetch_add(&load->unknown, 1);
	}
}

/* What is unknown of it so far stays so, whatever the next client writes. */
static void leave_ghosts(struct load_writer *writer)
{
	unsigned k;

	for (k = 0; k < LOAD_KEYS; k++) {
		struct load_key *key = &writer->keys[k];

		if (key->first_open < key->next) {
			key->ghosts_from =
				key->ghosts_to == 0 ? key->first_open : key->ghosts_from;
			key->ghosts_to = key->next;
		}
	}
}

static void *writer_main(void *data)
{
	struct load_writer *writer = data;
	struct load *load = writer->load;
	blx_client *client = NULL;
	unsigned turn = writer->number;

	while (!atomic_load(&load->stop)) {
		unsigned k = turn++ % LOAD_KEYS;

		if (client == NULL) {
			writer->member = (writer->member + 1) % load->live->count;
			client = connect_to(load, writer->member);
			continue;
		}
		if (writer->keys[k].next - writer->keys[k].first_open < LOAD_OPEN_MAX) {
			write_one(writer, client, k);
		}
		if (turn % 512 == 0) {
			blx_client_close(client); /* through another member */
			leave_ghosts(writer);
			client = NULL;
		}
	}
	blx_client_close(client);
	return NULL;
}

static void *reader_main(void *data)
{
	struct load_reader *reader = data;
	struct load *load = reader->load;
	blx_client *client = NULL;

	while (!atomic_load(&load->stop)) {
		blx_read_info info = BLX_READ_INFO_INIT;
		blx_read_opts opts = BLX_READ_OPTS_INIT;
		blx_value *value = NULL;
		int rv;

		if (client == NULL) {
			client = connect_to(load, reader->member);
			continue;
		}
		opts.timeout_ms = load->timeout_ms;
		rv = blx_get(client, "/load/0/0", &opts, &value, &info, NULL);
		blx_value_unref(value);
		if (rv != 0 && rv != BLX_ENOENT && rv != BLX_ENOVALUE) {
			blx_client_close(client);
			client = NULL;
			continue;
		}
		if (info.revision < reader->revision) {
			fprintf(stderr, "%s: revision went back from %" PRIu64 " to %" PRIu64 "\n",
				load->live->members[reader->member].name, reader->revision,
				info.revision);
			(void)atomic_fetch_add(&load->went_back, 1);
		}
		reader->revision = info.revision;
		(void)atomic_fetch_add(&load->reads, 1);
	}
	blx_client_close(client);
	return NULL;
}

void load_start(struct load *load, struct live *live, unsigned writers)
{
	unsigned i;
	unsigned k;

	load->live = live;
	load->writers_count = writers;
	if (load->timeout_ms == 0) {
		load->timeout_ms = 3000;
	}
	for (i = 0; i < writers; i++) {
		struct load_writer *writer = &load->writers[i];

		*writer = (struct load_writer){ .load = load, .number = i, .member = i };
		for (k = 0; k < LOAD_KEYS; k++) {
			writer->keys[k] = (struct load_key){ .first_open = 1, .next = 1 };
		}
		if (pthread_create(&writer->thread, NULL, writer_main, writer) != 0) {
			live_fail(live, "start a writer");
		}
	}
	for (i = 0; i < live->count; i++) {
		load->readers[i] = (struct load_reader){ .load = load, .member = i };
		if (pthread_create(&load->readers[i].thread, NULL, reader_main,
			    &load->readers[i]) != 0) {
			live_fail(live, "start a reader");
		}
	}
}

void load_stop(struct load *load)
{
	unsigned i;

	atomic_store(&load->stop, true);
	for (i = 0; i < load->writers_count; i++) {
		(void)pthread_join(load->writers[i].thread, NULL);
	}
	for (i = 0; i < load->live->count; i++) {
		(void)pthread_join(load->readers[i].thread, NULL);
	}
}

/* The number in a value "writer-number"; 0: not such a value. */
static uint64_t number_of(const struct load_writer *writer, const blx_value *value)
{
	char text[64] = "";
	unsigned number;
	uint64_t count;

	if (blx_value_len(value) >= sizeof text) {
		return 0;
	}
	memcpy(text, blx_value_data(value), blx_value_len(value));
	if (sscanf(text, "%u-%" SCNu64, &number, &count) != 2 || number != writer->number) {
		return 0;
	}
	return count;
}

static bool verify_one(struct load *load, blx_client *client, struct load_writer *writer,
	unsigned k)
{
	struct load_key *key = &writer->keys[k];
	blx_read_opts opts = BLX_READ_OPTS_INIT;
	blx_error error = BLX_ERROR_INIT;
	blx_value *value = NULL;
	uint64_t number = 0;
	char path[64];
	int rv;

	path_of(writer, k, path, sizeof path);
	opts.timeout_ms = 10000;
	rv = blx_get_consistent(client, path, &opts, &value, NULL, &error);
	if (rv != 0 && rv != BLX_ENOENT) {
		live_fail(load->live, "read %s: %s", path, error.message);
	}
	if (rv == 0) {
		number = number_of(writer, value);
		blx_value_unref(value);
	}
	if (number != key->acked && !(number >= key->first_open && number < key->next) &&
		!(number >= key->ghosts_from && number < key->ghosts_to)) {
		live_fail(load->live,
			"LOST: %s has value %" PRIu64 "; acknowledged was %" PRIu64
			", of unknown outcome %" PRIu64 " to %" PRIu64,
			path, number, key->acked, key->first_open, key->next);
	}
	return number != 0;
}

unsigned load_verify(struct load *load, unsigned member)
{
	blx_client *client = live_open(load->live, member, 10000);
	unsigned found = 0;
	unsigned i;
	unsigned k;

	if (client == NULL) {
		live_fail(load->live, "%s does not answer", load->live->members[member].name);
	}
	for (i = 0; i < load->writers_count; i++) {
		for (k = 0; k < LOAD_KEYS; k++) {
			found += verify_one(load, client, &load->writers[i], k);
		}
	}
	blx_client_close(client);
	return found;
}
