/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which Unix sockets still exist: the kernel has no event for their end, so /proc/PID/net/unix is
 * read, once per network namespace and refresh, and only while there are any to ask about.
 */
#ifndef ONLOOKER_UNIX_SOCKETS_H
#define ONLOOKER_UNIX_SOCKETS_H

#include <stdbool.h>
#include <stdint.h>

struct unix_sockets;

/* 0 or -ENOMEM; unix_sockets_free() ends it. */
int unix_sockets_new(struct unix_sockets **ret);
void unix_sockets_free(struct unix_sockets *sockets);

/* What was read is old now. */
void unix_sockets_refresh(struct unix_sockets *sockets);

/*
 * Whether a socket of that inode is open in the network namespace of process `tgid` (when it is
 * gone, in our own). True where that cannot be told.
 */
bool unix_sockets_open(struct unix_sockets *sockets, uint32_t tgid, uint64_t inode);

#endif
