#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A host is emptied on real systemds: in the order that is told, with a deadline, among them what is
# slow to stop, what may run twice, and what has nowhere to go; and it takes services again.
BLX_LIVE_DIR=/tmp # /var of the hosts is another
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/hosts.sh"
: "${BEAT:?the path of the beat program}"

hosts_up --election-timeout-ms 300
touch "$dir"/beats.{high,low,slow,stuck}
for i in 1 2 3; do
	for name in high low stuck; do
		printf '[Service]\nType=notify\nExecStart=%s %s\n' "$BEAT" "$dir/beats.$name" \
			>"$dir/h$i/units/$name.service"
	done
	printf '[Service]\nType=notify\nExecStart=%s %s slow-stop 8000\n' "$BEAT" "$dir/beats.slow" \
		>"$dir/h$i/units/slow.service"
	printf '[Service]\nExecStart=/bin/sleep infinity\n' >"$dir/h$i/units/many.service"
done
hosts_fast
on_node() { # SERVICE NODE
	[ "$(field 2 "$1" state)" = Running ] && [ "$(field 2 "$1" node)" = "$2" ]
}
is_off() { [ "$(field 2 "$1" state)" = Running ] && [ "$(field 2 "$1" node)" != n1 ]; }

host_on 2 config set drain.parallel 1 >/dev/null
host_on 2 svc define high --priority 9 --stop-timeout 300ms
host_on 2 svc define low --priority 1 --stop-timeout 300ms
host_on 2 svc define slow --priority 5 --stop-timeout 60s
host_on 2 svc define many --shared --stop-timeout 300ms
host_on 2 svc define stuck --on n1 --stop-timeout 300ms
for name in high low slow many stuck; do
	expect 0 "" host_on 2 --timeout 20s svc start $name --node n1 --wait
done

echo "-- drained with a deadline of 5 s: what is slow to stop goes on stopping, what fits nowhere stops"
from=$(now_ms)
expect 6 "slow (Migrating)" host_on 2 --timeout 7s node drain n1 --deadline 5s --wait
for name in high low slow many; do until_true 30 is_off $name; done
echo "all that could is elsewhere after $(($(now_ms) - from)) ms"
for name in high low slow many stuck; do
	[ "$(host_unit_is 1 $name.service)" != active ] || fail "$name runs on n1 still"
done
expect 1 "No suitable nodes" host_on 2 svc status stuck
expect 0 "" host_on 2 --timeout 20s node drain n1 --wait

echo "-- in the order of their priorities"
has_ended() { host_on 2 migrate history -o json | jq -e '[.[].service] | index("slow")'; }
until_true 10 has_ended
order=$(host_on 2 migrate history -o json | jq -r '[to_entries | sort_by(.value.started_at)[] | .value.service] | join(" ")')
echo "$order"
case "$order" in
high*slow*low* | high*slow*) ;;
*) fail "high, slow and low left in the order $order" ;;
esac

echo "-- taken back"
expect 0 "" host_on 2 node undrain n1
until_true 20 on_node stuck n1

for name in high low slow stuck; do
	"$(dirname "$0")/beats.py" "$dir/beats.$name" || fail "there were two of $name"
done
echo "no two at once"
