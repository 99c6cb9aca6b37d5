/* SPDX-License-Identifier: Apache-2.0 */
/* What this machine has: as a node that takes services. */
#ifndef BLX_SYS_HOST_H
#define BLX_SYS_HOST_H

#include <blixard/record.h>

/* Processors that this process may use, memory, the architecture, and as capabilities what
 * is there: "kvm", "systemd", "nix", "cgroup2", "cloud-hypervisor", "qemu". The rest is
 * empty. */
void blx__host_detect(blx_node_info *ret_info);

#endif
