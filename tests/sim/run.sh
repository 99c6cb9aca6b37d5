#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# For the tests: run.sh SIMULATOR seeds COUNT | regressions FILE | twice | mutation NAME
set -euo pipefail
sim=$1
what=$2
jobs=$(nproc)

case "$what" in
seeds) # another range each time; BLX_SEED repeats one
	first=${BLX_SEED:-$(($(date +%s) * 4099 % 1000000000))}
	echo "BLX_SEED=$first: seeds $first..$((first + $3 - 1))"
	"$sim" --seeds "$first..$((first + $3 - 1))" -j "$jobs" --failures 3
	;;
regressions) "$sim" --seeds-file "$3" -j "$jobs" ;;
twice) "$sim" --seeds 1..20 -j "$jobs" --twice ;;
mutation) # a fault planted on purpose must be found
	"$sim" --mutate "$3" --seeds 1..600 -j "$jobs" --no-shrink --failures 1
	;;
*) exit 2 ;;
esac
