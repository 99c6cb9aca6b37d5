/* SPDX-License-Identifier: Apache-2.0 */
#include "sys/host.h"

#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>
#include <unistd.h>

#define CPU_PER_PROCESSOR 1000
#define BYTES_PER_MIB     (1024 * 1024)

static void capability(blx_node_info *info, const char *name)
{
	if (info->capabilities_count < BLX_CAPABILITIES_MAX) {
		(void)snprintf(info->capabilities[info->capabilities_count++], BLX_NAME_MAX, "%s",
			name);
	}
}

static int processors(void)
{
	cpu_set_t set;

	if (sched_getaffinity(0, sizeof set, &set) == 0) {
		return CPU_COUNT(&set);
	}
	return (int)sysconf(_SC_NPROCESSORS_ONLN);
}

/* What is there if a file is. */
static const struct {
	const char *path;
	int how;
	const char *name;
} traces[] = {
	{"/sys/fs/cgroup/cgroup.controllers", F_OK, "cgroup2"},
	{"/dev/kvm", R_OK | W_OK, "kvm"},
	{"/nix/store", F_OK, "nix"},
	{"/run/systemd/system", F_OK, "systemd"},
	{"/usr/bin/cloud-hypervisor", X_OK, "cloud-hypervisor"},
	{"/usr/bin/qemu-system-x86_64", X_OK, "qemu"},
};

void blx__host_detect(blx_node_info *ret_info)
{
	struct utsname uts;
	struct sysinfo memory;
	size_t i;

	memset(ret_info, 0, sizeof *ret_info);
	ret_info->cpu = (int64_t)processors() * CPU_PER_PROCESSOR;
	if (sysinfo(&memory) == 0) {
		ret_info->memory = (int64_t)((uint64_t)memory.totalram * memory.mem_unit /
					     BYTES_PER_MIB);
	}
	if (uname(&uts) == 0) {
		capability(ret_info, uts.machine);
	}
	for (i = 0; i < sizeof traces / sizeof traces[0]; i++) {
		if (access(traces[i].path, traces[i].how) == 0) {
			capability(ret_info, traces[i].name);
		}
	}
}
