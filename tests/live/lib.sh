# SPDX-License-Identifier: Apache-2.0
# For the scripts here: a directory of their own, members that end with them, checks with words.
set -euo pipefail

: "${BLIXARD:?the path of the blixard command}"
dir=$(mktemp -d "${BLX_LIVE_DIR:-/var/tmp}/blixard-live.XXXXXX")
pids=()

cleanup() {
	local pid
	for pid in "${pids[@]}"; do
		kill -9 "$pid" 2>/dev/null || true
		wait "$pid" 2>/dev/null || true
	done
	if mountpoint -q "$dir/small" 2>/dev/null; then
		umount "$dir/small"
	fi
	rm -rf "$dir"
}
trap cleanup EXIT

fail() {
	echo "FAILED: $*" >&2
	tail -n 5 "$dir"/*.log >&2 2>/dev/null || true
	exit 1
}

# A port that nothing listens at now, and that the system does not give to a connection meanwhile.
port() {
	python3 -c '
import random, socket
while True:
    port = random.randrange(20000, 32000)
    with socket.socket() as s:
        try:
            s.bind(("127.0.0.1", port))
        except OSError:
            continue
    print(port)
    break'
}

# expect CODE TEXT COMMAND...: the exit code, and TEXT somewhere in what it says.
expect() {
	local code=$1 text=$2 out status=0
	shift 2
	out=$("$@" 2>&1 </dev/null) || status=$?
	[ "$status" -eq "$code" ] || fail "exit $status instead of $code: $*: $out"
	case "$out" in
	*"$text"*) ;;
	*) fail "no \"$text\" in what \"$*\" says: $out" ;;
	esac
	out=${out%%$'\n'*}
	echo "ok $status: ${out:0:180}"
}

# member NAME ARGUMENT...: runs the member in $dir/NAME; its pid is in $pid.
member() {
	local name=$1
	shift
	"$BLIXARD" node run --data-dir "$dir/$name" --socket "$dir/$name.sock" "$@" \
		>>"$dir/$name.log" 2>&1 &
	pid=$!
	pids+=("$pid")
}

# found NAME...: makes their directories, all voters of one cluster on this machine, which
# $founders tells in options of "cluster init".
founders=()
found() {
	local name
	for name in "$@"; do
		founders+=(--member "$name=127.0.0.1:$(port)")
	done
	for name in "$@"; do
		"$BLIXARD" cluster init --data-dir "$dir/$name" --name "$name" "${founders[@]}" >/dev/null
	done
}

on() { # NAME COMMAND...
	local name=$1
	shift
	"$BLIXARD" --socket "$dir/$name.sock" "$@"
}

# Until the member has caught up.
ready() {
	local name=$1 tries=0
	until on "$name" --timeout 1s cluster status -o json 2>/dev/null | jq -e .caught_up >/dev/null; do
		tries=$((tries + 1))
		[ $tries -lt 200 ] || fail "$name is not ready after 20 s"
		sleep 0.1
	done
}

status() { # NAME FIELD
	on "$1" cluster status -o json | jq -r ".$2"
}
