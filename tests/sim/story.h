/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Scripted runs: lines that begin with "> " are done, what is told of them is
 * held against the lines that follow.
 */
#ifndef SIM_STORY_H
#define SIM_STORY_H

#include <stdbool.h>

/* 0: it told what it should; 1: not; 2: it cannot be read. Update: writes what it tells
 * into the file. */
int sim_story_run(const char *path, bool update);

#endif
