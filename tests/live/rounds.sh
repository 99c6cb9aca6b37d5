#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Migrations on three real systemds, with somebody struck in each phase: the host of the source, of
# the target, of the leader loses its power or its network, or who asked for it is killed. Each round
# must end with one copy on one node, no migration left, and never two at once.
# BLX_ROUNDS: how many (2); 200 are some 12 minutes.
BLX_LIVE_DIR=/tmp # /var of the hosts is another
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/hosts.sh"
: "${BEAT:?the path of the beat program}"

rounds=${BLX_ROUNDS:-2}
RANDOM=${BLX_SEED:-$$}
echo "seed ${BLX_SEED:-$$}"
hosts_up --election-timeout-ms 300
beats=$dir/beats
touch "$beats"
for i in 1 2 3; do
	printf '[Service]\nType=notify\nExecStart=%s %s slow-start 150 slow-stop 150\n' "$BEAT" "$beats" \
		>"$dir/h$i/units/web.service"
	ln -sf ../web.service "$dir/h$i/units/multi-user.target.wants/"
done
hosts_fast
host_on 1 svc define web --stop-timeout 400ms
host_on 1 --timeout 20s svc start web --wait 2>/dev/null

phases=(Preparing Stopping Starting Finalizing RollingBack)
victims=(source target leader initiator)
outages=(power network)

leader_of() { number "$(host_on 1 cluster status -o json | jq -r .leader)"; }

settled() { # one copy, where the record says, and no migration
	local i active=0 node
	[ "$(host_on 1 migrate ls --consistent -o json)" = "{}" ] || return 1
	[ "$(field 1 web state)" = Running ] || return 1
	node=$(field 1 web node)
	for i in 1 2 3; do
		[ "$(host_unit_is "$i" web.service)" != active ] || {
			active=$((active + 1))
			[ "n$i" = "$node" ] || return 1
		}
	done
	[ $active = 1 ]
}

wait_phase() { # ID PHASE: until it is in that phase, or over
	local state tries=0
	while [ $tries -lt 150 ]; do
		state=$(host_on "$from" migrate show "$1" -o json 2>/dev/null | jq -r .state) || state=
		[ "$state" != "$2" ] || return 0
		[ -n "$state" ] || return 0
		tries=$((tries + 1))
	done
}

strike() { # HOST HOW
	case $2 in
	power) host_kill "$1" ;;
	network) net_cut "$1" ;;
	esac
}

mend() { # HOST HOW
	case $2 in
	power) host_boot "$1" ;;
	network) net_mend "$1" ;;
	esac
}

one_round() {
	local phase=${phases[$((round % 5))]} victim=${victims[$((round / 5 % 4))]}
	local how=${outages[$((round / 20 % 2))]} id host pid
	until from=$(number "$(field 1 web node 2>/dev/null)") && [ -n "$from" ]; do sleep 0.1; done
	to=$((RANDOM % 2 == 0 ? from % 3 + 1 : (from + 1) % 3 + 1))
	case $victim in
	source) host=$from ;;
	target) host=$to ;;
	*) until host=$(leader_of) && [ -n "$host" ]; do sleep 0.1; done ;;
	esac
	echo "round $round: n$from to n$to, $victim (n$host) struck in $phase by $how"
	if [ "$phase" = RollingBack ]; then
		id=$(host_on "$to" svc migrate web --to "n$to") || return 0
		sleep 0.0$((RANDOM % 10))
		host_on "$from" migrate abort "$id" 2>/dev/null || true
	elif [ $victim = initiator ]; then
		host_on "$to" --timeout 20s svc migrate web --to "n$to" --wait >/dev/null 2>&1 &
		pid=$!
		id=$(host_on "$from" migrate ls -o json | jq -r 'keys[0] // ""') || id=
		[ -z "$id" ] || wait_phase "$id" "$phase"
		kill -9 $pid 2>/dev/null || true
		wait $pid 2>/dev/null || true
		return 0
	else
		id=$(host_on "$to" svc migrate web --to "n$to") || return 0
	fi
	wait_phase "$id" "$phase"
	strike "$host" "$how"
	sleep $((RANDOM % 3)).$((RANDOM % 10))
	mend "$host" "$how"
	host_ready "$host"
}

for round in $(seq 0 $((rounds - 1))); do
	one_round
	until_true 40 settled
	"$(dirname "$0")/beats.py" "$beats" || fail "there were two, in round $round"
done
echo "$rounds rounds, $(grep -c ' start$' "$beats") starts, no two at once"
"$(dirname "$0")/beats.py" --gaps "$beats" | awk '{ if ($1 > most) most = $1; sum += $1; n++ }
	END { printf "nobody ran for %d ms at the most, %d ms on average\n", most, n ? sum / n : 0 }'
