#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Join, promote, transfer, demote, leave and remove, with a member that is fed by a snapshot, and
# one that lost its disk and is not let back under its old identity.
. "$(dirname "$0")/lib.sh"

names=(a b c)
found "${names[@]}"
declare -A pid_of
run() {
	member "$@" --snapshot-entries 200 --snapshot-bytes 200000 --segment-bytes 262144
	pid_of[$1]=$pid
}
stop() {
	kill "${pid_of[$1]}"
	wait "${pid_of[$1]}" || fail "$1 did not stop well"
}
for name in "${names[@]}"; do
	run "$name"
done
for name in "${names[@]}"; do ready "$name"; done

echo "-- enough writes for snapshots to be taken and the log to be cut"
for round in $(seq 400); do echo "put /fill/$round value-of-$round-$(printf 'x%.0s' $(seq 100))"; done >"$dir/txn"
for _ in $(seq 8); do
	on a kv txn "$dir/txn" >/dev/null
	for i in $(seq 30); do on b kv put "/more/$i" "$i" >/dev/null; done
done
for _ in $(seq 100); do
	[ "$(status a snapshot_index)" -gt 0 ] && break
	sleep 0.1
done
[ "$(status a snapshot_index)" -gt 0 ] || fail "no snapshot was taken"

echo "-- a learner joins, is fed by a snapshot, and becomes a voter"
via=$(status a 'members[] | select(.name=="a") | .address')
expect 0 "" "$BLIXARD" cluster join --data-dir "$dir/d" --name d --address "127.0.0.1:$(port)" --via "$via"
expect 5 "d" "$BLIXARD" cluster join --data-dir "$dir/d2" --name d --address "127.0.0.1:$(port)" --via "$via"
run d
ready d
for _ in $(seq 100); do
	[ "$(status d revision)" = "$(status a revision)" ] && break
	sleep 0.1
done
[ "$(status d hash)" = "$(status a hash)" ] || fail "the learner is not equal"
[ "$(status d role)" = learner ] || fail "d is a $(status d role)"
[ "$(on d kv get /fill/7 | head -c 10)" = value-of-7 ] || fail "the learner does not serve reads"
expect 0 "done" on b --timeout 20s cluster promote d
[ "$(status d role)" = voter ] || fail "d is a $(status d role)"

echo "-- leadership goes where it is sent"
expect 0 "done" on c --timeout 10s cluster transfer d
[ "$(status d state)" = leader ] || fail "d does not lead"
expect 0 "revision" on a kv put /after transfer

echo "-- a voter becomes a learner, the leader leaves, one is removed"
expect 0 "done" on a --timeout 10s cluster demote b
[ "$(status b role)" = learner ] || fail "b is a $(status b role)"
expect 0 "" on d --timeout 20s cluster leave
[ "$(status a 'members | length')" -eq 3 ] || fail "d is still a member"
expect 0 "revision" on a kv put /after leave
expect 0 "done" on a --timeout 10s cluster remove b
expect 4 "nobody" on a cluster remove nobody
# Two voters are left: to go to one is refused, for it could not know what the other acknowledged.
expect 1 "last two voters" on a --timeout 10s cluster remove c

echo "-- a member that lost its disk is not let back under its old identity"
stop c
mv "$dir/c" "$dir/c.lost"
"$BLIXARD" cluster init --data-dir "$dir/c" --name c "${founders[@]}" >/dev/null
run c
for _ in $(seq 100); do
	grep -qE "another data directory|lost its disk|instance" "$dir/a.log" && break
	sleep 0.1
done
grep -hE -m1 "another data directory|lost its disk|instance" "$dir/a.log" ||
	fail "a member with an empty disk was let in under its old identity"
stop c
rm -rf "$dir/c"
mv "$dir/c.lost" "$dir/c"
run c
ready c
expect 0 "revision" on c --timeout 10s kv put /after return
[ "$(status c hash)" = "$(status a hash)" ] || sleep 1
[ "$(status c hash)" = "$(status a hash)" ] || fail "the replicas are not equal"
echo "all changes went through"
