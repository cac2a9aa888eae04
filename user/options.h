/* SPDX-License-Identifier: Apache-2.0 */
/* The command line. */
#ifndef ONLOOKER_OPTIONS_H
#define ONLOOKER_OPTIONS_H

#include <stdio.h>

#include "config.h"

enum options_action {
	ACTION_RUN = 0,
	ACTION_CHECK,
	ACTION_HELP,
	ACTION_VERSION,
};

#define OPTIONS_EXIT 2 /* exit status for a wrong flag or configuration */

/* Texts are argv's own. */
struct options {
	enum options_action action;
	const char *config;			  /* NULL: none given, defaults */
	const char *listen, *backend, *log_level; /* NULL: as the file says */
};

/*
 * Reads argv. -EINVAL: `error` is one line that names the flag; *ret is untouched. The values of
 * flags are checked here too, before any file is read.
 */
int options_parse(int argc, char **argv, struct options *ret, char *error, size_t size);

/*
 * The configuration in force: the file, then the flags, which win. At start and on each reread.
 * Errors and ownership as config_load().
 */
int options_config(const struct options *options, struct config *ret, char *error, size_t size);

/* The text of --help: flags and configuration keys. */
void options_help(FILE *out);

#endif
