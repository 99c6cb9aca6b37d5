#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# run.sh BUILD_DIR SOURCE.c shared|static CC...: installs the build into a fresh folder, builds
# the program against that alone, and runs it.
set -eu
build=$1
source=$2
kind=$3
shift 3

work=$(mktemp -d "${TMPDIR:-/tmp}/blx-consumer-XXXXXX")
trap 'rm -rf "$work"' EXIT

DESTDIR="$work/root" meson install -C "$build" --no-rebuild --quiet
pc=$(find "$work/root" -name libblixard.pc)
[ -n "$pc" ] || { echo "libblixard.pc is not installed" >&2; exit 1; }

# pkg-config tells of the prefix that was configured: put the folder before it.
libdir=$(dirname "$(dirname "$pc")")
prefix=$(sed -n 's/^prefix=//p' "$pc")
sed -i "s|^prefix=.*|prefix=$work/root$prefix|" "$pc"
export PKG_CONFIG_PATH="$(dirname "$pc")"

cflags=$(pkg-config --cflags libblixard)
if [ "$kind" = static ]; then
	libs=$(pkg-config --static --libs libblixard | sed "s|-lblixard|$libdir/libblixard.a|")
else
	libs=$(pkg-config --libs libblixard)
fi
# shellcheck disable=SC2086
"$@" -Wall -Wextra -Werror -o "$work/consumer" "$source" $cflags $libs

if [ "$kind" = shared ]; then
	case "$(readelf -d "$work/consumer")" in
	*libblixard.so.*) ;;
	*) echo "the program does not need libblixard.so.N" >&2; exit 1 ;;
	esac
fi

# A port that was free a moment ago; another one if it is taken meanwhile.
for _ in 1 2 3 4 5; do
	port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
	rm -rf "$work/data"
	if LD_LIBRARY_PATH="$libdir" "$work/consumer" "$work/data" "127.0.0.1:$port" 2>"$work/err"; then
		exit 0
	fi
	grep -q BLX_EINUSE "$work/err" || break
done
cat "$work/err" >&2
exit 1
