/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Configured routes: texts that begin with '/', in which
 *
 *	{name}                   stands for one or more bytes of one segment
 *	* at the very end        stands for the rest, also for none
 *	{name...} {name:path}    at the very end: the rest, at least one byte
 *
 * and everything else for itself.
 */
#ifndef ONLOOKER_PATTERN_H
#define ONLOOKER_PATTERN_H

#include "bytes.h"

struct pattern {
	char *text;
	size_t size;
	size_t literal;	 /* bytes before the first variable */
	size_t segments; /* slashes before the end, or before the rest */
	bool rest;	 /* ends with a rest */
};

/* Reads a pattern; keeps a copy of the text. 0 or -ENOMEM. pattern_free() ends it. */
int pattern_init(struct pattern *pattern, const char *text);
void pattern_free(struct pattern *pattern);

/* The number of slashes in a path, which pattern_match() wants to be told. */
size_t pattern_segments(struct bytes path);

/* Whether the whole path is of this pattern. */
bool pattern_match(const struct pattern *pattern, struct bytes path, size_t segments);

#endif
