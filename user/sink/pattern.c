/* SPDX-License-Identifier: Apache-2.0 */
#include "sink/pattern.h"

#include <errno.h>
#include <stdlib.h>

/* Bytes of the variable that begins at `text`, 0 where none does. */
static size_t variable_size(const char *text)
{
	const char *end = text[0] == '{' ? strchr(text, '}') : NULL;

	return end && end > text + 1 ? (size_t)(end - text) + 1 : 0;
}

/* Whether `text`, the pattern from here on, is only the rest of the path. */
static bool is_rest(const char *text)
{
	size_t size = variable_size(text);

	if (text[0] == '*')
		return text[1] == '\0';
	if (size < 6 || text[size] != '\0')
		return false;
	return memcmp(text + size - 4, "...}", 4) == 0 ||
	       (size > 7 && memcmp(text + size - 6, ":path}", 6) == 0);
}

int pattern_init(struct pattern *pattern, const char *text)
{
	struct pattern made = { .text = strdup(text), .size = strlen(text) };
	size_t at = 0;

	if (!made.text)
		return -ENOMEM;
	while (at < made.size && !variable_size(text + at) && !is_rest(text + at))
		at++;
	made.literal = at;
	for (at = 0; at < made.size && !made.rest;) {
		size_t variable = variable_size(text + at);

		made.rest = is_rest(text + at);
		made.segments += text[at] == '/';
		at += variable ? variable : 1;
	}
	*pattern = made;
	return 0;
}

void pattern_free(struct pattern *pattern)
{
	free(pattern->text);
	pattern->text = NULL;
}

size_t pattern_segments(struct bytes path)
{
	size_t segments = 0;

	for (size_t i = 0; i < path.size; i++)
		segments += path.data[i] == '/';
	return segments;
}

/*
 * A variable takes as few bytes as it can; where what follows does not fit, the last variable takes
 * one more. Earlier ones need no second try: none crosses a slash.
 */
static bool match_variables(const char *text, struct bytes path)
{
	const char *retry = NULL; /* the pattern after the last variable */
	size_t at = 0, taken = 0;

	for (;;) {
		size_t variable = variable_size(text);

		if (is_rest(text))
			return text[0] == '*' || at < path.size;
		if (*text == '\0' && at == path.size)
			return true;
		if (variable && at < path.size && path.data[at] != '/') {
			text += variable;
			retry = text;
			taken = ++at;
		} else if (!variable && *text && at < path.size &&
			   path.data[at] == (uint8_t)*text) {
			text++;
			at++;
		} else {
			if (!retry || taken >= path.size || path.data[taken] == '/')
				return false;
			text = retry;
			at = ++taken;
		}
	}
}

bool pattern_match(const struct pattern *pattern, struct bytes path, size_t segments)
{
	if (pattern->rest ? segments < pattern->segments : segments != pattern->segments)
		return false;
	if (path.size < pattern->literal || memcmp(path.data, pattern->text, pattern->literal) != 0)
		return false;
	return match_variables(pattern->text + pattern->literal,
			       bytes_skip(path, pattern->literal));
}
