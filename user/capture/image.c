/* SPDX-License-Identifier: Apache-2.0 */
#include "capture/image.h"

#include <elf.h>
#include <errno.h>
#include <string.h>

#if defined(__x86_64__)
#define MACHINE EM_X86_64
#else
#define MACHINE EM_AARCH64
#endif
#define HEADERS 32
#define DYNAMICS 128
#define CHAIN 1000 /* symbols of one bucket */
#define GO_NOTE 4  /* type of the note "Go": the build id */
#define GO_SEARCH 4096

static int read_header(struct remote *remote, uint64_t base, Elf64_Ehdr *ret)
{
	if (!remote_read(remote, base, ret, sizeof(*ret)) ||
	    memcmp(ret->e_ident, ELFMAG, SELFMAG) != 0 || ret->e_ident[EI_CLASS] != ELFCLASS64 ||
	    ret->e_machine != MACHINE || ret->e_phentsize != sizeof(Elf64_Phdr) ||
	    ret->e_phnum > HEADERS)
		return -ENOEXEC;
	return 0;
}

/* Some loaders turn the addresses in the dynamic section into those in memory, others do not. */
static uint64_t to_memory(const struct image *image, uint64_t value)
{
	return value < image->bias ? value + image->bias : value;
}

static void read_dynamic(struct remote *remote, uint64_t at, struct image *image)
{
	Elf64_Dyn entry;

	for (int i = 0; i < DYNAMICS; i++) {
		if (!remote_read(remote, at + i * sizeof(entry), &entry, sizeof(entry)) ||
		    entry.d_tag == DT_NULL)
			return;
		if (entry.d_tag == DT_SYMTAB)
			image->symbols = to_memory(image, entry.d_un.d_ptr);
		else if (entry.d_tag == DT_STRTAB)
			image->strings = to_memory(image, entry.d_un.d_ptr);
		else if (entry.d_tag == DT_GNU_HASH)
			image->hash = to_memory(image, entry.d_un.d_ptr);
	}
}

static void add_segment(struct image *image, const Elf64_Phdr *header)
{
	unsigned int i = image->segment_count;

	if (i == IMAGE_SEGMENTS)
		return;
	image->segments[i].start = image->bias + header->p_vaddr;
	image->segments[i].size = header->p_memsz;
	image->segments[i].offset = header->p_offset;
	image->segments[i].executable = header->p_flags & PF_X;
	image->segments[i].writable = header->p_flags & PF_W;
	image->segment_count++;
}

int image_read(struct remote *remote, uint64_t base, struct image *ret)
{
	Elf64_Phdr headers[HEADERS];
	const Elf64_Phdr *at, *dynamic = NULL;
	Elf64_Ehdr file;
	bool biased = false;

	if (read_header(remote, base, &file) ||
	    !remote_read(remote, base + file.e_phoff, headers, file.e_phnum * sizeof(*headers)))
		return -ENOEXEC;
	memset(ret, 0, sizeof(*ret));
	for (at = headers; at < headers + file.e_phnum; at++) {
		if (at->p_type == PT_LOAD && !biased) {
			ret->bias = base - (at->p_vaddr - at->p_offset);
			biased = true;
		}
		if (at->p_type == PT_LOAD)
			add_segment(ret, at);
		else if (at->p_type == PT_DYNAMIC)
			dynamic = at;
	}
	for (at = headers; at < headers + file.e_phnum; at++) {
		if (at->p_type == PT_NOTE && !ret->notes) {
			ret->notes = ret->bias + at->p_vaddr;
			ret->notes_size = at->p_memsz;
		}
	}
	if (dynamic)
		read_dynamic(remote, ret->bias + dynamic->p_vaddr, ret);
	return ret->segment_count ? 0 : -ENOEXEC;
}

/* ---- symbols ---- */

static uint32_t hash_name(const char *name)
{
	uint32_t hash = 5381;

	for (; *name; name++)
		hash = hash * 33 + (uint8_t)*name;
	return hash;
}

