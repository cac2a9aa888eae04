/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "capture/python.h"

#define PIECE (64 * 1024)
#define OVERLAP 16
#define NAMES 8	   /* places at which the name may end */
#define METHODS 32 /* of a type */
#define METH_FASTCALL_KEYWORDS 0x82

/* PyMethodDef */
struct method {
	uint64_t name, function;
	uint32_t flags, pad;
	uint64_t text;
};

static const char sought[] = "get_nowait";

/* Where the name lies, as a text of its own or at the end of another. */
static unsigned int find_names(struct remote *remote, const struct image *image, char *piece,
			       uint64_t ret[NAMES])
{
	unsigned int count = 0;

	for (unsigned int i = 0; i < image->segment_count; i++) {
		uint64_t at = 0;

		while (!image->segments[i].writable && at < image->segments[i].size) {
			size_t n = remote_bulk(remote, image->segments[i].start + at, piece, PIECE);
			const char *from = piece, *hit;

			while (count < NAMES && (hit = memmem(from, n - (size_t)(from - piece),
							      sought, sizeof(sought)))) {
				ret[count++] =
					image->segments[i].start + at + (uint64_t)(hit - piece);
				from = hit + 1;
			}
			at += PIECE - OVERLAP;
		}
	}
	return count;
}

static bool is_name(struct remote *remote, uint64_t at, const char *name)
{
	char text[16];
	size_t size = strlen(name) + 1;

	return remote_read(remote, at, text, size) && memcmp(text, name, size) == 0;
}

/* Takes the functions from the table that has an entry at `at`. */
static bool read_table(struct remote *remote, uint64_t at, struct python_queue *ret)
{
	struct python_queue found = { 0, 0, 0 };
	struct method method;

	for (int i = -METHODS; i < METHODS; i++) {
		if (!remote_read(remote, at + (uint64_t)(i * (int64_t)sizeof(method)), &method,
				 sizeof(method)))
			continue;
		if (is_name(remote, method.name, "put") && method.flags == METH_FASTCALL_KEYWORDS)
			found.put = method.function;
		else if (is_name(remote, method.name, "get"))
			found.get = method.function;
		else if (is_name(remote, method.name, sought))
			found.get_nowait = method.function;
	}
	if (!found.put || !found.get || !found.get_nowait)
		return false;
	*ret = found;
	return true;
}

/* Looks in the data for a table with that name in it. */
static bool search_data(struct remote *remote, const struct image *image, uint64_t name,
			char *piece, struct python_queue *ret)
{
	for (unsigned int i = 0; i < image->segment_count; i++) {
		uint64_t start = image->segments[i].start & ~7ULL;
		uint64_t size = image->segments[i].size;

		for (uint64_t at = 0; image->segments[i].writable && at < size; at += PIECE) {
			size_t n = remote_bulk(remote, start + at, piece, PIECE);

			for (size_t k = 0; k + sizeof(name) <= n; k += sizeof(name)) {
				if (memcmp(piece + k, &name, sizeof(name)) == 0 &&
				    read_table(remote, start + at + k, ret))
					return true;
			}
		}
	}
	return false;
}

int python_queue(struct remote *remote, const struct image *image, struct python_queue *ret)
{
	char *piece = malloc(PIECE);
	uint64_t names[NAMES];
	unsigned int count = piece ? find_names(remote, image, piece, names) : 0;
	bool found = false;

	for (unsigned int i = 0; i < count && !found; i++)
		found = search_data(remote, image, names[i], piece, ret);
	free(piece);
	return found ? 0 : -ENOENT;
}
