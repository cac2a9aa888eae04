/* SPDX-License-Identifier: Apache-2.0 */
/* The running program: observer, metrics, endpoint, terminal and signals on one event loop. */
#ifndef ONLOOKER_DAEMON_H
#define ONLOOKER_DAEMON_H

#include "config.h"
#include "options.h"

/*
 * Observes until SIGTERM or SIGINT; SIGHUP rereads the configuration file of `options`. Takes the
 * contents of `config` over, also on failure. 0 after a regular end; -errno when it could not start
 * or had to stop: `error` is one line for the user.
 */
int daemon_run(const struct options *options, struct config *config, char *error, size_t size);

#endif
