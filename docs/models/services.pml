/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One exclusive service and two hosts: the lease of a host, failover, and migration with
 * rollback. Checked for one thing: never two copies (the assertion in "a unit starts").
 *
 *	tests/models/check.sh          all that can happen, and that what is left out is found
 *	LEASE=2 tests/models/check.sh  with requests that take longer; minutes, and 3 GB
 *
 * What is what in the library:
 *
 *	owner, seen_node, seen, phase    the service's record and its migration's, as committed
 *	own, here, told, current         a host's replica of it, which lags as it likes
 *	gate, hold                       the hold file of a host: may it run, and until when
 *	ask, age                         its request to have its lease kept (node/hosts)
 *	silent                           how long the leader did not hear it
 *	wish, from                       the leader's transaction on its way (plan/hand)
 *	report                           a host's transaction on its way (act/agent)
 *
 * A transaction relies on the record as it was read, so at each commit all others that are
 * on their way are void. A replica goes straight to what is committed: one that dwells on
 * its way there is one that went there earlier, and acts later. So there are no numbers of
 * revisions here, and all runs are covered, however long.
 *
 * Time goes by in ticks, the same for all: what clocks that run apart cost is in the fence
 * (plan/fence.c), and is arithmetic. Nothing has to happen but by these two: a unit whose
 * hold is over has begun to stop before the next tick, and is dead a tick after.
 *
 * MUTANT leaves out one of the things that it rests on; each must then fail:
 *	1  the fence is a tick too short
 *	2  a lease is confirmed while something is being taken from the host
 *	3  a lease is confirmed by a leader that is deposed, without a round
 *	4  taking does not void what was seen
 *	5  a host says "stopped" before its gate is shut
 *	6  a new leader takes hosts for silent since before its election
 *	7  a host has its lease before its replica is there
 *	8  a member that is started anew goes on with the lease of the run before
 *	9  rolling back gives to the source without waiting for the target
 * REACH asserts that something never happens, to show that it does:
 *	1  a migration ends at its target     2  one is rolled back to its source
 *	3  a failover by the fence            4  a host has a lease again after it
 */
#ifndef MUTANT
#define MUTANT 0
#endif
#ifndef REACH
#define REACH 0
#endif

#define HOSTS 2
#define NONE  2

#ifndef LEASE
#define LEASE 1
#endif
#define STOP 1
#define FENCE (LEASE + STOP + 1 - (MUTANT == 1))

#define OTHER(h) (1 - (h))

/* seen */
#define UNKNOWN 0
#define RUNNING 1
#define STOPPED 2

/* phase: none, or of the migration */
#define IDLE     0
#define STOPPING 1
#define STARTING 2
#define BACK     3

/* ask */
#define NO       0
#define SENT     1
#define HEARD    2 /* a round must confirm that who heard it leads */
#define ANSWERED 3 /* the replica must come to where the leader was */

/* unit */
#define DOWN  0
#define UP    1
#define DYING 2 /* dead before the tick after the next */
#define LAST  3 /* before the next */

/* wish: what the leader's transaction does */
#define NOTHING  0
#define GIVE_0   1
#define GIVE_1   2
#define REVOKE   3
#define MIGRATE  4
#define ARRIVE   5 /* give to the target */
#define FINISH   6
#define UNDO     7 /* take from the target, or from nobody */
#define RETURN   8 /* it may run on where it was, under the same token */
#define GO_BACK  9 /* give to the source */
#define ABANDON 10 /* the migration is over, and it is on no node */

byte owner = NONE, seen_node = NONE, seen = UNKNOWN, phase = IDLE, source = 0;
byte wish = NOTHING, from = NONE;
byte silent[HOSTS];
bool deposed = false; /* one that led before still answers; it matters to MUTANT 3 alone */

bool own[HOSTS], here[HOSTS], current[HOSTS];
byte told[HOSTS];
bool licensed[HOSTS], gate[HOSTS];
byte hold[HOSTS], ask[HOSTS], age[HOSTS], unit[HOSTS], report[HOSTS];
bool fenced = false; /* for REACH */

/* Runs nowhere, and will not before it is given to a node. */
#define IS_CLEAR                                                                       \
	(owner == NONE && (seen_node == NONE || seen == STOPPED || silent[seen_node] >= FENCE))

