#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Three members with leases for reads: reads of a limited age, what a leader that is stopped and
# continued says, and a quota.
. "$(dirname "$0")/lib.sh"

names=(a b c)
found "${names[@]}"
declare -A pid_of
for name in "${names[@]}"; do
	member "$name" --election-timeout-ms 400 --lease-reads
	pid_of[$name]=$pid
done
for name in "${names[@]}"; do ready "$name"; done
leader=$(status a leader)
others=()
for name in "${names[@]}"; do [ "$name" = "$leader" ] || others+=("$name"); done

echo "-- the leader answers under its lease"
on "$leader" kv put /x 1 >/dev/null
leased() { status "$leader" counters.read_lease_reads; }
for _ in $(seq 50); do
	for name in "${names[@]}"; do
		[ "$(on "$name" kv get /x --consistent)" = 1 ] || fail "$name reads something else"
	done
	[ "$(leased)" -gt 20 ] && break
done
[ "$(leased)" -gt 20 ] || fail "only $(leased) reads under a lease"
echo "ok: $(leased) reads under $(status "$leader" counters.read_leases) leases"

echo "-- stopped for longer than an election takes, and continued, it knows better than to answer"
kill -STOP "${pid_of[$leader]}"
tries=0
until on "${others[0]}" --timeout 2s kv put /x 2 >/dev/null 2>&1; do
	tries=$((tries + 1))
	[ $tries -lt 20 ] || fail "no other leader"
done
kill -CONT "${pid_of[$leader]}"
[ "$(on "$leader" --timeout 10s kv get /x --consistent)" = 2 ] || fail "an old value"
echo "ok: 2"

echo "-- reads of a limited age"
for name in "${names[@]}"; do
	[ "$(on "$name" --timeout 10s kv get /x --max-age-ms 1)" = 2 ] || fail "$name: an old value"
done
expect 2 "exclude each other" on a kv get /x --max-age-ms 5 --consistent
expect 2 "--max-age-ms" on a kv get /x --max-age-ms 0
echo "ok: 2 everywhere"

echo "-- a quota"
expect 2 "must be a decimal number" on a config set quota.keys many
expect 2 "a setting is a name" on a config set quota/keys 1
expect 4 "not found" on a config get quota.keys
expect 0 "revision" on b --timeout 10s config set quota.keys 3
expect 0 "3" on b config get quota.keys --consistent
on a --timeout 10s kv put /y 1 >/dev/null
expect 7 "quota" on a --timeout 10s kv put /z 1
expect 0 "" on a --timeout 10s kv put /y 2
expect 0 "" on c --timeout 10s kv rm /y
expect 0 "" on a --timeout 10s kv put /z 1
[ "$(on a --timeout 10s kv get --consistent /z)" = 1 ] || fail "the value is not there"
[ "$(status a quota_keys)" = 3 ] || fail "the status does not tell the quota"
expect 0 "how many keys" on a config ls
[ "$(on a config ls -o json | jq -r '.["quota.keys"].value')" = 3 ] || fail "config ls as JSON"
expect 0 "revision" on a config unset quota.keys
expect 0 "" on a kv put /many/more 1
expect 0 "no member acts on colour" on a config set colour blue
