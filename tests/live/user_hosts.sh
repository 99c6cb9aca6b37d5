# SPDX-License-Identifier: Apache-2.0
# As hosts.sh, for who is not root: each host is a "systemd --user" of its own, with a member as a
# unit, on loopback. To be read after it.
hosts_down() {
	local i
	for i in 1 2 3; do
		"$rig/user.sh" kill "$dir/h$i" || true
	done
	cleanup
}

hosts_up() {
	local i members=() status=0
	trap hosts_down EXIT
	for i in 1 2 3; do members+=(--member "n$i=127.0.0.1:$(port)"); done
	for i in 1 2 3; do
		mkdir -p "$dir/h$i/units"
		"$BLIXARD" cluster init --data-dir "$dir/h$i/data" --name "n$i" "${members[@]}" >/dev/null
		cat >"$dir/h$i/units/blixard.service" <<-UNIT
			[Service]
			Type=notify
			ExecStart=$BLIXARD node run --data-dir $dir/h$i/data --socket $dir/h$i/sock --services --manager user --run-dir $dir/h$i/blixard --log-level info $*
			StandardError=append:$dir/h$i.log
		UNIT
		"$rig/user.sh" start "$dir/h$i" || status=$?
		[ $status = 0 ] || cannot "host $i does not come up"
	done
	for i in 1 2 3; do host_in "$i" systemctl --user start --no-block blixard.service; done
	for i in 1 2 3; do host_ready "$i"; done
}

host_kill() { "$rig/user.sh" kill "$dir/h$1"; }
host_in() {
	local i=$1
	shift
	env "XDG_RUNTIME_DIR=$dir/h$i/run" "DBUS_SESSION_BUS_ADDRESS=unix:path=$dir/h$i/run/bus" "$@"
}
