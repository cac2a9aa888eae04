/* SPDX-License-Identifier: Apache-2.0 */
/* An image that exports what CPython does: the dynamic symbols, found by their GNU hash. */
#ifndef ONLOOKER_TEST_INTERPRETER_H
#define ONLOOKER_TEST_INTERPRETER_H

#include <elf.h>
#include <string.h>

#include "capture/python.h"

enum interpreter_symbol {
	SYMBOL_RUNTIME,
	SYMBOL_CONTEXT,
	SYMBOL_COPY,
	SYMBOL_VERSION,
	SYMBOL_TYPE,
	SYMBOLS,
};

static inline uint64_t at(const void *object)
{
	return (uint64_t)(uintptr_t)object;
}

/* Where they are, and how large. */
static inline struct image make_image(const void *const objects[SYMBOLS],
				      const uint64_t sizes[SYMBOLS])
{
	static const char *const names[SYMBOLS] = { "_PyRuntime", "PyContext_Type",
						    "PyContext_CopyCurrent", "Py_Version",
						    "PyType_Type" };
	static char strings[256];
	static Elf64_Sym symbols[SYMBOLS + 1];
	static struct {
		uint32_t buckets, first, filter_words, shift;
		uint64_t filter;
		uint32_t bucket, chain[SYMBOLS];
	} table;
	uint32_t text = 1;

	table.buckets = table.first = table.filter_words = table.bucket = 1;
	for (int i = 0; i < SYMBOLS; i++) {
		uint32_t hash = 5381;

		for (const char *name = names[i]; *name; name++)
			hash = hash * 33 + (uint8_t)*name;
		strcpy(strings + text, names[i]);
		symbols[i + 1] = (Elf64_Sym){ .st_name = text,
					      .st_shndx = 1,
					      .st_value = at(objects[i]),
					      .st_size = sizes[i] };
		text += (uint32_t)strlen(names[i]) + 1;
		table.chain[i] = (hash & ~1U) | (i == SYMBOLS - 1);
	}
	return (struct image){ .symbols = at(symbols), .strings = at(strings), .hash = at(&table) };
}

#endif
