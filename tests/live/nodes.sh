#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Three members that take services: their records, health when one stands still, a new leader that
# fails nobody, drain and labels, and how little an idle cluster writes.
. "$(dirname "$0")/lib.sh"

names=(a b c)
found "${names[@]}"
declare -A pid_of
for name in "${names[@]}"; do
	member "$name" --election-timeout-ms 400 --services --run-dir "$dir/run-$name"
	pid_of[$name]=$pid
done
for name in "${names[@]}"; do ready "$name"; done
field() { # NODE FIELD
	on a node show "$1" --consistent -o json | jq -c ".$2"
}
until_field() { # NODE FIELD VALUE
	local tries=0
	until [ "$(field "$1" "$2" 2>/dev/null)" = "$3" ]; do
		tries=$((tries + 1))
		[ $tries -lt 100 ] || fail "$1: $2 is $(field "$1" "$2"), not $3"
		sleep 0.1
	done
}

echo "-- each member is a node"
for name in "${names[@]}"; do until_field "$name" status '"Active"'; done
[ "$(field a cpu)" = "$(($(nproc) * 1000))" ] || fail "cpu: $(field a cpu)"
[ "$(field a memory)" -gt 100 ] || fail "memory: $(field a memory)"
field a capabilities | grep -q "$(uname -m)" || fail "capabilities: $(field a capabilities)"
[ "$(on b node ls --consistent -o json | jq -r 'keys | join(" ")')" = "a b c" ] || fail "not the three"
expect 0 "Healthy; 1 voters may fail still" on b health

echo "-- a function of another member"
for name in "${names[@]}"; do expect 0 "hello" on a debug rpc "$name" ping hello; done
expect 0 '{"value":"x"}' on b debug rpc c ping x -o json
expect 4 "there is no member nobody" on a debug rpc nobody ping
expect 1 'c serves no "nothing"' on a debug rpc c nothing
kill -STOP "${pid_of[c]}"
expect 6 "may have been" on a --timeout 1s debug rpc c ping x
kill -CONT "${pid_of[c]}"
ready c

echo "-- drained, and labelled"
next_revision() { # NODE
	on "$1" sql --consistent "SELECT max(mod_revision) + 1 AS r FROM kv" -o json | jq .r
}
from=$(next_revision a)
expect 0 "" on a node label b disk=ssd rack=7
expect 0 'node b changed: labels none -> {"disk":"ssd","rack":"7"}' on b events --from "$from" --count 1
expect 0 "" on a node label b rack=
[ "$(field b labels)" = '{"disk":"ssd"}' ] || fail "labels: $(field b labels)"
expect 0 "" on a node set b cpu=1500 taints=gpu,old zone=east
[ "$(on a node show b --consistent -o json | jq -c '[.cpu, .taints, .zone, .fixed]')" = '[1500,["gpu","old"],"east",["cpu"]]' ] ||
	fail "set: $(on a node show b -o json)"
expect 5 "has taints that are not tolerated: gpu old" on a place why-not b
sleep 2.5 # the member looks at its record now and then
[ "$(field b cpu)" = 1500 ] || fail "cpu does not stay as it was set: $(field b cpu)"
expect 0 "" on a node set b cpu= taints= zone=
until_field b cpu "$(($(nproc) * 1000))"
until_field b taints null
expect 2 "must be a number" on a node set b memory=lots
expect 2 "must be cpu=" on a node set b color=red
expect 0 "" on a node drain b
until_field b status '"Draining"'
expect 5 "is Draining" on a place why-not b
expect 2 "KEY=VALUE" on a node label b disk
expect 4 "not found" on a node drain nobody
sleep 1.5
[ "$(field b status)" = '"Draining"' ] || fail "it does not stay drained"
expect 0 "" on a node undrain b
until_field b status '"Active"'

echo "-- idle, it writes nothing"
before=$(on a cluster status -o json | jq .applied_index)
sleep 5
wrote=$(($(on a cluster status -o json | jq .applied_index) - before))
[ "$wrote" -lt 3 ] || fail "$wrote entries in 5 s"
echo "ok: $wrote entries in 5 s"

echo "-- one that stands still is Degraded, then Failed, and comes back"
on a config set health.degraded_after 1s >/dev/null
on a config set health.failed_after 3s >/dev/null
leader=$(status a leader)
still=a
[ "$leader" != a ] || still=b
asked=c
[ "$leader" != c ] && [ "$still" != c ] || asked=$leader
from=$(next_revision "$asked")
kill -STOP "${pid_of[$still]}"
began=$(date +%s%3N)
field() { on "$asked" node show "$1" --consistent -o json | jq -c ".$2"; }
until_field "$still" health '"Degraded"'
until_field "$still" health '"Failed"'
took=$(($(date +%s%3N) - began))
[ "$took" -ge 3000 ] || fail "Failed after $took ms"
[ "$(field "$still" status)" = '"Failed"' ] || fail "its status: $(field "$still" status)"
expect 1 "Failed" on "$asked" health
expect 0 "node $still changed: health none -> Degraded" on "$asked" events --from "$from" --count 1
expect 0 "$still changed: status Active -> Failed, health Degraded -> Failed" \
	on "$asked" events --from "$from" --count 2
expect 5 "its health is Failed" on "$asked" place why-not "$still"
kill -CONT "${pid_of[$still]}"
until_field "$still" health null # the default is not written out
until_field "$still" status '"Active"'
echo "ok: after $took ms"

echo "-- a new leader fails nobody"
revision() { on "$asked" sql --consistent "SELECT max(mod_revision) AS r FROM kv WHERE path GLOB '/:nodes/*'" -o json | jq .r; }
before=$(revision)
on "$asked" --timeout 10s cluster transfer >/dev/null || fail "no transfer"
sleep 2
[ "$(revision)" = "$before" ] || fail "records of nodes were changed"
echo "ok"
