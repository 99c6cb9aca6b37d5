#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The example of a whole orchestrator on three real systemds: what is on its list runs, what is not
# any more stops, and what dies with its machine comes back on another.
BLX_LIVE_DIR=/tmp # /var of the hosts is another
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/hosts.sh"
: "${TINYBLIX:?the path of the example}"

host_unit() {
	local i=$1
	mkdir -p "$dir/h$i/units/multi-user.target.wants"
	cat >"$dir/h$i/units/blixard.service" <<-UNIT
		[Service]
		Environment=BLIXARD=$BLIXARD
		ExecStart=$TINYBLIX $dir/h$i/state/data n$i $dir/list n1=10.79.0.1:7000 n2=10.79.0.2:7000 n3=10.79.0.3:7000
		StandardOutput=append:$dir/h$i.log
		StandardError=append:$dir/h$i.log
		KillMode=process
	UNIT
	ln -sf ../blixard.service "$dir/h$i/units/multi-user.target.wants/"
	printf '[Service]\nExecStart=/bin/sleep infinity\n' >"$dir/h$i/units/web.service"
}
host_ready() { :; } # it opens no socket: what it says is in its log
last() { # NAME: where the last word of any host has it
	cat "$dir"/h?.log | grep "^$1:" | tail -n 1
}
is_said() { cat "$dir"/h?.log | grep -q "$1"; }
runs() { # UNIT: on how many hosts
	local i count=0
	for i in 1 2 3; do
		[ "$(host_unit_is $i "$1")" != active ] || count=$((count + 1))
	done
	echo $count
}
runs_once() { [ "$(runs "$1")" = 1 ]; }
runs_nowhere() { [ "$(runs "$1")" = 0 ]; }

printf 'web web.service\njob /bin/sleep 1000000\n' >"$dir/list"
hosts_up

echo "-- what is on the list runs, each once"
until_true 30 runs_once web.service
until_true 30 runs_once job.service
until_true 5 is_said "^web: Running on n"

echo "-- what is not any more is stopped and forgotten"
echo 'web web.service' >"$dir/list"
until_true 30 runs_nowhere job.service
until_true 30 is_said "^job: forgotten"

echo "-- another unit under the name"
for i in 1 2 3; do
	printf '[Service]\nExecStart=/bin/sleep infinity\n' >"$dir/h$i/units/other.service"
	host_in $i systemctl daemon-reload
done
echo 'web other.service' >"$dir/list"
until_true 30 runs_once other.service
runs_nowhere web.service || fail "the one before runs still"

echo "-- its machine dies"
for i in 1 2 3; do
	[ "$(host_unit_is $i other.service)" != active ] || node=$i
done
host_kill "$node"
from=$(now_ms)
until_true 60 runs_once other.service
echo "elsewhere after $(($(now_ms) - from)) ms"
