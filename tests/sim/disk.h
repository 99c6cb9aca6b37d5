/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A virtual disk of one host, behind the table of sys/files.h. What was written
 * is visible at once and durable once its sync came back (a write to a file
 * opened with DSYNC: when it came back); names are durable once their directory
 * was synced. A loss of power takes the rest, sector by sector and name by
 * name, as chance has it; the end of the process alone takes nothing.
 */
#ifndef SIM_DISK_H
#define SIM_DISK_H

#include "sys/files.h"
#include "world.h"

#define SIM_SECTOR 512
#define SIM_PAGE   4096

/* Works that may make file calls: none may come from the loop. */
enum sim_disk_faults {
	SIM_DISK_WRITE_ERROR = 1, /* the next write or sync fails */
	SIM_DISK_READ_ERROR = 2,  /* the next read fails */
	SIM_DISK_FULL = 4         /* until cleared */
};

struct sim_inode;

struct sim_disk {
	struct blx__files files; /* the table; impl is this struct */
	struct sim_world *world; /* borrowed */
	struct blx__rng rng;
	const char *who; /* borrowed; for the story */
	struct sim_inode *root;
	struct sim_handle *handles;
	bool open;       /* file calls are allowed now */
	unsigned faults; /* enum sim_disk_faults */
	uint64_t budget; /* calls that still take effect; UINT64_MAX: all */
	bool lying;      /* writes with DSYNC come back before they are durable */
	uint64_t writes; /* counters */
	uint64_t syncs;
	uint64_t bytes;
	uint64_t sectors_lost;
	uint64_t names_lost;
};

void sim_disk_init(
	struct sim_disk *disk, struct sim_world *world, const char *who, unsigned number);
void sim_disk_finish(struct sim_disk *disk);

/* The process ended: its files are closed and its locks gone. */
void sim_disk_end_process(struct sim_disk *disk);

/* Power went, after the process did: what was not durable is lost, or torn. */
void sim_disk_lose_power(struct sim_disk *disk);

/* All is gone. */
void sim_disk_wipe(struct sim_disk *disk);

/* Turns one bit of what is durable in one of the files, if there is any; false: nothing
 * to turn. */
bool sim_disk_rot(struct sim_disk *disk);

#endif
