#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Two members: records that are checked, plans and the reasons against every node.
. "$(dirname "$0")/lib.sh"

names=(a b)
found "${names[@]}"
for name in "${names[@]}"; do member "$name" --election-timeout-ms 400; done
for name in "${names[@]}"; do ready "$name"; done

echo "-- records"
for node in n1 n2 n3; do
	on a kv put "/:nodes/$node" \
		"{\"status\":\"Active\",\"cpu\":4000,\"memory\":8192,\"labels\":{\"disk\":\"${node/n1/ssd}\"},\"zone\":\"z${node#n}\"}" \
		>/dev/null
done
expect 2 '"cpu" must be an integer' on a kv put /:nodes/n4 '{"cpu":"many"}'
expect 2 "must be one of Pending Bound" on a kv put /:reservations/v1 '{"node":"n1","state":"Lost"}'
expect 0 "revision" on a kv put /:reservations/v1 '{"node":"n1","cpu":3000,"memory":1024,"state":"Bound"}'
expect 0 "revision" on a kv put /:services/db '{"state":"Running","node":"n2","cpu":500,"memory":512,"group":"g","later":1}'
expect 0 "NAME  STATUS  HEALTH" on b node ls --consistent
[ "$(on b node show n1 --consistent -o json | jq -c '[.cpu, .labels.disk]')" = '[4000,"ssd"]' ] || fail "node show"
expect 0 "Running" on b svc show db --consistent
expect 0 "Bound" on b reservation ls --consistent
expect 4 "not found" on a vm show none
expect 0 "NAME" on a migrate ls

expect 5 'state is "Running", not "Stopped"' on a svc cas db --expect-state Stopped cpu=600
expect 5 'node is "n2", not "n1"' on a svc cas db --expect-state Running --expect-node n1 cpu=600
expect 0 "revision" on a svc cas db --expect-state Running --expect-node n2 state=Stopping shared=true
[ "$(on a svc show db --consistent -o json | jq -c '[.state, .node, .shared, .later, (.timestamp | length)]')" = \
	'["Stopping","n2",true,1,24]' ] || fail "svc cas: $(on a svc show db --consistent -o json)"
expect 2 "must be one of" on a svc cas db state=Lost
expect 2 "must be FIELD=VALUE" on a svc cas db Running
expect 4 "not found" on a svc cas nothing state=Running
expect 0 "revision" on a svc cas db --expect-node n2 state=Running

echo "-- plans"
[ "$(on a place plan --cpu 1000 --memory 1024)" = n3 ] || fail "not where most is left"
[ "$(on a place plan --cpu 1000 --strategy bin-pack)" = n1 ] || fail "not where least is left"
[ "$(on a place plan --cpu 1000 --strategy first-fit)" = n1 ] || fail "not the first"
[ "$(on a place plan --cpu 1000 --without n3)" = n2 ] || fail "not without a node"
[ "$(on a place plan --label disk=ssd,nvme)" = n1 ] || fail "not by its label"
[ "$(on a place plan --apart-from db --not-on n1)" = n3 ] || fail "not apart"
[ "$(on a place plan --together-with db)" = n2 ] || fail "not together"
[ "$(on a place plan --group g --spread zone=1 --not-on n3)" = n1 ] || fail "not spread"
expect 0 "n1: will not do" on a place explain --cpu 2000
expect 5 "has 1000 of cpu left, 2000 needed" on a place why-not n1 --cpu 2000
expect 5 "No suitable nodes available" on a place plan --cpu 5000
expect 5 "the nearest is n1" on a place plan --cpu 5000 --memory 9000
expect 5 "none of: elsewhere" on a place plan --on elsewhere
expect 2 "KEY=N" on a place plan --max-per-node g
expect 4 "there is no node n9" on a place why-not n9
[ "$(on b place explain --cpu 3500 -o json | jq -c '[.node, [.nodes[] | select(.fits | not) | .node]]')" = \
	'["n3",["n1"]]' ] || fail "explain: $(on b place explain --cpu 3500 -o json)"
expect 0 "db    n2    n3" on a place what-if n2
expect 0 "v1    n1    n2" on a place what-if n1 n3 --strategy bin-pack
expect 5 "nowhere" on a place what-if n1 n2 n3
expect 4 "there is no node n9" on a place what-if n1 n9
[ "$(on b place what-if n1 n2 n3 -o json | jq -c '[.[] | [.name, .to, .why]]')" = \
	'[["v1",null,null],["db",null,null]]' ] || fail "without any node"
expect 0 "" on a reservation rm v1
[ "$(on a place plan --cpu 4000 --strategy first-fit)" = n1 ] || fail "what was let go of is not free"

echo "-- what someone who died had reserved is free again"
lease=$(on a lease grant --ttl 1s)
began=$(date +%s%3N)
expect 0 "revision" on a kv put /:reservations/v2 '{"node":"n1","cpu":4000,"state":"Pending"}' --lease "$lease"
expect 5 "has 0 of cpu left" on b place why-not n1 --cpu 1
until on b place why-not n1 --cpu 4000 >/dev/null; do
	[ $(($(date +%s%3N) - began)) -lt 10000 ] || fail "it stays reserved"
done
took=$(($(date +%s%3N) - began))
[ "$took" -ge 1000 ] || fail "free after $took ms, while the lease was on"
[ "$took" -le 3000 ] || fail "free after $took ms only"
echo "ok: after $took ms"
