/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The keys of the configuration. Tables say everything about each: type, range, default (as JSON,
 * read by the same code as the file), and where in struct config it goes. For config*.c only.
 */
#ifndef ONLOOKER_CONFIG_KEYS_H
#define ONLOOKER_CONFIG_KEYS_H

#include <jansson.h>

#include "config.h"

struct key {
	const char *name; /* members of objects joined by dots */
	/* Stores the value; 0, -EINVAL (not as expected), -ENOMEM. `where` is untouched on failure.
	 */
	int (*set)(const struct key *key, const json_t *value, void *where);
	void (*release)(void *where); /* NULL: owns nothing */
	size_t offset;
	const char *expected;
	const char *fallback; /* JSON */
	const char *meaning;
	json_int_t least, most;	   /* integers */
	const char *const *choice; /* one of these, stored as its index; ends with NULL */
};

extern const struct key config_keys[];
extern const size_t config_key_count;
extern const struct key config_traces_keys[]; /* "traces.*" */
extern const size_t config_traces_key_count;

/* The key with this number, in the order of --help; NULL beyond the last. */
const struct key *config_key(size_t number);

/* The key of this name, or NULL. */
const struct key *config_find_key(const char *name);

/* Setters: an integer within least and most, one of `choice`. */
int config_set_integer(const struct key *key, const json_t *value, void *where);
int config_set_choice(const struct key *key, const json_t *value, void *where);

/*
 * Takes what the environment says of traces into a configuration that has its defaults. With
 * `endpoint` the file has one: whether, where to and how the variables would have spans posted does
 * not matter then. -EINVAL: `error` is "VARIABLE: expected ..."; or -ENOMEM.
 */
int config_environment(struct config *config, bool endpoint, char *error, size_t size);

#endif
