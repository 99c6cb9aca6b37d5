#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# What is there when everything of ours stands still, and when the service manager itself goes away for
# a moment: member and guard paused together, systemd executed anew, its bus killed. And a service
# that is a command line instead of a unit.
BLX_LIVE_DIR=/tmp # /var of the hosts is another
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/hosts.sh"
: "${BEAT:?the path of the beat program}"

hosts_up --election-timeout-ms 300
beats=$dir/beats
touch "$beats" "$beats.cmd"
for i in 1 2 3; do
	printf '[Service]\nType=notify\nExecStart=%s %s\n' "$BEAT" "$beats" >"$dir/h$i/units/web.service"
done
hosts_fast
host_on 1 svc define web --stop-timeout 300ms
expect 0 "Running on n2" host_on 1 --timeout 20s svc start web --node n2 --wait

echo "-- the member and the guard paused: systemd's watchdog ends the guard, and with it the service"
from=$(now_ms)
host_in 2 systemctl kill -s STOP blixard.service blixard-guard.service
is_down() { [ "$(host_unit_is 2 web.service)" != active ]; }
until_true 5 is_down
took=$(($(now_ms) - from))
echo "stopped after $took ms"
[ $took -lt 2500 ] || fail "it took $took ms, with a lease of 1000"
is_elsewhere() { [ "$(field 1 web state)" = Running ] && [ "$(field 1 web node)" != n2 ]; }
until_true 20 is_elsewhere
host_in 2 systemctl kill -s CONT blixard.service

echo "-- systemd executed anew, and its bus killed"
host=$(number "$(field 1 web node)")
host_in "$host" systemctl daemon-reexec
expect 0 "Running" host_on 1 --timeout 20s svc restart web --wait
host_in "$host" pkill -9 dbus-daemon
is_back() { [ "$(host_unit_is "$host" web.service)" = active ]; }
until_true 10 is_back
expect 0 "Running" host_on 1 --timeout 20s svc restart web --wait

echo "-- a command line"
host_on 1 svc define cmd --stop-timeout 300ms -- "$BEAT" "$beats.cmd"
expect 0 "Running" host_on 1 --timeout 20s svc start cmd --wait
from=$(field 1 cmd node)
to=n$(($(number "$from") % 3 + 1))
expect 0 "Running on $to" host_on 1 --timeout 20s svc migrate cmd --to "$to" --wait
grep -q " 2 beat" "$beats.cmd" || fail "it has no new epoch: $(tail -n 1 "$beats.cmd")"

for file in "$beats" "$beats.cmd"; do
	"$(dirname "$0")/beats.py" "$file" || fail "there were two"
done
echo "no two at once"
