/* SPDX-License-Identifier: Apache-2.0 */
/* One service, taken from a node that has failed. */
#include "api/change.h"
#include "api/opts.h"
#include "api/service.h"
#include "base/error.h"
#include "base/mem.h"
#include "plan/hand.h"
#include "plan/place.h"

#include <blixard/placement.h>
#include <blixard/service.h>
#include <stdio.h>
#include <string.h>

struct reassignment {
	blx_client *client;
	const char *name;
	const char *from;
	uint64_t until_ns;
	char to[BLX_NAME_MAX];
};

static int check(
	const struct reassignment *what, const blx_service *service, blx_error *error)
{
	if (strcmp(service->owner, what->from) != 0) {
		return blx__error_set(error, BLX_ECONFLICT, "reassign %s: it is on %s, not on %s",
			what->name, service->owner[0] != '\0' ? service->owner : "no node",
			what->from);
	}
	if (service->migration[0] != '\0') {
		return blx__error_set(error, BLX_ECONFLICT,
			"reassign %s: migration %s is under way; abort it", what->name,
			service->migration);
	}
	return 0;
}

/* As for anything else of its kind, but not there. */
static int choose(struct reassignment *what, blx_service *service, blx_error *error)
{
	blx_place_request request;
	blx_place_model *model;
	blx_place_plan *plan = NULL;
	blx_constraint *elsewhere;
	int rv;

	if (service->constraints_count == BLX_CONSTRAINTS_MAX) {
		return blx__error_set(error, BLX_ETOOBIG,
			"reassign %s: it has %d constraints, and there is no room for one more",
			what->name, BLX_CONSTRAINTS_MAX);
	}
	elsewhere = &service->constraints[service->constraints_count];
	*elsewhere = (blx_constraint){.kind = BLX_NOT_ON_NODE, .values_count = 1};
	(void)snprintf(elsewhere->values[0], BLX_NAME_MAX, "%s", what->from);
	service->constraints_count++;
	request = blx__place_request_of(what->name, service);
	rv = blx_place_model_read(
		what->client, 1, blx__left_ms(what->until_ns), &model, error);
	if (rv != 0) {
		return rv;
	}
	rv = blx_place(model, &request, &plan, error);
	if (rv == 0) {
		(void)snprintf(what->to, sizeof what->to, "%s", blx_place_plan_node(plan));
	}
	blx_place_plan_free(plan);
	blx_place_model_destroy(model);
	return rv;
}

static int find_place(struct reassignment *what, blx_error *error)
{
	BLX__CLEANUP_FREE blx_service *service = blx__calloc(1, sizeof *service);
	int rv;

	if (service == NULL) {
		return blx__error_set(error, BLX_ENOMEM, "reassign %s: out of memory", what->name);
	}
	rv = blx_record_get(what->client, BLX_RECORD_SERVICE, what->name, 1,
		blx__left_ms(what->until_ns), service, NULL, error);
	if (rv == BLX_ENOENT) {
		return blx__service_absent(error, what->name);
	}
	if (rv == 0) {
		rv = check(what, service, error);
	}
	if (rv == 0) {
		rv = choose(what, service, error);
	}
	blx_record_clear(BLX_RECORD_SERVICE, service);
	return rv;
}

/* Nobody may run it, and when the one before cannot any more, that node is to have it. */
static int change(void *record, int exists, void *data, blx_error *error)
{
	const struct reassignment *what = data;
	blx_service *service = record;
	int rv = exists ? check(what, service, error) : blx__service_absent(error, what->name);

	if (rv == 0) {
		blx__service_revoke(service);
		memcpy(service->prefer, what->to, sizeof service->prefer);
		service->detail[0] = '\0';
	}
	return rv;
}

int blx_service_reassign(blx_client *client, const char *name, const char *from,
	const blx_service_opts *user_opts, blx_error *error)
{
	struct reassignment what = {.client = client, .name = name, .from = from};
	struct blx__service_wait wait = {.name = name, .end = BLX__SERVICE_RUNS, .from = from};
	blx_service_opts opts;
	int rv;

	BLX__OPTS(&opts, user_opts);
	if (client == NULL || name == NULL || from == NULL || from[0] == '\0' ||
		strlen(name) >= BLX_NAME_MAX || strlen(from) >= BLX_NAME_MAX) {
		return blx__error_set(
			error, BLX_EINVAL, "reassign: no client, no name, or no node");
	}
	what.until_ns = wait.until_ns = blx__until_ns(opts.timeout_ms);
	wait.opts = &opts;
	rv = find_place(&what, error);
	if (rv == 0) {
		rv = blx__record_change(client, BLX_RECORD_SERVICE, name, what.until_ns, change,
			&what, error);
	}
	return rv == 0 && opts.wait ? blx__service_wait(client, &wait, error) : rv;
}
