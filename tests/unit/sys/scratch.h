/* SPDX-License-Identifier: Apache-2.0 */
/* A fresh folder of a test, removed with what is in it. */
#ifndef BLX_TESTS_SYS_SCRATCH_H
#define BLX_TESTS_SYS_SCRATCH_H

#define SCRATCH_SIZE 80 /* a socket's path in it must fit its address */

void scratch_make(char ret_path[SCRATCH_SIZE]);
void scratch_remove(const char *path);

#endif
