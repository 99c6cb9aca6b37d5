#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Two members: views that are declared through one and read through the other, also after a restart
# from a snapshot.
. "$(dirname "$0")/lib.sh"

names=(a b)
found "${names[@]}"
for name in "${names[@]}"; do member "$name" --election-timeout-ms 300 --snapshot-entries 10; done
for name in "${names[@]}"; do ready "$name"; done

echo "-- declared, read"
on a kv put /:services/web '{"node": "n1", "mem": 100}' >/dev/null
expect 0 "" on a view declare by_node '/:services/*' --by node --sum mem
on b kv put /:services/db '{"node": "n2", "mem": 300}' >/dev/null
on b kv put /:services/cache '{"node": "n1", "mem": 50}' >/dev/null
expect 0 "GROUP  COUNT  SUM" on a view get by_node --consistent
[ "$(on b view get by_node --consistent -o json | jq -c '[.entries[] | [.group, .count, .sums[0]]]')" = \
	'[["n1",2,150],["n2",1,300]]' ] || fail "the groups: $(on b view get by_node -o json)"
[ "$(on b view get by_node n1 --consistent -o json | jq -c '[.entries[].path]')" = \
	'["/:services/cache","/:services/web"]' ] || fail "the values of a group"
[ "$(on a view get by_node n1 --consistent --limit 1 -o json | jq -c '[.total, .more]')" = '[2,true]' ] ||
	fail "a part of a group"
expect 0 "/:services/web" on a view get by_node n1 --after /:services/cache
expect 0 "by_node" on a view ls --values
expect 2 "a view is a JSON object" on a kv put /:views/x '{}'
expect 4 "no such view" on a view get none
expect 2 "without" on a view declare a/b /x

echo "-- the same after a restart"
for i in $(seq 30); do on a kv put "/:services/s$i" "{\"node\": \"n3\", \"mem\": $i}" >/dev/null; done
before=$(on a view get by_node --consistent -o json | jq -c .entries)
kill "$pid"
wait "$pid" || fail "b did not end well"
member b --election-timeout-ms 300
ready b
[ "$(on b view get by_node --consistent -o json | jq -c .entries)" = "$before" ] || fail "another one"
[ "$(jq -c '.[2].sums' <<<"$before")" = '[465]' ] || fail "not the sum: $before"
expect 0 "" on b view rm by_node
expect 4 "no such view" on b view get by_node --consistent
