/* SPDX-License-Identifier: Apache-2.0 */
#include "sys/bus.h"

#include "base/assert.h"
#include "base/log.h"
#include "base/mem.h"
#include "sys/uv_impl.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define RETRY_MIN_MS 100
#define RETRY_MAX_MS 5000

struct blx__bus {
	struct blx__env *env; /* borrowed */
	const struct blx__bus_cbs *cbs;
	void *data;
	char address[256];
	bool direct;
	long uid; /* to connect as; -1: as we are */
	sd_bus *bus;
	int fd; /* a copy: sd-bus closes its own when it pleases */
	int events;
	uv_poll_t poll;
	uv_timer_t timer;
	uv_prepare_t prepare;
	unsigned open; /* handles */
	bool told_up;
	bool failed; /* it is being closed, to be opened anew */
	bool closing;
	struct blx__timer retry;
	uint32_t retry_ms;
	void (*close_cb)(void *data);
	void *close_data;
};

static void dial(struct blx__bus *bus);

sd_bus *blx__bus_get(struct blx__bus *bus)
{
	return bus->told_up && !bus->failed ? bus->bus : NULL;
}

bool blx__bus_is_direct(const struct blx__bus *bus)
{
	return bus->direct;
}

/* ---- ending a connection -------------------------------------------------------- */

static void finish(struct blx__bus *bus)
{
	void (*cb)(void *) = bus->close_cb;
	void *data = bus->close_data;

	blx__timer_stop(bus->env, &bus->retry);
	blx__free(bus);
	cb(data);
}

static void after_connection(struct blx__bus *bus)
{
	bus->failed = false;
	if (bus->closing) {
		finish(bus);
		return;
	}
	(void)blx__timer_start_ms(bus->env, &bus->retry, bus->retry_ms);
	bus->retry_ms = bus->retry_ms * 2 < RETRY_MAX_MS ? bus->retry_ms * 2 : RETRY_MAX_MS;
}

static void on_handle_closed(uv_handle_t *handle)
{
	struct blx__bus *bus = handle->data;

	if (--bus->open > 0) {
		return;
	}
	/* Outside of anything that sd-bus called. */
	(void)close(bus->fd);
	bus->fd = -1;
	bus->bus = sd_bus_close_unref(bus->bus);
	after_connection(bus);
}

static void drop(struct blx__bus *bus)
{
	if (bus->failed) {
		return;
	}
	bus->failed = true;
	uv_close((uv_handle_t *)&bus->poll, on_handle_closed);
	uv_close((uv_handle_t *)&bus->timer, on_handle_closed);
	uv_close((uv_handle_t *)&bus->prepare, on_handle_closed);
	if (bus->told_up) {
		bus->told_up = false;
		if (!bus->closing) {
			bus->cbs->down(bus->data);
		}
	}
}

/* ---- running one ---------------------------------------------------------------- */

/* After a disconnect it goes on giving what is pending its answers, and fails then. */
static void process(struct blx__bus *bus)
{
	int rv = 1;

	while (rv > 0 && !bus->failed) {
		rv = sd_bus_process(bus->bus, NULL);
	}
	if (rv < 0 && !bus->failed) {
		blx__log(BLX__LOG_WARN, "bus", "%s: lost: %s", bus->address, strerror(-rv));
		drop(bus);
		return;
	}
	if (!bus->failed && !bus->told_up && sd_bus_is_ready(bus->bus) > 0) {
		bus->told_up = true;
		bus->retry_ms = RETRY_MIN_MS;
		bus->cbs->up(bus->bus, bus->data);
	}
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
	(void)status;
	(void)events;
	process(poll->data);
}

static void on_timer(uv_timer_t *timer)
{
	process(timer->data);
}

static void arm_poll(struct blx__bus *bus, int events)
{
	int wanted = ((events & POLLIN) != 0 ? UV_READABLE : 0) |
		     ((events & POLLOUT) != 0 ? UV_WRITABLE : 0);

	if (wanted == bus->events) {
		return;
	}
	bus->events = wanted;
	if (wanted != 0) {
		(void)uv_poll_start(&bus->poll, wanted, on_poll);
	} else {
		(void)uv_poll_stop(&bus->poll);
	}
}

/* What it waits for changes with each call and answer: asked anew before the loop waits. */
static void on_prepare(uv_prepare_t *prepare)
{
	struct blx__bus *bus = prepare->data;
	int events = sd_bus_get_events(bus->bus);
	uint64_t until_us = UINT64_MAX;
	uint64_t now_us = uv_hrtime() / 1000;

	if (events < 0 || sd_bus_get_timeout(bus->bus, &until_us) < 0) {
		(void)uv_timer_start(&bus->timer, on_timer, 0, 0); /* to be told why */
		return;
	}
	arm_poll(bus, events);
	if (until_us == UINT64_MAX) {
		(void)uv_timer_stop(&bus->timer);
		return;
	}
	uv_update_time(prepare->loop);
	(void)uv_timer_start(&bus->timer, on_timer,
		until_us <= now_us ? 0 : (until_us - now_us + 999) / 1000, 0);
}

/* ---- connecting ----------------------------------------------------------------- */

