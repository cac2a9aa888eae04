/* SPDX-License-Identifier: Apache-2.0 */
/* The system calls of a running observer, and of no one who takes it over. */
#ifndef ONLOOKER_CONFINE_H
#define ONLOOKER_CONFINE_H

#include <stdbool.h>

/*
 * Allows, for good and for all threads, only what reading the ring buffer and maps, the endpoint,
 * exporters (sockets, names, threads) and /proc need; files only for reading; nothing executable is
 * made; with `probing` also the calls of probe_attach(). Any other call answers ENOSYS, as on a
 * kernel without it, so that the C library falls back or reports it; what can never be meant
 * (execve, ptrace, mount, ...) ends the process. 0; -EOPNOTSUPP in a build for the sanitizers,
 * which make calls of their own; else -errno: the kernel, or a filter that is in force already,
 * does not let us.
 */
int confine(bool probing);

#endif
