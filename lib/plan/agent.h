/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a host does about one service: what the cluster wants against what the unit does.
 * One thing at a time; what was seen is told when it differs from what was told last.
 * Pure.
 */
#ifndef BLX_PLAN_AGENT_H
#define BLX_PLAN_AGENT_H

#include "base/error.h"

#include <blixard/record.h>
#include <blixard/unit.h>
#include <stdbool.h>
#include <stdint.h>

/* What the record says of a unit of which nothing is known. */
#define BLX__AGENT_SILENT "its service manager does not answer"

/* Of the record of a service, what the host decides by. */
struct blx__agent_wish {
	bool owned; /* this host may run it */
	bool here;  /* this host had it last, and is the one that tells of it */
	bool shared;
	bool transient; /* it comes with its command line */
	int wanted;
	int seen;
	int64_t epoch;
	int64_t restart;
	int64_t restarted;
	int64_t failures;
	int64_t stop_ms;
	bool said_silent; /* that nothing is known of it */
};

void blx__agent_wish_of(
	const blx_service *service, const char *node, struct blx__agent_wish *ret_wish);

/* Should it run here, if the lease allows it? */
bool blx__agent_wish_is_to_run(const struct blx__agent_wish *wish);

/* What is so on the host. */
struct blx__agent_view {
	const struct blx__agent_wish *wish;
	const blx_unit_status *status; /* NULL: not told yet */
	bool licensed; /* the lease of this host runs */
	bool confirmed; /* it did once in this run, so what the record says is not of long ago,
			 * and who starts units here has heard from us what may run */
	bool alone;     /* no lease for as long as one takes: another run's is over, too */
	bool settled;   /* the unit has been as it is for a moment */
	bool may_try;   /* not too soon after it went wrong */
	bool may_stop;  /* likewise */
	int calling;    /* enum blx_unit_verb that is under way; 0: none */
	int64_t set_up; /* the epoch under which this run has set it up; 0: it has not */
	int64_t restarted; /* of the wish's restart: so far this run has done it */
	const blx_error *failed; /* what the last start came to, not told yet; NULL: nothing */
	bool stop_failed;        /* the last stop did not do it */
	bool silent;      /* for some seconds nothing was told of the unit */
};

struct blx__agent_step {
	int verb; /* enum blx_unit_verb; 0: nothing is to be done */
	int seen; /* enum blx_service_state to be told; BLX_SERVICE_UNKNOWN: nothing */
	bool is_note; /* the detail is to be told, and nothing else */
	bool is_failure; /* one more */
	bool was_restarted;
	char detail[BLX_TEXT_MAX];
};

void blx__plan_agent(const struct blx__agent_view *view, struct blx__agent_step *ret_step);

/* The report into the record. */
void blx__agent_report(const struct blx__agent_step *step, int64_t time_ns,
	blx_service *service);

/* How long to wait before it is tried again: doubled each time, up to a minute. */
uint64_t blx__agent_backoff_ns(int64_t failures);

#endif
