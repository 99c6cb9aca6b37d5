#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# What is malformed, too large, damaged, full, read-only or of somebody else: each is refused with
# the path or peer in the message, the documented exit code, and nothing lost.
. "$(dirname "$0")/lib.sh"

address=127.0.0.1:$(port)
expect 0 initialised "$BLIXARD" cluster init --data-dir "$dir/a" --name a --member "a=$address"
member a --segment-bytes 1048576
ready a

echo "-- paths and values"
expect 2 "begins with '/'" on a kv put no-slash x
expect 2 "empty" on a kv put /a//b x
expect 2 "two hexadecimal" on a kv put /a%zz x
expect 2 "%2A" on a kv put '/a*' x
expect 1 "1024" on a kv put "/$(head -c 2000 /dev/zero | tr '\0' x)" x
head -c 1048577 /dev/zero >"$dir/big"
status=0
out=$(on a kv put /big - <"$dir/big" 2>&1) || status=$?
{ [ $status -eq 1 ] && [[ $out == *1048576* ]]; } || fail "a value that is too large: exit $status: $out"
echo "ok 1: $out"
expect 4 "/absent" on a kv get /absent
expect 0 "revision" on a kv put /kept value
expect 5 "exists" on a kv put /kept other --if-absent
expect 5 "conflict" on a kv cas /kept new --expect wrong
expect 2 "there is no" on a kv frobnicate /x

echo "-- bytes that are not the protocol"
send() { # BYTES as printf's format, to the unix socket
	python3 - "$dir/a.sock" "$1" <<'PY'
import socket, sys
s = socket.socket(socket.AF_UNIX)
s.settimeout(8)
s.connect(sys.argv[1])
s.sendall(sys.argv[2].encode('latin1').decode('unicode_escape').encode('latin1'))
try:
    while s.recv(4096):
        pass
except ConnectionResetError:
    pass
PY
}
send 'GET / HTTP/1.1\r\n\r\n............................'
# A header that claims 4 GiB, with a checksum that fits it.
python3 - "$dir/a.sock" <<'PY'
import socket, struct, sys
def crc32c(data):
    crc = 0xffffffff
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ (0x82f63b78 if crc & 1 else 0)
    return crc ^ 0xffffffff
head = struct.pack('<IHHQI', 0xffffffff, 1, 0, 0, 0)
s = socket.socket(socket.AF_UNIX)
s.settimeout(8)
s.connect(sys.argv[1])
s.sendall(head + struct.pack('<I', crc32c(head)))
while s.recv(4096):
    pass
PY
# Nothing at all: the handshake has a deadline.
send ''
kill -0 "$pid" || fail "the member ended on bytes that are not the protocol"
[ "$(on a kv get /kept)" = value ] || fail "/kept is lost"
echo "ok: closed, and the member lives"

echo "-- directories"
expect 1 "another process" "$BLIXARD" node run --data-dir "$dir/a" --socket "$dir/x.sock"
expect 5 "$dir/a" "$BLIXARD" cluster init --data-dir "$dir/a" --name a --member "a=$address"
expect 1 "$dir/none" "$BLIXARD" node run --data-dir "$dir/none" --socket "$dir/x.sock"
mkdir "$dir/foreign"
echo hello >"$dir/foreign/file"
expect 5 "file" "$BLIXARD" cluster init --data-dir "$dir/foreign" --name a --member "a=$address"
expect 1 "unix:$dir/nobody.sock" on nobody kv get /x

echo "-- a snapshot, whole and cut short"
for i in $(seq 200); do echo "put /many/$i value-$i"; done | on a kv txn - >/dev/null
expect 0 saved on a snapshot save "$dir/whole.db"
expect 0 ok "$BLIXARD" snapshot verify "$dir/whole.db"
expect 5 "exists" on a snapshot save "$dir/whole.db"
[ "$(sqlite3 "$dir/whole.db" "SELECT value FROM kv WHERE path='/kept'")" = value ] ||
	fail "sqlite3 does not read the snapshot"
head -c 20000 "$dir/whole.db" >"$dir/cut.db"
expect 1 "$dir/cut.db" "$BLIXARD" snapshot verify "$dir/cut.db"
expect 1 "$dir/cut.db" "$BLIXARD" recover --from "$dir/cut.db" --data-dir "$dir/r" --name a \
	--member "a=$address" --i-understand
