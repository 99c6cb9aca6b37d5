#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A host for tests: systemd as process 1 of namespaces of its own, with a bus of its own.
#
#   systemd.sh start DIR NETNS   boots it; its bus is unix:path=DIR/run/dbus/system_bus_socket
#   systemd.sh kill DIR          the power fails
#   systemd.sh stop DIR          an orderly shutdown, and then as kill
#   systemd.sh in DIR COMMAND... runs a command inside
#
# DIR/units is /etc/systemd/system inside, DIR/run is /run, DIR/state is /var/lib/blixard; /etc
# and /var are overlays, so nothing that is written there reaches the machine. After "kill" it
# can be started again: units and state are kept, /run is not, as after a reboot.
# DIR must not be below /etc or /var for that.
# Exit 77, with the reason: it cannot be had here.
set -euo pipefail

cannot() {
	echo "$*" >&2
	exit 77
}

alive() { # PID; one that only waits to be reaped is dead
	local state
	state=$(cut -d' ' -f3 "/proc/$1/stat" 2>/dev/null) && [ "$state" != Z ]
}

. "$(dirname "${BASH_SOURCE[0]}")/cgroup.sh"

# A few of the distribution's units, and nothing else: what a small host needs to come up.
units() {
	local from=/lib/systemd/system to=$1 unit
	mkdir -p "$to/sockets.target.wants" "$to/multi-user.target.wants"
	for unit in {basic,sysinit,sockets,timers,paths,slices,shutdown,umount,final,swap}.target \
		{local-fs,local-fs-pre,remote-fs,network,multi-user,poweroff,reboot,halt,exit}.target \
		{rescue,emergency}.target dbus.{service,socket} \
		systemd-{poweroff,reboot,halt,exit}.service \
		systemd-journald{.service,.socket,-dev-log.socket}; do
		[ ! -e "$from/$unit" ] || cp "$from/$unit" "$to/"
	done
	ln -sf multi-user.target "$to/default.target"
	ln -sf ../dbus.socket "$to/sockets.target.wants/"
	ln -sf ../dbus.service "$to/multi-user.target.wants/"
}

