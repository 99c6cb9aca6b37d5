/* SPDX-License-Identifier: Apache-2.0 */
#include "story.h"

int sim_story_run(const char *path, bool update)
{
	return 2;
}
