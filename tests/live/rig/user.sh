#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A host for who is not root: a "systemd --user" of its own, with a bus of its own. It shares the
# machine's network.
#
#   user.sh start DIR   its XDG_RUNTIME_DIR is DIR/run, its bus unix:path=DIR/run/bus
#   user.sh kill DIR    all of it dies
#
# DIR/units are its units, DIR/config is its XDG_CONFIG_HOME. Exit 77, with the reason: it cannot be
# had here.
set -euo pipefail

cannot() {
	echo "$*" >&2
	exit 77
}

. "$(dirname "${BASH_SOURCE[0]}")/cgroup.sh"

# Where we may make groups: below the one that we are in.
cgroup_here() {
	local dir
	dir=$(cgroup_root)$(sed -n 's/^0:://p' /proc/self/cgroup)
	[ -w "$dir" ] && [ -w "$dir/cgroup.procs" ] || cannot "$dir is not ours"
	echo "$dir"
}

# Without what a session brings along: the bus, and what makes it up.
units() {
	local from=/usr/lib/systemd/user to=$1 unit
	mkdir -p "$to/sockets.target.wants"
	for unit in {basic,sockets,timers,paths,shutdown,exit}.target {app,session,background}.slice \
		dbus.{service,socket} systemd-exit.service; do
		[ ! -e "$from/$unit" ] || cp "$from/$unit" "$to/"
	done
	printf '[Unit]\nRequires=basic.target\nAfter=basic.target\n' >"$to/default.target"
	ln -sf ../dbus.socket "$to/sockets.target.wants/"
}

launch() {
	local R=$DIR/run
	echo "$BASHPID" >"$CGROUP/cgroup.procs"
	exec </dev/null >>"$DIR/console.log" 2>&1
	exec env -i HOME="$DIR" XDG_RUNTIME_DIR="$R" XDG_CONFIG_HOME="$DIR/config" LANG=C.UTF-8 \
		DBUS_SESSION_BUS_ADDRESS="unix:path=$R/bus" PATH="$PATH" \
		SYSTEMD_UNIT_PATH="$R/systemd/transient:$DIR/config/systemd/user:$DIR/units:$DIR/base" \
		SYSTEMD_GENERATOR_PATH="$DIR/empty" SYSTEMD_ENVIRONMENT_GENERATOR_PATH="$DIR/empty" \
		/lib/systemd/systemd --user
}

start() {
	local tries pid
	[ "$(id -u)" != 0 ] || cannot "root has systemd as process 1"
	[ -x /lib/systemd/systemd ] || cannot "there is no systemd"
	[ -d /run/systemd/system ] || cannot "the machine was not booted with systemd"
	[ -e /usr/lib/systemd/user/dbus.socket ] || cannot "there is no dbus-user-session"
	[ ${#DIR} -le 70 ] || cannot "$DIR: too long for the path of a socket"
	rm -rf "$DIR/run" "$DIR/base"
	mkdir -p "$DIR"/{run,units,base,config/systemd/user,empty}
	chmod 700 "$DIR/run"
	units "$DIR/base"
	CGROUP=$(cgroup_here)/blixard-live.$(basename "$DIR").$$
	mkdir "$CGROUP" || cannot "no cgroup can be made"
	echo "$CGROUP" >"$DIR/cgroup"
	(
		trap '' HUP
		launch
	) &
	pid=$!
	for tries in $(seq 1 300); do
		[ -d "/proc/$pid" ] || break
		if [ -S "$DIR/run/bus" ] && busctl --address="unix:path=$DIR/run/bus" --timeout=2 \
			status org.freedesktop.systemd1 >/dev/null 2>&1; then
			return
		fi
		sleep 0.03
	done
	tail -n 5 "$DIR/console.log" >&2
	power_off
	cannot "systemd --user does not come up ($tries tries)"
}

# All at once, the manager and what it runs.
power_off() {
	local group
	group=$(cat "$DIR/cgroup" 2>/dev/null) || return 0
	[ ! -d "$group" ] || echo 1 >"$group/cgroup.kill"
	rm -f "$DIR/cgroup"
	cgroup_gone "$group"
}

verb=$1
DIR=$(realpath -m -- "$2")
case $verb in
start) start ;;
kill) power_off ;;
*) exit 64 ;;
esac
