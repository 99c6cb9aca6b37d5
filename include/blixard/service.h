/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Services of the cluster: what is to run, on which node it does, and moving it. A
 * service is a unit of systemd, installed or given as a command line, under a name of
 * the cluster; its record is a blx_service at /:services/<name> (record.h).
 *
 * All of this writes what is wanted to the store. The leader decides where, the members
 * with BLX_NODE_SERVICES do it on their hosts, and what they see comes back in the record:
 * so every call may be repeated, and nothing depends on who hears it. A service that is
 * not shared runs on one node at a time: docs/services.md says what that rests on.
 *
 * All functions are safe from any thread. timeout_ms as everywhere; 0: the default.
 */
#ifndef BLIXARD_SERVICE_H
#define BLIXARD_SERVICE_H

#include <blixard/client.h>
#include <blixard/error.h>
#include <blixard/record.h>

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Says what a service is: unit or command, manager, shared, cpu, memory, priority, group,
 * constraints, stop_timeout and failures_max are taken from service, and the unit is
 * "<name>.service" if it has none. One that is there keeps what it does at the moment; a
 * change of how it is run takes effect when it is started the next time. New ones are
 * Stopped. BLX_ECONFLICT: unit, manager and shared can be changed when it has stopped, or
 * what runs would be forgotten.
 */
BLX_API int blx_service_define(blx_client *client, const char *name,
	const blx_service *service, uint32_t timeout_ms, blx_error *error);

/*
 * Takes a unit that runs on that node already into the cluster's care, without restarting
 * it: as blx_service_define() of one that is Running there. BLX_EEXIST: there is a service
 * of that name; BLX_ENOENT: no such node.
 */
BLX_API int blx_service_adopt(blx_client *client, const char *name,
	const blx_service *service, const char *node, uint32_t timeout_ms, blx_error *error);

/* BLX_ECONFLICT: it runs, or is not known to have stopped. BLX_ENOENT "Service not found". */
BLX_API int blx_service_remove(
	blx_client *client, const char *name, uint32_t timeout_ms, blx_error *error);

/* What a wait is told of: each time it finds that something of the record is another. It looks
 * every 20 to 200 ms: a state that is over sooner may not be told. */
typedef void (*blx_service_progress_cb)(const char *name, const blx_service *service,
	const blx_migration *migration, void *data); /* migration NULL: none is under way */

typedef struct blx_service_opts {
	size_t size;
	uint32_t timeout_ms;
	int wait;         /* 1: until it is so, or has failed */
	const char *node; /* start: the node that it is to be on; NULL: any */
	blx_service_progress_cb progress; /* NULL: none; on the calling thread */
	void *data;
} blx_service_opts;

#define BLX_SERVICE_OPTS_INIT                                                            \
	{                                                                                \
		sizeof(blx_service_opts), 0, 0, NULL, NULL, NULL                         \
	}
BLX_API void blx_service_opts_init(blx_service_opts *opts);

/*
 * Wants it to run, to be stopped, to be restarted where it is. opts may be NULL.
 * BLX_ENOENT "Service not found"; "Consensus failed: " and why, if it could not be written;
 * with wait: BLX_EFAILED, the message is what its node says; BLX_ENOPLACE; BLX_ETIMEOUT: not
 * yet. start with a node: BLX_ECONFLICT: it is on another one; migrate it.
 */
BLX_API int blx_service_start(blx_client *client, const char *name,
	const blx_service_opts *opts, blx_error *error);
BLX_API int blx_service_stop(blx_client *client, const char *name,
	const blx_service_opts *opts, blx_error *error);
BLX_API int blx_service_restart(blx_client *client, const char *name,
	const blx_service_opts *opts, blx_error *error);

/* Is it on that node? By a consistent read. 0 with *ret_is, or an error, which is neither. */
BLX_API int blx_service_is_on(blx_client *client, const char *name, const char *node,
	uint32_t timeout_ms, int *ret_is, blx_error *error);

/*
 * Could that node take it: is it Active and healthy, has it room, do the constraints hold,
 * and what does its own member say of the unit? 0: yes; BLX_ENOPLACE: no, and *ret_text has
 * each reason on a line, to be freed with blx_text_free().
 */
BLX_API int blx_service_can_run(blx_client *client, const char *name, const char *node,
	uint32_t timeout_ms, char **ret_text, blx_error *error);

/* ---- moving --------------------------------------------------------------------------- */

#define BLX_MIGRATION_ID_SIZE 40

/*
 * Moves it: asks the target, stops it at the source, starts it at the target; at any
 * failure it is brought back to the source. Whoever leads goes on with what another
 * began. Without wait it returns when the migration is in the store; ret_id may be NULL.
 * BLX_EINVAL: it is on that node; BLX_ENOENT "Service not found", or no such node.
 * "Failed to initiate migration: " and why. With wait: BLX_ECONFLICT "Service state changed
 * during migration", BLX_EMIGRATION "Migration failed: " and why: "Target node cannot accept
 * service: ", "Failed to stop on source: ", "Failed to start on target: " and the cause.
 */
BLX_API int blx_service_migrate(blx_client *client, const char *name, const char *to,
	const blx_service_opts *opts, char ret_id[BLX_MIGRATION_ID_SIZE], blx_error *error);

/* Has it undone. BLX_ENOENT: there is none of that id, or it has ended. */
BLX_API int blx_migration_abort(
	blx_client *client, const char *id, uint32_t timeout_ms, blx_error *error);

/* Until it has ended: as blx_service_migrate() with wait. */
BLX_API int blx_migration_wait(blx_client *client, const char *id,
	const blx_service_opts *opts, blx_error *error);

/*
 * Takes it from a node that has failed, or is believed to have, without asking anything of
 * that node: another is chosen at once, and starts it as soon as the one before cannot be
 * running it any more. Of two who do this at once, one gets BLX_ECONFLICT: it is not on
 * from any more, or it is being migrated. BLX_ENOENT "Service not found"; BLX_ENOPLACE:
 * nowhere else. With wait: as blx_service_start().
 */
BLX_API int blx_service_reassign(blx_client *client, const char *name, const char *from,
	const blx_service_opts *opts, blx_error *error);

/* Time and chance: sorts by time, and is never made twice. */
BLX_API void blx_migration_id(char ret_id[BLX_MIGRATION_ID_SIZE]);

/* ---- nodes ---------------------------------------------------------------------------- */

/*
 * Moves everything off a node, the highest priority first, then by name, so many at once
 * as /:config/drain.parallel says. What is still there after deadline_ms (0: none) is
 * stopped, and waits for a place. What has nowhere to go stays until then.
 */
BLX_API int blx_node_drain(blx_client *client, const char *node, uint32_t deadline_ms,
	uint32_t timeout_ms, blx_error *error);
BLX_API int blx_node_undrain(
	blx_client *client, const char *node, uint32_t timeout_ms, blx_error *error);

/*
 * Says that a node is dead, without waiting for its health to be Failed: its services go
 * to others as soon as it cannot be running them any more (its lease and their time to
 * stop are waited for all the same). A node that is alive loses its lease by it.
 * undrain takes it back. BLX_ENOENT: no such node.
 */
BLX_API int blx_node_failover(
	blx_client *client, const char *node, uint32_t timeout_ms, blx_error *error);

#ifdef __cplusplus
}
#endif

#endif
