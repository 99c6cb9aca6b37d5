/* SPDX-License-Identifier: Apache-2.0 */
/* libraft's allocations through base/mem, so that the host's allocator has all of them. */
#ifndef BLX_NODE_HEAP_H
#define BLX_NODE_HEAP_H

/* Before any member is made. */
void blx__raft_heap_set(void);

#endif
