/* SPDX-License-Identifier: Apache-2.0 */
/* Paths, and files that say one thing. */
#ifndef ONLOOKER_PATH_H
#define ONLOOKER_PATH_H

#include <stdio.h>
#include <string.h>

/* The last part of a path: borrowed from it. */
static inline const char *path_base(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

/* A file's first line without its end, cut to `size`; "": there is none, or it cannot be read. */
static inline void path_first_line(const char *path, char *ret, size_t size)
{
	FILE *file = fopen(path, "re");

	if (!file || !fgets(ret, (int)size, file))
		ret[0] = '\0';
	ret[strcspn(ret, "\n")] = '\0';
	if (file)
		fclose(file);
}

#endif
