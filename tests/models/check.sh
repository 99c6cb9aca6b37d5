#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Every state of the model of services is looked at: as it is, with one thing left out at a time,
# which must be found, and for what should be reached at all.
set -euo pipefail
model="$(cd "$(dirname "$0")/../.." && pwd)/docs/models/services.pml"
command -v spin >/dev/null || {
	echo "skipped: there is no spin; scripts/deps installs it"
	exit 77
}
dir="$(mktemp -d /tmp/blixard-model-XXXXXX)"
trap 'rm -rf "$dir"' EXIT

# One search, breadth first, so that what is found is short. What it says is in $1.out.
search() { # name [-D...]
	local name="$1"
	shift
	mkdir "$dir/$name"
	cd "$dir/$name"
	spin -DLEASE="${LEASE:-1}" "$@" -a "$model" >spin.out 2>&1
	cc -w -O1 -DSAFETY -DNOREDUCE -DBFS -DMEMLIM=6000 -o pan pan.c
	./pan -w24 >"../$name.out" 2>&1
}
export -f search
export dir model

{
	echo "as_it_is"
	for i in 1 2 3 4 5 6 7 8 9; do echo "mutant_$i -DMUTANT=$i"; done
	for i in 1 2 3 4; do echo "reach_$i -DREACH=$i"; done
} | xargs -P 2 -L 1 bash -euc 'search "$@"' search

failed=0
grep -q "errors: 0" "$dir/as_it_is.out" && ! grep -q "Search not completed" "$dir/as_it_is.out" || {
	echo "as it is: two copies, or not all was looked at"
	cat "$dir/as_it_is.out"
	failed=1
}
for name in mutant_{1..9} reach_{1..4}; do
	grep -q "assertion violated" "$dir/$name.out" || {
		echo "$name is not found"
		cat "$dir/$name.out"
		failed=1
	}
done
grep "states, stored" "$dir/as_it_is.out"
exit $failed
