#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The demonstration, with the command that was just built.
exec "$(dirname "$0")/../../scripts/demo"
