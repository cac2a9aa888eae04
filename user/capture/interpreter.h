/* SPDX-License-Identifier: Apache-2.0 */
/* Interpreters: how each reads its options, up to the script it runs. */
#ifndef ONLOOKER_INTERPRETER_H
#define ONLOOKER_INTERPRETER_H

#include <stdbool.h>
#include <stddef.h>

#define ARGUMENTS 512 /* the rest of a longer command line is not read */

/* A command line, split. */
struct arguments {
	const char *word[ARGUMENTS];
	size_t count;
};

struct interpreter;

/* The interpreter of that base name, a version after it allowed; NULL: it is none. */
const struct interpreter *interpreter_find(const char *name);

/* Whether it is the dynamic loader: its "script" is a program, perhaps an interpreter. */
bool interpreter_is_loader(const struct interpreter *interpreter);

/*
 * The script or module that the arguments from *at on name, or NULL where they name none. Then
 * *ret_code tells whether the program was given as text instead. *at becomes where the script's own
 * arguments begin.
 */
const char *interpreter_script(const struct interpreter *interpreter, const struct arguments *args,
			       size_t *at, bool *ret_code);

/* Whether `text` is in the list, which ends with NULL. */
bool interpreter_word(const char *text, const char *const *words);

#endif
