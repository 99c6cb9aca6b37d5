/* SPDX-License-Identifier: Apache-2.0 */
#include "input.h"

#include "ctx.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CHUNK 65536

/* Reads on until the end, or one byte more than max, which tells that it is too large. */
static int read_fd(int fd, size_t max, struct input *input)
{
	size_t room = 0;

	for (;;) {
		ssize_t n;

		if (input->len == room) {
			size_t more = room < CHUNK ? CHUNK : 2 * room;
			char *grown =
				realloc(input->owned, more < max + 1 ? more : max + 1);

			if (grown == NULL) {
				return BLX_ENOMEM;
			}
			input->owned = grown;
			room = more < max + 1 ? more : max + 1;
		}
		n = read(fd, input->owned + input->len, room - input->len);
		if (n < 0 && errno == EINTR) {
			continue;
		}
		if (n <= 0) {
			return n == 0 ? 0 : BLX_EIO;
		}
		input->len += (size_t)n;
		if (input->len > max) {
			return BLX_ETOOBIG;
		}
	}
}

int input_read(
	const struct ctx *ctx, const char *name, size_t max, struct input *ret_input)
{
	struct input input = {0};
	bool is_stdin = strcmp(name, "-") == 0;
	int fd = is_stdin ? STDIN_FILENO : open(name, O_RDONLY | O_CLOEXEC);
	int rv = fd < 0 ? (errno == ENOENT ? BLX_ENOENT : BLX_EIO)
			: read_fd(fd, max, &input);
	int saved = errno;

	if (!is_stdin && fd >= 0) {
		(void)close(fd);
	}
	if (rv != 0) {
		free(input.owned);
		if (rv == BLX_ETOOBIG) {
			return fail_with(ctx, rv, "%s: more than %zu bytes",
				is_stdin ? "standard input" : name, max);
		}
		return fail_with(ctx, rv, "read %s: %s",
			is_stdin ? "standard input" : name,
			rv == BLX_ENOMEM ? "out of memory" : strerror(saved));
	}
	input.bytes = input.owned;
	*ret_input = input;
	return 0;
}

int input_value(const struct ctx *ctx, const char *word, struct input *ret_input)
{
	if (word == NULL || strcmp(word, "-") == 0) {
		return input_read(ctx, "-", BLX_VALUE_LEN_MAX, ret_input);
	}
	*ret_input = (struct input){.bytes = word, .len = strlen(word)};
	return 0;
}

void input_finish(struct input *input)
{
	free(input->owned);
	*input = (struct input){0};
}
