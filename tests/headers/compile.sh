#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# compile.sh INCLUDE_DIR HEADER c|c++ COMPILER ARGS...: the header alone, included twice.
set -eu
include=$1
header=$2
language=$3
shift 3
printf '#include <%s>\n#include <%s>\nint main(void) { return 0; }\n' "$header" "$header" |
	"$@" -x "$language" -Wall -Wextra -pedantic -Werror -I"$include" -fsyntax-only -
