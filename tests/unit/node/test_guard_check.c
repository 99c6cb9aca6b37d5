/* SPDX-License-Identifier: Apache-2.0 */
/* Faults are put where libraft would have asserted, and the member must end. */
#include "support/test.h"

#include "base/mem.h"
#include "raft_sim.h"
#include "raft_sim_cure.h"
#include "raft_sim_talk.h"

static struct raft_sim *sim;
static struct raft_sim_member *member;

static void begin(void)
{
	sim = raft_sim_create(0, 0);
	raft_sim_found(sim, 3, 0);
	raft_sim_elect(sim, 1);
	raft_sim_propose(sim, 1, 'A');
	raft_sim_run(sim, 300);
	member = &sim->member[1];
}

static void end(void)
{
	raft_sim_destroy(sim);
}

static void assert_ends(void)
{
	cr_assert_not(member->failed);
	blx__guard_poll(member->guard);
	cr_assert(member->failed);
}

Test(guard_check, a_commit_index_that_goes_back_ends_the_member, .init = begin,
	.fini = end)
{
	member->raft.commit_index--;
	member->raft.last_applied--;
	assert_ends();
}

Test(guard_check, a_term_that_goes_back_ends_the_member, .init = begin, .fini = end)
{
	member->raft.current_term--;
	assert_ends();
}

Test(guard_check, a_commit_of_what_is_not_stored_ends_the_member, .init = begin,
	.fini = end)
{
	member->raft.last_stored--;
	assert_ends();
}

Test(guard_check, an_application_of_what_is_not_committed_ends_the_member, .init = begin,
	.fini = end)
{
	member->raft.last_applied++;
	assert_ends();
}

Test(guard_check, what_is_committed_is_not_truncated, .init = begin, .fini = end)
{
	struct raft_io *io = blx__guard_io(sim->member[2].guard);
	raft_index last = raft_sim_disk_last(&sim->member[2].disk);

	member = &sim->member[2];
	cr_assert_eq(io->truncate(io, last), 0);
	assert_ends();
	cr_assert_eq(raft_sim_disk_last(&member->disk), last);
}

Test(guard_check, an_entry_that_is_not_of_whole_words_ends_the_member, .init = begin,
	.fini = end)
{
	struct raft_buffer buf = {.base = raft_malloc(12), .len = 12};
	static struct raft_apply apply; /* raft keeps it until it is closed */

	memset(buf.base, 0, 12);
	cr_assert_eq(raft_apply(&member->raft, &apply, &buf, 1, NULL), 0);
	assert_ends();
	raft_sim_run(sim, 100);
	cr_assert_eq(raft_sim_disk_last(&member->disk), 3);
}

Test(guard_check, raft_that_gave_up_ends_the_member, .init = begin, .fini = end)
{
	/* As after an error that the guard does not know of. */
	sim->member[2].raft.state = RAFT_UNAVAILABLE;
	raft_free(sim->member[2].raft.follower_state.current_leader.address);
	member = &sim->member[2];
	assert_ends();
}

/* ---- what is loaded ------------------------------------------------------ */

static int start_with(void (*damage)(struct raft_sim_disk *disk))
{
	int rv;

	raft_sim_crash(sim, 1);
	damage(&member->disk);
	rv = raft_sim_start(sim, 1);
	return rv;
}

static void term_falls(struct raft_sim_disk *disk)
{
	disk->entries[1].term = disk->entries[2].term + 1;
}

static void term_ahead(struct raft_sim_disk *disk)
{
	disk->entries[2].term = disk->term + 1;
}

static void type_unknown(struct raft_sim_disk *disk)
{
	disk->entries[2].type = 9;
}

static void no_configuration(struct raft_sim_disk *disk)
{
	disk->entries[0].type = RAFT_COMMAND;
}

static void configuration_cut(struct raft_sim_disk *disk)
{
	disk->entries[0].len = 16;
}

static void beginning_lost(struct raft_sim_disk *disk)
{
	disk->start = 2;
}

static void nothing(struct raft_sim_disk *disk)
{
	(void)disk;
}

Test(guard_check, a_sound_log_is_loaded, .init = begin, .fini = end)
{
	cr_assert_eq(start_with(nothing), 0);
	cr_assert_eq(raft_last_index(&member->raft), 3);
}

Test(guard_check, a_log_whose_terms_fall_is_not_loaded, .init = begin, .fini = end)
{
	cr_assert_eq(start_with(term_falls), RAFT_CORRUPT);
}

Test(guard_check, a_log_beyond_its_term_is_not_loaded, .init = begin, .fini = end)
{
	cr_assert_eq(start_with(term_ahead), RAFT_CORRUPT);
}

Test(guard_check, an_entry_of_no_known_kind_is_not_loaded, .init = begin, .fini = end)
{
	cr_assert_eq(start_with(type_unknown), RAFT_CORRUPT);
}

Test(guard_check, a_log_without_its_configuration_is_not_loaded, .init = begin,
	.fini = end)
{
	cr_assert_eq(start_with(no_configuration), RAFT_CORRUPT);
}

Test(guard_check, a_configuration_that_is_cut_is_not_loaded, .init = begin, .fini = end)
{
	cr_assert_eq(start_with(configuration_cut), RAFT_CORRUPT);
}

Test(guard_check, a_log_without_its_beginning_is_not_loaded, .init = begin, .fini = end)
{
	cr_assert_eq(start_with(beginning_lost), RAFT_CORRUPT);
}

/* ---- memory -------------------------------------------------------------- */

static unsigned allocations_left;
static bool counting;

static void *scarce_malloc(size_t size, void *data)
{
	(void)data;
	if (counting && allocations_left-- == 0) {
		counting = false;
		return NULL;
	}
	return malloc(size);
}

static void *scarce_realloc(void *ptr, size_t size, void *data)
{
	(void)data;
	if (counting && allocations_left-- == 0) {
		counting = false;
		return NULL;
	}
	return realloc(ptr, size);
}

static void scarce_free(void *ptr, void *data)
{
	(void)data;
	free(ptr);
}

static const struct blx__allocator scarce = {
	.malloc = scarce_malloc, .realloc = scarce_realloc, .free = scarce_free};

/* One allocation of the guard fails, the others of that test do not. */
Test(guard_check, a_guard_without_memory_ends_the_member_and_leaks_nothing_of_its_own,
	.init = begin, .fini = end)
{
	struct raft_io *io = blx__guard_io(sim->member[2].guard);

	blx__allocator_set(&scarce);
	allocations_left = 0;
	counting = true;
	cr_assert_eq(io->truncate(io, 4), 0);
	cr_assert_not(counting);
	blx__allocator_set(NULL);
	member = &sim->member[2];
	blx__guard_poll(member->guard);
	cr_assert(member->failed);
}
