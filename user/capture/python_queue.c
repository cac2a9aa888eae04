/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "capture/python.h"
#include "capture/python_method.h"

#define PIECE (64 * 1024)
#define SEARCH_MOST ((size_t)64 << 20) /* bytes of an image that are looked through: 20 ms */
#define OVERLAP PYTHON_NAME	       /* no text that is sought is longer */
#define TEXTS 8			       /* places at which one may be */

#define LIST 5

/* The methods of a type, and their functions. */
struct sought {
	const char *names[LIST]; /* the rarest one first */
	size_t count;
	const char *other; /* a type that has this one, too, is another; NULL */
	uint64_t functions[LIST];
};

/* An image being looked through, whose segments are as large as its process says. */
struct scan {
	struct remote *remote;
	const struct image *image;
	size_t done; /* bytes */
	char piece[PIECE];
};

static struct scan *scan_new(struct remote *remote, const struct image *image)
{
	struct scan *scan = malloc(sizeof(*scan));

	if (!scan)
		return NULL;
	scan->remote = remote;
	scan->image = image;
	scan->done = 0;
	return scan;
}

/* Reads the piece at an address; 0 where there is nothing, or it was enough. */
static size_t read_piece(struct scan *scan, uint64_t address)
{
	if (scan->done >= SEARCH_MOST)
		return 0;
	scan->done += PIECE;
	return remote_bulk(scan->remote, address, scan->piece, PIECE);
}

/* Where the text lies, as one of its own or at the end of another. */
static unsigned int find_texts(struct scan *scan, const char *sought, uint64_t ret[TEXTS])
{
	const struct image *image = scan->image;
	const char *piece = scan->piece;
	size_t size = strlen(sought) + 1;
	unsigned int count = 0;

	for (unsigned int i = 0; i < image->segment_count; i++) {
		uint64_t at = 0;

		while (!image->segments[i].writable && at < image->segments[i].size) {
			size_t n = read_piece(scan, image->segments[i].start + at);
			const char *from = piece, *hit;

			if (!n)
				break;
			while (count < TEXTS &&
			       (hit = memmem(from, n - (size_t)(from - piece), sought, size))) {
				ret[count++] =
					image->segments[i].start + at + (uint64_t)(hit - piece);
				from = hit + 1;
			}
			at += PIECE - OVERLAP;
		}
	}
	return count;
}

/* Takes the functions from the table that has an entry at `at`: tables end with an empty one. */
static bool read_table(struct remote *remote, uint64_t at, struct sought *sought)
{
	struct python_method method;
	size_t found = 0;

	for (int i = 0; i < PYTHON_METHODS; i++, at -= sizeof(method))
		if (!python_method_read(remote, at - sizeof(method), &method))
			break;
	memset(sought->functions, 0, sizeof(sought->functions));
	for (int i = 0; i < PYTHON_METHODS && python_method_read(remote, at, &method); i++) {
		if (sought->other && python_method_is(remote, &method, sought->other))
			return false;
		for (size_t k = 0; k < sought->count; k++) {
			if (sought->functions[k] ||
			    !python_method_is(remote, &method, sought->names[k]))
				continue;
			sought->functions[k] = method.function;
			found++;
		}
		at += sizeof(method);
	}
	return found == sought->count;
}

/* Looks in the data for a table with that name in it. */
static bool search_data(struct scan *scan, uint64_t name, struct sought *sought)
{
	const struct image *image = scan->image;

	for (unsigned int i = 0; i < image->segment_count; i++) {
		uint64_t start = image->segments[i].start & ~7ULL;
		uint64_t size = image->segments[i].size;

		for (uint64_t at = 0; image->segments[i].writable && at < size; at += PIECE) {
			size_t n = read_piece(scan, start + at);

			if (!n)
				break;
			for (size_t k = 0; k + sizeof(name) <= n; k += sizeof(name)) {
				if (memcmp(scan->piece + k, &name, sizeof(name)) == 0 &&
				    read_table(scan->remote, start + at + k, sought))
					return true;
			}
		}
	}
	return false;
}

/* Finds the type that has all of the methods, by the first one's name. */
static int find_methods(struct remote *remote, const struct image *image, struct sought *sought)
{
	struct scan *scan = scan_new(remote, image);
	uint64_t texts[TEXTS];
	unsigned int n = scan ? find_texts(scan, sought->names[0], texts) : 0;
	bool found = false;

	for (unsigned int i = 0; i < n && !found; i++)
		found = search_data(scan, texts[i], sought);
	free(scan);
	return found ? 0 : -ENOENT;
}

static bool has_text(struct remote *remote, const struct image *image, const char *text)
{
	struct scan *scan = scan_new(remote, image);
	uint64_t texts[TEXTS];
	bool found = scan && find_texts(scan, text, texts);

	free(scan);
	return found;
}

int python_queue(struct remote *remote, const struct image *image, struct python_queue *ret)
{
	struct sought sought = { .names = { "get_nowait", "put", "get" }, .count = 3 };
	int error = find_methods(remote, image, &sought);

	if (error)
		return error;
	ret->get_nowait = sought.functions[0];
	ret->put = sought.functions[1];
	ret->get = sought.functions[2];
	return 0;
}

/* What its TLS has looks alike, but is a whole transport. Streams that write at once do not have
 * that text any more. */
int python_stream(struct remote *remote, const struct image *image, struct python_stream *ret)
{
	static const char queues[] = "_buffer_size is not 0 after a successful _exec_write";
	struct sought sought = { .names = { "can_write_eof", "is_reading", "write", "writelines" },
				 .count = 4,
				 .other = "get_extra_info" };
	int error =
		has_text(remote, image, queues) ? find_methods(remote, image, &sought) : -ENOENT;

	if (error)
		return error;
	ret->write = sought.functions[2];
	ret->writelines = sought.functions[3];
	return 0;
}
