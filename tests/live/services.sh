#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Services on three real systemds: run, restarted, stopped, moved; what is done behind the
# cluster's back; a member that is paused or killed; a host that dies, and comes back cut off. What
# the service itself writes down shows that there were never two.
BLX_LIVE_DIR=/tmp # /var of the hosts is another
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/hosts.sh"
: "${BEAT:?the path of the beat program}"

hosts_up --election-timeout-ms 300
beats=$dir/beats
touch "$beats"
for i in 1 2 3; do
	# Stopping lasts longer than a wait sleeps between two looks: it is seen.
	printf '[Service]\nType=notify\nExecStart=%s %s slow-stop 200\n' "$BEAT" "$beats" \
		>"$dir/h$i/units/web.service"
	# At each boot, too: only the gate stands before it.
	ln -sf ../web.service "$dir/h$i/units/multi-user.target.wants/"
done
hosts_fast
runs_on() { [ "$(field 1 web state)" = Running ] && [ "$(field 1 web node)" = "$1" ]; }

echo "-- defined, and started where it is wanted"
expect 4 "Service not found" host_on 1 svc start web
expect 0 "" host_on 1 svc define web --stop-timeout 300ms
expect 0 "yes" host_on 3 svc can-run web --node n2
expect 0 "Running on n2" host_on 1 --timeout 20s svc start web --node n2 --wait
[ "$(host_unit_is 2 web.service)" = active ] || fail "web is $(host_unit_is 2 web.service)"
expect 0 "" host_on 3 svc owner web --is n2
expect 1 "" host_on 3 svc owner web --is n1
grep -q " 1 beat" "$beats" || fail "it has no epoch: $(tail -n 1 "$beats")"

echo "-- nowhere else, whoever starts it"
host_in 1 systemctl start web.service || true
[ "$(host_unit_is 1 web.service)" = inactive ] || fail "it runs on n1, too"

echo "-- stopped behind our back: seen, and started again"
from=$(now_ms)
host_in 2 systemctl stop web.service
until_true 2 sh -c "'$BLIXARD' --socket '$dir/h1/sock' events --from 1 --count 100000 --timeout 1s | grep -q 'not by the cluster' || [ \"\$('$BLIXARD' --socket '$dir/h1/sock' svc show web -o json | jq -r .seen)\" = Stopped ]"
echo "seen after $(($(now_ms) - from)) ms"
until_true 10 runs_on n2

echo "-- a crash, and restarts"
host_in 2 systemctl kill -s SEGV web.service
until_true 10 sh -c "[ \"\$('$BLIXARD' --socket '$dir/h1/sock' svc show web -o json | jq -r .failures)\" -ge 2 ]"
until_true 15 runs_on n2
expect 0 "" host_on 1 --timeout 20s svc restart web --wait

echo "-- moved"
expect 0 "Stopping" host_on 1 --timeout 20s svc migrate web --to n3 --wait
runs_on n3 || fail "it is $(field 1 web state) on $(field 1 web node)"
[ "$(host_on 1 migrate ls -o json)" = "{}" ] || fail "a migration is left"
expect 2 "is on n3" host_on 1 svc migrate web --to n3
printf '[Service]\nType=notify\nExecStart=/bin/false\n' >"$dir/h1/units/web.service"
host_in 1 systemctl daemon-reload
expect 1 "Failed to start on target" host_on 1 --timeout 30s svc migrate web --to n1 --wait
until_true 10 runs_on n3
cp "$dir/h2/units/web.service" "$dir/h1/units/web.service"
host_in 1 systemctl daemon-reload

echo "-- the member killed: it goes on, and is found again"
before=$(grep -c "h3 .* start" "$beats")
host_in 3 systemctl kill -s KILL blixard.service
host_ready 3
sleep 1
runs_on n3 || fail "it is $(field 1 web state)"
[ "$(grep -c "h3 .* start" "$beats")" = "$before" ] || fail "it was restarted"

echo "-- the member paused: the guard stops it, and it goes elsewhere"
from=$(now_ms)
host_in 3 systemctl kill -s STOP blixard.service
until_true 10 sh -c "[ \"\$(busctl --address=unix:path=$dir/h3/run/dbus/system_bus_socket get-property org.freedesktop.systemd1 /org/freedesktop/systemd1/unit/web_2eservice org.freedesktop.systemd1.Unit ActiveState | cut -d'\"' -f2)\" = inactive ]"
echo "stopped after $(($(now_ms) - from)) ms"
until_true 15 sh -c "[ \"\$('$BLIXARD' --socket '$dir/h1/sock' svc show web --consistent -o json | jq -r '.state + .node')\" != Runningn3 ] && [ \"\$('$BLIXARD' --socket '$dir/h1/sock' svc show web --consistent -o json | jq -r .state)\" = Running ]"
echo "elsewhere after $(($(now_ms) - from)) ms"
host_in 3 systemctl kill -s CONT blixard.service

echo "-- its host dies: failover, and when"
node=$(field 1 web node)
asked=$([ "$node" = n1 ] && echo 2 || echo 1)
host_ready 3
from=$(now_ms)
host_kill "$(number "$node")"
until_true 20 sh -c "[ \"\$('$BLIXARD' --socket '$dir/h$asked/sock' svc show web --consistent -o json | jq -r .state)\" = Running ] && [ \"\$('$BLIXARD' --socket '$dir/h$asked/sock' svc show web --consistent -o json | jq -r .node)\" != $node ]"
took=$(($(now_ms) - from))
# max(health.failed_after, (lease + 2 stop) * 5/4 + margin), and a look, an election, a start.
echo "failover after $took ms; predicted 2200 ms and up to some 2000 more"
[ $took -lt 6000 ] || fail "failover took $took ms"

echo "-- it comes back cut off: nothing is started there"
host=$(number "$node")
net_cut "$host"
host_boot "$host"
sleep 3
[ "$(host_unit_is "$host" web.service)" != active ] || fail "it was started on $node"
net_mend "$host"
host_ready "$host"
until_true 15 sh -c "'$BLIXARD' --socket '$dir/h$asked/sock' node show $node -o json | jq -e '.status == \"Active\"'"

echo "-- taken from a node that nobody asks"
node=$(field $asked web node)
expect 5 "not on n9" host_on $asked svc reassign web --from n9
expect 0 "Running on" host_on $asked --timeout 20s svc reassign web --from "$node" --wait
[ "$(field $asked web node)" != "$node" ] || fail "it is on $node still"

echo "-- drained"
node=$(field $asked web node)
expect 0 "" host_on $asked --timeout 20s node drain "$node" --wait
until_true 10 sh -c "'$BLIXARD' --socket '$dir/h$asked/sock' svc show web --consistent -o json | jq -e '.state == \"Running\" and .node != \"$node\"'"
expect 0 "" host_on $asked node undrain "$node"

echo "-- stopped, and forgotten"
expect 5 "stop it first" host_on $asked svc rm web
expect 0 "" host_on $asked --timeout 20s svc stop web --wait
for i in 1 2 3; do
	[ "$(host_unit_is $i web.service)" != active ] || fail "it runs on n$i still"
done
expect 0 "" host_on $asked svc rm web

"$(dirname "$0")/beats.py" "$beats" || fail "there were two"
echo "no two at once; nobody ran for (ms, from, to):"
"$(dirname "$0")/beats.py" --gaps "$beats"
