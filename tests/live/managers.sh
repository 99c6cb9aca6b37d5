#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Service managers of users, on real systemds: a service of a user's, moved, guarded and gated as
# one of the system's; a unit that runs already, taken into care; what they wrote, read.
BLX_LIVE_DIR=/tmp # /var of the hosts is another
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/hosts.sh"
: "${BEAT:?the path of the beat program}"

uid=65534
setpriv --reuid $uid --regid $uid --clear-groups "$BLIXARD" --version >/dev/null ||
	fail "user $uid may not run $BLIXARD: let others into the directories above it"
hosts_up --election-timeout-ms 300
beats=$dir/beats
touch "$beats"
chmod 666 "$beats"
chmod 755 "$dir"
for i in 1 2 3; do
	user_manager $i $uid
	printf '[Service]\nType=notify\nStandardOutput=journal\nExecStartPre=/bin/echo it beats\nExecStart=%s %s\n' "$BEAT" "$beats" \
		>"$dir/h$i/user-units/mine.service"
	user_ctl $i $uid daemon-reload
	host_in $i systemctl start systemd-journald.service
done
hosts_fast
runs_on() { [ "$(field 1 mine state)" = Running ] && [ "$(field 1 mine node)" = "$1" ]; }
is_up() { [ "$(user_ctl "$1" $uid is-active "$2")" = active ]; }

echo "-- of a user's manager, started and moved"
expect 0 "" host_on 1 svc define mine --manager user:$uid --stop-timeout 300ms
expect 0 "Running on n2" host_on 1 --timeout 20s svc start mine --node n2 --wait
is_up 2 mine.service || fail "the user's manager does not run it"
[ "$(stat -c %u "/proc/$(pgrep -nf "^$BEAT $beats")")" = $uid ] || fail "it is not the user's"
grep -q " 1 beat" "$beats" || fail "it has no epoch: $(tail -n 1 "$beats")"
expect 0 "Running on n3" host_on 1 --timeout 20s svc migrate mine --to n3 --wait
is_up 3 mine.service || fail "it does not run on n3"

echo "-- nowhere else, whoever starts it"
user_ctl 1 $uid start mine.service || true
! is_up 1 mine.service || fail "it runs on n1, too"

echo "-- stopped behind our back: started again"
user_ctl 3 $uid stop mine.service
until_true 10 is_up 3 mine.service
until_true 10 runs_on n3

echo "-- the user's manager executed anew"
user_ctl 3 $uid daemon-reexec
expect 0 "Running" host_on 1 --timeout 20s svc restart mine --wait

echo "-- the member paused: the guard of that manager stops it"
from=$(now_ms)
host_in 3 systemctl kill -s STOP blixard.service
is_down() { ! is_up 3 mine.service; }
until_true 5 is_down
echo "stopped after $(($(now_ms) - from)) ms"
is_elsewhere() { [ "$(field 1 mine state)" = Running ] && [ "$(field 1 mine node)" != n3 ]; }
until_true 20 is_elsewhere
host_in 3 systemctl kill -s CONT blixard.service
host_ready 3

echo "-- a command line under a user's manager"
expect 0 "" host_on 1 svc define line --manager user:$uid --stop-timeout 300ms -- "$BEAT" "$beats.line"
touch "$beats.line"
chmod 666 "$beats.line"
expect 0 "Running on n1" host_on 1 --timeout 20s svc start line --node n1 --wait
expect 0 "Running on n2" host_on 1 --timeout 20s svc migrate line --to n2 --wait

echo "-- no such manager on that host"
expect 0 "" host_on 1 svc define none --manager user:12345 -- /bin/sleep 60
expect 6 "its service manager does not answer" host_on 1 --timeout 8s svc start none --wait
expect 1 "its service manager does not answer" host_on 1 svc status none
expect 6 "its service manager does not answer" host_on 1 --timeout 8s svc stop none --wait
expect 5 "stop it first" host_on 1 svc define none --manager user:$uid -- /bin/sleep 60
node=$(field 1 none node)
asked=$([ "$node" = n1 ] && echo 2 || echo 1)
expect 0 "" host_on "$asked" failover "$node"
expect 0 "" host_on "$asked" --timeout 20s svc stop none --wait
expect 0 "" host_on "$asked" node undrain "$node"
expect 0 "" host_on 1 svc rm none

echo "-- a unit that runs already is taken into care, and goes on"
printf '[Service]\nStandardOutput=journal\nExecStart=/bin/sh -c "echo I am old; exec sleep infinity"\n' \
	>"$dir/h2/units/old.service"
host_in 2 systemctl daemon-reload
host_in 2 systemctl start old.service
pid_of_old() { host_in 2 systemctl show -P MainPID old.service; }
old=$(pid_of_old)
expect 4 "nowhere" host_on 1 svc adopt old --node nowhere
expect 0 "" host_on 1 svc adopt old --node n2 --stop-timeout 300ms
expect 5 "" host_on 1 svc adopt old --node n2
old_runs() { [ "$(field 1 old state)" = Running ] && [ "$(field 1 old node)" = n2 ]; }
until_true 10 old_runs
[ "$(pid_of_old)" = "$old" ] || fail "it was restarted"
old_is_guarded() { host_in 2 systemctl show -P BindsTo old.service | grep -q blixard-guard; }
until_true 10 old_is_guarded
[ "$(pid_of_old)" = "$old" ] || fail "it was restarted to be guarded"

echo "-- what they wrote"
expect 0 "I am old" host_in 2 "$BLIXARD" --socket "$dir/h2/sock" svc logs old --lines 5
expect 4 "is on n2" host_on 1 svc logs old
node=$(number "$(field 1 mine node)")
expect 0 "beats" host_in "$node" "$BLIXARD" --socket "$dir/h$node/sock" svc logs mine

for file in "$beats" "$beats.line"; do
	"$(dirname "$0")/beats.py" "$file" || fail "there were two"
done
echo "no two at once"
