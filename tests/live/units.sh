#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Units of a real systemd, by a program that links the library and is no member.
BLX_LIVE_DIR=/tmp # /var of the host is another
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/hosts.sh"
: "${UNITS:?the path of the program}"

trap hosts_down EXIT
[ "$(id -u)" = 0 ] || cannot "hosts in namespaces need root"
net_up 1 || cannot "no network namespaces can be made"
mkdir -p "$dir/h1/units"
unit() { # NAME LINE...
	local name=$1
	shift
	printf '%s\n' "$@" >"$dir/h1/units/$name.service"
}
unit good '[Service]' 'Type=notify' 'NotifyAccess=all' 'ExecReload=/bin/true' \
	'ExecStart=/bin/sh -c "systemd-notify --ready; exec sleep infinity"'
unit bad '[Service]' 'Type=oneshot' 'ExecStart=/bin/false'
unit plain '[Service]' 'ExecStart=/bin/sleep infinity'
unit secret '[Service]' 'ExecStart=/bin/sleep infinity'
unit needs-bad '[Unit]' 'Requires=bad.service' 'After=bad.service' '[Service]' \
	'ExecStart=/bin/sleep infinity'
unit condition '[Unit]' 'ConditionPathExists=/nonexistent' '[Service]' 'ExecStart=/bin/true'
unit slow '[Service]' 'Type=notify' 'TimeoutStartSec=500ms' 'ExecStart=/bin/sleep infinity'
unit slower '[Service]' 'Type=notify' 'TimeoutStartSec=15s' 'ExecStart=/bin/sleep infinity'
ln -s /dev/null "$dir/h1/units/masked.service"
printf '# all but one\n[!s]*.service\nslow*.service\n' >"$dir/allowed"
host_boot 1 || cannot "the host does not boot"

"$UNITS" "unix:path=$dir/h1/run/dbus/system_bus_socket" "$dir/allowed" \
	"'$rig/systemd.sh' in '$dir/h1' systemctl daemon-reexec && '$rig/systemd.sh' in '$dir/h1' pkill -9 dbus-daemon"
