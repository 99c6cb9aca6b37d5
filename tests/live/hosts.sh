# SPDX-License-Identifier: Apache-2.0
# Three hosts, each a systemd of its own in a network namespace of its own, each with a member as a
# unit. To be read after lib.sh.
rig=$(dirname "${BASH_SOURCE[0]}")/rig
net=blxt$$
. "$rig/net.sh"

cannot() {
	if [ -n "${CI:-}" ]; then
		fail "$* (in CI that is a failure)"
	fi
	echo "SKIPPED: $*"
	exit 77
}

hosts_down() {
	local i
	for i in 1 2 3; do
		"$rig/systemd.sh" kill "$dir/h$i" || true
	done
	net_down
	cleanup
}

host_unit() { # I ARGUMENT...: the member of the host, as a unit that is there at boot
	local i=$1
	shift
	mkdir -p "$dir/h$i/units/multi-user.target.wants"
	cat >"$dir/h$i/units/blixard.service" <<-UNIT
		[Service]
		Type=notify
		ExecStart=$BLIXARD node run --data-dir $dir/h$i/state/data --socket $dir/h$i/sock --services --insecure-transport --log-level info $*
		Restart=always
		RestartSec=200ms
		StandardError=append:$dir/h$i.log
		KillMode=process
	UNIT
	ln -sf ../blixard.service "$dir/h$i/units/multi-user.target.wants/"
}

# hosts_up ARGUMENT...: what the members are run with.
hosts_up() {
	local i members=() status=0
	trap hosts_down EXIT
	[ "$(id -u)" = 0 ] || cannot "hosts in namespaces need root"
	net_up 3 || cannot "no network namespaces can be made"
	for i in 1 2 3; do members+=(--member "n$i=10.79.0.$i:7000"); done
	for i in 1 2 3; do
		mkdir -p "$dir/h$i/state"
		"$BLIXARD" cluster init --data-dir "$dir/h$i/state/data" --name "n$i" "${members[@]}" \
			>/dev/null
		host_unit "$i" "$@"
		host_boot "$i" || status=$?
		[ $status = 0 ] || cannot "host $i does not boot"
	done
	for i in 1 2 3; do host_ready "$i"; done
}

host_boot() { "$rig/systemd.sh" start "$dir/h$1" "$net$1"; }
host_kill() { "$rig/systemd.sh" kill "$dir/h$1"; }
host_in() {
	local i=$1
	shift
	"$rig/systemd.sh" in "$dir/h$i" "$@"
}
host_on() { # I COMMAND...: the member of host I is asked
	local i=$1
	shift
	"$BLIXARD" --socket "$dir/h$i/sock" "$@"
}
host_is_ready() { host_on "$1" --timeout 1s cluster status -o json | jq -e .caught_up; }
host_ready() { until_true 30 host_is_ready "$1"; }

# user_manager I UID: a service manager of that user, as one who is logged in has it.
user_manager() {
	local i=$1 uid=$2
	cat >"$dir/h$i/units/user@$uid.service" <<-UNIT
		[Service]
		Type=notify
		User=$uid
		Slice=user-$uid.slice
		RuntimeDirectory=user/$uid
		RuntimeDirectoryMode=0700
		Delegate=yes
		KillMode=mixed
		Environment=XDG_RUNTIME_DIR=/run/user/$uid HOME=/run/user/$uid
		Environment=SYSTEMD_UNIT_PATH=/run/user/$uid/systemd/transient:$dir/h$i/user-units:/run/user/$uid/systemd/user:/usr/lib/systemd/user
		ExecStart=/lib/systemd/systemd --user
	UNIT
	mkdir -p "$dir/h$i/user-units"
	host_in "$i" systemctl daemon-reload
	host_in "$i" systemctl start "user@$uid.service"
}
user_ctl() { # I UID ARGUMENT...: systemctl of that user's manager
	local i=$1 uid=$2
	shift 2
	host_in "$i" setpriv --reuid "$uid" --regid "$uid" --clear-groups \
		env "XDG_RUNTIME_DIR=/run/user/$uid" systemctl --user "$@"
}

# Failover in seconds: the settings for it, and until all hosts live by them.
host_is_fast() { host_on 1 node show "n$1" -o json | jq -e '.lease == 1000'; }
hosts_fast() {
	local i setting
	for setting in host.lease=1s health.degraded_after=1s health.failed_after=2s fence.margin=200ms; do
		host_on 1 config set "${setting%=*}" "${setting#*=}" >/dev/null
	done
	# A shorter lease is told when what was confirmed for longer is over.
	for i in 1 2 3; do until_true 20 host_is_fast "$i"; done
}
host_unit_is() { # I UNIT: its ActiveState
	busctl --address="unix:path=$dir/h$1/run/dbus/system_bus_socket" get-property \
		org.freedesktop.systemd1 \
		"/org/freedesktop/systemd1/unit/$(systemd-escape "$2" | sed 's/\\x/_/g; s/\./_2e/g; s/-/_2d/g')" \
		org.freedesktop.systemd1.Unit ActiveState 2>/dev/null | cut -d'"' -f2
}

# until_true SECONDS COMMAND...
until_true() {
	local until=$(($(date +%s%N) / 1000000 + $1 * 1000)) what
	shift
	what="$*"
	until "$@" >/dev/null 2>&1; do
		[ $(($(date +%s%N) / 1000000)) -lt "$until" ] || fail "not so in time: $what"
		sleep 0.05
	done
}

field() { # I SERVICE FIELD
	host_on "$1" svc show "$2" --consistent -o json | jq -r ".$3"
}
now_ms() { echo $(($(date +%s%N) / 1000000)); }
number() { echo "${1#n}"; } # of a node