/* What is committed next makes void what relied on what was there. */
inline committed()
{
	wish = NOTHING; from = NONE;
	report[0] = UNKNOWN; report[1] = UNKNOWN;
	current[0] = false; current[1] = false;
}

inline give(to)
{
	owner = to; seen_node = to; seen = UNKNOWN;
}

inline take()
{
	owner = NONE;
	if
	:: MUTANT != 4 -> seen = UNKNOWN;
	:: else -> skip;
	fi;
}

/* The transaction is applied. */
inline commit_wish()
{
	assert(REACH != 1 || wish != FINISH);
	assert(REACH != 2 || wish != GO_BACK);
	if
	:: (wish == GIVE_0 || wish == GIVE_1) && owner != NONE -> fenced = (REACH != 0);
	:: else -> skip;
	fi;
	assert(REACH != 3 || !fenced);
	if
	:: wish == GIVE_0 -> give(0);
	:: wish == GIVE_1 -> give(1);
	:: wish == REVOKE -> take();
	:: wish == MIGRATE -> source = owner; take(); phase = STOPPING;
	:: wish == ARRIVE -> give(OTHER(source)); phase = STARTING;
	:: wish == FINISH -> phase = IDLE; source = 0;
	:: wish == UNDO ->
		if
		:: owner != NONE -> take();
		:: else -> skip;
		fi;
		phase = BACK;
	:: wish == RETURN -> owner = seen_node; seen = UNKNOWN;
	:: wish == GO_BACK -> give(source);
	:: wish == ABANDON -> phase = IDLE; source = 0;
	fi;
	committed();
}

inline propose(what, whom)
{
	wish = what; from = whom;
}

/* Another leads, and what the one before had in its log is applied or can never be. */
inline elect()
{
	silent[0] = (MUTANT == 6 -> FENCE : 0);
	silent[1] = (MUTANT == 6 -> FENCE : 0);
	wish = NOTHING; from = NONE;
	/* Nobody confirms what that one heard. */
	ask[0] = (ask[0] == HEARD -> NO : ask[0]);
	ask[1] = (ask[1] == HEARD -> NO : ask[1]);
	age[0] = (ask[0] == NO -> 0 : age[0]);
	age[1] = (ask[1] == NO -> 0 : age[1]);
	deposed = (MUTANT == 3);
}

/* The lease, counted from before it was asked for. The file is written as a whole: until
 * when, and what may run by the replica as it is. */
inline renew()
{
	if
	:: LEASE - age[h] > hold[h] -> hold[h] = LEASE - age[h];
	:: else -> skip;
	fi;
	licensed[h] = true; gate[h] = own[h];
	assert(REACH != 4 || !(fenced && owner != h));
	ask[h] = NO; age[h] = 0;
}

inline catch_up()
{
	own[h] = (owner == h); here[h] = (seen_node == h);
	told[h] = (here[h] -> seen : UNKNOWN);
	current[h] = true;
	if
	:: ask[h] == ANSWERED -> renew();
	:: else -> skip;
	fi;
}

/* Its member is killed and started again; what it had of the log may be shorter. */
inline forget()
{
	own[h] = (owner != NONE || seen_node != NONE); here[h] = own[h]; told[h] = UNKNOWN;
	current[h] = false; licensed[h] = (licensed[h] && MUTANT == 8);
	ask[h] = NO; age[h] = 0; report[h] = UNKNOWN;
}

/* What is in memory, and below the run directory. */
inline lose_power()
{
	unit[h] = DOWN; gate[h] = false; hold[h] = 0; licensed[h] = false;
}

#define MAY_TICK(h)                                                                    \
	(unit[h] != LAST && !(unit[h] == UP && hold[h] == 0))

inline tick(h)
{
	if
	:: unit[h] == DYING -> unit[h] = LAST;
	:: else -> skip;
	fi;
	if
	:: hold[h] > 0 -> hold[h]--;
	:: else -> skip;
	fi;
	if
	:: hold[h] == 0 -> licensed[h] = false; gate[h] = false;
	:: else -> skip;
	fi;
	if
	:: ask[h] != NO && age[h] + 1 >= LEASE -> ask[h] = NO; age[h] = 0; /* of no use */
	:: ask[h] != NO && age[h] + 1 < LEASE -> age[h]++;
	:: else -> skip;
	fi;
	if
	:: silent[h] < FENCE -> silent[h]++;
	:: else -> skip;
	fi;
}

#define FREE (wish == NOTHING)