static bool is_named(struct remote *remote, uint64_t at, const char *name)
{
	char text[64];
	size_t size = strlen(name) + 1;

	return size <= sizeof(text) && remote_read(remote, at, text, size) &&
	       memcmp(text, name, size) == 0;
}

static bool read_number(struct remote *remote, uint64_t at, uint32_t *ret)
{
	return remote_read(remote, at, ret, sizeof(*ret));
}

/* The index of the first symbol of the name's bucket, and where its hash lies; 0 none. */
static uint32_t find_bucket(struct remote *remote, const struct image *image, uint32_t hash,
			    uint64_t *ret_chain)
{
	uint32_t head[4]; /* buckets, first symbol, words of the filter, shift */
	uint64_t buckets;
	uint32_t index;

	if (!image->hash || !remote_read(remote, image->hash, head, sizeof(head)) || head[0] == 0)
		return 0;
	buckets = image->hash + sizeof(head) + head[2] * sizeof(uint64_t);
	if (!read_number(remote, buckets + hash % head[0] * sizeof(index), &index) ||
	    index < head[1])
		return 0;
	*ret_chain = buckets + (head[0] + (uint64_t)(index - head[1])) * sizeof(index);
	return index;
}

uint64_t image_symbol(struct remote *remote, const struct image *image, const char *name,
		      uint64_t *ret_size)
{
	uint32_t hash = hash_name(name), other = 0;
	uint64_t chain = 0;
	uint32_t index = find_bucket(remote, image, hash, &chain);
	Elf64_Sym symbol;

	for (int i = 0; index && i < CHAIN && !(other & 1); i++, index++, chain += sizeof(other)) {
		if (!read_number(remote, chain, &other))
			return 0;
		if ((other | 1) != (hash | 1))
			continue;
		if (!remote_read(remote, image->symbols + index * sizeof(symbol), &symbol,
				 sizeof(symbol)))
			return 0;
		if (symbol.st_shndx == SHN_UNDEF ||
		    !is_named(remote, image->strings + symbol.st_name, name))
			continue;
		if (ret_size)
			*ret_size = symbol.st_size;
		return image->bias + symbol.st_value;
	}
	return 0;
}

bool image_offset(const struct image *image, uint64_t address, uint64_t *ret)
{
	for (unsigned int i = 0; i < image->segment_count; i++) {
		uint64_t within = address - image->segments[i].start;

		if (address >= image->segments[i].start && within < image->segments[i].size) {
			*ret = image->segments[i].offset + within;
			return true;
		}
	}
	return false;
}

/* ---- Go ---- */

static bool has_go_note(struct remote *remote, const struct image *image)
{
	uint64_t at = 0;
	Elf64_Nhdr note;
	char name[4];

	while (at + sizeof(note) + sizeof(name) <= image->notes_size) {
		if (!remote_read(remote, image->notes + at, &note, sizeof(note)) ||
		    !remote_read(remote, image->notes + at + sizeof(note), name, sizeof(name)))
			return false;
		if (note.n_type == GO_NOTE && note.n_namesz == 4 && memcmp(name, "Go", 3) == 0)
			return true;
		at += sizeof(note) + ((note.n_namesz + 3ULL) & ~3ULL) +
		      ((note.n_descsz + 3ULL) & ~3ULL);
	}
	return false;
}

/* debug/buildinfo: a magic text at the beginning of the writable data, or of its own segment. */
static bool has_build_info(struct remote *remote, const struct image *image)
{
	static const char magic[] = "\xff Go buildinf:";
	char text[sizeof(magic) - 1];

	for (unsigned int i = 0; i < image->segment_count; i++) {
		for (uint64_t at = 0; image->segments[i].writable && at < GO_SEARCH; at += 16) {
			if (remote_read(remote, image->segments[i].start + at, text,
					sizeof(text)) &&
			    memcmp(text, magic, sizeof(text)) == 0)
				return true;
		}
	}
	return false;
}

bool image_is_go(struct remote *remote, const struct image *image)
{
	return has_go_note(remote, image) || has_build_info(remote, image);
}
