/* SPDX-License-Identifier: Apache-2.0 */
/* `onlooker check`: what this kernel and these privileges allow, line by line. */
#ifndef ONLOOKER_CHECK_H
#define ONLOOKER_CHECK_H

#include <stdio.h>

#include "config.h"

/*
 * Attaches a program with the backend (BACKEND_TRACEPOINT or BACKEND_FEXIT) and takes it off again.
 * 0 or -errno.
 */
int check_attach(enum config_backend backend);

/*
 * Prints one line for each thing that matters: "ok    THING: what was found", "warn  THING: ... ->
 * what to do" where something will be missing, "miss  THING: ... -> what to do" where it cannot run
 * at all. `backend` is the one asked for. `attach` is how a backend is tried; NULL: check_attach().
 * Returns the exit status: 0 it can run, 1 it cannot.
 */
int check_run(FILE *out, enum config_backend backend, int (*attach)(enum config_backend));

#endif
