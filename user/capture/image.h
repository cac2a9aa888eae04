/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A 64-bit ELF file as a process has it in memory, and what its dynamic symbols say: nothing is
 * read from the file, which may be out of reach, or replaced since. ELF gABI 4.3, chapters 4 and 5;
 * DT_GNU_HASH as binutils and glibc define it.
 */
#ifndef ONLOOKER_IMAGE_H
#define ONLOOKER_IMAGE_H

#include "capture/remote.h"

#define IMAGE_SEGMENTS 16

struct image {
	uint64_t bias; /* what is added to the file's addresses */
	struct {
		uint64_t start, size; /* in memory, of which the file fills all or the beginning */
		uint64_t offset;      /* in the file */
		bool executable, writable;
	} segments[IMAGE_SEGMENTS];
	unsigned int segment_count;
	uint64_t notes, notes_size;
	uint64_t symbols, strings, hash; /* DT_*; 0 none */
};

/* Reads the image whose file's first byte is at `base`. -ENOEXEC for what is no ELF of this
 * machine. */
int image_read(struct remote *remote, uint64_t base, struct image *ret);

/* The address of a defined dynamic symbol and its size; 0 where there is none. */
uint64_t image_symbol(struct remote *remote, const struct image *image, const char *name,
		      uint64_t *ret_size);

/* Where in the file the byte at an address comes from; false outside of the segments. */
bool image_offset(const struct image *image, uint64_t address, uint64_t *ret);

/* Whether a Go linker made it: it has Go's note, or the build information in its data. */
bool image_is_go(struct remote *remote, const struct image *image);

#endif
