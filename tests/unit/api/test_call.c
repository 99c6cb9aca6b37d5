/* SPDX-License-Identifier: Apache-2.0 */
/* Functions that are served at a member, called in its process and by its socket. */
#include "one.h"
#include "support/test.h"

#include <blixard/call.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct one one;
static void *answer;
static size_t len;
static atomic_uint done;

/* What a function keeps instead of answering it. */
static _Atomic(blx_request *) kept;

static void begin(void)
{
	one_init(&one, false);
	answer = NULL;
	atomic_store(&done, 0);
	atomic_store(&kept, NULL);
}

static void begin_remote(void)
{
	one_init(&one, true);
	answer = NULL;
	atomic_store(&done, 0);
	atomic_store(&kept, NULL);
}

static void end(void)
{
	blx_answer_free(answer);
	one_finish(&one);
}

static int call(const char *function, const char *args, const char *id, uint32_t timeout_ms)
{
	blx_call_opts opts = BLX_CALL_OPTS_INIT;

	blx_answer_free(answer);
	answer = NULL;
	opts.timeout_ms = timeout_ms;
	opts.id = id;
	return blx_call(one.client, "a", function, args, strlen(args), &opts, &answer, &len,
		&one.error);
}

static void serve(const char *name, blx_function function)
{
	cr_assert_eq(blx_node_serve(one.node, name, function, &done, &one.error), 0);
}

/* Its arguments, doubled, and how often it was called. */
static void twice(blx_request *request, void *data)
{
	char text[64];
	size_t size;
	const char *args = blx_request_args(request, &size);
	int n = snprintf(text, sizeof text, "%.*s%.*s %u", (int)size, args, (int)size, args,
		atomic_fetch_add((atomic_uint *)data, 1) + 1);

	blx_request_answer(request, text, (size_t)n);
}

static void keep(blx_request *request, void *data)
{
	(void)atomic_fetch_add((atomic_uint *)data, 1);
	atomic_store(&kept, request);
}

static void no(blx_request *request, void *data)
{
	(void)data;
	blx_request_refuse(request, BLX_ENOSPC, "the shelf is full");
}

static void too_much(blx_request *request, void *data)
{
	char *much = calloc(1, BLX_CALL_MAX + 1);

	(void)data;
	blx_request_answer(request, much, BLX_CALL_MAX + 1);
	free(much);
}

static void calls(void)
{
	cr_assert_eq(call("ping", "hello", NULL, ONE_LONG_MS), 0, "%s", one.error.message);
	cr_assert_eq(len, 5);
	cr_assert_str_eq(answer, "hello");
	cr_assert_eq(call("ping", "", NULL, ONE_LONG_MS), 0);
	cr_assert_eq(len, 0);

	serve("twice", twice);
	cr_assert_eq(call("twice", "ab", NULL, ONE_LONG_MS), 0);
	cr_assert_str_eq(answer, "abab 1");
	cr_assert_eq(call("twice", "ab", NULL, ONE_LONG_MS), 0);
	cr_assert_str_eq(answer, "abab 2");

	/* Under one id it is done once. */
	cr_assert_eq(call("twice", "x", "one", ONE_LONG_MS), 0);
	cr_assert_str_eq(answer, "xx 3");
	cr_assert_eq(call("twice", "x", "one", ONE_LONG_MS), 0);
	cr_assert_str_eq(answer, "xx 3");
	cr_assert_eq(call("twice", "x", "two", ONE_LONG_MS), 0);
	cr_assert_str_eq(answer, "xx 4");

	serve("twice", NULL);
	cr_assert_eq(call("twice", "x", NULL, ONE_LONG_MS), BLX_ENOSYS);
	cr_assert_eq(one.error.outcome, BLX_NOT_APPLIED);
}

Test(call, what_is_served_is_called, .init = begin, .fini = end)
{
	calls();
}

Test(call, and_by_the_socket, .init = begin_remote, .fini = end)
{
	calls();
}

