#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# What many clients were told while the leader was killed twice is linearizable.
. "$(dirname "$0")/lib.sh"

if [ -z "${BLIXARD_BENCH:-}" ]; then
	echo "skipped: blixard-bench is not built (-Dbench=false)"
	exit 77
fi
[ -x "$BLIXARD_BENCH" ] || fail "$BLIXARD_BENCH is not there: build it first"
linear=$(dirname "$0")/linear.py

echo "-- the checker tells good histories from bad ones"
python3 "$linear" --self-test || fail "the checker is not to be trusted"

names=(a b c)
found "${names[@]}"
sockets=()
for name in "${names[@]}"; do
	sockets+=(--socket "$dir/$name.sock")
done
declare -A pid_of
run() {
	member "$1" --election-timeout-ms 500
	pid_of[$1]=$pid
}
for name in "${names[@]}"; do
	run "$name"
done
for name in "${names[@]}"; do ready "$name"; done

kill_leader() {
	local name
	for _ in $(seq 100); do
		for name in "${names[@]}"; do
			[ "$(status "$name" state 2>/dev/null)" = leader ] || continue
			kill -9 "${pid_of[$name]}"
			wait "${pid_of[$name]}" 2>/dev/null || true
			echo "killed $name, which led"
			sleep 0.8
			run "$name"
			return
		done
		sleep 0.05
	done
	fail "nobody leads"
}

echo "-- six seconds of questions, and the leader killed twice"
"$BLIXARD_BENCH" --record "$dir/history" "${sockets[@]}" --clients 8 --seconds 6 \
	2>"$dir/bench.log" &
bench=$!
pids+=("$bench")
sleep 1
kill_leader
sleep 1.2
kill_leader
wait "$bench" || fail "the recorder ended with $?"
cat "$dir/bench.log"
for name in "${names[@]}"; do ready "$name"; done

echo "-- what they were told"
jq -rs 'group_by([.op, .status]) | .[] | "\(length) \(.[0].op) \(.[0].status)"' "$dir/history"
for op in get put cas put_if_absent delete; do
	done_ok=$(jq -s --arg op $op 'map(select(.op == $op and .status == "ok")) | length' \
		"$dir/history")
	[ "$done_ok" -ge 10 ] || fail "only $done_ok of $op: the history says too little"
done
python3 "$linear" "$dir/history" || fail "the history is not linearizable"

echo "-- and a read of this history made stale is found"
# The last read of a key that was read before, with another value, in the same history.
jq -cs '
	(map(select(.op == "get" and .status == "ok" and .result != null)) |
		group_by(.key) | max_by(length)) as $reads | $reads[0] as $old | $reads[-1] as $new |
	.[] | if . == $new then .result = $old.result else . end' "$dir/history" >"$dir/stale"
cmp -s "$dir/history" "$dir/stale" && fail "no read was made stale"
! python3 "$linear" "$dir/stale" || fail "a stale read was not found"
echo "linearizable"
