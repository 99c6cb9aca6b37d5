/* SPDX-License-Identifier: Apache-2.0 */
#include "watchdog.h"

#include "notify.h"

#include <unistd.h>

/* A place of the system's own, so that no rule of the user's can stand before it. */
#define PROBE_PATH "/:blixard/alive"

void watchdog_init(struct watchdog *watchdog, blx_client *client, int wake_fd)
{
	uint64_t us = notify_watchdog_us();

	*watchdog = (struct watchdog){.client = client, .wake_fd = wake_fd};
	watchdog->period_ms = us / 3000;
	if (us > 0 && watchdog->period_ms == 0) {
		watchdog->period_ms = 1;
	}
}

/* On the member's loop, which thereby shows that it runs; what was read is of no
 * interest. */
static void on_answer(int code, const blx_error *error, blx_value *value,
	const blx_read_info *info, void *data)
{
	struct watchdog *watchdog = data;
	uint64_t one = 1;

	atomic_store(&watchdog->answered, true);
	if (write(watchdog->wake_fd, &one, sizeof one) < 0) {
		return; /* full: it wakes already */
	}
}

/* A refusal (too much under way) shows nothing: it is asked again at the next turn. */
static void ask(struct watchdog *watchdog, int64_t now_ms)
{
	watchdog->next_ms = now_ms + (int64_t)watchdog->period_ms;
	watchdog->asking = blx_get_async(watchdog->client, PROBE_PATH, NULL, on_answer,
				   watchdog) == 0;
}

void watchdog_tick(struct watchdog *watchdog, int64_t now_ms)
{
	if (watchdog->period_ms == 0) {
		return;
	}
	if (watchdog->asking && atomic_exchange(&watchdog->answered, false)) {
		watchdog->asking = false;
		(void)notify("WATCHDOG=1");
	}
	if (!watchdog->asking && now_ms >= watchdog->next_ms) {
		ask(watchdog, now_ms);
	}
}

int watchdog_wait_ms(const struct watchdog *watchdog, int64_t now_ms)
{
	if (watchdog->period_ms == 0 || watchdog->asking) {
		return -1; /* the answer wakes */
	}
	return watchdog->next_ms > now_ms ? (int)(watchdog->next_ms - now_ms) : 0;
}