Test(call, what_goes_wrong_is_told, .init = begin_remote, .fini = end)
{
	static char much[BLX_CALL_MAX + 1];

	serve("no", no);
	serve("much", too_much);
	cr_assert_eq(call("no", "", "an id", ONE_LONG_MS), BLX_ENOSPC);
	cr_assert_not_null(strstr(one.error.message, "the shelf is full"));
	cr_assert_eq(one.error.outcome, BLX_NOT_APPLIED);
	cr_assert_eq(call("no", "", "an id", ONE_LONG_MS), BLX_ENOSPC);
	cr_assert_not_null(strstr(one.error.message, "the shelf is full"));
	cr_assert_eq(call("much", "", NULL, ONE_LONG_MS), BLX_ETOOBIG);
	cr_assert_eq(blx_call(one.client, "a", "ping", much, sizeof much, NULL, &answer, &len,
			     &one.error),
		BLX_ETOOBIG);
	cr_assert_eq(blx_call(one.client, "a", "ping", much, sizeof much - 1, NULL, &answer, &len,
			     &one.error),
		0, "%s", one.error.message);
	cr_assert_eq(len, sizeof much - 1);
	blx_answer_free(answer);
	answer = NULL;
	cr_assert_eq(blx_call(one.client, "b", "ping", "", 0, NULL, &answer, &len, &one.error),
		BLX_ENOTMEMBER);
	cr_assert_eq(blx_call(one.client, "", "ping", "", 0, NULL, &answer, &len, &one.error),
		BLX_EINVAL);
	cr_assert_eq(call("ping", "", "", ONE_LONG_MS), BLX_EINVAL);
	cr_assert_eq(blx_node_serve(one.node, "", twice, NULL, &one.error), BLX_EINVAL);
}

/* The caller gave up; what it asked for is done, and is not done again. */
static void gives_up_and_asks_again(void)
{
	serve("keep", keep);
	cr_assert_eq(call("keep", "", "id", 100), BLX_ETIMEOUT);
	cr_assert_eq(one.error.outcome, BLX_UNKNOWN);
	cr_assert_not_null(atomic_load(&kept));
	cr_assert_str_eq(blx_request_id(atomic_load(&kept)), "id");
	blx_request_answer(atomic_load(&kept), "late", 4);
	cr_assert_eq(call("keep", "", "id", ONE_LONG_MS), 0);
	cr_assert_str_eq(answer, "late");
	cr_assert_eq(atomic_load(&done), 1);
}

Test(call, an_answer_that_was_late_is_had_by_asking_again, .init = begin, .fini = end)
{
	gives_up_and_asks_again();
}

Test(call, and_that_by_the_socket, .init = begin_remote, .fini = end)
{
	gives_up_and_asks_again();
}

static void *caller(void *data)
{
	blx_call_opts opts = BLX_CALL_OPTS_INIT;
	blx_error error = BLX_ERROR_INIT;
	void *mine = NULL;
	size_t size;
	int rv;

	(void)data;
	opts.timeout_ms = ONE_LONG_MS;
	opts.id = "both";
	rv = blx_call(one.client, "a", "keep", "", 0, &opts, &mine, &size, &error);
	cr_assert_eq(rv, 0);
	cr_assert_str_eq(mine, "for both");
	blx_answer_free(mine);
	return NULL;
}

/* While it is under way, too. */
Test(call, two_that_ask_under_one_id_get_one_answer, .init = begin, .fini = end)
{
	pthread_t threads[2];
	unsigned i;

	serve("keep", keep);
	for (i = 0; i < 2; i++) {
		cr_assert_eq(pthread_create(&threads[i], NULL, caller, NULL), 0);
	}
	while (atomic_load(&kept) == NULL) {
		(void)sched_yield();
	}
	blx_request_answer(atomic_load(&kept), "for both", 8);
	for (i = 0; i < 2; i++) {
		(void)pthread_join(threads[i], NULL);
	}
	cr_assert_eq(atomic_load(&done), 1);
}

Test(call, one_may_be_answered_when_the_member_is_gone, .init = begin, .fini = end)
{
	serve("keep", keep);
	cr_assert_eq(call("keep", "", NULL, 100), BLX_ETIMEOUT);
	one_stop(&one);
	blx_request_answer(atomic_load(&kept), "nobody hears it", 15);
	one_start(&one);
	one.client = blx_node_client(one.node);
	serve("keep", keep);
	cr_assert_eq(call("keep", "", NULL, 100), BLX_ETIMEOUT);
	blx_request_refuse(atomic_load(&kept), BLX_EFAILED, NULL);
	one_stop(&one); /* with an answer that is on its way */
	one_start(&one);
}

/* So many answers are remembered, and the oldest is forgotten first. */
Test(call, answers_are_forgotten_in_their_order, .init = begin, .fini = end)
{
	unsigned i;

	serve("twice", twice);
	cr_assert_eq(call("twice", "x", "first", ONE_LONG_MS), 0);
	cr_assert_eq(call("twice", "x", "second", ONE_LONG_MS), 0);
	for (i = 0; i < 4095; i++) {
		cr_assert_eq(call("ping", "", NULL, ONE_LONG_MS), 0);
	}
	cr_assert_eq(call("twice", "x", "second", ONE_LONG_MS), 0);
	cr_assert_str_eq(answer, "xx 2");
	cr_assert_eq(call("twice", "x", "first", ONE_LONG_MS), 0);
	cr_assert_str_eq(answer, "xx 3");
}
