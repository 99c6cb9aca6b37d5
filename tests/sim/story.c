/* SPDX-License-Identifier: Apache-2.0 */
#include "story.h"

#include "memory.h"
#include "stage.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LINE_SIZE 512

struct story {
	struct sim_stage *stage; /* owned; NULL: no members yet */
	FILE *told;              /* what the file would be if all were as it is */
	bool broken;             /* something that was waited for did not come */
};

static void story_line(struct story *story, const char *text)
{
	char answer[LINE_SIZE] = "";
	char line[LINE_SIZE];
	bool ok;

	(void)snprintf(line, sizeof line, "%s", text);
	if (story->stage == NULL) {
		story->stage = sim_alloc(sizeof *story->stage);
		ok = strncmp(line, "members ", 8) == 0 &&
		     sim_stage_create(story->stage, (unsigned)atoi(line + 8),
				strstr(line, " leases") != NULL);
	} else {
		ok = sim_stage_do(story->stage, line, answer, sizeof answer);
	}
	(void)fprintf(story->told, "> %s\n", text);
	if (answer[0] != '\0') {
		(void)fprintf(story->told, "%s\n", answer);
	}
	if (!ok) {
		story->broken = true;
		(void)fprintf(stderr, "> %s: %s%s\n", text, answer,
			story->stage->world.failed ? story->stage->world.failure : "");
	}
}

/* Comments and empty lines stay, answers are told anew. */
static void story_run(struct story *story, FILE *file)
{
	char line[LINE_SIZE];

	while (!story->broken && fgets(line, sizeof line, file) != NULL) {
		line[strcspn(line, "\n")] = '\0';
		if (line[0] == '#' || line[0] == '\0') {
			(void)fprintf(story->told, "%s\n", line);
		} else if (strncmp(line, "> ", 2) == 0) {
			story_line(story, line + 2);
		}
	}
}

static char *read_file(const char *path)
{
	FILE *file = fopen(path, "r");
	char *text = sim_alloc(65536);
	size_t len;

	if (file == NULL) {
		perror(path);
		free(text);
		return NULL;
	}
	len = fread(text, 1, 65535, file);
	text[len] = '\0';
	(void)fclose(file);
	return text;
}

/* Where the two part. */
static void tell_difference(const char *path, const char *should, const char *is)
{
	unsigned line = 1;
	size_t begin = 0;
	size_t i;

	for (i = 0; should[i] != '\0' && should[i] == is[i]; i++) {
		if (is[i] == '\n') {
			line++;
			begin = i + 1;
		}
	}
	(void)fprintf(stderr, "%s:%u: it tells \"%.*s\", and should tell \"%.*s\"\n",
		path, line, (int)strcspn(is + begin, "\n"), is + begin,
		(int)strcspn(should + begin, "\n"), should + begin);
}

static bool write_file(const char *path, const char *text)
{
	FILE *file = fopen(path, "w");
	bool ok = file != NULL && fputs(text, file) >= 0;

	return file != NULL && fclose(file) == 0 && ok;
}

static int compare(const char *path, bool update, const char *should, const char *is)
{
	if (strcmp(should, is) == 0) {
		return 0;
	}
	if (update) {
		return write_file(path, is) ? 0 : 2;
	}
	tell_difference(path, should, is);
	return 1;
}

int sim_story_run(const char *path, bool update)
{
	struct story story = {0};
	char *should = read_file(path);
	char *is = NULL;
	size_t len;
	FILE *file;
	int rv;

	if (should == NULL) {
		return 2;
	}
	file = fmemopen(should, strlen(should), "r");
	story.told = open_memstream(&is, &len);
	if (file == NULL || story.told == NULL) {
		sim_memory_exhausted();
	}
	story_run(&story, file);
	(void)fclose(file);
	(void)fclose(story.told);
	rv = story.broken ? 1 : compare(path, update, should, is);
	if (story.stage != NULL) {
		sim_stage_finish(story.stage);
		free(story.stage);
	}
	free(should);
	free(is);
	return rv;
}