/* As another user: in this thread alone, for the time of the connection. */
static int start_as(sd_bus *sd, long uid)
{
	int rv;

	if (uid >= 0 && syscall(SYS_setresuid, -1L, uid, -1L) != 0) {
		return -errno;
	}
	rv = sd_bus_start(sd);
	if (uid >= 0 && syscall(SYS_setresuid, -1L, 0L, -1L) != 0 && rv >= 0) {
		rv = -errno;
	}
	return rv;
}

static int connect_sd(struct blx__bus *bus)
{
	int rv = sd_bus_new(&bus->bus);

	if (rv >= 0) {
		rv = sd_bus_set_address(bus->bus, bus->address);
	}
	if (rv >= 0 && !bus->direct) {
		rv = sd_bus_set_bus_client(bus->bus, 1);
	}
	if (rv >= 0) {
		rv = start_as(bus->bus, bus->uid);
	}
	if (rv >= 0) {
		bus->fd = fcntl(sd_bus_get_fd(bus->bus), F_DUPFD_CLOEXEC, 3);
		rv = bus->fd >= 0 ? 0 : -errno;
	}
	return rv;
}

static void dial(struct blx__bus *bus)
{
	uv_loop_t *loop = &blx__uv_of(bus->env)->loop;
	int rv = connect_sd(bus);

	if (rv >= 0) {
		rv = uv_poll_init(loop, &bus->poll, bus->fd);
	}
	if (rv < 0) {
		if (bus->retry_ms == RETRY_MIN_MS) {
			blx__log(BLX__LOG_WARN, "bus", "connect to %s: %s", bus->address,
				strerror(-rv));
		}
		bus->bus = sd_bus_close_unref(bus->bus);
		if (bus->fd >= 0) {
			(void)close(bus->fd);
			bus->fd = -1;
		}
		after_connection(bus);
		return;
	}
	(void)uv_timer_init(loop, &bus->timer);
	(void)uv_prepare_init(loop, &bus->prepare);
	bus->poll.data = bus->timer.data = bus->prepare.data = bus;
	bus->open = 3;
	bus->events = 0;
	(void)uv_prepare_start(&bus->prepare, on_prepare);
	(void)uv_timer_start(&bus->timer, on_timer, 0, 0);
}

static void on_retry(struct blx__timer *timer)
{
	dial(timer->data);
}

/* ---- where it is ---------------------------------------------------------------- */

static bool find_user(struct blx__bus *bus, const char *uid)
{
	const char *dir = getenv("XDG_RUNTIME_DIR");
	char *end;

	if (uid == NULL && dir != NULL) {
		return (size_t)snprintf(bus->address, sizeof bus->address, "unix:path=%s/bus",
			       dir) < sizeof bus->address;
	}
	bus->uid = uid != NULL ? strtol(uid, &end, 10) : (long)geteuid();
	if (bus->uid < 0 || (uid != NULL && (end == uid || *end != '\0'))) {
		return false;
	}
	(void)snprintf(bus->address, sizeof bus->address, "unix:path=/run/user/%ld/bus",
		bus->uid);
	bus->uid = geteuid() == 0 && bus->uid != 0 ? bus->uid : -1;
	return true;
}

static bool find(struct blx__bus *bus, const char *manager, const char *address)
{
	const char *given = getenv("DBUS_SYSTEM_BUS_ADDRESS");

	bus->uid = -1;
	if (address == NULL && strcmp(manager, "user") == 0) {
		return find_user(bus, NULL);
	}
	if (address == NULL && strncmp(manager, "user:", 5) == 0) {
		return find_user(bus, manager + 5);
	}
	if (address == NULL && manager[0] != '\0' && strcmp(manager, "system") != 0) {
		return false;
	}
	if (address == NULL) {
		address = given != NULL ? given : "unix:path=/run/dbus/system_bus_socket";
	}
	bus->direct = strncmp(address, "direct:", 7) == 0;
	return (size_t)snprintf(bus->address, sizeof bus->address, "%s",
		       bus->direct ? address + 7 : address) < sizeof bus->address;
}

int blx__bus_create(struct blx__env *env, const char *manager, const char *address,
	const struct blx__bus_cbs *cbs, void *data, struct blx__bus **ret_bus,
	blx_error *error)
{
	struct blx__bus *bus = blx__calloc(1, sizeof *bus);

	if (bus == NULL) {
		return blx__error_set(error, BLX_ENOMEM, "connect to a bus: out of memory");
	}
	bus->env = env;
	bus->cbs = cbs;
	bus->data = data;
	bus->fd = -1;
	bus->retry_ms = RETRY_MIN_MS;
	blx__timer_init(&bus->retry, on_retry, bus);
	if (!find(bus, manager, address)) {
		blx__free(bus);
		return blx__error_set(error, BLX_EINVAL,
			"\"%.40s\": must be a service manager: empty for the system's, \"user\" "
			"or \"user:UID\"",
			manager);
	}
	(void)blx__timer_start_ms(env, &bus->retry, 0);
	*ret_bus = bus;
	return 0;
}

void blx__bus_close(struct blx__bus *bus, void (*cb)(void *data), void *data)
{
	PRE(!bus->closing);

	bus->closing = true;
	bus->close_cb = cb;
	bus->close_data = data;
	if (bus->bus == NULL) {
		finish(bus);
	} else {
		drop(bus);
	}
}
