/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The log of "node run": lines on standard error, each in one write. Where
 * that is the journal, with the priority it understands; elsewhere with a time.
 */
#ifndef BLX_CLI_JOURNAL_H
#define BLX_CLI_JOURNAL_H

/* Takes the library's log, up to a level. */
void journal_start(int level_max);
/* A line of our own. */
__attribute__((format(printf, 2, 3))) void journal(int level, const char *format, ...);

#endif