/* What the deciders do with the record as it is, and what becomes of it. */
active proctype leader()
{
	do
	/* plan/service */
	:: d_step { FREE && phase == IDLE && owner != NONE && silent[owner] >= FENCE ->
		propose(GIVE_0 + OTHER(owner), owner); }
	:: d_step { FREE && phase == IDLE && owner != NONE -> propose(REVOKE, NONE); }
	:: d_step { FREE && phase == IDLE && IS_CLEAR -> propose(GIVE_0, seen_node); }
	:: d_step { FREE && phase == IDLE && IS_CLEAR -> propose(GIVE_1, seen_node); }
	/* plan/migrate */
	:: d_step { FREE && phase == IDLE && owner != NONE && seen == RUNNING ->
		propose(MIGRATE, NONE); }
	:: d_step { FREE && phase == STOPPING && IS_CLEAR -> propose(ARRIVE, seen_node); }
	:: d_step { FREE && phase == STARTING && owner == OTHER(source) && seen == RUNNING ->
		propose(FINISH, NONE); }
	:: d_step { FREE && (phase == STOPPING || phase == STARTING) -> propose(UNDO, NONE); }
	:: d_step { FREE && phase == BACK && owner == source -> propose(FINISH, NONE); }
	:: d_step { FREE && phase == BACK && owner == NONE && (IS_CLEAR || MUTANT == 9) ->
		propose(GO_BACK, seen_node); }
	:: d_step { FREE && phase == BACK && owner == NONE && seen_node == source && !IS_CLEAR ->
		propose(RETURN, NONE); }
	:: d_step { FREE && phase == BACK && owner == NONE -> propose(ABANDON, NONE); }
	/* its transaction */
	:: d_step { !FREE -> commit_wish(); }
	:: d_step { !FREE -> wish = NOTHING; from = NONE; }
	:: d_step { elect(); }
	:: d_step { !FREE -> commit_wish(); elect(); }
	od;
}

active [HOSTS] proctype host()
{
	byte h = _pid - 1;

	do
	/* ---- its lease ---- */
	:: d_step { ask[h] == NO -> ask[h] = SENT; age[h] = 0; }
	:: d_step { ask[h] == SENT && (from != h || MUTANT == 2) ->
		ask[h] = HEARD; silent[h] = 0; }
	:: d_step { ask[h] == HEARD && !current[h] && MUTANT != 7 -> ask[h] = ANSWERED; }
	:: d_step { ask[h] == HEARD && (current[h] || MUTANT == 7) -> renew(); }
	:: d_step { deposed && ask[h] == SENT -> renew(); }
	:: d_step { ask[h] != NO -> ask[h] = NO; age[h] = 0; } /* lost on its way */
	/* ---- its replica ---- */
	:: d_step { !current[h] -> catch_up(); }
	/* ---- the hold file, when the replica has something new ---- */
	:: d_step { licensed[h] && gate[h] != own[h] -> gate[h] = own[h]; }
	/* ---- the unit, whoever starts it ---- */
	:: d_step { unit[h] == DOWN && gate[h] && hold[h] > 0 ->
		unit[h] = UP;
		assert(unit[OTHER(h)] == DOWN); }
	:: d_step { unit[h] == UP && (!gate[h] || hold[h] == 0) -> unit[h] = DYING; }
	:: d_step { unit[h] != DOWN -> unit[h] = DOWN; } /* it has stopped, or it failed */
	/* ---- what it says ---- */
	:: d_step { licensed[h] && current[h] && own[h] && gate[h] && unit[h] == UP &&
		told[h] != RUNNING -> report[h] = RUNNING; }
	:: d_step { licensed[h] && current[h] && own[h] && unit[h] == DOWN &&
		told[h] == RUNNING -> report[h] = STOPPED; }
	:: d_step { licensed[h] && current[h] && !own[h] && here[h] && unit[h] == DOWN &&
		told[h] != STOPPED && (!gate[h] || MUTANT == 5) -> report[h] = STOPPED; }
	:: d_step { report[h] != UNKNOWN -> seen = report[h]; committed(); }
	/* ---- faults ---- */
	:: d_step { forget(); }
	:: d_step { forget(); lose_power(); }
	od;
}

active proctype time()
{
	do
	:: d_step { MAY_TICK(0) && MAY_TICK(1) -> tick(0); tick(1); }
	od;
}