# What is process 1 of the new namespaces until it becomes systemd.
stage2() {
	cat <<'INNER'
set -euo pipefail
DIR=$1 NAME=$2
mount --make-rprivate /
mount -t proc -o nosuid,nodev,noexec proc /proc
hostname "$NAME"
for d in etc var; do
	mount -t overlay overlay \
		-o "lowerdir=/$d,upperdir=$DIR/overlay/$d.up,workdir=$DIR/overlay/$d.work" "/$d"
done
# Its own /dev: systemd would use the machine's console.
D=$DIR/dev
mount -t tmpfs -o mode=755,nosuid tmpfs "$D"
for node in null:3 zero:5 full:7 random:8 urandom:9; do
	mknod -m 666 "$D/${node%:*}" c 1 "${node#*:}"
done
mknod -m 666 "$D/tty" c 5 0
mkdir "$D/pts" "$D/shm"
mount -t devpts -o newinstance,ptmxmode=0666,mode=620,gid=5 devpts "$D/pts"
mount -t tmpfs -o mode=1777,nosuid,nodev tmpfs "$D/shm"
ln -s pts/ptmx "$D/ptmx"
ln -s /proc/self/fd "$D/fd"
for node in 0:stdin 1:stdout 2:stderr; do ln -s "/proc/self/fd/${node%:*}" "$D/${node#*:}"; done
umount -l -R /dev
mount --move "$D" /dev
umount -l -R /sys
mount -t sysfs -o ro,nosuid,nodev,noexec sysfs /sys
mount -t cgroup2 -o rw,nosuid,nodev,noexec cgroup2 /sys/fs/cgroup
# systemd moves every process of its root cgroup into a scope of its own: it is not started
# unless the tree that is seen here is one of our own, with nobody else in it.
[ "$(stat -fc %T /sys/fs/cgroup)" = cgroup2fs ] &&
	[ "$(sed -n 's/^0:://p' /proc/self/cgroup)" = / ] &&
	[ "$(wc -l </sys/fs/cgroup/cgroup.procs)" -le 4 ] &&
	[ -e /sys/fs/cgroup/cgroup.type ] || {
	echo "the cgroups are not apart: systemd is not started"
	exit 1
}
umount -l -R /run/netns 2>/dev/null || true
mount --bind "$DIR/run" /run
mkdir -p -m 1777 /run/lock
mkdir -p /run/systemd /run/dbus
rm -rf /etc/systemd/system /var/lib/systemd/*
mkdir -p /etc/systemd/system /var/lib/blixard
mount --bind "$DIR/units" /etc/systemd/system
mount --bind "$DIR/state" /var/lib/blixard
cp "$DIR/etc/machine-id" "$DIR/etc/hostname" /etc/
cp "$DIR/etc/system.conf" /etc/systemd/
exec env -i container=blixard-test TERM=dumb LANG=C.UTF-8 \
	PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
	SYSTEMD_UNIT_PATH="/run/systemd/transient:/etc/systemd/system:/run/systemd/system:$DIR/base" \
	SYSTEMD_GENERATOR_PATH="$DIR/empty" SYSTEMD_ENVIRONMENT_GENERATOR_PATH="$DIR/empty" \
	/lib/systemd/systemd --system
INNER
}

prepare() {
	local name
	name=$(basename "$DIR")
	rm -rf "$DIR/run" "$DIR/base" "$DIR/overlay" "$DIR/etc"
	mkdir -p "$DIR"/{run,units,base,state,empty,etc,dev} "$DIR"/overlay/{etc,var}.{up,work}
	chmod 755 "$DIR" "$DIR/run"
	units "$DIR/base"
	printf '[Manager]\nShowStatus=no\nLogTarget=null\nDefaultStandardOutput=null\n' \
		>"$DIR/etc/system.conf"
	printf 'DefaultTimeoutStartSec=20s\nDefaultTimeoutStopSec=5s\n' >>"$DIR/etc/system.conf"
	echo "$DIR $$ $(date +%s%N)" | md5sum | cut -c1-32 >"$DIR/etc/machine-id"
	echo "$name" >"$DIR/etc/hostname"
	stage2 >"$DIR/stage2.sh"
}

launch() { # NETNS
	echo "$BASHPID" >"$CGROUP/cgroup.procs"
	exec </dev/null >>"$DIR/console.log" 2>&1
	exec nsenter --net="/run/netns/$1" unshare --cgroup --pid --fork --kill-child=KILL --mount \
		--propagation private --ipc --uts -- \
		/bin/bash "$DIR/stage2.sh" "$DIR" "$(basename "$DIR")"
}

start() { # NETNS
	local tries bus="unix:path=$DIR/run/dbus/system_bus_socket" pid
	[ "$(id -u)" = 0 ] || cannot "systemd as process 1 needs root"
	[ -x /lib/systemd/systemd ] || cannot "there is no systemd"
	case $DIR in /etc/* | /var/*) cannot "$DIR: must not be below /etc or /var" ;; esac
	[ ${#DIR} -le 70 ] || cannot "$DIR: too long for the path of a socket"
	prepare
	CGROUP=$(cgroup_root)/blixard-live.$(basename "$DIR").$$
	mkdir "$CGROUP" || cannot "no cgroup can be made"
	echo "$CGROUP" >"$DIR/cgroup"
	(
		trap '' HUP
		launch "$1"
	) &
	pid=$!
	echo "$pid" >"$DIR/pid"
	for tries in $(seq 1 600); do
		alive "$pid" || break
		if [ -S "$DIR/run/dbus/system_bus_socket" ] && busctl --address="$bus" --timeout=5 \
			call org.freedesktop.systemd1 /org/freedesktop/systemd1 \
			org.freedesktop.DBus.Peer Ping >/dev/null 2>&1; then
			cut -d' ' -f1 "/proc/$pid/task/$pid/children" >"$DIR/init"
			return
		fi
		sleep 0.03
	done
	tail -n 5 "$DIR/console.log" >&2
	power_off
	cannot "systemd does not come up ($tries tries)"
}

# Process 1 dies, and the kernel ends all of its namespace.
power_off() {
	local pid init group tries
	pid=$(cat "$DIR/pid" 2>/dev/null) || return 0
	init=$(cat "$DIR/init" 2>/dev/null) || init=$(cut -d' ' -f1 "/proc/$pid/task/$pid/children")
	[ -z "$init" ] || kill -KILL "$init" 2>/dev/null || true
	for tries in $(seq 1 500); do
		alive "$pid" || break
		sleep 0.01
	done
	kill -KILL "$pid" 2>/dev/null || true
	group=$(cat "$DIR/cgroup")
	rm -f "$DIR/pid" "$DIR/init" "$DIR/cgroup"
	cgroup_gone "$group"
}

verb=$1
DIR=$(realpath -m -- "$2")
shift 2
case $verb in
start) start "$1" ;;
kill) power_off ;;
stop)
	kill -s RTMIN+4 "$(cat "$DIR/init")" 2>/dev/null || true
	for _ in $(seq 1 800); do
		alive "$(cat "$DIR/pid")" || break
		sleep 0.01
	done
	power_off
	;;
in) exec nsenter -t "$(cat "$DIR/init")" --mount --pid --ipc --uts --net --cgroup -- "$@" ;;
*) exit 64 ;;
esac
