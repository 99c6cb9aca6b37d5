# SPDX-License-Identifier: Apache-2.0
# Groups of processes. To be read by a script that has "cannot".

# Where the hierarchy of version 2 is.
cgroup_root() {
	local dir
	for dir in /sys/fs/cgroup /sys/fs/cgroup/unified; do
		if [ "$(stat -fc %T "$dir" 2>/dev/null)" = cgroup2fs ]; then
			echo "$dir"
			return
		fi
	done
	cannot "there is no cgroup2 hierarchy"
}

# cgroup_gone DIR: what was in it has ended; until that is reaped it cannot be removed.
cgroup_gone() {
	local tries
	for tries in $(seq 1 300); do
		[ -d "$1" ] || return 0
		find "$1" -depth -type d -exec rmdir {} \; 2>/dev/null || true
		[ ! -d "$1" ] || sleep 0.01
	done
	[ ! -d "$1" ] || {
		echo "$1 is left over after $tries tries" >&2
		return 1
	}
}
