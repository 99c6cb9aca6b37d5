#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The demonstration of services as one sees it who is not root: with a group of cgroups that is his,
# on a machine that was booted with systemd.
set -euo pipefail
: "${BLIXARD:?the path of the blixard command}"
demo="$(cd "$(dirname "$0")/../../scripts" && pwd)/demo-services"
cannot() {
	echo "SKIPPED: $*"
	[ -z "${CI:-}" ] || exit 1
	exit 77
}
[ "$(id -u)" = 0 ] || cannot "to become another user needs root"
. "$(dirname "$0")/rig/cgroup.sh"
group=$(cgroup_root)/blixard-demo.$$
mkdir "$group" || cannot "no cgroup can be made"
trap 'cgroup_gone "$group"' EXIT
chown -R 65534:65534 "$group"

out=$(
	echo "$BASHPID" >"$group/cgroup.procs"
	unshare --mount --propagation private -- bash -euc '
		mkdir -p /run/systemd
		mount -t tmpfs -o mode=755 tmpfs /run/systemd
		mkdir /run/systemd/system
		exec setpriv --reuid 65534 --regid 65534 --clear-groups env HOME=/tmp "BLIXARD=$1" "$2"
	' demo "$BLIXARD" "$demo"
)
echo "$out"
case $out in
*"systemd --user of its own"*"moved to"*"loses its power"*"web.service runs on"*) ;;
*)
	echo "FAILED: not all was shown"
	exit 1
	;;
esac
