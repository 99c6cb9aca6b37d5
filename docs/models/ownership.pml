/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who may run one exclusive service on two hosts: leases of hosts, what is taken from
 * them, what they report, with replicas that lag, keeps that are late, members that die,
 * leaders that change, and a guard. README.md says what is left out.
 *
 * Time goes in ticks that may come between any two steps. The store is a log of versions
 * of one record; a host knows it up to some version.
 */
#define LEASE 2 /* ticks; what a host lets it run for without word */
#define STOP  1 /* until what is stopped is dead */
#ifdef SHORT_FENCE
#define FENCE LEASE
#else
#define FENCE (LEASE + STOP + 1) /* a tick may be all but over when it is counted */
#endif
#define VERSIONS 5 /* of the record, at most */
#define NOBODY   2

byte owner[VERSIONS]; /* who may run it, by version */
byte now = 0;         /* the version that is committed */
byte holder = 0;      /* who had it last */
bool seen = false;    /* it said that it does not run it, since it was taken */

/* The leader. */
byte ago[2];     /* ticks since it kept that host, up to FENCE */
bool taking[2];  /* something is being taken from it */
byte take_to = NOBODY;

/* Hosts. */
byte view[2];    /* the version they know */
byte lease[2];   /* ticks left of it */
byte dying[2];   /* ticks left to what was told to stop */
bool runs[2];
bool alive[2];   /* the member */
bool current[2]; /* a keep was confirmed in this run of it */

/* A keep of each: 0 none, 1 on its way, 2 heard by this leader. */
byte keep[2];
byte age[2];  /* ticks since it was sent */
byte upto[2]; /* what the answer promises */

#ifdef NO_REFUSAL
#define MAY_KEEP(h) (true)
#else
#define MAY_KEEP(h) (!taking[h])
#endif
#define MAY_RUN(h) (owner[view[h]] == h && lease[h] > 0 && alive[h] && current[h])

inline note(who)
{
	now++;
	owner[now] = who;
}

inline give(who)
{
	note(who);
	holder = who;
	seen = false;
}

proctype host(byte h)
{
	do
	/* asks to be kept */
	:: atomic { alive[h] && keep[h] == 0 -> keep[h] = 1; age[h] = 0 }
	/* hears that it is; an answer that is older than a lease is of no use */
	:: atomic { alive[h] && keep[h] == 2 ->
		keep[h] = 0;
#ifndef NO_BARRIER
		if
		:: view[h] < upto[h] -> view[h] = upto[h]
		:: else
		fi;
#endif
		if
		:: age[h] < LEASE -> lease[h] = LEASE - age[h]; current[h] = true
		:: else
		fi }
	/* its replica goes on */
	:: atomic { alive[h] && view[h] < now -> view[h]++ }
	/* starts it */
	:: atomic { MAY_RUN(h) && !runs[h] ->
		assert(!runs[1 - h]);
		runs[h] = true; dying[h] = 0 }
	/* stops it, as it is not its own any more */
	:: atomic { alive[h] && current[h] && runs[h] && owner[view[h]] != h && dying[h] == 0 ->
		dying[h] = STOP }
	/* says that it does not run, by a write that relies on the record as it is */
	:: atomic { alive[h] && current[h] && lease[h] > 0 && !runs[h] && view[h] == now &&
		holder == h && !seen && owner[now] == NOBODY && now < VERSIONS - 1 ->
		note(NOBODY); seen = true }
#ifdef STALE_REPORT
	/* or that it stopped by itself, while it may start it again */
	:: atomic { alive[h] && current[h] && lease[h] > 0 && !runs[h] && view[h] == now &&
		owner[now] == h && !seen && now < VERSIONS - 1 -> note(h); seen = true }
#endif
	/* the member dies, and is there again with a replica that may be older */
	:: atomic { alive[h] -> alive[h] = false; current[h] = false; keep[h] = 0 }
	:: atomic { !alive[h] -> alive[h] = true;
		do
		:: view[h] > 0 -> view[h]--
		:: break
		od }
	od
}

proctype leader()
{
	byte h;
	do
	/* hears a keep; not while something is taken from the host */
	:: atomic { keep[0] == 1 && MAY_KEEP(0) -> keep[0] = 2; ago[0] = 0; upto[0] = now }
	:: atomic { keep[1] == 1 && MAY_KEEP(1) -> keep[1] = 2; ago[1] = 0; upto[1] = now }
	/* takes it, for a migration or because it is not wanted */
	:: atomic { owner[now] != NOBODY && now < VERSIONS - 2 && take_to == NOBODY ->
		note(NOBODY);
#ifndef STALE_REPORT
		seen = false
#endif
		}
	/* gives it to the other, or to the same, when it was told that it does not run */
	:: atomic { owner[now] == NOBODY && seen && now < VERSIONS - 1 && take_to == NOBODY ->
		give(1 - holder) }
	:: atomic { owner[now] == NOBODY && seen && now < VERSIONS - 1 && take_to == NOBODY ->
		give(holder) }
	/* or when its host cannot be running it any more: decided, and done a while later */
	:: atomic { take_to == NOBODY && ago[holder] >= FENCE && now < VERSIONS - 1 ->
		taking[holder] = true; take_to = 1 - holder }
	:: atomic { take_to != NOBODY && now < VERSIONS - 1 ->
		h = holder; give(take_to); taking[h] = false; take_to = NOBODY }
	/* another one leads: what was heard is void, what was decided was done or never will be,
	 * and nobody was heard by it */
	:: atomic { true ->
		if
		:: take_to != NOBODY && now < VERSIONS - 1 -> give(take_to)
		:: true
		fi;
		taking[0] = false; taking[1] = false; take_to = NOBODY;
		ago[0] = 0; ago[1] = 0;
		if :: keep[0] == 2 -> keep[0] = 1 :: else fi;
		if :: keep[1] == 2 -> keep[1] = 1 :: else fi }
	od
}

inline pass(h)
{
	if :: ago[h] < FENCE -> ago[h]++ :: else fi;
	if :: keep[h] != 0 && age[h] < LEASE -> age[h]++ :: else fi;
	if :: lease[h] > 0 -> lease[h]-- :: else fi;
	if
	:: dying[h] > 0 -> dying[h]--;
		if :: dying[h] == 0 -> runs[h] = false :: else fi
	/* the guard, or the agent if it lives */
	:: dying[h] == 0 && runs[h] && lease[h] == 0 ->
#ifdef NO_GUARD
		if :: alive[h] -> dying[h] = STOP :: else fi
#else
		dying[h] = STOP
#endif
	:: else
	fi
}

active proctype clock()
{
	do
	:: atomic { true -> pass(0); pass(1) }
	od
}

init
{
	atomic {
		owner[0] = 0;
		alive[0] = true; alive[1] = true;
		run host(0); run host(1); run leader()
	}
}