expect 1 "i-understand" "$BLIXARD" recover --from "$dir/whole.db" --data-dir "$dir/r" --name a \
	--member "a=$address"
[ ! -e "$dir/r" ] || fail "a recovery that was not confirmed made something"

echo "-- stopping, and recovery from a snapshot into a new cluster"
kill "$pid"
wait "$pid" || fail "the member did not stop well"
expect 0 "" "$BLIXARD" recover --from "$dir/whole.db" --data-dir "$dir/r" --name a \
	--member "a=$address" --i-understand
member r
ready r
[ "$(on r kv get /kept)" = value ] || fail "/kept is not in the recovered cluster"
kill "$pid"
wait "$pid" || true

echo "-- a member of another cluster"
other=127.0.0.1:$(port)
third=127.0.0.1:$(port)
"$BLIXARD" cluster init --data-dir "$dir/one" --name one --cluster first \
	--member "one=$other" --member "two=$third" >/dev/null
"$BLIXARD" cluster init --data-dir "$dir/two" --name two --cluster second \
	--member "one=$other" --member "two=$third" >/dev/null
member one
one=$pid
member two
for _ in $(seq 100); do
	grep -q "is of cluster" "$dir/one.log" "$dir/two.log" && break
	sleep 0.1
done
grep -h -m1 "is of cluster" "$dir/one.log" "$dir/two.log" || fail "two clusters talk to each other"
expect 3 "no quorum" on one --timeout 3s kv put /x y
kill "$one" "$pid"
wait "$one" "$pid" || true

echo "-- damage in the log, and in a snapshot"
cp -a "$dir/a" "$dir/d"
segment=$(ls "$dir/d/wal/"*.seg | head -n 1)
printf '\xff\xff\xff\xff' | dd of="$segment" bs=1 seek=4200 conv=notrunc status=none
expect 1 "$dir/d/wal" "$BLIXARD" node run --data-dir "$dir/d" --socket "$dir/d.sock"

echo "-- a disk that fills up"
if [ "$(id -u)" -eq 0 ] && mkdir "$dir/small" && mount -t tmpfs -o size=12m tmpfs "$dir/small" 2>/dev/null; then
	full=127.0.0.1:$(port)
	"$BLIXARD" cluster init --data-dir "$dir/small/f" --name f --member "f=$full" >/dev/null
	"$BLIXARD" node run --data-dir "$dir/small/f" --socket "$dir/f.sock" \
		--segment-bytes 1048576 >>"$dir/f.log" 2>&1 &
	pid=$!
	pids+=("$pid")
	ready f
	head -c 200000 /dev/urandom >"$dir/value"
	count=0
	while [ $count -lt 200 ] && on f --timeout 3s kv put "/full/$count" - <"$dir/value" >/dev/null 2>"$dir/why"; do
		count=$((count + 1))
	done
	[ $count -lt 200 ] || fail "12 MiB held 40 MB"
	cat "$dir/why"
	grep -q "$dir/small/f" "$dir/f.log" || fail "the log does not name the directory that is full"
	kill "$pid" 2>/dev/null || true
	wait "$pid" 2>/dev/null || true
	mount -o remount,size=64m "$dir/small"
	"$BLIXARD" node run --data-dir "$dir/small/f" --socket "$dir/f.sock" \
		--segment-bytes 1048576 >>"$dir/f.log" 2>&1 &
	pid=$!
	pids+=("$pid")
	ready f
	for i in $(seq 0 $((count - 1))); do
		on f kv get "/full/$i" | cmp -s - "$dir/value" || fail "/full/$i of $count was acknowledged and is lost"
	done
	echo "ok: $count writes were acknowledged, and are there once there is room again"

	echo "-- a disk that is read-only"
	kill "$pid"
	wait "$pid" || true
	mount -o remount,ro "$dir/small"
	expect 1 "$dir/small/f" "$BLIXARD" node run --data-dir "$dir/small/f" --socket "$dir/f.sock"
	umount "$dir/small"
else
	echo "skipped: a full disk needs root and mount"
	exit 77
fi
echo "all refused as they should be"
