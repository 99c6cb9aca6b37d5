#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Three members: leases that are kept and that are not, a leader that stands still for twice the
# time to live, locks with their fencing tokens, elections.
. "$(dirname "$0")/lib.sh"

names=(a b c)
found "${names[@]}"
declare -A pid_of
for name in "${names[@]}"; do
	member "$name" --election-timeout-ms 400
	pid_of[$name]=$pid
done
for name in "${names[@]}"; do ready "$name"; done
# As on(), for the background: the pid is the command's own.
as() { # NAME COMMAND...
	local name=$1
	shift
	exec "$BLIXARD" --socket "$dir/$name.sock" "$@"
}
now_ms() { date +%s%3N; }
# until TEXT COMMAND...: the command succeeds, within 10 s.
until_ok() {
	local what=$1 tries=0
	shift
	until "$@" >/dev/null 2>&1; do
		tries=$((tries + 1))
		[ $tries -lt 100 ] || fail "not within 10 s: $what"
		sleep 0.1
	done
}
gone() { ! on "$1" kv get --consistent "$2" >/dev/null 2>&1; }

echo "-- a lease that is not kept ends, not early, and takes along what is bound to it"
as a watch '/app/**' --count 2 -o json >"$dir/events" &
watcher=$!
pids+=("$watcher")
sleep 0.3
began=$(now_ms)
lease=$(on a lease grant --ttl 1s --holder me)
expect 0 "revision" on b kv put /app/me here --lease "$lease"
expect 0 "me" on c lease ls
until_ok "the lease ends" gone a /app/me
took=$(($(now_ms) - began))
[ "$took" -ge 1000 ] || fail "it ended after $took ms"
[ "$took" -lt 3000 ] || fail "it took $took ms to end"
wait "$watcher" || fail "the watch failed"
[ "$(jq -r 'select(.event == "delete") | .cause' "$dir/events")" = "/:leases/$lease" ] ||
	fail "the watch does not tell why: $(cat "$dir/events")"
expect 4 "has ended" on b lease keep "$lease"
expect 5 "guard" on b kv put /app/me here --lease "$lease"
expect 4 "nothing there" on b lease revoke "$lease"
echo "ok: after $took ms"

echo "-- one that is kept lasts"
lease=$(on a lease grant --ttl 800ms)
for _ in $(seq 12); do
	on b lease keep "$lease"
	sleep 0.25
done
expect 0 "" on c lease revoke "$lease"
expect 2 "16 hexadecimal digits" on a lease keep 12
expect 2 "from 100ms" on a lease grant --ttl 5ms
expect 2 "a lease has a name" on a kv put /:leases/mine '{"ttl_ms": 5000}'
expect 2 "a lease has a name" on a kv put "/:leases/$lease" '{"ttl_ms": 5}'

echo "-- the leader stands still for twice the time to live"
leader=$(status a leader)
others=()
for name in "${names[@]}"; do [ "$name" = "$leader" ] || others+=("$name"); done
loose=$(on "$leader" lease grant --ttl 2s)
as "${others[0]}" lock here --ttl 2s --holder first -- sleep 100 &
holder=$!
pids+=("$holder")
until_ok "the lock is held" on "$leader" kv get --consistent /:locks/here
lock_revision() { # NAME: of the member
	on "$1" kv get --consistent /:locks/here --rev-info 2>&1 >/dev/null | grep -o '[0-9]*' | head -n 1
}
held=$(lock_revision "$leader")
as "${others[0]}" watch '/:leases/*' -o json >"$dir/ended" &
pids+=("$!")
sleep 0.3
kill -STOP "${pid_of[$leader]}"
sleep 4
kill -CONT "${pid_of[$leader]}"
until_ok "the loose lease ends" gone "${others[1]}" "/:leases/$loose"
sleep 1
[ "$(lock_revision "${others[1]}")" = "$held" ] ||
	fail "the lock that was kept is another one"
kill -0 "$holder" || fail "the holder has ended"
[ "$(jq -r 'select(.event == "delete") | .path' "$dir/ended")" = "/:leases/$loose" ] ||
	fail "not once: $(cat "$dir/ended")"
echo "ok: one is kept, one has ended once"

echo "-- a holder that was paused is refused"
expect 6 'held by "first"' on b lock here --wait 300ms -- true
kill -STOP "$holder"
cat >"$dir/second.sh" <<'END'
printf 'if-rev %s %s\nput /guarded second\n' "$BLX_LOCK_PATH" "$BLX_FENCE" |
	"$BLIXARD" --socket "$SOCKET" kv txn >/dev/null && echo "$BLX_FENCE"
END
fence=$(SOCKET=$dir/b.sock on b lock here --ttl 2s --wait 30s -- bash "$dir/second.sh") ||
	fail "the second holder did not get it"
[ "$fence" -gt "$held" ] || fail "the fencing token $fence is not greater than $held"
printf 'if-rev /:locks/here %s\nput /guarded first\n' "$held" >"$dir/late"
expect 5 "guard" on a kv txn "$dir/late"
[ "$(on a kv get --consistent /guarded)" = second ] || fail "the late write was done"
kill -CONT "$holder"
status=0
wait "$holder" || status=$?
[ "$status" -eq 1 ] || fail "the holder that lost the lock ended with $status"
echo "ok: $fence after $held"

echo "-- a command's exit code, a signal, a lock that is free at once after it"
expect 3 "" on a lock here -- bash -c 'exit 3'
as a lock here -- sleep 100 &
holder=$!
pids+=("$holder")
until_ok "the lock is held" on a kv get --consistent /:locks/here
kill -TERM "$holder"
status=0
wait "$holder" || status=$?
[ "$status" -eq 143 ] || fail "ended with $status"
expect 0 "" on b lock here --wait 1s -- true

echo "-- an election"
expect 4 "not found" on a elect boss
as a elect boss one >"$dir/one" &
one=$!
pids+=("$one")
until_ok "one is elected" on b elect boss
as b elect boss two >"$dir/two" &
two=$!
pids+=("$two")
sleep 0.5
[ "$(on c elect boss)" = one ] || fail "another one is elected"
[ ! -s "$dir/two" ] || fail "two are elected"
kill -TERM "$one"
wait "$one" || fail "the first ended with an error"
until_ok "two is elected" test -s "$dir/two"
[ "$(on c elect boss -o json | jq -r '.value')" = two ] || fail "two is not elected"
[ "$(cat "$dir/two")" -gt "$(cat "$dir/one")" ] || fail "its fencing token is not greater"
[ "$(on c elect boss -o json | jq -r '.fence')" = "$(cat "$dir/two")" ] || fail "the token differs"
kill -TERM "$two"
wait "$two" || fail "the second ended with an error"
echo "ok"
