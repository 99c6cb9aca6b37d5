#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Watchers of every member while the leader is killed, members restart and changes are forgotten.
# All that is written is below /w, one path a transaction: a watcher that sees every change once
# and in order sees the revisions 1, 2, 3 and so on, and nothing else.
. "$(dirname "$0")/lib.sh"

names=(a b c)
found "${names[@]}"
declare -A pid_of
run() {
	member "$1" --election-timeout-ms 300 --snapshot-entries 100 --snapshot-bytes 100000 --segment-bytes 262144
	pid_of[$1]=$pid
}
for name in "${names[@]}"; do
	run "$name"
done
for name in "${names[@]}"; do ready "$name"; done

declare -A watcher_of
watch() { # NAME ARGUMENT...
	local name=$1
	shift
	"$BLIXARD" --socket "$dir/$name.sock" watch '/w/**' "$@" >"$dir/$name.seen" 2>"$dir/$name.err" &
	watcher_of[$name]=$!
	pids+=($!)
}
# The revisions in a watcher's lines are FROM, FROM + 1 and so on up to TO.
in_order() { # FILE FROM TO
	awk -v want="$2" -v to="$3" '$2 == "compacted" { next }
		$1 != want { print FILENAME ": " $1 " instead of " want; bad = 1; exit 1 }
		{ want++ }
		END { if (!bad && to != "" && want != to + 1) { print FILENAME ": ends before " want; exit 1 } }' "$1" ||
		fail "not every change once and in order"
}
# Writes, and prints the revision: the member that was asked may learn of it later.
put() { # NAME PATH VALUE
	on "$1" --timeout 20s kv put "$2" "$3" -o json | jq -e .revision || fail "put $2"
}
until_seen() { # NAME REVISION
	local _
	for _ in $(seq 300); do
		[ "$(tail -n 1 "$dir/$1.seen" | cut -d' ' -f1)" = "$2" ] && return
		sleep 0.1
	done
	fail "the watcher of $1 is at \"$(tail -n 1 "$dir/$1.seen")\", not at $2: $(cat "$dir/$1.err")"
}

echo "-- watchers of all members, writers through all of them, members that die and come back"
for name in "${names[@]}"; do watch "$name" --from 1 --prev; done
write() { # MEMBER COUNT TAG: goes on where one is refused, for the member may be away.
	local i
	for i in $(seq "$2"); do
		if [ $((i % 10)) -eq 0 ]; then
			on "$1" --timeout 2s kv rm "/w/$3/$((i - 5))" >/dev/null 2>&1 || sleep 0.05
		else
			on "$1" --timeout 2s kv put "/w/$3/$((i % 40))" "$3-$i" >/dev/null 2>&1 || sleep 0.05
		fi
	done
}
writers=()
for name in "${names[@]}"; do
	write "$name" 150 "$name" &
	writers+=($!)
done
sleep 0.5
for round in 1 2; do
	leader=$(for name in "${names[@]}"; do status "$name" leader 2>/dev/null && break; done)
	[ -n "$leader" ] || fail "no leader"
	echo "kill -9 of the leader $leader"
	kill -9 "${pid_of[$leader]}"
	wait "${pid_of[$leader]}" 2>/dev/null || true
	sleep 1
	run "$leader"
	ready "$leader"
	for name in "${names[@]}"; do
		if [ "$name" != "$leader" ] && [ "$round" -eq 1 ]; then
			echo "restart of $name"
			kill "${pid_of[$name]}"
			wait "${pid_of[$name]}" || fail "$name did not stop well"
			run "$name"
			ready "$name"
			break
		fi
	done
done
wait "${writers[@]}"
last=$(put b /w/last all)
for name in "${names[@]}"; do
	until_seen "$name" "$last"
	in_order "$dir/$name.seen" 1 "$last"
	cmp "$dir/a.seen" "$dir/$name.seen" || fail "the watchers of a and $name saw different things"
done
echo "each of $last changes once and in order, on three members"

echo "-- who follows the changes has what is there"
awk '$2 == "put" { value[$3] = $4 } $2 == "delete" { delete value[$3] }
	END { for (path in value) print path, value[path] }' "$dir/a.seen" | sort >"$dir/followed"
on a kv ls /w --tree --values --consistent -o json | jq -r '.entries[] | "/w/" + .name + " " + .value' |
	sort >"$dir/there"
[ -s "$dir/there" ] || fail "nothing is there"
cmp "$dir/followed" "$dir/there" || fail "what was followed is not what is there"

echo "-- a reader that stands still is told what it missed, and holds nobody up"
kill -STOP "${watcher_of[b]}"
head -c 500000 /dev/zero | tr '\0' v >"$dir/large"
for i in $(seq 45); do last=$(put a "/w/large/$i" - <"$dir/large"); done
until_seen c "$last"
in_order "$dir/c.seen" 1 "$last"
kill -CONT "${watcher_of[b]}"
code=0
wait "${watcher_of[b]}" || code=$?
[ "$code" -eq 1 ] || fail "the reader that stood still ended with $code"
[ "$(tail -n 1 "$dir/b.seen" | cut -d' ' -f2)" = compacted ] || fail "it was not told"
in_order "$dir/b.seen" 1 ""
grep -q "no longer kept" "$dir/b.err" || fail "no word of it: $(cat "$dir/b.err")"

echo "-- it begins again with what is there"
from=$(on b kv ls /w --consistent -o json | jq .revision)
[ "$from" -ge "$(tail -n 1 "$dir/b.seen" | cut -d' ' -f1)" ] || fail "what is there is older than told"
watch b --from $((from + 1)) --count 2
on c kv put /w/again 1 >/dev/null
on a kv rm /w/again >/dev/null
wait "${watcher_of[b]}" || fail "the watcher ended with $?"
[ "$(cat "$dir/b.seen")" = "$((from + 1)) put /w/again 1
$((from + 2)) delete /w/again" ] || fail "it saw: $(cat "$dir/b.seen")"

echo "-- what a snapshot replaced is not made up"
expect 1 "compacted" on b watch '/w/**' --from 1

echo "-- a program for each change"
# shellcheck disable=SC2016
"$BLIXARD" --socket "$dir/a.sock" watch '/w/x/*' --count 3 --exec -- sh -c 'printf "%s %s %s\n" "$BLX_EVENT" "$BLX_PATH" "$(cat)"' >"$dir/ran" &
runner=$!
pids+=("$runner")
for i in $(seq 100); do # until the watch stands
	[ -s "$dir/ran" ] && break
	on a kv put /w/x/1 "one value" >/dev/null
	sleep 0.05
done
on a kv put /w/x/2 "" >/dev/null
on a kv rm /w/x/2 >/dev/null
on a kv put /w/x/3 "" >/dev/null
wait "$runner" || fail "the program ended with $?"
[ "$(head -n 1 "$dir/ran")" = "put /w/x/1 one value" ] || fail "it ran for: $(cat "$dir/ran")"
[ "$(wc -l <"$dir/ran")" -eq 3 ] || fail "it did not run three times"
first=$(put a /w/x/3 "")
last=$(put a /w/x/4 4)
expect 1 "go on with --from $last" on a watch '/w/x/*' --from "$first" --exec -- sh -c \
	'[ "$BLX_PATH" != /w/x/4 ]'
expect 1 "run /none/such" on a watch '/w/x/*' --from "$first" --exec /none/such
echo "every change once and in order, or told"
